"""A data folder in one file, made while it changes, and out of it again."""

from __future__ import annotations

import hashlib
import io
import sqlite3
import subprocess
import tarfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from kernelci.engine.ports.store import Page
from kernelci.errors import DataFolderTooNew, StartupError
from kernelci.protocol.objects import File, Thread
from kernelci.store import backup
from kernelci.store.backup import back_up, restore
from kernelci.store.blobs import FolderBlobs
from kernelci.store.folder import VERSION, DataFolder
from kernelci.store.store import SqlStore
from tests.conformance.objects import file, part, thread, upload
from tests.store.test_folder import mode


async def filled(path: Path, *contents: bytes) -> list[File]:
    """A data folder with these files."""
    async with DataFolder(path) as folder, SqlStore(folder.url) as store, FolderBlobs(folder.blobs) as blobs:
        files = [file(blob=(await blobs.write(each)).sha256) for each in contents]
        await store.put(*files)
        return files


async def bytes_of(path: Path) -> dict[str, bytes]:
    """The bytes of each file of a data folder, which is opened as a server would."""
    async with DataFolder(path) as folder, SqlStore(folder.url) as store, FolderBlobs(folder.blobs) as blobs:
        files = (await store.page(File, Page(limit=100_000))).data
        return {each.id: await anyio.Path(blobs.path(each.blob)).read_bytes() for each in files}


async def test_what_is_there_comes_back_whatever_goes_on_meanwhile(tmp_path: Path) -> None:
    known: dict[str, bytes] = {}
    going: set[str] = set()
    gone: set[str] = set()
    async with (
        DataFolder(tmp_path / "data") as folder,
        SqlStore(folder.url) as store,
        FolderBlobs(folder.blobs, young=0) as blobs,
    ):

        async def change() -> None:
            for number in range(100_000):
                content = f"{number}".encode() * 1000
                new = file(blob=(await blobs.write(content)).sha256)
                await store.put(new, thread())
                known[new.id] = content
                if number % 3 == 0:
                    oldest = next(id for id in known if id not in going)
                    going.add(oldest)
                    await blobs.drop((await store.drop(File, oldest)).blob)
                    gone.add(oldest)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(change)
            for number in range(5):
                while len(known) < 30 * (number + 1):
                    await anyio.lowlevel.checkpoint()
                before, gone_before = set(known), set(gone)
                await to_thread.run_sync(back_up, folder, tmp_path / f"{number}.tar")
                assert await to_thread.run_sync(
                    restore, tmp_path / f"{number}.tar", DataFolder(tmp_path / str(number))
                )
                restored = await bytes_of(tmp_path / str(number))
                assert before - going <= restored.keys()
                assert not restored.keys() & gone_before
                assert restored == {id: known[id] for id in restored}
            tasks.cancel_scope.cancel()
    assert not (tmp_path / "data" / backup.STAGING).exists()


async def test_a_backup_is_one_private_file_without_what_is_derived_or_half_there(tmp_path: Path) -> None:
    (held,) = await filled(tmp_path / "data", b"content")
    async with DataFolder(tmp_path / "data") as folder, SqlStore(folder.url) as store:
        pending, done = upload(), upload(status="completed")
        await store.put(pending, part(pending), done)
        (folder.notebooks / "thread_1.ipynb").write_text("{}")
        await to_thread.run_sync(back_up, folder, tmp_path / "b.tar")
    assert mode(tmp_path / "b.tar") == 0o600
    with tarfile.open(tmp_path / "b.tar") as tar:
        assert tar.getnames() == ["version", "SHA256SUMS", "kernelci.db", f"blobs/{held.blob[:2]}/{held.blob}"]
        tar.extractall(tmp_path / "by hand", filter="data")
    subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=tmp_path / "by hand", check=True)
    assert await to_thread.run_sync(restore, tmp_path / "b.tar", DataFolder(tmp_path / "new")) == 1
    assert {mode(each) for each in (tmp_path / "new").rglob("*")} == {0o600, 0o700}
    async with DataFolder(tmp_path / "new") as folder, SqlStore(folder.url) as store:
        assert await store.pending_uploads() == frozenset()
        assert await store.find(type(done), done.id) == done


async def test_what_lies_beside_it_is_neither_written_nor_followed(tmp_path: Path) -> None:
    await filled(tmp_path / "data", b"content")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / "a.tar.new").symlink_to(tmp_path / "precious")
    (tmp_path / "b.tar.new").touch(mode=0o644)
    for name in ("a.tar", "b.tar"):
        back_up(DataFolder(tmp_path / "data"), tmp_path / name)
        assert (tmp_path / name).is_file() and not (tmp_path / name).is_symlink()
        assert mode(tmp_path / name) == 0o600
    assert (tmp_path / "precious").read_bytes() == b"precious"
    assert (tmp_path / "b.tar.new").read_bytes() == b""
    with pytest.raises(StartupError, match="exists already"):
        back_up(DataFolder(tmp_path / "data"), tmp_path / "link")


async def test_a_killed_or_second_backup_is_in_nobodys_way(tmp_path: Path) -> None:
    await filled(tmp_path / "data", b"content")
    folder, staging = DataFolder(tmp_path / "data"), tmp_path / "data" / backup.STAGING
    staging.mkdir()
    (staging / ("0" * 64)).write_bytes(b"of one that was killed")
    back_up(folder, tmp_path / "first.tar")
    with pytest.raises(StartupError, match="exists already"):
        back_up(folder, tmp_path / "first.tar")
    with backup._staging(folder.path), pytest.raises(StartupError, match="Another backup of"):
        back_up(folder, tmp_path / "second.tar")
    back_up(folder, tmp_path / "third.tar")
    assert sorted(each.name for each in tmp_path.glob("*.tar*")) == ["first.tar", "third.tar"]


