"""The question for a model that cannot call tools: it is told to end its reply with fenced Python instead."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import cast

import openai

from kernelci.engine.ports.model import CODE_TOOL, ModelRequest
from kernelci.models.arguments import code_in
from kernelci.models.failures import complaint, status_of
from kernelci.protocol.parts import JsonObject

_REFUSALS = re.compile(
    r"(?:does|do) not support (?:tools?|function)|tools? (?:is|are|use is) not supported|unsupported param: tools"
    r"|tools param requires|requires --enable-auto-tool-choice|tool-call-parser|support tool use"
    r"|(?:tool|function)[ _-]call(?:ing|s)? (?:is|are) not (?:supported|available)"
    r"|not support (?:tool|function)[ _-]call",
    re.IGNORECASE,
)
"""In the words of Ollama, llama.cpp, vLLM, OpenRouter and their like."""

_HOW = """\
{about}
To run code, end your reply with one fenced block:

```python
print("for example")
```

The block is run as soon as your reply ends, and you are told what it printed; so write nothing after it and never \
guess its output. When no more code is needed, answer in words, without such a block."""

_FUNCTIONS = """\
You can call these functions. To do so, end your reply with the call in this form, and nothing after it:
<tool_call>{{"name": "function's name", "arguments": {{}}}}</tool_call>
{listing}"""

_MUST = "Do so in this reply."


def refuses_tools(error: openai.APIError) -> bool:
    """Whether the endpoint says that this model, or the way it is served, takes no tools."""
    return status_of(error) in {400, 404, 422, 500, 501} and bool(_REFUSALS.search(complaint(error)))


def without_tools(request: ModelRequest) -> ModelRequest:
    """The same question in words alone: tools in the instructions, calls and results in the messages."""
    told = "" if request.tool_choice == "none" else _instructions(request)
    system = {"role": "system", "content": told}
    messages = [*([system] if told else []), *map(_in_words, request.messages)]
    return replace(request, messages=tuple(_joined(messages)), tools=(), tool_choice=None, parallel_tool_calls=None)


def _instructions(request: ModelRequest) -> str:
    functions: list[JsonObject] = [tool["function"] for tool in request.tools]
    theirs = [function for function in functions if function["name"] != CODE_TOOL]
    parts = [
        _HOW.format(about=function.get("description", ""))
        for function in functions
        if function["name"] == CODE_TOOL
    ]
    if theirs:
        parts.append(_FUNCTIONS.format(listing="\n".join(json.dumps(each, ensure_ascii=False) for each in theirs)))
    if request.tool_choice not in (None, "auto"):
        parts.append(_MUST)
    return "\n\n".join(parts)


def _in_words(message: JsonObject) -> JsonObject:
    if message["role"] == "tool":
        return {"role": "user", "content": f"The result:\n{_fenced(str(message['content']).strip(), '')}"}
    if calls := cast("list[JsonObject]", message.get("tool_calls") or []):
        said = [str(message.get("content") or ""), *(_call_in_words(call["function"]) for call in calls)]
        return {"role": "assistant", "content": "\n".join(part for part in said if part)}
    return message


def _call_in_words(function: Mapping[str, str]) -> str:
    if function["name"] == CODE_TOOL:
        return _fenced(code_in(function["arguments"]), "python")
    return (
        f'<tool_call>{{"name": {json.dumps(function["name"])}, "arguments": {function["arguments"]}}}</tool_call>'
    )


def _fenced(text: str, info: str) -> str:
    longest = max((len(ticks) for ticks in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{info}\n{text}\n{fence}"


def _joined(messages: Iterable[JsonObject]) -> list[JsonObject]:
    """The messages with those of one role after another made one: many templates want roles to take turns."""
    joined: list[JsonObject] = []
    for message in messages:
        last = joined[-1] if joined else None
        if last and last["role"] == message["role"]:
            joined[-1] = {**last, "content": _both(last["content"], message["content"])}
        else:
            joined.append(message)
    return joined


def _both(one: str | list[JsonObject], other: str | list[JsonObject]) -> str | list[JsonObject]:
    """Two contents as one: text if both are, else parts."""
    if isinstance(one, str) and isinstance(other, str):
        return f"{one}\n\n{other}".strip()
    return [
        part
        for each in (one, other)
        for part in ([{"type": "text", "text": each}] if isinstance(each, str) else each)
    ]
