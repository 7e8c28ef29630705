"""Requests to a server of 1,000 threads beside the same to one of 10: `python -m tests.bench scale`."""

from __future__ import annotations

import http.client
import json
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tests.bench.figures import Figure, interleaved, print_pair
from tests.bench.served import served
from tests.bench.threads import fill

FEW, MANY = 10, 1000
MESSAGES = 100
USED = 10
"""Threads that are asked for in turn, spread over all."""


@dataclass(frozen=True, slots=True)
class Client:
    """Speaks to one server on one connection."""

    connection: http.client.HTTPConnection

    def get(self, path: str) -> Any:
        """What is there."""
        return json.loads(self._answer("GET", path))

    def post(self, path: str, **body: object) -> bytes:
        """What comes of it."""
        return self._answer("POST", path, json.dumps(body))

    def _answer(self, method: str, path: str, body: str | None = None) -> bytes:
        headers = {"content-type": "application/json", "openai-beta": "assistants=v2"}
        self.connection.request(method, f"/v1{path}", body, headers)
        response = self.connection.getresponse()
        answer = response.read()
        assert response.status == 200, answer
        return answer


@dataclass(frozen=True, slots=True)
class Used:
    """A thread that is asked for, with one of its messages, its run, and an assistant."""

    thread: str
    message: str
    run: str
    assistant: str


async def measure(rounds: int) -> None:
    """Measure and print."""
    few, many = ({each: Figure(f"{count:,} threads") for each in REQUESTS} for count in (FEW, MANY))
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        sides = [
            (figures, *await _server(stack, Path(folder, str(count)), count))
            for figures, count in ((few, FEW), (many, MANY))
        ]
        for at, name in interleaved(rounds * USED, *REQUESTS):
            for figures, client, used in sides:
                with figures[name].timed() if at >= USED else nullcontext():  # the first round warms up
                    REQUESTS[name](client, used[at % USED])
    for name in REQUESTS:
        print_pair(f"To {name}, of {MESSAGES} messages a thread", many[name], few[name])


async def _server(stack: ExitStack, folder: Path, count: int) -> tuple[Client, list[Used]]:
    """A server of so many threads, and some of them, from the oldest to the newest."""
    threads = await fill(folder, count, MESSAGES)
    server = stack.enter_context(served(folder))
    client = Client(http.client.HTTPConnection(*server.address, timeout=600))
    assistant = json.loads(client.post("/assistants", model="m"))["id"]
    used = [
        Used(
            thread,
            client.get(f"/threads/{thread}/messages")["first_id"],
            client.get(f"/threads/{thread}/runs")["first_id"],
            assistant,
        )
        for thread in threads[:: count // USED]
    ]
    client.connection.close()  # or the server would, while the other one is filled; it opens by itself
    return client, used


REQUESTS: Mapping[str, Callable[[Client, Used], object]] = MappingProxyType(
    {
        "list a thread's messages": lambda client, of: client.get(f"/threads/{of.thread}/messages"),
        "list the page after a message": lambda client, of: client.get(
            f"/threads/{of.thread}/messages?after={of.message}"
        ),
        "retrieve a thread": lambda client, of: client.get(f"/threads/{of.thread}"),
        "retrieve a message": lambda client, of: client.get(f"/threads/{of.thread}/messages/{of.message}"),
        "retrieve a run": lambda client, of: client.get(f"/threads/{of.thread}/runs/{of.run}"),
        "start a run and stream it to its end": lambda client, of: client.post(
            f"/threads/{of.thread}/runs", assistant_id=of.assistant, stream=True
        ),
    }
)
"""What is measured."""
