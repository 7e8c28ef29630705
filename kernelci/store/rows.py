"""The statements: what happens to objects within one transaction, on a connection that somebody else opened.

Everything here blocks and is called in a worker thread. store.py names the transactions; what a row is to be asked
for is in documents.py, the statements that write are built in writing.py. None is for one database only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, TypeVar

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Select,
    delete,
    literal,
    or_,
    select,
    union_all,
)

from kernelci.engine.ports.store import Page, Paged
from kernelci.errors import InvalidRequest, NotFound, ThreadBusy
from kernelci.protocol import ids
from kernelci.protocol.objects import (
    LOCAL,
    Assistant,
    Cell,
    File,
    Message,
    Object,
    Run,
    RunStep,
    Thread,
)
from kernelci.protocol.parts import JsonObject
from kernelci.protocol.states import ACTIVE
from kernelci.protocol.uploads import Upload, UploadPart
from kernelci.store.documents import columns, found, row_of, waits
from kernelci.store.tables import EXPIRING, IS_ACTIVE, PARENT, PARENTS, TABLES, WAITING, files, runs, uploads
from kernelci.store.writing import NEXT, adding, replacing

ObjectT = TypeVar("ObjectT", bound=Object)

NOUNS: dict[type[Object], str] = {
    Assistant: "assistant",
    Thread: "thread",
    Message: "message",
    Run: "run",
    RunStep: "run step",
    File: "file",
    Cell: "cell",
    Upload: "upload",
    UploadPart: "part",
}


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one owner: there are no others to whoever reads and changes them here. None owns them all."""

    connection: Connection
    owner: str | None = None

    # Reading

    def find(
        self, kind: type[ObjectT], id: str, within: str | None = None, *, lock: bool = False
    ) -> ObjectT | None:
        """The object or None; with `lock`, nobody else changes it before this transaction ends."""
        query = self._stored(kind, within).where(TABLES[kind].c.id == id)
        row = self.connection.execute(query.with_for_update() if lock else query).one_or_none()
        return None if row is None else found(kind, row)

    def get(self, kind: type[ObjectT], id: str, within: str | None = None, *, lock: bool = False) -> ObjectT:
        """The object; raises NotFound."""
        stored = self.find(kind, id, within, lock=lock)
        if stored is None:
            raise missing(kind, id)
        return stored

    def everything(self, kind: type[ObjectT], within: str) -> tuple[ObjectT, ...]:
        """All of a kind that belong to a thread or run, oldest first."""
        rows = self.connection.execute(self._stored(kind, within).order_by(TABLES[kind].c.seq))
        return tuple(found(kind, row) for row in rows)

    def conversation(
        self, thread_id: str, kinds: Sequence[type[ObjectT]], *, brief: bool = False
    ) -> tuple[ObjectT, ...]:
        """All of these kinds in one row but for what waits, oldest first; NotFound if there is no such thread."""
        self.get(Thread, thread_id)
        return self._in_one_row(thread_id, kinds, lambda seq: seq < WAITING, brief=brief)

    def waiting(self, thread_id: str) -> tuple[Message | Run, ...]:
        """The messages and runs that wait in a thread, in the order they came."""
        return self._in_one_row(thread_id, (Message, Run), lambda seq: seq >= WAITING)

    def _in_one_row(
        self,
        thread_id: str,
        kinds: Sequence[type[ObjectT]],
        where: Callable[[Column[int]], ColumnElement[bool]],
        *,
        brief: bool = False,
    ) -> tuple[ObjectT, ...]:
        together = union_all(
            *(
                self._stored(kind, brief=brief)
                .add_columns(literal(number).label("kind"))
                .where(TABLES[kind].c.thread_id == thread_id, where(TABLES[kind].c.seq))
                for number, kind in enumerate(kinds)
            )
        )
        rows = self.connection.execute(together.order_by("seq")).all()  # at once, which is quicker than row by row
        return tuple(found(kinds[int(row[-1])], row) for row in rows)

    def active_run(self, thread_id: str) -> str | None:
        """The id of the run that holds the thread; none that waits does."""
        return self.connection.scalar(select(runs.c.id).where(runs.c.thread_id == thread_id, IS_ACTIVE))

    def active_runs(self) -> tuple[Run, ...]:
        """Every run that has not ended, oldest first, and after them those that wait."""
        oldest_first = self._stored(Run).order_by(runs.c.created_at, runs.c.seq)
        held = self.connection.execute(oldest_first.where(IS_ACTIVE)).all()
        waiting = self.connection.execute(self._stored(Run).where(runs.c.seq >= WAITING).order_by(runs.c.seq)).all()
        return tuple(found(Run, row) for row in (*held, *waiting))

    # Pages

    def page(
        self, kind: type[ObjectT], page: Page, within: str | None = None, **equal: str | None
    ) -> Paged[ObjectT]:
        """Part of a list, narrowed to rows whose columns equal what is not None; raises InvalidRequest.

        The rows are walked from the cursor on, which with `before` alone is against the order of the list.
        """
        table = TABLES[kind]
        listed = self._mine(kind, within)
        listed += [table.c[name] == value for name, value in equal.items() if value is not None]
        ascending = page.order == "asc"
        between: list[ColumnElement[bool]] = []
        if page.after is not None:
            after = self._cursor(kind, "after", page.after, listed)
            between.append(table.c.seq > after if ascending else table.c.seq < after)
        if page.before is not None:
            before = self._cursor(kind, "before", page.before, listed)
            between.append(table.c.seq < before if ascending else table.c.seq > before)
        backwards = page.before is not None and page.after is None
        walk = table.c.seq.asc() if ascending != backwards else table.c.seq.desc()
        query = columns(table).where(*listed, *between).order_by(walk).limit(page.limit + 1)
        rows = self.connection.execute(query).all()
        shown = rows[: page.limit]
        data = tuple(found(kind, row) for row in (reversed(shown) if backwards else shown))
        return Paged(data, has_more=len(rows) > page.limit)

    def _cursor(self, kind: type[Object], name: str, id: str, listed: Iterable[ColumnElement[bool]]) -> int:
        table = TABLES[kind]
        seq = self.connection.scalar(select(table.c.seq).where(table.c.id == id, *listed))
        if seq is None:
            raise InvalidRequest(
                f"Invalid '{name}': there is no {NOUNS[kind]} with id '{id}' in this list.",
                param=name,
                code="invalid_value",
            )
        return seq

    # Writing

    def put(self, objects: Iterable[Object]) -> None:
        """Insert, or replace all but the metadata."""
        for object in objects:
            row = row_of(object)
            if not self._replace(object, {name: row[name] for name in row if name != "metadata"}):
                self._insert(type(object), [(object, row)])

    def add(self, objects: Iterable[Object]) -> None:
        """Insert what is new, all of a kind with one statement."""
        for kind, several in groupby(objects, type):
            self._insert(kind, [(object, row_of(object)) for object in several])

    def edit(
        self,
        kind: type[ObjectT],
        id: str,
        change: Callable[[ObjectT], ObjectT],
        within: str | None = None,
        adding: Iterable[Object] = (),
    ) -> ObjectT:
        """Read, change and write, metadata included, and insert what is added; raises NotFound."""
        changed = change(self.get(kind, id, within, lock=True))
        self._replace(changed, row_of(changed))
        self.add(adding)
        return changed

    def drop(self, kind: type[ObjectT], id: str, within: str | None = None) -> ObjectT:
        """Delete, and with it all rows whose parent it is; raises NotFound."""
        dropped = self.get(kind, id, within, lock=True)
        self.connection.execute(delete(TABLES[kind]).where(TABLES[kind].c.id == id))
        return dropped

    def advance(self, object: Message | Run) -> None:
        """Give what has waited its place, after all that there is."""
        self._replace(object, {"seq": self.connection.execute(NEXT, {"many": 1}).scalar_one()})

    def refusal(self, objects: Sequence[Object]) -> InvalidRequest | None:
        """Why the database would not take them: a parent is gone, a thread has another run, an id is taken."""
        together = {object.id for object in objects}
        for object in objects:
            for column in PARENTS.get(type(object), ()):
                kind, parent = PARENT[column], getattr(object, column)
                if parent not in together and self.find(kind, parent) is None:
                    return missing(kind, parent)
            if isinstance(object, Run) and object.status in ACTIVE:
                holder = self.active_run(object.thread_id)
                if holder not in (None, object.id):
                    return has_run(object.thread_id, holder)
            if self._is_of_another(object):
                return taken(type(object), object.id)
        return None

    def _is_of_another(self, object: Object) -> bool:
        """Whether there is such an object that is not there for this owner."""
        id = TABLES[type(object)].c.id
        there = self.connection.scalar(select(id).where(id == object.id)) is not None
        return there and self.find(type(object), object.id) is None

    def _replace(self, object: Object, row: JsonObject) -> bool:
        statement = replacing(type(object), owned=self.owner is not None)
        bound = {"the_id": object.id, "the_owner": self.owner, "at": ids.now()}
        values = {name: value for name, value in row.items() if name != "id"}
        return self.connection.execute(statement, values | bound).rowcount > 0

    def _insert(self, kind: type[Object], new: Sequence[tuple[Object, JsonObject]]) -> None:
        newest: int = self.connection.execute(NEXT, {"many": len(new)}).scalar_one()
        for seq, (object, row) in enumerate(new, newest - len(new) + 1):
            row["seq"] = seq + (WAITING if waits(object) else 0)
            if kind in PARENTS:
                parent = getattr(object, PARENTS[kind][0])
                row |= {"the_parent": parent, "the_owner": self.owner, "at": ids.now()}
            else:
                row["owner"] = self.owner or LOCAL
        self.connection.execute(adding(kind, owned=self.owner is not None), [row for _, row in new])

    # Whose

    def _stored(
        self, kind: type[Object], within: str | None = None, *, brief: bool = False
    ) -> Select[Any, Any, Any, Any]:
        return columns(TABLES[kind], brief=brief).where(*self._mine(kind, within))

    def _mine(self, kind: type[Object], within: str | None = None) -> list[ColumnElement[bool]]:
        columns = TABLES[kind].c
        mine = [] if self.owner is None else [columns.owner == self.owner]
        if kind in EXPIRING:
            mine.append(or_(columns.expires_at.is_(None), columns.expires_at > ids.now()))
        if within is not None:
            mine.append(or_(*(columns[parent] == within for parent in PARENTS[kind])))
        return mine


