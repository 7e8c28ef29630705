"""Code as a person can read it before it runs: each character that hides or moves others is spelled out.

Nothing is taken away: what stands there can be told from what is shown and from the warnings, of which there is
none where a text spells a character out itself. A terminal that prints it obeys nothing of it. Letters of
right-to-left scripts stay letters; it is the characters that turn a text round that are spelled out.
"""

from __future__ import annotations

import unicodedata

_UNSEEN = "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\U00016fe4\U0001d159"
"""Letters, marks and symbols by their category, which nobody can see: some may even be in a name of Python's."""

_SELECTORS = frozenset(map(chr, (*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))))
"""Variation selectors: marks that say how to draw what is before them, of which hundreds can hide a text."""

_HIDING = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"}
"""Controls, formats (those of direction, joiners, tags), surrogates, characters without a meaning, odd spaces."""

_NAMED = 20
_PLACES = 5


def visible(text: str) -> str:
    """The text with `<U+202E>` in place of each character that does not show itself; line ends and tabs stay.

    A carriage return of its own ends a line for Python, and so it does here; one before a line feed is none.
    """
    hiding = _hiding(text := _with_line_feeds(text))
    if not hiding:
        return text
    shown = {ord(each): _code_point(each) if each in hiding else each for each in set(text)}
    return text.translate(shown)


def hidden_in(text: str) -> tuple[str, ...]:
    """What `visible` has spelled out: a sentence for each such character, in the order of their first places."""
    hiding = _hiding(text := _with_line_feeds(text))
    places: dict[str, list[int]] = {}
    for number, line in enumerate(text.split("\n") if hiding else (), 1):
        for character in dict.fromkeys(filter(hiding.__contains__, line)):
            places.setdefault(character, []).append(number)
    told = [_sentence(character, lines) for character, lines in list(places.items())[:_NAMED]]
    return (*told, *([f"and {more} other characters"] if (more := len(places) - _NAMED) > 0 else []))


def _with_line_feeds(text: str) -> str:
    """The text with each of its lines ended by a line feed, after the carriage return where one alone ended it."""
    return text.replace("\r\n", "\n").replace("\r", "\r\n")


def _hiding(text: str) -> frozenset[str]:
    """The characters of the text that hide. Each is looked at once: a text of millions has some hundreds."""
    return frozenset(each for each in set(text) if not (" " <= each <= "~") and each not in "\n\t" and _hides(each))


def _hides(character: str) -> bool:
    return unicodedata.category(character) in _HIDING or character in _UNSEEN or character in _SELECTORS


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
