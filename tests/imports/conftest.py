"""The command line, as tests/cli has it."""

from __future__ import annotations

from tests.cli.conftest import cache, kernelci, settings

__all__ = ["cache", "kernelci", "settings"]
