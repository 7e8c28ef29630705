"""A thread as the store has it, and the writer of its notebook."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from kernelci.errors import NotFound
from kernelci.protocol.objects import Cell, Message
from kernelci.transcripts.writer import NotebookWriter


@dataclass(slots=True)
class Stored:
    """Stands for the store: threads by id, and how often each was read."""

    threads: dict[str, list[Message | Cell]] = field(default_factory=dict[str, list[Message | Cell]])
    reads: list[str] = field(default_factory=list[str])

    async def load(self, thread_id: str) -> Sequence[Message | Cell]:
        self.reads.append(thread_id)
        if thread_id not in self.threads:
            raise NotFound
        return tuple(self.threads[thread_id])


@pytest.fixture
def stored() -> Stored:
    """A store with one empty thread."""
    return Stored({"thread_1": []})


@pytest.fixture
async def writer(tmp_path: Path, stored: Stored) -> AsyncIterator[NotebookWriter]:
    """A writer of notebooks for the threads in `stored`."""
    async with NotebookWriter(tmp_path / "notebooks", stored.load) as writer:
        yield writer
