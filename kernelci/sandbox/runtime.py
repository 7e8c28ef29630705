"""The private folder of a kernel that plain Jupyter has started: for its sockets, and for files of its own.

Its host holds a lock on it, which goes with the host, however that ends. Who starts a kernel next removes what is
left of it.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from kernelci.sandbox import beneath

_NAME = "kernelci-kernel-"
_UNLOCKED = f".{_NAME}"
_LONGEST_SOCKET = 100
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class RuntimeFolder:
    """A folder that is this process's until it is removed. The paths of sockets in it are short enough."""

    path: Path
    lock: int

    @classmethod
    def new(cls) -> Self:
        """A new one; those whose hosts have died without removing them are removed. Blocks.

        Raises:
            OSError: it cannot be made.
        """
        place = Path(tempfile.gettempdir())
        if len(os.fsencode(place / f"{_NAME}12345678" / "k-5")) >= _LONGEST_SOCKET:
            place = Path("/tmp")  # noqa: S108 - what is made there is private
        _remove_abandoned(place)
        made = Path(tempfile.mkdtemp(prefix=_UNLOCKED, dir=place))
        lock = os.open(made, _FOLDER)
        fcntl.flock(lock, fcntl.LOCK_EX)
        # Only now does it get a name at which others look whether it is locked.
        return cls(made.rename(made.with_name(made.name.removeprefix("."))), lock)

    def remove(self) -> None:
        """Remove it with all it holds. Blocks.

        Raises:
            OSError: something of it stays, for the next one to remove.
        """
        try:
            beneath.remove(self.path)
        finally:
            os.close(self.lock)


def _remove_abandoned(place: Path) -> None:
    for folder in place.glob(f"{_NAME}*"):
        with suppress(OSError):  # another one is removing it
            opened = os.open(folder, _FOLDER)
            try:
                if os.fstat(opened).st_uid == os.geteuid():
                    fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)  # refused while its host lives
                    beneath.remove(folder)
            finally:
                os.close(opened)
