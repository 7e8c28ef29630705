"""The stream's frames, its end in every case, and the SDK's own accumulators fed with it."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Iterable
from typing import Any

import anyio
import httpx2
import pytest
from inline_snapshot import snapshot
from openai import APIError, AssistantEventHandler, OpenAI
from openai.types.beta.threads.runs import ToolCall, ToolCallDelta
from typing_extensions import override

from kernelci.api.dialects.choice import Dialect
from kernelci.api.sse import EventStream
from kernelci.engine.events import Recorded, RunMoved
from kernelci.protocol.objects import Thread
from tests.api.journal import journal
from tests.api.test_events import PLOT_AND_FILE, TALK

pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")


async def replayed(records: Iterable[Recorded]) -> AsyncIterator[Recorded]:
    for recorded in records:
        yield recorded


async def never() -> dict[str, str]:
    """A client that stays."""
    await anyio.sleep_forever()
    raise AssertionError


async def received(stream: EventStream, receive: Any = never) -> bytes:
    """All that the client of a stream gets."""
    body: list[bytes] = []

    async def send(message: Any) -> None:
        body.append(message.get("body", b""))

    await stream({"type": "http"}, receive, send)
    return b"".join(body)


def names(body: bytes) -> list[str]:
    return [line.removeprefix("event: ") for line in body.decode().splitlines() if line.startswith("event: ")]


async def test_a_stream_is_events_and_then_done() -> None:
    thread = Thread(id="thread_1", created_at=1)
    body = await received(EventStream(replayed(journal(*TALK)), Dialect(), thread=thread))
    frames = body.decode().split("\n\n")
    assert frames[0].startswith('event: thread.created\ndata: {"id":"thread_1",')
    assert frames[-2:] == ["event: done\ndata: [DONE]", ""]
    assert names(body)[:3] == ["thread.created", "thread.run.created", "thread.run.queued"]
    assert all(frame.count("\n") == 1 for frame in frames[:-1])


async def test_a_stream_that_breaks_says_so_and_tells_nothing_of_why(caplog: pytest.LogCaptureFixture) -> None:
    async def breaking() -> AsyncIterator[Recorded]:
        for recorded in journal(RunMoved("in_progress")):
            yield recorded
        raise OSError("/secret/path")

    with caplog.at_level(logging.CRITICAL):
        body = await received(EventStream(breaking(), Dialect()))
    assert names(body)[-2:] == ["error", "done"]
    data = json.loads(body.decode().split("\n\n")[-3].partition("data: ")[2])
    assert data == snapshot(
        {
            "error": {
                "message": "The server had an error while processing your request. Sorry about that!",
                "type": "server_error",
                "param": None,
                "code": None,
            },
            "message": "The server had an error while processing your request. Sorry about that!",
            "type": "server_error",
            "param": None,
            "code": None,
        }
    )
    assert b"secret" not in body


async def test_silence_is_filled_with_signs_of_life() -> None:
    heard = anyio.Event()

    async def silent() -> AsyncIterator[Recorded]:
        await heard.wait()
        for recorded in journal(*TALK):
            yield recorded

    body: list[bytes] = []

    async def send(message: Any) -> None:
        body.append(message.get("body", b""))
        if body.count(b": still here\n\n") == 2:
            heard.set()

    await EventStream(silent(), Dialect(), alive_every=0.001)({"type": "http"}, never, send)
    assert names(b"".join(body))[-1] == "done"


async def test_a_client_that_leaves_ends_the_stream_alone() -> None:
    left = anyio.Event()

    async def endless() -> AsyncIterator[Recorded]:
        yield journal()[0]
        left.set()
        await anyio.sleep_forever()

    async def leaving() -> dict[str, str]:
        await left.wait()
        return {"type": "http.disconnect"}

    assert names(await received(EventStream(endless(), Dialect()), leaving)) == [
        "thread.run.created",
        "thread.run.queued",
    ]


class Notes(AssistantEventHandler):
    """What a user of the SDK's handler is told."""

    def __init__(self) -> None:
        super().__init__()
        self.notes: list[str] = []

    @override
    def on_tool_call_created(self, tool_call: ToolCall) -> None:
        self.notes.append(f"{tool_call.type} created")

    @override
    def on_tool_call_delta(self, delta: ToolCallDelta, snapshot: ToolCall) -> None:
        assert delta.type == "code_interpreter"
        assert delta.code_interpreter
        for output in delta.code_interpreter.outputs or ():
            self.notes.append(f"output {output.type}")

    @override
    def on_text_created(self, text: Any) -> None:
        self.notes.append("text created")

    @override
    def on_text_done(self, text: Any) -> None:
        self.notes.append(f"text done: {text.value}")

    @override
    def on_image_file_done(self, image_file: Any) -> None:
        self.notes.append(f"image done: {image_file.file_id}")


async def test_the_sdk_adds_the_deltas_up_to_the_final_objects() -> None:
    records = journal(*PLOT_AND_FILE)
    body = await received(EventStream(replayed(records), Dialect()))
    handler = Notes()
    added_up: dict[str, Any] = {}
    with _sdk(body).beta.threads.runs.stream(
        thread_id="thread_1", assistant_id="asst_1", event_handler=handler
    ) as stream:
        for event in stream:
            if event.event in {"thread.message.delta", "thread.run.step.delta"}:
                for each in (stream.current_message_snapshot, stream.current_run_step_snapshot):
                    if each is not None:
                        added_up[each.id] = each.to_dict()
        run, messages, steps = stream.get_final_run(), stream.get_final_messages(), stream.get_final_run_steps()
    assert run.status == "completed"
    for message in messages:
        assert _without_index(added_up[message.id]["content"]) == message.to_dict()["content"]
    code = next(step for step in steps if step.type == "tool_calls")
    final = next(each.object for each in reversed(records) if each.object and each.object.id == code.id)
    assert _without_index(added_up[code.id]["step_details"]) == final.wire()["step_details"]
    assert handler.notes == snapshot(
        [
            "text created",
            "text done: Let me see.",
            "code_interpreter created",
            "output logs",
            "output logs",
            "output image",
            "text created",
            "image done: file-2",
            "text done: שלום: [out](sandbox:/mnt/data/out.csv) 🎉 sandbox:/mnt/data/b",
        ]
    )


async def test_the_sdk_raises_what_a_broken_stream_says() -> None:
    async def broken() -> AsyncIterator[Recorded]:
        yield journal()[0]
        raise OSError

    logging.disable(logging.CRITICAL)
    try:
        body = await received(EventStream(broken(), Dialect()))
    finally:
        logging.disable(logging.NOTSET)
    with (
        pytest.raises(APIError, match="The server had an error"),
        _sdk(body).beta.threads.runs.stream(thread_id="thread_1", assistant_id="asst_1") as stream,
    ):
        stream.until_done()


def _sdk(body: bytes) -> OpenAI:
    """The SDK, answered with this stream whatever it asks."""
    response = httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=body)
    transport = httpx2.MockTransport(lambda request: response)
    return OpenAI(base_url="http://127.0.0.1/v1", api_key="k", http_client=httpx2.Client(transport=transport))


def _without_index(value: Any) -> Any:
    """The value without the places that accumulated parts keep."""
    if isinstance(value, dict):
        return {key: _without_index(item) for key, item in value.items() if key != "index"}
    return [_without_index(item) for item in value] if isinstance(value, list) else value
