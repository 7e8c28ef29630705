"""gpt-oss's channels, where a server leaves them in the text: thoughts, words and calls between control words.

<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>commentary to=functions.f <|constrain|>json
<|message|>{"city": "Haifa"}<|call|>

The grammar is in the model's own documentation, under the name harmony. Thoughts are kept apart here; a call is put
in the words of other templates, which marked.py reads.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_OPENINGS = ("<|channel|>", "<|start|>")
_WORDS = (*_OPENINGS, "<|constrain|>", "<|message|>", "<|end|>", "<|call|>", "<|return|>")
_WORD = re.compile("|".join(map(re.escape, _WORDS)))
_LONGEST_HEADER = 256
_RECIPIENT = re.compile(r"\bto=(?P<name>[\w.:/-]+)")


class Channels:
    """Takes a text in pieces. One that does not begin with such a control word is passed on as it is."""

    def __init__(self) -> None:
        self._pending = ""
        self._found: bool | None = None
        self._header: str | None = ""
        self._thinks = False
        self._thoughts: list[str] = []
        self._recipient = ""
        self._closing = ""

    def feed(self, piece: str) -> str:
        """What of the text up to here is said or called, and was not given yet."""
        self._pending += piece
        if self._found is None:
            self._found = _begins(self._pending.lstrip())
        if self._found is None:
            return ""
        if self._found:
            return "".join(self._parts())
        held, self._pending = self._pending, ""
        return held

    def close(self) -> str:
        """The rest, now that nothing follows."""
        rest, self._pending = self._pending, ""
        return self._body(rest) + self._end() if self._found else rest

    @property
    def thoughts(self) -> str:
        """What was thought up to here."""
        return "".join(self._thoughts)

    def _parts(self) -> Iterator[str]:
        while word := _WORD.search(self._pending):
            yield self._body(self._pending[: word.start()])
            self._pending = self._pending[word.end() :]
            yield self._pass(word[0])
        whole = len(self._pending) - _begun(self._pending)
        yield self._body(self._pending[:whole])
        self._pending = self._pending[whole:]

    def _pass(self, word: str) -> str:
        """Go past a control word; gives what ends with it."""
        if word == "<|message|>":
            header, self._header = self._header or "", None
            recipient = _RECIPIENT.search(header)
            self._recipient = recipient["name"] if recipient else ""
            self._thinks = not recipient and "analysis" in header
            return ""
        if self._header is not None:
            self._header += " "
            return ""
        return self._end()

    def _body(self, text: str) -> str:
        if self._header is not None:
            self._header = (self._header + text)[:_LONGEST_HEADER]
            return ""
        if self._thinks:
            self._thoughts.append(text)
            return ""
        if not self._recipient or self._closing:
            return text
        arguments = text.lstrip()
        if not arguments:
            return ""
        opening, self._closing = f"[TOOL_CALLS]{self._recipient}", "[/TOOL_CALLS]"
        if not arguments.startswith("{"):  # Python as it is
            opening, self._closing = "<|python_tag|>", "<|eom_id|>"
        return opening + arguments

    def _end(self) -> str:
        if self._thinks:
            self._thoughts.append("\n")
        self._thinks = False
        closing, self._closing, self._header, self._recipient = self._closing, "", "", ""
        return closing


def _begins(text: str) -> bool | None:
    """Whether a text begins with a channel; None while that cannot be known."""
    if text.startswith(_OPENINGS):
        return True
    return None if any(opening.startswith(text) for opening in _OPENINGS) else False


def _begun(text: str) -> int:
    """How many characters at the end of a text may be the beginning of a control word."""
    at = text.rfind("<")
    return len(text) - at if at >= 0 and any(word.startswith(text[at:]) for word in _WORDS) else 0
