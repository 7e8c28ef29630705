"""A reply in the making: from an endpoint's chunks to events and a whole reply.

Takes what endpoints of many makes stream: calls in pieces or whole, with or without numbers and ids, or written
into the text. How one call is put together is in called.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from kernelci.engine.events import Call, CallDelta, CodeDelta, Emit, TextDelta, TextDone, UsageCounted
from kernelci.engine.ports.model import ModelRequest, Reply
from kernelci.models.called import Called
from kernelci.models.channels import Channels
from kernelci.models.chunks import MOST_TOKENS, CallPiece, Chunk, Counted, Delta
from kernelci.models.endpoint import TooLong
from kernelci.models.habits import Habits
from kernelci.models.partial import Characters, PartialCode
from kernelci.models.prose import Prose, Told, calls_thought
from kernelci.models.thoughts import Thoughts
from kernelci.models.tokens import CHARACTERS_A_CALL, LONG_TOKEN, characters_in, estimated
from kernelci.models.written import WrittenCall, code_call
from kernelci.protocol.usage import Usage

Finish = Literal["stop", "length", "content_filter"]

_FINISHES: dict[str, Finish] = {"length": "length", "content_filter": "content_filter"}

LONGEST_REPLY = 1024 * 1024
"""Characters of one reply's thoughts, text and calls; a model that writes more is not going to end."""