# Bytes are nobody's: files of several owners may have the same.


def holds(connection: Connection, sha256: str) -> bool:
    """Whether anybody's file has these bytes."""
    return connection.scalar(select(files.c.id).where(files.c.blob == sha256).limit(1)) is not None


def held(connection: Connection) -> frozenset[str]:
    """The hashes of all bytes that files have."""
    return frozenset(connection.scalars(select(files.c.blob).distinct()))


def pending_uploads(connection: Connection) -> frozenset[str]:
    """The ids of all uploads whose parts may still come or be put together."""
    return frozenset(connection.scalars(select(uploads.c.id).where(uploads.c.status == "pending")))


def expire(connection: Connection) -> None:
    """Delete what is past its time."""
    for table in (TABLES[kind] for kind in EXPIRING):
        connection.execute(delete(table).where(table.c.expires_at <= ids.now()))


def missing(kind: type[Object], id: str) -> NotFound:
    """What to say of an object that is not there."""
    return NotFound(f"No {NOUNS[kind]} found with id '{id[:64]}'.")


def taken(kind: type[Object], id: str) -> InvalidRequest:
    """What to say of an object whose id is another owner's, or of what is past its time."""
    return InvalidRequest(f"There is another {NOUNS[kind]} with id '{id}', which is somebody else's.")


def has_run(thread_id: str, run_id: str) -> ThreadBusy:
    """What to say of a run that would be its thread's second."""
    return ThreadBusy(f"Thread {thread_id} already has an active run {run_id}.")
