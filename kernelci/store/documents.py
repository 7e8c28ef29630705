"""Objects as rows: which columns say what of an object, and the object that a row keeps.

A document that was read a moment ago is not parsed again while its row is the same: a run that begins on a long
thread reads what the last one has read. Objects are frozen, so that whoever reads one may have it.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any, TypeVar

from sqlalchemy import Row, Select, Table, Text, cast, select

from kernelci.protocol.objects import Message, Object, Run
from kernelci.protocol.parts import JsonObject
from kernelci.protocol.states import ACTIVE
from kernelci.store.tables import TABLES, WAITING

ObjectT = TypeVar("ObjectT", bound=Object)

KEPT = 4096
LONGEST = 16 * 1024
"""How many documents are not parsed again, and of how many characters each at most: some megabytes, as a rule."""


def columns(table: Table) -> Select[Any, Any, Any, Any]:
    """What `found` wants to know of a row. The documents come as the text that they are stored as."""
    doc, pairs = cast(table.c.doc, Text).label("doc"), cast(table.c.metadata, Text).label("pairs")
    return select(doc, pairs, table.c.owner, table.c.seq)


def found(kind: type[ObjectT], row: Row[*tuple[Any, ...]]) -> ObjectT:
    """The object that a row keeps."""
    parse = _parsed if len(row.doc) <= LONGEST else _parsed.__wrapped__
    return parse(kind, row.doc, row.pairs, row.owner, row.seq >= WAITING)


@lru_cache(KEPT)
def _parsed(kind: type[ObjectT], doc: str, pairs: str, owner: str, waiting: bool) -> ObjectT:
    beside = {"metadata": json.loads(pairs), "owner": owner, "waiting": waiting}
    return kind.model_validate({**json.loads(doc), **beside})


def row_of(object: Object) -> JsonObject:
    """The object's columns: whichever are fields of it, and the whole as `doc`."""
    searched = (TABLES[type(object)].c.keys() & type(object).model_fields.keys()) - {"owner"}
    row: JsonObject = {name: getattr(object, name) for name in searched}
    if waits(object) and isinstance(object, Run) and object.status in ACTIVE:
        row["status"] = "waiting"  # and so it is none of those of which a thread has one
    return row | {"doc": object.model_dump(mode="json", exclude={"metadata", "owner", "waiting"})}


def waits(object: Object) -> bool:
    """Whether it waits for its turn in its thread."""
    return isinstance(object, Message | Run) and object.waiting
