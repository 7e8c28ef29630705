"""Assistants over HTTP."""

from __future__ import annotations

from typing import Any

import httpx2
from inline_snapshot import snapshot

from tests.api.conftest import answered

CODE = {"type": "code_interpreter"}


async def make(api: httpx2.AsyncClient, **fields: Any) -> dict[str, Any]:
    response = await api.post("/v1/assistants", json={"model": "m", **fields})
    assert response.status_code == 200, response.text
    return answered(response)


async def file_id(api: httpx2.AsyncClient, name: str = "a.csv") -> str:
    response = await api.post("/v1/files", files={"file": (name, name.encode())}, data={"purpose": "assistants"})
    return response.json()["id"]


async def test_an_assistant_has_every_key_from_the_start(api: httpx2.AsyncClient) -> None:
    made = await make(api)
    assert {key: value for key, value in made.items() if key not in {"id", "created_at"}} == snapshot(
        {
            "metadata": {},
            "object": "assistant",
            "name": None,
            "description": None,
            "model": "m",
            "instructions": None,
            "tools": [],
            "tool_resources": {},
            "temperature": 1.0,
            "top_p": 1.0,
            "reasoning_effort": None,
            "response_format": "auto",
        }
    )


async def test_everything_given_comes_back(api: httpx2.AsyncClient) -> None:
    id = await file_id(api)
    given = {
        "model": "gpt-4o",
        "name": "שם",
        "description": "d",
        "instructions": "i",
        "tools": [CODE, {"type": "file_search"}, {"type": "function", "function": {"name": "f"}}],
        "tool_resources": {"code_interpreter": {"file_ids": [id]}, "file_search": {"vector_store_ids": ["vs_1"]}},
        "metadata": {"k": "v"},
        "temperature": 0.2,
        "top_p": 0.5,
        "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"}}},
        "reasoning_effort": "low",
    }
    made = await make(api, **given)
    assert made["tools"].pop()["function"] == snapshot(
        {"name": "f", "parameters": {"type": "object", "properties": {}}, "strict": False}
    )
    given["tools"].pop()
    assert {key: made[key] for key in given} == given
    assert (await api.get(f"/v1/assistants/{made['id']}")).json()["response_format"] == given["response_format"]


async def test_an_update_changes_what_it_names_and_nothing_else(api: httpx2.AsyncClient) -> None:
    first, second = await file_id(api, "1"), await file_id(api, "2")
    made = await make(
        api,
        name="n",
        tools=[CODE],
        tool_resources={"code_interpreter": {"file_ids": [first]}, "file_search": {"vector_store_ids": ["vs_1"]}},
        metadata={"a": "1", "b": "2"},
    )
    path = f"/v1/assistants/{made['id']}"
    assert (await api.post(path, json={})).json() == made
    assert (await api.post(path, json={"name": None, "metadata": None, "instructions": None})).json() == made
    resources = {"code_interpreter": {"file_ids": [second]}}
    changed = await api.post(path, json={"metadata": {"c": "3"}, "tool_resources": resources, "model": "m2"})
    assert changed.json() == made | {
        "metadata": {"c": "3"},
        "model": "m2",
        "tool_resources": {**made["tool_resources"], **resources},
    }
    emptied = {"code_interpreter": {"file_ids": []}, "file_search": {}}
    assert (await api.post(path, json={"tool_resources": emptied})).json()["tool_resources"] == {
        "code_interpreter": {"file_ids": []},
        "file_search": {"vector_store_ids": ["vs_1"]},
    }
    assert (await api.get(path)).json()["metadata"] == {"c": "3"}


async def test_the_azure_pages_spelling_is_taken_and_answered_in_the_right_one(api: httpx2.AsyncClient) -> None:
    id = await file_id(api)
    made = await make(api, tools=[CODE], tool_resources={"code interpreter": {"file_ids": [id]}})
    assert made["tool_resources"] == {"code_interpreter": {"file_ids": [id]}}


async def test_unknown_files_are_refused(api: httpx2.AsyncClient) -> None:
    body = {"model": "m", "tool_resources": {"code_interpreter": {"file_ids": ["file-abc"]}}}
    made = await make(api)
    for path in ("/v1/assistants", f"/v1/assistants/{made['id']}"):
        response = await api.post(path, json=body)
        assert (response.status_code, response.json()["error"]) == (
            404,
            {
                "message": "No file found with id 'file-abc'.",
                "type": "invalid_request_error",
                "param": None,
                "code": None,
            },
        )


async def test_lists_are_paged_both_ways(api: httpx2.AsyncClient) -> None:
    ids = [(await make(api, name=str(number)))["id"] for number in range(5)]

    async def listed(query: str) -> tuple[list[int], bool]:
        page = answered(await api.get(f"/v1/assistants?{query}"))
        return [ids.index(item["id"]) for item in page["data"]], page["has_more"]

    assert await listed("") == ([4, 3, 2, 1, 0], False)
    assert await listed("limit=2") == ([4, 3], True)
    assert await listed(f"limit=2&after={ids[3]}") == ([2, 1], True)
    assert await listed(f"limit=2&before={ids[0]}") == ([2, 1], True)
    assert await listed(f"order=asc&limit=2&after={ids[2]}") == ([3, 4], False)
    assert await listed(f"after={ids[0]}&limit=&order=") == ([], False)
    for query in ("limit=0", "order=up", "after=asst_unknown"):
        assert (await api.get(f"/v1/assistants?{query}")).status_code == 400


async def test_a_deleted_assistant_is_gone(api: httpx2.AsyncClient) -> None:
    made = await make(api)
    path = f"/v1/assistants/{made['id']}"
    assert answered(await api.delete(path)) == {
        "id": made["id"],
        "object": "assistant.deleted",
        "deleted": True,
    }
    for response in (await api.get(path), await api.delete(path), await api.post(path, json={})):
        assert response.status_code == 404
        assert response.json()["error"]["message"] == f"No assistant found with id '{made['id']}'."


async def test_there_is_a_list_of_models_with_one_in_it(api: httpx2.AsyncClient) -> None:
    (model,) = answered(await api.get("/v1/models"))["data"]
    assert model["owned_by"] == "kernelci"
    assert answered(await api.get(f"/v1/models/{model['id']}")) == model
    unknown = await api.get("/v1/models/org/other")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "model_not_found")
