"""An endpoint over real HTTP, and a way to ask it once."""

from __future__ import annotations

import pytest

from kernelci.engine.events import Event
from kernelci.engine.ports.model import ModelRequest, Reply
from kernelci.models.chat import ChatModel
from kernelci.models.endpoint import Endpoint
from tests.models.requests import WITH_CODE
from tests.upstream import Answer, Upstream


@pytest.fixture(scope="module")
def running():
    with Upstream() as upstream:
        yield upstream


@pytest.fixture
def upstream(running: Upstream) -> Upstream:
    """An endpoint that lists one model and has no script yet."""
    running.will([])
    running.models = ("scripted",)
    return running


@pytest.fixture
def asked(upstream: Upstream):
    """A function that asks the endpoint: gives the events and the reply that come of its answer."""

    async def ask(answer: Answer, request: ModelRequest = WITH_CODE) -> tuple[list[Event], Reply]:
        events: list[Event] = []

        async def emit(event: Event) -> None:
            events.append(event)

        upstream.will([answer])
        endpoint = Endpoint(upstream.url)
        async with endpoint.connect() as client:
            return events, await ChatModel(endpoint, client).reply(request, emit)

    return ask
