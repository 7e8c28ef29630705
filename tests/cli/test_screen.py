"""What the screen shows of what streams in."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from inline_snapshot import snapshot
from rich.console import Console

from kernelci.cli.files import visible, written
from kernelci.cli.screen import Screen

TRACEBACK = """\
---------------------------------------------------------------------------
KeyError                                  Traceback (most recent call last)
File /somewhere/pandas/base.py:3812, in Index.get_loc(self, key)
   3811 try:
-> 3812     return self._engine.get_loc(casted_key)

KeyError: 'bill'

The above exception was the direct cause of the following exception:

KeyError                                  Traceback (most recent call last)
Cell In[1], line 2
      1 import pandas as pd
----> 2 data["bill"]

File /somewhere/pandas/frame.py:4107, in DataFrame.__getitem__(self, key)
-> 4107 indexer = self.columns.get_loc(key)

KeyError: 'bill'
"""


@pytest.fixture
def shown() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def screen(shown: io.StringIO) -> Screen:
    return Screen(Console(file=shown, width=40))


def test_fragments_become_lines_in_their_blocks(screen: Screen, shown: io.StringIO) -> None:
    for text in ("Let me", " see", ".\nNow: ", "ok"):
        screen.say(text)
    for code in ('text = """', "a\n  b", '"""\n', "print(text)"):
        screen.write(code)
    for printed in ("a\n", "  ", "b\n10%\r50%\r", "100%\nend"):
        screen.show(printed)
    screen.saved(Path("figure.png"))
    screen.say("Done.")
    screen.end()
    assert shown.getvalue() == snapshot('''\

Let me see.
Now: ok

┃ text = """a
┃   b"""
┃ print(text)
│ a
│   b
│ 100%
│ end
└ figure.png

Done.
''')


def test_a_traceback_is_cut_to_the_error_and_the_cells_line(screen: Screen, shown: io.StringIO) -> None:
    screen.write("data")
    screen.show("before\n")
    for line in TRACEBACK.splitlines(keepends=True):
        screen.show(line)
    screen.end()
    assert shown.getvalue() == snapshot("""\

┃ data
│ before
│ KeyError: 'bill'
│ Cell In[1], line 2
│ ----> 2 data["bill"]
│ … 16 more lines of traceback in the notebook
""")


def test_a_rule_that_opens_no_traceback_is_shown(screen: Screen, shown: io.StringIO) -> None:
    screen.show("-" * 75 + "\ntotal 5\n")
    screen.end()
    assert shown.getvalue() == "\n│ " + "-" * 75 + "\n│ total 5\n"


def test_right_to_left_text_passes_as_it_is_and_control_characters_do_not(
    screen: Screen, shown: io.StringIO
) -> None:
    hebrew = "הַמְּחִיר\u200f הוא 12.5 ₪ (USD 3) - وبالعربية"
    for letter in hebrew:
        screen.say(letter)
    screen.show(f"{hebrew}\n")
    screen.say("\x1b]52;c;aGk=\x07a\x1b[2Jb\x9bc\x08d")
    screen.end()
    assert shown.getvalue() == f"\n{hebrew}\n\n│ {hebrew}\n\nabcd\n"


def test_a_terminal_breaks_lines_between_words_only() -> None:
    shown = io.StringIO()
    screen = Screen(Console(file=shown, width=16, force_terminal=True, color_system=None))
    for text in ("The quick bro", "wn fox ju", "mps over it", " all"):
        screen.say(text)
    screen.end()
    lines = shown.getvalue().split("\n")
    assert [line.rstrip() for line in lines] == ["", "The quick brown", "fox jumps over", "it all", ""]


@pytest.mark.parametrize(
    ("name", "saved"),
    [
        ("sandbox:/mnt/data/result.csv", "result.csv"),
        ("../../.bashrc", "bashrc"),
        (".. ./.profile", "profile"),
        ("~x", "x"),
        ("-rf", "_rf"),
        ("...", "unnamed"),
        ("a\x1b[31m\nb.csv", "a_[31m_b.csv"),
        ("דוח\u202egnp.csv", "דוחgnp.csv"),
    ],
)
def test_a_files_name_hides_nothing(name: str, saved: str) -> None:
    assert visible(name) == saved


def test_nothing_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "a.csv").symlink_to(tmp_path / "elsewhere")
    paths = [written(tmp_path / "a.csv", data) for data in (b"1", b"2")]
    assert [path.name for path in paths] == ["a-2.csv", "a-3.csv"]
    assert not (tmp_path / "elsewhere").exists()


def test_of_a_very_long_output_the_beginning_and_the_end_are_shown(screen: Screen, shown: io.StringIO) -> None:
    for turn in range(2):
        screen.write(f"run({turn})\n")
        for number in range(10_000):
            screen.show(f"row {number}\n")
        screen.show(TRACEBACK)
        screen.end()
    lines = shown.getvalue().splitlines()
    first = lines[: len(lines) // 2]
    assert first[1:4] == ["┃ run(0)", "│ row 0", "│ row 1"]
    assert first[201:204] == ["│ row 199", "│ … 9,780 more lines in the notebook", "│ row 9980"]
    assert first[222:225] == ["│ row 9999", "│ KeyError: 'bill'", "│ Cell In[1], line 2"]
    assert lines[len(first) :] == [line.replace("run(0)", "run(1)") for line in first]


def test_an_output_just_too_long_is_shown_in_full(screen: Screen, shown: io.StringIO) -> None:
    screen.show("".join(f"{number}\n" for number in range(220)))
    screen.end()
    assert shown.getvalue().split() == [part for number in range(220) for part in ("│", str(number))]
