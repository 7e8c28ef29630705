"""The tables: one a kind of object, and one of keys; the same on every database.

A row keeps its object whole in `doc`, which is what is read back; the columns beside it repeat what is searched
or constrained. `metadata` stands apart, since clients change it while a run writes the rest; `brief` is a step
without the logs of long outputs, where it has any. How a database comes to have the tables is in migrations/.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    TypeDecorator,
    bindparam,
)

from kernelci.protocol.objects import Assistant, Cell, File, Message, Object, Run, RunStep, Thread
from kernelci.protocol.states import ACTIVE
from kernelci.protocol.uploads import Upload, UploadPart

NAMES = {
    "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
}


class Term(TypeDecorator[str]):
    """Text that clients may search for. What no database can hold is replaced, and so is found nowhere."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        if value is None or (value.isascii() and value.isprintable()):
            return value
        return value.encode("utf-8", errors="replace").decode("utf-8").replace("\0", "?")


metadata = MetaData(naming_convention=NAMES)

counter = Table(
    "counter",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", BigInteger, nullable=False),
)
"""The newest `seq`: one row, which also puts the writers of a shared database in line."""

WAITING = 2**62
"""What waits for its turn in a busy thread has a `seq` beyond this, and so comes last in each list; so has a run's
`status` column the word `waiting` then, whatever its own status."""

keys = Table(
    "keys",
    metadata,
    Column("name", String, primary_key=True),
    Column("beginning", String, nullable=False),
    Column("digest", String, nullable=False, unique=True),
    Column("created_at", BigInteger, nullable=False),
    Column("used_at", BigInteger),
)
"""The fields of protocol/keys.py's Key, in their order."""


def _table(name: str, *own: Column[Any] | Index) -> Table:
    return Table(
        name,
        metadata,
        Column("id", Term, primary_key=True),
        Column("owner", String, nullable=False, server_default="local"),
        Column("seq", BigInteger, nullable=False, unique=True),
        Column("created_at", BigInteger, nullable=False),
        *own,
        Column("metadata", JSON, nullable=False),
        Column("doc", JSON, nullable=False),
    )


def _parent(kind: str) -> Column[str]:
    return Column(f"{kind}_id", Term, ForeignKey(f"{kind}s.id", ondelete="CASCADE"), nullable=False)


assistants = _table("assistants", Index(None, "owner", "seq"))
threads = _table("threads", Index(None, "owner", "seq"))
files = _table(
    "files",
    Column("purpose", Term, nullable=False),
    Column("blob", Term, nullable=False),
    Index(None, "owner", "seq"),
    Index(None, "owner", "purpose", "seq"),
    Column("expires_at", BigInteger),
    Index(None, "blob"),
    Index(None, "expires_at"),
)
uploads = _table(
    "uploads",
    Column("status", String, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Index(None, "expires_at"),
)
parts = _table("parts", _parent("upload"), Index(None, "upload_id", "seq"))
messages = _table(
    "messages",
    _parent("thread"),
    Column("run_id", Term),
    Column("status", String, nullable=False),
    Index(None, "thread_id", "seq"),
    Index(None, "run_id", "seq"),
)
runs = _table(
    "runs",
    _parent("thread"),
    Column("status", String, nullable=False),
    Column("lease_owner", String),
    Column("lease_epoch", Integer, nullable=False, server_default="0"),
    Index(None, "thread_id", "seq"),
)
steps = _table(
    "steps",
    _parent("thread"),
    _parent("run"),
    Column("status", String, nullable=False),
    Column("brief", JSON(none_as_null=True)),
    Index(None, "thread_id", "seq"),
    Index(None, "run_id", "seq"),
)
cells = _table(
    "cells",
    _parent("thread"),
    _parent("run"),
    Column("status", String, nullable=False),
    Index(None, "thread_id", "seq"),
    Index(None, "run_id", "seq"),
)

# The statuses are written out, not bound: a planner takes a partial index only if it can read the condition.
IS_ACTIVE = runs.c.status.in_(bindparam("active", sorted(ACTIVE), expanding=True, literal_execute=True))
Index("uq_runs_active", runs.c.thread_id, unique=True, sqlite_where=IS_ACTIVE, postgresql_where=IS_ACTIVE)

TABLES: Mapping[type[Object], Table] = MappingProxyType(
    {
        Assistant: assistants,
        Thread: threads,
        Message: messages,
        Run: runs,
        RunStep: steps,
        File: files,
        Upload: uploads,
        UploadPart: parts,
        Cell: cells,
    }
)

PARENTS: Mapping[type[Object], tuple[str, ...]] = MappingProxyType(
    {
        Message: ("thread_id",),
        Run: ("thread_id",),
        RunStep: ("thread_id", "run_id"),
        Cell: ("thread_id", "run_id"),
        UploadPart: ("upload_id",),
    }
)
"""What an object may be looked for within, by its columns; the first is whose owner it has."""

PARENT: Mapping[str, type[Object]] = MappingProxyType({"thread_id": Thread, "run_id": Run, "upload_id": Upload})
EXPIRING = (File, Upload)
"""What is not there any more from its `expires_at` on."""
