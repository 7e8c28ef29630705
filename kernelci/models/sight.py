"""Pictures in a question: put where endpoints take them, or left out for a model that takes none; and how to tell.

Chat Completions has pictures in users' messages only. So the figures of a reply's code follow its calls' results,
as if the user had sent them.
"""

from __future__ import annotations

import logging
import re
from dataclasses import replace

import openai

from kernelci.engine.ports.model import Figures, ModelRequest
from kernelci.models.conversation import pictures_in
from kernelci.models.failures import complaint, is_too_long, status_of
from kernelci.models.habits import Habits
from kernelci.protocol.parts import JsonObject

logger = logging.getLogger(__name__)

ANY_NUMBER = 1000

_OF_PICTURES = re.compile(
    r"\bimages?\b|image_url|\bvision\b|multi-?modal|mmproj|content part|content must be a string|valid string"
    r"|should be 'text'|unknown variant",
    re.IGNORECASE,
)
"""An error that has to do with pictures, or with a message that is more than text."""

_OF_THIS_ONE = re.compile(
    r"unsupported image|invalid.{0,3}image|(?:illegal|invalid|incorrect).{0,20}base64|media.type"
    r"|image.{0,20}(?:format|size|too|exceed|dimension|decod|process|download|fetch)"
    r"|(?:decode|process|load|fetch|download).{0,20}image",
    re.IGNORECASE,
)
"""An error of one picture, which says nothing of the next."""

_AT_MOST = re.compile(r"(?:at most|up to|maximum of) (\d{1,3})\b.{0,20}image", re.IGNORECASE)
_OF_ROLES = re.compile(r"'?user'? after role '?tool|roles? must alternate|expected (?:last )?role", re.IGNORECASE)


def pictured(request: ModelRequest, habits: Habits) -> ModelRequest:
    """The question with its figures among the messages, and only as many pictures as the model takes: the last."""
    messages = list(request.messages)
    if request.figures and habits.takes_figures and habits.pictures != 0:
        messages = _with_figures(messages, request.figures)
    if habits.pictures is not None:
        messages = _with_at_most(messages, habits.pictures)
    return replace(request, messages=tuple(messages), figures=None)


def pictured_again(
    error: openai.APIError, request: ModelRequest, asked: ModelRequest, habits: Habits
) -> ModelRequest | None:
    """How to ask again what was asked with pictures and refused because of them; None if that is not why.

    What the refusal tells of the model is noted in its habits, but not what it tells of one picture alone.
    """
    said = complaint(error)
    sent = pictures_in(*asked.messages)
    if not sent or status_of(error) not in {400, 404, 413, 415, 422, 500, 501} or is_too_long(error):
        return None
    if request.figures and habits.takes_figures and _OF_ROLES.search(said):
        habits.takes_figures = False
    elif not _OF_PICTURES.search(said):
        return None
    elif number := _AT_MOST.search(said):
        habits.pictures = min(int(number[1]), sent - 1)
    elif _OF_THIS_ONE.search(said):
        return pictured(request, replace(habits, pictures=0))
    else:
        habits.pictures = 0
    logger.info("%s takes fewer pictures, or none", request.model, extra={"action": "model_found_out"})
    return pictured(request, habits)


def _with_figures(messages: list[JsonObject], figures: Figures) -> list[JsonObject]:
    """The messages with the figures after all results of the reply that they belong to."""
    pictures = [picture for picture in figures.pictures if picture]
    at = next((at for at, each in enumerate(messages) if each.get("tool_call_id") == figures.call_id), None)
    if at is None or not pictures:
        return messages
    while at < len(messages) and messages[at]["role"] == "tool":
        at += 1
    told = "The figure" if len(pictures) == 1 else f"The {len(pictures)} figures, in order,"
    parts: list[JsonObject] = [{"type": "text", "text": f"[{told} that the code displayed:]"}]
    parts += [{"type": "image_url", "image_url": {"url": picture}} for picture in pictures]
    return [*messages[:at], {"role": "user", "content": parts}, *messages[at:]]


def _with_at_most(messages: list[JsonObject], most: int) -> list[JsonObject]:
    """The messages with their last few pictures; words stand for the others."""
    kept: list[JsonObject] = []
    for message in reversed(messages):
        if pictures_in(message):
            parts: list[JsonObject] = []
            for part in reversed(message["content"]):
                if part["type"] == "image_url" and most <= 0:
                    parts.append({"type": "text", "text": "[a picture that you cannot see]"})
                else:
                    most -= part["type"] == "image_url"
                    parts.append(part)
            kept.append({**message, "content": _plain(parts[::-1])})
        else:
            kept.append(message)
    return kept[::-1]


def _plain(parts: list[JsonObject]) -> str | list[JsonObject]:
    """The parts as text, where they are nothing else: some endpoints know no parts."""
    words = [str(part["text"]) for part in parts if part["type"] == "text"]
    return "\n".join(words) if len(words) == len(parts) else parts
