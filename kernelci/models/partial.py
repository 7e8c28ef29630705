"""Text that comes in pieces: whole characters from split surrogates, and the code in half-written JSON.

A model writes the code it wants to run as the string at key `code` of a JSON object. `PartialCode` reads that
string while it is still being written; what is complete, well-formed or not, is read by arguments.py.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from string import hexdigits
from typing import TypeVar

T = TypeVar("T")
Reading = Generator[None, str, T]
"""Reads JSON by being sent one character at a time; returns what it has read."""

_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class Characters:
    """Joins pieces of text whose pairs of surrogates may be split between two pieces."""

    def __init__(self) -> None:
        self._held = ""

    def feed(self, piece: str) -> str:
        """The piece in whole characters; the first half of a pair at its end waits for the next."""
        text = self._held + piece
        self._held = text[-1:] if "\ud800" <= text[-1:] <= "\udbff" else ""
        return whole(text.removesuffix(self._held))

    def close(self) -> str:
        """What still waited for its other half."""
        held, self._held = self._held, ""
        return whole(held)


def whole(text: str) -> str:
    """The text with surrogates paired up, and U+FFFD for those alone: neither UTF-8 nor a database takes them."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


class PartialCode:
    """Decodes the string at key `code` of a JSON object while the object arrives.

    `found` tells that the string has begun, `broken` that the text is not a JSON object after all. Raw line
    breaks and tabs in strings are let pass, as weak models write them.
    """

    def __init__(self) -> None:
        self.found = False
        self.broken = False
        self._decoded: list[str] = []
        self._characters = Characters()
        self._reading = self._object()
        next(self._reading)

    def feed(self, piece: str) -> str:
        """What the piece adds to the code."""
        if not self.broken:
            try:
                for character in piece:
                    self._reading.send(character)
            except (ValueError, StopIteration):
                self.broken = True
        decoded = "".join(self._decoded)
        self._decoded.clear()
        return self._characters.feed(decoded)

    def close(self) -> str:
        """What still waited for the rest of a character."""
        return self._characters.close()

    def _object(self) -> Reading[None]:
        if (yield from _visible()) != "{":
            raise ValueError
        mark = yield from _visible()
        while mark != "}":
            if mark != '"':
                raise ValueError
            key: list[str] = []
            yield from _string(key.append)
            if (yield from _visible()) != ":":
                raise ValueError
            mark = yield from self._value("".join(key))
            if mark == ",":
                mark = yield from _visible()
            elif mark != "}":
                raise ValueError
        yield from _visible()  # nothing may follow: any character ends the reading

    def _value(self, key: str) -> Reading[str]:
        """Read a value; gives the first visible character after it."""
        first = yield from _visible()
        if first == '"' and key == "code" and not self.found:
            self.found = True
            yield from _string(self._decoded.append)
        elif first == '"':
            yield from _string(_ignore)
        elif first in "{[":
            yield from _nested()
        elif first == "-" or first.isalnum():
            return (yield from _scalar())
        else:
            raise ValueError
        return (yield from _visible())


class PartialObject:
    """Tells when a JSON object that arrives in pieces is `whole`; anything else never is."""

    def __init__(self) -> None:
        self.whole = False
        self._reading = self._object()
        next(self._reading)

    def feed(self, piece: str) -> None:
        """Read on. What follows the object is not looked at."""
        try:
            for character in piece:
                self._reading.send(character)
        except StopIteration:
            self.whole = True

    def _object(self) -> Reading[None]:
        mark = yield from _visible()
        while mark != "{":  # it is something else, and has no end to wait for
            yield
        depth = 1
        while depth:
            character = yield
            if character == '"':
                yield from self._string()
            depth += (character in "{[") - (character in "}]")

    def _string(self) -> Reading[None]:
        """Read the rest of a string, whatever is escaped in it."""
        while (character := (yield)) != '"':
            if character == "\\":
                yield


def _visible() -> Reading[str]:
    """Read up to the next character that is not white space."""
    while (character := (yield)) in " \t\r\n":
        pass
    return character


def _string(take: Callable[[str], object]) -> Reading[None]:
    """Read the rest of a string, decoded, through its closing quote."""
    while (character := (yield)) != '"':
        take((yield from _escape()) if character == "\\" else character)


def _escape() -> Reading[str]:
    letter = yield
    if letter == "u":
        digits = ""
        while len(digits) < 4:
            digits += yield
        if not set(digits) <= set(hexdigits):
            raise ValueError
        return chr(int(digits, 16))
    if letter not in _ESCAPES:
        raise ValueError
    return _ESCAPES[letter]


def _nested() -> Reading[None]:
    """Read the rest of an object or array."""
    depth = 1
    while depth:
        character = yield
        if character == '"':
            yield from _string(_ignore)
        depth += (character in "{[") - (character in "}]")


def _scalar() -> Reading[str]:
    """Read the rest of a number or word; gives the first visible character after it."""
    while (character := (yield)) not in ",} \t\r\n":
        pass
    return character if character in ",}" else (yield from _visible())


def _ignore(character: str) -> None:
    del character
