"""Where an answer of ours is not what the description says, and why: everywhere else it is that to the letter.

`served` is the description with these differences, in which no object has a field that is not named, every object
of its own has each field that is, and ids begin as those of their kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from kernelci.api.dialects.choice import Version
from tests.description.facts import Facts, Schema, facts

TEXT: Schema = {"type": "string"}
TEXT_OR_NULL: Schema = {"type": ["string", "null"]}
TIME_OR_NULL: Schema = {"type": ["integer", "null"]}
FLAG: Schema = {"type": "boolean"}
OBJECT: Schema = {"type": "object"}
METADATA: Schema = {"type": "object", "additionalProperties": TEXT, "maxProperties": 16}
RESOURCES: Schema = {
    "type": "object",
    "properties": {
        "code_interpreter": {"type": "object", "properties": {"file_ids": {"type": "array", "items": TEXT}}},
        "file_search": {"type": "object", "properties": {"vector_store_ids": {"type": "array", "items": TEXT}}},
    },
}
PURPOSES = (
    *("assistants", "assistants_output", "batch", "batch_output", "fine-tune", "fine-tune-results"),
    *("vision", "user_data", "evals"),
)
IDS: Mapping[str, str] = {
    "thread_id": "thread_",
    "message_id": "msg_",
    "run_id": "run_",
    "assistant_id": "asst_",
    "upload_id": "upload_",
    "AssistantObject": "asst_",
    "ThreadObject": "thread_",
    "MessageObject": "msg_",
    "MessageDeltaObject": "msg_",
    "RunObject": "run_",
    "RunStepObject": "step_",
    "RunStepDeltaObject": "step_",
    "OpenAIFile": "(file|assistant)-",
    "Upload": "upload_",
    "UploadPart": "part_",
}
"""How ids begin, by the field's name or, of the field `id`, by the shape's."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that is otherwise than described, or not described at all, in the shapes of these names."""

    shapes: tuple[str, ...]
    field: str
    schema: Schema
    why: str
    versions: tuple[Version, ...] = ("v1", "v2")


LISTS = ("ListAssistantsResponse", "ListMessagesResponse", "ListRunsResponse", "ListRunStepsResponse")
USAGES = ("RunCompletionUsage", "RunStepCompletionUsage")
FILE_LISTS_OF_V1 = ("ListAssistantFilesResponse", "ListMessageFilesResponse")

DIFFERENCES = (
    *(
        Difference(LISTS, field, TEXT_OR_NULL, "an empty list has no first and no last: both were null")
        for field in ("first_id", "last_id")
    ),
    *(
        Difference(FILE_LISTS_OF_V1, field, TEXT_OR_NULL, "as in every list", ("v1",))
        for field in ("first_id", "last_id")
    ),
    *(
        Difference(("ListFilesResponse",), field, TEXT_OR_NULL, "as in every list, so that files can be paged")
        for field in ("first_id", "last_id")
    ),
    Difference(("ListFilesResponse",), "has_more", FLAG, "SDKs of today go on for ever without it", ("v1",)),
    Difference(("OpenAIFile",), "status_details", TEXT_OR_NULL, "the hosted service sent the key, and null in it"),
    Difference(("OpenAIFile",), "expires_at", TIME_OR_NULL, "one set of keys for every file"),
    Difference(("OpenAIFile",), "purpose", {"enum": list(PURPOSES)}, "what can be uploaded comes back: evals, too"),
    Difference(("Model",), "shutdown_date", TEXT_OR_NULL, "it came after v1", ("v1",)),
    Difference(
        ("AssistantObject", "RunObject"),
        "reasoning_effort",
        {"$ref": "#/$defs/ReasoningEffort"},
        "described in requests alone; the SDK's type has it",
        ("v2",),
    ),
    Difference(("RunObject",), "tool_resources", RESOURCES, "the hosted service sent it", ("v2",)),
    Difference(("AssistantObject", "ThreadObject"), "tool_resources", OBJECT, "{} where none: never null", ("v2",)),
    Difference(
        ("AssistantObject", "ThreadObject", "MessageObject", "RunObject", "RunStepObject"),
        "metadata",
        METADATA,
        "{} where none: never null, and texts alone in v1, too",
    ),
    Difference(("RunStepObject",), "expires_at", TIME_OR_NULL, "the hosted service sent it"),
    Difference(USAGES, "estimated", {"const": True}, "ours, where the endpoint did not count"),
    Difference(USAGES, "cost", {"type": "number", "minimum": 0}, "ours, in US dollars, where the price is known"),
    Difference(("MessageObject",), "attachments", {"type": "array"}, "clients iterate it: never null", ("v2",)),
    Difference(
        ("Error",),
        "error",
        {"$ref": "#/$defs/Error"},
        "of the event: what the Python SDK raises by",
    ),
)


