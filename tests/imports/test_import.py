"""The way from one service to another: fetched with the script, imported by the command, and used on."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path

import nbformat
import pytest
from openai import OpenAI

from kernelci.engine.ports.model import ModelRequest
from kernelci.imports import fetch
from kernelci.models.scripted import ScriptedModel
from kernelci.models.turn import Turn
from kernelci.server import running
from kernelci.settings import Settings
from tests.cli.conftest import Command
from tests.contract.conftest import sdk_of

CODE = """
import matplotlib.pyplot as plt
open("שלום.csv", "w").write("a,b")
plt.plot([1, 2]); plt.show()
print("drawn")
"""


def begun(request: ModelRequest) -> Turn:
    """What is drawn first goes wrong; everything else is answered at once."""
    asked = str(request.messages[-1]["content"])
    return Turn(code="1/0") if asked == "Draw it." else Turn(text=f"{asked} Yes.")


STORY = (begun, Turn(code=CODE), Turn(text="See [the table](sandbox:/mnt/data/שלום.csv)."))


def seen(service: OpenAI, thread: str) -> dict[str, object]:
    """All that the API tells of a thread, its assistant and its files."""
    threads = service.beta.threads
    runs = list(threads.runs.list(thread))
    files = list(service.files.list())
    return {
        "assistants": list(service.beta.assistants.list()),
        "thread": threads.retrieve(thread),
        "messages": list(threads.messages.list(thread)),
        "runs": runs,
        "steps": [list(threads.runs.steps.list(run.id, thread_id=thread)) for run in runs],
        "files": files,
        "contents": {file.id: service.files.content(file.id).read() for file in files},
    }


@pytest.fixture(autouse=True)
def _deprecated() -> None:
    warnings.simplefilter("ignore", DeprecationWarning)


@pytest.fixture
def exported(tmp_path: Path, settings: Settings) -> tuple[Path, str, dict[str, object]]:
    """A fetched export, the thread that is in it, and what its service told of it."""
    first = settings.model_copy(update={"data_dir": tmp_path / "first"})
    with running(first, ScriptedModel(STORY)) as address, sdk_of(address) as service:
        given = service.files.create(file=("in.csv", b"x,y\n1,2\n"), purpose="assistants")
        assistant = service.beta.assistants.create(
            model="gpt-4-1106-preview", tools=[{"type": "code_interpreter"}], name="מנתח"
        )
        thread = service.beta.threads.create(
            messages=[
                {
                    "role": "user",
                    "content": "Draw it.",
                    "attachments": [{"file_id": given.id, "tools": [{"type": "code_interpreter"}]}],
                }
            ],
            metadata={"user": "דנה"},
        )
        service.beta.threads.runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id)
        for number in range(3):  # more in a second than its time could tell apart
            service.beta.threads.messages.create(thread.id, role="user", content=f"Question {number}?")
            run = service.beta.threads.runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id)
            assert run.status == "completed"
        ran = subprocess.run(
            [sys.executable, fetch.__file__, tmp_path / "export", thread.id],
            env=os.environ | {"OPENAI_BASE_URL": f"{address}/v1", "OPENAI_API_KEY": "any"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (ran.returncode, ran.stderr) == (0, "")
        return tmp_path / "export", thread.id, seen(service, thread.id)


def test_ids_go_on_working_and_the_model_knows_what_was_said(
    kernelci: Command, settings: Settings, exported: tuple[Path, str, dict[str, object]]
) -> None:
    export, thread, before = exported
    archive = shutil.make_archive(str(export), "zip", export)
    done = kernelci.run("import", archive)
    assert (done.returncode, done.stderr) == (0, "")
    assert dict(reversed(line.split()) for line in done.stdout.splitlines()) == {
        "assistant": "1",
        "file": "3",
        "thread": "1",
        "thread.message": "8",
        "thread.run": "4",
        "thread.run.step": "6",
    }

    notebook = nbformat.read(settings.data_dir / "notebooks" / f"{thread}.ipynb", as_version=4)
    nbformat.validate(notebook)
    assert [cell.cell_type for cell in notebook.cells] == ["markdown", "code", "code", *["markdown"] * 7]
    assert notebook.cells[1].metadata.kernelci.status == "error"
    assert "image/png" in notebook.cells[2].outputs[0].data

    assert not (settings.data_dir / "sessions" / thread).exists()  # no code runs unless asked
    other = {"KERNELCI_DATA_DIR": str(kernelci.folder / "other")}
    replayed = kernelci.run("import", "--replay", export, **other)
    assert f"{thread}: 2 cells run again, 0 ended otherwise" in replayed.stdout
    left = kernelci.folder / "other" / "sessions" / thread / "data"
    assert {"שלום.csv", "in.csv"} <= {path.name for path in left.iterdir()}

    again = kernelci.run("import", "--replay", export)
    assert (again.returncode, again.stderr) == (0, "No code of threads that were there already is run again.\n")
    assert "0 thread (1 were there already)" in again.stdout
    assert "run again" not in again.stdout

    asked: list[ModelRequest] = []

    def answer(request: ModelRequest) -> Turn:
        asked.append(request)
        return Turn(text="A line.")

    with running(settings, ScriptedModel([answer])) as address, sdk_of(address) as service:
        assert seen(service, thread) == before
        service.beta.threads.messages.create(thread, role="user", content="What did you draw?")
        assistant = service.beta.assistants.list().data[0]
        run = service.beta.threads.runs.create_and_poll(thread_id=thread, assistant_id=assistant.id)
        assert run.status == "completed"
    roles = [message["role"] for message in asked[0].messages]
    talk = ["user", "assistant"] * 3
    assert roles == ["system", "user", "assistant", "tool", "assistant", "tool", "assistant", *talk, "user"]


@pytest.mark.parametrize("dialect", ["v1", "v2"])
def test_a_replay_finds_the_files_that_came_with_messages(kernelci: Command, dialect: str) -> None:
    """Threads of v1 do not name them, and an export need not have its threads."""
    of_thread = {"thread_id": "thread_1", "created_at": 5}
    of_run = of_thread | {"assistant_id": "asst_1", "status": "completed"}
    files: dict[str, object] = {
        "v1": {"file_ids": ["file-1"]},
        "v2": {"attachments": [{"file_id": "file-1", "tools": [{"type": "code_interpreter"}]}]},
    }
    call = {"id": "call_1", "type": "code_interpreter"}
    code = {"code_interpreter": {"input": "open('/mnt/data/in.csv').read()", "outputs": []}}
    objects = [
        {"object": "file", "id": "file-1", "created_at": 1, "filename": "in.csv", "purpose": "assistants"},
        {"object": "thread.message", "id": "msg_1", "role": "user", "content": []} | of_thread | files[dialect],
        {"object": "thread.run", "id": "run_1", "model": "m"} | of_run,
        {"object": "thread.run.step", "id": "step_1", "run_id": "run_1", "type": "tool_calls"}
        | of_run
        | {"step_details": {"type": "tool_calls", "tool_calls": [call | code]}},
    ]
    export = kernelci.folder / "export"
    (export / "contents").mkdir(parents=True)
    (export / "all.json").write_text(json.dumps(objects))
    (export / "contents" / "file-1").write_bytes(b"a,b")
    done = kernelci.run("import", "--replay", export)
    assert (done.returncode, done.stderr) == (0, "")
    assert "thread_1: 1 cells run again, 0 ended otherwise" in done.stdout


def test_what_cannot_be_taken_in_is_named_and_the_rest_comes(kernelci: Command, settings: Settings) -> None:
    export = kernelci.folder / "export"
    export.mkdir()
    message = {"object": "thread.message", "created_at": 5, "role": "user", "content": [], "thread_id": "thread_1"}
    objects = [
        {"object": "file", "id": "file-lost", "created_at": 1, "filename": "lost.csv", "purpose": "assistants"},
        {"object": "vector_store", "id": "vs_1"},
        {"object": "\nleft out:\x1b[2J" + "x" * 100_000, "id": "odd"},
        {"object": "thread", "id": "../../escape", "created_at": 1},
        message | {"id": "msg_1"},
        message | {"id": "msg_2", "role": "nobody"},
    ]
    (export / "all.jsonl").write_text("".join(f"{json.dumps(each)}\n" for each in objects))
    (export / "broken.json").write_text("{")
    done = kernelci.run("import", export)
    assert done.returncode == 2
    for said in (
        "file-lost (lost.csv): its bytes are not in the export",
        "1 of the kind vector_store",
        "1 of the kind left out:xxx",
        "'../../escape' cannot be an id",
        "all.jsonl: msg_2: role:",
        "broken.json: it is no JSON",
        "4 of the export's objects could not be taken in",
    ):
        assert said in done.stderr.replace("\n", " "), said
    assert len(done.stderr) < 2000
    with running(settings, ScriptedModel([])) as address, sdk_of(address) as service:
        assert [each.id for each in service.beta.threads.messages.list("thread_1")] == ["msg_1"]


def test_of_a_damaged_zip_the_rest_comes(kernelci: Command) -> None:
    file = {"object": "file", "created_at": 1, "purpose": "assistants", "filename": "a.bin"}
    objects = [file | {"id": "file-bad"}, file | {"id": "file-good"}, file | {"id": "file-old", "expires_at": 2}]
    archive = kernelci.folder / "export.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as writing:
        writing.writestr("a.jsonl", "".join(f"{json.dumps(each)}\n" for each in objects))
        writing.writestr(
            "b.jsonl", json.dumps({"object": "assistant", "id": "asst_1", "created_at": 1, "model": "m"})
        )
        for id in ("bad", "good", "old"):
            writing.writestr(f"contents/file-{id}", id * 99)
    data = bytearray(archive.read_bytes())
    for name in ("b.jsonl", "contents/file-bad"):
        data[data.index(name.encode()) + len(name)] ^= 0xFF
    archive.write_bytes(data)
    done = kernelci.run("import", archive)
    assert (done.returncode, done.stdout) == (2, "     1 file\n")
    for said in (
        "b.jsonl: Error -3 while",
        "file-bad (a.bin): Error -3 while",
        "file-old (a.bin): its time is over",
    ):
        assert f"left out: {said}" in done.stderr


def test_a_running_server_keeps_its_folder(kernelci: Command, settings: Settings) -> None:
    (kernelci.folder / "export").mkdir()
    with running(settings, ScriptedModel([])):
        done = kernelci.run("import", "export")
    assert done.returncode == 2
    assert "is in use by the kernelci server" in done.stderr


def test_a_folder_without_an_export_is_told_of(kernelci: Command, tmp_path: Path) -> None:
    (tmp_path / "pictures" / "contents").mkdir(parents=True)
    for name in ("export.zip", "contents/file-1.zip"):
        (tmp_path / "pictures" / name).write_bytes(b"PK")
    done = kernelci.run("import", tmp_path / "pictures")
    assert (done.returncode, done.stdout) == (2, "")
    assert "left out: export.zip, which is a zip" in done.stderr
    assert "file-1.zip" not in done.stderr
    assert "pictures has nothing to take in" in done.stderr


def test_an_import_is_for_one_owner(kernelci: Command, settings: Settings) -> None:
    export = kernelci.folder / "export"
    export.mkdir()
    objects = [
        {"object": "file", "id": "file-1", "created_at": 1, "filename": "a.csv", "purpose": "assistants"},
        {"object": "assistant", "id": "asst_1", "created_at": 1, "model": "m"},
        {"object": "thread", "id": "thread_1", "created_at": 1},
    ]
    (export / "all.jsonl").write_text("".join(f"{json.dumps(each)}\n" for each in objects))
    (export / "contents").mkdir()
    (export / "contents" / "file-1").write_bytes(b"a,b")
    done = kernelci.run("import", export, "--owner", "alice")
    assert done.returncode == 0
    assert "kernelci keys add alice" in done.stderr
    key = kernelci.run("keys", "add", "alice").stdout.strip()
    assert kernelci.run("import", export, "--owner", "alice").stderr == ""
    done = kernelci.run("import", export)
    assert (done.returncode, done.stdout) == (2, "")
    told = done.stderr.replace("\n", " ")
    for noun, id in (("file", "file-1"), ("assistant", "asst_1"), ("thread", "thread_1")):
        assert f"There is another {noun} with id '{id}', which is somebody else's." in told
    assert "3 of the export's objects could not be taken in" in told
    assert kernelci.run("import", export, "--owner", "../alice").returncode == 2
    assert kernelci.run("import", export, "--owner", "").returncode == 2
    with running(settings, ScriptedModel([])) as address, sdk_of(address).with_options(api_key=key) as service:
        assert service.beta.threads.retrieve("thread_1").id == "thread_1"
        assert [file.id for file in service.files.list()] == ["file-1"]
