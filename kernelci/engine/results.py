"""What the calls of a thread have given, and how much of each the model is shown.

Each has a short name, its place among the thread's calls, which stays the same as the thread grows: out_3. What a
model is told is derived from what is stored and from the settings, so a prompt is the same whenever it is made. Of
a long output that is stored the excerpt is at hand, and the whole is fetched when the model reads it.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from kernelci.engine.answers import changed
from kernelci.engine.long_text import excerpt, shown
from kernelci.engine.ports.model import READ_TOOL
from kernelci.protocol.excerpts import Excerpt
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

EXCERPT = 12_000
"""Characters of the longest output of which no excerpt is stored; an excerpt has about as many."""

Fetch = Callable[[str, str], Awaitable[str]]
"""Gives what a stored call has shown, in full, by its step's id and its own."""

_NUMBER = re.compile(r"\d{1,9}")


@dataclass(frozen=True, slots=True)
class Result:
    """What a call gave: its text in full, what the model is told `beside` it and always as a whole, and the last
    figures it displayed, as data URLs; an empty one is not shown. What is not `stored` has no name: it would be
    another's the next time.
    """

    text: str
    beside: str = ""
    figures: tuple[str, ...] = ()
    stored: bool = True


@dataclass(slots=True)
class _Kept:
    """A result: its text or, where a step has that, its excerpt. `room` is how much is shown; None: all."""

    name: str
    text: str = ""
    beside: str = ""
    room: int | None = None
    excerpt: Excerpt | None = None
    step_id: str = ""

    @property
    def is_cut(self) -> bool:
        """Whether the model is shown less than all of it."""
        return self.room is not None and (self.excerpt is not None or len(self.text) > self.room)

    def told(self, hint: str) -> str:
        """What the model is told, without what stands beside it."""
        if self.room is None or not self.is_cut:
            return self.text
        self.excerpt = self.excerpt or excerpt(self.text, self.room)
        return shown(self.excerpt, self.room, self.name, hint)


@dataclass(slots=True)
class Results:
    """The results of a thread's calls, by the call's id. Of a cell's output the model is shown `room` characters.

    `readable` says whether the model may be offered the tool that reads more of them.
    """

    room: int
    readable: bool
    fetch: Fetch
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
        if isinstance(call, ClientCall):
            return self.add_function(call.id, call.function.name, call.function.output or "")
        ended = "" if step.status == "completed" else f"\n[the run ended here: {step.status}]"
        word = changed(step.approval.answer) if step.approval else ""
        self.add(call.id, Result(whole(call.code_interpreter.outputs), word + beside + ended))
        if (stored := step.excerpts.get(call.id)) and excerpts_do(self.room):
            kept = self._kept[call.id]
            kept.text, kept.excerpt, kept.step_id = "", stored, step.id  # of the text there may be no more
        return None

    def add(self, call_id: str, result: Result) -> None:
        """Take what a cell gave."""
        self._count += result.stored
        name = f"out_{self._count}" if result.stored else ""
        self._kept[call_id] = _Kept(name, result.text, result.beside, self.room)

    def add_function(self, call_id: str, name: str, output: str) -> None:
        """Take what a function gave, which is shown as a whole. What was read of another result has no name."""
        if name == READ_TOOL:
            self._kept[call_id] = _Kept("", output)
        else:
            self._count += 1
            self._kept[call_id] = _Kept(f"out_{self._count}", output)

    def told(self, call_id: str) -> str:
        """What the model is told of a call's result."""
        kept = self._kept[call_id]
        return kept.told(self._hint(kept)) + kept.beside

    def shorten(self, call_id: str) -> str:
        """Leave only a little of a result, from now on; gives what the model is told of it."""
        self._kept[call_id].room = SHORT
        return self.told(call_id)

    def saving(self, call_id: str) -> int:
        """How many characters fewer it would be if it were shortened."""
        kept = self._kept.get(call_id)
        if kept is None or kept.room == SHORT:
            return 0
        return max(0, len(kept.told(self._hint(kept))) - 2 * SHORT)

    @property
    def are_cut(self) -> bool:
        """Whether the model is shown less than all of a result that it could read."""
        return any(kept.is_cut for kept in self._kept.values() if kept.name)

    async def find(self, name: str) -> tuple[str, str] | None:
        """The name and the text of a result; of the last that was cut, or the last of all, where none is named."""
        named = {id: kept for id, kept in self._kept.items() if kept.name}
        if name in self._kept:
            found = [name]
        elif number := _NUMBER.search(name):
            found = [id for id, kept in named.items() if kept.name == f"out_{int(number[0])}"]
        elif name.strip().lower() in {"", "latest", "last", "out"}:
            found = [id for id, kept in named.items() if kept.is_cut] or [*named]
        else:
            found = []
        return (self._kept[found[-1]].name, await self._text(found[-1])) if found else None

    async def _text(self, call_id: str) -> str:
        kept = self._kept[call_id]
        return await self.fetch(kept.step_id, call_id) if kept.step_id else kept.text

    @property
    def names(self) -> list[str]:
        """Those of the results that were cut."""
        return [kept.name for kept in self._kept.values() if kept.name and kept.is_cut]

    def _hint(self, kept: _Kept) -> str:
        return f"{READ_TOOL} shows or searches all of it" if self.readable and kept.name else ""


def excerpts_do(room: int) -> bool:
    """Whether so many characters of a long output can be shown by its excerpt."""
    return room <= EXCERPT


def excerpted(step: RunStep) -> RunStep:
    """A step that is over, with excerpts of the long outputs of its cells."""
    details = step.step_details
    calls = details.tool_calls if isinstance(details, ToolCalls) else ()
    texts = {call.id: whole(call.code_interpreter.outputs) for call in calls if isinstance(call, CodeCall)}
    excerpts = {id: excerpt(text, EXCERPT) for id, text in texts.items() if len(text) > EXCERPT}
    return step.model_copy(update={"excerpts": excerpts}) if excerpts else step


def whole(outputs: Iterable[CodeOutput]) -> str:
    """All that a cell has shown, as text."""
    told = "\n".join(
        output.logs if isinstance(output, Logs) else "[a figure was displayed to the user]" for output in outputs
    )
    return told or "[no output]"
