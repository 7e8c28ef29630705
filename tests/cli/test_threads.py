"""`kernelci threads`, beside a server and without one."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import httpx2
import nbformat
import pytest
from pydantic import SecretStr

from kernelci.models.catalog import Catalog
from kernelci.models.scripted import ScriptedModel
from kernelci.models.turn import Turn
from kernelci.server import running
from kernelci.settings import Settings
from tests.cli.conftest import Command


def test_lists_and_exports_threads_whose_notebooks_are_lost(kernelci: Command, settings: Settings) -> None:
    model = ScriptedModel([Turn(code="print('שלום')"), Turn(text="Done.")])
    with (
        running(settings, model) as address,
        httpx2.Client(base_url=address, trust_env=False, timeout=60) as client,
    ):
        assistant = client.post(
            "/v1/assistants", json={"model": "m", "tools": [{"type": "code_interpreter"}]}
        ).json()
        threads = [said(client, assistant["id"], words) for words in ("First\nwords", "\x1b[31mשאלה שנייה")]
        beside = kernelci.run("threads", "list")
    assert (beside.returncode, beside.stderr) == (0, "")
    newest, oldest = [line.split("  ") for line in beside.stdout.splitlines()]
    assert (newest[0], newest[2]) == (threads[1], "שאלה שנייה")
    assert (oldest[0], oldest[2]) == (threads[0], "First")

    for notebook in (settings.data_dir / "notebooks").iterdir():
        notebook.unlink()
    assert kernelci.run("threads", "list").stdout == beside.stdout
    done = kernelci.run("threads", "export", threads[0])
    assert (done.returncode, done.stdout) == (0, f"{threads[0]}.ipynb\n")
    exported = nbformat.read(kernelci.folder / f"{threads[0]}.ipynb", as_version=4)
    nbformat.validate(exported)
    assert exported.metadata.kernelspec.name == "python3"
    assert exported.metadata.kernelci.thread_id == threads[0]
    assert [cell.cell_type for cell in exported.cells] == ["markdown", "code", "markdown"]
    assert exported.cells[1].outputs[0].text == "שלום\n"
    printed = kernelci.run("threads", "export", threads[0], "-o", "-")
    assert json.loads(printed.stdout) == json.loads((kernelci.folder / f"{threads[0]}.ipynb").read_text())


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [(["list"], 2, "There are no threads in"), (["export", "thread_unknown"], 2, "There are no threads in")],
)
def test_a_folder_without_threads_is_named_and_not_made(
    kernelci: Command, settings: Settings, arguments: list[str], code: int, sentence: str
) -> None:
    done = kernelci.run("threads", *arguments)
    assert done.returncode == code
    assert done.stderr.startswith(f"kernelci: {sentence} {settings.data_dir}")
    assert not settings.data_dir.exists()


def said(client: httpx2.Client, assistant: str, words: str) -> str:
    """A thread on which this was said and answered."""
    thread = {"messages": [{"role": "user", "content": words}]}
    run = {"assistant_id": assistant, "stream": True, "thread": thread}
    answer = client.post("/v1/threads/runs", json=run).text
    assert "event: thread.run.completed" in answer
    return json.loads(answer.partition("data: ")[2].partition("\n")[0])["id"]


def test_a_key_that_nobody_knows_shows_nothing(kernelci: Command, settings: Settings) -> None:
    own = settings.model_copy(update={"api_key": SecretStr("the-servers-own")})
    with running(own, Catalog(None)):
        assert kernelci.run("ask", "Mine", KERNELCI_API_KEY="the-servers-own").returncode == 0
        wrong = kernelci.run("threads", "list", KERNELCI_API_KEY="a-wrong-key")
        right = kernelci.run("threads", "list", KERNELCI_API_KEY="the-servers-own")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert wrong.stderr.startswith("kernelci: Incorrect API key provided")
    assert right.stdout.endswith("Mine\n")
    kernelci.run("keys", "add", "alice")
    wrong = kernelci.run("threads", "list", KERNELCI_API_KEY="a-wrong-key")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr.startswith("kernelci: The key is none of those of this data folder")


def test_a_folder_in_trouble_is_told_in_a_sentence(kernelci: Command) -> None:
    (kernelci.folder / "file").write_text("x")
    broken = kernelci.folder / "broken"
    broken.mkdir()
    (broken / "kernelci.db").write_text("This is not a database, whatever its name says. " * 100)
    (kernelci.folder / "export").mkdir()
    (kernelci.folder / "export" / "a.json").write_text('{"object": "thread", "id": "thread_1", "created_at": 1}')
    for command, place, sentence in (
        (["keys", "list"], "file", "The data folder file cannot be used: it is a file, or within one."),
        (["ask", "x"], "file/within", "The data folder file/within cannot be used: it is a file, or within one."),
        (["serve", "--port", "0"], "x" * 300, "cannot be used: File name too long."),
        (["threads", "list"], "x" * 300, "cannot be read: File name too long."),
        (["import", "export"], "broken", "The database cannot be used: file is not a database."),
        (["serve", "--port", "0"], "broken", "The database cannot be used: file is not a database."),
    ):
        done = kernelci.run(*command, "--data-dir", place)
        assert (done.returncode, done.stdout) == (2, ""), (command, done.stderr)
        assert sentence in done.stderr, command
        assert "Traceback" not in done.stderr
    # What was sound when it was opened may fail later on: its tables are not there, say.
    kernelci.run("import", "export", "--data-dir", "later")
    with closing(sqlite3.connect(kernelci.folder / "later" / "kernelci.db")) as database:
        database.execute("DROP TABLE threads")
    for command in (["threads", "list"], ["import", "export"]):
        done = kernelci.run(*command, "--data-dir", "later")
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
        assert done.stderr.startswith("kernelci: The database cannot be used: no such table: threads.")
