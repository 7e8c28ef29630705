"""What is found out of a machine's protections: all of them here, and the cause where they are forbidden."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from kernelci.sandbox import probe
from tests.sandbox.conftest import FORBIDDEN

SCRIPT = """
import json
from dataclasses import asdict
from kernelci.sandbox import probe
print(json.dumps([asdict(each) for each in probe.protections()]))
"""


def found(*within: str) -> dict[str, tuple[str | None, str | None]]:
    """The cause and remedy of each protection, found by a process that is started by a command."""
    printed = subprocess.check_output([*within, sys.executable, "-c", SCRIPT], text=True)
    return {each["title"]: (each["cause"], each["remedy"]) for each in json.loads(printed)}


@pytest.mark.parametrize(
    "within",
    [(), ("unshare", "--user", "--map-root-user"), ("unshare", "--user", "--map-user=1000", "--map-group=1000")],
    ids=["this user", "root of a namespace", "ordinary user"],
)
def test_all_of_them_hold_here(within: tuple[str, ...]):
    causes = found(*within)
    assert len(causes) == 7
    assert set(causes.values()) == {(None, None)}


def test_where_namespaces_are_forbidden_it_says_why_and_what_helps():
    told = ("user.max_user_namespaces is 0", "sudo sysctl user.max_user_namespaces=15000")
    causes = found(*FORBIDDEN)
    held = {title for title, cause in causes.items() if cause == (None, None)}

    assert held == {"a filter for system calls", "limits of memory, processes and files"}
    assert {causes[title] for title in causes.keys() - held} == {told}


def test_a_filter_that_forbids_namespaces_is_found(tmp_path):
    """As a container's default filter does it: the calls fail, and no setting of Linux tells of it."""
    program = tmp_path / "filtered.py"
    inside = str(probe.PROGRAM.parent)
    program.write_text(
        f"import os, sys\nsys.path.insert(0, {inside!r})\nimport linux, seccomp\n"
        "linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)\nlinux.filter_calls(seccomp.program())\n"
        "os.execv(sys.argv[1], sys.argv[1:])\n"
    )
    causes = found(sys.executable, str(program))

    for title in ("no network", "all of it at once, as a kernel has it"):
        assert causes[title][0].endswith("Operation not permitted")
    assert causes["a filter for system calls"] == (None, None)
    assert all(remedy for cause, remedy in causes.values() if cause)


def test_what_is_required_is_there():
    probe.require()
