"""What every object of the API has: each field's name, type and values, in v2 and in v1, as JSON Schemas.

A field is there always unless it is `optional`; no other is. From these the oracle judges whatever is answered.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
COUNT: Schema = {"type": "integer", "minimum": 0}
NUMBER: Schema = {"type": "number"}
ANYTHING: Schema = {"type": "object"}
METADATA: Schema = {"type": "object", "additionalProperties": TEXT, "maxProperties": 16}


def maybe(schema: Schema) -> Schema:
    """Null, too."""
    return {"anyOf": [{"type": "null"}, schema]}


def one_of(*values: str) -> Schema:
    """One of these strings."""
    return {"enum": list(values)}


def either(*schemas: Schema) -> Schema:
    """Any of these."""
    return {"anyOf": list(schemas)}


def listed(schema: Schema) -> Schema:
    """An array of these."""
    return {"type": "array", "items": schema}


def id_of(prefix: str) -> Schema:
    """An id of that kind, or one of a test's own making."""
    return {"type": "string", "pattern": f"^{prefix}"}


def fields(optional: Mapping[str, Schema] | None = None, **required: Schema) -> Schema:
    """An object of exactly these fields."""
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
        "additionalProperties": False,
    }


def typed(kind: str, **details: Schema) -> Schema:
    """An object told by its type."""
    return fields(type=one_of(kind), **details)


# Parts

FILE_ID = fields(file_id=TEXT)
FUNCTION = {"name": TEXT, "parameters": ANYTHING}
DETAIL = {"detail": one_of("auto", "low", "high")}

V2_TOOL = either(
    typed("code_interpreter"),
    fields({"file_search": ANYTHING}, type=one_of("file_search")),
    typed("function", function=fields({"description": TEXT}, **FUNCTION, strict=FLAG)),
)
V1_TOOL = either(
    typed("code_interpreter"),
    typed("retrieval"),
    typed("function", function=fields({"description": TEXT}, **FUNCTION)),
)
RESOURCES = fields(
    {
        "code_interpreter": fields(file_ids=listed(TEXT)),
        "file_search": fields(vector_store_ids=listed(TEXT)),
    }
)
SCHEMA = fields({"description": TEXT, "schema": ANYTHING, "strict": FLAG}, name=TEXT)
V2_FORMAT = either(one_of("auto"), typed("text"), typed("json_object"), typed("json_schema", json_schema=SCHEMA))
V1_FORMAT = either(one_of("auto", "none"), typed("text"), typed("json_object"))
FORCED_FUNCTION = typed("function", function=fields(name=TEXT))
V2_CHOICE = either(
    one_of("none", "auto", "required"), typed("code_interpreter"), typed("file_search"), FORCED_FUNCTION
)
V1_CHOICE = either(one_of("none", "auto"), typed("code_interpreter"), typed("retrieval"), FORCED_FUNCTION)
EFFORT = one_of("none", "minimal", "low", "medium", "high", "xhigh", "max")
USAGE = fields(prompt_tokens=COUNT, completion_tokens=COUNT, total_tokens=COUNT)

PLACE = {"text": TEXT, "start_index": COUNT, "end_index": COUNT}
FILE_PATH = typed("file_path", **PLACE, file_path=FILE_ID)
V2_CITATION = typed("file_citation", **PLACE, file_citation=FILE_ID)
V1_CITATION = typed("file_citation", **PLACE, file_citation=fields(file_id=TEXT, quote=TEXT))
V2_PART = either(
    typed("text", text=fields(value=TEXT, annotations=listed(either(FILE_PATH, V2_CITATION)))),
    typed("refusal", refusal=TEXT),
    typed("image_file", image_file=fields(DETAIL, file_id=TEXT)),
    typed("image_url", image_url=fields(DETAIL, url=TEXT)),
)
V1_PART = either(
    typed("text", text=fields(value=TEXT, annotations=listed(either(FILE_PATH, V1_CITATION)))),
    typed("image_file", image_file=FILE_ID),
)
ATTACHMENT = fields({"tools": listed(either(typed("code_interpreter"), typed("file_search")))}, file_id=TEXT)

LOGS = typed("logs", logs=TEXT)
IMAGE = typed("image", image=FILE_ID)
CODE_RUN = fields(input=TEXT, outputs=listed(either(LOGS, IMAGE)))
FUNCTION_RESULT = fields(name=TEXT, arguments=TEXT, output=maybe(TEXT))
FOUND = fields({"content": listed(typed("text", text=TEXT))}, file_id=TEXT, file_name=TEXT, score=NUMBER)
SEARCH = fields({"ranking_options": fields(ranker=TEXT, score_threshold=NUMBER), "results": listed(FOUND)})


