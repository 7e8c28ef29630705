"""Steps without the logs of long outputs.

Revision ID: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make room for them; the steps that there are stay whole."""
    op.add_column("steps", sa.Column("brief", sa.JSON(none_as_null=True)))
