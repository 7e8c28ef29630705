"""What happens in a run, in neutral words: no HTTP, no API version, no Jupyter message.

The loop, the model adapters and the tools emit the first group. The recorder adds the second group, because
steps and messages open on the first sign of what they are for. A record pairs an event with its place in the
run and the object as it stands afterwards; it is what subscribers get.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from kernelci.protocol.calls import Answer, Call
from kernelci.protocol.objects import CellStatus, CodeOutput, File, LastError, Message, Run, RunStep
from kernelci.protocol.parts import JsonObject
from kernelci.protocol.states import MessageStatus, RunStatus, StepStatus
from kernelci.protocol.usage import Usage

# Emitted while a run is driven


@dataclass(frozen=True, slots=True)
class RunMoved:
    """The run has a new status. `calls` with requires_action, `error` with failed, `reason` with incomplete."""

    status: RunStatus
    calls: tuple[Call, ...] = ()
    error: LastError | None = None
    reason: Literal["max_completion_tokens", "max_prompt_tokens", "content_filter"] | None = None


@dataclass(frozen=True, slots=True)
class TurnOpened:
    """The model is asked for its reply number `turn`, counted from 0 over the whole run."""

    turn: int


@dataclass(frozen=True, slots=True)
class TextDelta:
    """More text of the reply. With `file`, the text is exactly a link to that file: the two travel together,
    since some clients drop an annotation that comes without its text (protocol.md 4, rule 9).
    """

    text: str
    file: File | None = None


@dataclass(frozen=True, slots=True)
class TextDone:
    """The text of this reply is whole."""


@dataclass(frozen=True, slots=True)
class CodeDelta:
    """More of the code, as the model writes it."""

    call_id: str
    text: str


@dataclass(frozen=True, slots=True)
class CodeDone:
    """The whole code of a call, stored before it is executed."""

    call_id: str
    code: str


@dataclass(frozen=True, slots=True)
class ApprovalAsked:
    """The first of these calls waits for a person's word, and the run with it; stored before anybody is told."""

    calls: tuple[Call, ...]


@dataclass(frozen=True, slots=True)
class ApprovalGiven:
    """A person has answered; stored before it is acted on."""

    call_id: str
    answer: Answer


@dataclass(frozen=True, slots=True)
class CallDelta:
    """More of the arguments of a call that the client will run."""

    call_id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class CallAnswered:
    """A call of a function that no client runs is over: one of ours, or of none that there is.

    It comes whole, since nobody may have seen it before.
    """

    call_id: str
    name: str
    arguments: str
    output: str


@dataclass(frozen=True, slots=True)
class OutputDelta:
    """More of what a cell shows: logs that go on with those before, or a picture. `stream` is what printed it."""

    call_id: str
    output: CodeOutput
    stream: Literal["stdout", "stderr"] | None = None


@dataclass(frozen=True, slots=True)
class Output:
    """The cell has ended; what it shows has been told. `notebook` is the same for the notebook (nbformat 4.5),
    `beside` what the model alone is told of it.
    """

    call_id: str
    status: CellStatus
    execution_count: int | None = None
    notebook: tuple[JsonObject, ...] = ()
    beside: str = ""


@dataclass(frozen=True, slots=True)
class OutputsSubmitted:
    """The client has run its functions: output text by call id."""

    outputs: dict[str, str]


@dataclass(frozen=True, slots=True)
class FileProduced:
    """A file of the session is now one of the API's files."""

    file: File


@dataclass(frozen=True, slots=True)
class UsageCounted:
    """What the model's reply cost; `beside` of its prompt's tokens were those of a trial."""

    usage: Usage
    beside: int = 0


CallEvent = CodeDelta | CodeDone | CallDelta | CallAnswered | OutputDelta | Output | OutputsSubmitted
"""What happens to the calls of a step."""


# Added by the recorder


@dataclass(frozen=True, slots=True)
class StepOpened:
    """A run step has begun."""

    step: RunStep


@dataclass(frozen=True, slots=True)
class StepMoved:
    """The open run step has ended."""

    status: StepStatus
    error: LastError | None = None


@dataclass(frozen=True, slots=True)
class MessageOpened:
    """A message has begun; `images` are the file ids of pictures that go before its text."""

    message: Message
    images: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MessageMoved:
    """The open message has ended."""

    status: MessageStatus
    reason: Literal["content_filter", "max_tokens", "run_cancelled", "run_expired", "run_failed"] | None = None


Event = (
    RunMoved
    | TurnOpened
    | TextDelta
    | TextDone
    | CodeDelta
    | CodeDone
    | ApprovalAsked
    | ApprovalGiven
    | CallDelta
    | CallAnswered
    | OutputDelta
    | Output
    | OutputsSubmitted
    | FileProduced
    | UsageCounted
    | StepOpened
    | StepMoved
    | MessageOpened
    | MessageMoved
)


Emit = Callable[[Event], Awaitable[None]]
"""Takes an event in, whatever becomes of it."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event in its place: `seq` counts from 1 in its run.

    `object` is what the event is about, as it stands after it: the run for RunMoved; the step for StepOpened,
    StepMoved and for every code, call and output event; the message for MessageOpened, MessageMoved, TextDelta
    and TextDone; nothing for the rest. During deltas the object is the one last stored, without their sum.
    `index` places a delta: the content part of a message, or the call of a step; `output_index` an OutputDelta
    among the call's outputs.
    """

    seq: int
    run_id: str
    event: Event
    object: Run | RunStep | Message | None = None
    index: int = 0
    output_index: int = 0

    @property
    def first(self) -> bool:
        """Whether the run has just been made."""
        queued = isinstance(self.event, RunMoved) and self.event.status == "queued"
        return queued and isinstance(self.object, Run) and self.object.started_at is None
