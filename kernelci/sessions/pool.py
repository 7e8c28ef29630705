"""The sessions of a server: which kernel serves which, when one is started, and when it has to go."""

from __future__ import annotations

import logging
import math
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import anyio
import anyio.to_thread

from kernelci.engine.ports.sessions import CellResult, MountedFile, OnOutput, SessionFile
from kernelci.protocol.parts import JsonObject
from kernelci.sandbox import beneath
from kernelci.sandbox.engine import Engine
from kernelci.sessions.client import LOST, CellLimits, KernelClient
from kernelci.sessions.trim import Limits
from kernelci.sessions.workspace import Workspace
from kernelci.settings import Settings

logger = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Session:
    """A session that has been used since the server started. Who holds the lock uses or changes the kernel."""

    id: str
    lock: anyio.Lock = field(default_factory=anyio.Lock)
    kernel: KernelClient | None = None
    used: float = 0.0
    running: anyio.CancelScope | None = None
    seen: bool = False
    lost: str | None = None
    """Why the last kernel has gone, until the session has been told."""


@dataclass(frozen=True, slots=True)
class Kernels:
    """How many kernels serve a session, run a cell, stand ready; and how many cells wait for a turn."""

    alive: int
    busy: int
    spare: int
    waiting: int


class SessionPool:
    """Session id to kernel. An async context manager: at its end, all kernels have gone.

    Cells wait for their turn where too many are running, sessions for a kernel where too many are alive. Both
    queues are in the order of arrival. As a session has one cell at a time, it has one place in them, however many
    cells it has in store: nobody waits for more than one cell of each other session.

    `folder` keeps the sessions' folders and must be this server's alone; the engine's kernels see those below it.
    """

    def __init__(self, folder: Path, settings: Settings, engine: Engine) -> None:
        self._folder = folder
        self._engine = engine
        self._workspace = Workspace(folder, owner=engine.owner)
        self._limits = CellLimits(
            timeout=settings.execution_timeout,
            grace=settings.interrupt_grace,
            disk=settings.disk,
            kept=Limits(text=settings.max_output),
        )
        self._max_kernels = settings.max_kernels
        self._idle = math.inf if settings.session_idle == "never" else settings.session_idle
        self._turns = anyio.CapacityLimiter(settings.max_busy)
        self._queue = anyio.Lock()
        self._sessions: dict[str, _Session] = {}
        self._alive = 0
        self._freed = anyio.Event()

    async def __aenter__(self) -> Self:
        await anyio.to_thread.run_sync(self._begin)
        self._tasks = await anyio.create_task_group().__aenter__()
        self._tasks.start_soon(self._cull)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        with anyio.CancelScope(shield=True):
            async with anyio.create_task_group() as closing:
                for session in self._sessions.values():
                    closing.start_soon(self._halt, session, "the server stops")
        self._tasks.cancel_scope.cancel()
        return await self._tasks.__aexit__(kind, error, trace)

    @property
    def kernels(self) -> Kernels:
        """How many there are now."""
        turns = self._turns.statistics()
        return Kernels(self._alive, turns.borrowed_tokens, self._engine.spare, turns.tasks_waiting)

    async def execute(
        self, session_id: str, code: str, *, files: Sequence[MountedFile], on_output: OnOutput
    ) -> CellResult:
        asked = anyio.current_time()
        async with self._held(session_id) as session:
            with anyio.CancelScope() as session.running:
                return await self._execute(session, code, files, on_output, asked)
            return CellResult("dead", None, (_said("The session was closed while the cell ran.\n"),))

    async def look(self, session_id: str) -> str:
        if session_id not in self._sessions:
            return ""
        async with self._held(session_id) as session:
            if session.kernel and not await session.kernel.has_ended():
                with anyio.CancelScope() as session.running:
                    async with self._turns:
                        return await session.kernel.look()
        return ""

    async def names(self, session_id: str, files: Sequence[MountedFile]) -> dict[str, str]:
        return await anyio.to_thread.run_sync(self._workspace.names, session_id, files)

    async def file(self, session_id: str, path: str) -> SessionFile | None:
        return await anyio.to_thread.run_sync(self._workspace.file, session_id, path)

    async def close(self, session_id: str) -> None:
        if known := self._sessions.get(session_id):
            await self._halt(known, "its session was closed")
        async with self._held(session_id) as session:
            await self._end(session, "its session was closed")
            await anyio.to_thread.run_sync(self._workspace.remove, session_id)
            del self._sessions[session_id]

    @asynccontextmanager
    async def _held(self, session_id: str) -> AsyncGenerator[_Session]:
        """The session, with its lock; one that was closed while we waited for it is not the session any more."""
        self._workspace.folder(session_id)  # refuses what cannot be an id
        while True:
            session = self._sessions.setdefault(session_id, _Session(session_id))
            async with session.lock:
                if self._sessions.get(session_id) is session:
                    try:
                        yield session
                    finally:
                        session.used = anyio.current_time()
                        self._wake()
                    return

    async def _execute(
        self, session: _Session, code: str, files: Sequence[MountedFile], on_output: OnOutput, asked: float
    ) -> CellResult:
        await anyio.to_thread.run_sync(self._mount, session, files)
        client = await self._kernel(session)
        news = f"A new kernel was started, because {session.lost}. {LOST}\n" if session.lost else None
        if news:
            await on_output("stderr", news)
        try:
            async with self._turns:
                waited = anyio.current_time() - asked
                result = await client.execute(code, on_output)
        finally:
            if client.gone:
                with anyio.CancelScope(shield=True):
                    await self._end(session, "it ended or was ended in a cell")
                session.lost = "the last one did not stop when its run was cancelled"
        session.lost = None
        outputs = (_said(news), *result.outputs) if news else result.outputs
        return replace(result, outputs=outputs, waited=waited)

    def _mount(self, session: _Session, files: Sequence[MountedFile]) -> None:
        if not session.seen and self._workspace.exists(session.id):
            session.lost = "the server was restarted"
        session.seen = True
        self._workspace.mount(session.id, files)

    async def _kernel(self, session: _Session) -> KernelClient:
        """The session's kernel, started if need be; raises KernelUnavailable."""
        if session.kernel and await session.kernel.has_ended():
            client = session.kernel
            await self._end(session, "it ended between cells")
            session.lost = f"the last one has ended ({client.cause_of_end()})"
        if not session.kernel:
            await self._reserve()
            session.kernel = await self._start(session.id)
        return session.kernel

    async def _start(self, session_id: str) -> KernelClient:
        """Start a kernel in the place that was reserved for it."""
        try:
            kernel = await self._engine.acquire(session_id)
        except BaseException:
            self._release()
            raise
        client = KernelClient(kernel, self._workspace.folder(session_id), self._limits)
        self._tasks.start_soon(self._serve, client)
        logger.info("kernel started", extra={"action": "kernel_started", "session_id": session_id})
        return client

    async def _serve(self, client: KernelClient) -> None:
        """What goes wrong with one kernel is its own end, and nobody else's."""
        try:
            await client.serve()
        except Exception:
            logger.exception("lost touch with a kernel", extra={"action": "kernel_lost"})

    async def _end(self, session: _Session, cause: str) -> None:
        """End the session's kernel, if it has one. The cause is logged: it holds nothing that a kernel has said."""
        kernel, session.kernel = session.kernel, None
        if kernel is None:
            return
        try:
            await kernel.kill()
        finally:
            self._release()
        ended = {"session_id": session.id, "cause": cause, "exit_code": kernel.exit_code}
        logger.info("kernel ended", extra={"action": "kernel_ended", **ended})

    async def _halt(self, session: _Session, cause: str) -> None:
        """End the session's kernel even in the middle of a cell."""
        if session.running:
            session.running.cancel()
        if session.kernel:
            await session.kernel.kill()
        async with session.lock:
            await self._end(session, cause)

    async def _reserve(self) -> None:
        """Take a kernel's place, once one is free; the session that has been idle for longest gives up its own."""
        async with self._queue:  # who came later does not get a place before
            while self._alive >= self._max_kernels:
                idle = [each for each in self._sessions.values() if each.kernel and not each.lock.locked()]
                if idle:
                    await self._retire(min(idle, key=lambda session: session.used), "others needed its place")
                else:
                    await self._freed.wait()
            self._alive += 1

    def _release(self) -> None:
        self._alive -= 1
        self._wake()

    def _wake(self) -> None:
        self._freed.set()
        self._freed = anyio.Event()

    async def _cull(self) -> None:
        """End the kernels that have been idle for too long, for ever."""
        while True:
            await anyio.sleep(min(self._idle / 10, 30))
            for session in list(self._sessions.values()):
                idle = session.kernel and not session.lock.locked()
                if idle and anyio.current_time() - session.used > self._idle:
                    await self._retire(session, f"the last one was idle for more than {self._idle / 60:g} minutes")

    async def _retire(self, session: _Session, reason: str) -> None:
        """End the kernel of a session that nobody holds."""
        session.lock.acquire_nowait()
        try:
            await self._end(session, reason)
            session.lost = reason
        finally:
            session.lock.release()

    def _begin(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._folder.chmod(0o711)  # a kernel's user passes through, and sees its own session's only
        for left in self._folder.glob(".zygote-*"):  # by a server that was killed
            beneath.remove(left)


def _said(text: str) -> JsonObject:
    return {"output_type": "stream", "name": "stderr", "text": text}
