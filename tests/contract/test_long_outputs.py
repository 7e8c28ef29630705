"""Outputs that are too long for a model, over a real server: what it is shown, how it reads on, what is kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI

from tests.contract.conftest import serving
from tests.contract.test_catching_up import events
from tests.contract.test_output import without_index
from tests.upstream import Answer, Body, Calls, Fails, Reply, Runs, Says, Upstream

pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")

CODE: Any = {"type": "code_interpreter"}
ROWS = "for row in range(1, 3001): print('row', row, 'needle' if row == 900 else '')"
FAILS = "print('x' * 5000); undefined"


@pytest.fixture(scope="module")
def sdk(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Generator[OpenAI]:
    with serving(tmp_path_factory.mktemp("long"), upstream, shown_output=1000, max_output=20_000) as client:
        yield client


def asked(sdk: OpenAI, *tools: Any, model: str = "m") -> dict[str, str]:
    """An assistant with these tools, and a thread with a message."""
    assistant = sdk.beta.assistants.create(model=model, tools=list(tools))
    thread = sdk.beta.threads.create(messages=[{"role": "user", "content": "Q."}])
    return {"assistant_id": assistant.id, "thread_id": thread.id}


def streamed(sdk: OpenAI, on: dict[str, str]) -> tuple[Any, list[Any], list[str]]:
    """A run, its steps and the names of its events. The deltas add up to the steps."""
    with sdk.beta.threads.runs.stream(**on) as stream:
        names = [event.event for event in stream]
        run = stream.get_final_run()
    stored = list(sdk.beta.threads.runs.steps.list(run.id, thread_id=run.thread_id, order="asc"))
    added_up = stream.get_final_run_steps()
    for sum, step in zip(added_up, stored, strict=True):
        assert step.to_dict()["step_details"] == without_index(sum.to_dict()["step_details"])
    return run, stored, names


def results(body: Body) -> list[str]:
    return [message["content"] for message in body["messages"] if message["role"] == "tool"]


def offered(body: Body) -> list[str]:
    return [tool["function"]["name"] for tool in body["tools"]]


def read(**asked: Any) -> Calls:
    return Calls("read_output", asked)


def test_a_long_output_is_cut_and_then_read_and_searched(sdk: OpenAI, upstream: Upstream) -> None:
    on = asked(sdk, CODE)
    upstream.will(
        [
            Runs("1"),
            Runs(ROWS),
            read(id="out_2", search="NEEDLE"),
            read(from_line=-2),
            read(id="out_9"),
            Says("1234."),
        ]
    )
    run, steps, names = streamed(sdk, on)
    assert (run.status, run.required_action) == ("completed", None)
    bodies = [each.body for each in upstream.requests]
    assert [offered(body) for body in bodies] == [["code_interpreter"]] * 2 + [
        ["code_interpreter", "read_output"]
    ] * 4
    one, long, found, last, wrong = results(bodies[-1])
    assert one == "1"
    assert long.startswith("row 1 \nrow 2 \n") and long.endswith("row 3000 \n") and len(long) < 1300
    assert "out_2 goes on: " in long
    assert found.startswith("out_2 ['NEEDLE': in 1 line, 1 of them shown]\n") and "row 900 needle" in found
    assert last.endswith("row 2999 \nrow 3000 ")
    assert wrong == "[There is no output 'out_9'. Those that were cut: out_2.]"

    kinds = [step.step_details.tool_calls[0].type for step in steps[:-1]]
    assert kinds == ["code_interpreter"] * 2 + ["function"] * 3
    assert [step.step_details.tool_calls[0].function.output for step in steps[2:-1]] == [found, last, wrong]
    step = [name for name in names if ".step." in name and "delta" not in name]
    assert step == [f"thread.run.step.{part}" for part in ("created", "in_progress", "completed")] * 6
    kept = steps[1].step_details.tool_calls[0].code_interpreter.outputs[0].logs
    assert 20_000 < len(kept) < 20_100 and "left out here" in kept


def test_the_next_run_is_told_the_same_and_what_is_read_there_has_the_same_name(
    sdk: OpenAI, upstream: Upstream
) -> None:
    on = asked(sdk, CODE)
    upstream.will([Runs("1"), Runs(ROWS), read(search="needle"), Says("So.")])
    streamed(sdk, on)
    before = upstream.requests[-1].body["messages"]
    sdk.beta.threads.messages.create(on["thread_id"], role="user", content="More.")
    upstream.will([read(id="2", from_line=7, to_line=7), Says("Well.")])
    streamed(sdk, on)
    again = upstream.requests[0].body
    assert [{**each, "tool_calls": 0} for each in again["messages"][: len(before)]] == [
        {**each, "tool_calls": 0} for each in before
    ]
    assert offered(again) == ["code_interpreter", "read_output"]
    assert results(upstream.requests[-1].body)[-1] == "out_2 [lines 7 to 7 of 2,112]\nrow 7 "


def test_the_clients_own_function_of_that_name_is_the_clients(sdk: OpenAI, upstream: Upstream) -> None:
    theirs: Any = {"type": "function", "function": {"name": "read_output", "parameters": {"type": "object"}}}
    on = asked(sdk, CODE, theirs)
    upstream.will([Runs(ROWS), read(id="out_1"), Says("Theirs.")])
    run, *_ = streamed(sdk, on)
    assert run.status == "requires_action"
    assert offered(upstream.requests[-1].body) == ["code_interpreter", "read_output"]
    assert "read_output shows" not in results(upstream.requests[-1].body)[0]
    (call,) = run.required_action.submit_tool_outputs.tool_calls
    done = sdk.beta.threads.runs.submit_tool_outputs_and_poll(
        run_id=run.id, thread_id=run.thread_id, tool_outputs=[{"tool_call_id": call.id, "output": "their own"}]
    )
    assert done.status == "completed"
    assert results(upstream.requests[-1].body)[-1] == "their own"


def test_a_client_that_answers_its_function_finds_ours_done(sdk: OpenAI, upstream: Upstream) -> None:
    function: Any = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
    on = asked(sdk, CODE, function)
    upstream.will([Runs(ROWS), read(search="needle") + Calls("weather", {}), Says("Sunny.")])
    run, steps, _ = streamed(sdk, on)
    (call,) = run.required_action.submit_tool_outputs.tool_calls
    assert (run.status, call.function.name) == ("requires_action", "weather")
    assert [step.status for step in steps] == ["completed", "completed", "in_progress"]
    sdk.beta.threads.runs.submit_tool_outputs_and_poll(
        run_id=run.id, thread_id=run.thread_id, tool_outputs=[{"tool_call_id": call.id, "output": "sunny"}]
    )
    _, found, weather = results(upstream.requests[-1].body)
    assert (found[:15], weather) == ("out_1 ['needle'", "sunny")


def test_a_model_without_tools_reads_by_writing_the_call(sdk: OpenAI, upstream: Upstream) -> None:
    asking = '<tool_call>{"name": "read_output", "arguments": {"search": "needle"}}</tool_call>'
    refused = Fails(400, {"error": {"message": "bare does not support tools"}})
    on = asked(sdk, CODE, model="bare")
    upstream.will([refused, Says(f"```python\n{ROWS}\n```"), Says(asking), Says("Line 1234.")])
    run, steps, _ = streamed(sdk, on)
    assert run.status == "completed"
    assert "read_output" in upstream.requests[2].body["messages"][0]["content"]
    assert "row 900 needle" in upstream.requests[3].body["messages"][-1]["content"]
    assert steps[1].step_details.tool_calls[0].function.name == "read_output"


def small(limit: int, script: Callable[[int, list[str]], Reply]) -> Callable[[Body], Answer]:
    """An endpoint that reads no more than so many characters, and answers by the results' number and texts."""

    def answer(body: Body) -> Answer:
        if len(json.dumps(body["messages"])) > limit:
            error = {"code": "context_length_exceeded", "message": "maximum context length"}
            return Fails(400, {"error": error})
        return script(len(results(body)), results(body))

    return answer


