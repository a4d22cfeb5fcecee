"""The extension points, and the lists of what is built in.

Third parties add a source or an exporter by an entry point in the group ``clew.sources`` or ``clew.exporters``
that names an object with the attributes below. Built-ins come first, in the order written here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Protocol

from clew.captures import Member as Member
from clew.errors import ClewError, PluginError
from clew.model import Actor, Capture, Page, Post, Tombstone


class Source(Protocol):
    """One network: how its exports and answers become posts. ``parse`` and ``redact`` are pure."""

    name: str
    """Lower case, unique: "bluesky"."""
    title: str
    """For people: "Bluesky"."""
    formats: tuple[str, ...]
    """What it reads, for people, one line each."""
    members: tuple[Member, ...]
    """What it opens in archives, in the order in which ``parse`` wants it. Empty: it has no archives."""

    def sniff(self, capture: Capture) -> bool:
        """Is this capture (a file, or the first record of an archive's member) mine? By content only, cheap."""
        ...

    def parse(self, captures: Iterable[Capture]) -> Iterator[Actor | Post | Tombstone]:
        """Yield what the captures hold, streaming. A post may come more than once.

        Raises:
            ParseError: a capture does not hold what the format promises.
        """
        ...

    def anchor(self, capture: Capture) -> str:
        """Return the id of the post that a capture was asked for, where it says so; else nothing."""
        ...

    def redact(self, capture: Capture, actors: frozenset[str]) -> bytes:
        """Return the body without the text of these actors: parsing it again yields tombstones with the reason
        "forgotten" for their posts, and everything else as before. With no actors: the body without posts that are
        not public, which ``parse`` leaves out or tells as tombstones with the reason "private"; unchanged where
        there are none."""
        ...


class Exporter(Protocol):
    """One output format of a page."""

    name: str
    media_type: str
    suffix: str

    def export(self, page: Page) -> bytes:
        """Return the file. The same page gives the same bytes."""
        ...


_SOURCES = ("bluesky", "fediverse", "x", "telegram", "article", "paste")  # the most general last
_EXPORTERS = ("text", "markdown", "data")


@cache
def sources() -> tuple[Source, ...]:
    """Every source, built-ins first."""
    return tuple(import_module(f"clew.sources.{name}").SOURCE for name in _SOURCES) + _others("clew.sources")


@cache
def exporters() -> tuple[Exporter, ...]:
    """Every exporter, built-ins first."""
    return tuple(import_module(f"clew.exporters.{name}").EXPORTER for name in _EXPORTERS) + _others(
        "clew.exporters"
    )


def _others(group: str) -> tuple[Any, ...]:
    loaded = []
    for entry in sorted(entry_points(group=group), key=lambda e: e.name):
        try:
            loaded.append(entry.load())
        except ClewError:
            raise
        except Exception as error:  # whatever a plugin raises must name the plugin
            raise PluginError(
                "A plugin could not be loaded", entry.name, "Update or remove it", plugin=entry.name
            ) from error
    return tuple(loaded)