APPROVAL: Schema = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "pattern": "^call_"},
        "object": {"enum": ["thread.run.approval"]},
        "created_at": {"type": "integer"},
        "assistant_id": TEXT,
        "thread_id": TEXT,
        "run_id": TEXT,
        "step_id": {"type": "string", "pattern": "^step_"},
        "code": TEXT,
        "shown": TEXT,
        "warnings": {"type": "array", "items": TEXT},
        "decision": {"enum": [None, "approve", "edit", "reject"]},
        "reason": TEXT_OR_NULL,
    },
}
APPROVALS: Schema = {
    "type": "object",
    "properties": {
        "object": {"enum": ["list"]},
        "data": {"type": "array", "items": {"$ref": "#/$defs/Approval"}},
        "first_id": TEXT_OR_NULL,
        "last_id": TEXT_OR_NULL,
        "has_more": FLAG,
    },
}
OUR_SHAPES: Mapping[str, Schema] = {"Approval": APPROVAL, "Approvals": APPROVALS}
OUR_PATHS: Mapping[str, Mapping[str, Any]] = {
    "/threads/{thread_id}/runs/{run_id}/approvals": {"GET": {"gives": {"$ref": "#/$defs/Approvals"}}},
    "/threads/{thread_id}/runs/{run_id}/approvals/{call_id}": {"POST": {"gives": {"$ref": "#/$defs/Approval"}}},
}
OUR_EVENTS: Mapping[str, Schema] = {
    "thread.run.approval.requested": {"$ref": "#/$defs/Approval"},
    "thread.run.approval.answered": {"$ref": "#/$defs/Approval"},
}
"""What no description has: code that waits for a person. The events are told on `/threads/{id}/events` alone."""


@cache
def served(version: Version) -> Facts:
    """What an answer of ours must be."""
    published = facts(version)
    shapes: dict[str, Any] = deepcopy({**published.shapes, **OUR_SHAPES})
    for difference in DIFFERENCES:
        for name in difference.shapes if version in difference.versions else ():
            field = shapes[name]["properties"].get(difference.field, {})
            shapes[name]["properties"][difference.field] = {**field, **difference.schema}
    for name, shape in shapes.items():
        fields = shape.get("properties", {})
        if "object" in fields:
            shape["required"] = list(fields)
        if name in IDS:
            fields["id"] = {**fields["id"], "pattern": f"^{IDS[name]}"}
        _close(shape)
    paths, events = {**published.paths, **OUR_PATHS}, {**published.events, **OUR_EVENTS}
    return replace(published, paths=paths, events=events, shapes=shapes)


def _close(schema: Any) -> None:
    """Allow no field but those named, wherever any is; and ids only of their kind."""
    if isinstance(schema, list):
        for each in schema:
            _close(each)
    elif isinstance(schema, dict):
        if isinstance(fields := schema.get("properties"), dict):
            schema.setdefault("additionalProperties", False)
            for name in fields.keys() & IDS.keys():
                fields[name] = {**fields[name], "pattern": f"^{IDS[name]}"}
        for each in schema.values():
            _close(each)
