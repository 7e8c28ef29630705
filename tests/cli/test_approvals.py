"""Code that waits for the person at the terminal: the yes, the edit, the no, and who is not at one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kernelci.models.catalog import Catalog
from kernelci.models.scripted import ScriptedModel
from kernelci.models.turn import Turn
from kernelci.server import running
from kernelci.settings import Settings
from tests.cli.conftest import Command
from tests.cli.terminal import terminal

QUESTION = "Run this? [y]es, [e]dit, [n]o, [a]lways in this run: "


def asking(settings: Settings) -> Settings:
    return settings.model_copy(update={"approval": "code"})


def cells(settings: Settings) -> list[tuple[str, str, str | None]]:
    """The code cells of the one notebook: kind, source, decision."""
    (notebook,) = (settings.data_dir / "notebooks").iterdir()
    return [
        (cell["cell_type"], "".join(cell["source"]), cell["metadata"]["kernelci"].get("decision"))
        for cell in json.loads(notebook.read_text())["cells"]
        if cell["cell_type"] != "markdown"
    ]


def test_a_person_sees_what_hides_and_says_yes_no_or_something_else(
    kernelci: Command, settings: Settings, tmp_path: Path
) -> None:
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\necho \"print('שלום', 7 * 6)\" > $1\n")
    editor.chmod(0o755)
    model = ScriptedModel(
        [
            Turn(code="print('ok')  # \u202eesrever\u202c \x1b[2J\x1b]0;title\x07"),
            Turn(code="print('first')"),
            Turn(code="import os\nos.remove('x')"),
            Turn(code="print('every')"),
            Turn(code="print('thing')"),
            Turn(text="That was it."),
        ]
    )
    with running(asking(settings), model), terminal(kernelci, "ask", "?", EDITOR=str(editor)) as screen:
        shown = screen.until(QUESTION)
        assert "┃ print('ok')  # <U+202E>esrever<U+202C> <U+001B>[2J<U+001B>]0;title<U+0007>" in shown
        assert "Hidden characters: U+202E (right-to-left override) in line 1" in shown
        assert "This is what would run:" not in shown, "it has been shown already"
        assert "\u202e" not in shown
        assert b"\x1b[2J" not in screen.raw
        screen.type("what\n")
        screen.until(QUESTION)
        screen.type("y\n")
        assert "│ ok" in screen.until(QUESTION)
        screen.type("e\n")
        shown = screen.until(QUESTION)
        assert shown.index("Changed to:") < shown.index("┃ print('שלום', 7 * 6)") < shown.index("│ שלום 42")
        screen.type("n\n")
        screen.until("Why not?")
        screen.type("that deletes x\n")
        shown = screen.until(QUESTION)
        assert "│ [Not run: the user did not allow this code.] Reason given: that deletes x" in shown
        screen.type("a\n")
        shown = screen.until("That was it.")
        assert (
            shown.index("│ every") < shown.index("Allowed, as is everything in this run.") < shown.index("│ thing")
        )
        assert screen.ended() == 0
    assert [(kind, decision) for kind, _, decision in cells(settings)] == [
        ("code", "approve"),
        ("code", "edit"),
        ("raw", "reject"),
        ("code", "approve"),
        ("code", "approve"),
    ]
    assert cells(settings)[1][1] == "print('שלום', 7 * 6)\n"


def test_an_editor_finds_nothing_to_obey(kernelci: Command, settings: Settings, tmp_path: Path) -> None:
    editor, opened = tmp_path / "editor", tmp_path / "opened"
    editor.write_text(f"#!/bin/sh\ncp $1 '{opened}'\nsed -i s/first/second/ $1\n")
    editor.chmod(0o755)
    code = "# -*- eval: (shell-command \"id\") -*- vim: set modeline:\nprint('first')\n# Local Variables:\n# End:"
    model = ScriptedModel([Turn(code=code), Turn(text="done")])
    with running(asking(settings), model), terminal(kernelci, "ask", "?", EDITOR=str(editor)) as screen:
        screen.until(QUESTION)
        screen.type("e\n")
        assert "│ second" in screen.until("done")
        assert screen.ended() == 0
    assert cells(settings) == [("code", code.replace("first", "second") + "\n", "edit")]
    lines = opened.read_text().split("\n")
    assert all(line.strip("#") == "" for line in lines[-7:]), "where vim looks"
    assert not any("vim:" in line or "-*-" in line for line in lines[:5])
    assert "Variables" not in opened.read_text().rpartition("\n\f")[2], "where Emacs looks"


def test_always_does_not_cover_what_hides_and_a_closed_terminal_stops_the_run(
    kernelci: Command, settings: Settings
) -> None:
    model = ScriptedModel([Turn(code="print(1)"), Turn(code="print(2) #\u200b"), Turn(text="done")])
    with running(settings, model), terminal(kernelci, "ask", "?", "--approval", "code") as screen:
        screen.until(QUESTION)
        screen.type("a\n")
        assert "U+200B (zero width space)" in screen.until(QUESTION)
        screen.type("\x04")
        screen.until("Stopping the run.")
        assert screen.ended() == 1
    assert [decision for _, _, decision in cells(settings)] == ["approve"]


def test_what_was_typed_before_the_question_is_no_answer(kernelci: Command, settings: Settings) -> None:
    code = "print(6 * 7)"
    model = ScriptedModel([Turn(code=code), Turn(text="done")])
    with running(asking(settings), model), terminal(kernelci, "ask", "?") as screen:
        screen.type("y\ny\n")
        screen.until(QUESTION)
        screen.type("n\n")
        screen.until("Why not?")
        screen.type("\n")
        screen.until("done")
        assert screen.ended() == 0
    assert cells(settings) == [("raw", code, "reject")]


@pytest.mark.parametrize("editor", ["/no/such/editor", "'never closed"])
def test_without_an_editor_code_is_typed(kernelci: Command, settings: Settings, editor: str) -> None:
    model = ScriptedModel([Turn(code="1/0"), Turn(text="done")])
    with running(asking(settings), model), terminal(kernelci, "ask", "?", EDITOR=editor) as screen:
        screen.until(QUESTION)
        screen.type("e\n")
        screen.until("┃ ")
        screen.type("x = 6\n")
        screen.until("┃ ")
        screen.type("print(x * 7)\n")
        screen.until("┃ ")
        screen.type(".\n")
        screen.until("│ 42")
        assert screen.ended() == 0
    assert cells(settings) == [("code", "x = 6\nprint(x * 7)", "edit")]


def test_an_edit_can_be_called_off(kernelci: Command, settings: Settings, tmp_path: Path) -> None:
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\necho 'print(0)' > $1\nexit 1\n")
    editor.chmod(0o755)
    model = ScriptedModel([Turn(code="print(6 * 7)"), Turn(text="done")])
    with running(asking(settings), model), terminal(kernelci, "ask", "?", EDITOR=str(editor)) as screen:
        screen.until(QUESTION)
        screen.type("e\n")
        assert "The edit was called off: the editor ended with an error." in screen.until(QUESTION)
        editor.write_text("#!/bin/sh\n: > $1\n")
        screen.type("e\n")
        assert "An empty edit changes nothing." in screen.until(QUESTION)
        editor.unlink()
        screen.type("e\n")
        assert "No editor could be started ($VISUAL, $EDITOR)." in screen.until("┃ ")
        screen.type("print(1)\n")
        screen.until("┃ ")
        screen.type("\x04")
        assert "Nothing was changed." in screen.until(QUESTION)
        screen.type("e\n")
        screen.until("┃ ")
        screen.type(".\n")
        assert "An empty edit changes nothing." in screen.until(QUESTION)
        screen.type("y\n")
        screen.until("│ 42")
        assert screen.ended() == 0
    assert cells(settings) == [("code", "print(6 * 7)", "approve")]


def test_without_a_terminal_nothing_is_allowed(kernelci: Command, settings: Settings) -> None:
    with running(settings, Catalog(None)):
        done = kernelci.run("ask", "```python\nprint(6 * 7)\n```", "--approval", "code", typed="y\n")
    assert done.returncode == 1, done.stderr
    assert "To go on" not in done.stderr
    assert "Not run: code waits for a yes, and without a terminal nobody can be asked." in done.stdout
    assert "│ 42" not in done.stdout
    assert cells(settings) == [("raw", "print(6 * 7)", "reject")]
