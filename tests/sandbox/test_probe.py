"""What is found out of a machine's protections: all of them here, and the cause where they are forbidden."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.sandbox.conftest import FORBIDDEN, WITHOUT_ANY, WITHOUT_NAMESPACES

SCRIPT = """
import json
from dataclasses import asdict
from kernelci.sandbox import probe
print(json.dumps([asdict(each) for each in probe.protections(LEVEL)]))
"""


def found(*within: str, level: str = "namespaces") -> dict[str, tuple[str | None, str | None]]:
    """The cause and remedy of each protection, found by a process that is started by a command."""
    script = SCRIPT.replace("LEVEL", repr(level))
    printed = subprocess.check_output([*within, sys.executable, "-c", script], text=True)
    return {each["title"]: (each["cause"], each["remedy"]) for each in json.loads(printed)}


@pytest.mark.parametrize(
    "within",
    [(), ("unshare", "--user", "--map-root-user"), ("unshare", "--user", "--map-user=1000", "--map-group=1000")],
    ids=["this user", "root of a namespace", "ordinary user"],
)
@pytest.mark.parametrize(("level", "count"), [("namespaces", 7), ("landlock", 4)])
def test_all_of_them_hold_here(within: tuple[str, ...], level: str, count: int):
    causes = found(*within, level=level)
    assert len(causes) == count
    assert set(causes.values()) == {(None, None)}


def test_where_namespaces_are_forbidden_it_says_why_and_what_helps():
    told = ("user.max_user_namespaces is 0", "sudo sysctl user.max_user_namespaces=15000")
    causes = found(*FORBIDDEN)
    held = {title for title, cause in causes.items() if cause == (None, None)}

    assert held == {"a filter for system calls", "limits of memory, processes and files"}
    assert {causes[title] for title in causes.keys() - held} == {told}


def test_a_filter_that_forbids_namespaces_is_found():
    """As a container's default filter does it: the calls fail, and no setting of Linux tells of it."""
    causes = found(*WITHOUT_NAMESPACES)

    for title in ("no network", "all of it at once, as a kernel has it"):
        assert causes[title][0].endswith("Operation not permitted")
    assert causes["a filter for system calls"] == (None, None)
    assert all(remedy for cause, remedy in causes.values() if cause)


def test_where_there_is_no_landlock_it_says_so():
    causes = found(*WITHOUT_ANY, level="landlock")

    assert (
        causes["no opening of your files, no signals to your processes"][0]
        == "its version is 0 here, and it takes 6"
    )
    assert all("6.12" in remedy for cause, remedy in causes.values() if cause)


def chosen(wanted: str, *within: str) -> str:
    """What is chosen by a process that is started by a command, or why nothing is."""
    script = f"""
from kernelci.errors import SandboxUnavailable
from kernelci.sandbox import probe
try: print(probe.choose({wanted!r}))
except SandboxUnavailable as error: print(error)
"""
    return subprocess.check_output([*within, sys.executable, "-c", script], text=True).strip()


@pytest.mark.parametrize(
    ("wanted", "within", "level"),
    [
        ("auto", (), "namespaces"),
        ("landlock", (), "landlock"),
        ("auto", FORBIDDEN, "landlock"),
        ("off", WITHOUT_ANY, "off"),
    ],
)
def test_the_strongest_that_works_is_chosen(wanted: str, within: tuple[str, ...], level: str):
    assert chosen(wanted, *within) == level


@pytest.mark.parametrize(
    ("wanted", "within"), [("namespaces", FORBIDDEN), ("auto", WITHOUT_ANY), ("landlock", WITHOUT_ANY)]
)
def test_where_it_cannot_be_had_nothing_weaker_is_chosen(wanted: str, within: tuple[str, ...]):
    assert chosen(wanted, *within).startswith("The model's code cannot be confined on this machine")
