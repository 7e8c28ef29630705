from __future__ import annotations

import contextlib
import sqlite3
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
from anyio import to_thread
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from kernelci.errors import DataFolderInUse, DataFolderTooNew, StartupError
from kernelci.protocol.objects import Thread
from kernelci.store.folder import VERSION, DataFolder, running
from kernelci.store.store import SqlStore

HOLDER = """
import sys, anyio
from pathlib import Path
from kernelci.store.folder import DataFolder

async def main():
    async with DataFolder(Path(sys.argv[1])) as folder:
        if len(sys.argv) > 2:
            await folder.announce(sys.argv[2])
        print("held", flush=True)
        await anyio.sleep_forever()

anyio.run(main)
"""


@contextlib.asynccontextmanager
async def another_server(*arguments: str) -> AsyncIterator[Process]:
    """Another process that has the folder, and says where it listens if it is told to."""
    async with await anyio.open_process([sys.executable, "-c", HOLDER, *arguments], stderr=sys.stderr) as process:
        assert process.stdout is not None
        assert await BufferedByteReceiveStream(process.stdout).receive_until(b"\n", 100) == b"held"
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()


async def found(path: Path) -> str | None:
    """The server that a client in another thread finds."""
    return await to_thread.run_sync(running, path)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_a_new_folder_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "share" / "kernelci"
    async with DataFolder(path) as folder, SqlStore(folder.url) as store:
        await store.put(Thread(id="thread_1", created_at=1))
        await folder.announce("http://127.0.0.1:8765")
        assert {entry.name for entry in path.iterdir() if entry.is_dir()} == {"blobs", "notebooks", "sessions"}
        assert {mode(entry) for entry in (path, folder.blobs, folder.notebooks, folder.sessions)} == {0o700}
        assert {mode(entry) for entry in path.iterdir() if entry.is_file()} == {0o600}
        assert (path / "kernelci.db").stat().st_size > 0
    assert (path / "version").read_text() == f"{VERSION}\n"


async def test_an_odd_path_is_a_path(tmp_path: Path) -> None:
    path = tmp_path / "תיקייה 100% ?x=1#y"
    async with DataFolder(path) as folder, SqlStore(folder.url) as store:
        await store.put(Thread(id="thread_1", created_at=1))
    async with DataFolder(path) as folder, SqlStore(folder.url) as store:
        assert await store.find(Thread, "thread_1")
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


async def test_one_server_a_folder(tmp_path: Path) -> None:
    async with another_server(str(tmp_path)) as other:
        assert await found(tmp_path) is None, "it has not said where it is"
        with pytest.raises(DataFolderInUse, match=f"{tmp_path} is in use by another kernelci server"):
            async with DataFolder(tmp_path):
                pass
        other.kill()
    async with DataFolder(tmp_path):
        pass


async def test_a_server_is_found_as_long_as_it_lives(tmp_path: Path) -> None:
    url = "http://127.0.0.1:8765"
    assert await found(tmp_path / "nowhere") is None
    async with another_server(str(tmp_path), url) as other:
        assert await found(tmp_path) == await found(tmp_path) == url
        with pytest.raises(DataFolderInUse, match=f"{tmp_path} is in use by the kernelci server at {url}"):
            async with DataFolder(tmp_path):
                pass
        assert await found(tmp_path) == url
        other.kill()
    assert (tmp_path / "server.json").exists()
    assert await found(tmp_path) is None
    async with DataFolder(tmp_path) as folder:
        assert await found(tmp_path) is None
        await folder.announce("http://127.0.0.1:1")
        assert await found(tmp_path) == "http://127.0.0.1:1"
    assert await found(tmp_path) is None
    assert not (tmp_path / "server.json").exists()


async def test_a_refused_folder_is_left_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "version").write_text(f"{VERSION + 1}\n")
    with pytest.raises(DataFolderTooNew, match=f"{tmp_path} was written by a newer kernelci"):
        async with DataFolder(tmp_path):
            pass
    assert not (tmp_path / "kernelci.db").exists()
    (tmp_path / "version").write_text("one")
    with pytest.raises(StartupError, match="no number"):
        async with DataFolder(tmp_path):
            pass
    (tmp_path / "version").write_text(f"{VERSION}\n")
    async with DataFolder(tmp_path):  # nothing holds it since
        pass


async def test_an_older_folder_is_copied_before_anything_changes(tmp_path: Path) -> None:
    async with DataFolder(tmp_path) as folder, SqlStore(folder.url) as store:
        await store.put(Thread(id="thread_1", created_at=1))
    (tmp_path / "version").write_text("0\n")
    async with DataFolder(tmp_path):
        pass
    (copy,) = tmp_path.glob("kernelci.2*.db")
    assert mode(copy) == 0o600
    with sqlite3.connect(copy) as connection:
        assert connection.execute("SELECT id FROM threads").fetchall() == [("thread_1",)]
    connection.close()
    assert (tmp_path / "version").read_text() == f"{VERSION}\n"


async def test_what_cannot_be_a_folder_is_said_plainly(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    with pytest.raises(StartupError, match=f"{path} cannot be used: it is a file"):
        async with DataFolder(path):
            pass
    with pytest.raises(StartupError, match="cannot be used: it is a file, or within one"):
        async with DataFolder(path / "below"):
            pass


async def test_a_child_does_not_inherit_the_locks(tmp_path: Path) -> None:
    program = [sys.executable, "-c", "print('up', flush=True); input()"]
    async with DataFolder(tmp_path) as folder:
        await folder.announce("http://127.0.0.1:1")
        child = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, close_fds=False)
        assert child.stdout is not None
        assert child.stdout.readline() == b"up\n"
    async with DataFolder(tmp_path):
        assert await found(tmp_path) is None
    child.communicate(b"\n")
