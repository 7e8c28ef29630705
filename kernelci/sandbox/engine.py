"""The kernel engine: confined kernels on demand, a few of them ready beforehand.

Its interface is its own and knows no Jupyter: a kernel is a wire and a process. What is said on the wire is for
sessions/ to know; how a kernel is shut in, for inside/.
"""

from __future__ import annotations

import logging
import os
import uuid
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Self

import anyio
from anyio.abc import TaskGroup
from anyio.to_thread import run_sync

from kernelci.errors import KernelUnavailable, SandboxUnavailable
from kernelci.sandbox import beneath, leftovers, probe
from kernelci.sandbox.environment import Environment
from kernelci.sandbox.generations import Generations
from kernelci.sandbox.groups import Groups, Shares
from kernelci.sandbox.kernel import Kernel
from kernelci.sandbox.level import LACKING, Level, Wanted
from kernelci.sandbox.owner import owner
from kernelci.sandbox.zygote import Limits, Zygote

logger = logging.getLogger(__name__)

PLACED = b"."
"""What a kernel is told first of all over its wire: that it is in its control group (inside/forked.py)."""

_QUIET = 0.1
"""Seconds that a new kernel has the machine for itself, before the next spare one is made."""


class Engine:
    """Kernels for the sessions whose folders lie below `sessions`.

    It begins at once to make the first one ready; what keeps it from that, `acquire` says. A zygote that dies is
    replaced. Where the environment has changed, new kernels come from a new zygote; the one before it lives until
    its kernels have ended.
    """

    def __init__(
        self,
        environment: Environment,
        sessions: Path,
        limits: Limits,
        *,
        sandbox: Wanted = "auto",
        cpus: float | None = None,
        reserve: int = 1,
    ) -> None:
        self._generations = Generations(environment)
        self._sessions = sessions
        self._limits = limits
        self._sandbox: Wanted = sandbox
        self._shares = Shares(limits.memory, limits.processes, cpus)
        self._reserve = reserve
        self._spare: deque[Kernel] = deque()
        self._coming = 0
        self._newest: Zygote | None = None
        self._zygote: Zygote | None = None
        """The newest that is warm."""
        self._starting = anyio.Lock()
        self._tasks: TaskGroup | None = None

    @property
    def owner(self) -> int | None:
        """Whom the kernels run as, and what they are to change must belong to; None where that is this user."""
        return owner("off" if self._sandbox == "off" else "namespaces")

    @property
    def spare(self) -> int:
        """How many kernels stand ready."""
        return len(self._spare)

    async def __aenter__(self) -> Self:
        self._groups = await run_sync(Groups.found, self._shares)
        if self._shares.cpus is not None and "cpu" not in self._groups.controllers:
            logger.warning(
                "a session's processor time cannot be limited here; kernelci doctor tells what helps",
                extra={"action": "cpus_not_limited"},
            )
        await run_sync(leftovers.sweep)
        self._tasks = await anyio.create_task_group().__aenter__()
        self._tasks.start_soon(self._begin)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        assert self._tasks is not None
        self._tasks.cancel_scope.cancel()
        try:
            return await self._tasks.__aexit__(kind, error, traceback)
        finally:
            self._drop_spare()

    async def acquire(self, session: str) -> Kernel:
        """A fresh kernel for a session, whose folder must be there: `sessions/SESSION/data`.

        Raises:
            KernelUnavailable: this machine does not let a kernel be confined, and why.
        """
        zygote = await self._warm()
        try:
            return await self._acquire(zygote, session)
        except KernelUnavailable:
            if not zygote.ended:
                raise
            return await self._acquire(await self._warm(), session)  # it has ended just now: there is another one

    async def _acquire(self, zygote: Zygote, session: str) -> Kernel:
        if zygote.level != "namespaces":
            await run_sync(self._empty_temporary, session)
        kernel = self._ready() or await self._fork(zygote, spare=False)
        try:
            zygote.open(kernel, session)
        except KernelUnavailable:
            kernel.close()
            raise
        self._refill(zygote)
        return kernel

    async def _fork(self, zygote: Zygote, *, spare: bool) -> Kernel:
        """A kernel in its group, without a session yet."""
        kernel = await zygote.fork(uuid.uuid4().hex, spare=spare)
        kernel.group = self._groups.group(kernel.id)
        try:
            await run_sync(kernel.group.put, kernel.pid)
            kernel.wire.send(PLACED)
        except OSError as error:
            kernel.close()
            raise KernelUnavailable(f"The kernel could not be put into its control group: {error}") from error
        except BaseException:
            kernel.close()
            raise
        return kernel

    def _empty_temporary(self, session: str) -> None:
        """Where a kernel cannot have a /tmp of its own, it has this folder, which nothing of the last one is in."""
        folder = self._sessions / session / "tmp"
        beneath.remove(folder)
        folder.mkdir(mode=0o700)
        if self.owner is not None:
            os.chown(folder, self.owner, self.owner)

    async def _begin(self) -> None:
        try:
            zygote = await self._warm()
        except KernelUnavailable:
            logger.warning("no kernel can be started", extra={"action": "zygote_missing"}, exc_info=True)
        else:
            self._refill(zygote)

    async def _warm(self) -> Zygote:
        """The zygote of the environment as it is now, started if need be."""
        async with self._starting:
            environment = self._generations.current()
            zygote = self._newest
            if zygote is None or zygote.ended or zygote.environment != environment:
                assert self._tasks is not None
                zygote = self._newest = Zygote(environment, self._sessions, self._limits, await self._level())
                self._tasks.start_soon(zygote.serve)  # it goes on where this caller gives up: others wait, too
        await zygote.warm()
        if self._zygote is not zygote is self._newest:
            before, self._zygote = self._zygote, zygote
            self._drop_spare()
            if before:
                before.retire()
        return zygote

    async def _level(self) -> Level:
        """How strongly kernels can be confined here."""
        try:
            level = await run_sync(probe.choose, self._sandbox)
        except SandboxUnavailable as error:
            raise KernelUnavailable(str(error)) from error
        if level != self._sandbox and (lacking := LACKING[level]):  # who has asked for it by name knows
            logger.info("%s", lacking, extra={"action": "weaker_sandbox", "sandbox": level})
        return level

    def _ready(self) -> Kernel | None:
        while self._spare:
            kernel = self._spare.popleft()
            if not kernel.ended.is_set():
                return kernel
            kernel.close()
        return None

    def _refill(self, zygote: Zygote) -> None:
        if len(self._spare) + self._coming < self._reserve and self._tasks is not None:
            self._coming += 1
            self._tasks.start_soon(self._add_spare, zygote)

    async def _add_spare(self, zygote: Zygote) -> None:
        try:
            await anyio.sleep(_QUIET)
            spare = await self._fork(zygote, spare=True)
            if zygote is self._zygote:
                self._spare.append(spare)
            else:
                spare.close()
        except KernelUnavailable:
            logger.warning("no spare kernel", extra={"action": "spare_missing"}, exc_info=True)
        finally:
            self._coming -= 1

    def _drop_spare(self) -> None:
        while self._spare:
            self._spare.popleft().close()
