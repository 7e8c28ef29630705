"""One shape of a reply: how an endpoint streams it, and what has to come of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from kernelci.engine.events import CodeDelta, Event, TextDelta
from kernelci.engine.ports.model import CODE_TOOL, ModelRequest, Reply
from kernelci.models.chat import ChatModel
from kernelci.models.endpoint import Endpoint
from tests.upstream import Answer, Body, Chunks, Upstream, call_chunk, finish_chunk, text_chunk

CODE = 'total = sum(range(4))\nprint(f"{total} is the sum")'
"""What the model wants run in every shape, unless it says otherwise: two lines, quotes and braces."""

ARGUMENTS = json.dumps({"code": CODE})
CALL = json.dumps({"name": "code_interpreter", "arguments": {"code": CODE}})
WEATHER = json.dumps({"name": "weather", "arguments": {"city": "Haifa"}})
FENCED = f"```python\n{CODE}\n```"

QUESTION = ModelRequest(
    "model",
    ({"role": "user", "content": "What is the sum?"},),
    tools=(
        {"type": "function", "function": {"name": CODE_TOOL, "description": "Runs Python."}},
        {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}},
    ),
)


@dataclass(frozen=True)
class Shape:
    """A reply by name. `codes` are run and `calls` made, in this order, and `text` is all that is said.

    `answers` are those of the endpoint, one a request; what is judged is the last of `replies` replies.
    """

    name: str
    answers: Sequence[Answer]
    codes: tuple[str, ...] = (CODE,)
    text: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    model: str = "model"
    replies: int = 1
    estimated: bool | None = None


@dataclass(frozen=True)
class Came:
    """What came of a shape: the reply, its events, and the requests that were made."""

    reply: Reply
    events: Sequence[Event]
    requests: Sequence[Body]


def shape(name: str, *events: Body | str, finish: str = "stop", **more: object) -> Shape:
    """A shape of one reply, by its events without the last."""
    return replace(Shape(name, [Chunks([*events, finish_chunk(finish)])]), **more)


def said(name: str, written: str, **more: object) -> Shape:
    """A shape of one reply of text alone, cut into pieces of three characters."""
    return shape(name, *(text_chunk(written[at : at + 3]) for at in range(0, len(written), 3)), **more)


def called(name: str, *pieces: Body, **more: object) -> Shape:
    """A shape of one reply of pieces of calls, each in an event of its own."""
    return shape(name, *map(call_chunk, pieces), finish="tool_calls", **more)


async def ask(shape: Shape, upstream: Upstream) -> Came:
    """Ask an endpoint that replies in this shape."""
    upstream.will(list(shape.answers))
    events: list[Event] = []

    async def emit(event: Event) -> None:
        events.append(event)

    endpoint = Endpoint(upstream.url)
    async with endpoint.connect() as client:
        model = ChatModel(endpoint, client)
        for _ in range(shape.replies):
            events.clear()
            reply = await model.reply(replace(QUESTION, model=shape.model), emit)
    return Came(reply, events, [request.body for request in upstream.requests])


def judge(shape: Shape, came: Came) -> None:
    """Raises AssertionError where what came is not what the shape is for."""
    reply = came.reply
    assert tuple(call.code for call in reply.calls if call.code is not None) == shape.codes
    assert tuple((call.name, call.arguments) for call in reply.calls if call.code is None) == shape.calls
    assert (reply.text + "".join(call.then for call in reply.calls)).strip() == shape.text
    assert "".join(event.text for event in came.events if isinstance(event, TextDelta)) == reply.text
    if reply.calls and reply.calls[0].code is not None:
        live = [event.text for event in came.events if isinstance(event, CodeDelta)]
        assert "".join(live) == reply.calls[0].code
    assert reply.usage.completion_tokens > 0
    assert reply.usage.estimated == (shape.estimated if shape.estimated is not None else reply.usage.estimated)
    assert reply.finish == "stop"
