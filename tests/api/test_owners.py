"""Two keys, two worlds: whatever route there is, the objects of one are not there for the other."""

from __future__ import annotations

import itertools
import re
from collections.abc import AsyncGenerator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

from kernelci.api.routes import PATHS
from kernelci.engine.service import Service
from kernelci.models.scripted import ScriptedModel
from kernelci.models.turn import Turn
from kernelci.protocol.keys import fresh
from kernelci.store.store import SqlStore
from tests.api.conftest import app_of, client_of, service_in
from tests.engine.conftest import PlayedSession

LINK = "sandbox:/mnt/data/made.csv"
EVERYBODYS = {"/models", "/models/{model:path}"}
BODIES: Mapping[str, Any] = {
    "/threads/{thread_id}/messages": {"role": "user", "content": "x"},
    "/threads/{thread_id}/runs": {"assistant_id": "{assistant_id}"},
    "/threads/{thread_id}/runs/{run_id}/submit_tool_outputs": {"tool_outputs": []},
    "/threads/{thread_id}/runs/{run_id}/approvals/{call_id}": {"decision": "approve"},
    "/assistants/{assistant_id}/files": {"file_id": "{file_id}"},
    "/uploads/{upload_id}/complete": {"part_ids": ["{part_id}"]},
}
"""What a route needs to be sent to get as far as its objects. What it refers to is the sender's own."""

CODE = [{"type": "code_interpreter"}]
REFERENCES: list[tuple[str, Any]] = [
    ("/threads/runs", {"assistant_id": "{assistant_id}"}),
    ("/threads/{thread_id}/runs", {"assistant_id": "{assistant_id}"}),
    ("/assistants/{assistant_id}/files", {"file_id": "{file_id}"}),
    ("/uploads/{upload_id}/complete", {"part_ids": ["{part_id}"]}),
    ("/assistants/{assistant_id}", {"tool_resources": {"code_interpreter": {"file_ids": ["{file_id}"]}}}),
    ("/threads/{thread_id}", {"tool_resources": {"code_interpreter": {"file_ids": ["{file_id}"]}}}),
    (
        "/threads/{thread_id}/messages",
        {"role": "user", "content": "x", "attachments": [{"file_id": "{file_id}", "tools": CODE}]},
    ),
    ("/threads", {"tool_resources": {"code_interpreter": {"file_ids": ["{file_id}"]}}}),
    ("/assistants", {"model": "m", "tool_resources": {"code_interpreter": {"file_ids": ["{file_id}"]}}}),
    (
        "/threads",
        {"messages": [{"role": "user", "content": "x", "attachments": [{"file_id": "{file_id}", "tools": CODE}]}]},
    ),
    (
        "/threads",
        {
            "messages": [
                {"role": "user", "content": [{"type": "image_file", "image_file": {"file_id": "{file_id}"}}]}
            ]
        },
    ),
]
"""What may be referred to, in new objects and in one's own; the ids in the body are another's."""

V2 = {"openai-beta": "assistants=v2"}
"""Tenants speak v1, which has all the routes, but where the body is of v2."""


