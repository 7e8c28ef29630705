"""What is open in a run, and how an event changes it: no storage, no subscribers.

Two questions, asked in this order. `implied`: which events must surround this one, since a step opens on the
first sign of what it is for and closes when something else begins? `apply`: what is the run, step or message
after this event?
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kernelci.engine.drafts import CallsDraft, MessageDraft, cell_of, figures
from kernelci.engine.events import (
    ApprovalAsked,
    ApprovalGiven,
    CallAnswered,
    CallDelta,
    CallEvent,
    CodeDelta,
    CodeDone,
    Event,
    FileProduced,
    MessageMoved,
    MessageOpened,
    Output,
    OutputDelta,
    OutputsSubmitted,
    RunMoved,
    StepMoved,
    StepOpened,
    TextDelta,
    TextDone,
    TurnOpened,
    UsageCounted,
)
from kernelci.engine.moves import answered, asked, moved, new_message, new_step
from kernelci.engine.results import excerpted
from kernelci.errors import IllegalMove
from kernelci.protocol import ids
from kernelci.protocol.calls import Approval
from kernelci.protocol.objects import (
    Cell,
    File,
    Message,
    MessageCreation,
    MessageId,
    Run,
    RunStep,
    ToolCalls,
)
from kernelci.protocol.states import ACTIVE, StepStatus, check_message, check_run, check_step
from kernelci.protocol.usage import Usage

_STEP_ENDS: dict[str, StepStatus] = {"failed": "failed", "cancelled": "cancelled", "expired": "expired"}
_MESSAGE_ENDS = {"failed": "run_failed", "cancelled": "run_cancelled", "expired": "run_expired"}


@dataclass(frozen=True, slots=True)
class Applied:
    """What an event did: the object it is about, all that has to be stored, and where a delta belongs."""

    subject: Run | RunStep | Message | None = None
    changed: tuple[Run | RunStep | Message | File | Cell, ...] = ()
    index: int = 0
    output_index: int = 0


class OpenRun:
    """A run with the step and message that are open in it."""

    def __init__(self, run: Run, steps: Iterable[RunStep] = (), message: Message | None = None) -> None:
        """`steps` are those stored so far, `message` the one that the last of them was writing when all stopped."""
        self.run = run
        self._turn = 0
        self._step: RunStep | None = None
        self._message: MessageDraft | None = None
        self._calls: CallsDraft | None = None
        self._images: tuple[str, ...] = ()
        self._spoke = False
        self._usage = Usage()
        self._usage_due: Usage | None = None
        self._seen_at = run.started_at or 0
        for step in steps:
            self._take_up(step, message)
        self._is_cut_short = run.status == "in_progress" and self.asks is None

    def _take_up(self, step: RunStep, message: Message | None) -> None:
        """Continue after a stored step. One that waits for the client is open, or one that a crash cut short."""
        self._turn = step.turn
        self.run = self.run.model_copy(update={"turns": step.turn + 1})
        self._usage += step.usage or Usage()
        self._seen_at = max(self._seen_at, step.created_at, step.completed_at or 0)
        is_open = step.status == "in_progress"
        self._step = step if is_open else None
        if isinstance(step.step_details, ToolCalls):
            self._images += figures(step.step_details)
            begun = step.approval is None or step.approval.lets_run
            self._calls = CallsDraft(step.step_details.tool_calls, begun=begun) if is_open else None
        else:
            self._spoke = True
            self._message = MessageDraft(message, self._images) if is_open and message else None
            self._images = ()

    def amend(self, changed: Run | Message) -> None:
        """Take over the metadata that a client has given the run or the message that is being written."""
        update = {"metadata": changed.metadata}
        if isinstance(changed, Run):
            self.run = self.run.model_copy(update=update)
        elif self._message and self._message.message.id == changed.id:
            self._message.message = self._message.message.model_copy(update=update)

    def take_turn(self, run: Run) -> None:
        """The run waits no more, and its time counts from now."""
        self.run = self.run.model_copy(update={"waiting": False, "expires_at": run.expires_at})

    # Which events belong together

    def implied(self, event: Event) -> tuple[Event, ...]:
        """The event with those that must come before and after it.

        Raises:
            IllegalMove: the status table does not allow it; nothing has changed.
        """
        match event:
            case RunMoved(status):
                check_run(self.run.status, status)
            case OutputsSubmitted():
                check_run(self.run.status, "queued")
            case ApprovalGiven(call_id) if not self._waits_for(call_id):
                raise IllegalMove(f"The call {call_id!r} does not wait for an answer.")
            case _:
                pass
        match event:
            case TextDelta() if self._message is None:
                return (*self._closing(), *self._new_message(), event)
            case TextDone() if self._message is not None:
                return (event, *self._closing())
            case TextDone():
                return ()
            case CodeDelta(call_id) if not self._is_open(call_id):
                return (*self._closing(), self._new_calls(), event)
            case ApprovalAsked(calls) if not self._is_open(calls[0].id):
                return (*self._closing(), self._new_calls(), CodeDelta(calls[0].id, calls[0].code or ""), event)
            case CodeDone(call_id, code) if not self._is_open(call_id):
                return (*self._closing(), self._new_calls(), CodeDelta(call_id, code), event)
            case CallDelta() if self._calls is None:
                return (*self._closing(), self._new_calls(), event)
            case TurnOpened():
                return (*self._closing(), event)
            case CallAnswered(call_id, name, arguments) if not self._is_open(call_id):
                shown = CallDelta(call_id, name, arguments)
                return (*self._closing(), self._new_calls(), shown, event, StepMoved("completed"))
            case CallAnswered(call_id) if self._calls and self._calls.awaits_more(call_id):
                return (event,)  # its step shows the client's calls, too
            case Output() | CallAnswered():
                return (event, *self._closing())
            case OutputsSubmitted():
                return (event, *self._closing(), RunMoved("queued"))
            case RunMoved("requires_action"):
                return (*self._calls_shown(event), event)
            case RunMoved(status) if status not in ACTIVE:
                return (*self._ended(event), event)
            case _:
                return (event,)

    @property
    def asks(self) -> Approval | None:
        """What waits for a person's word, if anything does."""
        return self._step.asks if self._step and self.run.status == "in_progress" else None

    def _waits_for(self, call_id: str) -> bool:
        return self.asks is not None and self.asks.calls[0].id == call_id

    def _is_open(self, call_id: str) -> bool:
        return self._calls is not None and call_id in self._calls

    def _closing(self) -> tuple[Event, ...]:
        """What ends whatever is open in good order."""
        if self._step is None:
            return ()
        message = (MessageMoved("completed"),) if self._message else ()
        return (*message, StepMoved("completed"))

    def _new_message(self) -> tuple[Event, ...]:
        message = new_message(self.run)
        details = MessageCreation(message_creation=MessageId(message_id=message.id))
        step = new_step(self.run, details, self._turn)
        return (StepOpened(step), MessageOpened(message, self._images))

    def _new_calls(self) -> StepOpened:
        return StepOpened(new_step(self.run, ToolCalls(), self._turn))

    def _calls_shown(self, event: RunMoved) -> tuple[Event, ...]:
        """The step that shows the client's calls, where the model's reply has not streamed it already."""
        if self._calls is not None and all(call.id in self._calls for call in event.calls):
            return ()
        shown = (CallDelta(call.id, call.name, call.arguments) for call in event.calls)
        return (*self._closing(), self._new_calls(), *shown)

    def _ended(self, event: RunMoved) -> tuple[Event, ...]:
        """What closes with the run.

        Figures that no message has carried yet get one of their own; and a run of which the model has not said a
        word gets an empty one, since clients take a thread's newest message for the answer.
        """
        if event.status == "completed":
            if self._message or (self._spoke and not self._images):
                return self._closing()
            words = () if self._images else (TextDelta(""),)
            closing = (MessageMoved("completed"), StepMoved("completed"))
            return (*self._closing(), *self._new_message(), *words, *closing)
        if self._step is None:
            return ()
        reason = _MESSAGE_ENDS.get(event.status, "max_tokens")
        if event.reason == "content_filter":
            reason = "content_filter"
        message = (MessageMoved("incomplete", reason),) if self._message else ()  # pyright: ignore[reportArgumentType]
        return (*message, StepMoved(_STEP_ENDS.get(event.status, "completed"), event.error))

    # What an event changes

    def apply(self, event: Event) -> Applied:
        """Take the event in."""
        match event:
            case RunMoved():
                return self._move_run(event)
            case TurnOpened(turn):
                self._turn = turn
                self.run = self.run.model_copy(update={"turns": turn + 1})
                return Applied()
            case UsageCounted(usage):
                return self._count(usage)
            case FileProduced(file):
                return Applied(changed=(file,))
            case StepOpened() | StepMoved():
                return self._move_step(event)
            case MessageOpened() | MessageMoved() | TextDelta() | TextDone():
                return self._write(event)
            case ApprovalAsked() | ApprovalGiven():
                return self._ask(event)
            case _:
                return self._call(event)

    def _move_run(self, event: RunMoved) -> Applied:
        unanswered = self.asks
        self.run = moved(self.run, event, self._usage, until=self._seen_at if self._is_cut_short else None)
        if unanswered:  # it is called off, and its clock goes on
            self.run = self.run.model_copy(update={"expires_at": ids.now() + unanswered.seconds})
        if event.status == "requires_action":  # its calls came as deltas, which are not stored
            then = "".join(call.then for call in event.calls)
            self._step = self._step_as_it_stands().model_copy(update={"then": then})
            return Applied(self.run, (self._step, self.run))
        return Applied(self.run, (self.run,))

    def _ask(self, event: ApprovalAsked | ApprovalGiven) -> Applied:
        """A call begins or ends to wait for a person's word."""
        if self._calls is None:
            raise AssertionError(f"{type(event).__name__} without an open tool call")
        self._calls.take(event)
        step = self._step_as_it_stands()
        if isinstance(event, ApprovalAsked):
            self.run, self._step = asked(self.run, step, event)
        elif step.asks:
            self.run, self._step = answered(self.run, step, step.asks, event)
        return Applied(self._step, tuple(each for each in (self._step, self.run) if each))

    def _count(self, usage: Usage) -> Applied:
        """A reply's cost stands on the step that is open at its end, else on the next one."""
        self._usage += usage
        if self._step is None:
            self._usage_due = usage + (self._usage_due or Usage())
        else:
            # It may stand there beside that of an earlier reply, which left no step.
            self._step = self._step.model_copy(update={"usage": usage + (self._step.usage or Usage())})
        return Applied()

    def _move_step(self, event: StepOpened | StepMoved) -> Applied:
        if isinstance(event, StepOpened):
            self._step = event.step.model_copy(update={"usage": self._usage_due})
            self._usage_due = None
            self._calls = CallsDraft() if event.step.type == "tool_calls" else None
            return Applied(self._step, (self._step,))
        step = self._step_as_it_stands()
        check_step(step.status, event.status)
        moved = {"status": event.status, f"{event.status}_at": ids.now(), "expires_at": None}
        step = excerpted(step.model_copy(update={**moved, "last_error": event.error}))
        cut_short = [cell_of(output, step, code) for output, code in self._calls.cut_short()] if self._calls else []
        if isinstance(step.step_details, ToolCalls):
            self._images += figures(step.step_details)
        self._step = self._calls = None
        return Applied(step, (step, *cut_short))

    def _write(self, event: MessageOpened | MessageMoved | TextDelta | TextDone) -> Applied:
        if isinstance(event, MessageOpened):
            self._spoke = True
            self._message = MessageDraft(event.message, event.images)
            self._images = ()
            return Applied(event.message, (event.message,))
        draft = self._message
        if draft is None:
            raise AssertionError(f"{type(event).__name__} without an open message")
        match event:
            case TextDelta():
                draft.write(event)
                return Applied(draft.message, index=draft.text_index)
            case TextDone():
                return Applied(draft.message, index=draft.text_index)
            case MessageMoved():
                check_message(draft.message.status, event.status)
                self._message = None
                message = draft.finished(event)
                return Applied(message, (message,))

    def _call(self, event: CallEvent) -> Applied:
        calls = self._calls
        if calls is None:
            raise AssertionError(f"{type(event).__name__} without an open tool call")
        place = calls.take(event)
        if isinstance(event, CodeDelta | CallDelta | OutputDelta):
            return Applied(self._step, (), place.index, place.output_index)
        step = self._step_as_it_stands()
        if isinstance(event, Output):
            step = step.model_copy(update={"beside": event.beside})
        self._step = step
        cell = (cell_of(event, step, calls.code(event.call_id)),) if isinstance(event, Output) else ()
        return Applied(step, (step, *cell), place.index, place.output_index)

    def _step_as_it_stands(self) -> RunStep:
        """The open step with its calls as they have been written so far."""
        if self._step is None:
            raise AssertionError("no step is open")
        if self._calls is None:
            return self._step
        return self._step.model_copy(update={"step_details": ToolCalls(tool_calls=self._calls.whole())})
