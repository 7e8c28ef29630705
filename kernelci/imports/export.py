"""What is in an export, sorted: assistants, files, and threads with all that belongs to them."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable

from kernelci.imports.archive import Archive, Member, Unreadable, texts
from kernelci.imports.objects import KINDS, Unfit, found_in, stored
from kernelci.imports.thread import ThreadParts
from kernelci.protocol.objects import Assistant, File, Thread
from kernelci.protocol.parts import JsonObject

_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
"""Ids name folders and notebooks, so they must not be able to name anything else."""

_SHOWN = 80
"""Characters that are told of what is no id or no kind."""

Leave = Callable[[str], None]
"""Is told what cannot be taken in, and why."""


class Export:
    """All objects of an archive, in memory; of files only what is said of them. Reading it blocks.

    `others` counts the objects of kinds that nothing here can keep.
    """

    def __init__(self, archive: Archive, leave: Leave) -> None:
        self.assistants: dict[str, Assistant] = {}
        self.files: dict[str, File] = {}
        self.threads: dict[str, ThreadParts] = {}
        self.others: Counter[str] = Counter()
        for document in archive.documents():
            try:
                self._read(document, leave)
            except Unreadable as error:
                leave(f"{document.name}: {error}")

    def _read(self, document: Member, leave: Leave) -> None:
        broken: list[str] = []
        for name, text in texts(document):
            try:
                value: object = json.loads(text)
            except (ValueError, RecursionError) as error:
                broken.append(f"{name} is no JSON ({error})")
                continue
            for given in found_in(value):
                self._take(given, document, leave)
        if broken:
            more = f", and {len(broken) - 1} more" if broken[1:] else ""
            leave(f"{document.name}: {broken[0]}{more}")

    def _take(self, given: JsonObject, document: Member, leave: Leave) -> None:
        if given["object"] not in KINDS:
            self.others[given["object"][:_SHOWN]] += 1
            return
        try:
            self._sort(given)
        except (Unfit, RecursionError) as error:
            leave(f"{document.name}: {str(given.get('id', 'an object without an id'))[:_SHOWN]}: {error}")

    def _sort(self, given: JsonObject) -> None:
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
