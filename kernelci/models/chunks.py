"""What is read of the events that an endpoint streams; null or nothing stands where it has nothing to say."""

from __future__ import annotations

import json
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


def _as_text(arguments: object) -> object:
    return json.dumps(arguments) if isinstance(arguments, dict) else arguments


class FunctionPiece(_Wire):
    """Part of a call's name and arguments; some endpoints send the arguments as an object."""

    name: str | None = None
    arguments: Annotated[str | None, BeforeValidator(_as_text)] = None


class CallPiece(_Wire):
    """Part of a call."""

    index: int | None = None
    id: str | None = None
    function: FunctionPiece | None = None

    @property
    def name(self) -> str:
        """The function's name, where this piece has it."""
        return (self.function and self.function.name) or ""

    @property
    def arguments(self) -> str:
        """More of the arguments."""
        return (self.function and self.function.arguments) or ""


class Delta(_Wire):
    """Part of a reply."""

    content: str | None = None
    refusal: str | None = None
    tool_calls: tuple[CallPiece, ...] | None = None


class Choice(_Wire):
    """Part of one of the replies, by its number."""

    index: int | None = None
    delta: Delta | None = None
    finish_reason: str | None = None


class Counted(_Wire):
    """The endpoint's own count."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class Chunk(_Wire):
    """One event of the stream."""

    choices: tuple[Choice, ...] | None = None
    usage: Counted | None = None
