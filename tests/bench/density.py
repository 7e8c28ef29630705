"""Live sessions in so much memory, each answering: `python -m tests.bench.density WHOSE GROUP`, in its own process.

Ours are counted, in a real pool, until the group is nearly full. Plain ones are so slow to start that their number
is reckoned from the memory of a few. Where there is no group, both are reckoned, from what the processes share.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import anyio

from kernelci.engine.ports.sessions import Told
from kernelci.sandbox.engine import Engine
from kernelci.sandbox.environment import environment
from kernelci.sandbox.figures import FIRST
from kernelci.sandbox.zygote import Limits
from kernelci.sessions.pool import SessionPool
from kernelci.settings import Settings
from tests.bench.group import in_use, memory_group, shares
from tests.bench.plain import executed, plain_kernel

ROOM = 4 << 30
"""Bytes that all sessions have together."""

_FULL = 0.97
_FEW = 8
_MOST = 500


def report() -> None:
    """Measure both, each in a group of its own, and print."""
    print(f"\nLive sessions with pandas and matplotlib in {ROOM >> 30} GiB, each answering")
    for whose, name in (("ours", "kernelci"), ("plain", "jupyter_client")):
        with memory_group(ROOM) as group:
            command = [sys.executable, "-m", "tests.bench.density", whose, str(group or "")]
            told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
            print(f"  {name:<44} {told}", flush=True)


async def ours(used: Callable[[], int], *, counted: bool) -> str:
    """Start sessions in a pool, and have each answer."""
    settings = Settings(max_kernels=_MOST)
    with tempfile.TemporaryDirectory() as folder:
        async with (
            Engine(environment(settings.cache_dir), Path(folder), Limits()) as engine,
            SessionPool(Path(folder), settings, engine) as pool,
        ):
            names: list[str] = []
            empty = 0
            while len(names) < (_MOST if counted else _FEW * 5) and used() < _FULL * ROOM:
                names.append(f"s{len(names)}")
                await pool.execute(names[-1], FIRST, files=(), on_output=unheard)
                if len(names) == 1:
                    empty = used()
            each = (used() - empty) / (len(names) - 1)
            answers = [await pool.execute(name, "len(Out)", files=(), on_output=unheard) for name in names]
            alive = sum(answer.status == "ok" and answer.execution_count == 2 for answer in answers)
    if counted:
        return f"{alive} counted, {each / 2**20:.1f} MiB each"
    return f"{(ROOM - empty) / each:.0f} reckoned from {len(names)}, {each / 2**20:.1f} MiB each"


async def plain(used: Callable[[], int]) -> str:
    """Start a few ordinary kernels."""
    python = environment(Settings().cache_dir).python
    async with AsyncExitStack() as stack:
        empty = used()
        for _ in range(_FEW):
            await executed(await stack.enter_async_context(plain_kernel(python)), FIRST)
        each = (used() - empty) / _FEW
    return f"{(ROOM - empty) / each:.0f} reckoned from {_FEW}, {each / 2**20:.1f} MiB each"


async def unheard(_told: Told, _text: str) -> None:
    """Told what is shown where nobody listens."""


def main(arguments: Sequence[str]) -> None:
    """Enter the group, if there is one, and measure."""
    whose, group = arguments
    if group:
        Path(group, "cgroup.procs").write_text(str(os.getpid()))

    def used() -> int:
        return in_use(Path(group)) if group else shares()

    print(anyio.run(partial(ours, used, counted=bool(group)) if whose == "ours" else partial(plain, used)))


if __name__ == "__main__":
    main(sys.argv[1:])
