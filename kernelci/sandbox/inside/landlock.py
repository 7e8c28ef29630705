"""The confinement where namespaces are forbidden: Landlock, a stricter filter of system calls, and limits.

Landlock says which files can be opened, and keeps signals and traces within a kernel's own processes. What it does
not judge (sockets, modes and times of files, queues, the priorities of other processes) the filter refuses.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import confine
import linux
import orphans
import seccomp
import tree
from limits import SHARE, Limits, limit, threads_of
from places import Places

OLDEST = 6
"""The version of Landlock that keeps signals within a domain (Linux 6.12); an older one does not confine."""

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_MAKE_CHAR, _MAKE_BLOCK, _IOCTL_DEV = 1 << 6, 1 << 11, 1 << 15
FILES = (1 << 16) - 1
"""Every way to use a file that Landlock judges."""

_READ = _EXECUTE | _READ_FILE | _READ_DIR
_OWN = FILES & ~(_MAKE_CHAR | _MAKE_BLOCK | _IOCTL_DEV)
_OF_A_FILE = _EXECUTE | _WRITE_FILE | _READ_FILE | 1 << 14 | _IOCTL_DEV
_TCP = 0b11
SCOPES = 0b11
"""Abstract sockets, and signals."""


_CREATE, _ADD, _RESTRICT = 444, 445, 446  # the same on every architecture
_PATH_BENEATH = 1

_DEVICES = {"null": _READ_FILE | _WRITE_FILE, "zero": _READ_FILE | _WRITE_FILE, "full": _READ_FILE | _WRITE_FILE}
_DEVICES |= {"random": _READ_FILE, "urandom": _READ_FILE}
_OF_THE_MACHINE = ("cpuinfo", "loadavg", "meminfo", "stat", "uptime", "version")
_OF_ITSELF = ("fd", "maps", "smaps", "stat", "statm", "status")

_libc = ctypes.CDLL(None, use_errno=True)


class Landlock:
    """Confines the children of a process that is an ordinary user, in the machine's own namespaces."""

    ending = orphans.ENDING
    """What ends a child with all that it has started."""

    whole = False
    """Whether a child is shut in already when it has no session yet, and so may go on to have threads."""

    def __init__(self) -> None:
        self.code = str(Path(__file__).parent)
        self._program = seccomp.program(shared=True)
        self._shown: list[str] = []
        self._sessions = ""
        self._others = 0
        self.temporary = ""

    def enter(self, told: dict[str, Any]) -> int:
        """Stop being root, and look whether all that kernels need can be reached; gives 0.

        Raises:
            OSError: this machine does not allow it, or keeps a folder from the user that kernels run as.
        """
        if (found := version()) < OLDEST:
            raise OSError(errno.ENOSYS, f"Landlock has version {found} here, and it takes {OLDEST} (Linux 6.12)")
        self._shown, self._sessions = told["shown"], told["sessions"]
        self.temporary = told["temporary"]
        if (user := told["uid"]) is not None:
            self._hide()
            confine.leave(user, user)
            for folder in (*self._shown, self.code, self._sessions):
                if not os.access(folder, os.X_OK):
                    raise OSError(errno.EACCES, f"user {user}, whom kernels run as, may not enter {folder}")
        self._shown = [*self._shown, self.code]
        self._others = threads_of(os.getuid())
        return 0

    def _hide(self) -> None:
        """As root, where mounts are allowed: show the zygote only what is for it, wherever that may lie."""
        try:
            linux.unshare(linux.NEWNS)
            linux.mount("none", "/", None, linux.MS_REC | linux.MS_PRIVATE)
        except OSError:
            return  # then all of it has to be in that user's reach
        tree.build(self._shown, {tree.SESSIONS: self._sessions})
        self._sessions, self.code, self.temporary = tree.SESSIONS, tree.CODE, "/tmp"

    def fork(self) -> tuple[int, None]:
        """Fork; gives 0 in the child, and to us its pid."""
        return os.fork(), None

    def apart(self) -> None:
        """In the child: there is nothing to leave."""

    def shut_in(self, _limits: Limits) -> None:
        """In the child: go on as a kernel that cannot signal anybody but its own, looked after by its elder.

        Both are in the session's control group by now. Nothing more can be done without the session's name.
        """
        linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
        restrict(scoped=SCOPES)
        _expect_no_reach(os.getppid())
        orphans.split(_end_domain)
        os.setsid()

    def give(self, _mounts: int | None, _session: str) -> None:
        """In the zygote: a session's folder is in its place already."""

    def take(self, session: str, limits: Limits) -> Places:
        """In the child: open the session's files and nobody else's, for ever.

        Raises:
            OSError: a step was refused.
        """
        if len(os.listdir("/proc/self/task")) > 1:
            raise OSError(errno.EBUSY, "what follows is for the thread that calls it, and there are more")
        folder = os.path.realpath(f"{self._sessions}/{session}")
        places = Places(f"{folder}/data", f"{folder}/tmp")
        os.chdir(places.data)
        confine.first_to_go(1000)
        restrict(_rules(self._shown, places), files=FILES, network=_TCP, scoped=SCOPES)
        linux.drop_capabilities()
        limit(limits, self._others + SHARE * limits.processes)
        linux.prctl(linux.PR_SET_DUMPABLE, 0)
        linux.filter_calls(self._program)
        return places


