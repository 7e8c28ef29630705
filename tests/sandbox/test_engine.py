"""The engine by itself: kernels bare and from the reserve, their sessions and their ends."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from kernelci.sandbox.engine import Engine
from kernelci.sandbox.environment import Environment
from kernelci.sandbox.kernel import Kernel
from kernelci.sandbox.zygote import Limits

RESERVES = {"bare": 0, "from the reserve": 1}


@asynccontextmanager
async def ready(built: Environment, folder: Path, reserve: int) -> AsyncGenerator[Engine]:
    """An engine with a session `one`, and with as many spare kernels as its reserve has."""
    data = folder / "one" / "data"
    data.mkdir(parents=True)
    folder.chmod(0o711)
    async with Engine(built, folder, Limits(), reserve=reserve) as engine:
        if engine.owner:
            os.chown(data, engine.owner, engine.owner)
        kernel = await engine.acquire("one")
        with anyio.fail_after(20):
            while engine.spare < reserve:
                await anyio.sleep(0.01)  # polled: nobody is told of a spare kernel
        await kernel.kill()
        yield engine


async def done(kernel: Kernel, code: str) -> str:
    """Run a cell; all that was said until its end, or until the wire's."""
    kernel.wire.send(json.dumps({"cell": "c", "code": code}).encode() + b"\n")
    said = b""
    while b'"type": "done"' not in said:
        await anyio.wait_readable(kernel.wire)
        try:
            data = kernel.wire.recv(65536)
        except ConnectionResetError:  # after all that was said: it ended before it had read the cell
            data = b""
        if not data:
            break
        said += data
    return said.decode()


@pytest.mark.parametrize("reserve", RESERVES.values(), ids=[*RESERVES])
async def test_a_kernel_begins_as_if_nothing_had_been_run_in_it(built: Environment, tmp_path: Path, reserve: int):
    async with ready(built, tmp_path, reserve) as engine:
        kernel = await engine.acquire("one")
        first = await done(kernel, "import os; print(sorted(globals()), len(In), os.getcwd(), os.listdir('.'))")
        second = await done(kernel, "len(Out)")
        await kernel.kill()

    assert "plt" not in first
    assert "2 /mnt/data []" in first
    assert '"execution_count": 1' in first
    assert '"text/plain": "0"' in second


@pytest.mark.parametrize("reserve", RESERVES.values(), ids=[*RESERVES])
async def test_a_session_without_a_folder_is_told_so(built: Environment, tmp_path: Path, reserve: int):
    async with ready(built, tmp_path, reserve) as engine:
        kernel = await engine.acquire("two")
        said = await done(kernel, "1")
        await kernel.ended.wait()
        kernel.close()

    assert json.loads(said.splitlines()[-1])["type"] == "broken"
    assert "open_tree: No such file or directory" in said


async def test_it_makes_itself_ready_and_leaves_nothing(built: Environment, tmp_path: Path):
    others = zygotes()  # of the tests whose engines last longer
    async with Engine(built, tmp_path, Limits()):
        with anyio.fail_after(30):
            while not zygotes() - others:
                await anyio.sleep(0.01)  # polled: nobody is told of a zygote's start

    assert not zygotes() - others


def zygotes() -> set[int]:
    """The fork servers that this process has started."""
    children = " ".join(each.read_text() for each in Path("/proc/self/task").glob("*/children")).split()
    return {int(pid) for pid in children if b"inside/zygote.py" in Path(f"/proc/{pid}/cmdline").read_bytes()}
