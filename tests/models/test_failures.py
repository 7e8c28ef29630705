"""What goes wrong at an endpoint becomes one sentence that a person understands, without the key."""

from __future__ import annotations

import logging
import socket
import time
from dataclasses import replace
from email.utils import formatdate

import anyio
import pytest
from pydantic import SecretStr

from kernelci.engine.events import Event, TextDelta
from kernelci.engine.ports.model import Reply
from kernelci.errors import ModelBusy, ModelRefused, ModelUnavailable, PromptTooLong, RunFailure
from kernelci.models import endpoint, streamed
from kernelci.models.chat import ChatModel
from kernelci.models.endpoint import Endpoint
from tests.models.requests import WITH_CODE
from tests.upstream import (
    Chunks,
    Drops,
    Fails,
    Hangs,
    NeverEnds,
    Says,
    call_chunk,
    finish_chunk,
    text_chunk,
    usage_chunk,
)

KEY = "sk-very-secret-0123456789"


async def ask(url: str, *, events: list[Event] | None = None, patience: float = 5.0, retries: int = 2) -> Reply:
    async def emit(event: Event) -> None:
        if events is not None:
            events.append(event)

    asked = Endpoint(url, key=SecretStr(KEY))
    async with asked.connect(patience=patience, retries=retries) as client:
        return await ChatModel(asked, client).reply(WITH_CODE, emit)


def error(message: str, **more: object) -> dict[str, object]:
    return {"error": {"message": message, "type": "x", "param": None, "code": None, **more}}


@pytest.mark.parametrize(
    ("answer", "kind", "sentence"),
    [
        pytest.param(
            Fails(401, error(f"Incorrect API key provided: {KEY}")),
            ModelRefused,
            "HOST refused the key. Set --model-key or KERNELCI_MODEL_KEY.",
            id="401",
        ),
        pytest.param(
            Fails(402, error("Insufficient Balance")),
            ModelRefused,
            "HOST wants to be paid first (402): Insufficient Balance",
            id="402",
        ),
        pytest.param(
            Fails(403, error(f"Key {KEY} may not use this model.")),
            ModelRefused,
            "HOST does not allow this with the key it was given: Key [key] may not use this model.",
            id="403",
        ),
        pytest.param(
            Fails(404, error("The model `x` does not exist")),
            ModelRefused,
            "HOST has no such model, or --model-url is wrong: The model `x` does not exist",
            id="404",
        ),
        pytest.param(
            Fails(400, error("This model's context\n\x1b[31mis 8192 tokens.")),
            ModelRefused,
            "HOST refused the request (400): This model's context [31mis 8192 tokens.",
            id="400, on one line and without control characters",
        ),
        pytest.param(
            Fails(422, {"detail": [{"loc": ["body", "messages"]}]}),
            ModelRefused,
            "HOST refused the request (422): [{'loc': ['body', 'messages']}]",
            id="422 in another shape",
        ),
        pytest.param(
            Fails(408, error("The request timed out.")),
            ModelUnavailable,
            "HOST is in trouble (408): The request timed out.",
            id="408",
        ),
        pytest.param(
            Fails(409, error("The model is being loaded.")),
            ModelUnavailable,
            "HOST is in trouble (409): The model is being loaded.",
            id="409",
        ),
        pytest.param(
            Fails(429, error("You exceeded your quota.")),
            ModelBusy,
            "HOST takes no more requests for now: You exceeded your quota.",
            id="429",
        ),
        pytest.param(
            Fails(502, "<html><h1>Bad gateway</h1></html>"),
            ModelUnavailable,
            "HOST is in trouble (502): it gave no reason.",
            id="a proxy's page",
        ),
        pytest.param(
            Fails(307, "", headers={"location": "http://127.0.0.1:1/v1/chat/completions"}),
            ModelUnavailable,
            "HOST redirects elsewhere. Give --model-url the address it redirects to.",
            id="a redirect, which would take the conversation elsewhere",
        ),
        pytest.param(
            Drops(),
            ModelUnavailable,
            "HOST broke off in the middle of its reply.",
            id="cut before the first event",
        ),
        pytest.param(
            Drops([text_chunk("Once"), call_chunk({"index": 0})]),
            ModelUnavailable,
            "HOST broke off in the middle of its reply.",
            id="cut in the middle",
        ),
        pytest.param(
            Chunks([text_chunk("Once")], done=False),
            ModelUnavailable,
            "HOST broke off in the middle of its reply: the stream ended without a finish_reason.",
            id="no finish",
        ),
        pytest.param(
            Chunks([call_chunk({"index": 0, "function": {"name": "weather"}})], done=False),
            ModelUnavailable,
            "HOST broke off in the middle of its reply: the stream ended without a finish_reason.",
            id="no finish of a call",
        ),
        pytest.param(
            Chunks([{"text": "Once"}], done=False),
            ModelUnavailable,
            "HOST sent no complete reply. Is --model-url the base of a Chat Completions endpoint?",
            id="nothing of a reply",
        ),
        pytest.param(
            Chunks([text_chunk("Once"), "<html>"]),
            ModelUnavailable,
            "HOST sent something that is not a chat completion.",
            id="no JSON",
        ),
        pytest.param(
            Chunks(['"text"']),
            ModelUnavailable,
            "HOST sent something that is not a chat completion.",
            id="JSON, but no object",
        ),
        pytest.param(
            Chunks(["null"]),
            ModelUnavailable,
            "HOST sent something that is not a chat completion.",
            id="null",
        ),
        pytest.param(
            Chunks([{"choices": "all"}]),
            ModelUnavailable,
            "HOST sent something that is not a chat completion.",
            id="an object of another make",
        ),
        pytest.param(
            Chunks(["[" * 100_000]),
            ModelUnavailable,
            "HOST sent something that is not a chat completion.",
            id="nested without end",
        ),
        pytest.param(
            Chunks([text_chunk("Once"), error("CUDA out of memory")]),
            ModelUnavailable,
            "HOST failed in the middle of its reply: CUDA out of memory",
            id="an error in the stream",
        ),
        pytest.param(
            Chunks([error("Slow down.", code=429)]),
            ModelBusy,
            "HOST takes no more requests for now: Slow down.",
            id="429 in the stream",
        ),
    ],
)
async def test_each_failure_has_its_sentence(upstream, caplog, answer, kind, sentence):
    caplog.set_level(logging.DEBUG)
    upstream.will([answer])
    with pytest.raises(kind) as failed:
        await ask(upstream.url)
    assert failed.value.message.replace(upstream.host, "HOST") == sentence
    assert failed.value.__cause__ is None
    assert KEY not in caplog.text
    (told,) = [vars(record) for record in caplog.records if vars(record).get("action") == "model_failed"]
    status = answer.status if isinstance(answer, Fails) else None
    assert (told["levelname"], told["status"]) == ("WARNING", status)
    assert told["message"] == f"{upstream.host} failed: {told['error']}" + (f" ({status})" if status else "")
    assert len(upstream.requests) == 1


