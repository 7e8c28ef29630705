"""Runs and their steps over HTTP."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from inline_snapshot import snapshot

from kernelci.engine.events import RunMoved
from kernelci.engine.service import Service
from kernelci.models.scripted import ScriptedModel
from kernelci.models.turn import CallFunction, Turn
from kernelci.protocol.objects import Message, Object, Run
from kernelci.protocol.states import ACTIVE
from tests.api.conftest import answered, app_of, client_of, service_in
from tests.api.test_assistants import file_id, make
from tests.api.test_threads import thread
from tests.engine.conftest import Unheard

FUNCTION = {"type": "function", "function": {"name": "weather"}}


async def ended(service: Service, run_id: str) -> None:
    """Wait until the run has ended or waits for its client."""
    async for _ in service.bus.follow(run_id):
        pass


async def begin(api: httpx2.AsyncClient, thread_id: str, assistant_id: str, **fields: Any) -> dict[str, Any]:
    response = await api.post(f"/v1/threads/{thread_id}/runs", json={"assistant_id": assistant_id, **fields})
    assert response.status_code == 200, response.text
    return answered(response)


async def test_a_run_is_queued_and_then_completed(service: Service, api: httpx2.AsyncClient) -> None:
    assistant, made = await make(api, instructions="Be brief."), await thread(api)
    run = await begin(api, made["id"], assistant["id"])
    varying = {"id", "created_at", "expires_at", "assistant_id", "thread_id"}
    assert {key: value for key, value in run.items() if key not in varying} == snapshot(
        {
            "metadata": {},
            "object": "thread.run",
            "status": "queued",
            "started_at": None,
            "cancelled_at": None,
            "failed_at": None,
            "completed_at": None,
            "required_action": None,
            "last_error": None,
            "model": "m",
            "instructions": "Be brief.",
            "tools": [],
            "tool_resources": {},
            "temperature": 1.0,
            "top_p": 1.0,
            "reasoning_effort": None,
            "max_completion_tokens": None,
            "max_prompt_tokens": None,
            "truncation_strategy": {"type": "auto", "last_messages": None},
            "incomplete_details": None,
            "usage": None,
            "response_format": "auto",
            "tool_choice": "auto",
            "parallel_tool_calls": True,
        }
    )
    assert run["expires_at"] == run["created_at"] + 600
    await ended(service, run["id"])
    path = f"/v1/threads/{made['id']}/runs/{run['id']}"
    response = await api.get(path)
    assert answered(response)["status"] == "completed"
    assert int(response.headers["openai-poll-after-ms"]) <= 500
    (step,) = answered(await api.get(f"{path}/steps"))["data"]
    assert answered(await api.get(f"{path}/steps/{step['id']}")) == step
    (message,) = answered(await api.get(f"/v1/threads/{made['id']}/messages?run_id={run['id']}"))["data"]
    assert step["step_details"]["message_creation"]["message_id"] == message["id"]
    assert answered(await api.get(f"/v1/threads/{made['id']}/runs"))["first_id"] == run["id"]


async def test_a_run_inherits_and_overrides(service: Service, api: httpx2.AsyncClient) -> None:
    assistant = await make(
        api,
        instructions="A.",
        tools=[FUNCTION],
        temperature=0.1,
        top_p=0.2,
        response_format={"type": "json_object"},
    )
    made = await thread(api)
    same = await begin(api, made["id"], assistant["id"])
    inherited = ("model", "instructions", "tools", "temperature", "top_p", "response_format", "reasoning_effort")
    assert {key: same[key] for key in inherited} == {key: assistant[key] for key in inherited}
    await ended(service, same["id"])
    given = {
        "model": "other",
        "instructions": "B.",
        "tools": [],
        "temperature": 1.5,
        "top_p": 1,
        "response_format": "auto",
        "reasoning_effort": "high",
        "metadata": {"k": "v"},
        "max_prompt_tokens": 1000,
        "max_completion_tokens": 500,
        "truncation_strategy": {"type": "last_messages", "last_messages": 3},
        "tool_choice": "none",
        "parallel_tool_calls": False,
    }
    run = await begin(api, made["id"], assistant["id"], additional_instructions="C.", **given)
    assert {key: run[key] for key in given} == given | {"instructions": "B.\n\nC."}


async def test_additional_messages_come_before_the_run(service: Service, api: httpx2.AsyncClient) -> None:
    assistant, made, file = await make(api), await thread(api), await file_id(api)
    attached = {"file_id": file, "tools": [{"type": "code_interpreter"}]}
    added = [{"role": "user", "content": "one"}, {"role": "user", "content": "two", "attachments": [attached]}]
    run = await begin(api, made["id"], assistant["id"], additional_messages=added)
    await ended(service, run["id"])
    listed = (await api.get(f"/v1/threads/{made['id']}/messages?order=asc")).json()["data"]
    assert [each["content"][0]["text"]["value"] for each in listed] == ["one", "two", "Hello."]
    resources = (await api.get(f"/v1/threads/{made['id']}")).json()["tool_resources"]
    assert resources == {"code_interpreter": {"file_ids": [file]}}


async def test_a_thread_and_its_run_are_made_together(service: Service, api: httpx2.AsyncClient) -> None:
    assistant, file = await make(api), await file_id(api)
    body = {
        "assistant_id": assistant["id"],
        "thread": {"messages": [{"role": "user", "content": "x"}], "metadata": {"k": "v"}},
        "tool_resources": {"code interpreter": {"file_ids": [file]}},
    }
    run = answered(await api.post("/openai/v1/threads/runs", json=body))
    assert run["status"] == "queued"
    assert run["tool_resources"] == {"code_interpreter": {"file_ids": [file]}}
    assert (await api.get(f"/v1/threads/{run['thread_id']}")).json()["metadata"] == {"k": "v"}
    bare = answered(await api.post("/v1/threads/runs", json={"assistant_id": assistant["id"]}))
    await ended(service, bare["id"])


@pytest.fixture
async def stuck(tmp_path: Path) -> AsyncGenerator[httpx2.AsyncClient]:
    """A client of a service whose model never answers."""
    async with service_in(tmp_path, Unheard()) as service, client_of(app_of(service)) as client:
        yield client


async def test_an_active_run_holds_its_thread(stuck: httpx2.AsyncClient) -> None:
    assistant, made = await make(stuck), await thread(stuck)
    run = await begin(stuck, made["id"], assistant["id"])
    path = f"/v1/threads/{made['id']}"
    message = await stuck.post(f"{path}/messages", json={"role": "user", "content": "x"})
    second = await stuck.post(f"{path}/runs", json={"assistant_id": assistant["id"]})
    outputs = await stuck.post(f"{path}/runs/{run['id']}/submit_tool_outputs", json={"tool_outputs": []})
    assert [response.status_code for response in (message, second, outputs)] == [400, 400, 400]
    assert (
        message.json()["error"]["message"]
        == f"Can't add messages to {made['id']} while a run {run['id']} is active."
    )
    assert second.json()["error"]["message"] == f"Thread {made['id']} already has an active run {run['id']}."
    assert "do not accept tool outputs." in outputs.json()["error"]["message"]
    assert (await stuck.post(f"{path}/runs/{run['id']}", json={"metadata": {"k": "v"}})).status_code == 200


async def test_a_run_is_cancelled_once(stuck: httpx2.AsyncClient) -> None:
    assistant, made = await make(stuck), await thread(stuck)
    run = await begin(stuck, made["id"], assistant["id"])
    path = f"/v1/threads/{made['id']}/runs/{run['id']}"
    assert answered(await stuck.post(f"{path}/cancel"))["status"] == "cancelling"
    with anyio.fail_after(10):
        while (now := answered(await stuck.get(path)))["status"] != "cancelled":
            await anyio.sleep(0)  # polled, as a client would: the other tasks need their turns
    assert now["cancelled_at"]
    again = await stuck.post(f"{path}/cancel", headers={"content-type": "application/json"})
    assert (again.status_code, again.json()["error"]["message"]) == (
        400,
        "Cannot cancel run with status 'cancelled'.",
    )


async def test_a_thread_with_a_run_can_be_deleted(stuck: httpx2.AsyncClient) -> None:
    assistant, made = await make(stuck), await thread(stuck)
    run = await begin(stuck, made["id"], assistant["id"])
    assert (await stuck.delete(f"/v1/threads/{made['id']}")).status_code == 200
    assert (await stuck.get(f"/v1/threads/{made['id']}/runs/{run['id']}")).status_code == 404


async def test_a_clients_function_is_called_and_answered(tmp_path: Path) -> None:
    model = ScriptedModel([Turn(functions=(CallFunction("weather", {"city": "Haifa"}),)), Turn(text="Sunny.")])
    async with service_in(tmp_path, model) as service, client_of(app_of(service)) as api:
        assistant, made = await make(api, tools=[FUNCTION]), await thread(api)
        run = await begin(api, made["id"], assistant["id"])
        await ended(service, run["id"])
        path = f"/v1/threads/{made['id']}/runs/{run['id']}"
        waiting = answered(await api.get(path))
        assert waiting["status"] == "requires_action"
        (call,) = waiting["required_action"]["submit_tool_outputs"]["tool_calls"]
        assert call["function"] == {"name": "weather", "arguments": '{"city": "Haifa"}'}
        foreign = await api.post(
            f"{path}/submit_tool_outputs", json={"tool_outputs": [{"tool_call_id": "call_x", "output": "1"}]}
        )
        assert foreign.status_code == 400
        assert foreign.json()["error"]["message"].startswith(
            f"Expected tool outputs for call_ids ['{call['id']}'],"
        )
        seen = service.bus.last(run["id"])
        outputs = [{"tool_call_id": call["id"], "output": "25"}]
        queued = answered(await api.post(f"{path}/submit_tool_outputs", json={"tool_outputs": outputs}))
        assert (queued["status"], queued["required_action"]) == ("queued", None)
        async for recorded in service.bus.follow(run["id"], seen):
            if isinstance(recorded.event, RunMoved) and recorded.event.status not in ACTIVE:
                assert recorded.event.status == "completed"


@pytest.mark.parametrize("choice", [{"type": "code_interpreter"}, {"type": "function", "function": {"name": "no"}}])
async def test_a_tool_that_the_run_lacks_cannot_be_chosen(api: httpx2.AsyncClient, choice: dict[str, Any]) -> None:
    assistant, made = await make(api, tools=[FUNCTION]), await thread(api)
    body = {"assistant_id": assistant["id"], "tool_choice": choice}
    for path in (f"/v1/threads/{made['id']}/runs", "/v1/threads/runs"):
        response = await api.post(path, json=body)
        assert (response.status_code, response.json()["error"]["param"]) == (400, "tool_choice")
    assert (await api.get(f"/v1/threads/{made['id']}/runs")).json()["data"] == []


async def test_what_is_unknown_is_named(service: Service, api: httpx2.AsyncClient) -> None:
    assistant, made = await make(api), await thread(api)
    run = await begin(api, made["id"], assistant["id"])
    await ended(service, run["id"])
    other = await thread(api)
    here, elsewhere = f"/v1/threads/{made['id']}/runs", f"/v1/threads/{other['id']}/runs"
    (step,) = (await api.get(f"{here}/{run['id']}/steps")).json()["data"]
    for response, message in (
        (await api.post(here, json={"assistant_id": "asst_no"}), "No assistant found with id 'asst_no'."),
        (
            await api.post("/v1/threads/thread_no/runs", json={"assistant_id": "asst_no"}),
            "No thread found with id 'thread_no'.",
        ),
        (await api.get(f"{here}/run_no"), "No run found with id 'run_no'."),
        (await api.get(f"{elsewhere}/{run['id']}"), f"No run found with id '{run['id']}'."),
        (await api.post(f"{elsewhere}/{run['id']}/cancel"), f"No run found with id '{run['id']}'."),
        (await api.get(f"{elsewhere}/{run['id']}/steps"), f"No run found with id '{run['id']}'."),
        (await api.get(f"{elsewhere}/{run['id']}/steps/{step['id']}"), f"No run found with id '{run['id']}'."),
        (await api.get(f"{here}/{run['id']}/steps/step_no"), "No run step found with id 'step_no'."),
    ):
        assert (response.status_code, response.json()["error"]["message"]) == (404, message)


async def test_a_stream_of_a_run_that_cannot_be_stored_ends_in_an_error(
    service: Service, api: httpx2.AsyncClient
) -> None:
    assistant, made = await make(api), await thread(api)
    put = service.store.put

    async def full(*objects: Object) -> tuple[Message, ...]:
        if any(isinstance(each, Run) and each.status not in ACTIVE for each in objects):
            raise OSError(28, "No space left on device")
        return await put(*objects)

    service.store.put = full
    body = {"assistant_id": assistant["id"], "stream": True}
    streamed = (await api.post(f"/v1/threads/{made['id']}/runs", json=body)).text.split("\n\n")
    assert streamed[-3].startswith("event: error\n")
    assert "The server's disk is full." in streamed[-3]
    assert streamed[-2] == "event: done\ndata: [DONE]"
