"""What can be done to a store, inside one transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Table, delete, func, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from clew import text
from clew.errors import StoreError
from clew.model import Capture, Deletion, OptOut, Thread
from clew.store import rows, searching, tables
from clew.store.failures import told
from clew.store.reading import Reads
from clew.store.retrievals import thinned
from clew.store.rows import Listing

_BATCH_ROWS, _BATCH_BYTES = 200, 8 * 1024 * 1024


class Writer(Reads):
    """One write transaction. It sees what it wrote; nobody else does until it ends."""

    def __init__(self, connection: Connection, where: str, now: datetime) -> None:
        self._db, self._where, self._now = connection, where, now
        self.broken = False  # a statement failed, so the database will undo all of it

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        try:
            with told(self._where):
                yield self._db
        except StoreError as error:
            self.broken = self.broken or isinstance(error.__cause__, SQLAlchemyError)
            raise

    # --- captures ---

    def put_captures(self, captures: Iterable[Capture]) -> list[Capture]:
        """Keep bodies, and return the captures with the bodies that are kept: one whose digest is there already,
        redacted or not, is left as it is. Where and when each was received is kept by ``put_thread``.

        Raises:
            StoreError: a body does not have its digest.
        """
        own = tables.capture
        kept: list[Capture] = []
        for batch in _batches(captures):
            bodies = {capture.sha256: rows.body_row(capture) for capture in reversed(batch)}
            with self._connected() as db:
                there = {
                    row.sha256: row._asdict() for row in db.execute(select(own).where(own.c.sha256.in_(bodies)))
                }
                if new := [row for sha256, row in bodies.items() if sha256 not in there]:
                    db.execute(insert(own), new)
            kept += [msgspec.structs.replace(one, **(bodies | there)[one.sha256]) for one in batch]
        return kept

    def redact(
        self, sha256: str, body: bytes, *, url: str | None = None, headers: Collection[str] | None = None
    ) -> None:
        """Replace a body; its digest stays. ``url`` (None: as it is) takes the place of its addresses in every
        saving, and of its headers only those named stay (None: all).

        Raises:
            StoreError: there is no such capture.
        """
        own, parts = tables.capture, tables.saving_capture
        with self._connected() as db:
            values = {"body": body, "redacted": True}
            changed = db.execute(update(own).where(own.c.sha256 == sha256).values(values)).rowcount
            if url is not None:
                db.execute(update(parts).where(parts.c.sha256 == sha256).values(url=url, location=""))
            if headers is not None:
                _drop_headers(db, sha256, headers)
        if not changed:
            raise StoreError("There is no such capture in the store", sha256)

    def drop_captures_unused(self) -> int:
        """Drop the captures that no saving refers to; return how many."""
        used = select(tables.saving_capture.c.sha256)
        with self._connected() as db:
            return db.execute(delete(tables.capture).where(tables.capture.c.sha256.not_in(used))).rowcount

    # --- threads ---

    def put_thread(
        self,
        thread: Thread,
        *,
        title: str,
        source: str,
        captures: Sequence[Capture],
        post: str = "",
        url: str = "",
        looked: datetime | None = None,
        visibility: Listing | None = None,
    ) -> str:
        """Keep ``thread`` and how to derive it again; return its key. The same again changes nothing.

        ``captures`` are what ``source`` (its name) reads, with bodies that are in the store; of the same answers
        again and again some are left out (``thinned``). ``post`` is the id that was asked for, ``url`` the address
        to ask again, ``looked`` when that was last done. ``visibility`` None: as the author asked of the platform.

        Raises:
            StoreError: a capture's body is not in the store.
        """
        key = text.key(thread.id)
        row = rows.thread_row(thread, title, visibility or rows.listing(thread))
        fact: dict[str, Any] = {"thread": thread.id, "post": post, "rule": thread.rule, "source": source}
        fact |= {"url": url, "looked": looked}
        with self._connected() as db:
            fresh = _put_saving(db, key, fact, rows.digest(row), self._now)
            _put_parts(db, key, thinned(captures))
            db.execute(delete(tables.alias).where(tables.alias.c.old == key))
            if fresh or not _has(db, tables.thread, key):
                _put_derived(db, key, row, thread, source)
        return key

    def looked(self, thread: str, when: datetime) -> None:
        """Note that a thread's address (thread: id or key) was asked, whatever came of it."""
        own = tables.saving
        with self._connected() as db:
            db.execute(update(own).where(own.c.key == rows.as_key(thread)).values(looked=when))

    def drop_thread(self, thread: str) -> None:
        """Drop a thread (id or key), how it was derived, and its aliases. Its captures stay."""
        key = rows.as_key(thread)
        with self._connected() as db:
            searching.drop(db, _number(db, key))
            db.execute(delete(tables.saving).where(tables.saving.c.key == key))

    def alias(self, old_id: str, new_id: str) -> None:
        """Let ``old_id`` find the thread ``new_id``, and with it whatever found ``old_id`` before.

        Call it after the thread is put and before the old one is dropped.
        """
        old, new = text.key(old_id), text.key(new_id)
        own = tables.alias
        if old == new:
            return
        with self._connected() as db:
            db.execute(delete(own).where(own.c.old.in_([old, new])))
            db.execute(update(own).where(own.c.key == old).values(key=new))
            db.execute(insert(own), [{"old": old, "key": new}])

    def clear_derived(self) -> None:
        """Drop every derived row. What was asked to be kept, captures, aliases and judgements stay."""
        with self._connected() as db:
            searching.clear(db)
            db.execute(delete(tables.thread))

    # --- judgements and outputs ---

    def put_opt_out(self, wish: OptOut) -> None:
        """Note an opt-out. One that stands already is left as it is."""
        key = text.key(wish.actor)
        with self._connected() as db:
            if not _has(db, tables.opt_out, key):
                row = {"key": key, "actor": wish.actor, "who": wish.who, "stated": wish.when}
                db.execute(insert(tables.opt_out), [row])

    def lift_opt_out(self, actor: str) -> bool:
        """End the opt-out of an actor (id); return whether there was one."""
        own = tables.opt_out
        with self._connected() as db:
            return bool(db.execute(delete(own).where(own.c.key == text.key(actor))).rowcount)

    def put_deletion(self, done: Deletion) -> None:
        """Note a removal that was carried out."""
        row = {"actor": done.actor, "who": done.who, "done": done.when}
        row |= {"captures": done.captures, "threads": done.threads}
        with self._connected() as db:
            db.execute(insert(tables.deletion), [row])

    def put_output(self, path: str, kind: str, thread_ids: Iterable[str]) -> None:
        """Note that ``path`` was written from these threads, in place of what was noted for it before."""
        key = text.key(path)
        row = {"key": key, "path": path, "kind": kind, "threads": rows.dumps(sorted(set(thread_ids)))}
        with self._connected() as db:
            db.execute(delete(tables.output).where(tables.output.c.key == key))
            db.execute(insert(tables.output), [row])

    def drop_output(self, path: str) -> None:
        """Forget that ``path`` was written."""
        with self._connected() as db:
            db.execute(delete(tables.output).where(tables.output.c.key == text.key(path)))


