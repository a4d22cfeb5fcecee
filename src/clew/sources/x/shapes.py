"""What X sends, as structs of the fields used, and how its numbers become ids and times.

One struct serves the API v2 in both vocabularies (until July 2026 "tweet", since then "post"), the API v1.1 and the
account archive: their keys never mean two things. Where the archive writes numbers as text, both are taken; where a
saved answer has ``{}`` for an absent list, that is an empty list.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, Union

import msgspec

T = TypeVar("T")
Many = Union[list[T], dict[str, Any], None]  # noqa: UP007  a generic alias must be written so
Number = int | str | None

_LONGEST = 19  # digits of the largest number X can give out
_MONTHS = {m: n for n, m in enumerate("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(), 1)}
EPOCH = datetime(2010, 11, 4, 1, 42, 54, 657_000, tzinfo=UTC)
_FIRST_SNOWFLAKE = 30_000_000_000  # ids below were counted, and carry no time


def many(value: Many[T]) -> list[T]:
    """Return the list, or an empty one where something else stands for it."""
    return value if isinstance(value, list) else []


def digits(*values: Number) -> str:
    """Return the first of ``values`` that is an X number, as text; "" where none is."""
    for value in values:
        text = str(value)
        if text.isdecimal() and text.isascii() and len(text) <= _LONGEST:
            return text
    return ""


def whole(value: Number) -> int | None:
    """Return a count, offset or size that may be written as text."""
    text = digits(value)
    return int(text) if text else None


def post_id(number: str) -> str:
    """Return the id (and address) of a post; "" for ""."""
    return f"https://x.com/i/status/{number}" if number else ""


def actor_id(number: str) -> str:
    """Return the id of an account; "" for ""."""
    return f"https://x.com/i/user/{number}" if number else ""


def moment(text: str | None) -> datetime | None:
    """Read a time as v1.1 ("Wed Oct 10 20:19:24 +0000 2018") or v2 (ISO 8601) writes it; None for all else."""
    parts = (text or "").split()
    if len(parts) == 6 and parts[1] in _MONTHS:
        text = f"{parts[5]}-{_MONTHS[parts[1]]:02}-{parts[2]:0>2}T{parts[3]}{parts[4]}"
    try:
        when = datetime.fromisoformat(text or "")
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def moment_of(number: str) -> datetime | None:
    """Return when a post's id was given out, to the millisecond; None for ids from before November 2010."""
    if not number or int(number) < _FIRST_SNOWFLAKE:
        return None
    return EPOCH + timedelta(milliseconds=int(number) >> 22)


