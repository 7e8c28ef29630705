"""A text's lines, while they arrive: in slices that are short enough, and whether they are inside fenced code."""

from __future__ import annotations

import re

FENCE = re.compile(r"(?P<ticks>`{3,}(?=[^`\n]*\n)|~{3,})[ \t]*(?P<info>[\w+.-]*)[^\n]*\n")
"""How a fenced block begins: behind backticks there is none of them."""

_SLICE = 4096  # characters; what is pending is copied with each line that is read of it


def slices(text: str) -> list[str]:
    """A text in pieces of a bounded length: some endpoints send a whole reply in one."""
    return [text[at : at + _SLICE] for at in range(0, len(text), _SLICE)]


class Fences:
    """Tells whether a text is inside a fenced block, by its pieces: each ends where its line does, or before."""

    def __init__(self) -> None:
        self._ticks: str | None = None
        self._line: list[str] = []

    @property
    def are_open(self) -> bool:
        """Whether the next line is inside a block."""
        return self._ticks is not None

    def feed(self, piece: str) -> None:
        """Take a line, or a part of one."""
        self._line.append(piece)
        if not piece.endswith("\n"):
            return
        line = "".join(self._line).strip()
        self._line.clear()
        if self._ticks is None:
            opening = FENCE.match(line + "\n")
            self._ticks = opening["ticks"] if opening else None
        elif line.startswith(self._ticks) and not line.strip(self._ticks[0]):
            self._ticks = None
