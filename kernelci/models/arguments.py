"""The code in a call's complete arguments, however a model wrote them; and JSON that is not quite JSON."""

from __future__ import annotations

import json
import re
from typing import cast

import json_repair

from kernelci.models.partial import PartialCode, whole
from kernelci.protocol.parts import JsonObject

CODE_KEYS = (
    "code", "python_code", "python", "source", "source_code", "script", "input", "cell", "snippet", "program",
    "content", "command", "cmd", "query", "text", "__arg1",
)  # fmt: skip
"""Names that models give the one argument `code`, the likeliest first."""

_WRAPPERS = ("arguments", "parameters", "input", "args", "kwargs")
"""Keys under which a model hides the arguments once more."""

_LONGEST_REPAIR = 8 * 1024  # characters; the repair's time can grow with the square of them
_DEEP = re.compile(r"(?:[\[{(]\s*+){16}")
_DEPTH = 3  # JSON in JSON in JSON
_FENCED = re.compile(r"\A\s*```[ \t]*[\w+.-]*[ \t]*\n(?P<code>.*?)\n?[ \t]*```\s*\Z", re.DOTALL)
_QUOTED = re.compile(
    r"""\s*\{\s*["']?code["']?\s*:\s*(?P<quote>"{3}|'{3}|["'])(?P<code>(?:(?!(?P=quote)\s*,\s*["']\w+["']\s*:).)*)"""
    r"""(?P=quote)\s*\}\s*\Z""",
    re.DOTALL,
)
"""An object of code alone, whose own quotes need not be escaped: only the last one ends it."""

_OPENED = re.compile(r"""(?<=[:,{\[])\s*(?P<quote>"{3}|'{3})""")
_ENDED = r"(?=\s*[,}\]])"
"""Python's long quotes around a string in JSON."""

_ESCAPE = re.compile(r"\\(?:u(?P<hex>[0-9a-fA-F]{4})|(?P<letter>.))", re.DOTALL)
_LETTERS = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", '"': '"', "'": "'", "\\": "\\", "/": "/"}
_STRICT = json.JSONDecoder()
_LENIENT = json.JSONDecoder(strict=False)


def code_in(arguments: str) -> str:
    """The code in a call's complete arguments.

    `{"code": "..."}` gives the string. So do other names for it (CODE_KEYS), arguments within arguments, JSON
    encoded twice, arguments that are nothing but a JSON string, and JSON that can be repaired. An object that
    stops short gives what is there. Anything else is taken for the code itself, without a fence around it.
    """
    arguments = _unfenced(arguments)
    code = _code_of_json(arguments)
    return whole(arguments if code is None else _unfenced(code))


def value_at(text: str, at: int) -> tuple[object, int] | None:
    """The JSON value that begins at a place, and where it ends; None where none does."""
    try:
        return _LENIENT.raw_decode(text, at)
    except (ValueError, RecursionError):
        return None


def loose_json(text: str) -> object:
    """The value that the text begins with, repaired where it is not quite JSON; None where there is none."""
    value = _first_value(text)
    if value is None and len(text) <= _LONGEST_REPAIR:
        value = _first_value(_requoted(text))
    return _repaired(text) if value is None else value


def _code_of_json(arguments: str) -> str | None:
    try:
        return _code_of(_LENIENT.decode(arguments), _DEPTH)
    except (ValueError, RecursionError):
        pass
    decoder = PartialCode()
    code = decoder.feed(arguments) + decoder.close()
    if decoder.found and not decoder.broken:
        return code
    if not arguments.lstrip().startswith("{"):
        return None
    value = _first_value(arguments)
    if value is None and (quoted := _QUOTED.match(arguments)):
        return _unquoted(quoted["code"], quoted["quote"])
    value = value or _repaired(arguments)
    return _code_of(cast("object", value), _DEPTH) if isinstance(value, dict) else None


def _code_of(value: object, depth: int) -> str | None:
    """The code in a decoded value; None where nothing in it can be code."""
    if isinstance(value, str):
        return _decoded_again(value, depth)
    if not isinstance(value, dict) or depth == 0:
        return None
    fields = cast("JsonObject", value)
    if not fields:
        return ""
    for key in CODE_KEYS:
        if (code := _text(fields.get(key))) is not None:
            return _decoded_again(code, depth)
    for key in _WRAPPERS:
        if (code := _code_of(fields.get(key), depth - 1)) is not None:
            return code
    return _text(next(iter(fields.values()))) if len(fields) == 1 else None


def _text(value: object) -> str | None:
    """A string, or a list of lines, as text."""
    if isinstance(value, list) and all(isinstance(line, str) for line in cast("list[object]", value)):
        return "\n".join(line.rstrip("\n") for line in cast("list[str]", value))
    return value if isinstance(value, str) else None


def _decoded_again(text: str, depth: int) -> str:
    """The code in a string that is the arguments once more, encoded; any other string as it is."""
    if depth and text.lstrip().startswith("{"):
        try:
            value = cast("object", _STRICT.decode(text))
        except (ValueError, RecursionError):
            return text
        if isinstance(value, dict) and set(cast("JsonObject", value)) & {"code", *_WRAPPERS}:
            code = _code_of(cast("object", value), depth - 1)
            return text if code is None else code
    return text


def _unquoted(text: str, quote: str) -> str:
    """What a string holds. Between long quotes that span lines, escapes are Python's, for the code to have."""
    if len(quote) > 1 and "\n" in text:
        return text.strip("\n")
    return _ESCAPE.sub(_unescaped, text)


def _requoted(text: str) -> str:
    """JSON whose strings have short quotes, where the text is JSON with long ones."""
    parts: list[str] = []
    at = 0
    while opened := _OPENED.search(text, at):
        ended = re.compile(opened["quote"] + _ENDED).search(text, opened.end())
        if ended is None:
            break
        parts += [text[at : opened.start()], json.dumps(_unquoted(text[opened.end() : ended.start()], '"""'))]
        at = ended.end()
    return "".join([*parts, text[at:]])


def _unescaped(escape: re.Match[str]) -> str:
    if escape["hex"]:
        return chr(int(escape["hex"], 16))
    return _LETTERS.get(escape["letter"], escape[0])


def _first_value(text: str) -> object:
    """The JSON value that the text begins with; None where there is none."""
    first = value_at(text.strip(), 0)
    return first and first[0]


def _repaired(text: str) -> object:
    if len(text) > _LONGEST_REPAIR or _DEEP.search(text):
        return None
    try:
        return cast("object", json_repair.loads(text, skip_json_loads=True))
    except (ValueError, RecursionError):
        return None


def _unfenced(code: str) -> str:
    fenced = _FENCED.match(code)
    return fenced["code"] if fenced else code
