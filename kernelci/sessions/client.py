"""A started kernel, seen from the host: the execution of one cell, and the kernel's end."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import anyio
import anyio.to_thread
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning.provisioner_base import KernelProvisionerBase

from kernelci.engine.ports import CellResult, OnStream
from kernelci.errors import KernelUnavailable
from kernelci.protocol.objects import CellStatus
from kernelci.protocol.parts import JsonObject
from kernelci.sessions.cell import RunningCell
from kernelci.sessions.channels import Channel, Channels, Message
from kernelci.sessions.trim import MEBIBYTE, Limits, trimmed

logger = logging.getLogger(__name__)

LOST = "Variables and imports are lost; the files in /mnt/data are kept."
WELCOME_TIMEOUT = 10.0
"""Seconds from the kernel's start to its first sign on the iopub channel."""

_LAST_WORDS_TIMEOUT = 1.0
_OFF_LOOP = 256 * 1024


@dataclass(frozen=True, slots=True)
class CellLimits:
    """What one cell may take: seconds to run, seconds to stop when interrupted, bytes to send, what is kept."""

    timeout: float
    grace: float
    received: int = 64 * MEBIBYTE
    kept: Limits = field(default_factory=Limits)


class KernelClient:
    """Executes cells in a kernel that has been started. `serve` must be running meanwhile."""

    def __init__(self, manager: AsyncKernelManager, limits: CellLimits) -> None:
        self.exit_code: int | None = None
        self.ended = False
        self._provisioner = cast(KernelProvisionerBase, manager.provisioner)
        self._channels = Channels(manager, limits.received)
        self._limits = limits
        self._cell: RunningCell | None = None
        self._welcomed = False
        self._broken: set[Channel] = set()
        self._killed = False
        self._interrupted: str | None = None
        self._changed = anyio.Event()

    @property
    def gone(self) -> bool:
        """Whether no cell can be executed any more: the kernel has ended, or cannot be reached."""
        return self.ended or bool(self._broken)

    async def serve(self) -> None:
        """Read the kernel's messages until it has ended."""
        try:
            async with anyio.create_task_group() as tasks:
                for channel in ("shell", "control", "iopub"):
                    tasks.start_soon(self._channels.read, channel, self._receive)
                for channel in ("shell", "iopub"):
                    tasks.start_soon(self._channels.watch, channel, self._break)
                self.exit_code = await self._provisioner.wait()
                # A child of the kernel may hold the connection open; else its end marks the last message.
                with anyio.move_on_after(_LAST_WORDS_TIMEOUT):
                    await self._until(lambda: "iopub" in self._broken)
                tasks.cancel_scope.cancel()
            await self._channels.drain(self._receive)
        finally:
            self._channels.close()
            self.ended = True
            self._wake()

    async def ready(self) -> None:
        """Return when the kernel is listened to.

        Raises:
            KernelUnavailable: it ends or stays silent instead.
        """
        with anyio.move_on_after(WELCOME_TIMEOUT):
            await self._until(lambda: self._welcomed or self.ended)
        if self.ended:
            raise KernelUnavailable(f"The kernel ended as soon as it had started ({self.cause_of_end()}).")
        if not self._welcomed:
            raise KernelUnavailable("The kernel has started but does not answer.")

    async def execute(self, code: str, on_stream: OnStream) -> CellResult:
        """Run one cell to its end, as `Sessions.execute` has it."""
        cell = RunningCell(self._channels.send("shell", "execute_request", _request(code)), self._limits.received)
        self._cell = cell
        try:
            status, note = await self._follow(cell, on_stream)
        finally:
            if not (cell.over or self.gone):
                with anyio.CancelScope(shield=True):
                    await self._stop(cell)
            self._cell = None
        await _tell(cell, on_stream)
        if note:
            cell.outputs.stream("stderr", note)
            await on_stream("stderr", note)
        outputs = cell.outputs.collected()
        if cell.received < _OFF_LOOP:
            kept = trimmed(outputs, self._limits.kept)
        else:
            kept = await anyio.to_thread.run_sync(trimmed, outputs, self._limits.kept)
        return CellResult(status, cell.execution_count, kept)

    async def kill(self) -> None:
        """End the kernel at once; returns when it is gone."""
        self._killed = True
        await self._provisioner.kill()
        await self._until(lambda: self.ended)

    def cause_of_end(self) -> str:
        """Why the kernel is not there any more, as far as its exit code tells."""
        code = self.exit_code
        if code is None or code >= 0:
            return f"exit code {code}"
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        return f"{name}, most likely because memory ran out" if code == -signal.SIGKILL else name

    async def _follow(self, cell: RunningCell, on_stream: OnStream) -> tuple[CellStatus, str | None]:
        """Tell what the cell prints until it is over or had to be stopped; how it ended, and what to say of it."""
        timeout = self._limits.timeout
        with anyio.move_on_after(timeout) as clock:
            await self._until(lambda: cell.busy or cell.over or cell.flooded or self.gone)
            clock.deadline = anyio.current_time() + timeout  # others may use the kernel, too: our time counts
            await _tell(cell, on_stream)
            while not (cell.over or cell.flooded or self.gone):
                await self._changed.wait()
                await _tell(cell, on_stream)
        if self.gone and not cell.over:
            await self._see_end()
        if cell.over and not cell.flooded:
            return ("ok" if cell.status == "ok" else "error"), None
        if not self.gone:
            await self._stop(cell)
        if self.ended and not self._killed:
            return "dead", f"The kernel has ended ({self.cause_of_end()}). {LOST}\n"
        sequel = f" It could not be interrupted, so its kernel was ended. {LOST}" if self.ended else ""
        if clock.cancelled_caught:
            return "timeout", f"The cell was stopped because it ran for more than {timeout:g} seconds.{sequel}\n"
        return "interrupted", f"The cell was stopped because it put out too much.{sequel}\n"

    async def _stop(self, cell: RunningCell) -> None:
        """Interrupt the cell; end the kernel where that does not help."""
        asked = self._channels.send("control", "interrupt_request", {})
        with anyio.move_on_after(self._limits.grace):
            # The answer to the interrupt must have come as well, or it might hit the next cell.
            await self._until(lambda: self.gone or (cell.over and self._interrupted == asked))
        if self.gone or not (cell.over and self._interrupted == asked):
            await self._see_end()

    async def _see_end(self) -> None:
        """Wait for the end of a kernel that cannot be reached, and bring it about if it does not come by itself."""
        with anyio.move_on_after(self._limits.grace if self._broken else 0):
            await self._until(lambda: self.ended)
        if not self.ended:
            logger.warning("a kernel does not obey: ending it", extra={"action": "kernel_killed"})
            await self.kill()

    def _receive(self, channel: Channel, message: Message) -> None:
        cell = self._cell
        match channel:
            case "iopub" if message.kind == "iopub_welcome":
                self._welcomed = True
            case "iopub" if cell and message.parent == cell.id:
                cell.publish(message.kind, message.content, message.size)
            case "shell" if cell and message.parent == cell.id:
                cell.reply(message.content)
            case "control" if message.kind == "interrupt_reply":
                self._interrupted = message.parent
            case _:
                return  # of an earlier cell, or of another client
        self._wake()

    def _break(self, channel: Channel) -> None:
        """A connection broke: the kernel has ended, or has sent a message that is too long."""
        self._broken.add(channel)
        self._wake()

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            await self._changed.wait()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()


def _request(code: str) -> JsonObject:
    return {
        "code": code,
        "silent": False,
        "store_history": True,
        "user_expressions": {},
        "allow_stdin": False,
        "stop_on_error": False,  # or the next request could be aborted as one that came too soon
    }


async def _tell(cell: RunningCell, on_stream: OnStream) -> None:
    while printed := cell.printed():
        for name, text in printed:
            await on_stream(name, text)
