"""SIGINT in a kernel: it stops the cell that runs, once, and never between the bytes of a message."""

from __future__ import annotations

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager


class Interrupts:
    """Decides for each SIGINT whether it is a KeyboardInterrupt; the host repeats it until the cell has ended."""

    def __init__(self) -> None:
        self._allowed = False
        self._held = 0
        self._came = False
        signal.signal(signal.SIGINT, self._interrupt)

    @contextmanager
    def allowed(self) -> Generator[None]:
        """Raise KeyboardInterrupt within, at most once; the code of a cell cannot change that for the next."""
        signal.signal(signal.SIGINT, self._interrupt)
        self._came, self._allowed = False, True
        try:
            yield
        finally:
            self._allowed = False

    @contextmanager
    def held(self) -> Generator[None]:
        """Raise it not within, but afterwards."""
        if threading.current_thread() is not threading.main_thread():
            yield  # signals are for the main thread alone
            return
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1
            if self._came and not self._held:
                self._came = False
                self._interrupt()

    def _interrupt(self, *_: object) -> None:
        if self._held:
            self._came = True
        elif self._allowed:
            self._allowed = False
            raise KeyboardInterrupt
