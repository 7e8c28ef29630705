"""The question by which it is found out whether a model can call tools."""

from __future__ import annotations

from dataclasses import replace

from kernelci.engine.ports import ModelRequest
from kernelci.models.tokens import estimated
from kernelci.protocol.parts import JsonObject
from kernelci.protocol.usage import Usage

TRIAL: JsonObject = {"role": "user", "content": "What is 48611 * 7919? Compute it with the tool; do not guess."}
"""Asked once of a model of which nobody knows whether it can call tools."""

_TRIAL_TOKENS = 2048  # room for thoughts
_LEAST_TRIAL = 128  # with fewer it would be cut short, and tell nothing


def trial_of(request: ModelRequest, spent: Usage) -> ModelRequest | None:
    """The trial of a model that has just replied to a request; None where that reply, `spent`, left no room."""
    trial = ModelRequest(request.model, (TRIAL,), tools=request.tools, max_tokens=_TRIAL_TOKENS)
    if request.max_tokens is None:
        return trial
    left = request.max_tokens - spent.completion_tokens - estimated(trial, 0).prompt_tokens
    return None if left < _LEAST_TRIAL else replace(trial, max_tokens=min(left, _TRIAL_TOKENS))
