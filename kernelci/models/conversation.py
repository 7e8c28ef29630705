"""What a request's messages say: for the models that answer from them, and for counting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from kernelci.protocol.parts import JsonObject


def text_of(message: JsonObject) -> str:
    """A message's text, its text parts each on a line of its own; pictures are left out."""
    content: str | Sequence[JsonObject] = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "\n".join(part["text"] for part in content if part["type"] == "text")


def pictures_in(*messages: JsonObject) -> int:
    """How many pictures are among them."""
    contents = (message.get("content") for message in messages)
    parts = (
        part for content in contents if isinstance(content, list) for part in cast("list[JsonObject]", content)
    )
    return sum(part["type"] == "image_url" for part in parts)


def since_last_user(messages: Sequence[JsonObject]) -> Sequence[JsonObject]:
    """The messages from the user's last one on; all of them where there is none.

    It tells which turn is next without any state: the replies and results after the question are counted.
    """
    asked = [at for at, message in enumerate(messages) if message["role"] == "user"]
    return messages[asked[-1] :] if asked else messages
