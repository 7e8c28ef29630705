"""`kernelci kernels`: the environment that the model's code runs in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from kernelci.cli.environment import prepare
from kernelci.cli.options import takes
from kernelci.sandbox import environment
from kernelci.settings import Settings

kernels = typer.Typer(help="Build and pin the environment of the model's code.", no_args_is_help=True)


@kernels.command()
@takes("cache_dir")
def build(settings: Settings) -> None:
    """Build the environment now; else it is built when it is first needed."""
    prepare(settings, Console(stderr=True))
    typer.echo(environment.environment(settings.cache_dir).folder)


@kernels.command()
def lock(
    folder: Annotated[Path, typer.Argument(help="A kernelspec's folder, with a requirements.in.")] = Path(
        "kernels/kernelci"
    ),
) -> None:
    """Pin what a kernelspec's requirements.in asks for, with hashes, in its requirements.lock."""
    environment.lock(folder)
    typer.echo(folder / "requirements.lock")
