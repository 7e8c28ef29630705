"""From a session's folder and outputs to the API's files: figures that were displayed, files that are linked.

Only what is displayed or linked is stored. A file that has not changed since it was last published keeps its
id, which its inode, size and times tell.
"""

from __future__ import annotations

import base64
import re
import uuid
from collections import OrderedDict
from urllib.parse import unquote

from kernelci.engine.events import Emit, FileProduced
from kernelci.engine.ports.blobs import Blob, Blobs, TooManyBytes
from kernelci.engine.ports.sessions import SessionFile, Sessions
from kernelci.engine.ports.store import Store
from kernelci.protocol import ids
from kernelci.protocol.objects import File, Run

FOLDER = "/mnt/data/"
PRODUCED = "assistants_output"
_REMEMBERED = 4096
_TRAILING = re.compile(r"[.,;:!?'\"*_`\]]+$")


class Publisher:
    """Makes files of what cells show and what messages link to."""

    def __init__(self, *, store: Store, blobs: Blobs, sessions: Sessions, limit: int) -> None:
        self._store = store
        self._blobs = blobs
        self._sessions = sessions
        self._limit = limit
        self._published: OrderedDict[tuple[str, str, tuple[int, ...]], File] = OrderedDict()

    async def figure(self, picture: str, run: Run, emit: Emit) -> File:
        """A picture in base64 as a file. Hosted ones have a bare GUID for a name (protocol.md 2.1)."""
        data = base64.b64decode(picture, validate=False)
        return await self._produce(str(uuid.uuid4()), await self._blobs.write(data), run, emit)

    async def linked(self, link: str, run: Run, emit: Emit) -> tuple[str, File] | None:
        """The file behind `sandbox:/mnt/data/...` and the part of the text that is its link, or None."""
        target = link.removeprefix("sandbox:").removeprefix(FOLDER)
        plain = _TRAILING.sub("", target)
        for path in dict.fromkeys((target, unquote(target), plain, unquote(plain))):
            found = await self._sessions.file(run.thread_id, path) if path else None
            if found is not None:
                text = link if path in {target, unquote(target)} else link[: len(link) - len(target) + len(plain)]
                file = await self._publish(found, run, emit)
                return (text, file) if file else None
        return None

    async def _publish(self, found: SessionFile, run: Run, emit: Emit) -> File | None:
        key = (run.thread_id, found.name, found.stamp)
        known = self._published.get(key)
        with found.handle as handle:
            if known and await self._store.find(File, known.id):
                return known
            try:
                blob = await self._blobs.copy(handle, self._limit)
            except TooManyBytes:
                return None
        file = await self._produce(FOLDER + found.name, blob, run, emit)
        self._published[key] = file
        if len(self._published) > _REMEMBERED:
            self._published.popitem(last=False)
        return file

    async def _produce(self, filename: str, blob: Blob, run: Run, emit: Emit) -> File:
        file = File(
            id=ids.new("file", run.surface),
            created_at=ids.now(),
            bytes=blob.size,
            filename=filename,
            purpose=PRODUCED,
            blob=blob.sha256,
        )
        await emit(FileProduced(file))
        return file
