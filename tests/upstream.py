"""A scripted Chat Completions server over real HTTP, to stand where a model's endpoint would be.

    with Upstream([Says("Let me see."), Runs("1/0"), Says("It fails.")]) as upstream:
        ...                                             # point the server under test at upstream.url
    assert upstream.requests[0].body["model"] == "gpt-4o"

A list of replies is given one a request, in order; a request too many is answered with status 500. Where requests
come from several runs at once, give a function instead, which chooses the reply by the request's body:

    Upstream(lambda body: Says(f"{len(body['messages'])} messages"))

The answers: `Says` text, `Runs` code, `Calls` functions, several in one by `Says(...) + Runs(...)`, `Chunks` of
your own making, a `Whole` body instead of a stream, `Fails` with a status, `Hangs` without a word, `NeverEnds`,
`Drops` the connection. Replies are streamed in small pieces. The server has a free loopback port and a thread of
its own.
"""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import anyio
import uvicorn
from anyio.from_thread import start_blocking_portal
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Message, Send

Body = dict[str, Any]


# Replies


@dataclass(frozen=True)
class Reply:
    """A well-formed reply: text, then calls by name and arguments. Without `usage` it is not counted."""

    text: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    finish: str = "stop"
    usage: tuple[int, int] | None = (10, 5)

    def __add__(self, other: Reply) -> Reply:
        """This reply's text and calls, then the other's."""
        return Reply(self.text + other.text, self.calls + other.calls, other.finish, other.usage)


class Says(Reply):
    """Text, streamed word by word."""


class Calls(Reply):
    """A call of a function; arguments that are a string go as they are, others as JSON."""

    def __init__(self, name: str, arguments: object, *, finish: str = "tool_calls", **more: Any) -> None:
        text = arguments if isinstance(arguments, str) else json.dumps(arguments)
        super().__init__(calls=((name, text),), finish=finish, **more)


class Runs(Calls):
    """A call of the code interpreter."""

    def __init__(self, code: str, **more: Any) -> None:
        super().__init__("code_interpreter", {"code": code}, **more)


@dataclass(frozen=True)
class Chunks:
    """Events as given: dicts as JSON, strings as they are. `done` adds the closing [DONE]."""

    events: Sequence[Body | str]
    done: bool = True


@dataclass(frozen=True)
class Fails:
    """An error: its status, and its body as JSON or, where it is a string, as HTML.

    The client is told not to ask again, or with `again` to do so at once, unless the `headers` say when.
    """

    status: int
    body: object = field(default_factory=lambda: {"error": {"message": "for no reason"}})
    again: bool = False
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Hangs:
    """No answer at all, until the client leaves."""


@dataclass(frozen=True)
class NeverEnds:
    """These events once, then the last one again and again."""

    events: Sequence[Body | str]
    pause: float = 0.0


@dataclass(frozen=True)
class Drops:
    """These events, then the connection is cut."""

    events: Sequence[Body | str] = ()


@dataclass(frozen=True)
class Whole:
    """The whole reply at once, though a stream was asked for."""

    body: object


Answer = Reply | Chunks | Whole | Fails | Hangs | NeverEnds | Drops


def text_chunk(text: str) -> Body:
    """An event with a piece of text."""
    return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]}


def call_chunk(*pieces: Body) -> Body:
    """An event with pieces of calls, as in `{"index": 0, "function": {"arguments": "..."}}`."""
    return {"choices": [{"index": 0, "delta": {"tool_calls": list(pieces)}, "finish_reason": None}]}


def finish_chunk(reason: str = "stop") -> Body:
    """The event that ends a reply."""
    return {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}


def usage_chunk(prompt: int, completion: int) -> Body:
    """The event that counts a reply."""
    counted = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    return {"choices": [], "usage": counted}


# The server

_TOO_MANY = Fails(500, {"error": {"message": "The test has no more answers for the upstream to give."}})


@dataclass(frozen=True)
class Asked:
    """A request as it came, `at` a time of the monotonic clock; header names in small letters."""

    path: str
    headers: dict[str, str]
    body: Body
    at: float = 0.0


