"""One reply that is known beforehand, and how it is given as a model would give it: in pieces."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import anyio

from kernelci.engine.events import Call, CallDelta, CodeDelta, Emit, TextDelta, TextDone, UsageCounted
from kernelci.engine.ports.model import CODE_TOOL, ModelRequest, Reply
from kernelci.models.tokens import estimated
from kernelci.protocol import ids

_WORD = re.compile(r"\s*\S+(?:\s+\Z)?")


@dataclass(frozen=True, slots=True)
class CallFunction:
    """A call of one of the client's functions; the arguments as they go into JSON."""

    name: str
    arguments: Mapping[str, object] = field(default_factory=dict[str, object])


@dataclass(frozen=True, slots=True)
class Turn:
    """What the model says, then the code it wants run, then the client's functions it calls. Any may be missing."""

    text: str = ""
    code: str | None = None
    functions: tuple[CallFunction, ...] = ()


async def play(turn: Turn, request: ModelRequest, emit: Emit, *, pause: float = 0.0) -> Reply:
    """Give a turn as the reply: text by words, code by lines, `pause` seconds after each.

    The usage is estimated (`tokens.estimated`).
    """
    text = "".join(_WORD.findall(turn.text))
    calls = _calls(turn)
    for word in _WORD.findall(text):
        await emit(TextDelta(word))
        await anyio.sleep(pause)
    for call in calls:
        if call.code is not None:
            for line in call.code.splitlines(keepends=True):
                await emit(CodeDelta(call.id, line))
                await anyio.sleep(pause)
        elif not request.offers_code:
            await emit(CallDelta(call.id, call.name, call.arguments))
    usage = estimated(request, len(text) + sum(len(call.arguments) for call in calls))
    await emit(UsageCounted(usage))
    if text and not calls:
        await emit(TextDone())
    return Reply(text=text, calls=calls, usage=usage)


def _calls(turn: Turn) -> tuple[Call, ...]:
    functions = [
        Call(ids.new_call(), function.name, json.dumps(dict(function.arguments), ensure_ascii=False))
        for function in turn.functions
    ]
    if turn.code is None:
        return tuple(functions)
    arguments = json.dumps({"code": turn.code}, ensure_ascii=False)
    return (Call(ids.new_call(), CODE_TOOL, arguments, turn.code), *functions)
