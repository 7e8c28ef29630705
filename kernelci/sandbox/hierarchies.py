"""Where on this machine control groups may be made: which hierarchies there are, and where in them we are."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path, PurePosixPath

CONTROLLERS = ("memory", "pids", "cpu")
"""What of a session can be limited as a whole."""

_OURS = "kernelci"
"""The group of v2 that the host's own processes are in: what has groups below it may hold none."""


_DELEGATED = ("user.delegate", "trusted.delegate")
"""The extended attributes by which systemd says that a group is for others to divide."""


def hierarchies() -> dict[str, Path]:
    """The folder below which groups may be made, by controller; without those that nothing lets us use.

    Of v2 this needs a group that was delegated to us: this process, and those that have started it, are moved into
    a group of their own in that one.
    """
    found: dict[str, Path] = {}
    for controllers, path in _memberships():
        if (folder := _folder(controllers, path)) is None:
            continue
        if not controllers:
            found |= _divided(folder, path)
        elif os.access(folder, os.W_OK):
            found |= {name: folder for name in CONTROLLERS if name in controllers}
    return found


def _memberships() -> list[tuple[frozenset[str], str]]:
    """The hierarchies and where in each we are; the one of v2 has no controllers to its name."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except FileNotFoundError:
        return []  # not Linux, or one without control groups
    split = [line.split(":", 2) for line in lines]
    return [(frozenset(filter(None, names.split(","))), path) for _, names, path in split]


def _folder(controllers: frozenset[str], path: str) -> Path | None:
    """Where a group of a hierarchy is seen, if it is."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        mount, _, kind = line.partition(" - ")
        _, _, _, root, point, *_ = mount.split()
        name, _, options = kind.split()[:3]
        wanted = name == "cgroup" and controllers <= {*options.split(",")} if controllers else name == "cgroup2"
        if wanted and PurePosixPath(path).is_relative_to(root):
            return Path(point, PurePosixPath(path).relative_to(root))
    return None


def _divided(own: Path, path: str) -> dict[str, Path]:
    """The controllers of v2 for the groups below the one that was delegated to us, if one was and is ours alone."""
    whole = own.parent if own.name == _OURS else own
    if not (os.access(whole, os.W_OK) and (path == "/" or _is_delegated(whole))):
        return {}
    if whole is own and not _make_room(own):
        return {}
    for name in CONTROLLERS:
        with suppress(OSError):  # it is not for us to give
            (whole / "cgroup.subtree_control").write_text(f"+{name}")
    given = (whole / "cgroup.subtree_control").read_text().split()
    return {name: whole for name in CONTROLLERS if name in given}


def _is_delegated(folder: Path) -> bool:
    for name in _DELEGATED:
        with suppress(OSError):
            if os.getxattr(folder, name) == b"1":
                return True
    return False


def _make_room(group: Path) -> bool:
    """Move the processes of a group into one below it, unless there are others than ours: what has groups below
    may hold no process itself. Whether it holds none now.
    """
    if not (group / "cgroup.type").exists():
        return True  # the root of all groups may
    lineage = _lineage()
    inside = {*map(int, (group / "cgroup.procs").read_text().split())}
    if not inside <= lineage:
        return False
    ours = group / _OURS
    ours.mkdir(exist_ok=True)
    for pid in inside:
        (ours / "cgroup.procs").write_text(str(pid))
    return True


def _lineage() -> set[int]:
    """This process, and those that have started it."""
    lineage: set[int] = set()
    pid = os.getpid()
    while pid:
        lineage.add(pid)
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return lineage
