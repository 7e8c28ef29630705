"""The bus within one process: a journal a run, which any number of readers walk at their own pace.

Nothing is queued for anybody. A reader keeps its place in the journal, so a slow one costs nothing and misses
nothing, and a late one begins where it likes. Everything happens on the event loop.
"""

from __future__ import annotations

import secrets
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from operator import attrgetter
from weakref import WeakValueDictionary

import anyio

from kernelci.engine.events import Recorded, RunMoved
from kernelci.errors import KernelciError
from kernelci.protocol.states import ACTIVE

KEPT = 256
"""Journals of ended runs that are kept for those who come late."""

KEPT_RECORDS = 200_000
"""Records in all of them; a model that writes without end leaves many, of some 200 bytes each."""


class _Journal:
    """What happened in a run so far."""

    def __init__(self) -> None:
        self.records: list[Recorded] = []
        self._broken: KernelciError | None = None
        self._more: anyio.Event | None = None

    def append(self, recorded: Recorded) -> None:
        self.records.append(recorded)
        self._broken = None
        self._wake()

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
        if _ends(recorded):
            self._running.pop(run_id, None)
            self._ended[run_id] = journal
            self._let_go()
        elif run_id not in self._ended:
            self._running[run_id] = journal
        journal.append(recorded)

    def _let_go(self) -> None:
        """Forget the oldest of the ended runs, if there are too many or they are too long; never the newest."""
        records = sum(len(journal.records) for journal in self._ended.values())
        while len(self._ended) > KEPT or (records > KEPT_RECORDS and len(self._ended) > 1):
            _, oldest = self._ended.popitem(last=False)
            records -= len(oldest.records)

    def break_off(self, run_id: str, error: KernelciError) -> None:
        self._journal(run_id).break_off(error)

    def last(self, run_id: str) -> int:
        journal = self._known.get(run_id)
        return journal.records[-1].seq if journal and journal.records else 0

    def kept(self, run_id: str) -> Sequence[Recorded]:
        journal = self._known.get(run_id)
        return tuple(journal.records) if journal else ()

    async def follow(self, run_id: str, after: int = 0) -> AsyncIterator[Recorded]:
        journal = self._journal(run_id)
        place = bisect_right(journal.records, after, key=attrgetter("seq"))
        while True:
            while place == len(journal.records):
                if place and _ends(journal.records[-1]):
                    return
                await journal.more()
            recorded = journal.records[place]
            place += 1
            if recorded.seq <= after:  # who comes early may ask for what is still to come
                continue
            yield recorded
            if _ends(recorded) or _waits(recorded):
                return

    def _journal(self, run_id: str) -> _Journal:
        journal = self._known.get(run_id)
        if journal is None:
            journal = self._known[run_id] = _Journal()
        return journal


def _ends(recorded: Recorded) -> bool:
    return isinstance(recorded.event, RunMoved) and recorded.event.status not in ACTIVE


def _waits(recorded: Recorded) -> bool:
    return isinstance(recorded.event, RunMoved) and recorded.event.status == "requires_action"
