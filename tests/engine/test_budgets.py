"""What a run and its thread may use: asked for no more, cut off at it, and told in words when it is used up."""

from __future__ import annotations

import base64
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from kernelci.engine.events import TextDelta
from kernelci.engine.ports.sessions import CellResult, OnOutput
from kernelci.models.mapped import mapped_by
from kernelci.protocol import ids
from kernelci.protocol.objects import Run, RunStep, Thread
from kernelci.protocol.usage import Used
from tests.engine.conftest import Engine, Unheard
from tests.upstream import (
    Answer,
    Body,
    Calls,
    Chunks,
    Drops,
    Fails,
    Hangs,
    NeverEnds,
    Reply,
    Runs,
    Says,
    Upstream,
    finish_chunk,
    text_chunk,
)

PRICE = "price = { prompt = 1000, completion = 4000, cached = 100 }"  # so that a thousand tokens are a dollar


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as upstream:
        yield upstream


@asynccontextmanager
async def serving(engine: Engine, upstream: Upstream, price: str = "", **settings: Any) -> AsyncIterator[None]:
    """The engine at work with the upstream's model, at that price."""
    file = engine.folder / "models.toml"
    file.write_text(f'[upstreams.only]\nurl = "{upstream.url}"\nmodel = "m"\n{price}')
    async with mapped_by(file) as catalog:
        await engine.start(catalog, **settings)
        yield
        await engine.stop()


def why(run: Run) -> str:
    assert run.status == "failed"
    assert run.last_error
    assert run.last_error.code == "rate_limit_exceeded"
    return run.last_error.message


async def used(engine: Engine, run: Run) -> Used:
    return (await engine.store.get(Thread, run.thread_id)).used


async def test_tokens_of_a_run(engine: Engine, upstream: Upstream) -> None:
    upstream.will(lambda _: Runs("1", usage=(300, 50)))
    async with serving(engine, upstream, max_run_tokens=1000):
        run = await engine.finished(await engine.ask())
        told = "This run may use 1,000 tokens (setting max_run_tokens): it has used 700, and what it would ask next"
        assert why(run).startswith(f"{told} has about ")
        assert run.usage
        assert (run.usage.total_tokens, run.usage.estimated, run.usage.cost) == (700, False, None)
        first, second = (asked.body["max_tokens"] for asked in upstream.requests)
        assert second < 350 < first < 1000
        assert await used(engine, run) == Used(turns=2, tokens=700, seconds=run.seconds)


async def test_a_prompt_that_counts_for_more_than_was_estimated_is_estimated_so_the_next_time(
    engine: Engine, upstream: Upstream
) -> None:
    upstream.will(lambda _: Says("y" * 400) + Runs("1", usage=(2000, 100)))
    async with serving(engine, upstream, max_run_tokens=5000):
        run = await engine.finished(await engine.ask())
        assert "it has used 2,100, and what it would ask next has about " in why(run)


@pytest.mark.parametrize(("kind", "said"), [(Runs, ("1",)), (Calls, ("f", {}))])
async def test_the_runs_own_prompt_tokens_are_estimated_so_too(
    engine: Engine, upstream: Upstream, kind: type[Reply], said: tuple[Any, ...]
) -> None:
    def answer(body: Body) -> Answer:
        twice = 2 * sum(len(message["content"]) for message in body["messages"]) // 4
        return kind(*said, usage=(twice, 5))

    upstream.will(answer)
    async with serving(engine, upstream):
        run = await engine.finished(await engine.ask("x" * 4000, max_prompt_tokens=9500))
        while run.status == "requires_action":
            run = await engine.resumed(run)
        assert run.incomplete_details
        assert run.incomplete_details.reason == "max_prompt_tokens"
        assert run.usage
        assert 8000 <= run.usage.prompt_tokens <= 9500


async def test_what_a_trial_asked_does_not_count_for_the_next_question(engine: Engine, upstream: Upstream) -> None:
    def answer(body: Body) -> Answer:
        if "48611" in str(body["messages"]):
            return Says("I think.", usage=(5000, 10))
        is_first = len(body["messages"]) == 1
        return Says("```python\n1\n```" if is_first else "Done.", usage=(100, 10))

    upstream.will(answer)
    async with serving(engine, upstream):
        run = await engine.finished(await engine.ask(max_prompt_tokens=10_000))
    assert run.status == "completed"
    assert [len(asked.body["messages"]) for asked in upstream.requests] == [1, 1, 4]


