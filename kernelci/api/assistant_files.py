"""`/assistants/{assistant_id}/files`, which v1 had: the files of its code interpreter, one by one."""

from __future__ import annotations

from starlette.responses import Response

from kernelci.api.paging import cut, listing, page
from kernelci.api.request import ApiRequest, answer_deleted, json_response, read_body, read_query
from kernelci.engine import assistants
from kernelci.engine.ports.store import Store
from kernelci.errors import NotFound
from kernelci.protocol.objects import Assistant, File
from kernelci.protocol.parts import JsonObject
from kernelci.protocol.requests import AssistantFileCreate, ListQuery


async def create(request: ApiRequest) -> Response:
    """`POST .../files`."""
    body = await read_body(request, AssistantFileCreate)
    store, id = request.state["service"].store, request.path_params["assistant_id"]
    await assistants.attach(store, id, body.file_id)
    return json_response(await _shown(store, await store.get(Assistant, id), body.file_id))


async def list_(request: ApiRequest) -> Response:
    """`GET .../files`."""
    query = read_query(request, ListQuery)
    store = request.state["service"].store
    assistant = await store.get(Assistant, request.path_params["assistant_id"])
    shown, more = cut(assistant.tool_resources.file_ids, page(query))
    items = [await _shown(store, assistant, id) for id in shown]
    return json_response(listing(items, has_more=more))


async def retrieve(request: ApiRequest) -> Response:
    """`GET .../files/{file_id}`."""
    store, ids = request.state["service"].store, request.path_params
    assistant = await store.get(Assistant, ids["assistant_id"])
    if ids["file_id"] not in assistant.tool_resources.file_ids:
        raise NotFound(f"No file found with id '{ids['file_id']}'.")
    return json_response(await _shown(store, assistant, ids["file_id"]))


async def delete(request: ApiRequest) -> Response:
    """`DELETE .../files/{file_id}`: the assistant has it no more."""
    ids = request.path_params
    await assistants.detach(request.state["service"].store, ids["assistant_id"], ids["file_id"])
    return answer_deleted(ids["file_id"], "assistant.file.deleted")


async def _shown(store: Store, assistant: Assistant, file_id: str) -> JsonObject:
    """The object. When the file was attached is not kept; it cannot have been before both of them were there."""
    file = await store.find(File, file_id)
    created_at = max(assistant.created_at, file.created_at if file else 0)
    return {"id": file_id, "object": "assistant.file", "created_at": created_at, "assistant_id": assistant.id}
