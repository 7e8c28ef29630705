"""What requests and objects are both made of: tools, resources, formats, content.

A part leaves out what it does not hold, where an object (objects.py) names every key.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar, cast

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

ItemT = TypeVar("ItemT")

Metadata = dict[str, str]
JsonObject = dict[str, Any]
Many = Annotated[tuple[ItemT, ...], Field(fail_fast=True)]
"""Items of a list that may be long, of which no more is looked at once one is wrong: only that one is told of."""

Flag = Annotated[bool, Field(strict=True)]
Whole = Annotated[int, Field(strict=True)]
"""As JSON has them: neither text nor each other."""


def without_nulls(value: object) -> object:
    """The mapping without the keys whose value is null, which means absent; anything else as it is."""
    if isinstance(value, dict):
        given = cast("dict[str, object]", value)
        return {key: item for key, item in given.items() if item is not None}
    return value


class Fields(BaseModel):
    """What has named fields. A null is an absent one; unknown ones are ignored, unless they are to be refused."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _counting(cls, value: object) -> object:
        """The value with the keys that count. Of unknown ones that is the first: it is the one that is refused."""
        if not isinstance(value, dict):
            return value
        given = cast("dict[str, object]", without_nulls(cast("object", value)))
        fields = cls.__pydantic_fields__  # `model_fields` takes longer than all else here
        if len(given) <= len(fields):
            return given
        known = {field.alias or name for name, field in fields.items()}
        unknown = next(key for key in given if key not in known)
        return {key: item for key, item in given.items() if key in known or key == unknown}


class Part(Fields):
    """A piece of an object; absent keys are not sent."""

    @model_serializer(mode="wrap")
    def _without_absent(self, dump: SerializerFunctionWrapHandler) -> JsonObject:
        return {key: value for key, value in dump(self).items() if value is not None}


# Tools


class CodeInterpreterTool(Part):
    """The model may run Python in the thread's kernel."""

    type: Literal["code_interpreter"] = "code_interpreter"


class FileSearchTool(Part):
    """The model may search vector stores; kept and echoed."""

    type: Literal["file_search"] = "file_search"
    file_search: JsonObject | None = None


class Function(Part):
    """A function that the client runs."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    description: str | None = None
    parameters: JsonObject = Field(default_factory=lambda: {"type": "object", "properties": {}})
    strict: Flag = False


class FunctionTool(Part):
    """The model may ask the client to run a function."""

    type: Literal["function"] = "function"
    function: Function


Tool = Annotated[CodeInterpreterTool | FileSearchTool | FunctionTool, Field(discriminator="type")]


class CodeInterpreterResources(Part):
    """The files that the kernel sees in /mnt/data."""

    file_ids: Many[str] = ()


class FileSearchResources(Part):
    """The vector stores that file search looks into."""

    vector_store_ids: Many[str] = ()


class ToolResources(Part):
    """What an assistant, thread or run gives its tools."""

    code_interpreter: CodeInterpreterResources | None = None
    file_search: FileSearchResources | None = None

    @property
    def file_ids(self) -> tuple[str, ...]:
        """The code interpreter's files, in the order they were given."""
        return self.code_interpreter.file_ids if self.code_interpreter else ()


# What a run is told


class FunctionName(Part):
    """A function, by name."""

    name: str


class ForcedTool(Part):
    """The tool that the model must use first."""

    type: Literal["code_interpreter", "file_search", "function"]
    function: FunctionName | None = None


ToolChoice = Literal["none", "auto", "required"] | ForcedTool


class JsonSchema(Part):
    """The schema an answer must fit."""

    model_config = ConfigDict(frozen=True, extra="ignore", serialize_by_alias=True)

    name: str
    description: str | None = None
    schema_: JsonObject | None = Field(default=None, alias="schema")
    strict: Flag | None = None


class AnswerFormat(Part):
    """The form of the model's answer."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None


ResponseFormat = Literal["auto"] | AnswerFormat


class TruncationStrategy(Fields):
    """How much of a long thread the model is shown."""

    type: Literal["auto", "last_messages"] = "auto"
    last_messages: Annotated[Whole, Field(ge=1)] | None = None


ReasoningEffort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


# Content


class ImageFile(Part):
    """A picture among the files."""

    file_id: str
    detail: Literal["auto", "low", "high"] | None = None


class ImageFilePart(Part):
    """A picture in a message."""

    type: Literal["image_file"] = "image_file"
    image_file: ImageFile


class ImageUrl(Part):
    """A picture elsewhere; only the model's endpoint may fetch it."""

    url: str
    detail: Literal["auto", "low", "high"] | None = None


class ImageUrlPart(Part):
    """A picture in a message, by address."""

    type: Literal["image_url"] = "image_url"
    image_url: ImageUrl


class FilePath(Part):
    """The file behind a link."""

    file_id: str


class FilePathAnnotation(Part):
    """Code points `start_index` to `end_index` of the text (half-open) are a link to a file."""

    type: Literal["file_path"] = "file_path"
    text: str
    start_index: int
    end_index: int
    file_path: FilePath


class FileCitation(Part):
    """The file that a citation is from; `quote` is v1's."""

    file_id: str
    quote: str | None = None


class FileCitationAnnotation(Part):
    """Code points `start_index` to `end_index` of the text (half-open) stand for a place in a file."""

    type: Literal["file_citation"] = "file_citation"
    text: str
    start_index: int
    end_index: int
    file_citation: FileCitation


Annotation = Annotated[FilePathAnnotation | FileCitationAnnotation, Field(discriminator="type")]


class Text(Part):
    """Text with its annotations."""

    value: str
    annotations: tuple[Annotation, ...] = ()


class TextPart(Part):
    """Text in a message."""

    type: Literal["text"] = "text"
    text: Text


class RefusalPart(Part):
    """What a model said instead of an answer."""

    type: Literal["refusal"] = "refusal"
    refusal: str


ContentPart = Annotated[TextPart | ImageFilePart | ImageUrlPart | RefusalPart, Field(discriminator="type")]


class AttachmentTool(Part):
    """A tool that may use an attached file."""

    type: Literal["code_interpreter", "file_search"]


class Attachment(Part):
    """A file given with a message, and the tools that may use it."""

    file_id: str
    tools: Many[AttachmentTool] = ()
