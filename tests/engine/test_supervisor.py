"""Runs from queued to their end: by the model's word, by limits, by the client, and across a restart."""

from __future__ import annotations

import errno
import os
import time

import anyio
import pytest

from kernelci.engine.events import CodeDone, Emit, RunMoved, StepMoved, TextDelta
from kernelci.engine.ports.model import Model, ModelRequest, Reply
from kernelci.engine.ports.sessions import CellResult, OnOutput
from kernelci.engine.ports.store import Page
from kernelci.errors import DiskFull, IllegalMove, InvalidRequest, KernelUnavailable
from kernelci.models.scripted import ScriptedModel
from kernelci.models.turn import CallFunction, Turn
from kernelci.protocol.objects import Cell, File, Message, Object, Run, RunStep, Thread
from kernelci.protocol.usage import Price
from tests.engine.conftest import OK, Engine, Unheard

PNG = "iVBORw0KGgo="
ERROR = {"output_type": "error", "ename": "ZeroDivisionError", "evalue": "", "traceback": ["ZeroDivisionError"]}


async def test_a_failure_goes_back_to_the_model_and_its_correction_runs(engine: Engine) -> None:
    async def cell(code: str, on_output: OnOutput) -> CellResult:
        return CellResult("error", 1, (ERROR,)) if code == "1/0" else CellResult("ok", 2, ())

    def second(request: ModelRequest) -> Turn:
        assert request.messages[-1] == {**request.messages[-1], "role": "tool", "content": "ZeroDivisionError"}
        return Turn(code="6*7")

    engine.session.cell = cell
    await engine.start(ScriptedModel([Turn(text="Let me see.", code="1/0"), second, Turn(text="42")]))
    run = await engine.finished(await engine.ask())
    assert (run.status, run.last_error) == ("completed", None)
    steps = await engine.store.all(RunStep, within=run.id)
    assert [(step.type, step.status, step.turn) for step in steps] == [
        ("message_creation", "completed", 0),
        ("tool_calls", "completed", 0),
        ("tool_calls", "completed", 1),
        ("message_creation", "completed", 2),
    ]
    cells = await engine.store.all(Cell, within=run.id)
    assert [(cell.code, cell.status) for cell in cells] == [("1/0", "error"), ("6*7", "ok")]


async def test_code_is_stored_before_it_runs_and_the_notebook_before_the_end_is_seen(engine: Engine) -> None:
    stored: list[str] = []

    async def cell(code: str, on_output: OnOutput) -> CellResult:
        for step in await engine.store.all(RunStep, within=run.id):
            stored.extend(call.code_interpreter.input for call in step.step_details.tool_calls)
        return OK

    engine.session.cell = cell
    await engine.start(ScriptedModel([Turn(code="x = 1"), Turn(text="done")]))
    run = await engine.ask()
    await engine.finished(run)
    assert stored == ["x = 1"]
    assert engine.transcripts.settled_at == [len(engine.transcripts.items)]


async def test_figures_and_links_become_files_of_the_surface_that_asked(engine: Engine) -> None:
    async def cell(code: str, on_output: OnOutput) -> CellResult:
        return CellResult("ok", 1, ({"output_type": "display_data", "data": {"image/png": PNG}, "metadata": {}},))

    engine.session.cell = cell
    engine.session.folder = {"a b.csv": b"1,2"}
    text = (
        "Here: [a](sandbox:/mnt/data/a b.csv), again [a](sandbox:/mnt/data/a%20b.csv), [no](sandbox:/mnt/data/no)"
    )
    await engine.start(ScriptedModel([Turn(code="plot()"), Turn(text=text)]))
    run = await engine.finished(await engine.ask(surface="azure"))
    (message,) = [each for each in await engine.store.all(Message, within=run.thread_id) if each.run_id]
    figure, said = message.content
    files = (await engine.store.page(File, _everything())).data
    assert {file.filename.startswith("/mnt/data/") for file in files} == {True, False}
    assert all(file.id.startswith("assistant-") for file in files)
    assert figure.image_file.file_id in {file.id for file in files}
    notes = said.text.annotations
    assert said.text.value == text
    assert [text[note.start_index : note.end_index] for note in notes] == [note.text for note in notes]
    assert [note.text for note in notes] == ["sandbox:/mnt/data/a b.csv", "sandbox:/mnt/data/a%20b.csv"]
    assert len({note.file_path.file_id for note in notes}) == 1
    assert [each.file_id for each in message.attachments] == [notes[0].file_path.file_id]


