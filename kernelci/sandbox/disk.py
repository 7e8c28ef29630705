"""How much of the disk a session's folder takes, counted without following a link."""

from __future__ import annotations

import os
from pathlib import Path

MOST_ENTRIES = 200_000
"""Files and folders that one session may have."""

_BLOCK = 512
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_DEEPEST = 100


def fits(folder: Path, most: int) -> bool:
    """Whether what is below the folder takes no more than so many bytes, as `taken` counts them."""
    return taken(folder, most) is not None


def taken(folder: Path, most: int) -> int | None:
    """How many bytes what is below the folder takes; None if more than `most`, or in too many files or too deep.

    A folder that its owner has closed to us counts as too much. Blocks; what changes meanwhile counts as it is
    found, or not at all.
    """
    count = _Count(most)
    try:
        opened = os.open(folder, _FOLDER)
    except FileNotFoundError:
        return 0
    try:
        count.add(opened, 0)
    except _Full:
        return None
    finally:
        os.close(opened)
    return most - count.left


class _Full(Exception):
    """More than fits."""


class _Count:
    """What is left of the bytes and entries that may be taken."""

    def __init__(self, most: int) -> None:
        self.left = most
        self._entries = MOST_ENTRIES
        self._linked: set[int] = set()

    def add(self, folder: int, depth: int) -> None:
        if depth > _DEEPEST:
            raise _Full
        with os.scandir(folder) as entries:
            for entry in entries:
                self._one(folder, entry, depth)

    def _one(self, folder: int, entry: os.DirEntry[str], depth: int) -> None:
        try:
            found = entry.stat(follow_symlinks=False)
            self._take(found)
            if entry.is_dir(follow_symlinks=False):
                below = os.open(entry.name, _FOLDER, dir_fd=folder)
            else:
                return
        except PermissionError:
            raise _Full from None  # what the code has closed to us might hold anything
        except OSError:
            return  # it has gone, or has become something else
        try:
            self.add(below, depth + 1)
        finally:
            os.close(below)

    def _take(self, found: os.stat_result) -> None:
        self._entries -= 1
        if found.st_ino not in self._linked:
            self.left -= found.st_blocks * _BLOCK
        if found.st_nlink > 1:
            self._linked.add(found.st_ino)
        if self.left < 0 or self._entries < 0:
            raise _Full
