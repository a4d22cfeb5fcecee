"""A thread that Clew wrote as JSON (``clew export --to json``), read back.

Such a file holds a thread that was put together already, from captures that are not in it: its certificate cannot
be found again, so ``ready`` returns the thread as it is, while the file's own manifest says that nobody changed it.
Everything but the digests of captures comes back as it was.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from clew.captures import Member
from clew.decode import load, where
from clew.errors import InputError, ParseError
from clew.fetch import Client
from clew.manifest import Manifest, said
from clew.model import Actor, Capture, Item, Page, Post, Rule, Run, Thread, Tombstone, Value
from clew.plugins import Source
from clew.thread import every_item

_OURS = re.compile(rb'(?:\xef\xbb\xbf)?\s*\{\s*"@type"\s*:\s*"clew:(?:Page|Posts)"')
_MOST = 2**31
T = TypeVar("T")
_GONE = "the text was removed at the author's request"


class Posts(Value, frozen=True):
    """What is left of an export from which a text was removed: posts without a thread around them."""

    thread: str
    items: tuple[Item, ...] = ()
    actors: tuple[Actor, ...] = ()


class Exported:
    """JSON of Clew's own."""

    name = "clew"
    title = "Clew"
    formats: tuple[str, ...] = ("a thread that Clew exported as JSON",)
    members: tuple[Member, ...] = ()
    patterns: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()

    def fetch(self, url: str, client: Client, known: Sequence[str] = ()) -> str:  # noqa: ARG002
        """Refuse: an export has no address."""
        raise InputError("An exported thread has no address", url)

    def sniff(self, capture: Capture) -> bool:
        """Take JSON that says it is Clew's."""
        return bool(_OURS.match(capture.body))

    def parse(self, captures: Iterable[Capture]) -> Iterator[Actor | Post | Tombstone]:
        """Yield the posts of each export, those quoted and answered too, as decoded from it."""
        for capture in captures:
            if self.sniff(capture):
                held = _held(capture)
                yield from held.actors
                yield from held.items

    def anchor(self, capture: Capture) -> str:
        """Return the head of the thread that was exported."""
        return _held(capture).thread if self.sniff(capture) else ""

    def redact(self, capture: Capture, actors: frozenset[str]) -> bytes:
        """Leave the posts that may be shown, without the thread: its certificate spoke of the others too."""
        held = _held(capture)
        items = tuple(_without(item, actors) for item in held.items)
        people = tuple(Actor(a.id, restrictions=a.restrictions) if a.id in actors else a for a in held.actors)
        if (items, people) == (held.items, held.actors):
            return capture.body
        value = {"@type": "clew:Posts", **msgspec.structs.asdict(Posts(held.thread, items, people))}
        return msgspec.json.encode(value)


SOURCE: Source = Exported()


def ready(captures: Iterable[Capture], post: str, rule: Rule) -> Thread | None:
    """Return the thread of ``post`` as it was exported last by this rule; None where it is to be put together anew.

    With the rule "longest", which is the usual one, an export keeps the rule by which it was made.
    """
    found: list[tuple[datetime, str, Thread]] = []
    for capture in captures:
        if SOURCE.sniff(capture) and (thread := _thread(capture)) is not None:
            line = {item.id for item in thread.items} | {thread.id}
            if post in line and rule in ("longest", thread.rule):
                found.append((capture.retrieved, capture.sha256, thread))
    return max(found, key=lambda one: one[:2])[2] if found else None


def _thread(capture: Capture) -> Thread | None:
    """Return the thread of an export that is as it was written."""
    value = _value(capture)
    if value.get("@type") != "clew:Page" or capture.redacted or "manifest" not in value:
        return None
    thread, told = _page(capture, value).thread, _converted(capture, value["manifest"], Manifest)
    if tuple(said(thread)) != told.posts or thread.certificate != told.certificate:
        return None
    return _each(thread, capture)


