"""Threads as long-used ones are, written into a data folder."""

from __future__ import annotations

from pathlib import Path

from kernelci.protocol import ids
from kernelci.protocol.objects import Message, Run, Thread
from kernelci.protocol.parts import Text, TextPart
from kernelci.store.folder import DataFolder
from kernelci.store.store import SqlStore

WORDS = "word " * 100


def said(thread: Thread, count: int) -> list[Message]:
    """So many messages of a thread, by the user and the assistant in turn."""
    return [
        Message(
            id=ids.new("message"),
            created_at=ids.now(),
            thread_id=thread.id,
            role="assistant" if number % 2 else "user",
            content=(TextPart(text=Text(value=WORDS)),),
        )
        for number in range(count)
    ]


async def fill(folder: Path, threads: int, messages: int) -> list[str]:
    """Make a data folder with so many threads of so many messages and an ended run each; gives their ids."""
    made: list[str] = []
    async with DataFolder(folder) as data, SqlStore(data.url) as store:
        for _ in range(threads):
            thread = Thread(id=ids.new("thread"), created_at=ids.now())
            run = Run(
                id=ids.new("run"),
                created_at=ids.now(),
                thread_id=thread.id,
                assistant_id="asst_1",
                model="m",
                status="completed",
            )
            await store.put(thread, *said(thread, messages), run)
            made.append(thread.id)
    return made
