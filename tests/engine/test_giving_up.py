"""A model that fails and fails: each run ends within its budget, and in words."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from kernelci.engine.events import Call, Emit, TextDelta, UsageCounted
from kernelci.engine.ports.model import Model, ModelRequest, Reply
from kernelci.engine.ports.sessions import CellResult, OnOutput
from kernelci.errors import ModelRefused
from kernelci.models.scripted import ScriptedModel
from kernelci.models.turn import CallFunction, Turn, play
from kernelci.protocol import ids
from kernelci.protocol.objects import Cell, Message, Run, RunStep
from kernelci.protocol.usage import Price, Usage
from tests.engine.conftest import OK, Engine


async def cell(code: str, on_output: OnOutput) -> CellResult:
    """Fails with the exception that the code names; any other code succeeds."""
    if not code.endswith("Error"):
        return OK
    lines = ["Traceback", f"Cell In[1], line 1\n----> 1 {code}\n", f"{code}: no"]
    error = {"output_type": "error", "ename": code, "evalue": "no", "traceback": lines}
    return CellResult("error", 1, (error,))


@dataclass(slots=True)
class Stubborn:
    """A model that never gives in: `reply_to` its turn's number is what it says, tools or not."""

    reply_to: Callable[[int], Turn]
    name: str = "stubborn"
    asked: list[ModelRequest] = field(default_factory=list[ModelRequest])

    def serving(self, model: str) -> tuple[Model, str]:
        return self, model

    def price(self, model: str) -> Price | None:
        return None

    async def room(self, model: str) -> int | None:
        return None

    async def reply(self, request: ModelRequest, emit: Emit) -> Reply:
        self.asked.append(request)
        return await play(self.reply_to(len(self.asked) - 1), request, emit)


async def words(engine: Engine, run: Run) -> list[str]:
    messages = await engine.store.all(Message, within=run.thread_id)
    return [part.text.value for each in messages if each.run_id for part in each.content]


def told(request: ModelRequest) -> str:
    return str(request.messages[-1]["content"])


async def test_a_failure_seen_before_is_told_with_the_facts_which_nobody_else_sees(engine: Engine) -> None:
    model = Stubborn(lambda turn: Turn(code="OddError") if turn < 2 else Turn(text="I see."))
    engine.session.cell, engine.session.facts = cell, "Near 'totl' among the names: 'total'"
    await engine.start(model)
    run = await engine.finished(await engine.ask())
    assert run.status == "completed"
    assert "same failure" not in told(model.asked[1])
    assert "the 2nd time in this run: OddError" in told(model.asked[2])
    assert told(model.asked[2]).endswith("Near 'totl' among the names: 'total'")
    assert engine.session.looks == 1
    stored = [*await engine.store.all(RunStep, within=run.id), *await engine.store.all(Cell, within=run.id)]
    assert not any("totl" in json.dumps(each.wire()) for each in stored)


async def test_the_same_error_for_ever_ends_with_the_models_own_word(engine: Engine) -> None:
    def plain(request: ModelRequest) -> Turn:
        assert not request.tools
        assert "No more code is run now" in told(request)
        return Turn(text="It cannot be done: OddError.")

    engine.session.cell = cell
    await engine.start(ScriptedModel([Turn(code="OddError")] * 3 + [plain]), same_failures=3)
    run = await engine.finished(await engine.ask())
    assert (run.status, run.last_error) == ("completed", None)
    assert await words(engine, run) == ["It cannot be done: OddError."]


@pytest.mark.parametrize(
    ("turns", "cells"),
    [
        ([Turn(code="OddError")], 3),
        ([Turn(code="OddError"), Turn(code="EvenError")], 5),
        ([Turn(code="OddError"), Turn(code="1")], 5),
        ([Turn(code="")], 3),
        ([Turn(text="Once more.", code="OddError")], 3),
        ([Turn(code="OddError")] * 3 + [Turn(text="```python\nOddError\n```")], 3),
    ],
    ids=["always the same", "alternating", "a success in between", "empty code", "with words", "code for a word"],
)
async def test_a_model_that_never_gives_in_ends_with_what_was_tried(
    engine: Engine, turns: list[Turn], cells: int
) -> None:
    model = Stubborn(lambda turn: turns[turn % len(turns)])
    engine.session.cell = cell
    await engine.start(model, max_turns=30, same_failures=3)
    run = await engine.finished(await engine.ask())
    assert (run.status, len(model.asked)) == ("completed", cells + 1)
    assert len(await engine.store.all(Cell, within=run.id)) == cells
    steps = await engine.store.all(RunStep, within=run.id)
    assert {step.status for step in steps} == {"completed"}
    assert len([step for step in steps if step.type == "tool_calls"]) == cells
    assert "It failed 3 times: " in (await words(engine, run))[-1]


