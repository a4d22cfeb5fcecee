"""Run by alembic: the connection, and the transaction it is in, are given by ``clew.store.versions``."""

from __future__ import annotations

from alembic import context

from clew.store import tables

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=tables.metadata,
    version_table=tables.VERSIONS,
)
context.run_migrations()
