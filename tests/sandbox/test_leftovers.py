"""Folders of dead processes go, and nobody else's."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from kernelci.sandbox import leftovers

DIES = """
import os, tempfile
from kernelci.sandbox import leftovers
print(tempfile.mkdtemp(prefix=leftovers.prefix()), flush=True)
os.kill(os.getpid(), 9)
"""


@pytest.fixture
def of_the_dead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that a killed process has left, in a folder for temporary ones."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    told = subprocess.run([sys.executable, "-c", DIES], capture_output=True, text=True, check=False)
    folder = Path(told.stdout.strip())
    assert folder.parent == tmp_path
    return folder


def test_folders_of_dead_processes_go_and_those_of_live_ones_stay(of_the_dead: Path, tmp_path: Path):
    (of_the_dead / "below").mkdir(mode=0)
    ours = Path(tempfile.mkdtemp(prefix=leftovers.prefix()))
    somebodys = tmp_path / "kernelci-of-somebody"
    somebodys.mkdir()
    leftovers.sweep()

    assert sorted(tmp_path.iterdir()) == sorted([ours, somebodys])


def test_a_link_by_such_a_name_is_not_followed(of_the_dead: Path, tmp_path: Path):
    kept = tmp_path / "kept"
    of_the_dead.rename(kept)
    of_the_dead.symlink_to(kept)
    leftovers.sweep()

    assert kept.is_dir()


def test_names_of_another_namespace_are_not_judged():
    ours = leftovers.prefix().split("-")
    dead = [*ours[:3], "1", ""]
    elsewhere = ["kernelci", "1", *dead[2:]]

    assert leftovers.is_left("-".join(dead) + "x")
    assert not leftovers.is_left("-".join(elsewhere) + "x")
    assert not leftovers.is_left(leftovers.prefix() + "x")


def test_a_pid_that_was_given_again_is_another_process():
    _, namespace, _, _, _ = leftovers.prefix().split("-")

    assert leftovers.is_left(f"kernelci-{namespace}-{os.getppid()}-1-x")
