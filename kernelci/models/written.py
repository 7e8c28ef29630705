"""Calls that a model wrote into its text, in the words of the template it was trained with."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from kernelci.engine.ports import CODE_TOOL
from kernelci.models.arguments import loose_json
from kernelci.protocol.parts import JsonObject


@dataclass(frozen=True, slots=True)
class WrittenCall:
    """A call by the name and with the arguments that the model wrote."""

    name: str
    arguments: str


MARKS = (
    "<tool_call>",  # Hermes, Qwen, GLM
    "<tool_calls>",
    "<function_call>",
    "<function=",  # Llama 3.1, Qwen Coder
    "<|tool_call|>",  # Granite, Phi
    "<|tool_call_start|>",
    "[TOOL_CALLS]",  # Mistral
    "[TOOL_REQUEST]",  # LM Studio, for models without a template for tools
    "<|python_tag|>",  # Llama
    "<｜tool▁calls▁begin｜>",  # DeepSeek
)
"""How such a call begins."""

_PYTHON_TAG = "<|python_tag|>"
_MARK = re.compile("|".join(map(re.escape, MARKS)))
_CLOSED = re.compile(
    r"</tool_calls?>|</function_call>|</function>|<\|/?tool_call(?:_end)?\|>|\[/TOOL_CALLS\]|\[END_TOOL_REQUEST\]"
    r"|<｜tool▁calls▁end｜>|<\|eo[mt]_id\|>|<\|im_end\|>"
)
_CONTROL = re.compile(rf"{_CLOSED.pattern}|</s>")
"""Control words, which are no part of what a model says."""

_JSON = json.JSONDecoder(strict=False)
_FUNCTION = re.compile(r"<function=(?P<name>[^>\s]+)>(?P<body>.*?)(?:</function>|\Z)", re.DOTALL)
_PARAMETER = re.compile(r"<parameter=(?P<key>[^>\s]+)>(?P<value>.*?)(?:</parameter>|\Z)", re.DOTALL)
_ARGUMENT = re.compile(r"<arg_key>(?P<key>.*?)</arg_key>\s*<arg_value>(?P<value>.*?)(?:</arg_value>|\Z)", re.DOTALL)
_DEEPSEEK = re.compile(
    r"<｜tool▁sep｜>(?P<name>[^\s`{]+)\s*(?:```(?:json)?)?(?P<body>.*?)(?:```|<｜|\Z)", re.DOTALL
)
_NAMED = re.compile(r"\s*(?P<name>[\w.:/-]+)\s*(?:\[CALL_ID\]\w*)?(?:\[ARGS\])?\s*(?P<body>\{.*)", re.DOTALL)

_NAME_KEYS = ("name", "function_name", "tool_name", "tool", "function", "action")
_ARGUMENT_KEYS = ("arguments", "parameters", "args", "params", "tool_input", "action_input", "input", "kwargs")


def marked_calls(text: str) -> tuple[list[WrittenCall], str]:
    """The calls in a text that begins with one of MARKS, and what the model said after them.

    Nothing is found where what follows the mark cannot be a call.
    """
    calls: list[WrittenCall] = []
    after = ""
    for mark, body in _blocks(text):
        found, after = _json_calls(body)
        if not found:
            inside, after = _split(body)
            found = _calls_in(mark, inside)
        calls += found
    return calls, _CONTROL.sub("", after) if calls else ""


def calls_of(value: object) -> list[WrittenCall]:
    """The calls that a decoded JSON value is: one object, a list of them, or a whole message."""
    if isinstance(value, list):
        return [call for each in cast("list[object]", value) for call in calls_of(each)]
    if not isinstance(value, dict):
        return []
    fields = cast("JsonObject", value)
    for key in ("tool_calls", "tool_call", "function_call", "function"):
        if isinstance(fields.get(key), dict | list):
            return calls_of(fields[key])
    if set(fields) == {"code"}:
        return [WrittenCall(CODE_TOOL, json.dumps(fields, ensure_ascii=False))]
    name_key = next((key for key in _NAME_KEYS if isinstance(fields.get(key), str)), None)
    return [WrittenCall(fields[name_key], _arguments(fields, name_key))] if name_key else []


def _arguments(fields: JsonObject, name_key: str) -> str:
    key = next((key for key in _ARGUMENT_KEYS if key in fields), None)
    rest = {name: value for name, value in fields.items() if name not in {name_key, "type", "id"}}
    value = fields[key] if key else rest
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _blocks(text: str) -> Iterator[tuple[str, str]]:
    """Each mark with what stands between it and the next."""
    marks = list(_MARK.finditer(text))
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    for mark, end in zip(marks, ends, strict=True):
        whole_tag = mark[0] == "<function="
        yield mark[0], text[mark.start() if whole_tag else mark.end() : end]


def _split(body: str) -> tuple[str, str]:
    """What a call's tags hold, and what follows the last of them."""
    closed = list(_CLOSED.finditer(body))
    return (body[: closed[0].start()], body[closed[-1].end() :]) if closed else (body, "")


def _calls_in(mark: str, body: str) -> list[WrittenCall]:
    if functions := list(_FUNCTION.finditer(body)):
        return [WrittenCall(found["name"], _parameters(found["body"])) for found in functions]
    if found := list(_DEEPSEEK.finditer(body)):
        return [WrittenCall(each["name"], each["body"].strip()) for each in found]
    if pairs := list(_ARGUMENT.finditer(body)):
        fields = {pair["key"].strip(): pair["value"] for pair in pairs}
        return [WrittenCall(body[: pairs[0].start()].strip(), json.dumps(fields, ensure_ascii=False))]
    if named := _NAMED.match(body):
        return [WrittenCall(named["name"], named["body"].strip())]
    if calls := calls_of(loose_json(body)):
        return calls
    return [WrittenCall(CODE_TOOL, json.dumps({"code": body.strip("\n")}))] if mark == _PYTHON_TAG else []


def _parameters(body: str) -> str:
    """The arguments of `<function=name>`: parameters in tags of their own, or JSON."""
    found = {each["key"]: each["value"].removeprefix("\n").removesuffix("\n") for each in _PARAMETER.finditer(body)}
    return json.dumps(found, ensure_ascii=False) if found else body.strip()


def _json_calls(body: str) -> tuple[list[WrittenCall], str]:
    """The calls in JSON values that follow one another, a semicolon or a line between them; and what is left."""
    calls: list[WrittenCall] = []
    rest = body.lstrip()
    while rest.startswith(("{", "[")):
        try:
            value, end = _JSON.raw_decode(rest)
        except (ValueError, RecursionError):
            break
        calls += calls_of(cast("object", value))
        rest = rest[end:].lstrip(" \t\r\n;,")
    return calls, rest
