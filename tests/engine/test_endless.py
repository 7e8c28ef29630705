"""An upstream that never comes to an end, over HTTP: each run ends within its budget or its time, and in words."""

from __future__ import annotations

import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from kernelci.models import streamed
from kernelci.models.catalog import Catalog
from kernelci.models.endpoint import Endpoint
from kernelci.protocol import ids
from kernelci.protocol.objects import Cell, Run, RunStep
from tests.engine.conftest import Engine
from tests.upstream import Answer, Body, NeverEnds, Runs, Says, Upstream, call_chunk, text_chunk

TOKENS = 2000


OUT_OF_TURNS = "This run may use 5 replies (setting max_turns): it has used 5."


def thought_chunk(text: str) -> Body:
    return {"choices": [{"index": 0, "delta": {"reasoning_content": text}, "finish_reason": None}]}


ENDLESS = {
    "text": [text_chunk("again and again, ")],
    "thoughts": [thought_chunk("But wait, ")],
    "thoughts as text": [text_chunk("<think>"), text_chunk("But wait, ")],
    "code": [
        call_chunk({"index": 0, "id": "a", "function": {"name": "code_interpreter", "arguments": '{"code": "'}}),
        call_chunk({"index": 0, "function": {"arguments": "x = 1; "}}),
    ],
    "a channel's thoughts": [text_chunk("<|channel|>analysis<|message|>"), text_chunk("But wait, ")],
    "a channel's name": [text_chunk("<|channel|>"), text_chunk("analysis ")],
    "a function's arguments": [
        call_chunk({"index": 0, "id": "a", "function": {"name": "f", "arguments": ""}}),
        call_chunk({"index": 0, "function": {"arguments": "[" * 9}}),
    ],
    "calls": [call_chunk({"function": {"name": "f", "arguments": "{}"}})],
    "a call in the text": [
        text_chunk('<tool_call>{"name": "code_interpreter", "arguments": {"code": "'),
        text_chunk("x=1;"),
    ],
    "a fence": [text_chunk("```python\n"), text_chunk("x = 1\n")],
}


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as upstream:
        yield upstream


@asynccontextmanager
async def serving(engine: Engine, upstream: Upstream, **settings: Any) -> AsyncIterator[None]:
    async with Catalog(Endpoint(upstream.url)) as catalog:
        await engine.start(catalog, **settings)
        yield
        await engine.stop()


async def is_usable(engine: Engine, upstream: Upstream, run: Run) -> bool:
    """Whether a run's steps are over, and its thread takes another run and ends it well."""
    upstream.will([Says("Here.")])
    async with serving(engine, upstream):
        steps = await engine.store.all(RunStep, within=run.id)
        ended = await engine.finished(await engine.ask_again(run))
    return ended.status == "completed" and not any(step.status == "in_progress" for step in steps)


@pytest.mark.parametrize("kind", ENDLESS)
async def test_a_reply_without_end_is_cut_off_at_the_budget(engine: Engine, upstream: Upstream, kind: str) -> None:
    upstream.will([NeverEnds(ENDLESS[kind])])
    async with serving(engine, upstream, max_run_tokens=TOKENS):
        run = await engine.finished(await engine.ask())
        assert run.status == "failed"
        assert run.last_error
        assert "This run may use 2,000 tokens (setting max_run_tokens): it has used about" in run.last_error.message
        assert run.usage
        assert run.usage.estimated
        assert TOKENS / 2 < run.usage.total_tokens < 2 * TOKENS
        assert await anyio.to_thread.run_sync(upstream.left.wait, 10)
        assert len(upstream.requests) == 1
    assert await is_usable(engine, upstream, run)