async def test_the_clients_functions_are_waited_for_and_the_run_goes_on(engine: Engine) -> None:
    def last(request: ModelRequest) -> Turn:
        return Turn(text="|".join(m["content"] for m in request.messages if m["role"] == "tool"))

    calls = (CallFunction("f", {"x": 1}), CallFunction("f", {"x": 2}))
    await engine.start(ScriptedModel([Turn(functions=calls), last]))
    run = await engine.finished(await engine.ask())
    assert run.status == "requires_action"
    assert run.required_action
    wanted = [call.id for call in run.required_action.submit_tool_outputs.tool_calls]
    with pytest.raises(InvalidRequest, match="Expected tool outputs for call_ids"):
        await engine.supervisor.submit(run, {wanted[0]: "one"})
    queued = await engine.supervisor.submit(run, {wanted[1]: "two", wanted[0]: "one"})
    assert (queued.status, queued.required_action) == ("queued", None)
    await engine.end_of(run, after=engine.bus.last(run.id))
    assert (await engine.store.get(Run, run.id)).status == "completed"
    message = (await engine.store.all(Message, within=run.thread_id))[-1]
    assert message.content[0].text.value == "one|two"
    with pytest.raises(IllegalMove, match='Runs in status "completed" do not accept tool outputs'):
        await engine.supervisor.submit(await engine.store.get(Run, run.id), {wanted[0]: "one", wanted[1]: "two"})


async def test_code_and_a_function_in_one_reply(engine: Engine) -> None:
    await engine.start(ScriptedModel([Turn(code="1", functions=(CallFunction("f"),)), Turn(text="ok")]))
    run = await engine.finished(await engine.ask())
    assert run.status == "requires_action"
    steps = await engine.store.all(RunStep, within=run.id)
    assert [(step.status, step.step_details.tool_calls[0].type) for step in steps] == [
        ("completed", "code_interpreter"),
        ("in_progress", "function"),
    ]


async def test_a_model_that_never_stops_calling_ends_in_words(engine: Engine) -> None:
    await engine.start(ScriptedModel([lambda _: Turn(code="1")] * 9), max_turns=3)
    run = await engine.finished(await engine.ask())
    assert run.status == "failed"
    assert run.last_error and "3 replies" in run.last_error.message


async def test_a_token_budget_ends_a_run_as_incomplete(engine: Engine) -> None:
    await engine.start(ScriptedModel([Turn(text="word " * 2000, code="1"), Turn(text="more")]))
    run = await engine.finished(await engine.ask(max_completion_tokens=256))
    assert run.status == "incomplete"
    assert run.incomplete_details and run.incomplete_details.reason == "max_completion_tokens"


async def test_the_clock_ends_a_run_and_its_open_cell(engine: Engine) -> None:
    async def cell(code: str, on_output: OnOutput) -> CellResult:
        await on_output("stdout", "so far\n")
        await anyio.sleep_forever()
        raise AssertionError

    engine.session.cell = cell
    await engine.start(ScriptedModel([Turn(code="while True: pass")]))
    run = await engine.finished(await engine.ask(expires_at=1))
    assert (run.status, run.wire()["expires_at"]) == ("expired", None)
    run = await engine.ask(expires_at=_soon())
    run = await engine.finished(run)
    assert run.status == "expired"
    (step,) = await engine.store.all(RunStep, within=run.id)
    assert (step.status, step.expired_at is not None) == ("expired", True)
    (kept,) = await engine.store.all(Cell, within=run.id)
    assert (kept.status, kept.outputs[0]["text"]) == ("interrupted", "so far\n")


async def test_a_waiting_run_expires_too(engine: Engine) -> None:
    await engine.start(ScriptedModel([Turn(functions=(CallFunction("f"),))]))
    run = await engine.finished(await engine.ask(expires_at=_soon()))
    assert run.status == "requires_action"
    await engine.end_of(run, after=engine.bus.last(run.id))
    assert (await engine.store.get(Run, run.id)).status == "expired"


async def test_cancel_stops_a_run_once(engine: Engine) -> None:
    began = anyio.Event()

    async def cell(code: str, on_output: OnOutput) -> CellResult:
        began.set()
        await anyio.sleep_forever()
        raise AssertionError

    engine.session.cell = cell
    await engine.start(ScriptedModel([Turn(code="while True: pass")]))
    run = await engine.ask()
    await engine.supervisor.start(run)
    await began.wait()
    assert (await engine.supervisor.cancel(run)).status == "cancelling"
    seen = await engine.end_of(run)
    assert [item.event.status for item in seen if isinstance(item.event, RunMoved | StepMoved)][-3:] == [
        "cancelling",
        "cancelled",
        "cancelled",
    ]
    with pytest.raises(IllegalMove, match="Cannot cancel run with status 'cancelled'"):
        await engine.supervisor.cancel(await engine.store.get(Run, run.id))


