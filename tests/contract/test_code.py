"""Code, pictures, files and functions, in a real kernel, through the official SDK."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import AssistantEventHandler, AsyncAssistantEventHandler, AsyncOpenAI, OpenAI
from openai.types.beta import AssistantStreamEvent
from openai.types.beta.threads.runs import ToolCall, ToolCallDelta
from typing_extensions import override

from tests.contract.conftest import ANALYSIS, CLOSING
from tests.contract.test_walk import ANALYST

pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")

LINK = "sandbox:/mnt/data/result.csv"


def test_a_run_that_analyses_a_file(client: OpenAI) -> None:
    threads = client.beta.threads
    file = client.files.create(file=("נתונים.csv", b"a,b\n1,2\n3,4\n"), purpose="assistants")
    assistant = client.beta.assistants.create(
        **ANALYST, tool_resources={"code_interpreter": {"file_ids": [file.id]}}
    )
    thread = threads.create(messages=[{"role": "user", "content": "analyse"}])
    run = threads.runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id)
    assert (run.status, run.last_error) == ("completed", None)

    told, code, shown = reversed(list(threads.runs.steps.list(run.id, thread_id=thread.id)))
    assert (told.type, code.type, shown.type) == ("message_creation", "tool_calls", "message_creation")
    call = code.step_details.tool_calls[0].code_interpreter
    assert call.input == ANALYSIS
    assert [output.logs if output.type == "logs" else output.type for output in call.outputs] == [
        "2\n",
        "image",
        "6",
    ]

    closing = next(iter(threads.messages.list(thread.id)))
    picture, text = closing.content
    assert client.files.content(picture.image_file.file_id).read().startswith(b"\x89PNG")
    (annotation,) = text.text.annotations
    assert text.text.value[annotation.start_index : annotation.end_index] == annotation.text == LINK
    produced = client.files.retrieve(annotation.file_path.file_id)
    assert (produced.purpose, produced.filename) == ("assistants_output", "/mnt/data/result.csv")
    assert client.files.content(produced.id).read().startswith(b",a,b\ncount,2.0,2.0\n")
    assert {produced.id[:5], picture.image_file.file_id[:5]} == {file.id[:5]}
    assert [attachment.file_id for attachment in closing.attachments] == [produced.id]


class Notes(AssistantEventHandler):
    """What a user of the SDK's handler is told, with each delta added up by hand beside."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.code = ""
        self.text = ""
        self.pictures: list[str] = []

    @override
    def on_event(self, event: AssistantStreamEvent) -> None:
        self.names.append(event.event)

    @override
    def on_text_delta(self, delta: Any, snapshot: Any) -> None:
        self.text += delta.value or ""

    @override
    def on_tool_call_delta(self, delta: ToolCallDelta, snapshot: ToolCall) -> None:
        assert delta.type == "code_interpreter"
        assert delta.code_interpreter
        self.code += delta.code_interpreter.input or ""

    @override
    def on_image_file_done(self, image_file: Any) -> None:
        self.pictures.append(image_file.file_id)


def test_a_stream_with_the_sdks_handler(client: OpenAI) -> None:
    file = client.files.create(file=("נתונים.csv", b"a,b\n1,2\n3,4\n"), purpose="assistants")
    assistant = client.beta.assistants.create(
        **ANALYST, tool_resources={"code_interpreter": {"file_ids": [file.id]}}
    )
    notes = Notes()
    with client.beta.threads.create_and_run_stream(
        assistant_id=assistant.id,
        thread={"messages": [{"role": "user", "content": "analyse"}]},
        event_handler=notes,
    ) as stream:
        stream.until_done()
        run, messages = stream.get_final_run(), stream.get_final_messages()
    assert run.status == "completed"
    assert notes.names[:4] == [
        "thread.created",
        "thread.run.created",
        "thread.run.queued",
        "thread.run.in_progress",
    ]
    assert notes.names[-1] == "thread.run.completed"
    assert notes.code == ANALYSIS
    assert notes.text == "Let me see." + CLOSING
    assert notes.pictures == [messages[-1].content[0].image_file.file_id]
    stored = {each.id: each for each in client.beta.threads.messages.list(run.thread_id)}
    assert [stored[message.id] for message in messages] == messages
    steps = {each.id: each for each in client.beta.threads.runs.steps.list(run.id, thread_id=run.thread_id)}
    assert len(steps) == 3