def test_where_the_context_is_small_the_oldest_outputs_go_first(tmp_path: Path) -> None:
    """A question is asked before everything, which stays, and the newest output; so it is after a restart."""
    script: dict[int, Reply] = {number: Runs(f"print('{chr(97 + number)}' * 3000)") for number in range(12)}
    script[12] = read(id="out_1", to_line=1)
    with Upstream(small(16_000, lambda number, _: script.get(number, Says("Done.")))) as upstream:
        with serving(tmp_path, upstream, shown_output=4000) as sdk:
            on = asked(sdk, CODE)
            assert streamed(sdk, on)[0].status == "completed"
        with serving(tmp_path, upstream, shown_output=4000) as sdk:
            told = events(str(sdk.base_url).removesuffix("/v1/"), on["thread_id"])
            sdk.beta.threads.messages.create(on["thread_id"], role="user", content="And?")
            assert streamed(sdk, on)[0].status == "completed"
        first, second = [each.body for each in upstream.requests if len(results(each.body)) == 13][-2:]
    deltas = [data["delta"]["step_details"] for _, name, data in told if name == "thread.run.step.delta"]
    outputs = [delta["tool_calls"][0].get("function", {}).get("output") for delta in deltas]
    assert [output for output in outputs if output] == [f"out_1 [lines 1 to 1 of 10]\n{'a' * 300}"]
    for body in (first, second):
        *told, again = results(body)
        assert again == outputs[-1]
        assert body["messages"][0]["content"] == "Q."
        assert "read_output" in offered(body)
        assert [f"out_{at + 1} goes on" in each for at, each in enumerate(told)] == [
            len(each) < 1000 for each in told
        ]
        cut = [len(each) < 1000 for each in told]
        assert cut == sorted(cut, reverse=True) and cut[0] and not cut[-1]


def test_what_is_said_beside_a_failure_is_not_lost_with_its_output(tmp_path: Path) -> None:
    with (
        Upstream(small(4000, lambda number, _: Runs(FAILS) if number < 2 else Says("Enough."))) as upstream,
        serving(tmp_path, upstream, shown_output=2000) as sdk,
    ):
        assert streamed(sdk, asked(sdk, CODE))[0].status == "completed"
        told = results(upstream.requests[-1].body)
    assert "same failure again, the 2nd time" in told[1]
    assert len(told[0]) < 700
