"""The first tables.

Revision ID: 0001
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make them."""
    counter = op.create_table(
        "counter",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_counter"),
    )
    op.bulk_insert(counter, [{"name": "seq", "value": 0}])
    _objects("assistants")
    _objects("threads")
    _objects(
        "files",
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("blob", sa.String(), nullable=False),
    )
    op.create_index("ix_files_purpose_seq", "files", ["purpose", "seq"])
    op.create_index("ix_files_blob", "files", ["blob"])
    _objects("messages", *_parent("messages", "thread"), sa.Column("run_id", sa.String()), _status())
    _objects(
        "runs",
        *_parent("runs", "thread"),
        _status(),
        sa.Column("lease_owner", sa.String()),
        sa.Column("lease_epoch", sa.Integer(), nullable=False, server_default="0"),
    )
    _objects("steps", *_parent("steps", "thread"), *_parent("steps", "run"), _status())
    _objects("cells", *_parent("cells", "thread"), *_parent("cells", "run"), _status())
    for table in ("messages", "runs", "steps", "cells"):
        op.create_index(f"ix_{table}_thread_id_seq", table, ["thread_id", "seq"])
    for table in ("messages", "steps", "cells"):
        op.create_index(f"ix_{table}_run_id_seq", table, ["run_id", "seq"])
    active = sa.text("status IN ('cancelling', 'in_progress', 'queued', 'requires_action')")
    op.create_index(
        "uq_runs_active", "runs", ["thread_id"], unique=True, sqlite_where=active, postgresql_where=active
    )


def _objects(table: str, *own: sa.Column[Any] | sa.Constraint) -> None:
    op.create_table(
        table,
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False, server_default="local"),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        *own,
        sa.Column("metadata", sa.JSON(), nullable=False),
        sa.Column("doc", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=f"pk_{table}"),
        sa.UniqueConstraint("seq", name=f"uq_{table}_seq"),
    )


def _status() -> sa.Column[str]:
    return sa.Column("status", sa.String(), nullable=False)


def _parent(table: str, kind: str) -> tuple[sa.Column[str], sa.Constraint]:
    column = sa.Column(f"{kind}_id", sa.String(), nullable=False)
    name = f"fk_{table}_{kind}_id"
    return column, sa.ForeignKeyConstraint([f"{kind}_id"], [f"{kind}s.id"], name=name, ondelete="CASCADE")
