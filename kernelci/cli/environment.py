"""The environment of the model's code: made ready while a person watches, and what they should know of it."""

from __future__ import annotations

from rich.console import Console

from kernelci.cli.screen import tell
from kernelci.sandbox.environment import environment
from kernelci.settings import Settings

UNCONFINED = (
    "The code that the model writes is not confined yet: it runs with your rights and can read, change and send "
    "what you can. Let only those use it, people and models, whom you would let use your shell."
)


def prepare(settings: Settings, console: Console) -> None:
    """Build the environment unless that was done, showing how far it is.

    Raises:
        EnvironmentUnavailable: it cannot be built.
    """
    wanted = environment(settings.cache_dir)
    if wanted.ready:
        return
    with console.status("This happens once; later starts need no network."):
        wanted.prepare(lambda phase: tell(console, phase))
    tell(console, f"It is ready: {wanted.folder}")
