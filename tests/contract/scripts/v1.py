"""A walk through the API as a program of v1 makes it: `v1.py URL KEY [strict]`, where an old SDK is installed.

Every object is checked against that SDK's own types. Prints `ok` at the end.
"""

import sys
import time

import openai

URL, KEY, *MODE = sys.argv[1:]
STREAMS = hasattr(openai.resources.beta.threads.Runs, "create_and_stream")  # since 1.14
CSV = b"a,b\n1,2\n3,4\n"
CODE, RETRIEVAL = {"type": "code_interpreter"}, {"type": "retrieval"}
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}


def ok(answer):
    """The answer, which is of its type to the letter."""
    found = answer.model_dump()
    if found.get("object") == "thread.run" and openai.__version__ == "1.3.5":
        found["expires_at"] = found["expires_at"] or 0  # its type knows no null, which the hosted service sent
    type(answer).model_validate(found)
    assert "tool_resources" not in found, found
    assert "attachments" not in found, found
    return answer


def refused(kind, call):
    """The error with which a call is refused."""
    try:
        call()
    except kind as error:
        return error
    raise AssertionError("it was not refused")


def finished(runs, run):
    """The run when it has ended, or waits for the client."""
    while run.status in {"queued", "in_progress", "cancelling"}:
        time.sleep(0.05)  # polled, as programs of v1 had to
        run = ok(runs.retrieve(run.id, thread_id=run.thread_id))
    return run


def assistants_and_files(client):
    """Files and assistants; gives an analyst who has one of the files."""
    file = ok(client.files.create(file=("נתונים.csv", CSV), purpose="assistants"))
    other = ok(client.files.create(file=("b.txt", b"x"), purpose="assistants"))
    if "strict" not in MODE:
        assert client.files.content(file.id).content == CSV
    assistants = client.beta.assistants
    made = ok(assistants.create(model="m", tools=[CODE, RETRIEVAL, WEATHER], file_ids=[file.id], instructions="A."))
    assert (made.file_ids, [tool.type for tool in made.tools]) == (
        [file.id],
        ["code_interpreter", "retrieval", "function"],
    )
    attached = ok(assistants.files.create(made.id, file_id=other.id))
    assert (attached.object, attached.assistant_id) == ("assistant.file", made.id)
    assert [each.id for each in assistants.files.list(made.id, order="asc", limit=1)] == [file.id, other.id]
    assert ok(assistants.files.retrieve(other.id, assistant_id=made.id)) == attached
    assert ok(assistants.files.delete(other.id, assistant_id=made.id)).deleted
    assert ok(assistants.update(made.id, name="b")).file_ids == [file.id]
    assert made.id in [each.id for each in assistants.list(limit=2)]
    return ok(assistants.retrieve(made.id)), other


def threads_and_messages(client, file):
    """Threads, messages and the files of messages."""
    threads = client.beta.threads
    made = ok(
        threads.create(messages=[{"role": "user", "content": "one", "file_ids": [file.id]}], metadata={"k": "v"})
    )
    assert ok(threads.update(made.id, metadata={"k": "w"})).metadata == {"k": "w"}
    message = ok(threads.messages.create(made.id, role="user", content="two", file_ids=[file.id]))
    assert message.file_ids == [file.id]
    of_message = {"thread_id": made.id, "message_id": message.id}
    (listed,) = threads.messages.files.list(message.id, thread_id=made.id)
    assert ok(threads.messages.files.retrieve(file.id, **of_message)) == listed
    assert (listed.id, listed.message_id) == (file.id, message.id)
    assert [ok(each).content[0].text.value for each in threads.messages.list(made.id)] == ["two", "one"]
    assert ok(threads.delete(made.id)).deleted
    assert made.id in refused(openai.NotFoundError, lambda: threads.retrieve(made.id)).message


def a_run_with_code(client, assistant):
    """Code is run on the assistant's file; its picture and its file come back."""
    threads = client.beta.threads
    thread = ok(threads.create(messages=[{"role": "user", "content": "analyse"}]))
    queued = ok(threads.runs.create(thread.id, assistant_id=assistant.id))
    assert (queued.status, queued.file_ids) == ("queued", assistant.file_ids)
    run = finished(threads.runs, queued)
    assert run.status == "completed", run
    steps = [ok(step) for step in threads.runs.steps.list(run.id, thread_id=thread.id, order="asc")]
    assert [step.type for step in steps] == ["message_creation", "tool_calls", "message_creation"]
    (call,) = steps[1].step_details.tool_calls
    assert [output.type for output in call.code_interpreter.outputs] == ["logs", "image", "logs"]
    closing = ok(next(iter(threads.messages.list(thread.id))))
    picture, text = closing.content
    assert client.files.content(picture.image_file.file_id).content.startswith(b"\x89PNG")
    (annotation,) = text.text.annotations
    assert closing.file_ids == [annotation.file_path.file_id]
    assert client.files.content(annotation.file_path.file_id).content.startswith(b",a,b\n")
    return thread


def functions_and_a_cancel(client, assistant):
    """The client's functions are asked for; a run is cancelled."""
    runs = client.beta.threads.runs
    thread = {"messages": [{"role": "user", "content": "weather"}]}
    run = finished(runs, ok(client.beta.threads.create_and_run(assistant_id=assistant.id, thread=thread)))
    assert run.status == "requires_action", run
    calls = run.required_action.submit_tool_outputs.tool_calls
    outputs = [{"tool_call_id": call.id, "output": "sunny"} for call in calls]
    run = finished(runs, ok(runs.submit_tool_outputs(run.id, thread_id=run.thread_id, tool_outputs=outputs)))
    assert run.status == "completed", run
    client.beta.threads.messages.create(run.thread_id, role="user", content="wait")
    waiting = runs.create(run.thread_id, assistant_id=assistant.id)
    assert ok(runs.cancel(waiting.id, thread_id=waiting.thread_id)).status == "cancelling"
    assert finished(runs, waiting).status == "cancelled"


def a_stream(client, assistant, thread):
    """The SDK's own handler adds the deltas up."""
    client.beta.threads.messages.create(thread.id, role="user", content="analyse")
    with client.beta.threads.runs.create_and_stream(thread_id=thread.id, assistant_id=assistant.id) as stream:
        stream.until_done()
        assert ok(stream.get_final_run()).status == "completed"
        last = [ok(message) for message in stream.get_final_messages()][-1]
        assert [part.type for part in last.content] == ["image_file", "text"]
        assert len([ok(step) for step in stream.get_final_run_steps()]) == 3


def walk(client):
    """All of it."""
    assistant, other = assistants_and_files(client)
    threads_and_messages(client, other)
    thread = a_run_with_code(client, assistant)
    functions_and_a_cancel(client, assistant)
    if STREAMS:
        a_stream(client, assistant, thread)
    assert ok(client.beta.assistants.delete(assistant.id)).deleted


walk(openai.OpenAI(base_url=URL + "/v1", api_key=KEY, max_retries=0))
walk(openai.AzureOpenAI(azure_endpoint=URL, api_version="2024-02-15-preview", api_key=KEY, max_retries=0))
print("ok", openai.__version__)
