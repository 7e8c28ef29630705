from __future__ import annotations

import gc
import weakref

import anyio
import pytest

from kernelci.engine.events import Event, OutputDelta, Recorded, RunMoved, StepOpened, TextDelta
from kernelci.errors import DiskFull
from kernelci.protocol.objects import Logs
from kernelci.protocol.states import ACTIVE, RUN_MOVES, RunStatus
from kernelci.store import bus as bus_module
from kernelci.store.bus import KEPT, RECORD_SIZE, JournalBus
from tests.conformance.objects import run, step, thread

WORD, ENDED, WAITS = TextDelta(""), RunMoved("completed"), RunMoved("requires_action")
OPENED = StepOpened(step(run(thread())))


def publish(bus: JournalBus, *events: Event, run_id: str = "run_1") -> None:
    for event in events:
        bus.publish(Recorded(seq=bus.last(run_id) + 1, run_id=run_id, event=event))


async def numbers(bus: JournalBus, after: int = 0, run_id: str = "run_1") -> list[int]:
    return [recorded.seq async for recorded in bus.follow(run_id, after)]


async def test_who_comes_late_misses_nothing() -> None:
    bus = JournalBus()
    assert bus.last("run_1") == 0
    publish(bus, WORD, WORD, ENDED)
    assert bus.last("run_1") == 3
    assert await numbers(bus) == [1, 2, 3]
    assert await numbers(bus, after=2) == [3]


async def test_after_the_end_there_is_nothing_to_wait_for() -> None:
    bus = JournalBus()
    publish(bus, WORD, ENDED)
    assert await numbers(bus, after=2) == []
    assert await numbers(bus, after=7) == []


async def test_who_comes_early_waits() -> None:
    bus = JournalBus()
    seen: list[list[int]] = []

    async def follow(after: int) -> None:
        seen.append(await numbers(bus, after))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(follow, 0)
        tasks.start_soon(follow, 2)
        await anyio.wait_all_tasks_blocked()
        publish(bus, WORD, WORD)
        await anyio.wait_all_tasks_blocked()
        assert seen == []
        publish(bus, WORD, ENDED)
    assert sorted(seen) == [[1, 2, 3, 4], [3, 4]]


async def test_a_reader_that_stands_still_keeps_nobody_waiting() -> None:
    bus = JournalBus()
    slow = bus.follow("run_1")
    publish(bus, WORD)
    assert (await anext(slow)).seq == 1
    publish(bus, *[WORD] * 1000, ENDED)
    assert await numbers(bus) == list(range(1, 1003))
    assert [recorded.seq async for recorded in slow] == list(range(2, 1003))


async def test_runs_are_kept_apart() -> None:
    bus = JournalBus()
    publish(bus, WORD, ENDED, run_id="run_1")
    publish(bus, ENDED, run_id="run_2")
    assert await numbers(bus, run_id="run_1") == [1, 2]
    assert await numbers(bus, run_id="run_2") == [1]


@pytest.mark.parametrize("status", sorted(RUN_MOVES))
async def test_following_ends_where_the_run_ends_or_waits(status: RunStatus) -> None:
    bus = JournalBus()
    publish(bus, WORD, RunMoved(status), WORD, ENDED)
    ends = status not in ACTIVE or status == "requires_action"
    assert await numbers(bus) == ([1, 2] if ends else [1, 2, 3, 4])


async def test_a_run_that_waited_is_followed_on() -> None:
    bus = JournalBus()
    publish(bus, WORD, WAITS)
    assert await numbers(bus) == [1, 2]
    publish(bus, WORD, ENDED)
    assert await numbers(bus, after=2) == [3, 4]


async def test_the_last_ended_journals_are_kept_and_all_running_ones() -> None:
    bus = JournalBus()
    publish(bus, WORD, run_id="run_running")
    reader = bus.follow("run_0")
    publish(bus, WORD, ENDED, run_id="run_0")
    assert (await anext(reader)).seq == 1
    for number in range(1, KEPT + 2):
        publish(bus, ENDED, run_id=f"run_{number}")
    assert [bus.last(f"run_{number}") for number in (1, 2, KEPT + 1)] == [0, 1, 1]
    assert bus.last("run_running") == 1
    assert (await anext(reader)).seq == 2, "who is reading goes on reading"


