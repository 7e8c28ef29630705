"""The official SDK's own types as the judge of what is sent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import openai
from openai.types import FileDeleted, FileObject, Model
from openai.types.beta import Assistant, AssistantDeleted, Thread, ThreadDeleted
from openai.types.beta.threads import Message, MessageDeleted, Run
from openai.types.beta.threads.runs import RunStep
from pydantic import TypeAdapter

TYPES: Mapping[str, type[openai.BaseModel]] = {
    "assistant": Assistant,
    "assistant.deleted": AssistantDeleted,
    "thread": Thread,
    "thread.deleted": ThreadDeleted,
    "thread.message": Message,
    "thread.message.deleted": MessageDeleted,
    "thread.run": Run,
    "thread.run.step": RunStep,
    "file": FileObject,
    "model": Model,
}


def judged(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """The data, which is exactly what the SDK takes an object of its kind to be: every key, every type."""
    if data["object"] == "list":
        for item in data["data"]:
            judged(item)
        return data
    kind = FileDeleted if data.get("deleted") and data["object"] == "file" else TYPES[data["object"]]
    TypeAdapter(kind).validate_json(json.dumps(data), strict=True)
    wanted = {field.alias or name for name, field in kind.model_fields.items()} - {"shutdown_date"}
    assert wanted <= data.keys(), f"{kind.__name__} lacks {wanted - data.keys()}"
    return data
