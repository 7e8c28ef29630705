"""The status machines of runs, run steps and messages, as one table of legal moves (protocol.md 3)."""

from __future__ import annotations

from typing import Literal

from kernelci.errors import IllegalMove

RunStatus = Literal[
    "queued",
    "in_progress",
    "requires_action",
    "cancelling",
    "cancelled",
    "failed",
    "completed",
    "incomplete",
    "expired",
]
StepStatus = Literal["in_progress", "completed", "failed", "cancelled", "expired"]
MessageStatus = Literal["in_progress", "completed", "incomplete"]

ACTIVE: frozenset[RunStatus] = frozenset({"queued", "in_progress", "requires_action", "cancelling"})
"""While a run has one of these, its thread takes no message and no other run."""

RUN_MOVES: dict[RunStatus, frozenset[RunStatus]] = {
    "queued": frozenset({"in_progress", "cancelling", "failed", "expired"}),
    "in_progress": frozenset(
        {"requires_action", "cancelling", "completed", "incomplete", "failed", "expired"},
    ),
    "requires_action": frozenset({"queued", "cancelling", "failed", "expired"}),
    "cancelling": frozenset({"cancelled", "failed", "completed", "incomplete", "expired"}),
    "cancelled": frozenset(),
    "failed": frozenset(),
    "completed": frozenset(),
    "incomplete": frozenset(),
    "expired": frozenset(),
}

STEP_MOVES: dict[StepStatus, frozenset[StepStatus]] = {
    "in_progress": frozenset({"completed", "failed", "cancelled", "expired"}),
    "completed": frozenset(),
    "failed": frozenset(),
    "cancelled": frozenset(),
    "expired": frozenset(),
}

MESSAGE_MOVES: dict[MessageStatus, frozenset[MessageStatus]] = {
    "in_progress": frozenset({"completed", "incomplete"}),
    "completed": frozenset(),
    "incomplete": frozenset(),
}


def check_run(here: RunStatus, there: RunStatus) -> None:
    """Raise `IllegalMove` unless a run may go from one status to the other."""
    if there not in RUN_MOVES[here]:
        raise IllegalMove(f"A run cannot go from {here!r} to {there!r}.")


def check_step(here: StepStatus, there: StepStatus) -> None:
    """Raise `IllegalMove` unless a run step may go from one status to the other."""
    if there not in STEP_MOVES[here]:
        raise IllegalMove(f"A run step cannot go from {here!r} to {there!r}.")


def check_message(here: MessageStatus, there: MessageStatus) -> None:
    """Raise `IllegalMove` unless a message may go from one status to the other."""
    if there not in MESSAGE_MOVES[here]:
        raise IllegalMove(f"A message cannot go from {here!r} to {there!r}.")
