"""The gates: format, lint, types, and a lock file that says what would be installed."""

from __future__ import annotations

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


def test_requirements_lock_is_current_and_names_no_address() -> None:
    code, printed = output_of(
        find_uv_bin(), "export", "-q", "--frozen", "--no-dev", "--no-emit-project", "--no-header", "--no-annotate"
    )
    assert code == 0, printed
    kept = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert kept == printed, (
        "renew it: uv export --no-dev --no-emit-project --no-header --no-annotate -o requirements.lock"
    )
    assert "://" not in kept
    assert "://" not in (ROOT / "kernels/kernelci/requirements.lock").read_text(encoding="utf-8")
