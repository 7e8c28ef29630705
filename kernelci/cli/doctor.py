"""`kernelci doctor`: whether this machine lets code be confined, tried for real, and how quick its kernels are."""

from __future__ import annotations

import anyio
from rich.console import Console
from rich.text import Text

from kernelci.cli.environment import prepare
from kernelci.cli.options import takes
from kernelci.sandbox import probe
from kernelci.sandbox.environment import environment
from kernelci.sandbox.groups import REMEDY, Groups, Shares
from kernelci.sandbox.level import LACKING
from kernelci.settings import Settings

_MEBIBYTE = 1024 * 1024


_ABOUT: dict[probe.Confined, str] = {
    "namespaces": "namespaces: the strongest confinement",
    "landlock": "landlock: what is left where namespaces are forbidden",
}


@takes("cache_dir", "kernel", "sandbox")
def doctor(settings: Settings) -> None:
    """Try each protection on this machine, say what is missing and what helps, and measure kernels."""
    console = Console()
    for level in probe.LADDER:
        tell_about(console, Text(_ABOUT[level], "bold"))
        for protection in probe.protections(level):
            _show(protection, console)
        tell_about(console, Text(""))
    _tell_of_groups(settings, console)
    level = probe.choose(settings.sandbox)
    tell_about(console, Text(f"Kernels are confined by: {level}", "bold"))
    if lacking := LACKING[level]:
        tell_about(console, Text(f"    {lacking}"))
    prepare(settings, Console(stderr=True))
    _measure(settings.model_copy(update={"sandbox": level}), console)


def _show(protection: probe.Protection, console: Console) -> None:
    mark = ("✓ ", "green") if protection.holds else ("✗ ", "red")
    tell_about(console, Text.assemble(mark, protection.title))
    if not protection.holds:
        tell_about(console, Text(f"    cause:  {protection.cause}"))
        tell_about(console, Text(f"    remedy: {protection.remedy}"))


def _tell_of_groups(settings: Settings, console: Console) -> None:
    """Where no control group is ours to divide, code is still confined: nothing is missing that must be there."""
    groups = Groups.found(Shares(settings.memory, settings.processes, settings.cpus))
    if groups.controllers:
        tell_about(console, Text.assemble(("✓ ", "green"), f"limits of a session as a whole: {groups}"))
    else:
        tell_about(console, Text("- limits of a session as a whole: none, only of each process"))
        tell_about(console, Text(f"    remedy: {REMEDY}"))


def _measure(settings: Settings, console: Console) -> None:
    from kernelci.sandbox.figures import measure  # noqa: PLC0415  only where there is something to measure

    figures = anyio.run(measure, environment(settings.cache_dir, settings.kernel), settings.sandbox)
    memory = f"{figures.memory / _MEBIBYTE:.1f} MiB" if figures.memory is not None else "seen by root only"
    rows = {
        "start of the process that kernels are forked from": f"{figures.zygote:.1f} s",
        "new kernel to its first result with pandas and matplotlib": f"{figures.bare * 1000:.1f} ms",
        "the same with a kernel in reserve": f"{figures.reserve * 1000:.1f} ms",
        "a cell in a kernel that is there": f"{figures.warm * 1000:.1f} ms",
        "memory of an idle kernel that has pandas and matplotlib": memory,
    }
    tell_about(console, Text(""))
    for what, value in rows.items():
        tell_about(console, Text(f"{what:58} {value:>10}"))


def tell_about(console: Console, line: Text) -> None:
    """Print a line as it is, however wide the terminal."""
    console.print(line, soft_wrap=True)
