"""How Alembic runs here: on the connection it is given, within that connection's transaction."""

from __future__ import annotations

from alembic import context

from kernelci.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,  # on SQLite, too: the transaction was begun before, and covers every statement
)
with context.begin_transaction():
    context.run_migrations()
