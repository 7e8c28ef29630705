"""What the engine needs of the notebooks."""

from __future__ import annotations

from typing import Protocol

from kernelci.protocol.objects import Cell, Message


class Transcripts(Protocol):
    """The notebooks, one a thread. Derived: a lost one is rebuilt from the store."""

    def put(self, thread_id: str, *items: Message | Cell) -> None:
        """Add or replace messages and cells by id, in the order they come; already in the store. Writes soon."""
        ...

    async def settled(self, thread_id: str) -> None:
        """Return when all that was put is on disk. A notebook that cannot be written is logged, not raised."""
        ...

    async def drop(self, thread_id: str) -> None:
        """Delete the notebook."""
        ...
