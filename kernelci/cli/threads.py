"""`kernelci threads`: the threads of a data folder and their notebooks, whether a server runs on it or not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from anyio import to_thread
from rich.console import Console
from rich.text import Text

from kernelci.cli.files import written
from kernelci.cli.options import STATE, takes
from kernelci.cli.screen import plain
from kernelci.cli.state import with_store
from kernelci.engine.ports.store import Page
from kernelci.errors import StartupError
from kernelci.protocol.keys import matching
from kernelci.protocol.objects import LOCAL, Cell, Message, Thread
from kernelci.protocol.parts import TextPart
from kernelci.settings import Settings
from kernelci.store.folder import DataFolder, running
from kernelci.store.store import SqlStore
from kernelci.transcripts.export import exported
from kernelci.transcripts.notebook import assembled, merged

T = TypeVar("T")

threads = typer.Typer(help="List and export the threads of a data folder.", no_args_is_help=True)

Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="Where to write it; - for standard output.", show_default=False),
]


@threads.command("list")
@takes(*STATE, "api_key")
def list_(settings: Settings) -> None:
    """List the threads, newest first: id, when it was made, how it begins."""
    console = Console()
    for thread, beginning in _with_threads(settings, _beginnings):
        made = datetime.fromtimestamp(thread.created_at).astimezone()
        console.print(
            Text.assemble((thread.id, "bold"), "  ", (f"{made:%Y-%m-%d %H:%M}", "bright_black"), "  ", beginning),
            soft_wrap=True,
        )


@threads.command()
@takes(*STATE, "api_key")
def export(
    settings: Settings,
    thread: Annotated[str, typer.Argument(help="Its id.", show_default=False)],
    output: Output = None,
) -> None:
    """Write a thread as a notebook that opens in any Jupyter. It is made from the store, so it can't be lost."""
    notebook = exported(_with_threads(settings, partial(_notebook, thread)))
    if output == Path("-"):
        typer.get_binary_stream("stdout").write(notebook)
    elif output is None:
        typer.echo(written(Path(f"{thread}.ipynb"), notebook))
    else:
        try:
            output.write_bytes(notebook)
        except OSError as error:
            raise StartupError(f"The notebook cannot be written to {output}: {error.strerror}.") from error
        typer.echo(output)


def _with_threads(settings: Settings, work: Callable[[SqlStore], Awaitable[T]]) -> T:
    """Do this with the threads that the settings' key may see; without one, with all that are in the folder."""
    folder = DataFolder(settings.data_dir)
    try:
        there = folder.database.stat().st_size > 0
    except (FileNotFoundError, NotADirectoryError):
        there = False
    except OSError as error:
        raise StartupError(f"The data folder {folder.path} cannot be read: {error.strerror}.") from error
    if not there:
        raise StartupError(f"There are no threads in {folder.path}. Is it the right --data-dir?")
    return with_store(settings, partial(_of_the_key, settings, work))


async def _of_the_key(settings: Settings, work: Callable[[SqlStore], Awaitable[T]], store: SqlStore) -> T:
    if settings.api_key is None:
        return await work(store)
    named = await store.keys.all()
    key = matching(settings.api_key.get_secret_value().encode(), named)
    if key is None:
        await to_thread.run_sync(_is_the_servers, settings, bool(named))
    return await work(store.of(key.name if key else LOCAL))


def _is_the_servers(settings: Settings, others: bool) -> None:
    """Make sure that a key without a name is the server's own; without a server, that there are no others."""
    if address := running(settings.data_dir):
        from kernelci.cli.client import openai_client  # noqa: PLC0415  a second that only those pay who ask

        with openai_client(address, settings.api_key) as client:
            client.models.list()
    elif others:
        raise StartupError(
            "The key is none of those of this data folder (kernelci keys list). "
            "Without --api-key and KERNELCI_API_KEY, all threads in it are shown."
        )


async def _beginnings(store: SqlStore) -> list[tuple[Thread, str]]:
    return [(thread, await _beginning(store, thread)) async for thread in newest_first(store)]


async def newest_first(store: SqlStore) -> AsyncIterator[Thread]:
    """All threads of the store."""
    last: str | None = None
    while True:
        page = await store.page(Thread, Page(limit=100, after=last))
        for thread in page.data:
            yield thread
        if not page.has_more:
            return
        last = page.data[-1].id


async def _beginning(store: SqlStore, thread: Thread) -> str:
    """The first line that was said."""
    first = await store.page(Message, Page(limit=1, order="asc"), within=thread.id)
    said = (part.text.value for message in first.data for part in message.content if isinstance(part, TextPart))
    return plain(next(said, "").strip().partition("\n")[0])


async def _notebook(thread_id: str, store: SqlStore) -> bytes:
    await store.get(Thread, thread_id)
    items = await store.conversation(thread_id, Message, Cell)
    return b"".join(assembled(thread_id, merged({}, items)))
