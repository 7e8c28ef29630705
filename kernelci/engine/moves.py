"""What a run and its step become by an event, and how a new step and message begin (pure)."""

from __future__ import annotations

from kernelci.engine.events import ApprovalAsked, ApprovalGiven, RunMoved
from kernelci.protocol import ids
from kernelci.protocol.calls import Approval, FunctionCall, RequiredAction, RequiredCall, RequiredCalls
from kernelci.protocol.objects import Message, MessageCreation, Run, RunIncomplete, RunStep, ToolCalls
from kernelci.protocol.states import ACTIVE
from kernelci.protocol.usage import Usage


def new_message(run: Run) -> Message:
    """A message that the run's assistant begins to write."""
    return Message(
        id=ids.new("message"),
        created_at=ids.now(),
        thread_id=run.thread_id,
        run_id=run.id,
        assistant_id=run.assistant_id,
        role="assistant",
        status="in_progress",
    )


def new_step(run: Run, details: MessageCreation | ToolCalls, turn: int) -> RunStep:
    """A step that the run begins in this turn."""
    return RunStep(
        id=ids.new("step"),
        created_at=ids.now(),
        run_id=run.id,
        assistant_id=run.assistant_id,
        thread_id=run.thread_id,
        type=details.type,
        step_details=details,
        expires_at=run.expires_at,
        turn=turn,
    )


def moved(run: Run, event: RunMoved, usage: Usage, *, until: int | None = None) -> Run:
    """The run in its new status; `usage` is what it has cost so far.

    One that a stop of the server cut short was in progress `until` its last sign of life, for all that is known.
    """
    now = ids.now()
    change: dict[str, object] = {"status": event.status, "required_action": None}
    match event.status:
        case "in_progress":
            change["started_at"] = now
        case "requires_action":
            change["required_action"] = _required(event)
        case "completed" | "incomplete":
            change["completed_at"] = now
        case "failed" | "cancelled":
            change[f"{event.status}_at"] = now
        case _:
            pass
    if event.status not in ACTIVE:
        change |= {"usage": usage, "last_error": event.error}
        change["incomplete_details"] = RunIncomplete(reason=event.reason) if event.reason else None
    if run.status == "in_progress" and run.expires_at is not None:
        change["seconds"] = run.seconds + _seconds_of(run, now if until is None else until)
    return run.model_copy(update=change)


def _seconds_of(run: Run, now: int) -> int:
    """How long a run has been in progress, since it last was not or waited for a person; at most until it should
    have expired, since a server may have been stopped in between.
    """
    return max(0, min(now, run.expires_at or now) - (run.started_at or now))


def _required(event: RunMoved) -> RequiredAction:
    calls = tuple(
        RequiredCall(id=call.id, function=FunctionCall(name=call.name, arguments=call.arguments))
        for call in event.calls
    )
    return RequiredAction(submit_tool_outputs=RequiredCalls(tool_calls=calls))


def asked(run: Run, step: RunStep, event: ApprovalAsked) -> tuple[Run, RunStep]:
    """Both as they wait for a person: with no end to it, since nobody's answer may come too late."""
    now = ids.now()
    seconds = max((run.expires_at or now) - now, 1)
    approval = Approval(calls=event.calls, asked_at=now, seconds=seconds)
    used = run.seconds + _seconds_of(run, now)
    timeless = {"expires_at": None}
    return (
        run.model_copy(update={**timeless, "seconds": used}),
        step.model_copy(update={**timeless, "approval": approval}),
    )


def answered(run: Run, step: RunStep, approval: Approval, event: ApprovalGiven) -> tuple[Run, RunStep]:
    """Both as they go on, with the time that they had left."""
    now = ids.now()
    timely = {"expires_at": now + approval.seconds}
    approval = approval.model_copy(update={"answer": event.answer})
    return (
        run.model_copy(update={**timely, "started_at": now}),
        step.model_copy(update={**timely, "approval": approval}),
    )
