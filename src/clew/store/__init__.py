"""The store: what was received, what people asked for, and what was derived from it. Only here is there SQL."""

from clew.store.backups import Restored, backup, restore
from clew.store.reading import Reads
from clew.store.retrievals import thinned
from clew.store.rows import Entry, Found, Hit, Listing, Output, Results, Saving
from clew.store.store import Store, open  # noqa: A004  read as store.open
from clew.store.writing import Writer

__all__ = [
    "Entry", "Found", "Hit", "Listing", "Output", "Reads", "Restored", "Results", "Saving", "Store",
    "Writer", "backup", "open", "restore", "thinned",
]  # fmt: skip
