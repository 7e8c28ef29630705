"""Threads as long-used ones are, written into a data folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from kernelci.engine.results import excerpted
from kernelci.protocol import ids
from kernelci.protocol.objects import CodeCall, CodeRun, Logs, Message, Run, RunStep, Thread, ToolCalls
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


def printed(thread: Thread, count: int) -> Iterator[tuple[Run, RunStep]]:
    """So many runs of a cell that has printed a megabyte."""
    for _ in range(count):
        run = _ended(thread)
        code = CodeRun(input="show()", outputs=(Logs(logs=f"{WORDS[:99]}\n" * 10_000),))
        step = RunStep(
            id=ids.new("step"),
            created_at=ids.now(),
            run_id=run.id,
            assistant_id=run.assistant_id,
            thread_id=thread.id,
            type="tool_calls",
            status="completed",
            step_details=ToolCalls(tool_calls=(CodeCall(id=ids.new_call(), code_interpreter=code),)),
        )
        yield run, excerpted(step)


def _ended(thread: Thread) -> Run:
    return Run(
        id=ids.new("run"),
        created_at=ids.now(),
        thread_id=thread.id,
        assistant_id="asst_1",
        model="m",
        status="completed",
    )


async def fill(folder: Path, threads: int, messages: int) -> list[str]:
    """Make a data folder with so many threads of so many messages and an ended run each; gives their ids."""
    made: list[str] = []
    async with DataFolder(folder) as data, SqlStore(data.url) as store:
        for _ in range(threads):
            thread = Thread(id=ids.new("thread"), created_at=ids.now())
            await store.put(thread, *said(thread, messages), _ended(thread))
            made.append(thread.id)
    return made
