"""The run loop, on one page: prompt → reply → tools → prompt, until the model stops asking for tools.

It knows nothing of steps, storage or HTTP: it emits events. It keeps no state either: first start, resumption
after the client's tool outputs or a person's word, and restart are the same call with a prompt rebuilt from what is
stored.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import anyio

from kernelci.engine.budget import Budget
from kernelci.engine.closing import close
from kernelci.engine.events import ApprovalAsked, Call, Emit, RunMoved, TextDelta, TextDone, TurnOpened
from kernelci.engine.ports.model import Model, Reply
from kernelci.engine.prompt import Prompt
from kernelci.engine.tools import Tools
from kernelci.errors import PromptTooLong

logger = logging.getLogger(__name__)

_SMALL = 1500
"""Tokens that every model reads at once."""


async def run_loop(*, prompt: Prompt, model: Model, tools: Tools, emit: Emit, budget: Budget) -> None:
    """Drive one run until it ends or waits for the client.

    A traceback is not an error here: it goes back to the model as the tool's result, and the next turn is the
    retry. Only the model, a budget, the clock, the user, or the same failure too often end a run.

    Raises:
        RunFailure: the model or the kernel is out of reach. The caller ends the run.
    """
    if prompt.run.status == "queued":
        await emit(RunMoved("in_progress"))
    await _say(prompt.unsaid, emit)
    end: RunMoved | ApprovalAsked | None = None
    with anyio.CancelScope(deadline=budget.deadline):
        end = await _turns(prompt, model, tools, emit, budget)
    await emit(end or budget.out_of_time())  # outside the scope, which the clock may have cancelled


async def _turns(
    prompt: Prompt, model: Model, tools: Tools, emit: Emit, budget: Budget
) -> RunMoved | ApprovalAsked:
    """Take turns until the run ends or waits; gives how."""
    turn = prompt.turn
    if waits := await _carry_out(prompt.held, prompt, tools, emit, turn - 1):
        return waits
    while not (used_up := budget.fit(prompt, turn)):
        await emit(TurnOpened(turn))
        if tools.failures.are_enough:
            return _last_word(await close(prompt, turn, model, tools.failures, emit), budget)
        reply = await _reply(prompt, model, emit, turn)
        prompt.add(reply)
        if reply.finish != "stop" or not reply.calls:
            return _last_word(reply, budget)
        if waits := await _carry_out(reply.calls, prompt, tools, emit, turn):
            return waits
        turn += 1
    return used_up


async def _carry_out(
    calls: Sequence[Call], prompt: Prompt, tools: Tools, emit: Emit, turn: int
) -> RunMoved | ApprovalAsked | None:
    """Carry out the calls of a turn's reply, one after the other; gives how the run waits for somebody, if so."""
    theirs: list[Call] = []
    for place, call in enumerate(calls):
        if tools.are_the_clients(call):
            theirs.append(call)
        elif tools.must_wait(call, turn):
            return ApprovalAsked((call, *theirs, *calls[place + 1 :]))
        else:
            prompt.add_result(call, await tools.run(call, emit, turn))
            await _say(call.then, emit)
    return RunMoved("requires_action", calls=tuple(theirs)) if theirs else None


async def _reply(prompt: Prompt, model: Model, emit: Emit, turn: int) -> Reply:
    """The model's reply; what is too long for it is asked without the oldest part of the conversation."""
    if prompt.exceeds(_SMALL) and (room := await model.room(prompt.model)) is not None and not prompt.fit(room):
        # Asked all the same: these are estimates.
        told = {"action": "question_too_long", "run_id": prompt.run.id}
        logger.warning("a question has about %d tokens, with room for %d", prompt.tokens, room, extra=told)
    while True:
        try:
            return await model.reply(prompt.request(turn), emit)
        except PromptTooLong:
            if not prompt.shorten():
                raise


async def _say(text: str, emit: Emit) -> None:
    """Emit what the model said after a call, now that the call is over."""
    if text:
        await emit(TextDelta(text))
        await emit(TextDone())


def _last_word(reply: Reply, budget: Budget) -> RunMoved:
    match reply.finish:
        case "stop":
            return RunMoved("completed")
        case "length":
            return budget.cut_short(reply)
        case "content_filter":
            return RunMoved("incomplete", reason="content_filter")
