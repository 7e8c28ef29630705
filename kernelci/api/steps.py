"""`/threads/{thread_id}/runs/{run_id}/steps`."""

from __future__ import annotations

from starlette.responses import Response

from kernelci.api.paging import page
from kernelci.api.request import ApiRequest, answer, answer_list, read_query
from kernelci.protocol.objects import Run, RunStep
from kernelci.protocol.requests import Included, StepListQuery


async def list_(request: ApiRequest) -> Response:
    """`GET .../steps`."""
    query = read_query(request, StepListQuery)
    store, ids = request.state["service"].store, request.path_params
    await store.get(Run, ids["run_id"], within=ids["thread_id"])
    return answer_list(request, await store.page(RunStep, page(query), within=ids["run_id"]))


async def retrieve(request: ApiRequest) -> Response:
    """`GET .../steps/{step_id}`."""
    read_query(request, Included)
    store, ids = request.state["service"].store, request.path_params
    await store.get(Run, ids["run_id"], within=ids["thread_id"])
    return answer(request, await store.get(RunStep, ids["step_id"], within=ids["run_id"]))
