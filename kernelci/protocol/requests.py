"""Request bodies and list queries, as the canonical form (v2) has them (protocol.md 2).

An explicit null means absent at every level that has named fields. What is absent is not in
`model_fields_set`, which is how an update knows what to leave alone. Numbers and booleans are taken as JSON has
them, so the string "5" is no integer; a query's are text, and are read as numbers.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag
from pydantic_core import PydanticCustomError

from kernelci.protocol import limits
from kernelci.protocol.ids import PREFIX
from kernelci.protocol.parts import (
    AnswerFormat,
    Attachment,
    Fields,
    Flag,
    ForcedTool,
    FunctionTool,
    ImageFilePart,
    ImageUrlPart,
    Many,
    ReasoningEffort,
    Tool,
    ToolResources,
    TruncationStrategy,
    Whole,
)


class Body(Fields):
    """A request body. Unknown fields are ignored unless the server is strict."""

    def given(self) -> dict[str, Any]:
        """The fields the client sent, by name, as validated values."""
        return {name: getattr(self, name) for name in self.model_fields_set}


def _text_or_more(value: object) -> str:
    """Which of the two forms of a field this is, so that an error speaks of that one alone."""
    return "text" if isinstance(value, str) else "more"


def _distinct(tools: tuple[Tool, ...]) -> tuple[Tool, ...]:
    """The tools, none of them given twice."""
    seen: set[str] = set()
    for tool in tools:
        name = tool.function.name if isinstance(tool, FunctionTool) else tool.type
        if isinstance(tool, FunctionTool) and name == "code_interpreter":
            raise PydanticCustomError("invalid_value", "A function cannot be named 'code_interpreter'.")
        if name in seen:
            raise PydanticCustomError("invalid_value", "The tool '{name}' is given more than once.", {"name": name})
        seen.add(name)
    return tools


def _with_function(choice: ForcedTool) -> ForcedTool:
    """The choice, which names its function if it is one."""
    if choice.type == "function" and choice.function is None:
        raise PydanticCustomError("missing_required_parameter", "Name the function: {'function': {'name': …}}.")
    return choice


def _with_schema(answer: AnswerFormat) -> AnswerFormat:
    """The format, which has its schema if it needs one."""
    if answer.type == "json_schema" and answer.json_schema is None:
        raise PydanticCustomError("missing_required_parameter", "The type 'json_schema' needs 'json_schema'.")
    return answer


def _with_count(strategy: TruncationStrategy) -> TruncationStrategy:
    """The strategy, which says how many messages if it counts them."""
    if strategy.type == "last_messages" and strategy.last_messages is None:
        raise PydanticCustomError("missing_required_parameter", "'last_messages' needs a number of messages.")
    return strategy


def _an_assistant(id: str) -> str:
    """The id, which looks like an assistant's."""
    if not id.startswith(PREFIX["assistant"]):
        raise PydanticCustomError(
            "invalid_value",
            "Invalid 'assistant_id': '{id}'. Expected an ID that begins with 'asst'.",
            {"id": id[:64]},
        )
    return id


MetadataBody = Annotated[
    dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]], BeforeValidator(limits.pairs)
]
Name = Annotated[str, Field(max_length=256)]
Description = Annotated[str, Field(max_length=512)]
Instructions = Annotated[str, Field(max_length=256_000)]
AssistantId = Annotated[str, AfterValidator(_an_assistant)]
Tools = Annotated[Many[Tool], Field(max_length=128), AfterValidator(_distinct)]
RunTools = Annotated[Many[Tool], Field(max_length=20), AfterValidator(_distinct)]
Temperature = Annotated[float, Field(strict=True, ge=0, le=2)]
TopP = Annotated[float, Field(strict=True, ge=0, le=1)]
Tokens = Annotated[Whole, Field(ge=256)]
Truncation = Annotated[TruncationStrategy, AfterValidator(_with_count)]
ToolChoiceBody = Annotated[
    Annotated[Literal["none", "auto", "required"], Tag("text")]
    | Annotated[ForcedTool, AfterValidator(_with_function), Tag("more")],
    Discriminator(_text_or_more),
]
ResponseFormatBody = Annotated[
    Annotated[Literal["auto"], Tag("text")] | Annotated[AnswerFormat, AfterValidator(_with_schema), Tag("more")],
    Discriminator(_text_or_more),
]


class CodeInterpreterBody(Body):
    """The kernel's files, in a request."""

    file_ids: Annotated[Many[str], Field(max_length=limits.FILES)] = ()


class FileSearchBody(Body):
    """Vector stores, in a request."""

    vector_store_ids: Annotated[Many[str], Field(max_length=1)] = ()


class ToolResourcesBody(Body):
    """`tool_resources` of a request."""

    code_interpreter: CodeInterpreterBody | None = None
    file_search: FileSearchBody | None = None

    def resources(self) -> ToolResources:
        """The same as an object's part."""
        return ToolResources.model_validate(self.model_dump())


