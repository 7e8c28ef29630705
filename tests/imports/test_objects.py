"""The API's JSON of both dialects as stored objects."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernelci.imports.objects import KINDS, Unfit, found_in, stored
from kernelci.protocol.objects import Assistant, Message, Run, RunStep
from kernelci.protocol.parts import JsonObject

ASSISTANT = {"object": "assistant", "id": "asst_1", "created_at": 1, "model": "m"}
FILE = {"object": "file", "id": "file-1", "created_at": 1, "filename": "a.csv", "purpose": "assistants"}
THREAD = {"object": "thread", "id": "thread_1", "created_at": 1}
MESSAGE = {
    "object": "thread.message",
    "id": "msg_1",
    "created_at": 2,
    "thread_id": "thread_1",
    "role": "user",
    "content": [],
}
SEARCH = {"id": "call_1", "type": "file_search", "file_search": {"results": []}}
CALLS = {"type": "tool_calls", "tool_calls": [SEARCH]}
STEP = {
    "id": "step_1",
    "object": "thread.run.step",
    "created_at": 3,
    "run_id": "run_1",
    "assistant_id": "asst_1",
    "thread_id": "thread_1",
    "type": "tool_calls",
    "status": "completed",
    "step_details": CALLS,
}
RUN = {
    "id": "run_1",
    "object": "thread.run",
    "created_at": 2,
    "assistant_id": "asst_1",
    "thread_id": "thread_1",
    "model": "gpt-4-1106-preview",
    "instructions": None,
    "status": "requires_action",
    "required_action": {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": []}},
    "tools": [{"type": "retrieval"}],
}
DEEP = json.loads('{"a":' * 900 + "1" + "}" * 900)
EXAMPLES = (ASSISTANT, FILE, THREAD, MESSAGE, RUN, STEP)


def test_what_v1_had_is_where_v2_has_it() -> None:
    assistant = stored(
        {
            "id": "asst_1",
            "object": "assistant",
            "created_at": 1,
            "model": "gpt-4",
            "tools": [{"type": "code_interpreter"}, {"type": "retrieval"}],
            "file_ids": ["file-1"],
            "metadata": {"count": 3, "user": {"name": "דנה"}, "nothing": None},
        }
    )
    assert isinstance(assistant, Assistant)
    assert [tool.type for tool in assistant.tools] == ["code_interpreter", "file_search"]
    assert assistant.tool_resources.file_ids == ("file-1",)
    assert assistant.metadata == {"count": "3", "user": '{"name": "דנה"}'}
    message = stored(
        {
            "id": "msg_1",
            "object": "thread.message",
            "created_at": 1,
            "thread_id": "thread_1",
            "role": "user",
            "content": [{"type": "text", "text": {"value": "שלום", "annotations": []}}],
            "file_ids": ["file-1"],
            "assistant_id": None,
        }
    )
    assert isinstance(message, Message)
    assert [each.file_id for each in message.attachments] == ["file-1"]
    assert (message.status, message.completed_at) == ("completed", 1)


def test_searches_of_v1_are_file_searches() -> None:
    run = stored(RUN | {"tool_choice": {"type": "retrieval"}, "response_format": "none"})
    assert isinstance(run, Run)
    assert [tool.type for tool in run.tools] == ["file_search"]
    assert (run.wire()["tool_choice"], run.response_format) == ({"type": "file_search"}, "auto")
    calls = [{"id": "call_1", "type": "retrieval", "retrieval": {}}]
    step = stored(STEP | {"step_details": CALLS | {"tool_calls": calls}})
    assert step.wire()["step_details"]["tool_calls"] == [{"id": "call_1", "type": "file_search", "file_search": {}}]


def test_what_had_not_ended_has_expired() -> None:
    run, step = stored(RUN), stored(STEP | {"status": "in_progress"})
    assert isinstance(run, Run)
    assert isinstance(step, RunStep)
    assert (run.status, run.required_action, run.instructions) == ("expired", None, "")
    assert (step.status, step.expired_at) == ("expired", 3)


def test_citations_and_searches_of_another_service_are_kept() -> None:
    citation = {
        "type": "file_citation",
        "text": "【4:0†source】",
        "start_index": 3,
        "end_index": 15,
        "file_citation": {"file_id": "file-1", "quote": "so it says"},
    }
    message = {
        "id": "msg_1",
        "object": "thread.message",
        "created_at": 1,
        "thread_id": "thread_1",
        "role": "assistant",
        "content": [
            {"type": "text", "text": {"value": "As 【4:0†source】", "annotations": [citation]}},
            {"type": "refusal", "refusal": "I will not."},
        ],
    }
    assert stored(message).wire()["content"] == message["content"]
    assert stored(STEP).wire()["step_details"] == STEP["step_details"]


@pytest.mark.parametrize("base", EXAMPLES, ids=lambda each: each["object"])
def test_an_export_says_nothing_of_what_only_we_know(base: JsonObject) -> None:
    kind = KINDS[base["object"]]
    ours = dict.fromkeys(kind.private, "whatever") | {"metadata": {}, "file_ids": ["file-1"]}
    given, plain = stored(base | ours), stored(base)
    for name in kind.private - {"file_ids"}:
        assert getattr(given, name) == getattr(plain, name), name
    if isinstance(given, Run):
        assert given.file_ids == ("file-1",)  # v1 did say that


@pytest.mark.parametrize("base", EXAMPLES, ids=lambda each: each["object"])
@pytest.mark.parametrize("time", [-1, 1 << 40, 10**30])
def test_what_is_no_time_is_unfit(base: JsonObject, time: int) -> None:
    times = [name for name in KINDS[base["object"]].model_fields if name.endswith("_at")]
    assert "created_at" in times
    for name in times:
        with pytest.raises(Unfit, match=f"{name}: is no time"):
            stored(base | {name: time})


@pytest.mark.parametrize(
    ("base", "why"),
    [
        (FILE | {"filename": "\ud800.csv"}, "half of a surrogate pair"),
        (ASSISTANT | {"metadata": {"\udfff": "x"}}, "half of a surrogate pair"),
        (ASSISTANT | {"temperature": float("nan")}, "it could not be sent again"),
        (
            STEP | {"step_details": CALLS | {"tool_calls": [SEARCH | {"file_search": {"score": 1e999}}]}},
            "sent again",
        ),
        (ASSISTANT | {"tools": [{"type": "file_search", "file_search": DEEP}]}, "recursion limit"),
    ],
)
def test_what_the_api_itself_would_not_take_is_unfit(base: JsonObject, why: str) -> None:
    with pytest.raises(Unfit, match=why):
        stored(base)


def test_objects_are_found_however_they_are_put_together() -> None:
    page = {"object": "list", "data": [RUN, STEP], "has_more": False}
    for value in (RUN, [RUN, STEP], page, {"anything": [page], "thread": RUN}):
        assert RUN in list(found_in(value))
    assert list(found_in({"role": "user"})) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("base", EXAMPLES, ids=lambda each: each["object"])
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_nothing_but_unfit_comes_of_what_is_unfit(base: JsonObject, data: st.DataObject) -> None:
    fields = sorted({*base, "tools", "file_ids", "metadata", "attachments", "tool_resources"} - {"object"})
    changed = base | data.draw(st.dictionaries(st.sampled_from(fields), JSON, min_size=1, max_size=3))
    assert changed["object"] in KINDS
    with suppress(Unfit):
        json.dumps(stored(changed).wire())
