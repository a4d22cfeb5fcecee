"""Full text: passages of posts with their tokens, found newest first, the same on SQLite and PostgreSQL.

SQLite has an FTS5 table beside ``passage``, which reads its rows and keeps none of its own; PostgreSQL an index on
the column ``words``. Tokens come folded from ``clew.search``; neither database folds or parts anything again. Who
wrote a passage, in which month, and which source read it are tokens too, of a shape that no text has. A passage's
number says where it stands among all that is found: threads kept last first, each in reading order, those that no
list names apart. No trigger keeps the two in step (changing a table on SQLite drops its triggers without a word):
``put``, ``drop`` and ``clear`` do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import chain, islice
from typing import Any, NamedTuple, cast

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Row,
    Select,
    Text,
    bindparam,
    column,
    delete,
    func,
    insert,
    select,
    table,
)
from sqlalchemy import cast as sql_cast
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import TSQUERY

from clew import text
from clew.errors import StoreError
from clew.model import Item, Post, Thread
from clew.search import Phrase, Query, passages, snippet
from clew.store import tables
from clew.store.rows import Hit, Listing, loads

_SPAN = 2**24  # numbers of one thread; what a thread has more of is not found
_APART = -(2**62)  # where the numbers of threads begin that no list names
_SHOWN = 3  # passages of a thread that are told; of more it is told that there are more
_PAGE = 256  # numbers asked for at once
_ROWS = 2000  # looked at one by one
_DENSE = 10  # of so many rows these have it: the next rows will do as well
_MANY_MONTHS = timedelta(days=1000)  # from here on each passage that is found is asked for its date
_FAR = 2**38  # more threads than there are

_FTS = table(tables.SEARCH, column("rowid", BigInteger))
_MATCH: ColumnElement[str] = column(tables.SEARCH)
_ASKED = bindparam("asked", type_=Text)
_TOLD = select(*(tables.passage.c[name] for name in "id anchor post published warning text".split())).where(
    tables.passage.c.id.in_(bindparam("ids", expanding=True))
)


# --- writing -------------------------------------------------------------------------------------------------


def put(db: Connection, number: int, visibility: Listing, source: str, thread: Thread) -> None:
    """Write the passages of a thread that has none. ``number`` is its saving's."""
    start = _start(number, listed=visibility == "listed")
    about = [_author(text.key(thread.attributed_to)), _source(source)]
    new = [
        row | {"id": start + _SPAN - 1 - n, "words": about + _month(row["published"]) + row["words"]}
        for n, row in enumerate(islice(_passages(thread), _SPAN))
    ]
    if not new:
        return
    db.execute(insert(tables.passage), new[::-1])  # by number: so the rows lie close
    if db.dialect.name == "sqlite":
        db.execute(sql(_INSERT), {"low": start, "high": start + _SPAN})


_INSERT = f"""
    INSERT INTO {tables.SEARCH} (rowid, words)
    SELECT id, words FROM passage WHERE id >= :low AND id < :high"""  # noqa: S608  our own name
_DELETE = f"DELETE FROM {tables.SEARCH} WHERE rowid >= :low AND rowid < :high"  # noqa: S608


def drop(db: Connection, number: int) -> None:
    """Drop the passages of a thread."""
    for start in (_start(number, listed=True), _start(number, listed=False)):
        if db.dialect.name == "sqlite":  # first: it reads there what it has to drop
            db.execute(sql(_DELETE), {"low": start, "high": start + _SPAN})
        own = tables.passage.c.id
        db.execute(delete(tables.passage).where(own >= start, own < start + _SPAN))


def clear(db: Connection) -> None:
    """Drop all passages."""
    db.execute(delete(tables.passage))
    _tell(db, "delete-all")


def refill(db: Connection) -> None:
    """Write the passages of all threads again, as after a change of the schema. A thread of another version waits
    for ``clew rebuild``."""
    clear(db)
    own, saving = tables.thread.c, tables.saving.c
    query = select(saving.number, own.visibility, saving.source, own.data).where(saving.key == own.key)
    keys = db.execute(select(own.key).order_by(own.key)).scalars().all()
    for key in keys:
        number, visibility, source, data = db.execute(query.where(own.key == key)).one()
        try:
            thread = loads(data, Thread)
        except StoreError:
            continue
        put(db, number, visibility, source, thread)


def compact(db: Connection) -> None:
    """Build the index anew from the passages: what was dropped leaves it only so."""
    _tell(db, "rebuild")


