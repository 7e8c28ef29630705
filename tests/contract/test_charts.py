"""A model that sees its own charts, and what users show it, over a real server and a real kernel."""

from __future__ import annotations

import base64
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI

from tests.contract.conftest import serving
from tests.contract.test_long_outputs import CODE, asked, results, streamed
from tests.upstream import Body, Calls, Fails, Runs, Says, Upstream

pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")

FUNCTION: Any = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
REFUSED = Fails(400, {"error": {"message": "Model does not support images. Please use a model that does."}})


def draws(*colours: str, more: str = "") -> Runs:
    """Displays a tiny PNG for each colour, whose bytes end in its name; LARGE is one too large to be sent."""
    return Runs(
        "from IPython.display import Image, display\n"
        f"for colour in {colours!r}:\n"
        "    size = 2**20 if colour == 'LARGE' else 0\n"
        f"    display(Image(data=b'\\x89PNG' + bytes(size) + colour.encode(), format='png'))\n{more}"
    )


def seen(body: Body) -> list[str]:
    """The ends of the pictures in a request, in order."""
    parts = [part for each in body["messages"] if isinstance(each["content"], list) for part in each["content"]]
    urls = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
    return [base64.b64decode(url.partition("base64,")[2])[4:].decode() for url in urls]


@pytest.fixture(scope="module")
def sdk(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Generator[OpenAI]:
    with serving(tmp_path_factory.mktemp("charts"), upstream) as client:
        yield client


def seen_by_turns(upstream: Upstream) -> list[list[str]]:
    return [seen(asked.body) for asked in upstream.requests]


def test_the_figures_of_the_last_turn_that_displayed_any_are_seen(sdk: OpenAI, upstream: Upstream) -> None:
    on = asked(sdk, CODE, model="seeing")
    upstream.will([draws("red", "blue"), Runs("1"), draws("green") + draws("grey"), Says("Pretty.")])
    run, *_ = streamed(sdk, on)
    assert run.status == "completed"
    assert seen_by_turns(upstream) == [[], ["red", "blue"], ["red", "blue"], ["green", "grey"]]
    told = upstream.requests[-1].body["messages"]
    assert told[-1]["role"] == "user"
    assert told[-2]["content"] == "[a figure was displayed to the user]"

    upstream.will([Says("Still pretty.")])
    sdk.beta.threads.messages.create(on["thread_id"], role="user", content="And now?")
    streamed(sdk, on)
    again = upstream.requests[0].body["messages"]
    assert [each["content"] for each in again[: len(told)]] == [each["content"] for each in told]
    assert [each["role"] for each in again[len(told) :]] == ["assistant", "user"]


def test_the_last_four_are_seen_and_none_that_is_too_large(sdk: OpenAI, upstream: Upstream) -> None:
    on = asked(sdk, CODE, model="seeing")
    upstream.will([draws("a", "b", "c") + draws("d", "LARGE", "e"), Says("Many.")])
    streamed(sdk, on)
    assert seen_by_turns(upstream)[-1] == ["c", "d", "e"]
    sdk.beta.threads.messages.create(on["thread_id"], role="user", content="And now?")
    upstream.will([Says("Many.")])
    streamed(sdk, on)
    assert seen_by_turns(upstream) == [["c", "d", "e"]]


def test_a_resumed_run_sees_the_same(sdk: OpenAI, upstream: Upstream) -> None:
    on = asked(sdk, CODE, FUNCTION, model="seeing")
    upstream.will([draws("red") + Calls("weather", {}), Says("Red and sunny.")])
    run, *_ = streamed(sdk, on)
    (call,) = run.required_action.submit_tool_outputs.tool_calls
    sdk.beta.threads.runs.submit_tool_outputs_and_poll(
        run_id=run.id, thread_id=run.thread_id, tool_outputs=[{"tool_call_id": call.id, "output": "sunny"}]
    )
    assert seen_by_turns(upstream) == [[], ["red"]]
    messages = upstream.requests[-1].body["messages"]
    assert [each["role"] for each in messages] == ["user", "assistant", "tool", "tool", "user"]


def test_a_model_that_sees_nothing_is_shown_figures_once(sdk: OpenAI, upstream: Upstream) -> None:
    on = asked(sdk, CODE, model="blind")
    upstream.will([draws("red"), REFUSED, Says("I cannot see."), draws("blue"), Says("Nor that.")])
    assert streamed(sdk, on)[0].status == "completed"
    sdk.beta.threads.messages.create(on["thread_id"], role="user", content="Again.")
    assert streamed(sdk, on)[0].status == "completed"
    assert seen_by_turns(upstream) == [[], ["red"], [], [], []]
    assert results(upstream.requests[-1].body) == ["[a figure was displayed to the user]"] * 2


def test_a_picture_of_the_users_does_not_fail_the_run_of_a_model_that_sees_nothing(
    sdk: OpenAI, upstream: Upstream
) -> None:
    file = sdk.files.create(file=("cat", b"\x89PNGcat"), purpose="vision")
    content: Any = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_file", "image_file": {"file_id": file.id}},
    ]
    thread = sdk.beta.threads.create(messages=[{"role": "user", "content": content}])
    assistant = sdk.beta.assistants.create(model="blind too", tools=[CODE])
    upstream.will([REFUSED, Says("I cannot see it.")])
    run, *_ = streamed(sdk, {"thread_id": thread.id, "assistant_id": assistant.id})
    assert run.status == "completed"
    assert seen_by_turns(upstream) == [["cat"], []]
    assert upstream.requests[-1].body["messages"][-1]["content"] == "What is this?\n[a picture that you cannot see]"


@pytest.mark.parametrize(("charts", "expected"), [("never", []), ("always", ["red"])])
def test_the_setting_says_whether(tmp_path: Path, charts: str, expected: list[str]) -> None:
    with Upstream([draws("red"), Says("So.")]) as upstream, serving(tmp_path, upstream, charts=charts) as sdk:
        upstream.described = {"/props": {"modalities": {"vision": False}}}
        assert streamed(sdk, asked(sdk, CODE))[0].status == "completed"
        assert seen_by_turns(upstream) == [[], expected]
        assert upstream.looked == []
