"""A confined kernel, seen from the host: a wire to talk over, a process to interrupt or end."""

from __future__ import annotations

import os
import signal
import socket
from dataclasses import dataclass, field

import anyio

@dataclass(slots=True)
class Kernel:
    """A confined process. `wire` is the host's end of its socket; `code` its exit code once `ended` is set."""

    id: str
    wire: socket.socket
    pidfd: int
    ended: anyio.Event = field(default_factory=anyio.Event)
    code: int | None = None

    def interrupt(self) -> None:
        """Raise KeyboardInterrupt in its running cell, if there is one."""
        self._signal(signal.SIGINT)

    async def kill(self) -> None:
        """End it, with all it has started; returns when it is gone."""
        self._signal(signal.SIGKILL)
        await self.ended.wait()

    def _signal(self, number: signal.Signals) -> None:
        if not self.ended.is_set():
            try:
                signal.pidfd_send_signal(self.pidfd, number)
            except ProcessLookupError:
                pass  # it has just ended by itself

    def end(self, code: int | None) -> None:
        """Take note of its end."""
        if not self.ended.is_set():
            self.code = code
            self.ended.set()
            self.wire.close()
            os.close(self.pidfd)