def _batches(captures: Iterable[Capture]) -> Iterator[list[Capture]]:
    batch: list[Capture] = []
    size = 0
    for capture in captures:
        batch.append(capture)
        size += len(capture.body)
        if len(batch) == _BATCH_ROWS or size > _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _has(db: Connection, table: Table, key: str) -> bool:
    return db.execute(select(table.c.key).where(table.c.key == key)).first() is not None


def _put_saving(db: Connection, key: str, fact: dict[str, Any], digest: str, now: datetime) -> bool:
    """Insert or update; return whether what is derived came out different."""
    own = tables.saving
    before = db.execute(select(own).where(own.c.key == key)).one_or_none()
    if before is None:
        last = db.execute(select(func.coalesce(func.max(own.c.number), 0))).scalar_one()
        row = {"key": key, **fact, "saved": now, "changed": now, "digest": digest, "number": last + 1}
        db.execute(insert(own), [row])
        return True
    if before.thread != fact["thread"]:
        raise StoreError("Two threads have the same key", key, "Keep one of them in another store")
    fresh = bool(before.digest != digest)
    if fresh:
        fact = {**fact, "changed": now, "digest": digest}
    if any(before._mapping[name] != value for name, value in fact.items()):
        db.execute(update(own).where(own.c.key == key).values(fact))
    return fresh or bool(before.source != fact["source"])


def _number(db: Connection, key: str) -> int:
    """Return the number of a saving; 0, which is nobody's, where there is none."""
    own = tables.saving.c
    return db.execute(select(own.number).where(own.key == key)).scalar_one_or_none() or 0


def _put_parts(db: Connection, key: str, captures: list[Capture]) -> None:
    own = tables.saving_capture
    parts = [{"key": key, "position": n, **rows.retrieval_row(capture)} for n, capture in enumerate(captures)]
    before = db.execute(select(own).where(own.c.key == key).order_by(own.c.position))
    if [row._asdict() for row in before] == parts:
        return
    db.execute(delete(own).where(own.c.key == key))
    if parts:
        db.execute(insert(own), parts)


def _drop_headers(db: Connection, sha256: str, staying: Collection[str]) -> None:
    own = tables.saving_capture
    told = select(own.c.key, own.c.position, own.c.headers).where(own.c.sha256 == sha256)
    for key, position, data in db.execute(told).all():
        headers = {name: value for name, value in rows.loads(data, dict[str, str]).items() if name in staying}
        one = (own.c.key == key) & (own.c.position == position)
        db.execute(update(own).where(one).values(headers=rows.dumps(headers)))


def _put_derived(db: Connection, key: str, row: dict[str, Any], thread: Thread, source: str) -> None:
    number = _number(db, key)
    if db.execute(delete(tables.thread).where(tables.thread.c.key == key)).rowcount:
        searching.drop(db, number)
    searching.put(db, number, row["visibility"], source, thread)
    db.execute(insert(tables.thread), [{"key": key, **row}])
    for table, parts in (
        (tables.thread_actor, rows.actor_rows(thread)),
        (tables.actor_name, rows.actor_names(thread)),
        (tables.post_name, rows.post_names(thread)),
    ):
        if parts:
            db.execute(insert(table), [{"key": key, **part} for part in parts])
