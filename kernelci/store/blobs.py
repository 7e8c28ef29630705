"""File bytes in a folder, each under the SHA-256 of what it holds: `ab/abcd…`.

Bytes are hashed while they are written to a file beside their place, flushed to the disk, and only then take
their name, so whatever has a name is whole. Everything here that touches the disk runs in a worker thread.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import time
from collections.abc import AsyncIterator, Sequence, Set
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import anyio
from anyio import to_thread

from kernelci.engine.ports.blobs import Blob, TooManyBytes
from kernelci.store.streams import CHUNK, write_all, write_through

YOUNG = 600.0
"""Seconds for which new bytes are not let go of: an upload of the same ones may be about to name them."""

INCOMING = ".incoming-"
_SHA256 = re.compile(r"[0-9a-f]{64}")


class FolderBlobs:
    """The Blobs of one machine. `async with` makes the folder and clears what a crash left half-written."""

    def __init__(self, folder: Path, *, young: float = YOUNG) -> None:
        self._folder = folder
        self._young = young

    async def __aenter__(self) -> Self:
        await to_thread.run_sync(self._prepare)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pass

    async def receive(self, chunks: AsyncIterator[bytes], limit: int) -> Blob:
        incoming = await to_thread.run_sync(_Incoming, self._folder, limit)
        try:
            await write_all(chunks, incoming.write)
            return await to_thread.run_sync(incoming.keep)
        finally:
            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(incoming.close)

    async def copy(self, source: BinaryIO, limit: int) -> Blob:
        return await to_thread.run_sync(self._copy, source, limit)

    async def write(self, data: bytes) -> Blob:
        return await self.copy(BytesIO(data), len(data))

    def path(self, sha256: str) -> Path:
        if not _SHA256.fullmatch(sha256):
            raise ValueError(f"not a SHA-256: {sha256!r}")
        return self._folder / sha256[:2] / sha256

    async def drop(self, sha256: str) -> None:
        await to_thread.run_sync(self._drop, self.path(sha256))

    async def sweep(self, held: Set[str]) -> None:
        """Forget all bytes but these and those that have just come."""

        def sweep() -> None:
            for path in self._folder.glob("??/*"):
                if path.name not in held:
                    self._drop(path)

        await to_thread.run_sync(sweep)

    def _drop(self, path: Path) -> None:
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime >= self._young:
                path.unlink()

    def _prepare(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for leftover in self._folder.glob(INCOMING + "*"):
            leftover.unlink()

    def _copy(self, source: BinaryIO, limit: int) -> Blob:
        incoming = _Incoming(self._folder, limit)
        try:
            while chunk := source.read(CHUNK):
                incoming.write([chunk])
            return incoming.keep()
        finally:
            incoming.close()


class _Incoming:
    """Bytes on their way in. Blocks; `close` takes away what was not kept."""

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder = folder
        self._limit = limit
        self._path = folder / (INCOMING + secrets.token_hex(8))
        self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._hash = hashlib.sha256()
        self._size = 0

    def write(self, block: Sequence[bytes]) -> None:
        self._size += sum(map(len, block))
        if self._size > self._limit:
            raise TooManyBytes(f"more than {self._limit} bytes")
        for data in block:
            self._hash.update(data)
        write_through(self._file, block)

    def keep(self) -> Blob:
        os.fsync(self._file)
        blob = Blob(sha256=self._hash.hexdigest(), size=self._size)
        name_whole(self._folder, self._path, blob.sha256)
        return blob

    def close(self) -> None:
        os.close(self._file)
        self._path.unlink(missing_ok=True)


def name_whole(blobs: Path, path: Path, sha256: str) -> None:
    """Give a file that is whole, and on the disk, its name among the blobs."""
    place = blobs / sha256[:2]
    place.mkdir(mode=0o700, exist_ok=True)
    path.replace(place / sha256)
    for folder in (place, blobs):
        flush(folder)


def flush(folder: Path) -> None:
    """Have the names in a folder survive a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
