"""`kernelci kernels`: the environments that the model's code runs in, and the kernelspecs they belong to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from kernelci.cli.environment import prepare
from kernelci.cli.options import takes
from kernelci.cli.screen import tell
from kernelci.errors import StartupError
from kernelci.sandbox import cache, kernelspec
from kernelci.sandbox.cache import Cached
from kernelci.sandbox.environment import environment
from kernelci.settings import Settings

_MEBIBYTE = 1024 * 1024
_WIDEST = 200

kernels = typer.Typer(
    help="The environments of the model's code: make, pin, build, list, prune.", no_args_is_help=True
)


@kernels.command("list")
@takes("cache_dir")
def list_environments(settings: Settings) -> None:
    """Show the environments: whose they are, how large, which are in use and which nobody needs."""
    table = Table(box=None, pad_edge=False)
    for heading in ("environment", "kernelspec", "Python", "MiB", ""):
        table.add_column(heading, justify="right" if heading == "MiB" else "left", no_wrap=True)
    found = cache.cached(settings.cache_dir)
    for each in found:
        table.add_row(
            str(each.environment.folder.name),
            ", ".join(each.kernels) or "-",
            each.python or "-",
            f"{each.size / _MEBIBYTE:,.0f}",
            _state(each),
        )
    for kernel in kernelspec.installed():
        if not any(kernel in each.kernels for each in found):
            table.add_row("-", kernel, "-", "-", "not built")
    Console(width=_WIDEST).print(table)


@kernels.command()
@takes("cache_dir")
def prune(settings: Settings) -> None:
    """Remove the environments that no kernelspec gives any more and that nothing uses."""
    console = Console(stderr=True)
    try:
        removed = cache.prune(settings.cache_dir, lambda phase: tell(console, phase))
    except OSError as error:
        raise StartupError(f"{settings.cache_dir} cannot be written to: {error.strerror}.") from error
    for each in removed:
        typer.echo(f"{each.environment.folder.name} removed, {each.size / _MEBIBYTE:,.0f} MiB")


@kernels.command()
@takes("cache_dir", "kernel")
def build(settings: Settings) -> None:
    """Build the environment of a kernelspec now; else it is built when it is first needed."""
    prepare(settings, Console(stderr=True))
    typer.echo(environment(settings.cache_dir, settings.kernel).folder)


@kernels.command()
def copy(kernel: Annotated[str, typer.Argument(help="The new kernelspec's name.")]) -> None:
    """Make a kernelspec of your own, in Jupyter's folder of yours: a copy of kernelci's, to be changed."""
    typer.echo(kernelspec.copy(kernel))


@kernels.command()
def lock(
    folder: Annotated[Path, typer.Argument(help="A kernelspec's folder, with a requirements.in.")] = Path(
        "kernels/kernelci"
    ),
) -> None:
    """Pin what a kernelspec's requirements.in asks for, with hashes, in its requirements.lock."""
    kernelspec.lock(folder)
    typer.echo(folder / kernelspec.LOCK)


def _state(each: Cached) -> str:
    states = {"in use": each.in_use, "wanted elsewhere": each.wanted and not each.kernels}
    return ", ".join(state for state, holds in states.items() if holds) or ("" if each.wanted else "not needed")
