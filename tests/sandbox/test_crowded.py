"""Where there is no room for another kernel, that one is refused, and those that are there go on."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

from kernelci.errors import KernelUnavailable
from kernelci.sandbox.engine import Engine
from kernelci.sandbox.environment import Environment
from kernelci.sandbox.kernel import Kernel
from kernelci.sandbox.zygote import Limits
from tests.sandbox.test_engine import done, ready

BEYOND_SELECT = 1100
"""More descriptors than select() can stand."""


async def test_a_kernel_too_many_is_refused_and_the_others_go_on(built: Environment, tmp_path: Path):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = {int(each.name) for each in Path("/proc/self/fd").iterdir()}
    few = [number for number in range(len(taken) + 24) if number not in taken][23]
    data = tmp_path / "one" / "data"
    data.mkdir(parents=True)
    tmp_path.chmod(0o711)
    async with Engine(built, tmp_path, Limits(), sandbox="namespaces", reserve=0) as engine:
        if engine.owner:
            os.chown(data, engine.owner, engine.owner)
        resource.setrlimit(resource.RLIMIT_NOFILE, (few, hard))
        try:
            first = await engine.acquire("one")  # from a zygote that may open few files
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        kernels: list[Kernel] = []
        with pytest.raises(KernelUnavailable, match="No room for another kernel"):
            await fill(engine, kernels)

        assert '"2"' in await done(first, "1 + 1")

        for kernel in kernels[:2]:
            await kernel.kill()
        kernels[:2] = [await at_work(engine) for _ in range(2)]  # the refusals have taken nothing

        assert '"4"' in await done(kernels[1], "2 + 2")
        for kernel in (first, *kernels):
            await kernel.kill()


async def fill(engine: Engine, kernels: list[Kernel]) -> None:
    """Add kernels for as long as there is room."""
    while len(kernels) < BEYOND_SELECT:
        kernels.append(await at_work(engine))


async def at_work(engine: Engine) -> Kernel:
    """A kernel whose zygote has no more to do for it."""
    kernel = await engine.acquire("one")
    await done(kernel, "1")
    return kernel


async def test_descriptors_may_have_large_numbers(built: Environment, tmp_path: Path):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (2 * BEYOND_SELECT, hard))
    opened = [os.open("/dev/null", os.O_RDONLY) for _ in range(BEYOND_SELECT)]
    try:
        async with ready(built, tmp_path, 1) as engine:
            kernel = await engine.acquire("one")
            said = await done(kernel, "1 + 1")
            await kernel.kill()
    finally:
        for each in opened:
            os.close(each)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert '"2"' in said
    assert kernel.is_over
