"""A model's server in trouble: what the client is told, and how the thread goes on where the run broke off."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI
from pydantic import SecretStr

from kernelci.server import running
from kernelci.settings import Settings
from tests.contract.conftest import sdk_of, serving
from tests.upstream import Answer, Drops, Fails, Hangs, Runs, Says, Upstream, text_chunk

pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")

KEY = "sk-of-the-upstream-0123456789"
CODE: Any = {"type": "code_interpreter"}


@pytest.fixture(scope="module")
def sdk(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Generator[OpenAI]:
    with serving(tmp_path_factory.mktemp("trouble"), upstream, model_key=SecretStr(KEY)) as client:
        yield client


def error(message: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": "x", "param": None, "code": None}}


TROUBLE: dict[str, tuple[Answer, str, str]] = {
    "429": (
        Fails(429, error(f"Slow down, {KEY}.")),
        "rate_limit_exceeded",
        "HOST takes no more requests for now: Slow down, [key].",
    ),
    "503": (Fails(503, error("Loading model")), "server_error", "HOST is in trouble (503): Loading model"),
    "dropped": (Drops([text_chunk("Half a")]), "server_error", "HOST broke off in the middle of its reply."),
}


@pytest.mark.parametrize("kind", TROUBLE)
def test_a_new_run_goes_on_where_one_broke_off(sdk: OpenAI, upstream: Upstream, kind: str) -> None:
    trouble, code, sentence = TROUBLE[kind]
    assistant = sdk.beta.assistants.create(model="m", tools=[CODE])
    thread = sdk.beta.threads.create(messages=[{"role": "user", "content": "Compute."}])
    upstream.will([Says("Well.") + Runs("x = 41\nprint('so far', x)"), trouble])
    broken = sdk.beta.threads.runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id)
    assert broken.status == "failed"
    assert broken.last_error
    assert (broken.last_error.code, broken.last_error.message.replace(upstream.host, "HOST")) == (code, sentence)

    upstream.will([Runs("print(x + 1)"), Says("42.")])
    run = sdk.beta.threads.runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id)
    assert run.status == "completed"
    first, second = (request.body["messages"] for request in upstream.requests)
    told = [(each["role"], each.get("content"), bool(each.get("tool_calls"))) for each in first]
    assert told[-3 - (kind == "dropped") :][:3] == [
        ("user", "Compute.", False),
        ("assistant", "Well.", True),
        ("tool", "so far 41\n", False),
    ]
    assert second[-1]["content"] == "42\n", "the kernel has kept its variables"


def test_a_run_of_which_nothing_is_left_to_use_fails_and_the_thread_can_be_read(tmp_path: Path) -> None:
    with Upstream([Says("So.", usage=(300, 50)), Hangs()]) as upstream:
        settings = Settings(data_dir=tmp_path, port=0, model_url=upstream.url, max_thread_tokens=300)
        with running(settings) as url, sdk_of(url) as sdk:
            assistant = sdk.beta.assistants.create(model="m")
            thread = sdk.beta.threads.create(messages=[{"role": "user", "content": "Q."}])
            runs = sdk.beta.threads.runs
            first = runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id)
            with runs.stream(thread_id=thread.id, assistant_id=assistant.id) as stream:
                events = [event.event for event in stream]
                second = stream.get_final_run()
            assert (first.status, second.status, len(upstream.requests)) == ("completed", "failed", 1)
            assert events[-1] == "thread.run.failed"
            assert second.last_error
            assert second.last_error.code == "rate_limit_exceeded"
            assert second.last_error.message == (
                "This thread may use 300 tokens (setting max_thread_tokens): its runs have used 350. "
                "Go on in a new thread."
            )
            assert len(sdk.beta.threads.messages.list(thread.id).data) == 2