async def test_a_kernel_that_cannot_start_fails_the_run_and_not_the_thread(engine: Engine) -> None:
    async def cell(code: str, on_output: OnOutput) -> CellResult:
        raise KernelUnavailable("No kernel: the disk is full.")

    engine.session.cell = cell
    await engine.start(ScriptedModel([Turn(code="1"), Turn(text="ok")]))
    run = await engine.finished(await engine.ask())
    assert run.last_error and run.last_error.message == "No kernel: the disk is full."
    (step,) = await engine.store.all(RunStep, within=run.id)
    assert (step.status, step.last_error) == ("failed", run.last_error)
    again = run.model_copy(update={"id": "run_again", "status": "queued", "expires_at": run.created_at + 600})
    await engine.store.open_run(again, [], lambda thread: thread)


async def test_a_mistake_of_ours_fails_the_run_without_its_inner_words(engine: Engine) -> None:
    async def cell(code: str, on_output: OnOutput) -> CellResult:
        raise ZeroDivisionError("secret path")

    engine.session.cell = cell
    await engine.start(ScriptedModel([Turn(code="1")]))
    run = await engine.finished(await engine.ask())
    assert run.last_error and run.last_error.code == "server_error"
    assert "secret" not in run.last_error.message


async def test_a_full_disk_is_what_its_run_tells(engine: Engine) -> None:
    async def cell(code: str, on_output: OnOutput) -> CellResult:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "secret path")

    engine.session.cell = cell
    await engine.start(ScriptedModel([Turn(code="1")]))
    run = await engine.finished(await engine.ask())
    assert run.last_error and run.last_error.message.startswith("The server's disk is full.")


async def test_after_a_stop_no_run_stays_active_for_ever(engine: Engine) -> None:
    await engine.start(Unheard())
    busy = await engine.ask("busy")
    await engine.supervisor.start(busy)
    async for recorded in engine.bus.follow(busy.id):
        if recorded.event == RunMoved("in_progress"):
            break
    queued = await engine.ask("queued")
    await engine.stop()

    await engine.start(ScriptedModel([Turn(functions=(CallFunction("f"),)), Turn(text="hello")]))
    healed = await engine.store.get(Run, busy.id)
    assert healed.status == "failed"
    assert healed.last_error and "stopped" in healed.last_error.message
    await engine.end_of(queued)
    assert (await engine.store.get(Run, queued.id)).status == "requires_action"
    await engine.stop()

    await engine.start(ScriptedModel([Turn(functions=(CallFunction("f"),)), Turn(text="hello")]))
    waiting = await engine.store.get(Run, queued.id)
    assert waiting.required_action
    (call,) = waiting.required_action.submit_tool_outputs.tool_calls
    await engine.supervisor.submit(queued, {call.id: "x"})
    await engine.end_of(queued)
    assert (await engine.store.get(Run, queued.id)).status == "completed"


class Halfway:
    """A model that says half a sentence, and no more."""

    name = "halfway"

    def serving(self, model: str) -> tuple[Model, str]:
        return self, model

    def price(self, model: str) -> Price | None:
        return None

    async def room(self, model: str) -> int | None:
        return None

    async def reply(self, request: ModelRequest, emit: Emit) -> Reply:
        await emit(TextDelta("I was ab"))
        await anyio.sleep_forever()
        raise AssertionError


async def test_a_message_that_a_stop_cut_short_is_closed(engine: Engine) -> None:
    await engine.start(Halfway())
    run = await engine.ask()
    await engine.supervisor.start(run)
    async for recorded in engine.bus.follow(run.id):
        if isinstance(recorded.event, TextDelta):
            break
    await engine.stop()
    await engine.start(ScriptedModel([]))
    (step,) = await engine.store.all(RunStep, within=run.id)
    message = (await engine.store.all(Message, within=run.thread_id))[-1]
    assert (step.status, message.status) == ("failed", "incomplete")
    assert message.incomplete_details and message.incomplete_details.reason == "run_failed"


