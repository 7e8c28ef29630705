"""The confinement where the server is an ordinary user; all hostile programs are run so in tests/full."""

from __future__ import annotations

from kernelci.sandbox.environment import Environment
from tests.hostile.ordinary import run_tests


def test_an_ordinary_users_kernels_are_confined(built: Environment):
    done = run_tests(built, "tests/hostile/test_network.py", "tests/hostile/test_privileges.py")

    assert done.returncode == 0, done.stdout + done.stderr


def test_an_ordinary_users_kernels_are_confined_by_landlock(built: Environment):
    done = run_tests(built, "tests/hostile/test_landlock.py")

    assert done.returncode == 0, done.stdout + done.stderr
