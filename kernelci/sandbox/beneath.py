"""Folders that hostile code writes to, as the host may touch them: no link is followed, no special file opened.

Names come in from the code; what they lead to may change between two looks. So everything here goes through
descriptors, and judges a file by the one that it has opened.
"""

from __future__ import annotations

import ctypes
import errno
import itertools
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

_OPENAT2 = 437
_NO_XDEV, _NO_MAGICLINKS, _NO_SYMLINKS, _BENEATH = 0x01, 0x02, 0x04, 0x08
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LONGEST = 4096


class _OpenHow(ctypes.Structure):
    _fields_ = [("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64)]


def parts_of(path: str) -> tuple[str, ...] | None:
    """The names in a relative path, without `.`; None if it is not one that stays beneath its folder."""
    parts = tuple(part for part in path.split("/") if part not in {"", "."})
    if not parts or path.startswith("/") or ".." in parts or "\0" in path:
        return None
    try:
        return parts if len(os.fsencode("/".join(parts))) < _LONGEST else None
    except UnicodeEncodeError:
        return None


def open_file(folder: Path, parts: tuple[str, ...]) -> int | None:
    """A descriptor to read the regular file there; None if there is none that may be read.

    A file with a second name is none of these: that name may be the file's own, elsewhere.
    """
    try:
        root = os.open(folder, _FOLDER)
    except OSError:
        return None
    try:
        opened = open_beneath(root, parts)
    except OSError:
        return None
    finally:
        os.close(root)
    found = os.fstat(opened)
    if stat.S_ISREG(found.st_mode) and found.st_nlink == 1:
        return opened
    os.close(opened)
    return None


def open_beneath(root: int, parts: tuple[str, ...]) -> int:
    """Open for reading, refusing links and other file systems on the way.

    Raises:
        OSError: there is no such file, or the way to it is refused.
    """
    how = _OpenHow(flags=_READ, mode=0, resolve=_BENEATH | _NO_SYMLINKS | _NO_MAGICLINKS | _NO_XDEV)
    libc = ctypes.CDLL(None, use_errno=True)
    path = os.fsencode("/".join(parts))
    opened: int = libc.syscall(ctypes.c_long(_OPENAT2), root, path, ctypes.byref(how), ctypes.sizeof(how))
    if opened >= 0:
        return opened
    number = ctypes.get_errno()
    if number in {errno.ENOSYS, errno.EPERM}:  # an older kernel, or a filter that does not know the call
        return walk_beneath(root, parts)
    raise OSError(number, os.strerror(number))


def walk_beneath(root: int, parts: tuple[str, ...]) -> int:
    """As `open_beneath`, one name at a time, for machines without openat2."""
    device = os.fstat(root).st_dev
    here = os.dup(root)
    try:
        for part in parts[:-1]:
            here, above = os.open(part, _FOLDER, dir_fd=here), here
            os.close(above)
            if os.fstat(here).st_dev != device:
                raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        return os.open(parts[-1], _READ, dir_fd=here)
    finally:
        os.close(here)


def remove(folder: Path) -> None:
    """Remove a folder and all in it, however deep; links are removed, not followed. A missing one is fine.

    Raises:
        OSError: something cannot be removed.
    """
    with suppress(FileNotFoundError):
        root = os.open(folder, _FOLDER)
        try:
            _empty(root)
        finally:
            os.close(root)
        folder.rmdir()


def _empty(root: int) -> None:
    """Lift each folder below to the top before it is emptied: a tree may be deeper than any stack or path."""
    token = secrets.token_hex(8)
    lifted = itertools.count()
    folders = _unlink_files(root)
    while folders:
        name = folders.pop()
        below = os.open(name, _FOLDER, dir_fd=root)
        try:
            for entry in _unlink_files(below):
                folders.append(f"{token}.{next(lifted)}")
                os.rename(entry, folders[-1], src_dir_fd=below, dst_dir_fd=root)
        finally:
            os.close(below)
        os.rmdir(name, dir_fd=root)


def _unlink_files(folder: int) -> list[str]:
    """Remove what is no folder; gives the names of the folders, made ours to open and move."""
    folders: list[str] = []
    for name in os.listdir(folder):
        try:
            os.unlink(name, dir_fd=folder)
        except IsADirectoryError:
            place = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
            try:
                Path(f"/proc/self/fd/{place}").chmod(0o700)
            finally:
                os.close(place)
            folders.append(name)
    return folders
