"""Objects as rows: which columns say what of an object, and the object that a row keeps.

A document that was read a moment ago is not parsed again while its row is the same: a run that begins on a long
thread reads what the last one has read. Objects are frozen, so that whoever reads one may have it.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any, TypeVar

from sqlalchemy import Row, Select, Table, Text, cast, func, select

from kernelci.protocol.objects import Message, Object, Run, RunStep
from kernelci.protocol.parts import JsonObject
from kernelci.protocol.states import ACTIVE
from kernelci.store.tables import TABLES, WAITING

ObjectT = TypeVar("ObjectT", bound=Object)

KEPT = 4096
LONGEST = 16 * 1024
"""How many documents are not parsed again, and of how many characters each at most: some megabytes, as a rule."""


def columns(table: Table, *, brief: bool = False) -> Select[Any, Any, Any, Any]:
    """What `found` wants to know of a row. The documents come as the text that they are stored as."""
    doc = func.coalesce(table.c.brief, table.c.doc) if brief and "brief" in table.c else table.c.doc
    pairs = cast(table.c.metadata, Text)
    return select(cast(doc, Text).label("doc"), pairs.label("pairs"), table.c.owner, table.c.seq)


def found(kind: type[ObjectT], row: Row[*tuple[Any, ...]]) -> ObjectT:
    """The object that a row keeps."""
    doc, pairs, owner, seq = row[:4]
    parse = _parsed if len(doc) <= LONGEST else _parsed.__wrapped__
    return parse(kind, doc, pairs, owner, seq >= WAITING)


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
    row["doc"] = doc = object.model_dump(mode="json", exclude={"metadata", "owner", "waiting"})
    return row | {"brief": _brief(doc, object)} if isinstance(object, RunStep) else row


def _brief(doc: JsonObject, step: RunStep) -> JsonObject | None:
    """The step without the logs of which it has excerpts; None where that would be all of it."""
    if not step.excerpts:
        return None
    details: JsonObject = doc["step_details"]
    calls = [_without_logs(call) if call["id"] in step.excerpts else call for call in details["tool_calls"]]
    return {**doc, "step_details": {**details, "tool_calls": calls}}


def _without_logs(call: JsonObject) -> JsonObject:
    code: JsonObject = call["code_interpreter"]
    outputs = [output for output in code["outputs"] if output["type"] != "logs"]
    return {**call, "code_interpreter": {**code, "outputs": outputs}}


def waits(object: Object) -> bool:
    """Whether it waits for its turn in its thread."""
    return isinstance(object, Message | Run) and object.waiting
