"""No confinement, for who has asked for it by name: a kernel is a process as any other, but for its limits."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import confine
import orphans
from limits import SHARE, Limits, limit, threads_of
from places import Places


class Unconfined:
    """Lets the children of the zygote be whom it is, see what it sees and reach what it reaches."""

    code = str(Path(__file__).parent)
    """Where the files beside this one are."""

    ending = orphans.ENDING
    """What ends a child with all that it has started."""

    whole = False
    """Whether a child is shut in already when it has no session yet, and so may go on to have threads."""

    def __init__(self) -> None:
        self._sessions = ""
        self._others = 0
        self.temporary = ""

    def enter(self, told: dict[str, Any]) -> int:
        """Learn where the sessions are; gives 0."""
        self._sessions, self.temporary = told["sessions"], told["temporary"]
        self._others = threads_of(os.getuid())
        return 0

    def fork(self) -> tuple[int, None]:
        """Fork; gives 0 in the child, and to us its pid."""
        return os.fork(), None

    def apart(self) -> None:
        """In the child: there is nothing to leave."""

    def shut_in(self, _limits: Limits) -> None:
        """In the child: go on as a kernel that is looked after by its elder; both are in the session's group."""
        orphans.split(orphans.end_children)
        os.setsid()

    def give(self, _mounts: int | None, _session: str) -> None:
        """In the zygote: a session's folder is in its place already."""

    def take(self, session: str, limits: Limits) -> Places:
        """In the child: go to the session's folder, with its limits."""
        folder = os.path.realpath(f"{self._sessions}/{session}")
        places = Places(f"{folder}/data", f"{folder}/tmp")
        os.chdir(places.data)
        confine.first_to_go(1000)
        limit(limits, self._others + SHARE * limits.processes)
        return places
