"""What SQLite and PostgreSQL do differently: connecting, transactions, building anew. It is known only here and, of
full text, in ``searching``."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy
from sqlalchemy import Column, Connection, Engine, NullPool, event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError

from clew.errors import StoreError

_LOCK = 0x636C6577  # "clew": the advisory lock that writers hold on PostgreSQL
_CONNECT_SECONDS = 10


def engine(place: str | Path, wait: float) -> tuple[Engine, str]:
    """Return an engine for a path or URL, and how to name the place to people."""
    url = _url(place)
    where = url.set(query={}).render_as_string(hide_password=True)
    if url.get_backend_name() == "sqlite":
        return _sqlite(url, wait)
    if url.get_backend_name() in ("postgresql", "postgres"):
        return _postgresql(url, wait, where), where
    raise StoreError("Clew keeps its store in SQLite or PostgreSQL", where, "Name a file or a postgresql:// URL")


def _url(place: str | Path) -> URL:
    if isinstance(place, Path) or "://" not in place:
        return URL.create("sqlite", database=str(Path(place).expanduser()))
    try:
        return make_url(place)
    except (ArgumentError, ValueError) as error:
        raise StoreError("The store's address cannot be read", place, "Write it as a URL or a path") from error


# --- SQLite --------------------------------------------------------------------------------------------------


def _sqlite(url: URL, wait: float) -> tuple[Engine, str]:
    if not url.database or url.database == ":memory:":
        raise StoreError("A store needs a file", "", "Name one")
    path = Path(url.database)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError("The folder for the store cannot be made", str(path.parent), "Name another") from error
    # No pool: an idle connection would keep the log from being emptied and the file from being moved.
    made = sqlalchemy.create_engine(url.set(drivername="sqlite+pysqlite", query={}), poolclass=NullPool)

    @event.listens_for(made, "connect")
    def _connect(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # BEGIN is ours
        connection.execute(f"PRAGMA busy_timeout = {int(wait * 1000)}")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA secure_delete = ON")
        _log_ahead(connection, wait)

    @event.listens_for(made, "begin")
    def _begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        if not options.get("clew_bare"):  # VACUUM stands outside transactions
            connection.exec_driver_sql(f"BEGIN {'IMMEDIATE' if options.get('clew_writing') else 'DEFERRED'}")

    return made, str(path)


def _log_ahead(connection: sqlite3.Connection, wait: float) -> None:
    """Readers go on while one writes. SQLite does not wait for others when it changes to this mode: we do."""
    end = time.monotonic() + wait
    while connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
            time.sleep(0.02)


# --- PostgreSQL ----------------------------------------------------------------------------------------------


def _postgresql(url: URL, wait: float, where: str) -> Engine:
    arguments: dict[str, Any] = {} if "connect_timeout" in url.query else {"connect_timeout": _CONNECT_SECONDS}
    url = url.set(drivername="postgresql+psycopg")
    try:
        made = sqlalchemy.create_engine(url, connect_args=arguments, pool_pre_ping=True)
    except ImportError as error:
        raise StoreError(
            "PostgreSQL needs one more package", where, "Install clew with its extra, clew[postgresql]"
        ) from error
    return made.execution_options(clew_wait=wait)


def _hold(db: Connection) -> None:
    """Wait until no other writer holds the database; the end of the transaction lets go."""
    _limit(db, "SET LOCAL")
    db.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")


def _limit(db: Connection, command: str) -> None:
    wait = db.get_execution_options()["clew_wait"]
    db.exec_driver_sql(f"{command} lock_timeout = {max(1, int(wait * 1000))}")  # 0 would be for ever


# --- both ----------------------------------------------------------------------------------------------------


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Give a connection that sees one moment's state."""
    options: dict[str, Any] = {} if engine.dialect.name == "sqlite" else {"isolation_level": "REPEATABLE READ"}
    with engine.connect() as connection:
        db = connection.execution_options(**options)
        with db.begin():
            yield db


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Give a connection that no other writer is beside, from its start to its commit."""
    with engine.connect() as connection:
        db = connection.execution_options(clew_writing=True)
        with db.begin():
            if db.dialect.name == "postgresql":
                _hold(db)
            yield db


def seen(engine: Engine) -> str:
    """Return which transactions of a PostgreSQL database can be seen now."""
    with engine.connect() as connection:
        db = connection.execution_options(isolation_level="AUTOCOMMIT")
        return str(db.exec_driver_sql("SELECT pg_current_snapshot()::text").scalar_one())


def path(engine: Engine) -> Path | None:
    """Return the file of a store, where it is one."""
    name = engine.url.database
    return Path(name) if engine.dialect.name == "sqlite" and name else None


def snapshot(file: Path, into: Path) -> None:
    """Copy an SQLite database as it is at this moment, without what was freed, and without a log beside it. Others
    may write to it meanwhile; nothing is written to it here."""
    url = URL.create(
        "sqlite+pysqlite", database=f"file:{quote(str(file.absolute()))}", query={"mode": "ro", "uri": "true"}
    )
    engine = sqlalchemy.create_engine(url, poolclass=NullPool)
    with engine.connect() as db:
        db.exec_driver_sql("VACUUM INTO ?", (str(into),))


def number_on(db: Connection, column: Column[int]) -> None:
    """Let a column go on counting after rows came with numbers of their own. SQLite does so by itself."""
    if db.dialect.name == "postgresql":
        name, table = column.name, column.table.name
        counter = f"pg_get_serial_sequence('{table}', '{name}')"
        db.exec_driver_sql(f'SELECT setval({counter}, coalesce(max({name}), 0) + 1, false) FROM "{table}"')  # noqa: S608


def rebuild(engine: Engine, names: list[str]) -> bool:
    """Build every table anew without what was freed; return whether the log could be emptied as well."""
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            db = connection.execution_options(isolation_level="AUTOCOMMIT")
            db.detach()  # the pool must not get the lock_timeout back
            _limit(db, "SET")
            for name in names:
                db.exec_driver_sql(f'VACUUM FULL "{name}"')
            return True
        db = connection.execution_options(clew_bare=True)
        db.exec_driver_sql("VACUUM")
        return not db.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()[0]
