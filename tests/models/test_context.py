"""How much a model reads at once, as its server tells, and what that leaves for a question."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from kernelci.engine.events import Event
from kernelci.models import context as context_module
from kernelci.models.chat import ChatModel
from kernelci.models.context import Context
from kernelci.models.endpoint import Endpoint
from tests.models.requests import WITH_CODE
from tests.upstream import Says, Upstream


@pytest.fixture
async def model(upstream: Upstream) -> AsyncIterator[ChatModel]:
    endpoint = Endpoint(upstream.url)
    async with endpoint.connect() as client:
        yield ChatModel(endpoint, client)


def loaded(name: str, length: int) -> dict[str, Any]:
    return {"models": [{"name": "other:1b", "context_length": 1}, {"name": name, "context_length": length}]}


@pytest.mark.parametrize(
    ("path", "described", "room"),
    [
        ("/api/ps", loaded("m", 4096), 3072),
        ("/api/ps", loaded("m:latest", 4096), 3072),
        ("/api/ps", loaded("m:8b", 4096), None),
        ("/api/ps", {"models": [{"name": "m", "context_length": None}]}, None),
        ("/props", {"default_generation_settings": {"n_ctx": 32768}}, 30720),
        ("/props", {"default_generation_settings": {"n_ctx": 0}}, None),
        ("/api/v0/models/m", {"type": "llm", "loaded_context_length": 1024}, 768),
        ("/api/v0/models/m", {"type": "llm", "max_context_length": 131072}, None),
        ("/props", {"default_generation_settings": "none"}, None),
        ("/x", {"models": []}, None),
    ],
)
async def test_a_server_of_this_machine_tells_it(
    upstream: Upstream, model: ChatModel, path: str, described: Any, room: int | None
) -> None:
    upstream.described = {path: described}
    assert await model.room("m") == room


async def test_it_is_asked_again_after_a_while_and_not_each_time(
    upstream: Upstream, model: ChatModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    upstream.described = {"/api/ps": loaded("m", 4096)}
    assert await model.room("m") == 3072
    upstream.described = {"/api/ps": loaded("m", 8192)}
    assert await model.room("m") == 3072
    monkeypatch.setattr(context_module, "KNOWN_FOR", 0.0)
    monkeypatch.setattr(context_module, "UNKNOWN_FOR", 0.0)
    assert await model.room("n") is None
    upstream.described = {"/api/ps": loaded("n", 8192)}
    assert await model.room("n") == 6144
    upstream.described = {"/api/ps": {"models": []}}
    assert await model.room("n") == 6144, "a model that is not loaded any more will be, as it was"


async def test_a_question_that_was_more_than_estimated_leaves_less_room(
    upstream: Upstream, model: ChatModel
) -> None:
    upstream.described = {"/api/ps": loaded(WITH_CODE.model, 4096)}
    assert await model.room(WITH_CODE.model) == 3072

    async def emit(event: Event) -> None:
        del event

    for counted in (400, 4096):  # of what fills the context nobody knows how much it was
        upstream.will([Says("Hm.", usage=(counted, 1))])
        await model.reply(WITH_CODE, emit)
        room = await model.room(WITH_CODE.model)
        assert room and 200 < room < 2000


def test_some_is_left_to_the_reply() -> None:
    assert [Context(tokens).room for tokens in (512, 4096, 131072)] == [256, 3072, 129024]
    assert Context().room is None