async def test_code_that_a_stop_cut_short_is_in_the_notebook(engine: Engine) -> None:
    async def cell(code: str, on_output: OnOutput) -> CellResult:
        begun.set()
        await anyio.sleep_forever()
        raise AssertionError

    begun = anyio.Event()
    engine.session.cell = cell
    await engine.start(ScriptedModel([Turn(code="x = 1")]))
    run = await engine.ask()
    await engine.supervisor.start(run)
    await begun.wait()
    await engine.stop()
    await engine.start(ScriptedModel([]))
    (kept,) = await engine.store.all(Cell, within=run.id)
    assert (kept.code, kept.status) == ("x = 1", "interrupted")


async def test_outputs_are_taken_once(engine: Engine) -> None:
    await engine.start(ScriptedModel([Turn(functions=(CallFunction("f"),)), Turn(text="ok")]))
    run = await engine.finished(await engine.ask())
    assert run.required_action
    outputs = {run.required_action.submit_tool_outputs.tool_calls[0].id: "x"}
    refused: list[str] = []

    async def submit() -> None:
        try:
            await engine.supervisor.submit(run, outputs)
        except IllegalMove as error:
            refused.append(error.message)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(submit)
        tasks.start_soon(submit)
    assert len(refused) == 1
    assert "do not accept tool outputs" in refused[0]


async def test_outputs_that_a_store_refuses_can_be_submitted_again(engine: Engine) -> None:
    def last(request: ModelRequest) -> Turn:
        return Turn(text=request.messages[-1]["content"])

    await engine.start(ScriptedModel([Turn(functions=(CallFunction("f"),)), last]))
    run = await engine.finished(await engine.ask())
    assert run.required_action
    outputs = {run.required_action.submit_tool_outputs.tool_calls[0].id: "x"}
    seen = engine.bus.last(run.id)
    engine.store.is_full_once()
    with pytest.raises(OSError, match="No space left"):
        await engine.supervisor.submit(run, outputs)
    assert await engine.store.get(Run, run.id) == run
    assert engine.bus.last(run.id) == seen, "nobody is told of what has not happened"
    await engine.supervisor.submit(run, outputs)
    with anyio.fail_after(20):
        await engine.end_of(run, after=seen)
    assert (await engine.store.get(Run, run.id)).status == "completed"
    assert (await engine.store.all(Message, within=run.thread_id))[-1].content[0].text.value == "x"


async def test_a_run_that_waits_is_cancelled_even_if_the_store_refuses_that(engine: Engine) -> None:
    await engine.start(ScriptedModel([Turn(functions=(CallFunction("f"),))]))
    run = await engine.finished(await engine.ask())
    engine.store.is_full_once()
    with pytest.raises(OSError, match="No space left"):
        await engine.supervisor.cancel(run)
    with anyio.fail_after(20):
        await engine.end_of(run, after=engine.bus.last(run.id))
    assert (await engine.store.get(Run, run.id)).status == "cancelled"


async def test_what_a_store_refused_once_goes_with_the_next(engine: Engine) -> None:
    await engine.start(ScriptedModel([Turn(text="hello")]))
    run = await engine.ask()
    put, seen = engine.store.put, False

    async def hiccup(*objects: Object) -> tuple[Message, ...]:
        nonlocal seen
        if not seen and any(isinstance(each, Message) and each.status == "completed" for each in objects):
            seen = True
            raise OSError(28, "No space left on device")
        return await put(*objects)

    engine.store.put = hiccup
    ended = await engine.finished(run)
    message = (await engine.store.all(Message, within=run.thread_id))[-1]
    (step,) = await engine.store.all(RunStep, within=run.id)
    assert (ended.status, message.status, step.status) == ("completed", "completed", "completed")
    assert message.content[0].text.value == "hello"


async def test_an_end_that_a_store_refuses_is_told_once_it_takes_things_again(engine: Engine) -> None:
    await engine.start(ScriptedModel([Turn(text="hello")]))
    run = await engine.ask()
    put, find, told, kept = engine.store.put, engine.store.find, anyio.Event(), anyio.Event()

    async def refuses(*objects: Object) -> tuple[Message, ...]:
        ends = any(isinstance(each, RunStep | Run) and each.status != "in_progress" for each in objects)
        if ends and not told.is_set():
            raise OSError(28, "No space left on device")
        taken = await put(*objects)
        if any(isinstance(each, Run) and each.status == "failed" for each in objects):
            kept.set()
        return taken

    async def freed(kind: type[Object], id: str, *, within: str | None = None) -> Object | None:
        if kind is Run and not told.is_set():  # whoever asks for the run, to end it late
            raise OSError(28, "No space left on device")
        return await find(kind, id, within=within)

    engine.store.put, engine.store.find = refuses, freed
    with pytest.raises(DiskFull):
        await engine.finished(run)
    told.set()
    await kept.wait()
    await anyio.wait_all_tasks_blocked()
    await engine.end_of(run)
    ended = await engine.store.get(Run, run.id)
    assert ended.status == "failed"
    assert "could not be stored" in (ended.last_error.message if ended.last_error else "")


