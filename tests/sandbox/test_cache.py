"""The environments in the cache: which are wanted, which are used, and that only the others go."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from kernelci.sandbox import kernelspec
from kernelci.sandbox.cache import Cached, cached, prune
from kernelci.sandbox.environment import Environment, environment, ignore, of_kernelspec

HOLD = """
import sys
from pathlib import Path
from kernelci.sandbox.environment import of_kernelspec
held = of_kernelspec(*map(Path, sys.argv[1:])).hold()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A kernelspec's folder whose environment is an empty one."""
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
    made = kernelspec.copy("mine")
    (made / "requirements.lock").write_text("# nothing\n")
    return made


def the_one(cache: Path) -> Cached:
    """The one environment in a cache."""
    (found,) = cached(cache)
    return found


def test_an_environment_is_wanted_as_long_as_its_lock_gives_it(mine: Path, tmp_path: Path):
    built = environment(tmp_path, "mine")
    built.prepare()
    found = the_one(tmp_path)
    assert (found.environment.folder, found.kernels, found.in_use) == (built.folder, ("mine",), False)
    assert found.python.startswith("CPython 3.")
    assert found.size > 4096
    assert prune(tmp_path, ignore) == []

    (mine / "requirements.lock").write_text("# changed\n")
    assert (the_one(tmp_path).kernels, the_one(tmp_path).wanted) == ((), False)
    assert [each.environment.folder for each in prune(tmp_path, ignore)] == [built.folder]
    assert [place.name for place in built.folder.parent.iterdir()] == [".lock"]


def test_that_of_another_installation_stays(tmp_path: Path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "requirements.lock").write_text("# elsewhere\n")
    of_kernelspec(tmp_path / "elsewhere", tmp_path).prepare()

    assert (the_one(tmp_path).kernels, the_one(tmp_path).wanted) == ((), True)
    assert prune(tmp_path, ignore) == []

    (tmp_path / "elsewhere" / "requirements.lock").unlink()
    assert len(prune(tmp_path, ignore)) == 1


def test_one_that_is_used_stays_until_its_user_is_killed(mine: Path, tmp_path: Path):
    environment(tmp_path, "mine").prepare()
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, mine, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as user:
        assert user.stdout.readline() == "held\n"
        (mine / "requirements.lock").write_text("# changed\n")
        assert the_one(tmp_path).in_use
        assert prune(tmp_path, ignore) == []
        user.kill()
    assert len(prune(tmp_path, ignore)) == 1


def test_what_was_left_half_removed_goes(tmp_path: Path):
    environments = tmp_path / "environments"
    (environments / ".aside-of-a-crash" / "lib").mkdir(parents=True)
    Environment(environments / "gone", environments / "none").about.touch()
    assert prune(tmp_path, ignore) == []

    assert [place.name for place in environments.iterdir()] == [".lock"]


def test_an_empty_cache_has_none(tmp_path: Path):
    assert cached(tmp_path) == []
