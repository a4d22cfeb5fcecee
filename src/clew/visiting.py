"""Going to where a post lives: which source takes an address, what came of asking, which of two looks counts."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

import msgspec

from clew.errors import FetchError, InputError, Refused
from clew.fetch import SOURCE, VISIT, Client
from clew.model import Actor, Capture, Limit, Post, Thread, Tombstone
from clew.plugins import Source, sources
from clew.thread import embeds, every_item

PAGE = "application/activity+json, text/html;q=0.9, application/xhtml+xml;q=0.9, */*;q=0.1"
"""What is asked of an address that no source knows: a post where the server has one, else a page."""
_PICTURES = ("image/avif", "image/gif", "image/jpeg", "image/png", "image/webp")
_EMBEDS = 10
HIDDEN = "no-unauthenticated"
"""Restriction of an author who shows posts to people who are logged in only."""
_ANY = "article"  # takes every address of the web: what is there says whose it is

Found = Actor | Post | Tombstone | Limit


def visit(url: str, client: Client, known: Sequence[str] = ()) -> tuple[Source, str]:
    """Ask for the thread of the post at ``url``; return the source and the post's id. ``client`` holds what came.

    Raises:
        InputError: no source takes such an address.
        SourceError: the post was not to be had.
        Refused: its author or the platform does not want it to be read this way.
    """
    source = _source_for(url, client)
    try:
        return source, source.fetch(url, client, known)
    except FetchError:
        post = next(filter(None, map(source.anchor, client.captures)), "")
        parsed = source.parse(current(client.captures)) if post else ()
        if any(isinstance(value, Post) and value.id == post for value in parsed):
            return source, post  # the rest is missing, and its absence is in the captures
        raise


def _source_for(url: str, client: Client) -> Source:
    taking = [source for source in sources() if _takes(source, url)]
    if not taking:
        examples = ", ".join(source.examples[0] for source in sources() if source.examples)
        raise InputError("No source takes this address", url, f"Such as these can be fetched: {examples}")
    if taking[0].name != _ANY:
        return taking[0]
    first = client.get(url, accept=PAGE)
    return next((source for source in sources() if source.patterns and source.sniff(first)), taking[0])


def _takes(source: Source, url: str) -> bool:
    return any(re.match(pattern, url) for pattern in source.patterns)


def embedded(thread: Thread, client: Client, *, again: bool = False) -> None:
    """Fetch the posts of other networks that stand in an article. One that is not to be had stays an address.

    ``again``: they may be here from before, so what says that they are to be shown no more is kept.
    """
    posts = [item for item in thread.items if isinstance(item, Post) and item.generator == "page"]
    links = dict.fromkeys(link for post in posts for link in embeds(post))
    for link in list(links)[:_EMBEDS]:
        start = len(client.captures)
        source = next((s for s in sources() if s.name != _ANY and _takes(s, link)), None)
        if source is None:
            continue
        try:
            source.fetch(link, client)
        except Refused:
            if not again:
                del client.captures[start:]
        except (FetchError, InputError):
            pass
        for number, capture in enumerate(client.captures[start:], start):
            headers = {**capture.headers, SOURCE: source.name}
            client.captures[number] = msgspec.structs.replace(capture, headers=headers)


def pictures(thread: Thread, client: Client) -> list[Capture]:
    """Fetch the images of a thread, and return those that came. One that does not stays an address."""
    found: dict[str, Capture] = {}
    closed = {actor.id for actor in thread.actors if HIDDEN in actor.restrictions}
    for item in every_item(thread):
        for attachment in item.attachments if isinstance(item, Post) and item.attributed_to not in closed else ():
            if attachment.type == "image" and attachment.url not in found and not attachment.sha256:
                try:
                    capture = client.get(attachment.url, accept="image/*", most=client.config.network.media)
                except FetchError:
                    continue
                if capture.status == 200 and capture.media_type in _PICTURES:
                    found[attachment.url] = capture
    return list(found.values())


# --- several looks at the same ---------------------------------------------------------------------------------


def current(captures: Iterable[Capture]) -> list[Capture]:
    """Return captures without a failure that a later answer made good, and each body of one address once."""
    latest: dict[tuple[str, ...], Capture] = {}
    good: dict[str, datetime] = {}
    for capture in sorted(captures, key=lambda capture: capture.retrieved):
        latest[capture.url, capture.sha256, capture.archive, capture.member, str(capture.status)] = capture
        if capture.url and 200 <= capture.status < 300:
            good[capture.url] = capture.retrieved
    return [
        c
        for c in latest.values()
        if not (c.url and c.url in good and not 200 <= c.status < 300 and good[c.url] > c.retrieved)
    ]


def settled(values: Iterable[Found], captures: Iterable[Capture]) -> Iterator[Found]:
    """Leave out what a later look contradicts: the text of a post that was found to be gone, and that it was gone
    where a visit after that found it again."""
    held = list(values)
    checked: dict[str, datetime] = {}
    for value in held:
        if isinstance(value, Tombstone) and value.checked:
            checked[value.id] = max(value.checked, checked.get(value.id, value.checked))
    if not checked:
        yield from held
        return
    seen, starts = _seen(captures)
    texts: dict[str, Post] = {}  # what was known of a post that is gone: its place, not its words
    back = set()
    for value in held:
        if isinstance(value, Post) and value.id in checked:
            texts[value.id] = max(
                value, texts.get(value.id, value), key=lambda post: (seen[post.capture], repr(post))
            )
            if _after(seen[value.capture], checked[value.id], starts):
                back.add(value.id)
    for value in held:
        if isinstance(value, Post) and value.id in checked and value.id not in back:
            continue
        if isinstance(value, Tombstone) and value.checked:
            if value.id not in back:
                yield _placed(value, texts.get(value.id))
            continue
        yield value


def _placed(stone: Tombstone, post: Post | None) -> Tombstone:
    if post is None:
        return stone
    return msgspec.structs.replace(
        stone,
        attributed_to=stone.attributed_to or post.attributed_to,
        in_reply_to=stone.in_reply_to or post.in_reply_to,
        context=stone.context or post.context,
        published=stone.published or post.published,
    )


def _seen(captures: Iterable[Capture]) -> tuple[dict[str, datetime], list[datetime]]:
    """Return when each body was last received, and when each visit began."""
    seen: dict[str, datetime] = {}
    starts = set()
    for capture in captures:
        seen[capture.sha256] = max(capture.retrieved, seen.get(capture.sha256, capture.retrieved))
        if begun := capture.headers.get(VISIT):
            starts.add(datetime.fromisoformat(begun))
    return seen, sorted(starts)


def _after(time: datetime, checked: datetime, starts: list[datetime]) -> bool:
    """Say whether ``time`` is of a later visit. Within one visit another server may still show what is gone."""
    return bisect_right(starts, time) > bisect_right(starts, checked)
