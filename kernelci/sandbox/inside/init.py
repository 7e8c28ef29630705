"""The first process of each kernel's pid namespace: it has nothing to do, and all that is below it dies with it.

A kernel that were the first itself could not be ended by signals of its own, and its orphans would stay as zombies.
The first processes are forked by one of their own, the nursery, which is forked before the zygote has grown: each
has but a few pages for itself.
"""

from __future__ import annotations

import os
import signal
import socket
from dataclasses import dataclass
from typing import NoReturn

import linux


@dataclass(frozen=True, slots=True)
class Init:
    """A first process: descriptors of itself and of its namespace."""

    pidfd: int
    namespace: int

    def end(self) -> None:
        """End it, and so all that is left in its namespace; the pidfd becomes readable when they are gone."""
        os.close(self.namespace)
        signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)


class Nursery:
    """Gives first processes; one is always ready."""

    def __init__(self) -> None:
        self._nursery, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        if os.fork() == 0:
            self._nursery.close()
            _serve(theirs)
        theirs.close()
        self._nursery.send(b".")

    def next(self) -> Init:
        """One that is nobody's yet."""
        _, (pidfd, namespace), _, _ = socket.recv_fds(self._nursery, 1, 2)
        self._nursery.send(b".")
        return Init(pidfd, namespace)

    def close(self) -> None:
        """In a process that needs none."""
        self._nursery.close()


def _serve(asked: socket.socket) -> NoReturn:
    """Fork a first process for each packet."""
    linux.die_with_parent()
    linux.prctl(linux.PR_SET_DUMPABLE, 0)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # which the first process of a namespace does not hear
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system reaps, for us and for those we fork
    ours = os.open("/proc/self/ns/pid", os.O_RDONLY)
    while asked.recv(1):
        linux.unshare(linux.NEWPID)
        pid = os.fork()
        if pid == 0:
            _be_first()
        pidfd, namespace = os.pidfd_open(pid), os.open("/proc/self/ns/pid_for_children", os.O_RDONLY)
        linux.setns(ours, linux.NEWPID)
        socket.send_fds(asked, [b"."], [pidfd, namespace])
        os.close(pidfd)
        os.close(namespace)
    os._exit(0)


def _be_first() -> NoReturn:
    linux.drop_capabilities()
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    while True:
        signal.pause()
