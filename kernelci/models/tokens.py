"""What a reply cost, where the model's endpoint does not say."""

from __future__ import annotations

import re

from kernelci.engine.counting import CHARACTERS_A_TOKEN, tokens_for, tokens_in
from kernelci.engine.ports.model import ModelRequest
from kernelci.protocol.usage import Usage

CHARACTERS_A_CALL = 40
"""What a call has beside its name and arguments, roughly."""

LONG_TOKEN = 6
"""Characters a token that no reply has on average, counted as here: who minds `max_tokens` stays below."""

_REPEATED = re.compile(r"([\s=_*#~./+\u2500-\u257f-])\1{4,}")
_A_TOKEN_OF_ONE = 16  # spaces, dashes and their like; some vocabularies have longer ones


def characters_in(text: str) -> int:
    """How many characters of a text count. Of rules, indents and tables not all do: one token has many of them."""
    repeated = (len(found[0]) for found in _REPEATED.finditer(text))
    return len(text) - sum(length - -(-length // _A_TOKEN_OF_ONE) * CHARACTERS_A_TOKEN for length in repeated)


def estimated(request: ModelRequest, written: int) -> Usage:
    """A rough count, marked as such, of the question and of so many characters `written`."""
    prompt, completion = tokens_in(request.messages, request.tools, request.figures), tokens_for(written)
    return Usage(
        prompt_tokens=prompt, completion_tokens=completion, total_tokens=prompt + completion, estimated=True
    )
