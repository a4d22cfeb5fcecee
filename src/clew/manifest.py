"""The manifest of a thread: what it consists of and what it was made of, as hashes. Pure and deterministic.

A capture that may not be shown is named by its hash, with the reason, in the header ``clew-left-out``; its body is
not there. ``clew.evidence`` decides which those are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from typing import Literal

import msgspec

from clew.model import Capture, Certificate, Item, Page, Post, Reason, Rule, Thread, Value

LEFT_OUT = "clew-left-out"
"""Header of a capture of which the body is left out: what kind of capture it is, in words that follow the noun."""
_ABSENT = "not kept here"
_TOLD = ("author", "published", "clew-failure")
Role = Literal["main", "branch", "aside", "context", "quoted"]


class Said(Value, frozen=True):
    """One post: the hash of what it says, or why it is not here."""

    id: str
    role: Role
    sha256: str = ""
    """Hex SHA-256 of ``Post.content`` as UTF-8."""
    reason: Reason | None = None
    """Of a missing post."""
    captures: tuple[str, ...] = ()
    """SHA-256 of the captures it was decoded from."""


class Held(Value, frozen=True):
    """One capture, without its body; the fields are those of ``model.Capture``."""

    sha256: str
    retrieved: datetime
    url: str = ""
    location: str = ""
    status: int = 0
    media_type: str = ""
    archive: str = ""
    member: str = ""
    told: dict[str, str] = msgspec.field(default_factory=dict)
    """What its giver said of it, or why there is no answer."""
    note: str = ""
    """What was taken out of it."""
    left_out: str = ""
    """Why its body is not here; empty where it is."""


class Absence(Value, frozen=True):
    """How many captures are left out, and of which kind, in words that follow the noun."""

    captures: int
    which: str


class Manifest(Value, frozen=True):
    """What a thread consists of, and what it was made of."""

    tool: str
    """Name and version of what wrote it."""
    thread: str
    """Thread id."""
    rule: Rule
    title: str
    text: str
    """Hex SHA-256 of the document's text as UTF-8."""
    posts: tuple[Said, ...]
    certificate: Certificate
    captures: tuple[Held, ...] = ()
    """By the time when they were received."""
    left_out: tuple[Absence, ...] = ()
    """What of the captures is not in an archive of them. Empty: all are there."""
    page: str = ""
    """Address of the thread's page."""


def manifest(page: Page) -> Manifest:
    """Return the manifest of a page, with the captures that the page carries."""
    thread = page.thread
    held = sorted(set(map(_key, page.captures)))
    captures = {_key(capture): _held(capture) for capture in page.captures}
    posts = tuple(said(thread))
    return Manifest(
        tool=tool(),
        thread=thread.id,
        rule=thread.rule,
        title=page.title,
        text=hashed(page.document.text),
        posts=posts,
        certificate=thread.certificate,
        captures=tuple(captures[key] for key in held),
        left_out=_absences(posts, tuple(captures.values())),
        page=page.base_url,
    )


@cache
def tool() -> str:
    """Return the name and version of this program."""
    return f"Clew/{version('clew')}"


def hashed(text: str) -> str:
    """Return the hex SHA-256 of text as UTF-8."""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def encoded(value: Manifest) -> bytes:
    """Return a manifest as JSON."""
    return msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n"


def left_out(value: Manifest) -> list[str]:
    """Return what of the captures is left out, one clause for each kind."""
    return [f"left out: {counted(absence.captures, 'capture')} {absence.which}" for absence in value.left_out]


def counted(number: int, noun: str) -> str:
    """Return a number of things in words: "1 post", "2,000 posts"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _key(capture: Capture) -> tuple[str, ...]:
    return (capture.retrieved.isoformat(), capture.url, capture.archive, capture.member, capture.sha256)


def _held(capture: Capture) -> Held:
    return Held(
        sha256=capture.sha256,
        retrieved=capture.retrieved,
        url=capture.url,
        location=capture.location,
        status=capture.status,
        media_type=capture.media_type,
        archive=capture.archive,
        member=capture.member,
        told={name: capture.headers[name] for name in _TOLD if name in capture.headers},
        note="an author's text was removed from it" if capture.redacted and LEFT_OUT not in capture.headers else "",
        left_out=capture.headers.get(LEFT_OUT, ""),
    )


def said(thread: Thread) -> Iterator[Said]:
    """Yield every post of a thread once, in the first role it has."""
    roles: tuple[tuple[Role, tuple[Item, ...]], ...] = (
        ("main", thread.items),
        *(("branch", run.items) for run in thread.branches),
        *(("aside", run.items) for run in thread.asides),
        ("context", thread.context),
        *(("context", run.answered) for run in (*thread.branches, *thread.asides)),
        ("quoted", thread.quoted),
    )
    seen: set[str] = set()
    for role, items in roles:
        for item in items:
            if item.id not in seen:
                seen.add(item.id)
                yield _said(item, role)


def _said(item: Item, role: Role) -> Said:
    if isinstance(item, Post):
        return Said(item.id, role, hashed(item.content), captures=(item.capture, *item.also_from))
    return Said(item.id, role, reason=item.reason)


def _absences(posts: tuple[Said, ...], held: tuple[Held, ...]) -> tuple[Absence, ...]:
    """Count the captures that are not here, by reason."""
    here = {capture.sha256 for capture in held}
    missing = {post.captures[0] for post in posts if post.captures} - here
    reasons = Counter(capture.left_out for capture in held if capture.left_out)
    if missing:
        reasons[_ABSENT] += len(missing)
    return tuple(Absence(count, which) for which, count in sorted(reasons.items()))