async def test_200_calls_in_one_reply_stop_at_the_failure_that_is_enough_and_the_model_may_try_again(
    engine: Engine,
) -> None:
    class Flood:
        name = "flood"

        def serving(self, model: str) -> tuple[Model, str]:
            return self, model

        def price(self, model: str) -> Price | None:
            return None

        async def room(self, model: str) -> int | None:
            return None

        async def reply(self, request: ModelRequest, emit: Emit) -> Reply:
            if not request.tools:
                results = [message["content"] for message in request.messages if message["role"] == "tool"]
                assert (len(results), results[-1].startswith("[not run")) == (800, True)
                assert sum("same failure" in result for result in results) == 3
            calls = tuple(Call(ids.new_call(), "code_interpreter", "{}", "OddError") for _ in range(200))
            await emit(UsageCounted(Usage()))
            return Reply(text="", calls=calls)

    engine.session.cell = cell
    await engine.start(Flood(), max_turns=30)
    run = await engine.finished(await engine.ask())
    assert run.status == "completed"
    assert len(await engine.store.all(Cell, within=run.id)) == 3 * 4 + 1
    assert "It failed 4 times: OddError: no (at `OddError`)" in (await words(engine, run))[-1]


@pytest.mark.parametrize(
    "turn", [Turn(code="1"), Turn(text="more", code="1 + 1")], ids=["calls", "words and calls"]
)
async def test_calls_without_end_that_succeed_end_with_the_turns(engine: Engine, turn: Turn) -> None:
    model = Stubborn(lambda _: turn)
    await engine.start(model, max_turns=30)
    run = await engine.finished(await engine.ask())
    assert (run.status, len(model.asked)) == ("failed", 30)
    assert run.last_error and "30 replies" in run.last_error.message


async def test_where_the_closing_word_is_refused_or_breaks_off_what_was_tried_is_said(engine: Engine) -> None:
    class Refusing(Stubborn):
        async def reply(self, request: ModelRequest, emit: Emit) -> Reply:
            if request.tools:
                return await Stubborn.reply(self, request, emit)
            await emit(TextDelta("I had"))
            raise ModelRefused("Requests with calls must have tools.")

    engine.session.cell = cell
    await engine.start(Refusing(lambda _: Turn(code="OddError")))
    run = await engine.finished(await engine.ask())
    assert (run.status, run.last_error) == ("completed", None)
    said = await words(engine, run)
    assert said[0] == "I had"
    assert said[1].startswith("I could not do this.")


async def test_failures_are_remembered_while_the_client_is_waited_for_and_over_a_restart(engine: Engine) -> None:
    model = Stubborn(lambda turn: Turn(code="OddError", functions=(CallFunction("f"),)))
    engine.session.cell = cell
    await engine.start(model, same_failures=2)
    run = await engine.finished(await engine.ask())
    assert run.status == "requires_action"
    await engine.stop()
    await engine.start(model, same_failures=2)
    for _ in range(2):
        waiting = await engine.store.get(Run, run.id)
        assert waiting.required_action
        answers = {call.id: "one" for call in waiting.required_action.submit_tool_outputs.tool_calls}
        await engine.supervisor.submit(waiting, answers)
        await engine.end_of(run, after=engine.bus.last(run.id))
    assert (await engine.store.get(Run, run.id)).status == "completed"
    assert len(await engine.store.all(Cell, within=run.id)) == 2
    assert "It failed 2 times" in (await words(engine, run))[-1]


async def test_an_output_has_the_name_that_it_will_have_the_next_time_whatever_was_not_run(engine: Engine) -> None:
    async def long(code: str, on_output: OnOutput) -> CellResult:
        if not code.endswith("Error"):
            await on_output("stdout", f"{code}\n" * 5000)
        return await cell(code, on_output)

    async def codes(request: ModelRequest, emit: Emit) -> Reply:
        await emit(UsageCounted(Usage()))
        made = ["OddError"] * 4 if len(model.asked) == 1 else ["long()", "other()"]
        return Reply(text="", calls=tuple(Call(ids.new_call(), "code_interpreter", "{}", code) for code in made))

    class Several(Stubborn):
        async def reply(self, request: ModelRequest, emit: Emit) -> Reply:
            if len(self.asked) > 1:
                return await Stubborn.reply(self, request, emit)
            self.asked.append(request)
            return await codes(request, emit)

    model = Several(lambda _: Turn(text="Done."))
    engine.session.cell = long
    await engine.start(model, same_failures=3)
    run = await engine.finished(await engine.ask())
    await engine.finished(await engine.ask_again(run))
    now, later = (
        [line for message in request.messages for line in str(message["content"]).splitlines() if "goes on" in line]
        for request in model.asked[-2:]
    )
    assert [line.split()[1] for line in now] == ["out_4", "out_5"]
    assert later == now
