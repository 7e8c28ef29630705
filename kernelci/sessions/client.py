"""A kernel at work, seen from the host: the execution of one cell, and the kernel's end.

The kernel's side of the wire is sandbox/inside/wire.py. What comes over it is not to be trusted: it can lie
about the cell that is running, and about nothing else.
"""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import anyio.to_thread

from kernelci.engine.ports.sessions import CellResult, OnOutput, Told
from kernelci.protocol import ids
from kernelci.protocol.objects import CellStatus
from kernelci.protocol.parts import JsonObject
from kernelci.sandbox import disk
from kernelci.sandbox.kernel import Kernel
from kernelci.sessions.cell import RunningCell
from kernelci.sessions.terminal import plain
from kernelci.sessions.trim import MEBIBYTE, Limits, trimmed
from kernelci.sessions.wire import OFF_LOOP, Wire, mapping

logger = logging.getLogger(__name__)

LOST = "Variables and imports are lost; the files in /mnt/data are kept."

GIBIBYTE = 1024 * MEBIBYTE

_REASON = 500
_MESSAGE = 512  # bytes that a message costs us, however short it is
_LAST_BREATH = 1.0
_AGAIN = 0.1
_LOOK = 1.0
_GLANCE = 2.0
_FACTS = 4000  # characters

_ENDS: dict[int, str] = {
    signal.SIGABRT: "compiled code has given up (SIGABRT)",
    signal.SIGBUS: "compiled code has crashed (SIGBUS)",
    signal.SIGFPE: "compiled code has crashed (SIGFPE)",
    signal.SIGILL: "compiled code has crashed (SIGILL)",
    signal.SIGKILL: "it was killed (SIGKILL), by its own code or from outside",
    signal.SIGSEGV: "compiled code has crashed (SIGSEGV)",
    signal.SIGTERM: "it was ended (SIGTERM), by its own code or from outside",
}


@dataclass(frozen=True, slots=True)
class CellLimits:
    """What a cell may take: seconds to run and to end when interrupted, bytes to send and on disk, what to keep."""

    timeout: float
    grace: float
    received: int = 64 * MEBIBYTE
    longest: int = 16 * MEBIBYTE
    disk: int = 5120 * MEBIBYTE
    kept: Limits = field(default_factory=Limits)


