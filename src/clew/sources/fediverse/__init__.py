"""The fediverse: answers of the Mastodon API, ActivityPub objects and outboxes, Mastodon account archives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import Raw

from clew.model import Actor, Capture, Post, Tombstone
from clew.plugins import Member, Source
from clew.sources.fediverse import redaction, shapes
from clew.sources.fediverse.activitypub import Outbox
from clew.sources.fediverse.mastodon import Answers
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
    members: tuple[Member, ...] = (
        Member("actor.json", "whole"),
        Member("outbox.json", "records", "orderedItems"),
        Member(_MEDIA + "**/*", "media"),
    )

    def sniff(self, capture: Capture) -> bool:
        """Is it a Mastodon answer or an ActivityPub object?"""
        return not _is_media(capture) and shapes.sniff(capture)

    def parse(self, captures: Iterable[Capture]) -> Iterator[Actor | Post | Tombstone]:
        """Yield actors, posts and tombstones: ActivityPub objects as they come, API answers at the end.

        Raises:
            ParseError: broken JSON, or something else than these formats.
        """
        answers, outbox = Answers(), Outbox()
        for capture in captures:
            if _is_media(capture):
                continue
            api: list[tuple[Kind, Raw]] = []
            for kind, raw in shapes.documents(capture):
                if kind == "activitypub":
                    yield from outbox.read(shapes.typed(raw, dict, capture), capture)
                else:
                    api.append((kind, raw))
            if api:
                answers.add(capture, api)
        yield from answers.items()

    def anchor(self, capture: Capture) -> str:
        """Return the id of the one status that was saved, alone or with its context; else nothing."""
        asked = [raw for kind, raw in shapes.documents(capture) if kind in ("status", "bundle")]
        if len(asked) != 1:
            return ""
        value: dict[str, Any] = shapes.typed(asked[0], dict, capture)
        status = value.get("status", value)
        named = (status.get("uri") or status.get("url")) if isinstance(status, dict) else None
        return named if isinstance(named, str) else ""

    def redact(self, capture: Capture, actors: frozenset[str]) -> bytes:
        """Return the body without these actors' text. Media files are returned as they are: nothing in one tells
        whose it is."""
        return capture.body if _is_media(capture) else redaction.redact(capture, actors)


def _is_media(capture: Capture) -> bool:
    return bool(capture.member) and _MEDIA in capture.member


SOURCE: Source = Fediverse()
