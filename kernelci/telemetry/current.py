"""The run in whose task something happens, so that what knows nothing of runs can be told apart by them."""

from __future__ import annotations

from contextvars import ContextVar

from kernelci.engine.driven import Driven
from kernelci.engine.driver import Driver
from kernelci.telemetry.facts import Whose

_DRIVEN: ContextVar[Driven | None] = ContextVar("kernelci_driven", default=None)


class NotedDriver(Driver):
    """A driver that notes, for all that happens in its task, which run it drives."""

    async def go(self, driven: Driven) -> None:
        noted = _DRIVEN.set(driven)
        try:
            await Driver.go(self, driven)
        finally:
            _DRIVEN.reset(noted)


def current() -> Whose | None:
    """The run that this task drives. A task that outlives the run by which it was begun has none any more."""
    driven = _DRIVEN.get()
    return None if driven is None or driven.ended.is_set() else Whose.of(driven.run)
