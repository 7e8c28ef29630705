"""`kernelci backup` and `kernelci restore`: a data folder in one file, and out of it again."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from kernelci.cli.options import STATE, takes
from kernelci.cli.screen import tell
from kernelci.cli.state import with_store
from kernelci.cli.threads import newest_first
from kernelci.protocol.objects import Cell, Message
from kernelci.settings import Settings
from kernelci.store import backup as backups
from kernelci.store.folder import DataFolder
from kernelci.store.store import SqlStore
from kernelci.transcripts.writer import NotebookWriter


@takes(*STATE)
def backup(
    settings: Settings, file: Annotated[Path, typer.Argument(help="A new file, a tar.", show_default=False)]
) -> None:
    """Write all threads, files and keys' digests into one file, as they are now. A server may go on meanwhile."""
    held = backups.back_up(DataFolder(settings.data_dir), file)
    typer.echo(f"{file}: {file.stat().st_size / 1e6:.1f} MB, files in it: {held}")
    tell(Console(stderr=True), "Who can read it can read all conversations.", "bright_black")


@takes(*STATE)
def restore(
    settings: Settings, file: Annotated[Path, typer.Argument(help="What backup wrote.", show_default=False)]
) -> None:
    """Make a data folder, which must be empty or new, of a backup."""
    held = backups.restore(file, DataFolder(settings.data_dir))
    threads = with_store(settings, partial(_write_notebooks, DataFolder(settings.data_dir).notebooks))
    typer.echo(f"{settings.data_dir}: threads: {threads}, files: {held}")


async def _write_notebooks(folder: Path, store: SqlStore) -> int:
    """Write each thread's notebook, which no backup holds; gives how many there are."""
    written = 0
    async with NotebookWriter(folder, lambda thread_id: store.conversation(thread_id, Message, Cell)) as notebooks:
        async for thread in newest_first(store):
            await notebooks.settled(thread.id)
            written += 1
    return written
