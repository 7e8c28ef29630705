"""Which form of the API a client speaks, and the way between that form and the canonical one, which is v2.

`upgrade` lets in what the vendors themselves published (protocol.md 9.1); `downgrade` gives v1 clients the
`file_ids` that they look for. The rest of v1 has its own place to come: here. Pure functions, no HTTP.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, cast

from kernelci.errors import NotFound
from kernelci.protocol.ids import Surface
from kernelci.protocol.parts import JsonObject

Version = Literal["v1", "v2"]
Kind = Literal["assistant", "thread", "message", "run"]

_API_VERSION = re.compile(r"(20\d\d-[01]\d-[0-3]\d)(-preview)?")
_FIRST_V1, _FIRST_V2 = "2024-02-15", "2024-05-01"


@dataclass(frozen=True, slots=True)
class Dialect:
    """A client's form of the API. `api_version` is what an Azure client asked for."""

    surface: Surface = "openai"
    version: Version = "v2"
    api_version: str | None = None


class UnknownApiVersion(NotFound):
    """Resource not found"""  # in the words of Azure's gateway


def surface_of(path: str) -> Surface:
    """The surface that a path belongs to."""
    return "azure" if path.startswith("/openai/") else "openai"


def choose(path: str, *, api_version: str | None, beta: str | None) -> Dialect:
    """The dialect of a request, by its path, its `api-version` parameter and its `OpenAI-Beta` header.

    Raises:
        UnknownApiVersion: a path of classic Azure without a version that had assistants.
    """
    named: Version = "v1" if beta and "assistants=v1" in beta.replace(" ", "").split(",") else "v2"
    if surface_of(path) == "openai":
        return Dialect("openai", named)
    if path.startswith("/openai/v1/"):
        return Dialect("azure", named, api_version)
    match = _API_VERSION.fullmatch(api_version or "")
    if match is None or match[1] < _FIRST_V1:
        raise UnknownApiVersion
    return Dialect("azure", "v1" if match[1] < _FIRST_V2 else "v2", api_version)


def upgrade(kind: Kind, body: object) -> object:
    """A request's body in the canonical form. Not validated yet: what has another shape stays as it is."""
    if not isinstance(body, dict):
        return body
    given = dict(cast("JsonObject", body))
    _respell(given)
    match kind:
        case "assistant":
            _files_to_resources(given)
        case "message":
            _files_to_attachments(given)
        case "thread":
            _each_message(given, "messages")
        case "run":
            _each_message(given, "additional_messages")
            if "thread" in given:
                given["thread"] = upgrade("thread", given["thread"])
    return given


def downgrade(dialect: Dialect, answer: JsonObject) -> JsonObject:
    """An object as the dialect's clients know it."""
    if dialect.version == "v2":
        return answer
    match answer.get("object"):
        case "assistant":
            resources: JsonObject = answer["tool_resources"].get("code_interpreter", {})
            return {**answer, "file_ids": resources.get("file_ids", [])}
        case "thread.message":
            return {**answer, "file_ids": [attachment["file_id"] for attachment in answer["attachments"]]}
        case _:
            return answer


def _respell(given: JsonObject) -> None:
    """Azure's page names the resource of the code interpreter with a space."""
    resources = given.get("tool_resources")
    if isinstance(resources, dict) and "code interpreter" in resources:
        spelt = dict(cast("JsonObject", resources))
        given["tool_resources"] = {"code_interpreter": spelt.pop("code interpreter"), **spelt}


def _files_to_resources(given: JsonObject) -> None:
    """An assistant's `file_ids` are the code interpreter's."""
    if isinstance(given.get("file_ids"), list) and given.get("tool_resources") is None:
        given["tool_resources"] = {"code_interpreter": {"file_ids": given.pop("file_ids")}}


def _files_to_attachments(given: JsonObject) -> None:
    """A message's `file_ids` are attachments for the code interpreter."""
    attachments: object = given.get("attachments") or []
    if isinstance(given.get("file_ids"), list) and isinstance(attachments, list):
        tools = [{"type": "code_interpreter"}]
        added = [{"file_id": id, "tools": tools} for id in cast("list[object]", given.pop("file_ids"))]
        given["attachments"] = [*cast("list[object]", attachments), *added]


def _each_message(given: JsonObject, field: str) -> None:
    messages = given.get(field)
    if isinstance(messages, list):
        given[field] = [upgrade("message", message) for message in cast("list[object]", messages)]
