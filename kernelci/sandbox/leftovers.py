"""What a killed host leaves behind: names that tell whose they are, and who of those is certainly dead.

Processes never outlive a host. Folders and control groups do, and the next host removes them.
"""

from __future__ import annotations

import logging
import os
import re
import tempfile
from pathlib import Path

from kernelci.sandbox import beneath

logger = logging.getLogger(__name__)

_NAMED = re.compile(r"kernelci-(\d+)-(\d+)-(\d+)-")


def prefix() -> str:
    """How the names begin of what is this process's: its pid namespace, its pid and when it was started."""
    pid = os.getpid()
    return f"kernelci-{_namespace()}-{pid}-{_started(pid)}-"


def is_left(name: str) -> bool:
    """Whether a name was given by a process that is dead; False where that cannot be known from here."""
    if not (named := _NAMED.match(name)):
        return False
    namespace, pid, started = map(int, named.groups())
    return namespace == _namespace() and started != _started(pid)


def sweep() -> None:
    """Remove the temporary folders of dead processes of this user."""
    for place in {tempfile.gettempdir(), "/tmp"}:  # noqa: S108 - where long paths make us go
        with os.scandir(place) as entries:
            left = [entry for entry in entries if is_left(entry.name) and _is_our_folder(entry)]
        for entry in left:
            try:
                beneath.remove(Path(entry.path))
            except OSError:  # another host may be at it, too
                logger.info("could not remove %s", entry.path, extra={"action": "leftover_stays"}, exc_info=True)


def _is_our_folder(entry: os.DirEntry[str]) -> bool:
    """In a folder that everybody may write to, a name proves nothing."""
    try:
        return entry.is_dir(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_uid == os.geteuid()
    except FileNotFoundError:
        return False


def _namespace() -> int:
    return Path("/proc/self/ns/pid").stat().st_ino


def _started(pid: int) -> int | None:
    """When a process was started, in ticks since the machine was; None where there is no such process."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(status.rpartition(")")[2].split()[19])
