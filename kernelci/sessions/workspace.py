"""The folder of a session, which its code sees as /mnt/data: files are put in and read out, links never followed.

<sessions>/<session id>/
    data/           what the code sees and may change at will
    mounts.json     the files that were put in: name by file id
"""

from __future__ import annotations

import json
import logging
import os
import re
import secrets
import shutil
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import cast

from kernelci.engine.ports.sessions import MountedFile, SessionFile
from kernelci.errors import KernelUnavailable
from kernelci.protocol import filenames
from kernelci.sandbox import beneath

logger = logging.getLogger(__name__)

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Workspace:
    """The folders of all sessions. Every method blocks; those of one session must not run at the same time.

    What is put in belongs to `owner`, whom kernels run as; None where that is this user.
    """

    def __init__(self, folder: Path, *, owner: int | None = None) -> None:
        self._folder = folder
        self._owner = owner

    def folder(self, session_id: str) -> Path:
        """Where the session is kept.

        Raises:
            ValueError: that cannot be a session's id.
        """
        if not _ID.fullmatch(session_id):
            raise ValueError(f"{session_id!r} is not a session's id")
        return self._folder / session_id

    def data(self, session_id: str) -> Path:
        """What the code sees as /mnt/data."""
        return self.folder(session_id) / "data"

    def exists(self, session_id: str) -> bool:
        """Whether the session has been used before."""
        return self.data(session_id).is_dir()

    def names(self, session_id: str, files: Sequence[MountedFile]) -> dict[str, str]:
        """The name each file has, or is going to have, in the folder; by file id."""
        taken = self._mounted(session_id)
        with suppress(FileNotFoundError):
            # What the code has made keeps its name, too; a line end is in no id.
            taken = {f"\n{entry.name}": entry.name for entry in self.data(session_id).iterdir()} | taken
        return filenames.names([(file.file_id, file.filename) for file in files], taken)

    def mount(self, session_id: str, files: Sequence[MountedFile]) -> None:
        """Put in the files that were not put in before, each under its name, with a link from its id.

        Raises:
            KernelUnavailable: a file cannot be put in, for want of space perhaps.
        """
        data = self.data(session_id)
        self._make(data)
        mounted = self._mounted(session_id)
        new = [file for file in files if file.file_id not in mounted]
        if not new:
            return
        names = self.names(session_id, files)
        try:
            with _opened(data.parent) as outside, _opened(data) as inside:
                for file in new:
                    if not file.blob.exists():
                        logger.warning("a file was deleted meanwhile", extra={"action": "file_gone"})
                        continue
                    _put(file.blob, names[file.file_id], outside, inside, self._owner)
                    _link(names[file.file_id], file.file_id, outside, inside)
                    mounted[file.file_id] = names[file.file_id]
                    self._record(session_id, mounted)
        except OSError as error:
            raise KernelUnavailable(
                f"The files of the thread could not be put into its session: {error.strerror}."
            ) from error

    def _make(self, data: Path) -> None:
        data.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
        if not data.exists():
            data.mkdir(mode=0o755)
            if self._owner is not None:
                os.chown(data, self._owner, self._owner)

    def file(self, session_id: str, path: str) -> SessionFile | None:
        """Open a regular file below the folder; a file's id means the file that was put in under it."""
        parts = beneath.parts_of(path)
        if parts is None:
            return None
        if len(parts) == 1:
            parts = (self._mounted(session_id).get(parts[0], parts[0]),)
        opened = beneath.open_file(self.data(session_id), parts)
        if opened is None:
            return None
        found = os.fstat(opened)
        stamp = (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        return SessionFile("/".join(parts), stamp, os.fdopen(opened, "rb"))

    def remove(self, session_id: str) -> None:
        """Remove the session's folder; unknown ids are fine."""
        try:
            beneath.remove(self.folder(session_id))
        except OSError:
            logger.warning("a session's folder is left", extra={"action": "session_left"}, exc_info=True)

    def _mounted(self, session_id: str) -> dict[str, str]:
        try:
            return cast("dict[str, str]", json.loads((self.folder(session_id) / "mounts.json").read_bytes()))
        except FileNotFoundError:
            return {}

    def _record(self, session_id: str, mounted: Mapping[str, str]) -> None:
        record = self.folder(session_id) / "mounts.json"
        half = record.with_suffix(".half")
        half.write_text(json.dumps(mounted, ensure_ascii=False))
        half.replace(record)


@contextmanager
def _opened(folder: Path) -> Generator[int]:
    descriptor = os.open(folder, _FOLDER)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _put(blob: Path, name: str, outside: int, inside: int, owner: int | None) -> None:
    """Copy the bytes beside the folder, where the code cannot reach, and move the whole file in.

    A copy, since through a hard link the code could change the stored bytes; the file system may share them.
    """
    half = f".{secrets.token_hex(8)}"
    with blob.open("rb") as source, os.fdopen(os.open(half, _NEW, 0o644, dir_fd=outside), "wb") as target:
        try:
            _copy(source.fileno(), target.fileno())
            if owner is not None:
                os.fchown(target.fileno(), owner, owner)
            # link, unlike rename, replaces nothing
            os.link(half, name, src_dir_fd=outside, dst_dir_fd=inside, follow_symlinks=False)
        finally:
            os.unlink(half, dir_fd=outside)


def _copy(source: int, target: int) -> None:
    try:
        while os.copy_file_range(source, target, 1 << 30):
            pass
    except OSError:  # not between these file systems
        os.lseek(source, 0, os.SEEK_SET)
        os.ftruncate(target, 0)
        os.lseek(target, 0, os.SEEK_SET)
        with os.fdopen(os.dup(source), "rb") as reader, os.fdopen(os.dup(target), "wb") as writer:
            shutil.copyfileobj(reader, writer, 1 << 20)


def _link(name: str, file_id: str, outside: int, inside: int) -> None:
    """Make the id a link to the name, in place of a file or link that the code may have put there."""
    half = f".{secrets.token_hex(8)}"
    os.symlink(name, half, dir_fd=outside)
    try:
        os.rename(half, file_id, src_dir_fd=outside, dst_dir_fd=inside)
    except IsADirectoryError:  # the code has made a folder of that name: it has the file by its own name
        os.unlink(half, dir_fd=outside)
