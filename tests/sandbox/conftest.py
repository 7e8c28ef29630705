"""The environment of the model's code, as the sessions' tests have it, and a machine that forbids namespaces."""

from __future__ import annotations

import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

from kernelci.sandbox.environment import Environment
from tests.sessions.conftest import built

FORBIDDEN = (
    *("unshare", "--user", "--map-root-user", "sh", "-c"),
    'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"',
    "sh",
)
"""What to run a command with, so that it may not make user namespaces."""


@pytest.fixture
def place(built: Environment) -> Generator[Path]:
    """A folder for environments that kernels can see, which those below /tmp are not."""
    with tempfile.TemporaryDirectory(dir=built.folder.parents[1]) as folder:
        Path(folder).chmod(0o755)  # for whomever kernels run as
        yield Path(folder)


__all__ = ["FORBIDDEN", "built"]
