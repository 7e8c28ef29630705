"""Code that waits for a person: his yes, his edit and his no, however long he takes, and across a restart."""

from __future__ import annotations

import anyio
import pytest

from kernelci.engine.events import (
    ApprovalAsked,
    ApprovalGiven,
    CodeDelta,
    Emit,
    Recorded,
    RunMoved,
    StepOpened,
    TextDelta,
)
from kernelci.engine.moves import answered, moved, new_step
from kernelci.engine.moves import asked as asked_by
from kernelci.engine.ports.model import CODE_TOOL, Model, ModelRequest, Reply
from kernelci.engine.ports.sessions import CellResult, OnOutput
from kernelci.engine.retell import retold_after
from kernelci.errors import IllegalMove
from kernelci.models.scripted import ScriptedModel
from kernelci.models.turn import Turn
from kernelci.protocol import ids
from kernelci.protocol.calls import Answer, Approval, Call
from kernelci.protocol.objects import Cell, Logs, Message, Run, RunStep, ToolCalls
from kernelci.protocol.usage import Usage
from tests.api.journal import queued
from tests.engine.conftest import OK, Engine

EDITED = "\n[The user changed your code. This was run in its place, and gave the above:]\n"
YES = Answer(decision="approve")


def ran(engine: Engine) -> list[str]:
    """Has the session print each code, and note it in the list."""
    codes: list[str] = []

    async def cell(code: str, on_output: OnOutput) -> CellResult:
        codes.append(code)
        await on_output("stdout", f"ran {code}\n")
        return OK

    engine.session.cell = cell
    return codes


def results(request: ModelRequest) -> list[str]:
    """What the model is told of its calls."""
    return [message["content"] for message in request.messages if message["role"] == "tool"]


async def asked(engine: Engine, run: Run, after: int = 0) -> Recorded:
    """The next time that the run asks a person."""
    async for recorded in engine.bus.follow(run.id, after):
        if isinstance(recorded.event, ApprovalAsked):
            return recorded
    raise AssertionError("the run has ended without asking")


async def waiting(engine: Engine, **changes: object) -> tuple[Run, RunStep]:
    """A run that has been started, with the step that waits."""
    run = await engine.ask(**changes)
    await engine.supervisor.start(run)
    await asked(engine, run)
    return await engine.store.get(Run, run.id), await step_of(engine, run)


async def step_of(engine: Engine, run: Run) -> RunStep:
    """The run's newest step."""
    return (await engine.store.all(RunStep, within=run.id))[-1]


def approval(step: RunStep) -> Approval:
    """What the step waits for."""
    assert step.asks
    return step.asks


async def end_of(engine: Engine, run: Run) -> Run:
    """The run, when it has ended or waits for the client."""
    await engine.end_of(run)
    return await engine.store.get(Run, run.id)


async def test_code_waits_for_a_yes_and_then_runs(engine: Engine) -> None:
    codes = ran(engine)
    await engine.start(ScriptedModel([Turn(code="x = 1"), Turn(text="done")]), approval="code")
    run, step = await waiting(engine)
    assert (run.status, step.status, codes) == ("in_progress", "in_progress", [])
    assert step.step_details.tool_calls[0].code_interpreter.input == "x = 1"
    await engine.supervisor.answer(run, approval(step).calls[0].id, YES)
    run = await end_of(engine, run)
    assert (run.status, codes) == ("completed", ["x = 1"])
    (cell,) = await engine.store.all(Cell, within=run.id)
    assert (cell.status, cell.decision) == ("ok", "approve")


async def test_a_person_changes_the_code(engine: Engine) -> None:
    codes = ran(engine)

    def last(request: ModelRequest) -> Turn:
        (told,) = results(request)
        (called,) = [each for each in request.messages if each.get("tool_calls")]
        assert called["tool_calls"][0]["function"]["arguments"] == '{"code": "x = 1"}'
        return Turn(text=told)

    await engine.start(ScriptedModel([Turn(code="x = 1"), last, last]), approval="code")
    run, step = await waiting(engine)
    await engine.supervisor.answer(run, approval(step).calls[0].id, Answer(decision="edit", code="x = 2"))
    run = await end_of(engine, run)
    assert codes == ["x = 2"]
    step = (await engine.store.all(RunStep, within=run.id))[0]
    assert step.step_details.tool_calls[0].code_interpreter.input == "x = 2"
    (cell,) = await engine.store.all(Cell, within=run.id)
    assert (cell.code, cell.decision) == ("x = 2", "edit")
    said = (await engine.store.all(Message, within=run.thread_id))[-1].content[0].text.value
    assert said == f"ran x = 2\n{EDITED}x = 2"
    again = run.model_copy(update={"id": "run_again", "status": "queued", "expires_at": run.created_at + 600})
    await engine.store.open_run(again, [], lambda thread: thread)
    await engine.finished(again)  # a later run is told the same


