"""Threads and messages over HTTP."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import anyio
import httpx2
import pytest

from kernelci.api.json_text import parsed
from kernelci.api.request import MAX_JSON
from kernelci.engine import threads
from kernelci.engine.service import Service
from tests.api.conftest import answered
from tests.api.test_assistants import file_id
from tests.engine.conftest import NotedTranscripts

CODE = [{"type": "code_interpreter"}]
SEARCH = [{"type": "file_search"}]


async def thread(api: httpx2.AsyncClient, **fields: Any) -> dict[str, Any]:
    response = await api.post("/v1/threads", json=fields)
    assert response.status_code == 200, response.text
    return answered(response)


async def say(api: httpx2.AsyncClient, thread_id: str, content: Any = "x", **fields: Any) -> dict[str, Any]:
    response = await api.post(
        f"/v1/threads/{thread_id}/messages", json={"role": "user", "content": content, **fields}
    )
    assert response.status_code == 200, response.text
    return answered(response)


async def test_a_thread_needs_no_body_and_no_content_type(api: httpx2.AsyncClient) -> None:
    for response in (
        await api.post("/v1/threads"),
        await api.post("/v1/threads", headers={"content-type": "application/json"}),
        await api.post("/v1/threads", content=b" \n"),
        await api.post("/v1/threads", json={"messages": None}),
    ):
        made = answered(response)
        assert (made["metadata"], made["tool_resources"]) == ({}, {})


async def test_a_long_body_is_worked_on_beside_the_loop(
    api: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside: list[bool] = []

    def noted(name: str, work: Callable[..., Any]) -> None:
        def at_work(*args: Any) -> Any:
            beside.append(threading.current_thread() is not threading.main_thread())
            return work(*args)

        monkeypatch.setattr(name, at_work)

    noted("kernelci.api.request.parsed", parsed)
    noted("kernelci.engine.threads.message", threads.message)
    said = {"role": "user", "content": "x"}
    for number, expected in ((2, [False]), (3000, [True])):
        beside.clear()
        made = await thread(api, messages=[said] * number)
        assert beside == expected * (1 + number)
    listed = await api.get(f"/v1/threads/{made['id']}/messages?limit=100")
    assert (len(listed.json()["data"]), listed.json()["has_more"]) == (100, True)


async def test_a_name_of_millions_of_characters_is_not_sent_back(api: httpx2.AsyncClient) -> None:
    long = "x" * 1_000_000
    run = await api.post("/v1/threads/runs", json={"assistant_id": f"asst_{long}"})
    resources = {"code_interpreter": {"file_ids": [long]}}
    for refused in (run, await api.post("/v1/threads", json={"tool_resources": resources})):
        assert refused.status_code == 404
        assert len(refused.content) < 300


async def test_a_thread_begins_with_its_messages_in_their_order(service: Service, api: httpx2.AsyncClient) -> None:
    file = await file_id(api)
    made = await thread(
        api,
        messages=[
            {"role": "user", "content": "one", "attachments": [{"file_id": file, "tools": CODE}]},
            {"role": "assistant", "content": "two", "metadata": {"k": "v"}},
        ],
        metadata={"m": "1"},
    )
    assert made["tool_resources"] == {"code_interpreter": {"file_ids": [file]}}
    listed = answered(await api.get(f"/v1/threads/{made['id']}/messages?order=asc"))["data"]
    assert [(each["role"], each["content"][0]["text"]["value"]) for each in listed] == [
        ("user", "one"),
        ("assistant", "two"),
    ]
    assert isinstance(service.transcripts, NotedTranscripts)
    assert [item.id for item in service.transcripts.items] == [each["id"] for each in listed]


async def test_a_thread_is_updated_and_deleted(api: httpx2.AsyncClient) -> None:
    made = await thread(api, metadata={"a": "1"})
    path = f"/v1/threads/{made['id']}"
    assert (await api.post(path, json={"metadata": None})).json() == made
    assert answered(await api.post(path, json={"metadata": {"b": "2"}}))["metadata"] == {"b": "2"}
    await say(api, made["id"])
    assert answered(await api.delete(path))["deleted"] is True
    for gone in (path, f"{path}/messages", f"{path}/runs"):
        response = await api.get(gone)
        assert response.status_code == 404
        assert response.json()["error"]["message"] == f"No thread found with id '{made['id']}'."


async def test_a_messages_content_may_be_text_or_parts(api: httpx2.AsyncClient) -> None:
    made, picture = await thread(api), await file_id(api, "a.png")
    parts = [
        {"type": "text", "text": "look"},
        {"type": "image_file", "image_file": {"file_id": picture, "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
    ]
    message = await say(api, made["id"], parts)
    assert message["content"] == [{"type": "text", "text": {"value": "look", "annotations": []}}, *parts[1:]]
    assert (message["status"], message["attachments"], message["role"]) == ("completed", [], "user")
    assert (await api.get(f"/v1/threads/{made['id']}/messages/{message['id']}")).json() == message


async def test_attached_files_become_the_threads(api: httpx2.AsyncClient) -> None:
    files = [await file_id(api, str(number)) for number in range(3)]
    made = await thread(api, tool_resources={"code_interpreter": {"file_ids": [files[0]]}})
    attachments = [
        {"file_id": files[0], "tools": CODE},
        {"file_id": files[1], "tools": [*SEARCH, *CODE]},
        {"file_id": files[2], "tools": SEARCH},
        {"file_id": files[2], "tools": []},
    ]
    message = await say(api, made["id"], attachments=attachments)
    assert message["attachments"] == attachments
    changed = (await api.get(f"/v1/threads/{made['id']}")).json()
    assert changed["tool_resources"] == {"code_interpreter": {"file_ids": files[:2]}}


async def test_file_ids_under_an_azure_v2_version_are_attachments(api: httpx2.AsyncClient) -> None:
    file = await file_id(api)
    response = await api.post(
        "/openai/threads?api-version=2024-05-01-preview",
        json={"messages": [{"role": "user", "content": "x", "file_ids": [file]}]},
    )
    made = response.json()
    assert made["tool_resources"] == {"code_interpreter": {"file_ids": [file]}}
    (message,) = (await api.get(f"/v1/threads/{made['id']}/messages")).json()["data"]
    assert message["attachments"] == [{"file_id": file, "tools": CODE}]


@pytest.mark.parametrize(
    "message",
    [
        {"content": "x", "attachments": [{"file_id": "file-none", "tools": CODE}]},
        {"content": [{"type": "image_file", "image_file": {"file_id": "file-none"}}]},
        {"content": "x", "file_ids": ["file-none"]},
    ],
)
async def test_unknown_files_are_refused_and_nothing_is_made(
    api: httpx2.AsyncClient, message: dict[str, Any]
) -> None:
    made = await thread(api)
    body = {"role": "user", **message}
    for path, sent in {
        f"/v1/threads/{made['id']}/messages": body,
        "/v1/threads": {"messages": [body]},
    }.items():
        response = await api.post(path, json=sent)
        assert response.status_code == 404
        assert response.json()["error"]["message"] == "No file found with id 'file-none'."
    assert (await api.get(f"/v1/threads/{made['id']}/messages")).json()["data"] == []


async def test_a_messages_metadata_is_all_that_changes(api: httpx2.AsyncClient) -> None:
    made = await thread(api)
    message = await say(api, made["id"])
    path = f"/v1/threads/{made['id']}/messages/{message['id']}"
    changed = await api.post(path, json={"metadata": {"k": "v"}, "role": "assistant"})
    assert changed.json() == message | {"metadata": {"k": "v"}}
    assert answered(await api.delete(path))["object"] == "thread.message.deleted"
    assert (await api.get(path)).json()["error"]["message"] == f"No message found with id '{message['id']}'."


async def test_a_message_of_another_thread_is_not_there(api: httpx2.AsyncClient) -> None:
    made, other = await thread(api), await thread(api)
    message = await say(api, made["id"])
    path = f"/v1/threads/{other['id']}/messages/{message['id']}"
    for response in (await api.get(path), await api.post(path, json={}), await api.delete(path)):
        assert response.status_code == 404


async def test_ids_of_the_wrong_kind_are_named(api: httpx2.AsyncClient) -> None:
    for path, param in {
        "/v1/threads/undefined": "thread_id",
        "/v1/threads/thread_1/messages/run_1": "message_id",
        "/v1/threads/thread_1/runs/null": "run_id",
        "/v1/threads/thread_1/runs/run_1/steps/x": "step_id",
        "/v1/assistants/[object Object]": "assistant_id",
    }.items():
        error = (await api.get(path)).json()["error"]
        assert (error["param"], error["code"]) == (param, "invalid_value")


@pytest.mark.parametrize(
    "raw",
    [
        b"{",
        b"nope",
        b"\xff\xfe",
        b'{"metadata": NaN}',
        b'{"a": "\\ud800"}',
        b"[" * 100_000,
        b"{} {}",
        b"9" * 5000,
        b'{"a": [-1e999]}',
    ],
)
async def test_a_body_that_is_no_json_is_refused(api: httpx2.AsyncClient, raw: bytes) -> None:
    response = await api.post("/v1/threads", content=raw)
    assert response.status_code == 400
    assert response.json()["error"]["message"].startswith("We could not parse the JSON body of your request.")


async def test_a_body_is_not_read_beyond_its_limit(api: httpx2.AsyncClient) -> None:
    read = 0

    async def endless() -> Any:
        nonlocal read
        while True:
            read += 65536
            yield b" " * 65536

    with anyio.fail_after(30):
        unannounced = await api.post("/v1/threads", content=endless())
    announced = await api.post("/v1/threads", content=b"", headers={"content-length": str(MAX_JSON + 1)})
    assert (unannounced.status_code, announced.status_code) == (413, 413)
    assert read <= MAX_JSON + 2 * 65536
