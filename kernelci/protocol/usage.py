"""What replies cost, in tokens and in money, and what that adds up to in a thread."""

from __future__ import annotations

import math
from operator import not_
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from kernelci.protocol.parts import Part

_MILLION = 1_000_000

_PLACES = 10
"""Of US dollars: less than any token costs, and more than the error of a sum of floats."""


class Usage(Part):
    """Tokens, as the model's endpoint counted them; `cached_tokens` of the prompt it had read before.

    `estimated`, where the endpoint did not count, and `cost` in US dollars, where the price is known, are our own:
    the hosted service had no such fields, so they are sent only where they say something.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0
    estimated: bool = Field(default=False, exclude_if=not_)
    cost: float | None = None
    cached_tokens: int = Field(default=0, exclude=True)

    def __add__(self, other: Usage) -> Usage:
        known = [cost for cost in (self.cost, other.cost) if cost is not None]
        return Usage(
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            total_tokens=self.total_tokens + other.total_tokens,
            estimated=self.estimated or other.estimated,
            cost=round(sum(known), _PLACES) if known else None,
            cached_tokens=self.cached_tokens + other.cached_tokens,
        )


Rate = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Price(BaseModel):
    """US dollars for a million of a model's tokens; `cached` are those of a prompt that it had read before."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: Rate
    completion: Rate
    cached: Rate | None = None

    def of(self, usage: Usage) -> float:
        """What that much costs."""
        cached = usage.cached_tokens if self.cached is not None else 0
        asked = (usage.prompt_tokens - cached) * self.prompt + cached * (self.cached or 0.0)
        return round((asked + usage.completion_tokens * self.completion) / _MILLION, _PLACES)

    def reply_for(self, money: float, asked: int) -> float:
        """How many tokens a reply may have for that money, if its question has `asked`."""
        left = money * _MILLION - asked * self.prompt
        if left < 0:
            return 0
        return left / self.completion if self.completion else math.inf


FREE = Price(prompt=0, completion=0)
"""The price of a model that is part of this program."""


class Used(Part):
    """What runs have used: replies of the model, tokens, seconds in progress, US dollars where prices are known."""

    turns: int = 0
    tokens: int = 0
    seconds: int = 0
    cost: float = 0.0
    estimated: bool = False

    @classmethod
    def by(cls, usage: Usage, *, turns: int, seconds: int) -> Used:
        """What one run has used."""
        return cls(
            turns=turns,
            tokens=usage.total_tokens,
            seconds=seconds,
            cost=usage.cost or 0.0,
            estimated=usage.estimated,
        )

    def __add__(self, other: Used) -> Used:
        return Used(
            turns=self.turns + other.turns,
            tokens=self.tokens + other.tokens,
            seconds=self.seconds + other.seconds,
            cost=round(self.cost + other.cost, _PLACES),
            estimated=self.estimated or other.estimated,
        )
