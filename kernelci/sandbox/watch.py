"""A kernel of plain Jupyter is held to the size of its /mnt/data. The server's are by sessions/client.py.

The host's event loop cannot be relied on: many Jupyter programs run theirs only while they wait for a kernel.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from kernelci.sandbox import disk

logger = logging.getLogger(__name__)

_LOOK = 1.0
_SHARE = 10
"""A look at the disk may take this part of the time: the larger the folder, the rarer the looks."""

_ALL = 1 << 62
_MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class DiskLimits:
    """Bytes that a folder may hold, and how many more once its kernel is interrupted for that."""

    most: int
    beyond: int


def watch_disk(process: int, folder: Path, limits: DiskLimits) -> None:
    """Interrupt the kernel while its folder is too full, and end it if it goes on filling it; until it has ended.

    Returns at once. `process` is a child of ours that has not been waited for.
    """
    arguments = (os.pidfd_open(process), folder, limits)
    threading.Thread(target=_watch, args=arguments, name="kernelci-disk", daemon=True).start()


def _watch(kernel: int, folder: Path, limits: DiskLimits) -> None:
    before = disk.taken(folder, _ALL)
    # One that begins in a folder that is too full already must be able to delete what is in it.
    hard = None if before is None else max(limits.most, before) + limits.beyond
    pause = _LOOK
    end = select.poll()
    end.register(kernel, select.POLLIN)
    try:
        while not end.poll(pause * 1000):
            began = time.monotonic()
            if disk.taken(folder, limits.most) is None:
                goes_on = hard is not None and disk.taken(folder, hard) is None
                _stop(kernel, limits.most, signal.SIGKILL if goes_on else signal.SIGINT)
            pause = max(_LOOK, _SHARE * (time.monotonic() - began))
    finally:
        os.close(kernel)


def _stop(kernel: int, most: int, number: signal.Signals) -> None:
    logger.warning(
        "kernel %s: the files in its /mnt/data take more than %s MiB, or are too many (KERNELCI_DISK)",
        "ended" if number == signal.SIGKILL else "interrupted",
        f"{most / _MEBIBYTE:,.0f}",
        extra={"action": "disk_full"},
    )
    with suppress(ProcessLookupError):  # it has just ended by itself
        signal.pidfd_send_signal(kernel, number)
