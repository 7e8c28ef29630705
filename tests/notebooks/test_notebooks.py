"""What notebooks/ shows is what happens."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from kernelci.sandbox.environment import environment
from kernelci.settings import Settings
from tests.notebooks.executed import FOLDER, METADATA, executed, outputs

NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_stored_outputs_are_what_comes_out(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment(Settings().cache_dir).prepare()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")  # its client is made as in anybody's program
    stored = nbformat.read(path, as_version=4)
    fresh = executed(path, tmp_path)
    assert outputs(fresh) == outputs(stored), "renew it: python -m tests.notebooks.executed"
    assert not [*tmp_path.iterdir()], "a notebook leaves nothing behind"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_is_stored_is_whole(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata == METADATA
    counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    assert counts == [*range(1, len(counts) + 1)]
