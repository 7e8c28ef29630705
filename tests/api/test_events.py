"""What a run's records become on the wire, and what the SDK makes of it."""

from __future__ import annotations

from typing import Any

from inline_snapshot import snapshot

from kernelci.api.dialects.choice import Dialect
from kernelci.api.events import Stream, WireEvent
from kernelci.engine.events import (
    Call,
    CallDelta,
    CodeDelta,
    CodeDone,
    Output,
    OutputDelta,
    OutputsSubmitted,
    Recorded,
    RunMoved,
    TextDelta,
    TextDone,
    TurnOpened,
    UsageCounted,
)
from kernelci.engine.open_run import OpenRun
from kernelci.protocol.objects import FileId, Image, LastError, Logs
from kernelci.protocol.usage import Usage
from tests.api.journal import further, journal, produced, queued
from tests.api.oracle import judge_event

TALK = [
    RunMoved("in_progress"),
    TurnOpened(0),
    TextDelta("Hel"),
    TextDelta("lo."),
    UsageCounted(Usage(prompt_tokens=5, completion_tokens=2, total_tokens=7)),
    TextDone(),
    RunMoved("completed"),
]
PLOT_AND_FILE = [
    RunMoved("in_progress"),
    TurnOpened(0),
    TextDelta("Let me see."),
    CodeDelta("call_1", "print(1)\n"),
    CodeDelta("call_1", "2+2"),
    CodeDone("call_1", "print(1)\n2+2"),
    OutputDelta("call_1", Logs(logs="1\n"), "stdout"),
    OutputDelta("call_1", Logs(logs="4")),
    OutputDelta("call_1", Image(image=FileId(file_id="file-2"))),
    Output("call_1", "ok"),
    TurnOpened(1),
    TextDelta("שלום: [out]("),
    TextDelta("sandbox:/mnt/data/out.csv", produced("file-3", "/mnt/data/out.csv")),
    TextDelta(") 🎉 "),
    TextDelta("sandbox:/mnt/data/b", produced("file-4", "/mnt/data/b")),
    TextDone(),
    RunMoved("completed"),
]


def rendered(records: list[Recorded]) -> list[WireEvent]:
    stream = Stream(Dialect())
    return [event for recorded in records for event in stream.events(recorded)]


def outline(events: list[WireEvent]) -> list[str | dict[str, Any]]:
    """Of whole objects the event's name, of deltas the one part that changes."""
    return [_part(data["delta"]) if "delta" in data else _name(name, data) for name, data in events]


def _part(delta: dict[str, Any]) -> dict[str, Any]:
    (part,) = delta["content"] if "content" in delta else delta["step_details"]["tool_calls"]
    return part


def _name(name: str, data: dict[str, Any]) -> str:
    judge_event(name, data, "v2")
    return name


def test_a_run_that_talks() -> None:
    assert outline(rendered(journal(*TALK))) == snapshot(
        [
            "thread.run.created",
            "thread.run.queued",
            "thread.run.in_progress",
            "thread.run.step.created",
            "thread.run.step.in_progress",
            "thread.message.created",
            "thread.message.in_progress",
            {"index": 0, "type": "text", "text": {"value": "", "annotations": []}},
            {"index": 0, "type": "text", "text": {"value": "Hel"}},
            {"index": 0, "type": "text", "text": {"value": "lo."}},
            "thread.message.completed",
            "thread.run.step.completed",
            "thread.run.completed",
        ]
    )


