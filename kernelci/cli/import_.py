"""`kernelci import`: what was exported from a service with this API, taken into the data folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import anyio
import typer
from rich.console import Console

from kernelci.cli.environment import prepare_kernels
from kernelci.cli.options import STATE, takes
from kernelci.cli.screen import plain, tell
from kernelci.errors import InvalidRequest, StartupError
from kernelci.protocol.keys import checked
from kernelci.protocol.objects import LOCAL
from kernelci.settings import Settings

if TYPE_CHECKING:
    from kernelci.imports.importer import Taken

Export = Annotated[Path, typer.Argument(help="Its folder or zip.", show_default=False)]
Replay = Annotated[
    bool, typer.Option("--replay", help="Run the old code again, confined, thread by thread, for its files.")
]
Owner = Annotated[str, typer.Option(help="The name of the key whose it is to be.")]


@takes(*STATE, "max_upload")
def import_(settings: Settings, export: Export, replay: Replay = False, owner: Owner = LOCAL) -> None:
    """Take in assistants, threads, messages, runs, steps and files under their ids. No code runs unless asked."""
    console = Console(stderr=True)
    try:
        checked(owner)
    except InvalidRequest as error:
        raise StartupError(f"--owner: {error.message}") from None
    if replay:
        prepare_kernels(settings, console)
    taken = anyio.run(_taken_in, settings, export, replay, owner, console)
    if not (taken.new or taken.known or taken.left):
        raise StartupError(f"{export} has nothing to take in. README.md, 'Bring what you exported', has its form.")
    if taken.left:
        raise StartupError(f"{taken.left} of the export's objects could not be taken in; the rest is there.")


async def _taken_in(settings: Settings, export: Path, again: bool, owner: str, console: Console) -> Taken:
    from kernelci.app import kept  # noqa: PLC0415  a second that only those pay who import
    from kernelci.imports.archive import Archive  # noqa: PLC0415
    from kernelci.imports.importer import Importer  # noqa: PLC0415
    from kernelci.imports.replay import replay  # noqa: PLC0415

    def told(sentence: str) -> None:
        tell(console, f"left out: {plain(' '.join(sentence.split()))}")

    with Archive(export) as archive:
        async with kept(settings) as rooms:
            importer = Importer(
                store=rooms.store.of(owner),
                blobs=rooms.blobs,
                transcripts=rooms.transcripts,
                limit=settings.max_upload,
                told=told,
            )
            taken = await importer.take(archive)
            for kind in sorted(taken.new | taken.known):
                known = f" ({taken.known[kind]} were there already)" if taken.known[kind] else ""
                typer.echo(f"{taken.new[kind]:6} {kind}{known}")
            if owner != LOCAL and owner not in [key.name for key in await rooms.keys.all()]:
                tell(console, f"To see it, make a key: kernelci keys add {owner}", "yellow")
            if again:
                if taken.known["thread"]:
                    tell(console, "No code of threads that were there already is run again.", "yellow")
                for thread in taken.threads:
                    done = await replay(thread, store=rooms.store, blobs=rooms.blobs, sessions=rooms.sessions)
                    typer.echo(f"{thread}: {done.cells} cells run again, {done.otherwise} ended otherwise")
            return taken