async def test_a_no_is_told_with_its_reason_and_is_no_failure(engine: Engine) -> None:
    codes = ran(engine)

    def second(request: ModelRequest) -> Turn:
        assert results(request)[-1] == (
            "[Not run: the user did not allow this code.] Reason given: that deletes my data\n"
            "Do not ask to run the same again: answer with what you know, or take another way."
        )
        return Turn(code="y")

    await engine.start(ScriptedModel([Turn(code="x"), second, Turn(text="done")]), approval="code", same_failures=1)
    run, step = await waiting(engine)
    no = Answer(decision="reject", reason="that deletes my data")
    await engine.supervisor.answer(run, approval(step).calls[0].id, no)
    recorded = await asked(engine, run, after=engine.bus.last(run.id))
    await engine.supervisor.answer(run, recorded.event.calls[0].id, YES)
    run = await end_of(engine, run)
    assert (run.status, codes) == ("completed", ["y"])
    refused, _, _ = await engine.store.all(RunStep, within=run.id)
    assert refused.status == "completed"
    assert refused.step_details.tool_calls[0].code_interpreter.outputs == (
        Logs(logs="[Not run: the user did not allow this code.] Reason given: that deletes my data"),
    )
    cells = await engine.store.all(Cell, within=run.id)
    assert [(cell.code, cell.status, cell.decision) for cell in cells] == [
        ("x", "rejected", "reject"),
        ("y", "ok", "approve"),
    ]


class SeveralCalls:
    """A model that calls two cells and a function in one reply, with words between them, and then repeats."""

    def serving(self, model: str) -> tuple[Model, str]:
        """It serves every name."""
        return self, model

    def price(self, model: str) -> None:
        """Nobody has said it."""

    async def room(self, model: str) -> int | None:
        return None

    async def reply(self, request: ModelRequest, emit: Emit) -> Reply:
        """The calls, or what they have given."""
        if told := results(request):
            (reply,) = [message for message in request.messages if message["role"] == "assistant"]
            assert reply["content"] == "One. Two. Three."
            assert sorted(call["id"] for call in reply["tool_calls"]) == ["call_a", "call_b", "call_f"]
            await emit(TextDelta("|".join(told)))
            return Reply(text="|".join(told))
        await emit(TextDelta("One."))
        await emit(CodeDelta("call_a", "a"))
        calls = (
            Call("call_a", CODE_TOOL, '{"code": "a"}', "a", " Two."),
            Call("call_f", "f", "{}"),
            Call("call_b", CODE_TOOL, '{"code": "b"}', "b", " Three."),
        )
        return Reply(text="One.", calls=calls)


@pytest.mark.parametrize("restarted", [False, True])
async def test_calls_of_one_reply_wait_one_after_the_other(engine: Engine, restarted: bool) -> None:
    async def restart() -> None:
        if restarted:
            await engine.stop()
            await engine.start(SeveralCalls())  # this run asks, even where new ones do not

    codes = ran(engine)
    await engine.start(SeveralCalls(), approval="code")
    run, step = await waiting(engine, asking="code")
    assert [call.id for call in approval(step).calls] == ["call_a", "call_f", "call_b"]
    await restart()
    await engine.supervisor.answer(run, "call_a", YES)
    await asked(engine, run, after=engine.bus.last(run.id))
    assert codes == ["a"]
    await restart()
    await engine.supervisor.answer(run, "call_b", Answer(decision="edit", code="c"))
    run = await end_of(engine, run)
    assert (run.status, codes) == ("requires_action", ["a", "c"])
    await engine.supervisor.submit(run, {"call_f": "f gave"})
    await engine.end_of(run, after=engine.bus.last(run.id))
    run = await engine.store.get(Run, run.id)
    assert run.status == "completed"
    said = [
        part.text.value for each in await engine.store.all(Message, within=run.thread_id) for part in each.content
    ]
    edited = f"ran c\n{EDITED}c"
    assert said[1:] == ["One.", " Two.", " Three.", f"ran a\n|{edited}|f gave"]


async def test_a_wait_survives_the_server_and_can_be_followed_afterwards(engine: Engine) -> None:
    codes = ran(engine)
    model = ScriptedModel([Turn(code="x"), Turn(text="done")])
    await engine.start(model, approval="code")
    run, step = await waiting(engine)
    await engine.stop()
    await engine.start(model, approval="code")
    assert await step_of(engine, run) == step
    retold = await retold_after("", run.thread_id, store=engine.store, bus=engine.bus)
    events = [(await anext(retold.told)).event for _ in range(5)]
    assert [type(event) for event in events] == [RunMoved, RunMoved, StepOpened, CodeDelta, ApprovalAsked]
    await engine.supervisor.answer(run, approval(step).calls[0].id, YES)
    assert (await end_of(engine, run)).status == "completed"
    assert codes == ["x"]


