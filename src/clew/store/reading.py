"""What a store can be asked, from outside and from inside a write transaction."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, bindparam, func, or_, select

from clew import text
from clew.errors import StoreError
from clew.model import Actor, Capture, Deletion, OptOut, Thread
from clew.search import Query
from clew.store import searching, tables
from clew.store.rows import Entry, Found, Output, Results, Saving, as_key, capture_of, handle_key, loads

_PREFIX = re.compile(r"[a-z2-7]{4,12}")
_PAGE = 200  # rows fetched at once where all are wanted
_MOST_FOUND = 1000  # threads of one answer
_ACCOUNTS = 20  # of one person
_FAR = 2**31 - 1  # the largest number every database takes for LIMIT and OFFSET

Authors = str | Collection[str] | None

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

_FOUND = (
    _ENTRIES.add_columns(tables.saving.c.number)
    .where(tables.saving.c.number.in_(bindparam("numbers", expanding=True)))
    .order_by(tables.saving.c.number.desc())
)

_CAPTURES = select(
    *(column for column in tables.saving_capture.c if column.name not in ("key", "position")),
    tables.capture.c.body,
    tables.capture.c.redacted,
).join(tables.capture, tables.capture.c.sha256 == tables.saving_capture.c.sha256)


class Reads(ABC):
    """Every question. An id is a URI, a ``key`` is short for one. StoreError where there is no answer."""

    @abstractmethod
    def _connected(self) -> AbstractContextManager[Connection]:
        """Give a connection in a transaction, its errors told as sentences."""

    # --- threads ---

    def latest(
        self, limit: int = 50, offset: int = 0, author: Authors = None, *, listed_only: bool = True
    ) -> list[Entry]:
        """Return the threads kept last, those kept at once by their first post, newest first.

        ``author`` is the id or key of an actor, or several.
        """
        query = _ENTRIES.where(*_asked(author, listed_only)).order_by(
            tables.saving.c.saved.desc(),
            func.coalesce(tables.thread.c.published, "").desc(),
            tables.thread.c.key,
        )
        with self._connected() as db:
            rows = db.execute(query.limit(_within(limit)).offset(_within(offset)))
            return [_entry(row) for row in rows]

    def count(self, author: Authors = None, *, listed_only: bool = True) -> int:
        """Return how many threads ``latest`` could give."""
        query = select(func.count()).select_from(tables.thread).where(*_asked(author, listed_only))
        with self._connected() as db:
            return db.execute(query).scalar_one()

    def shown(self, name: str, what: str = "thread") -> Entry:
        """Return the thread called ``name`` as ``latest`` gives it, unless it is private. ``what``: was asked for.

        Raises:
            StoreError: there is none, or a private one, in the same words.
        """
        try:
            entry = self.entry(name)
        except StoreError as error:
            if error.__cause__ is not None:  # the database failed
                raise
            entry = None
        if entry is None or entry.visibility == "private":
            raise StoreError(f"There is no such {what} here", name[:200])
        return entry

    def neighbours(self, this: Entry) -> tuple[Entry | None, Entry | None]:
        """Return the listed threads that the author of one began before and after it, as far as there are."""
        own = tables.thread.c
        when, at = func.coalesce(own.published, tables.saving.c.saved), this.published or this.saved
        query = _ENTRIES.where(*_asked(this.actor.id, True), own.key != this.key)
        earlier = query.where(or_(when < at, (when == at) & (own.key < this.key)))
        later = query.where(or_(when > at, (when == at) & (own.key > this.key)))
        with self._connected() as db:
            before = db.execute(earlier.order_by(when.desc(), own.key.desc()).limit(1)).one_or_none()
            after = db.execute(later.order_by(when, own.key).limit(1)).one_or_none()
        return before and _entry(before), after and _entry(after)

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

    def using(self, sha256: str) -> list[str]:
        """Return the keys of the threads that have a capture with this digest."""
        own = tables.saving_capture.c
        with self._connected() as db:
            return _column(db, select(own.key).where(own.sha256 == sha256).distinct().order_by(own.key))

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

    def search(
        self, query: Query, limit: int = 20, before: int | None = None, *, listed_only: bool = True
    ) -> Results:
        """Return threads in whose posts something is found (``clew.search.query``), those kept last first.

        All that is asked for is found in one passage: a post, or a paragraph of a long one. ``limit`` is at most
        1,000; ``before`` is that of the results to go on after.
        """
        limit = max(0, min(limit, _MOST_FOUND))
        with self._connected() as db:
            authors = {key for name in query.authors for key in _actor_keys(db, name)}
            groups = searching.search(db, query, authors, limit + 1, before, listed_only=listed_only)
            shown = {group.number: group for group in groups[:limit]}
            rows = db.execute(_FOUND, {"numbers": list(shown)}).all()
        found = tuple(Found(_entry(row), shown[row.number].hits, shown[row.number].more) for row in rows)
        return Results(found, min(shown) if len(groups) > limit and shown else None)

    # --- facts ---

    def capture(self, sha256: str) -> Capture:
        """Return the capture of this digest that a thread was derived from, as one of them received it."""
        own = tables.saving_capture.c
        query = _CAPTURES.where(own.sha256 == sha256).order_by(own.key, own.position).limit(1)
        with self._connected() as db:
            row = db.execute(query).one_or_none()
        return capture_of(dict(_there(row, "There is no such capture in the store", sha256)._mapping))

    def captures(self, thread: str) -> list[Capture]:
        """Return the captures a thread (id or key) was derived from, in their order."""
        own = tables.saving_capture.c
        query = _CAPTURES.where(own.key == as_key(thread)).order_by(own.position)
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

    def due(self, before: datetime) -> Iterator[Saving]:
        """Yield the savings with an address that was not asked since ``before`` (aware), the longest ago first.

        The store may be written meanwhile: what another process looks at until its turn comes is passed over.
        """
        own = tables.saving.c
        looked = func.coalesce(own.looked, "")  # never: before all others
        which = (own.url != "") & or_(own.looked.is_(None), own.looked < before)
        with self._connected() as db:
            keys = _column(db, select(own.key).where(which).order_by(looked, own.key))
        for key in keys:
            with self._connected() as db:
                found = _savings(db, which & (own.key == key))
            yield from found

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

    def accounts(self, name: str) -> list[Actor]:
        """Return the author called ``name`` and, by id, their other accounts: each points at one and is pointed at
        by it (``also_known_as``). One whose threads are all private is left out.

        Raises:
            StoreError: there is no such author, or their threads are all private, in the same words.
        """
        first = self._known(name)
        if first is None:
            raise StoreError("There is no such author here", name[:200])
        found, waiting = {first.id: first}, [first]
        while waiting:
            one = waiting.pop()
            for claimed in (claim for claim in one.also_known_as[:_ACCOUNTS] if ":" in claim):
                other = self._known(claimed) or self._known(_slashed(claimed))
                if other and other.id not in found and len(found) < _ACCOUNTS and _points(other, one):
                    found[other.id] = other
                    waiting.append(other)
        return [first, *sorted((actor for id_, actor in found.items() if id_ != first.id), key=lambda a: a.id)]

    def _known(self, name: str) -> Actor | None:
        """Return an author, where there is one with a thread that is not private."""
        try:
            actor = self.actor(name)
        except StoreError as error:
            if error.__cause__ is not None:  # the database failed
                raise
            return None
        query = select(tables.thread.c.key).where(*_asked(actor.id, False), tables.thread.c.visibility != "private")
        with self._connected() as db:
            return actor if _column(db, query.limit(1)) else None

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


def _asked(author: Authors, listed_only: bool) -> list[ColumnElement[bool]]:
    terms: list[ColumnElement[bool]] = []
    if author is not None:
        names = [author] if isinstance(author, str) else author
        terms.append(tables.thread.c.author.in_([as_key(name) for name in names]))
    if listed_only:
        terms.append(tables.thread.c.visibility == "listed")
    return terms


def _entry(row: Row[*tuple[Any, ...]]) -> Entry:
    values = dict(row._mapping)
    values.pop("number", None)
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
    captures: dict[str, dict[str, None]] = {}
    for key, sha256 in db.execute(parts.order_by(own.c.key, own.c.position)):
        captures.setdefault(key, {})[sha256] = None
    return [
        Saving(
            r.thread, r.post, r.rule, r.source, tuple(captures.get(r.key, ())), r.saved, r.changed, r.url, r.looked
        )
        for r in rows
    ]


def _slashed(address: str) -> str:
    """Return an address with a "/" at its end, or without the one it has."""
    return address.removesuffix("/") if address.endswith("/") else f"{address}/"


def _points(one: Actor, other: Actor) -> bool:
    """Say whether an actor names another as an account of theirs."""
    names = {other.id, other.url, f"at://{other.preferred_username}"}
    return bool({name.rstrip("/") for name in names if name} & {name.rstrip("/") for name in one.also_known_as})


def _sorting(actor: Actor) -> str:
    return (actor.name or actor.preferred_username or actor.id).casefold()