def details(search: str, result: Schema) -> Schema:
    """A step's details, where a search is called so."""
    calls = {"code_interpreter": CODE_RUN, "function": FUNCTION_RESULT, search: result}
    each = [fields(id=TEXT, type=one_of(kind), **{kind: schema}) for kind, schema in calls.items()]
    return either(
        typed("message_creation", message_creation=fields(message_id=id_of("msg_"))),
        typed("tool_calls", tool_calls=listed(either(*each))),
    )


REQUIRED_CALL = fields(id=TEXT, type=one_of("function"), function=fields(name=TEXT, arguments=TEXT))

# Objects


def object_of(kind: str, prefix: str, **required: Schema) -> Schema:
    """An object with an id, a time and metadata."""
    return fields(id=id_of(prefix), object=one_of(kind), created_at=COUNT, metadata=METADATA, **required)


def deleted(kind: str) -> Schema:
    """What a deletion answers."""
    return fields(id=TEXT, object=one_of(kind), deleted={"const": True})


PURPOSES = (
    *("assistants", "assistants_output", "batch", "batch_output", "fine-tune", "fine-tune-results"),
    *("vision", "user_data", "evals"),
)
_FILE = fields(
    id=id_of("(file|assistant)-"),
    object=one_of("file"),
    bytes=COUNT,
    created_at=COUNT,
    filename=TEXT,
    purpose=one_of(*PURPOSES),
    status=one_of("uploaded", "processed", "error"),
    status_details=maybe(TEXT),
    expires_at=maybe(COUNT),
)
_ASSISTANT = {
    "name": maybe(TEXT),
    "description": maybe(TEXT),
    "model": TEXT,
    "instructions": maybe(TEXT),
}
_MESSAGE = {
    "thread_id": id_of("thread_"),
    "status": one_of("in_progress", "incomplete", "completed"),
    "incomplete_details": maybe(
        fields(reason=one_of("content_filter", "max_tokens", "run_cancelled", "run_expired", "run_failed"))
    ),
    "completed_at": maybe(COUNT),
    "incomplete_at": maybe(COUNT),
    "role": one_of("user", "assistant"),
    "assistant_id": maybe(id_of("asst_")),
    "run_id": maybe(id_of("run_")),
}
_RUN_ENDS = ("cancelled_at", "failed_at", "completed_at")
_RUN = {
    "assistant_id": id_of("asst_"),
    "thread_id": id_of("thread_"),
    **{time: maybe(COUNT) for time in ("started_at", "expires_at", *_RUN_ENDS)},
    "required_action": maybe(
        typed("submit_tool_outputs", submit_tool_outputs=fields(tool_calls=listed(REQUIRED_CALL)))
    ),
    "last_error": maybe(fields(code=one_of("server_error", "rate_limit_exceeded", "invalid_prompt"), message=TEXT)),
    "model": TEXT,
    "instructions": TEXT,
    "temperature": maybe(NUMBER),
    "max_prompt_tokens": maybe(COUNT),
    "max_completion_tokens": maybe(COUNT),
    "truncation_strategy": fields(type=one_of("auto", "last_messages"), last_messages=maybe(COUNT)),
    "incomplete_details": maybe(
        fields(reason=one_of("max_completion_tokens", "max_prompt_tokens", "content_filter"))
    ),
    "usage": maybe(USAGE),
}
_STATUSES = (
    *("queued", "in_progress", "requires_action", "cancelling", "cancelled", "failed", "completed", "expired"),
)
_STEP = partial(
    object_of,
    "thread.run.step",
    "step_",
    run_id=id_of("run_"),
    assistant_id=id_of("asst_"),
    thread_id=id_of("thread_"),
    type=one_of("message_creation", "tool_calls"),
    status=one_of("in_progress", "cancelled", "failed", "completed", "expired"),
    **{time: maybe(COUNT) for time in ("cancelled_at", "completed_at", "expires_at", "expired_at", "failed_at")},
    last_error=maybe(fields(code=one_of("server_error", "rate_limit_exceeded"), message=TEXT)),
    usage=maybe(USAGE),
)
_SAME: dict[str, Schema] = {
    "file": _FILE,
    "file deleted": deleted("file"),
    "upload": fields(
        id=id_of("upload_"),
        object=one_of("upload"),
        bytes=COUNT,
        created_at=COUNT,
        expires_at=COUNT,
        filename=TEXT,
        purpose=one_of(*PURPOSES),
        status=one_of("pending", "completed", "cancelled", "expired"),
        file=maybe(_FILE),
    ),
    "upload.part": fields(
        id=id_of("part_"), object=one_of("upload.part"), created_at=COUNT, upload_id=id_of("upload_")
    ),
    "model": fields(id=TEXT, object=one_of("model"), created=COUNT, owned_by=TEXT),
    **{kind: deleted(kind) for kind in ("assistant.deleted", "thread.deleted", "thread.message.deleted")},
}

