"""What every Store has to do with what comes to a busy thread, where that may wait."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernelci.engine.ports.store import Page, Store
from kernelci.errors import ThreadBusy
from kernelci.protocol import ids
from kernelci.protocol.objects import Message, Run, Thread
from kernelci.protocol.states import ACTIVE
from kernelci.protocol.usage import Usage, Used
from tests.conformance.objects import message, named, run, thread

OLDEST = Page(limit=100, order="asc")


def same(thread: Thread) -> Thread:
    return thread


def moved(run: Run, status: str) -> Run:
    return run.model_copy(update={"status": status})


class TurnsConformance:
    async def test_what_waits_is_last_and_comes_with_its_run(self, store: Store) -> None:
        a_thread = thread()
        await store.put(a_thread)
        first = await store.open_run(run(a_thread), [], same, wait=True)
        asked, added, later = (message(a_thread, text) for text in ("asked", "added", "later"))
        posted = await store.post(asked, same, wait=True)
        created = run(a_thread, created_at=1, expires_at=601)
        second = await store.open_run(created, [added], same, wait=True)
        assert (first.waiting, posted.waiting, second.waiting) == (False, True, True)
        third = await store.open_run(run(a_thread), [], same, wait=True)
        await store.post(later, same, wait=True)
        answer = message(a_thread, "answer", run_id=first.id)
        assert await store.put(answer) == ()
        assert named(await store.conversation(a_thread.id, Message)) == [answer.id]
        listed = [answer.id, asked.id, added.id, later.id]
        assert named((await store.page(Message, OLDEST, within=a_thread.id)).data) == listed
        assert named((await store.page(Message, Page(limit=1), within=a_thread.id)).data) == [later.id]
        assert await store.active_runs() == (first, second, third)

        assert named(await store.put(moved(first, "completed"))) == [asked.id, added.id]
        begun = await store.get(Run, second.id)
        assert begun.expires_at is not None
        assert 590 < begun.expires_at - ids.now() <= 600
        assert (begun.waiting, begun.status) == (False, "queued")
        assert named(await store.conversation(a_thread.id, Message)) == listed[:3]
        with pytest.raises(ThreadBusy, match=second.id):
            await store.post(message(a_thread), same)
        assert await store.put(moved(begun, "failed")) == ()
        assert await store.put(moved(await store.get(Run, third.id), "completed")) == (later,)
        assert named((await store.page(Message, OLDEST, within=a_thread.id)).data) == listed
        assert await store.active_runs() == ()
        assert not (await store.post(message(a_thread), same, wait=True)).waiting

    async def test_whoever_does_not_know_yet_that_it_is_a_runs_turn(self, store: Store) -> None:
        a_thread = thread()
        await store.put(a_thread)
        first = await store.open_run(run(a_thread), [], same, wait=True)
        second = await store.open_run(run(a_thread), [], same, wait=True)
        await store.put(moved(first, "completed"))
        await store.put(moved(second, "cancelling"))  # from before: still waiting
        with pytest.raises(ThreadBusy, match=second.id):
            await store.post(message(a_thread), same)

    async def test_what_a_run_has_used_is_its_threads_with_its_end_and_once(self, store: Store) -> None:
        a_thread = thread()
        await store.put(a_thread)
        first = await store.open_run(run(a_thread), [], same)
        usage = Usage(prompt_tokens=10, completion_tokens=5, total_tokens=15, cost=0.5)
        going = first.model_copy(update={"status": "in_progress", "turns": 2, "seconds": 3, "usage": usage})
        await store.put(going)
        assert (await store.get(Thread, a_thread.id)).used == Used()
        ended = moved(going, "completed")
        await store.put(ended)
        await store.put(
            ended, run(a_thread, "completed", usage=usage)
        )  # one that ended elsewhere, as when imported
        await store.edit(Thread, a_thread.id, same)
        once = Used(turns=2, tokens=15, seconds=3, cost=0.5)
        assert (await store.get(Thread, a_thread.id)).used == once
        again = await store.open_run(run(a_thread), [], same)
        await store.put(again.model_copy(update={"status": "failed", "usage": Usage(estimated=True)}))
        assert (await store.get(Thread, a_thread.id)).used == once + Used(estimated=True)

    async def test_a_deleted_thread_takes_what_waits_with_it(self, store: Store) -> None:
        a_thread = thread()
        await store.put(a_thread)
        opened = [await store.open_run(run(a_thread), [message(a_thread)], same, wait=True) for _ in range(2)]
        await store.drop(Thread, a_thread.id)
        assert [await store.find(Run, each.id) for each in opened] == [None, None]
        assert await store.active_runs() == ()

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(doings=st.lists(st.sampled_from(["post", "run", "run", "say", "end", "cancel"]), max_size=24))
    async def test_everything_comes_once_and_in_order(self, store: Store, doings: list[str]) -> None:
        played = Play(store)
        await store.put(played.thread)
        for doing in doings:
            await played.do(doing)
            await played.look()
        while await played.active():
            await played.do("end")
            await played.look()
        assert await store.conversation(played.thread.id, Message) == await store.all(
            Message, within=played.thread.id
        ), "nothing waits in a thread that is free"


@dataclass
class Play:
    """A thread to which things happen, and a plain list of what it should be."""

    store: Store
    thread: Thread = field(default_factory=thread)
    said: list[str] = field(default_factory=list[str])
    waiting: list[Message | Run] = field(default_factory=list[Message | Run])
    holder: Run | None = None

    async def do(self, doing: str) -> None:
        """Do it, to the store and to the lists."""
        text = message(self.thread, "x")
        if doing == "post":
            await self.store.post(text, same, wait=True)
            self._came(text)
        elif doing == "run":
            opened = await self.store.open_run(run(self.thread), [text], same, wait=True)
            self._came(text)
            self._came(opened)
        elif doing == "say" and self.holder:
            await self.store.put(text)
            self.said.append(text.id)
        elif doing == "end" and self.holder:
            ended, self.holder = self.holder, None
            arrived, self.waiting = self.waiting, []
            turn = await self.store.put(moved(ended, "completed"))
            before = len(self.said)
            for each in arrived:
                self._came(each)
            assert named(turn) == self.said[before:]
        elif doing == "cancel" and (runs := [each for each in self.waiting if isinstance(each, Run)]):
            await self.store.put(moved(runs[-1], "cancelling"))
            await self.store.put(moved(runs[-1], "cancelled"))
            self.waiting.remove(runs[-1])

    def _came(self, item: Message | Run) -> None:
        if self.holder:
            self.waiting.append(item)
        elif isinstance(item, Run):
            self.holder = item
        else:
            self.said.append(item.id)

    async def active(self) -> Run | None:
        """The one run that holds the thread."""
        runs = [each for each in await self.store.all(Run, within=self.thread.id) if each.status in ACTIVE]
        (*holding,) = [each for each in runs if not each.waiting]
        assert len(holding) <= 1
        assert named(runs) == named([*holding, *(each for each in self.waiting if isinstance(each, Run))])
        return holding[0] if holding else None

    async def look(self) -> None:
        """Compare."""
        holder = await self.active()
        assert (holder and holder.id) == (self.holder and self.holder.id)
        assert named(await self.store.conversation(self.thread.id, Message)) == self.said
        listed = await self.store.page(Message, OLDEST, within=self.thread.id)
        assert named(listed.data) == [
            *self.said,
            *(each.id for each in self.waiting if isinstance(each, Message)),
        ]
