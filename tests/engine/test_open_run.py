"""How single events become properly nested steps and messages."""

from __future__ import annotations

from typing import TypeVar

import pytest
from inline_snapshot import snapshot

from kernelci.engine.events import (
    Call,
    CallDelta,
    CodeDelta,
    CodeDone,
    Event,
    MessageMoved,
    MessageOpened,
    Output,
    OutputDelta,
    OutputsSubmitted,
    RunMoved,
    StepMoved,
    StepOpened,
    TextDelta,
    TextDone,
    TurnOpened,
    UsageCounted,
)
from kernelci.engine.open_run import OpenRun
from kernelci.errors import IllegalMove
from kernelci.protocol.objects import Cell, File, FileId, Image, Logs, Message, Run, RunStep
from kernelci.protocol.usage import Usage

Kind = TypeVar("Kind")


def a_run() -> Run:
    return Run(id="run_1", created_at=1, assistant_id="asst_1", thread_id="thread_1", model="m", expires_at=601)


def played(open_run: OpenRun, *events: Event) -> tuple[list[str], dict[str, object]]:
    """The events as they were recorded, in short words, and the objects as last stored."""
    words: list[str] = []
    stored: dict[str, object] = {}
    for event in events:
        for each in open_run.implied(event):
            applied = open_run.apply(each)
            stored |= {thing.id: thing for thing in applied.changed}
            words.append(_in_short(each))
    return words, stored


def _in_short(event: Event) -> str:
    match event:
        case StepOpened(step):
            return f"step: {step.type}"
        case StepMoved(status) | MessageMoved(status) | RunMoved(status):
            return f"{type(event).__name__[:-5].lower()} {status}"
        case MessageOpened(_, images):
            return f"message{' with figures' if images else ''}"
        case _:
            return type(event).__name__


def one(stored: dict[str, object], kind: type[Kind]) -> Kind:
    (found,) = [thing for thing in stored.values() if isinstance(thing, kind)]
    return found


def test_talk_code_talk_is_strictly_nested() -> None:
    words, stored = played(
        OpenRun(a_run()),
        RunMoved("in_progress"),
        TurnOpened(0),
        TextDelta("Let me "),
        TextDelta("see."),
        CodeDelta("call_1", "1/"),
        CodeDelta("call_1", "0"),
        UsageCounted(Usage(prompt_tokens=5, completion_tokens=3, total_tokens=8)),
        CodeDone("call_1", "1/0"),
        OutputDelta("call_1", Logs(logs="hm\n"), "stdout"),
        OutputDelta("call_1", Logs(logs="ZeroDivisionError")),
        Output("call_1", "error", 1),
        TurnOpened(1),
        TextDelta("No."),
        UsageCounted(Usage(prompt_tokens=9, completion_tokens=1, total_tokens=10)),
        TextDone(),
        RunMoved("completed"),
    )
    assert words == snapshot(
        [
            "run in_progress",
            "TurnOpened",
            "step: message_creation",
            "message",
            "TextDelta",
            "TextDelta",
            "message completed",
            "step completed",
            "step: tool_calls",
            "CodeDelta",
            "CodeDelta",
            "UsageCounted",
            "CodeDone",
            "OutputDelta",
            "OutputDelta",
            "Output",
            "step completed",
            "TurnOpened",
            "step: message_creation",
            "message",
            "TextDelta",
            "UsageCounted",
            "TextDone",
            "message completed",
            "step completed",
            "run completed",
        ]
    )
    run = one(stored, Run)
    assert run.usage == Usage(prompt_tokens=14, completion_tokens=4, total_tokens=18)
    assert (run.wire()["expires_at"], run.completed_at is not None) == (None, True)
    cell = one(stored, Cell)
    assert (cell.id, cell.code, cell.status, cell.execution_count) == ("call_1", "1/0", "error", 1)
    steps = [thing for thing in stored.values() if isinstance(thing, RunStep)]
    assert [(step.turn, step.usage and step.usage.total_tokens) for step in steps] == [(0, None), (0, 8), (1, 10)]
    assert cell.step_id == steps[1].id


