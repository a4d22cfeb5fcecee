"""An account archive: the owner, his long posts, then each post as it comes.

``tweets.js`` holds the first 280 characters of a long post, ``note-tweet.js`` all of it, and neither names the
other: a note's number is not the post's. What ties them is the time when both were made (up to five seconds apart)
and the text: without the names a reply starts with, the ellipsis at its end, and shortened links (which differ),
the post's text is how the note starts. A note without a post belongs to a deleted one, and is not used.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

import msgspec

from clew.model import Actor, Capture, Post, Tombstone
from clew.sources.x.posts import Page
from clew.sources.x.shapes import (
    ArchivedNote,
    Entities,
    Entity,
    Entry,
    Many,
    Note,
    NoteEntity,
    Status,
    actor_id,
    digits,
    many,
    moment,
)
from clew.sources.x.text import decode, safe

OUTBOX = "account archive"
_FOLDERS = (("community-tweet", "community_tweet_media"), ("tweets", "tweets_media"), ("tweet", "tweet_media"))
_SECONDS = 5
_NAMES = re.compile(r"(?:@[A-Za-z0-9_]+ +)+")
_LINK = re.compile(r"https?://t\.co/\w+")
_LOOSE = " \t\r\n\0"  # white space, and links that were blanked


class Archive:
    """State of one archive while its records stream by: whose it is, and his long posts by their second."""

    def __init__(self, hash_: str, *, complete: bool) -> None:
        """``complete``: this is the whole archive, so that a post that is not in it is gone."""
        self.owner = Actor(id=f"ni:///sha-256;{hash_}", outbox=OUTBOX if complete else "")
        self.known = self.announced = False
        self.notes: defaultdict[int, list[tuple[Note, str]]] = defaultdict(list)
        self.by_post: dict[str, tuple[Note, str]] = {}

    def read(self, entry: Entry, capture: Capture) -> Iterator[Actor | Post | Tombstone]:
        """Take in one record; yield what it tells."""
        if entry.account and (number := digits(entry.account.account_id)):
            name = entry.account.username
            self.known = True
            self.owner = msgspec.structs.replace(
                self.owner,
                id=actor_id(number),
                name=entry.account.display_name,
                preferred_username=name,
                url=f"https://x.com/{name}" if name else actor_id(number),
            )
        if entry.profile and entry.profile.description and (site := safe(entry.profile.description.website)):
            self.owner = msgspec.structs.replace(self.owner, also_known_as=(site,))
        if entry.note:
            self._keep(entry.note, capture.sha256)
        if entry.tweet:
            yield from self.close()
            yield from self._posts(entry.tweet, capture)

    def close(self) -> Iterator[Actor]:
        """Yield the owner, once, when all is known of him."""
        if not self.announced:
            self.announced = True
            yield self.owner

    def _posts(self, status: Status, capture: Capture) -> Iterator[Post | Tombstone]:
        note, digest = self._note(status) or (status.note_tweet, "")
        joined = msgspec.structs.replace(status, note_tweet=note)
        entry = Entry(statuses=[joined])
        page = Page([entry], capture, owner=self.owner.id, folder=folder(capture.member) if capture.archive else "")
        for item in page.items():
            if digest and isinstance(item, Post) and item.id.endswith(f"/{status.number}"):
                item = msgspec.structs.replace(item, also_from=(digest,))
            if isinstance(item, Post) and self.owner.preferred_username and item.attributed_to == self.owner.id:
                url = f"{self.owner.url}/status/{item.id.rpartition('/')[2]}"
                yield msgspec.structs.replace(item, url=url)
            elif not isinstance(item, Actor):
                yield item

    def _keep(self, archived: ArchivedNote, digest: str) -> None:
        made = moment(archived.created_at)
        if not archived.core or not archived.core.text:
            return
        core = archived.core
        entities = Entities(
            urls=_entities(core.urls),
            mentions=_entities(core.mentions),
            hashtags=_entities(core.hashtags),
            cashtags=_entities(core.cashtags),
        )
        note = (Note(core.text, entities), digest)
        if number := digits(archived.tweet_id):
            self.by_post[number] = note
        elif made:
            self.notes[int(made.timestamp())].append(note)

    def _note(self, status: Status) -> tuple[Note, str] | None:
        if status.number in self.by_post or not self.notes:
            return self.by_post.get(status.number)
        made = moment(status.created_at)
        if made is None or status.redacted:
            return None
        second = int(made.timestamp())
        times = (at for gap in range(_SECONDS + 1) for at in (second - gap, second + gap))
        near = (found for at in times for found in self.notes.get(at, ()))
        text = status.full_text or status.text or ""
        return next((found for found in near if _starts(text, found[0].text)), None)


def folder(member: str) -> str:
    """Return the folder that holds the media of a member's posts."""
    name = member.rpartition("/")[2]
    return next((folder for stem, folder in _FOLDERS if name.startswith(stem)), "")


def _starts(short: str, long: str) -> bool:
    """Whether ``short``, of ``tweets.js``, is the note ``long`` or its start."""
    text, note = (_LINK.sub("\0", decode(raw)[0]).rstrip(_LOOSE) for raw in (short, long))
    names = _NAMES.match(text)
    forms = {text, text[names.end() :] if names else text} - {""}
    if text.endswith("…"):
        return any(note.startswith(form[:-1].rstrip(_LOOSE)) for form in forms if form != "…")
    return note in forms


def _entities(found: Many[NoteEntity]) -> list[Entity]:
    return [
        Entity(
            start=e.from_index,
            end=e.to_index,
            url=e.short_url,
            expanded_url=e.expanded_url,
            display_url=e.display_url,
            screen_name=e.screen_name,
            tag=e.tag or e.text,
        )
        for e in many(found)
    ]
