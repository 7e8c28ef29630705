"""JupyterLab in a browser: a notebook on a confined kernel, from the first cell to the death of the server.

Makes itself an environment with JupyterLab and Playwright, downloaded at first; Chromium must be there.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest
from uv import find_uv_bin

from kernelci.sandbox.environment import Environment
from kernelci.settings import Settings
from tests.sessions.conftest import built, children, gone

__all__ = ["built"]

ROOT = Path(__file__).parents[2]
BROWSE = Path(__file__).with_name("browse_jupyterlab.py")
HEBREW = '<div dir="rtl">\n\n# ניתוח הנתונים\n\nזהו **תרשים** של הנתונים, ואחריו הקוד `plt.plot`.\n\n</div>'
"""As kernelci's own notebooks have it."""

PLOT = """
import pandas as pd, matplotlib.pyplot as plt
plt.plot([1, 4, 9]); plt.title('squares'); plt.show()
pd.DataFrame({'a': [1, 2]})
"""
CELLS = ("import os\nprint(os.getuid(), os.getcwd(), 'home' in os.listdir('/'))", PLOT)


@pytest.fixture(scope="module")
def extra(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment with JupyterLab, and kernelci as whoever installs it has it."""
    folder = tmp_path_factory.mktemp("extra")
    uv = find_uv_bin()
    subprocess.check_call([uv, "venv", "-q", "--python", sys.executable, folder], cwd=ROOT)
    wanted = ["jupyterlab>=4.6.2", "playwright", "."]
    subprocess.check_call([uv, "pip", "install", "-q", "--python", folder / "bin/python", *wanted], cwd=ROOT)
    return folder / "bin"


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    """A notebook with Hebrew text and a plot, in a folder of its own."""
    (tmp_path / "root").mkdir()
    cells = [nbformat.v4.new_markdown_cell(HEBREW), *map(nbformat.v4.new_code_cell, CELLS)]
    kernelspec = {"name": "kernelci", "display_name": "kernelci", "language": "python"}
    made = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernelspec})
    nbformat.write(made, tmp_path / "root" / "story.ipynb")
    return tmp_path / "root" / "story.ipynb"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty home."""
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@contextmanager
def jupyterlab(programs: Path, root: Path, home: Path) -> Generator[tuple[subprocess.Popen[bytes], str]]:
    """JupyterLab on a folder; gives its process and its address with the token."""
    env = {
        "HOME": str(home),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "KERNELCI_CACHE_DIR": str(Settings().cache_dir),
        "PATH": f"{programs}:/usr/bin:/bin",
        "TMPDIR": str(home),
    }
    command = [
        *(programs / "jupyter-lab", "--no-browser", "--allow-root", "--port=0", f"--notebook-dir={root}"),
        *(
            "--LabApp.expose_app_in_browser=True",
            "--LabApp.news_url=",
            "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        ),
    ]
    with (home / "lab.log").open("wb") as log, subprocess.Popen(command, env=env, stderr=log) as server:
        try:
            about = json.loads(first(home / "runtime", f"jpserver-{server.pid}.json", server).read_text())
            yield server, f"http://127.0.0.1:{about['port']}/lab/tree/story.ipynb?token={about['token']}"
        finally:
            server.kill()


def first(folder: Path, name: str, server: subprocess.Popen[bytes]) -> Path:
    """A file that the server writes when it is ready."""
    deadline = time.monotonic() + 60
    while not ((folder / name).exists() and (folder / name).read_text().endswith("}")):
        assert server.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)  # polled: the file is the only sign that the server is ready
    return folder / name


def browse(programs: Path, address: str, screenshot: Path) -> dict[str, object]:
    """What a person sees who opens the notebook, runs it, interrupts and restarts its kernel."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.fail("This test needs Chromium, for example: sudo apt install chromium")
    seen = subprocess.run(
        [programs / "python", BROWSE, chromium, address, screenshot], capture_output=True, text=True, check=False
    )
    assert seen.returncode == 0, seen.stderr
    return json.loads(seen.stdout)


@pytest.mark.timeout(900)
def test_a_notebook_in_jupyterlab(built: Environment, extra: Path, notebook: Path, home: Path):
    with jupyterlab(extra, notebook.parent, home) as (server, address):
        seen = browse(extra, address, home / "lab.png")
        assert children(server.pid) == []
        assert folders_of(server, home) == []

    assert seen.pop("image") > 1000
    assert seen == {
        "first": "1000 /mnt/data False",
        "table": "a",
        "direction": "rtl",
        "interrupted": True,
        "restarted": True,
    }


@pytest.mark.timeout(900)
def test_a_killed_jupyterlab_leaves_nothing(built: Environment, extra: Path, notebook: Path, home: Path):
    with jupyterlab(extra, notebook.parent, home) as (server, address):
        start_kernel(address)
        (kernel,) = children(server.pid)
        server.kill()
        assert gone(kernel)
    assert len(folders_of(server, home)) == 1
    with jupyterlab(extra, notebook.parent, home) as (another, address):
        start_kernel(address)
        assert folders_of(server, home) == []
        assert len(folders_of(another, home)) == 1


def folders_of(server: subprocess.Popen[bytes], home: Path) -> list[Path]:
    """The kernels' folders that are this server's, by their names: there, or where long paths make them go."""
    return [each for place in (home, Path("/tmp")) for each in place.glob(f"kernelci-*-{server.pid}-*")]


def start_kernel(address: str) -> None:
    """Start a kernel as JupyterLab's page does."""
    where, _, token = address.partition("/lab/tree/story.ipynb?token=")
    headers = {"Authorization": f"token {token}", "Content-Type": "application/json"}
    asked = urllib.request.Request(f"{where}/api/kernels", b'{"name": "kernelci"}', headers)
    with urllib.request.urlopen(asked) as answer:
        assert answer.status == 201