def number_at(when: datetime) -> int:
    """Return the least number that a post made at this time can have: 0 before November 2010."""
    return (max(when - EPOCH, timedelta()) // timedelta(milliseconds=1)) << 22


class Entity(msgspec.Struct):
    """A url, mention, hashtag or cashtag with its place in the text: v2 ``start``/``end``, v1.1 ``indices``."""

    start: Number = None
    end: Number = None
    indices: Many[int | str] = None
    url: str | None = None
    expanded_url: str | None = None
    unwound_url: str | None = None
    display_url: str | None = None
    media_key: str | None = None
    title: str | None = None
    description: str | None = None
    username: str | None = None
    screen_name: str | None = None
    id: Number = None
    id_str: str | None = None
    tag: str | None = None
    text: str | None = None

    @property
    def place(self) -> tuple[int, int] | None:
        """Start and end as sent."""
        pair = self.indices if isinstance(self.indices, list) else [self.start, self.end]
        start, end = (whole(pair[0]), whole(pair[1])) if len(pair) == 2 else (None, None)
        return (start, end) if start is not None and end is not None else None


class Size(msgspec.Struct):
    """Width and height in pixels."""

    w: Number = None
    h: Number = None
    width: Number = None
    height: Number = None


class Variant(msgspec.Struct):
    """One encoding of a video."""

    url: str = ""
    content_type: str = ""
    bitrate: Number = None
    bit_rate: Number = None


class VideoInfo(msgspec.Struct):
    """The encodings of a v1.1 video."""

    variants: Many[Variant] = None


class Media(Entity):
    """A photo, video or animated GIF, of v2's includes or of v1.1's entities."""

    type: str = ""
    media_url_https: str | None = None
    preview_image_url: str | None = None
    alt_text: str | None = None
    ext_alt_text: str | None = None
    width: Number = None
    height: Number = None
    original_info: Size | None = None
    sizes: dict[str, Size] | None = None
    variants: Many[Variant] = None
    video_info: VideoInfo | None = None


class Entities(msgspec.Struct):
    """Marked ranges of a text, in v2's words and v1.1's."""

    urls: Many[Entity] = None
    media: Many[Media] = None
    mentions: Many[Entity] = None
    user_mentions: Many[Entity] = None
    hashtags: Many[Entity] = None
    cashtags: Many[Entity] = None
    symbols: Many[Entity] = None


class Note(msgspec.Struct):
    """The whole text of a long post."""

    text: str = ""
    entities: Entities | None = None


class Extended(msgspec.Struct):
    """The whole text of a v1.1 post that was sent in its short form."""

    full_text: str = ""
    entities: Entities | None = None
    extended_entities: Entities | None = None


class UserEntities(msgspec.Struct):
    """The links of a profile; its ``url`` is the website the author named."""

    url: Entities | None = None


class User(msgspec.Struct):
    """An account, in v2's words and v1.1's."""

    id: Number = None
    id_str: str | None = None
    name: str | None = None
    username: str | None = None
    screen_name: str | None = None
    protected: bool | None = None
    entities: UserEntities | None = None
    redacted: str = msgspec.field(default="", name="clew:redacted")

    @property
    def number(self) -> str:
        """The account's number."""
        return digits(self.id_str, self.id)

    @property
    def handle(self) -> str:
        """The account's name in addresses, without @."""
        return self.username or self.screen_name or ""


class Reference(msgspec.Struct):
    """How a v2 post refers to another: "replied_to", "quoted" or "retweeted"."""

    type: str = ""
    id: Number = None


class Attached(msgspec.Struct):
    """Keys into v2's includes."""

    media_keys: Many[str] = None
    poll_ids: Many[int | str] = None


class PollChoice(msgspec.Struct):
    """One answer of a poll."""

    label: str = ""
    votes: int | None = None
    position: int = 0


class PollBox(msgspec.Struct):
    """A poll of v2's includes."""

    id: Number = None
    options: Many[PollChoice] = None
    end_datetime: str | None = None


class Metrics(msgspec.Struct):
    """Counts of a v2 post."""

    reply_count: int | None = None


class Scopes(msgspec.Struct):
    """Who may see a post."""

    followers: bool | None = None


class Withheld(msgspec.Struct):
    """Where X hides a v2 post."""

    copyright: bool | None = None
    country_codes: Many[str] = None


class Failure(msgspec.Struct):
    """One of the ``errors`` beside a v2 answer."""

    type: str = ""
    title: str = ""
    detail: str = ""
    parameter: str = ""
    resource_type: str = ""
    resource_id: Number = None
    value: Any = None


class Status(msgspec.Struct):
    """A post, of either API or of the archive."""

    id: Number = None
    id_str: str | None = None
    text: str | None = None
    full_text: str | None = None
    truncated: bool | None = None
    extended_tweet: Extended | None = None
    note_tweet: Note | None = None
    note_post: Note | None = None
    created_at: str | None = None
    author_id: Number = None
    user: User | None = None
    conversation_id: Number = None
    in_reply_to_user_id: Number = None
    in_reply_to_user_id_str: str | None = None
    in_reply_to_status_id: Number = None
    in_reply_to_status_id_str: str | None = None
    referenced_tweets: Many[Reference] = None
    referenced_posts: Many[Reference] = None
    edit_history_tweet_ids: Many[int | str] = None
    edit_history_post_ids: Many[int | str] = None
    quoted_status_id: Number = None
    quoted_status_id_str: str | None = None
    quoted_status: Status | None = None
    retweeted_status: Status | None = None
    entities: Entities | None = None
    extended_entities: Entities | None = None
    attachments: Attached | None = None
    lang: str | None = None
    possibly_sensitive: bool | None = None
    public_metrics: Metrics | None = None
    reply_count: Number = None
    scopes: Scopes | None = None
    withheld: Withheld | None = None
    withheld_copyright: bool | None = None
    withheld_in_countries: Many[str] = None
    redacted: str = msgspec.field(default="", name="clew:redacted")

    @property
    def number(self) -> str:
        """The post's number."""
        return digits(self.id_str, self.id)

    @property
    def author(self) -> str:
        """The author's number; "" where the post does not tell (an archive)."""
        return digits(self.author_id) or (self.user.number if self.user else "")

    @property
    def references(self) -> list[Reference]:
        """The posts referred to, in v2."""
        return many(self.referenced_posts) or many(self.referenced_tweets)

    @property
    def history(self) -> list[str]:
        """Numbers of all versions of an edited v2 post, oldest first."""
        return [digits(n) for n in many(self.edit_history_post_ids) or many(self.edit_history_tweet_ids)]

    @property
    def parent(self) -> str:
        """The number of the post it answers; "" where it answers none."""
        return self.referred("replied_to") or digits(self.in_reply_to_status_id_str, self.in_reply_to_status_id)

    @property
    def parent_author(self) -> str:
        """The number of the parent's author, where the post tells."""
        return digits(self.in_reply_to_user_id_str, self.in_reply_to_user_id)

    @property
    def quoted(self) -> str:
        """The number of the post it quotes, as the API tells."""
        nested = self.quoted_status.number if self.quoted_status else ""
        return self.referred("quoted") or digits(self.quoted_status_id_str, self.quoted_status_id) or nested

    def referred(self, type_: str) -> str:
        """The number of the post referred to in this way."""
        return next((digits(r.id) for r in self.references if r.type == type_), "")

    @property
    def body(self) -> tuple[str, Entities | None]:
        """The longest text the post has, and the ranges that belong to it."""
        for note in (self.note_post, self.note_tweet):
            if note and note.text:
                return note.text, note.entities
        if self.extended_tweet and self.extended_tweet.full_text:
            return self.extended_tweet.full_text, self.extended_tweet.entities
        return self.full_text or self.text or "", self.entities

    @property
    def reposts(self) -> bool:
        """Whether this is a repost: the booster wrote nothing.

        Where neither API tells (an archive, an answer without references) a repost is known by its form:
        "RT @name: " at the start, and no reply.
        """
        if self.retweeted_status or any(r.type in ("retweeted", "reposted") for r in self.references):
            return True
        if self.user or self.referenced_tweets is not None or self.referenced_posts is not None or self.parent:
            return False
        return bool(REPOST.match(self.full_text or self.text or ""))


REPOST = re.compile(r"RT @([A-Za-z0-9_]+): ")


class Account(msgspec.Struct):
    """The owner of an archive (``account.js``)."""

    account_id: Number = msgspec.field(default=None, name="accountId")
    username: str = ""
    display_name: str = msgspec.field(default="", name="accountDisplayName")


class About(msgspec.Struct):
    """What the owner wrote of himself."""

    website: str = ""


class Profile(msgspec.Struct):
    """The owner's profile (``profile.js``)."""

    description: About | None = None


class NoteEntity(msgspec.Struct, rename="camel"):
    """A marked range of an archived long post."""

    from_index: Number = None
    to_index: Number = None
    short_url: str | None = None
    expanded_url: str | None = None
    display_url: str | None = None
    screen_name: str | None = None
    text: str | None = None
    tag: str | None = None


class NoteCore(msgspec.Struct):
    """Text and ranges of an archived long post."""

    text: str = ""
    urls: Many[NoteEntity] = None
    mentions: Many[NoteEntity] = None
    hashtags: Many[NoteEntity] = None
    cashtags: Many[NoteEntity] = None


class ArchivedNote(msgspec.Struct, rename="camel"):
    """A long post's text (``note-tweet.js``). Its number is not the post's."""

    created_at: str = ""
    tweet_id: Number = None
    core: NoteCore | None = None


class Includes(msgspec.Struct):
    """What a v2 answer carries beside its posts; saved alone, too."""

    users: Many[User] = None
    tweets: Many[Status] = None
    posts: Many[Status] = None
    media: Many[Media] = None
    polls: Many[PollBox] = None


class Entry(Status):
    """One JSON value of a capture: a post, an answer of v2, includes alone, a v1.1 search, an archive's record."""

    data: Status | list[Status] | None = None
    includes: Includes | None = None
    errors: Many[Failure] = None
    meta: dict[str, Any] | None = None
    users: Many[User] = None
    tweets: Many[Status] = None
    posts: Many[Status] = None
    statuses: Many[Status] = None
    tweet: Status | None = None
    note: ArchivedNote | None = msgspec.field(default=None, name="noteTweet")
    account: Account | None = None
    profile: Profile | None = None

    @property
    def kinds(self) -> Iterator[str]:
        """What this value holds; nothing where X never sends such a value."""
        if self.tweet or self.note or self.account or self.profile:
            yield "record"
        if self.number:
            yield "post"
        if self.data is not None or self.includes or many(self.errors) or self.meta is not None:
            yield "page"
        if any(map(bool, (self.users, self.tweets, self.posts))) or self.statuses is not None:
            yield "page"
