from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from kernelci.engine.ports.blobs import Blob, TooManyBytes, WrongBytes
from kernelci.protocol.uploads import Stretch
from kernelci.store.blobs import FolderBlobs
from kernelci.store.parts import FIRST, FOLDER, FolderParts

UPLOAD = "upload_1"
DATA = [os.urandom(4096 * size + 1) for size in (1, 700, 2)]


@pytest.fixture
async def blobs(tmp_path: Path) -> AsyncIterator[FolderBlobs]:
    async with FolderBlobs(tmp_path) as blobs:
        yield blobs


@pytest.fixture
def parts(blobs: FolderBlobs, tmp_path: Path) -> FolderParts:
    return FolderParts(tmp_path)


async def arriving(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        await anyio.lowlevel.checkpoint()
        yield chunk


async def come(parts: FolderParts, data: bytes) -> Stretch:
    return await parts.receive(UPLOAD, arriving(data[: len(data) // 2], data[len(data) // 2 :]), limit=len(data))


def blob(*data: bytes) -> Blob:
    whole = b"".join(data)
    return Blob(hashlib.sha256(whole).hexdigest(), len(whole))


async def test_parts_joined_as_they_came_are_not_copied(
    parts: FolderParts, blobs: FolderBlobs, tmp_path: Path
) -> None:
    stretches = [await come(parts, data) for data in DATA]
    joined = await parts.join(UPLOAD, stretches, hashlib.md5(b"".join(DATA)).hexdigest().upper())
    assert joined == blob(*DATA)
    assert blobs.path(joined.sha256).read_bytes() == b"".join(DATA)
    assert blobs.path(joined.sha256).samefile(tmp_path / FOLDER / UPLOAD / FIRST)
    await parts.drop(UPLOAD)
    assert blobs.path(joined.sha256).read_bytes() == b"".join(DATA)
    assert not (tmp_path / FOLDER / UPLOAD).exists()
    await parts.drop(UPLOAD)


@pytest.mark.parametrize("order", [(2, 0, 1), (0, 2), (1,), (1, 1), (0, 1)], ids=str)
async def test_any_order_is_put_together(
    parts: FolderParts, blobs: FolderBlobs, tmp_path: Path, order: tuple[int, ...]
) -> None:
    stretches = [await come(parts, data) for data in DATA]
    wanted = [DATA[number] for number in order]
    joined = await parts.join(UPLOAD, [stretches[number] for number in order], None)
    assert joined == blob(*wanted)
    assert blobs.path(joined.sha256).read_bytes() == b"".join(wanted)
    assert list(tmp_path.glob(".incoming-*")) == []


async def test_parts_that_come_at_the_same_time_do_not_mix(parts: FolderParts, blobs: FolderBlobs) -> None:
    stretches: dict[int, Stretch] = {}

    async def one(number: int) -> None:
        stretches[number] = await come(parts, DATA[number])

    async with anyio.create_task_group() as tasks:
        for number in range(len(DATA)):
            tasks.start_soon(one, number)
    joined = await parts.join(UPLOAD, [stretches[number] for number in range(len(DATA))], None)
    assert blobs.path(joined.sha256).read_bytes() == b"".join(DATA)


async def test_what_has_become_a_blob_never_changes(parts: FolderParts, blobs: FolderBlobs, tmp_path: Path) -> None:
    first = await come(parts, DATA[0])
    joined = await parts.join(UPLOAD, [first], None)
    assert await parts.join(UPLOAD, [first], None) == joined, "whose answer was lost may ask again"
    after_a_restart = FolderParts(tmp_path)
    second = await come(after_a_restart, DATA[1])
    assert blobs.path(joined.sha256).read_bytes() == DATA[0]
    assert await after_a_restart.join(UPLOAD, [first, second], None) == blob(*DATA[:2])


async def test_of_a_part_that_is_too_long_or_breaks_off_nothing_is_kept(parts: FolderParts, tmp_path: Path) -> None:
    first = await come(parts, DATA[0])

    async def broken() -> AsyncIterator[bytes]:
        yield DATA[1]
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await parts.receive(UPLOAD, broken(), limit=10**9)
    with pytest.raises(TooManyBytes):
        await parts.receive(UPLOAD, arriving(DATA[1]), limit=len(DATA[1]) - 1)
    assert (tmp_path / FOLDER / UPLOAD / FIRST).stat().st_size == len(DATA[0])
    second = await come(parts, DATA[2])
    assert await parts.join(UPLOAD, [first, second], None) == blob(DATA[0], DATA[2])


async def test_what_a_crash_left_between_parts_is_passed_over(parts: FolderParts, tmp_path: Path) -> None:
    first = await come(parts, DATA[0])
    with (tmp_path / FOLDER / UPLOAD / FIRST).open("ab") as file:
        file.write(b"half of a part")
    second = await come(parts, DATA[1])
    assert await parts.join(UPLOAD, [first, second], None) == blob(*DATA[:2])


async def test_other_bytes_than_meant_are_refused(parts: FolderParts, tmp_path: Path) -> None:
    first = await come(parts, DATA[0])
    with pytest.raises(WrongBytes):
        await parts.join(UPLOAD, [first], "0" * 32)
    assert [path.name for path in tmp_path.iterdir()] == [FOLDER]
    assert await parts.join(UPLOAD, [first], None) == blob(DATA[0])


async def test_a_sweep_leaves_what_is_pending_or_young(parts: FolderParts, tmp_path: Path) -> None:
    for id in ("upload_pending", "upload_lost", "upload_young"):
        await parts.receive(id, arriving(b"x"), limit=1)
    for id in ("upload_pending", "upload_lost"):
        os.utime(tmp_path / FOLDER / id, (0, 0))
    await parts.sweep({"upload_pending"})
    assert sorted(path.name for path in (tmp_path / FOLDER).iterdir()) == ["upload_pending", "upload_young"]


async def test_a_joined_upload_counts_as_new(parts: FolderParts, blobs: FolderBlobs, tmp_path: Path) -> None:
    first = await come(parts, DATA[0])
    os.utime(tmp_path / FOLDER / UPLOAD / FIRST, (0, 0))
    joined = await parts.join(UPLOAD, [first], None)
    await blobs.sweep(set())  # before its file is stored
    assert blobs.path(joined.sha256).exists()
