"""What a store can be asked, from outside and from inside a write transaction."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, func, select

from clew import text
from clew.errors import StoreError
from clew.model import Actor, Capture, Deletion, OptOut, Thread
from clew.store import tables
from clew.store.rows import Entry, Output, Saving, as_key, capture_of, handle_key, loads

_PREFIX = re.compile(r"[a-z2-7]{4,12}")
_PAGE = 200  # rows fetched at once where all are wanted
_FAR = 2**31 - 1  # the largest number every database takes for LIMIT and OFFSET

_ENTRIES = (
    select(
        *(tables.thread.c[n] for n in "key title posts complete sentence visibility published updated".split()),
        tables.saving.c.thread,
        tables.saving.c.saved,
        tables.saving.c.changed,
        tables.thread_actor.c.data,
    )
    .join(tables.saving, tables.saving.c.key == tables.thread.c.key)
    .join(
        tables.thread_actor,
        (tables.thread_actor.c.key == tables.thread.c.key)
        & (tables.thread_actor.c.actor == tables.thread.c.author),
    )
)


class Reads(ABC):
    """Every question. An id is a URI, a ``key`` is short for one. StoreError where there is no answer."""

    @abstractmethod
    def _connected(self) -> AbstractContextManager[Connection]:
        """Give a connection in a transaction, its errors told as sentences."""

    # --- threads ---

    def latest(
        self, limit: int = 50, offset: int = 0, author: str | None = None, *, listed_only: bool = True
    ) -> list[Entry]:
        """Return the threads kept last, those kept at once by their first post, newest first.

        ``author`` is the id or key of an actor.
        """
        query = _ENTRIES.where(*_asked(author, listed_only)).order_by(
            tables.saving.c.saved.desc(),
            func.coalesce(tables.thread.c.published, "").desc(),
            tables.thread.c.key,
        )
        with self._connected() as db:
            rows = db.execute(query.limit(_within(limit)).offset(_within(offset)))
            return [_entry(row) for row in rows]

    def count(self, author: str | None = None, *, listed_only: bool = True) -> int:
        """Return how many threads ``latest`` could give."""
        query = select(func.count()).select_from(tables.thread).where(*_asked(author, listed_only))
        with self._connected() as db:
            return db.execute(query).scalar_one()

    def find(self, name: str) -> str:
        """Return the key of the thread called ``name``.

        A name is a key, the start of one (4 characters or more), a thread's id, an id it had before, or the id
        or URL of any of its posts.

        Raises:
            StoreError: there is none, or several keys start so.
        """
        with self._connected() as db:
            for keys in (_by_start(db, name), _by_id(db, text.key(name))):
                if len(keys) > 1:
                    some = ", ".join(keys[:5])
                    raise StoreError("Several threads are called so", name, f"Say which: {some}")
                if keys:
                    return keys[0]
        raise StoreError("There is no such thread in the store", name, "clew list shows what there is")

    def sharing(self, posts: Iterable[str]) -> list[str]:
        """Return the keys of the threads whose main line holds one of these posts (ids)."""
        names, own = sorted({text.key(id_) for id_ in posts}), tables.post_name.c
        found: set[str] = set()
        with self._connected() as db:
            for some in (names[at : at + _PAGE] for at in range(0, len(names), _PAGE)):
                found.update(_column(db, select(own.key).where(own.name.in_(some), own.place == 0).distinct()))
        return sorted(found)

    def entry(self, name: str) -> Entry:
        """Return the thread called ``name`` as ``latest`` gives it."""
        query = _ENTRIES.where(tables.thread.c.key == self.find(name))
        with self._connected() as db:
            row = db.execute(query).one_or_none()
        return _entry(_there(row, "The thread has to be derived again", name, "Run clew rebuild"))

    def thread(self, name: str) -> Thread:
        """Return the thread called ``name``."""
        query = select(tables.thread.c.data).where(tables.thread.c.key == self.find(name))
        with self._connected() as db:
            data = db.execute(query).scalar_one_or_none()
        return loads(_there(data, "The thread has to be derived again", name, "Run clew rebuild"), Thread)

    # --- facts ---

    def capture(self, sha256: str) -> Capture:
        """Return the capture of this digest."""
        with self._connected() as db:
            row = db.execute(select(tables.capture).where(tables.capture.c.sha256 == sha256)).one_or_none()
        return capture_of(dict(_there(row, "There is no such capture in the store", sha256)._mapping))

    def captures(self, thread: str) -> list[Capture]:
        """Return the captures a thread (id or key) was derived from, in their order; each once."""
        own = tables.saving_capture
        query = (
            select(tables.capture)
            .join(own, own.c.sha256 == tables.capture.c.sha256)
            .where(own.c.key == as_key(thread))
            .order_by(own.c.position)
        )
        with self._connected() as db:
            return [capture_of(dict(row._mapping)) for row in db.execute(query)]

    def saving(self, thread: str) -> Saving:
        """Return what was asked to be kept as this thread (id or key)."""
        with self._connected() as db:
            found = _savings(db, tables.saving.c.key == as_key(thread))
        if not found:
            raise StoreError("There is no such thread in the store", thread, "clew list shows what there is")
        return found[0]

    def savings(self) -> Iterator[Saving]:
        """Yield all that was asked to be kept, by key. The store may be written meanwhile."""
        last = ""
        while True:
            with self._connected() as db:
                page = _savings(db, tables.saving.c.key > last)
            yield from page
            if len(page) < _PAGE:
                return
            last = text.key(page[-1].thread)

    def opted_out(self, actor_ids: Iterable[str]) -> OptOut | None:
        """Return the opt-out of the first of these actors who asked for one."""
        standing = {opt.actor: opt for opt in self.opt_outs()}
        return next((standing[id_] for id_ in actor_ids if id_ in standing), None)

    def opt_outs(self) -> list[OptOut]:
        """Return the opt-outs that stand, oldest first."""
        own = tables.opt_out.c
        with self._connected() as db:
            rows = db.execute(select(own.actor, own.who, own.stated).order_by(own.stated, own.key))
            return [OptOut(*row) for row in rows]

    def deletions(self) -> list[Deletion]:
        """Return the removals that were carried out, in order."""
        own = tables.deletion.c
        query = select(own.actor, own.who, own.done, own.captures, own.threads).order_by(own.number)
        with self._connected() as db:
            return [Deletion(*row) for row in db.execute(query)]

    def outputs(self) -> list[Output]:
        """Return the files and folders that were written, by path."""
        own = tables.output.c
        with self._connected() as db:
            rows = db.execute(select(own.path, own.kind, own.threads)).all()
        return sorted(
            (Output(path, kind, loads(ids, tuple[str, ...])) for path, kind, ids in rows),
            key=lambda output: output.path,
        )

    # --- actors ---

    def authors(self, *, listed_only: bool = True) -> list[tuple[Actor, int]]:
        """Return who wrote threads, by name, and how many."""
        newest: dict[str, str] = {}
        counts: dict[str, int] = {}
        query = _ENTRIES.with_only_columns(tables.thread.c.author, tables.thread_actor.c.data)
        query = query.where(*_asked(None, listed_only))
        with self._connected() as db:
            for author, data in db.execute(query.order_by(tables.saving.c.changed, tables.thread.c.key)):
                newest[author] = data
                counts[author] = counts.get(author, 0) + 1
        found = [(loads(data, Actor), counts[author]) for author, data in newest.items()]
        return sorted(found, key=lambda pair: (_sorting(pair[0]), pair[0].id))

    def actor(self, name: str) -> Actor:
        """Return the actor called ``name``, as the thread that changed last knows them.

        A name is an id, a URL, a handle with or without "@", or a key.

        Raises:
            StoreError: there is none, or several have this handle.
        """
        own = tables.thread_actor
        with self._connected() as db:
            keys = _actor_keys(db, name)
            if len(keys) > 1:
                raise StoreError("Several people have this handle", name, "Give the address of one")
            query = select(own.c.data).join(tables.saving, tables.saving.c.key == own.c.key)
            query = query.where(own.c.actor.in_(keys)).order_by(tables.saving.c.changed.desc(), own.c.key.desc())
            data = db.execute(query.limit(1)).scalar_one_or_none()
        return loads(_there(data, "Nobody in the store is called so", name), Actor)

    def threads_with(self, actor_id: str) -> list[str]:
        """Return the ids of the threads in which an actor (id or key) appears in any role, by key."""
        own = tables.thread_actor
        query = select(tables.saving.c.thread).join(own, own.c.key == tables.saving.c.key)
        query = query.where(own.c.actor == as_key(actor_id)).order_by(own.c.key)
        with self._connected() as db:
            return list(db.execute(query).scalars())

    # --- all ---

    def dump(self) -> Iterator[tuple[Any, ...]]:
        """Yield every row as (table, value, …), in the same order for the same content."""
        with self._connected() as db:
            for table in tables.metadata.sorted_tables:
                query = select(table).order_by(*table.primary_key).execution_options(yield_per=_PAGE)
                yield from ((table.name, *row) for row in db.execute(query))


def _within(number: int) -> int:
    return max(0, min(number, _FAR))


def _asked(author: str | None, listed_only: bool) -> list[ColumnElement[bool]]:
    terms: list[ColumnElement[bool]] = []
    if author is not None:
        terms.append(tables.thread.c.author == as_key(author))
    if listed_only:
        terms.append(tables.thread.c.visibility == "listed")
    return terms


def _entry(row: Row[*tuple[Any, ...]]) -> Entry:
    values = dict(row._mapping)
    return Entry(id=values.pop("thread"), actor=loads(values.pop("data"), Actor), **values)


def _there(found: Any, what: str, name: str, hint: str = "") -> Any:
    if found is None:
        raise StoreError(what, name, hint)
    return found


def _column(db: Connection, query: Select[str]) -> list[str]:
    return list(db.execute(query).scalars())


def _by_start(db: Connection, name: str) -> list[str]:
    if not _PREFIX.fullmatch(name):
        return []
    keys = _column(db, select(tables.saving.c.key).where(tables.saving.c.key.startswith(name)))
    older = _column(db, select(tables.alias.c.key).where(tables.alias.c.old.startswith(name)))
    return [name] if name in keys else sorted({*keys, *older})


def _by_id(db: Connection, key: str) -> list[str]:
    posts = select(tables.post_name.c.key).join(tables.thread, tables.thread.c.key == tables.post_name.c.key)
    posts = posts.where(tables.post_name.c.name == key)
    best = (tables.post_name.c.place, tables.thread.c.posts.desc(), tables.thread.c.key)
    return (
        _column(db, select(tables.saving.c.key).where(tables.saving.c.key == key))
        or _column(db, posts.order_by(*best).limit(1))
        or _column(db, select(tables.alias.c.key).where(tables.alias.c.old == key))
    )


def _actor_keys(db: Connection, name: str) -> list[str]:
    if as_key(name) == name:
        own = tables.thread_actor.c.actor
        if keys := _column(db, select(own).where(own == name).distinct()):
            return keys
    own = tables.actor_name.c.actor
    for key in (text.key(name), handle_key(name)):
        if keys := _column(db, select(own).where(tables.actor_name.c.name == key).distinct()):
            return keys
    return []


def _savings(db: Connection, which: ColumnElement[bool]) -> list[Saving]:
    own = tables.saving_capture
    rows = db.execute(select(tables.saving).where(which).order_by(tables.saving.c.key).limit(_PAGE)).all()
    parts = select(own.c.key, own.c.sha256).where(own.c.key.in_([row.key for row in rows]))
    captures: dict[str, list[str]] = {}
    for key, sha256 in db.execute(parts.order_by(own.c.key, own.c.position)):
        captures.setdefault(key, []).append(sha256)
    return [
        Saving(r.thread, r.post, r.rule, r.source, tuple(captures.get(r.key, ())), r.saved, r.changed) for r in rows
    ]


def _sorting(actor: Actor) -> str:
    return (actor.name or actor.preferred_username or actor.id).casefold()
