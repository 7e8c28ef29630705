"""The only thing that turns a run's events into state: store first, then transcript, then subscribers.

Whoever sees an event can read what it speaks of; whoever sees a run's end reads a finished notebook. The run itself
waits only for what must be stored before it goes on; the rest is stored meanwhile, all that has come together.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import replace
from typing import Final

import anyio

from kernelci.engine.events import (
    CallAnswered,
    CallDelta,
    CodeDelta,
    Event,
    Output,
    OutputDelta,
    Recorded,
    RunMoved,
    TextDelta,
    TextDone,
    TurnOpened,
    UsageCounted,
)
from kernelci.engine.open_run import Applied, OpenRun
from kernelci.engine.ports.bus import Bus
from kernelci.engine.ports.store import Store
from kernelci.engine.ports.transcripts import Transcripts
from kernelci.protocol.calls import Approval
from kernelci.protocol.objects import Cell, Message, Run, RunStep
from kernelci.protocol.states import ACTIVE

_GO_ON: Final = (
    TurnOpened,
    TextDelta,
    TextDone,
    CodeDelta,
    CallDelta,
    CallAnswered,
    OutputDelta,
    Output,
    UsageCounted,
)
"""The events that a run does not wait for: what it does next is right even if they are never stored."""


class Recorder:
    """Records one run. `emit` may be called from several tasks.

    What a store refuses for a while is not lost: it goes with the next event that the store takes.
    """

    def __init__(
        self,
        *,
        run: Run,
        steps: Sequence[RunStep] = (),
        message: Message | None = None,
        store: Store,
        bus: Bus,
        transcripts: Transcripts,
        meanwhile: Callable[[Callable[[], Coroutine[None, None, None]]], object],
    ) -> None:
        """`meanwhile` begins a task, which may be cancelled when the run is."""
        self._open = OpenRun(run, steps, message)
        self._waiting: list[tuple[Event, Applied]] = []
        self._store = store
        self._bus = bus
        self._transcripts = transcripts
        self._meanwhile = meanwhile
        self._unkept = False
        self._one_at_a_time = anyio.Lock()
        self._storing = anyio.Lock()

    @property
    def run(self) -> Run:
        """The run as it stands."""
        return self._open.run

    async def emit(self, event: Event) -> None:
        """Take in an event and those it implies. Not to be cancelled half-way.

        Raises:
            IllegalMove: the status table does not allow it; nothing is recorded.
        """
        with anyio.CancelScope(shield=True):
            async with self._one_at_a_time:
                taken = [(each, self._open.apply(each)) for each in self._open.implied(event)]
                if _ends(event):
                    await self._keep_before_the_end(taken[:-1])
                    taken = taken[-1:]
                self._waiting += taken
                if not isinstance(event, _GO_ON):
                    await self._keep()
                elif not self._storing.locked():  # else who stores takes these, too
                    if any(applied.changed for _, applied in self._waiting):
                        self._meanwhile(self._keep_if_possible)
                    else:
                        await self._keep()

    async def accept(self, event: Event) -> None:
        """Take in what a client says, who may say it again: as `emit`, but what is not stored has not been said.

        Raises:
            IllegalMove: the status table does not allow it; nothing is recorded.
        """
        with anyio.CancelScope(shield=True):
            async with self._one_at_a_time:
                before = deepcopy(self._open)
                self._waiting += (taken := [(each, self._open.apply(each)) for each in self._open.implied(event)])
                try:
                    await self._keep()
                except BaseException:
                    before.amend(self.run)  # a client may have changed its metadata meanwhile
                    self._open = before
                    del self._waiting[-len(taken) :]
                    raise

    @property
    def is_kept(self) -> bool:
        """Whether all that was taken in is stored."""
        return not (self._waiting or self._unkept)

    async def _keep_before_the_end(self, taken: Sequence[tuple[Event, Applied]]) -> None:
        """Store what a run's end implies, and finish its notebook: the end is the last that anybody is told."""
        self._unkept = True
        self._waiting += taken
        await self._keep()
        await self._transcripts.settled(self.run.thread_id)
        self._unkept = False

    async def _keep_if_possible(self) -> None:
        with anyio.CancelScope(shield=True), suppress(Exception):  # the next event that is waited for raises it
            await self._keep()

    async def _keep(self) -> None:
        """Store what waits, all that has come in one transaction, then tell the transcript and the subscribers."""
        async with self._storing:
            while taken := tuple(self._waiting):
                changed = {thing.id: thing for _, applied in taken for thing in applied.changed}
                turn = await self._store.put(*changed.values()) if changed else ()
                del self._waiting[: len(taken)]
                noted = [thing for thing in (*changed.values(), *turn) if isinstance(thing, Message | Cell)]
                if noted:
                    self._transcripts.put(self.run.thread_id, *noted)
                self._tell(taken)

    def _tell(self, taken: Sequence[tuple[Event, Applied]]) -> None:
        for event, applied in taken:
            self._bus.publish(
                Recorded(
                    seq=self._bus.last(self.run.id) + 1,
                    run_id=self.run.id,
                    event=_for_subscribers(event),
                    object=applied.subject,
                    index=applied.index,
                    output_index=applied.output_index,
                )
            )

    @property
    def asks(self) -> Approval | None:
        """What the run waits for a person's word on, if it does."""
        return self._open.asks

    def amend(self, changed: Run | Message) -> None:
        """Show the metadata that a client has changed in the store from now on."""
        self._open.amend(changed)

    def take_turn(self, run: Run) -> None:
        """Go on with a run whose turn has come, as the store has it."""
        self._open.take_turn(run)

    def announce(self) -> None:
        """Tell subscribers of a run that has just been stored as queued."""
        self._bus.publish(Recorded(seq=1, run_id=self.run.id, event=RunMoved("queued"), object=self.run))

    def give_up(self) -> None:
        """Tell subscribers of the end of a run that is not in the store any more."""
        failed = self.run.model_copy(update={"status": "failed"})
        seq = self._bus.last(self.run.id) + 1
        self._bus.publish(Recorded(seq=seq, run_id=self.run.id, event=RunMoved("failed"), object=failed))


def _ends(event: Event) -> bool:
    return isinstance(event, RunMoved) and event.status not in ACTIVE


def _for_subscribers(event: Event) -> Event:
    """The event without the notebook's outputs: subscribers have been told, and the bus keeps it for long."""
    return replace(event, notebook=()) if isinstance(event, Output) else event
