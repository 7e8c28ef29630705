"""How a log line is written."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import kernelci
from kernelci.telemetry.log import Form, Level

ROOT = Path(kernelci.__file__).parent


def written(program: str, form: Form = "text", level: Level = "info") -> list[str]:
    """The lines that a program writes, each without its time."""
    setup = f"import logging\nfrom kernelci.telemetry import log\nlog.to_stderr({form!r}, {level!r})\n"
    setup += "logger = logging.getLogger('kernelci.of.ours')\nother = logging.getLogger('other')\n"
    done = subprocess.run(
        [sys.executable, "-c", setup + program], capture_output=True, text=True, timeout=60, check=True
    )
    lines = done.stderr.splitlines()
    assert all(line.startswith("time=2" if form == "text" else '{"time": "2') for line in lines), lines
    return [line.partition(" ")[2] if form == "text" else line for line in lines]


def test_a_line_is_a_fact_with_its_ids_and_figures() -> None:
    extra = {"action": "it_ended", "run_id": "run_1", "seconds": 0.12345, "error": None}
    program = f"logger.info('it ended', extra={extra})"
    assert written(program) == ['level=info action=it_ended run_id=run_1 seconds=0.123 message="it ended"']
    (line,) = map(json.loads, written(program, "json"))
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "info", "action": "it_ended", "run_id": "run_1", "seconds": 0.123, "message": "it ended",
    }  # fmt: skip


def test_what_is_logged_stays_on_its_line() -> None:
    (line,) = written("logger.warning('a\\nlevel=error b\\x1b[2J\\x9b\\u202e \"נתונים\"', extra={'action': 'x'})")
    assert line == 'level=warning action=x message="a\\nlevel=error b\\u001b[2J\\u009b\\u202e \\"נתונים\\""'


RAISING = """
import sqlite3
try:
    try:
        open("/nowhere/secret")
    except OSError as error:
        raise ValueError("secret") from error
except ValueError:
    logger.exception("no luck", extra={"action": "unlucky"})
"""


def test_an_exceptions_own_words_are_for_the_debug_level() -> None:
    (line,) = written(RAISING)
    assert line == (
        'level=error action=unlucky message="no luck" exception="ValueError at <string>:12 <module>, from '
        'FileNotFoundError (No such file or directory) at <string>:10 <module>"'
    )
    (line,) = written(RAISING, level="debug")
    assert "/nowhere/secret" in line
    assert "ValueError: secret" in line


def test_libraries_are_heard_from_warnings_on() -> None:
    program = (
        "for each in (logger, other):\n"
        "    for level in (10, 20, 30, 40): each.log(level, 'x', extra={'action': 'y', 'body': 'secret'})"
    )

    def heard(level: Level) -> list[str]:
        return [" ".join(line.split()[:2]) for line in written(program, level=level)]

    ours = ["level=debug action=y", "level=info action=y", "level=warning action=y", "level=error action=y"]
    others = [f"level={level} logger=other" for level in ("debug", "info", "warning", "error")]
    assert heard("debug") == [*ours, *others]
    assert heard("info") == [*ours[1:], *others[2:]]
    assert heard("error") == [*ours[3:], *others[3:]]
    assert not [line for line in written(program) if line.startswith("level=error logger") and "secret" in line]


def test_every_line_of_ours_names_its_fact() -> None:
    call = re.compile(r"^( *)logger\.\w+\((?:.*\)$|\n(?:\1 +.*\n)+)", re.MULTILINE)
    found = [match[0] for path in sorted(ROOT.rglob("*.py")) for match in call.finditer(path.read_text("utf-8"))]
    assert len(found) == sum(path.read_text("utf-8").count(" logger.") for path in ROOT.rglob("*.py"))
    assert len(found) > 30
    assert [each for each in found if "extra=" not in each] == []
