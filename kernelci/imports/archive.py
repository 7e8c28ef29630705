"""An export as it lies on the disk: a folder or a zip of the API's own JSON, and of files' bytes.

JSON files may have any name and any place: each object says itself what it is. Bytes lie in a folder named
`contents`, as `<file id>`, `<file id>.<anything>` or `<file id>/<anything>`. What the objects mean is for
objects.py.
"""

from __future__ import annotations

import lzma
import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import IO, Self

from kernelci.errors import StartupError

CONTENTS = "contents"

_MIB = 1 << 20
MOST = 500_000
"""Files in an export; each run may have one of its steps."""
ALL = 1024 * _MIB
"""Bytes in all JSON files together, whose objects are in memory together."""
WHOLE = 64 * _MIB
"""Bytes in a JSON file that is one value: a page has 100 objects, and values can take thirty times the memory."""
LINE = 16 * _MIB
"""Bytes in a line of a JSON file that has a value in each."""
SMALL = 16 * _MIB
TIMES = 200
"""What is unpacked from a zip may be so many times as large as it was, or small."""
_UNPACK = "If that is right, unpack it yourself and import the folder"

_BY_LINE = {".json": False, ".jsonl": True, ".ndjson": True}
"""The endings of files with objects, and whether each line is a value."""

_ID = re.compile(r"[A-Za-z0-9_-]+")
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Member:
    """One file of an export; `open` gives its bytes, or raises one of DAMAGED, as reading them does."""

    name: str
    size: int
    open: Callable[[], IO[bytes]]


class Unreadable(Exception):
    """A file of the export that cannot be read, and why."""


DAMAGED = (
    *(Unreadable, OSError, RuntimeError, ValueError, EOFError),
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
)
"""What comes of reading a file that is damaged, encrypted, or packed in a way that is not known."""


def reason(damage: Exception) -> str:
    """Why something could not be read."""
    return str(damage) or "its end is missing"  # EOFError says nothing


class Archive:
    """The files of an export, read and never written. A context manager.

    Raises:
        StartupError: there is nothing, nothing that can be read, or more than can be.
    """

    def __init__(self, path: Path) -> None:
        self._zip: zipfile.ZipFile | None = None
        if path.is_dir():
            found = _in_folder(path)
        else:
            try:
                self._zip = zipfile.ZipFile(path)
            except FileNotFoundError:
                raise StartupError(f"There is no {path}. Name the folder or the zip of an export.") from None
            except DAMAGED as error:
                raise StartupError(f"{path} is neither a folder nor a zip that can be read: {error}.") from error
            found = _in_zip(self._zip)
        self._members = sorted((member for member in found if not _is_of_a_mac(member.name)), key=_place)
        _check(path, self._members, self.documents())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._zip:
            self._zip.close()

    def documents(self) -> Sequence[Member]:
        """The files with objects, in the order of their names: page 2 before page 10."""
        return [member for member in self._members if _is_document(PurePosixPath(member.name))]

    def zips(self) -> Sequence[str]:
        """The names of zips that are no file's bytes: perhaps exports themselves."""
        names = (PurePosixPath(member.name) for member in self._members)
        return [str(name) for name in names if name.suffix.lower() == ".zip" and CONTENTS not in name.parts[:-1]]

    def contents(self) -> dict[str, Member]:
        """The files' bytes, by file id."""
        return {id: member for member in self._members if (id := _content_id(PurePosixPath(member.name)))}


def texts(document: Member) -> Iterator[tuple[str, bytes]]:
    """The JSON texts of a file, its one or that of each line, and what to call each.

    Raises:
        Unreadable: it is too large, or damaged.
    """
    by_line = _BY_LINE[PurePosixPath(document.name).suffix.lower()]
    if not by_line and document.size > WHOLE:
        raise Unreadable(f"it has more than {WHOLE // _MIB} MiB; it may, named .jsonl, with an object in each line")
    try:
        with document.open() as handle:
            if not by_line:
                yield "it", handle.read(WHOLE)
                return
            for number, line in enumerate(iter(partial(handle.readline, LINE + 1), b""), 1):
                if len(line) > LINE:
                    raise Unreadable(f"line {number} has more than {LINE // _MIB} MiB")
                if line.strip():
                    yield f"line {number}", line
    except DAMAGED as error:
        raise Unreadable(reason(error)) from error


def _in_folder(folder: Path) -> Iterator[Member]:
    """The regular files below a folder; links are not followed."""
    for place, _, names in os.walk(folder, onerror=_refuse):
        for name in names:
            path = Path(place, name)
            about = path.lstat()
            if stat.S_ISREG(about.st_mode):
                yield Member(path.relative_to(folder).as_posix(), about.st_size, partial(path.open, "rb"))


def _refuse(error: OSError) -> None:
    raise StartupError(f"{error.filename} cannot be read: {error.strerror}.") from error


def _in_zip(archive: zipfile.ZipFile) -> Iterator[Member]:
    for info in archive.infolist():
        name = info.filename.replace("\\", "/")  # as some programs for Windows write it
        if not name.endswith("/"):
            yield Member(name, info.file_size, partial(_unpacked, archive, info))


def _unpacked(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> IO[bytes]:
    if info.file_size > max(SMALL, TIMES * info.compress_size):
        times = info.file_size // max(1, info.compress_size)
        raise Unreadable(f"unpacked it is {times} times as large. {_UNPACK}")
    return archive.open(info)


def _check(path: Path, members: Sequence[Member], documents: Sequence[Member]) -> None:
    """Refuse what is too much."""
    if len(members) > MOST:
        raise StartupError(f"{path} has more than {MOST} files. Import it in parts.")
    if sum(document.size for document in documents) > ALL:
        raise StartupError(f"{path} has more than {ALL // _MIB} MiB of JSON. Import it in parts.")
    if path.is_file() and sum(member.size for member in members) > max(SMALL, TIMES * path.stat().st_size):
        raise StartupError(f"Unpacked, {path} is more than {TIMES} times as large. {_UNPACK}.")


def _is_of_a_mac(name: str) -> bool:
    """Whether a Mac has put it beside a file of that name, for what other file systems have no place for."""
    parts = PurePosixPath(name).parts
    return "__MACOSX" in parts or parts[-1].startswith("._")


def _place(member: Member) -> str:
    return _NUMBER.sub(lambda number: number[0].zfill(20), member.name)


def _is_document(name: PurePosixPath) -> bool:
    return name.suffix.lower() in _BY_LINE and CONTENTS not in name.parts[:-1]


def _content_id(name: PurePosixPath) -> str | None:
    """The id of the file whose bytes these are; None if they are no file's."""
    if CONTENTS not in name.parts[:-1]:
        return None
    match = _ID.match(name.parts[name.parts.index(CONTENTS) + 1])
    return match[0] if match else None
