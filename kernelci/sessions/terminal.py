"""What a program printed, as a terminal would finally show it: plain text without control sequences (pure)."""

from __future__ import annotations

import re

_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # colours, cursor moves
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?"  # window titles, links, the clipboard
    r"|\x1b[ -/]*[0-~]?"  # everything else that begins with ESC
    r"|[\x80-\x9f]"  # the same as single characters
)
_BEGUN = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b]{0,1024}\x1b?|[ -/]*)\Z")
"""An escape sequence at the end of a piece, which the next piece may go on with."""
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_ERASE = re.compile(r"\x1b\[([012]?)K")
_MOVES = re.compile(r"\r+|\x08+|\x1b\[[012]?K|[^\r\x08\x1b]+")
_SPECIAL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
"""What all of the above begin with, and surrogates: looked for first, as most text has none and a flood is long."""
_SURROGATES = re.compile("[\ud800-\udfff]")


def plain(text: str) -> str:
    """The text without escape sequences and control characters; line ends and tabs stay."""
    return _CONTROLS.sub("", _ESCAPES.sub("", whole(text))) if _SPECIAL.search(text) else text


def shown(text: str) -> str:
    """As `plain`, with `\\r`, `\\b` and erasures carried out: of a progress bar the last state is left."""
    screen = Screen()
    return screen.take(text) + screen.close()


def whole(text: str) -> str:
    """The text with what no UTF-8 and no database can hold replaced: lone surrogates and NUL."""
    return _SURROGATES.sub("\ufffd", text).replace("\0", "\ufffd")


class Screen:
    """A stream as it is printed: tells of each piece what no later one can change.

    An unfinished line is told as it comes until the cursor moves back in it; then it waits for its end, so that of
    a progress bar the last state is told. What has been told already stays, and what would have been written over
    it stands on a line of its own.
    """

    def __init__(self) -> None:
        self._escape = ""
        self._told = 0
        self._cells: list[str] = []
        self._at = 0
        self._moved = False

    def take(self, text: str) -> str:
        """What a piece of the stream settles."""
        if self._escape or _SPECIAL.search(text):
            text = self._escape + whole(text)
            begun = _BEGUN.search(text)
            self._escape = begun[0] if begun else ""
            text = text.removesuffix(self._escape)
            text = _ESCAPES.sub(lambda found: found[0] if _ERASE.fullmatch(found[0]) else "", text)
        if not (self._moved or _moves(text)):  # most text, and the longest
            lines, end, unfinished = text.rpartition("\n")
            return plain(lines + end) + (self._end() if end else "") + self._write(unfinished)
        *lines, unfinished = text.split("\n")
        return "".join([*(self._write(line) + self._end() + "\n" for line in lines), self._write(unfinished)])

    def close(self) -> str:
        """What is left of the unfinished line; the next piece begins another."""
        self._escape = ""
        return self._end()

    def clear(self) -> None:
        """Forget what has not been told."""
        self._escape = ""
        self._end()

    def _write(self, text: str) -> str:
        if not (self._moved or _moves(text)):
            text = plain(text)
            self._told += len(text)
            self._at = self._told
            return text
        self._moved = True
        return "".join(self._move(token) for token in _MOVES.findall(text))

    def _move(self, token: str) -> str:
        """Carry out a move or a writing; gives what was settled by its going back over what has been told."""
        if token[0] == "\r":
            self._at = 0
            return ""
        if token[0] == "\b":
            self._at = max(0, self._at - len(token))
            return ""
        settled = ""
        if self._at < self._told:
            settled = f"{''.join(self._cells)}\n"
            self._told = self._at = 0
            self._cells = []
        here = self._at - self._told
        if erasure := _ERASE.fullmatch(token):
            first = here if erasure[1] in {"", "0"} else 0
            last = here if erasure[1] == "1" else len(self._cells)
            self._cells[first:last] = " " * (last - first)
        else:
            token = plain(token)
            self._cells[here : here + len(token)] = token
            self._at += len(token)
        return settled

    def _end(self) -> str:
        text = "".join(self._cells).rstrip(" ")
        self._cells = []
        self._told = self._at = 0
        self._moved = False
        return text


def _moves(text: str) -> bool:
    """Whether the cursor goes anywhere but on."""
    return any(move in text for move in "\r\b\x1b")
