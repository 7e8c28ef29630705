"""What can be done with assistants beyond reading them: make and change."""

from __future__ import annotations

from kernelci.engine import files
from kernelci.engine.ports import Store
from kernelci.protocol import ids
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
    await store.put(assistant)
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
