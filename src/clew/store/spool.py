"""A spool on disk for archives larger than memory: items come in once, and go out one conversation at a time."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from clew.errors import StoreError, ThreadError
from clew.model import Capture, Item

_SCHEMA = """
-- One row for each telling of a post or tombstone; `tree` is what its conversation is known by.
CREATE TABLE item (n INTEGER PRIMARY KEY, id TEXT, parent TEXT, root TEXT, data BLOB);
CREATE TABLE capture (sha256 TEXT PRIMARY KEY, data BLOB) WITHOUT ROWID;
"""
_INDEXES = """
CREATE INDEX item_id ON item (id);
CREATE INDEX item_parent ON item (parent);
-- A top has no parent here. Tops that claim one root belong together, and so does the root itself.
CREATE TABLE top (id TEXT, tree TEXT);
INSERT INTO top SELECT DISTINCT id, CASE root WHEN '' THEN id ELSE root END FROM item AS i
    WHERE parent = '' OR parent = id OR NOT EXISTS (SELECT 1 FROM item AS p WHERE p.id = i.parent);
CREATE INDEX top_tree ON top (tree);
"""
_BELOW = """
WITH RECURSIVE below (id) AS (
    SELECT id FROM top WHERE tree = ?
    UNION SELECT item.id FROM item JOIN below ON item.parent = below.id
)
SELECT data FROM item WHERE id IN (SELECT id FROM below) ORDER BY n
"""
_CIRCLES = """
WITH RECURSIVE below (id) AS (
    SELECT id FROM top UNION SELECT item.id FROM item JOIN below ON item.parent = below.id
)
SELECT data FROM item WHERE id NOT IN (SELECT id FROM below) ORDER BY n
"""


class Spool:
    """Items and captures in a temporary file. Use as a context manager; the file is gone afterwards."""

    def __init__(self, most: int) -> None:
        """``most``: items of one conversation; more is a ThreadError."""
        self._most = most
        self._folder = tempfile.TemporaryDirectory(prefix="clew-")
        self._db = sqlite3.connect(Path(self._folder.name) / "spool.db", isolation_level=None)
        self._db.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -32768;")
        self._db.executescript(_SCHEMA)
        self._encoder, self._decoder = msgspec.msgpack.Encoder(), msgspec.msgpack.Decoder(Item)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._db.close()
        self._folder.cleanup()

    def fill(self, items: Iterable[Item]) -> None:
        """Take in all items.

        Raises:
            StoreError: the disk is full.
        """
        try:
            self._db.execute("BEGIN")
            for item in items:
                row = (item.id, item.in_reply_to, item.context, self._encoder.encode(item))
                self._db.execute("INSERT INTO item (id, parent, root, data) VALUES (?, ?, ?, ?)", row)
            self._db.execute("COMMIT")
            self._db.executescript(_INDEXES)
        except sqlite3.Error as error:
            raise _failed(error) from error

    def keep(self, capture: Capture) -> None:
        """Keep a capture until it is asked for."""
        try:
            row = (capture.sha256, self._encoder.encode(capture))
            self._db.execute("INSERT OR IGNORE INTO capture VALUES (?, ?)", row)
        except sqlite3.Error as error:
            raise _failed(error) from error

    def capture(self, sha256: str) -> Capture | None:
        """Return a capture that was kept."""
        row = self._db.execute("SELECT data FROM capture WHERE sha256 = ?", (sha256,)).fetchone()
        return msgspec.msgpack.decode(row[0], type=Capture) if row else None

    def conversations(self) -> Iterator[list[Item]]:
        """Yield the items of each conversation, all tellings of them, each item in one conversation only."""
        for (tree,) in self._db.execute("SELECT DISTINCT tree FROM top ORDER BY tree"):
            yield self._items(_BELOW, tree)
        if circles := self._items(_CIRCLES):
            yield circles

    def named(self, name: str) -> list[str]:
        """Return the ids that are ``name`` or end with it after a "/"; the whole id first."""
        for query in ("id = ?1", "substr(id, -1 - length(?1)) = '/' || ?1"):
            rows = self._db.execute(f"SELECT DISTINCT id FROM item WHERE {query} ORDER BY id", (name,))  # noqa: S608  two constants
            if found := [id_ for (id_,) in rows]:
                return found
        return []

    def conversation(self, id_: str) -> list[Item]:
        """Return the items of the conversation that holds the post ``id_``; empty where there is none."""
        seen: set[str] = set()
        node = id_
        while node not in seen:
            seen.add(node)
            row = self._db.execute("SELECT parent, root FROM item WHERE id = ? LIMIT 1", (node,)).fetchone()
            if row is None:
                break
            parent, root = row
            above = self._db.execute("SELECT 1 FROM item WHERE id = ? LIMIT 1", (parent,)).fetchone()
            if not above:
                return self._items(_BELOW, root or node)
            node = parent
        return self._items(_CIRCLES) if len(seen) > 1 else []

    def _items(self, query: str, *names: str) -> list[Item]:
        rows = self._db.execute(f"{query} LIMIT {self._most + 1}", names).fetchall()
        if len(rows) > self._most:
            raise ThreadError(
                f"A conversation is longer than {self._most:,} posts",
                names[0] if names else "",
                "Raise limits.thread",
            )
        return [self._decoder.decode(data) for (data,) in rows]


def _failed(error: sqlite3.Error) -> StoreError:
    return StoreError(
        f"The temporary file cannot be written ({error})", tempfile.gettempdir(), "Free some space there"
    )
