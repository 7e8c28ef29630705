"""Tells what a model says from the calls that it writes into its text, while the text arrives.

What can be no call is given on at once. What may be one is held: to its end where only that can tell. A call that
stands among other words is none: a model that explains something is not to be obeyed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from kernelci.engine.ports.model import ModelRequest
from kernelci.models.lines import FENCE, Fences, slices
from kernelci.models.marked import MARKS, mark_in, marked_calls
from kernelci.models.names import is_offered
from kernelci.models.pythonic import PYTHONIC, pythonic_calls
from kernelci.models.written import Reading, WrittenCall, calls_in_json, calls_of, code_alone, plain_calls_of

_PYTHON = frozenset({"python", "py", "python3", "ipython", "tool_code"})
_CALLS = frozenset({"tool_call", "tool_calls", "tool", "function_call"})
_JSON = frozenset({"", "json", *_CALLS})

_KEY = (
    r"(?:name|type|id|function|function_name|function_call|tool|tool_name|tool_call|tool_calls|action|arguments"
    r"|parameters|code)"
)
_CALL = re.compile(rf"""(?:\[\s*)?\{{\s*["']?{_KEY}["']?\s*:""")
_MAYBE_CALL = re.compile(r"""(?:\[\s*)?(?:\{\s*(?:["']?\w{0,16}(?:["']\s*)?)?)?""")
_MAYBE_PYTHONIC = re.compile(r"\[\s*(?:[A-Za-z_][\w.]*)?")
_MAYBE_FENCE = re.compile(r"`{1,2}|`{3,}[^`\n]*|~{1,2}|~{3,}[^\n]*")
_OPENING_QUOTES = frozenset("\"'“‘„«")
_LONGEST_BEGINNING = 4096  # characters until it is known what begins; models can write blanks without end

Kind = Literal["marked", "json", "pythonic", "fence"]


@dataclass(frozen=True, slots=True)
class Told:
    """What held text turned out to be: words before calls, the calls, and what was said after them.

    `shown` is code at the text's very end: in a fence, or alone in JSON.
    """

    text: str = ""
    calls: tuple[WrittenCall, ...] = ()
    after: str = ""
    shown: str | None = None


class Prose:
    """Takes one reply's text in pieces.

    With `python`, code that nothing but its form makes a call is held, too: it may be the last word. With
    `only_marked` nothing is a call but what the model has marked as one.
    """

    def __init__(self, request: ModelRequest, *, python: bool, only_marked: bool = False) -> None:
        self._request = request
        self._looking = bool(request.tools) and request.tool_choice != "none"
        self._python = python and request.offers_code and self._looking
        self._only_marked = only_marked
        self._pending = ""
        self._passed: list[str] = []  # of what is held, what need not be looked at again
        self._last = ""  # character of the line so far
        self._begun = False  # whether the line has a letter yet
        self._quotes = False  # whether the line is in the middle of code
        self._fences = Fences()
        self._held: Kind | None = None
        self._said = False

    def feed(self, piece: str) -> str:
        """What of the text up to here is no call, and was not given yet."""
        if not self._looking:
            return piece
        return "".join([self._take(part) for part in slices(piece)])

    def _take(self, piece: str) -> str:
        self._pending += piece
        said: list[str] = []
        while self._pending and (part := self._step()) is not None:
            said.append(part)
        if self._held and self._held != "fence":
            self._passed.append(self._pending)
            self._pending = ""
        return "".join(said)

    def release(self) -> str:
        """What is held, given up: a call came by the endpoint's own way."""
        self._looking = False
        return self._let_go()

    def close(self) -> Told:
        """What the held text is, now that nothing follows it."""
        kind, held = self._held, self._let_go()
        match kind:
            case "marked":
                calls, after = marked_calls(held)
                return Told(calls=tuple(calls), after=after) if calls else Told(held)
            case "json":
                return self._in_json(held, held, plain_calls_of)
            case "pythonic":
                calls = pythonic_calls(held)
                offered = all(is_offered(call.name, self._request, exactly=True) for call in calls)
                return Told(calls=tuple(calls)) if calls and offered else Told(held)
            case "fence":
                return self._last_fence(held)
            case None:
                return Told(held)

    def _let_go(self) -> str:
        held = "".join([*self._passed, self._pending])
        self._passed.clear()
        self._pending, self._held = "", None
        return held

    def _last_fence(self, held: str) -> Told:
        opening = FENCE.match(held.lstrip())
        if opening is None:
            return Told(held)
        inside = held.lstrip()[opening.end() :].rstrip()
        inside = inside.removesuffix(opening["ticks"]).rstrip("\n")
        info = opening["info"].lower()
        if info in _PYTHON:
            return Told(held, shown=inside) if inside.strip() else Told(held)
        return self._in_json(held, inside, calls_of if info in _CALLS else plain_calls_of)

    def _in_json(self, held: str, inside: str, reading: Reading) -> Told:
        """What JSON is: calls if each is of a tool that is offered, as JSON may be anything; or code alone."""
        if reading is plain_calls_of and (code := code_alone(inside)) is not None:
            return Told(held, shown=code) if self._python and code.strip() else Told(held)
        calls = calls_in_json(inside, reading)
        offered = all(is_offered(call.name, self._request) for call in calls)
        return Told(calls=tuple(calls)) if calls and offered else Told(held)

    def _step(self) -> str | None:
        """Move on by one part of what is pending; None where it is held, or more has to come first."""
        if self._held == "fence":
            return self._past_fence()
        if self._held:
            return None
        at = self._pending.find("\n") + 1 or len(self._pending)
        line = self._pending[:at]
        if not self._fences.are_open and not self._begun:
            kind = self._beginning(self._pending.lstrip())
            if kind == "maybe" and len(self._pending) < _LONGEST_BEGINNING:
                return None
            if kind and kind != "maybe":
                self._held = kind
                return ""
        if not self._fences.are_open:
            mark = mark_in(line)
            if mark < len(line) and self._is_mentioned(line[:mark]):
                return self._say(line[: mark + 1])
            if mark == 0:
                self._held = "marked" if line.startswith(MARKS) else None
                return "" if self._held else None
            line = line[:mark]
        return self._say(line)

    def _is_mentioned(self, before: str) -> bool:
        """Whether a mark is only spoken of: in a line's code, or right behind a quote."""
        in_code = (before.count("`") + self._quotes) % 2 == 1
        return in_code or (before or self._last)[-1:] in _OPENING_QUOTES

    def _beginning(self, start: str) -> Kind | Literal["maybe"] | None:
        """What a line that begins so may turn out to be."""
        if self._only_marked:
            return None
        if opening := FENCE.match(start):
            info = opening["info"].lower()
            if self._python and info in _PYTHON:
                return "fence"
            inside = start[opening.end() :].lstrip()
            return self._json_kind(inside, "fence") if info in _JSON else None
        if not start or _MAYBE_FENCE.fullmatch(start):
            return "maybe"
        if not self._said and PYTHONIC.match(start):
            return "pythonic"
        return self._json_kind(start, "json") or self._perhaps_pythonic(start)

    def _json_kind(self, start: str, kind: Kind) -> Kind | Literal["maybe"] | None:
        """What JSON that begins so may turn out to be: where JSON was asked for, an answer."""
        if (self._request.response_format or {}).get("type", "text") != "text":
            return None
        if _CALL.match(start):
            return kind
        return "maybe" if _MAYBE_CALL.fullmatch(start) else None

    def _perhaps_pythonic(self, start: str) -> Literal["maybe"] | None:
        """Only a whole reply is such a call: its brackets have other meanings in a text."""
        return "maybe" if not self._said and _MAYBE_PYTHONIC.fullmatch(start) else None

    def _past_fence(self) -> str | None:
        """A held block that other words follow was only shown."""
        held, at = self._pending, 0
        if not self._passed:
            opening = FENCE.match(held.lstrip())
            assert opening is not None
            self._fences.feed(opening[0])
            at = held.index(opening[0]) + opening.end()
        while self._fences.are_open and (end := held.find("\n", at) + 1):
            self._fences.feed(held[at:end])
            at = end
        if not self._fences.are_open and held[at:].strip():
            said = "".join([*self._passed, held[:at]])
            self._passed.clear()
            self._held, self._pending = None, held[at:]
            self._last, self._begun, self._quotes, self._said = "", False, False, True
            return said
        if at:
            self._passed.append(held[:at])
            self._pending = held[at:]
        return None

    def _say(self, text: str) -> str:
        self._pending = self._pending[len(text) :]
        self._fences.feed(text)
        self._last = text[-1:]
        self._quotes ^= bool(text.count("`") % 2)
        self._begun = self._begun or bool(text.strip())
        self._said = self._said or self._begun
        if text.endswith("\n"):
            self._last, self._begun, self._quotes = "", False, False
        return text


def calls_thought(thoughts: str, request: ModelRequest) -> tuple[WrittenCall, ...]:
    """The calls in a model's thoughts, which it has marked as such, and of tools that are offered."""
    prose = Prose(request, python=False, only_marked=True)
    prose.feed(thoughts)
    calls = prose.close().calls
    return calls if all(is_offered(call.name, request) for call in calls) else ()
