"""Bringing a store's schema up to date. Alembic is loaded only where there is something to do."""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, inspect, text

from clew.errors import StoreError
from clew.store import engines, searching, tables

if TYPE_CHECKING:
    from alembic.config import Config

_FOLDER = Path(__file__).parent / "migrations"
_one_at_a_time = Lock()  # alembic's context is one per process


def migrate(engine: Engine, where: str) -> None:
    """Bring the schema to ``tables.HEAD``. Two processes may try at once: one does it.

    Raises:
        StoreError: the store is of a newer version, or another program's.
    """
    with engines.reading(engine) as db:
        due = _due(db, where)
    if not due:
        return
    from alembic import command

    with _one_at_a_time, engines.writing(engine) as db:
        if _due(db, where):
            command.upgrade(alembic(db), "head")
            searching.refill(db)


def alembic(db: Connection) -> Config:
    """Return alembic's configuration for work inside the transaction of ``db``."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.attributes["connection"] = db
    return config


def _due(db: Connection, where: str) -> bool:
    inspector = inspect(db)
    if not inspector.has_table(tables.VERSIONS):
        if db.dialect.name == "sqlite" and inspector.get_table_names():
            raise StoreError("This file belongs to another program", where, "Name another for the store")
        return True
    version = db.execute(text(f"SELECT version_num FROM {tables.VERSIONS}")).scalar_one_or_none()  # noqa: S608
    if version is None:
        return True
    if not version.isdecimal() or int(version) > tables.HEAD:
        raise StoreError("The store was written by a newer Clew", where, "Update Clew")
    return int(version) < tables.HEAD