def outputs(run: Any) -> Iterator[Any]:
    """The weather of each city that the run asks for."""
    for call in run.required_action.submit_tool_outputs.tool_calls:
        yield {"tool_call_id": call.id, "output": "sunny" if "Haifa" in call.function.arguments else "hot"}


def test_functions_are_called_in_a_stream_and_answered_in_another(client: OpenAI) -> None:
    threads = client.beta.threads
    assistant = client.beta.assistants.create(**ANALYST)
    thread = threads.create(messages=[{"role": "user", "content": "weather"}])
    with threads.runs.stream(thread_id=thread.id, assistant_id=assistant.id) as stream:
        waiting = stream.get_final_run()
    assert waiting.status == "requires_action"
    (step,) = stream.get_final_run_steps()
    assert [call.function.name for call in step.step_details.tool_calls] == ["weather", "weather"]
    with pytest.raises(openai.BadRequestError, match="Expected tool outputs for call_ids"):
        threads.runs.submit_tool_outputs(
            waiting.id, thread_id=thread.id, tool_outputs=[{"tool_call_id": "call_x", "output": ""}]
        )
    with threads.runs.submit_tool_outputs_stream(
        thread_id=thread.id, run_id=waiting.id, tool_outputs=list(outputs(waiting))
    ) as stream:
        names = [event.event for event in stream]
    assert names[:3] == ["thread.run.step.completed", "thread.run.queued", "thread.run.in_progress"]
    assert stream.get_final_messages()[0].content[0].text.value == "It is sunny and hot."


async def test_the_asynchronous_sdk_polls_streams_answers_and_cancels(async_client: AsyncOpenAI) -> None:
    threads = async_client.beta.threads
    file = await async_client.files.create(file=("a.txt", b"x"), purpose="assistants")
    assert (await async_client.files.content(file.id)).read() == b"x"
    assistant = await async_client.beta.assistants.create(**ANALYST)

    weather: Any = {"messages": [{"role": "user", "content": "weather"}]}
    waiting = await threads.create_and_run_poll(assistant_id=assistant.id, thread=weather)
    assert waiting.status == "requires_action"
    done = await threads.runs.submit_tool_outputs_and_poll(
        run_id=waiting.id, thread_id=waiting.thread_id, tool_outputs=list(outputs(waiting))
    )
    assert done.status == "completed"

    await threads.messages.create(done.thread_id, role="user", content="repeat this")
    async with threads.runs.stream(
        thread_id=done.thread_id, assistant_id=assistant.id, event_handler=AsyncAssistantEventHandler()
    ) as stream:
        said = "".join([text async for text in stream.text_deltas])
    assert said == "repeat this"

    await threads.messages.create(done.thread_id, role="user", content="wait")
    run = await threads.runs.create(done.thread_id, assistant_id=assistant.id)
    assert (await threads.runs.cancel(run.id, thread_id=run.thread_id)).status == "cancelling"
    assert (await threads.runs.poll(run.id, thread_id=run.thread_id)).status == "cancelled"
    assert run.id in [each.id async for each in threads.runs.list(done.thread_id, limit=1)]


def test_a_client_that_hangs_up_does_not_stop_the_run(client: OpenAI) -> None:
    threads = client.beta.threads
    assistant = client.beta.assistants.create(model="m")
    thread = threads.create(messages=[{"role": "user", "content": "many words " * 50}])
    with threads.runs.stream(thread_id=thread.id, assistant_id=assistant.id) as stream:
        for event in stream:
            if event.event == "thread.message.delta":
                break
    (run,) = threads.runs.list(thread.id)
    assert threads.runs.poll(run.id, thread_id=thread.id).status == "completed"
