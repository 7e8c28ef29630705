"""A changed environment under a running engine: new sessions have it, the others keep theirs."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from kernelci.sandbox.cache import cached
from kernelci.sandbox.engine import Engine
from kernelci.sandbox.environment import Environment, of_kernelspec
from kernelci.sandbox.generations import Generations
from kernelci.sandbox.zygote import Limits
from kernelci.sessions.pool import SessionPool
from kernelci.settings import Settings
from tests.sessions.conftest import Pool, gone, host_pid, parent, text_of


def change(before: Environment) -> Environment:
    """Change the lock of an environment; its new environment has the same packages, in a folder of its own."""
    with before.lock.open("a") as lock:
        lock.write("# changed\n")
    return of_kernelspec(before.lock.parent, before.folder.parents[1])


def build(after: Environment) -> None:
    """Something that is taken for a built environment."""
    after.python.parent.mkdir(parents=True)
    after.python.touch()


def build_like(built: Environment, after: Environment) -> None:
    """What a build gives, but for what kernels can do without: nobody writes to it, so links do."""
    copied = after.folder.with_name(".aside-copied")
    unneeded = shutil.ignore_patterns(
        "tests", "typeshed", "third_party", "scipy", "sklearn", "statsmodels", "sympy"
    )
    shutil.copytree(built.folder, copied, symlinks=True, copy_function=os.link, ignore=unneeded)
    copied.rename(after.folder)


@pytest.fixture
def first(tmp_path: Path) -> Environment:
    """Something that is taken for an environment, whose lock may be changed."""
    (tmp_path / "requirements.lock").touch()
    found = of_kernelspec(tmp_path, tmp_path)
    build(found)
    return found


async def test_new_sessions_have_the_new_one_and_the_old_ends_with_its_sessions(
    built: Environment, place: Path, tmp_path: Path
):
    shutil.copy(built.lock, place)
    first = of_kernelspec(place, place)
    build_like(built, first)
    async with (
        Engine(first, tmp_path, Limits()) as engine,
        SessionPool(tmp_path, Settings(), engine) as sessions,
    ):
        pool = Pool(tmp_path, sessions)
        assert await prefix(pool, "thread_1") == first.folder
        zygote = parent(await host_pid(pool, "thread_1"))
        await pool.run("kept = 1", session="thread_1")

        second = change(first)
        assert await prefix(pool, "thread_2") == first.folder

        build_like(built, second)
        assert await prefix(pool, "thread_3") == second.folder
        assert await prefix(pool, "thread_4") == second.folder
        assert text_of(await pool.run("print(kept + 1)", session="thread_1")) == "2\n"
        assert await prefix(pool, "thread_2") == first.folder
        assert {each.environment.folder: each.in_use for each in cached(place)} == {
            first.folder: True,
            second.folder: True,
        }

        for session in ("thread_1", "thread_2"):
            await pool.sessions.close(session)
        assert gone(zygote)
        assert await prefix(pool, "thread_3") == second.folder


async def prefix(pool: Pool, session: str) -> Path:
    """The environment that a session's kernel has."""
    return Path(text_of(await pool.run("import sys; print(sys.prefix)", session=session)).strip())


def test_a_lock_that_is_being_replaced_changes_nothing(first: Environment):
    generations = Generations(first)
    pins = first.lock.read_bytes()
    first.lock.unlink()
    assert generations.current() == first

    first.lock.write_bytes(pins)
    assert generations.current() == first

    second = change(first)
    assert generations.current() == first
    first.lock.write_bytes(pins)
    build(second)
    assert generations.current() == first


def test_where_there_is_none_any_more_the_one_of_the_lock_is_wanted(first: Environment):
    generations = Generations(first)
    second = change(first)
    shutil.rmtree(first.folder)

    assert generations.current() == second
