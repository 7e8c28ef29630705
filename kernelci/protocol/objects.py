"""What the server keeps and answers with, in the canonical form, which is v2 (protocol.md 2).

Every key of a type is always present. `private` names the fields that are stored and never sent.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from kernelci.protocol.calls import Approval, Asking, Call, Decision, RequiredAction
from kernelci.protocol.excerpts import Excerpt
from kernelci.protocol.ids import Surface
from kernelci.protocol.parts import (
    Attachment,
    ContentPart,
    JsonObject,
    Metadata,
    Part,
    ReasoningEffort,
    ResponseFormat,
    Tool,
    ToolChoice,
    ToolResources,
    TruncationStrategy,
)
from kernelci.protocol.states import ACTIVE, MessageStatus, RunStatus, StepStatus
from kernelci.protocol.usage import Usage, Used

LOCAL = "local"
"""Who owns what is made without a key of a name: whoever runs the server."""


class Object(BaseModel):
    """A stored object. Frozen: a change makes a new one by `model_copy(update=...)`."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)
    private: ClassVar[frozenset[str]] = frozenset()

    id: str
    created_at: int
    metadata: Metadata = Field(default_factory=dict)

    def wire(self) -> JsonObject:
        """The object as JSON-ready data, without what clients must not see."""
        return self.model_dump(mode="json", exclude=set(self.private))


class File(Object):
    """An uploaded or produced file. `blob` is the SHA-256 of its bytes, `bytes` their number."""

    private: ClassVar[frozenset[str]] = frozenset({"blob", "metadata"})

    object: Literal["file"] = "file"
    bytes: int
    filename: str
    purpose: str
    status: Literal["uploaded", "processed", "error"] = "processed"
    status_details: str | None = None
    expires_at: int | None = None
    blob: str


class Assistant(Object):
    """A model with its instructions, tools and files."""

    object: Literal["assistant"] = "assistant"
    name: str | None = None
    description: str | None = None
    model: str
    instructions: str | None = None
    tools: tuple[Tool, ...] = ()
    tool_resources: ToolResources = ToolResources()
    temperature: float | None = 1.0
    top_p: float | None = 1.0
    reasoning_effort: ReasoningEffort | None = None
    response_format: ResponseFormat = "auto"


class Thread(Object):
    """A conversation. Its id is its kernel session's key, too. `used` is what its ended runs have."""

    private: ClassVar[frozenset[str]] = frozenset({"used"})

    object: Literal["thread"] = "thread"
    tool_resources: ToolResources = ToolResources()
    used: Used = Used()


class MessageIncomplete(Part):
    """Why a message stopped short."""

    reason: Literal["content_filter", "max_tokens", "run_cancelled", "run_expired", "run_failed"]


class Message(Object):
    """One utterance of a thread; while it is `waiting`, the thread's run goes on without it."""

    private: ClassVar[frozenset[str]] = frozenset({"waiting"})

    object: Literal["thread.message"] = "thread.message"
    thread_id: str
    status: MessageStatus = "completed"
    incomplete_details: MessageIncomplete | None = None
    completed_at: int | None = None
    incomplete_at: int | None = None
    role: Literal["user", "assistant"]
    content: tuple[ContentPart, ...] = ()
    assistant_id: str | None = None
    run_id: str | None = None
    attachments: tuple[Attachment, ...] = ()
    waiting: bool = False


class LastError(Part):
    """Why a run or step failed."""

    code: str
    message: str


class RunIncomplete(Part):
    """Which budget ended the run."""

    reason: Literal["max_completion_tokens", "max_prompt_tokens", "content_filter"]


class Run(Object):
    """One answer of an assistant on a thread.

    `surface` is the one that asked, `owner` who did: produced files get its ids, and are theirs. `file_ids` are the
    assistant's when the run was made, which v1 shows. While it is `waiting`, another has the thread. When it would
    have expired nobody is told once it has ended. It has been in progress for `seconds`, with `turns` of the model.
    `asking` says what of it waits for a person's word.
    """

    private: ClassVar[frozenset[str]] = frozenset(
        {"surface", "owner", "file_ids", "waiting", "turns", "seconds", "asking"}
    )

    object: Literal["thread.run"] = "thread.run"
    assistant_id: str
    thread_id: str
    status: RunStatus = "queued"
    started_at: int | None = None
    expires_at: int | None = None
    cancelled_at: int | None = None
    failed_at: int | None = None
    completed_at: int | None = None
    required_action: RequiredAction | None = None
    last_error: LastError | None = None
    model: str
    instructions: str = ""
    tools: tuple[Tool, ...] = ()
    tool_resources: ToolResources = ToolResources()
    temperature: float | None = 1.0
    top_p: float | None = 1.0
    reasoning_effort: ReasoningEffort | None = None
    max_completion_tokens: int | None = None
    max_prompt_tokens: int | None = None
    truncation_strategy: TruncationStrategy = TruncationStrategy()
    incomplete_details: RunIncomplete | None = None
    usage: Usage | None = None
    response_format: ResponseFormat = "auto"
    tool_choice: ToolChoice = "auto"
    parallel_tool_calls: bool = True
    surface: Surface = "openai"
    owner: str = LOCAL
    file_ids: tuple[str, ...] = ()
    waiting: bool = False
    turns: int = 0
    seconds: int = 0
    asking: Asking = "off"

    @property
    def used(self) -> Used:
        """What the run, which has ended, has used."""
        return Used.by(self.usage or Usage(), turns=self.turns, seconds=self.seconds)

    def wire(self) -> JsonObject:
        return super().wire() if self.status in ACTIVE else {**super().wire(), "expires_at": None}