@pytest.mark.parametrize(("written", "tried"), [(500, [1]), (-1, [])])
async def test_a_trial_is_part_of_the_budget(
    engine: Engine, upstream: Upstream, written: int, tried: list[int]
) -> None:
    def answer(body: Body) -> Answer:
        most = body["max_tokens"]
        if "48611" in str(body["messages"]):
            return Says("I think.", usage=(150, most))
        return Says("```python\n1\n```", usage=(150, written % most))

    upstream.will(answer)
    async with serving(engine, upstream, max_run_tokens=2000):
        run = await engine.finished(await engine.ask())
        trials = [len(asked.body["messages"]) for asked in upstream.requests if "48611" in str(asked.body)]
        assert trials == tried
        assert run.usage
        assert run.usage.total_tokens <= 2000


async def test_a_budget_without_room_for_figures_has_the_run_go_on_without_them(
    engine: Engine, upstream: Upstream
) -> None:
    figure = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()
    shown = {"output_type": "display_data", "data": {"image/png": figure}, "metadata": {}}

    async def cell(code: str, on_output: OnOutput) -> CellResult:
        return CellResult("ok", 1, (shown, shown, shown, shown))

    engine.session.cell = cell
    upstream.will([Runs("plot()", usage=(100, 10)), Says("Done.", usage=(150, 10))])
    async with serving(engine, upstream, max_run_tokens=3000):
        run = await engine.finished(await engine.ask())
        assert (run.status, run.last_error) == ("completed", None)
        assert "image_url" not in str(upstream.requests[-1].body)
        assert 2000 < upstream.requests[-1].body["max_tokens"] < 2890


async def test_money_of_a_run(engine: Engine, upstream: Upstream) -> None:
    upstream.will(lambda _: Runs("1", usage=(100, 50)))
    async with serving(engine, upstream, PRICE, max_run_cost=1):
        run = await engine.finished(await engine.ask())
        assert "This run may use 1.0000 US dollars (setting max_run_cost): it has used 0." in why(run)
        assert run.usage
        assert run.usage.cost == pytest.approx(0.3 * len(upstream.requests))
        most = [asked.body["max_tokens"] for asked in upstream.requests]
        assert most == sorted(most, reverse=True)
        assert most[0] < 1_000_000 / 4000
        steps = await engine.store.all(RunStep, within=run.id)
        assert [step.usage and step.usage.cost for step in steps] == [pytest.approx(0.3)] * len(most)


async def test_tokens_that_were_read_before_cost_what_the_file_says(engine: Engine, upstream: Upstream) -> None:
    usage = {"prompt_tokens": 1000, "completion_tokens": 0, "prompt_tokens_details": {"cached_tokens": 900}}
    upstream.will([Chunks([text_chunk("So."), finish_chunk(), {"choices": [], "usage": usage}])])
    async with serving(engine, upstream, PRICE):
        run = await engine.finished(await engine.ask())
    assert run.usage
    assert run.usage.cost == pytest.approx(0.1 + 0.09)


async def test_a_budget_of_money_needs_a_price(engine: Engine, upstream: Upstream) -> None:
    async with serving(engine, upstream, max_thread_cost=1):
        run = await engine.finished(await engine.ask())
    assert run.last_error
    assert run.last_error.message == (
        "The setting max_thread_cost needs the model's price, and nobody has said that of 'm'."
    )
    assert upstream.requests == []


TOO_MANY = {
    "OpenAI": (16384, "max_tokens is too large: {asked}. This model supports at most 16384 completion tokens."),
    "vLLM": (
        32768 - 100,
        """'max_tokens' or 'max_completion_tokens' is too large: {asked}. This model's maximum context length is
        32768 tokens and your request has 100 input tokens ({asked} > 32768 - 100). None""",
    ),
    "vLLM, older": (
        4096 - 10,
        """This model's maximum context length is 4096 tokens. However, you requested {asked} tokens (10 in the
        messages, {asked} in the completion). Please reduce the length of the messages or completion.""",
    ),
    "vLLM, newer": (
        8192 - 193,
        """This model's maximum context length is 8192 tokens. However, you requested {asked} output tokens and
        your prompt contains at least 193 input tokens, for a total of at least 99999 tokens.""",
    ),
    "Anthropic": (8192, "max_tokens: {asked} > 8192, which is the maximum allowed number of output tokens for m"),
    "DeepSeek": (8192, "Invalid max_tokens value, the valid range of max_tokens is [1, 8192]"),
    "Groq": (8192, "`max_tokens` must be less than or equal to `8192`, the maximum value for this model"),
    "Together": (4097, "`inputs` tokens + `max_new_tokens` must be <= 4097. Given: 9 `inputs` tokens"),
    "nobody we know": (5000, "max_tokens: that is far too large."),
}
"""What endpoints give at most, and what they say to who asks for more."""