class AssistantFileIds(Body):
    """The files of an assistant as v1 has them."""

    file_ids: Annotated[Many[str], Field(max_length=limits.FILES)] = ()


class MessageFileIds(Body):
    """The files of a message as v1 has them."""

    file_ids: Annotated[Many[str], Field(max_length=10)] = ()


class AssistantFileCreate(Body):
    """`POST /assistants/{id}/files`, of v1."""

    file_id: str


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
    response_format: ResponseFormatBody = "auto"
    reasoning_effort: ReasoningEffort | None = None


class AssistantCreate(AssistantFields):
    """`POST /assistants`."""

    model: str


class AssistantUpdate(AssistantFields):
    """`POST /assistants/{id}`: only what is given changes."""

    model: str | None = None


class TextContent(Body):
    """Text in a request's content: a plain string, where an object has `{value, annotations}`."""

    type: Literal["text"]
    text: Annotated[str, Field(min_length=1, max_length=256_000)]


ContentPartBody = Annotated[TextContent | ImageFilePart | ImageUrlPart, Field(discriminator="type")]
ContentBody = Annotated[
    Annotated[str, Field(min_length=1, max_length=256_000), Tag("text")]
    | Annotated[Many[ContentPartBody], Field(min_length=1), Tag("more")],
    Discriminator(_text_or_more),
]


class MessageCreate(Body):
    """`POST /threads/{id}/messages`."""

    role: Literal["user", "assistant"]
    content: ContentBody
    attachments: Many[Attachment] = ()
    metadata: MetadataBody = Field(default_factory=dict)


Messages = Annotated[Many[MessageCreate], BeforeValidator(limits.messages)]
FirstMessages = Annotated[Many[MessageCreate], BeforeValidator(limits.first_messages)]


class MetadataUpdate(Body):
    """`POST` to a message or run: only its metadata can change."""

    metadata: MetadataBody = Field(default_factory=dict)


class ThreadCreate(Body):
    """`POST /threads`."""

    messages: FirstMessages = ()
    tool_resources: ToolResourcesBody = ToolResourcesBody()
    metadata: MetadataBody = Field(default_factory=dict)


class ThreadUpdate(Body):
    """`POST /threads/{id}`."""

    tool_resources: ToolResourcesBody = ToolResourcesBody()
    metadata: MetadataBody = Field(default_factory=dict)


class RunFields(Body):
    """What both ways of starting a run take."""

    assistant_id: AssistantId
    model: str | None = None
    instructions: Instructions | None = None
    tools: RunTools | None = None
    metadata: MetadataBody = Field(default_factory=dict)
    temperature: Temperature | None = None
    top_p: TopP | None = None
    stream: Flag = False
    max_prompt_tokens: Tokens | None = None
    max_completion_tokens: Tokens | None = None
    truncation_strategy: Truncation = TruncationStrategy()
    tool_choice: ToolChoiceBody = "auto"
    parallel_tool_calls: Flag = True
    response_format: ResponseFormatBody | None = None


class RunCreate(RunFields):
    """`POST /threads/{id}/runs`."""

    additional_instructions: Instructions | None = None
    additional_messages: Messages = ()
    reasoning_effort: ReasoningEffort | None = None


class ThreadAndRunCreate(RunFields):
    """`POST /threads/runs`."""

    thread: ThreadCreate = ThreadCreate()
    tool_resources: ToolResourcesBody = ToolResourcesBody()


class ToolOutput(Body):
    """What the client's function gave back."""

    tool_call_id: str
    output: str = ""


class ToolOutputs(Body):
    """`POST .../submit_tool_outputs`: all of the pending calls at once."""

    tool_outputs: Many[ToolOutput]
    stream: Flag = False


class ListQuery(Body):
    """How a list is paged (protocol.md 1.4)."""

    limit: Annotated[int, Field(ge=1, le=100)] = 20
    order: Literal["asc", "desc"] = "desc"
    after: str | None = None
    before: str | None = None


class Included(Body):
    """What else a run's or a step's answer is to hold: of what file search found, the text."""

    include: Many[Literal["step_details.tool_calls[*].file_search.results[*].content"]] = ()


class StepListQuery(ListQuery, Included):
    """`GET /threads/{id}/runs/{id}/steps`."""


class EventsQuery(Body):
    """`GET /threads/{id}/events`: the id of the last event that was seen."""

    after: str | None = None


class MessageListQuery(ListQuery):
    """`GET /threads/{id}/messages`."""

    run_id: str | None = None


class FileListQuery(Body):
    """`GET /files`: longer pages, no `before`."""

    limit: Annotated[int, Field(ge=1, le=10_000)] = 10_000
    order: Literal["asc", "desc"] = "desc"
    after: str | None = None
    purpose: str | None = None