def test_a_run_that_talks_runs_code_and_talks() -> None:
    assert outline(rendered(journal(*PLOT_AND_FILE))) == snapshot(
        [
            "thread.run.created",
            "thread.run.queued",
            "thread.run.in_progress",
            "thread.run.step.created",
            "thread.run.step.in_progress",
            "thread.message.created",
            "thread.message.in_progress",
            {"index": 0, "type": "text", "text": {"value": "", "annotations": []}},
            {"index": 0, "type": "text", "text": {"value": "Let me see."}},
            "thread.message.completed",
            "thread.run.step.completed",
            "thread.run.step.created",
            "thread.run.step.in_progress",
            {
                "index": 0,
                "type": "code_interpreter",
                "id": "call_1",
                "code_interpreter": {"input": "", "outputs": []},
            },
            {"index": 0, "type": "code_interpreter", "code_interpreter": {"input": "print(1)\n"}},
            {"index": 0, "type": "code_interpreter", "code_interpreter": {"input": "2+2"}},
            {
                "index": 0,
                "type": "code_interpreter",
                "code_interpreter": {"outputs": [{"index": 0, "type": "logs", "logs": "1\n"}]},
            },
            {
                "index": 0,
                "type": "code_interpreter",
                "code_interpreter": {"outputs": [{"index": 0, "type": "logs", "logs": "4"}]},
            },
            {
                "index": 0,
                "type": "code_interpreter",
                "code_interpreter": {"outputs": [{"index": 1, "type": "image", "image": {"file_id": "file-2"}}]},
            },
            "thread.run.step.completed",
            "thread.run.step.created",
            "thread.run.step.in_progress",
            "thread.message.created",
            "thread.message.in_progress",
            {"index": 0, "type": "image_file", "image_file": {"file_id": "file-2"}},
            {"index": 1, "type": "text", "text": {"value": "", "annotations": []}},
            {"index": 1, "type": "text", "text": {"value": "שלום: [out]("}},
            {
                "index": 1,
                "type": "text",
                "text": {
                    "value": "sandbox:/mnt/data/out.csv",
                    "annotations": [
                        {
                            "index": 0,
                            "type": "file_path",
                            "text": "sandbox:/mnt/data/out.csv",
                            "start_index": 12,
                            "end_index": 37,
                            "file_path": {"file_id": "file-3"},
                        }
                    ],
                },
            },
            {"index": 1, "type": "text", "text": {"value": ") 🎉 "}},
            {
                "index": 1,
                "type": "text",
                "text": {
                    "value": "sandbox:/mnt/data/b",
                    "annotations": [
                        {
                            "index": 1,
                            "type": "file_path",
                            "text": "sandbox:/mnt/data/b",
                            "start_index": 41,
                            "end_index": 60,
                            "file_path": {"file_id": "file-4"},
                        }
                    ],
                },
            },
            "thread.message.completed",
            "thread.run.step.completed",
            "thread.run.completed",
        ]
    )


def test_the_whole_objects_are_those_of_the_moment() -> None:
    events = rendered(journal(*PLOT_AND_FILE))
    calls = [
        data["step_details"].get("tool_calls") for name, data in events if name.startswith("thread.run.step.c")
    ]
    assert calls == snapshot(
        [
            None,
            None,
            [],
            [
                {
                    "id": "call_1",
                    "type": "code_interpreter",
                    "code_interpreter": {
                        "input": """\
print(1)
2+2\
""",
                        "outputs": [
                            {
                                "type": "logs",
                                "logs": """\
1
4\
""",
                            },
                            {"type": "image", "image": {"file_id": "file-2"}},
                        ],
                    },
                }
            ],
            None,
            None,
        ]
    )
    contents = [data["content"] for name, data in events if name.startswith("thread.message.c")]
    assert contents == snapshot(
        [
            [],
            [{"type": "text", "text": {"value": "Let me see.", "annotations": []}}],
            [],
            [
                {"type": "image_file", "image_file": {"file_id": "file-2"}},
                {
                    "type": "text",
                    "text": {
                        "value": "שלום: [out](sandbox:/mnt/data/out.csv) 🎉 sandbox:/mnt/data/b",
                        "annotations": [
                            {
                                "type": "file_path",
                                "text": "sandbox:/mnt/data/out.csv",
                                "start_index": 12,
                                "end_index": 37,
                                "file_path": {"file_id": "file-3"},
                            },
                            {
                                "type": "file_path",
                                "text": "sandbox:/mnt/data/b",
                                "start_index": 41,
                                "end_index": 60,
                                "file_path": {"file_id": "file-4"},
                            },
                        ],
                    },
                },
            ],
        ]
    )


