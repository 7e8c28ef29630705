"""A text's lines, while they arrive: in slices that are short enough to be read line by line."""

from __future__ import annotations

_SLICE = 4096  # characters; what is pending is copied with each line that is read of it


def slices(text: str) -> list[str]:
    """A text in pieces of a bounded length: some endpoints send a whole reply in one."""
    return [text[at : at + _SLICE] for at in range(0, len(text), _SLICE)]
