"""The way into the namespaces that confine kernels: the same for a zygote and for a kernel that starts alone."""

from __future__ import annotations

import os

import confine
import linux
import tree

_NAMESPACES = linux.NEWUSER | linux.NEWNS | linux.NEWIPC | linux.NEWUTS | linux.NEWNET | linux.NEWPID


def enter(shown: list[str], writable: dict[str, str], uid: int | None) -> int:
    """Fork the first process of new namespaces, with the root of tree.py.

    `uid` is whom to become before that, where we are root; None where we are an ordinary user.

    Gives 0 there, and its pid to the one that stays outside, whose death is its own.

    Raises:
        OSError: the machine does not allow it; raised inside or outside.
    """
    if uid is not None:  # the folders may be in reach of root alone
        linux.unshare(linux.NEWNS)
        tree.build(shown, writable)
        confine.leave(uid, uid)
    own, group = os.getuid(), os.getgid()
    linux.unshare(_NAMESPACES)
    confine.become(0, own, group)
    if first := os.fork():
        return first
    linux.die_with_parent()
    if uid is not None:  # the tree stands already, but shows the machine's processes
        linux.mount("proc", "/proc", "proc", linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC)
    else:
        tree.build(shown, writable)
    return 0