def _tell(db: Connection, order: str) -> None:
    if db.dialect.name == "sqlite":
        db.execute(sql(f"INSERT INTO {tables.SEARCH} ({tables.SEARCH}) VALUES (:order)"), {"order": order})  # noqa: S608


def _start(number: int, *, listed: bool) -> int:
    return number * _SPAN + (0 if listed else _APART)


def _author(key: str) -> str:
    return f"@{key}"


def _source(name: str) -> str:
    return f"+{text.key(name.casefold())}"


def _month(published: datetime | None) -> list[str]:
    if published is None:
        return []
    utc = published.astimezone(UTC)
    return [f"={utc.year:04}-{utc.month:02}"]


def _months(since: datetime | None, until: datetime | None) -> list[str]:
    """Return the tokens of the months between two times; none where there are many, or no end to them."""
    if since is None or until is None or not timedelta() < until - since < _MANY_MONTHS:
        return []
    last = until - timedelta.resolution
    count = (last.year - since.year) * 12 + last.month - since.month + 1
    firsts = (divmod(since.month - 1 + n, 12) for n in range(count))
    return [token for year, month in firsts for token in _month(since.replace(year + since.year, month + 1, 1))]


def _passages(thread: Thread) -> Iterator[dict[str, Any]]:
    """Yield the rows of a thread's passages in reading order, without their numbers."""
    posts: dict[str, tuple[str, Post]] = {}
    for mark, items in _lines(thread):
        for place, item in enumerate(items, 1):
            if isinstance(item, Post):
                posts[item.id] = f"{mark}{place}", item
    for anchor, post in posts.values():
        row = {"anchor": anchor, "post": post.id, "published": post.published, "warning": post.summary}
        for whole in filter(None, (post.name, post.content)):
            for start, end, found in passages(whole):
                yield row | {"text": whole[start:end], "words": found}


def _lines(thread: Thread) -> Iterator[tuple[str, Sequence[Item]]]:
    """Yield each line of the author's posts with how the anchors of its posts begin on the thread's page."""
    yield "p", thread.items
    yield from ((f"b{n}-", run.items) for n, run in enumerate(thread.branches, 1))
    yield from ((f"a{n}-", run.items) for n, run in enumerate(thread.asides, 1))


# --- asking --------------------------------------------------------------------------------------------------


class Group(NamedTuple):
    """What was found of one thread. ``more``: there is more of it than ``hits``."""

    number: int
    hits: tuple[Hit, ...]
    more: bool


def search(
    db: Connection, query: Query, authors: Iterable[str], limit: int, before: int | None, *, listed_only: bool
) -> list[Group]:
    """Return at most ``limit`` threads in which something is found, those kept last first.

    ``authors`` are the keys of those whom the question names; ``before``: only threads with a smaller number.
    """
    wanted = _Wanted(query, tuple(authors))
    if not wanted:
        return []
    bands = (True,) if listed_only else (True, False)
    found = chain.from_iterable(_numbers(db, wanted, _start(0, listed=band), limit, before) for band in bands)
    best = sorted(found, reverse=True)[:limit]
    told = {"ids": [id_ for _, ids in best for id_ in ids[:_SHOWN]]}
    rows = {row.id: row for row in db.execute(_TOLD, told)}
    return [
        Group(number, tuple(_hit(rows[id_], query) for id_ in ids[:_SHOWN]), len(ids) > _SHOWN)
        for number, ids in best
    ]


def _hit(row: Row[*tuple[Any, ...]], query: Query) -> Hit:
    found = snippet(row.text, query.wanted)
    return Hit(row.anchor, row.post, found, row.published, row.warning)


