"""One message of a chat as every form of export gives it, and the albums that several messages make."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

import msgspec

from clew.model import Actor, Facet, Post, Tombstone

FORWARDED = "forwarded-from:"
"""Start of the label that names the actor whose words a forwarded post carries."""
LOCAL_TIME = "local-time"
"""Label of a post whose time was written without a zone: it is shown as it stands, as if it were UTC."""
EDITED = "edited"
"""Label of a post that was edited, where nothing tells when."""
OMITTED = "omitted:"
"""Start of the label that says what a message held besides its text and is not shown: "omitted:contact"."""

_ALBUM = 10  # Telegram puts at most ten messages in an album
_ALBUM_MEDIA = frozenset({"photo", "video"})
_PEER = re.compile(r"(user|chat|channel)(\d{1,19})", re.ASCII)


class Message(msgspec.Struct, frozen=True):
    """A post or tombstone with what decides whether it belongs to an album."""

    number: int
    """Place in the chat, as Telegram counts."""
    item: Post | Tombstone
    media: str = ""
    """"photo" or "video" where it is one, else empty."""
    text: bool = False
    """It had words of its own (also before they were removed)."""
    actors: tuple[Actor, ...] = ()


def peer(value: str | int | None) -> str:
    """Return the actor id of an exported peer ("user1", "channel2"; a bare number is a user), or ""."""
    found = _PEER.fullmatch(f"user{value}" if isinstance(value, int) else value or "")
    if found is None:
        return ""
    kind, number = found.groups()
    return f"tg://user?id={number}" if kind == "user" else f"https://t.me/c/{number}"


def named(chat: str, name: str) -> str:
    """Return the actor id of somebody of whom the export of ``chat`` gives nothing but a name."""
    return f"{chat}#name-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"


def forwarded(post: Post, origin: str) -> Post:
    """Mark the whole text of ``post`` as the words of ``origin`` (an actor id)."""
    whole = (Facet(0, len(post.content), "blockquote"),) if post.content else ()
    return msgspec.structs.replace(post, facets=whole + post.facets, labels=(*post.labels, FORWARDED + origin))


def moment(seconds: str | int | None) -> datetime | None:
    """Return a Unix time, or None where it is none."""
    try:
        return datetime.fromtimestamp(int(seconds or ""), UTC)
    except (ValueError, OverflowError, OSError):
        return None


def items(messages: Iterable[Message]) -> Iterator[Actor | Post | Tombstone]:
    """Yield each actor once and each message once, an album as one post under the id of its first message."""
    seen: set[str] = set()
    albums: dict[str, str] = {}  # id of a later message of an album -> id of the album
    for run in _runs(messages):
        for actor in (a for m in run for a in m.actors if a.id not in seen):
            if actor.id not in seen:
                seen.add(actor.id)
                yield actor
        item = run[0].item if len(run) == 1 else _album(run)
        albums.update({m.item.id: item.id for m in run[1:]})
        yield msgspec.structs.replace(item, in_reply_to=albums.get(item.in_reply_to, item.in_reply_to))


def _runs(messages: Iterable[Message]) -> Iterator[list[Message]]:
    run: list[Message] = []
    for message in messages:
        if run and not _continues(run, message):
            yield run
            run = []
        run.append(message)
    if run:
        yield run


def _continues(run: list[Message], message: Message) -> bool:
    # Exports carry no album id. These signs together are those of an album: see the tests for what each keeps out.
    last = run[-1]
    return (
        len(run) < _ALBUM
        and {last.media, message.media} <= _ALBUM_MEDIA
        and message.number == last.number + 1
        and sum(m.text for m in (*run, message)) <= 1
        and _same_act(last.item, message.item)
    )


def _same_act(a: Post | Tombstone, b: Post | Tombstone) -> bool:
    if a.published is None or b.published is None or type(a) is not type(b):
        return False
    origins = [[label for label in getattr(p, "labels", ()) if label.startswith(FORWARDED)] for p in (a, b)]
    return (
        a.attributed_to == b.attributed_to
        and a.id.rpartition("/")[0] == b.id.rpartition("/")[0]
        and a.in_reply_to == b.in_reply_to
        and origins[0] == origins[1]
        and abs(b.published - a.published) <= timedelta(seconds=1)
    )


def _album(run: list[Message]) -> Post | Tombstone:
    posts = [m.item for m in run if isinstance(m.item, Post)]
    if not posts:
        return run[0].item
    words = next((m.item for m in run if m.text and isinstance(m.item, Post)), posts[0])
    others = dict.fromkeys(p.capture for p in posts if p.capture != words.capture)
    return msgspec.structs.replace(
        words,
        id=posts[0].id,
        also_from=tuple(others),
        url=posts[0].url,
        published=posts[0].published,
        updated=max((p.updated for p in posts if p.updated), default=None),
        attachments=tuple(a for p in posts for a in p.attachments),
        labels=tuple(dict.fromkeys(label for p in posts for label in p.labels)),
    )
