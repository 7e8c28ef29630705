"""Objects and events as v1's clients have them; v2's get what is kept."""

from __future__ import annotations

import pytest

from kernelci.api.dialects.choice import Dialect
from kernelci.api.dialects.objects import downgrade, downgrade_details, downgrade_name, downgrade_part
from kernelci.protocol.objects import Assistant, Message, Run, RunIncomplete, RunStep, Thread

V1, V2 = Dialect("azure", "v1"), Dialect()
RESOURCES = {"code_interpreter": {"file_ids": ["file-1", "file-2"]}, "file_search": {"vector_store_ids": ["vs_1"]}}
FUNCTION = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}, "strict": True}}
TOOLS = [{"type": "code_interpreter"}, {"type": "file_search", "file_search": {"max_num_results": 5}}, FUNCTION]
V1_TOOLS = [
    {"type": "code_interpreter"},
    {"type": "retrieval"},
    {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}},
]

ASSISTANT = Assistant.model_validate(
    {"id": "asst_1", "created_at": 1, "model": "m", "tools": TOOLS, "tool_resources": RESOURCES}
)
RUN = Run.model_validate(
    {
        "id": "run_1",
        "created_at": 1,
        "thread_id": "thread_1",
        "assistant_id": "asst_1",
        "model": "m",
        "tools": TOOLS,
        "tool_choice": {"type": "file_search"},
        "response_format": {"type": "json_schema", "json_schema": {"name": "s"}},
        "file_ids": ["file-1"],
        "tool_resources": RESOURCES,
    }
)


def test_an_assistant_of_v1() -> None:
    assert downgrade(V1, ASSISTANT) == {
        "id": "asst_1",
        "object": "assistant",
        "created_at": 1,
        "name": None,
        "description": None,
        "model": "m",
        "instructions": None,
        "tools": V1_TOOLS,
        "file_ids": ["file-1", "file-2"],
        "metadata": {},
    }


def test_a_thread_of_v1_is_its_metadata() -> None:
    thread = Thread.model_validate(
        {"id": "t", "created_at": 1, "tool_resources": RESOURCES, "metadata": {"k": "v"}}
    )
    assert downgrade(V1, thread) == {"id": "t", "object": "thread", "created_at": 1, "metadata": {"k": "v"}}


def test_a_message_of_v1_has_files_and_nothing_but_text_and_pictures() -> None:
    message = Message.model_validate(
        {
            "id": "msg_1",
            "created_at": 1,
            "thread_id": "t",
            "role": "user",
            "content": [
                {"type": "image_url", "image_url": {"url": "https://example.org/x.png"}},
                {"type": "image_file", "image_file": {"file_id": "file-3", "detail": "low"}},
                {"type": "text", "text": {"value": "x"}},
            ],
            "attachments": [{"file_id": "file-1", "tools": [{"type": tool}]} for tool in ("code_interpreter",) * 2],
        }
    )
    shown = downgrade(V1, message)
    assert "attachments" not in shown
    assert shown["file_ids"] == ["file-1"]
    assert shown["content"] == [
        {"type": "text", "text": {"value": "https://example.org/x.png", "annotations": []}},
        {"type": "image_file", "image_file": {"file_id": "file-3"}},
        {"type": "text", "text": {"value": "x", "annotations": []}},
    ]


def test_parts_of_v1_as_they_stand_in_messages() -> None:
    place = {"text": "[1]", "start_index": 0, "end_index": 3}
    cited = {"type": "file_citation", **place, "file_citation": {"file_id": "file-1"}}
    linked = {"type": "file_path", **place, "file_path": {"file_id": "file-1"}}
    parts = [
        {"type": "text", "text": {"value": "[1]", "annotations": [cited, linked]}},
        {"type": "refusal", "refusal": "No."},
    ]
    quoted = {**cited, "file_citation": {"file_id": "file-1", "quote": ""}}
    assert [downgrade_part(V1, part) for part in parts] == [
        {"type": "text", "text": {"value": "[1]", "annotations": [quoted, linked]}},
        {"type": "text", "text": {"value": "No.", "annotations": []}},
    ]
    assert [downgrade_part(V2, part) for part in parts] == parts


def test_a_run_of_v1() -> None:
    shown = downgrade(V1, RUN)
    assert not {"tool_resources", "top_p", "parallel_tool_calls", "reasoning_effort", "surface"} & shown.keys()
    assert shown["file_ids"] == ["file-1", "file-2"]
    assert shown["tools"] == V1_TOOLS
    assert shown["tool_choice"] == {"type": "retrieval"}
    assert shown["response_format"] == {"type": "json_object"}
    assert downgrade(V1, RUN.model_copy(update={"tool_choice": "required"}))["tool_choice"] == "auto"


@pytest.mark.parametrize("reason", ["max_completion_tokens", "max_prompt_tokens", "content_filter"])
def test_v1_knows_no_incomplete_run(reason: str) -> None:
    details = RunIncomplete.model_validate({"reason": reason})
    run = RUN.model_copy(update={"status": "incomplete", "completed_at": 9, "incomplete_details": details})
    shown = downgrade(V1, run)
    assert (shown["status"], shown["failed_at"], shown["completed_at"]) == ("failed", 9, None)
    assert shown["last_error"]["code"] == "server_error"
    assert reason in shown["last_error"]["message"]
    assert downgrade_name(V1, "thread.run.incomplete") == "thread.run.failed"
    assert downgrade_name(V2, "thread.run.incomplete") == "thread.run.incomplete"
    assert downgrade_name(V1, "thread.message.incomplete") == "thread.message.incomplete"


def test_steps_of_v1_retrieve() -> None:
    search = {"index": 0, "id": "call_1", "type": "file_search", "file_search": {"results": []}}
    code = {"id": "call_2", "type": "code_interpreter", "code_interpreter": {"input": "1", "outputs": []}}
    details = {"type": "tool_calls", "tool_calls": [search, code]}
    retrieved = {"index": 0, "id": "call_1", "type": "retrieval", "retrieval": {}}
    assert downgrade_details(V1, details) == {"type": "tool_calls", "tool_calls": [retrieved, code]}
    assert downgrade_details(V2, details) == details
    said = {"type": "message_creation", "message_creation": {"message_id": "msg_1"}}
    assert downgrade_details(V1, said) == said


def test_v2_is_what_is_kept() -> None:
    step = RunStep.model_validate(
        {
            "id": "step_1",
            "created_at": 1,
            "run_id": "run_1",
            "thread_id": "thread_1",
            "assistant_id": "asst_1",
            "type": "tool_calls",
            "step_details": {"type": "tool_calls"},
        }
    )
    for found in (ASSISTANT, RUN, step):
        assert downgrade(V2, found) == found.wire()
    assert downgrade(V1, step) == step.wire()
