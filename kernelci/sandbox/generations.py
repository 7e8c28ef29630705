"""Which environment new kernels get while a server runs: the one of the lock as it is now, once that is built."""

from __future__ import annotations

import logging
from pathlib import Path

from kernelci.errors import EnvironmentUnavailable
from kernelci.sandbox.environment import Environment, of_kernelspec

logger = logging.getLogger(__name__)


class Generations:
    """The environments of one kernelspec, each in its time.

    A lock that has changed counts as soon as its environment is built; who changed it builds it. Until then, and
    while there is no lock to be read, the one before it stays.
    """

    def __init__(self, first: Environment) -> None:
        self._current = self._next = first
        self._seen = _stamp(first.lock)

    def current(self) -> Environment:
        """The environment for a kernel that starts now. It costs a look at the lock's date."""
        stamp = _stamp(self._current.lock)
        if stamp not in (None, self._seen):
            self._seen = stamp
            self._read()
        if self._next != self._current and (self._next.ready or not self._current.ready):
            self._current = self._next
            logger.info("new kernels get %s", self._current.folder, extra={"action": "environment_changed"})
        return self._current

    def _read(self) -> None:
        try:
            self._next = of_kernelspec(self._current.lock.parent, self._current.folder.parents[1])
        except EnvironmentUnavailable:  # it is being replaced
            self._seen = None
            return
        if not self._next.ready:
            logger.warning(
                "%s has changed: sessions go on with the packages they have until it is built, by "
                "`kernelci kernels build`",
                self._next.lock,
                extra={"action": "environment_outdated"},
            )


def _stamp(lock: Path) -> tuple[int, ...] | None:
    """What tells one state of a file from the next; None if there is no file."""
    try:
        found = lock.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
