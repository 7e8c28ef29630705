"""The facts as log lines. How a line is written is log.py's."""

from __future__ import annotations

import logging
from dataclasses import asdict

from kernelci.protocol.usage import Usage
from kernelci.telemetry.facts import (
    Answered,
    ApprovalAnswered,
    ApprovalRequested,
    CellEnded,
    Fact,
    KeysChanged,
    Replied,
    RunEnded,
    RunMade,
    RunStarted,
    Whose,
)

logger = logging.getLogger(__name__)


def log(fact: Fact) -> None:
    """Write the fact's line, if it has one."""
    match fact:
        case RunStarted():
            of = {**_ids(fact.whose), "assistant_id": fact.whose.assistant_id, "model": fact.whose.model}
            _info("run started", "run_started", **of, waited=fact.waited)
        case RunEnded():
            _run_ended(fact)
        case CellEnded():
            ended = {"status": fact.status or fact.error, "seconds": fact.seconds, "waited": fact.waited}
            _info("cell ended", "cell_ended", **(_ids(fact.whose) or {"session_id": fact.session_id}), **ended)
        case ApprovalRequested():
            _info("code waits for approval", "approval_requested", **asdict(fact))
        case ApprovalAnswered():
            _info("a person has answered", "approval_answered", **asdict(fact))
        case KeysChanged():
            for name in sorted(fact.added):
                _info("a key was added", "key_added", key_name=name)
            for name in sorted(fact.revoked):
                _info("a key was revoked", "key_revoked", key_name=name)
        case Replied():
            _replied(fact)
        case Answered():
            asked = {"method": fact.method, "route": fact.route, "status": fact.status, "seconds": fact.seconds}
            logger.debug("request answered", extra={"action": "request_answered", **asked})
        case RunMade():
            pass  # its request says so, and its start is told


def _run_ended(fact: RunEnded) -> None:
    ended = {"status": fact.status, "error": fact.error, "turns": fact.turns, "seconds": fact.seconds}
    tokens = {"input_tokens": fact.usage.prompt_tokens, "output_tokens": fact.usage.completion_tokens}
    _info("run ended", "run_ended", **_ids(fact.whose), **ended, **tokens)


def _replied(fact: Replied) -> None:
    told: dict[str, object] = {"action": "model_replied", "model": fact.model, **_ids(fact.whose)}
    usage = fact.usage or Usage()
    tokens = {"input_tokens": usage.prompt_tokens, "output_tokens": usage.completion_tokens}
    told |= {"finish": fact.finish, "error": fact.error, "seconds": fact.seconds, **tokens}
    logger.debug("the model has replied", extra=told)


def _info(words: str, action: str, **told: object) -> None:
    logger.info(words, extra={"action": action, **told})


def _ids(whose: Whose | None) -> dict[str, object]:
    return {"run_id": whose.run_id, "thread_id": whose.thread_id} if whose else {}
