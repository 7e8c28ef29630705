"""What can be done with assistants beyond reading them: make and change, give and take files."""

from __future__ import annotations

from collections.abc import Iterable

from kernelci.engine import files
from kernelci.engine.ports.store import Store
from kernelci.errors import InvalidRequest, NotFound
from kernelci.protocol import ids, limits
from kernelci.protocol.objects import Assistant
from kernelci.protocol.parts import CodeInterpreterResources, CodeInterpreterTool, ToolResources
from kernelci.protocol.requests import AssistantCreate, AssistantUpdate, ToolResourcesBody


async def create(store: Store, body: AssistantCreate) -> Assistant:
    """Make an assistant.

    Raises:
        NotFound: it refers to an unknown file.
    """
    resources = body.tool_resources.resources()
    await files.must_exist(store, resources.file_ids)
    if resources.code_interpreter is None and any(isinstance(tool, CodeInterpreterTool) for tool in body.tools):
        resources = resources.model_copy(update={"code_interpreter": CodeInterpreterResources()})
    assistant = Assistant.model_validate(
        {
            **dict(body),
            "id": ids.new("assistant"),
            "created_at": ids.now(),
            "tool_resources": resources,
        }
    )
    await store.add(assistant)
    return assistant


async def update(store: Store, id: str, body: AssistantUpdate) -> Assistant:
    """Change what is given; lists and metadata are replaced as wholes.

    Raises:
        NotFound: there is no such assistant, or it would refer to an unknown file.
    """
    given = body.given()
    await files.must_exist(store, body.tool_resources.resources().file_ids)

    def change(assistant: Assistant) -> Assistant:
        resources = merged(assistant.tool_resources, body.tool_resources)
        return assistant.model_copy(update={**given, "tool_resources": resources})

    return await store.edit(Assistant, id, change)


def merged(stored: ToolResources, body: ToolResourcesBody) -> ToolResources:
    """The resources after an update: the lists that are given replace those of their tool."""
    given = body.resources()
    change = {tool: getattr(given, tool) for tool, part in body.given().items() if part.model_fields_set}
    return stored.model_copy(update=change)


async def attach(store: Store, id: str, file_id: str) -> None:
    """Give the assistant's code interpreter one more file; one that it has already stays where it is.

    Raises:
        NotFound: there is no such assistant or file.
        InvalidRequest: the assistant has as many files as it may.
    """
    await files.must_exist(store, [file_id])

    def change(assistant: Assistant) -> Assistant:
        return _with_files(assistant, (*assistant.tool_resources.file_ids, file_id))

    await store.edit(Assistant, id, change)


async def detach(store: Store, id: str, file_id: str) -> None:
    """Take a file from the assistant's code interpreter; the file itself stays.

    Raises:
        NotFound: there is no such assistant, or it has no such file.
    """

    def change(assistant: Assistant) -> Assistant:
        had = assistant.tool_resources.file_ids
        if file_id not in had:
            raise NotFound(f"No file found with id '{file_id}'.")
        return _with_files(assistant, [each for each in had if each != file_id])

    await store.edit(Assistant, id, change)


def _with_files(assistant: Assistant, file_ids: Iterable[str]) -> Assistant:
    distinct = tuple(dict.fromkeys(file_ids))
    if len(distinct) > limits.FILES:
        raise InvalidRequest(
            f"Assistant {assistant.id} has {limits.FILES} files, which is the most it can have.",
            param="file_id",
            code="array_above_max_length",
        )
    resources = {"code_interpreter": CodeInterpreterResources(file_ids=distinct)}
    return assistant.model_copy(update={"tool_resources": assistant.tool_resources.model_copy(update=resources)})