OVERFLOW = (
    "Trying to keep the first 9000 tokens when context the overflows. However, the model is loaded with less."
)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Fails(400, {"error": OVERFLOW}), PromptTooLong),
        (Chunks([{"error": {"message": OVERFLOW}}]), PromptTooLong),
        (Chunks([text_chunk("So far"), {"error": {"message": OVERFLOW}}]), ModelUnavailable),
    ],
    ids=["at once", "in the stream", "after some words"],
)
async def test_a_prompt_that_is_too_long_is_told_in_whatever_way(upstream, answer, kind):
    upstream.will([answer])
    with pytest.raises(RunFailure) as failed:
        await ask(upstream.url)
    assert type(failed.value) is kind


TOO_LONG = {
    "OpenAI": "This model's maximum context length is 4097 tokens. However, your messages resulted in 7575 tokens.",
    "OpenAI, newer": "Your input exceeds the context window of this model. Please adjust your input and try again.",
    "Anthropic": "prompt is too long: 209000 tokens > 200000 maximum",
    "Anthropic, with the reply": "input length and `max_tokens` exceed context limit: 199759 + 8192 > 200000",
    "Bedrock": "The model returned the following errors: Input is too long for requested model.",
    "DashScope": "<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 202745]",
    "Gemini": "The input token count (314175) exceeds the maximum number of tokens allowed (131072).",
    "llama.cpp": "the request exceeds the available context size. try increasing the context size",
    "llama.cpp, newer": "request (131168 tokens) exceeds the available context size (131072 tokens)",
    "Kimi": "Your request exceeded model token limit: 262144 (requested: 300000)",
    "llama-cpp-python": "Requested tokens (516) exceed context window of 512",
    "LM Studio": "Trying to keep the first 9000 tokens when context the overflows.",
    "MiniMax": "invalid params, context window exceeds limit",
    "Mistral": "Prompt contains 300000 tokens, too large for model with 131072 maximum context length",
    "Ollama": "prompt too long; exceeded max context length by 15935 tokens",
    "Ollama, of this machine": "the input length exceeds the context length",
    "SGLang": "The input (61709 tokens) is longer than the model's context length (40960 tokens).",
    "SGLang, of memory": "Input length (160062 tokens) exceeds the maximum allowed length (59862 tokens).",
    "TGI": "Input validation error: `inputs` must have less than 1024 tokens. Given: 1872",
    "TGI, with the reply": "`inputs` tokens + `max_new_tokens` must be <= 2048. Given: 1244 `inputs` tokens",
    "vLLM": "You passed 5000 input tokens. However, the model's context length is only 4096 tokens.",
    "vLLM, behind a gateway": """400 '{"error": "The input is longer than the model's context length."}'""",
    "vLLM, older": "The prompt (total length 25938) is too long to fit into the model (context length 4096).",
    "xAI": "This model's maximum prompt length is 131072 but the request contains 136973 tokens.",
    "Z.ai": "Prompt exceeds max length",
}


