"""Calls whose arguments have tags of their own: what is between two tags is taken as it stands, quotes and all.

<function=f><parameter=city>Haifa</parameter></function> (Qwen Coder; Llama has JSON in place of the parameters)
<invoke name="f"><parameter name="city">Haifa</parameter></invoke> (MiniMax, Claude)
f<arg_key>city</arg_key><arg_value>Haifa</arg_value></tool_call> (GLM)

Code may have such tags in its strings. So one that closes a value does so only where the template's next tag, or
the end, follows it; and no tag of a call's does where something other stands behind it on the line.
"""

from __future__ import annotations

import json
import re

from kernelci.models.arguments import value_at
from kernelci.models.written import WrittenCall

_AROUND = r"</(?:function|invoke|tool_calls?|function_calls?|minimax:tool_call)>"
_ALONE = r"[ \t\r]*(?:\n|<|\Z)"
_ENDED = rf"(?=\s*(?:<parameter[\s=]|{_AROUND}{_ALONE}|\Z))"

_NAME = re.compile(r"""\s*<(?:function=|invoke\s+name=)["']?(?P<name>[^>\s"']+)["']?\s*>""")
_PARAMETER = re.compile(
    r"""\s*<parameter(?:=|\s+name=)["']?(?P<key>[^>\s"']+)["']?[^>]*>(?P<value>.*?)"""
    rf"(?:</parameter>{_ENDED}|(?=\n[ \t]*{_AROUND}{_ALONE})|\Z)",
    re.DOTALL,
)
_BODY = re.compile(rf"(?P<body>(?:(?!<function=|<invoke\s).)*?)(?:(?P<closed>{_AROUND}){_ALONE}|\Z)", re.DOTALL)
_FUNCTION_END = re.compile(r"\s*</(?:function|invoke)>")

_GLM = re.compile(r"\s*+(?P<name>[^<>\s]{1,256}+)\s*+(?=<arg_key>)")
_ARGUMENT = re.compile(
    r"\s*<arg_key>(?P<key>[^<]{1,256})</arg_key>\s*<arg_value>(?P<value>.*?)"
    rf"(?:</arg_value>(?=\s*(?:<arg_key>|{_AROUND}{_ALONE}|\Z))|(?=\n[ \t]*{_AROUND}{_ALONE})|\Z)",
    re.DOTALL,
)
_LEFT = ("</parameter>", "</arg_value>", "</function>", "</invoke>", "</tool_call>")


def tagged_calls(text: str, at: int) -> tuple[list[WrittenCall], int]:
    """The call that begins at `at`, if one does, and where it ends."""
    if name := _NAME.match(text, at):
        fields, end = _fields(_PARAMETER, text, name.end())
        if fields:
            arguments = json.dumps(fields, ensure_ascii=False)
        else:
            arguments, end = _arguments(text, name.end())
        if arguments is None:
            return [], at
        closed = _FUNCTION_END.match(text, end)
        return [WrittenCall(name["name"], arguments)], closed.end() if closed else end
    if name := _GLM.match(text, at):
        fields, end = _fields(_ARGUMENT, text, name.end())
        return [WrittenCall(name["name"], json.dumps(fields, ensure_ascii=False))] if fields else [], end
    return [], at


def _fields(pattern: re.Pattern[str], text: str, at: int) -> tuple[dict[str, str], int]:
    fields: dict[str, str] = {}
    while found := pattern.match(text, at):
        value = found["value"] if found.end() < len(text) else _without_left(found["value"])
        fields[found["key"].strip()] = value.removeprefix("\n").removesuffix("\n")
        at = found.end()
    return fields, at


def _without_left(value: str) -> str:
    """A value that nothing closed as it should: without the tags that close what is around it."""
    rest = value
    while tag := next((tag for tag in _LEFT if rest.rstrip().endswith(tag)), None):
        rest = value = rest.rstrip().removesuffix(tag)
    return value


def _arguments(text: str, at: int) -> tuple[str | None, int]:
    """Arguments without tags of their own: JSON, or all before the closing tag; None where that is missing."""
    start = at + len(text[at : at + 64]) - len(text[at : at + 64].lstrip())
    is_json = text.startswith(("{", '"'), start)
    if is_json and (decoded := value_at(text, start)):
        return text[start : decoded[1]], decoded[1]
    body = _BODY.match(text, at)
    if body is None or not (body["closed"] or is_json):
        return None, at
    return body["body"].strip() or "{}", body.end("body")
