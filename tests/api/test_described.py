"""Whatever request the published description allows is taken, by a server that is strict; what is not, is named."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any

import httpx2
import pytest

from kernelci.api.dialects.choice import Version
from kernelci.engine.ports.model import ModelRequest
from kernelci.models.scripted import ScriptedModel
from kernelci.models.turn import CallFunction, Turn
from tests.api.conftest import answered, app_of, client_of, service_in
from tests.description.bodies import values
from tests.description.facts import facts

REFUSED: Mapping[str, str] = {
    r"Unknown parameter: '(thread\.)?tool_resources\.file_search\.vector_stores'\.": "there are none here yet",
    r"Missing required parameter: '.*attachments\[0\]\.file_id'\.": "its `required` stands in the wrong place",
    r"Missing required parameter: 'tool_outputs\[0\]\.tool_call_id'\.": "an output of no call says nothing",
    r"Missing required parameter: 'response_format\.type'\.": "a format of no type says nothing",
    r"Expected tool outputs for call_ids \['call_\w+'\], got \[\]": "none where one is waited for",
    r"'last_messages' needs a number of messages\.": "the hosted service wanted it, too",
    r"Name the function: .*": "a function of no name cannot be chosen",
}
"""What is refused all the same, by the error's message, and why."""

WEATHER = {"type": "function", "function": {"name": "weather"}}
SEARCH = {"v1": {"type": "retrieval"}, "v2": {"type": "file_search"}}
BODIES = [
    (version, path, verb)
    for version in ("v1", "v2")
    for path, verbs in facts(version).paths.items()
    for verb, operation in verbs.items()
    if operation.get("as") == "application/json"
]
QUERIES = [
    (version, path, verb)
    for version in ("v1", "v2")
    for path, verbs in facts(version).paths.items()
    for verb, operation in verbs.items()
    if "query" in operation
]


def asks_for_the_weather(request: ModelRequest) -> Turn:
    """Calls the client's function where the user says so."""
    asked = request.messages[-1]["content"] == "weather"
    return Turn(functions=(CallFunction("weather", {}),)) if asked else Turn(text="Hello.")


@pytest.fixture
async def strict(tmp_path: Path) -> AsyncGenerator[httpx2.AsyncClient]:
    """A client of a strict server."""
    model = ScriptedModel([asks_for_the_weather])
    async with service_in(tmp_path, model, strict=True) as service, client_of(app_of(service)) as client:
        yield client


class Objects:
    """What requests are about, made as they need it."""

    def __init__(self, client: httpx2.AsyncClient, version: Version) -> None:
        self.client, self.version = client, version
        self.headers = {"openai-beta": f"assistants={version}"}

    async def post(self, path: str, body: Any = None) -> dict[str, Any]:
        return answered(await self.client.post(f"/v1{path}", json=body, headers=self.headers))

    async def file(self) -> str:
        files = {"file": ("x", b"x"), "purpose": (None, "assistants")}
        return answered(await self.client.post("/v1/files", files=files))["id"]

    async def assistant(self) -> str:
        tools = [{"type": "code_interpreter"}, SEARCH[self.version], WEATHER]
        return (await self.post("/assistants", {"model": "m", "tools": tools}))["id"]

    async def of(self, path: str) -> dict[str, str]:
        """New objects for the ids of a path, and for what its bodies refer to."""
        ids = {"file_id": await self.file()}
        if "thread_id" in path:
            ids["thread_id"] = (await self.post("/threads"))["id"]
        if "message_id" in path:
            said = {"role": "user", "content": "x"}
            ids["message_id"] = (await self.post(f"/threads/{ids['thread_id']}/messages", said))["id"]
        if "assistant_id" in path or "/runs" in path:
            ids["assistant_id"] = await self.assistant()
        if "run_id" in path:
            run, calls = await self.run(ids["assistant_id"], "weather" if path.endswith("outputs") else "x")
            ids |= {"thread_id": run["thread_id"], "run_id": run["id"]}
            if calls:
                ids["tool_call_id"] = calls[0]["id"]
        if "step_id" in path:
            steps = await self.client.get(
                f"/v1/threads/{ids['thread_id']}/runs/{ids['run_id']}/steps", headers=self.headers
            )
            ids["step_id"] = answered(steps)["data"][0]["id"]
        if "upload_id" in path:
            begun = {"bytes": 1, "filename": "a.csv", "mime_type": "text/csv", "purpose": "assistants"}
            ids["upload_id"] = (await self.post("/uploads", begun))["id"]
            part = await self.client.post(f"/v1/uploads/{ids['upload_id']}/parts", files={"data": b"x"})
            ids["part_ids[]"] = answered(part)["id"]
        return ids

    async def run(self, assistant_id: str, said: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """A run that has ended or waits, and the calls for which it does."""
        thread = {"messages": [{"role": "user", "content": said}]}
        body = {"assistant_id": assistant_id, "thread": thread, "stream": True}
        streamed = await self.client.post("/v1/threads/runs", json=body, headers=self.headers)
        *_, last, _ = re.findall(r"^data: (.*)$", streamed.text, re.MULTILINE)
        run = json.loads(last)
        action = run["required_action"] or {"submit_tool_outputs": {"tool_calls": []}}
        return run, action["submit_tool_outputs"]["tool_calls"]


def known(ids: Mapping[str, str]) -> dict[str, Any]:
    """The values of fields that cannot be made up."""
    return {
        **ids,
        "file_ids[]": ids["file_id"],
        "vector_store_ids[]": "vs_1",
        "name": "weather",
        "url": "https://example.org/a.png",
        "bytes": 1,
        "part_ids": [ids.get("part_ids[]")],
        "md5": hashlib.md5(b"x").hexdigest(),
    }


@pytest.mark.parametrize(("version", "path", "verb"), BODIES)
async def test_every_body_that_is_described(
    strict: httpx2.AsyncClient, version: Version, path: str, verb: str
) -> None:
    objects, said = Objects(strict, version), facts(version)
    ids = await objects.of(path)
    bodies = list(values(said.paths[path][verb]["takes"], said, known(ids)))
    for at, body in enumerate(bodies):
        if at and not path.endswith(("messages", "assistants", "/threads", "/threads/runs", "/uploads")):
            ids = await objects.of(path)  # a run has its thread, and an upload is completed once
            body = list(values(said.paths[path][verb]["takes"], said, known(ids)))[at]
        response = await strict.request(verb, f"/v1{path.format_map(ids)}", json=body, headers=objects.headers)
        if response.status_code != 200:
            message = response.json()["error"]["message"]
            assert any(re.fullmatch(pattern, message) for pattern in REFUSED), f"{body}: {message}"


@pytest.mark.parametrize(("version", "path", "verb"), QUERIES)
async def test_every_query_that_is_described(
    strict: httpx2.AsyncClient, version: Version, path: str, verb: str
) -> None:
    objects, said = Objects(strict, version), facts(version)
    for name, schema in said.paths[path][verb]["query"].items():
        if name in {"after", "before"}:  # they name an object of the list, of which test_paging is
            continue
        for value in values(schema, said, {"limit": 7}, name):
            ids = await objects.of(path)
            body = {"assistant_id": ids["assistant_id"]} if verb == "POST" else None
            url = f"/v1{path.format_map(ids)}"
            answered(await strict.request(verb, url, params={name: value}, json=body, headers=objects.headers))
