"""The private folder of a kernel that plain Jupyter has started: for its sockets, and for files of its own."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from kernelci.sandbox import leftovers

_LONGEST_SOCKET = 100


def make() -> Path:
    """A new folder, short enough a path for sockets in it; those that dead processes have left are removed. Blocks.

    Its name tells whose it is (leftovers.py), so that it goes at last when this process is killed.

    Raises:
        OSError: it cannot be made.
    """
    leftovers.sweep()
    prefix = leftovers.prefix()
    place = Path(tempfile.gettempdir())
    if len(os.fsencode(place / f"{prefix}12345678" / "k-5")) >= _LONGEST_SOCKET:
        place = Path("/tmp")  # noqa: S108 - what is made there is private
    return Path(tempfile.mkdtemp(prefix=prefix, dir=place))
