"""The official SDK walks every endpoint on every surface; its client judges each answer."""

from __future__ import annotations

import re
from typing import Any

import openai
import pytest
from openai import OpenAI

from tests.contract.conftest import azure, sync_client

pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")

FUNCTION: Any = {"type": "function", "function": {"name": "weather"}}
ANALYST: dict[str, Any] = {"model": "gpt-4o", "tools": [{"type": "code_interpreter"}, FUNCTION]}


def test_assistants(client: OpenAI) -> None:
    assistants = client.beta.assistants
    made = assistants.create(**ANALYST, name="a", metadata={"k": "v"})
    assert made._request_id
    assert assistants.retrieve(made.id) == made
    assert assistants.update(made.id, name="b").name == "b"
    others = [assistants.create(model="m").id for _ in range(3)]
    paged = [assistant.id for assistant in assistants.list(limit=2, order="desc")][:4]
    assert paged == [*reversed(others), made.id]
    assert assistants.delete(made.id).deleted
    with pytest.raises(openai.NotFoundError, match=f"No assistant found with id '{made.id}'"):
        assistants.retrieve(made.id)


def test_files(client: OpenAI) -> None:
    content = "name,ציון\nנועה,90\n".encode()
    made = client.files.create(file=("נתונים.csv", content), purpose="assistants")
    assert made.id.startswith("assistant-" if "openai" in str(client.base_url) else "file-")
    assert (made.filename, made.bytes) == ("נתונים.csv", len(content))
    assert client.files.retrieve(made.id) == made
    assert client.files.wait_for_processing(made.id).status == "processed"
    assert client.files.content(made.id).read() == content
    with client.files.with_streaming_response.content(made.id) as response:
        assert b"".join(response.iter_bytes(7)) == content
    assert made.id in [file.id for file in client.files.list(purpose="assistants")]
    assert made.id not in [file.id for file in client.files.list(purpose="vision")]
    assert client.files.delete(made.id).deleted
    with pytest.raises(openai.NotFoundError, match=f"No such File object: {made.id}"):
        client.files.content(made.id)


def test_threads_and_messages(client: OpenAI) -> None:
    threads = client.beta.threads
    file = client.files.create(file=("a.txt", b"x"), purpose="assistants")
    made = threads.create(messages=[{"role": "user", "content": "one"}], metadata={"k": "v"})
    assert threads.retrieve(made.id) == made
    assert threads.update(made.id, metadata={"k": "w"}).metadata == {"k": "w"}
    attachment: Any = {"file_id": file.id, "tools": [{"type": "code_interpreter"}]}
    message = threads.messages.create(made.id, role="user", content="two", attachments=[attachment])
    assert threads.messages.retrieve(message.id, thread_id=made.id) == message
    assert threads.messages.update(message.id, thread_id=made.id, metadata={"a": "b"}).metadata == {"a": "b"}
    texts = [each.content[0].text.value for each in threads.messages.list(made.id, limit=1, order="asc")]
    assert texts == ["one", "two"]
    assert threads.retrieve(made.id).tool_resources.code_interpreter.file_ids == [file.id]
    assert threads.messages.delete(message.id, thread_id=made.id).deleted
    assert threads.delete(made.id).deleted
    with pytest.raises(openai.NotFoundError):
        threads.retrieve(made.id)


def test_runs_and_steps(client: OpenAI) -> None:
    runs = client.beta.threads.runs
    assistant = client.beta.assistants.create(model="m", instructions="A.")
    thread = client.beta.threads.create(messages=[{"role": "user", "content": "שלום"}])
    queued = runs.create(thread.id, assistant_id=assistant.id, additional_instructions="B.")
    assert (queued.status, queued.instructions) == ("queued", "A.\n\nB.")
    run = runs.poll(queued.id, thread_id=thread.id)
    assert run.status == "completed"
    assert run.usage.total_tokens == run.usage.prompt_tokens + run.usage.completion_tokens
    assert runs.update(run.id, thread_id=thread.id, metadata={"k": "v"}).metadata == {"k": "v"}
    assert [each.id for each in runs.list(thread.id)] == [run.id]
    (step,) = runs.steps.list(run.id, thread_id=thread.id)
    assert runs.steps.retrieve(step.id, run_id=run.id, thread_id=thread.id) == step
    (message,) = client.beta.threads.messages.list(thread.id, run_id=run.id)
    assert message.content[0].text.value == "שלום"
    assert runs.retrieve(run.id, thread_id=thread.id).metadata == {"k": "v"}


def test_a_thread_and_its_run_together(client: OpenAI) -> None:
    assistant = client.beta.assistants.create(model="m")
    thread: Any = {"messages": [{"role": "user", "content": "x"}]}
    run = client.beta.threads.create_and_run(assistant_id=assistant.id, thread=thread)
    assert run.status == "queued"
    assert client.beta.threads.runs.poll(run.id, thread_id=run.thread_id).status == "completed"
    assert client.beta.threads.create_and_run_poll(assistant_id=assistant.id, thread=thread).status == "completed"


def test_models(client: OpenAI) -> None:
    (model,) = client.models.list()
    assert client.models.retrieve(model.id) == model


def test_refusals_are_the_sdks_own_exceptions(client: OpenAI) -> None:
    threads = client.beta.threads
    foreign: Any = {"role": "system", "content": "x"}
    with pytest.raises(openai.BadRequestError) as bad:
        threads.create(messages=[foreign])
    assert (bad.value.param, bad.value.code) == ("messages[0].role", "invalid_value")
    assert bad.value.type == "invalid_request_error"
    assert bad.value.request_id
    assistant, thread = client.beta.assistants.create(**ANALYST), threads.create()
    threads.messages.create(thread.id, role="user", content="wait")
    run = threads.runs.create(thread.id, assistant_id=assistant.id)
    with pytest.raises(openai.BadRequestError) as busy:
        threads.messages.create(thread.id, role="user", content="x")
    # Public clients take the ids out of the sentence.
    assert re.search(r"thread_([a-zA-Z0-9]+) while a run run_([a-zA-Z0-9]+) is active", busy.value.message)
    assert threads.runs.cancel(run.id, thread_id=thread.id).status == "cancelling"
    assert threads.runs.poll(run.id, thread_id=thread.id).status == "cancelled"
    assert threads.messages.create(thread.id, role="user", content="x").role == "user"


@pytest.mark.parametrize("surface", ["openai", "azure"])
def test_a_wrong_key_is_an_authentication_error(server: str, surface: str) -> None:
    with sync_client(surface, server).with_options(api_key="other") as client:
        with pytest.raises(openai.AuthenticationError) as refused:
            client.beta.threads.create()
        assert "other" not in refused.value.message


def test_an_unknown_api_version_is_not_found(server: str) -> None:
    with azure(server, "2023-05-15") as client:
        with pytest.raises(openai.NotFoundError) as refused:
            client.beta.threads.create()
        assert refused.value.code == "404"


def test_what_azures_page_shows_works_as_it_stands(server: str) -> None:
    with azure(server) as client:
        file = client.files.create(file=("speech.py", b"print(1)"), purpose="assistants")
        resources: Any = {"code interpreter": {"file_ids": [file.id]}}
        assistant = client.beta.assistants.create(**ANALYST, tool_resources=resources)
        assert assistant.tool_resources.code_interpreter.file_ids == [file.id]
        message: Any = {"role": "user", "content": "What is in it?", "file_ids": [file.id]}
        thread = client.beta.threads.create(messages=[message])
        (posted,) = client.beta.threads.messages.list(thread.id)
        assert posted.attachments[0].file_id == file.id
