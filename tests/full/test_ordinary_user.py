"""All hostile and honest programs, run by an ordinary user."""

from __future__ import annotations

import pytest

from kernelci.sandbox.environment import environment
from kernelci.settings import Settings
from tests.hostile.ordinary import run_tests


@pytest.mark.timeout(900)
def test_all_programs_as_an_ordinary_user():
    found = environment(Settings().cache_dir)
    found.prepare()
    done = run_tests(found, "tests/hostile", "tests/honest", "--ignore=tests/hostile/test_ordinary_user.py")

    assert done.returncode == 0, done.stdout + done.stderr
