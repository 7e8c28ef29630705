"""A pool with a bystander in it, a secret beside it, and hostile programs that must leave both as they are."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from kernelci.engine.ports.sessions import CellResult
from kernelci.sandbox.engine import Engine
from kernelci.sandbox.environment import Environment
from kernelci.sandbox.level import Wanted
from kernelci.sandbox.zygote import Limits
from kernelci.sessions.pool import SessionPool
from kernelci.settings import Settings
from tests.sessions.conftest import Pool, built, text_of

__all__ = ["built"]

PRELUDE = """
import ctypes, errno, mmap, os, signal, socket, stat, subprocess, sys, threading, time
from pathlib import Path

libc = ctypes.CDLL(None, use_errno=True)

def call(number, *arguments):
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(number), *arguments)
    return errno.errorcode.get(ctypes.get_errno(), "?") if result == -1 else result

def tried(action, *arguments):
    try:
        return action(*arguments)
    except OSError as error:
        return errno.errorcode.get(error.errno, type(error).__name__)
    except BaseException as error:
        return type(error).__name__
"""
"""Begins every hostile cell. `call` makes a system call, `tried` anything; both name the error if it fails."""


@dataclass(frozen=True)
class Place:
    """Where a hostile program runs: a pool, the session of a bystander, and a secret file of the host."""

    pool: Pool
    canary: Path
    secret: str

    async def attack(self, code: str, session: str = "attacker") -> CellResult:
        """Run a hostile cell, and see that nobody else has suffered."""
        placed = code.replace("CANARY", str(self.canary))
        result = await self.pool.run(f"{PRELUDE}\n{placed}", session=session)
        assert self.secret not in text_of(result)
        await self.check()
        return result

    async def check(self) -> None:
        """The host's file is as it was, and the bystander is at work and has its variable."""
        assert self.canary.read_text() == self.secret
        bystander = await self.pool.run("kept", session="bystander")
        assert (bystander.status, text_of(bystander)) == ("ok", "'of another session'")


@asynccontextmanager
async def place_of(
    built: Environment, root: Path, limits: Limits, sandbox: Wanted | None = None, **settings: object
) -> AsyncGenerator[Place]:
    """A place below a folder, confined as the settings say unless that is told here."""
    root.parent.chmod(0o711)
    root.chmod(0o711)  # others pass through, as they do in a server's data folder
    canary = root / "canary"
    canary.write_text(secret := secrets.token_hex(16))
    canary.chmod(0o666)  # only the confinement protects it
    sessions = root / "sessions"
    async with (
        Engine(built, sessions, limits, sandbox=sandbox or Settings().sandbox) as engine,
        SessionPool(sessions, Settings.model_validate({"interrupt_grace": 0.5} | settings), engine) as running,
    ):
        pool = Pool(sessions, running)
        await pool.run("kept = 'of another session'; open('theirs', 'w').write('private')", session="bystander")
        yield Place(pool, canary, secret)


@pytest.fixture(scope="module")
async def place(built: Environment, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Place]:
    """A place that the tests of a module share. Cells may run for 5 seconds."""
    async with place_of(built, tmp_path_factory.mktemp("hostile"), Limits(), execution_timeout=5) as place:
        yield place


@pytest.fixture(scope="module")
async def brief(built: Environment, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Place]:
    """A place where a cell may run for half a second."""
    async with place_of(built, tmp_path_factory.mktemp("brief"), Limits(), execution_timeout=0.5) as place:
        yield place


def last_line(result: CellResult) -> str:
    """The last line of a cell's text."""
    return text_of(result).strip().rpartition("\n")[2]
