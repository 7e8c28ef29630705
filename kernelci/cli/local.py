"""The server a command talks to: the one that runs on its data folder, or else one of its own while it lasts."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from pydantic import SecretStr
from rich.console import Console

from kernelci.cli.environment import prepare_kernels
from kernelci.cli.screen import tell
from kernelci.errors import StartupError
from kernelci.protocol import ids
from kernelci.server import running
from kernelci.settings import Settings
from kernelci.store import folder


@contextmanager
def server_for(settings: Settings, console: Console) -> Generator[tuple[str, SecretStr | None]]:
    """The address of a server on the data folder, and the key for it; says who will be sent the conversations.

    Raises:
        StartupError: there is none, and none can be started.
    """
    if address := folder.running(settings.data_dir):
        tell(console, f"Asking the kernelci server at {address}, which has its own model.", "bright_black")
        if _chosen(settings) != _chosen(
            Settings.model_validate({})
        ):  # what the environment says is nobody's wish now
            raise StartupError(
                f"The server at {address} uses this data folder, and its own model answers. Leave out --model and "
                "--model-url, or stop the server, or choose another --data-dir."
            )
        yield address, settings.api_key
        return
    # With a key that nobody else has: other people of this machine have no business there.
    key = settings.api_key or SecretStr(ids.letters(44))
    own = prepare_kernels(settings, console).model_copy(update={"host": "127.0.0.1", "port": 0, "api_key": key})
    with running(own, upstream=lambda sentence: tell(console, sentence, "bright_black")) as address:
        yield address, key


def _chosen(settings: Settings) -> tuple[object, ...]:
    """What says which model answers."""
    return settings.model, settings.model_url, settings.models


def notebook_of(settings: Settings, thread_id: str) -> Path:
    """Where the server keeps a thread's notebook."""
    return folder.DataFolder(settings.data_dir).notebooks / f"{thread_id}.ipynb"
