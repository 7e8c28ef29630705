"""Bytes that arrive on the event loop, written by a worker thread meanwhile."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Sequence

import anyio
from anyio import to_thread

CHUNK = 1024 * 1024
"""Bytes that are worth a hop to a thread."""


async def write_all(chunks: AsyncIterator[bytes], write: Callable[[Sequence[bytes]], object]) -> None:
    """Have `write`, which blocks, take in what arrives, while more arrives. Raises what either does."""
    sender, receiver = anyio.create_memory_object_stream[list[bytes]](0)

    async def writing() -> None:
        async for block in receiver:
            await to_thread.run_sync(write, block)

    try:
        async with receiver, anyio.create_task_group() as tasks:
            tasks.start_soon(writing)
            async with sender:
                async for block in _blocks(chunks):
                    await sender.send(block)
    except BaseExceptionGroup as several:
        raise several.exceptions[0] from None


def write_through(file: int, block: Sequence[bytes]) -> None:
    """Write all of these to a file."""
    for data in block:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(file, rest) :]


async def _blocks(chunks: AsyncIterator[bytes]) -> AsyncIterator[list[bytes]]:
    waiting: list[bytes] = []
    size = 0
    async for chunk in chunks:
        waiting.append(chunk)
        size += len(chunk)
        if size >= CHUNK:
            yield waiting
            waiting, size = [], 0
    yield waiting
