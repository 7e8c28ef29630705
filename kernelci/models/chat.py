"""Replies from a Chat Completions endpoint: asks it, and says in plain words what goes wrong there.

How a reply is put together is in streamed.py; how the endpoint is reached is in endpoint.py.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import fields

import openai
from openai import AsyncOpenAI, AsyncStream

from kernelci.engine.ports import Emit, ModelRequest, Reply
from kernelci.models.chunks import Chunk
from kernelci.models.endpoint import Endpoint, TooLong
from kernelci.models.failures import broken_off, failure, without_end
from kernelci.models.streamed import StreamedReply
from kernelci.protocol.parts import JsonObject

logger = logging.getLogger(__name__)

_INSTEAD: dict[str, str | None] = {
    "stream_options": None,
    "parallel_tool_calls": None,
    "max_tokens": "max_completion_tokens",
}
"""Parameters that some endpoints refuse, and what they take in their place."""


class ChatModel:
    """Asks one endpoint, through a client that its maker closes.

    A reply that the endpoint does not count is counted roughly: one token for each four characters. A parameter
    that the endpoint refuses, and that we can do without, is left out of the same question and all later ones.
    """

    def __init__(self, endpoint: Endpoint, client: AsyncOpenAI) -> None:
        self._endpoint = endpoint
        self._client = client
        self._refused: set[str] = set()

    async def reply(self, request: ModelRequest, emit: Emit) -> Reply:
        reply = StreamedReply(request, emit)
        async with aclosing(self._chunks(request)) as chunks:
            async for chunk in chunks:
                try:
                    await reply.add(chunk)
                except TooLong:
                    raise without_end(self._endpoint) from None
        if reply.finish is None:
            raise broken_off(self._endpoint)
        return await reply.close()

    async def _chunks(self, request: ModelRequest) -> AsyncGenerator[Chunk]:
        begun = False
        try:
            async with await self._ask(request) as stream:
                begun = True
                async for data in stream:
                    yield Chunk.model_validate(data)
        except (openai.OpenAIError, ValueError, RecursionError, TooLong) as error:
            host, kind = self._endpoint.host, type(error).__name__
            logger.warning("%s failed: %s", host, kind, extra={"action": "model_failed"})
            # `from None`, since what the client raised may hold the key.
            raise failure(error, self._endpoint, begun=begun) from None

    async def _ask(self, request: ModelRequest) -> AsyncStream[object]:
        while True:
            body = _body(request, self._refused)
            try:
                return await self._client.post(
                    "/chat/completions", cast_to=object, body=body, stream=True, stream_cls=AsyncStream[object]
                )
            except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
                refused = next((name for name in _INSTEAD if name in body and _is_refused(name, error)), None)
                if refused is None:
                    raise
                self._refused.add(refused)
                host = self._endpoint.host
                logger.info("%s does not take %s", host, refused, extra={"action": "parameter_left_out"})


def _body(request: ModelRequest, refused: set[str]) -> JsonObject:
    """The request as it travels: a field has the name of its parameter."""
    asked: JsonObject = {field.name: getattr(request, field.name) for field in fields(request)}
    asked |= {"stream": True, "stream_options": {"include_usage": True}}
    for name in refused:
        value = asked.pop(name)
        if instead := _INSTEAD[name]:
            asked[instead] = value
    return {name: value for name, value in asked.items() if value not in (None, ())}


def _is_refused(name: str, error: openai.APIStatusError) -> bool:
    said = str(error.body)
    return name in said and (_INSTEAD[name] or "") in said
