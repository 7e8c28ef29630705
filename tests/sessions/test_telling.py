"""What a cell's outputs tell while it runs: once, for good, in order."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelci.sessions.telling import Telling
from kernelci.sessions.trim import CUT, Limits

PNG = "iVBORw0KGgo="
Message = tuple[str, dict[str, Any]]


def out(text: str) -> Message:
    return "stream", {"name": "stdout", "text": text}


def err(text: str) -> Message:
    return "stream", {"name": "stderr", "text": text}


def result(text: str) -> Message:
    return "execute_result", {"data": {"text/plain": text}, "execution_count": 1}


def figure(data: str = PNG, display_id: str | None = None) -> Message:
    transient = {"display_id": display_id} if display_id else {}
    return "display_data", {"data": {"image/png": data, "text/plain": "<Figure>"}, "transient": transient}


ERROR: Message = ("error", {"ename": "E", "evalue": "", "traceback": ["\x1b[31mE\x1b[0m", "why"]})
CLEAR: Message = ("clear_output", {"wait": False})
CLEAR_LATER: Message = ("clear_output", {"wait": True})


def pieces(*messages: Message, limits: Limits | None = None) -> list[list[str]]:
    """What is told after each message, and at the end; pictures in angle brackets."""
    telling = Telling(limits or Limits())
    told: list[list[str]] = []
    for kind, content in messages:
        telling.take(kind, content)
        told.append([f"<{text}>" if kind == "picture" else text for kind, text in telling.told()])
    telling.close()
    told.append([f"<{text}>" if kind == "picture" else text for kind, text in telling.told()])
    return told


def whole(*messages: Message, limits: Limits | None = None) -> str:
    return "".join(piece for told in pieces(*messages, limits=limits) for piece in told)


def test_lines_are_told_as_they_are_printed() -> None:
    assert pieces(out("1\n"), out("working"), out("...\n"), result("7")) == [
        ["1\n"],
        ["working"],
        ["...\n"],
        ["7"],
        [],
    ]


def test_a_progress_bar_is_told_when_its_line_ends() -> None:
    assert pieces(err("\r 10%"), out("a\n"), err("\r100%"), err("\n"), out("b\n")) == [
        [],
        ["a\n"],
        [],
        ["100%\n"],
        ["b\n"],
        [],
    ]
    assert pieces(out("10%\r"), out("20%\r")) == [[], [], ["20%"]]


def test_what_was_told_stays_when_the_cursor_goes_back() -> None:
    assert whole(out("Working..."), out("\rDone.\n"), out("next\n")) == "Working...\nDone.\nnext\n"
    assert whole(out("abc"), out("d\b\b\b\bX")) == "abcd\nX"
    assert whole(out("windows"), out("\r\nlines\r\n")) == "windows\nlines\n"


@pytest.mark.parametrize(
    ("messages", "shown"),
    [
        ([out("a"), err("b\n"), out("c")], "a\nb\nc"),
        ([out("a\n"), err("b\n"), out("c\n")], "a\nb\nc\n"),
        ([out("a"), result("1"), result("2"), out("b\n")], "a\n1\n2\nb\n"),
        ([out("a"), ERROR], "a\nE\nwhy"),
        ([out("a"), figure(), out("b"), figure(), result("c")], f"a<{PNG}>b<{PNG}>c"),
        ([out("\x1b[1;3"), out("1mred\x1b[0m\n")], "red\n"),
        ([out("\x1b]0;ti"), out("tle\x1b"), out("\\x\n")], "x\n"),
        ([figure("!!")], "<!!>"),
        ([figure("a")], "<Figure>"),
        ([], ""),
    ],
    ids=["interleaved", "in order", "results", "an error", "figures", "an escape", "a title", "odd", "bad", "none"],
)
def test_the_whole(messages: list[Message], shown: str) -> None:
    assert whole(*messages) == shown


def test_what_may_be_taken_back_waits_for_the_end() -> None:
    assert pieces(out("a\n"), CLEAR_LATER, out("b\n"), CLEAR_LATER, out("c\n")) == [
        ["a\n"],
        [],
        [],
        [],
        [],
        ["c\n"],
    ]
    assert whole(figure(), CLEAR, figure(), CLEAR, figure("ICAg")) == f"<{PNG}><ICAg>"
    assert whole(err("\r1%"), CLEAR, out("x")) == "x"


def test_a_display_that_can_be_updated_waits_with_all_that_follows() -> None:
    updated = ("update_display_data", figure("ICAg", "id")[1])
    assert pieces(out("a"), figure(PNG, "id"), out("b\n"), updated) == [["a"], [], [], [], ["<ICAg>", "b\n"]]


def test_of_too_much_text_the_beginning_and_the_end_are_told() -> None:
    small = Limits(text=10)
    assert whole(out("0123456789"), limits=small) == "0123456789"
    assert whole(out("0123456789a"), limits=small) == f"01234\n{CUT}\n6789a"
    assert pieces(out("012345"), out("6789\n"), out("abc\n"), limits=small) == [
        ["01234"],
        [],
        [],
        [f"\n{CUT}\n", "\nabc\n"],
    ]
    assert whole(*[out(str(n % 10)) for n in range(100)], limits=small) == f"01234\n{CUT}\n56789"


def test_of_too_many_pictures_the_first_are_told() -> None:
    told = whole(figure(), figure(), figure(), limits=Limits(outputs=2))
    assert told == f"<{PNG}><{PNG}>[a picture of 12 characters left out]"
    assert whole(figure(), limits=Limits(rich=5)) == "[a picture of 12 characters left out]"


TEXT = st.text(alphabet=st.sampled_from("ab \n\r\b\x1b[K0\x07א"), max_size=8)
MESSAGE = st.one_of(
    TEXT.map(out), TEXT.map(err), TEXT.map(result), st.sampled_from([figure(), ERROR, CLEAR, CLEAR_LATER])
)


@given(st.lists(MESSAGE, max_size=8))
def test_nothing_is_told_that_could_drive_a_terminal(messages: list[Message]) -> None:
    assert not [letter for letter in whole(*messages) if ord(letter) < 32 and letter != "\n"]


@given(st.lists(st.text(alphabet="ab \nא", max_size=5).map(out), max_size=8))
def test_plain_text_is_told_as_it_is_however_it_is_cut(messages: list[Message]) -> None:
    assert whole(*messages) == "".join(content["text"] for _, content in messages)
