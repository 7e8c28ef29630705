"""The statements: what happens within one transaction, on a connection that somebody else opened.

Everything here blocks and is called in a worker thread. store.py names the transactions; no SQL is written
outside this file and the migrations, and none of it is for one database only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    Table,
    delete,
    insert,
    literal,
    or_,
    select,
    union_all,
    update,
)

from kernelci.engine.ports import Page, Paged
from kernelci.errors import InvalidRequest, NotFound, ThreadBusy
from kernelci.protocol.objects import Assistant, Cell, File, Message, Object, Run, RunStep, Stored, Thread
from kernelci.protocol.parts import JsonObject
from kernelci.protocol.states import ACTIVE
from kernelci.store.tables import IS_ACTIVE, TABLES, counter, files, runs

ObjectT = TypeVar("ObjectT", bound=Object)

NOUNS: dict[type[Object], str] = {
    Assistant: "assistant",
    Thread: "thread",
    Message: "message",
    Run: "run",
    RunStep: "run step",
    File: "file",
    Cell: "cell",
}
PARENTS: dict[type[Object], tuple[str, ...]] = {
    Message: ("thread_id",),
    Run: ("thread_id",),
    RunStep: ("thread_id", "run_id"),
    Cell: ("thread_id", "run_id"),
}


def _row(object: Object) -> JsonObject:
    """The object's columns: whichever are fields of it, and the whole as `doc`."""
    searched = TABLES[type(object)].c.keys() & type(object).model_fields.keys()
    row: JsonObject = {name: getattr(object, name) for name in searched}
    return row | {"doc": object.model_dump(mode="json", exclude={"metadata"})}


def _object(kind: type[ObjectT], row: Row[*tuple[Any, ...]]) -> ObjectT:
    return kind.model_validate({**row.doc, "metadata": row.pairs})


def _stored(table: Table) -> Select[Any, Any]:
    return select(table.c.doc, table.c.metadata.label("pairs"))


def _belongs(kind: type[Object], within: str | None) -> list[ColumnElement[bool]]:
    if within is None:
        return []
    columns = TABLES[kind].c
    return [or_(*(columns[parent] == within for parent in PARENTS[kind]))]


def missing(kind: type[Object], id: str) -> NotFound:
    """What to say of an object that is not there."""
    return NotFound(f"No {NOUNS[kind]} found with id '{id}'.")


# Reading


def find(
    connection: Connection, kind: type[ObjectT], id: str, within: str | None = None, *, lock: bool = False
) -> ObjectT | None:
    """The object or None; with `lock`, nobody else changes it before this transaction ends."""
    table = TABLES[kind]
    query = _stored(table).where(table.c.id == id, *_belongs(kind, within))
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    return None if row is None else _object(kind, row)


def get(
    connection: Connection, kind: type[ObjectT], id: str, within: str | None = None, *, lock: bool = False
) -> ObjectT:
    """The object; raises NotFound."""
    found = find(connection, kind, id, within, lock=lock)
    if found is None:
        raise missing(kind, id)
    return found


def everything(connection: Connection, kind: type[ObjectT], within: str) -> tuple[ObjectT, ...]:
    """All of a kind that belong to a thread or run, oldest first."""
    table = TABLES[kind]
    rows = connection.execute(_stored(table).where(*_belongs(kind, within)).order_by(table.c.seq))
    return tuple(_object(kind, row) for row in rows)


def active_run(connection: Connection, thread_id: str) -> str | None:
    """The id of the run that holds the thread."""
    return connection.scalar(select(runs.c.id).where(runs.c.thread_id == thread_id, IS_ACTIVE))


def active_runs(connection: Connection) -> tuple[Run, ...]:
    """Every run that has not ended, oldest first."""
    rows = connection.execute(_stored(runs).where(IS_ACTIVE).order_by(runs.c.created_at, runs.c.seq))
    return tuple(_object(Run, row) for row in rows)


def holds(connection: Connection, sha256: str) -> bool:
    """Whether a file has these bytes."""
    return connection.scalar(select(files.c.id).where(files.c.blob == sha256).limit(1)) is not None


def held(connection: Connection) -> frozenset[str]:
    """The hashes of all bytes that files have."""
    return frozenset(connection.scalars(select(files.c.blob).distinct()))


def conversation(connection: Connection, thread_id: str, kinds: Sequence[type[ObjectT]]) -> tuple[ObjectT, ...]:
    """All of these kinds in one row, oldest first; raises NotFound if there is no such thread."""
    get(connection, Thread, thread_id)
    together = union_all(
        *(
            _stored(table)
            .add_columns(table.c.seq, literal(number).label("kind"))
            .where(table.c.thread_id == thread_id)
            for number, table in enumerate(TABLES[kind] for kind in kinds)
        )
    ).subquery()
    rows = connection.execute(select(together).order_by(together.c.seq))
    return tuple(_object(kinds[int(row.kind)], row) for row in rows)


