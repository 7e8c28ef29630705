"""The other side of each figure: an ordinary ipykernel under jupyter_client's care."""

from __future__ import annotations

import tempfile
import time
import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.manager import AsyncKernelManager

from tests.bench.figures import Figure


@asynccontextmanager
async def plain_kernel(python: Path) -> AsyncGenerator[AsyncKernelClient]:
    """An ordinary ipykernel in the same environment, over unix sockets."""
    with tempfile.TemporaryDirectory(prefix="kb") as folder:
        manager = AsyncKernelManager(transport="ipc", ip=f"{folder}/{uuid.uuid4().hex[:8]}")
        assert manager.kernel_spec is not None
        manager.kernel_spec.argv = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        manager.kernel_spec.metadata = {}
        await manager.start_kernel()
        client = manager.client()
        client.start_channels()
        try:
            await client.wait_for_ready(timeout=60)
            yield client
        finally:
            client.stop_channels()
            await manager.shutdown_kernel(now=True)


async def executed(kernel: AsyncKernelClient, code: str) -> None:
    """Run a cell to its reply and its idle."""
    reply = await kernel.execute_interactive(code, output_hook=lambda _: None, allow_stdin=False)
    assert reply["content"]["status"] == "ok", reply


async def first_result(python: Path, code: str, figure: Figure) -> None:
    """Add the time from nothing to the first result; not that of the kernel's end."""
    began = time.perf_counter()
    async with plain_kernel(python) as kernel:
        await executed(kernel, code)
        figure.times.append(time.perf_counter() - began)
