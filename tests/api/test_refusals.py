"""The hosted service's refusals, one by one (protocol.md 1.3): status, parameter, code, and its words where known.

That each is in the API's envelope the client sees to, on both surfaces.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

from tests.api.conftest import app_of, client_of, service_in
from tests.contract.conftest import Clerk

TEXT, MANY = "x" * 600, {str(n): "" for n in range(17)}
NO_ASSISTANT = {"assistant_id": "asst_abc"}
FUNCTION = {"type": "function", "function": {"name": "weather"}}


@pytest.fixture(params=["openai", "azure"])
async def client(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[httpx2.AsyncClient]:
    """A client of each surface."""
    async with service_in(tmp_path, Clerk()) as service, client_of(app_of(service)) as client:
        client.base_url = httpx2.URL("http://127.0.0.1" + ("/v1" if request.param == "openai" else "/openai"))
        if request.param == "azure":
            client.params = httpx2.QueryParams({"api-version": "2024-05-01-preview"})
        yield client


BODIES: list[tuple[str, Any, str, str]] = [
    ("/assistants", {}, "model", "missing_required_parameter"),
    ("/assistants", {"model": "m", "metadata": "x"}, "metadata", "invalid_type"),
    ("/assistants", {"model": "m", "metadata": {"k": TEXT}}, "metadata.k", "string_above_max_length"),
    ("/assistants", {"model": "m", "metadata": {TEXT: "v"}}, "metadata", "property_name_above_max_length"),
    ("/assistants", {"model": "m", "metadata": MANY}, "metadata", "object_above_max_properties"),
    ("/assistants", {"model": "m", "tools": [FUNCTION] * 129}, "tools", "array_above_max_length"),
    ("/assistants", {"model": "m", "temperature": 3}, "temperature", "decimal_above_max_value"),
    ("/threads", {"messages": [{"role": "x", "content": "x"}]}, "messages[0].role", "invalid_value"),
    ("/threads", {"messages": [{"role": "user", "content": []}]}, "messages[0].content", "empty_array"),
    ("/threads/thread_abc/messages", {"role": "user"}, "content", "missing_required_parameter"),
    ("/threads/thread_abc/runs", {}, "assistant_id", "missing_required_parameter"),
    ("/threads/thread_abc/runs", {"assistant_id": "abc"}, "assistant_id", "invalid_value"),
    ("/threads/undefined/runs", NO_ASSISTANT, "thread_id", "invalid_value"),
    ("/threads/runs", {**NO_ASSISTANT, "max_prompt_tokens": 9}, "max_prompt_tokens", "integer_below_min_value"),
]


@pytest.mark.parametrize(("path", "body", "param", "code"), BODIES)
async def test_bodies(client: httpx2.AsyncClient, path: str, body: Any, param: str, code: str) -> None:
    refused = await client.post(path, json=body)
    error = refused.json()["error"]
    assert (refused.status_code, error["type"]) == (400, "invalid_request_error")
    assert (error["param"], error["code"]) == (param, code)


@pytest.mark.parametrize(
    ("query", "param", "code"),
    [
        ({"limit": "101"}, "limit", "integer_above_max_value"),
        ({"limit": "0"}, "limit", "integer_below_min_value"),
        ({"order": "up"}, "order", "invalid_value"),
        ({"after": "asst_abc"}, "after", "invalid_value"),
    ],
)
async def test_queries(client: httpx2.AsyncClient, query: dict[str, str], param: str, code: str) -> None:
    refused = await client.get("/assistants", params=query)
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, param)
    assert refused.json()["error"]["code"] == code


@pytest.mark.parametrize(
    ("path", "message", "param"),
    [
        ("/assistants/asst_abc", "No assistant found with id 'asst_abc'.", None),
        ("/threads/thread_abc", "No thread found with id 'thread_abc'.", None),
        ("/threads/{thread}/messages/msg_abc", "No message found with id 'msg_abc'.", None),
        ("/threads/{thread}/runs/run_abc", "No run found with id 'run_abc'.", None),
        ("/threads/{thread}/runs/run_abc/steps/step_abc", "No run found with id 'run_abc'.", None),
        ("/files/file-abc", "No such File object: file-abc", "id"),
        ("/files/file-abc/content", "No such File object: file-abc", "id"),
    ],
)
async def test_what_there_is_not(client: httpx2.AsyncClient, path: str, message: str, param: str | None) -> None:
    thread = (await client.post("/threads")).json()["id"]
    refused = await client.get(path.format(thread=thread))
    assert (refused.status_code, refused.json()["error"]) == (
        404,
        {"message": message, "type": "invalid_request_error", "param": param, "code": None},
    )


async def test_a_file_that_is_referred_to_must_be_there(client: httpx2.AsyncClient) -> None:
    resources = {"code_interpreter": {"file_ids": ["file-abc"]}}
    refused = await client.post("/assistants", json={"model": "m", "tool_resources": resources})
    assert (refused.status_code, refused.json()["error"]["message"]) == (404, "No file found with id 'file-abc'.")


async def test_a_body_that_is_no_json(client: httpx2.AsyncClient) -> None:
    refused = await client.post("/threads", content=b"{")
    assert refused.status_code == 400
    assert refused.json()["error"]["message"].startswith("We could not parse the JSON body of your request.")


async def test_what_the_state_of_a_run_forbids(client: httpx2.AsyncClient) -> None:
    assistant = (await client.post("/assistants", json={"model": "m", "tools": [FUNCTION]})).json()["id"]
    begin = {"assistant_id": assistant, "thread": {"messages": [{"role": "user", "content": "weather"}]}}
    run = (await client.post("/threads/runs", json=begin)).json()
    thread, here = f"/threads/{run['thread_id']}", f"/threads/{run['thread_id']}/runs/{run['id']}"
    calls = await _asked_for(client, here)
    words = {"role": "user", "content": "x"}
    one = {"tool_outputs": [{"tool_call_id": calls[0], "output": "x"}]}
    all_of_them = {"tool_outputs": [{"tool_call_id": call, "output": "x"} for call in calls]}
    await _refused(
        client,
        f"{thread}/messages",
        words,
        f"Can't add messages to {run['thread_id']} while a run {run['id']} is active.",
    )
    await _refused(
        client,
        f"{thread}/runs",
        {"assistant_id": assistant},
        f"Thread {run['thread_id']} already has an active run {run['id']}.",
    )
    expected = f"Expected tool outputs for call_ids {calls!r}, got {calls[:1]!r}"
    await _refused(client, f"{here}/submit_tool_outputs", one, expected)
    assert (await client.post(f"{here}/cancel")).json()["status"] == "cancelling"
    while (await client.get(here)).json()["status"] == "cancelling":
        await anyio.lowlevel.checkpoint()
    await _refused(client, f"{here}/cancel", None, "Cannot cancel run with status 'cancelled'.")
    late = 'Runs in status "cancelled" do not accept tool outputs.'
    await _refused(client, f"{here}/submit_tool_outputs", all_of_them, late)


async def _asked_for(client: httpx2.AsyncClient, run: str) -> list[str]:
    """The calls that the run waits for, once it does."""
    while (waiting := (await client.get(run)).json()["required_action"]) is None:
        await anyio.lowlevel.checkpoint()
    return [call["id"] for call in waiting["submit_tool_outputs"]["tool_calls"]]


async def _refused(client: httpx2.AsyncClient, path: str, body: Any, message: str) -> None:
    refused = await client.post(path, json=body)
    assert (refused.status_code, refused.json()["error"]) == (
        400,
        {"message": message, "type": "invalid_request_error", "param": None, "code": None},
    )
