"""What a reply cost, where the model's endpoint does not say."""

from __future__ import annotations

from kernelci.engine.counting import tokens_for, tokens_in
from kernelci.engine.ports import ModelRequest
from kernelci.protocol.usage import Usage

CHARACTERS_A_CALL = 40
"""What a call has beside its name and arguments, roughly."""

LONG_TOKEN = 6
"""Characters a token that no reply has on average: an endpoint that minds `max_tokens` stays below."""


def estimated(request: ModelRequest, written: int) -> Usage:
    """A rough count, marked as such, of the question and of so many characters `written`."""
    prompt, completion = tokens_in(request.messages, request.tools, request.figures), tokens_for(written)
    return Usage(
        prompt_tokens=prompt, completion_tokens=completion, total_tokens=prompt + completion, estimated=True
    )
