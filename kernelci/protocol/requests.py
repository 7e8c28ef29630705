"""Request bodies and list queries, as the canonical form (v2) has them (protocol.md 2).

An explicit null means absent at every level that has named fields. What is absent is not in
`model_fields_set`, which is how an update knows what to leave alone.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from kernelci.protocol.parts import (
    Attachment,
    ImageFilePart,
    ImageUrlPart,
    ReasoningEffort,
    ResponseFormat,
    Tool,
    ToolChoice,
    ToolResources,
    TruncationStrategy,
)


def _without_nulls(value: object) -> object:
    """The mapping without the keys whose value is null; anything else as it is."""
    if isinstance(value, dict):
        return {key: item for key, item in value.items() if item is not None}  # pyright: ignore[reportUnknownVariableType]
    return value


class Body(BaseModel):
    """A request body. Unknown fields are ignored unless the server is strict."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=False)

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, value: object) -> object:
        return _without_nulls(value)

    def given(self) -> dict[str, Any]:
        """The fields the client sent, by name, as validated values."""
        return {name: getattr(self, name) for name in self.model_fields_set}


MetadataKey = Annotated[str, Field(max_length=64)]
MetadataValue = Annotated[str, Field(max_length=512)]
MetadataBody = Annotated[
    dict[MetadataKey, MetadataValue],
    Field(max_length=16),
    BeforeValidator(_without_nulls),
]
Name = Annotated[str, Field(max_length=256)]
Description = Annotated[str, Field(max_length=512)]
Instructions = Annotated[str, Field(max_length=256_000)]
Tools = Annotated[tuple[Tool, ...], Field(max_length=128)]
RunTools = Annotated[tuple[Tool, ...], Field(max_length=20)]
Temperature = Annotated[float, Field(ge=0, le=2)]
TopP = Annotated[float, Field(ge=0, le=1)]
Tokens = Annotated[int, Field(ge=256)]


class CodeInterpreterBody(Body):
    """The kernel's files, in a request."""

    file_ids: Annotated[tuple[str, ...], Field(max_length=20)] = ()


class FileSearchBody(Body):
    """Vector stores, in a request."""

    vector_store_ids: Annotated[tuple[str, ...], Field(max_length=1)] = ()


class ToolResourcesBody(Body):
    """`tool_resources` of a request."""

    code_interpreter: CodeInterpreterBody | None = None
    file_search: FileSearchBody | None = None

    def resources(self) -> ToolResources:
        """The same as an object's part."""
        return ToolResources.model_validate(self.model_dump())


class AssistantFields(Body):
    """What an assistant can be made or changed with."""

    name: Name | None = None
    description: Description | None = None
    instructions: Instructions | None = None
    tools: Tools = ()
    tool_resources: ToolResourcesBody = ToolResourcesBody()
    metadata: MetadataBody = Field(default_factory=dict)
    temperature: Temperature | None = 1.0
    top_p: TopP | None = 1.0
    response_format: ResponseFormat = "auto"
    reasoning_effort: ReasoningEffort | None = None


class AssistantCreate(AssistantFields):
    """`POST /assistants`."""

    model: str


class AssistantUpdate(AssistantFields):
    """`POST /assistants/{id}`: only what is given changes."""

    model: str = ""


class TextContent(Body):
    """Text in a request's content: a plain string, where an object has `{value, annotations}`."""

    type: Literal["text"]
    text: Annotated[str, Field(min_length=1, max_length=256_000)]


ContentBody = Annotated[TextContent | ImageFilePart | ImageUrlPart, Field(discriminator="type")]


class MessageCreate(Body):
    """`POST /threads/{id}/messages`."""

    role: Literal["user", "assistant"]
    content: (
        Annotated[str, Field(min_length=1, max_length=256_000)]
        | Annotated[tuple[ContentBody, ...], Field(min_length=1)]
    )
    attachments: tuple[Attachment, ...] = ()
    metadata: MetadataBody = Field(default_factory=dict)


class MetadataUpdate(Body):
    """`POST` to a message or run: only its metadata can change."""

    metadata: MetadataBody = Field(default_factory=dict)


class ThreadCreate(Body):
    """`POST /threads`."""

    messages: tuple[MessageCreate, ...] = ()
    tool_resources: ToolResourcesBody = ToolResourcesBody()
    metadata: MetadataBody = Field(default_factory=dict)


class ThreadUpdate(Body):
    """`POST /threads/{id}`."""

    tool_resources: ToolResourcesBody = ToolResourcesBody()
    metadata: MetadataBody = Field(default_factory=dict)


class RunFields(Body):
    """What both ways of starting a run take."""

    assistant_id: str
    model: str | None = None
    instructions: Instructions | None = None
    tools: RunTools | None = None
    metadata: MetadataBody = Field(default_factory=dict)
    temperature: Temperature | None = None
    top_p: TopP | None = None
    stream: bool = False
    max_prompt_tokens: Tokens | None = None
    max_completion_tokens: Tokens | None = None
    truncation_strategy: TruncationStrategy = TruncationStrategy()
    tool_choice: ToolChoice = "auto"
    parallel_tool_calls: bool = True
    response_format: ResponseFormat | None = None


class RunCreate(RunFields):
    """`POST /threads/{id}/runs`."""

    additional_instructions: Instructions | None = None
    additional_messages: tuple[MessageCreate, ...] = ()
    reasoning_effort: ReasoningEffort | None = None


class ThreadAndRunCreate(RunFields):
    """`POST /threads/runs`."""

    thread: ThreadCreate = ThreadCreate()
    tool_resources: ToolResourcesBody | None = None


class ToolOutput(Body):
    """What the client's function gave back."""

    tool_call_id: str
    output: str = ""


class ToolOutputs(Body):
    """`POST .../submit_tool_outputs`: all of the pending calls at once."""

    tool_outputs: tuple[ToolOutput, ...]
    stream: bool = False


class ListQuery(Body):
    """How a list is paged (protocol.md 1.4)."""

    limit: Annotated[int, Field(ge=1, le=100)] = 20
    order: Literal["asc", "desc"] = "desc"
    after: str | None = None
    before: str | None = None


class MessageListQuery(ListQuery):
    """`GET /threads/{id}/messages`."""

    run_id: str | None = None


class FileListQuery(Body):
    """`GET /files`: longer pages, no `before`."""

    limit: Annotated[int, Field(ge=1, le=10_000)] = 10_000
    order: Literal["asc", "desc"] = "desc"
    after: str | None = None
    purpose: str | None = None
