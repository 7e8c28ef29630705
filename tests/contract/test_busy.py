"""A server on which messages and runs wait for a busy thread, as the SDK meets it."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI
from pydantic import SecretStr

from kernelci.server import running
from kernelci.settings import Settings
from tests.contract.conftest import KEY, SURFACES, Clerk, sync_client

pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")

FUNCTION: Any = {"type": "function", "function": {"name": "weather"}}


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """The address of a server with `--when-busy queue`."""
    folder: Path = tmp_path_factory.mktemp("busy")
    settings = Settings(data_dir=folder, port=0, api_key=SecretStr(KEY), when_busy="queue")
    with running(settings, Clerk()) as url:
        yield url


@pytest.fixture(params=SURFACES)
def queuing(request: pytest.FixtureRequest, patient: str) -> Generator[OpenAI]:
    with sync_client(request.param, patient) as client:
        yield client


def held(client: OpenAI) -> Any:
    """A run that holds its thread: it waits for its client's function."""
    assistant = client.beta.assistants.create(model="m", tools=[FUNCTION])
    thread = client.beta.threads.create(messages=[{"role": "user", "content": "weather?"}])
    run = client.beta.threads.runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id)
    assert run.status == "requires_action"
    return run


def outputs(run: Any) -> Any:
    calls = run.required_action.submit_tool_outputs.tool_calls
    return [{"tool_call_id": call.id, "output": "25"} for call in calls]


def said(client: OpenAI, thread_id: str) -> list[str]:
    listed = client.beta.threads.messages.list(thread_id, order="asc")
    return [part.text.value for message in listed for part in message.content]


def test_what_waits_is_answered_in_order(queuing: OpenAI) -> None:
    first = held(queuing)
    thread, runs, messages = first.thread_id, queuing.beta.threads.runs, queuing.beta.threads.messages
    messages.create(thread, role="user", content="Second")
    added: Any = [{"role": "user", "content": "Third"}]
    second = runs.create(thread, assistant_id=first.assistant_id, additional_messages=added)
    late = messages.create(thread, role="user", content="Fourth")
    assert second.status == "queued"
    assert "waiting" not in second.model_dump() | late.model_dump()
    assert messages.retrieve(late.id, thread_id=thread) == late
    streamed = runs.create(thread, assistant_id=first.assistant_id, stream=True)
    events = iter(streamed)
    assert [next(events).event for _ in range(2)] == ["thread.run.created", "thread.run.queued"]
    assert said(queuing, thread) == ["weather?", "Second", "Third", "Fourth"]
    assert runs.retrieve(second.id, thread_id=thread).status == "queued"

    ended = runs.submit_tool_outputs_and_poll(run_id=first.id, thread_id=thread, tool_outputs=outputs(first))
    assert ended.status == "completed"
    rest = [event.event for event in events]
    assert (rest[0], rest[-1]) == ("thread.run.in_progress", "thread.run.completed")
    assert runs.retrieve(second.id, thread_id=thread).status == "completed"
    assert said(queuing, thread) == [
        *("weather?", "It is 25 and 25."),
        *("Second", "Third", "Third"),
        *("Fourth", "Fourth"),
    ]


def test_a_waiting_run_is_cancelled_at_once_and_deleted_with_its_thread(queuing: OpenAI) -> None:
    first = held(queuing)
    thread, runs = first.thread_id, queuing.beta.threads.runs
    waiting = [runs.create(thread, assistant_id=first.assistant_id) for _ in range(3)]
    assert runs.cancel(waiting[0].id, thread_id=thread).status == "cancelling"
    assert runs.poll(waiting[0].id, thread_id=thread, poll_interval_ms=20).status == "cancelled"
    assert runs.retrieve(first.id, thread_id=thread).status == "requires_action"
    runs.update(waiting[1].id, thread_id=thread, metadata={"k": "v"})
    runs.submit_tool_outputs_and_poll(run_id=first.id, thread_id=thread, tool_outputs=outputs(first))
    ended = runs.poll(waiting[1].id, thread_id=thread, poll_interval_ms=20)
    assert (ended.status, ended.metadata) == ("completed", {"k": "v"})

    again = held(queuing)
    runs.create(again.thread_id, assistant_id=again.assistant_id)
    assert queuing.beta.threads.delete(again.thread_id).deleted
    assert queuing.beta.threads.create().id
