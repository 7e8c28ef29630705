"""What a person's file is called in a session's folder: its own name, made safe, and never the name of another."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterable, Mapping

LONGEST = 255
"""Bytes in a file's name, as usual file systems have it."""

_BIDI = dict.fromkeys((0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)))
_UNPRINTABLE = {"Cc", "Cs", "Zl", "Zp"}
_LIKE_AN_ID = re.compile(r"(file|assistant|cfile)[-_][A-Za-z0-9]+")


def names(files: Iterable[tuple[str, str]], taken: Mapping[str, str] | None = None) -> dict[str, str]:
    """The name of each file in the folder, by id; `files` are pairs of id and filename.

    The first of a name has it; a later one gets the end of its id. `taken` are names already given, by id:
    those files keep them. The same files in the same order always get the same names.
    """
    known = dict(taken or {})
    used = {_key(name) for name in known.values()}
    result: dict[str, str] = {}
    for file_id, filename in files:
        if file_id not in known:
            name = safe(filename)
            marks = itertools.chain((file_id[-6:], file_id), (f"{file_id}-{count}" for count in itertools.count(2)))
            while _key(name) in used:
                name = _marked(safe(filename), next(marks))
            known[file_id] = name
            used.add(_key(name))
        result[file_id] = known[file_id]
    return result


def safe(filename: str) -> str:
    """The filename as one recognisable name: no path, no control or direction marks, not mistaken for an id."""
    name = unicodedata.normalize("NFC", re.split(r"[/\\]", filename)[-1]).translate(_BIDI)
    name = "".join("_" if unicodedata.category(letter) in _UNPRINTABLE else letter for letter in name).strip()
    if name.startswith("-"):
        name = "_" + name[1:]
    if name in {"", ".", ".."}:
        name = "unnamed"
    if _LIKE_AN_ID.fullmatch(name):
        name = "_" + name
    return _marked(name, "")


def _marked(name: str, mark: str) -> str:
    """The name with a mark before its extension, its stem shortened until all of it fits."""
    stem, dot, extension = name.rpartition(".")
    if not stem or len(extension) > 16:
        stem, dot, extension = name, "", ""
    tail = (f"-{mark}" if mark else "") + dot + extension
    room = LONGEST - len(tail.encode())
    return stem.encode()[:room].decode(errors="ignore") + tail


def _key(name: str) -> str:
    """What two names have in common where a file system takes them for one."""
    return unicodedata.normalize("NFC", name.casefold())
