"""A kernelspec of one's own with a package more, as the README has it; downloads what uv has not kept."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from kernelci.settings import Settings

KERNELCI = Path(sys.executable).parent / "kernelci"
CODE = "import humanize, sys; print(humanize.intcomma(1234567), sys.prefix)"


def run(*arguments: str | Path) -> list[str]:
    """The lines that the command prints."""
    return subprocess.check_output([KERNELCI, *arguments], text=True).splitlines()


@pytest.mark.timeout(900)
def test_a_kernelspec_of_ones_own_has_another_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
    monkeypatch.setenv("KERNELCI_DATA_DIR", str(tmp_path / "data"))
    (folder,) = run("kernels", "copy", "mine")
    with Path(folder, "requirements.in").open("a") as wanted:
        wanted.write("humanize\n")
    run("kernels", "lock", folder)
    (environment,) = run("kernels", "build", "--kernel", "mine")

    answered = "\n".join(run("ask", "--kernel", "mine", f"```python\n{CODE}\n```"))
    assert f"1,234,567 {environment}" in answered

    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CODE)])
    (cell,) = NotebookClient(notebook, kernel_name="mine", timeout=60).execute().cells
    assert cell.outputs[0].text == f"1,234,567 {environment}\n"

    assert any(line.split()[:2] == [Path(environment).name, "mine"] for line in run("kernels", "list"))
    Path(folder, "requirements.lock").unlink()
    assert run("kernels", "prune")[0].startswith(Path(environment).name)
    assert not Path(environment).exists()
    assert Settings().cache_dir.exists()
