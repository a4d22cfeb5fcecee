"""Events of Jetstream: what happened to each post and actor, folded into how they stand at the end."""

from __future__ import annotations

from itertools import dropwhile, pairwise, takewhile

import msgspec

from clew.model import Actor, Post, Tombstone, Version

from . import address, posts
from .answers import from_record
from .wire import Answer, Commit, Profile

_PROFILE = msgspec.json.Decoder(Profile)
_DELETED = "The author's repository deleted it"


class Event(msgspec.Struct, frozen=True, order=True):
    """A change of one post. Ordered by time, then by arrival. ``value`` is empty where it was deleted."""

    time: int
    order: int
    value: bytes
    capture: str
    redacted: bool = False


class Stream:
    """Collects events of any number of captures, in any order; a post that was deleted leaves only a tombstone."""

    def __init__(self) -> None:
        self.events: dict[str, list[Event]] = {}
        self.handles: dict[str, tuple[int, str]] = {}
        self.profiles: dict[str, tuple[int, Profile]] = {}
        self.count = 0

    def add(self, event: Answer, capture: str) -> None:
        """Take one event; likes, follows and the rest are passed over."""
        time, commit = event.time_us or 0, event.commit
        if commit and commit.collection == address.POST:
            self.post(event, commit, capture)
        elif commit and commit.collection == address.PROFILE and commit.record and not event.redacted:
            self.profile(event.did, time, commit)
        elif event.identity and event.identity.handle:
            known = self.handles.get(event.did, (0, ""))
            self.handles[event.did] = max(known, (time, event.identity.handle), key=lambda pair: pair[0])

    def post(self, event: Answer, commit: Commit, capture: str) -> None:
        self.count += 1
        value = b"" if commit.operation == "delete" else bytes(commit.record) or b"null"
        uri = f"at://{event.did}/{address.POST}/{commit.rkey}"
        made = Event(event.time_us or 0, self.count, value, capture, bool(event.redacted))
        self.events.setdefault(uri, []).append(made)

    def profile(self, did: str, time: int, commit: Commit) -> None:
        try:
            profile = _PROFILE.decode(commit.record)
        except (msgspec.DecodeError, RecursionError):
            return
        if time >= self.profiles.get(did, (0, None))[0]:
            self.profiles[did] = (time, profile)

    def found(self) -> list[Actor | Post | Tombstone]:
        """Return every actor and post, as it stands after the last event."""
        dids = {**self.handles, **self.profiles}
        actors = [
            posts.owner(did, self.profiles.get(did, (0, None))[1], self.handles.get(did, (0, ""))[1])
            for did in dids
        ]
        posted = sorted(self.events.items(), key=lambda pair: min(pair[1]))
        return [*actors, *(self.folded(uri, sorted(events)) for uri, events in posted)]

    def folded(self, uri: str, events: list[Event]) -> Post | Tombstone:
        """Return what one post is after its last event; older texts go with it."""
        last = events[-1]
        # Back to the last deletion before the text: what came earlier was another post with the same key.
        newest = takewhile(lambda event: event.value, dropwhile(lambda event: not event.value, reversed(events)))
        texts = [(item, event.time) for event in newest if isinstance(item := _item(uri, event), Post)][::-1]
        if not last.value:
            return _deleted(uri, last.time, texts[-1][0] if texts else None)
        final = _item(uri, last)
        return _edited(texts) if isinstance(final, Post) else final


def _deleted(uri: str, time: int, post: Post | None) -> Tombstone:
    """Keep of a deleted post only what it answered and when it was made."""
    return Tombstone(
        id=uri,
        reason="deleted",
        in_reply_to=post.in_reply_to if post else "",
        attributed_to=address.did_of(uri),
        context=post.context if post else "",
        deleted=address.from_micros(time),
        published=post.published if post else None,
        evidence=_DELETED,
    )


def _item(uri: str, event: Event) -> Post | Tombstone:
    return from_record(uri, address.did_of(uri), msgspec.Raw(event.value), event.capture, event.redacted)


def _edited(texts: list[tuple[Post, int]]) -> Post:
    """Return the newest post, with each older text that differs from its successor as a version."""
    post = texts[-1][0]
    since, written = texts[0][0].published, []
    for (before, _), (after, time) in pairwise(texts):
        if before.content != after.content:
            written.append(Version(before.content, since))
            since = address.from_micros(time)
    if not written:
        return post
    return msgspec.structs.replace(post, updated=since, versions=tuple(written))
