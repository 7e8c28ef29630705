"""Code as a person can read it before it runs: each character that hides, moves or imitates others is spelled out.

Nothing is taken away: what stands there can be told from what is shown. A terminal that prints it obeys nothing of
it. Letters of right-to-left scripts stay letters; it is the characters that turn a text round that are spelled out.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

_UNSEEN = "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"
"""Letters, marks and a symbol by their category, which nobody can see: some may even be in a name of Python's."""

_SELECTORS = (range(0x180B, 0x1810), range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))
"""Variation selectors: marks that say how to draw what is before them, of which hundreds can hide a text."""

_HIDING = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"}
"""Controls, formats (those of direction, joiners, tags), surrogates, characters without a meaning, odd spaces."""

_BREAK = re.compile(r"\r\n?")
_SUSPECT = re.compile(r"[^\n\t -~]")

_NAMED = 20
_PLACES = 5


def visible(text: str) -> str:
    """The text with `<U+202E>` in place of each character that does not show itself; line ends and tabs stay.

    A carriage return of its own ends a line for Python, and so it does here; one before a line feed is none.
    """
    return _SUSPECT.sub(_spelled, _BREAK.sub(_broken, text))


def hidden_in(text: str) -> tuple[str, ...]:
    """What `visible` has spelled out: a sentence for each such character, in the order of their first places."""
    places: dict[str, list[int]] = {}
    for number, character in _hiding(text):
        lines = places.setdefault(character, [])
        if number not in lines[-1:]:
            lines.append(number)
    told = [_sentence(character, lines) for character, lines in list(places.items())[:_NAMED]]
    return (*told, *([f"and {more} other characters"] if (more := len(places) - _NAMED) > 0 else []))


def _hiding(text: str) -> Iterator[tuple[int, str]]:
    """Each hiding character with the number of its line, from 1."""
    number = 1
    for found in re.finditer(r"\r\n|[^\t -~]", text):
        character = found[0]
        if character not in ("\n", "\r\n") and _hides(character):
            yield number, character
        number += character in ("\n", "\r\n", "\r")


def _hides(character: str) -> bool:
    return (
        unicodedata.category(character) in _HIDING
        or character in _UNSEEN
        or any(ord(character) in selectors for selectors in _SELECTORS)
    )


def _spelled(found: re.Match[str]) -> str:
    return _code_point(found[0]) if _hides(found[0]) else found[0]


def _broken(found: re.Match[str]) -> str:
    return "\n" if found[0] == "\r\n" else f"{_code_point(found[0])}\n"


def _code_point(character: str) -> str:
    return f"<U+{ord(character):04X}>"


def _sentence(character: str, lines: list[int]) -> str:
    name = unicodedata.name(character, "").lower() or _NAMELESS.get(character, "a character without a name")
    listed = ", ".join(map(str, lines[:_PLACES])) + (
        f" and {more} more" if (more := len(lines) - _PLACES) > 0 else ""
    )
    return f"U+{ord(character):04X} ({name}) in line{'s' if len(lines) > 1 else ''} {listed}"


_NAMELESS = {
    "\0": "null",
    "\a": "bell",
    "\b": "backspace",
    "\v": "vertical tab",
    "\f": "form feed",
    "\r": "carriage return, with which a line ends",
    "\x1b": "escape, which commands a terminal",
    "\x7f": "delete",
    "\x85": "next line",
    "\x9b": "control sequence introducer, which commands a terminal",
}
