"""`/assistants`."""

from __future__ import annotations

from starlette.responses import Response

from kernelci.api.paging import page
from kernelci.api.request import ApiRequest, answer, answer_deleted, answer_list, read_body, read_query
from kernelci.engine import assistants
from kernelci.protocol.objects import Assistant
from kernelci.protocol.requests import AssistantCreate, AssistantUpdate, ListQuery


async def create(request: ApiRequest) -> Response:
    """`POST /assistants`."""
    body = await read_body(request, AssistantCreate, "assistant")
    return answer(request, await assistants.create(request.state["service"].store, body))


async def list_(request: ApiRequest) -> Response:
    """`GET /assistants`."""
    query = read_query(request, ListQuery)
    return answer_list(request, await request.state["service"].store.page(Assistant, page(query)))


async def retrieve(request: ApiRequest) -> Response:
    """`GET /assistants/{assistant_id}`."""
    store = request.state["service"].store
    return answer(request, await store.get(Assistant, request.path_params["assistant_id"]))


async def update(request: ApiRequest) -> Response:
    """`POST /assistants/{assistant_id}`."""
    body = await read_body(request, AssistantUpdate, "assistant")
    store = request.state["service"].store
    return answer(request, await assistants.update(store, request.path_params["assistant_id"], body))


async def delete(request: ApiRequest) -> Response:
    """`DELETE /assistants/{assistant_id}`."""
    gone = await request.state["service"].store.drop(Assistant, request.path_params["assistant_id"])
    return answer_deleted(gone.id, "assistant.deleted")
