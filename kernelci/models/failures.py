"""What went wrong at a model's endpoint, in plain words: its host is named, its key never is."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from typing import cast

import openai

from kernelci.errors import ModelBusy, ModelRefused, ModelUnavailable, PromptTooLong, RunFailure
from kernelci.models.endpoint import Endpoint, TooLong
from kernelci.protocol.parts import JsonObject

_LONGEST = 10_000  # characters of an error that are looked at

_OF_THE_MOMENT = {408, 409}
"""Statuses of a request that was too slow, or in the way of another, and has nothing wrong with it."""

LONGEST_REASON = 300
"""Characters of the endpoint's own message that are repeated."""


_TOO_LONG = re.compile(
    # What it does not fit into: OpenAI, OpenRouter, vLLM, SGLang, LM Studio, llama.cpp, Mistral, MiniMax, Kimi.
    r"context_length_exceeded|exceed_context_size|model_context_window_exceeded|exceeded model token limit"
    r"|(?:maximum|model\W{1,2}s|than the) context length|maximum model length|too long to fit"
    r"|context (?:the )?overflows|exceeds the (?:available )?context|exceeded max context"
    r"|exceeds? context (?:limit|window)|context window exceeds"
    # What is too long: Anthropic, Ollama, Bedrock, xAI, Gemini, SGLang, DashScope, Z.ai.
    r"|(?:prompt|input) (?:is )?too long|maximum prompt length is \d|prompt exceeds max length"
    r"|input token count.{0,20}exceeds|input length.{0,30}exceeds|range of input length"
    # It, or it and the reply together: TGI.
    r"|`?inputs`? (?:tokens \+|must have less than)",
    re.IGNORECASE,
)
"""In the words of many makers, of a question that is too long, but not of too long a reply that was asked for."""


def failure(error: Exception, endpoint: Endpoint, *, begun: bool, said: bool = False) -> RunFailure:
    """The run's failure for what the client raised, before or after the stream had `begun`, anything was `said`."""
    host = endpoint.host
    match error:
        case openai.APIStatusError():
            return _refusal(error, endpoint)
        case openai.APITimeoutError():
            return ModelUnavailable(f"{host} did not answer in time.")
        case openai.APIConnectionError() if reason := _of_tls(error):
            return ModelUnavailable(f"{host} cannot be reached safely (TLS): {reason}")
        case openai.APIConnectionError() if begun:
            return ModelUnavailable(f"{host} broke off in the middle of its reply.")
        case openai.APIConnectionError():
            return ModelUnavailable(f"{host} cannot be reached. Is the model running, and is --model-url right?")
        case openai.APIError(code="429" | "rate_limit_exceeded"):
            return ModelBusy(f"{host} takes no more requests for now: {_reason(error, endpoint)}")
        case openai.APIError() if not said and is_too_long(error):
            return _too_long(error, endpoint)
        case openai.APIError():
            return ModelUnavailable(f"{host} failed in the middle of its reply: {_reason(error, endpoint)}")
        case TooLong():
            return without_end(endpoint)
        case _:
            return ModelUnavailable(f"{host} sent something that is not a chat completion.")


def broken_off(endpoint: Endpoint, *, spoken: bool) -> ModelUnavailable:
    """The stream ended as streams do, but the reply in it did not, if any of one was `spoken`."""
    if spoken:
        return ModelUnavailable(
            f"{endpoint.host} broke off in the middle of its reply: the stream ended without a finish_reason."
        )
    return ModelUnavailable(
        f"{endpoint.host} sent no complete reply. Is --model-url the base of a Chat Completions endpoint?"
    )


def without_end(endpoint: Endpoint) -> ModelUnavailable:
    """The reply is longer than any that a run can use."""
    return ModelUnavailable(f"The model at {endpoint.host} wrote without end, and was stopped.")


