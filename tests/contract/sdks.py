"""Other versions of the official SDKs, each in an environment of its own, for the scripts beside this file.

An environment is made once, over the network, and kept: by uv in its cache, for Node in kernelci's cache folder.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from uv import find_uv_bin

from kernelci.settings import Settings
from tests.contract.conftest import KEY

SCRIPTS = Path(__file__).parent / "scripts"
RESOLVED_BY = "2026-11-21T00:00:00Z"
NODE = "7.57.0"


def walk(script: str, version: str, server: str, *mode: str) -> None:
    """Run a script against the server with that version of the Python SDK; it ends well."""
    done = in_python(version, SCRIPTS / script, server, KEY, *mode)
    assert (done.returncode, done.stdout) == (0, f"ok {version}\n"), done.stdout + done.stderr


def in_python(version: str, *argv: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a Python program where that version of the SDK is installed; from uv's cache, if it is there."""
    old = ["--with", "httpx<0.28"] if version.startswith("1.") else []  # which took an option away
    environment = ["--no-project", "--isolated", "--exclude-newer", RESOLVED_BY]
    wanted = ["--python", sys.executable, "--with", f"openai=={version}", *old]
    run = [find_uv_bin(), "run", "-q", *environment, *wanted]
    checked = subprocess.run([*run, "--offline", "python", "-c", ""], capture_output=True, check=False)
    if checked.returncode == 0:
        run.append("--offline")
    return _run([*run, "python", *map(str, argv)], variables)


def in_node(script: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a script beside the Node SDK."""
    folder = _node_folder()
    with tempfile.TemporaryDirectory(dir=folder) as beside:
        return _run(["node", shutil.copy(script, beside), *arguments], variables)


def _node_folder() -> Path:
    """The folder with the installed Node SDK."""
    folder = Settings().cache_dir / "sdks" / f"node-openai-{NODE}"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as making:
            install = [
                "npm",
                "install",
                "--silent",
                "--no-audit",
                "--no-fund",
                "--prefix",
                making,
                f"openai@{NODE}",
            ]
            subprocess.run(install, check=True, stdin=subprocess.DEVNULL)
            Path(making).rename(folder)
            Path(making).mkdir()
    return folder


def _run(argv: list[str], variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run with no variables of a client but these."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "AZURE_"))}
    return subprocess.run(argv, env={**kept, **variables}, capture_output=True, text=True, check=False)
