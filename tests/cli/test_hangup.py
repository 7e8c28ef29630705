"""A terminal that is gone: the run stops with it, and what waits all the same is asked again at the next one."""

from __future__ import annotations

import json

import pytest
from openai import DefaultHttpxClient, OpenAI

from kernelci.models.scripted import ScriptedModel
from kernelci.models.turn import Turn
from kernelci.server import running
from kernelci.settings import Settings
from tests.cli.conftest import Command
from tests.cli.terminal import terminal
from tests.cli.test_approvals import QUESTION, asking, cells
from tests.upstream import Runs, Says, Upstream

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the SDK deprecates the whole Assistants API

WAITS = "A run of this thread waits for your word on its code."


def thread_of(kernelci: Command) -> str:
    return kernelci.run("threads", "list").stdout.split()[0]


def test_closing_the_terminal_stops_the_run(kernelci: Command, settings: Settings) -> None:
    model = ScriptedModel([Turn(code="print(6 * 7)"), Turn(text="done")])
    with running(asking(settings), model) as address:
        with terminal(kernelci, "ask", "?") as screen:
            screen.until(QUESTION)
            assert screen.close() == 1
        with OpenAI(
            base_url=f"{address}/v1", api_key="any", http_client=DefaultHttpxClient(trust_env=False)
        ) as sdk:
            (run,) = sdk.beta.threads.runs.list(thread_of(kernelci))
            assert run.status in ("cancelling", "cancelled")


def test_what_waits_is_asked_again_at_the_next_terminal(kernelci: Command, settings: Settings) -> None:
    model = ScriptedModel([Turn(code="print('a')"), Turn(code="print(6 * 7)"), Turn(text="It is done.")])
    with running(asking(settings), model):
        with terminal(kernelci, "ask", "?") as screen:
            screen.until(QUESTION)
            screen.type("y\n")
            screen.until(QUESTION)
            screen.process.kill()
            screen.ended()
        thread = thread_of(kernelci)
        piped = kernelci.run("chat", "--thread", thread, typed="Well?\n")
        assert piped.returncode == 1
        assert f"this is no terminal. In one: kernelci chat --thread {thread}" in piped.stderr
        with terminal(kernelci, "chat", "--thread", thread) as screen:
            shown = screen.until(QUESTION)
            assert shown.index(WAITS) < shown.index("│ a") < shown.index("┃ print(6 * 7)")
            assert "This is what would run:" not in shown, "it has been shown already"
            assert "Changed to:" not in shown
            screen.type("y\n")
            shown = screen.until("It is done.")
            assert "│ 42" in shown
            screen.until("› ")
            screen.type("\x04")
            assert screen.ended() == 0
    assert [decision for _, _, decision in cells(settings)] == ["approve", "approve"]


def test_what_waits_across_a_restart_is_asked_again(kernelci: Command, settings: Settings) -> None:
    with (
        running(asking(settings), ScriptedModel([Turn(code="print(6 * 7)")])),
        terminal(kernelci, "ask", "?") as screen,
    ):
        screen.until(QUESTION)
        screen.process.kill()
        screen.ended()
    model = ScriptedModel([Turn(code="print(6 * 7)"), Turn(text="It is done.")])
    with running(settings, model), terminal(kernelci, "chat", "--thread", thread_of(kernelci)) as screen:
        shown = screen.until(QUESTION)
        assert shown.index(WAITS) < shown.index("┃ print(6 * 7)")
        assert "This is what would run:" not in shown, "it has been shown already"
        screen.type("n\n")
        screen.until("Why not?")
        screen.type("\n")
        screen.until("It is done.")
    assert cells(settings) == [("raw", "print(6 * 7)", "reject")]


def test_a_message_goes_on_with_a_run_that_has_the_thread(kernelci: Command, settings: Settings) -> None:
    replies = [Says("Hello."), Runs("print(6 * 7)"), Says("First."), Says("Second.")]
    with (
        Upstream(replies) as upstream,
        running(asking(settings).model_copy(update={"model_url": upstream.url, "model": "m"})) as address,
        OpenAI(base_url=f"{address}/v1", api_key="any", http_client=DefaultHttpxClient(trust_env=False)) as sdk,
        terminal(kernelci, "chat") as screen,
    ):
        screen.until("› ")
        screen.type("Hello?\n")
        screen.until("Hello.")
        screen.until("› ")
        thread = thread_of(kernelci)
        sdk.beta.threads.messages.create(thread, role="user", content="Elsewhere")
        assistant = sdk.beta.assistants.create(model="m", tools=[{"type": "code_interpreter"}])
        sdk.beta.threads.runs.create(thread, assistant_id=assistant.id)
        screen.type("And here?\n")
        screen.until(QUESTION)
        screen.type("y\n")
        shown = screen.until("Second.")
        assert shown.index("│ 42") < shown.index("First.")
        screen.until("› ")
        screen.type("\x04")
        assert screen.ended() == 0
    (notebook,) = (settings.data_dir / "notebooks").iterdir()
    said = "".join(str(cell["source"]) for cell in json.loads(notebook.read_text())["cells"])
    assert said.count("And here?") == 1
