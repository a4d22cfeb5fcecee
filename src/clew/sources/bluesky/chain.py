"""Pages of one author's records, oldest first: how far they reach, and so what they prove not to be there. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from datetime import datetime
from itertools import pairwise

import msgspec

from . import address


class Page(msgspec.Struct, frozen=True):
    """One answer: record keys in the order received, and the cursor of the page after it, empty at the end."""

    keys: tuple[str, ...]
    next: str
    retrieved: datetime

    def follows(self, key: str) -> bool:
        """Tell whether the page goes up from ``key``: a cursor is the server's own matter, and may mean else."""
        return all(a < b for a, b in pairwise((key, *self.keys)))


class Chain:
    """The pages that follow from the earliest one on, each from the cursor that the one before it names.

    ``whole``: they reach the end of the repository.
    """

    def __init__(self, pages: Mapping[str, Page]) -> None:
        self.start = cursor = min(pages, default="")
        self.whole = False
        self.pages: list[Page] = []
        self.ends: list[str] = []
        """Up to which key each page reaches."""
        self.cursors: set[str] = set()
        while not self.whole and cursor in pages and cursor not in self.cursors:
            page, last = pages[cursor], self.ends[-1] if self.ends else self.start
            if not page.follows(last):
                break
            self.cursors.add(cursor)
            self.pages.append(page)
            self.ends.append(page.keys[-1] if page.keys else last)
            self.whole, cursor = not page.next, page.next

    @property
    def ascends(self) -> bool:
        """Tell whether each page came after the one before it: else the rest is of an earlier visit."""
        return all(a.retrieved <= b.retrieved for a, b in pairwise(self.pages))

    def looked(self, key: str) -> datetime | None:
        """Return when the place of a record was looked at; None where it was not."""
        if key <= self.start or not self.pages:
            return None
        page = bisect_left(self.ends, key)
        if page < len(self.pages):
            return self.pages[page].retrieved
        time, last = address.tid_time(key), self.pages[-1].retrieved
        return last if self.whole and (time is None or time < last) else None
