"""A data folder in one file, and out of it again: what a person keeps in case the disk is lost.

    version, SHA256SUMS, kernelci.db, blobs/ab/abcd…    in a tar, in this order

The sums are those of the version and the database, as `sha256sum --check` reads them; a blob is named by its own.

It is made beside a running server, too: the database as it was at one moment, by SQLite's own means, then the bytes
of its files, which never change. What is derived (notebooks) or belongs to kernels (sessions) is not in it, nor are
uploads whose parts were still coming.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import re
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Generator, Mapping, Set
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO

from kernelci.errors import DataFolderTooNew, StartupError
from kernelci.store.folder import VERSION, DataFolder

STAGING = ".backup"
"""Where a backup is put together: links to bytes, which deleting a file meanwhile does not take away."""

RESTORING = ".restoring"

_DATABASE, _VERSION, _SUMS = "kernelci.db", "version", "SHA256SUMS"
_BLOB = re.compile(r"blobs/([0-9a-f]{2})/(\1[0-9a-f]{62})")
_CHUNK = 1 << 20


def back_up(folder: DataFolder, target: Path) -> int:
    """Write a backup into a new file; gives how many files' bytes are in it.

    Raises:
        StartupError: there is nothing to back up, or no place for it, or a backup is being made.
    """
    if not folder.database.exists():
        raise StartupError(f"There is nothing to back up in {folder.path}. Is it the right --data-dir?")
    if os.path.lexists(target):
        raise StartupError(f"{target} exists already. A backup is a new file.")
    try:
        with _staging(folder.path) as staging, _draft_of(target) as file:
            version, held = _gathered(folder, staging)
            _pack(file, staging, version)
            os.fsync(file.fileno())
            Path(file.name).replace(target)
    except (OSError, sqlite3.Error) as error:
        raise StartupError(f"The backup cannot be made: {_reason(error)}.") from error
    return held


def restore(source: Path, folder: DataFolder) -> int:
    """Make an empty data folder of a backup, which is checked to the last byte; gives how many files are in it.

    Raises:
        StartupError: the folder is not empty, or the file is no backup, or a damaged one.
        DataFolderTooNew: a newer kernelci wrote it.
    """
    data, staging = folder.path, folder.path / RESTORING
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.rmtree(staging, ignore_errors=True)  # of one that was killed
        if any(data.iterdir()):
            raise StartupError(f"{data} is not empty. A backup is restored into a new folder: give its --data-dir.")
        staging.mkdir(mode=0o700)
        try:
            held = _checked(source, staging, _unpack(source, staging))
            for name in ("blobs", _VERSION, _DATABASE):  # the last makes it a data folder
                (staging / name).replace(data / name)
            os.sync()
        finally:
            shutil.rmtree(staging)
    except (OSError, tarfile.TarError, sqlite3.Error, EOFError) as error:
        raise StartupError(f"{source} cannot be restored: {_reason(error)}.") from error
    return held


@contextmanager
def _draft_of(target: Path) -> Generator[IO[bytes]]:
    """A new file beside it for this person alone, which is gone afterwards unless it has another name by then."""
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f"{target.name}.", delete=False) as file:
        try:
            yield file
        finally:
            Path(file.name).unlink(missing_ok=True)


@contextmanager
def _staging(data: Path) -> Generator[Path]:
    """An empty folder, which this process alone has."""
    staging = data / STAGING
    staging.mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(staging, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise StartupError(f"Another backup of {data} is being made.") from None
    try:
        for left in staging.iterdir():  # by one that was killed
            left.unlink()
        yield staging
    finally:
        shutil.rmtree(staging)
        os.close(descriptor)


def _gathered(folder: DataFolder, staging: Path) -> tuple[int, int]:
    """The database as it is at one moment, and links to all bytes of its files; its version, and how many they are.

    Bytes that are not there may be those of a file deleted since: a later moment is taken, which has it no more.
    """
    lost: set[str] = set()
    while True:
        version, held = _snapshot(folder.database, staging / _DATABASE)
        if lost & held:
            raise StartupError(
                f"{folder.path} is damaged: it lacks the bytes of {_named(staging / _DATABASE, lost & held)}. "
                "Delete these files over the API, and try again."
            )
        lost = {sha256 for sha256 in held if not _linked(folder.blobs / sha256[:2] / sha256, staging / sha256)}
        if not lost:
            for link in staging.iterdir():
                if link.name not in held and link.name != _DATABASE:
                    link.unlink()
            return version, len(held)


def _linked(blob: Path, link: Path) -> bool:
    """Whether the bytes are there, under another name from now on."""
    try:
        if not link.exists():
            os.link(blob, link)
    except FileNotFoundError:
        return False
    return True


def _named(database: Path, lost: Set[str]) -> str:
    with closing(sqlite3.connect(database)) as copy:
        return ", ".join(id for id, blob in copy.execute("SELECT id, blob FROM files") if blob in lost)


def _snapshot(database: Path, target: Path) -> tuple[int, frozenset[str]]:
    """Copy the database; gives its version, which counts the migrations, and the bytes that its files have."""
    target.unlink(missing_ok=True)
    os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o600))
    address = f"{database.absolute().as_uri()}?mode=rw"
    with closing(sqlite3.connect(address, uri=True)) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")  # all of it in the one file
        copy.execute("PRAGMA foreign_keys = ON")
        (version,) = copy.execute("SELECT version_num FROM alembic_version").fetchone()
        if copy.execute("SELECT 1 FROM sqlite_master WHERE name = 'uploads'").fetchone():
            copy.execute("DELETE FROM uploads WHERE status = 'pending'")
            copy.commit()
        return int(version), _held(copy)


def _held(database: sqlite3.Connection) -> frozenset[str]:
    return frozenset(sha256 for (sha256,) in database.execute("SELECT DISTINCT blob FROM files"))


def _pack(file: IO[bytes], staging: Path, version: int) -> None:
    stamp = f"{version}\n".encode()
    with (staging / _DATABASE).open("rb") as database:
        sums = {
            _VERSION: hashlib.sha256(stamp).hexdigest(),
            _DATABASE: hashlib.file_digest(database, "sha256").hexdigest(),
        }
    with tarfile.open(fileobj=file, mode="w", dereference=True) as tar:
        for name, content in ((_VERSION, stamp), (_SUMS, _listed(sums))):
            about = tarfile.TarInfo(name)
            about.size, about.mode = len(content), 0o600
            tar.addfile(about, io.BytesIO(content))
        tar.add(staging / _DATABASE, _DATABASE)
        for link in sorted(staging.iterdir()):
            if link.name != _DATABASE:
                tar.add(link, f"blobs/{link.name[:2]}/{link.name}")


def _listed(sums: Mapping[str, str]) -> bytes:
    return "".join(f"{sums[name]}  {name}\n" for name in (_VERSION, _DATABASE)).encode()


def _unpack(source: Path, staging: Path) -> dict[str, str]:
    """Take out what belongs into a backup, a compressed one, too; gives the SHA-256 of each by its name."""
    sums: dict[str, str] = {}
    (staging / "blobs").mkdir(mode=0o700)
    with tarfile.open(source, "r|*") as tar:
        for member in tar:
            blob = _BLOB.fullmatch(member.name)
            content = tar.extractfile(member) if member.isreg() else None
            if content is None or not (blob or member.name in (_VERSION, _SUMS, _DATABASE)):
                raise StartupError(f"{source} is no backup of kernelci's: it holds {member.name!r}.")
            place = staging / member.name
            place.parent.mkdir(mode=0o700, exist_ok=True)
            hashed = hashlib.sha256()
            with os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                while chunk := content.read(_CHUNK):
                    hashed.update(chunk)
                    file.write(chunk)
            sums[member.name] = hashed.hexdigest()
            if blob and sums[member.name] != blob[2]:
                raise StartupError(f"{source} is damaged: the bytes of {blob[2]} are others.")
            if member.name == _VERSION:
                _check_version(source, place)
    return sums


def _check_version(source: Path, stamp: Path) -> None:
    text = stamp.read_text(encoding="utf-8", errors="replace").strip()
    if text.isdecimal() and int(text) > VERSION:
        raise DataFolderTooNew(f"{source} was made by a newer kernelci. Upgrade kernelci first.")


def _checked(source: Path, staging: Path, sums: Mapping[str, str]) -> int:
    """How many files' bytes are there: all that the database speaks of, which is as it was packed."""
    lacking = [name for name in (_VERSION, _SUMS, _DATABASE) if name not in sums]
    if lacking:
        raise StartupError(f"{source} is no whole backup of kernelci's: it lacks {', '.join(lacking)}.")
    if (staging / _SUMS).read_bytes() != _listed(sums):
        raise StartupError(f"{source} is damaged: the bytes of its database or version are others.")
    with closing(sqlite3.connect(staging / _DATABASE)) as database:
        if database.execute("PRAGMA quick_check").fetchall() != [("ok",)]:
            raise StartupError(f"{source} is damaged: its database is.")
        held = _held(database)
    lacking = [sha256 for sha256 in held if f"blobs/{sha256[:2]}/{sha256}" not in sums]
    if lacking:
        raise StartupError(f"{source} is no whole backup: the bytes of {len(lacking)} files are missing.")
    return len(held)


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
