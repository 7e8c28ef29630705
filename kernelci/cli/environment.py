"""What the model's code needs to run: confinement, and its environment, made ready while a person watches."""

from __future__ import annotations

from rich.console import Console

from kernelci.cli.screen import tell
from kernelci.sandbox import probe
from kernelci.sandbox.environment import environment
from kernelci.sandbox.level import LACKING
from kernelci.settings import Settings


def prepare_kernels(settings: Settings, console: Console) -> Settings:
    """Make sure that kernels have what they need; gives the settings with how they are confined here.

    Says what protections they lack, at every start.

    Raises:
        SandboxUnavailable: this machine does not let them be confined as is wanted.
        EnvironmentUnavailable: their environment cannot be built.
    """
    level = probe.choose(settings.sandbox)
    if lacking := LACKING[level]:
        tell(console, f"Warning: {lacking}.", "bold red" if level == "off" else "yellow")
    prepare(settings, console)
    return settings.model_copy(update={"sandbox": level})


def prepare(settings: Settings, console: Console) -> None:
    """Build the environment unless that was done, showing how far it is.

    Raises:
        EnvironmentUnavailable: it cannot be built.
    """
    wanted = environment(settings.cache_dir, settings.kernel)
    if wanted.shown and wanted.ready:
        return
    with console.status("This happens once; later starts need no network."):
        wanted.prepare(lambda phase: tell(console, phase))
    tell(console, f"It is ready: {wanted.folder}")
