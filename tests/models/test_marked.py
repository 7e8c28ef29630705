"""Marked calls are read whole, whatever their code speaks of; and what was cut is not run."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelci.models.arguments import code_in
from kernelci.models.marked import MARKS, marked_calls

TAGS = (*MARKS, "</tool_call>", "</function>", "</parameter>", "</invoke>", "<|tool_call_end|>", "<|eom_id|>")
LINES = st.lists(st.sampled_from([f's = "{tag}"' for tag in TAGS] + ["", "x = {'a': [1]}", "# it's"]), min_size=1)
CODES = LINES.map(lambda lines: "\n".join(["import this", *lines, "print(s)"]))


def codes_in(text: str) -> list[str]:
    return [code_in(call.arguments) for call in marked_calls(text)[0]]


@given(CODES)
def test_code_that_speaks_of_calls_is_never_cut(code: str):
    call = json.dumps({"name": "f", "arguments": {"code": code}})
    arguments = json.dumps({"code": code})
    parameter = f"<parameter=code>\n{code}\n</parameter>"
    for text in (
        f"<tool_call>\n{call}\n</tool_call>",
        f"[TOOL_CALLS][{call}]",
        f"[TOOL_CALLS]f[ARGS]{arguments}",
        f"<TOOLCALL>[{call}]</TOOLCALL>",
        f"<function=f>{arguments}</function>",
        f"<tool_call>\n<function=f>\n{parameter}\n</function>\n</tool_call>",
        f'<invoke name="f">\n<parameter name="code">{code}</parameter>\n</invoke>',
        f"<tool_call>f\n<arg_key>code</arg_key>\n<arg_value>{code}</arg_value>\n</tool_call>",
        f"<|tool_call_begin|>f:0<|tool_call_argument_begin|>{arguments}<|tool_call_end|>",
        f"<｜tool▁call▁begin｜>f<｜tool▁sep｜>{arguments}<｜tool▁call▁end｜>",
    ):
        assert codes_in(text * 2) == [code, code], text
    assert codes_in(f"<|python_tag|>{code}<|eom_id|>") == [code]


@pytest.mark.parametrize(
    "text",
    [
        '<tool_call>{"name": "f", "arguments": {"code": "print("</tool_call>")"}}</tool_call>',
        '<tool_call>\n{"name": "f", "arguments": {"code": "print("<tool_call>")"}}\n</tool_call>',
        '[TOOL_CALLS]f{"code": "print("[TOOL_CALLS]")"}',
    ],
)
def test_broken_json_is_not_split_at_a_tag_in_its_code(text: str):
    assert codes_in(text)[0].startswith('print("')
    assert codes_in(text)[0].endswith('")')


@pytest.mark.parametrize("left", ["</parameter>\n</function>\n", "</parameter>\n", "</function>\n", ""])
@pytest.mark.parametrize("closed", ["</tool_call>", ""])
def test_tags_that_are_left_out_are_no_part_of_the_code(left: str, closed: str):
    assert codes_in(f"<tool_call>\n<function=f>\n<parameter=code>\nprint(1)\n{left}{closed}") == ["print(1)"]


@pytest.mark.parametrize(
    "text", ["<function=f> is a tag.", '<invoke name="f"> is one.', "<tool_call>f <arg_key> is one."]
)
def test_a_tag_that_is_only_spoken_of_is_no_call(text: str):
    assert marked_calls(text) == ([], "")


@pytest.mark.parametrize(
    "text", ["<|python_tag|> is what Llama writes before code.", "<|python_tag|>Note: see below."]
)
def test_words_behind_a_mark_of_python_are_no_code(text: str):
    assert marked_calls(text) == ([], "")
    call = json.dumps({"name": "f", "arguments": {"code": "1"}})
    assert codes_in(f"{text}\n<tool_call>{call}</tool_call>") == ["1"]


@pytest.mark.parametrize(
    "code",
    ["%pip list", "!ls", " x = 1", "await f()", "for x in y:\n    print(x", "x = 1\nif x:\nprint(x)", "s = '\\d'"],
)
def test_code_with_a_mistake_or_in_ipythons_words_is_code(code: str):
    assert codes_in(f"<|python_tag|>{code}<|eom_id|>") == [code]


def test_what_is_said_between_and_after_calls_is_kept():
    text = "<tool_call>{}</tool_call>One.\n<tool_call>{}</tool_call>\nTwo.<|im_end|>".replace(
        "{}", json.dumps({"name": "f", "arguments": {}})
    )
    assert marked_calls(text)[1] == "One.\n\nTwo."


def test_a_call_and_its_end_that_are_written_twice_count_once():
    call = "[weather(city='Haifa')]<|tool_call_end|>"
    calls, after = marked_calls(f"<|tool_call_start|>{call}{call}Checking.")
    assert [call.arguments for call in calls] == ['{"city": "Haifa"}']
    assert after == "Checking."


@pytest.mark.parametrize(
    "text",
    [
        "[f(__import__('os').getcwd())]",
        "[f(x=__import__('os'))]",
        "[f(x=f'{1}')]",
        "[f(**{'x': 1})]",
        "[f(x={1, 2})]",
        "[f()()]",
        "[lambda: 1]",
        "[f(x=1), 2]",
        "f(x=1)",
        "[" * 9999,
        "[f(x=" + "-" * 9999 + "1)]",
    ],
)
def test_of_pythons_calls_only_names_and_literals_are_taken(text: str):
    assert marked_calls(f"<|tool_call_start|>{text}<|tool_call_end|>") == ([], "")


def test_pythons_calls_have_the_words_of_json_too():
    calls, _ = marked_calls(r"<|python_start|>[a.f(x=true, y=None, z=[-1, {'s': '\d'}]), g()]<|python_end|>")
    assert [(call.name, json.loads(call.arguments)) for call in calls] == [
        ("a.f", {"x": True, "y": None, "z": [-1, {"s": r"\d"}]}),
        ("g", {}),
    ]
