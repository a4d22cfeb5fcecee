"""Whether a database changed since it was last asked, whoever changed it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Hashable
from pathlib import Path
from threading import Lock

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from clew.store import engines


class Pulse:
    """Gives a mark of what is committed. Threads may share it.

    SQLite tells one connection whether others committed, so it is asked over one that stays open and does nothing
    else; PostgreSQL tells which transactions can be seen.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = Lock()
        self._idle: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None  # that the connection is to: another may come in its place
        self._opened = 0

    def mark(self) -> Hashable:
        """Return a value that was never returned before anything was committed since. It equals nothing else where
        the database cannot tell."""
        try:
            path = engines.path(self._engine)
            return self._of_file(path) if path else engines.seen(self._engine)
        except (OSError, sqlite3.Error, SQLAlchemyError):
            return object()

    def close(self) -> None:
        """Let go of the connection."""
        with self._lock:
            if self._idle:
                self._idle.close()
            self._idle = None

    def _of_file(self, path: Path) -> Hashable:
        with self._lock:
            told = os.stat(path)
            file = told.st_dev, told.st_ino
            if self._idle is None or file != self._file:
                if self._idle:
                    self._idle.close()
                self._idle = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
                self._file = file
                self._opened += 1
            return self._opened, self._idle.execute("PRAGMA data_version").fetchone()[0]