# Run steps


class MessageId(Part):
    """A message, by id."""

    message_id: str


class MessageCreation(Part):
    """The step wrote a message."""

    type: Literal["message_creation"] = "message_creation"
    message_creation: MessageId


class Logs(Part):
    """Text that a cell printed, showed or raised."""

    type: Literal["logs"] = "logs"
    logs: str


class FileId(Part):
    """A file, by id."""

    file_id: str


class Image(Part):
    """A picture that a cell displayed."""

    type: Literal["image"] = "image"
    image: FileId


CodeOutput = Annotated[Logs | Image, Field(discriminator="type")]


class CodeRun(Part):
    """Code and what came of it."""

    input: str = ""
    outputs: tuple[CodeOutput, ...] = ()


class CodeCall(Part):
    """A cell that the model had run."""

    id: str
    type: Literal["code_interpreter"] = "code_interpreter"
    code_interpreter: CodeRun


class FunctionResult(BaseModel):
    """A function call; `output` is null until the client submits it."""

    model_config = ConfigDict(frozen=True)

    name: str
    arguments: str = ""
    output: str | None = None


class ClientCall(Part):
    """A function that the client runs."""

    id: str
    type: Literal["function"] = "function"
    function: FunctionResult


class SearchCall(Part):
    """A search in files, as another service made it."""

    id: str
    type: Literal["file_search"] = "file_search"
    file_search: JsonObject = Field(default_factory=dict)


ToolCall = Annotated[CodeCall | ClientCall | SearchCall, Field(discriminator="type")]


class ToolCalls(Part):
    """The step called tools."""

    type: Literal["tool_calls"] = "tool_calls"
    tool_calls: tuple[ToolCall, ...] = ()


StepDetails = Annotated[MessageCreation | ToolCalls, Field(discriminator="type")]


class RunStep(Object):
    """One thing a run did. `turn` counts the model's replies in the run, from 0.

    `then` is what the model said after calls that wait for the client: the run's next message, once they are over.
    `approval` is there when its code had to wait for a person's word. `beside` is what the model was told beside
    its outputs, in this run alone. `excerpts` are those of long outputs, by call id.
    """

    private: ClassVar[frozenset[str]] = frozenset({"turn", "then", "approval", "beside", "excerpts"})

    object: Literal["thread.run.step"] = "thread.run.step"
    run_id: str
    assistant_id: str
    thread_id: str
    type: Literal["message_creation", "tool_calls"]
    status: StepStatus = "in_progress"
    cancelled_at: int | None = None
    completed_at: int | None = None
    expires_at: int | None = None
    expired_at: int | None = None
    failed_at: int | None = None
    last_error: LastError | None = None
    step_details: StepDetails
    usage: Usage | None = None
    turn: int = 0
    then: str = ""
    approval: Approval | None = None
    beside: str = ""
    excerpts: dict[str, Excerpt] = Field(default_factory=dict[str, Excerpt])

    @property
    def asks(self) -> Approval | None:
        """What it waits for a person's word on, if it does."""
        return self.approval if self.held and self.approval and self.approval.answer is None else None

    @property
    def held(self) -> tuple[Call, ...]:
        """What is left of the model's reply to be carried out, since a person had to be asked."""
        return self.approval.calls if self.approval and self.status == "in_progress" else ()


CellStatus = Literal["ok", "error", "timeout", "interrupted", "dead", "rejected"]
"""How a cell ended; a rejected one never began."""


class Cell(Object):
    """What a code call left in the kernel's own terms: the notebook is made of these. Never sent by the API.

    `id` is the call's. `outputs` are nbformat 4.5 output objects. `decision` is a person's, who was asked.
    """

    run_id: str
    step_id: str
    thread_id: str
    code: str
    status: CellStatus
    execution_count: int | None = None
    outputs: tuple[JsonObject, ...] = ()
    decision: Decision | None = None
