"""The host's side of a fork server: its start, its control socket, its end. Its own side is inside/zygote.py."""

from __future__ import annotations

import errno
import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Self

import anyio
from anyio.to_thread import run_sync

from kernelci.errors import EnvironmentUnavailable, KernelUnavailable
from kernelci.sandbox.environment import Environment
from kernelci.sandbox.kernel import Kernel
from kernelci.sandbox.level import Level
from kernelci.sandbox.owner import owner
from kernelci.settings import Settings

logger = logging.getLogger(__name__)

PROGRAM = Path(__file__).parent / "inside" / "zygote.py"
WARM_TIMEOUT = 60.0
"""Seconds for a zygote to import everything."""

ENDED = "The process that kernels are forked from has ended."

PATIENCE = 1.0
"""Seconds that a zygote may take to end by itself. One that is still importing does not hear that it should."""

_PACKET = 65536


@dataclass(frozen=True, slots=True)
class Limits:
    """What one session may use: bytes of memory in one process, of one file, of /tmp; processes and threads."""

    memory: int = 2 << 30
    processes: int = 128
    file: int = 1 << 30
    temporary: int = 512 << 20

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The limits that the settings give."""
        return cls(memory=settings.memory, processes=settings.processes)


class Zygote:
    """A warm Python that forks kernels. `serve` must run as long as they are wanted; they end with it.

    One that has been retired ends once its last kernel has.
    """

    def __init__(self, environment: Environment, sessions: Path, limits: Limits, level: Level) -> None:
        self.environment = environment
        self._sessions = sessions
        self._limits = limits
        self.level: Level = level
        # Without a pid namespace, what a kernel has started has to be ended by a process that looks after it.
        self._ending = signal.SIGKILL if level == "namespaces" else signal.SIGTERM
        self._kernels: dict[str, Kernel] = {}
        self._awaited: dict[str, anyio.Event] = {}
        self._refused: dict[str, str] = {}
        self._control: socket.socket | None = None
        self._warmed = anyio.Event()
        self._refusal = ENDED
        self.ended = False
        self._retired = False

    async def warm(self) -> None:
        """Wait until kernels can be forked.

        Raises:
            KernelUnavailable: it cannot confine kernels on this machine, or has no environment, and why.
        """
        await self._warmed.wait()
        if self.ended:
            raise KernelUnavailable(self._refusal)

    async def serve(self) -> None:
        """Start the process, and follow what it tells until it ends."""
        try:
            shown = self.environment.shown
            with await run_sync(self.environment.hold):
                await self._serve(shown)
        except (EnvironmentUnavailable, KernelUnavailable) as error:
            self._refusal = str(error)
        finally:
            self.ended = True
            self._warmed.set()

    async def _serve(self, shown: list[str]) -> None:
        control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        control.setblocking(False)
        self._control = control
        last_words = tempfile.TemporaryFile()  # noqa: SIM115 - closed below
        temporary: str | None = None
        process: subprocess.Popen[bytes] | None = None
        code: int | None = None
        patience = 0.0
        try:
            with theirs:
                temporary = await run_sync(self._temporary)
                process = await run_sync(self._start, shown, theirs, temporary, last_words)
            await self._warm(control, last_words)
            patience = PATIENCE
            self._warmed.set()
            await self._follow(control)
        finally:
            control.close()  # at which the process ends, and all its kernels with it
            self.ended = True
            with anyio.CancelScope(shield=True):
                code = await run_sync(_end, process, patience) if process else None
                if temporary:
                    await run_sync(shutil.rmtree, temporary, True)
            for kernel in tuple(self._kernels.values()):
                kernel.end(None)
            for event in self._awaited.values():
                event.set()
            last_words.close()
            logger.info("a zygote has ended", extra={"action": "zygote_ended", "exit_code": code})

    async def fork(self, id: str, *, spare: bool) -> Kernel:
        """A new kernel that waits to be opened; a spare one prepares for that as well as it can.

        Raises:
            KernelUnavailable: the zygote has ended, or this machine has no room for another process.
        """
        if self._control is None or self.ended:
            raise KernelUnavailable(ENDED)
        forked = self._awaited[id] = anyio.Event()
        try:
            self._ask({"fork": id, "spare": spare, "limits": asdict(self._limits)})
            await forked.wait()
        except OSError as error:
            raise KernelUnavailable(ENDED) from error
        except BaseException:
            if kernel := self._kernels.get(id):
                kernel.close()
            raise
        finally:
            del self._awaited[id]
            self._leave_if_done()
        if reason := self._refused.pop(id, None):
            raise KernelUnavailable(f"No room for another kernel: {reason}")
        kernel = self._kernels.get(id)
        if kernel is None:
            raise KernelUnavailable(ENDED)
        return kernel

    def open(self, kernel: Kernel, session: str) -> None:
        """Give a kernel its session; its first cell can be sent at once.

        Raises:
            KernelUnavailable: the zygote has ended.
        """
        try:
            self._ask({"open": kernel.id, "session": session})
        except OSError as error:
            raise KernelUnavailable(ENDED) from error

    def _ask(self, packet: dict[str, object]) -> None:
        assert self._control is not None
        self._control.send(json.dumps(packet).encode())  # far less than the socket's buffer holds

    def retire(self) -> None:
        """End as soon as there is no kernel of it any more."""
        self._retired = True
        self._leave_if_done()

    def _leave_if_done(self) -> None:
        if self._retired and self._control and not (self.ended or self._kernels or self._awaited):
            with suppress(OSError):  # it ends already
                self._control.shutdown(socket.SHUT_WR)

    def _temporary(self) -> str | None:
        """A folder for the process to write to, beside the sessions' and with a name that none of these has.

        None where it has a file system of its own.
        """
        if self.level == "namespaces":
            return None
        folder = tempfile.mkdtemp(prefix=".zygote-", dir=self._sessions.absolute())
        if (user := owner(self.level)) is not None:
            os.chown(folder, user, user)
        return folder

    def _start(
        self, shown: list[str], theirs: socket.socket, temporary: str | None, last_words: IO[bytes]
    ) -> subprocess.Popen[bytes]:
        environment = self.environment
        told = {
            "shown": shown,
            "sandbox": self.level,
            "sessions": str(self._sessions.absolute()),
            "temporary": temporary,
            "uid": owner(self.level),
        }
        process = subprocess.Popen(
            [environment.python, "-I", PROGRAM, str(theirs.fileno())],
            env={
                "HOME": "/tmp",  # noqa: S108 - the sandbox's own
                "LANG": "C.UTF-8",
                "MPLCONFIGDIR": str(environment.matplotlib),
                "OPENBLAS_NUM_THREADS": "1",  # a zygote must have one thread when it forks
                "PATH": f"{environment.python.parent}:/usr/local/bin:/usr/bin:/bin",
                "TZ": "UTC",
            },
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=last_words,
            pass_fds=(theirs.fileno(),),
            start_new_session=True,
        )
        assert self._control is not None
        self._control.send(json.dumps(told).encode())
        return process

    async def _warm(self, control: socket.socket, last_words: IO[bytes]) -> None:
        with anyio.move_on_after(WARM_TIMEOUT):
            await anyio.wait_readable(control)
            if _packet(control)[0]:
                return
            last_words.seek(0)
            lines = last_words.read().decode(errors="replace").strip().splitlines()
            reason = lines[-1] if lines else "it said nothing"
            raise KernelUnavailable(f"Kernels cannot be confined on this machine: {reason}")
        raise KernelUnavailable(f"The Python of the model's code was not ready within {WARM_TIMEOUT:.0f} seconds.")

    async def _follow(self, control: socket.socket) -> None:
        while True:
            await anyio.wait_readable(control)
            packet, descriptors = _packet(control)
            if not packet:
                return
            told = json.loads(packet)
            if "forked" in told:
                self._arrived(told["forked"], descriptors)
            elif "refused" in told:
                self._refuse(told["refused"], told["reason"])
            elif kernel := self._kernels.pop(told["ended"], None):
                kernel.end(told["code"])
                self._leave_if_done()

    def _refuse(self, id: str, reason: str) -> None:
        if forked := self._awaited.get(id):
            self._refused[id] = reason
            forked.set()

    def _arrived(self, id: str, descriptors: list[int]) -> None:
        if len(descriptors) < 2:  # this process has no more of them; without its wire the kernel ends
            for descriptor in descriptors:
                os.close(descriptor)
            self._refuse(id, os.strerror(errno.EMFILE))
            return
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
        pidfd, wire = descriptors
        connected = socket.socket(fileno=wire)
        connected.setblocking(False)
        kernel = self._kernels[id] = Kernel(id, connected, pidfd, self._ending)
        if id in self._awaited:
            self._awaited[id].set()
        else:  # who asked for it was cancelled
            kernel.close()


def _packet(control: socket.socket) -> tuple[bytes, list[int]]:
    """The next packet with its descriptors; empty at the end."""
    try:
        packet, descriptors, _, _ = socket.recv_fds(control, _PACKET, 2)
    except ConnectionResetError:
        return b"", []
    return packet, descriptors


def _end(process: subprocess.Popen[bytes], patience: float) -> int:
    try:
        return process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
