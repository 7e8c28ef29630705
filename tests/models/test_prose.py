"""What a model says comes through wherever it is cut, and loses nothing but calls and thoughts."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kernelci.models.prose import Prose, Told
from kernelci.models.thoughts import Thoughts
from tests.models.requests import WITH_CODE

PARTS = st.sampled_from(
    [
        "a",
        "`",
        "```",
        "{",
        "[",
        '"name"',
        ":",
        '"code_interpreter"',
        "}",
        "]",
        "<",
        "<tool_call>",
        "</tool_call>",
        "<function=",
        "[TOOL_CALLS]",
        '{"code":"1"}',
        '{"name":"weather","arguments":{}}',
        "[weather(city='Haifa')]",
        "<function=f>",
        "<parameter=code>",
        "</parameter>",
        "</function>",
        '<invoke name="f">',
        "<|tool_call_begin|>f:0",
        "<think>",
        "</think>",
        "[THINK]",
        "<｜tool▁calls▁begin｜>",
        "\n",
        " ",
        "```python\n",
        "```json\n",
        "```\n",
        "~~~\n",
        "````markdown\n",
        "````\n",
        "print(1)\n",
    ]
)
TEXTS = st.lists(PARTS, max_size=14).map("".join)
CUTS = st.lists(st.integers(0, 200), max_size=20)


def pieces(text: str, cuts: list[int]) -> list[str]:
    at = sorted({cut % (len(text) + 1) for cut in cuts})
    return [text[start:end] for start, end in zip([0, *at], [*at, len(text)], strict=True)]


def heard(text: str, cuts: list[int], *, python: bool) -> tuple[str, Told]:
    prose = Prose(WITH_CODE, python=python)
    said = "".join(prose.feed(piece) for piece in pieces(text, cuts))
    return said, prose.close()


@given(text=TEXTS, cuts=CUTS, python=st.booleans())
@example(text="x\n```python\nprint(1)\n```\n", cuts=list(range(30)), python=True)
def test_where_a_text_is_cut_makes_no_difference(text, cuts, python):
    said, told = heard(text, cuts, python=python)
    said_at_once, told_at_once = heard(text, [], python=python)
    assert (told.calls, told.after, told.shown) == (told_at_once.calls, told_at_once.after, told_at_once.shown)
    assert said + told.text == said_at_once + told_at_once.text


@given(text=TEXTS, cuts=CUTS, python=st.booleans())
def test_a_text_without_calls_loses_nothing(text, cuts, python):
    said, told = heard(text, cuts, python=python)
    if not told.calls:
        assert said + told.text == text
    assert text.startswith(said)


@given(text=TEXTS, cuts=CUTS)
def test_where_no_tool_may_be_called_all_is_said_at_once(text, cuts):
    for request in (replace(WITH_CODE, tools=()), replace(WITH_CODE, tool_choice="none")):
        prose = Prose(request, python=True)
        assert [prose.feed(piece) for piece in pieces(text, cuts)] == pieces(text, cuts)
        assert prose.close() == Told()


def test_prose_is_said_as_it_comes():
    prose = Prose(WITH_CODE, python=True)
    given = ["The ", "sum", "\n", "\n", "is ", "[6", "](x)", " <", "b>", ' {"a', '": 1}', "\n{", '"x": 1}']
    assert [prose.feed(piece) for piece in given] == [
        "The ", "sum", "\n", "", "\nis ", "[6", "](x)", " ", "<b>", ' {"a', '": 1}', "\n", '{"x": 1}',
    ]  # fmt: skip


def test_json_that_was_asked_for_is_an_answer_and_said_as_it_comes():
    prose = Prose(replace(WITH_CODE, response_format={"type": "json_object"}), python=True)
    assert [prose.feed(piece) for piece in ('{"code": ', '"IL"}')] == ['{"code": ', '"IL"}']
    assert prose.close() == Told()


def test_bare_arguments_may_be_a_call_only_of_a_model_that_knows_no_better():
    assert heard('{"code": "1"}', [], python=False) == ("", Told('{"code": "1"}'))
    assert heard('{"code": "1"}', [], python=True) == ("", Told('{"code": "1"}', shown="1"))
    assert heard('{"code": 404}', [], python=True) == ("", Told('{"code": 404}'))


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "Python", "created": 1991}',
        '{"name": "python", "code": "1", "warning": "never run this"}',
        '{"name": "code", "arguments": {}, "args": {}}',
        '[{"name": "python", "arguments": {"code": "1"}}, {"name": "Run"}]',
        '{"name": "python", "arguments": {"code": "1"}}\n{"name": "Run"}',
        '{"name": "python", "arguments": {"code": "1"}}\nThat is JSON. {x}',
        '{"tool_calls": [{"name": "python", "arguments": {"code": "1"}}], "cost": 3}',
        '{"name": "search_web", "arguments": {}}',
        "[run(x=1)]",
        "[weather(city=city)]",
        "Well: \n[weather(city='Haifa')]",
    ],
)
def test_an_answer_that_looks_like_a_call_is_said(text: str):
    for shown in (text, f"```json\n{text}\n```"):
        said, told = heard(shown, [], python=True)
        assert (said + told.text, told.calls) == (shown, ())


def test_a_fence_that_says_it_is_a_call_is_read_as_a_marked_one():
    _, told = heard('```tool_call\n{"name": "python", "code": "1"}\n```', [], python=False)
    assert [call.arguments for call in told.calls] == ['{"code": "1"}']


FENCES = [
    "````markdown\n{}````\nend",
    "```\n{}```\nend",
    "~~~\n{}~~~\n",
    "~~~ a `b`\n```\n{}~~~\n",
    "````\n```\n{}",
]


@pytest.mark.parametrize("fenced", FENCES)
def test_what_is_in_a_fence_is_only_shown(fenced: str):
    call = '<tool_call>{"name":"weather","arguments":{}}</tool_call>\n'
    for text in (fenced.format(call), fenced.format("<think>hi</think>\nshown\n")):
        for cuts in ([], list(range(len(text)))):
            thoughts = Thoughts()
            said, told = heard(text, cuts, python=True)
            assert (said + told.text, told.calls) == (text, ())
            assert "".join(map(thoughts.feed, pieces(text, cuts))) + thoughts.close() == text


CALL = '<tool_call>{"name":"weather","arguments":{}}</tool_call>'


@pytest.mark.parametrize(
    "text", [f'I call it "{CALL}".', f"Say '{CALL}'", f"It is “{CALL}”.", f'"{CALL}"', f"Write `{CALL}`."]
)
def test_a_call_in_quotes_is_only_spoken_of(text: str):
    for cuts in ([], list(range(len(text)))):
        said, told = heard(text, cuts, python=True)
        assert (said + told.text, told.calls) == (text, ())


def said_aloud(text: str, cuts: list[int], *, from_the_start: bool) -> str:
    thoughts = Thoughts(from_the_start=from_the_start)
    return "".join(thoughts.feed(piece) for piece in pieces(text, cuts)) + thoughts.close()


@given(text=TEXTS, cuts=CUTS, from_the_start=st.booleans())
def test_where_a_thought_is_cut_makes_no_difference(text, cuts, from_the_start):
    cut = said_aloud(text, cuts, from_the_start=from_the_start)
    assert cut.strip() == said_aloud(text, [], from_the_start=from_the_start).strip()


@given(text=TEXTS, cuts=CUTS, from_the_start=st.booleans())
def test_a_text_without_thoughts_loses_nothing(text, cuts, from_the_start):
    if not any(tag in text for tag in ("<think>", "</think>", "[THINK]")):
        assert said_aloud(text, cuts, from_the_start=from_the_start) == text


def test_a_thought_that_never_closes_is_kept_apart_as_any():
    thoughts = Thoughts()
    assert (
        thoughts.feed("<think>One.</think>Six.\n<think>Or fi") + thoughts.feed("ve?") + thoughts.close() == "Six.\n"
    )
    assert (thoughts.kept, thoughts.unclosed) == ("One.\nOr five?", "Or five?")


@pytest.mark.parametrize(
    ("text", "said", "unopened"),
    [
        ("Hm.\n</think>\n\nSix.", "Hm.\n\n\nSix.", True),
        ("So it is six.</think>\n\nSix.", "So it is six.\n\nSix.", True),
        ("So it is six.</think> \nSix.", "So it is six. \nSix.", True),
        ("The tag is </think>\nIt closes.", None, False),
        ("The tag is `</think>`\nIt closes.", None, False),
        ("It is`</think>\n`.", None, False),
        ("a</think>b</think>", None, False),
        ("a</thi", None, False),
        ("```\na</think>\n```\n", None, False),
    ],
)
def test_a_tag_that_closes_what_never_opened_ends_its_line(text, said, unopened):
    for cuts in ([], list(range(len(text)))):
        thoughts = Thoughts()
        assert "".join(map(thoughts.feed, pieces(text, cuts))) + thoughts.close() == (said or text)
        assert thoughts.unopened == unopened


@pytest.mark.parametrize("begun", ["x", "[{", "<think>"])
@pytest.mark.parametrize("repeated", [" " * 8, "[{" * 4])
def test_a_line_without_end_does_not_keep_the_server_busy(begun, repeated):
    thoughts, prose = Thoughts(), Prose(WITH_CODE, python=True)
    prose.feed(thoughts.feed(begun))
    before = time.process_time()
    for _ in range(2**16):
        prose.feed(thoughts.feed(repeated))
    assert time.process_time() - before < 5  # it took a minute where each piece was looked at with all before it
