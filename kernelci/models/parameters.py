"""A question's parameters as they travel, without those that its model refuses and that we can do without.

What they would have done is lost, or done here: one call of several is dropped, and a reply is held to its tokens
as it comes (streamed.py).
"""

from __future__ import annotations

import logging
import re
from dataclasses import fields, replace

import openai

from kernelci.engine.ports.model import ModelRequest
from kernelci.models.failures import complaint, is_too_long, status_of
from kernelci.models.habits import Habits
from kernelci.protocol.parts import JsonObject

logger = logging.getLogger(__name__)

_SPARED = ("stream_options", "parallel_tool_calls", "top_p", "temperature", "reasoning_effort")
"""Left out where they are refused. Of two that exclude each other the first is."""

_INSTEAD = {"max_tokens": "max_completion_tokens", "max_completion_tokens": None}
"""What stands for the number of tokens where that is not known by its name."""

_BY_VALUE = frozenset({"top_p", "temperature", "reasoning_effort"})
"""Of these a refusal may mean the value, and not any other."""

_OF_THE_VALUE = re.compile(
    r"(?:supported|valid) values|one of|between|range|should be in|(?:less|greater) than|at (?:least|most)|[<>]=",
    re.IGNORECASE,
)
_UNKNOWN = re.compile(
    r"unsupported param|not (?:supported|permitted|allowed|support)|unrecognized|unknown|unexpected|extra",
    re.IGNORECASE,
)


def body_of(request: ModelRequest, habits: Habits) -> JsonObject:
    """The request as it travels: a field has the name of its parameter."""
    body: JsonObject = {field.name: getattr(request, field.name) for field in fields(request)}
    body |= {"stream": True, "stream_options": {"include_usage": True}}
    for name in (*_SPARED, *_INSTEAD):
        if name in habits.refused:
            value = body.pop(name, None)
            if instead := _INSTEAD.get(name):
                body[instead] = value
    return {name: value for name, value in body.items() if value not in (None, ())}


def spared_again(
    error: openai.APIError, asked: ModelRequest, body: JsonObject, habits: Habits
) -> ModelRequest | None:
    """How to ask again what was refused because of a parameter; None if that is not why.

    That the model does not take it is noted, unless another value might do.
    """
    if status_of(error) not in {400, 422} or is_too_long(error):
        return None
    said = complaint(error)
    about = str(error.param or said)  # where it is told which, the rest may be words of the user's
    known = [name for name in (*_SPARED, *_INSTEAD) if name in body and _names(about, name)]
    name = next((each for each in known if each in _SPARED or _is_unknown(each, said)), None)
    if name is None:
        return None
    logger.info("%s does not take %s", asked.model, name, extra={"action": "model_found_out"})
    if name in _BY_VALUE and _OF_THE_VALUE.search(said):
        return replace(asked, **{name: None})
    habits.refused.add(name)
    return asked


def _names(said: str, name: str) -> bool:
    """Whether an error names a parameter, which may be put together in another way."""
    return bool(re.search(rf"\b{name.replace('_', '[_ ]?')}\b", said, re.IGNORECASE))


def _is_unknown(name: str, said: str) -> bool:
    instead = _INSTEAD[name]
    return bool(_UNKNOWN.search(said)) or (instead is not None and _names(said, instead))
