from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path

import anyio
import pytest

from kernelci.engine.ports.blobs import Blob, TooManyBytes
from kernelci.store.blobs import INCOMING, FolderBlobs
from kernelci.store.streams import CHUNK


@pytest.fixture
async def blobs(tmp_path: Path) -> AsyncIterator[FolderBlobs]:
    async with FolderBlobs(tmp_path / "blobs") as blobs:
        yield blobs


async def arriving(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        await anyio.lowlevel.checkpoint()
        yield chunk


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    "chunks",
    [(), (b"",), (b"x",), (b"a", b"", b"b" * CHUNK, b"c"), (os.urandom(3 * CHUNK + 1),)],
    ids=["none", "empty", "one", "several", "large"],
)
async def test_bytes_are_kept_under_their_hash(
    blobs: FolderBlobs, tmp_path: Path, chunks: tuple[bytes, ...]
) -> None:
    data = b"".join(chunks)
    blob = await blobs.receive(arriving(*chunks), limit=len(data))
    assert blob == Blob(hashlib.sha256(data).hexdigest(), len(data))
    assert blobs.path(blob.sha256).read_bytes() == data
    assert files(tmp_path / "blobs") == [f"{blob.sha256[:2]}/{blob.sha256}"]
    assert stat.S_IMODE(blobs.path(blob.sha256).stat().st_mode) == 0o600
    assert await blobs.write(data) == blob
    assert await blobs.copy(BytesIO(data), len(data)) == blob


async def test_a_copy_begins_where_the_file_stands(blobs: FolderBlobs, tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_bytes(b"a,b\n1,2\n")
    with path.open("rb") as source:
        source.seek(4)
        blob = await blobs.copy(source, 4)
    assert blobs.path(blob.sha256).read_bytes() == b"1,2\n"


async def test_of_too_many_bytes_nothing_is_kept(blobs: FolderBlobs, tmp_path: Path) -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield b"x" * CHUNK

    with pytest.raises(TooManyBytes):
        await blobs.receive(endless(), limit=3 * CHUNK)
    assert taken <= 6, "little more is read than shows that it is too much"
    with pytest.raises(TooManyBytes):
        await blobs.copy(BytesIO(b"four"), 3)
    assert files(tmp_path / "blobs") == []


async def test_an_upload_that_breaks_off_leaves_nothing(blobs: FolderBlobs, tmp_path: Path) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"x" * CHUNK
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await blobs.receive(broken(), limit=2 * CHUNK)
    assert files(tmp_path / "blobs") == []


async def test_a_cancelled_upload_leaves_nothing(blobs: FolderBlobs, tmp_path: Path) -> None:
    async def stuck() -> AsyncIterator[bytes]:
        yield b"x" * CHUNK
        await anyio.sleep_forever()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(blobs.receive, stuck(), 2 * CHUNK)
        while not files(tmp_path / "blobs"):
            await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    assert files(tmp_path / "blobs") == []


async def test_the_same_bytes_at_once_are_one_blob(blobs: FolderBlobs, tmp_path: Path) -> None:
    data = os.urandom(2 * CHUNK)
    async with anyio.create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(blobs.receive, arriving(data[:CHUNK], data[CHUNK:]), len(data))
    name = hashlib.sha256(data).hexdigest()
    assert files(tmp_path / "blobs") == [f"{name[:2]}/{name}"]
    assert blobs.path(name).read_bytes() == data


async def test_what_a_crash_left_is_cleared_away(tmp_path: Path) -> None:
    async with FolderBlobs(tmp_path) as blobs:
        blob = await blobs.write(b"whole")
    (tmp_path / f"{INCOMING}0123").write_bytes(b"hal")
    async with FolderBlobs(tmp_path) as blobs:
        assert files(tmp_path) == [f"{blob.sha256[:2]}/{blob.sha256}"]
        assert blobs.path(blob.sha256).read_bytes() == b"whole"


async def test_dropped_bytes_are_gone(blobs: FolderBlobs) -> None:
    blob = await blobs.write(b"secret")
    os.utime(blobs.path(blob.sha256), (0, 0))
    await blobs.drop(blob.sha256)
    await blobs.drop(blob.sha256)
    assert not blobs.path(blob.sha256).exists()


async def test_bytes_that_have_just_come_again_are_not_dropped(blobs: FolderBlobs) -> None:
    blob = await blobs.write(b"the same")
    os.utime(blobs.path(blob.sha256), (0, 0))
    await blobs.write(b"the same")  # an upload that is about to be named
    await blobs.drop(blob.sha256)
    assert blobs.path(blob.sha256).read_bytes() == b"the same"


async def test_a_sweep_leaves_what_is_held(blobs: FolderBlobs) -> None:
    held, lost, young = await blobs.write(b"held"), await blobs.write(b"lost"), await blobs.write(b"young")
    for old in (held, lost):
        os.utime(blobs.path(old.sha256), (0, 0))
    await blobs.sweep({held.sha256})
    assert blobs.path(held.sha256).exists()
    assert blobs.path(young.sha256).exists()
    assert not blobs.path(lost.sha256).exists()


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "A" * 64, "0" * 63, "0" * 64 + "\n"])
def test_only_a_hash_has_a_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="not a SHA-256"):
        FolderBlobs(tmp_path).path(name)
