"""What a kernel leaves behind ends with it, where it has no pid namespace: an elder process sees to that."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

import linux

ENDING = signal.SIGTERM
"""What ends an elder, and all that it looks after."""

_HEARD = {signal.SIGCHLD, signal.SIGINT, ENDING}


def split(end_all: Callable[[], None]) -> None:
    """Fork a kernel off; this process stays behind as its elder, and only the kernel returns from here.

    The elder passes interrupts on. When it is told to end, or the kernel or its own parent has ended, it calls
    `end_all`, waits until nothing of the kernel's is left, and ends as the kernel did.
    """
    zygote = os.getppid()
    signal.pthread_sigmask(signal.SIG_BLOCK, _HEARD)
    linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
    linux.prctl(linux.PR_SET_PDEATHSIG, ENDING)
    if os.getppid() != zygote:
        os._exit(1)
    if kernel := os.fork():
        _close_all()
        _stay(kernel, end_all)
    linux.die_with_parent()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEARD)


def end_children() -> None:
    """End every child of this process. Theirs become ours as they end, so this may have to be done again."""
    for child in _children():
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)


def _stay(kernel: int, end_all: Callable[[], None]) -> NoReturn:
    status: int | None = None
    while status is None:
        match signal.sigwait(_HEARD):
            case signal.SIGINT:
                os.kill(kernel, signal.SIGINT)
            case signal.SIGCHLD:
                pass
            case _:
                end_all()
        status = _reaped(kernel)
    while True:
        end_all()
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            break
    _end_as(os.waitstatus_to_exitcode(status))


def _reaped(kernel: int) -> int | None:
    """Reap what has ended; gives the kernel's status if it is among that."""
    found: int | None = None
    with suppress(ChildProcessError):
        while (one := os.waitpid(-1, os.WNOHANG))[0]:
            if one[0] == kernel:
                found = one[1]
    return found


def _children() -> list[int]:
    """The children of this process; the list may be old when it is read."""
    return [int(pid) for pid in open(f"/proc/self/task/{os.getpid()}/children").read().split()]


def _end_as(code: int) -> NoReturn:
    """End by the signal, or with the exit code, that a kernel has ended with."""
    if code < 0 and -code not in {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(-code, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {-code})
    if code < 0:
        os.kill(os.getpid(), -code)
    os._exit(code & 0xFF)


def _close_all() -> None:
    """Close what only the kernel needs: the host is to hear when that has closed its own."""
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
