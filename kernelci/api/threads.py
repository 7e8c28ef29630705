"""`/threads`."""

from __future__ import annotations

from starlette.responses import Response

from kernelci.api.request import ApiRequest, answer, answer_deleted, read_body
from kernelci.engine import threads
from kernelci.protocol.objects import Thread
from kernelci.protocol.requests import ThreadCreate, ThreadUpdate


async def create(request: ApiRequest) -> Response:
    """`POST /threads`."""
    body = await read_body(request, ThreadCreate, "thread")
    return answer(request, await threads.create(request.state["service"], body))


async def retrieve(request: ApiRequest) -> Response:
    """`GET /threads/{thread_id}`."""
    store = request.state["service"].store
    return answer(request, await store.get(Thread, request.path_params["thread_id"]))


async def update(request: ApiRequest) -> Response:
    """`POST /threads/{thread_id}`."""
    body = await read_body(request, ThreadUpdate, "thread")
    thread_id = request.path_params["thread_id"]
    return answer(request, await threads.update(request.state["service"], thread_id, body))


async def delete(request: ApiRequest) -> Response:
    """`DELETE /threads/{thread_id}`."""
    thread_id = request.path_params["thread_id"]
    await threads.delete(request.state["service"], thread_id)
    return answer_deleted(thread_id, "thread.deleted")
