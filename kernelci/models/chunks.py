"""What is read of the events that an endpoint streams; null or nothing stands where it has nothing to say."""

from __future__ import annotations

import json
from typing import Annotated, cast

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


def _as_text(arguments: object) -> object:
    return json.dumps(arguments) if isinstance(arguments, dict) else arguments


def _text_of_parts(content: object) -> object:
    """Some endpoints send the text in parts, as Mistral's with the thoughts in parts of their own."""
    if not isinstance(content, list):
        return content
    parts = [cast("dict[str, object]", part) for part in cast("list[object]", content) if isinstance(part, dict)]
    return "".join(str(part.get("text") or "") for part in parts if part.get("type", "text") == "text")


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

    content: Annotated[str | None, BeforeValidator(_text_of_parts)] = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: tuple[CallPiece, ...] | None = None

    @property
    def thought(self) -> str:
        """More of what the model thinks, where the endpoint keeps it apart: two names are in use for it."""
        return self.reasoning_content or self.reasoning or ""


class Choice(_Wire):
    """Part of one of the replies, by its number."""

    index: int | None = None
    delta: Annotated[Delta | None, Field(validation_alias=AliasChoices("delta", "message"))] = None
    finish_reason: str | None = None


def _cached(details: object) -> object:
    """The number in an endpoint's details of a prompt; none where they have another shape."""
    found = cast("dict[str, object]", details).get("cached_tokens") if isinstance(details, dict) else None
    return found if isinstance(found, int) else None


class Counted(_Wire):
    """The endpoint's own count; `cached_tokens` of the prompt it had read before."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: Annotated[
        int | None, BeforeValidator(_cached), Field(validation_alias="prompt_tokens_details")
    ] = None


class Chunk(_Wire):
    """One event of the stream."""

    choices: tuple[Choice, ...] | None = None
    usage: Counted | None = None
