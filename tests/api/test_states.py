"""The status machine of runs: as a table, and as a client meets it, whatever it does in whatever order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernelci.engine.events import RunMoved
from kernelci.engine.service import Service
from kernelci.protocol.states import ACTIVE, RUN_MOVES, RunStatus
from tests.api.conftest import app_of, client_of, service_in
from tests.api.test_assistants import make
from tests.api.test_threads import thread
from tests.contract.conftest import Clerk

TOOLS = [{"type": "function", "function": {"name": "weather"}}]
DOINGS = st.lists(
    st.sampled_from(["say x", "say weather", "say wait", "run", "cancel", "submit", "submit wrong", "note"]),
    min_size=4,
    max_size=12,
)


def reachable(start: RunStatus) -> set[RunStatus]:
    """The statuses that a run can come to."""
    known: set[RunStatus] = {start}
    while further := set[RunStatus]().union(*(RUN_MOVES[status] for status in known)) - known:
        known |= further
    return known


def test_a_run_is_active_until_it_ends_and_can_always_end() -> None:
    ends = {status for status, moves in RUN_MOVES.items() if not moves}
    assert set(RUN_MOVES) - ends == ACTIVE
    assert reachable("queued") == set(RUN_MOVES)
    for status in ACTIVE:
        assert {"failed", "expired", "cancelled"} <= reachable(status)
        assert status not in RUN_MOVES[status]
    assert RUN_MOVES["queued"].isdisjoint({"completed", "requires_action"})


@given(doings=DOINGS)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
async def test_a_client_meets_no_move_that_is_not_in_the_table(tmp_path_factory: Any, doings: list[str]) -> None:
    folder: Path = tmp_path_factory.mktemp("states")
    async with service_in(folder, Clerk()) as service, client_of(app_of(service)) as api:
        client = Client(service, api)
        await client.begin()
        for doing in doings:
            await client.do(doing)
            await client.look()


class Client:
    """A client with one thread, and what it knows of its newest run."""

    def __init__(self, service: Service, api: httpx2.AsyncClient) -> None:
        self._service = service
        self._api = api
        self._run: dict[str, Any] | None = None
        self._last_word = ""

    async def begin(self) -> None:
        """Make an assistant and a thread with a word in it."""
        self._assistant = (await make(self._api, tools=TOOLS))["id"]
        self._thread = "/v1/threads/" + (await thread(self._api))["id"]
        await self.do("say x")

    async def do(self, doing: str) -> None:
        """Do it; it is refused exactly if the status of the run forbids it."""
        verb, _, word = doing.partition(" ")
        status: RunStatus | None = self._run["status"] if self._run else None
        match verb:
            case "say":
                if await self._ask("/messages", {"role": "user", "content": word}, status not in ACTIVE):
                    self._last_word = word
            case "run":
                if run := await self._ask("/runs", {"assistant_id": self._assistant}, status not in ACTIVE):
                    self._run = run
                    await self._settled(after=0)
            case _ if self._run:
                path, seen = f"/runs/{self._run['id']}", self._service.bus.last(self._run["id"])
                if verb == "note":
                    await self._ask(path, {"metadata": {"k": "v"}}, True)
                elif verb == "cancel" and await self._ask(f"{path}/cancel", {}, status in ACTIVE):
                    await self._settled(seen)
                elif verb == "submit":
                    fits = status == "requires_action" and word != "wrong"
                    if await self._ask(f"{path}/submit_tool_outputs", self._outputs(word), fits):
                        await self._settled(seen)

    async def look(self) -> None:
        """See the run again: it has moved as runs may, and has left nothing open behind it."""
        if self._run is None:
            return
        id, before = self._run["id"], self._run["status"]
        self._run = (await self._api.get(f"{self._thread}/runs/{id}")).json()
        assert self._run["status"] in reachable(before)
        if self._run["status"] not in ACTIVE:
            steps = (await self._api.get(f"{self._thread}/runs/{id}/steps")).json()["data"]
            messages = (await self._api.get(f"{self._thread}/messages", params={"run_id": id})).json()["data"]
            assert not [each for each in (*steps, *messages) if each["status"] == "in_progress"]

    async def _ask(self, path: str, body: dict[str, Any], allowed: bool) -> dict[str, Any] | None:
        response = await self._api.post(self._thread + path, json=body)
        assert response.status_code == (200 if allowed else 400), response.text
        return response.json() if allowed else None

    def _outputs(self, word: str) -> dict[str, Any]:
        waiting = self._run and self._run["required_action"]
        calls = waiting["submit_tool_outputs"]["tool_calls"] if waiting else [{"id": "call_1"}]
        ids = ["call_none"] if word == "wrong" else [call["id"] for call in calls]
        return {"tool_outputs": [{"tool_call_id": id, "output": "hot"} for id in ids]}

    async def _settled(self, after: int) -> None:
        """Wait until the run has ended, or waits: for its client, or for a model that takes for ever."""
        assert self._run
        async for recorded in self._service.bus.follow(self._run["id"], after):
            if self._last_word == "wait" and recorded.event == RunMoved("in_progress"):
                break
