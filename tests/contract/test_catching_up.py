"""Readers that come late or come back, and clients that go on at once: over a real server."""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI

from kernelci.models.scripted import ScriptedModel
from kernelci.models.turn import CallFunction, Turn
from kernelci.server import running
from kernelci.settings import Settings
from tests.contract.conftest import sdk_of
from tests.contract.judged import judging

pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")

FUNCTION: Any = {"type": "function", "function": {"name": "weather"}}
SCRIPT = [Turn(text="Let me ask.", functions=(CallFunction("weather", {"city": "Haifa"}),)), Turn(text="Sunny.")]


def events(url: str, thread_id: str, **more: Any) -> list[tuple[str | None, str, Any]]:
    """The id, name and data of each event."""
    with judging() as client:
        body = client.get(f"{url}/v1/threads/{thread_id}/events", **more).text
    read: list[tuple[str | None, str, Any]] = []
    for block in body.split("\n\n")[:-1]:
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        data = fields["data"]
        read.append((fields.get("id"), fields["event"], None if data == "[DONE]" else json.loads(data)))
    return read


def names(read: list[tuple[str | None, str, Any]]) -> list[str]:
    return [name for _, name, _ in read]


def asked(client: OpenAI) -> Any:
    """A run that waits for its client's function."""
    assistant = client.beta.assistants.create(model="m", tools=[FUNCTION])
    thread = client.beta.threads.create(messages=[{"role": "user", "content": "?"}])
    return client.beta.threads.runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id)


def answer(client: OpenAI, run: Any) -> Any:
    outputs: Any = [
        {"tool_call_id": call.id, "output": "25"} for call in run.required_action.submit_tool_outputs.tool_calls
    ]
    return client.beta.threads.runs.submit_tool_outputs_and_poll(
        run_id=run.id, thread_id=run.thread_id, tool_outputs=outputs
    )


def test_a_reader_goes_on_where_it_left(tmp_path: Path) -> None:
    with running(Settings(data_dir=tmp_path, port=0), ScriptedModel(SCRIPT)) as url, sdk_of(url) as client:
        run = asked(client)
        first = events(url, run.thread_id)
        assert names(first)[:3] == ["thread.run.created", "thread.run.queued", "thread.run.in_progress"]
        assert names(first)[-2:] == ["thread.run.requires_action", "done"]
        answer(client, run)
        seen = str(first[-2][0])
        rest = events(url, run.thread_id, params={"after": seen})
        assert names(rest)[:3] == ["thread.run.step.completed", "thread.run.queued", "thread.run.in_progress"]
        assert names(rest)[-2:] == ["thread.run.completed", "done"]
        assert events(url, run.thread_id, headers={"last-event-id": seen}) == rest
        assert events(url, run.thread_id, params={"after": rest[-2][0]}) == [(None, "done", None)]
        for odd in ("x", ".", "1.2.3", f"{seen}{'9' * 5000}", seen.replace("run_", "run_x")):
            assert names(events(url, run.thread_id, headers={"last-event-id": odd}))[-1] == "done"


def test_deltas_go_on_wherever_a_reader_left(tmp_path: Path) -> None:
    script = [
        Turn(text="Let me see.", code="x = 6\ny = 7\nprint(x * y)\nprint('end')"),
        Turn(functions=(CallFunction("nosuch", {"a": 1}),)),
        Turn(text="It is forty two."),
    ]
    with running(Settings(data_dir=tmp_path, port=0), ScriptedModel(script)) as url, sdk_of(url) as client:
        assistant = client.beta.assistants.create(model="m", tools=[{"type": "code_interpreter"}])
        thread = client.beta.threads.create(messages=[{"role": "user", "content": "?"}])
        run = client.beta.threads.runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id)
        assert run.status == "completed"
        told = events(url, thread.id)
        assert names(told).count("thread.run.step.delta") > 6
        for place, (id, _, _) in enumerate(told):
            if id:
                assert events(url, thread.id, params={"after": id}) == told[place + 1 :], told[place]


def test_after_a_restart_a_run_is_told_from_the_store(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, port=0)
    with running(settings, ScriptedModel(SCRIPT)) as url, sdk_of(url) as client:
        run = asked(client)
        told = events(url, run.thread_id)
    with running(settings, ScriptedModel(SCRIPT)) as url, sdk_of(url) as client:
        again = events(url, run.thread_id, params={"after": told[-2][0]})
        assert [name for name in names(again) if not name.endswith("delta")] == [
            name for name in names(told) if not name.endswith("delta")
        ]
        assert again[-2][2] == told[-2][2]
        answer(client, run)
        whole = events(url, run.thread_id)
    with running(settings, ScriptedModel(SCRIPT)) as url:
        retold = events(url, run.thread_id)
    assert names(whole)[-2:] == names(retold)[-2:] == ["thread.run.completed", "done"]
    for read in (whole, retold):
        ended = [data for _, name, data in read if name.endswith(("message.completed", "step.completed"))]
        assert [each["object"] for each in ended] == [
            "thread.message",
            "thread.run.step",
            "thread.run.step",
            "thread.message",
            "thread.run.step",
        ]
        assert ended[2]["step_details"]["tool_calls"][0]["function"]["output"] == "25"


@pytest.fixture
def talking(tmp_path: Path) -> Generator[OpenAI]:
    """The SDK's client of a server whose model says hello."""
    hello = ScriptedModel([Turn(text="Hello.")])
    with running(Settings(data_dir=tmp_path, port=0), hello) as url, sdk_of(url) as client:
        yield client


def test_a_thread_is_free_when_its_runs_end_is_seen(talking: OpenAI) -> None:
    assistant, thread = talking.beta.assistants.create(model="m"), talking.beta.threads.create()
    messages, runs = talking.beta.threads.messages, talking.beta.threads.runs
    for number in range(25):
        messages.create(thread.id, role="user", content=f"Streamed {number}")
        for event in runs.create(thread.id, assistant_id=assistant.id, stream=True):
            if event.event == "thread.run.completed":
                messages.create(thread.id, role="user", content=f"Then {number}")
        run = runs.create(thread.id, assistant_id=assistant.id)
        while run.status != "completed":
            run = runs.retrieve(run.id, thread_id=thread.id)
        messages.create(thread.id, role="user", content=f"Polled {number}")
    posted = [each for each in messages.list(thread.id, limit=100) if each.role == "user"]
    assert len(posted) == 75
