"""A thread that is longer than its model reads at once: what is asked has been cut here, and not by the server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kernelci.engine.counting import tokens_in
from kernelci.engine.ports.sessions import CellResult, OnOutput
from kernelci.models.catalog import Catalog
from kernelci.models.endpoint import Endpoint
from kernelci.protocol.objects import Run
from tests.engine.conftest import OK, Engine
from tests.upstream import Body, Runs, Says, Upstream

LENGTH = 4096


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """An Ollama with a model that reads 4096 tokens at once, and leaves out the oldest of more without a word."""
    with Upstream() as upstream:
        upstream.described = {"/api/ps": {"models": [{"name": "m", "context_length": LENGTH}]}}
        yield upstream


async def cell(code: str, on_output: OnOutput) -> CellResult:
    await on_output("stdout", "a row of the table\n" * 400)
    return OK


def shape(body: Body) -> str:
    """The roles, by their first letters."""
    return "".join(message["role"][0] for message in body["messages"])


async def asked(engine: Engine, upstream: Upstream, texts: list[str], **changes: object) -> list[Run]:
    """Runs on one thread, one a text, each of a cell and a word."""
    engine.session.cell = cell
    runs: list[Run] = []
    async with Catalog(Endpoint(upstream.url)) as catalog:
        await engine.start(catalog)
        for text in texts:
            made = engine.ask_again(runs[-1], text) if runs else engine.ask(text, **changes)
            runs.append(await engine.finished(await made))
        await engine.stop()
    return runs


async def test_the_oldest_goes_and_the_instructions_stay(engine: Engine, upstream: Upstream) -> None:
    upstream.will([Runs("show()"), Says("Done.")] * 4)
    runs = await asked(engine, upstream, ["Show it"] * 4, instructions="Be brief.")
    assert {run.status for run in runs} == {"completed"}
    bodies = [request.body for request in upstream.requests]
    assert len(bodies) == 8, "nothing was refused, and nothing asked twice"
    assert [shape(body) for body in bodies[:3]] == ["su", "suat", "suatau"]
    for body in bodies:
        assert tokens_in(body["messages"], body["tools"]) <= LENGTH
        assert shape(body).startswith("su")
        assert body["messages"][0]["content"] == "Be brief."
    assert "out_1 goes on" in str(bodies[-1]["messages"])


async def test_what_cannot_be_cut_is_asked_as_it_is_and_the_log_says_so(
    engine: Engine, upstream: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    upstream.will([Says("Long.")])
    (run,) = await asked(engine, upstream, ["word " * 5000])
    assert run.status == "completed"
    assert shape(upstream.requests[0].body) == "u"
    (told,) = [record for record in caplog.records if getattr(record, "action", "") == "question_too_long"]
    assert told.getMessage().endswith("tokens, with room for 3072")
