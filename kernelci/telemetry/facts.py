"""The facts of a server at work, each told once to whoever observes. They hold ids, names of models and numbers:
no message, no code, no output, so that no observer can give them away.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from kernelci.protocol.calls import Decision
from kernelci.protocol.objects import CellStatus, Run
from kernelci.protocol.states import RunStatus
from kernelci.protocol.usage import Usage

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Whose:
    """The run that a fact is about; `model` is the name that its assistant gives."""

    run_id: str
    thread_id: str
    assistant_id: str
    model: str

    @classmethod
    def of(cls, run: Run) -> Whose:
        """That of a run."""
        return cls(run.id, run.thread_id, run.assistant_id, run.model)


@dataclass(frozen=True, slots=True)
class RunMade:
    """A run has been made, and is queued. Told in the task of the request that made it."""

    whose: Whose


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run has begun, so many seconds after it was made."""

    whose: Whose
    waited: float


@dataclass(frozen=True, slots=True)
class RunEnded:
    """A run is over. `seconds` count from its start, time spent waiting for its client included; None if that was
    before this server's. `error` is the code of its last error, or the reason for which it is incomplete.
    """

    whose: Whose
    status: RunStatus
    error: str | None
    turns: int
    usage: Usage
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Replied:
    """A model was asked and has replied, or has failed to: `error` is the exception's name, or `cancelled`.

    `model` is the upstream's name of it.
    """

    whose: Whose | None
    model: str
    seconds: float
    usage: Usage | None = None
    finish: str | None = None
    error: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class CellEnded:
    """A cell is over: seconds in which it `waited` for its turn and its kernel, and those in which it ran.

    `error` is the exception's name where there was no kernel for it, or `cancelled`.
    """

    whose: Whose | None
    session_id: str
    seconds: float
    waited: float = 0.0
    status: CellStatus | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class ApprovalRequested:
    """The code of a call waits for a person's word, and its run with it."""

    run_id: str
    thread_id: str
    call_id: str


@dataclass(frozen=True, slots=True)
class ApprovalAnswered:
    """A person has given a word on the code of a call."""

    run_id: str
    thread_id: str
    call_id: str
    decision: Decision


@dataclass(frozen=True, slots=True)
class Answered:
    """A request was answered. `route` is the path's template, `status` 499 where the client left before that."""

    method: str
    route: str
    status: int
    seconds: float


@dataclass(frozen=True, slots=True)
class KeysChanged:
    """Keys with these names open the door from now on, or do so no more."""

    added: frozenset[str]
    revoked: frozenset[str]


Fact = (
    RunMade
    | RunStarted
    | RunEnded
    | Replied
    | CellEnded
    | ApprovalRequested
    | ApprovalAnswered
    | Answered
    | KeysChanged
)
Observer = Callable[[Fact], None]


def told_to(*observers: Observer) -> Observer:
    """The observer that tells all of these. What one of them makes a mistake of is logged: no run fails of that."""

    def tell(fact: Fact) -> None:
        for observer in observers:
            try:
                observer(fact)
            except Exception:
                logger.exception("a fact was not counted", extra={"action": "observer_failed"})

    return tell