def test_figures_go_before_the_next_messages_text_and_links_are_attachments() -> None:
    file = File(
        id="file-2", created_at=1, bytes=1, filename="/mnt/data/é.csv", purpose="assistants_output", blob="b"
    )
    _, stored = played(
        OpenRun(a_run()),
        RunMoved("in_progress"),
        CodeDone("call_1", "plt.show()"),
        OutputDelta("call_1", Image(image=FileId(file_id="file-1"))),
        Output("call_1", "ok"),
        TextDelta("שלום: "),
        TextDelta("sandbox:/mnt/data/é.csv", file),
        TextDelta(" 🙂"),
        TextDone(),
        RunMoved("completed"),
    )
    assert one(stored, Message).wire() | {"id": "", "created_at": 0, "completed_at": 0} == snapshot(
        {
            "id": "",
            "created_at": 0,
            "metadata": {},
            "object": "thread.message",
            "thread_id": "thread_1",
            "status": "completed",
            "incomplete_details": None,
            "completed_at": 0,
            "incomplete_at": None,
            "role": "assistant",
            "content": [
                {"type": "image_file", "image_file": {"file_id": "file-1"}},
                {
                    "type": "text",
                    "text": {
                        "value": "שלום: sandbox:/mnt/data/é.csv 🙂",
                        "annotations": [
                            {
                                "type": "file_path",
                                "text": "sandbox:/mnt/data/é.csv",
                                "start_index": 6,
                                "end_index": 29,
                                "file_path": {"file_id": "file-2"},
                            }
                        ],
                    },
                },
            ],
            "assistant_id": "asst_1",
            "run_id": "run_1",
            "attachments": [{"file_id": "file-2", "tools": [{"type": "code_interpreter"}]}],
        }
    )


def test_figures_that_no_text_follows_get_a_message_of_their_own() -> None:
    words, stored = played(
        OpenRun(a_run()),
        RunMoved("in_progress"),
        CodeDone("call_1", "plt.show()"),
        OutputDelta("call_1", Image(image=FileId(file_id="file-1"))),
        Output("call_1", "ok"),
        RunMoved("completed"),
    )
    assert words[-5:] == [
        "step: message_creation",
        "message with figures",
        "message completed",
        "step completed",
        "run completed",
    ]
    assert [part.type for part in one(stored, Message).content] == ["image_file"]


def test_the_clients_calls_share_one_step_that_stays_open() -> None:
    open_run = OpenRun(a_run())
    calls = (Call("call_1", "f", "{}"), Call("call_2", "g", '{"x": 1}'))
    words, stored = played(
        open_run, RunMoved("in_progress"), TurnOpened(0), RunMoved("requires_action", calls=calls)
    )
    assert words == [
        "run in_progress",
        "TurnOpened",
        "step: tool_calls",
        "CallDelta",
        "CallDelta",
        "run requires_action",
    ]
    words, stored = played(open_run, OutputsSubmitted({"call_1": "one", "call_2": "two"}))
    assert words == ["OutputsSubmitted", "step completed", "run queued"]
    step = one(stored, RunStep)
    assert [call.function.output for call in step.step_details.tool_calls] == ["one", "two"]


def test_streamed_calls_of_the_client_are_not_shown_twice() -> None:
    words, _ = played(
        OpenRun(a_run()),
        RunMoved("in_progress"),
        CallDelta("call_1", "f", '{"a":'),
        CallDelta("call_1", "f", "1}"),
        RunMoved("requires_action", calls=(Call("call_1", "f", '{"a":1}'),)),
    )
    assert words == ["run in_progress", "step: tool_calls", "CallDelta", "CallDelta", "run requires_action"]


def test_a_run_taken_up_after_a_restart_knows_its_open_step() -> None:
    open_run = OpenRun(a_run())
    call = Call("call_1", "f", "{}")
    _, stored = played(open_run, RunMoved("in_progress"), TurnOpened(3), RunMoved("requires_action", calls=(call,)))
    taken_up = OpenRun(one(stored, Run), [open_run._step_as_it_stands()])
    words, stored = played(taken_up, OutputsSubmitted({"call_1": "x"}), RunMoved("in_progress"))
    assert words == ["OutputsSubmitted", "step completed", "run queued", "run in_progress"]
    assert one(stored, RunStep).turn == 3


