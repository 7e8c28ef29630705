"""How many tokens a question has, roughly: before it is asked, and where its endpoint does not count it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import cast

from kernelci.engine.ports.model import Figures
from kernelci.protocol.parts import JsonObject

CHARACTERS_A_TOKEN = 4

PICTURE_TOKENS = 800
"""About what a model reads a picture as."""


def tokens_in(
    messages: Iterable[JsonObject], tools: Sequence[JsonObject] = (), figures: Figures | None = None
) -> int:
    """One token for each four characters, some for a picture; none for a figure that is not sent."""
    characters = len(json.dumps(list(tools))) if tools else 0
    pictures = sum(map(bool, figures.pictures)) if figures else 0
    for message in messages:
        called, content = message.get("tool_calls"), message.get("content") or ""
        characters += len(json.dumps(called)) if called else 0
        if isinstance(content, str):
            characters += len(content)
        else:
            parts = cast("list[JsonObject]", content)
            characters += sum(len(str(part.get("text", ""))) for part in parts)
            pictures += sum(part["type"] == "image_url" for part in parts)
    return tokens_for(characters) + pictures * PICTURE_TOKENS


def tokens_for(characters: int) -> int:
    """About as many tokens as so many characters are."""
    return -(-characters // CHARACTERS_A_TOKEN)