class Upstream:
    """The server, running inside a `with` block.

    `url` is its base URL, `host` and `port` parts of it. `requests` are those for completions, as they came. `left`
    is set once a client has hung up in the middle of an answer. `models` is what GET /v1/models lists: ids or whole
    entries; or that whole answer. `described` is what any other path answers, `looked` are those asked for.
    """

    def __init__(
        self,
        answers: Iterable[Answer] | Callable[[Body], Answer] = (),
        *,
        models: Sequence[str | Body] | Response = ("scripted",),
    ) -> None:
        self.requests: list[Asked] = []
        self.left = threading.Event()
        self.described: dict[str, Body] = {}
        self.looked: list[str] = []
        self.will(answers)
        self.models = models
        self._stack = ExitStack()

    def will(self, answers: Iterable[Answer] | Callable[[Body], Answer]) -> None:
        """Answer so from now on, and forget what was asked before."""
        script = iter(() if callable(answers) else list(answers))

        def in_order(_: Body) -> Answer:
            return next(script, _TOO_MANY)

        self._answer = answers if callable(answers) else in_order
        self.requests.clear()
        self.left.clear()

    def __enter__(self) -> Self:
        listener = self._stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen()  # from here on, who connects waits until the server is up
        self.port: int = listener.getsockname()[1]
        self.host = f"127.0.0.1:{self.port}"
        self.url = f"http://{self.host}/v1"
        routes = [
            Route("/v1/models", self._list_models),
            Route("/v1/chat/completions", self._complete, methods=["POST"]),
            Route("/{path:path}", self._describe, methods=["GET", "POST"]),
        ]
        server = uvicorn.Server(uvicorn.Config(Starlette(routes=routes), log_config=None, lifespan="off"))
        portal = self._stack.enter_context(start_blocking_portal())
        self._stopping = portal.call(anyio.Event)
        self._stack.callback(portal.start_task_soon(server.serve, [listener]).result)
        self._stack.callback(setattr, server, "should_exit", True)
        self._stack.callback(portal.call, self._stopping.set)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    async def _list_models(self, request: Request) -> Response:
        if isinstance(self.models, Response):
            return self.models
        listed = [{"id": model, "object": "model"} if isinstance(model, str) else model for model in self.models]
        return JSONResponse({"object": "list", "data": listed})

    async def _describe(self, request: Request) -> Response:
        self.looked.append(request.url.path)
        described = self.described.get(request.url.path)
        return JSONResponse(described or {"error": "no such path"}, 200 if described else 404)

    async def _complete(self, request: Request) -> Response:
        body = await request.json()
        self.requests.append(Asked(request.url.path, dict(request.headers), body, time.monotonic()))
        answer = self._answer(body)
        if isinstance(answer, Hangs):
            await self._until_left(request)
        if isinstance(answer, Fails):
            return _error(answer)
        if isinstance(answer, Whole):
            return Response(json.dumps(answer.body, indent=2), media_type="application/json")
        streamed = _Dropped if isinstance(answer, Drops) else StreamingResponse
        return streamed(self._framed(answer, body), media_type="text/event-stream")

    async def _until_left(self, request: Request) -> None:
        """Wait until the client hangs up, or this server is to stop."""

        async def stop() -> None:
            await self._stopping.wait()
            tasks.cancel_scope.cancel()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stop)
            while (await request.receive())["type"] != "http.disconnect":
                pass
            self.left.set()
            tasks.cancel_scope.cancel()

    async def _framed(self, answer: Answer, body: Body) -> AsyncIterator[str]:
        try:
            async for event in self._events(answer, body):
                yield f"data: {event if isinstance(event, str) else json.dumps(event)}\n\n"
        except anyio.get_cancelled_exc_class():
            self.left.set()
            raise

    async def _events(self, answer: Answer, body: Body) -> AsyncIterator[Body | str]:
        match answer:
            case Reply(usage=usage):
                for event in _chunks(answer):
                    yield event
                if usage and body.get("stream_options", {}).get("include_usage"):
                    yield usage_chunk(*usage)
                yield "[DONE]"
            case Chunks(events, done):
                for event in (*events, *["[DONE]"] * done):
                    yield event
            case Drops(events):
                for event in events:
                    yield event
            case NeverEnds(events, pause):
                for event in events:
                    yield event
                while not self._stopping.is_set():
                    yield events[-1]
                    await anyio.sleep(pause)  # the pace of a slow model, for tests of what happens meanwhile
            case _:
                return


class _Dropped(StreamingResponse):
    """A response without an end, at which uvicorn cuts the connection."""

    async def stream_response(self, send: Send) -> None:
        async def unless_last(message: Message) -> None:
            if message["type"] == "http.response.start" or message["more_body"]:
                await send(message)

        await super().stream_response(unless_last)


def _chunks(reply: Reply) -> Iterator[Body]:
    """A reply in small pieces, as the hosted service cuts it."""
    for word in re.findall(r"\S+\s*|\s+", reply.text):
        yield text_chunk(word)
    for index, (name, arguments) in enumerate(reply.calls):
        id = f"call_of_the_endpoint_{index}"
        yield call_chunk(
            {"index": index, "id": id, "type": "function", "function": {"name": name, "arguments": ""}}
        )
        for piece in re.findall(r"(?s).{1,8}", arguments):
            yield call_chunk({"index": index, "function": {"arguments": piece}})
    yield finish_chunk(reply.finish)


def _error(failing: Fails) -> Response:
    at_once = {} if "retry-after" in failing.headers else {"retry-after-ms": "1"}
    headers = at_once if failing.again else {"x-should-retry": "false"}
    headers |= failing.headers
    if isinstance(failing.body, str):
        return HTMLResponse(failing.body, failing.status, headers)
    return JSONResponse(failing.body, failing.status, headers)
