"""The most tokens that an endpoint lets a reply be asked for: what it says when that was too many.

What is left of a budget may be more than any reply of a model can have, and endpoints do not give less: they
refuse. The question is asked again without the number, which gives as much as there is; the reply is held to its
budget as it comes (streamed.py).
"""

from __future__ import annotations

import logging
import re
from dataclasses import replace

import openai

from kernelci.engine.ports.model import ModelRequest
from kernelci.models.failures import complaint, status_of
from kernelci.models.habits import Habits

logger = logging.getLogger(__name__)

_TOO_MANY = re.compile(
    r"max_(?:completion_|new_|output_)?tokens\b.{0,60}?(?:too (?:large|high|big)|at most|less than or equal|<="
    r"|valid range|exceed|\d > \d)"
    r"|max(?:imum)? tokens.{0,30}(?:exceed|less than or equal)|\d in the completion|\d output tokens",
    re.IGNORECASE,
)
"""In the words of OpenAI, vLLM old and new, Anthropic, DeepSeek, Groq, Together, Bedrock, Cohere and their like."""

_NAMED = re.compile(
    r"(?:at most|maximum context length is|less than or equal to|limit of|<=|\d >|range of max_tokens is \[\d+,)"
    r" [`']?(\d{1,9})\b",
    re.IGNORECASE,
)
"""What would not have been too many; or the model's whole context, of which the question takes a part."""


def with_room(request: ModelRequest, habits: Habits) -> ModelRequest:
    """The question without a number of tokens that is known to be refused."""
    asked = request.max_tokens
    if asked is None or habits.most_tokens is None or asked <= habits.most_tokens:
        return request
    return replace(request, max_tokens=None)


def with_room_again(error: openai.APIError, asked: ModelRequest, habits: Habits) -> ModelRequest | None:
    """How to ask again what asked for more tokens than there are; None if that is not why it was refused.

    Whether the question itself is too long is told then: an endpoint's words may fit both. Where it does not name
    what would do, more than half of that many is taken to be refused, too.
    """
    said = complaint(error)
    if asked.max_tokens is None or status_of(error) not in {400, 413, 422, 500} or not _TOO_MANY.search(said):
        return None
    named = _NAMED.search(said)
    most = int(named[1]) if named else asked.max_tokens // 2
    habits.most_tokens = most if habits.most_tokens is None else min(most, habits.most_tokens)
    logger.info("%s gives %d tokens at most", asked.model, most, extra={"action": "model_found_out"})
    return replace(asked, max_tokens=None)
