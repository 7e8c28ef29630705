"""Replies from a Chat Completions endpoint: asks it, and says in plain words what goes wrong there.

How a reply is put together is in streamed.py; how the endpoint is reached is in endpoint.py.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import cast

import anyio
import httpx2
import openai
from openai import AsyncOpenAI, AsyncStream

from kernelci.engine.events import Emit
from kernelci.engine.ports.model import ModelRequest, Reply
from kernelci.errors import RunFailure
from kernelci.models.chunks import Chunk
from kernelci.models.conversation import pictures_in
from kernelci.models.described import Description, described
from kernelci.models.endpoint import Endpoint, TooLong, said_done, whole_of
from kernelci.models.failures import broken_off, failure, without_end
from kernelci.models.forced import forced, forced_again
from kernelci.models.formats import formatted, formatted_again
from kernelci.models.habits import Habits
from kernelci.models.most import with_room, with_room_again
from kernelci.models.parameters import body_of, spared_again
from kernelci.models.sight import ANY_NUMBER, pictured, pictured_again
from kernelci.models.streamed import StreamedReply
from kernelci.models.tokens import estimated
from kernelci.models.toolless import refuses_tools, without_tools
from kernelci.models.trial import Trial
from kernelci.protocol.parts import JsonObject

logger = logging.getLogger(__name__)


class ChatModel:
    """Asks one endpoint, through a client that its maker closes.

    A reply that the endpoint does not count is counted roughly: one token for each four characters. A parameter
    that a model refuses, and that we can do without, is left out of the same question and all later ones to it. A
    model that cannot call tools is told to write fenced Python instead, one that takes no pictures is sent none.
    """

    def __init__(self, endpoint: Endpoint, client: AsyncOpenAI, *, asks: bool = True) -> None:
        """`asks` is whether a server of this machine is asked what its models take before it is sent pictures."""
        self._endpoint = endpoint
        self._asks = asks
        self._client = client
        self._habits: dict[str, Habits] = {}

    async def reply(self, request: ModelRequest, emit: Emit) -> Reply:
        habits = self._habits.setdefault(request.model, Habits.of(request.model))
        if habits.pictures == 0:
            request = pictured(request, habits)  # what is not sent is not counted
        reply = StreamedReply(request, emit, habits)
        runs_shown, trial = False, None
        try:
            await self._read(reply, request, habits)
            if await reply.end_text():
                if habits.calls_tools is None and reply.finish == "stop":
                    trial = Trial.of(request, reply.usage, habits)
                if trial:
                    await self._try_tools(trial, habits)
                runs_shown = habits.calls_tools is False
        except (RunFailure, anyio.get_cancelled_exc_class()):
            if reply.begun:
                with anyio.CancelScope(shield=True):
                    await emit(reply.counted(trial and trial.usage))
            raise
        if reply.has_called:
            habits.calls_tools = True if habits.calls_tools is None else habits.calls_tools
        habits.thinks_from_the_start |= reply.thought_unopened
        if habits.context.tokens and not reply.usage.estimated:
            habits.context.counted(reply.usage.prompt_tokens, estimated(request, 0).prompt_tokens)
        return await reply.close(runs_shown=runs_shown, beside=trial and trial.usage)

    async def room(self, model: str) -> int | None:
        context = self._habits.setdefault(model, Habits.of(model)).context
        if anyio.current_time() >= context.ask_at:
            told = (await self._described(model)).context
            if context.told(told, anyio.current_time()):
                self._log_found(f"reads {told:,} tokens at once")
        return context.room

    async def _read(self, reply: StreamedReply, request: ModelRequest, habits: Habits) -> None:
        """Take a whole reply in, or as much of it as may be.

        Raises:
            RunFailure: there is none.
        """
        async with aclosing(self._chunks(request, habits)) as chunks:
            async for chunk in chunks:
                try:
                    if chunk is None:
                        reply.end()
                    else:
                        await reply.add(chunk)
                except TooLong as error:
                    self._log_failed(error)
                    raise without_end(self._endpoint) from None
                if reply.has_overrun:
                    return
        if reply.finish is None:
            unfinished = broken_off(self._endpoint, spoken=reply.has_spoken)
            self._log_failed(unfinished)
            raise unfinished

    async def _try_tools(self, trial: Trial, habits: Habits) -> None:
        """Find out whether a model can call tools, by a question that needs one.

        Asked where code stands at the end of a reply, and the model has called nothing yet: it may be shown to the
        user, or meant to be run, by a model that knows no better way.
        """
        try:
            await self._read(trial.reply, trial.request, habits)
            await trial.reply.end_text()
            told = await trial.reply.close()
        except RunFailure:
            return
        if trial.reply.has_called:
            habits.calls_tools = True
        elif told.finish == "stop":
            habits.calls_tools = False
            self._log_found("cannot call tools")

    async def _chunks(self, request: ModelRequest, habits: Habits) -> AsyncGenerator[Chunk | None]:
        """The reply as it comes, then None if the endpoint says that it is over.

        What is refused is asked in another way, where there is one. Some endpoints refuse in the first event of a
        stream, and some give the whole reply instead of one.
        """
        begun = said = False
        asked: ModelRequest | None = request
        try:
            asked = await self._pictured(request, habits)
            while asked:
                body = self._body(asked, habits)
                try:
                    async with await self._post(body) as stream:
                        begun = True
                        async for data in stream:
                            said = True
                            yield Chunk.model_validate(data)
                        whole = None if said else whole_of(stream.response)
                        if whole is not None:
                            yield _chunk_of(whole, stream.response.request)
                        if whole is not None or said_done(stream.response):
                            yield None
                    asked = None
                except openai.APIError as error:
                    asked = None if said else self._otherwise(error, request, asked, body, habits)
                    if asked is None:
                        raise
        except (openai.OpenAIError, ValueError, RecursionError, TooLong) as error:
            self._log_failed(error)
            # `from None`, since what the client raised may hold the key.
            raise failure(error, self._endpoint, begun=begun, said=said) from None

    def _body(self, asked: ModelRequest, habits: Habits) -> JsonObject:
        asked = formatted(with_room(asked, habits), habits)
        # In words the calls of the conversation, too, where no tool is offered now.
        return body_of(without_tools(asked) if habits.calls_tools is False else forced(asked, habits), habits)

    async def _post(self, body: JsonObject) -> AsyncStream[object]:
        return await self._client.post(
            "/chat/completions", cast_to=object, body=body, stream=True, stream_cls=AsyncStream[object]
        )

    def _otherwise(
        self, error: openai.APIError, request: ModelRequest, asked: ModelRequest, body: JsonObject, habits: Habits
    ) -> ModelRequest | None:
        """How to ask again what was refused; what that tells of the model is noted. None if there is no way."""
        if "tools" in body and refuses_tools(error):
            habits.calls_tools = False
            self._log_found("cannot call tools")
            return asked
        return (
            with_room_again(error, asked, habits)
            or pictured_again(error, request, asked, habits)
            or forced_again(error, asked, body, habits)
            or formatted_again(error, asked, body, habits)
            or spared_again(error, asked, body, habits)
        )

    async def _pictured(self, request: ModelRequest, habits: Habits) -> ModelRequest:
        """The question with the pictures that its model takes, as far as that is known, or can be asked for."""
        asked = pictured(request, habits)
        if habits.pictures is None and pictures_in(*asked.messages):
            told = await self._described(request.model)
            habits.pictures = 0 if told.takes_pictures is False else ANY_NUMBER
            if told.takes_pictures is False:
                self._log_found("takes no pictures")
            return pictured(request, habits)
        return asked

    async def _described(self, model: str) -> Description:
        return await described(self._endpoint, self._client, model) if self._asks else Description()

    def _log_failed(self, error: Exception) -> None:
        kind = type(error).__name__
        status = error.status_code if isinstance(error, openai.APIStatusError) else None
        words = f"{kind} ({status})" if status else kind
        told = {"action": "model_failed", "error": kind, "status": status}
        logger.warning("%s failed: %s", self._endpoint.host, words, extra=told)

    def _log_found(self, what: str) -> None:
        logger.info("the model at %s %s", self._endpoint.host, what, extra={"action": "model_found_out"})


def _chunk_of(whole: object, request: httpx2.Request) -> Chunk:
    """A whole reply as the one event of a stream.

    Raises:
        openai.APIError: it is an error that the endpoint gave as if it were a reply.
    """
    if isinstance(whole, dict) and (error := cast("JsonObject", whole).get("error")):
        raise openai.APIError("an error", request, body=error)
    return Chunk.model_validate(whole)
