"""What a session may use as a whole: control groups, v1 or v2, where this machine lets us make some.

Where it does not, each process of a session has its limits, which are set inside, and the sum of them has none.
Nothing is taken that was not given: of v2 only a group that was delegated to us (systemd's `Delegate=yes`, or the
one that a container starts in) and has no processes but ours. See the kernel's cgroup-v1/ and cgroup-v2.rst.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from kernelci.sandbox import leftovers
from kernelci.sandbox.hierarchies import CONTROLLERS, hierarchies

logger = logging.getLogger(__name__)

REMEDY = "start it by `systemd-run --user --scope -p Delegate=yes`; as root, without --user"
"""What gives us a control group to divide, where there is a systemd."""

_WORDS = {"memory": "memory", "pids": "processes", "cpu": "processors"}

_PERIOD = 100_000
"""Microseconds in which a processor's time is shared out."""


@dataclass(frozen=True, slots=True)
class Shares:
    """What a session may use: bytes of memory, processes and threads, processors (None: all there are)."""

    memory: int
    processes: int
    cpus: float | None = None


class Groups:
    """Makes the groups of sessions, below `folders`: the folder of each controller that can be had, by its name."""

    def __init__(self, folders: Mapping[str, Path], shares: Shares) -> None:
        self._folders = folders
        self._shares = shares

    @classmethod
    def found(cls, shares: Shares) -> Groups:
        """Those of this machine, tried for real; removes what killed hosts have left. Blocks for some milliseconds.

        Where the machine has v2, this process and those that have started it are moved into a group of their own.
        """
        folders = {name: folder for name, folder in hierarchies().items() if _works(folder, name, shares)}
        for folder in {*folders.values()}:
            _sweep(folder)
        return cls(folders, shares)

    @property
    def controllers(self) -> tuple[str, ...]:
        """What is limited for a session as a whole: some of memory, pids and cpu."""
        return tuple(name for name in CONTROLLERS if name in self._folders)

    def __str__(self) -> str:
        """In words, what is limited for a session as a whole."""
        words = [_WORDS[name] for name in self.controllers]
        return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words) or "nothing"

    def group(self, name: str) -> Group:
        """A session's group, to be put around its first process."""
        folders = {of: folder / f"{leftovers.prefix()}{name}" for of, folder in self._folders.items()}
        return Group(folders, self._shares)


@dataclass(slots=True)
class Group:
    """The processes of one session. What they have been charged for before they are put in stays elsewhere."""

    folders: Mapping[str, Path]
    shares: Shares
    _killed: int = field(default=0, init=False)

    @property
    def killed(self) -> int:
        """How many of its processes were killed since memory ran out; also after its end."""
        if folder := self.folders.get("memory"):
            with suppress(OSError):  # it has ended
                self._killed = _killed(folder)
        return self._killed

    def put(self, pid: int) -> None:
        """Make the group, and put a process into it that has no children yet; may block for some milliseconds.

        Raises:
            OSError: it has ended, or the group cannot be made any more.
        """
        try:
            for folder in dict.fromkeys(self.folders.values()):
                folder.mkdir()
            for name, folder in self.folders.items():
                _limit(folder, name, self.shares)
            for folder in dict.fromkeys(self.folders.values()):
                _write(folder / "cgroup.procs", str(pid))
        except OSError:
            self.end()
            raise

    def end(self) -> None:
        """Remove the group, all of whose processes have ended."""
        self._killed = self.killed
        for folder in dict.fromkeys(self.folders.values()):
            try:
                folder.rmdir()
            except FileNotFoundError:
                continue
            except OSError:  # something is still ending: the next start removes it
                logger.info("could not remove %s", folder, extra={"action": "group_left"}, exc_info=True)


def _works(folder: Path, name: str, shares: Shares) -> bool:
    """Whether a group with the limit can be made there."""
    tried = folder / f"{leftovers.prefix()}tried"
    try:
        tried.mkdir()
        try:
            _limit(tried, name, shares)
        finally:
            tried.rmdir()
    except OSError:
        return False
    return True


def _limit(folder: Path, name: str, shares: Shares) -> None:
    for file, value in _values(folder, name, shares).items():
        _write(folder / file, value)


def _values(folder: Path, name: str, shares: Shares) -> dict[str, str]:
    """What to write into which files, in this order. Memory that is swapped out counts as used."""
    v2 = (folder / "cgroup.controllers").exists()
    match name:
        case "memory" if v2:
            swap = {"memory.swap.max": "0"} if (folder / "memory.swap.max").exists() else {}
            return {"memory.max": str(shares.memory)} | swap
        case "memory":
            file = "memory.memsw.limit_in_bytes"
            swap = {file: str(shares.memory)} if (folder / file).exists() else {}
            return {"memory.limit_in_bytes": str(shares.memory)} | swap
        case "pids":
            return {"pids.max": str(shares.processes)}
        case _ if shares.cpus is None:
            return {}  # each group has as much of a busy machine as any other
        case _ if v2:
            return {"cpu.max": f"{_quota(shares.cpus)} {_PERIOD}"}
        case _:
            return {"cpu.cfs_period_us": str(_PERIOD), "cpu.cfs_quota_us": str(_quota(shares.cpus))}


def _quota(cpus: float) -> int:
    return round(cpus * _PERIOD)


def _killed(folder: Path) -> int:
    """The count of Linux: v2 has it in memory.events, v1 in memory.oom_control."""
    events = folder / "memory.events"
    text = (events if events.exists() else folder / "memory.oom_control").read_text()
    return next((int(line.split()[1]) for line in text.splitlines() if line.startswith("oom_kill ")), 0)


def _write(file: Path, value: str) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CLOEXEC)  # never O_CREAT: a file that is missing is an error
    try:
        os.write(descriptor, value.encode())
    finally:
        os.close(descriptor)


def _sweep(folder: Path) -> None:
    """Remove the groups of hosts that are dead, and so are all their kernels."""
    for group in folder.iterdir():
        if leftovers.is_left(group.name):
            with suppress(OSError):  # another host may be at it, too
                group.rmdir()
