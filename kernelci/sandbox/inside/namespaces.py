"""The strongest confinement: a kernel in namespaces of its own. What the zygote does for that, and each child.

Its neighbours landlock.py and unconfined.py have the same methods; a zygote uses one of the three.
"""

from __future__ import annotations

import os
import signal
from typing import Any

import confine
import linux
import seccomp
import tree
from enter import enter
from init import Init, Nursery
from limits import Limits
from places import Places


class Namespaces:
    """Confines the children of a process that is itself in namespaces of its own."""

    ending = signal.SIGKILL
    """What ends a child with all that it has started."""

    whole = True
    """Whether a child is shut in already when it has no session yet, and so may go on to have threads."""

    def __init__(self) -> None:
        self._program = seccomp.program()
        self._processes = self._mounts = -1
        self._nursery: Nursery | None = None

    def enter(self, told: dict[str, Any]) -> int:
        """Fork the first process of the zygote's namespaces; gives 0 there, and outside its pid.

        Raises:
            OSError: this machine does not allow it.
        """
        first = enter(told["shown"], {tree.SESSIONS: told["sessions"]}, told["uid"])
        if first == 0:
            self._nursery = Nursery()
            self._processes = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
            self._mounts = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
        return first

    @property
    def code(self) -> str:
        """Where the files beside this one are, once entered."""
        return tree.CODE

    @property
    def temporary(self) -> str:
        """Where the zygote may write."""
        return "/tmp"

    def fork(self) -> tuple[int, Init | None]:
        """Fork into a pid namespace of its own; gives 0 there, and to us its pid. With the first process there.

        Raises:
            OSError: this machine has no process, or no descriptor, left for it.
        """
        assert self._nursery is not None
        init = self._nursery.next()
        linux.setns(init.namespace, linux.NEWPID)
        try:
            pid = os.fork()
        except OSError:
            linux.setns(self._processes, linux.NEWPID)
            init.end()
            os.close(init.pidfd)
            raise
        if pid:
            linux.setns(self._processes, linux.NEWPID)
        return pid, init

    def apart(self) -> None:
        """In the child: leave what it shares with the zygote."""
        assert self._nursery is not None
        self._nursery.close()
        confine.apart()

    def shut_in(self, limits: Limits) -> int | None:
        """In the child: give up all rights, for ever; gives a descriptor of its mounts, to be shown to the zygote.

        Raises:
            OSError: a step was refused.
        """
        confine.shut_in(limits, self._program)
        return os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)

    def give(self, mounts: int | None, session: str) -> None:
        """In the zygote: put a session's folder in its place in the child that has these mounts.

        Raises:
            OSError: there is no such folder.
        """
        assert mounts is not None
        confine.give_to(mounts, session, self._mounts)

    def take(self, _session: str, _limits: Limits) -> Places:
        """In the child: go to the session's folder, which is there now."""
        os.chdir(confine.DATA)
        return Places()
