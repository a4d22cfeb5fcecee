"""Answers that were given lately, for as long as nothing that they were made of changed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")
_SHARE = 8  # one answer may take so much of it, as a divisor


class Cache(Generic[T]):
    """Holds up to ``most`` bytes of what was asked for last, all of one ``mark`` (``Store.mark``): with another it
    is empty. Threads may share it."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = Lock()
        self._held: OrderedDict[Hashable, tuple[T, int]] = OrderedDict()
        self._mark: Hashable = None
        self.size = 0
        """Bytes held now."""
        self.hits = self.misses = 0

    def get(self, key: Hashable, mark: Hashable) -> T | None:
        """Return what is held, if it is of this mark."""
        with self._lock:
            if mark != self._mark:
                self._held.clear()
                self._mark, self.size = mark, 0
            found = self._held.get(key)
            self.hits, self.misses = self.hits + bool(found), self.misses + (not found)
            if found is None:
                return None
            self._held.move_to_end(key)
            return found[0]

    def put(self, key: Hashable, mark: Hashable, value: T, size: int) -> None:
        """Hold a value that takes ``size`` bytes, made after ``mark`` was taken."""
        with self._lock:
            if mark != self._mark or key in self._held or size > self._most // _SHARE:
                return
            self._held[key] = value, size
            self.size += size
            while self.size > self._most:
                _, (_, freed) = self._held.popitem(last=False)
                self.size -= freed
