"""What is read of the events that an endpoint streams; null or nothing stands where it has nothing to say."""

from __future__ import annotations

import json
from typing import Annotated, TypeVar, cast

from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

MOST_TOKENS = 100_000_000
"""More than any model reads or writes at once: an endpoint that counts more has not counted."""


T = TypeVar("T")


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", coerce_numbers_to_str=True)


def _unless_odd(value: object, read: ValidatorFunctionWrapHandler) -> object:
    try:
        return cast("object", read(value))
    except ValidationError:
        return None


Mild = Annotated[T | None, WrapValidator(_unless_odd)]
"""What a reply can be read without: as good as not there where it has another shape."""


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

    index: Mild[int] = None
    id: Mild[str] = None
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
    reasoning_content: Mild[str] = None
    reasoning: Mild[str] = None
    tool_calls: tuple[CallPiece, ...] | None = None
    function_call: FunctionPiece | None = None

    @property
    def calls(self) -> tuple[CallPiece, ...]:
        """More of the calls; the one call of the API's first form has no number."""
        old = (
            (CallPiece(index=0, function=self.function_call),) if self.function_call and not self.tool_calls else ()
        )
        return self.tool_calls or old

    @property
    def thought(self) -> str:
        """More of what the model thinks, where the endpoint keeps it apart: two names are in use for it."""
        return self.reasoning_content or self.reasoning or ""


class Choice(_Wire):
    """Part of one of the replies, by its number."""

    index: Mild[int] = None
    delta: Annotated[Delta | None, Field(validation_alias=AliasChoices("delta", "message"))] = None
    finish_reason: Mild[str] = None


def _detail(name: str) -> BeforeValidator:
    """Reads a number from an endpoint's details; none where they have another shape."""

    def read(details: object) -> object:
        found = cast("dict[str, object]", details).get(name) if isinstance(details, dict) else None
        return found if isinstance(found, int) else None

    return BeforeValidator(read)


class Counted(_Wire):
    """The endpoint's own count; `cached_tokens` of the prompt it had read before, `reasoning_tokens` it thought."""

    prompt_tokens: Mild[int] = None
    completion_tokens: Mild[int] = None
    total_tokens: Mild[int] = None
    cached_tokens: Annotated[
        int | None, _detail("cached_tokens"), Field(validation_alias="prompt_tokens_details")
    ] = None
    reasoning_tokens: Annotated[
        int | None, _detail("reasoning_tokens"), Field(validation_alias="completion_tokens_details")
    ] = None

    @property
    def written(self) -> int:
        """Tokens of the whole reply. Some endpoints leave out the thoughts, and have them in the total alone, or
        nowhere: there are more of them then than of the reply.
        """
        prompt, completion, total = self.prompt_tokens or 0, self.completion_tokens or 0, self.total_tokens or 0
        if prompt and (self.cached_tokens or 0) <= prompt and total <= MOST_TOKENS:
            completion = max(completion, total - prompt)  # of which nothing can be what was cached
        thoughts = self.reasoning_tokens or 0
        return completion + thoughts if thoughts > completion else completion


class Chunk(_Wire):
    """One event of the stream."""

    choices: tuple[Choice, ...] | None = None
    usage: Mild[Counted] = None
