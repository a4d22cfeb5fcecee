"""Opening a store, its transactions, and leaving nothing behind."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlalchemy import Connection, Engine

from clew.errors import StoreError
from clew.store import engines, searching, tables
from clew.store.failures import told
from clew.store.pulse import Pulse
from clew.store.reading import Reads
from clew.store.versions import migrate
from clew.store.writing import Writer


def open(place: str | Path, *, wait: float = 30.0) -> Store:  # noqa: A001  read as store.open
    """Open the store at ``place``, making or migrating it where needed.

    ``place`` is the path of an SQLite file, or a URL (``sqlite:///…``, ``postgresql://…``). ``wait`` is how many
    seconds to wait for another process that is writing.

    Raises:
        StoreError: not a store, of a newer version, locked, or out of reach.
    """
    engine, where = engines.engine(place, wait)
    store = Store(engine, where)
    try:
        with told(where):
            migrate(engine, where)
    except BaseException:
        store.close()
        raise
    return store


class Store(Reads):
    """An open store. Each question is answered from one moment's state. Threads may share it."""

    def __init__(self, engine: Engine, where: str) -> None:
        self._engine = engine
        self._pulse = Pulse(engine)
        self.where = where
        """Its place for people, without a password."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of every connection."""
        self._pulse.close()
        self._engine.dispose()

    def mark(self) -> Hashable:
        """Return a mark of what is committed: while two are equal, every question has the same answer, whichever
        process writes. Take it before the questions. Where the database does not answer it equals no other."""
        return self._pulse.mark()

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        with told(self.where), engines.reading(self._engine) as db:
            yield db

    @contextmanager
    def writing(self, now: datetime | None = None) -> Iterator[Writer]:
        """Give the store to one writer; other writers wait until it ends. An exception inside undoes all of it.

        ``now`` (aware) is the time noted for what is kept; None: the time it is.

        Raises:
            StoreError: another process went on writing for too long.
        """
        with told(self.where), engines.writing(self._engine) as db:
            writer = Writer(db, self.where, now or datetime.now(UTC))
            yield writer
            if writer.broken:
                raise StoreError("Nothing was written, because a step failed", self.where, "Try again")

    def scrub(self) -> None:
        """Leave no trace of what was dropped or redacted in the database's own files.

        SQLite: freed pages are always overwritten; here the file is built anew and its log emptied. PostgreSQL: its
        tables are built anew, and it keeps no statistics of words (they would hold samples). Its write-ahead log
        (``pg_wal``) still holds old text after this (measured) until its segments are used again; so may replicas
        and backups: these are its operator's.
        Blocks that the file system freed are beyond both.

        Raises:
            StoreError: another process is reading or writing.
        """
        with told(self.where):
            with engines.writing(self._engine) as db:
                searching.compact(db)
            emptied = engines.rebuild(self._engine, [table.name for table in tables.metadata.sorted_tables])
        if not emptied:
            raise StoreError(
                "Removed text may still be in the store's log, another process is reading",
                self.where,
                "Stop it and run this again",
            )
