"""Kernels that outlived their server: what is noted of each, so that the next server can end it.

It is the second safety: a kernel dies with its host by itself (sandbox/inside/launch.py).
"""

from __future__ import annotations

import json
import logging
import os
import signal
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from kernelci.sandbox import beneath

logger = logging.getLogger(__name__)

NOTE = "kernel.json"
RUNTIME_PREFIX = "kernelci-"


@dataclass(frozen=True, slots=True)
class KernelNote:
    """A kernel's process, told apart from a later one of the same number, and the folder of its sockets."""

    boot: str
    pid: int
    started: int
    runtime: str


def note(session: Path, pid: int, runtime: Path) -> None:
    """Write down which kernel runs on a session's folder."""
    started = _start_of(pid)
    if started is not None:
        (session / NOTE).write_text(json.dumps(asdict(KernelNote(_boot(), pid, started, str(runtime)))))


def forget(session: Path) -> None:
    """The kernel has been ended."""
    (session / NOTE).unlink(missing_ok=True)


def reap(sessions: Path) -> None:
    """End the noted kernels that are still there. Only for a server that has these folders to itself."""
    for written in sessions.glob(f"*/{NOTE}"):
        try:
            noted = KernelNote(**json.loads(written.read_bytes()))
        except (ValueError, TypeError):
            noted = None
        if noted and noted.boot == _boot() and noted.started == _start_of(noted.pid):
            with suppress(OSError):
                os.killpg(noted.pid, signal.SIGKILL)
            logger.warning("ended a kernel of an earlier server", extra={"action": "kernel_reaped"})
        if noted and Path(noted.runtime).name.startswith(RUNTIME_PREFIX):
            _remove_runtime(Path(noted.runtime))
        written.unlink(missing_ok=True)


def _remove_runtime(runtime: Path) -> None:
    if runtime.parent in {Path(tempfile.gettempdir()), Path("/tmp")}:  # noqa: S108
        with suppress(OSError):
            beneath.remove(runtime)


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _start_of(pid: int) -> int | None:
    """When the process began, in clock ticks since the boot; None if there is no such process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(fields[19])