async def test_a_crash_after_the_answer_ends_the_run_as_any_other(engine: Engine) -> None:
    begun = anyio.Event()

    async def cell(code: str, on_output: OnOutput) -> CellResult:
        begun.set()
        await anyio.sleep_forever()
        raise AssertionError

    engine.session.cell = cell
    await engine.start(ScriptedModel([Turn(code="x")]), approval="code")
    run, step = await waiting(engine)
    await engine.supervisor.answer(run, approval(step).calls[0].id, YES)
    await begun.wait()
    await engine.stop()
    await engine.start(ScriptedModel([]), approval="code")
    run = await engine.store.get(Run, run.id)
    assert run.last_error and "The server was stopped" in run.last_error.message
    (cell_left,) = await engine.store.all(Cell, within=run.id)
    assert (cell_left.status, cell_left.code) == ("interrupted", "x")


@pytest.mark.parametrize("restarted", [False, True])
async def test_cancel_ends_the_wait_and_nothing_has_run(engine: Engine, restarted: bool) -> None:
    codes = ran(engine)
    await engine.start(ScriptedModel([Turn(code="x")]), approval="code")
    run, step = await waiting(engine)
    if restarted:
        await engine.stop()
        await engine.start(ScriptedModel([]), approval="code")
    assert (await engine.supervisor.cancel(run)).expires_at
    with pytest.raises(IllegalMove, match="does not wait for an answer"):
        await engine.supervisor.answer(run, approval(step).calls[0].id, YES)
    run = await end_of(engine, run)
    assert (run.status, (await step_of(engine, run)).status, codes) == ("cancelled", "cancelled", [])
    assert await engine.store.all(Cell, within=run.id) == ()
    with pytest.raises(IllegalMove, match="status 'cancelled' do not accept"):
        await engine.supervisor.answer(run, approval(step).calls[0].id, YES)


async def test_only_one_answer_counts(engine: Engine) -> None:
    codes = ran(engine)
    await engine.start(ScriptedModel([Turn(code="x"), Turn(text="done")]), approval="code")
    run, step = await waiting(engine)
    id = approval(step).calls[0].id
    with pytest.raises(IllegalMove):
        await engine.supervisor.answer(run, "call_other", YES)
    refused: list[str] = []

    async def answer(decision: Answer) -> None:
        try:
            await engine.supervisor.answer(run, id, decision)
        except IllegalMove:
            refused.append(decision.decision)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(answer, YES)
        tasks.start_soon(answer, Answer(decision="reject"))
    await end_of(engine, run)
    assert (codes, refused) in ((["x"], ["reject"]), ([], ["approve"]))


async def test_an_answer_that_the_store_refuses_can_be_given_again(engine: Engine) -> None:
    codes = ran(engine)
    await engine.start(ScriptedModel([Turn(code="x"), Turn(text="done")]), approval="code")
    run, step = await waiting(engine)
    seen = engine.bus.last(run.id)
    engine.store.is_full_once()
    with pytest.raises(OSError, match="No space left"):
        await engine.supervisor.answer(run, approval(step).calls[0].id, Answer(decision="edit", code="y"))
    assert (await step_of(engine, run), engine.bus.last(run.id), codes) == (step, seen, [])
    await engine.supervisor.answer(run, approval(step).calls[0].id, YES)
    with anyio.fail_after(20):
        run = await end_of(engine, run)
    assert (run.status, codes) == ("completed", ["x"]), "not the code that was refused"


def test_the_clock_stands_still_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    run = queued().model_copy(update={"status": "in_progress", "started_at": 300, "expires_at": 1_000})
    event = ApprovalAsked((Call("call_a", CODE_TOOL, "{}", "a"),))
    monkeypatch.setattr(ids, "now", lambda: 400)
    waits, step = asked_by(run, new_step(run, ToolCalls(), 0), event)
    assert (waits.expires_at, step.expires_at, waits.seconds) == (None, None, 100)
    monkeypatch.setattr(ids, "now", lambda: 90_000)
    assert moved(waits, RunMoved("cancelling"), Usage()).seconds == 100
    goes_on, step = answered(waits, step, approval(step), ApprovalGiven("call_a", YES))
    assert (goes_on.expires_at, step.expires_at) == (90_600, 90_600)
    monkeypatch.setattr(ids, "now", lambda: 90_050)
    assert moved(goes_on, RunMoved("completed"), Usage()).seconds == 150


async def test_empty_code_asks_nobody(engine: Engine) -> None:
    await engine.start(ScriptedModel([Turn(code=" \n"), Turn(text="done")]), approval="code")
    assert (await engine.finished(await engine.ask())).status == "completed"
