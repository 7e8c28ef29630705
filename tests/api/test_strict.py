"""A strict server refuses what the hosted service refused; a lenient one takes what people's programs send."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.api.conftest import app_of, client_of, service_in

V2 = {"openai-beta": "assistants=v2"}
AZURE = "/openai{}?api-version=2024-05-01-preview"
FILE = {"file": ("a.txt", b"x"), "purpose": (None, "assistants")}
SLIP: dict[str, Any] = {"model": "m", "tool_resources": {"code interpreter": {"file_ids": []}}}


@pytest.fixture
async def strict(tmp_path: Path) -> AsyncGenerator[httpx2.AsyncClient]:
    """A client of a server that is strict."""
    async with service_in(tmp_path, strict=True) as service, client_of(app_of(service)) as client:
        yield client


UNKNOWN: list[tuple[str, Any, str]] = [
    ("/assistants", SLIP, "tool_resources.code interpreter"),
    ("/assistants", {"model": "m", "file_ids": []}, "file_ids"),
    ("/assistants", {"model": "m", "seed": 1}, "seed"),
    ("/threads", {"messages": [{"role": "user", "content": "x", "file_ids": ["f"]}]}, "messages[0].file_ids"),
    (
        "/assistants",
        {"model": "m", "tools": [{"type": "function", "function": {"name": "f", "x": 1}}]},
        "tools[0].function.x",
    ),
    ("/threads/runs", {"assistant_id": "asst_1", "thread": {"x": 1}}, "thread.x"),
    ("/threads/runs", {"assistant_id": "asst_1", "additional_instructions": "x"}, "additional_instructions"),
]


@pytest.mark.parametrize(("path", "body", "param"), UNKNOWN)
async def test_what_is_not_known_is_refused(
    strict: httpx2.AsyncClient, path: str, body: dict[str, Any], param: str
) -> None:
    for url, headers in ((f"/v1{path}", V2), (AZURE.format(path), {})):
        refused = await strict.post(url, json=body, headers=headers)
        assert (refused.status_code, refused.json()["error"]) == (
            400,
            {
                "message": f"Unknown parameter: '{param}'.",
                "type": "invalid_request_error",
                "param": param,
                "code": "unknown_parameter",
            },
        )


async def test_what_is_not_known_is_ignored_otherwise(api: httpx2.AsyncClient) -> None:
    body = {"model": "m", "seed": 1, "tools": [{"type": "function", "function": {"name": "f", "x": 1}}]}
    made = await api.post("/v1/assistants", json=body)
    assert (made.status_code, "seed" in made.json()) == (200, False)
    assert (await api.post("/v1/assistants", json=SLIP)).status_code == 200


async def test_the_header_is_needed(strict: httpx2.AsyncClient, api: httpx2.AsyncClient) -> None:
    refused = await strict.post("/v1/threads")
    assert (refused.status_code, refused.json()["error"]) == (
        400,
        {
            "message": "You must provide the 'OpenAI-Beta' header to access the Assistants API. "
            "Please try again by setting the header 'OpenAI-Beta: assistants=v2'.",
            "type": "invalid_request_error",
            "param": None,
            "code": "invalid_beta",
        },
    )
    assert (await strict.post("/v1/threads", headers=V2)).status_code == 200
    assert (await strict.get("/v1/files")).status_code == 200
    assert (await api.post("/v1/threads")).status_code == 200


async def test_openai_gave_no_input_back_and_azure_did(strict: httpx2.AsyncClient, api: httpx2.AsyncClient) -> None:
    file = (await strict.post("/v1/files", files=FILE)).json()["id"]
    refused = await strict.get(f"/v1/files/{file}/content")
    assert refused.status_code == 400
    assert refused.json()["error"]["message"] == "Not allowed to download files of purpose: assistants"
    assert (await strict.get(AZURE.format(f"/files/{file}/content"))).content == b"x"
    file = (await api.post("/v1/files", files=FILE)).json()["id"]
    assert (await api.get(f"/v1/files/{file}/content")).content == b"x"


async def test_metadata_and_schemas_have_fields_of_any_name(strict: httpx2.AsyncClient) -> None:
    function = {"name": "f", "parameters": {"type": "object", "anything": {"at": ["all"]}}}
    body = {"model": "m", "metadata": {"any": "thing"}, "tools": [{"type": "function", "function": function}]}
    made = await strict.post("/v1/assistants", json=body, headers=V2)
    assert made.json()["tools"][0]["function"]["parameters"] == function["parameters"]


@pytest.mark.parametrize(
    ("path", "param", "body"),
    [
        ("/threads", "messages", lambda messages: {"messages": messages}),
        (
            "/threads/runs",
            "thread.messages",
            lambda messages: {"assistant_id": "asst_1", "thread": {"messages": messages}},
        ),
    ],
)
async def test_a_new_thread_has_as_many_messages_as_it_had(
    strict: httpx2.AsyncClient, api: httpx2.AsyncClient, path: str, param: str, body: Any
) -> None:
    messages = [{"role": "user", "content": "x"}] * 33
    refused = await strict.post(f"/v1{path}", json=body(messages), headers=V2)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "array_above_max_length")
    assert refused.json()["error"]["param"] == param
    assert (await strict.post("/v1/threads", json={"messages": messages[1:]}, headers=V2)).status_code == 200
    assert (await api.post("/v1/threads", json={"messages": messages}, headers=V2)).status_code == 200
