"""Lists that are quick for each owner, however much the others have.

Revision ID: 0002
"""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Index by owner what is listed by owner; messages, runs, steps and cells are found by their thread."""
    for table in ("assistants", "threads", "files"):
        op.create_index(f"ix_{table}_owner_seq", table, ["owner", "seq"])
    op.drop_index("ix_files_purpose_seq", "files")
    op.create_index("ix_files_owner_purpose_seq", "files", ["owner", "purpose", "seq"])
