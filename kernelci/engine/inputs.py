"""Which files a run's session sees: the assistant's, the run's, the thread's and the pictures in messages."""

from __future__ import annotations

from collections.abc import Iterable

from kernelci.engine.ports.store import Store
from kernelci.protocol.objects import Assistant, File, Message, Run, Thread
from kernelci.protocol.parts import ImageFilePart


async def session_files(store: Store, run: Run, messages: Iterable[Message]) -> tuple[File, ...]:
    """The files to mount, in the order they were given, each once; those deleted since are left out."""
    assistant = await store.find(Assistant, run.assistant_id)
    thread = await store.find(Thread, run.thread_id)
    ids = dict.fromkeys(
        (
            *(assistant.tool_resources.file_ids if assistant else ()),
            *run.tool_resources.file_ids,
            *(thread.tool_resources.file_ids if thread else ()),
            *pictures_in(messages),
        )
    )
    found = [await store.find(File, id) for id in ids]
    return tuple(file for file in found if file)


def pictures_in(messages: Iterable[Message]) -> list[str]:
    """The ids of the picture files that users put into messages."""
    return [
        part.image_file.file_id
        for message in messages
        if message.role == "user"
        for part in message.content
        if isinstance(part, ImageFilePart)
    ]
