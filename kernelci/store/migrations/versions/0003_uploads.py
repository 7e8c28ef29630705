"""Uploads in parts, and files that expire.

Revision ID: 0003
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the tables of uploads and their parts; files of before never expire."""
    op.add_column("files", sa.Column("expires_at", sa.BigInteger()))
    op.create_index("ix_files_expires_at", "files", ["expires_at"])
    _objects(
        "uploads",
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_uploads_expires_at", "uploads", ["expires_at"])
    upload = sa.ForeignKeyConstraint(["upload_id"], ["uploads.id"], name="fk_parts_upload_id", ondelete="CASCADE")
    _objects("parts", sa.Column("upload_id", sa.String(), nullable=False), upload)
    op.create_index("ix_parts_upload_id_seq", "parts", ["upload_id", "seq"])


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
