from __future__ import annotations

import json

import nbformat
from hypothesis import given
from hypothesis import strategies as st

from kernelci.protocol.objects import Cell, Message
from kernelci.protocol.parts import JsonObject
from kernelci.transcripts.export import exported
from kernelci.transcripts.notebook import assembled, cell_id, code_cell, merged
from tests.conformance.objects import cell, message, run, step, thread

THREAD = thread(id="thread_1")
STEP = step(run(THREAD, id="run_1")).model_copy(update={"id": "step_1"})

texts = st.text(st.characters(), max_size=40) | st.sampled_from(
    ["a\nb\r\nc\x85d\u2028e\x0cf\x1cg", "\ud83d\ude00", "\udc80x"]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)
TEXT_MIMES = ["text/plain", "text/html", "text/markdown", "image/png", "image/svg+xml", "text/unheard-of"]
DATA_MIMES = ["application/json", "application/vnd.plotly.v1+json", "application/vnd.vega.v6.json"]
mimes = st.sampled_from([*TEXT_MIMES, *DATA_MIMES, "application/javascript"])
bundles = st.fixed_dictionaries(
    {"output_type": st.sampled_from(["display_data", "execute_result"])},
    optional={
        "data": st.dictionaries(mimes, texts | st.lists(texts, max_size=3) | values, max_size=4) | values,
        "metadata": st.dictionaries(mimes, values, max_size=2) | values,
        "execution_count": values,
        "transient": values,
    },
)
others = st.fixed_dictionaries(
    {"output_type": st.sampled_from(["stream", "error", "status"]) | values},
    optional={"name": values, "text": values, "ename": values, "evalue": values, "traceback": values},
)


def written(*items: Message | Cell) -> str:
    return b"".join(assembled("thread_1", merged({}, items))).decode("utf-8")


def read(text: str) -> JsonObject:
    nbformat.validate(json.loads(text))
    return json.loads(text)


def as_jupyter_writes(text: str) -> str:
    return nbformat.writes(nbformat.reads(text, as_version=4)) + "\n"


