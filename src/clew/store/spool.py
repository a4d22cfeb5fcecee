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
-- One row for each telling of a post or tombstone.
CREATE TABLE item (n INTEGER PRIMARY KEY, id TEXT, parent TEXT, root TEXT, data BLOB);
CREATE TABLE capture (sha256 TEXT PRIMARY KEY, data BLOB) WITHOUT ROWID;
CREATE TABLE near (id TEXT PRIMARY KEY) WITHOUT ROWID;  -- the conversation that is being read
CREATE TABLE seen (id TEXT PRIMARY KEY) WITHOUT ROWID;  -- those that were
"""
_INDEXES = """
CREATE INDEX item_id ON item (id);
CREATE INDEX item_parent ON item (parent) WHERE parent <> '';
CREATE INDEX item_root ON item (root) WHERE root <> '';
"""
# A conversation is whatever hangs together by what posts answer and by the root they name, here or not.
_NEAR = """
INSERT INTO near
WITH RECURSIVE linked (id) AS (
    VALUES (?1)
    UNION SELECT item.parent FROM linked JOIN item ON item.id = linked.id WHERE item.parent <> ''
    UNION SELECT item.root FROM linked JOIN item ON item.id = linked.id WHERE item.root <> ''
    UNION SELECT item.id FROM linked JOIN item ON item.parent = linked.id AND item.parent <> ''
    UNION SELECT item.id FROM linked JOIN item ON item.root = linked.id AND item.root <> ''
)
SELECT id FROM linked LIMIT ?2
"""
_ITEMS = "SELECT data FROM item WHERE id IN (SELECT id FROM near) ORDER BY n LIMIT ?"


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
        self._db.execute("DELETE FROM seen")
        for (id_,) in self._db.execute("SELECT id FROM item ORDER BY n"):
            if not self._db.execute("SELECT 1 FROM seen WHERE id = ?", (id_,)).fetchone():
                items = self.conversation(id_)
                self._db.execute("INSERT OR IGNORE INTO seen SELECT id FROM near")
                yield items

    def named(self, name: str) -> list[str]:
        """Return the ids that are ``name`` or end with it after a "/"; the whole id first."""
        for query in ("id = ?1", "substr(id, -1 - length(?1)) = '/' || ?1"):
            rows = self._db.execute(f"SELECT DISTINCT id FROM item WHERE {query} ORDER BY id", (name,))  # noqa: S608  two constants
            if found := [id_ for (id_,) in rows]:
                return found
        return []

    def conversation(self, id_: str) -> list[Item]:
        """Return the items of the conversation that holds the post ``id_``; empty where there is none.

        Raises:
            ThreadError: there are more than the limit.
        """
        most = self._most + 1
        self._db.execute("DELETE FROM near")
        self._db.execute(_NEAR, (id_, 4 * most))
        rows = self._db.execute(_ITEMS, (most,)).fetchall()
        if len(rows) == most:
            raise ThreadError(f"A conversation is longer than {self._most:,} posts", id_, "Raise limits.thread")
        return [self._decoder.decode(data) for (data,) in rows]


def _failed(error: sqlite3.Error) -> StoreError:
    return StoreError(
        f"The temporary file cannot be written ({error})", tempfile.gettempdir(), "Free some space there"
    )
