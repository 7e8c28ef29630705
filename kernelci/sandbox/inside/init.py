"""The first process of each kernel's pid namespace: it has nothing to do, and all that is below it dies with it.

A kernel that were the first itself could not be ended by signals of its own, and its orphans would stay as zombies.
The first processes are forked by one of their own, the nursery, which is forked before the zygote has grown: each
has but a few pages for itself.
"""

from __future__ import annotations

import errno
import os
import signal
import socket
from contextlib import suppress
from dataclasses import dataclass
from typing import NoReturn

import linux

_PACKET = 32


@dataclass(frozen=True, slots=True)
class Init:
    """A first process: descriptors of itself and of its namespace."""

    pidfd: int
    namespace: int

    def end(self) -> None:
        """End it, and so all that is left in its namespace; the pidfd becomes readable when they are gone."""
        os.close(self.namespace)
        with suppress(ProcessLookupError):  # somebody else has ended it
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
        """One that is nobody's yet.

        Raises:
            OSError: this machine has no process, or no descriptor, left for it.
        """
        try:
            return self._taken()
        except OSError:  # of a moment ago, when this one was made ready
            self._nursery.send(b".")
            return self._taken()
        finally:
            self._nursery.send(b".")

    def _taken(self) -> Init:
        said, descriptors, _, _ = socket.recv_fds(self._nursery, _PACKET, 2)
        told = int(said)
        if told < 0:
            raise OSError(-told, f"no first process: {os.strerror(-told)}")
        if len(descriptors) < 2:  # those that were too many are closed already
            os.kill(told, signal.SIGKILL)
            for descriptor in descriptors:
                os.close(descriptor)
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return Init(*descriptors)

    def close(self) -> None:
        """In a process that needs none."""
        self._nursery.close()


def _serve(asked: socket.socket) -> NoReturn:
    """Fork a first process for each packet; its pid is told with its descriptors, or what went wrong below zero."""
    linux.die_with_parent()
    linux.prctl(linux.PR_SET_DUMPABLE, 0)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # which the first process of a namespace does not hear
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system reaps, for us and for those we fork
    ours = os.open("/proc/self/ns/pid", os.O_RDONLY)
    while asked.recv(1):
        try:
            _send_first(asked, ours)
        except OSError as error:
            asked.send(str(-(error.errno or errno.EIO)).encode())
    os._exit(0)


def _send_first(asked: socket.socket, ours: int) -> None:
    linux.unshare(linux.NEWPID)
    try:
        pid = os.fork()
        if pid == 0:
            _be_first()
        namespace = os.open("/proc/self/ns/pid_for_children", os.O_RDONLY)
    finally:
        linux.setns(ours, linux.NEWPID)
    pidfd = os.pidfd_open(pid)
    socket.send_fds(asked, [str(pid).encode()], [pidfd, namespace])
    os.close(pidfd)
    os.close(namespace)


def _be_first() -> NoReturn:
    linux.drop_capabilities()
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    while True:
        signal.pause()
