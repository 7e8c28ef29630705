"""How a process shuts itself in for a session, in the order that matters. Its code can undo none of it."""

from __future__ import annotations

import fcntl
import os
import socket
import struct
from pathlib import Path

import linux
import tree
from limits import Limits, limit

USER = 1000
"""Who the code is, inside."""

NAME = "kernelci"
"""What the machine is called, inside."""

DATA = "/mnt/data"
"""Where the session's folder is, inside."""

_PRIVATE = linux.MS_NOSUID | linux.MS_NODEV
_HIDDEN = (
    *("acpi", "bus", "driver", "fs", "irq", "tty"),
    *(
        "cmdline",
        "config.gz",
        "diskstats",
        "interrupts",
        "iomem",
        "ioports",
        "kallsyms",
        "key-users",
        "keys",
        "kmsg",
    ),
    *("consoles", "crypto", "devices", "dma", "locks", "misc", "softirqs", "swaps"),
    *("modules", "mtrr", "partitions", "sched_debug", "slabinfo", "sysrq-trigger", "timer_list", "vmallocinfo"),
)
"""What /proc tells of the machine, beyond its processors and memory, which libraries ask for."""
_SIOCSIFFLAGS, _UP_AND_RUNNING = 0x8914, 0x1 | 0x40


def leave(uid: int, gid: int) -> None:
    """Give up being root for good, where we are: kernels must never be the machine's root, not even inside."""
    first_to_go(500)  # as root, so that nobody who comes after can go below it
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    linux.prctl(linux.PR_SET_DUMPABLE, 1)  # or /proc/self stays root's, and we could not map ourselves


def become(inside: int, outside: int, gid: int) -> None:
    """After unshare(NEWUSER): be this user inside the new namespace."""
    maps = {"setgroups": "deny", "uid_map": f"{inside} {outside} 1", "gid_map": f"{inside} {gid} 1"}
    for name, text in maps.items():
        Path(f"/proc/self/{name}").write_text(text)


def first_to_go(score: int) -> None:
    """Where the machine's memory runs out, go before the server does; 1000 goes first of all."""
    Path("/proc/self/oom_score_adj").write_text(str(score))


def apart() -> None:
    """Leave the mounts, network, names and queues of whoever forked this process."""
    linux.die_with_parent()
    os.setsid()
    linux.unshare(linux.NEWNS | linux.NEWIPC | linux.NEWUTS | linux.NEWNET)
    socket.sethostname(NAME)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", _UP_AND_RUNNING))
    linux.mount("none", "/", None, linux.MS_REC | linux.MS_PRIVATE)


def give(session: str) -> None:
    """Put the session's folder in its place."""
    linux.attach(linux.detached(f"{tree.SESSIONS}/{session}/data"), DATA)


def give_to(mounts: int, session: str, ours: int) -> None:
    """The same from outside, for a process that has shut itself in: `mounts` are its mounts, `ours` the caller's.

    Raises:
        OSError: there is no such folder.
    """
    folder = linux.detached(f"{tree.SESSIONS}/{session}/data")
    try:
        linux.setns(mounts, linux.NEWNS)
        linux.attach(folder, DATA)
    finally:
        os.close(folder)
        _return(ours)


def _return(ours: int) -> None:
    try:
        linux.setns(ours, linux.NEWNS)
    except OSError as error:
        raise SystemExit("lost between the mounts of others") from error


def shut_in(limits: Limits, program: bytes) -> None:
    """See nobody's folder but the one in DATA, if it is there already, and lose every right to change that. No
    control group is seen above the one that it is in now.

    Raises:
        OSError: a step was refused. The caller must end: it is half in and half out.
    """
    size = f"size={limits.temporary},mode=1777"
    linux.unshare(linux.NEWCGROUP)
    linux.mount("none", tree.SESSIONS, "tmpfs", _PRIVATE | linux.MS_RDONLY, "mode=000,size=4k")
    linux.mount("tmp", "/tmp", "tmpfs", _PRIVATE, size)
    linux.mount("shm", "/dev/shm", "tmpfs", _PRIVATE, size)
    linux.mount("proc", "/proc", "proc", _PRIVATE | linux.MS_NOEXEC)
    _mask()
    os.chdir(DATA)
    first_to_go(1000)
    linux.unshare(linux.NEWUSER)
    become(USER, 0, 0)
    linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
    linux.drop_capabilities()
    limit(limits, limits.processes)
    linux.prctl(linux.PR_SET_DUMPABLE, 0)
    linux.filter_calls(program)


def _mask() -> None:
    """Leave of /proc what tells of this session and of processors and memory; nothing of it can be set."""
    linux.mount("/proc/sys", "/proc/sys", None, linux.MS_BIND)
    linux.mount(
        None, "/proc/sys", None, linux.MS_REMOUNT | linux.MS_BIND | linux.MS_RDONLY | _PRIVATE | linux.MS_NOEXEC
    )
    for place in Path("/proc").iterdir():
        if place.name in _HIDDEN:
            linux.mount(tree.SESSIONS if place.is_dir() else "/dev/null", str(place), None, linux.MS_BIND)
