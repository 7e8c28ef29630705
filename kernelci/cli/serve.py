"""`kernelci serve`: the server in the foreground."""

from __future__ import annotations

import logging

import typer
from rich.console import Console

from kernelci import server
from kernelci.cli.local import UNCONFINED, prepare, tell
from kernelci.cli.options import SERVING, takes
from kernelci.settings import Settings


@takes(*SERVING)
def serve(settings: Settings) -> None:
    """Serve the Assistants API until stopped."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    console = Console(stderr=True)
    prepare(settings, console)

    def upstream(sentence: str) -> None:
        tell(console, UNCONFINED, "yellow")
        tell(console, sentence)

    server.serve(
        settings, ready=lambda address: typer.echo(f"kernelci is listening on {address}"), upstream=upstream
    )
