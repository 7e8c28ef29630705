"""What a program printed, as a terminal would finally show it: plain text without control sequences (pure)."""

from __future__ import annotations

import re

_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # colours, cursor moves
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?"  # window titles, links, the clipboard
    r"|\x1b[ -/]*[0-~]?"  # everything else that begins with ESC
    r"|[\x80-\x9f]"  # the same as single characters
)
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_ERASE = re.compile(r"\x1b\[([012]?)K")
_MOVES = re.compile(r"\r+|\x08+|\x1b\[[012]?K|[^\r\x08\x1b]+")
_SURROGATES = re.compile("[\ud800-\udfff]")


def plain(text: str) -> str:
    """The text without escape sequences and control characters; line ends and tabs stay."""
    return _CONTROLS.sub("", _ESCAPES.sub("", whole(text)))


def shown(text: str) -> str:
    """As `plain`, with `\\r`, `\\b` and erasures carried out: of a progress bar the last state is left."""
    text = _ESCAPES.sub(lambda found: found[0] if _ERASE.fullmatch(found[0]) else "", whole(text))
    return plain("\n".join(_line(line) if "\r" in line or "\b" in line else line for line in text.split("\n")))


def whole(text: str) -> str:
    """The text with what no UTF-8 and no database can hold replaced: lone surrogates and NUL."""
    return _SURROGATES.sub("\ufffd", text).replace("\0", "\ufffd")


def _line(line: str) -> str:
    """The line after the moves in it; text written over other text replaces it."""
    cells: list[str] = []
    at = 0
    for token in _MOVES.findall(line):
        if token[0] == "\r":
            at = 0
        elif token[0] == "\b":
            at = max(0, at - len(token))
        elif erasure := _ERASE.fullmatch(token):
            first = at if erasure[1] in {"", "0"} else 0
            last = at if erasure[1] == "1" else len(cells)
            cells[first:last] = " " * (last - first)
        else:
            cells[at : at + len(token)] = token
            at += len(token)
    return "".join(cells).rstrip(" ")
