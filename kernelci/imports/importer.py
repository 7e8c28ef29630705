"""Takes an export into a data folder: files first, then assistants, then thread by thread, each as one.

What is there already is left as it is, so an import that was broken off is simply begun again. What cannot be
taken in is told of and left out; it does not keep the rest from coming.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import BinaryIO, cast

import anyio.to_thread

from kernelci.engine.ports.blobs import Blobs, TooManyBytes
from kernelci.engine.ports.store import Store
from kernelci.engine.ports.transcripts import Transcripts
from kernelci.errors import InvalidRequest
from kernelci.imports.archive import DAMAGED, Archive, Member, reason
from kernelci.imports.export import Export
from kernelci.imports.order import oldest_first
from kernelci.imports.thread import ThreadParts
from kernelci.protocol import ids
from kernelci.protocol.objects import Assistant, Cell, File, Object, Thread
from kernelci.protocol.parts import JsonObject

PICTURE = 16 << 20
"""Bytes of the largest picture that goes into a notebook."""

_MAGIC = ((b"\x89PNG\r\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"))

Told = Callable[[str], None]
"""Is told what is left out, and why, in a sentence."""


@dataclass(slots=True)
class Taken:
    """How many objects came in and how many were there already, by kind; the threads that came in."""

    new: Counter[str] = field(default_factory=Counter[str])
    known: Counter[str] = field(default_factory=Counter[str])
    left: int = 0
    threads: list[str] = field(default_factory=list[str])


class Importer:
    """Takes in one archive for the store's owner. Nobody else may work on the data folder meanwhile."""

    def __init__(self, *, store: Store, blobs: Blobs, transcripts: Transcripts, limit: int, told: Told) -> None:
        self._store = store
        self._blobs = blobs
        self._transcripts = transcripts
        self._limit = limit
        self._told = told
        self._taken = Taken()

    async def take(self, archive: Archive) -> Taken:
        """Take in all that can be taken in."""
        export = await anyio.to_thread.run_sync(Export, archive, self._leave)
        contents = archive.contents()
        for name in archive.zips():
            self._told(f"{name}, which is a zip: if it is an export, import it by itself")
        for kind, count in export.others.items():
            self._told(f"{count} of the kind {kind}: there is nothing here yet that could keep them")
        for file in oldest_first(export.files.values()):
            await self._file(file, contents.get(file.id))
        for assistant in oldest_first(export.assistants.values()):
            await self._assistant(assistant)
        for parts in sorted(export.threads.values(), key=lambda parts: parts.created_at):
            await self._thread(parts)
        return self._taken

    async def _file(self, file: File, content: Member | None) -> None:
        name = f"{file.id} ({file.filename})"
        if await self._store.find(File, file.id):
            self._taken.known["file"] += 1
            return
        if file.expires_at is not None and file.expires_at <= ids.now():
            self._leave(f"{name}: its time is over")
            return
        if content is None:
            self._leave(f"{name}: its bytes are not in the export")
            return
        try:
            with content.open() as handle:
                blob = await self._blobs.copy(cast(BinaryIO, handle), self._limit)
        except (TooManyBytes, *DAMAGED) as error:
            self._leave(f"{name}: {reason(error)}")
            return
        if await self._put(file.model_copy(update={"blob": blob.sha256, "bytes": blob.size}), of=name):
            self._taken.new["file"] += 1

    async def _assistant(self, assistant: Assistant) -> None:
        if await self._store.find(Assistant, assistant.id):
            self._taken.known["assistant"] += 1
            return
        if await self._put(assistant, of=assistant.id):
            self._taken.new["assistant"] += 1

    async def _thread(self, parts: ThreadParts) -> None:
        """A thread with all that is in it, or nothing of it."""
        if await self._store.find(Thread, parts.id):
            self._taken.known["thread"] += 1
            return
        for step in parts.without_run():
            self._leave(f"{step.id}: its run {step.run_id} is not in the export")
        pictures = await self._bundles(parts)
        objects = tuple(parts.arranged(pictures.get))
        for object in objects:
            if await self._store.find(type(object), object.id):
                self._leave(f"{parts.id}: {object.id} is in another thread already")
                return
        if not await self._put(*objects, of=parts.id):
            return
        self._transcripts.put(parts.id)
        await self._transcripts.settled(parts.id)
        self._taken.threads.append(parts.id)
        self._taken.new += Counter(object.object for object in objects if not isinstance(object, Cell))

    async def _put(self, *objects: Object, of: str) -> bool:
        """Store them together, if the store takes them."""
        try:
            await self._store.put(*objects)
        except InvalidRequest as refused:
            self._leave(f"{of}: {refused.message}")
            return False
        return True

    async def _bundles(self, parts: ThreadParts) -> dict[str, JsonObject]:
        """The mime bundles of the pictures that the thread's cells displayed, by file id."""
        bundles: dict[str, JsonObject] = {}
        for id in parts.pictures():
            file = await self._store.find(File, id)
            if file and file.bytes <= PICTURE:
                data = await anyio.to_thread.run_sync(self._blobs.path(file.blob).read_bytes)
                if kind := next((kind for magic, kind in _MAGIC if data.startswith(magic)), None):
                    bundles[id] = {kind: base64.b64encode(data).decode()}
        return bundles

    def _leave(self, why: str) -> None:
        self._taken.left += 1
        self._told(why)
