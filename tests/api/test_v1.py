"""v1 over HTTP: its files of assistants and messages, its shapes, and what of v2 it leaves alone."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any

import httpx2
import pytest

from kernelci.engine.service import Service
from tests.api.conftest import app_of, client_of

V1 = {"openai-beta": "assistants=v1"}
AZURE_V1 = {"api-version": "2024-02-15-preview"}


@pytest.fixture(params=["openai", "azure"])
async def v1(request: pytest.FixtureRequest, service: Service) -> AsyncGenerator[httpx2.AsyncClient]:
    """A client of v1 on each surface; the newer SDKs on Azure send the header of v2 whatever the api-version."""
    async with client_of(app_of(service)) as client:
        if request.param == "openai":
            client.base_url, client.headers = httpx2.URL("http://127.0.0.1/v1"), httpx2.Headers(V1)
        else:
            client.base_url, client.params = httpx2.URL("http://127.0.0.1/openai"), httpx2.QueryParams(AZURE_V1)
            client.headers["openai-beta"] = "assistants=v2"
        yield client


async def uploaded(client: httpx2.AsyncClient, *names: str) -> list[str]:
    """The ids of files with these names."""
    sent = [{"file": (name, b"x"), "purpose": (None, "assistants")} for name in names]
    return [ok(await client.post("/files", files=each))["id"] for each in sent]


def ok(response: httpx2.Response) -> Any:
    assert response.status_code == 200, response.text
    return response.json()


async def test_an_assistants_files(v1: httpx2.AsyncClient) -> None:
    first, second, third = await uploaded(v1, "a", "b", "c")
    made = ok(await v1.post("/assistants", json={"model": "m", "file_ids": [first, second]}))
    files = f"/assistants/{made['id']}/files"
    assert made["file_ids"] == [first, second]

    added = ok(await v1.post(files, json={"file_id": third}))
    assert (added["id"], added["object"], added["assistant_id"]) == (third, "assistant.file", made["id"])
    assert ok(await v1.post(files, json={"file_id": third})) == added
    assert ok(await v1.get(f"{files}/{third}")) == added
    listed = ok(await v1.get(files, params={"limit": 2}))
    assert [each["id"] for each in listed["data"]] == [third, second]
    assert listed["has_more"]
    rest = ok(await v1.get(files, params={"limit": 2, "after": second}))
    assert ([each["id"] for each in rest["data"]], rest["has_more"]) == ([first], False)

    assert ok(await v1.delete(f"{files}/{second}")) == {
        "id": second,
        "object": "assistant.file.deleted",
        "deleted": True,
    }
    assert ok(await v1.get(f"/assistants/{made['id']}"))["file_ids"] == [first, third]
    assert ok(await v1.get(f"/files/{second}"))["id"] == second
    for gone in (await v1.get(f"{files}/{second}"), await v1.delete(f"{files}/{second}")):
        assert (gone.status_code, gone.json()["error"]["message"]) == (404, f"No file found with id '{second}'.")
    assert (await v1.get(files, params={"after": second})).json()["error"]["param"] == "after"


@pytest.mark.parametrize("value", [5, True, 0.5, ["a"], {"b": "c"}], ids=str)
async def test_metadata_are_text_though_the_clients_types_let_anything_pass(
    v1: httpx2.AsyncClient, value: object
) -> None:
    refused = await v1.post("/threads", json={"metadata": {"k": value}})
    error = refused.json()["error"]
    assert (refused.status_code, error["param"], error["code"]) == (400, "metadata.k", "invalid_type")


async def test_an_assistant_has_twenty_files_at_most(v1: httpx2.AsyncClient) -> None:
    *twenty, last = await uploaded(v1, *map(str, range(21)))
    made = ok(await v1.post("/assistants", json={"model": "m", "file_ids": twenty}))
    refused = await v1.post(f"/assistants/{made['id']}/files", json={"file_id": last})
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "array_above_max_length")
    unknown = await v1.post(f"/assistants/{made['id']}/files", json={"file_id": "file-none"})
    assert unknown.status_code == 404


async def test_a_messages_files(v1: httpx2.AsyncClient) -> None:
    first, second = await uploaded(v1, "a", "b")
    thread = ok(
        await v1.post("/threads", json={"messages": [{"role": "user", "content": "x", "file_ids": [first]}]})
    )
    assert thread.keys() == {"id", "object", "created_at", "metadata"}
    body = {"role": "user", "content": "y", "file_ids": [first, second]}
    message = ok(await v1.post(f"/threads/{thread['id']}/messages", json=body))
    assert message["file_ids"] == [first, second]
    assert "attachments" not in message
    files = f"/threads/{thread['id']}/messages/{message['id']}/files"
    listed = ok(await v1.get(files, params={"order": "asc"}))
    assert [each["id"] for each in listed["data"]] == [first, second]
    one = {
        "id": second,
        "object": "thread.message.file",
        "created_at": message["created_at"],
        "message_id": message["id"],
    }
    assert ok(await v1.get(f"{files}/{second}")) == listed["data"][1] == one
    assert (await v1.get(f"{files}/file-none")).status_code == 404


async def test_the_header_may_come_in_several_lines(api: httpx2.AsyncClient) -> None:
    lines = [("openai-beta", "realtime=v1"), ("openai-beta", "assistants=v1")]
    assert "tool_resources" not in (await api.post("/v1/threads", headers=lines)).json()


async def test_v2_has_no_files_below_assistants_and_messages(api: httpx2.AsyncClient) -> None:
    for path in ("/v1/assistants/asst_1/files", "/v1/threads/thread_1/messages/msg_1/files"):
        refused = await api.get(path)
        assert refused.json()["error"]["message"] == f"Invalid URL (GET {path})"
        assert refused.status_code == 404


async def test_an_update_of_v1_leaves_what_only_v2_has(v1: httpx2.AsyncClient, api: httpx2.AsyncClient) -> None:
    first, second = await uploaded(v1, "a", "b")
    body = {
        "model": "m",
        "tools": [{"type": "code_interpreter"}, {"type": "file_search"}],
        "tool_resources": {
            "code_interpreter": {"file_ids": [first]},
            "file_search": {"vector_store_ids": ["vs_1"]},
        },
        "temperature": 0.5,
        "top_p": 0.25,
        "response_format": {"type": "json_object"},
    }
    made = ok(await api.post("/v1/assistants", json=body))
    seen = ok(await v1.get(f"/assistants/{made['id']}"))
    assert seen["tools"] == [{"type": "code_interpreter"}, {"type": "retrieval"}]
    assert not {"tool_resources", "temperature", "top_p", "response_format"} & seen.keys()

    back = {name: seen[name] for name in ("tools", "file_ids", "instructions", "metadata", "model")}
    ok(await v1.post(f"/assistants/{made['id']}", json={**back, "name": "n"}))
    assert ok(await api.get(f"/v1/assistants/{made['id']}")) == {**made, "name": "n"}
    ok(await v1.post(f"/assistants/{made['id']}", json={"file_ids": [second]}))
    changed = ok(await api.get(f"/v1/assistants/{made['id']}"))["tool_resources"]
    assert changed == {
        "code_interpreter": {"file_ids": [second]},
        "file_search": {"vector_store_ids": ["vs_1"]},
    }


async def test_a_run_of_v1_and_its_stream(v1: httpx2.AsyncClient, service: Service) -> None:
    (file,) = await uploaded(v1, "a")
    body = {"model": "m", "tools": [{"type": "retrieval"}], "file_ids": [file]}
    assistant = ok(await v1.post("/assistants", json=body))
    start = {"assistant_id": assistant["id"], "thread": {"messages": [{"role": "user", "content": "x"}]}}
    streamed = await v1.post("/threads/runs", json={**start, "stream": True, "tool_choice": {"type": "retrieval"}})
    frames = [frame.split("\ndata: ") for frame in streamed.text.strip().split("\n\n")]
    assert frames.pop() == ["event: done", "[DONE]"]
    events = {name.removeprefix("event: "): json.loads(data) for name, data in frames}
    assert events["thread.created"].keys() == {"id", "object", "created_at", "metadata"}
    run = events["thread.run.completed"]
    assert (run["file_ids"], run["tools"]) == ([file], [{"type": "retrieval"}])
    assert run["tool_choice"] == {"type": "retrieval"}
    assert not {"tool_resources", "top_p", "parallel_tool_calls"} & run.keys()
    assert events["thread.message.completed"]["file_ids"] == []
    assert ok(await v1.get(f"/threads/{run['thread_id']}/runs/{run['id']}")) == run
