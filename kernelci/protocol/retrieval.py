"""What v1 called otherwise, in requests and in objects alike: the tool that searches in files (protocol.md 2.9)."""

from __future__ import annotations

from typing import cast

from kernelci.protocol.parts import JsonObject


def rename_tools(given: JsonObject) -> None:
    """What is `file_search` now was `retrieval`; a format that is `auto` could also be called `none`.

    This comes before validation, so what is given may have any shape; what is no such thing stays as it is.
    """
    tools = given.get("tools")
    if isinstance(tools, list):
        given["tools"] = [_renamed(tool) for tool in cast("list[object]", tools)]
    if "tool_choice" in given:
        given["tool_choice"] = _renamed(given["tool_choice"])
    if given.get("response_format") == "none":
        given["response_format"] = "auto"


def rename_call(call: object) -> object:
    """A run step's call of that tool, in its new words."""
    if _type_of(call) != "retrieval":
        return call
    given = cast("JsonObject", call)
    rest = {key: value for key, value in given.items() if key != "retrieval"}
    return {**rest, "type": "file_search", "file_search": given.get("retrieval", {})}


def _renamed(tool: object) -> object:
    return {"type": "file_search"} if _type_of(tool) == "retrieval" else tool


def _type_of(tool: object) -> object:
    return cast("JsonObject", tool).get("type") if isinstance(tool, dict) else None
