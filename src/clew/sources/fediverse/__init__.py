"""The fediverse: answers of the Mastodon API, ActivityPub objects and outboxes, Mastodon account archives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from msgspec import Raw

from clew.errors import ParseError
from clew.fetch import Client
from clew.model import Actor, Capture, Limit, Post, Tombstone
from clew.plugins import Member, Source
from clew.sources.fediverse import listing, redaction, shapes
from clew.sources.fediverse.activitypub import Outbox
from clew.sources.fediverse.address import PATTERNS
from clew.sources.fediverse.asking import decoded
from clew.sources.fediverse.fetching import Visit
from clew.sources.fediverse.mastodon import Answers
from clew.sources.fediverse.refusals import Refusals, is_api, is_status, is_support
from clew.sources.fediverse.served import Served
from clew.sources.fediverse.shapes import Kind

_MEDIA = "media_attachments/"


class Fediverse:
    name: str = "fediverse"
    title: str = "Mastodon and the fediverse"
    formats: tuple[str, ...] = (
        "a status, its context, a list of statuses or several of these as JSON, as the Mastodon API answers",
        "an ActivityPub note, activity or outbox as JSON",
        "a Mastodon account archive (zip, tar.gz or folder)",
    )
    patterns: tuple[str, ...] = PATTERNS
    examples: tuple[str, ...] = (
        "https://mastodon.social/@Gargron/109252111498807689",
        "https://social.example/users/ada/statuses/109252111498807689",
    )
    members: tuple[Member, ...] = (
        Member("actor.json", "whole"),
        Member("outbox.json", "records", "orderedItems"),
        Member(_MEDIA + "**/*", "media"),
    )

    def sniff(self, capture: Capture) -> bool:
        """Is it a Mastodon answer or an ActivityPub object, or a page of a server that names one?"""
        if _is_media(capture) or capture.status >= 400:
            return False
        return shapes.sniff(capture) or (shapes.is_answer(capture) and bool(shapes.alternate(capture)))

    def fetch(self, url: str, client: Client, known: Sequence[str] = ()) -> str:
        """Ask for the thread of the post at ``url``, at its author's own server, and return the post's id.

        Raises:
            FetchError: the post itself was not to be had.
            ParseError: the server answers, but not with a post.
            InputError: the address is that of an account or a boost.
        """
        return Visit(client, url, known).thread()

    def parse(self, captures: Iterable[Capture]) -> Iterator[Actor | Post | Tombstone | Limit]:
        """Yield actors, posts, tombstones and limits: ActivityPub objects of files as they come, else at the end.

        Raises:
            ParseError: a file with broken JSON, or something else than these formats.
        """
        answers, outbox, served = Answers(), Outbox(), Served()
        refusals = Refusals(answers, served)
        for capture in captures:
            if _is_media(capture):
                continue
            if shapes.is_answer(capture):
                _hear(capture, answers, served, refusals)
                continue
            api: list[tuple[Kind, Raw]] = []
            for kind, raw in shapes.documents(capture):
                if kind == "activitypub":
                    yield from outbox.read(shapes.typed(raw, dict, capture), capture)
                else:
                    api.append((kind, raw))
            if api:
                answers.add(capture, api)
        served.settle()
        yield from answers.items(served.parents(), served.notes.keys())
        yield from served.items(answers.parents_told())
        yield from refusals.items()
        yield from listing.whole(answers, served, refusals.given)

    def anchor(self, capture: Capture) -> str:
        """Return the id of the one status that was saved, alone or with its context; else nothing."""
        if shapes.is_answer(capture):
            return _named(decoded(capture)) if is_status(capture) else ""
        asked = [raw for kind, raw in shapes.documents(capture) if kind in ("status", "bundle")]
        if len(asked) != 1:
            return ""
        value: dict[str, Any] = shapes.typed(asked[0], dict, capture)
        return _named(value.get("status", value))

    def redact(self, capture: Capture, actors: frozenset[str]) -> bytes:
        """Return the body without these actors' text. Media files are returned as they are: nothing in one tells
        whose it is."""
        return capture.body if _is_media(capture) else redaction.redact(capture, actors)


def _named(status: Any) -> str:
    named = (status.get("uri") or status.get("url")) if isinstance(status, dict) else None
    return named if isinstance(named, str) else ""


def _hear(capture: Capture, answers: Answers, served: Served, refusals: Refusals) -> None:
    """Sort the answer of a server: posts of the API, ActivityPub objects, or nothing to read."""
    if is_support(capture):
        return
    if not 200 <= capture.status < 300:
        refusals.add(capture)
        return
    try:
        if not is_api(capture) and (value := decoded(capture)) is not None and shapes.is_object(value):
            served.add(capture, value)
            return
        documents = list(shapes.documents(capture))
        if documents or capture.body.strip() == b"[]":
            refusals.heard(capture, answers.add(capture, documents))
            return
    except ParseError:
        pass
    refusals.add(capture)


def _is_media(capture: Capture) -> bool:
    return bool(capture.member) and _MEDIA in capture.member


SOURCE: Source = Fediverse()
