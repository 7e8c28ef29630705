"""A program from before v2, with the SDK that it was written for."""

from __future__ import annotations

import pytest

from tests.contract.sdks import walk


@pytest.mark.timeout(300)
def test_a_program_of_v1_runs_unchanged(server: str) -> None:
    walk("v1.py", "1.20.0", server)
