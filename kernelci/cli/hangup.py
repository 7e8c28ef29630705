"""The terminal is closed while a command talks: to be as Ctrl-C, so that no run goes on that nobody sees."""

from __future__ import annotations

import os
import signal
import stat
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def hangup_interrupts() -> Generator[None]:
    """While the block lasts, SIGHUP is a KeyboardInterrupt; not where it is ignored, as under nohup."""
    before = signal.getsignal(signal.SIGHUP)
    if before != signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGHUP, _hung_up)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


def _hung_up(_signal: int, _frame: FrameType | None) -> None:
    """Let nothing be read from the terminal or written to it any more, since that would fail."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        if stat.S_ISCHR(os.fstat(descriptor).st_mode):
            os.dup2(nowhere, descriptor)
    raise KeyboardInterrupt