def version() -> int:
    """Which version of Landlock this machine has; 0 for none."""
    return max(0, _libc.syscall(ctypes.c_long(_CREATE), None, ctypes.c_size_t(0), ctypes.c_uint(1)))


def restrict(rules: Iterable[tuple[str, int]] = (), *, files: int = 0, network: int = 0, scoped: int = 0) -> None:
    """Enter a domain in which what is handled is allowed by the rules alone. What is missing needs no rule.

    Raises:
        OSError: Landlock refuses it.
    """
    handled = struct.pack("=QQQ", files, network, scoped)
    ruleset = _checked(
        _libc.syscall(ctypes.c_long(_CREATE), handled, ctypes.c_size_t(len(handled)), ctypes.c_uint(0))
    )
    try:
        for path, allowed in rules:
            with suppress(FileNotFoundError):
                _allow(ruleset, path, allowed)
        _checked(_libc.syscall(ctypes.c_long(_RESTRICT), ruleset, ctypes.c_uint(0)))
    finally:
        os.close(ruleset)


def _rules(shown: list[str], places: Places) -> list[tuple[str, int]]:
    return [
        *((folder, _READ) for folder in (*tree.SYSTEM, *shown)),
        *((f"/etc/{name}", _READ) for name in tree.ETC),
        *((f"/dev/{name}", allowed) for name, allowed in _DEVICES.items()),
        *((f"/proc/{name}", _READ_FILE) for name in _OF_THE_MACHINE),
        *((f"/proc/self/{name}", _READ_FILE | _READ_DIR) for name in _OF_ITSELF),
        (places.data, _OWN),
        (places.temporary, _OWN),
    ]


def _allow(ruleset: int, path: str, allowed: int) -> None:
    opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not os.path.isdir(path):
            allowed &= _OF_A_FILE
        rule = struct.pack("=Qi", allowed, opened)
        _checked(_libc.syscall(ctypes.c_long(_ADD), ruleset, ctypes.c_int(_PATH_BENEATH), rule, ctypes.c_uint(0)))
    finally:
        os.close(opened)


def _end_domain() -> None:
    """In the elder: end all in its domain at once, itself excepted. Nobody else is in its reach."""
    with suppress(ProcessLookupError):
        os.kill(-1, 9)


def _expect_no_reach(pid: int) -> None:
    """That a process out of our domain cannot be signalled: `_end_domain` must never be called otherwise."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return
    raise OSError(errno.EPERM, "Landlock lets signals out of a domain")


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"Landlock: {os.strerror(number)}")
    return result
