"""The server is killed in the middle of things: nothing acknowledged is missing, and nothing stays open."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest
from openai import DefaultHttpxClient, OpenAI

from tests.cli.conftest import LISTENING, Command
from tests.upstream import Answer, NeverEnds, Runs, Says, Upstream, text_chunk

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the SDK deprecates the whole Assistants API

FOR_EVER = "x = 41\nprint('begun', flush=True)\nwhile True: pass"


@contextmanager
def served(kernelci: Command, data: Path, upstream: Upstream, *options: str) -> Generator[OpenAI]:
    """A server on the folder, and a client of it; the server is killed at the end of the block."""
    serve = ("serve", "--port", "0", "--data-dir", data, *options)
    with kernelci.started(*serve, KERNELCI_MODEL_URL=upstream.url) as process:
        url = process.stdout.readline().removeprefix(LISTENING).strip()
        with OpenAI(
            base_url=f"{url}/v1", api_key="any", max_retries=0, http_client=DefaultHttpxClient(trust_env=False)
        ) as client:
            yield client
        process.kill()


def begin(client: OpenAI, until: str) -> tuple[str, str, str]:
    """Start a run and leave it at its first event that names `until`; the ids of its file, thread and run."""
    file = client.files.create(file=("דוח.csv", b"a,b\n1,2\n"), purpose="assistants")
    resources = {"code_interpreter": {"file_ids": [file.id]}}
    assistant = client.beta.assistants.create(
        model="m", tools=[{"type": "code_interpreter"}], tool_resources=resources
    )
    thread = client.beta.threads.create(messages=[{"role": "user", "content": "?"}])
    run_id = ""
    with client.beta.threads.runs.create(thread_id=thread.id, assistant_id=assistant.id, stream=True) as events:
        for event in events:
            if event.event == "thread.run.created":
                run_id = event.data.id
            if until in event.model_dump_json():
                return file.id, thread.id, run_id
    raise AssertionError("the run ended by itself")


@pytest.mark.parametrize(
    ("reply", "until", "step"),
    [
        (Runs(FOR_EVER), "begun\\n", "tool_calls"),
        (NeverEnds([text_chunk("I was about "), text_chunk("to ")], pause=0.05), "about", "message_creation"),
    ],
    ids=["in a cell", "in a message"],
)
def test_a_killed_server_loses_nothing(
    kernelci: Command, tmp_path: Path, reply: Answer, until: str, step: str
) -> None:
    data = tmp_path / "data"
    with Upstream([reply, Says("Well again.")]) as upstream:
        with served(kernelci, data, upstream) as client:
            file, thread, run_id = begin(client, until)
        with served(kernelci, data, upstream) as client:
            assert client.files.content(file).read() == b"a,b\n1,2\n"
            run = client.beta.threads.runs.retrieve(run_id, thread_id=thread)
            assert run.status == "failed"
            assert run.last_error
            assert "stopped" in run.last_error.message
            (kept,) = client.beta.threads.runs.steps.list(run_id, thread_id=thread).data
            assert (kept.type, kept.status) == (step, "failed")
            assert all(message.status != "in_progress" for message in client.beta.threads.messages.list(thread))

            client.beta.threads.messages.create(thread, role="user", content="And now?")
            again = client.beta.threads.runs.create_and_poll(thread_id=thread, assistant_id=run.assistant_id)
            assert again.status == "completed"
            notebook = nbformat.read(data / "notebooks" / f"{thread}.ipynb", as_version=4)
            nbformat.validate(notebook)
            assert notebook.cells[-1].source.endswith("Well again.")
            assert any(cell.source == FOR_EVER for cell in notebook.cells) == (step == "tool_calls")


def test_what_waited_has_its_turn_with_the_next_server(kernelci: Command, tmp_path: Path) -> None:
    data = tmp_path / "data"
    endless = NeverEnds([text_chunk("I was about "), text_chunk("to ")], pause=0.05)
    with Upstream([endless, Says("Well again.")]) as upstream:
        with served(kernelci, data, upstream, "--when-busy", "queue") as client:
            _, thread, killed = begin(client, "about")
            assistant = client.beta.threads.runs.retrieve(killed, thread_id=thread).assistant_id
            client.beta.threads.messages.create(thread, role="user", content="And then?")
            waiting = client.beta.threads.runs.create(thread, assistant_id=assistant)
            client.beta.threads.messages.create(thread, role="user", content="Later.")
        with served(kernelci, data, upstream) as client:
            run = client.beta.threads.runs.poll(waiting.id, thread_id=thread, poll_interval_ms=50)
            assert run.status == "completed"
            assert client.beta.threads.runs.retrieve(killed, thread_id=thread).status == "failed"
            said = client.beta.threads.messages.list(thread, order="asc")
            texts = [part.text.value for message in said for part in message.content]
            assert texts == ["?", "And then?", "Well again.", "Later."]
            client.beta.threads.messages.create(thread, role="user", content="Free?")
            notebook = nbformat.read(data / "notebooks" / f"{thread}.ipynb", as_version=4)
            sources = "\n".join(cell.source for cell in notebook.cells)
            assert sources.index("And then?") < sources.index("Well again.")
