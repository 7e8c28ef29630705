"""The fork server: a Python that has imported everything once, and forks a confined kernel on demand.

Runs as `python -I zygote.py CONTROL`, where CONTROL is a SEQPACKET socket to the host, whose first packet says what
to build. Later packets ask for a kernel, which is answered with its pidfd and the host's end of its wire, or give
a kernel its session; the end of each kernel is told as well. It never runs a model's code: it holds the rights of
its own namespaces. A kernel has given them up before it has a session, whose folder the zygote then mounts in it.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

sys.path.insert(0, str(Path(__file__).parent))

import landlock
import namespaces
import unconfined
from forked import ADMITTED, Birth, live
from init import Init
from limits import Limits

if TYPE_CHECKING:
    from forked import Sandbox
    from shell import Shell

_PACKET = 65536
_SANDBOXES = {
    "namespaces": namespaces.Namespaces,
    "landlock": landlock.Landlock,
    "off": unconfined.Unconfined,
}


@dataclass(slots=True)
class Waiting:
    """A kernel without a session: its gate, whether it is ready for one, its mounts if it has some of its own.

    And the session, once it has one.
    """

    gate: socket.socket
    ready: bool = False
    mounts: int | None = None
    session: str | None = None

    def close(self) -> None:
        """Let go of it."""
        self.gate.close()
        if self.mounts is not None:
            os.close(self.mounts)


def main() -> None:
    """Enter the sandbox as far as a zygote does, warm up, and serve."""
    control = socket.socket(fileno=int(sys.argv[1]))
    told = json.loads(control.recv(_PACKET))
    sandbox: Sandbox = _SANDBOXES[told["sandbox"]]()
    if first := sandbox.enter(told):
        control.close()
        os._exit(os.waitstatus_to_exitcode(os.waitpid(first, 0)[1]) & 0xFF)
    shell = _warmed(sandbox)
    control.send(json.dumps({"ready": len([*Path("/proc/self/task").iterdir()])}).encode())
    Zygote(control, sandbox, shell).serve()


def _warmed(sandbox: Sandbox) -> Shell:
    """The shell with all that it imports; from here on what is not written to is shared with every kernel."""
    sys.path[0] = sandbox.code
    os.environ.update(HOME=sandbox.temporary, TMPDIR=sandbox.temporary)
    import shell

    warm = shell.Shell()
    gc.collect()
    gc.disable()
    gc.freeze()
    return warm


class Zygote:
    """Forks kernels, gives them their sessions' folders and tells of their ends, until the host is gone."""

    def __init__(self, control: socket.socket, sandbox: Sandbox, shell: Shell) -> None:
        self._control = control
        self._sandbox = sandbox
        self._shell = shell
        self._kernels: dict[int, tuple[str, Init | None]] = {}
        self._ending: dict[int, dict[str, Any]] = {}
        self._waiting: dict[str, Waiting] = {}

    def serve(self) -> NoReturn:
        """Answer packets and reap kernels; ends the process when the host has closed its end."""
        children, noticed = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(noticed, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _noticed)
        while True:
            gates = {each.gate.fileno(): id for id, each in self._waiting.items() if not each.ready}
            readable = _readable(self._control.fileno(), children, *gates, *self._ending)
            for ended in self._ending.keys() & readable:
                os.close(ended)
                self._tell(self._ending.pop(ended))
            for gate in gates.keys() & readable:
                self._shut_in(gates[gate])
            if children in readable:
                os.read(children, _PACKET)
                self._reap()
            if self._control.fileno() in readable:
                packet = self._control.recv(_PACKET)
                if not packet:
                    self._end()
                self._answer(json.loads(packet))

    def _end(self) -> NoReturn:
        for pid in self._kernels:
            os.kill(pid, self._sandbox.ending)
        for pid in self._kernels:
            os.waitpid(pid, 0)
        os._exit(0)

    def _answer(self, asked: dict[str, Any]) -> None:
        if id := asked.get("fork"):
            try:
                self._fork(id, Limits(**asked["limits"]), spare=asked["spare"])
            except OSError as error:  # too many processes or descriptors: those that are there go on
                self._tell({"refused": id, "reason": str(error)})
        elif waiting := self._waiting.get(asked["open"]):
            waiting.session = asked["session"]
            self._open(asked["open"])

    def _fork(self, id: str, limits: Limits, *, spare: bool) -> None:
        host, wire = socket.socketpair()
        gate, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        pid, init = self._sandbox.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for ours in (self._control, host, gate, *(each.gate for each in self._waiting.values())):
                ours.close()
            live(Birth(wire, theirs, limits, self._sandbox, spare), self._shell)
        self._kernels[pid] = id, init
        self._waiting[id] = Waiting(gate)
        wire.close()
        theirs.close()
        pidfd = os.pidfd_open(pid)
        socket.send_fds(self._control, [json.dumps({"forked": id}).encode()], [pidfd, host.fileno()])
        os.close(pidfd)
        host.close()

    def _tell(self, packet: dict[str, Any]) -> None:
        self._control.send(json.dumps(packet).encode())

    def _shut_in(self, id: str) -> None:
        """It has shut itself in as far as it can without a session; nothing comes if it could not."""
        waiting = self._waiting[id]
        said, descriptors, _, _ = socket.recv_fds(waiting.gate, 1, 1)
        if said:
            waiting.ready = True
            waiting.mounts = descriptors[0] if descriptors else None
            self._open(id)
        else:
            del self._waiting[id]
            waiting.close()

    def _open(self, id: str) -> None:
        """Let a kernel go to its session, as soon as both are there."""
        waiting = self._waiting[id]
        if waiting.session is None or not waiting.ready:
            return
        del self._waiting[id]
        try:
            self._sandbox.give(waiting.mounts, waiting.session)
            said = ADMITTED + waiting.session.encode()
        except OSError as error:
            said = str(error).encode()
        with suppress(OSError):  # it has ended
            waiting.gate.send(said)
        waiting.close()

    def _reap(self) -> None:
        while self._kernels:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            if pid not in self._kernels:
                continue
            id, init = self._kernels.pop(pid)
            if waiting := self._waiting.pop(id, None):
                waiting.close()
            ended = {"ended": id, "code": os.waitstatus_to_exitcode(status)}
            if init is None:  # then it has seen to it itself that nothing is left
                self._tell(ended)
            else:
                init.end()
                self._ending[init.pidfd] = ended


def _readable(*descriptors: int) -> set[int]:
    """Wait until there is something to read, or an end, and where; select() knows no descriptors above 1023."""
    watch = select.poll()
    for each in descriptors:
        watch.register(each, select.POLLIN)
    return {each for each, _ in watch.poll()}


def _noticed(_number: int, _frame: object) -> None:
    """A child has ended: the wake-up descriptor has told so."""


if __name__ == "__main__":
    main()
