"""`/threads/{thread_id}/runs` and `/threads/runs`."""

from __future__ import annotations

from starlette.responses import Response

from kernelci.api.paging import page
from kernelci.api.request import ApiRequest, answer, answer_list, read_body, read_query
from kernelci.api.sse import EventStream
from kernelci.engine import runs
from kernelci.engine.retell import retold_after
from kernelci.protocol.objects import Run, Thread
from kernelci.protocol.requests import (
    EventsQuery,
    Included,
    ListQuery,
    MetadataUpdate,
    RunCreate,
    ThreadAndRunCreate,
    ToolOutputs,
)

POLL_AFTER_MS = "200"
"""How long the SDK's pollers are told to wait: the hosted service's second is long on one's own machine."""


async def create(request: ApiRequest) -> Response:
    """`POST /threads/{thread_id}/runs`: the queued run, or its events."""
    read_query(request, Included)
    body = await read_body(request, RunCreate, "run")
    service, dialect = request.state["service"], request.state["dialect"]
    run = await runs.create(service, request.path_params["thread_id"], body, dialect.surface)
    if body.stream:
        return EventStream(service.bus.follow(run.id), dialect)
    return answer(request, run)


async def create_with_thread(request: ApiRequest) -> Response:
    """`POST /threads/runs`: the queued run, or its events after that of the thread."""
    body = await read_body(request, ThreadAndRunCreate, "run")
    service, dialect = request.state["service"], request.state["dialect"]
    thread, run = await runs.create_with_thread(service, body, dialect.surface)
    if body.stream:
        return EventStream(service.bus.follow(run.id), dialect, thread=thread)
    return answer(request, run)


async def events(request: ApiRequest) -> Response:
    """`GET /threads/{thread_id}/events?after=ID`, our own: what the thread's runs did after that event, and do.

    Ends as a run's stream does, with the thread's newest run. An id may also come as the header `Last-Event-ID`. Of
    one that is not known any more, as after a restart, its run is told from the beginning; without one the newest.
    """
    query = read_query(request, EventsQuery)
    service, thread_id = request.state["service"], request.path_params["thread_id"]
    await service.store.get(Thread, thread_id)
    seen = query.after or request.headers.get("last-event-id", "")
    retold = await retold_after(seen, thread_id, store=service.store, bus=service.bus)
    return EventStream(retold.told, request.state["dialect"], epoch=service.bus.epoch, seen=retold.seen)


async def list_(request: ApiRequest) -> Response:
    """`GET /threads/{thread_id}/runs`."""
    query = read_query(request, ListQuery)
    store, thread_id = request.state["service"].store, request.path_params["thread_id"]
    await store.get(Thread, thread_id)
    return answer_list(request, await store.page(Run, page(query), within=thread_id))


async def retrieve(request: ApiRequest) -> Response:
    """`GET /threads/{thread_id}/runs/{run_id}`."""
    store, ids = request.state["service"].store, request.path_params
    run = await store.get(Run, ids["run_id"], within=ids["thread_id"])
    return answer(request, run, {"openai-poll-after-ms": POLL_AFTER_MS})


async def update(request: ApiRequest) -> Response:
    """`POST /threads/{thread_id}/runs/{run_id}`: its metadata."""
    body = await read_body(request, MetadataUpdate)
    store, ids = request.state["service"].store, request.path_params

    def change(run: Run) -> Run:
        return run.model_copy(update=body.given())

    changed = await store.edit(Run, ids["run_id"], change, within=ids["thread_id"])
    request.state["service"].supervisor.amend(changed)
    return answer(request, changed)


async def cancel(request: ApiRequest) -> Response:
    """`POST .../cancel`."""
    ids = request.path_params
    return answer(request, await runs.cancel(request.state["service"], ids["thread_id"], ids["run_id"]))


async def submit(request: ApiRequest) -> Response:
    """`POST .../submit_tool_outputs`: the run, queued again, or its further events."""
    body = await read_body(request, ToolOutputs)
    service, ids = request.state["service"], request.path_params
    seen = service.bus.last(ids["run_id"])
    outputs = {each.tool_call_id: each.output for each in body.tool_outputs}
    run = await runs.submit(service, ids["thread_id"], ids["run_id"], outputs)
    if body.stream:
        return EventStream(service.bus.follow(run.id, seen), request.state["dialect"])
    return answer(request, run)