@dataclass
class Tenant:
    """Somebody with a key, and one of everything: the ids by the names that paths have for them."""

    api: httpx2.AsyncClient
    ids: dict[str, str] = field(default_factory=dict[str, str])

    async def settle(self) -> None:
        """Make one of everything; the run has run code and linked a file."""
        post = self.api.post
        upload = await post("/v1/files", files={"file": ("a.csv", b"same bytes")}, data={"purpose": "assistants"})
        files = [upload.json()["id"]]
        assistant = await post("/v1/assistants", json={"model": "m", "tools": CODE, "file_ids": files})
        thread = await post("/v1/threads", json={"messages": [{"role": "user", "content": "x", "file_ids": files}]})
        runs = f"/v1/threads/{thread.json()['id']}/runs"
        self.ids = {
            "file_id": files[0],
            "assistant_id": assistant.json()["id"],
            "thread_id": thread.json()["id"],
        }
        await self._run(runs)
        run = self.ids["run_id"]
        self.ids["step_id"] = (await self.api.get(f"{runs}/{run}/steps")).json()["data"][0]["id"]
        said = await self.api.get(f"/v1/threads/{self.ids['thread_id']}/messages?order=asc")
        self.ids["message_id"] = said.json()["data"][0]["id"]
        announced = {"filename": "b.csv", "purpose": "assistants", "bytes": 4, "mime_type": "text/csv"}
        self.ids["upload_id"] = upload_id = (await post("/v1/uploads", json=announced)).json()["id"]
        part = await post(f"/v1/uploads/{upload_id}/parts", files={"data": b"part"})
        self.ids["part_id"] = part.json()["id"]

    async def _run(self, runs: str) -> None:
        """Have a run made, and allow its code."""
        asked = {"assistant_id": self.ids["assistant_id"], "metadata": {"kernelci.approval": "code"}}
        self.ids["run_id"] = (await self.api.post(runs, json=asked)).json()["id"]
        approvals = f"{runs}/{self.ids['run_id']}/approvals"
        while not (waiting := (await self.api.get(approvals)).json()["data"]):
            pass
        self.ids["call_id"] = waiting[0]["id"]
        await self.api.post(f"{approvals}/{self.ids['call_id']}", json={"decision": "approve"})
        events = (await self.api.get(f"/v1/threads/{self.ids['thread_id']}/events")).text
        assert "event: thread.run.completed" in events

    async def all(self) -> dict[str, str]:
        """Everything that this tenant can get, by path."""
        found: dict[str, str] = {}
        for method, path in _routes():
            if method == "GET":
                response = await self.api.get("/v1" + path.format(**self.ids))
                assert response.status_code == 200, f"{path}: let a Tenant have one; {response.text}"
                found[path] = _without_time(response.text)
        return found


@pytest.fixture
async def service(tmp_path: Path) -> AsyncGenerator[Service]:
    model = ScriptedModel([Turn(code="1", text="Look."), Turn(text=f"[It]({LINK}).")])
    async with service_in(tmp_path, model) as service:
        assert isinstance(service.sessions, PlayedSession)
        service.sessions.folder["made.csv"] = b"made"
        yield service


@pytest.fixture
async def tenants(service: Service) -> AsyncGenerator[tuple[Tenant, Tenant]]:
    """Alice and Bob."""
    assert isinstance(service.store, SqlStore)
    app = app_of(service)
    async with client_of(app) as for_alice, client_of(app) as for_bob:
        for name, client in {"alice": for_alice, "bob": for_bob}.items():
            text, key = fresh(name)
            await service.store.keys.add(key)
            client.headers.update({"authorization": f"Bearer {text}", "openai-beta": "assistants=v1"})
        alice, bob = Tenant(for_alice), Tenant(for_bob)
        await alice.settle()
        yield alice, bob


def _routes() -> Iterator[tuple[str, str]]:
    return ((method, path) for path, verbs in PATHS.items() for method in verbs if path not in EVERYBODYS)


def _wanted(path: str) -> list[str]:
    return re.findall(r"\{(\w+)[^}]*\}", path)


def _unknown(ids: Mapping[str, str]) -> dict[str, str]:
    """Ids of the same form that nobody has."""
    return {name: re.sub(r"[A-Za-z0-9]{8}$", "00000000", id) for name, id in ids.items()}


def _filled(body: Any, ids: Mapping[str, str]) -> Any:
    match body:
        case str():
            return re.sub(r"\{(\w+)\}", lambda name: ids[name[1]], body)
        case list():
            return [_filled(each, ids) for each in body]
        case dict():
            return {name: _filled(each, ids) for name, each in body.items()}
        case _:
            return body


def _without_ids(response: httpx2.Response, ids: Mapping[str, str]) -> str:
    return re.sub("|".join(map(re.escape, ids.values())), "ID", response.text)


def _without_time(text: str) -> str:
    return re.sub(r'"created_at":\d+', "", text)


