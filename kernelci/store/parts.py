"""The parts of uploads on disk, and how they become one blob without being written twice where that can be helped.

    <blobs>/.uploads/<upload id>/first    parts, each after the one that came before it
                                 <random> a part that came while another was coming

Parts that come one after the other and are joined in that order are the file already: it gets another name, and
no byte is copied. Any other order is put together by the kernel, which on some file systems shares the bytes.
What has become a blob is never written to again: it has two names then, by which even the next server knows it.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Generator, Sequence, Set
from contextlib import contextmanager
from pathlib import Path

import anyio
from anyio import to_thread

from kernelci.engine.ports.blobs import Blob, TooManyBytes, WrongBytes
from kernelci.protocol.uploads import Stretch
from kernelci.store.blobs import INCOMING, YOUNG, flush, name_whole
from kernelci.store.streams import CHUNK, write_all, write_through

FOLDER = ".uploads"
FIRST = "first"


class FolderParts:
    """The Parts of one machine, beside the blobs that they become."""

    def __init__(self, blobs: Path, *, young: float = YOUNG) -> None:
        self._blobs = blobs
        self._young = young
        self._busy: set[str] = set()

    async def receive(self, upload_id: str, chunks: AsyncIterator[bytes], limit: int) -> Stretch:
        with self._alone(upload_id) as alone:
            growing = await to_thread.run_sync(_Growing, self._folder(upload_id), alone, limit)
            try:
                await write_all(chunks, growing.write)
                return await to_thread.run_sync(growing.keep)
            finally:
                with anyio.CancelScope(shield=True):
                    await to_thread.run_sync(growing.close)

    async def join(self, upload_id: str, stretches: Sequence[Stretch], md5: str | None) -> Blob:
        with self._alone(upload_id) as alone:
            return await to_thread.run_sync(
                _join, self._blobs, self._folder(upload_id), stretches, md5.lower() if md5 else None, alone
            )

    async def drop(self, upload_id: str) -> None:
        await to_thread.run_sync(_remove, self._folder(upload_id))

    async def sweep(self, pending: Set[str]) -> None:
        """Forget the parts of all uploads but these and those that have just begun."""

        def sweep() -> None:
            for folder in (self._blobs / FOLDER).glob("*"):
                if folder.name not in pending and time.time() - folder.stat().st_mtime >= self._young:
                    _remove(folder)

        await to_thread.run_sync(sweep)

    def _folder(self, upload_id: str) -> Path:
        return self._blobs / FOLDER / upload_id

    @contextmanager
    def _alone(self, upload_id: str) -> Generator[bool]:
        """Whether nobody else is at work on the first file of the upload."""
        alone = upload_id not in self._busy
        self._busy.add(upload_id)
        try:
            yield alone
        finally:
            if alone:
                self._busy.discard(upload_id)


class _Growing:
    """A file that takes in a part. Blocks; `close` takes away what was not kept."""

    def __init__(self, folder: Path, alone: bool, limit: int) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = folder / (FIRST if alone and not _is_blob(folder / FIRST) else secrets.token_hex(8))
        self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._start = os.fstat(self._file).st_size
        self._limit = limit
        self._size = 0
        self._is_kept = False

    def write(self, block: Sequence[bytes]) -> None:
        self._size += sum(map(len, block))
        if self._size > self._limit:
            raise TooManyBytes(f"more than {self._limit} bytes")
        write_through(self._file, block)

    def keep(self) -> Stretch:
        os.fsync(self._file)
        for folder in self._path.parents[:3]:
            flush(folder)
        self._is_kept = True
        return Stretch(name=self._path.name, start=self._start, size=self._size)

    def close(self) -> None:
        if not self._is_kept:
            os.ftruncate(self._file, self._start)
        os.close(self._file)


def _is_blob(path: Path) -> bool:
    return path.exists() and path.stat().st_nlink > 1


def _join(blobs: Path, folder: Path, stretches: Sequence[Stretch], md5: str | None, alone: bool) -> Blob:
    whole = blobs / (INCOMING + secrets.token_hex(8))
    try:
        if alone and _is_whole(folder, stretches):
            whole.hardlink_to(folder / FIRST)
        else:
            _concatenate(folder, stretches, whole)
        blob = _hashed(whole, md5)
        os.utime(whole)  # it counts as new from now on, or a sweep could take it before its file is stored
        name_whole(blobs, whole, blob.sha256)
        return blob
    finally:
        whole.unlink(missing_ok=True)


def _is_whole(folder: Path, stretches: Sequence[Stretch]) -> bool:
    """Whether the first file is just these, in this order."""
    end = 0
    for each in stretches:
        if each.name != FIRST or each.start != end:
            return False
        end += each.size
    return (folder / FIRST).stat().st_size == end


def _concatenate(folder: Path, stretches: Sequence[Stretch], path: Path) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as whole:
        for each in stretches:
            with (folder / each.name).open("rb") as part:
                _copy(part.fileno(), each.start, each.size, whole.fileno())
        os.fsync(whole.fileno())


def _copy(source: int, start: int, size: int, target: int) -> None:
    """Append a stretch of a file to another."""
    end = start + size
    while start < end:
        try:
            copied = os.copy_file_range(source, target, end - start, start)
        except OSError:  # not on this system
            copied = os.sendfile(target, source, start, end - start)
        if not copied:
            raise EOFError("a part is shorter than it was")
        start += copied


def _hashed(path: Path, md5: str | None) -> Blob:
    hashes = [hashlib.sha256(), *([hashlib.md5(usedforsecurity=False)] if md5 else [])]
    buffer = memoryview(bytearray(CHUNK))
    size = 0
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            size += count
            for each in hashes:
                each.update(buffer[:count])
    if md5 and hashes[-1].hexdigest() != md5:
        raise WrongBytes(f"the MD5 is {hashes[-1].hexdigest()}")
    return Blob(sha256=hashes[0].hexdigest(), size=size)


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
