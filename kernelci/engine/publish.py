"""From a session's folder and outputs to the API's files: figures that were displayed, files that are linked.

Only what is displayed or linked is stored. A file that has not changed since it was last published keeps its
id, which its inode, size and times tell.
"""

from __future__ import annotations

import base64
import binascii
import re
import uuid
from collections import OrderedDict
from collections.abc import Iterable
from urllib.parse import unquote

from kernelci.engine.events import FileProduced
from kernelci.engine.ports import Blob, Blobs, Emit, SessionFile, Sessions, Store, TooManyBytes
from kernelci.protocol import ids
from kernelci.protocol.objects import CodeOutput, File, FileId, Image, Logs, Run
from kernelci.protocol.parts import JsonObject

FOLDER = "/mnt/data/"
PRODUCED = "assistants_output"
_PICTURES = ("image/png", "image/jpeg")
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

    async def outputs(self, notebook: Iterable[JsonObject], run: Run, emit: Emit) -> tuple[CodeOutput, ...]:
        """A cell's outputs as the API shows them; figures become files on the way."""
        shown: list[CodeOutput] = []
        for output in notebook:
            picture = _picture(output)
            if picture is not None:
                file = await self._figure(picture, run, emit)
                shown.append(Image(image=FileId(file_id=file.id)))
            elif text := _text(output):
                shown.append(Logs(logs=text))
        return merged(shown)

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

    async def _figure(self, data: bytes, run: Run, emit: Emit) -> File:
        # Hosted figures have a bare GUID for a name (protocol.md 2.1).
        return await self._produce(str(uuid.uuid4()), await self._blobs.write(data), run, emit)

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


def merged(outputs: Iterable[CodeOutput]) -> tuple[CodeOutput, ...]:
    """The outputs with neighbouring logs made one, each on a line of its own."""
    shown: list[CodeOutput] = []
    for output in outputs:
        last = shown[-1] if shown else None
        if isinstance(output, Logs) and isinstance(last, Logs):
            gap = "" if last.logs.endswith("\n") else "\n"
            shown[-1] = Logs(logs=last.logs + gap + output.logs)
        else:
            shown.append(output)
    return tuple(shown)


def _picture(output: JsonObject) -> bytes | None:
    """The bytes of an output's picture; None where it has none that can be read."""
    data: JsonObject = output.get("data") or {}
    for kind in _PICTURES:
        if isinstance(data.get(kind), str):
            try:
                return base64.b64decode(data[kind], validate=False)
            except binascii.Error:
                return None
    return None


def _text(output: JsonObject) -> str:
    match output["output_type"]:
        case "stream":
            return str(output["text"])
        case "error":
            return "\n".join(output["traceback"]) or f"{output['ename']}: {output['evalue']}"
        case _:
            return str(output["data"].get("text/plain", ""))