def _held(capture: Capture) -> Posts:
    """Return what an export holds, each post as decoded from it.

    Raises:
        ParseError: it is not what Clew writes.
    """
    value = _value(capture)
    if value.get("@type") == "clew:Posts":
        held = _converted(capture, {k: v for k, v in value.items() if k != "@type"}, Posts)
    else:
        thread = _page(capture, value).thread
        once = {item.id: item for item in every_item(thread)}
        held = Posts(thread.id, tuple(once.values()), thread.actors)
    return replace(held, items=tuple(_decoded(item, capture) for item in held.items))


def _value(capture: Capture) -> dict[str, Any]:
    value: dict[str, Any] = load(capture, dict[str, Any])
    return value


def _page(capture: Capture, value: dict[str, Any]) -> Page:
    page = _converted(capture, {k: v for k, v in value.items() if k not in ("@type", "manifest", "captures")}, Page)
    thread, certificate = page.thread, page.thread.certificate
    numbers = [certificate.found, certificate.expected or 0, *(gap.count for gap in certificate.gaps)]
    posts = sum(isinstance(item, Post) for item in thread.items)
    if not thread.items or certificate.found != posts or not all(0 <= number < _MOST for number in numbers):
        raise _wrong(capture, "its certificate is not of its posts")
    return page


def _converted(capture: Capture, value: Any, type_: type[T]) -> T:
    try:
        return msgspec.convert(value, type_)
    except msgspec.ValidationError as error:
        raise _wrong(capture, str(error)) from error


def _wrong(capture: Capture, why: str) -> ParseError:
    hint = "Was it changed, or written by a newer Clew?"
    return ParseError(f"This is not an export as Clew writes it ({why})", where(capture), hint)


def _decoded(item: Item, capture: Capture) -> Item:
    """Return an item as decoded from this capture.

    Raises:
        ParseError: an offset lies outside its text, or a time has no zone.
    """
    if isinstance(item, Tombstone):
        _check(capture, item.id, (item.deleted, item.published, item.checked))
        return item
    times = (item.published, item.updated, *(old.updated for old in item.versions))
    _check(capture, item.id, (*times, item.poll.end_time if item.poll else None))
    if any(not 0 <= facet.start <= facet.end <= len(item.content) for facet in item.facets):
        raise _wrong(capture, f"a mark of {item.id} lies outside its text")
    attachments = tuple(replace(attachment, sha256="") for attachment in item.attachments)
    earlier = dict.fromkeys((item.capture, *item.also_from))
    earlier.pop(capture.sha256, None)
    return replace(item, capture=capture.sha256, also_from=tuple(earlier), attachments=attachments)


def _check(capture: Capture, id_: str, times: Iterable[datetime | None]) -> None:
    if any(time is not None and time.utcoffset() != timedelta(0) for time in times):
        raise _wrong(capture, f"a time of {id_} is not in UTC")


def _each(thread: Thread, capture: Capture) -> Thread:
    """Return a thread with each item as decoded from this capture."""

    def run(value: Run) -> Run:
        return replace(value, items=items(value.items), answered=items(value.answered))

    def items(values: Iterable[Item]) -> tuple[Item, ...]:
        return tuple(_decoded(item, capture) for item in values)

    return replace(
        thread,
        items=items(thread.items),
        branches=tuple(map(run, thread.branches)),
        asides=tuple(map(run, thread.asides)),
        context=items(thread.context),
        quoted=tuple(post for post in items(thread.quoted) if isinstance(post, Post)),
    )


def _without(item: Item, actors: frozenset[str]) -> Item:
    """Return an item without its text where it is one of the actors'; with no actors, where it is not public."""
    if isinstance(item, Tombstone):
        return item
    theirs = item.attributed_to in actors
    if not theirs and item.visibility != "private":
        return item
    return Tombstone(
        item.id,
        "forgotten" if theirs else "private",
        in_reply_to=item.in_reply_to,
        attributed_to=item.attributed_to,
        context=item.context,
        published=item.published,
        evidence=_GONE if theirs else "the author shows it to some only",
    )
