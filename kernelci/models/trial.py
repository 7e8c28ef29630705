"""The question by which it is found out whether a model can call tools."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from kernelci.engine.events import Event
from kernelci.engine.ports.model import ModelRequest
from kernelci.models.habits import Habits
from kernelci.models.streamed import StreamedReply
from kernelci.models.tokens import estimated
from kernelci.protocol.parts import JsonObject
from kernelci.protocol.usage import Usage

TRIAL: JsonObject = {"role": "user", "content": "What is 48611 * 7919? Compute it with the tool; do not guess."}
"""Asked once of a model of which nobody knows whether it can call tools."""

_TRIAL_TOKENS = 2048  # room for thoughts
_LEAST_TRIAL = 128  # with fewer it would be cut short, and tell nothing


@dataclass(frozen=True, slots=True)
class Trial:
    """The question, and the reply to it, which nobody is told of."""

    request: ModelRequest
    reply: StreamedReply

    @classmethod
    def of(cls, request: ModelRequest, spent: Usage, habits: Habits) -> Self | None:
        """The trial of a model that has just replied to a request; None where that reply, `spent`, left no room."""
        trial = ModelRequest(request.model, (TRIAL,), tools=request.tools, max_tokens=_TRIAL_TOKENS)
        if request.max_tokens is not None:
            left = request.max_tokens - spent.completion_tokens - estimated(trial, 0).prompt_tokens
            if left < _LEAST_TRIAL:
                return None
            trial = replace(trial, max_tokens=min(left, _TRIAL_TOKENS))
        return cls(trial, StreamedReply(trial, _nobody, habits))

    @property
    def usage(self) -> Usage | None:
        """What it has cost so far; None where nothing came of it."""
        return self.reply.usage if self.reply.begun else None


async def _nobody(event: Event) -> None:
    del event
