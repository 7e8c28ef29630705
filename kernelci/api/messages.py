"""`/threads/{thread_id}/messages`."""

from __future__ import annotations

from starlette.responses import Response

from kernelci.api.paging import page
from kernelci.api.request import ApiRequest, answer, answer_deleted, answer_list, read_body, read_query
from kernelci.engine import threads
from kernelci.protocol.objects import Message, Thread
from kernelci.protocol.requests import MessageCreate, MessageListQuery, MetadataUpdate


async def create(request: ApiRequest) -> Response:
    """`POST /threads/{thread_id}/messages`."""
    body = await read_body(request, MessageCreate, "message")
    thread_id = request.path_params["thread_id"]
    return answer(request, await threads.post(request.state["service"], thread_id, body))


async def list_(request: ApiRequest) -> Response:
    """`GET /threads/{thread_id}/messages`."""
    query = read_query(request, MessageListQuery)
    store, thread_id = request.state["service"].store, request.path_params["thread_id"]
    await store.get(Thread, thread_id)
    return answer_list(request, await store.page(Message, page(query), within=thread_id, run_id=query.run_id))


async def retrieve(request: ApiRequest) -> Response:
    """`GET /threads/{thread_id}/messages/{message_id}`."""
    ids = request.path_params
    store = request.state["service"].store
    return answer(request, await store.get(Message, ids["message_id"], within=ids["thread_id"]))


async def update(request: ApiRequest) -> Response:
    """`POST /threads/{thread_id}/messages/{message_id}`: its metadata."""
    body = await read_body(request, MetadataUpdate)
    ids = request.path_params

    def change(message: Message) -> Message:
        return message.model_copy(update=body.given())

    store = request.state["service"].store
    changed = await store.edit(Message, ids["message_id"], change, within=ids["thread_id"])
    request.state["service"].supervisor.amend(changed)
    return answer(request, changed)


async def delete(request: ApiRequest) -> Response:
    """`DELETE /threads/{thread_id}/messages/{message_id}`."""
    ids = request.path_params
    await threads.delete_message(request.state["service"], ids["thread_id"], ids["message_id"])
    return answer_deleted(ids["message_id"], "thread.message.deleted")
