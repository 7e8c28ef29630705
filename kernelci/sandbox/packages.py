"""uv at work on the environments of the model's code, and what to say when it fails."""

from __future__ import annotations

import subprocess
from pathlib import Path

import uv

from kernelci.errors import EnvironmentUnavailable

_TOLD_LINES = 15


def run_uv(*arguments: str, within: Path) -> None:
    """Run uv in a folder.

    Raises:
        EnvironmentUnavailable: it fails, with the last lines that it said.
    """
    run(uv.find_uv_bin(), *arguments, within=within)


def run(*command: str, within: Path, env: dict[str, str] | None = None) -> None:
    """Run a program of a build in a folder.

    Raises:
        EnvironmentUnavailable: it fails, with the last lines that it said.
    """
    ran = subprocess.run(command, cwd=within, env=env, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if ran.returncode == 0:
        return
    said = ran.stderr.decode(errors="replace").strip().splitlines()[-_TOLD_LINES:]
    lines = "\n".join(f"  {line}" for line in said)
    raise EnvironmentUnavailable(
        f"The environment of the model's code could not be built: {Path(command[0]).name} failed.\n{lines}\n"
        "Packages are downloaded for it: check the network connection, and HTTPS_PROXY and UV_DEFAULT_INDEX "
        "where those are needed, and try again. What was downloaded is kept."
    )
