"""What a cell shows while it runs, over a real server: the SDK's sum of the deltas is the final step."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest
from openai import OpenAI
from openai.lib.streaming import AssistantEventHandler
from typing_extensions import override

from kernelci.models.scripted import ScriptedModel
from kernelci.models.turn import Turn
from kernelci.server import running
from kernelci.settings import Settings
from tests.contract.conftest import sdk_of

pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")

LIVE = """\
import pathlib, time
print("begun", flush=True)
while not pathlib.Path("heard").exists():
    time.sleep(0.01)  # polled: the file is the sign to go on
print("heard")
"""
MIXED = """\
import sys
import matplotlib.pyplot as plt
from IPython.display import clear_output, display

for n in range(3):
    print(f"\\r{n}", end="", file=sys.stderr, flush=True)
    print("line", n, flush=True)
print(file=sys.stderr)
plt.plot([1]); plt.show()
print("between")
display({"a": 1})
sys.stdout.write("Working..."); sys.stdout.flush()
sys.stdout.write("\\rDone.     \\n")
plt.plot([2]); plt.show()
for n in range(3):
    clear_output(wait=True)
    print("frame", n)
1/0
"""
ENDLESS = """\
import sys, time
for n in range(3):
    sys.stdout.write(f"\\r{n}")
    sys.stdout.flush()
sys.stderr.write("\\x1b[31mwhy\\x1b[0m\\n")
print("be" + "gun", flush=True)
while True:
    time.sleep(0.01)  # goes on until it is cancelled
"""


class Hearing(AssistantEventHandler):
    """Makes the file for which the cell waits as soon as it hears the cell."""

    def __init__(self, hear: Any) -> None:
        super().__init__()
        self.heard: list[str] = []
        self._hear = hear

    @override
    def on_tool_call_delta(self, delta: Any, snapshot: Any) -> None:
        for output in delta.code_interpreter.outputs or ():
            if output.type == "logs":
                self.heard.append(output.logs)
                self._hear()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory):
    return tmp_path_factory.mktemp("output")


@pytest.fixture(scope="module")
def sdk(folder: Any) -> Generator[OpenAI]:
    """The SDK's client of a server whose model runs the code that it is told."""

    def as_told(request: Any) -> Turn:
        return Turn(code={"live": LIVE, "mixed": MIXED, "endless": ENDLESS}[request.messages[-1]["content"]])

    with (
        running(Settings(data_dir=folder, port=0), ScriptedModel([as_told, Turn(text="Done.")])) as url,
        sdk_of(url) as client,
    ):
        yield client


def asked(client: OpenAI, text: str) -> dict[str, str]:
    """An assistant, and a thread with that message."""
    assistant = client.beta.assistants.create(model="m", tools=[{"type": "code_interpreter"}])
    thread = client.beta.threads.create(messages=[{"role": "user", "content": text}])
    return {"assistant_id": assistant.id, "thread_id": thread.id}


def without_index(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_index(item) for key, item in value.items() if key != "index"}
    return [without_index(item) for item in value] if isinstance(value, list) else value


def test_logs_arrive_while_the_cell_runs(sdk: OpenAI, folder: Any) -> None:
    on = asked(sdk, "live")
    data = folder / "sessions" / on["thread_id"] / "data"
    hearing = Hearing(lambda: (data / "heard").touch())
    with sdk.beta.threads.runs.stream(**on, event_handler=hearing) as stream:
        run = stream.get_final_run()
    assert run.status == "completed"
    assert "".join(hearing.heard) == "begun\nheard\n"


def test_the_sum_of_the_deltas_is_the_final_step(sdk: OpenAI) -> None:
    on = asked(sdk, "mixed")
    with sdk.beta.threads.runs.stream(**on) as stream:
        run, added_up = stream.get_final_run(), stream.get_final_run_steps()
    steps = list(sdk.beta.threads.runs.steps.list(run.id, thread_id=run.thread_id, order="asc"))
    assert [without_index(step.to_dict()["step_details"]) for step in added_up] == [
        step.to_dict()["step_details"] for step in steps
    ]
    outputs = steps[0].to_dict()["step_details"]["tool_calls"][0]["code_interpreter"]["outputs"]
    assert [output["type"] for output in outputs] == ["logs", "image", "logs", "image", "logs"]
    assert outputs[0]["logs"] == "line 0\nline 1\nline 2\n2\n"
    assert outputs[2]["logs"] == "between\n{'a': 1}\nWorking...\nDone.\n"
    assert outputs[4]["logs"].startswith("frame 2\n---")
    assert "ZeroDivisionError" in outputs[4]["logs"]


def test_a_cancelled_cell_keeps_what_it_showed_in_plain_text(sdk: OpenAI) -> None:
    on = asked(sdk, "endless")
    runs = sdk.beta.threads.runs
    cancelled = False
    with runs.stream(**on) as stream:
        for event in stream:
            if event.event == "thread.run.step.delta" and "begun" in str(event.data) and not cancelled:
                cancelled = True
                assert stream.current_run is not None
                runs.cancel(stream.current_run.id, thread_id=on["thread_id"])
        added_up = stream.get_final_run_steps()
    run = runs.list(on["thread_id"]).data[0]
    (step,) = runs.steps.list(run.id, thread_id=on["thread_id"])
    assert (run.status, step.status) == ("cancelled", "cancelled")
    assert without_index(added_up[0].to_dict()["step_details"]) == step.to_dict()["step_details"]
    (output,) = step.to_dict()["step_details"]["tool_calls"][0]["code_interpreter"]["outputs"]
    assert output["logs"].startswith("why\n2begun\n---")
    assert output["logs"].rstrip().endswith("KeyboardInterrupt:")
