"""The engine's own figures beside plain jupyter_client's, in one run: `python -m tests.bench engine`."""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from jupyter_client.asynchronous.client import AsyncKernelClient

from kernelci.sandbox.engine import Engine
from kernelci.sandbox.environment import Environment
from kernelci.sandbox.figures import FIRST, execute, private_bytes
from kernelci.sandbox.kernel import Kernel
from kernelci.sandbox.zygote import Limits
from tests.bench.figures import Figure, interleaved, print_pair
from tests.bench.plain import executed, first_result, plain_kernel

PLOT = "import matplotlib.pyplot as plt\nplt.plot([1, 3, 2]); plt.show()"
TIMES = """
import time
for n in range(100):
    print(time.perf_counter())
    end = time.perf_counter() + 0.003
    while time.perf_counter() < end: pass
"""
SESSION = "measured"
MANY = 40
MEBIBYTE = 1024 * 1024


async def measure(environment: Environment, rounds: int) -> None:
    """Measure and print."""
    async with engine_with(environment, reserve=0) as bare, engine_with(environment, reserve=1) as ready:
        await first_results(bare, ready, environment.python, rounds)
        async with plain_kernel(environment.python) as plain:
            await executed(plain, FIRST)
            await warm(bare, plain, rounds)
        await alone(bare, rounds)


@asynccontextmanager
async def engine_with(environment: Environment, reserve: int) -> AsyncGenerator[Engine]:
    """A warm engine on a folder of its own, with one session."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "sessions")
        data = folder / SESSION / "data"
        data.mkdir(parents=True)
        folder.chmod(0o711)
        async with Engine(environment, folder, Limits(), reserve=reserve) as engine:
            if engine.owner:
                os.chown(data, engine.owner, engine.owner)
            await (await engine.acquire(SESSION)).kill()
            yield engine


async def first_results(bare: Engine, ready: Engine, python: Path, rounds: int) -> None:
    """From nothing to a first result, with and without a plot."""
    figures = {
        "bare": Figure("kernelci: bare fork"),
        "ready": Figure("kernelci: from the reserve"),
        "plain": Figure("jupyter_client: a cold kernel"),
    }
    plots = {label: Figure(figure.name) for label, figure in figures.items()}
    engines = {"bare": bare, "ready": ready}
    for collected, code in ((figures, FIRST), (plots, PLOT)):
        for _, label in interleaved(rounds, *figures):
            if engine := engines.get(label):
                with collected[label].timed():
                    kernel = await engine.acquire(SESSION)
                    await execute(kernel, code)
                while label == "ready" and not engine.spare:
                    await anyio.sleep(0.001)  # polled, outside what is timed: the next round wants a full reserve
                await kernel.kill()
            else:
                await first_result(python, code, collected[label])
    for title, collected in (("imports pandas and matplotlib", figures), ("draws a plot", plots)):
        for label in ("bare", "ready"):
            print_pair(
                f"New session to the first result of a cell that {title}", collected[label], collected["plain"]
            )


async def warm(engine: Engine, plain: AsyncKernelClient, rounds: int) -> None:
    """An execute and its end, in a kernel that is there."""
    ours, theirs = Figure("kernelci: warm execute"), Figure("jupyter_client: warm execute")
    kernel = await engine.acquire(SESSION)
    await execute(kernel, FIRST)
    for _, label in interleaved(rounds * 20, "ours", "theirs"):
        if label == "ours":
            with ours.timed():
                await execute(kernel, "1+1")
        else:
            with theirs.timed():
                await executed(plain, "1+1")
    await kernel.kill()
    print_pair("One warm execute", ours, theirs)


async def alone(engine: Engine, rounds: int) -> None:
    """What plain Jupyter has no like of: memory, sessions a second, interrupts, kills, printed lines."""
    interrupt, kill = Figure("interrupt of a busy loop"), Figure("kill")
    line, lines = Figure("a printed line to the host"), Figure("the same, of one line each 3 ms")
    for _ in range(rounds):
        kernel = await engine.acquire(SESSION)
        await execute(kernel, FIRST)
        with line.timed():
            send(kernel, "print('x')\nwhile True: pass")
            await heard(kernel, b'"stream"')
        with interrupt.timed():
            kernel.interrupt()
            await heard(kernel, b'"done"')
        lines.times += await delays(kernel)
        with kill.timed():
            await kernel.kill()
    began = time.perf_counter()
    kernels = [await engine.acquire(SESSION) for _ in range(MANY)]
    for kernel in kernels:
        await execute(kernel, FIRST)
    took = time.perf_counter() - began
    memory = [size for kernel in kernels if (size := private_bytes(kernel)) is not None]
    for kernel in kernels:
        await kernel.kill()
    print("\nOf the engine alone")
    for figure in (interrupt, kill, line, lines):
        print(f"  {figure.name:<44} median {figure.median * 1000:9.1f} ms   p99 {figure.p99 * 1000:9.1f} ms")
    print(f"  {'new sessions, each with a first result':<44} {MANY / took:9.1f} a second")
    if memory:
        print(
            f"  {f'memory (USS) of one of {MANY} idle kernels':<44} {statistics.median(memory) / MEBIBYTE:9.1f} MiB"
        )


def send(kernel: Kernel, code: str) -> None:
    """Have a cell begin."""
    kernel.wire.send(json.dumps({"cell": "c", "code": code}).encode() + b"\n")


async def delays(kernel: Kernel) -> list[float]:
    """How long after it was printed each of many lines has arrived. They tell the time, which both sides share."""
    send(kernel, TIMES)
    late: list[float] = []
    begun = b""
    while True:
        await anyio.wait_readable(kernel.wire)
        *whole, begun = (begun + kernel.wire.recv(1 << 20)).split(b"\n")
        now = time.perf_counter()
        for message in map(json.loads, whole):
            if message["type"] == "done":
                return late
            late += [now - float(line) for line in message["content"]["text"].split()]


async def heard(kernel: Kernel, word: bytes) -> None:
    """Return when the kernel has said it."""
    said = b""
    while word not in said:
        await anyio.wait_readable(kernel.wire)
        said += kernel.wire.recv(1 << 20)
