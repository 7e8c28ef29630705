"""The gates: format, lint, types, and a lock file that says what would be installed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from uv import find_uv_bin

ROOT = Path(__file__).parent.parent


def output_of(*argv: str | Path) -> tuple[int, str]:
    """A program's exit code and what it printed."""
    done = subprocess.run([*map(str, argv)], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "gate",
    [("ruff", "format", "--check", "."), ("ruff", "check", "."), ("basedpyright",)],
    ids=["format", "lint", "types"],
)
def test_gate(gate: tuple[str, ...]) -> None:
    code, printed = output_of(Path(sys.executable).parent / gate[0], *gate[1:])
    assert code == 0, printed


def test_requirements_lock_is_current_and_names_no_address(tmp_path: Path) -> None:
    """A lock is current if nothing in it has to change, whatever an index has come to offer since it was made."""
    lock, again = ROOT / "requirements.lock", tmp_path / "requirements.lock"
    shutil.copy(lock, again)
    form = ("--universal", "--generate-hashes", "--no-header", "--no-annotate")
    code, printed = output_of(find_uv_bin(), "pip", "compile", "-q", *form, "-o", again, "pyproject.toml")
    assert code == 0, printed
    assert lock.read_text(encoding="utf-8") == again.read_text(encoding="utf-8"), (
        f"renew it: uv pip compile {' '.join(form)} -o requirements.lock pyproject.toml"
    )
    assert "://" not in lock.read_text(encoding="utf-8")
    assert "://" not in (ROOT / "kernels/kernelci/requirements.lock").read_text(encoding="utf-8")
