"""The fork server: a Python that has imported everything once, and forks a confined kernel on demand.

Runs as `python -I zygote.py CONTROL`, where CONTROL is a SEQPACKET socket to the host, whose first packet says what
to build. Each later packet asks for a kernel, and is answered with the kernel's pidfd and its end of the wire; the
end of each kernel is told as well. It never runs a model's code: it holds the rights of its own namespaces.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

sys.path.insert(0, str(Path(__file__).parent))

import confine
import linux
import seccomp
import tree
from enter import enter

if TYPE_CHECKING:
    from shell import Shell

_PACKET = 65536


@dataclass(frozen=True)
class Ask:
    """A kernel that the host wants."""

    id: str
    limits: confine.Limits


def main() -> None:
    """Make the namespaces, become their first process, warm up, and serve."""
    control = socket.socket(fileno=int(sys.argv[1]))
    told = json.loads(control.recv(_PACKET))
    if first := enter(told["shown"], {tree.SESSIONS: told["sessions"]}, told["uid"]):
        control.close()
        os._exit(os.waitstatus_to_exitcode(os.waitpid(first, 0)[1]) & 0xFF)
    shell = _warmed()
    control.send(json.dumps({"ready": len([*Path("/proc/self/task").iterdir()])}).encode())
    Zygote(control, shell).serve()


def _warmed() -> Shell:
    """The shell with all that it imports; from here on what is not written to is shared with every kernel."""
    sys.path[0] = tree.CODE
    import shell

    warm = shell.Shell()
    gc.collect()
    gc.disable()
    gc.freeze()
    return warm


class Zygote:
    """Forks kernels and tells of their ends, until the host is gone."""

    def __init__(self, control: socket.socket, shell: Shell) -> None:
        self._control = control
        self._shell = shell
        self._program = seccomp.program()
        self._processes = os.open("/proc/self/ns/pid", os.O_RDONLY)
        self._kernels: dict[int, str] = {}

    def serve(self) -> NoReturn:
        """Answer packets and reap kernels; ends the process when the host has closed its end."""
        children, noticed = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(noticed, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _noticed)
        while True:
            readable, _, _ = select.select([self._control, children], [], [])
            if children in readable:
                os.read(children, _PACKET)
                self._reap()
            if self._control in readable:
                packet = self._control.recv(_PACKET)
                if not packet:
                    os._exit(0)
                asked: dict[str, Any] = json.loads(packet)
                self._fork(Ask(asked["id"], confine.Limits(**asked["limits"])))

    def _fork(self, ask: Ask) -> None:
        host, wire = socket.socketpair()
        linux.unshare(linux.NEWPID)  # the child is the first process of its own namespace
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for ours in (self._control, host):
                ours.close()
            self._live(ask, wire)
        linux.setns(self._processes, linux.NEWPID)
        self._kernels[pid] = ask.id
        wire.close()
        pidfd = os.pidfd_open(pid)
        socket.send_fds(self._control, [json.dumps({"forked": ask.id}).encode()], [pidfd, host.fileno()])
        os.close(pidfd)
        host.close()

    def _live(self, ask: Ask, wire: socket.socket) -> NoReturn:
        """The child: wait for its session, shut itself in, and run cells until the host is gone."""
        try:
            confine.apart()
            session = _line(wire)
            if session:
                _close_all_but(wire.fileno())
                confine.shut_in(session, ask.limits, self._program)
                self._shell.serve(wire)
        except BaseException:  # told to the host, which knows what to do
            broken = {"type": "broken", "content": {"text": traceback.format_exc()}}
            wire.sendall(json.dumps(broken).encode() + b"\n")
        finally:
            os._exit(1)

    def _reap(self) -> None:
        while self._kernels:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            code = os.waitstatus_to_exitcode(status)
            id = self._kernels.pop(pid, None)
            if id is not None:
                self._control.send(json.dumps({"ended": id, "code": code}).encode())


def _noticed(_number: int, _frame: object) -> None:
    """A child has ended: the wake-up descriptor has told so."""


def _line(wire: socket.socket) -> str:
    """The first line on the wire, and not a byte of the next; empty if the host has gone."""
    line = b""
    while not line.endswith(b"\n"):
        byte = wire.recv(1)
        if not byte:
            return ""
        line += byte
    return line.decode().strip()


def _close_all_but(kept: int) -> None:
    """Close every descriptor above the standard ones but this."""
    os.closerange(3, kept)
    os.closerange(kept + 1, os.sysconf("SC_OPEN_MAX"))


if __name__ == "__main__":
    main()
