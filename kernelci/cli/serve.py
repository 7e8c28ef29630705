"""`kernelci serve`: the server in the foreground."""

from __future__ import annotations

import logging

import typer
from rich.console import Console

from kernelci.cli.environment import prepare_kernels
from kernelci.cli.options import SERVING, takes
from kernelci.cli.screen import tell
from kernelci.sandbox.level import LACKING
from kernelci.settings import Settings

logger = logging.getLogger(__name__)


@takes(*SERVING)
def serve(settings: Settings) -> None:
    """Serve the Assistants API until stopped."""
    from kernelci import server  # noqa: PLC0415  a second that only those pay who serve
    from kernelci.telemetry import log  # noqa: PLC0415

    log.to_stderr(settings.log_format, settings.log_level)
    in_json = settings.log_format == "json"
    console = Console(stderr=True, quiet=in_json)  # or a program that reads the log would meet sentences
    settings = prepare_kernels(settings, console)
    if in_json and settings.sandbox != "auto" and (lacking := LACKING[settings.sandbox]):
        logger.warning(lacking, extra={"action": "weaker_sandbox", "sandbox": settings.sandbox})

    def upstream(sentence: str) -> None:
        tell(console, sentence)
        if in_json:
            logger.info(sentence, extra={"action": "upstream_chosen"})

    server.serve(
        settings, ready=lambda address: typer.echo(f"kernelci is listening on {address}"), upstream=upstream
    )
