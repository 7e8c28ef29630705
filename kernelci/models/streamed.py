"""A reply in the making: from an endpoint's chunks to events and a whole reply.

Takes what endpoints of many makes stream: calls in pieces or whole, with or without numbers and ids.
"""

from __future__ import annotations

import json
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict

from kernelci.engine.events import Call, CallDelta, CodeDelta, TextDelta, TextDone, UsageCounted
from kernelci.engine.ports import CODE_TOOL, Emit, ModelRequest, Reply
from kernelci.models.partial import Characters, PartialCode, code_in
from kernelci.models.tokens import estimated
from kernelci.protocol import ids
from kernelci.protocol.objects import Usage

Finish = Literal["stop", "length", "content_filter"]

_FINISHES: dict[str, Finish] = {"length": "length", "content_filter": "content_filter"}

# What is read of a chunk; endpoints put null or nothing where they have nothing to say


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


def _as_text(arguments: object) -> object:
    return json.dumps(arguments) if isinstance(arguments, dict) else arguments


class FunctionPiece(_Wire):
    """Part of a call's name and arguments; some endpoints send the arguments as an object."""

    name: str | None = None
    arguments: Annotated[str | None, BeforeValidator(_as_text)] = None


class CallPiece(_Wire):
    """Part of a call."""

    index: int | None = None
    id: str | None = None
    function: FunctionPiece = FunctionPiece()


class Delta(_Wire):
    """Part of a reply."""

    content: str | None = None
    refusal: str | None = None
    tool_calls: tuple[CallPiece, ...] | None = None


class Choice(_Wire):
    """Part of one of the replies; only the first reply, number 0, is ever asked for."""

    index: int = 0
    delta: Delta | None = None
    finish_reason: str | None = None


class Counted(_Wire):
    """The endpoint's own count."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class Chunk(_Wire):
    """One event of the stream."""

    choices: tuple[Choice, ...] | None = None
    usage: Counted | None = None


# What becomes of them


class _Called:
    """A call in the making, under our id. `index` and `theirs` are the endpoint's number and id for it."""

    def __init__(self, piece: CallPiece) -> None:
        self.index = piece.index
        self.theirs = piece.id
        self.id = ids.new_call()
        self.name = ""
        self.shown = 0
        self._pieces: list[str] = []
        self._characters = Characters()

    def add(self, piece: FunctionPiece) -> None:
        self.name = self.name or piece.name or ""
        self._pieces.append(self._characters.feed(piece.arguments or ""))

    def unshown(self) -> str:
        """The arguments that have come since they were last asked for."""
        text = "".join(self._pieces[self.shown :])
        self.shown = len(self._pieces)
        return text

    def made(self, *, may_be_code: bool) -> Call:
        arguments = "".join(self._pieces) + self._characters.close()
        code = code_in(arguments) if may_be_code and self.name == CODE_TOOL else None
        return Call(self.id, self.name, arguments, code)


class StreamedReply:
    """Takes the chunks of one reply and emits what `Model.reply` promises to emit.

    White space that a text begins with waits for the first letter, so that a call after a mere line break opens no
    message. Text after a call is dropped, as the message before it has closed. `size` counts the characters so far.
    """

    def __init__(self, request: ModelRequest, emit: Emit) -> None:
        self.finish: Finish | None = None
        self.size = 0
        self._request = request
        self._emit = emit
        self._text: list[str] = []
        self._held = ""
        self._characters = Characters()
        self._calls: list[_Called] = []
        self._decoder = PartialCode()
        self._code: list[str] = []
        self._usage: Usage | None = None

    async def add(self, chunk: Chunk) -> None:
        """Take a chunk in. `finish` is set once the endpoint has said that the reply is over."""
        if chunk.usage:
            self._usage = _counted(chunk.usage) or self._usage
        for choice in chunk.choices or ():
            if choice.index != 0:
                continue
            if choice.delta:
                await self._take(choice.delta)
            if choice.finish_reason:
                self.finish = _FINISHES.get(choice.finish_reason, "stop")

    async def close(self) -> Reply:
        """End the reply: emit what still waits, then the count, then the text's end where no call came after it."""
        if not self._calls:
            await self._say(self._characters.close())
        calls = tuple(call.made(may_be_code=self._request.offers_code) for call in self._calls)
        if calls and calls[0].code is not None:
            shown = "".join(self._code)
            await self._show_code(calls[0].code.removeprefix(shown) if calls[0].code.startswith(shown) else "")
        text = "".join(self._text)
        usage = self._usage or estimated(self._request, text + "".join(call.arguments for call in calls))
        await self._emit(UsageCounted(usage))
        if text and not calls:
            await self._emit(TextDone())
        return Reply(text=text, calls=calls, finish=self.finish or "stop", usage=usage)

    async def _take(self, delta: Delta) -> None:
        words = delta.content or delta.refusal or ""
        self.size += len(words)
        if not self._calls:
            await self._say(self._characters.feed(words))
        for piece in delta.tool_calls or ():
            self.size += len(piece.function.name or "") + len(piece.function.arguments or "")
            call = self._call_of(piece)
            call.add(piece.function)
            await self._show(call)

    async def _say(self, words: str) -> None:
        text = self._held + words
        if not self._text and (not text or text.isspace()):
            self._held = text
            return
        self._held = ""
        if text:
            self._text.append(text)
            await self._emit(TextDelta(text))

    def _call_of(self, piece: CallPiece) -> _Called:
        """The call that a piece is part of: the one of its number, else of its id, else the last.

        A piece with a name is another call's beginning where its id is new, or where it has neither id nor number:
        some endpoints number every call 0. A new id alone says nothing: some send one with every piece.
        """
        call = next((call for call in reversed(self._calls) if _same(call, piece)), None)
        if piece.function.name and call is not None:
            bare = piece.index is None and piece.id is None
            another = piece.id is not None and call.theirs is not None and piece.id != call.theirs
            call = None if bare or another else call
        if call is None:
            call = _Called(piece)
            self._calls.append(call)
        return call

    async def _show(self, call: _Called) -> None:
        """Emit what of a call may be seen while it arrives."""
        if not call.name:
            return
        if not self._request.offers_code:
            first = call.shown == 0
            arguments = call.unshown()
            if arguments or first:
                await self._emit(CallDelta(call.id, call.name, arguments))
        elif call is self._calls[0] and call.name == CODE_TOOL:
            await self._show_code(self._decoder.feed(call.unshown()))

    async def _show_code(self, code: str) -> None:
        if code:
            self._code.append(code)
            await self._emit(CodeDelta(self._calls[0].id, code))


def _same(call: _Called, piece: CallPiece) -> bool:
    if piece.index is not None and call.index is not None:
        return piece.index == call.index
    return not piece.function.name or piece.id is None or piece.id == call.theirs


def _counted(usage: Counted) -> Usage | None:
    prompt, completion = usage.prompt_tokens or 0, usage.completion_tokens or 0
    if not prompt and not completion:
        return None
    return Usage(prompt_tokens=prompt, completion_tokens=completion, total_tokens=prompt + completion)
