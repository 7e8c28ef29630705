"""The first thing a kernel of plain Jupyter runs: `python -I launch.py CONNECTION_FILE CONTROL LIFELINE`.

CONTROL is a socket to the host, whose first line says what to build and which is told, as JSON, what came of it.
LIFELINE is the read end of a pipe which only the host can write to: when the host is gone, however it went, the
kernel goes with it. The process that the host started stays outside and waits; the kernel is its child, shut in
just as one of the zygote's is. It gets its sockets listening, and sees none of them as a file.

Run by path in the environment of the model's code: the standard library only, nothing of kernelci.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import shutil
import signal
import socket
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

sys.path.insert(0, str(Path(__file__).parent))

import confine
import seccomp
import tree
from enter import enter
from limits import Limits

CHANNELS = ("shell", "iopub", "stdin", "control", "hb")
_SESSION = "alone"
_FONTS = "/tmp/matplotlib"


def main() -> None:
    """Shut in, then become the kernel."""
    connection_file, lifeline = sys.argv[1], int(sys.argv[3])
    control = socket.socket(fileno=int(sys.argv[2]))
    os.set_inheritable(control.fileno(), False)
    die_with_host(lifeline)
    told: dict[str, Any] = json.loads(control.makefile().readline())
    try:
        connection = json.loads(Path(connection_file).read_text())
        listening = {port: listen(f"{connection['ip']}-{port}") for port in ports(connection)}
        if first := enter(told["shown"], {f"{tree.SESSIONS}/{_SESSION}/data": told["folder"]}, told["uid"]):
            control.close()
            stay(first)
        confine.apart()
        confine.give(_SESSION)
        close_all_but({control.fileno(), *listening.values()})
        confine.shut_in(Limits(**told["limits"]), seccomp.program())
    except OSError as error:
        tell(control, {"refused": str(error)})
        os._exit(1)
    try:
        app = kernel(connection, listening)
    except BaseException:
        tell(control, {"error": traceback.format_exc()})
        raise
    tell(control, {"ready": True})
    app.start()


def kernel(connection: dict[str, Any], listening: dict[int, int]) -> Any:
    """The kernel's application, ready to start."""
    if (fonts := Path(os.environ["MPLCONFIGDIR"])).is_dir():
        shutil.copytree(fonts, _FONTS)
    os.environ.update(HOME="/tmp", MPLCONFIGDIR=_FONTS, TMPDIR="/tmp", PWD="/mnt/data")
    sys.argv[:] = [""]
    sys.modules["debugpy"] = None  # pyright: ignore[reportArgumentType]  # unused, and a part of every start
    sys.path[0] = tree.CODE
    import kernelapp

    del sys.path[0]
    return kernelapp.kernel_app(connection, listening)


def ports(connection: dict[str, Any]) -> list[int]:
    """The numbers by which the connection's sockets are told apart."""
    return [connection[f"{channel}_port"] for channel in CHANNELS]


def listen(path: str) -> int:
    """A unix socket that listens at the path, for its user only."""
    Path(path).unlink(missing_ok=True)
    os.umask(0o077)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(path)
    os.umask(0o022)
    listening.listen()
    listening.setblocking(False)
    return listening.detach()


def tell(control: socket.socket, what: dict[str, Any]) -> None:
    """Write the one report, and close."""
    with control:
        control.sendall(json.dumps(what).encode())


def stay(first: int) -> NoReturn:
    """Outside: pass interrupts on to the kernel, and end as it ends."""
    signal.signal(signal.SIGINT, lambda *_: os.kill(first, signal.SIGINT))
    code = os.waitstatus_to_exitcode(os.waitpid(first, 0)[1])
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if code < 0:
        os.kill(os.getpid(), -code)
    os._exit(code)


def close_all_but(kept: set[int]) -> None:
    """Close every descriptor above the standard ones but these."""
    for name in os.listdir("/proc/self/fd"):
        if (descriptor := int(name)) > 2 and descriptor not in kept:
            with suppress(OSError):  # the listing's own
                os.close(descriptor)


def die_with_host(lifeline: int) -> None:
    """Have the operating system kill this process group when the host's end of the pipe closes.

    PR_SET_PDEATHSIG would not do: it tells of the death of the thread that started us, not of its process.
    """
    os.set_inheritable(lifeline, False)
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpgrp())
    fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(lifeline, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
    watch = select.poll()
    watch.register(lifeline, 0)
    if watch.poll(0):
        sys.exit("the host has gone already")


if __name__ == "__main__":
    main()
