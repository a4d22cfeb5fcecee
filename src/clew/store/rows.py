"""Pure: nouns to rows and back. JSON text here is free of NUL and lone surrogates, whatever a stranger wrote."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from hashlib import sha256
from itertools import chain
from typing import Any, Literal, TypeVar

import msgspec

from clew import text
from clew.errors import StoreError
from clew.model import Actor, Capture, Complete, Item, Post, Rule, Thread, Value
from clew.search import Snippet

_KEY = re.compile(r"[a-z2-7]{12}")

T = TypeVar("T")
Listing = Literal["listed", "unlisted", "private"]
"""Who may come upon a thread: everybody; who has its address; only who runs this Clew."""


class Entry(Value, frozen=True):
    """A thread in a list. ``title`` and ``sentence`` (the certificate's) are for people."""

    key: str
    id: str
    title: str
    actor: Actor
    posts: int
    complete: Complete
    sentence: str
    saved: datetime
    changed: datetime
    """When what is derived from the captures last came out different."""
    visibility: Listing
    published: datetime | None = None
    updated: datetime | None = None
    """Time of the last post."""


class Hit(Value, frozen=True):
    """A passage of a post in which something was found."""

    anchor: str
    """Of the post on the thread's page."""
    post: str
    """Id."""
    snippet: Snippet
    published: datetime | None = None
    warning: str = ""
    """The post's content warning."""


class Found(Value, frozen=True):
    """A thread in which something was found, and where, in reading order."""

    entry: Entry
    hits: tuple[Hit, ...]
    """The first three at most."""
    more: bool = False
    """There are more in this thread."""


class Results(Value, frozen=True):
    """Threads in which something was found, those kept last first."""

    found: tuple[Found, ...] = ()
    before: int | None = None
    """Where the next threads go on; None where these are all."""


class Saving(Value, frozen=True):
    """What a person asked to keep. ``thread`` can be derived again from these captures (digests, each once)."""

    thread: str
    post: str
    rule: Rule
    source: str
    captures: tuple[str, ...]
    saved: datetime
    changed: datetime
    url: str = ""
    """The address to ask again; empty where there is none."""
    looked: datetime | None = None
    """When it was last asked."""


class Output(Value, frozen=True):
    """A file or folder that was written from threads (ids)."""

    path: str
    kind: str
    threads: tuple[str, ...]


def as_key(name: str) -> str:
    """Return ``name`` where it is a key, else the key of this id."""
    return name if _KEY.fullmatch(name) else text.key(name)


def dumps(value: Any) -> str:
    """Return ``value`` as JSON."""
    try:
        return msgspec.json.encode(value).decode()
    except UnicodeEncodeError:  # a lone surrogate: only ASCII escapes can carry it
        return json.dumps(msgspec.to_builtins(value), separators=(",", ":"))


def loads(data: str, type_: type[T]) -> T:
    """Return the value that ``dumps`` wrote.

    Raises:
        StoreError: another version of Clew wrote it.
    """
    with _of_this_version(type_.__name__):
        return msgspec.convert(_plain(data), type_)


def _plain(data: str) -> Any:
    try:
        return msgspec.json.decode(data)
    except msgspec.DecodeError:  # the escape of a lone surrogate
        return json.loads(data)


@contextmanager
def _of_this_version(noun: str) -> Iterator[None]:
    try:
        yield
    except (msgspec.MsgspecError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise StoreError(
            f"A stored {noun.lower()} is of another version of Clew", "", "Run clew rebuild"
        ) from error


def body_row(capture: Capture) -> dict[str, Any]:
    """Return the row of a capture's body.

    Raises:
        StoreError: the body is not what its digest says.
    """
    if not capture.redacted and sha256(capture.body).hexdigest() != capture.sha256:
        raise StoreError("The body of a capture does not have its digest", capture.sha256)
    return {"sha256": capture.sha256, "body": capture.body, "redacted": capture.redacted}


def retrieval_row(capture: Capture) -> dict[str, Any]:
    """Return the row that tells where a capture's body came from, without its saving and position."""
    row = msgspec.structs.asdict(capture)
    del row["body"], row["redacted"]
    return row | {"headers": dumps(capture.headers)}


def capture_of(row: dict[str, Any]) -> Capture:
    """Return the capture of the rows of its body and its retrieval."""
    headers = loads(row["headers"], dict[str, str])
    return Capture(**{**row, "headers": headers})


def thread_row(thread: Thread, title: str, visibility: Listing) -> dict[str, Any]:
    """Return the row of ``thread`` without its key."""
    times = [post.published for post in _posts(thread.items) if post.published is not None]
    return {
        "author": text.key(thread.attributed_to),
        "title": title,
        "published": min(times, default=None),
        "updated": max(times, default=None),
        "posts": thread.certificate.found,
        "complete": thread.certificate.complete,
        "sentence": thread.certificate.sentence,
        "visibility": visibility,
        "data": dumps(thread),
    }


def digest(row: dict[str, Any]) -> str:
    """Return the hex SHA-256 of a thread's row."""
    words = "\0".join((row["title"], row["visibility"], row["data"]))
    return sha256(words.encode("utf-8", "surrogatepass")).hexdigest()


def listing(thread: Thread) -> Listing:
    """Return who may come upon ``thread`` by what its author asked of the platform. Nobody is led to one that is
    gone: nothing tells any more whether it was for everybody."""
    author = _actors(thread)[thread.attributed_to]
    seen = {post.visibility for post in _posts(thread.items)}
    if "private" in seen or "no-unauthenticated" in author.restrictions:
        return "private"
    return "listed" if seen == {"public"} and "noindex" not in author.restrictions else "unlisted"


def actor_rows(thread: Thread) -> list[dict[str, Any]]:
    """Return a row for each actor that appears in ``thread`` in any role."""
    return [{"actor": text.key(id_), "data": dumps(actor)} for id_, actor in _actors(thread).items()]


def actor_names(thread: Thread) -> list[dict[str, str]]:
    """Return a row for each name under which each actor can be asked for."""
    pairs = {(name, text.key(id_)) for id_, actor in _actors(thread).items() for name in _called(actor)}
    return [{"name": name, "actor": actor} for name, actor in sorted(pairs)]


def handle_key(handle: str) -> str:
    """Return the key of a handle, with or without its "@", in any case."""
    return text.key("@" + handle.removeprefix("@").casefold())


def post_names(thread: Thread) -> list[dict[str, Any]]:
    """Return a row for each id and URL of the author's posts: the main line's win over branches' and asides'."""
    places: dict[str, int] = {}
    groups = (
        thread.items,
        chain.from_iterable(run.items for run in thread.branches),
        chain.from_iterable(run.items for run in thread.asides),
    )
    for place, items in enumerate(groups):
        for item in items:
            for name in filter(None, (item.id, item.url if isinstance(item, Post) else "")):
                places.setdefault(text.key(name), place)
    return [{"name": name, "place": place} for name, place in places.items()]


def _called(actor: Actor) -> Iterator[str]:
    yield text.key(actor.id)
    if actor.url:
        yield text.key(actor.url)
    if actor.preferred_username:
        yield handle_key(actor.preferred_username)


def _actors(thread: Thread) -> dict[str, Actor]:
    runs = (*thread.branches, *thread.asides)
    items: Iterator[Item] = chain(
        thread.items, thread.context, thread.quoted, *((*run.items, *run.answered) for run in runs)
    )
    known = {actor.id: actor for actor in thread.actors}
    ids = dict.fromkeys([thread.attributed_to, *known, *(item.attributed_to for item in items)])
    return {id_: known.get(id_) or Actor(id_) for id_ in ids if id_ or id_ == thread.attributed_to}


def _posts(items: Iterable[Item]) -> Iterator[Post]:
    return (item for item in items if isinstance(item, Post))
