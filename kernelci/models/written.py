"""A call that a model wrote into its text; and the calls that JSON is, in which most templates have them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from kernelci.engine.ports.model import CODE_TOOL
from kernelci.models.arguments import loose_json, value_at
from kernelci.protocol.parts import JsonObject


@dataclass(frozen=True, slots=True)
class WrittenCall:
    """A call by the name and with the arguments that the model wrote."""

    name: str
    arguments: str


Reading = Callable[[object], list[WrittenCall]]
"""How the calls in a decoded value are read: `calls_of` or `plain_calls_of`."""

_BETWEEN = re.compile(r"[\s;,]*")
_REST = re.compile(r"[\s;,}\]]*")  # a bracket too many is no word

_NAME_KEYS = ("name", "function_name", "tool_name", "tool", "function", "action")
_ARGUMENT_KEYS = ("arguments", "parameters", "args", "params", "tool_input", "action_input", "input", "kwargs")
_WRAPPING = ("tool_calls", "tool_call", "function_call", "function")
_BESIDE = frozenset({"type", "id"})
_AROUND = frozenset({*_BESIDE, "index", "role", "content"})


def code_call(code: object) -> WrittenCall:
    """The call that code alone stands for."""
    return WrittenCall(CODE_TOOL, json.dumps({"code": code}, ensure_ascii=False))


def calls_of(value: object) -> list[WrittenCall]:
    """The calls that a decoded JSON value is: one object, a list of them, or a whole message.

    Read so where the model has said that it is a call: there, a name is enough, or code alone.
    """
    if isinstance(value, list):
        return [call for each in cast("list[object]", value) for call in calls_of(each)]
    if not isinstance(value, dict):
        return []
    fields = cast("JsonObject", value)
    if wrapping := _wrapping(fields):
        return calls_of(fields[wrapping])
    if set(fields) == {"code"}:
        return [code_call(fields["code"])]
    name_key = _name_key(fields)
    if name_key is None:
        return []
    key = next((key for key in _ARGUMENT_KEYS if key in fields), None)
    rest = {name: value for name, value in fields.items() if name not in {name_key, *_BESIDE}}
    return [WrittenCall(fields[name_key], _as_text(fields[key] if key else rest))]


def plain_calls_of(value: object) -> list[WrittenCall]:
    """The calls that a value is which nothing marks as one: each has a name and arguments, and nothing besides.

    An answer in JSON may have a name, too; so a list of which one is no call has none.
    """
    if isinstance(value, list):
        each = [plain_calls_of(item) for item in cast("list[object]", value)]
        return [call for calls in each for call in calls] if all(each) else []
    if not isinstance(value, dict):
        return []
    fields = cast("JsonObject", value)
    if wrapping := _wrapping(fields):
        return plain_calls_of(fields[wrapping]) if fields.keys() - {wrapping} <= _AROUND else []
    name_key = _name_key(fields)
    keys = [key for key in _ARGUMENT_KEYS if key in fields]
    if name_key is None or len(keys) != 1 or fields.keys() - {name_key, *keys} - _BESIDE:
        return []
    return [WrittenCall(fields[name_key], _as_text(fields[keys[0]]))]


def json_calls(text: str, at: int, reading: Reading) -> tuple[list[WrittenCall], int]:
    """The calls in JSON values that follow one another from `at` on, and where the last of them ends."""
    calls: list[WrittenCall] = []
    while True:
        between = _BETWEEN.match(text, at)
        start = between.end() if between else at
        if not text.startswith(("{", "["), start):
            return calls, at
        decoded = value_at(text, start)
        found = _read(decoded[0], reading) if decoded else []
        if not decoded or not found:
            return calls, at
        calls += found
        at = decoded[1]


def _read(value: object, reading: Reading) -> list[WrittenCall]:
    try:
        return reading(value)
    except RecursionError:
        return []


def calls_in_json(text: str, reading: Reading) -> list[WrittenCall]:
    """The calls that a text of JSON is from end to end; repaired where it is not quite JSON."""
    calls, end = json_calls(text, 0, reading)
    if calls:
        return calls if _REST.fullmatch(text, end) else []
    return reading(loose_json(text)) if text.rstrip().endswith(("}", "]")) else []


def code_alone(text: str) -> str | None:
    """The code in JSON that is nothing but `{"code": "..."}`."""
    text = text.strip()
    value, end = value_at(text, 0) or (loose_json(text), len(text))
    fields = cast("JsonObject", value) if isinstance(value, dict) else {}
    code = fields.get("code")
    return code if isinstance(code, str) and len(fields) == 1 and _REST.fullmatch(text, end) else None


def _wrapping(fields: JsonObject) -> str | None:
    """The key under which a message, or the hosted service's own form, has the call itself."""
    return next((key for key in _WRAPPING if isinstance(fields.get(key), dict | list)), None)


def _name_key(fields: JsonObject) -> str | None:
    return next((key for key in _NAME_KEYS if isinstance(fields.get(key), str)), None)


def _as_text(arguments: object) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
