"""Links to a session's files in streamed text: held back until whole, then sent together with their file."""

from __future__ import annotations

from kernelci.engine.events import Emit, Event, TextDelta
from kernelci.engine.publish import FOLDER, Publisher
from kernelci.protocol.objects import Run

MARK = f"sandbox:{FOLDER}"
LONGEST = 2048
"""Characters after which a link that has not ended is taken for ordinary text."""

_CLOSING = {"(": ")", "<": ">", "[": "]", '"': '"', "'": "'", "`": "`"}


class Linking:
    """An `emit` that turns links in text deltas into deltas with a file; all else passes through."""

    def __init__(self, emit: Emit, publisher: Publisher, run: Run) -> None:
        self._emit = emit
        self._publisher = publisher
        self._run = run
        self._held = ""
        self._before = ""

    async def __call__(self, event: Event) -> None:
        """Emit the event, or hold its text until it is clear whether a link is in it."""
        if isinstance(event, TextDelta):
            self._held += event.text
            await self._release(whole=False)
        else:
            await self._release(whole=True)
            self._before = ""
            await self._emit(event)

    async def _release(self, *, whole: bool) -> None:
        """Send on what cannot be part of an unfinished link; everything when the text is whole."""
        while self._held:
            start = self._held.find(MARK)
            if start < 0:
                return await self._say(len(self._held) - (0 if whole else _possible_mark(self._held)))
            await self._say(start)
            end = _link_end(self._held, self._before)
            if end is None and not whole and len(self._held) < LONGEST:
                return None
            await self._link(self._held[: end if end is not None else len(self._held)])
        return None

    async def _link(self, link: str) -> None:
        found = await self._publisher.linked(link, self._run, self._emit)
        if found is None:
            return await self._say(len(link))
        text, file = found
        await self._emit(TextDelta(text, file))
        self._taken(len(text))
        return await self._say(len(link) - len(text))

    async def _say(self, count: int) -> None:
        if count > 0:
            await self._emit(TextDelta(self._held[:count]))
            self._taken(count)

    def _taken(self, count: int) -> None:
        self._before = self._held[count - 1]
        self._held = self._held[count:]


def _possible_mark(text: str) -> int:
    """How many characters at the end of the text could be the beginning of a link."""
    return next((size for size in range(len(MARK) - 1, 0, -1) if text.endswith(MARK[:size])), 0)


def _link_end(text: str, before: str) -> int | None:
    """Where the link that the text begins with ends, by the bracket or quote before it; None if not in sight.

    A bracketed link may hold spaces and balanced brackets of its kind; a bare one ends at white space.
    """
    closing = _CLOSING.get(before)
    depth = 0
    for at, character in enumerate(text):
        if character in "\r\n" or (closing is None and character.isspace()):
            return at
        if closing is None and character in ")>]\"'`":
            return at
        if character == closing:
            if depth == 0:
                return at
            depth -= 1
        elif character == before and closing is not None:
            depth += 1
    return None
