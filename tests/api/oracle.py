"""The judge of whatever the API answers: the project's own schemas for both versions, and the official SDK's types.

The test client calls `judge` on every response by itself, so that no test can let a wrong one pass.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import httpx2
import openai
from jsonschema import Draft202012Validator
from openai.types import FileDeleted, FileObject, Model, Upload
from openai.types.beta import Assistant, AssistantDeleted, AssistantStreamEvent, Thread, ThreadDeleted
from openai.types.beta.threads import Message, MessageDeleted, Run
from openai.types.beta.threads.runs import RunStep
from openai.types.uploads import UploadPart
from pydantic import TypeAdapter

from kernelci.api.dialects.choice import Dialect, Version, choose
from kernelci.errors import InvalidRequest
from tests.api import schemas

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
    "file deleted": FileDeleted,
    "upload": Upload,
    "upload.part": UploadPart,
    "model": Model,
}
ENDS = {
    "completed": "completed_at",
    "incomplete": "completed_at",
    "failed": "failed_at",
    "cancelled": "cancelled_at",
}
SCHEMAS: Mapping[Version, Mapping[str, schemas.Schema]] = {"v1": schemas.V1, "v2": schemas.V2}


async def judge(response: httpx2.Response) -> None:
    """Judge a response by its request's dialect: an object, a list, a stream of events, an error."""
    await response.aread()
    kind = response.headers["content-type"]
    if kind.startswith("text/event-stream"):
        assert response.status_code == 200
        judged_stream(response.text, _dialect(response.request).version)
    elif response.status_code >= 400:
        assert kind == "application/json", kind
        judged_error(response)
    elif kind == "application/json" and response.content and response.url.path != "/healthz":
        judged(response.json(), _dialect(response.request).version)


def judged(data: Mapping[str, Any], version: Version = "v2") -> Mapping[str, Any]:
    """The data, which is exactly what an object of its kind is to be: every field, every type, no other field."""
    if data["object"] == "list":
        models = not data["data"] or data["data"][0]["object"] == "model"
        fits(data, schemas.MODELS if models and "has_more" not in data else schemas.LIST)
        ids = [judged(item, version)["id"] for item in data["data"]]
        if "has_more" in data:
            assert [data["first_id"], data["last_id"]] == ([ids[0], ids[-1]] if ids else [None, None])
        return data
    kind = "file deleted" if data.get("deleted") and data["object"] == "file" else data["object"]
    fits(data, SCHEMAS[version][kind])
    if kind == "thread.run":
        _timely(data)
    if version == "v2":
        _typed(TYPES[kind], data)
    return data


def judged_error(response: httpx2.Response) -> None:
    """Judge an error: the API's own envelope, or the one of Azure's gateway where a request gets no further."""
    by_gateway = response.url.path.startswith("/openai/") and response.status_code in {401, 404}
    fits(response.json(), schemas.ANY_ERROR if by_gateway else schemas.ERROR)


def judged_stream(text: str, version: Version = "v2") -> list[tuple[str, Any]]:
    """The events of a whole stream, each of which is as its name says; `[DONE]` is the last."""
    events = list(_events(text))
    assert events.pop() == ("done", "[DONE]")
    for name, data in events:
        if name in schemas.DELTAS:
            fits(data, schemas.DELTAS[name])
        elif name == "error":
            fits(data, schemas.ERROR_EVENT)
        else:
            kind, _, status = name.rpartition(".")
            assert judged(data, version)["object"] == kind
            assert status in {"created", data.get("status")}
        if version == "v2":
            _adapter(AssistantStreamEvent).validate_json(json.dumps({"event": name, "data": data}))
    return events


def fits(data: object, schema: schemas.Schema) -> None:
    """Judge by one schema."""
    errors = [f"{error.json_path}: {error.message}" for error in Draft202012Validator(schema).iter_errors(data)]
    assert not errors, "\n".join(errors)


_adapter = cache(TypeAdapter)


def _typed(kind: type[openai.BaseModel], data: Mapping[str, Any]) -> None:
    _adapter(kind).validate_json(json.dumps(data), strict=True)
    wanted = {field.alias or name for name, field in kind.model_fields.items()} - {"shutdown_date"}
    assert wanted <= data.keys(), f"{kind.__name__} lacks {wanted - data.keys()}"


def _timely(run: Mapping[str, Any]) -> None:
    """A run has the one time of its end, and says what is to be done or what went wrong."""
    status = run["status"]
    ended = {name for name in ENDS.values() if run[name] is not None}
    assert ended == ({ENDS[status]} if status in ENDS else set()), run
    assert (run["expires_at"] is None) == (status in {*ENDS, "expired"}), run
    assert (run["required_action"] is not None) == (status == "requires_action"), run
    assert (run["last_error"] is not None) == (status == "failed"), run


def _dialect(request: httpx2.Request) -> Dialect:
    asked = {"api_version": request.url.params.get("api-version"), "beta": request.headers.get("openai-beta")}
    try:
        return choose(request.url.path, **asked)
    except InvalidRequest:
        return Dialect()


def _events(text: str) -> Iterator[tuple[str, Any]]:
    for frame in text.removesuffix("\n\n").split("\n\n"):
        if frame.startswith(":"):
            continue
        fields = dict(line.split(": ", 1) for line in frame.split("\n"))
        data = fields["data"]
        yield fields["event"], data if data == "[DONE]" else json.loads(data)
