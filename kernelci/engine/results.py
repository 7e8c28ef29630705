"""What the calls of a thread have given, in full; and how much of each the model is shown.

Each has a short name, its place among the thread's calls, which stays the same as the thread grows: out_3. What a
model is told is derived from what is stored and from the settings, so a prompt is the same whenever it is made.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from kernelci.engine.answers import changed
from kernelci.engine.long_text import abridged
from kernelci.engine.ports import READ_TOOL
from kernelci.protocol.objects import (
    ClientCall,
    CodeCall,
    CodeOutput,
    Logs,
    Message,
    Run,
    RunStep,
    SearchCall,
    ToolCalls,
)

SHORT = 400
"""Characters that are left of an output where the model has no room for more."""

_NUMBER = re.compile(r"\d{1,9}")


@dataclass(frozen=True, slots=True)
class Result:
    """What a call gave: its text in full, what the model is told `beside` it and always as a whole, and the last
    figures it displayed, as data URLs; an empty one is not shown.
    """

    text: str
    beside: str = ""
    figures: tuple[str, ...] = ()


@dataclass(slots=True)
class _Kept:
    name: str
    result: Result
    room: int | None


@dataclass(slots=True)
class Results:
    """The results of a thread's calls, by the call's id. Of a cell's output the model is shown `room` characters.

    `readable` says whether the model may be offered the tool that reads more of them.
    """

    room: int
    readable: bool
    _kept: dict[str, _Kept] = field(default_factory=dict[str, _Kept])
    _count: int = 0

    def take(self, conversation: Iterable[Message | RunStep], run: Run) -> None:
        """Take the results that are stored. All of a thread's, or the names are not what they were.

        What was told beside one, to go on by, is told in its own run only.
        """
        for step in conversation:
            if isinstance(step, RunStep) and isinstance(step.step_details, ToolCalls) and not step.held:
                for call in step.step_details.tool_calls:
                    if not isinstance(call, SearchCall):
                        self._take(call, step, step.beside if step.run_id == run.id else "")

    def _take(self, call: CodeCall | ClientCall, step: RunStep, beside: str) -> None:
        if isinstance(call, CodeCall):
            ended = "" if step.status == "completed" else f"\n[the run ended here: {step.status}]"
            word = changed(step.approval.answer) if step.approval else ""
            self.add(call.id, Result(whole(call.code_interpreter.outputs), word + beside + ended))
        else:
            self.add_function(call.id, call.function.name, call.function.output or "")

    def add(self, call_id: str, result: Result) -> None:
        """Take what a cell gave."""
        self._count += 1
        self._kept[call_id] = _Kept(f"out_{self._count}", result, self.room)

    def add_function(self, call_id: str, name: str, output: str) -> None:
        """Take what a function gave, which is shown as a whole. What was read of another result has no name."""
        if name == READ_TOOL:
            self._kept[call_id] = _Kept("", Result(output), None)
        else:
            self._count += 1
            self._kept[call_id] = _Kept(f"out_{self._count}", Result(output), None)

    def told(self, call_id: str) -> str:
        """What the model is told of a call's result."""
        kept = self._kept[call_id]
        return self._told(kept) + kept.result.beside

    def shorten(self, call_id: str) -> str:
        """Leave only a little of a result, from now on; gives what the model is told of it."""
        self._kept[call_id].room = SHORT
        return self.told(call_id)

    def saving(self, call_id: str) -> int:
        """How many characters fewer it would be if it were shortened."""
        kept = self._kept.get(call_id)
        if kept is None or kept.room == SHORT:
            return 0
        return max(0, len(self._told(kept)) - 2 * SHORT)

    @property
    def are_cut(self) -> bool:
        """Whether the model is shown less than all of a result that it could read."""
        return any(_is_cut(kept) for kept in self._kept.values() if kept.name)

    def find(self, name: str) -> tuple[str, str] | None:
        """The name and the text of a result; of the last that was cut, or the last of all, where none is named."""
        named = [kept for kept in self._kept.values() if kept.name]
        if name in self._kept:
            found = [self._kept[name]]
        elif number := _NUMBER.search(name):
            found = [kept for kept in named if kept.name == f"out_{int(number[0])}"]
        elif name.strip().lower() in {"", "latest", "last", "out"}:
            found = [kept for kept in named if _is_cut(kept)] or named
        else:
            found = []
        return (found[-1].name, found[-1].result.text) if found else None

    @property
    def names(self) -> list[str]:
        """Those of the results that were cut."""
        return [kept.name for kept in self._kept.values() if kept.name and _is_cut(kept)]

    def _told(self, kept: _Kept) -> str:
        if not _is_cut(kept):
            return kept.result.text
        hint = f"{READ_TOOL} shows or searches all of it" if self.readable and kept.name else ""
        return abridged(kept.result.text, kept.room or 0, kept.name, hint)


def _is_cut(kept: _Kept) -> bool:
    return kept.room is not None and len(kept.result.text) > kept.room


def whole(outputs: Iterable[CodeOutput]) -> str:
    """All that a cell has shown, as text."""
    told = "\n".join(
        output.logs if isinstance(output, Logs) else "[a figure was displayed to the user]" for output in outputs
    )
    return told or "[no output]"
