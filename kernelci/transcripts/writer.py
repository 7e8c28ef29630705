"""The notebooks on disk: when each is written, and how a file is replaced so that no reader sees half of one.

What happens to a thread within a moment is written together, at the latest when somebody waits for it: a run of
many steps writes its notebook once, or once a moment. What happens while it is being written comes next. A
notebook that is touched for the first time, or whose writing failed, is made from the store as a whole; after
that only what is new becomes JSON (notebook.py).
"""

from __future__ import annotations

import logging
import os
import re
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import anyio
from anyio import to_thread

from kernelci.errors import NotFound
from kernelci.protocol.objects import Cell, Message
from kernelci.transcripts.notebook import assembled, merged

logger = logging.getLogger(__name__)

Load = Callable[[str], Awaitable[Sequence[Message | Cell]]]
"""A thread's messages and cells as they are stored, oldest first; raises NotFound if there is no such thread."""

MOMENT = 0.5
"""Seconds for which a notebook may be behind while nobody waits for it."""

KEPT = 64
HELD = 64 * 1024 * 1024
"""Notebooks whose fragments stay in memory, and their bytes: those used last, the very last whatever its size."""

DRAFT = ".draft-"
_THREAD_ID = re.compile(r"[A-Za-z0-9_-]+")


class _Notebook:
    """What is known of one thread's notebook, and what is still to be done for it."""

    def __init__(self) -> None:
        self.fragments: dict[str, bytes] | None = None  # None: to be made from the store
        self.size = 0  # of the fragments
        self.waiting: list[Message | Cell] = []
        self.asked = 0  # writings that were asked for
        self.answered = 0  # those of them that are over, well or not
        self.over = anyio.Event()
        self.wanted = anyio.Event()  # somebody waits
        self.busy = False
        self.one_at_a_time = anyio.Lock()


class NotebookWriter:
    """The Transcripts of one folder. `async with` makes it; leaving waits for what is still to be written."""

    def __init__(self, folder: Path, load: Load, *, moment: float = MOMENT, held: int = HELD) -> None:
        self._folder = folder
        self._load = load
        self._notebooks: OrderedDict[str, _Notebook] = OrderedDict()
        self._moment = moment
        self._held = held

    async def __aenter__(self) -> Self:
        await to_thread.run_sync(_prepare, self._folder)
        self._writings = await anyio.create_task_group().__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        self._moment = 0.0
        for notebook in self._notebooks.values():
            notebook.wanted.set()
        return await self._writings.__aexit__(kind, error, traceback)

    def path(self, thread_id: str) -> Path:
        """Where the thread's notebook is, once it is settled; raises NotFound for what is no id."""
        if not _THREAD_ID.fullmatch(thread_id):
            raise NotFound(f"No thread found with id '{thread_id}'.")
        return self._folder / f"{thread_id}.ipynb"

    def put(self, thread_id: str, *items: Message | Cell) -> None:
        self._ask(thread_id, items)

    async def settled(self, thread_id: str) -> None:
        notebook = self._ask(thread_id, ())
        notebook.wanted.set()
        asked = notebook.asked
        while notebook.answered < asked:
            await notebook.over.wait()

    async def drop(self, thread_id: str) -> None:
        notebook = self._touch(thread_id)
        async with notebook.one_at_a_time:
            notebook.waiting.clear()
            notebook.fragments, notebook.size = None, 0
            await to_thread.run_sync(partial(self.path(thread_id).unlink, missing_ok=True))

    def _touch(self, thread_id: str) -> _Notebook:
        notebook = self._notebooks.setdefault(thread_id, _Notebook())
        self._notebooks.move_to_end(thread_id)
        self._make_room()
        return notebook

    def _make_room(self) -> None:
        """Forget what was used longest ago and is not in use, as long as there is too much."""
        count, size = len(self._notebooks), sum(each.size for each in self._notebooks.values())
        for id, each in list(self._notebooks.items())[:-1]:
            if count <= KEPT and size <= self._held:
                return
            if not each.busy and not each.one_at_a_time.locked():
                del self._notebooks[id]
                count, size = count - 1, size - each.size

    def _ask(self, thread_id: str, items: Iterable[Message | Cell]) -> _Notebook:
        notebook = self._touch(thread_id)
        notebook.waiting.extend(items)
        notebook.asked += 1
        if not notebook.busy:
            notebook.busy = True
            self._writings.start_soon(self._write, thread_id, notebook)
        return notebook

    async def _write(self, thread_id: str, notebook: _Notebook) -> None:
        while notebook.answered < notebook.asked:
            with anyio.move_on_after(self._moment):
                await notebook.wanted.wait()
            notebook.wanted = anyio.Event()
            asked = notebook.asked
            async with notebook.one_at_a_time:
                await self._try(thread_id, notebook)
            notebook.answered = asked
            notebook.over.set()
            notebook.over = anyio.Event()
        notebook.busy = False
        self._make_room()

    async def _try(self, thread_id: str, notebook: _Notebook) -> None:
        """Bring the file up to date. Whatever goes wrong, the next try begins from the store."""
        known, notebook.fragments, notebook.size = notebook.fragments, None, 0
        try:
            if known is None:
                notebook.waiting.clear()  # the store has them already
                loaded = await self._load(thread_id)
                items, notebook.waiting = [*loaded, *notebook.waiting], []
            else:
                items, notebook.waiting = notebook.waiting, []
            fragments = await to_thread.run_sync(_save, self.path(thread_id), thread_id, known, items)
            notebook.fragments, notebook.size = fragments, sum(map(len, fragments.values()))
        except NotFound:
            notebook.waiting.clear()  # the thread was deleted
        except Exception as error:  # a notebook can be made again; nothing else should fail for it
            logger.warning(
                "The notebook of %s could not be written (%s). It will be, with the thread's next message.",
                thread_id,
                error if isinstance(error, OSError) else type(error).__name__,
                extra={"action": "notebook_not_written"},
            )
            logger.debug("The reason in full", exc_info=error, extra={"action": "notebook_not_written"})


def _save(
    path: Path, thread_id: str, known: Mapping[str, bytes] | None, items: Sequence[Message | Cell]
) -> dict[str, bytes]:
    """Write the notebook, unless it stands as it is known to be; gives the fragments it is made of."""
    fragments = merged(known or {}, items)
    if known is None or items or not path.exists():
        _replace(path, assembled(thread_id, fragments))
    return fragments


def _replace(path: Path, pieces: Iterable[bytes]) -> None:
    """Give the file this content for good: a reader, or a crash, finds the old one or the new one."""
    draft = path.with_name(DRAFT + secrets.token_hex(8))
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _prepare(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for leftover in folder.glob(DRAFT + "*"):
        leftover.unlink()
