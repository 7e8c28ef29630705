"""A request's body in the canonical form, whatever the form it came in (protocol.md 2.9, 9.1 and 9.2).

What is done here comes before validation, so a body may have any shape; one that is not an object stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, cast

from kernelci.api.dialects.choice import Dialect
from kernelci.api.validation import check, unknown_parameter, wrong_type, wrong_value
from kernelci.protocol import limits
from kernelci.protocol.parts import JsonObject, without_nulls
from kernelci.protocol.requests import AssistantFileIds, MessageFileIds
from kernelci.protocol.retrieval import rename_tools

Kind = Literal["assistant", "thread", "message", "run"]

_NOT_IN_V1: Mapping[Kind, frozenset[str]] = {
    "assistant": frozenset({"tool_resources", "temperature", "top_p", "response_format", "reasoning_effort"}),
    "thread": frozenset({"tool_resources"}),
    "message": frozenset({"attachments"}),
    "run": frozenset({"tool_resources", "top_p", "parallel_tool_calls", "reasoning_effort"}),
}
_V1_TOOLS = ("code_interpreter", "retrieval", "function")


def upgrade(dialect: Dialect, kind: Kind, body: object, path: str = "") -> object:
    """The body in the canonical form. `path` is the parameter that it is, where it is within another.

    Raises:
        InvalidRequest: its `file_ids` are none, or the server is strict and v1 had no such thing.
    """
    if not isinstance(body, dict) or (dialect.strict and dialect.version == "v2"):
        return cast("object", body)
    given = cast("JsonObject", without_nulls(cast("object", body)))
    if dialect.strict:
        _refuse_later(kind, given, path)
    else:
        _respell(given)
    rename_tools(given)
    match kind:
        case "assistant":
            _files_to_resources(given, path)
        case "message":
            _files_to_attachments(given, path)
        case "thread":
            _each_message(dialect, given, "messages", path)
        case "run":
            _each_message(dialect, given, "additional_messages", path)
            if "thread" in given:
                given["thread"] = upgrade(dialect, "thread", given["thread"], f"{path}thread.")
    return given


def _refuse_later(kind: Kind, given: JsonObject, path: str) -> None:
    """Refuse what came only after v1."""
    for name in given:
        if name in _NOT_IN_V1[kind]:
            raise unknown_parameter(path + name)
    if kind == "message" and isinstance(given.get("content"), list):
        raise wrong_type(f"{path}content", "a string", given["content"])
    if given.get("tool_choice") == "required":
        raise wrong_value(f"{path}tool_choice", "required", ("none", "auto"))
    for at, tool in enumerate(_listed(given.get("tools"))):
        if _type_of(tool) == "file_search":
            raise wrong_value(f"{path}tools[{at}].type", "file_search", _V1_TOOLS)


def _respell(given: JsonObject) -> None:
    """Azure's page names the resource of the code interpreter with a space."""
    resources = given.get("tool_resources")
    if isinstance(resources, dict) and "code interpreter" in resources:
        spelt = dict(cast("JsonObject", resources))
        given["tool_resources"] = {"code_interpreter": spelt.pop("code interpreter"), **spelt}


def _files_to_resources(given: JsonObject, path: str) -> None:
    """An assistant's `file_ids` are the code interpreter's."""
    if "file_ids" not in given:
        return
    file_ids = check(AssistantFileIds, {"file_ids": given.pop("file_ids")}, path=path).file_ids
    resources = given.get("tool_resources", {})
    if isinstance(resources, dict):
        code: object = cast("JsonObject", resources).get("code_interpreter") or {}
        named = _listed(cast("JsonObject", code).get("file_ids")) if isinstance(code, dict) else []
        union = list(dict.fromkeys((*named, *file_ids)))
        given["tool_resources"] = {**resources, "code_interpreter": {"file_ids": union}}


def _files_to_attachments(given: JsonObject, path: str) -> None:
    """A message's `file_ids` are attachments for the code interpreter."""
    if "file_ids" not in given:
        return
    file_ids = check(MessageFileIds, {"file_ids": given.pop("file_ids")}, path=path).file_ids
    attachments: object = given.get("attachments", [])
    if isinstance(attachments, list):
        tools = [{"type": "code_interpreter"}]
        added = [{"file_id": id, "tools": tools} for id in dict.fromkeys(file_ids)]
        given["attachments"] = [*cast("list[object]", attachments), *added]


def _each_message(dialect: Dialect, given: JsonObject, field: str, path: str) -> None:
    messages = _listed(given.get(field))
    if 0 < len(messages) <= limits.MESSAGES:  # more are refused as they are
        given[field] = [
            upgrade(dialect, "message", message, f"{path}{field}[{at}].") for at, message in enumerate(messages)
        ]


def _listed(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else []


def _type_of(tool: object) -> object:
    return cast("JsonObject", tool).get("type") if isinstance(tool, dict) else None
