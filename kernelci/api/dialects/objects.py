"""Objects and events as the client's dialect has them (protocol.md 2.9).

v2 is the form in which they are kept. v1 lacks the fields that came later, has `file_ids` in their place, and knows
no run that is `incomplete`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kernelci.api.dialects.choice import Dialect
from kernelci.protocol.objects import Assistant, Message, Object, Run, RunStep, Thread
from kernelci.protocol.parts import JsonObject

_NOT_IN_V1: Mapping[type[Object], frozenset[str]] = {
    Assistant: frozenset({"tool_resources", "temperature", "top_p", "response_format", "reasoning_effort"}),
    Thread: frozenset({"tool_resources"}),
    Message: frozenset({"attachments"}),
    Run: frozenset({"tool_resources", "top_p", "parallel_tool_calls", "reasoning_effort"}),
}

_OUT_OF_TOKENS = "The run stopped before it was complete: {reason}."


def downgrade(dialect: Dialect, found: Object) -> JsonObject:
    """The object as the dialect's clients know it."""
    canonical = found.wire()
    if dialect.version == "v2":
        return canonical
    later = _NOT_IN_V1.get(type(found), frozenset())
    v1 = {name: value for name, value in canonical.items() if name not in later}
    match found:
        case Assistant():
            return {**v1, "tools": _tools(v1), "file_ids": list(found.tool_resources.file_ids)}
        case Message():
            return {
                **v1,
                "content": [downgrade_part(dialect, part) for part in v1["content"]],
                "file_ids": file_ids(found),
            }
        case Run():
            return _run(found, v1)
        case RunStep():
            return {**v1, "step_details": downgrade_details(dialect, v1["step_details"])}
        case _:
            return v1


def downgrade_name(dialect: Dialect, event: str) -> str:
    """The name of a stream's event as the dialect's clients know it."""
    return "thread.run.failed" if dialect.version == "v1" and event == "thread.run.incomplete" else event


def downgrade_details(dialect: Dialect, details: JsonObject) -> JsonObject:
    """A step's details, or a change of them, as the dialect's clients know them."""
    if dialect.version == "v2" or details["type"] != "tool_calls":
        return details
    return {**details, "tool_calls": [_call(call) for call in details["tool_calls"]]}


def downgrade_part(dialect: Dialect, part: JsonObject) -> JsonObject:
    """A part of a message. v1 knew text and pictures among the files; a picture elsewhere is its address."""
    if dialect.version == "v2":
        return part
    match part["type"]:
        case "text":
            text = part["text"]
            return {**part, "text": {**text, "annotations": [_annotation(each) for each in text["annotations"]]}}
        case "refusal":
            return _plain(part["refusal"])
        case "image_url":
            return _plain(part["image_url"]["url"])
        case "image_file":
            return {"type": "image_file", "image_file": {"file_id": part["image_file"]["file_id"]}}
        case _:
            return part


def file_ids(message: Message) -> list[str]:
    """The files of a message, each once: a user's, or those that an assistant's links give."""
    return _distinct(attachment.file_id for attachment in message.attachments)


def _run(run: Run, v1: JsonObject) -> JsonObject:
    shown = {
        **v1,
        "tools": _tools(v1),
        "file_ids": _distinct((*run.file_ids, *run.tool_resources.file_ids)),
        "tool_choice": _choice(v1["tool_choice"]),
        "response_format": _format(v1["response_format"]),
    }
    if run.status == "incomplete":
        reason = run.incomplete_details.reason if run.incomplete_details else "content_filter"
        shown["last_error"] = {"code": "server_error", "message": _OUT_OF_TOKENS.format(reason=reason)}
        shown.update(status="failed", failed_at=run.completed_at, completed_at=None)
    return shown


def _tools(v1: JsonObject) -> list[JsonObject]:
    return [_tool(tool) for tool in v1["tools"]]


def _tool(tool: JsonObject) -> JsonObject:
    match tool["type"]:
        case "file_search":
            return {"type": "retrieval"}
        case "function":
            function = {name: value for name, value in tool["function"].items() if name != "strict"}
            return {**tool, "function": function}
        case _:
            return tool


def _choice(choice: str | JsonObject) -> str | JsonObject:
    """v1 could force a tool, but not any."""
    if isinstance(choice, dict):
        return {"type": "retrieval"} if choice["type"] == "file_search" else choice
    return "auto" if choice == "required" else choice


def _format(answer: str | JsonObject) -> str | JsonObject:
    """v1 knew JSON, but no schema of it."""
    if isinstance(answer, dict) and answer["type"] == "json_schema":
        return {"type": "json_object"}
    return answer


def _plain(text: str) -> JsonObject:
    return {"type": "text", "text": {"value": text, "annotations": []}}


def _annotation(annotation: JsonObject) -> JsonObject:
    """A citation of v1 quotes."""
    if annotation["type"] != "file_citation":
        return annotation
    return {**annotation, "file_citation": {"quote": "", **annotation["file_citation"]}}


def _call(call: JsonObject) -> JsonObject:
    if call["type"] != "file_search":
        return call
    kept = {name: value for name, value in call.items() if name != "file_search"}
    return {**kept, "type": "retrieval", "retrieval": {}}


def _distinct(ids: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(ids))