class KernelClient:
    """Executes cells in a kernel whose files are below `folder`. `serve` must be running meanwhile."""

    def __init__(self, kernel: Kernel, folder: Path, limits: CellLimits) -> None:
        self._kernel = kernel
        self._wire = Wire(kernel.wire, limits.longest)
        self._folder = folder
        self._limits = limits
        self._cell: RunningCell | None = None
        self._killed = False
        self._broken: str | None = None
        self._deaf = False
        self._unasked = 0
        self._full = False
        self._starved = 0  # processes, as far as the session has been told
        self._changed = anyio.Event()

    @property
    def gone(self) -> bool:
        """Whether no cell can be executed any more: the kernel has ended, or cannot be talked to."""
        return self._deaf or self._kernel.ended.is_set()

    @property
    def exit_code(self) -> int | None:
        """The kernel's, or the negative number of the signal that ended it; None where that is not known."""
        return self._kernel.code

    async def has_ended(self) -> bool:
        """Whether it is gone; where it has just ended, waits until that is known in full."""
        if self._kernel.is_over:
            await self._until(lambda: self._deaf)
        return self.gone

    async def serve(self) -> None:
        """Read what the kernel says until it has ended; also its last words, which outlive it on the wire."""
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._watch)
                await self._read()
                tasks.cancel_scope.cancel()
            with anyio.move_on_after(0 if self._broken else _LAST_BREATH):
                await self._kernel.ended.wait()
            if not (self._kernel.ended.is_set() or self._broken):
                self._broken = "it closed its connection to the server"
        finally:
            with anyio.CancelScope(shield=True):
                await self._kernel.kill()
            self._deaf = True
            self._wake()

    async def execute(self, code: str, on_output: OnOutput) -> CellResult:
        """Run one cell to its end, as `Sessions.execute` has it."""
        cell, status, note = await self._carry_out({"code": code}, on_output, self._limits.timeout)
        if note:
            cell.note(note)
        await _tell(cell, on_output, last=True)
        outputs = cell.outputs.collected()
        if cell.received < OFF_LOOP:
            kept = trimmed(outputs, self._limits.kept)
        else:
            kept = await anyio.to_thread.run_sync(trimmed, outputs, self._limits.kept)
        return CellResult(status, cell.execution_count, kept)

    async def look(self) -> str:
        """Ask for the facts of the last failure, as `Sessions.look` has it; nobody is told what comes besides."""
        cell, _, _ = await self._carry_out({"look": True}, _unheard, _GLANCE)
        return plain(cell.text[:_FACTS])

    async def _carry_out(
        self, asked: JsonObject, on_output: OnOutput, timeout: float
    ) -> tuple[RunningCell, CellStatus, str | None]:
        """Ask for one thing and follow it to its end; what came of it, how it ended, and what to say of that."""
        cell = self._cell = RunningCell(ids.letters(16), self._limits.received, self._limits.kept)
        self._unasked = 0
        self._wake()
        try:
            await self._wire.send({"cell": cell.id, **asked})
            status, note = await self._follow(cell, on_output, timeout)
            if not self.gone:
                self._starved = self._kernel.starved
        except anyio.get_cancelled_exc_class():
            with anyio.CancelScope(shield=True):
                await self._stop(cell)
                await _tell(cell, on_output, last=True)
            raise
        finally:
            if not (cell.over or self.gone):
                with anyio.CancelScope(shield=True):
                    await self._stop(cell)
            self._cell = None
            self._wake()
        return cell, status, note

    async def kill(self) -> None:
        """End the kernel at once; returns when it is gone."""
        if not self._kernel.ended.is_set():
            self._killed = True
        await self._kernel.kill()
        self._wake()

    def cause_of_end(self) -> str:
        """Why the kernel is not there any more, as far as is known."""
        if self._broken:
            return self._broken
        match self._kernel.code:
            case None:
                return "the process that kernels are forked from has ended"
            case code if code >= 0:
                return f"its code has ended it, as os._exit({code}) does"
            case code if -code == signal.SIGKILL and self._kernel.starved > self._starved:
                return self._out_of_memory()
            case code:
                return _ENDS.get(-code, f"it was ended by signal {-code}")

    async def _follow(
        self, cell: RunningCell, on_output: OnOutput, timeout: float
    ) -> tuple[CellStatus, str | None]:
        """Tell what the cell prints until it is over or had to be stopped; how it ended, and what to say of it."""
        with anyio.move_on_after(timeout) as clock:
            while not (cell.over or cell.flooded or cell.stopped or self._deaf):
                await self._changed.wait()
                await _tell(cell, on_output)
        if cell.over and not cell.flooded:
            return ("ok" if cell.status == "ok" else "error"), await self._remark()
        if not self._deaf:
            await self._stop(cell)
        if self._deaf and not self._killed:
            return "dead", f"The kernel has ended: {self.cause_of_end()}. {LOST}\n"
        sequel = f" It could not be interrupted, so its kernel was ended. {LOST}" if self.gone else ""
        if clock.cancelled_caught:
            return "timeout", f"The cell was stopped because it ran for more than {timeout:g} seconds.{sequel}\n"
        return "interrupted", f"The cell was stopped because {cell.stopped or 'it put out too much'}.{sequel}\n"

    async def _remark(self) -> str | None:
        """What to say after a cell that has ended by itself, if anything: it may have made room meanwhile."""
        if self._full:
            self._full = not await anyio.to_thread.run_sync(disk.fits, self._folder, self._limits.disk)
        if self._kernel.starved > self._starved:
            return f"A process of this session was killed: {self._out_of_memory()}.\n"
        return f"Later cells may be stopped: {self._too_full()}.\n" if self._full else None

    def _out_of_memory(self) -> str:
        group = self._kernel.group
        assert group  # or nobody would have counted
        return f"memory ran out, of which the session may use {sized(group.shares.memory)}"

    def _too_full(self) -> str:
        return f"the files in /mnt/data take more than {sized(self._limits.disk)}, or are too many"

    async def _watch(self) -> None:
        """Look at disk and memory at the end of each cell, and each second while one runs; stop one that has too
        much of either.
        """
        while True:
            await self._until(lambda: self._cell is not None)
            cell, starved = self._cell, self._kernel.starved
            with anyio.move_on_after(_LOOK):
                await self._end_of(cell)
            self._full = not await anyio.to_thread.run_sync(disk.fits, self._folder, self._limits.disk)
            if cell and self._cell is cell and not cell.over:
                if self._full:
                    cell.stopped = f"{self._too_full()}: some have to be deleted"
                elif self._kernel.starved > starved:
                    cell.stopped = self._out_of_memory()
                self._wake()

    async def _end_of(self, cell: RunningCell | None) -> None:
        while self._cell is cell:
            await self._changed.wait()

    async def _stop(self, cell: RunningCell) -> None:
        """Interrupt the cell; end the kernel where that does not help."""
        with anyio.move_on_after(self._limits.grace):
            while not (self._deaf or cell.over):
                self._kernel.interrupt()  # again and again: it may not have begun with the cell
                with anyio.move_on_after(_AGAIN):
                    await self._until(lambda: self._deaf or cell.over)
        if not (self._deaf or cell.over):
            logger.warning("a kernel does not obey: ending it", extra={"action": "kernel_killed"})
            await self.kill()

    async def _read(self) -> None:
        """Hand on what the kernel says until it says no more, or too much."""
        async with aclosing(self._wire.messages()) as messages:
            async for message, length in messages:
                await self._take(message, length)
                if self._unasked > self._limits.received:
                    self._broken = "it sent too much that nobody had asked for"
                if self._broken:
                    return
        if self._wire.endless:
            self._broken = "it sent a message without an end"

    async def _take(self, message: JsonObject, length: int) -> None:
        """Take one message. Anything but an honest one comes only from code that writes to the wire itself."""
        size = length + _MESSAGE
        cell, kind, content = self._cell, message.get("type"), mapping(message.get("content"))
        if kind == "broken":
            self._broken = str(content.get("text", "")).strip().rpartition("\n")[2][:_REASON]
        elif cell is None or message.get("cell") != cell.id or not isinstance(kind, str):
            self._unasked += size
        elif kind == "done":
            cell.reply(content)
        else:
            if length < OFF_LOOP or kind == "stream":
                cell.publish(kind, content, size)
            else:
                await anyio.to_thread.run_sync(cell.publish, kind, content, size)
            cell.tell(kind, content)
        self._wake()

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            await self._changed.wait()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()


def sized(number: int) -> str:
    """A number of bytes for people."""
    return f"{number / GIBIBYTE:g} GiB" if number % GIBIBYTE == 0 else f"{number / MEBIBYTE:g} MiB"


async def _unheard(kind: Told, text: str) -> None:
    """Told what nobody asked for."""


async def _tell(cell: RunningCell, on_output: OnOutput, *, last: bool = False) -> None:
    if last:
        cell.telling.close()
    while told := cell.telling.told():
        for kind, text in told:
            await on_output(kind, text)
