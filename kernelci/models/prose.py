"""Tells what a model says from the calls that it writes into its text, while the text arrives.

What can be no call is given on at once. What may be one is held: to its end where only that can tell. A call that
stands among other words is none: a model that explains something is not to be obeyed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, cast

from kernelci.engine.ports import ModelRequest
from kernelci.models.arguments import loose_json
from kernelci.models.names import tool_meant
from kernelci.models.written import MARKS, WrittenCall, calls_of, marked_calls
from kernelci.protocol.parts import JsonObject

_PYTHON = frozenset({"python", "py", "python3", "ipython", "tool_code"})
_JSON = frozenset({"", "json", "tool_call", "tool_calls", "tool", "function_call"})

_KEY = (
    r"(?:name|type|id|function|function_name|function_call|tool|tool_name|tool_call|tool_calls|action|arguments"
    r"|parameters|code)"
)
_CALL = re.compile(rf"""(?:\[\s*)?\{{\s*["']?{_KEY}["']?\s*:""")
_MAYBE_CALL = re.compile(r"""(?:\[\s*)?(?:\{\s*(?:["']?\w{0,16}(?:["']\s*)?)?)?""")
_FENCE = re.compile(r"(?P<ticks>`{3,})[ \t]*(?P<info>[\w+.-]*)[^`\n]*\n")
_MAYBE_FENCE = re.compile(r"`{1,2}|`{3,}[^`\n]*")

Kind = Literal["marked", "json", "fence"]


@dataclass(frozen=True, slots=True)
class Told:
    """What held text turned out to be: words before calls, the calls, and what was said after them.

    `shown` is code in a fence at the text's very end.
    """

    text: str = ""
    calls: tuple[WrittenCall, ...] = ()
    after: str = ""
    shown: str | None = None


class Prose:
    """Takes one reply's text in pieces.

    With `python`, a fenced Python block is held, too: it may be the last word.
    """

    def __init__(self, request: ModelRequest, *, python: bool) -> None:
        self._request = request
        self._looking = bool(request.tools) and request.tool_choice != "none"
        self._python = python and request.offers_code and self._looking
        self._pending = ""
        self._line = ""
        self._ticks: str | None = None
        self._held: Kind | None = None
        self._sought = 0

    def feed(self, piece: str) -> str:
        """What of the text up to here is no call, and was not given yet."""
        if not self._looking:
            return piece
        self._pending += piece
        said: list[str] = []
        while self._pending and (part := self._step()) is not None:
            said.append(part)
        return "".join(said)

    def release(self) -> str:
        """What is held, given up: a call came by the endpoint's own way."""
        held, self._pending, self._held, self._looking = self._pending, "", None, False
        return held

    def close(self) -> Told:
        """What the held text is, now that nothing follows it."""
        held, kind = self._pending, self._held
        self._pending, self._held = "", None
        match kind:
            case "marked":
                calls, after = marked_calls(held)
                return Told(calls=tuple(calls), after=after) if calls else Told(held)
            case "json":
                calls = self._known(loose_json(held)) if held.rstrip().endswith(("}", "]")) else ()
                return Told(calls=calls) if calls else Told(held)
            case "fence":
                self._ticks, self._sought = None, 0
                return self._last_fence(held)
            case None:
                return Told(held)

    def _last_fence(self, held: str) -> Told:
        opening = _FENCE.match(held.lstrip())
        if opening is None:
            return Told(held)
        inside = held.lstrip()[opening.end() :].rstrip()
        inside = inside.removesuffix(opening["ticks"]).rstrip("\n")
        if opening["info"].lower() in _PYTHON:
            return Told(held, shown=inside) if inside.strip() else Told(held)
        calls = self._known(loose_json(inside))
        return Told(calls=calls) if calls else Told(held)

    def _known(self, value: object) -> tuple[WrittenCall, ...]:
        """The calls that JSON is, if each is of a tool that is offered: bare JSON may be anything."""
        if not self._python and isinstance(value, dict) and set(cast("JsonObject", value)) == {"code"}:
            return ()  # from a model that knows how to call, it is an answer
        calls = calls_of(cast("object", value))
        offered = {str(tool["function"]["name"]) for tool in self._request.tools}
        return tuple(calls) if all(tool_meant(call.name, self._request) in offered for call in calls) else ()

    def _step(self) -> str | None:
        """Move on by one part of what is pending; None where it is held, or more has to come first."""
        if self._held == "fence":
            return self._past_fence()
        if self._held:
            return None
        at = self._pending.find("\n") + 1 or len(self._pending)
        line = self._pending[:at]
        if self._ticks is None and not self._line.strip():
            kind = self._beginning(self._pending.lstrip())
            if kind == "maybe":
                return None
            if kind:
                self._held = kind
                return ""
        if self._ticks is None:
            mark = _mark_in(line)
            if mark < len(line) and (self._line + line[:mark]).count("`") % 2:
                return self._say(line[: mark + 1])  # in a line's code, it is only mentioned
            if mark == 0:
                self._held = "marked" if line.startswith(MARKS) else None
                return "" if self._held else None
            line = line[:mark]
        return self._say(line)

    def _beginning(self, start: str) -> Kind | Literal["maybe"] | None:
        """What a line that begins so may turn out to be."""
        if opening := _FENCE.match(start):
            info = opening["info"].lower()
            if self._python and info in _PYTHON:
                return "fence"
            inside = start[opening.end() :].lstrip()
            return self._json_kind(inside, "fence") if info in _JSON else None
        if not start or _MAYBE_FENCE.fullmatch(start):
            return "maybe"
        return self._json_kind(start, "json")

    def _json_kind(self, start: str, kind: Kind) -> Kind | Literal["maybe"] | None:
        """What JSON that begins so may turn out to be: where JSON was asked for, an answer."""
        if (self._request.response_format or {}).get("type", "text") != "text":
            return None
        if _CALL.match(start):
            return kind
        return "maybe" if _MAYBE_CALL.fullmatch(start) else None

    def _past_fence(self) -> str | None:
        """A held block that other words follow was only shown."""
        held = self._pending
        if self._sought == 0:
            opening = _FENCE.match(held.lstrip())
            assert opening is not None
            self._ticks, self._sought = opening["ticks"], held.index(opening[0]) + opening.end()
        while (end := held.find("\n", self._sought) + 1) and not self._is_closing(held[self._sought : end]):
            self._sought = end
        if not end or not held[end:].strip():
            return None
        self._held, self._pending, self._line, self._ticks, self._sought = None, held[end:], "", None, 0
        return held[:end]

    def _is_closing(self, line: str) -> bool:
        line = line.strip()
        return self._ticks is not None and line.startswith(self._ticks) and not line.strip("`")

    def _say(self, text: str) -> str:
        self._pending = self._pending[len(text) :]
        self._line += text
        if text.endswith("\n"):
            self._pass_line(self._line.strip())
            self._line = ""
        return text

    def _pass_line(self, line: str) -> None:
        """Know whether what follows is inside a fenced block."""
        if self._ticks is None:
            opening = _FENCE.match(line + "\n")
            self._ticks = opening["ticks"] if opening else None
        elif self._is_closing(line):
            self._ticks = None


def _mark_in(line: str) -> int:
    """Where the first mark begins, or may begin at the line's end; the line's length if nowhere."""
    found = [at for mark in MARKS if (at := line.find(mark)) >= 0]
    if found:
        return min(found)
    for at, letter in enumerate(line):
        if letter in "<[" and any(mark.startswith(line[at:]) for mark in MARKS):
            return at
    return len(line)
