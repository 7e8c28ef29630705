"""A run that has a task: what its supervisor, its loop and its clients' requests share of it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Literal

import anyio

from kernelci.engine.budget import Budget
from kernelci.engine.events import Event
from kernelci.engine.links import Linking
from kernelci.engine.recorder import Recorder
from kernelci.protocol.objects import Run

GoingOn = Literal["queued", "started", "waiting for approval"]
"""Where a run stands that has not ended."""


@dataclass(slots=True)
class Driven:
    """A run being driven. `answered` is set when the client has submitted its outputs or a person has
    given an answer, `ended` at the end.

    `turn` is set, for one that waits, when another run of its thread has ended. `budget` is that of its last drive.
    """

    recorder: Recorder
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    answered: anyio.Event = field(default_factory=anyio.Event)
    ended: anyio.Event = field(default_factory=anyio.Event)
    turn: anyio.Event = field(default_factory=anyio.Event)
    linking: Linking | None = None
    budget: Budget | None = None

    @property
    def run(self) -> Run:
        """The run as it stands."""
        return self.recorder.run

    @property
    def state(self) -> GoingOn:
        """Where it stands."""
        if self.recorder.asks:
            return "waiting for approval"
        return "queued" if self.run.status == "queued" else "started"

    @property
    def deadline(self) -> float:
        """Its expiry, in the event loop's seconds."""
        return anyio.current_time() + (self.run.expires_at or 0) - time.time()

    async def emit(self, event: Event) -> None:
        """Record an event, after the text that is held back for a link."""
        await (self.linking or self.recorder.emit)(event)
