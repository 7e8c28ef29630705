"""What is in an export, sorted: assistants, files, and threads with all that belongs to them."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable

from kernelci.errors import StartupError
from kernelci.imports.archive import Archive, Member, Unreadable, texts
from kernelci.imports.objects import KINDS, Unfit, found_in, stored
from kernelci.imports.thread import ThreadParts
from kernelci.protocol.objects import Assistant, File, Thread
from kernelci.protocol.parts import JsonObject

_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
"""Ids name folders and notebooks, so they must not be able to name anything else."""

MOST = 2_000_000
"""Objects in an export: each takes a kibibyte of memory at least."""

_SHOWN = 80
"""Characters that are told of what is no id or no kind."""

Leave = Callable[[str], None]
"""Is told what cannot be taken in, and why."""


class Export:
    """All objects of an archive, in memory; of files only what is said of them. Reading it blocks.

    `others` counts the objects of kinds that nothing here can keep.

    Raises:
        StartupError: there are more than memory may be taken for.
    """

    def __init__(self, archive: Archive, leave: Leave) -> None:
        self.assistants: dict[str, Assistant] = {}
        self.files: dict[str, File] = {}
        self.threads: dict[str, ThreadParts] = {}
        self.others: Counter[str] = Counter()
        self._read_in = 0
        for document in archive.documents():
            self._read(document, leave)

    def _read(self, document: Member, leave: Leave) -> None:
        first, broken = "", 0
        try:
            for name, text in texts(document):
                try:
                    value: object = json.loads(text)
                except (ValueError, RecursionError) as error:
                    first = first or f"{name} is no JSON ({error})"
                    broken += 1
                    continue
                for given in found_in(value):
                    self._take(given, document, leave)
        except Unreadable as error:
            leave(f"{document.name}: {error}")
        if broken:
            leave(f"{document.name}: {first}" + (f", and {broken - 1} more" if broken > 1 else ""))

    def _take(self, given: JsonObject, document: Member, leave: Leave) -> None:
        if given["object"] not in KINDS:
            self.others[given["object"][:_SHOWN]] += 1
            return
        try:
            self._sort(given)
        except (Unfit, RecursionError) as error:
            leave(f"{document.name}: {str(given.get('id', 'an object without an id'))[:_SHOWN]}: {error}")

    def _sort(self, given: JsonObject) -> None:
        self._read_in += 1
        if self._read_in > MOST:
            raise StartupError(f"This export has more than {MOST} objects. Import it in parts.")
        id = _checked(given.get("id"))
        match stored(given):
            case Assistant() as assistant:
                self.assistants[id] = assistant
            case File() as file:
                self.files[id] = file
            case Thread() as thread:
                self._thread(id).add(thread)
            case part:
                self._thread(_checked(part.thread_id)).add(part)

    def _thread(self, id: str) -> ThreadParts:
        return self.threads.setdefault(id, ThreadParts(id))


def _checked(id: object) -> str:
    if not (isinstance(id, str) and _ID.fullmatch(id)):
        raise Unfit(f"{str(id)[:_SHOWN]!r} cannot be an id")
    return id
