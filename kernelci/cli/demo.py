"""`kernelci demo`: the whole path in a few seconds, without an account, a model or a network."""

from __future__ import annotations

from rich.console import Console

from kernelci.cli.environment import prepare_kernels
from kernelci.cli.options import takes
from kernelci.cli.screen import tell
from kernelci.settings import Settings


@takes("cache_dir", "kernel", "sandbox")
def demo(settings: Settings) -> None:
    """Watch an assistant analyse a CSV, fail, mend its code and draw a chart. Needs no account and no model."""
    from kernelci.cli import penguins  # noqa: PLC0415  a second that only those pay who watch

    settings = prepare_kernels(settings, Console(stderr=True))
    console = Console()
    penguins.show(settings, console)
    tell(console, "\nIt is all there, as files:", "bold")
    made = {
        penguins.CHART: "the chart",
        penguins.TABLE: "the numbers",
        penguins.NOTEBOOK: "the conversation as a notebook",
    }
    for path, what in made.items():
        tell(console, f"  {path!s:36} {what}")
    tell(
        console,
        '\nYour turn (in a clone: .uv/bin/uv run kernelci …): kernelci ask "What is in this file?" -f your.csv',
        "bold",
    )