@pytest.mark.parametrize("kind", ENDLESS)
async def test_a_reply_without_end_is_cut_off_at_the_runs_own_parameter(
    engine: Engine, upstream: Upstream, kind: str
) -> None:
    upstream.will([NeverEnds(ENDLESS[kind])])
    async with serving(engine, upstream):
        run = await engine.finished(await engine.ask(max_completion_tokens=256))
        assert (run.status, run.last_error) == ("incomplete", None)
        assert run.incomplete_details
        assert run.incomplete_details.reason == "max_completion_tokens"
        assert run.usage
        assert 256 <= run.usage.completion_tokens < 512
    assert await is_usable(engine, upstream, run)


@pytest.mark.parametrize("kind", ["text", "thoughts", "a function's arguments"])
async def test_a_reply_that_trickles_is_ended_by_the_clock(engine: Engine, upstream: Upstream, kind: str) -> None:
    upstream.will([NeverEnds(ENDLESS[kind], pause=0.2)])
    async with serving(engine, upstream):
        run = await engine.finished(await engine.ask(expires_at=ids.now() + 2))
        assert run.status == "expired"
        assert run.usage
        assert run.usage.estimated
        assert await anyio.to_thread.run_sync(upstream.left.wait, 10)
    assert await is_usable(engine, upstream, run)


@pytest.mark.parametrize("kind", ENDLESS)
async def test_a_reply_without_end_or_budget_is_stopped_and_keeps_little(
    engine: Engine, upstream: Upstream, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(streamed, "LONGEST_REPLY", 100_000)
    upstream.will([NeverEnds([*ENDLESS[kind][:-1], _larger(ENDLESS[kind][-1])])])
    async with serving(engine, upstream):
        tracemalloc.start()
        try:
            run = await engine.finished(await engine.ask())
            most = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert run.status == "failed"
        assert run.last_error
        assert run.last_error.message == f"The model at {upstream.host} wrote without end, and was stopped."
        assert run.usage
        assert run.usage.completion_tokens > 20_000
        assert most < 20 * 1024 * 1024
    assert await is_usable(engine, upstream, run)


def _larger(event: Body) -> Body:
    """The event with a hundred times as much in it."""
    delta = event["choices"][0]["delta"]
    more = {name: text * 100 for name, text in delta.items() if isinstance(text, str)}
    for call in delta.get("tool_calls", ()):
        function = call["function"]
        more["tool_calls"] = [{**call, "function": {**function, "arguments": function["arguments"] * 100}}]
    return {"choices": [{"index": 0, "delta": more, "finish_reason": None}]}


# Runs without end, whose replies are as they should be


@pytest.mark.parametrize(
    ("answer", "status", "sentence"),
    [
        (Runs("1"), "failed", OUT_OF_TURNS),
        (
            Says("Once more.") + Runs("1"),
            "failed",
            "This run may use 5 replies (setting max_turns): it has used 5.",
        ),
        (Runs("", usage=None), "completed", None),
        (sum([Runs("")] * 199, Runs("")), "completed", None),
    ],
    ids=["calls that succeed", "with words", "empty code", "200 calls of empty code in one reply"],
)
async def test_a_run_without_end_ends(
    engine: Engine, upstream: Upstream, answer: Answer, status: str, sentence: str | None
) -> None:
    upstream.will(lambda _: answer)
    async with serving(engine, upstream, max_turns=5):
        run = await engine.finished(await engine.ask())
        assert (run.status, run.last_error and run.last_error.message) == (status, sentence)
        assert len(upstream.requests) <= 5
    assert await is_usable(engine, upstream, run)


async def test_200_calls_in_one_reply_are_run_and_then_the_turns_end(engine: Engine, upstream: Upstream) -> None:
    upstream.will(lambda _: sum([Runs("1")] * 199, Runs("1")))
    async with serving(engine, upstream, max_turns=1):
        run = await engine.finished(await engine.ask())
        assert run.last_error
        assert run.last_error.message == "This run may use 1 replies (setting max_turns): it has used 1."
        assert len(await engine.store.all(Cell, within=run.id)) == 200
    assert await is_usable(engine, upstream, run)
