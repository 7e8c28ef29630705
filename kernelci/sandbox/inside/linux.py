"""The system calls that Python's standard library does not have: namespaces, mounts, capabilities, limits.

Runs in the sandbox's own interpreter, on the standard library alone.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct

_libc = ctypes.CDLL(None, use_errno=True)

NEWNS, NEWCGROUP, NEWUTS, NEWIPC = 0x20000, 0x2000000, 0x4000000, 0x8000000
NEWUSER, NEWPID, NEWNET = 0x10000000, 0x20000000, 0x40000000

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_BIND, MS_MOVE, MS_REC, MS_PRIVATE = 4096, 8192, 16384, 1 << 18
MNT_DETACH = 2
_ATTR_RDONLY, _ATTR_NOSUID, _ATTR_NODEV = 1, 2, 4
_AT_FDCWD, _AT_EMPTY_PATH, _AT_RECURSIVE = -100, 0x1000, 0x8000
_OPEN_TREE_CLONE, _MOVE_MOUNT_F_EMPTY_PATH = 1, 4

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_DROP = 1, 4, 24
PR_SET_SECCOMP, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 22, 36, 38, 47
PR_CAP_AMBIENT_CLEAR_ALL = 4
SECCOMP_MODE_FILTER = 2

_CALLS = {
    "x86_64": {"pivot_root": 155, "capset": 126},
    "aarch64": {"pivot_root": 41, "capset": 91},
}
_EVERYWHERE = {"open_tree": 428, "move_mount": 429, "mount_setattr": 442}


def _checked(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _call(name: str, *arguments: object) -> int:
    number = _EVERYWHERE.get(name) or _CALLS[platform.machine()][name]
    result: int = _libc.syscall(ctypes.c_long(number), *arguments)
    _checked(min(result, 0), name)
    return result


def unshare(flags: int) -> None:
    """Leave the namespaces named by the flags for new ones."""
    _checked(_libc.unshare(flags), f"unshare({flags:#x})")


def setns(descriptor: int, flags: int) -> None:
    """Enter the namespace behind an open descriptor."""
    _checked(_libc.setns(descriptor, flags), "setns")


def mount(source: str | None, target: str, kind: str | None, flags: int = 0, data: str | None = None) -> None:
    """Mount, bind or change a mount."""
    encoded = [None if each is None else os.fsencode(each) for each in (source, target, kind, data)]
    _checked(
        _libc.mount(encoded[0], encoded[1], encoded[2], ctypes.c_ulong(flags), encoded[3]),
        f"mount {source} on {target}",
    )


def unmount(target: str) -> None:
    """Take a mount, and all below it, out of sight at once."""
    _checked(_libc.umount2(os.fsencode(target), MNT_DETACH), f"umount {target}")


def pivot_root(new_root: str, put_old: str) -> None:
    """Make a mount the root of this namespace."""
    _call("pivot_root", os.fsencode(new_root), os.fsencode(put_old))


class _MountAttributes(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("set", "clear", "propagation", "userns")]


def make_read_only(target: str) -> None:
    """Make a bound tree read-only, with every mount below it (Linux 5.12)."""
    _set_attributes(_AT_FDCWD, target, _AT_RECURSIVE, _ATTR_RDONLY | _ATTR_NOSUID | _ATTR_NODEV)


def detached(source: str) -> int:
    """A bind of a folder that is mounted nowhere yet, as a descriptor; no devices or setuid programs work in it."""
    descriptor = _call(
        "open_tree",
        ctypes.c_int(_AT_FDCWD),
        os.fsencode(source),
        ctypes.c_uint(_OPEN_TREE_CLONE | os.O_CLOEXEC),
    )
    _set_attributes(descriptor, "", _AT_EMPTY_PATH, _ATTR_NOSUID | _ATTR_NODEV)
    return descriptor


def attach(detached: int, target: str) -> None:
    """Mount what `detached` gave."""
    _call(
        "move_mount",
        ctypes.c_int(detached),
        b"",
        ctypes.c_int(_AT_FDCWD),
        os.fsencode(target),
        ctypes.c_uint(_MOVE_MOUNT_F_EMPTY_PATH),
    )


def _set_attributes(folder: int, path: str, flags: int, attributes: int) -> None:
    block = _MountAttributes(attributes, 0, 0, 0)
    _call(
        "mount_setattr",
        ctypes.c_int(folder),
        os.fsencode(path),
        ctypes.c_uint(flags),
        ctypes.byref(block),
        ctypes.c_size_t(ctypes.sizeof(block)),
    )


def prctl(option: int, *values: int) -> None:
    """Set something of this process."""
    padded = [ctypes.c_ulong(value) for value in (*values, 0, 0, 0, 0)[:4]]
    _checked(_libc.prctl(option, *padded), f"prctl({option})")


def die_with_parent() -> None:
    """Be killed when the thread that started this process ends."""
    prctl(PR_SET_PDEATHSIG, 9)


def drop_capabilities() -> None:
    """Give up every capability, for this process and all it will start."""
    for capability in range(64):
        try:
            prctl(PR_CAPBSET_DROP, capability)
        except OSError:
            break  # the kernel knows no more of them
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    header = ctypes.create_string_buffer(struct.pack("=Ii", 0x20080522, 0), 8)
    _call("capset", header, ctypes.create_string_buffer(24))


class _Filter(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("program", ctypes.c_void_p)]


def filter_calls(program: bytes) -> None:
    """Let a BPF program judge every later system call; cannot be undone."""
    held = ctypes.create_string_buffer(program, len(program))
    block = _Filter(len(program) // 8, ctypes.cast(held, ctypes.c_void_p).value)
    _checked(_libc.prctl(PR_SET_SECCOMP, ctypes.c_ulong(SECCOMP_MODE_FILTER), ctypes.byref(block), 0, 0), "seccomp")
