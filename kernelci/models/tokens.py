"""What a reply cost, where the model's endpoint does not say."""

from __future__ import annotations

import json

from kernelci.engine.ports import PICTURE_TOKENS, ModelRequest
from kernelci.models.conversation import pictures_in, text_of
from kernelci.protocol.usage import Usage

CHARACTERS_A_TOKEN = 4

CHARACTERS_A_CALL = 40
"""What a call has beside its name and arguments, roughly."""

LONG_TOKEN = 6
"""Characters a token that no reply has on average: an endpoint that minds `max_tokens` stays below."""


def estimated(request: ModelRequest, written: int) -> Usage:
    """A rough count, marked as such: one token for each four characters asked and `written`, some for a picture."""
    asked = len(json.dumps(list(request.tools))) if request.tools else 0
    for message in request.messages:
        called = message.get("tool_calls")
        asked += len(text_of(message)) + (len(json.dumps(called)) if called else 0)
    pictures = pictures_in(*request.messages) + len(request.figures.pictures if request.figures else ())
    prompt, completion = _tokens(asked) + pictures * PICTURE_TOKENS, _tokens(written)
    return Usage(
        prompt_tokens=prompt, completion_tokens=completion, total_tokens=prompt + completion, estimated=True
    )


def _tokens(characters: int) -> int:
    return -(-characters // CHARACTERS_A_TOKEN)