def _numbers(
    db: Connection, wanted: _Wanted, low: int, limit: int, before: int | None
) -> list[tuple[int, list[int]]]:
    """Return the numbers of threads with those of some passages in them, newest first, in reading order."""
    found: dict[int, list[int]] = {}
    high: int | None = low + max(0, min(_FAR if before is None else before, _FAR)) * _SPAN
    by_rows = db.dialect.name != "sqlite"  # PostgreSQL sorts all that its index finds: first look at some rows
    while len(found) <= limit and high is not None:
        ids, high = (wanted.newest if by_rows else wanted.between)(db, low, high)
        by_rows = by_rows and len(ids) >= _DENSE
        for id_ in ids:
            found.setdefault((id_ - low) // _SPAN, []).append(id_)
        if ids and high is not None:
            last = (ids[-1] - low) // _SPAN
            high = min(high, low + last * _SPAN) if len(found[last]) > _SHOWN else high  # enough of this thread
    return list(found.items())[:limit]


class _Wanted:
    """A question as each database takes it. False where it asks for nothing, or for somebody who is not here."""

    def __init__(self, query: Query, authors: tuple[str, ...]) -> None:
        self._query = query
        self._asks = bool(query) and bool(authors or not query.authors)
        groups = (
            [_author(key) for key in authors],
            [_source(name) for name in query.sources],
            _months(query.since, query.until),
        )
        days = {"since": query.since, "until": query.until}
        self._days = {name: when for name, when in days.items() if when}
        self._any_of = [[Phrase((token,)) for token in group] for group in groups if group]
        if self._asks:
            self._fts5 = self._written(_fts5, " AND ", " OR ", " NOT ")
            self._tsquery = self._written(_tsquery, " & ", " | ", " & !")

    def __bool__(self) -> bool:
        return self._asks

    def between(self, db: Connection, low: int, high: int) -> tuple[Sequence[int], int | None]:
        """Return the numbers of at most ``_PAGE`` passages from ``low`` to before ``high``, the greatest first, and
        below which to go on."""
        ids = db.execute(_statement(db.dialect.name, *self._days), self._told(db, low, high)).scalars().all()
        return ids, ids[-1] if len(ids) == _PAGE else None

    def newest(self, db: Connection, low: int, high: int) -> tuple[Sequence[int], int | None]:
        """Return the same of the ``_ROWS`` greatest passages, each of them looked at (PostgreSQL)."""
        last, ids = db.execute(_looked(*self._days), self._told(db, low, high)).one()
        return sorted(ids or (), reverse=True), last

    def _told(self, db: Connection, low: int, high: int) -> dict[str, Any]:
        asked = self._fts5 if db.dialect.name == "sqlite" else self._tsquery
        return {"asked": asked, "low": low, "high": high, **self._days}

    def _written(self, write: Any, all_of: str, any_of: str, none_of: str) -> str:
        positive = [write(phrase) for phrase in self._query.wanted]
        positive += [f"({any_of.join(map(write, group))})" for group in self._any_of]
        asked = all_of.join(positive)
        if self._query.unwanted:
            asked += f"{none_of}({any_of.join(map(write, self._query.unwanted))})"
        return asked


@cache
def _statement(dialect: str, *days: str) -> Select[int]:
    """Return the statement that asks for numbers, with "since" or "until" where ``days`` names them."""
    own = tables.passage.c
    number: ColumnElement[int]
    if dialect == "sqlite":
        number = _FTS.c.rowid
        query = select(number).where(_MATCH.bool_op("MATCH")(_ASKED), *_within(number))
        query = query.join(tables.passage, own.id == number).where(*_dated(own, days)) if days else query
    else:  # apart from its order, or the planner, which knows nothing of words, reads all rows in that order
        found = select(own.id).where(_has(own), *_within(own.id), *_dated(own, days))
        number = found.cte("found").prefix_with("MATERIALIZED").c.id
        query = select(number)
    return query.order_by(number.desc()).limit(_PAGE)


@cache
def _looked(*days: str) -> Select[int, list[int]]:
    """Return the statement for the least number of some rows, and the numbers of those that are asked for."""
    own = tables.passage.c
    rows = select(own.id, own.words, own.published).where(*_within(own.id)).order_by(own.id.desc()).limit(_ROWS)
    some = rows.subquery().c
    return select(func.min(some.id), func.array_agg(some.id).filter(_has(some), *_dated(some, days)))


def _has(own: Any) -> ColumnElement[bool]:
    return cast("ColumnElement[bool]", own.words.bool_op("@@")(sql_cast(_ASKED, TSQUERY)))


def _within(number: Any) -> tuple[ColumnElement[bool], ...]:
    return number >= bindparam("low"), number < bindparam("high")


def _dated(own: Any, days: Iterable[str]) -> list[ColumnElement[bool]]:
    return [{"since": own.published.__ge__, "until": own.published.__lt__}[day](bindparam(day)) for day in days]


def _fts5(phrase: Phrase) -> str:
    return f'"{" ".join(phrase.tokens)}"' + (" *" if phrase.prefix else "")


def _tsquery(phrase: Phrase) -> str:
    tokens = " <-> ".join(f"'{token}'" for token in phrase.tokens)
    return f"({tokens}{':*' if phrase.prefix else ''})"
