"""How many of something a request may have, counted before any of it is looked at: of many that takes long."""

from __future__ import annotations

from collections.abc import Sized
from typing import TypeVar, cast

from pydantic import ValidationInfo
from pydantic_core import PydanticKnownError

from kernelci.protocol.parts import without_nulls

SizedT = TypeVar("SizedT", bound=Sized)

PAIRS = 16
"""Pairs that metadata may have."""

FILES = 20
"""Files that one tool resource may have."""

MESSAGES = 100_000
"""Messages that a thread may have, and so a request."""

FIRST_MESSAGES = 32
"""Messages that the hosted service took with a new thread, as its refusals said; they are in no description."""


def pairs(value: object) -> object:
    """The metadata without nulls, no more of them than it may have."""
    if not isinstance(value, dict):
        return value
    return _no_more_than(PAIRS, cast("dict[str, object]", without_nulls(cast("object", value))))


def messages(value: object) -> object:
    """The messages of a run, no more of them than a thread may have."""
    return _no_more_than(MESSAGES, cast("list[object]", value)) if isinstance(value, list) else value


def first_messages(value: object, info: ValidationInfo) -> object:
    """The messages of a new thread; where the context is `strict`, no more of them than the hosted service took."""
    most = FIRST_MESSAGES if info.context and info.context.get("strict") else MESSAGES
    return _no_more_than(most, cast("list[object]", value)) if isinstance(value, list) else value


def _no_more_than(most: int, items: SizedT) -> SizedT:
    if len(items) > most:
        raise PydanticKnownError("too_long", {"field_type": "It", "max_length": most, "actual_length": len(items)})
    return items
