"""From iopub messages to nbformat outputs, and how much of them is kept."""

from __future__ import annotations

import json
from typing import Any

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelci.sessions.outputs import Outputs
from kernelci.sessions.trim import CUT, Limits, trimmed

Message = tuple[str, dict[str, Any]]


LIMITS = Limits()


def outputs_of(*messages: Message, limits: Limits = LIMITS) -> list[dict[str, Any]]:
    """What these messages leave, which nbformat accepts and any database can hold."""
    outputs = Outputs()
    for kind, content in messages:
        outputs.take(kind, content)
    left = list(trimmed(outputs.collected(), limits))
    json.dumps(left, ensure_ascii=False, allow_nan=False).encode()
    cell = nbformat.v4.new_code_cell(id="c")
    cell.outputs = nbformat.from_dict(left)
    nbformat.validate(nbformat.v4.new_notebook(cells=[cell]))
    return left


def printed(text: str, name: str = "stdout") -> Message:
    return "stream", {"name": name, "text": text}


def displayed(text: str, id: str | None = None, kind: str = "display_data") -> Message:
    return kind, {"data": {"text/plain": text}, "metadata": {}, "transient": {"display_id": id} if id else {}}


def texts(outputs: list[dict[str, Any]]) -> list[str]:
    return [output["text"] if "text" in output else output["data"]["text/plain"] for output in outputs]


def test_streams_are_merged_between_other_outputs():
    outputs = outputs_of(
        *(printed("a"), printed("E", "stderr"), printed("b"), displayed("D"), printed("c"), printed("d")),
    )

    assert texts(outputs) == ["ab", "E", "D", "cd"]


def test_a_progress_bar_in_pieces_leaves_its_last_state():
    assert texts(outputs_of(printed("10%"), printed("\r50"), printed("%\r"), printed("100%\n"))) == ["100%\n"]


def test_a_result_an_error_and_a_display_have_their_shapes():
    result = {"data": {"text/plain": "1"}, "metadata": {"a": 1}, "execution_count": 3, "transient": None}
    error = {"ename": "E", "evalue": "\x1b[31mv", "traceback": ["\x1b[0;31m---\x1b[0m", "E: v"]}
    display = {"data": {"image/png": "aGk=", "text/plain": ["fig", "ure"]}, "metadata": {}, "transient": {}}

    assert outputs_of(("execute_result", result), ("error", error), ("display_data", display)) == [
        {"output_type": "execute_result", "data": {"text/plain": "1"}, "metadata": {"a": 1}, "execution_count": 3},
        {"output_type": "error", "ename": "E", "evalue": "v", "traceback": ["---", "E: v"]},
        {"output_type": "display_data", "data": {"image/png": "aGk=", "text/plain": "figure"}, "metadata": {}},
    ]


def test_clearing_happens_now_or_with_the_next_output():
    now, later = ("clear_output", {"wait": False}), ("clear_output", {"wait": True})

    assert outputs_of(printed("a"), now) == []
    assert texts(outputs_of(printed("a"), later)) == ["a"]
    assert texts(outputs_of(printed("a"), later, later, displayed("b"))) == ["b"]
    assert texts(outputs_of(printed("a"), later, printed("b"), printed("c"))) == ["bc"]
    assert texts(outputs_of(displayed("a", "id"), now, displayed("b", "id"), displayed("c", "id"))) == ["b", "c"]


def test_every_display_of_an_id_is_updated():
    update = displayed("new", "id", "update_display_data")

    assert texts(outputs_of(displayed("a", "id"), displayed("b"), displayed("c", "id"), update)) == [
        "new",
        "b",
        "new",
    ]


def test_an_update_of_an_earlier_cells_display_is_shown():
    assert texts(outputs_of(displayed("new", "of another cell", "update_display_data"))) == ["new"]


def test_values_are_what_nbformat_allows_for_their_type():
    data = {
        "application/json": {"n": float("nan"), "\ud800": ["\0", 1]},
        "application/vnd.plotly.v1+json": {"data": []},
        "application/vnd.vegalite.v6.json": {"mark": "bar"},
        "text/html": ["<b>", "</b>"],
        "text/plain": 5,
        "no type": "x",
    }
    (output,) = outputs_of(("display_data", {"data": data, "metadata": None}))

    assert output["data"] == {
        "application/json": {"n": None, "\ufffd": ["\ufffd", 1]},
        "application/vnd.plotly.v1+json": {"data": []},
        "application/vnd.vegalite.v6.json": '{"mark": "bar"}',
        "text/html": "<b></b>",
        "text/plain": "5",
    }


def test_a_long_text_keeps_both_its_ends():
    (output,) = outputs_of(printed("a" * 6000), printed("b" * 6000), limits=Limits(text=1000))

    assert output["text"] == "a" * 500 + f"\n{CUT}\n" + "b" * 500


def test_short_texts_are_spared_where_a_long_one_is_cut():
    outputs = outputs_of(
        *(displayed("short"), printed("x" * 5000), ("error", {"ename": "E", "evalue": "", "traceback": ["why"]})),
        limits=Limits(text=1000),
    )

    assert outputs[0]["data"]["text/plain"] == "short"
    assert 900 < len(outputs[1]["text"]) < 1100
    assert outputs[2]["traceback"] == ["why"]


def test_a_progress_bar_of_megabytes_is_small():
    (output,) = outputs_of(*(printed(f"\r{n:9}") for n in range(5000)), limits=Limits(text=1000))

    assert output["text"].endswith("4999")
    assert len(output["text"]) < 200


def test_pictures_that_do_not_fit_are_named():
    figure = ("display_data", {"data": {"image/png": "x" * 600, "text/plain": "<Figure>"}, "metadata": {}})
    outputs = outputs_of(figure, figure, limits=Limits(rich=1000))

    assert outputs[0]["data"] == {"image/png": "x" * 600, "text/plain": "<Figure>"}
    assert outputs[1]["data"] == {"text/plain": "[image/png of 600 characters left out]\n<Figure>"}


def test_outputs_beyond_number_are_counted():
    outputs = outputs_of(*(displayed(str(n)) for n in range(15)), limits=Limits(outputs=10))

    assert len(outputs) == 11
    assert outputs[-1]["text"] == "[5 more outputs left out]\n"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KINDS = ["stream", "display_data", "execute_result", "update_display_data", "error", "clear_output", "status", "x"]
KEYS = ["name", "text", "data", "metadata", "transient", "ename", "evalue", "traceback", "wait", "execution_count"]
MIMES = ["text/plain", "image/png", "application/json", "application/x+json", "text/html", "", "display_id"]
CONTENT = st.dictionaries(
    st.sampled_from(KEYS), JSON | st.just("stdout") | st.dictionaries(st.sampled_from(MIMES), JSON, max_size=3)
)


@given(st.lists(st.tuples(st.sampled_from(KINDS), CONTENT), max_size=6))
def test_whatever_a_kernel_sends_what_is_kept_is_valid(messages: list[Message]):
    outputs_of(*messages, limits=Limits(text=20, rich=20, outputs=3))


@pytest.mark.parametrize("depth", [50, 5000])
def test_endless_nesting_ends(depth: int):
    value: Any = 1
    for _ in range(depth):
        value = [value]

    outputs_of(("display_data", {"data": {"application/json": value}, "metadata": {"deep": value}}))
