"""The server a command talks to: the one that runs on its data folder, or else one of its own while it lasts."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.text import Text

from kernelci.sandbox.environment import environment
from kernelci.server import running
from kernelci.settings import Settings
from kernelci.store import folder

UNCONFINED = (
    "The code that the model writes is not confined yet: it runs with your rights and can read, change and send "
    "what you can. Let only those use it, people and models, whom you would let use your shell."
)


def tell(console: Console, sentence: str, style: str = "") -> None:
    """Print a sentence about what goes on, as it is."""
    console.print(Text(sentence, style), soft_wrap=True)


@contextmanager
def server_for(settings: Settings, console: Console) -> Generator[str]:
    """The address of a server on the data folder; says who will be sent the conversations.

    Raises:
        StartupError: there is none, and none can be started.
    """
    if address := folder.running(settings.data_dir):
        tell(console, f"Asking the kernelci server at {address}.", "bright_black")
        yield address
        return
    prepare(settings, console)
    own = settings.model_copy(update={"host": "127.0.0.1", "port": 0})
    with running(own, upstream=lambda sentence: tell(console, sentence, "bright_black")) as address:
        tell(console, UNCONFINED, "yellow")
        yield address


def prepare(settings: Settings, console: Console) -> None:
    """Build the environment of the model's code unless that was done, showing how far it is.

    Raises:
        EnvironmentUnavailable: it cannot be built.
    """
    wanted = environment(settings.cache_dir)
    if wanted.ready:
        return
    with console.status("This happens once; later starts need no network."):
        wanted.prepare(lambda phase: tell(console, phase))
    tell(console, f"It is ready: {wanted.folder}")


def notebook_of(settings: Settings, thread_id: str) -> Path:
    """Where the server keeps a thread's notebook."""
    return folder.DataFolder(settings.data_dir).notebooks / f"{thread_id}.ipynb"
