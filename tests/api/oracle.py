"""The judge of whatever the API answers: the published description of both versions, and the official SDK's types.

The test clients judge every response by themselves, so that no test can let a wrong one pass.
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

from kernelci.api.dialects.choice import AZURE, Dialect, Version, choose
from kernelci.api.routes import SURFACES
from kernelci.errors import InvalidRequest
from tests.description.differences import OUR_EVENTS, served
from tests.description.facts import Schema

TYPES: Mapping[str, type[openai.BaseModel]] = {
    "AssistantObject": Assistant,
    "DeleteAssistantResponse": AssistantDeleted,
    "ThreadObject": Thread,
    "DeleteThreadResponse": ThreadDeleted,
    "MessageObject": Message,
    "DeleteMessageResponse": MessageDeleted,
    "RunObject": Run,
    "RunStepObject": RunStep,
    "OpenAIFile": FileObject,
    "DeleteFileResponse": FileDeleted,
    "Upload": Upload,
    "UploadPart": UploadPart,
    "Model": Model,
}
"""The SDK's types by the description's shapes."""

ENDS: Mapping[str, Mapping[str, str]] = {
    "thread.run": {
        "completed": "completed_at",
        "incomplete": "completed_at",
        "failed": "failed_at",
        "cancelled": "cancelled_at",
    },
    "thread.run.step": {status: f"{status}_at" for status in ("completed", "failed", "cancelled", "expired")},
    "thread.message": {status: f"{status}_at" for status in ("completed", "incomplete")},
}
"""By kind of object, which time is that of each end."""

DONE = ("done", "[DONE]")
GATEWAYS_ERROR: Schema = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {"code": {"type": "string"}, "message": {"type": "string"}},
            "required": ["code", "message"],
            "additionalProperties": False,
        }
    },
    "required": ["error"],
    "additionalProperties": False,
}
"""Of Azure, where a request gets no further than its gateway: no description has it (protocol.md 1.3)."""


async def judge(response: httpx2.Response) -> None:
    """Judge a response, by its request's path and dialect."""
    await response.aread()
    judge_whole(response)


def judge_whole(response: httpx2.Response) -> None:
    """Judge a response that has been read: an object, a list, a stream of events, an error."""
    kind, request = response.headers.get("content-type", ""), response.request
    if kind.startswith("text/event-stream"):
        assert response.status_code == 200
        judged_stream(response.text, version_of(request))
    elif response.status_code >= 400:
        assert kind == "application/json", kind
        judge_error(response)
    elif kind == "application/json" and response.content and request.url.path != "/healthz":
        judge_answer(request.method, below_the_base(request.url.path), response.json(), version_of(request))


def judge_answer(method: str, path: str, data: Any, version: Version) -> None:
    """Judge what a method of a path gave: it is the shape that is described for it, to the letter."""
    # Deleting messages and uploads in parts came after v1, whose clients may use them all the same.
    for described in (version, "v2"):
        if operation := served(described).operation(method, path):
            return judge_shape(data, operation["gives"], described)
    raise AssertionError(f"the description has no {method} {path}")


def judge_shape(data: Any, schema: Schema, version: Version) -> None:
    """Judge by one schema of the description, by what it does not say of runs and lists, and by the SDK's types."""
    fits(data, schema, version)
    if data.get("object") == "list":
        items = served(version).resolved(schema)["properties"]["data"]["items"]
        for item in data["data"]:
            judge_shape(item, items, version)
        if "first_id" in data:
            ids = [item["id"] for item in data["data"]]
            assert [data["first_id"], data["last_id"]] == ([ids[0], ids[-1]] if ids else [None, None])
        return
    if data.get("object") in ENDS:
        _timely(data)
    if data.get("deleted") is not None:
        assert data["deleted"] is True
    kind = TYPES.get(schema.get("$ref", "").rpartition("/")[2])
    if version == "v2" and kind:
        _typed(kind, data)


def judge_error(response: httpx2.Response) -> None:
    """Judge an error: the API's own envelope, or the one of Azure's gateway where a request gets no further."""
    by_gateway = response.url.path.startswith(f"{AZURE}/") and response.status_code in {401, 404}
    if not (by_gateway and Draft202012Validator(GATEWAYS_ERROR).is_valid(response.json())):
        fits(response.json(), {"$ref": "#/$defs/ErrorResponse"}, "v2")


def judged_stream(text: str, version: Version = "v2") -> list[tuple[str, Any]]:
    """The events of a whole stream, each of which is as its name says; `[DONE]` is the last."""
    events = list(judged_events(text, version))
    assert events.pop() == DONE
    assert DONE not in events
    return events


def judged_events(text: str, version: Version) -> Iterator[tuple[str, Any]]:
    """The events of so much of a stream, each as its name says."""
    for event in _events(text):
        if event != DONE:
            judge_event(*event, version)
        yield event


def judge_event(name: str, data: Any, version: Version) -> None:
    """Judge one event of a stream."""
    judge_shape(data, served(version).events[name], version)
    status = name.rpartition(".")[2]
    if data.get("status") and status != "created":
        assert status == data["status"], name
    if version == "v2" and name not in OUR_EVENTS:
        _adapter(AssistantStreamEvent).validate_json(json.dumps({"event": name, "data": data}))


def fits(data: object, schema: Schema, version: Version) -> None:
    """Judge by a schema that refers to the shapes of that version."""
    found = _validator(json.dumps(schema), version).iter_errors(data)
    errors = [f"{error.json_path}: {error.message[:500]}" for error in found]
    assert not errors, "\n".join(errors)


def below_the_base(path: str) -> str:
    """The path without its surface's base."""
    base = max((base for base in SURFACES if path.startswith(f"{base}/")), key=len)
    return path.removeprefix(base)


def version_of(request: httpx2.Request) -> Version:
    """The version in which a request is to be answered."""
    asked = {"api_version": request.url.params.get("api-version"), "beta": request.headers.get("openai-beta")}
    try:
        return choose(request.url.path, **asked).version
    except InvalidRequest:
        return Dialect().version


_adapter = cache(TypeAdapter)


@cache
def _validator(schema: str, version: Version) -> Draft202012Validator:
    return Draft202012Validator({**json.loads(schema), "$defs": served(version).shapes})


def _typed(kind: type[openai.BaseModel], data: Mapping[str, Any]) -> None:
    _adapter(kind).validate_json(json.dumps(data), strict=True)
    wanted = {field.alias or name for name, field in kind.model_fields.items()}
    assert wanted <= data.keys(), f"{kind.__name__} lacks {wanted - data.keys()}"


def _timely(data: Mapping[str, Any]) -> None:
    """What has ended has the one time of its end; a run says what is to be done or what went wrong, too."""
    status, times = data["status"], ENDS[data["object"]]
    ended = {name for name in times.values() if data[name] is not None}
    assert ended == ({times[status]} if status in times else set()), data
    if data["object"] == "thread.run":
        timeless = {"in_progress"} if data["expires_at"] is None else set[str]()  # while it waits for a person
        assert (data["expires_at"] is None) == (status in {*times, "expired", *timeless}), data
        assert (data["required_action"] is not None) == (status == "requires_action"), data
        assert (data["last_error"] is not None) == (status == "failed"), data


def _events(text: str) -> Iterator[tuple[str, Any]]:
    for frame in filter(None, text.split("\n\n")):
        if frame.startswith(":"):
            continue
        fields = dict(line.split(": ", 1) for line in frame.split("\n"))
        data = fields["data"]
        yield fields["event"], data if data == "[DONE]" else json.loads(data)
