"""A reply in the making: from an endpoint's chunks to events and a whole reply.

Takes what endpoints of many makes stream: calls in pieces or whole, with or without numbers and ids.
"""

from __future__ import annotations

from typing import Literal

from kernelci.engine.events import Call, CallDelta, CodeDelta, TextDelta, TextDone, UsageCounted
from kernelci.engine.ports import CODE_TOOL, Emit, ModelRequest, Reply
from kernelci.models.chunks import CallPiece, Chunk, Counted, Delta
from kernelci.models.endpoint import TooLong
from kernelci.models.partial import Characters, PartialCode, code_in, whole
from kernelci.models.tokens import estimated
from kernelci.protocol import ids
from kernelci.protocol.objects import Usage

Finish = Literal["stop", "length", "content_filter"]

_FINISHES: dict[str, Finish] = {"length": "length", "content_filter": "content_filter"}

LONGEST_REPLY = 4 * 1024 * 1024
"""Characters of one reply's text and calls; a model that writes more is not going to end."""


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
        self._then: list[str] = []
        self._said = Characters()

    def say(self, words: str) -> None:
        """Take what the model says after it."""
        self._then.append(self._said.feed(words))

    def add(self, piece: CallPiece) -> None:
        self.name = self.name or whole(piece.name)
        self._pieces.append(self._characters.feed(piece.arguments))

    def unshown(self) -> str:
        """The arguments that have come since they were last asked for."""
        text = "".join(self._pieces[self.shown :])
        self.shown = len(self._pieces)
        return text

    def made(self, *, may_be_code: bool) -> Call:
        arguments = "".join(self._pieces) + self._characters.close()
        code = code_in(arguments) if may_be_code and self.name == CODE_TOOL else None
        then = "".join(self._then) + self._said.close()
        return Call(self.id, self.name, arguments, code, then if then.strip() else "")


class StreamedReply:
    """Takes the chunks of one reply and emits what `Model.reply` promises to emit.

    White space that a text begins with waits for the first letter, so that a call after a mere line break opens no
    message. Text after a call is part of the call, as its step has to close before a message can open.
    """

    def __init__(self, request: ModelRequest, emit: Emit) -> None:
        self.finish: Finish | None = None
        self._size = 0
        self._request = request
        self._one_call = request.parallel_tool_calls is False
        self._emit = emit
        self._text: list[str] = []
        self._held: list[str] = []
        self._characters = Characters()
        self._calls: list[_Called] = []
        self._decoder = PartialCode()
        self._code: list[str] = []
        self._usage: Usage | None = None

    async def add(self, chunk: Chunk) -> None:
        """Take a chunk in. `finish` is set once the endpoint has said that the reply is over.

        Raises:
            TooLong: the reply has more than LONGEST_REPLY characters.
        """
        if chunk.usage:
            self._usage = _counted(chunk.usage) or self._usage
        for choice in chunk.choices or ():
            if choice.index:
                continue  # only one reply, number 0, was asked for
            if choice.delta:
                await self._take(choice.delta)
            if choice.finish_reason:
                self.finish = _FINISHES.get(choice.finish_reason, "stop")

    async def close(self) -> Reply:
        """End the reply: emit what still waits, then the count, then the text's end where no call came after it."""
        if not self._calls:
            await self._say(self._characters.close())
        made = self._calls[:1] if self._one_call else self._calls
        calls = tuple(call.made(may_be_code=self._request.offers_code) for call in made)
        if calls and calls[0].code is not None:
            shown = "".join(self._code)
            if calls[0].code.startswith(shown):
                await self._show_code(calls[0].code.removeprefix(shown))
        text = "".join(self._text)
        usage = self._usage or estimated(
            self._request, text + "".join(call.arguments + call.then for call in calls)
        )
        await self._emit(UsageCounted(usage))
        finish = self.finish or "stop"
        if text and not calls and finish == "stop":
            await self._emit(TextDone())
        return Reply(text=text, calls=calls, finish=finish, usage=usage)

    async def _take(self, delta: Delta) -> None:
        words = delta.content or delta.refusal or ""
        self._measure(words)
        if self._calls:
            self._calls[-1].say(words)
        else:
            await self._say(self._characters.feed(words))
        for piece in delta.tool_calls or ():
            self._measure(piece.name, piece.arguments)
            call = self._call_of(piece)
            call.add(piece)
            if call is self._calls[0] or not self._one_call:
                await self._show(call)

    def _measure(self, *texts: str) -> None:
        self._size += sum(len(text) for text in texts)
        if self._size > LONGEST_REPLY:
            raise TooLong

    async def _say(self, words: str) -> None:
        if not self._text and not words.strip():
            self._held.append(words)
        elif words:
            text = "".join([*self._held, words])
            self._held.clear()
            self._text.append(text)
            await self._emit(TextDelta(text))

    def _call_of(self, piece: CallPiece) -> _Called:
        """The call that a piece is part of: the one of its number, else of its id, else the last.

        A piece with a name is another call's beginning where its id is new, or where it has neither id nor number:
        some endpoints number every call 0. A new id alone says nothing: some send one with every piece.
        """
        call = next((call for call in reversed(self._calls) if _same(call, piece)), None)
        if piece.name and call is not None:
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
    return not piece.name or piece.id is None or piece.id == call.theirs


def _counted(usage: Counted) -> Usage | None:
    prompt, completion = usage.prompt_tokens or 0, usage.completion_tokens or 0
    if not prompt and not completion:
        return None
    return Usage(prompt_tokens=prompt, completion_tokens=completion, total_tokens=prompt + completion)