@pytest.mark.parametrize("maker", TOO_LONG)
async def test_each_maker_has_its_words_for_a_prompt_that_is_too_long(upstream, maker):
    upstream.will([Fails(400, error(TOO_LONG[maker]))])
    with pytest.raises(PromptTooLong):
        await ask(upstream.url)


@pytest.mark.parametrize(
    "words",
    [
        "max_tokens is too large: 200000. This model supports at most 16384 completion tokens.",
        "The maximum tokens you requested exceeds the model limit of 4096.",
        "Range of max_tokens should be [1, 8192]",
        "Invalid 'messages[1].content': string too long. Expected a string with maximum length 1048576.",
        "The name of the function is too long: 64 characters at most.",
        "Image exceeds the maximum size of 5 MB.",
    ],
)
async def test_what_else_is_too_long_is_not_the_prompt(upstream, words):
    upstream.will([Fails(400, error(words))])
    with pytest.raises(ModelRefused) as failed:
        await ask(upstream.url)
    assert type(failed.value) is ModelRefused


async def test_an_empty_account_is_told_as_a_limit(upstream):
    upstream.will([Fails(402, error("Insufficient Balance"))])
    with pytest.raises(ModelRefused) as failed:
        await ask(upstream.url)
    assert failed.value.code == "rate_limit_exceeded"


async def test_a_long_reason_is_shortened(upstream):
    upstream.will([Fails(400, error("too long " * 1000))])
    with pytest.raises(ModelRefused) as failed:
        await ask(upstream.url)
    assert len(failed.value.message) < 400
    assert failed.value.message.endswith("…")


async def test_a_key_at_the_cut_of_a_long_reason_does_not_show(upstream):
    upstream.will([Fails(400, error("x" * 2990 + KEY))])
    with pytest.raises(ModelRefused) as failed:
        await ask(upstream.url)
    assert KEY[:4] not in failed.value.message


async def test_nobody_there():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: a connection is refused
        host = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ModelUnavailable) as failed:
            await ask(f"http://{host}/v1", retries=0)
    assert failed.value.message == f"{host} cannot be reached. Is the model running, and is --model-url right?"


async def test_no_answer_in_time(upstream):
    upstream.will([Hangs()])
    with pytest.raises(ModelUnavailable, match=r"^127\.0\.0\.1:\d+ did not answer in time\.$"):
        await ask(upstream.url, patience=0.05, retries=0)


async def test_a_failure_that_passes_is_tried_again(upstream):
    upstream.will([Fails(503, again=True), Fails(429, again=True), Says("Here.")])
    assert (await ask(upstream.url)).text == "Here."
    assert len(upstream.requests) == 3


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("after", ["1", "a date"])
async def test_it_is_tried_again_when_the_endpoint_says(upstream, status, after):
    when = formatdate(time.time() + 2.5, usegmt=True) if after == "a date" else after
    upstream.will([Fails(status, again=True, headers={"retry-after": when}), Says("Here.")])
    assert (await ask(upstream.url)).text == "Here."
    first, second = upstream.requests
    assert second.at - first.at >= 1, "the client's own pause would be half of that"


