"""`/threads/{thread_id}/runs/{run_id}/approvals`, our own: code that waits for a person's word."""

from __future__ import annotations

from starlette.responses import Response

from kernelci.api.paging import listing
from kernelci.api.request import ApiRequest, json_response, read_body
from kernelci.engine import approvals
from kernelci.protocol.calls import Answer
from kernelci.protocol.objects import CodeCall, RunStep, ToolCalls
from kernelci.protocol.parts import JsonObject
from kernelci.protocol.visible import hidden_in, visible


async def list_(request: ApiRequest) -> Response:
    """`GET .../approvals`: what waits."""
    ids = request.path_params
    steps = await approvals.waiting(request.state["service"], ids["thread_id"], ids["run_id"])
    return json_response(listing(map(approval, steps), has_more=False))


async def answer(request: ApiRequest) -> Response:
    """`POST .../approvals/{call_id}`: run it, run this in its place, or do not run it."""
    given = await read_body(request, Answer)
    service, ids = request.state["service"], request.path_params
    step = await approvals.answer(service, ids["thread_id"], ids["run_id"], ids["call_id"], given)
    return json_response(approval(step))


def approval(step: RunStep) -> JsonObject:
    """What a person is asked by this step, and has answered.

    `code` is what runs, or would; `shown` the same with all that hides spelled out, of which `warnings` tell.
    """
    if step.approval is None or not isinstance(step.step_details, ToolCalls):
        raise AssertionError(f"{step.id} asks nobody")
    (call,) = (each for each in step.step_details.tool_calls if isinstance(each, CodeCall))
    code = call.code_interpreter.input
    given = step.approval.answer
    return {
        "id": call.id,
        "object": "thread.run.approval",
        "created_at": step.approval.asked_at,
        "assistant_id": step.assistant_id,
        "thread_id": step.thread_id,
        "run_id": step.run_id,
        "step_id": step.id,
        "code": code,
        "shown": visible(code),
        "warnings": list(hidden_in(code)),
        "decision": given.decision if given else None,
        "reason": given.reason if given else None,
    }