def _refusal(error: openai.APIStatusError, endpoint: Endpoint) -> RunFailure:
    host, status = endpoint.host, error.status_code
    reason = _reason(error, endpoint)
    if status == 401:
        # Its reason is left out: it may show part of the key.
        return ModelRefused(f"{host} refused the key. Set --model-key or KERNELCI_MODEL_KEY.", code="server_error")
    if status == 402:
        return ModelRefused(f"{host} wants to be paid first (402): {reason}", code="rate_limit_exceeded")
    if status == 403:
        return ModelRefused(f"{host} does not allow this with the key it was given: {reason}", code="server_error")
    if status == 404:
        return ModelRefused(f"{host} has no such model, or --model-url is wrong: {reason}", code="server_error")
    if status == 429:
        return ModelBusy(f"{host} takes no more requests for now: {_with(reason, _wait_asked_for(error))}")
    if is_too_long(error):
        return _too_long(error, endpoint)
    if 400 <= status < 500 and status not in _OF_THE_MOMENT:
        return ModelRefused(f"{host} refused the request ({status}): {reason}")
    if 300 <= status < 400:
        return ModelUnavailable(f"{host} redirects elsewhere. Give --model-url the address it redirects to.")
    return ModelUnavailable(f"{host} is in trouble ({status}): {_with(reason, _wait_asked_for(error))}")


def _wait_asked_for(error: openai.APIStatusError) -> str:
    """How long the endpoint says to wait, where that was too long for the client, which heeds it up to a minute."""
    seconds = error.response.headers.get("retry-after", "")
    return f"It asks to be left alone for {int(seconds)} s." if seconds.isdecimal() and len(seconds) < 9 else ""


def _with(reason: str, asked: str) -> str:
    """The endpoint's words, and then ours as a sentence of its own."""
    if not asked:
        return reason
    return f"{reason}{'' if reason.endswith(('.', '!', '?')) else '.'} {asked}"


def _of_tls(error: Exception) -> str:
    """What is wrong with an endpoint's certificate or encryption, if that is why it cannot be reached."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return cause.strerror or cause.reason or "it cannot be told why."
        cause = cause.__cause__ or cause.__context__
    return ""


def _too_long(error: openai.APIError, endpoint: Endpoint) -> PromptTooLong:
    reason = _reason(error, endpoint)
    return PromptTooLong(f"The conversation is too long for the model at {endpoint.host}: {reason}")


def complaint(error: openai.APIError) -> str:
    """What the endpoint says is wrong, without the question, which some repeat in a list of what is."""
    said: object = error.body
    detail = cast("Mapping[str, object]", said).get("detail") if isinstance(said, Mapping) else None
    if isinstance(detail, list):
        wrong = [cast("JsonObject", each) for each in cast("list[object]", detail) if isinstance(each, dict)]
        return str([(each.get("type"), each.get("loc"), each.get("msg")) for each in wrong])[:_LONGEST]
    return str(cast("object", said))[:_LONGEST]


def status_of(error: openai.APIError) -> int:
    """An error's status; that of a bad request for one in a stream, 0 for one of the connection."""
    if isinstance(error, openai.APIConnectionError):
        return 0
    return error.status_code if isinstance(error, openai.APIStatusError) else 400


def is_too_long(error: openai.APIError) -> bool:
    """Whether the endpoint says that the prompt does not fit: by its code, or in the words of several makers."""
    return status_of(error) in {400, 413, 422, 500} and bool(_TOO_LONG.search(complaint(error)))


def _reason(error: openai.APIError, endpoint: Endpoint) -> str:
    """The endpoint's own message on one short line."""
    said = error.body
    if isinstance(said, Mapping):
        body = cast("Mapping[str, object]", said)
        said = body.get("message") or body.get("detail") or dict(body)
    text = endpoint.without_key(str(said or ""))[: 10 * LONGEST_REASON]
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    if not line or line.startswith("<"):
        return "it gave no reason."
    return line if len(line) <= LONGEST_REASON else f"{line[:LONGEST_REASON]}…"