async def test_a_run_goes_on_while_what_it_did_is_stored_and_nobody_sees_it_before(engine: Engine) -> None:
    asked, go_on = anyio.Event(), anyio.Event()

    def second(_: ModelRequest) -> Turn:
        asked.set()
        return Turn(code="2")

    await engine.start(ScriptedModel([Turn(code="1"), second, Turn(text="done")]))
    run = await engine.ask()
    put, together = engine.store.put, list[list[str]]()

    async def slow(*objects: Object) -> tuple[Message, ...]:
        together.append([type(each).__name__ for each in objects])
        if any(isinstance(each, Cell) for each in objects):
            await go_on.wait()
        return await put(*objects)

    engine.store.put = slow
    await engine.supervisor.start(run)
    with anyio.fail_after(20):
        await asked.wait()
    await anyio.wait_all_tasks_blocked()
    assert isinstance(engine.bus.kept(run.id)[-1].event, CodeDone), "the output is not stored yet"
    assert (await engine.store.all(RunStep, within=run.id))[-1].status == "in_progress"
    go_on.set()
    seen = await engine.end_of(run)
    assert [each.seq for each in seen] == list(range(1, len(seen) + 1))
    assert [each.code for each in await engine.store.all(Cell, within=run.id)] == ["1", "2"]
    done = together.index(["RunStep", "Cell"])
    assert together[done + 1 : done + 3] == [["RunStep"], ["RunStep", "Cell"]], "a step and its code go together"


async def test_abandoning_a_thread_ends_its_run(engine: Engine) -> None:
    await engine.start(Unheard())
    run = await engine.ask()
    await engine.supervisor.start(run)
    with anyio.fail_after(10):
        await engine.supervisor.abandon(run.thread_id)
    assert (await engine.store.get(Run, run.id)).status == "cancelled"


async def test_a_thread_that_is_deleted_under_a_run_ends_it_and_nothing_else(engine: Engine) -> None:
    await engine.start(ScriptedModel([Turn(text="hello")]))
    run, other = await engine.ask(), await engine.ask()
    await engine.store.drop(Thread, run.thread_id)
    await engine.supervisor.start(run)
    with anyio.fail_after(10):
        last = (await engine.end_of(run))[-1]
        assert isinstance(last.event, RunMoved) and last.event.status == "failed"
        assert (await engine.finished(other)).status == "completed"


async def test_a_store_that_does_not_work_for_a_while_does_not_keep_a_run_active(engine: Engine) -> None:
    await engine.start(ScriptedModel([Turn(text="hello")]))
    run = await engine.ask()
    put, refusals = engine.store.put, 2

    async def full(*objects: Object) -> None:
        nonlocal refusals
        refusals -= 1
        if refusals >= 0:
            raise OSError(28, "No space left on device")
        return await put(*objects)

    engine.store.put = full
    with anyio.fail_after(30):
        ended = await engine.finished(run)
    assert (ended.status, ended.last_error and ended.last_error.code) == ("failed", "server_error")


async def test_printed_text_is_told_while_the_cell_runs(engine: Engine) -> None:
    async def cell(code: str, on_output: OnOutput) -> CellResult:
        await on_output("stdout", "1\n")
        await on_output("stderr", "2\n")
        return CellResult("ok", 1, ({"output_type": "stream", "name": "stdout", "text": "1\n2\n"},))

    engine.session.cell = cell
    await engine.start(ScriptedModel([Turn(code="print(1)"), Turn(text="ok")]))
    run = await engine.ask()
    await engine.finished(run)
    names = [type(item.event).__name__ for item in await engine.end_of(run)]
    assert names.index("CodeDone") < names.index("OutputDelta") < names.index("Output")
    assert names.count("OutputDelta") == 2
    assert any(isinstance(item.event, CodeDone) for item in await engine.end_of(run))


def _everything() -> Page:
    return Page(limit=100)


def _soon() -> int:
    """An expiry that is near, and far enough to begin: whole seconds, as the API counts them."""
    return int(time.time()) + 3