V2: dict[str, Schema] = {
    **_SAME,
    "thread.run.step": _STEP(step_details=details("file_search", SEARCH)),
    "assistant": object_of(
        "assistant",
        "asst_",
        **_ASSISTANT,
        tools=listed(V2_TOOL),
        tool_resources=RESOURCES,
        temperature=maybe(NUMBER),
        top_p=maybe(NUMBER),
        reasoning_effort=maybe(EFFORT),
        response_format=V2_FORMAT,
    ),
    "thread": object_of("thread", "thread_", tool_resources=RESOURCES),
    "thread.message": object_of(
        "thread.message", "msg_", **_MESSAGE, content=listed(V2_PART), attachments=listed(ATTACHMENT)
    ),
    "thread.run": object_of(
        "thread.run",
        "run_",
        **_RUN,
        status=one_of(*_STATUSES, "incomplete"),
        tools=listed(V2_TOOL),
        tool_resources=RESOURCES,
        top_p=maybe(NUMBER),
        reasoning_effort=maybe(EFFORT),
        response_format=V2_FORMAT,
        tool_choice=V2_CHOICE,
        parallel_tool_calls=FLAG,
    ),
}
V1: dict[str, Schema] = {
    **_SAME,
    "thread.run.step": _STEP(step_details=details("retrieval", fields())),
    "assistant": object_of("assistant", "asst_", **_ASSISTANT, tools=listed(V1_TOOL), file_ids=listed(TEXT)),
    "assistant.file": fields(
        id=TEXT, object=one_of("assistant.file"), created_at=COUNT, assistant_id=id_of("asst_")
    ),
    "assistant.file.deleted": deleted("assistant.file.deleted"),
    "thread": object_of("thread", "thread_"),
    "thread.message": object_of(
        "thread.message", "msg_", **_MESSAGE, content=listed(V1_PART), file_ids=listed(TEXT)
    ),
    "thread.message.file": fields(
        id=TEXT, object=one_of("thread.message.file"), created_at=COUNT, message_id=id_of("msg_")
    ),
    "thread.run": object_of(
        "thread.run",
        "run_",
        **_RUN,
        status=one_of(*_STATUSES),
        tools=listed(V1_TOOL),
        file_ids=listed(TEXT),
        response_format=V1_FORMAT,
        tool_choice=V1_CHOICE,
    ),
}

# Lists, errors

LIST = fields(
    object=one_of("list"), data=listed(ANYTHING), first_id=maybe(TEXT), last_id=maybe(TEXT), has_more=FLAG
)
MODELS = fields(object=one_of("list"), data=listed(ANYTHING))
ERROR = fields(error=fields(message=TEXT, type=TEXT, param=maybe(TEXT), code=maybe(TEXT)))
GATEWAY_ERROR = fields(error=fields(code=TEXT, message=TEXT))
ANY_ERROR = either(ERROR, GATEWAY_ERROR)

# Deltas

INDEX = {"index": COUNT}
_ANNOTATION = fields(**INDEX, type=one_of("file_path"), **PLACE, file_path=FILE_ID)
_CONTENT_DELTA = either(
    fields(
        **INDEX,
        type=one_of("text"),
        text=fields({"value": TEXT, "annotations": listed(_ANNOTATION)}),
    ),
    fields(**INDEX, type=one_of("image_file"), image_file=FILE_ID),
)
_OUTPUT_DELTA = either(
    fields(**INDEX, type=one_of("logs"), logs=TEXT), fields(**INDEX, type=one_of("image"), image=FILE_ID)
)
_CODE_DELTA = fields({"input": TEXT, "outputs": listed(_OUTPUT_DELTA)})
_FUNCTION_DELTA = fields({"name": TEXT, "arguments": TEXT, "output": maybe(TEXT)})
_CALL_DELTA = either(
    fields({"id": TEXT}, **INDEX, type=one_of("code_interpreter"), code_interpreter=_CODE_DELTA),
    fields({"id": TEXT}, **INDEX, type=one_of("function"), function=_FUNCTION_DELTA),
)
DELTAS: dict[str, Schema] = {
    "thread.message.delta": fields(
        id=id_of("msg_"),
        object=one_of("thread.message.delta"),
        delta=fields({"role": one_of("assistant")}, content=listed(_CONTENT_DELTA)),
    ),
    "thread.run.step.delta": fields(
        id=id_of("step_"),
        object=one_of("thread.run.step.delta"),
        delta=fields(step_details=typed("tool_calls", tool_calls=listed(_CALL_DELTA))),
    ),
}
ERROR_EVENT = fields(
    error=ERROR["properties"]["error"], message=TEXT, type=TEXT, param=maybe(TEXT), code=maybe(TEXT)
)
