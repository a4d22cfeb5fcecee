"""The extension points, and the lists of what is built in.

Third parties add a source or an exporter by an entry point in the group ``clew.sources`` or ``clew.exporters``
that names an object with the attributes below. Built-ins come first, in the order written here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Protocol

from clew.captures import Member as Member
from clew.errors import ClewError, PluginError
from clew.fetch import Client
from clew.model import Actor, Capture, Limit, Page, Post, Tombstone


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
    patterns: tuple[str, ...]
    """Regular expressions for the addresses it can fetch, matched against the whole address."""
    examples: tuple[str, ...]
    """Such addresses, for people; each belongs to this source alone."""

    def fetch(self, url: str, client: Client, known: Sequence[str] = ()) -> str:
        """Ask for the thread of the post at ``url`` and return the post's id. The only network code of a source.

        Every answer is in ``client.captures``: ``parse`` makes the posts of them. ``known`` are ids of posts that
        an earlier visit found: those that are not met again are asked for one by one, and that one of them is gone,
        even the post at ``url``, is then no error.

        Raises:
            FetchError: the post itself was not to be had; what came until then is in ``client.captures``.
            InputError: the address does not name a post.
            Refused: the author or the platform does not want it to be read this way.
        """
        ...

    def sniff(self, capture: Capture) -> bool:
        """Is this capture (a file, or the first record of an archive's member) mine? By content only, cheap."""
        ...

    def parse(self, captures: Iterable[Capture]) -> Iterator[Actor | Post | Tombstone | Limit]:
        """Yield what the captures hold, streaming. A post may come more than once.

        Of a visit to the network it is given every answer, also those that say no (``status`` 400 and up, or a
        header ``clew-failure``): what they mean for the thread comes out as a ``Tombstone``, a ``Limit``, or not.

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


_SOURCES = ("exported", "bluesky", "fediverse", "x", "telegram", "article", "paste")  # the most general last
_EXPORTERS = ("text", "markdown", "data", "jsonld", "epub", "pdf", "warc", "wacz", "manifest", "bibtex", "csl")


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


def carries_captures(exporter: Exporter) -> bool:
    """Does it look at ``page.captures``? Such an exporter has an attribute ``wants_captures``, which is true."""
    return bool(getattr(exporter, "wants_captures", False))


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