@pytest.mark.parametrize("maker", TOO_MANY)
async def test_a_budget_may_be_more_than_a_reply_of_the_model_can_have(
    engine: Engine, upstream: Upstream, maker: str
) -> None:
    most, says = TOO_MANY[maker]

    def answer(body: Body) -> Answer:
        asked = body.get("max_tokens", 0)
        return (
            Fails(400, {"error": {"message": " ".join(says.format(asked=asked).split())}})
            if asked > most
            else Says("Hi.")
        )

    upstream.will(answer)
    async with serving(engine, upstream, max_thread_tokens=100_000):
        first = await engine.finished(await engine.ask("one"))
        assert (first.status, first.last_error) == ("completed", None)
        assert len(upstream.requests) == 2
        again = await engine.finished(await engine.ask_again(first, "two"))
        assert again.status == "completed"
        assert [message["content"] for message in upstream.requests[-1].body["messages"]] == ["one", "Hi.", "two"]
        assert len(upstream.requests) == 3
        assert not {"max_tokens", "max_completion_tokens"} & set(upstream.requests[-1].body)
        await engine.finished(await engine.ask(max_completion_tokens=50))
        assert upstream.requests[-1].body["max_tokens"] == 50


async def test_a_reply_that_may_not_be_limited_there_is_limited_here(engine: Engine, upstream: Upstream) -> None:
    def answer(body: Body) -> Answer:
        refused = {"error": {"message": "max_tokens is too large: it supports at most 100."}}
        return Fails(400, refused) if "max_tokens" in body else NeverEnds([text_chunk("again and again, ")])

    upstream.will(answer)
    async with serving(engine, upstream, max_run_tokens=1000):
        run = await engine.finished(await engine.ask())
        assert "it has used about " in why(run)
        assert run.usage
        assert run.usage.total_tokens < 2000


@pytest.mark.parametrize(
    ("settings", "price", "sentence"),
    [
        ({"max_thread_tokens": 1000}, "", "1,000 tokens (setting max_thread_tokens): its runs have used 1,040."),
        (
            {"max_thread_cost": 1.7},
            PRICE,
            "1.7000 US dollars (setting max_thread_cost): its runs have used 1.7600.",
        ),
        ({"max_thread_turns": 2}, "", "2 replies (setting max_thread_turns): its runs have used 2."),
    ],
)
async def test_a_thread_whose_budget_is_used_up_fails_its_next_run_at_once(
    engine: Engine, upstream: Upstream, settings: dict[str, Any], price: str, sentence: str
) -> None:
    upstream.will([Runs("1", usage=(300, 40)), Says("Done.", usage=(500, 200))])
    async with serving(engine, upstream, price, **settings):
        first = await engine.finished(await engine.ask())
        assert first.status == "completed"
        refused = await engine.finished(await engine.ask_again(first))
        assert why(refused) == f"This thread may use {sentence} Go on in a new thread."
        assert len(upstream.requests) == 2
        assert (await engine.finished(await engine.ask_again(first))).status == "failed"
        upstream.will([Says("Hi.")])
        assert (await engine.finished(await engine.ask())).status == "completed"


async def test_seconds_of_a_thread(engine: Engine) -> None:
    await engine.start(Unheard(), max_thread_seconds=0.1)
    run = await engine.finished(await engine.ask())
    assert "This thread may use 0.1 seconds (setting max_thread_seconds): its runs have used" in why(run)


async def test_the_nearest_clock_ends_a_run(engine: Engine) -> None:
    await engine.start(Unheard(), max_thread_seconds=600)
    run = await engine.finished(await engine.ask(expires_at=ids.now()))
    assert run.status == "expired"


async def test_what_a_run_has_used_is_known_after_a_restart(engine: Engine, upstream: Upstream) -> None:
    upstream.will(lambda _: Calls("f", {}, usage=(300, 50)))
    async with serving(engine, upstream, max_run_tokens=1000):
        run = await engine.finished(await engine.ask())
        assert run.status == "requires_action"
    async with serving(engine, upstream, max_run_tokens=400):
        waiting = await engine.store.get(Run, run.id)
        assert waiting.required_action
        (call,) = waiting.required_action.submit_tool_outputs.tool_calls
        await engine.supervisor.submit(waiting, {call.id: "42"})
        await engine.end_of(run, after=engine.bus.last(run.id))
        assert "may use 400 tokens (setting max_run_tokens): it has used 350" in why(
            await engine.store.get(Run, run.id)
        )
        assert len(upstream.requests) == 1
        assert (await used(engine, run)).tokens == 350