class StreamedReply:
    """Takes the chunks of one reply and emits what `Model.reply` promises to emit.

    White space that a text begins with waits for the first letter, so that a call after a mere line break opens no
    message. Text after a call is part of the call, as its step has to close before a message can open.

    A reply that goes on far beyond the tokens it may have is cut short here: not every endpoint heeds that.
    """

    def __init__(self, request: ModelRequest, emit: Emit, habits: Habits) -> None:
        self.finish: Finish | None = None
        self.begun = self.has_spoken = self.has_overrun = False
        self._size = self._written = 0
        self._longest = request.max_tokens and request.max_tokens * LONG_TOKEN
        self._request = request
        self._one_call = request.parallel_tool_calls is False
        self._emit = emit
        self._text: list[str] = []
        self._held: list[str] = []
        self._characters = Characters()
        self._channels = Channels()
        self._thoughts = Thoughts(from_the_start=habits.thinks_from_the_start)
        self._habits = habits
        self._prose = self._reader()
        self._told: Told | None = None
        self._calls: list[Called] = []
        self._decoder = PartialCode()
        self._code: list[str] = []
        self._usage: Usage | None = None

    async def add(self, chunk: Chunk) -> None:
        """Take a chunk in. `finish` is set once the reply is over: as the endpoint says, or when it `has_overrun`.

        Raises:
            TooLong: the reply has more than LONGEST_REPLY characters.
        """
        if not self.begun:
            self._prose = self._reader()  # that the model cannot call tools may just have been found out
        self.begun = True
        if chunk.usage:
            self._usage = _counted(chunk.usage) or self._usage
        for choice in chunk.choices or ():
            if choice.index:
                continue  # only one reply, number 0, was asked for
            if choice.delta:
                self.has_spoken = True
                await self._take(choice.delta)
            if choice.finish_reason:
                self.finish = _FINISHES.get(choice.finish_reason, "stop")
        if self.finish is None and self._longest is not None and self._written > self._longest:
            self.finish, self.has_overrun = "length", True

    def end(self) -> None:
        """Take in that the endpoint says it is over: some never say why, and anything that came is a reply then."""
        if self.finish is None and self._size:
            self.finish = "stop"

    def _reader(self) -> Prose:
        return Prose(self._request, python=not self._habits.calls_tools)

    @property
    def usage(self) -> Usage:
        """What it has cost so far."""
        return self._usage or estimated(self._request, self._written)

    def counted(self, beside: Usage | None = None) -> UsageCounted:
        """The event that tells what it has cost so far, and what was spent `beside` it."""
        return UsageCounted(self.usage + beside, beside.prompt_tokens) if beside else UsageCounted(self.usage)

    @property
    def thought_unopened(self) -> bool:
        """Whether a thought closed that never opened: the prompt had opened it."""
        return self._thoughts.unopened

    @property
    def has_called(self) -> bool:
        """Whether a call came by the endpoint's own way, so far as has been read: the model can call tools."""
        return any(not call.is_written for call in self._calls)

    async def end_text(self) -> bool:
        """Say what text still waits, and take up the calls in it. Tells whether it ends in fenced Python.

        Whether that is run, `close` is told.
        """
        rest = self._channels.feed(self._characters.close()) + self._channels.close()
        rest = self._thoughts.feed(rest) + self._thoughts.close()
        if self._calls:
            self._calls[-1].say(rest)
            return False
        await self._say(self._prose.feed(rest))
        self._told = told = self._prose.close()
        if told.shown is None:
            await self._say(told.text)
        for call in told.calls:
            await self._take_written(call, told.after if call is told.calls[-1] else "")
        if not self._text and not self._calls and told.shown is None:
            await self._take_thoughts()
        return told.shown is not None

    async def close(self, *, runs_shown: bool = False, beside: Usage | None = None) -> Reply:
        """End the reply: the fenced Python at its end, if any, as a call or as text; then the count, then the
        text's end where no call came after it. `beside` is what was spent to find that out.
        """
        if self._told and self._told.shown is not None:
            if runs_shown:
                await self._take_written(code_call(self._told.shown))
            else:
                await self._say(self._told.text)
        calls = self._made()
        if calls and calls[0].code is not None:
            shown = "".join(self._code)
            if calls[0].code.startswith(shown):
                await self._show_code(calls[0].code.removeprefix(shown))
        text = "".join(self._text)
        counted = self.counted(beside)
        await self._emit(counted)
        finish = self.finish or "stop"
        if text and not calls and finish == "stop":
            await self._emit(TextDone())
        return Reply(text=text, calls=calls, finish=finish, usage=counted.usage)

    def _made(self) -> tuple[Call, ...]:
        """The calls, now that they are whole. Where one is allowed, it has what was said after the others, too."""
        made = [call.made() for call in self._calls]
        if self._one_call and made:
            made = [replace(made[0], then="".join(call.then for call in made))]
        return tuple(call for call in made if call.name or call.arguments.strip())

    async def _take(self, delta: Delta) -> None:
        if delta.thought:
            self._measure(delta.thought)
            await self._hear(self._thoughts.apart(delta.thought))
        words = delta.content or delta.refusal or ""
        self._measure(words)
        await self._hear(self._thoughts.feed(self._channels.feed(self._characters.feed(words))))
        # Some endpoints call although they were told not to.
        for piece in delta.calls if self._request.tool_choice != "none" else ():
            self._measure(piece.name, piece.arguments)
            is_first = not self._calls
            call = self._call_of(piece)
            if call is None:
                continue
            if is_first:
                await self._say(self._prose.release())
            call.add(piece)
            if call is self._calls[0] or not self._one_call:
                await self._show(call)

    async def _take_thoughts(self) -> None:
        """Run or say what was thought, where that is all: some servers take a whole reply for thoughts."""
        if self.finish != "stop":
            await self._say(self._thoughts.unclosed)
            return
        thoughts = self._channels.thoughts + self._thoughts.kept
        calls = calls_thought(thoughts, self._request)
        for call in calls:
            await self._take_written(call)
        if not calls:
            await self._say(thoughts.strip())

    async def _take_written(self, written: WrittenCall, after: str = "") -> None:
        call = Called.as_written(self._request, written, after)
        self._calls.append(call)
        if call is self._calls[0] or not self._one_call:
            await self._show(call)

    def _measure(self, *texts: str) -> None:
        self._size += sum(len(text) for text in texts)
        self._written += sum(characters_in(text) for text in texts)
        if self._size > LONGEST_REPLY:
            raise TooLong

    async def _hear(self, words: str) -> None:
        """Take what the model says: now, or after the last call."""
        if self._calls:
            self._calls[-1].say(words)
        else:
            await self._say(self._prose.feed(words))

    async def _say(self, words: str) -> None:
        if not self._text and not words.strip():
            self._held.append(words)
        elif words:
            text = "".join([*self._held, words])
            self._held.clear()
            self._text.append(text)
            await self._emit(TextDelta(text))

    def _call_of(self, piece: CallPiece) -> Called | None:
        """The call that a piece is part of: the one of its number, else of its id, else the last.

        None has a piece that would begin one and has neither name nor arguments: some endpoints begin with that.
        """
        call = next((call for call in reversed(self._calls) if call.same(piece)), None)
        if call is not None and piece.name and _begins_another(piece, call):
            call = None
        if call is None and (piece.name or piece.arguments):
            self._size += CHARACTERS_A_CALL
            self._written += CHARACTERS_A_CALL
            call = Called(self._request, piece.index, piece.id or None)
            self._calls.append(call)
        return call

    async def _show(self, call: Called) -> None:
        """Emit what of a call may be seen while it arrives."""
        if not call.name:
            return
        if not self._request.offers_code:
            first = call.shown == 0
            arguments = call.unshown()
            if arguments or first:
                await self._emit(CallDelta(call.id, call.name, arguments))
        elif call is self._calls[0] and call.is_code:
            code = self._decoder.feed(call.unshown())
            if self._code or not code.startswith("`"):  # a fence around it is no part of the code
                await self._show_code(code)

    async def _show_code(self, code: str) -> None:
        if code:
            self._code.append(code)
            await self._emit(CodeDelta(self._calls[0].id, code))


def _begins_another(piece: CallPiece, call: Called) -> bool:
    """Whether a piece with a name is not of the call whose number or id it has: some endpoints number all calls 0.

    It begins another where it has neither number nor id, another id, or the name of another tool. Without an id it
    does so, too, where the call was whole, and there is more. A new id alone says nothing: some send one with every
    piece, and some the name.
    """
    if piece.id and call.theirs:
        return piece.id != call.theirs or call.differs(piece)
    bare = piece.index is None and not piece.id
    return bare or call.differs(piece) or (bool(piece.arguments.strip()) and call.is_whole())


def _counted(usage: Counted) -> Usage | None:
    """What the endpoint has counted; None where it has not, or where that cannot be."""
    prompt, completion = usage.prompt_tokens or 0, usage.written
    if not all(0 <= number <= MOST_TOKENS for number in (prompt, completion)) or not prompt + completion:
        return None
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        total_tokens=prompt + completion,
        cached_tokens=min(max(0, usage.cached_tokens or 0), prompt),
    )
