"""How quick and how small kernels are on this machine: measured with a real engine, in a folder of its own."""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import anyio

from kernelci.sandbox import leftovers
from kernelci.sandbox.engine import Engine
from kernelci.sandbox.environment import Environment
from kernelci.sandbox.kernel import Kernel
from kernelci.sandbox.level import Wanted
from kernelci.sandbox.owner import owner
from kernelci.sandbox.zygote import Limits

FIRST = "import pandas as pd, matplotlib.pyplot as plt\npd.DataFrame({'a': [1]}).sum()"
"""The cell whose result is waited for in a new kernel."""

_ROUNDS = 9
_SESSION = "measured"


@dataclass(frozen=True, slots=True)
class Figures:
    """Medians in seconds, and the bytes that an idle kernel has for itself: None where they may not be seen.

    `bare` and `reserve` are the time from nothing to the result of a cell that imports pandas and matplotlib, in a
    kernel forked for it and in one that stood ready; `warm` that of a cell in a kernel that is there.
    """

    zygote: float
    bare: float
    reserve: float
    warm: float
    memory: int | None


async def measure(environment: Environment, sandbox: Wanted) -> Figures:
    """Start an engine and take its figures; a few seconds.

    Raises:
        KernelUnavailable: this machine does not let a kernel be confined.
    """
    with tempfile.TemporaryDirectory(prefix=leftovers.prefix()) as place:
        folder = _sessions(Path(place), sandbox)
        async with Engine(environment, folder, Limits(), sandbox=sandbox, reserve=0) as engine:
            began = time.perf_counter()
            await (await engine.acquire(_SESSION)).kill()
            zygote = time.perf_counter() - began
            bare, _, memory = await _rounds(engine)
        async with Engine(environment, folder, Limits(), sandbox=sandbox, reserve=1) as engine:
            await (await engine.acquire(_SESSION)).kill()
            reserve, warm, _ = await _rounds(engine)
    return Figures(zygote, bare, reserve, warm, memory)


def _sessions(place: Path, sandbox: Wanted) -> Path:
    """A folder of sessions with ours in it, for whomever kernels run as."""
    folder = place / "sessions"
    data = folder / _SESSION / "data"
    data.mkdir(parents=True)
    folder.chmod(0o711)
    if user := owner("off" if sandbox == "off" else "namespaces"):
        os.chown(data, user, user)
    return folder


async def _rounds(engine: Engine) -> tuple[float, float, int | None]:
    """The time of a new kernel's first cell, of a later one, and the bytes of the last kernel."""
    first: list[float] = []
    later: list[float] = []
    memory: int | None = None
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        kernel = await engine.acquire(_SESSION)
        try:
            await execute(kernel, FIRST)
            first.append(time.perf_counter() - began)
            for _ in range(_ROUNDS):
                began = time.perf_counter()
                await execute(kernel, "1 + 1")
                later.append(time.perf_counter() - began)
            memory = private_bytes(kernel)
        finally:
            await kernel.kill()
    return statistics.median(first), statistics.median(later), memory


async def execute(kernel: Kernel, code: str) -> None:
    """Run a cell, whatever it puts out, to its end."""
    kernel.wire.send(json.dumps({"cell": "c", "code": code}).encode() + b"\n")
    said = b""
    while b'"type": "done"' not in said.rpartition(b"\n")[0]:
        await anyio.wait_readable(kernel.wire)
        said += kernel.wire.recv(1 << 20)


def private_bytes(kernel: Kernel) -> int | None:
    """The memory that is the kernel's alone, and its elder's if it has one; None where this user may not see it."""
    pid = kernel.pid
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        texts = [Path(f"/proc/{each}/smaps_rollup").read_text() for each in (pid, *children)]
    except PermissionError:
        return None
    lines = "".join(texts).splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Private_"))
