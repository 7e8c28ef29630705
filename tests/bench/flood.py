"""What 100 MB of printed output do to the server, to its kernel and to the other sessions."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import anyio

from kernelci.sandbox.engine import Engine
from kernelci.sandbox.environment import Environment
from kernelci.sandbox.zygote import Limits
from kernelci.sessions.pool import SessionPool
from kernelci.settings import Settings
from tests.bench.density import unheard
from tests.bench.figures import Figure, print_pair

FLOODS = {
    "100 MB in a million lines": "for n in range(1_000_000): print('x' * 99)",
    "100 MB in one print": "print('x' * 100_000_000)",
    "100 MB of a subprocess": "!yes xxxxxxxxx | head -c 100000000",
}
_PEAK = "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
_ROUNDS = 100


async def measure(environment: Environment) -> None:
    """Measure, in a real pool, and print."""
    for name, code in FLOODS.items():
        with tempfile.TemporaryDirectory() as folder:
            async with (
                Engine(environment, Path(folder), Limits()) as engine,
                SessionPool(Path(folder), Settings(), engine) as pool,
            ):
                await _flood(pool, name, code)


async def _flood(pool: SessionPool, name: str, code: str) -> None:
    before, during = Figure("another session's cell, before"), Figure("the same, meanwhile")
    for session in ("flooding", "other"):
        await pool.execute(session, "1+1", files=(), on_output=unheard)
    for _ in range(_ROUNDS):
        with before.timed():
            await pool.execute("other", "1+1", files=(), on_output=unheard)
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted anew
    held = _memory("VmRSS")
    flooded = anyio.Event()

    async def flood() -> None:
        await pool.execute("flooding", code, files=(), on_output=unheard)
        flooded.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(flood)
        while not flooded.is_set():
            with during.timed():
                await pool.execute("other", "1+1", files=(), on_output=unheard)
    grown = _memory("VmHWM") - held
    peak = await pool.execute("flooding", _PEAK, files=(), on_output=unheard)
    print_pair(name, during, before)
    print(f"  {'memory of the server, at most':<44} {grown / 1024:+9.1f} MiB")
    print(f"  {'memory of the kernel, at most':<44} {int(str(peak.outputs[0]['text'])) / 1024:9.1f} MiB")


def _memory(what: str) -> int:
    """KiB of this process."""
    lines = Path(f"/proc/{os.getpid()}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(what))
