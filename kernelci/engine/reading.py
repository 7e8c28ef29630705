"""The reader of long outputs, as the model calls it: what it asks for, however it is written, and the answer."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import cast

import anyio.to_thread
import json_repair

from kernelci.engine.long_text import found, part
from kernelci.engine.results import Results
from kernelci.protocol.parts import JsonObject

_LONGEST_ARGUMENTS = 2000  # characters; mending them can take the square of that
_LONGEST_SEARCH = 200
_OFF_LOOP = 64 * 1024
_RANGE = re.compile(r"[\s\[(]*(-?\d{1,9})(?:\s*(?:-|:|to|,|\.\.)\s*(-?\d{1,9}))?")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")


@dataclass(frozen=True, slots=True)
class Question:
    """Which rows of which result: from and to a row, or those in which something is found.

    Rows are counted from 1, or back from the last, which is -1.
    """

    name: str = ""
    first: int = 1
    last: int | None = None
    search: str = ""

    @classmethod
    def of(cls, arguments: str) -> Question:
        """What a call's arguments ask for; what they do not say, or nobody can read, is left at its default."""
        asked = _fields(arguments)
        first = _first_of(asked, "from_line", "line", "from", "start", "start_line", "offset")
        lines = _RANGE.match(_THOUSANDS.sub("", first) or _first_of(asked, "lines"))
        last = _RANGE.match(_THOUSANDS.sub("", _first_of(asked, "to_line", "to", "end", "end_line")))
        return cls(
            name=_first_of(asked, "id", "output_id", "output", "name"),
            first=(int(lines[1]) if lines else 0) or 1,
            last=int(last[1]) if last else int(lines[2]) if lines and lines[2] else None,
            search=_first_of(asked, "search", "query", "pattern", "text")[:_LONGEST_SEARCH],
        )


async def read(arguments: str, results: Results) -> str:
    """The answer to a call of the reader, of about as many characters as of any output."""
    asked = Question.of(arguments)
    result = await results.find(asked.name)
    if result is None:
        names = ", ".join(results.names[-20:]) or "none"
        return f"[There is no output {asked.name[:40]!r}. Those that were cut: {names}.]"
    name, text = result
    if len(text) < _OFF_LOOP:
        return _answer(name, text, asked, results.room)
    return await anyio.to_thread.run_sync(_answer, name, text, asked, results.room)


def _answer(name: str, text: str, asked: Question, room: int) -> str:
    if asked.search:
        return f"{name} {found(text, asked.search, asked.first, room)}"
    return f"{name} {part(text, asked.first, asked.last, room)}"


def _fields(arguments: str) -> JsonObject:
    """The arguments as an object; an output's name alone will do."""
    value: object = arguments[:_LONGEST_ARGUMENTS]
    for _ in range(2):  # some models encode them twice
        if isinstance(value, str):
            value = _decoded(value)
    if isinstance(value, dict):
        fields = cast("JsonObject", value)
        inner = fields.get("arguments") or fields.get("parameters")
        return cast("JsonObject", inner) if isinstance(inner, dict) else fields
    return {"id": value} if isinstance(value, str | int) else {}


def _decoded(text: str) -> object:
    try:
        return cast("object", json.loads(text))
    except (ValueError, RecursionError):
        pass
    if "{" not in text:
        return text
    try:
        return cast("object", json_repair.loads(text, skip_json_loads=True))
    except (ValueError, RecursionError):
        return text


def _first_of(asked: JsonObject, *names: str) -> str:
    """The value of the first of these fields that there is, as text."""
    values = (asked.get(name) for name in names)
    value = next((value for value in values if value is not None), "")
    return value if isinstance(value, str) else json.dumps(value)
