"""A confined kernel, seen from the host: a wire to talk over, a process to interrupt or end."""

from __future__ import annotations

import os
import select
import signal
import socket
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import anyio

from kernelci.sandbox.groups import Group


@dataclass(slots=True)
class Kernel:
    """A confined process. `wire` is the host's end of its socket; `code` its exit code once `ended` is set.

    Its end is the end of all that it has started: by itself, or by the signal `ending`. Whoever has one must `kill`
    it in the end.
    """

    id: str
    wire: socket.socket
    pidfd: int
    ending: signal.Signals = signal.SIGKILL
    group: Group | None = None
    ended: anyio.Event = field(default_factory=anyio.Event)
    code: int | None = None

    @property
    def pid(self) -> int:
        """Its process, as this one sees it.

        Raises:
            ProcessLookupError: it has ended.
        """
        if self.is_over:
            raise ProcessLookupError("the kernel has ended")
        about = Path(f"/proc/self/fdinfo/{self.pidfd}").read_text()
        return next(int(line.split()[1]) for line in about.splitlines() if line.startswith("Pid:"))

    @property
    def starved(self) -> int:
        """How many of its processes Linux has ended since memory ran out; also after its end."""
        return self.group.killed if self.group else 0

    @property
    def is_over(self) -> bool:
        """Whether the process has ended, also where the news of that has not come yet."""
        if self.ended.is_set():
            return True
        watch = select.poll()  # select() knows no descriptors above 1023
        watch.register(self.pidfd, select.POLLIN)
        return bool(watch.poll(0))

    def interrupt(self) -> None:
        """Raise KeyboardInterrupt in its running cell, if there is one."""
        self._signal(signal.SIGINT)

    async def kill(self) -> None:
        """End it, with all it has started; returns when it is gone and the wire is closed."""
        self._signal(self.ending)
        await self.ended.wait()
        self.close()

    def close(self) -> None:
        """Close the wire; who waits for it gets ClosedResourceError."""
        if self.wire.fileno() != -1:
            anyio.notify_closing(self.wire)
            self.wire.close()

    def _signal(self, number: signal.Signals) -> None:
        if not self.ended.is_set():
            with suppress(ProcessLookupError):  # it has just ended by itself
                signal.pidfd_send_signal(self.pidfd, number)

    def end(self, code: int | None) -> None:
        """Take note of its end; what it has said before can still be read. None: it had to end with its zygote."""
        if not self.ended.is_set():
            self.code = code
            if self.group:
                self.group.end()
            self.ended.set()
            os.close(self.pidfd)