async def test_lost_bytes_are_said_and_not_passed_over(tmp_path: Path) -> None:
    lost, _ = await filled(tmp_path / "data", b"lost", b"there")
    folder = DataFolder(tmp_path / "data")
    (folder.blobs / lost.blob[:2] / lost.blob).unlink()
    with pytest.raises(StartupError, match=f"is damaged: it lacks the bytes of {lost.id}"):
        back_up(folder, tmp_path / "b.tar")
    with pytest.raises(StartupError, match="nothing to back up"):
        back_up(DataFolder(tmp_path / "nowhere"), tmp_path / "b.tar")
    with pytest.raises(StartupError, match="cannot be made: No such file or directory"):
        back_up(folder, tmp_path / "nowhere" / "b.tar")


async def test_an_older_folders_backup_is_migrated_when_it_is_served(tmp_path: Path) -> None:
    first = (Path(__file__).parent / "first.sql").read_text(encoding="utf-8")
    content = b"x"
    data = tmp_path / "data"
    data.mkdir()
    with closing(sqlite3.connect(data / "kernelci.db")) as database:
        database.executescript(first.replace("0" * 64, hashlib.sha256(content).hexdigest()))
    (data / "version").write_text("1\n")
    async with FolderBlobs(data / "blobs") as blobs:
        await blobs.write(content)
    back_up(DataFolder(data), tmp_path / "b.tar")
    restore(tmp_path / "b.tar", DataFolder(tmp_path / "new"))
    assert (tmp_path / "new" / "version").read_text() == "1\n"
    assert await bytes_of(tmp_path / "new") == {"file-1": content}
    async with DataFolder(tmp_path / "new") as folder, SqlStore(folder.url) as store:
        assert await store.find(Thread, "thread_1")


def packed(members: dict[str, bytes], kind: bytes = tarfile.REGTYPE) -> bytes:
    """A tar of these."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in members.items():
            about = tarfile.TarInfo(name)
            about.size, about.type, about.linkname = len(content), kind, "version"
            tar.addfile(about, io.BytesIO(content))
    return packed.getvalue()


NO_DATABASE = {"version": b"1\n", "kernelci.db": b"no database"}
STAMP = f"{VERSION}\n".encode()
SUMS = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in NO_DATABASE.items()).encode()

DAMAGES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "cut short": (lambda whole: whole[: len(whole) // 2], "cannot be restored|no whole backup"),
    "another byte in a file": (lambda whole: whole.replace(b"content", b"Content"), "is damaged"),
    "another byte in a row": (lambda whole: whole.replace(b"a.csv", b"b.csv"), "is damaged"),
    "another version": (lambda whole: whole.replace(STAMP, b"0" + STAMP[1:], 1), "is damaged"),
    "another sum": (lambda whole: whole.replace(b"  kernelci.db\n", b"  kernelci.DB\n"), "is damaged"),
    "no sums": (lambda _: packed(NO_DATABASE), "no whole backup"),
    "no tar": (lambda _: b"no tar at all", "cannot be restored"),
    "empty": (lambda _: b"", "cannot be restored"),
    "a way out": (lambda _: packed({"../outside": b"x"}), "no backup of kernelci's"),
    "an absolute name": (lambda _: packed({"/tmp/outside": b"x"}), "no backup of kernelci's"),
    "a link": (lambda _: packed({"kernelci.db": b""}, tarfile.SYMTYPE), "no backup of kernelci's"),
    "nothing in it": (lambda _: packed({}), "no whole backup"),
    "no database": (lambda _: packed({**NO_DATABASE, "SHA256SUMS": SUMS}), "cannot be restored"),
    "twice": (lambda _: packed({"version": b"1\n"})[:1024] * 2 + bytes(1024), "cannot be restored"),
}


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_damaged_backup_is_refused_and_leaves_nothing(tmp_path: Path, damage: str) -> None:
    await filled(tmp_path / "data", b"content")
    back_up(DataFolder(tmp_path / "data"), tmp_path / "b.tar")
    spoil, words = DAMAGES[damage]
    whole = (tmp_path / "b.tar").read_bytes()
    spoilt = spoil(whole)
    assert spoilt != whole
    (tmp_path / "b.tar").write_bytes(spoilt)
    with pytest.raises(StartupError, match=words):
        restore(tmp_path / "b.tar", DataFolder(tmp_path / "new"))
    assert list((tmp_path / "new").iterdir()) == []


async def test_it_is_not_restored_into_a_folder_in_use_or_by_an_older_kernelci(tmp_path: Path) -> None:
    await filled(tmp_path / "data", b"content")
    back_up(DataFolder(tmp_path / "data"), tmp_path / "b.tar")
    with pytest.raises(StartupError, match="data is not empty"):
        restore(tmp_path / "b.tar", DataFolder(tmp_path / "data"))
    (tmp_path / "newer.tar").write_bytes(packed({"version": f"{VERSION + 1}\n".encode()}))
    with pytest.raises(DataFolderTooNew, match="was made by a newer kernelci"):
        restore(tmp_path / "newer.tar", DataFolder(tmp_path / "new"))
    (tmp_path / "new" / backup.RESTORING).mkdir()  # of one that was killed
    assert restore(tmp_path / "b.tar", DataFolder(tmp_path / "new")) == 1
