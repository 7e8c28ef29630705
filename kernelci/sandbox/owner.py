"""Whom kernels run as where the host is root: never as root, not even inside their namespaces."""

from __future__ import annotations

import os
from pathlib import Path

from kernelci.sandbox.level import Level

USER = 61234
"""An ordinary number that no account should have."""


def owner(level: Level = "namespaces") -> int | None:
    """Whom kernels run as, and what they are to change must belong to; None where that is this user.

    Those that are not confined are run as whoever has asked for that. The root of a user namespace that holds no
    other user is one of the machine's ordinary users.
    """
    return USER if level != "off" and os.geteuid() == 0 and _is_mapped(USER) else None


def _is_mapped(user: int) -> bool:
    ranges = [map(int, line.split()) for line in Path("/proc/self/uid_map").read_text().splitlines()]
    return any(first <= user < first + count for first, _, count in ranges)
