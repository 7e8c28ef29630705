"""What the model is asked after a wait goes on where it was before: the same messages, and what came since."""

from __future__ import annotations

import pytest

from kernelci.engine.ports.model import ModelRequest
from kernelci.models.turn import CallFunction, Turn
from kernelci.protocol.calls import Answer
from kernelci.protocol.objects import RunStep
from kernelci.protocol.parts import Function, FunctionTool
from tests.engine.conftest import Engine
from tests.engine.test_approvals import approval, waiting
from tests.engine.test_giving_up import Stubborn, cell

NO_TOOL = "There is no tool named 'nosuch'."
WAITS = Turn(functions=(CallFunction("f"),))


def replies(*turns: Turn) -> Stubborn:
    """A model that gives these replies, and notes what it is asked."""
    return Stubborn(lambda turn: turns[turn])


def gone_on(before: ModelRequest, after: ModelRequest) -> list[str]:
    """What has come since to what was asked before, as roles; all that was there is there."""
    assert list(after.messages[: len(before.messages)]) == list(before.messages)
    return [message["role"] for message in after.messages[len(before.messages) :]]


@pytest.mark.parametrize("restarted", [False, True])
async def test_hints_beside_failures_and_calls_of_no_tool_are_still_there(engine: Engine, restarted: bool) -> None:
    model = replies(
        Turn(code="OddError"),
        Turn(code="OddError"),
        Turn(text="Hm.", functions=(CallFunction("nosuch", {"a": 1}),)),
        Turn(code="1"),
        WAITS,
        Turn(text="done"),
        Turn(text="again"),
    )
    engine.session.cell, engine.session.facts = cell, "a fact"
    await engine.start(model)
    run = await engine.finished(await engine.ask())
    if restarted:
        await engine.stop()
        await engine.start(model)
    assert (await engine.resumed(run)).status == "completed"
    assert gone_on(model.asked[4], model.asked[5]) == ["assistant", "tool"]
    told = [message["content"] for message in model.asked[5].messages if message["role"] == "tool"]
    assert told[1].endswith("a fact")
    assert told[2:] == [NO_TOOL, "[no output]", "42"]
    await engine.finished(await engine.ask_again(run))
    told = [message["content"] for message in model.asked[6].messages if message["role"] == "tool"]
    assert "same failure" not in told[1], "a hint is for its run"
    assert told[2:] == [NO_TOOL, "[no output]", "42"]


async def test_what_goes_with_a_no_is_still_there(engine: Engine) -> None:
    model = replies(Turn(code="1"), WAITS, Turn(text="done"))
    await engine.start(model)
    run, step = await waiting(engine, asking="code")
    await engine.supervisor.answer(run, approval(step).calls[0].id, Answer(decision="reject"))
    await engine.end_of(run)
    assert (await engine.resumed(run)).status == "completed"
    assert "Do not ask to run the same again" in model.asked[1].messages[-1]["content"]
    assert gone_on(model.asked[1], model.asked[2]) == ["assistant", "tool"]


async def test_a_call_of_no_tool_beside_the_clients_keeps_its_answer(engine: Engine) -> None:
    calls = (CallFunction("nosuch"), CallFunction("f"), CallFunction("nosuch"))
    model = replies(Turn(functions=calls[:1]), Turn(functions=calls), Turn(text="done"))
    await engine.start(model)
    run = await engine.ask(tools=(FunctionTool(function=Function(name="f")),))
    run = await engine.resumed(await engine.finished(run))
    assert run.status == "completed"
    assert gone_on(model.asked[0], model.asked[1]) == ["assistant", "tool"]
    assert gone_on(model.asked[1], model.asked[2]) == ["assistant", "tool", "tool", "tool"]
    assert [each["content"] for each in model.asked[2].messages[-3:]] == [NO_TOOL, "42", NO_TOOL]
    alone, beside, _ = await engine.store.all(RunStep, within=run.id)
    shown = [[call.function.output for call in each.step_details.tool_calls] for each in (alone, beside)]
    assert shown == [[NO_TOOL], [NO_TOOL, "42", NO_TOOL]]
