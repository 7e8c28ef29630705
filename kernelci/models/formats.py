"""JSON mode, where an endpoint takes no JSON but by a schema: then it is asked for by one that any object fits."""

from __future__ import annotations

import logging
import re
from dataclasses import replace

import openai

from kernelci.engine.ports.model import ModelRequest
from kernelci.models.failures import complaint, status_of
from kernelci.models.habits import Habits
from kernelci.protocol.parts import JsonObject

logger = logging.getLogger(__name__)

_BY_SCHEMA = re.compile(r"response_?format.*json_schema|json_schema.*response_?format", re.IGNORECASE | re.DOTALL)

_ANY_OBJECT: JsonObject = {"type": "json_schema", "json_schema": {"name": "answer", "schema": {"type": "object"}}}


def formatted(request: ModelRequest, habits: Habits) -> ModelRequest:
    """The question with its format as the model takes it."""
    by_schema = habits.json_by_schema and _is_json_mode(request.response_format)
    return replace(request, response_format=_ANY_OBJECT) if by_schema else request


def formatted_again(
    error: openai.APIError, asked: ModelRequest, body: JsonObject, habits: Habits
) -> ModelRequest | None:
    """How to ask again what was refused because of JSON mode, which is noted; None if that is not why."""
    if status_of(error) not in {400, 422} or not _BY_SCHEMA.search(complaint(error)):
        return None
    if not _is_json_mode(body.get("response_format")):
        return None
    habits.json_by_schema = True
    logger.info("%s takes JSON by a schema alone", asked.model, extra={"action": "model_found_out"})
    return asked


def _is_json_mode(asked: JsonObject | None) -> bool:
    return asked is not None and asked["type"] == "json_object"
