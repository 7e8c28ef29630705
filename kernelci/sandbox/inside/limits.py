"""What a session may use, and how the system is told so."""

from __future__ import annotations

import os
import resource
from contextlib import suppress
from dataclasses import dataclass

_RESERVED = 2 << 30
"""Bytes of addresses that threads and libraries set aside and hardly use."""

SHARE = 8
"""Where the processes of all sessions are counted together: so many times what one may have, they may."""


@dataclass(frozen=True)
class Limits:
    """What a session may use: bytes of memory a process, of one file and of /tmp; processes and threads."""

    memory: int
    processes: int
    file: int
    temporary: int


def limit(limits: Limits, processes: int) -> None:
    """Limit this process and all that it starts, as far as it is not limited more already.

    `processes` are those of the user, whoever has started them: in a user namespace of its own, the session's.
    """
    for what, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_DATA, limits.memory),
        (resource.RLIMIT_AS, 2 * limits.memory + _RESERVED),  # shared memory and stacks are not data
        (resource.RLIMIT_FSIZE, limits.file),
        (resource.RLIMIT_NOFILE, 1024),
        (resource.RLIMIT_NPROC, processes),
        (resource.RLIMIT_MEMLOCK, 64 * 1024),
        (resource.RLIMIT_MSGQUEUE, 0),
    ):
        _, allowed = resource.getrlimit(what)
        if allowed != resource.RLIM_INFINITY:
            most = min(most, allowed)
        resource.setrlimit(what, (most, most))


def threads_of(user: int) -> int:
    """How many threads a user has."""
    count = 0
    for name in os.listdir("/proc"):
        with suppress(OSError, ValueError):
            if os.stat(f"/proc/{int(name)}").st_uid == user:
                count += len(os.listdir(f"/proc/{name}/task"))
    return count
