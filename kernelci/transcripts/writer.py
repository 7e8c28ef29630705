"""The notebooks on disk: who writes them when, and how a file is replaced so that no reader sees half of one.

A thread's changes are gathered while its notebook is being written, and go into the next writing together. A
notebook that is touched for the first time, or whose writing failed, is read from the store as a whole; from
then on only what is new becomes JSON.
"""

from __future__ import annotations

import logging
import os
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import anyio
from anyio import to_thread
from anyio.abc import TaskGroup

from kernelci.errors import NotFound
from kernelci.protocol.objects import Cell, Message
from kernelci.transcripts.notebook import assembled, merged

logger = logging.getLogger(__name__)

Load = Callable[[str], Awaitable[Sequence[Message | Cell]]]
"""All messages and cells of a thread as they are stored, oldest first; raises NotFound if it is gone."""

KEPT = 64
"""Notebooks whose fragments stay in memory: those used last."""

_DRAFT = ".draft-"


class _Notebook:
    """One thread's notebook: what is written of it, and what is not yet."""

    def __init__(self) -> None:
        self.fragments: dict[str, bytes] | None = None  # None: to be read from the store
        self.waiting: list[Message | Cell] = []
        self.asked = 0  # for how many writings
        self.answered = 0  # of these, whether they succeeded or not
        self.one_at_a_time = anyio.Lock()

    @property
    def busy(self) -> bool:
        return self.answered < self.asked


class NotebookWriter:
    """The Transcripts of one folder. `async with` makes it; leaving waits for what is still to be written."""

    def __init__(self, folder: Path, load: Load) -> None:
        self._folder = folder
        self._load = load
        self._notebooks: OrderedDict[str, _Notebook] = OrderedDict()
        self._writings: TaskGroup = anyio.create_task_group()

    async def __aenter__(self) -> Self:
        await to_thread.run_sync(_prepare, self._folder)
        await self._writings.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        return await self._writings.__aexit__(kind, error, traceback)

    def path(self, thread_id: str) -> Path:
        """Where the thread's notebook is, or will be."""
        return self._folder / f"{thread_id}.ipynb"

    def put(self, thread_id: str, *items: Message | Cell) -> None:
        notebook = self._touch(thread_id)
        notebook.waiting.extend(items)
        self._ask(thread_id, notebook)

    async def settled(self, thread_id: str) -> None:
        notebook = self._touch(thread_id)
        if notebook.fragments is None or not await to_thread.run_sync(self.path(thread_id).exists):
            self._ask(thread_id, notebook)
        asked = notebook.asked
        while notebook.answered < asked:
            async with notebook.one_at_a_time:  # held while there is something to write
                pass

    async def drop(self, thread_id: str) -> None:
        notebook = self._touch(thread_id)
        async with notebook.one_at_a_time:
            notebook.fragments = None
            await to_thread.run_sync(partial(self.path(thread_id).unlink, missing_ok=True))

    def _touch(self, thread_id: str) -> _Notebook:
        notebook = self._notebooks.setdefault(thread_id, _Notebook())
        self._notebooks.move_to_end(thread_id)
        for idle in [key for key, each in self._notebooks.items() if not each.busy][: len(self._notebooks) - KEPT]:
            if idle != thread_id: del self._notebooks[idle]
        return notebook
