"""A memory group for a process and all that it starts, where this user may make one; what is in use otherwise."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

_V1 = Path("/sys/fs/cgroup/memory")


@contextmanager
def memory_group(limit: int) -> Generator[Path | None]:
    """A new group of so many bytes; None where there cannot be one."""
    folder = _V1 / f"kernelci-bench-{os.getpid()}"
    try:
        folder.mkdir()
    except OSError:
        yield None
        return
    try:
        (folder / "memory.limit_in_bytes").write_text(str(limit))
        yield folder
    finally:
        with suppress(OSError):  # of processes that have not ended yet
            folder.rmdir()


def in_use(folder: Path) -> int:
    """The group's bytes, without cached files that nobody misses."""
    told = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    used = int((folder / "memory.usage_in_bytes").read_text())
    return used - int(told["total_inactive_file"]) - int(told["total_active_file"])


def shares() -> int:
    """The bytes of all processes below this one, what is shared counted in parts (PSS)."""
    return sum(_share(pid) for pid in _below(os.getpid()))


def _below(parent: int) -> list[int]:
    children = " ".join(each.read_text() for each in Path(f"/proc/{parent}/task").glob("*/children")).split()
    return [pid for child in map(int, children) for pid in (child, *_below(child))]


def _share(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
