"""Kernelspecs of one's own: where they are made, what is refused, how a lock is made."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kernelci.errors import EnvironmentUnavailable, StartupError
from kernelci.sandbox import kernelspec
from kernelci.sandbox.environment import environment


@pytest.fixture(autouse=True)
def own_jupyter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Jupyter's folder of this user is an empty one."""
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))


def test_a_kernelspec_is_copied_to_where_jupyter_finds_it(tmp_path: Path):
    made = kernelspec.copy("mine")

    assert made == tmp_path / "jupyter" / "kernels" / "mine"
    assert json.loads((made / "kernel.json").read_text())["display_name"] == "mine"
    assert kernelspec.installed()["mine"] == kernelspec.folder_of("mine") == made
    assert environment(tmp_path, "mine").folder == environment(tmp_path).folder

    (made / "requirements.lock").write_text("# another\n")
    assert environment(tmp_path, "mine").folder != environment(tmp_path).folder


def test_what_is_there_is_not_overwritten():
    made = kernelspec.copy("mine")
    (made / "requirements.in").write_text("mine")
    with pytest.raises(StartupError, match=f"'mine' already: {made}"):
        kernelspec.copy("mine")
    with pytest.raises(StartupError, match="'Kernelci' already"):
        kernelspec.copy("Kernelci")

    assert (made / "requirements.in").read_text() == "mine"


@pytest.mark.parametrize("name", ["../mine", "a b", ""])
def test_what_cannot_be_a_name_is_refused(name: str, tmp_path: Path):
    with pytest.raises(StartupError, match="cannot be made"):
        kernelspec.copy(name)

    assert not (tmp_path / "jupyter").exists()


def test_a_kernelspec_that_is_not_there_is_told():
    with pytest.raises(EnvironmentUnavailable, match="kernelci kernels copy nonesuch"):
        kernelspec.folder_of("nonesuch")


def test_a_kernelspec_that_does_not_confine_is_refused():
    with pytest.raises(EnvironmentUnavailable, match="'python3' is not one of kernelci's"):
        kernelspec.folder_of("python3")
    assert "python3" not in kernelspec.installed()


def test_locking_wants_a_date(tmp_path: Path):
    with pytest.raises(EnvironmentUnavailable, match=r"requirements\.in cannot be read"):
        kernelspec.lock(tmp_path)
    (tmp_path / "requirements.in").write_text("numpy\n")
    with pytest.raises(EnvironmentUnavailable, match="# exclude-newer: 2026"):
        kernelspec.lock(tmp_path)


def test_locking_wants_what_a_kernel_needs(tmp_path: Path):
    (tmp_path / "requirements.in").write_text("# exclude-newer: 2026-11-21T00:00:00Z\n")
    with pytest.raises(EnvironmentUnavailable, match="also needs: ipykernel, matplotlib, pandas"):
        kernelspec.lock(tmp_path)
