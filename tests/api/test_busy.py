"""Whatever happens in whatever order to a thread where things may wait: each has its turn, once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernelci.engine.service import Service
from kernelci.protocol.objects import Message
from kernelci.protocol.states import ACTIVE
from tests.api.conftest import app_of, client_of, service_in
from tests.api.test_assistants import make
from tests.contract.conftest import Clerk

TOOLS = [{"type": "function", "function": {"name": "weather"}}]
DOINGS = st.lists(st.sampled_from(["post", "run", "run", "end", "cancel", "cancel last"]), max_size=9)


@given(doings=DOINGS)
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
async def test_everything_has_its_turn(tmp_path_factory: Any, doings: list[str]) -> None:
    folder: Path = tmp_path_factory.mktemp("busy")
    async with service_in(folder, Clerk(), when_busy="queue") as service, client_of(app_of(service)) as api:
        client = Client(service, api)
        await client.begin()
        for doing in doings:
            await client.do(doing)
            await client.look()
        while await client.active():
            await client.do("end")
            await client.look()
        transcripts: Any = service.transcripts
        noted = [each.id for each in transcripts.items if isinstance(each, Message) and each.role == "user"]
        assert noted == client.posted
        assert await service.store.active_runs() == ()


class Client:
    """A client with one thread, and the ids of what it has posted there."""

    def __init__(self, service: Service, api: httpx2.AsyncClient) -> None:
        self._service = service
        self._api = api
        self.posted: list[str] = []

    async def begin(self) -> None:
        """Make an assistant and a thread."""
        self._assistant = (await make(self._api, tools=TOOLS))["id"]
        self._thread = f"/v1/threads/{(await self._ask('/v1/threads', {}))['id']}"

    async def do(self, doing: str) -> None:
        """Do it; what needs a run does nothing without one."""
        if doing == "post":
            body = {"role": "user", "content": "weather?"}
            self.posted.append((await self._ask(f"{self._thread}/messages", body))["id"])
        elif doing == "run":
            await self.do("post")  # which the run finds before it, whoever else has to end first
            run = await self._ask(f"{self._thread}/runs", {"assistant_id": self._assistant})
            assert run["status"] == "queued"
        elif active := await self.active():
            run_id = active[-1 if doing == "cancel last" else 0]["id"]
            await (self._end(run_id) if doing == "end" else self._cancel(run_id))

    async def active(self) -> list[dict[str, Any]]:
        """The runs that have not ended, in the order of their turns."""
        return [each for each in await self._list("runs") if each["status"] in ACTIVE]

    async def look(self) -> None:
        """One run at a time, and each message once, in the order in which it came."""
        begun = [each for each in await self.active() if each["status"] != "queued"]
        assert len(begun) <= 1
        assert [each["id"] for each in await self._list("messages") if each["role"] == "user"] == self.posted

    async def _end(self, run_id: str) -> None:
        async for _ in self._service.bus.follow(run_id):
            pass  # until it waits for us
        run = (await self._api.get(f"{self._thread}/runs/{run_id}")).json()
        calls = run["required_action"]["submit_tool_outputs"]["tool_calls"]
        seen = self._service.bus.last(run_id)
        outputs = [{"tool_call_id": call["id"], "output": "hot"} for call in calls]
        await self._ask(f"{self._thread}/runs/{run_id}/submit_tool_outputs", {"tool_outputs": outputs})
        assert [each async for each in self._service.bus.follow(run_id, seen)]

    async def _cancel(self, run_id: str) -> None:
        seen = self._service.bus.last(run_id)
        await self._ask(f"{self._thread}/runs/{run_id}/cancel", {})
        while (await self._api.get(f"{self._thread}/runs/{run_id}")).json()["status"] in ACTIVE:
            async for recorded in self._service.bus.follow(run_id, seen):
                seen = recorded.seq

    async def _list(self, what: str) -> list[dict[str, Any]]:
        return (await self._api.get(f"{self._thread}/{what}", params={"order": "asc", "limit": 100})).json()["data"]

    async def _ask(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        response = await self._api.post(path, json=body)
        assert response.status_code == 200, response.text
        return response.json()
