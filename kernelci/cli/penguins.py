"""The demo's run over the official client of Azure's, and what it must have left when it is over."""
# pyright: reportDeprecated=false

from __future__ import annotations

import csv
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

from nbformat.validator import isvalid  # pyright: ignore[reportUnknownVariableType]
from openai.types.beta.threads import Run
from openai.types.beta.threads.runs import RunStep
from rich.console import Console

from kernelci.cli.client import API_VERSION, azure_client
from kernelci.cli.conversation import Conversation
from kernelci.cli.local import notebook_of
from kernelci.cli.results import Results
from kernelci.cli.screen import Screen, tell
from kernelci.demo import story
from kernelci.errors import KernelciError
from kernelci.protocol.parts import JsonObject
from kernelci.sandbox import leftovers
from kernelci.server import running
from kernelci.settings import Settings
from kernelci.transcripts.export import exported

FOLDER = Path("kernelci-demo")
CHART = FOLDER / "chart.png"
TABLE = FOLDER / story.RESULT
NOTEBOOK = FOLDER / "penguins.ipynb"

_PAUSE = 0.01  # seconds after a word or a line of code, for the eye
_PNG = b"\x89PNG\r\n\x1a\n"


def show(settings: Settings, console: Console) -> None:
    """Play the story and leave chart, table and notebook in `FOLDER`, in place of earlier ones.

    Raises:
        KernelciError: something of it did not happen.
    """
    for earlier in (CHART, TABLE, NOTEBOOK):
        earlier.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(prefix=leftovers.prefix(), ignore_cleanup_errors=True) as data_dir:
        own = settings.model_copy(
            update={"data_dir": Path(data_dir), "host": "127.0.0.1", "port": 0, "api_key": None}
        )
        with running(own, story.model(pause=_PAUSE if console.is_terminal else 0)) as address:
            run, steps = _play(address, console)
        FOLDER.mkdir(exist_ok=True)
        NOTEBOOK.write_bytes(exported(notebook_of(own, run.thread_id).read_bytes()))
    if missing := [*_missing(run, steps)]:
        raise KernelciError("The demo did not go as it should: " + "; ".join(missing) + ".")


def _play(address: str, console: Console) -> tuple[Run, list[RunStep]]:
    """What a client of Azure's would do, and what came of it."""
    tell(console, "A script plays the model here. The server, the kernel, its mistake and the chart are real.\n")
    with azure_client(address) as client:
        tell(console, f'client = AzureOpenAI(azure_endpoint="{address}", api_version="{API_VERSION}")', "cyan")
        data = client.files.create(file=story.DATA, purpose="assistants")
        tell(console, f"client.files.create({data.filename}, {data.bytes:,} bytes) → {data.id}", "cyan")
        assistant = client.beta.assistants.create(
            model="scripted",
            instructions=story.INSTRUCTIONS,
            tools=[{"type": "code_interpreter"}],
            tool_resources={"code_interpreter": {"file_ids": [data.id]}},
        )
        tell(console, f"client.beta.assistants.create(code_interpreter) → {assistant.id}", "cyan")
        thread = client.beta.threads.create()
        tell(console, f"client.beta.threads.create() → {thread.id}", "cyan")
        tell(console, f"\n› {story.QUESTION}", "bold")
        talk = Conversation(
            client,
            Screen(console),
            Results(client, FOLDER, figure=CHART.stem),
            assistant_id=assistant.id,
            thread_id=thread.id,
        )
        run = talk.ask(story.QUESTION)
        return run, talk.steps(run)


def _missing(run: Run, steps: list[RunStep]) -> Iterator[str]:
    """What should have happened and has not."""
    if run.status != "completed":
        yield f"the run is {run.status}"
    if not any("KeyError" in logs for logs in _logs(steps)):
        yield "no attempt failed"
    if not (CHART.exists() and CHART.read_bytes().startswith(_PNG)):
        yield f"{CHART} is no picture"
    if not (TABLE.exists() and _is_table(TABLE)):
        yield f"{TABLE} is no table"
    if not _is_whole(json.loads(NOTEBOOK.read_bytes())):
        yield f"{NOTEBOOK} is not whole"


def _logs(steps: list[RunStep]) -> Iterator[str]:
    for step in steps:
        if step.step_details.type == "tool_calls":
            for call in step.step_details.tool_calls:
                if call.type == "code_interpreter":
                    yield from (each.logs for each in call.code_interpreter.outputs if each.type == "logs")


def _is_table(path: Path) -> bool:
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return len(rows) > 1 and all(-1 <= float(row["correlation"]) <= 1 for row in rows)


def _is_whole(notebook: JsonObject) -> bool:
    """Whether it is a valid notebook that holds the failed attempt and the chart."""
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", ())]
    return (
        isvalid(notebook)
        and any(output.get("ename") == "KeyError" for output in outputs)
        and any("image/png" in output.get("data", ()) for output in outputs)
    )
