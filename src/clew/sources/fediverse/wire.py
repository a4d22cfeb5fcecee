"""What the Mastodon API answers, as far as it is read: every field may be missing."""

from __future__ import annotations

from typing import Any

import msgspec

Id = str | int


class Field(msgspec.Struct):
    name: str | None = None
    value: str | None = None


class Account(msgspec.Struct):
    id: Id = ""
    acct: str | None = None
    username: str | None = None
    display_name: str | None = None
    url: str | None = None
    uri: str | None = None
    note: str | None = None
    noindex: bool | None = None
    fields: list[Field] | None = None
    redacted: Any = msgspec.field(default=None, name="clew:redacted")
    instance: str = msgspec.field(default="", name="clew:instance")


class Mention(msgspec.Struct):
    id: Id = ""
    username: str | None = None
    acct: str | None = None
    url: str | None = None


class Named(msgspec.Struct):
    """A tag or a custom emoji."""

    name: str | None = None
    shortcode: str | None = None
    url: str | None = None


class Media(msgspec.Struct):
    type: str | None = None
    url: str | None = None
    remote_url: str | None = None
    preview_url: str | None = None
    description: str | None = None
    meta: Any = None


class Card(msgspec.Struct):
    url: str | None = None
    title: str | None = None
    description: str | None = None


class Option(msgspec.Struct):
    title: str | None = None
    votes_count: int | None = None


class Ballot(msgspec.Struct):
    options: list[Option] | None = None
    expires_at: str | None = None
    voters_count: int | None = None
    multiple: bool | None = None


class Status(msgspec.Struct):
    """A status; also what ``quote`` holds: a status in forks, ``{state, quoted_status}`` in Mastodon."""

    id: Id = ""
    account: Account | None = None
    content: str | None = None
    text: str | None = None
    visibility: str | None = None
    uri: str | None = None
    url: str | None = None
    created_at: str | None = None
    edited_at: str | None = None
    in_reply_to_id: Id | None = None
    in_reply_to_account_id: Id | None = None
    spoiler_text: str | None = None
    sensitive: bool | None = None
    language: str | None = None
    replies_count: int | None = None
    mentions: list[Mention] | None = None
    tags: list[Named] | None = None
    emojis: list[Named] | None = None
    media_attachments: list[Media] | None = None
    card: Card | list[Any] | None = None
    poll: Ballot | None = None
    reblog: Status | None = None
    quote: Status | bool | str | int | None = None
    quote_id: Id | None = None
    pleroma: Pleroma | None = None
    state: str | None = None
    quoted_status: Status | None = None
    quoted_status_id: Id | None = None
    redacted: Any = msgspec.field(default=None, name="clew:redacted")


class Pleroma(msgspec.Struct):
    quote: Status | None = None


class Edit(msgspec.Struct):
    """One entry of an edit history; the newest is the text as it stands."""

    content: str | None = None
    spoiler_text: str | None = None
    created_at: str | None = None


class Context(msgspec.Struct):
    """What stands above and below a status."""

    ancestors: list[Status] = []
    descendants: list[Status] = []


class Bundle(msgspec.Struct):
    status: Status
    context: Context | None = None
    history: list[Edit] | None = None
