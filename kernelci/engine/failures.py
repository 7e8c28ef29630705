"""How the cells of a run have failed: which failures are the same one again, and when it is enough (pure).

A failure's fingerprint is its exception, its message and its place, with what may differ between two attempts at
the same thing levelled. What is said to the model about it, and to the person at the end, is here, too.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from kernelci.protocol.objects import CellStatus
from kernelci.protocol.parts import JsonObject

_TELLING = {"AttributeError", "FileNotFoundError", "ImportError", "KeyError", "ModuleNotFoundError", "NameError"}
"""Their message names what is missing, numbers included. It is as missing in any other place."""

_LONGEST = 300
_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]+")
_FOLDERS = re.compile(r"(?<![\w.])~?(?:/[\w.+-]+)*/(?=[\w.+-])")
_NUMBER = re.compile(r"(?<![\w.])\d[\d_.,]*(?:[eE][+-]?\d+)?(?!\w)")
_QUOTE = re.compile('["`\u2018\u2019\u201c\u201d]')
_COMMENT = re.compile(r"\s+#\s.*$")
_IN_A_CELL = re.compile(r"\s*Cell In\[\d+\], line \d+")
_ARROW = re.compile(r"-+> *\d+ ?(.*)")

Fingerprint = tuple[str, str, str]

NOT_RUN = "[not run: code before it has failed in the same way too often]"
"""What the model is told of a call that came too late."""


@dataclass(frozen=True, slots=True)
class Failure:
    """How a cell failed; `place` is the line of the cell's own code, empty where it is not known."""

    name: str
    message: str
    place: str = ""

    @property
    def fingerprint(self) -> Fingerprint:
        """Equal for two failures that are the same one again."""
        if self.name in _TELLING:
            return (self.name, _levelled(self.message, numbers=False), "")
        return (self.name, _levelled(self.message), "".join(_levelled(_COMMENT.sub("", self.place)).split()))

    def __str__(self) -> str:
        """On one line, for people."""
        told = " ".join(f"{self.name}: {self.message}".replace("`", "'").split())[:_LONGEST].rstrip(": ")
        place = " ".join(self.place.replace("`", "'").split())[:_LONGEST]
        return f"{told} (at `{place}`)" if place else told


@dataclass(slots=True)
class Failures:
    """The failures of one run, of which `limit` of the same fingerprint are enough.

    A success in between forgives nothing: to look at the data, and then to make the same mistake, is the same loop.
    The calls of one reply were all made before the first of them failed, and so they fail together, once.
    """

    limit: int
    _turns: dict[Fingerprint, Counter[int]] = field(default_factory=dict[Fingerprint, Counter[int]])
    """How often each came, by turn."""
    _last: dict[Fingerprint, Failure] = field(default_factory=dict[Fingerprint, Failure])

    def add(self, failure: Failure, turn: int) -> int:
        """Take a failure of a turn; gives in how many turns it has been there now, or 0 if this one has had it."""
        mark = failure.fingerprint
        self._last[mark] = failure
        turns = self._turns.setdefault(mark, Counter())
        turns[turn] += 1
        return len(turns) if turns[turn] == 1 else 0

    def stop(self, turn: int) -> bool:
        """Whether no more of a turn's calls should be run."""
        return self.are_enough or any(turns[turn] >= self.limit for turns in self._turns.values())

    @property
    def are_enough(self) -> bool:
        """Whether no more code should be run."""
        return any(len(turns) >= self.limit for turns in self._turns.values())

    def report(self) -> str:
        """What was tried and failed, for the person who asked."""
        often = sorted(self._turns, key=lambda mark: -len(self._turns[mark]))
        worst, *others = (f"{_times(len(self._turns[mark]))}: {self._last[mark]}" for mark in often[:4])
        also = "".join(f"\n- {other}" for other in others)
        return "\n\n".join(
            [
                "I could not do this. My code failed in the same way again and again, so I stopped trying.",
                f"It failed {worst}",
                *([f"It failed in other ways, too:\n{also}"] if also else []),
            ]
        )


def failure_of(code: str, status: CellStatus, outputs: Sequence[JsonObject]) -> Failure | None:
    """How a cell has failed, if it has, by its nbformat outputs. To run no code at all is to fail."""
    if not code.strip():
        return Failure("EmptyCode", "the call had no code in it")
    if status in {"ok", "rejected"}:
        return None
    error = next((each for each in reversed(outputs) if each["output_type"] == "error"), None)
    place = _place("\n".join(error["traceback"]).split("\n")) if error else ""
    if error and status == "error":
        return Failure(error["ename"], error["evalue"], place)
    notes = [each["text"] for each in outputs if each["output_type"] == "stream" and each["name"] == "stderr"]
    return Failure(status, "".join(notes).strip().rpartition("\n")[2], place)


def told_again(failure: Failure, times: int, facts: str) -> str:
    """What the model is told beside the traceback of a failure that it has seen before."""
    told = (
        f"\n\n[This is the same failure again, the {_ordinal(times)} time in this run: {failure.name}. "
        "The same code, or nearly the same, will fail again. Find out what is different from what you expect, "
        "and take another way.]"
    )
    return f"{told}\n[What the session has:]\n{facts}" if facts else told


def told_at_last(failure: Failure, times: int) -> str:
    """What the model is told beside the traceback of the failure that was enough."""
    return (
        f"\n\n[This is the same failure for the {_ordinal(times)} time: {failure.name}. No more code is run now. "
        "Answer the user in plain words, without code: what you tried, how it failed, what you know all the same, "
        "and what the user could do about it.]"
    )


def _place(traceback: Iterable[str]) -> str:
    """The innermost line of a cell's own code in a traceback as IPython writes it."""
    lines = list(traceback)
    place = ""
    for at, line in enumerate(lines):
        if _IN_A_CELL.match(line):
            frame = list(takewhile(str.strip, lines[at + 1 :]))
            arrows = (arrow[1] for each in frame if (arrow := _ARROW.match(each)))
            place = next(arrows, frame[0] if frame else "").strip()
    return place


def _levelled(text: str, *, numbers: bool = True) -> str:
    """The text without what differs between two attempts: addresses, folders, numbers, kinds of quotes, spaces."""
    text = _FOLDERS.sub("", _ADDRESS.sub("@", text[: 4 * _LONGEST]))
    text = _NUMBER.sub("#", text) if numbers else text
    return " ".join(_QUOTE.sub("'", text).split())[:_LONGEST]


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _ordinal(count: int) -> str:
    ending = {1: "st", 2: "nd", 3: "rd"}.get(count % 10, "th") if count % 100 not in {11, 12, 13} else "th"
    return f"{count}{ending}"
