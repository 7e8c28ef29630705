"""An export as it lies on the disk: a folder or a zip of the API's own JSON, and of files' bytes.

JSON files may have any name and any place: each object says itself what it is. Bytes lie in a folder named
`contents`, as `<file id>`, `<file id>.<anything>` or `<file id>/<anything>`. What the objects mean is for
objects.py.
"""

from __future__ import annotations

import json
import os
import re
import stat
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import IO, Self

from kernelci.errors import StartupError

CONTENTS = "contents"
LARGEST = 1 << 30
"""Bytes in one JSON file."""

_JSON = {".json": False, ".jsonl": True, ".ndjson": True}
"""The endings of files with objects, and whether each line is one."""

_ID = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Member:
    """One file of an export; `open` gives its bytes."""

    name: str
    size: int
    open: Callable[[], IO[bytes]]


class Unreadable(Exception):
    """A file of the export that cannot be read, and why."""


class Archive:
    """The files of an export, read and never written. A context manager.

    Raises:
        StartupError: there is nothing, or nothing that can be read.
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
            except (OSError, zipfile.BadZipFile) as error:
                raise StartupError(f"{path} is neither a folder nor a zip that can be read: {error}.") from error
            found = _in_zip(self._zip)
        self._members = sorted(found, key=lambda member: member.name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._zip:
            self._zip.close()

    def documents(self) -> Sequence[Member]:
        """The files with objects."""
        return [member for member in self._members if _is_document(PurePosixPath(member.name))]

    def contents(self) -> dict[str, Member]:
        """The files' bytes, by file id."""
        return {id: member for member in self._members if (id := _content_id(PurePosixPath(member.name)))}


def values(document: Member) -> Iterator[object]:
    """The JSON values of a file: its one, or that of each line.

    Raises:
        Unreadable: it is too large, damaged, or no JSON.
    """
    if document.size > LARGEST:
        raise Unreadable(f"it has more than {LARGEST >> 20} MiB")
    try:
        with document.open() as handle:
            if not _JSON[PurePosixPath(document.name).suffix.lower()]:
                yield json.loads(handle.read(LARGEST))
                return
            for line in handle:
                if line.strip():
                    yield json.loads(line)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"it is no JSON ({error})") from error
    except (OSError, RuntimeError, NotImplementedError, zipfile.BadZipFile, EOFError) as error:
        raise Unreadable(str(error)) from error


def _in_folder(folder: Path) -> Iterator[Member]:
    """The regular files below a folder; links are not followed."""
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place, name)
            about = path.lstat()
            if stat.S_ISREG(about.st_mode):
                yield Member(path.relative_to(folder).as_posix(), about.st_size, partial(path.open, "rb"))


def _in_zip(archive: zipfile.ZipFile) -> Iterator[Member]:
    for info in archive.infolist():
        if not info.is_dir():
            yield Member(info.filename, info.file_size, partial(archive.open, info))


def _is_document(name: PurePosixPath) -> bool:
    return name.suffix.lower() in _JSON and CONTENTS not in name.parts[:-1]


def _content_id(name: PurePosixPath) -> str | None:
    """The id of the file whose bytes these are; None if they are no file's."""
    if CONTENTS not in name.parts[:-1]:
        return None
    match = _ID.match(name.parts[name.parts.index(CONTENTS) + 1])
    return match[0] if match else None