@pytest.mark.parametrize(
    ("status", "kind", "sentence"),
    [
        (429, ModelBusy, "HOST takes no more requests for now: Slow down. It asks to be left alone for 3600 s."),
        (503, ModelUnavailable, "HOST is in trouble (503): Slow down. It asks to be left alone for 3600 s."),
    ],
)
async def test_what_takes_too_long_to_wait_for_is_told(upstream, status, kind, sentence):
    for words in ("Slow down.", "Slow down"):
        upstream.will([Fails(status, error(words), headers={"retry-after": "3600"})])
        with pytest.raises(kind) as failed:
            await ask(upstream.url)
        assert failed.value.message.replace(upstream.host, "HOST") == sentence


async def test_an_endpoint_without_tls_that_is_asked_with_it(upstream):
    with pytest.raises(ModelUnavailable) as failed:
        await ask(f"https://{upstream.host}/v1", retries=0)
    told = failed.value.message.replace(upstream.host, "HOST")
    assert told.startswith("HOST cannot be reached safely (TLS): ")
    assert "version" in told.lower()


# Replies without end


async def test_a_reply_without_end_is_stopped(upstream, monkeypatch):
    monkeypatch.setattr(streamed, "LONGEST_REPLY", 1000)
    upstream.will([NeverEnds([text_chunk("again and again, ")])])
    events: list[Event] = []
    with pytest.raises(ModelUnavailable, match="wrote without end"):
        await ask(upstream.url, events=events)
    assert 900 < sum(len(event.text) for event in events if isinstance(event, TextDelta)) <= 1000
    assert await anyio.to_thread.run_sync(upstream.left.wait, 10)


async def test_a_reply_that_goes_far_beyond_its_tokens_is_cut_short_and_one_that_does_not_is_not(upstream):
    within, beyond = "x" * 500, "x" * 700
    for text, finish in ((within, "stop"), (beyond, "length")):
        upstream.will([Chunks([text_chunk(text), text_chunk(" and"), finish_chunk(), usage_chunk(9, 100)])])
        asked = Endpoint(upstream.url)
        async with asked.connect() as client:
            reply = await ChatModel(asked, client).reply(replace(WITH_CODE, max_tokens=100), _ignore)
        assert (reply.finish, reply.usage.estimated) == (finish, finish == "length")
        assert reply.text == (f"{text} and" if finish == "stop" else text)


async def _ignore(event: Event) -> None:
    del event


async def test_calls_without_end_are_stopped(upstream, monkeypatch):
    monkeypatch.setattr(streamed, "LONGEST_REPLY", 1000)
    upstream.will([NeverEnds([call_chunk({"index": 0, "function": {"name": "weather", "arguments": "x"}})])])
    with pytest.raises(ModelUnavailable, match="wrote without end"):
        await ask(upstream.url)


async def test_an_event_without_end_is_stopped(upstream, monkeypatch):
    monkeypatch.setattr(endpoint, "LONGEST_ANSWER", 100_000)
    upstream.will([Chunks(["x" * 200_000, finish_chunk()])])
    with pytest.raises(ModelUnavailable, match="wrote without end"):
        await ask(upstream.url)


async def test_an_error_without_end_is_stopped(upstream, monkeypatch):
    monkeypatch.setattr(endpoint, "LONGEST_ANSWER", 100_000)
    upstream.will([Fails(400, "x" * 200_000)])
    with pytest.raises(ModelUnavailable, match="wrote without end"):
        await ask(upstream.url)


async def test_being_cancelled_hangs_up(upstream):
    upstream.will([NeverEnds([text_chunk("tick ")], pause=0.001)])
    asked = Endpoint(upstream.url)
    async with asked.connect() as client:
        with anyio.CancelScope() as scope:

            async def emit(event: Event) -> None:
                scope.cancel()

            await ChatModel(asked, client).reply(WITH_CODE, emit)
        assert scope.cancelled_caught
        assert await anyio.to_thread.run_sync(upstream.left.wait, 10)


async def test_being_cancelled_while_waiting_hangs_up(upstream):
    upstream.will([Hangs()])
    asked = Endpoint(upstream.url)
    async with asked.connect() as client:
        with anyio.move_on_after(0.05) as scope:
            await ChatModel(asked, client).reply(WITH_CODE, pytest.fail)
        assert scope.cancelled_caught
        assert await anyio.to_thread.run_sync(upstream.left.wait, 10)


async def test_what_the_listener_raises_is_not_taken_for_the_endpoints(upstream):
    upstream.will([Says("Hi.")])

    async def emit(event: Event) -> None:
        raise ValueError("the listener's own")

    asked = Endpoint(upstream.url)
    async with asked.connect() as client:
        with pytest.raises(ValueError, match="the listener's own"):
            await ChatModel(asked, client).reply(WITH_CODE, emit)
