"""A model's thoughts, written between tags into its text: kept apart from what it says, while both arrive."""

from __future__ import annotations

import re
from collections.abc import Iterable

from kernelci.models.lines import Fences, slices

_CLOSING = {
    "<think>": "</think>",
    "<thinking>": "</thinking>",
    "<thought>": "</thought>",
    "[THINK]": "[/THINK]",
}
_LONGEST_TAG = 32  # characters, with white space before it

_FROM_THE_START = re.compile(r"deepseek-?r1|qwq|qwen.*thinking", re.IGNORECASE)


def thinks_from_the_start(model: str) -> bool:
    """Whether a model's prompt is known to end in an opening tag, so that its reply has the closing one alone."""
    return bool(_FROM_THE_START.search(model))


class Thoughts:
    """Takes thoughts out of text that comes in pieces.

    A thought opens where a line begins, outside fenced code, and closes with its tag. With `from_the_start` the
    text may begin inside one: it is held until that is known. Without it, a tag that closes what never opened
    sets `unopened`, for the next reply of that model: one that begins a line, or that ends one right behind a word.

    Thoughts are kept, for a reply that says nothing else.
    """

    def __init__(self, *, from_the_start: bool = False) -> None:
        self._closing: str | None = None
        self._maybe = from_the_start
        self._pending: str = ""
        self._sought = 0
        self._kept: list[str] = []
        self._opened = 0
        self._fences = Fences()
        self._line = ""
        self._begun = False  # whether the line has a letter yet
        self._said = False
        self.unopened = False

    def feed(self, piece: str) -> str:
        """What of the text up to here is said, and was not given yet."""
        return "".join([self._take(part) for part in slices(piece)])

    def _take(self, piece: str) -> str:
        self._pending += piece
        said: list[str] = []
        while self._pending and (part := self._step()) is not None:
            said.append(part)
        text = "".join(said)
        self._said = self._said or bool(text.strip())
        return text

    def apart(self, thought: str) -> str:
        """Take a thought that the endpoint keeps apart by itself, so that what is held here is said."""
        self._kept.append(thought)
        self._maybe = False
        held, self._pending = self._pending, ""
        return self.feed(held)

    def close(self) -> str:
        """What was held to the end, and is no thought."""
        held, self._pending = self._pending, ""
        if self._closing is None:
            return held
        self._kept.append(held)
        return ""

    @property
    def kept(self) -> str:
        """All that was thought up to here."""
        return "".join(self._kept)

    @property
    def unclosed(self) -> str:
        """What was thought since a tag that has not been closed: it may not have been meant as a thought."""
        return "" if self._closing is None else "".join(self._kept[self._opened :])

    def _step(self) -> str | None:
        """Move on by one part of what is pending; None where more has to come first."""
        if self._closing is not None:
            return self._think(self._closing)
        if self._maybe:
            return self._perhaps_think()
        at = self._pending.find("\n") + 1 or len(self._pending)
        line = self._pending[:at]
        if self._fences.are_open:
            return self._say(line)
        if self._begun:
            return self._say_on(line)
        start = line.lstrip()
        if opening := _first(_CLOSING, start):
            return self._open(opening)
        if closing := _first(_CLOSING.values(), start):
            self.unopened = True
            self._pending = self._pending.partition(closing)[2]
            return ""
        if not line.endswith("\n") and any(tag.startswith(start) for tag in (*_CLOSING, *_CLOSING.values())):
            return None
        return self._say_on(line)

    def _say_on(self, line: str) -> str | None:
        """Say a line up to a tag in it, or the tag itself if it closes nothing; None where it may yet be one."""
        at = _tag_in(line)
        if at:
            return self._say(line[:at])
        closing = _first(_CLOSING.values(), line)
        if closing is None or not line[len(closing) :].strip(" \t\r"):
            return None
        if line[len(closing) :].strip() or not self._is_behind_a_word():
            return self._say(closing)
        self.unopened = True
        self._pending = self._pending[len(closing) :]
        return ""

    def _is_behind_a_word(self) -> bool:
        """Whether a tag here closes a thought: before one that is only mentioned, there is a space or a quote."""
        return self._line[-1:] not in " \t\"'`(" and self._line.count("`") % 2 == 0

    def _open(self, opening: str) -> str:
        self._closing, self._opened = _CLOSING[opening], len(self._kept)
        before, _, after = self._pending.partition(opening)
        self._pending = after
        return before if self._said else ""

    def _say(self, line: str) -> str:
        self._pending = self._pending[len(line) :]
        self._line += line
        self._begun = self._begun or bool(line.strip())
        self._fences.feed(line)
        if line.endswith("\n"):
            self._line, self._begun = "", False
        return line

    def _think(self, closing: str) -> str | None:
        at = self._pending.find(closing)
        if at < 0:
            keep = next((n for n in range(len(closing) - 1, 0, -1) if self._pending.endswith(closing[:n])), 0)
            at = len(self._pending) - keep
            self._kept.append(self._pending[:at])
            self._pending = self._pending[at:]
            return None
        rest = self._pending[at + len(closing) :]
        self._kept += [self._pending[:at], "\n"]
        self._closing, self._pending = None, rest if self._said else rest.lstrip()
        return ""

    def _perhaps_think(self) -> str | None:
        """Find out whether the text began inside a thought."""
        opened = _first(_CLOSING, self._pending[:_LONGEST_TAG].lstrip())
        start, self._sought = max(0, self._sought - _LONGEST_TAG), len(self._pending)
        closed = next((closing for closing in _CLOSING.values() if self._pending.find(closing, start) >= 0), None)
        if not opened and not closed:
            return None
        self._closing = None if opened else closed
        self._opened = len(self._kept)
        self._maybe = False
        return ""


def _tag_in(line: str) -> int:
    """Where the first closing tag begins, or may begin at the line's end; the line's length if nowhere."""
    found = [at for tag in _CLOSING.values() if (at := line.find(tag)) >= 0]
    if found:
        return min(found)
    start = max(0, len(line) - _LONGEST_TAG)
    ends = (at for at in range(start, len(line)) if any(tag.startswith(line[at:]) for tag in _CLOSING.values()))
    return next(ends, len(line))


def _first(tags: Iterable[str], text: str) -> str | None:
    return next((tag for tag in tags if text.startswith(tag)), None)
