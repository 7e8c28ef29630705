"""`kernelci serve`: the server in the foreground."""

from __future__ import annotations

import logging

import typer
from rich.console import Console

from kernelci.cli.environment import prepare_kernels
from kernelci.cli.options import SERVING, takes
from kernelci.cli.screen import tell
from kernelci.settings import Settings


@takes(*SERVING)
def serve(settings: Settings) -> None:
    """Serve the Assistants API until stopped."""
    from kernelci import server  # noqa: PLC0415  a second that only those pay who serve

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    console = Console(stderr=True)
    settings = prepare_kernels(settings, console)

    server.serve(
        settings,
        ready=lambda address: typer.echo(f"kernelci is listening on {address}"),
        upstream=lambda sentence: tell(console, sentence),
    )
