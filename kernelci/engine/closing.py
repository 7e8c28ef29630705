"""The end of a run whose code fails in the same way again and again: a plain word, the model's or our own."""

from __future__ import annotations

import logging
import re

from kernelci.engine.events import CallDelta, CodeDelta, Emit, Event, TextDelta, TextDone
from kernelci.engine.failures import Failures
from kernelci.engine.ports.model import Model, Reply
from kernelci.engine.prompt import Prompt
from kernelci.errors import RunFailure

logger = logging.getLogger(__name__)

_CODE = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)


async def close(prompt: Prompt, turn: int, model: Model, failures: Failures, emit: Emit) -> Reply:
    """Ask the model for a closing word, offering no tools; where it gives none but code, say what was tried.

    Gives the reply, which has no calls. A model that cannot be asked this, as an endpoint may refuse a
    conversation with calls and no tools, has given none.
    """

    async def emit_words(event: Event) -> None:
        if not isinstance(event, CodeDelta | CallDelta):
            await emit(event)

    logger.info("gave up a run", extra={"action": "run_given_up", "run_id": prompt.run.id})
    try:
        reply = await model.reply(prompt.request(turn, with_tools=False), emit_words)
    except RunFailure as failure:
        logger.warning("no closing word: %s", type(failure).__name__, extra={"action": "no_closing_word"})
        reply = Reply(text="")
    if reply.finish == "stop":
        await emit(TextDone())
        if reply.calls or not _CODE.sub("", reply.text).strip():
            await emit(TextDelta(failures.report()))
            await emit(TextDone())
    return Reply(text=reply.text, finish=reply.finish, usage=reply.usage)
