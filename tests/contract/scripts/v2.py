"""A walk through the API as a program of v2 makes it: `v2.py URL KEY [strict]`, where an SDK of v2 is installed.

Every object is checked against that SDK's own types. Prints `ok` at the end.
"""

import sys
import warnings

import openai

URL, KEY, *MODE = sys.argv[1:]
CSV = b"a,b\n1,2\n3,4\n"
CODE = {"type": "code_interpreter"}
WEATHER = {"type": "function", "function": {"name": "weather"}}
warnings.simplefilter("ignore", DeprecationWarning)  # newer SDKs say that the hosted service is gone


def ok(answer):
    """The answer, which is of its type to the letter."""
    type(answer).model_validate(answer.to_dict())
    return answer


def refused(kind, call):
    """The error with which a call is refused."""
    try:
        call()
    except kind as error:
        return error
    raise AssertionError("it was not refused")


def assistants_and_files(client):
    """Files and assistants; gives an analyst who has the file."""
    file = ok(client.files.create(file=("נתונים.csv", CSV), purpose="assistants"))
    if "strict" not in MODE:
        assert client.files.content(file.id).read() == CSV
    assistants = client.beta.assistants
    resources = {"code_interpreter": {"file_ids": [file.id]}}
    made = ok(assistants.create(model="m", tools=[CODE, WEATHER], tool_resources=resources, temperature=0.5))
    assert made.tool_resources.code_interpreter.file_ids == [file.id]
    assert ok(assistants.update(made.id, name="b")).name == "b"
    assert made.id in [each.id for each in assistants.list(limit=2)]
    return ok(assistants.retrieve(made.id)), file


def threads_and_messages(client, file):
    """Threads and messages."""
    threads = client.beta.threads
    made = ok(threads.create(messages=[{"role": "user", "content": "one"}], metadata={"k": "v"}))
    attachments = [{"file_id": file.id, "tools": [CODE]}]
    message = ok(threads.messages.create(made.id, role="user", content="two", attachments=attachments))
    assert message.attachments[0].file_id == file.id
    assert ok(threads.retrieve(made.id)).tool_resources.code_interpreter.file_ids == [file.id]
    assert [ok(each).content[0].text.value for each in threads.messages.list(made.id, limit=1)] == ["two", "one"]
    assert ok(threads.messages.delete(message.id, thread_id=made.id)).deleted
    assert ok(threads.delete(made.id)).deleted
    assert refused(openai.NotFoundError, lambda: threads.retrieve(made.id)).request_id


def a_run_with_code(client, assistant):
    """Code is run, polled for by the SDK's helper; its picture and its file come back."""
    threads = client.beta.threads
    thread = ok(threads.create(messages=[{"role": "user", "content": "analyse"}]))
    run = ok(threads.runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id))
    assert run.status == "completed", run
    steps = [ok(step) for step in threads.runs.steps.list(run.id, thread_id=thread.id, order="asc")]
    assert [step.type for step in steps] == ["message_creation", "tool_calls", "message_creation"]
    closing = ok(next(iter(threads.messages.list(thread.id))))
    picture, text = closing.content
    assert client.files.content(picture.image_file.file_id).read().startswith(b"\x89PNG")
    (annotation,) = text.text.annotations
    assert client.files.content(annotation.file_path.file_id).read().startswith(b",a,b\n")
    return thread


def streams(client, assistant, thread):
    """The SDK's own handler adds the deltas up; functions are answered in a second stream."""
    threads = client.beta.threads
    threads.messages.create(thread.id, role="user", content="analyse")
    with threads.runs.stream(thread_id=thread.id, assistant_id=assistant.id) as stream:
        stream.until_done()
        assert ok(stream.get_final_run()).status == "completed"
        last = [ok(message) for message in stream.get_final_messages()][-1]
        assert [part.type for part in last.content] == ["image_file", "text"]
        assert len([ok(step) for step in stream.get_final_run_steps()]) == 3
    threads.messages.create(thread.id, role="user", content="weather")
    with threads.runs.stream(thread_id=thread.id, assistant_id=assistant.id) as stream:
        waiting = ok(stream.get_final_run())
    calls = waiting.required_action.submit_tool_outputs.tool_calls
    outputs = [{"tool_call_id": call.id, "output": "sunny"} for call in calls]
    with threads.runs.submit_tool_outputs_stream(
        thread_id=thread.id, run_id=waiting.id, tool_outputs=outputs
    ) as stream:
        assert stream.get_final_messages()[0].content[0].text.value == "It is sunny and sunny."


def a_cancel(client, assistant, thread):
    """A run is cancelled while its model thinks."""
    runs = client.beta.threads.runs
    client.beta.threads.messages.create(thread.id, role="user", content="wait")
    waiting = runs.create(thread.id, assistant_id=assistant.id)
    assert ok(runs.cancel(waiting.id, thread_id=thread.id)).status == "cancelling"
    assert ok(runs.poll(waiting.id, thread_id=thread.id)).status == "cancelled"


def walk(client):
    """All of it."""
    assistant, file = assistants_and_files(client)
    threads_and_messages(client, file)
    thread = a_run_with_code(client, assistant)
    streams(client, assistant, thread)
    a_cancel(client, assistant, thread)
    assert ok(client.beta.assistants.delete(assistant.id)).deleted


walk(openai.OpenAI(base_url=URL + "/v1", api_key=KEY, max_retries=0))
walk(openai.OpenAI(base_url=URL + "/openai/v1", api_key=KEY, max_retries=0))
walk(openai.AzureOpenAI(azure_endpoint=URL, api_version="2024-05-01-preview", api_key=KEY, max_retries=0))
print("ok", openai.__version__)