async def test_a_reply_that_leaves_no_step_has_cost_something_after_the_client_answered_too(
    engine: Engine, upstream: Upstream
) -> None:
    calls_nothing = Calls("no_such_tool", {}, usage=(50, 3000))
    upstream.will([calls_nothing, Says("Let me. ") + Calls("f", {}, usage=(60, 50)), Says("End.", usage=(60, 40))])
    async with serving(engine, upstream, max_run_tokens=4000):
        run = await engine.resumed(await engine.finished(await engine.ask()))
        assert run.status == "completed"
        assert upstream.requests[-1].body["max_tokens"] < 4000 - 3160
        assert run.usage
        assert run.usage.total_tokens == (await used(engine, run)).tokens == 3260


async def test_a_reply_of_long_tokens_is_not_cut_short(engine: Engine, upstream: Upstream) -> None:
    rule, table = "-" * 400 + "\n", f"| a {' ' * 60} | b {' ' * 60} |\n|{'-' * 64}|{'-' * 64}|\n"
    upstream.will([Says(rule + table * 3 + "The answer is 42.", usage=(10, 58))])
    async with serving(engine, upstream):
        run = await engine.finished(await engine.ask(max_completion_tokens=60))
    assert (run.status, run.incomplete_details) == ("completed", None)


# Counts that no endpoint means


@pytest.mark.parametrize(
    "count",
    [
        {"prompt_tokens": -100_000, "completion_tokens": 50},
        {"prompt_tokens": 10, "completion_tokens": -50},
        {"prompt_tokens": 10**400, "completion_tokens": 5},
        {"prompt_tokens": 10, "completion_tokens": 10**12},
    ],
)
async def test_a_count_that_cannot_be_is_none(engine: Engine, upstream: Upstream, count: Body) -> None:
    upstream.will([Chunks([text_chunk("So."), finish_chunk(), {"choices": [], "usage": count}])])
    async with serving(engine, upstream, PRICE, max_run_tokens=1000):
        run = await engine.finished(await engine.ask())
    assert run.status == "completed"
    assert run.usage
    assert run.usage.estimated
    assert 0 < run.usage.total_tokens < 200


@pytest.mark.parametrize(("cached", "cost"), [(-(10**9), 1.0), (10**9, 0.1)])
async def test_what_was_read_before_is_part_of_the_prompt(
    engine: Engine, upstream: Upstream, cached: int, cost: float
) -> None:
    details = {"prompt_tokens_details": {"cached_tokens": cached}}
    usage = {"prompt_tokens": 1000, "completion_tokens": 0, **details}
    upstream.will([Chunks([text_chunk("So."), finish_chunk(), {"choices": [], "usage": usage}])])
    async with serving(engine, upstream, PRICE):
        run = await engine.finished(await engine.ask())
    assert run.usage
    assert run.usage.cost == pytest.approx(cost)


# Replies that break off


async def begun(engine: Engine, run: Run) -> None:
    """Wait for the first words of a run."""
    async for recorded in engine.bus.follow(run.id):
        if isinstance(recorded.event, TextDelta):
            return


async def test_a_reply_that_breaks_off_is_counted_as_far_as_it_came(engine: Engine, upstream: Upstream) -> None:
    upstream.will([Drops([text_chunk("word " * 80)])])
    async with serving(engine, upstream, PRICE):
        run = await engine.finished(await engine.ask())
        assert run.status == "failed"
        assert run.usage
        assert (run.usage.completion_tokens, run.usage.estimated) == (100, True)
        assert run.usage.cost
        assert (await used(engine, run)).estimated


async def test_a_reply_that_is_cancelled_is_counted_too(engine: Engine, upstream: Upstream) -> None:
    upstream.will([NeverEnds([text_chunk("word " * 80), text_chunk("")], pause=0.01)])
    async with serving(engine, upstream):
        run = await engine.ask()
        await engine.supervisor.start(run)
        await begun(engine, run)
        await engine.supervisor.cancel(run)
        await engine.end_of(run)
        ended = await engine.store.get(Run, run.id)
        assert ended.status == "cancelled"
        assert ended.usage
        assert (ended.usage.completion_tokens, ended.usage.estimated) == (100, True)
        assert (await used(engine, run)).tokens == ended.usage.total_tokens


async def test_a_run_that_is_cancelled_while_its_model_is_tried_has_cost_its_reply(
    engine: Engine, upstream: Upstream
) -> None:
    tried = threading.Event()
    fenced = Chunks([text_chunk("```python\n" + "1 + 1\n" * 10 + "```"), finish_chunk()])

    def answer(body: Body) -> Answer:
        if "48611" not in str(body["messages"]):
            return fenced
        tried.set()
        return Hangs()

    upstream.will(answer)
    async with serving(engine, upstream):
        run = await engine.ask()
        await engine.supervisor.start(run)
        assert await anyio.to_thread.run_sync(tried.wait, 10)
        await engine.supervisor.cancel(run)
        await engine.end_of(run)
        assert (await used(engine, run)).tokens > 15
