"""The data folder: its places, the one server that may use it, and the version that wrote it.

    kernelci.db   objects          blobs/      file bytes       lock         held by the server
    version       of this layout   notebooks/  one a thread     server.json  where that server listens
                                   sessions/   files of kernels

A server holds two locks. The one on `lock` keeps other servers out; the one on `server.json` is for clients,
who can so ask whether a server is there without ever standing in the way of one that starts.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sqlite3
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from anyio import to_thread
from sqlalchemy import URL

from kernelci.errors import DataFolderInUse, DataFolderTooNew, StartupError
from kernelci.store.database import broken

VERSION = 5
"""Of the layout and the tables: it goes up with every migration."""


class DataFolder:
    """A data folder; `async with` makes it if need be and claims it for this server.

    Raises:
        DataFolderInUse: another server has it.
        DataFolderTooNew: a newer kernelci wrote it.
        StartupError: it cannot be made or read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.database = path / "kernelci.db"
        self.blobs = path / "blobs"
        self.notebooks = path / "notebooks"
        self.sessions = path / "sessions"
        self._held = contextlib.ExitStack()

    @property
    def url(self) -> URL:
        """The database, as SqlStore wants it."""
        return URL.create("sqlite", database=str(self.database))

    async def __aenter__(self) -> Self:
        await to_thread.run_sync(self._claim)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await to_thread.run_sync(self._held.close)

    async def announce(self, url: str) -> None:
        """Let clients find this server at that address until it ends."""
        await to_thread.run_sync(self._announce, url)

    def _claim(self) -> None:
        with contextlib.ExitStack() as held:
            try:
                self._make()
                if not _lock(held, self.path / "lock"):
                    raise DataFolderInUse(_in_use(self.path))
                self._prepare()
            except OSError as error:
                a_file = isinstance(error, FileExistsError | NotADirectoryError)
                why = "it is a file, or within one" if a_file else error.strerror
                raise StartupError(
                    f"The data folder {self.path} cannot be used: {why}. Choose another one with --data-dir."
                ) from error
            except sqlite3.Error as error:
                raise broken(error) from error
            self._held = held.pop_all()

    def _make(self) -> None:
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in (self.blobs, self.notebooks, self.sessions):
            folder.mkdir(mode=0o700, exist_ok=True)

    def _prepare(self) -> None:
        """Check the version, save the database from a migration that may go wrong, and stamp the folder."""
        stamp = self.path / "version"
        written = _version(stamp)
        if written > VERSION:
            raise DataFolderTooNew(
                f"The data folder {self.path} was written by a newer kernelci. "
                "Upgrade kernelci, or choose another folder with --data-dir."
            )
        if written < VERSION and self.database.exists():
            _copy_database(self.database, self.database.with_suffix(f".{time.strftime('%Y%m%dT%H%M%S')}.db"))
        os.close(os.open(self.database, os.O_CREAT, 0o600))  # SQLite would leave its mode to the umask
        if written != VERSION:
            _write(stamp, f"{VERSION}\n")

    def _announce(self, url: str) -> None:
        # It is locked before it has its name, so a client never finds it without its lock.
        draft, name = self.path / ".server.json", self.path / "server.json"
        _write(draft, json.dumps({"pid": os.getpid(), "url": url}))
        _lock(self._held, draft)
        draft.replace(name)
        self._held.callback(name.unlink, missing_ok=True)


def running(data_dir: Path) -> str | None:
    """The address of the server that uses this folder now, if there is one and it has told."""
    try:
        file = (data_dir / "server.json").open(encoding="utf-8")
    except OSError:
        return None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return json.load(file)["url"]
    return None


def _lock(held: contextlib.ExitStack, path: Path) -> bool:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    held.callback(os.close, descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _in_use(path: Path) -> str:
    url = running(path)
    server = f"the kernelci server at {url}" if url else "another kernelci server"
    return f"The data folder {path} is in use by {server}. Stop it, or choose another folder with --data-dir."


def _version(stamp: Path) -> int:
    """The version in the stamp; 0 where there is none."""
    try:
        return int(stamp.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return 0
    except ValueError as error:
        raise StartupError(f"{stamp} should hold the version of the data folder, but it is no number.") from error


def _write(path: Path, text: str) -> None:
    draft = path.with_name(path.name + ".new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _copy_database(source: Path, target: Path) -> None:
    os.close(os.open(target, os.O_CREAT, 0o600))
    with (
        contextlib.closing(sqlite3.connect(source)) as database,
        contextlib.closing(sqlite3.connect(target)) as copy,
    ):
        database.backup(copy)