def test_a_run_that_a_stop_cut_short_was_in_progress_until_its_last_step(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000
    monkeypatch.setattr("kernelci.protocol.ids.now", lambda: now)
    open_run = OpenRun(a_run().model_copy(update={"expires_at": 1600}))
    _, stored = played(open_run, RunMoved("in_progress"))
    now = 1020
    _, begun = played(open_run, TurnOpened(0), CodeDelta("call_1", "1"))
    now = 1500
    _, healed = played(OpenRun(one(stored, Run), [one(begun, RunStep)]), RunMoved("failed"))
    assert one(healed, Run).seconds == 20
    _, ended = played(open_run, RunMoved("failed"))
    assert one(ended, Run).seconds == 500


@pytest.mark.parametrize(
    ("end", "step", "reason"),
    [
        (RunMoved("expired"), "expired", "run_expired"),
        (RunMoved("failed"), "failed", "run_failed"),
        (RunMoved("incomplete", reason="max_completion_tokens"), "completed", "max_tokens"),
        (RunMoved("incomplete", reason="content_filter"), "completed", "content_filter"),
    ],
)
def test_an_end_closes_an_open_message(end: RunMoved, step: str, reason: str) -> None:
    words, stored = played(OpenRun(a_run()), RunMoved("in_progress"), TextDelta("I was ab"), end)
    assert words[-3:] == ["message incomplete", f"step {step}", f"run {end.status}"]
    message = one(stored, Message)
    assert message.incomplete_details and message.incomplete_details.reason == reason
    assert message.content[0].text.value == "I was ab"


def test_a_cancelled_cell_keeps_what_it_printed() -> None:
    words, stored = played(
        OpenRun(a_run()),
        RunMoved("in_progress"),
        CodeDone("call_1", "while True: print(1)"),
        OutputDelta("call_1", Logs(logs="1\n"), "stdout"),
        OutputDelta("call_1", Logs(logs="1\n"), "stdout"),
        OutputDelta("call_1", Logs(logs="2\n"), "stderr"),
        OutputDelta("call_1", Logs(logs="KeyboardInterrupt")),
        RunMoved("cancelling"),
        RunMoved("cancelled"),
    )
    assert words[-3:] == ["run cancelling", "step cancelled", "run cancelled"]
    cell = one(stored, Cell)
    assert (cell.status, cell.outputs) == (
        "interrupted",
        (
            {"output_type": "stream", "name": "stdout", "text": "1\n1\n"},
            {"output_type": "stream", "name": "stderr", "text": "2\n"},
            {"output_type": "display_data", "data": {"text/plain": "KeyboardInterrupt"}, "metadata": {}},
        ),
    )
    assert one(stored, RunStep).step_details.tool_calls[0].code_interpreter.outputs == (
        Logs(logs="1\n1\n2\nKeyboardInterrupt"),
    )


def test_code_that_was_never_run_is_no_cell() -> None:
    _, stored = played(OpenRun(a_run()), RunMoved("in_progress"), CodeDelta("call_1", "impor"), RunMoved("expired"))
    assert not [thing for thing in stored.values() if isinstance(thing, Cell)]


def test_a_move_that_is_refused_changes_nothing() -> None:
    open_run = OpenRun(a_run())
    played(open_run, RunMoved("in_progress"), TextDelta("hello"), RunMoved("cancelling"))
    with pytest.raises(IllegalMove):
        played(open_run, RunMoved("requires_action", calls=(Call("call_1", "f", "{}"),)))
    _, stored = played(open_run, RunMoved("cancelled"))
    assert one(stored, Message).content[0].text.value == "hello"


def test_a_run_ends_once() -> None:
    open_run = OpenRun(a_run())
    played(open_run, RunMoved("in_progress"), RunMoved("completed"))
    with pytest.raises(IllegalMove):
        played(open_run, RunMoved("cancelling"))


def test_metadata_that_a_client_changes_meanwhile_is_shown() -> None:
    open_run = OpenRun(a_run())
    _, stored = played(open_run, RunMoved("in_progress"), TextDelta("hello"))
    message = one(stored, Message)
    open_run.amend(message.model_copy(update={"metadata": {"a": "b"}}))
    open_run.amend(one(stored, Run).model_copy(update={"metadata": {"k": "v"}}))
    _, stored = played(open_run, TextDone(), RunMoved("completed"))
    assert (one(stored, Message).metadata, one(stored, Run).metadata) == ({"a": "b"}, {"k": "v"})