# Pages


def page(
    connection: Connection,
    kind: type[ObjectT],
    page: Page,
    within: str | None = None,
    **equal: str | None,
) -> Paged[ObjectT]:
    """Part of a list, narrowed to rows whose columns equal what is not None; raises InvalidRequest.

    The rows are walked from the cursor on, which with `before` alone is against the order of the list.
    """
    table = TABLES[kind]
    listed = _belongs(kind, within)
    listed += [table.c[name] == value for name, value in equal.items() if value is not None]
    ascending = page.order == "asc"
    between: list[ColumnElement[bool]] = []
    if page.after is not None:
        after = _cursor(connection, kind, "after", page.after, listed)
        between.append(table.c.seq > after if ascending else table.c.seq < after)
    if page.before is not None:
        before = _cursor(connection, kind, "before", page.before, listed)
        between.append(table.c.seq < before if ascending else table.c.seq > before)
    backwards = page.before is not None and page.after is None
    walk = table.c.seq.asc() if ascending != backwards else table.c.seq.desc()
    query = _stored(table).where(*listed, *between).order_by(walk).limit(page.limit + 1)
    rows = connection.execute(query).all()
    shown = rows[: page.limit]
    data = tuple(_object(kind, row) for row in (reversed(shown) if backwards else shown))
    return Paged(data, has_more=len(rows) > page.limit)


def _cursor(
    connection: Connection, kind: type[Object], name: str, id: str, listed: Iterable[ColumnElement[bool]]
) -> int:
    table = TABLES[kind]
    seq = connection.scalar(select(table.c.seq).where(table.c.id == id, *listed))
    if seq is None:
        raise InvalidRequest(
            f"Invalid '{name}': there is no {NOUNS[kind]} with id '{id}' in this list.",
            param=name,
            code="invalid_value",
        )
    return seq


# Writing


def put(connection: Connection, objects: Iterable[Object]) -> None:
    """Insert, or replace all but the metadata."""
    for object in objects:
        if not _replace(connection, object, keep=("id", "metadata")):
            connection.execute(insert(TABLES[type(object)]).values(seq=_next(connection), **_row(object)))


def edit(
    connection: Connection,
    kind: type[ObjectT],
    id: str,
    change: Callable[[ObjectT], ObjectT],
    within: str | None = None,
) -> ObjectT:
    """Read, change and write, metadata included; raises NotFound."""
    changed = change(get(connection, kind, id, within, lock=True))
    _replace(connection, changed, keep=("id",))
    return changed


def drop(connection: Connection, kind: type[ObjectT], id: str, within: str | None = None) -> ObjectT:
    """Delete, and with it all rows whose parent it is; raises NotFound."""
    found = get(connection, kind, id, within, lock=True)
    connection.execute(delete(TABLES[kind]).where(TABLES[kind].c.id == id))
    return found


def post(connection: Connection, message: Message, change: Callable[[Thread], Thread]) -> None:
    """Add a message to a thread that no run holds; raises ThreadBusy, NotFound."""
    edit(connection, Thread, message.thread_id, change)
    holder = active_run(connection, message.thread_id)
    if holder is not None:
        raise ThreadBusy(f"Can't add messages to {message.thread_id} while a run {holder} is active.")
    put(connection, [message])


def open_run(
    connection: Connection, run: Run, added: Sequence[Message], change: Callable[[Thread], Thread]
) -> None:
    """Add messages and then a run to a thread that no run holds; raises ThreadBusy, NotFound."""
    edit(connection, Thread, run.thread_id, change)
    holder = active_run(connection, run.thread_id)
    if holder is not None:
        raise _has_run(run.thread_id, holder)
    put(connection, [*added, run])


def refusal(connection: Connection, objects: Sequence[Stored]) -> InvalidRequest | None:
    """Why the database would not take them: a parent is gone, or the thread has another active run."""
    together = {object.id for object in objects}
    for object in objects:
        for column in PARENTS.get(type(object), ()):
            kind, parent = (Run if column == "run_id" else Thread), getattr(object, column)
            if parent not in together and find(connection, kind, parent) is None:
                return missing(kind, parent)
        if isinstance(object, Run) and object.status in ACTIVE:
            holder = active_run(connection, object.thread_id)
            if holder not in (None, object.id):
                return _has_run(object.thread_id, holder)
    return None


def _has_run(thread_id: str, run_id: str) -> ThreadBusy:
    return ThreadBusy(f"Thread {thread_id} already has an active run {run_id}.")


def _replace(connection: Connection, object: Object, *, keep: tuple[str, ...]) -> bool:
    table = TABLES[type(object)]
    values = {name: value for name, value in _row(object).items() if name not in keep}
    return connection.execute(update(table).where(table.c.id == object.id).values(values)).rowcount > 0


def _next(connection: Connection) -> int:
    return connection.execute(
        update(counter).values(value=counter.c.value + 1).returning(counter.c.value)
    ).scalar_one()