def test_an_empty_thread_is_a_notebook() -> None:
    assert written() == as_jupyter_writes(written())
    assert read(written()) == {
        "cells": [],
        "metadata": {
            "kernelci": {"schema": 1, "thread_id": "thread_1"},
            "kernelspec": {"name": "kernelci", "display_name": "Python (kernelci)", "language": "python"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def test_a_thread_is_told_in_order() -> None:
    text = written(
        message(THREAD, "Divide.\nNow.", id="msg_1"),
        cell(
            STEP,
            id="call_1",
            code="1/0",
            status="error",
            execution_count=1,
            outputs=(
                {"output_type": "stream", "name": "stdout", "text": "a\nb"},
                {"output_type": "error", "ename": "ZeroDivisionError", "evalue": "x", "traceback": ["y"]},
            ),
        ),
        cell(STEP, id="call_2", code="6*7", execution_count=2),
        message(THREAD, "42", id="msg_2", role="assistant", run_id="run_1"),
    )
    assert text == as_jupyter_writes(text)
    assert read(text)["cells"] == [
        {
            "cell_type": "markdown",
            "id": "msg_1",
            "metadata": {"kernelci": {"role": "user", "message_id": "msg_1"}, "tags": ["kernelci-user"]},
            "source": ["**User**\n", "\n", "Divide.\n", "Now."],
        },
        {
            "cell_type": "code",
            "execution_count": 1,
            "id": "call_1",
            "metadata": {
                "kernelci": {
                    "role": "assistant",
                    "run_id": "run_1",
                    "step_id": "step_1",
                    "call_id": "call_1",
                    "status": "error",
                },
                "tags": ["kernelci-assistant", "raises-exception", "kernelci-error-retry"],
            },
            "outputs": [
                {"name": "stdout", "output_type": "stream", "text": ["a\n", "b"]},
                {"ename": "ZeroDivisionError", "evalue": "x", "output_type": "error", "traceback": ["y"]},
            ],
            "source": ["1/0"],
        },
        {
            "cell_type": "code",
            "execution_count": 2,
            "id": "call_2",
            "metadata": {
                "kernelci": {
                    "role": "assistant",
                    "run_id": "run_1",
                    "step_id": "step_1",
                    "call_id": "call_2",
                    "status": "ok",
                },
                "tags": ["kernelci-assistant"],
            },
            "outputs": [],
            "source": ["6*7"],
        },
        {
            "cell_type": "markdown",
            "id": "msg_2",
            "metadata": {"kernelci": {"role": "assistant", "message_id": "msg_2"}, "tags": ["kernelci-assistant"]},
            "source": ["**Assistant**\n", "\n", "42"],
        },
    ]


@given(st.lists(bundles | others, max_size=4), texts, texts)
def test_whatever_a_kernel_sends_is_a_valid_notebook(outputs: list[JsonObject], code: str, said: str) -> None:
    text = written(message(THREAD, said), cell(STEP, code=code, outputs=tuple(outputs)))
    read(text)
    assert text == as_jupyter_writes(text)


@given(st.lists(bundles | others, max_size=4), texts)
def test_an_item_looks_the_same_from_the_store(outputs: list[JsonObject], code: str) -> None:
    first = cell(STEP, code=code, outputs=tuple(outputs))
    stored = Cell.model_validate(json.loads(json.dumps(first.model_dump(mode="json"))))
    assert written(first) == written(stored)


def test_halves_of_characters_are_mended_or_replaced() -> None:
    (shown,) = read(written(cell(STEP, code="'\ud83d\ude00' + '\ud83d' + '\ude00x'")))["cells"]
    assert shown["source"] == ["'😀' + '\ufffd' + '\ufffdx'"]


def test_cell_ids_are_the_items_where_the_format_allows() -> None:
    assert cell_id("call_9-Z") == "call_9-Z"
    odd = ["x" * 65, "call 1", "", "שלום", "a\n", "\ud800"]
    assert len({cell_id(id) for id in odd}) == len(odd)
    assert all(len(cell_id(id)) == 64 and cell_id(id).isalnum() for id in odd)
    assert cell_id("x" * 65) == cell_id("x" * 65)


def test_what_a_person_changed_is_marked_and_what_he_refused_is_never_run() -> None:
    edited, refused = read(
        written(
            cell(STEP, id="call_1", code="x = 2", decision="edit"),
            cell(STEP, id="call_2", code="rm()", status="rejected", decision="reject"),
        )
    )["cells"]
    assert (edited["cell_type"], edited["metadata"]["kernelci"]["decision"]) == ("code", "edit")
    assert edited["metadata"]["tags"] == ["kernelci-assistant", "kernelci-edited"]
    assert (refused["cell_type"], refused["source"]) == ("raw", ["rm()"])
    assert refused["metadata"]["kernelci"]["decision"] == "reject"


def test_a_count_that_is_none_is_null() -> None:
    assert code_cell(cell(STEP, execution_count=-1))["execution_count"] is None


def test_what_is_written_once_is_not_written_again() -> None:
    long = [message(THREAD, str(number)) for number in range(500)]
    before = merged({}, long)
    changed = long[7].model_copy(update={"status": "incomplete", "content": ()})
    new = cell(STEP)
    after = merged(before, [changed, new])
    assert list(after) == [*before, new.id], "a known item keeps its place, a new one comes last"
    assert [id for id in before if after[id] is not before[id]] == [changed.id]


def test_an_export_opens_without_kernelci() -> None:
    text = written(
        message(THREAD, "שלום"), cell(STEP, outputs=({"output_type": "stream", "name": "stdout", "text": "x"},))
    )
    given_away = exported(text.encode()).decode()
    assert given_away == as_jupyter_writes(given_away)
    before, after = read(text), read(given_away)
    kernel = after["metadata"].pop("kernelspec")
    assert before["metadata"].pop("kernelspec")["name"] == "kernelci"
    assert kernel == {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    assert after == before