def test_function_calls_end_the_stream_and_their_outputs_begin_the_next() -> None:
    open_run = OpenRun(queued())
    calls = (Call("call_1", "f", '{"a": 1}'), Call("call_2", "g", "{}"))
    asked = further(
        open_run,
        [
            RunMoved("in_progress"),
            CallDelta("call_1", "f", '{"a"'),
            CallDelta("call_1", "f", ": 1}"),
            CallDelta("call_2", "g", "{}"),
            RunMoved("requires_action", calls=calls),
        ],
        2,
    )
    assert outline(rendered(asked)) == snapshot(
        [
            "thread.run.in_progress",
            "thread.run.step.created",
            "thread.run.step.in_progress",
            {
                "index": 0,
                "type": "function",
                "id": "call_1",
                "function": {"name": "f", "arguments": "", "output": None},
            },
            {"index": 0, "type": "function", "function": {"arguments": '{"a"'}},
            {"index": 0, "type": "function", "function": {"arguments": ": 1}"}},
            {
                "index": 1,
                "type": "function",
                "id": "call_2",
                "function": {"name": "g", "arguments": "", "output": None},
            },
            {"index": 1, "type": "function", "function": {"arguments": "{}"}},
            "thread.run.requires_action",
        ]
    )
    answered = further(
        open_run,
        [OutputsSubmitted({"call_1": "1", "call_2": "2"}), RunMoved("in_progress")],
        asked[-1].seq + 1,
    )
    events = rendered(answered)
    assert outline(events) == snapshot(["thread.run.step.completed", "thread.run.queued", "thread.run.in_progress"])
    assert [call["function"]["output"] for call in events[0][1]["step_details"]["tool_calls"]] == ["1", "2"]


def test_calls_that_were_not_streamed_are_shown_before_the_wait() -> None:
    calls = (Call("call_1", "f", "{}"),)
    events = rendered(journal(RunMoved("in_progress"), RunMoved("requires_action", calls=calls)))
    assert outline(events)[3:] == snapshot(
        [
            "thread.run.step.created",
            "thread.run.step.in_progress",
            {
                "index": 0,
                "type": "function",
                "id": "call_1",
                "function": {"name": "f", "arguments": "", "output": None},
            },
            {"index": 0, "type": "function", "function": {"arguments": "{}"}},
            "thread.run.requires_action",
        ]
    )


def test_a_failure_ends_what_is_open() -> None:
    error = LastError(code="server_error", message="No kernel.")
    failed = [RunMoved("in_progress"), TextDelta("Well"), RunMoved("failed", error=error)]
    assert [name for name, _ in rendered(journal(*failed))][-3:] == snapshot(
        ["thread.message.incomplete", "thread.run.step.failed", "thread.run.failed"]
    )


def test_a_picture_without_a_word_after_it_has_a_message_of_its_own() -> None:
    shown = OutputDelta("call_1", Image(image=FileId(file_id="file-2")))
    events = [RunMoved("in_progress"), CodeDone("call_1", "plot()"), shown, Output("call_1", "ok")]
    assert outline(rendered(journal(*events, RunMoved("completed"))))[-7:] == snapshot(
        [
            "thread.run.step.in_progress",
            "thread.message.created",
            "thread.message.in_progress",
            {"index": 0, "type": "image_file", "image_file": {"file_id": "file-2"}},
            "thread.message.completed",
            "thread.run.step.completed",
            "thread.run.completed",
        ]
    )


def test_text_after_a_picture_is_another_output() -> None:
    shown = [Logs(logs="a"), Logs(logs="b\n"), Image(image=FileId(file_id="file-2")), Logs(logs="c")]
    events = rendered(
        journal(
            RunMoved("in_progress"),
            CodeDone("call_1", "code"),
            *(OutputDelta("call_1", output) for output in shown),
            Output("call_1", "ok"),
        )
    )
    deltas = [_part(data["delta"])["code_interpreter"].get("outputs") for _, data in events if "delta" in data]
    assert [output["index"] for outputs in deltas for output in outputs or ()] == [0, 0, 1, 2]
    final = events[-1][1]["step_details"]["tool_calls"][0]["code_interpreter"]["outputs"]
    assert final == snapshot(
        [
            {"type": "logs", "logs": "ab\n"},
            {"type": "image", "image": {"file_id": "file-2"}},
            {"type": "logs", "logs": "c"},
        ]
    )
