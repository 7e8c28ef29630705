"""What a reply is read through ends with the reply, whichever way that ends, and not when garbage is collected."""

from __future__ import annotations

import gc
import inspect
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace

import httpx2
import pytest

from kernelci.engine.ports.model import CODE_TOOL
from kernelci.errors import ModelUnavailable, PromptTooLong, RunFailure
from kernelci.models.endpoint import Bounded
from tests.models.requests import WITH_CODE
from tests.upstream import Answer, Body, Chunks, Drops, Fails, NeverEnds, Says, Whole, finish_chunk, text_chunk

LIMITED = replace(WITH_CODE, max_tokens=100)


def open_connections() -> set[str]:
    """The client's generators that still read from a connection, by name."""
    parts = [each for each in gc.get_objects() if inspect.isasyncgen(each) and each.ag_frame is not None]
    return {each.__qualname__ for each in parts if "httpcore" in each.ag_code.co_filename}


@pytest.mark.parametrize(
    "answer",
    [
        Says("Because it is."),
        NeverEnds([text_chunk("again and again, ")]),
        NeverEnds([text_chunk("x" * 100_000)], pause=0.001),  # of which much is under way when it is cut off
        Drops([text_chunk("Because ")]),
        Whole({"choices": [{"message": {"content": "Because it is."}}]}),
        Fails(500),
    ],
    ids=["said", "cut off", "cut off in the middle", "dropped", "whole", "failed"],
)
async def test_nothing_reads_on_when_a_reply_is_over(asked, answer: Answer):
    gc.disable()  # or what is left behind might have been collected already
    try:
        with suppress(RunFailure):
            await asked(answer, LIMITED)
        assert open_connections() == set()
    finally:
        gc.enable()


# How an endpoint says that a reply is over

SAID = {"role": "assistant", "content": "Because it is."}


@pytest.mark.parametrize("last", [[], [finish_chunk("")]], ids=["null throughout", "empty"])
async def test_a_reply_is_over_when_that_is_said_though_not_why(asked, last: list[Body]):
    _, reply = await asked(Chunks([text_chunk("Because "), text_chunk("it is."), *last]))
    assert (reply.text, reply.finish) == ("Because it is.", "stop")


async def test_why_a_reply_ended_is_not_forgotten_when_it_is_over(asked):
    _, reply = await asked(Chunks([text_chunk("Because "), finish_chunk("length")]))
    assert reply.finish == "length"


@pytest.mark.parametrize(
    "answer",
    [
        Chunks([]),
        Chunks([{"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}]),
        Chunks([text_chunk("The last event is\ndata: [DONE]\n")], done=False),
        Whole({"object": "list", "data": []}),
    ],
    ids=["nothing", "nobody's words", "in the text", "something else"],
)
async def test_without_words_or_an_end_it_is_no_reply(asked, answer: Answer):
    with pytest.raises(ModelUnavailable):
        await asked(answer)


class Pieces(httpx2.AsyncByteStream):
    """A body in pieces of a size."""

    def __init__(self, body: bytes, size: int) -> None:
        self._pieces = [body[at : at + size] for at in range(0, len(body), size)]

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("end", [b"data: [DONE]\n\n", b"data:[DONE]\r\n\r\n: so long\r\n\r\n", b'data: "[DONE]"\n'])
async def test_the_end_is_seen_however_the_answer_is_cut(end: bytes, size: int):
    answer = Bounded(Pieces(b'data: {"choices": []}\r\n\r\n' + end, size))
    async for _ in answer:
        pass
    assert (answer.done, answer.whole) == (b'"' not in end, b"")


async def test_a_whole_reply_in_place_of_a_stream_is_taken(asked):
    call = {"id": "a", "type": "function", "function": {"name": CODE_TOOL, "arguments": '{"code": "6 * 7"}'}}
    choice = {"index": 0, "message": {**SAID, "tool_calls": [call]}, "finish_reason": "tool_calls"}
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    _, reply = await asked(Whole({"object": "chat.completion", "choices": [choice], "usage": usage}))
    assert (reply.text, [call.code for call in reply.calls]) == ("Because it is.", ["6 * 7"])
    assert (reply.usage.total_tokens, reply.usage.estimated) == (15, False)


async def test_a_whole_reply_needs_no_word_of_why_it_ended(asked):
    _, reply = await asked(Whole({"choices": [{"message": SAID}]}))
    assert (reply.text, reply.finish) == ("Because it is.", "stop")


async def test_an_error_in_place_of_a_stream_is_told_as_that(asked):
    with pytest.raises(PromptTooLong):
        await asked(Whole({"error": {"message": "prompt is too long: 9 tokens > 8 maximum"}}))
