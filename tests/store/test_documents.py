"""What is read twice is parsed once, and is what the row says now."""

from __future__ import annotations

from kernelci.engine.ports.store import Store
from kernelci.protocol.objects import Message, Thread
from kernelci.store.documents import LONGEST
from tests.conformance.objects import message, thread


def renamed(stored: Thread) -> Thread:
    return stored.model_copy(update={"metadata": {"name": "another"}})


async def test_a_row_that_is_the_same_is_the_same_object(store: Store) -> None:
    await store.put(mine := thread(), said := message(mine))
    assert await store.get(Thread, mine.id) is await store.get(Thread, mine.id)
    (read,) = await store.conversation(mine.id, Message)
    assert read == said
    assert read is await store.get(Message, said.id)


async def test_a_row_that_was_changed_is_another(store: Store) -> None:
    await store.put(mine := thread())
    assert (await store.get(Thread, mine.id)).metadata == {}
    await store.edit(Thread, mine.id, renamed)
    assert (await store.get(Thread, mine.id)).metadata == {"name": "another"}


async def test_what_is_long_is_not_held_in_memory(store: Store) -> None:
    long = {str(number): "x" * 512 for number in range(16)}
    await store.put(mine := thread().model_copy(update={"metadata": long}))
    assert await store.get(Thread, mine.id) is await store.get(Thread, mine.id)
    words = "x" * LONGEST
    await store.put(said := message(mine, words))
    read = await store.get(Message, said.id)
    assert read == said
    assert read is not await store.get(Message, said.id)
