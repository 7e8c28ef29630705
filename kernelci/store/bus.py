"""The bus within one process: a journal a run, which any number of readers walk at their own pace.

Nothing is queued for anybody. A reader keeps its place in the journal from the moment it asks, so a slow one costs
nothing and misses nothing, and a late one begins where it likes. A journal that grows too large lets go of its
oldest steps, which are in the store; who is reading them reads on. Everything happens on the event loop.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

import anyio

from kernelci.engine.events import (
    CallAnswered,
    CallDelta,
    CodeDelta,
    OutputDelta,
    OutputsSubmitted,
    Recorded,
    RunMoved,
    StepOpened,
    TextDelta,
)
from kernelci.errors import KernelciError
from kernelci.protocol.objects import Image
from kernelci.protocol.states import ACTIVE

KEPT = 256
"""Journals of ended runs that are kept for those who come late."""

MEBIBYTE = 1024 * 1024
KEPT_SIZE = 64 * MEBIBYTE
"""Bytes that all of them take, roughly; the newest is kept in any case."""

LARGEST = 16 * MEBIBYTE
"""Bytes that the journal of a run takes, roughly, before its first steps are let go; its newest step is kept."""

RECORD_SIZE = 200
"""Bytes of a record beside its text, which stands in the object of a later one as well."""


@dataclass(slots=True)
class _Part:
    """What happened from the opening of one step to that of the next."""

    records: list[Recorded] = field(default_factory=list[Recorded])
    size: int = 0
    next: _Part | None = None


class _Journal:
    """What happened in a run so far."""

    def __init__(self) -> None:
        self.oldest = self._newest = _Part()
        self.size = 0
        self._broken: KernelciError | None = None
        self._more: anyio.Event | None = None

    def append(self, recorded: Recorded) -> None:
        if isinstance(recorded.event, StepOpened):
            self._newest.next = self._newest = _Part()
        self._newest.records.append(recorded)
        self._newest.size += (size := _size(recorded))
        self.size += size
        while self.size > LARGEST and self.oldest.next:
            self.size -= self.oldest.size
            self.oldest = self.oldest.next
        self._broken = None
        self._wake()

    def records(self) -> Iterator[Recorded]:
        """Those that are kept."""
        part: _Part | None = self.oldest
        while part:
            yield from part.records
            part = part.next

    @property
    def last(self) -> Recorded | None:
        """The newest record."""
        return self._newest.records[-1] if self._newest.records else None

    def break_off(self, error: KernelciError) -> None:
        self._broken = error
        self._wake()

    async def more(self) -> None:
        """Wait for the next record; raises what has broken them off."""
        if self._broken is not None:
            raise self._broken
        self._more = self._more or anyio.Event()
        await self._more.wait()

    def _wake(self) -> None:
        if self._more is not None:
            self._more.set()
            self._more = None


class JournalBus:
    """The Bus of a server that is one process."""

    def __init__(self) -> None:
        # A reader may come before the first record, or stay when the journal is let go: the journals known here
        # are those that are kept, and those that somebody is reading.
        self._known: WeakValueDictionary[str, _Journal] = WeakValueDictionary()
        self._running: dict[str, _Journal] = {}
        self._ended: OrderedDict[str, _Journal] = OrderedDict()
        self.epoch = secrets.token_hex(4)

    def publish(self, recorded: Recorded) -> None:
        run_id = recorded.run_id
        journal = self._journal(run_id)
        journal.append(recorded)
        if _ends(recorded):
            self._running.pop(run_id, None)
            self._ended[run_id] = journal
            self._let_go()
        elif run_id not in self._ended:
            self._running[run_id] = journal

    def _let_go(self) -> None:
        """Forget the oldest of the ended runs, if there are too many or they are too large; never the newest."""
        size = sum(journal.size for journal in self._ended.values())
        while len(self._ended) > KEPT or (size > KEPT_SIZE and len(self._ended) > 1):
            _, oldest = self._ended.popitem(last=False)
            size -= oldest.size

    def break_off(self, run_id: str, error: KernelciError) -> None:
        self._journal(run_id).break_off(error)

    def last(self, run_id: str) -> int:
        journal = self._known.get(run_id)
        return journal.last.seq if journal and journal.last else 0

    def kept(self, run_id: str) -> Sequence[Recorded]:
        journal = self._known.get(run_id)
        return tuple(journal.records()) if journal else ()

    def follow(self, run_id: str, after: int = 0) -> AsyncIterator[Recorded]:
        journal = self._journal(run_id)
        return _walk(journal, journal.oldest, after)  # which keeps both, whenever it is read

    def _journal(self, run_id: str) -> _Journal:
        journal = self._known.get(run_id)
        if journal is None:
            journal = self._known[run_id] = _Journal()
        return journal


async def _walk(journal: _Journal, part: _Part, after: int) -> AsyncIterator[Recorded]:
    place = 0
    while True:
        while place == len(part.records):
            if part.next:
                part, place = part.next, 0
            elif place and _ends(part.records[-1]):
                return
            else:
                await journal.more()
        recorded = part.records[place]
        place += 1
        if recorded.seq <= after:  # seen already, or still to come where who asks was early
            continue
        yield recorded
        if _ends(recorded) or _waits(recorded):
            return


def _ends(recorded: Recorded) -> bool:
    return isinstance(recorded.event, RunMoved) and recorded.event.status not in ACTIVE


def _waits(recorded: Recorded) -> bool:
    return isinstance(recorded.event, RunMoved) and recorded.event.status == "requires_action"


def _size(recorded: Recorded) -> int:
    """The bytes that a record takes, roughly."""
    match recorded.event:
        case TextDelta(text) | CodeDelta(_, text) | CallDelta(_, _, text):
            length = len(text)
        case CallAnswered(_, _, arguments, output):
            length = len(arguments) + len(output)
        case OutputDelta(_, output) if not isinstance(output, Image):
            length = len(output.logs)
        case OutputsSubmitted(outputs):
            length = sum(map(len, outputs.values()))
        case _:
            length = 0
    return RECORD_SIZE + 2 * length
