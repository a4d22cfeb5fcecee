"""The store: what was received, what people asked for, and what was derived from it. Only here is there SQL."""

from clew.store.reading import Reads
from clew.store.rows import Entry, Listing, Output, Saving
from clew.store.store import Store, open  # noqa: A004  read as store.open
from clew.store.writing import Writer

__all__ = ["Entry", "Listing", "Output", "Reads", "Saving", "Store", "Writer", "open"]