async def test_a_journal_let_go_is_gone() -> None:
    bus = JournalBus()
    ended = run(thread(), "completed")
    kept = weakref.ref(ended)
    bus.publish(Recorded(seq=1, run_id=ended.id, event=ENDED, object=ended))
    del ended
    for number in range(KEPT):
        assert kept() is not None
        publish(bus, ENDED, run_id=f"run_{number}")
    gc.collect()
    assert kept() is None


async def test_journals_that_are_too_large_are_let_go_but_for_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bus_module, "KEPT_SIZE", 100 * RECORD_SIZE)
    bus = JournalBus()
    for number in range(4):
        publish(bus, *[WORD] * 60 * (number > 0), ENDED, run_id=f"run_{number}")
    assert [bus.last(f"run_{number}") for number in range(4)] == [0, 0, 0, 61]
    publish(bus, *[WORD] * 200, ENDED, run_id="run_long")
    assert [bus.last("run_3"), bus.last("run_long")] == [0, 201]
    publish(bus, ENDED, run_id="run_short")
    assert [bus.last("run_long"), bus.last("run_short")] == [0, 1]


async def test_what_was_printed_counts_as_much_as_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bus_module, "KEPT_SIZE", 100_000)
    bus = JournalBus()
    printed = OutputDelta("call_1", Logs(logs="x" * 40_000), "stdout")
    for number in range(3):
        publish(bus, printed, ENDED, run_id=f"run_{number}")
    assert [bus.last(f"run_{number}") for number in range(3)] == [0, 0, 2]


async def test_a_run_that_grows_too_large_lets_go_of_its_first_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bus_module, "LARGEST", 25 * RECORD_SIZE)
    bus = JournalBus()
    slow, waits = bus.follow("run_1"), bus.follow("run_2")
    publish(bus, WORD, OPENED, *[WORD] * 9)
    assert (await anext(slow)).seq == 1
    publish(bus, OPENED, *[WORD] * 9, OPENED, *[WORD] * 9)
    assert [recorded.seq for recorded in bus.kept("run_1")] == list(range(12, 32))
    publish(bus, *[WORD] * 100)
    assert bus.kept("run_1")[0].seq == 22, "the newest step is kept, however large"
    publish(bus, ENDED)
    assert await numbers(bus) == list(range(22, 133))
    assert await numbers(bus, after=130) == [131, 132]
    assert [recorded.seq async for recorded in slow] == list(range(2, 133)), "who is reading reads on"
    publish(bus, ENDED, run_id="run_2")
    assert [recorded.seq async for recorded in waits] == [1]


async def test_a_cancelled_reader_leaves_the_others_alone() -> None:
    bus = JournalBus()
    seen: list[int] = []

    async def follow() -> None:
        seen.extend(await numbers(bus))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(follow)
        with anyio.CancelScope() as leaving:
            async with anyio.create_task_group() as others:
                others.start_soon(numbers, bus)
                await anyio.wait_all_tasks_blocked()
                leaving.cancel()
        publish(bus, WORD, ENDED)
    assert seen == [1, 2]


async def test_who_follows_what_is_broken_off_is_told_after_all_that_came() -> None:
    bus = JournalBus()
    publish(bus, WORD)
    seen: list[int] = []

    async def follow() -> None:
        try:
            async for recorded in bus.follow("run_1"):
                seen.append(recorded.seq)  # noqa: PERF401  what came before it broke off counts
        except DiskFull:
            seen.append(0)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(follow)
        await anyio.wait_all_tasks_blocked()
        publish(bus, WORD)
        bus.break_off("run_1", DiskFull())
    assert seen == [1, 2, 0]
    with pytest.raises(DiskFull):
        await numbers(bus)
    publish(bus, ENDED)
    assert await numbers(bus) == [1, 2, 3]
