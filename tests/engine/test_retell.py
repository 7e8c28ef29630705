"""Runs told again to readers who come late, where the bus has let go of their beginning."""

from __future__ import annotations

import anyio
import pytest

from kernelci.engine.events import OutputDelta, Recorded, RunMoved, StepMoved, StepOpened, TextDelta
from kernelci.engine.ports.sessions import CellResult, OnOutput
from kernelci.engine.retell import retold_after
from kernelci.models.scripted import ScriptedModel
from kernelci.models.turn import Turn
from kernelci.protocol.objects import Logs, Run
from kernelci.store import bus as bus_module
from tests.engine.conftest import OK, Engine


async def cell(code: str, on_output: OnOutput) -> CellResult:
    """Prints its code, many times."""
    for _ in range(10):
        await on_output("stdout", f"{code}\n" * 100)
    return OK


@pytest.fixture
async def run(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Run:
    """An ended run of five cells and a word, of which the bus has only the newest."""
    monkeypatch.setattr(bus_module, "LARGEST", 10_000)
    engine.session.cell = cell
    await engine.start(ScriptedModel([*(Turn(code=f"'{letter}'") for letter in "abcde"), Turn(text="Done.")]))
    ended = await engine.finished(await engine.ask())
    assert not engine.bus.kept(ended.id)[0].first
    return ended


async def retold(engine: Engine, run: Run, number: int | str = "") -> list[Recorded]:
    """What a reader is told after that event of the run."""
    seen = f"{engine.bus.epoch}.{run.id}.{number}" if number else ""
    retold = await retold_after(seen, run.thread_id, store=engine.store, bus=engine.bus)
    return [each async for each in retold.told]


def shape(told: list[Recorded]) -> list[str]:
    """The events that open, move and end."""
    names = {StepOpened: "opened", StepMoved: "closed"}
    moves = (each for each in told if isinstance(each.event, RunMoved | StepOpened | StepMoved))
    return [each.event.status if isinstance(each.event, RunMoved) else names[type(each.event)] for each in moves]


async def test_each_step_is_told_once_and_in_full(engine: Engine, run: Run) -> None:
    told = await retold(engine, run)
    assert shape(told) == ["queued", "in_progress", *["opened", "closed"] * 6, "completed"]
    printed = [each.event.output for each in told if isinstance(each.event, OutputDelta)]
    logs = "".join(output.logs for output in printed if isinstance(output, Logs))
    assert logs == "".join(f"'{letter}'\n" * 1000 for letter in "abcde")
    assert "".join(each.event.text for each in told if isinstance(each.event, TextDelta)) == "Done."


async def test_who_left_where_nothing_is_kept_is_told_the_run_anew(engine: Engine, run: Run) -> None:
    assert shape(await retold(engine, run, 7)) == shape(await retold(engine, run))
    seen = f"{engine.bus.epoch}.{run.id}.7"
    assert (await retold_after(seen, run.thread_id, store=engine.store, bus=engine.bus)).seen == []


async def test_who_left_in_what_is_kept_goes_on_there(engine: Engine, run: Run) -> None:
    kept = engine.bus.kept(run.id)
    for left in (kept[0].seq - 1, kept[0].seq, kept[-3].seq):
        assert [each.seq for each in await retold(engine, run, left)] == list(range(left + 1, kept[-1].seq + 1))


async def test_a_slow_reader_is_told_all_that_was_kept_when_it_came(
    engine: Engine, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = await retold(engine, run)
    slow = (await retold_after("", run.thread_id, store=engine.store, bus=engine.bus)).told
    told = [await anext(slow)]
    monkeypatch.setattr(bus_module, "KEPT_SIZE", 1)
    await engine.finished(await engine.ask())
    told += [each async for each in slow]
    assert [each.event for each in told] == [each.event for each in whole]
    assert not engine.bus.kept(run.id), "it was let go meanwhile"


async def test_a_slow_reader_of_a_run_that_goes_on_misses_no_step(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus_module, "LARGEST", 10_000)
    held, go = anyio.Event(), anyio.Event()

    async def holding(code: str, on_output: OnOutput) -> CellResult:
        if code == "'c'":
            held.set()
            await go.wait()
        return await cell(code, on_output)

    engine.session.cell = holding
    await engine.start(ScriptedModel([*(Turn(code=f"'{letter}'") for letter in "abcdefgh"), Turn(text="Done.")]))
    run = await engine.ask()
    await engine.supervisor.start(run)
    await held.wait()
    seen = f"{engine.bus.epoch}.{run.id}.1"
    slow = (await retold_after(seen, run.thread_id, store=engine.store, bus=engine.bus)).told
    told = [await anext(slow)]
    go.set()
    await engine.end_of(run)
    told += [each async for each in slow]
    assert shape(told) == ["queued", "in_progress", *["opened", "closed"] * 9, "completed"]
