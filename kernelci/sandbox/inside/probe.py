"""Tries each protection for real, in children of its own, and tells what came of it: `python -I probe.py`.

Standard input has, as JSON, what a kernel would be told (launch.py), and a port and a file of the host that must
be out of reach. One JSON line is printed a check. The standard library only, nothing of kernelci.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import resource
import socket
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import confine
import landlock
import linux
import seccomp
import tree
from enter import enter
from limits import Limits

_SESSION = "alone"


def main() -> None:
    """Make every check, whatever became of those before."""
    told: dict[str, Any] = json.load(sys.stdin)
    user, limits = told["uid"], Limits(**told["limits"])

    def apart(flags: int) -> None:
        if user is not None:
            confine.leave(user, user)
        own, group = os.getuid(), os.getgid()
        linux.unshare(linux.NEWUSER | flags)
        confine.become(0, own, group)

    of_namespaces: dict[str, Callable[[], None]] = {
        "users": lambda: apart(0),
        "files": lambda: files(apart),
        "processes": lambda: processes(apart),
        "network": lambda: network(apart, told["port"]),
        "calls": lambda: calls(seccomp.program()),
        "limits": lambda: limited(limits),
        "together": lambda: together(told, limits),
    }
    of_landlock: dict[str, Callable[[], None]] = {
        "domain": lambda: domain(told["file"]),
        "calls": lambda: calls(seccomp.program(shared=True)),
        "limits": lambda: limited(limits),
        "together": lambda: landlocked(told, limits),
    }
    for name, check in {"namespaces": of_namespaces, "landlock": of_landlock}[told["sandbox"]].items():
        print(json.dumps({"check": name, "error": tried(check)}), flush=True)


def tried(check: Callable[[], None]) -> str | None:
    """What went wrong with a check, made in a child so that nothing of it stays."""
    read, write = os.pipe()
    if (child := os.fork()) == 0:
        error = None
        try:
            check()
        except BaseException as failure:  # whatever it is, it is the answer
            error = told_of(failure)
        os.write(write, json.dumps(error).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as answer:
        said = answer.read()
    status = os.waitpid(child, 0)[1]
    return json.loads(said) if said else f"the process that tried it ended with {status}"


def told_of(failure: BaseException) -> str:
    """A failure in words."""
    return getattr(failure, "strerror", None) or str(failure) or type(failure).__name__


def files(apart: Callable[[int], None]) -> None:
    """A mount of our own, which nobody else sees."""
    apart(linux.NEWNS)
    linux.mount("none", "/", None, linux.MS_REC | linux.MS_PRIVATE)
    linux.mount("probe", "/tmp", "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, "size=64k")
    expect(os.listdir("/tmp") == [], "a new /tmp was not empty")


def processes(apart: Callable[[int], None]) -> None:
    """A process that sees itself alone."""
    apart(linux.NEWNS | linux.NEWPID)

    def alone() -> None:
        linux.mount("none", "/", None, linux.MS_REC | linux.MS_PRIVATE)
        linux.mount("proc", "/proc", "proc", linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC)
        expect(seen() == ["1"], "other processes are seen")

    if error := tried(alone):
        raise OSError(error)


def network(apart: Callable[[int], None], port: int) -> None:
    """A loopback of our own, on which the host does not listen."""
    apart(linux.NEWNET)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sH14x", b"lo", 0x41))
    unreached(port)


def domain(file: str) -> None:
    """A domain in which no file of the host can be opened, and out of which no signal goes."""
    if (found := landlock.version()) < landlock.OLDEST:
        raise OSError(f"its version is {found} here, and it takes {landlock.OLDEST}")
    outside = os.getppid()
    linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
    landlock.restrict(files=landlock.FILES, scoped=landlock.SCOPES)
    closed(file, outside)


def calls(program: bytes) -> None:
    """A filter under which what it refuses is refused."""
    linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
    linux.filter_calls(program)
    refused()


def limited(limits: Limits) -> None:
    """A limit of memory that a program runs into."""
    resource.setrlimit(resource.RLIMIT_DATA, (limits.memory, limits.memory))
    try:
        bytearray(2 * limits.memory)
    except MemoryError:
        return
    raise OSError("more memory was had than the limit allows")


def together(told: dict[str, Any], limits: Limits) -> None:
    """A process shut in as kernels are: it writes to /mnt/data, and reaches nothing of the host."""
    read, write = os.pipe()
    writable = {f"{tree.SESSIONS}/{_SESSION}/data": told["folder"]}
    if first := enter(told["shown"], writable, told["uid"]):
        os.close(write)
        with os.fdopen(read) as answer:
            said = answer.read()
        os.waitpid(first, 0)
        error = json.loads(said) if said else "the process that tried it has ended"
        if error:
            raise OSError(error)
        return
    error = None
    try:
        confine.apart()
        confine.give(_SESSION)
        confine.shut_in(limits, seccomp.program())
        shut_in(told)
    except BaseException as failure:  # whatever it is, it is the answer
        error = told_of(failure)
    os.write(write, json.dumps(error).encode())
    os._exit(0)


def landlocked(told: dict[str, Any], limits: Limits) -> None:
    """A process shut in as kernels are that have no namespaces."""
    sandbox = landlock.Landlock()
    sandbox.enter(told)
    outside = os.getpid()

    def alone() -> None:
        sandbox.apart()
        sandbox.shut_in(limits)
        places = sandbox.take(_SESSION, limits)
        for place in (places.data, places.temporary):
            Path(place, "probe").write_text("x")
        closed(told["file"], outside)
        without_rights()
        unreached(told["port"])
        refused()

    if error := tried(alone):
        raise OSError(error)


def closed(file: str, process: int) -> None:
    """That a file of the host cannot be opened, nor a process out of ours be signalled."""
    with suppress(PermissionError, FileNotFoundError), open(file):
        raise OSError("a file of the host is opened")
    with suppress(PermissionError):
        os.kill(process, 0)
        raise OSError("a signal goes out")


def shut_in(told: dict[str, Any]) -> None:
    """What must be so in a kernel."""
    Path("/mnt/data/probe").write_text("x")
    expect(not Path(told["file"]).exists(), "a file of the host is seen")
    expect(seen() == ["1"], "other processes are seen")
    expect(os.getuid() == confine.USER, "it is not the user it should be")
    without_rights()
    unreached(told["port"])
    refused()


def without_rights() -> None:
    """That this process has no capability and can gain none."""
    status = Path("/proc/self/status").read_text()
    rights = [line.split()[1] for line in status.splitlines() if line.startswith("Cap") and "CapBnd" not in line]
    expect(set(rights) == {"0" * 16}, "it has capabilities")
    expect("NoNewPrivs:\t1" in status and "Seccomp:\t2" in status, "it may gain rights")


def unreached(port: int) -> None:
    """That the host's port cannot be connected to."""
    with suppress(OSError), socket.socket() as caller:
        caller.connect(("127.0.0.1", port))
        raise RuntimeError("a port of the host is reached")


def refused() -> None:
    """That new namespaces are refused by the filter."""
    try:
        linux.unshare(linux.NEWUSER)
    except OSError as error:
        expect(error.errno == errno.EPERM, f"the filter answers with {error}")
    else:
        raise OSError("the filter lets through what it should refuse")


def seen() -> list[str]:
    """The processes in /proc."""
    return [name for name in os.listdir("/proc") if name.isdigit()]


def expect(so: bool, otherwise: str) -> None:
    """That something is so.

    Raises:
        OSError: it is not.
    """
    if not so:
        raise OSError(otherwise)


if __name__ == "__main__":
    main()