async def test_every_route_answers_for_anothers_objects_as_for_none(tenants: tuple[Tenant, Tenant]) -> None:
    alice, bob = tenants
    await bob.settle()
    before = await alice.all()
    tried = 0
    for method, path in _routes():
        wanted = _wanted(path)
        assert alice.ids.keys() >= {*wanted}, f"let a Tenant own what {path} names"
        # Bob's own thread with Alice's run, and so on, and last of all only ids of hers.
        for own in range(len(wanted)):
            foreign = {name: (bob if at < own else alice).ids[name] for at, name in enumerate(wanted)}
            unknown = foreign | {name: _unknown(alice.ids)[name] for name in wanted[own:]}
            told = [
                await bob.api.request(
                    method,
                    "/v1" + path.format(**ids),
                    json=_filled(BODIES.get(path, {}), bob.ids) if method == "POST" else None,
                )
                for ids in (foreign, unknown)
            ]
            assert [each.status_code for each in told] == [404, 404], f"{method} {path}: {told[0].text}"
            assert _without_ids(told[0], foreign) == _without_ids(told[1], unknown), f"{method} {path}"
            tried += 1
    assert tried > len(PATHS)
    assert await alice.all() == before, "nothing of Alice's has changed"


async def test_every_list_of_another_is_empty(tenants: tuple[Tenant, Tenant]) -> None:
    alice, bob = tenants
    lists = [path for method, path in _routes() if method == "GET" and not _wanted(path)]
    assert {"/files", "/assistants"} <= {*lists}
    for path in lists:
        hers, his = (await alice.api.get("/v1" + path)).json(), (await bob.api.get("/v1" + path)).json()
        assert hers["data"]
        assert (his["data"], his["first_id"], his["has_more"]) == ([], None, False)
        cursors = hers["data"][0]["id"], _unknown({"id": hers["data"][0]["id"]})["id"]
        told = [await bob.api.get("/v1" + path, params={"after": cursor}) for cursor in cursors]
        assert told[0].status_code == told[1].status_code == 400
        assert _without_ids(told[0], {"after": cursors[0]}) == _without_ids(told[1], {"after": cursors[1]})


@pytest.mark.parametrize(("path", "body"), REFERENCES, ids=itertools.count())
async def test_nothing_new_can_refer_to_anothers(tenants: tuple[Tenant, Tenant], path: str, body: Any) -> None:
    alice, bob = tenants
    await bob.settle()
    headers = {} if path.endswith("/files") else V2

    async def ask(tenant: Tenant, ids: Mapping[str, str]) -> httpx2.Response:
        where = "/v1" + path.format(**tenant.ids)
        return await tenant.api.post(where, json=_filled(body, ids), headers=headers)

    unknown = _unknown(alice.ids)
    told = [await ask(bob, ids) for ids in (alice.ids, unknown)]
    assert told[0].status_code == told[1].status_code
    assert told[0].is_client_error
    assert _without_ids(told[0], alice.ids) == _without_ids(told[1], unknown)
    assert (await ask(alice, alice.ids)).status_code == 200


async def test_what_a_run_makes_is_whose_run_it_is(tenants: tuple[Tenant, Tenant]) -> None:
    alice, bob = tenants
    made = [file["id"] for file in (await alice.api.get("/v1/files?purpose=assistants_output")).json()["data"]]
    assert len(made) == 1
    assert (await alice.api.get(f"/v1/files/{made[0]}/content")).content == b"made"
    assert (await bob.api.get(f"/v1/files/{made[0]}/content")).status_code == 404


async def test_the_same_bytes_do_not_tell_of_each_other(tenants: tuple[Tenant, Tenant]) -> None:
    alice, bob = tenants
    await bob.settle()
    hers, his = alice.ids["file_id"], bob.ids["file_id"]
    assert hers != his
    assert (await bob.api.delete(f"/v1/files/{his}")).status_code == 200
    assert (await bob.api.get(f"/v1/files/{his}/content")).status_code == 404
    assert (await alice.api.get(f"/v1/files/{hers}/content")).content == b"same bytes"


async def test_a_new_key_of_the_same_name_sees_what_the_old_one_made(
    service: Service, tenants: tuple[Tenant, Tenant]
) -> None:
    alice, _ = tenants
    assert isinstance(service.store, SqlStore)
    before = await alice.all()
    await service.store.keys.drop("alice")
    assert (await alice.api.get("/v1/files")).status_code == 401, "at once"
    text, key = fresh("alice")
    await service.store.keys.add(key)
    alice.api.headers["authorization"] = f"Bearer {text}"
    assert await alice.all() == before
