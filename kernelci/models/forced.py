"""A tool that has to be called, where an endpoint cannot be told so by its name, or not at all.

It is the only one that is offered then, and has to be called as any tool has; or it may be called.
"""

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

_OF_THE_CHOICE = re.compile(r"tool_?choice", re.IGNORECASE)


def forced(request: ModelRequest, habits: Habits) -> ModelRequest:
    """The question with its tool forced as far as the model takes that."""
    choice = request.tool_choice
    must = None if habits.forces == "nothing" else "required"
    if choice == "required":
        return replace(request, tool_choice=must)
    if habits.forces == "by name" or choice is None or isinstance(choice, str):
        return request
    name = choice["function"]["name"]
    tools = tuple(tool for tool in request.tools if tool["function"]["name"] == name)
    return replace(request, tools=tools, tool_choice=must)


def forced_again(
    error: openai.APIError, asked: ModelRequest, body: JsonObject, habits: Habits
) -> ModelRequest | None:
    """How to ask again what was refused because a tool was forced, which is noted; None if that is not why."""
    sent = body.get("tool_choice")
    if status_of(error) not in {400, 404, 422} or not _OF_THE_CHOICE.search(complaint(error)):
        return None
    if isinstance(sent, dict):
        habits.forces = "any" if habits.forces == "by name" else habits.forces
    elif sent == "required":
        habits.forces = "nothing"
    else:
        return None
    logger.info("%s can be made to call %s", asked.model, habits.forces, extra={"action": "model_found_out"})
    return asked
