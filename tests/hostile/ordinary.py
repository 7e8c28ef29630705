"""Runs tests as an ordinary user where the one who tests is root, for kernels are then confined in another way.

What the tests need may lie in a home folder that no ordinary user may enter. So in a mount namespace of its own
each such folder is covered by an empty one, in which only the interpreters and environments are seen.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import kernelci
from kernelci.sandbox.environment import Environment

USER = 54321
"""A number that no account should have, and not the one that the server drops to."""

CLONE = Path(kernelci.__file__).parents[1]

_SCRIPT = """
set -eu
stage=$1; home=$2; user=$3; shift 3
mount --make-rprivate /
number=0
for shown in $SHOWN; do number=$((number + 1)); mkdir "$stage/$number"; mount --bind "$shown" "$stage/$number"; done
mount -t tmpfs -o mode=755 covered "$home"
number=0
for shown in $SHOWN; do
    number=$((number + 1))
    case $shown in "$home"/*) mkdir -p "$shown"; mount --move "$stage/$number" "$shown";; esac
done
exec setpriv --reuid "$user" --regid "$user" --clear-groups --no-new-privs "$@"
"""


def run_tests(environment: Environment, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run pytest with these arguments as an ordinary user: the one who tests, unless that is root."""
    with tempfile.TemporaryDirectory() as folder:
        temporary, own, stage = Path(folder), Path(folder, "own"), Path(folder, "stage")
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-n0",
            "--basetemp",
            str(own / "tests"),
        ]
        own.mkdir()
        if os.geteuid() == 0:
            temporary.chmod(0o711)
            stage.mkdir()
            os.chown(own, USER, USER)
            command = [
                "unshare",
                "--mount",
                "sh",
                "-c",
                _SCRIPT,
                "sh",
                str(stage),
                str(Path.home()),
                str(USER),
                *command,
            ]
        shown = {str(environment.folder), sys.prefix, sys.base_prefix, str(CLONE)}
        known = {
            "HOME": str(own),
            "KERNELCI_CACHE_DIR": str(environment.folder.parents[1]),
            "PATH": os.environ["PATH"],
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": str(CLONE),
            "SHOWN": " ".join(sorted(shown)),
        }
        return subprocess.run(
            [*command, *arguments], cwd=CLONE, env=known | variables, capture_output=True, text=True, check=False
        )
