"""A whole store as one file, and back. The file is an SQLite store, whatever database it came from or goes to."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from sqlalchemy import Connection, Table, delete, insert, inspect, select

from clew.errors import InputError, StoreError
from clew.store import engines, searching, tables
from clew.store.failures import told
from clew.store.store import Store
from clew.store.store import open as opened

_AT_ONCE, _BODIES_AT_ONCE = 500, 10  # rows; a body may have the size of a video


class Restored(NamedTuple):
    """What came back: how many threads, and whose removal (actor ids) was noted here after the backup was made."""

    threads: int
    removed: tuple[str, ...]


def backup(store: Store, file: Path) -> None:
    """Write all of a store, as it is at one moment, into a new file. Others may read and write meanwhile; ``file``
    is there when it is whole, and not before.

    Raises:
        InputError: there is something at ``file``, or it cannot be written.
        StoreError: the store cannot be read.
    """
    if file.exists():
        raise InputError("There is something already", str(file), "Name a file that is not there")
    try:
        with TemporaryDirectory(prefix=".clew-", dir=file.parent) as folder:
            whole = Path(folder) / "backup.db"
            with told(store.where):
                if path := engines.path(store._engine):
                    engines.snapshot(path, whole)
                else:
                    _carried_over(store, Path(folder) / "copy.db", whole)
            with whole.open("rb") as written:
                os.fsync(written.fileno())
            whole.replace(file)
    except OSError as error:
        raise InputError(
            f"The backup cannot be written ({error.strerror})", str(file), "Choose another place"
        ) from error


def restore(store: Store, file: Path, *, replace: bool = False) -> Restored:
    """Put what a backup holds into an empty store. A backup by an older Clew is brought up to date on the way; the
    file stays as it is. It is done, or nothing changed.

    Args:
        store: where it goes.
        file: what ``backup`` wrote, or any SQLite store.
        replace: whether what the store holds is dropped. Opt-outs and the notes of removals always stay.

    Raises:
        StoreError: the store is not empty, or the file is not a whole backup.
    """
    with TemporaryDirectory(prefix="clew-") as folder:
        copy = Path(folder) / "clew.db"
        _read(file, copy)
        with (
            opened(copy) as earlier,
            told(store.where),
            engines.reading(earlier._engine) as source,
            engines.writing(store._engine) as target,
        ):
            wishes, removals = _emptied(target, store.where, replace=replace)
            _transfer(source, target)
            _add(target, tables.opt_out, "key", wishes)
            removed = _add(target, tables.deletion, "done", removals)
        return Restored(earlier.count(listed_only=False), tuple(row["actor"] for row in removed))


def _read(file: Path, copy: Path) -> None:
    try:
        with told(str(file)):
            engines.snapshot(file, copy)
            engine, _ = engines.engine(copy, 0)
            with engines.reading(engine) as db:
                whole = inspect(db).has_table(tables.VERSIONS)
            engine.dispose()
    except StoreError as error:
        raise StoreError("This is not a whole backup of a store", str(file), "Take another one") from error
    if not whole:
        raise StoreError("This is not a backup of a store", str(file), "Name a file that clew backup wrote")


def _carried_over(store: Store, copy: Path, whole: Path) -> None:
    with opened(copy) as target:
        with engines.reading(store._engine) as source, engines.writing(target._engine) as db:
            _transfer(source, db)
        engines.snapshot(copy, whole)


def _transfer(source: Connection, target: Connection) -> None:
    """Copy every row; what is searched is written anew, as each database has its own form of it."""
    for table in tables.metadata.sorted_tables:
        if table is not tables.passage:
            size = _BODIES_AT_ONCE if table is tables.capture else _AT_ONCE
            found = source.execute(select(table).execution_options(yield_per=size))
            for some in found.mappings().partitions():
                target.execute(insert(table), [dict(row) for row in some])
    searching.refill(target)
    engines.number_on(target, tables.deletion.c.number)


def _emptied(db: Connection, where: str, *, replace: bool) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Make room, and return the opt-outs and removals that were noted."""
    every = tables.metadata.sorted_tables
    if not replace and any(db.execute(select(table).limit(1)).first() for table in every):
        raise StoreError("The store is not empty", where, "Name a new one, or drop what it holds with --replace")
    wishes, removals = (
        [dict(row) for row in db.execute(select(table)).mappings()] for table in (tables.opt_out, tables.deletion)
    )
    searching.clear(db)
    for table in reversed(every):
        db.execute(delete(table))
    return wishes, removals


def _add(db: Connection, table: Table, by: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Insert the rows that are not there yet, as ``by`` tells, and return them."""
    there = set(db.execute(select(table.c[by])).scalars())
    new = [{name: value for name, value in row.items() if name != "number"} for row in rows if row[by] not in there]
    if new:
        db.execute(insert(table), new)
    return new
