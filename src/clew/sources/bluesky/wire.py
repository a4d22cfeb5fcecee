"""What Bluesky sends, as far as Clew uses it: the views of the AppView, the records of a repository, Jetstream.

Unknown fields are skipped while decoding. One struct often stands for several members of a union (a post, a post
not found, a blocked post): Bluesky tells them apart by ``$type``, which old answers leave out, or by flags.
"""

from __future__ import annotations

from typing import Any

import msgspec


class Wire(msgspec.Struct, rename="camel", gc=False):
    """Base: names in camel case; no cycle can come from JSON, so the collector need not look."""


class Label(Wire):
    """A label value, by the labeler ``src``; ``neg`` takes an earlier one back."""

    val: str = ""
    neg: bool | None = False
    src: str = ""


class SelfLabels(Wire):
    """Labels an author put on a record."""

    values: list[Label] | None = None


class Author(Wire):
    """profileViewBasic, or the bare author of a blocked post."""

    did: str = ""
    handle: str = ""
    display_name: str | None = None
    labels: list[Label] | None = None
    redacted: str = msgspec.field(default="", name="clew:redacted")


class Ratio(Wire):
    """Width and height in pixels or in any unit; only the proportion is promised."""

    width: int | None = None
    height: int | None = None


class Blob(Wire):
    """A file of a repository. ``ref`` is ``{"$link": CID}`` in JSON, the CID's bytes in a CAR; ``cid`` is older."""

    ref: Any = None
    cid: str = ""
    mime_type: str = ""


class Image(Wire):
    """An image of a record (``image``) or of a view (``fullsize``)."""

    alt: str | None = None
    fullsize: str = ""
    aspect_ratio: Ratio | None = None
    image: Blob | None = None


class External(Wire):
    """A link card."""

    uri: str = ""
    title: str = ""
    description: str = ""


class Ref(Wire):
    """strongRef: the address of a record."""

    uri: str = ""


class Reply(Wire):
    """What a record says it answers."""

    parent: Ref | None = None
    root: Ref | None = None


class Answering(Wire):
    """A record of whatever form, as far as it says what it answers."""

    reply: Reply | None = None


class Index(Wire):
    """A range in UTF-8 bytes."""

    byte_start: int = 0
    byte_end: int = 0


class Feature(Wire):
    """What a facet is: a link (``uri``), a mention (``did``) or a ``tag``."""

    type: str = msgspec.field(default="", name="$type")
    uri: str = ""
    did: str = ""
    tag: str = ""


class FacetRange(Wire):
    """app.bsky.richtext.facet."""

    index: Index | None = None
    features: list[Feature] | None = None


class Quoted(Wire):
    """What an embedded record looks like: a post, a feed, a list, a starter pack, or why there is none."""

    type: str = msgspec.field(default="", name="$type")
    uri: str = ""
    author: Author | None = None
    value: Record | None = None
    embeds: list[Embed] | None = None
    labels: list[Label] | SelfLabels | None = None
    indexed_at: str | None = None
    reply_count: int | None = None
    record: Quoted | None = None
    """The quoted record itself, below a wrapper without ``uri``; or the raw record of a starter pack."""
    not_found: bool | None = None
    blocked: bool | None = None
    detached: bool | None = None
    name: str | None = None
    display_name: str | None = None
    description: str | None = None
    redacted: str = msgspec.field(default="", name="clew:redacted")


class Embed(Wire):
    """Any embed, of a record or of a view; ``media`` and ``record`` together are recordWithMedia."""

    images: list[Image] | None = None
    items: list[Image] | None = None
    """Images of a gallery."""
    external: External | None = None
    media: Embed | None = None
    record: Quoted | None = None
    playlist: str = ""
    video: Blob | None = None
    alt: str | None = None
    aspect_ratio: Ratio | None = None


class Record(Wire):
    """app.bsky.feed.post."""

    text: str = ""
    created_at: str = ""
    facets: list[FacetRange] | None = None
    langs: list[str] | None = None
    reply: Reply | None = None
    embed: Embed | None = None
    labels: SelfLabels | None = None
    bridgy_original_text: str | None = None
    """HTML of a post that a bridge had to shorten."""


class Profile(Wire):
    """app.bsky.actor.profile."""

    display_name: str | None = None
    labels: SelfLabels | None = None
    bridgy_original_url: str | None = None
    fediverse_id: str | None = None


class PostView(Wire):
    """postView, notFoundPost or blockedPost."""

    uri: str = ""
    author: Author | None = None
    record: Record | None = None
    embed: Embed | None = None
    labels: list[Label] | None = None
    reply_count: int | None = None
    indexed_at: str | None = None
    not_found: bool | None = None
    blocked: bool | None = None
    type: str = msgspec.field(default="", name="$type")
    redacted: str = msgspec.field(default="", name="clew:redacted")


class Node(Wire):
    """threadViewPost (``post`` with ``parent`` and ``replies``), notFoundPost or blockedPost (``uri``)."""

    post: PostView | None = None
    parent: Node | None = None
    replies: list[Node] | None = None
    uri: str = ""
    author: Author | None = None
    not_found: bool | None = None
    blocked: bool | None = None
    type: str = msgspec.field(default="", name="$type")


class ItemValue(Wire):
    """threadItemPost, threadItemNotFound, threadItemBlocked, threadItemNoUnauthenticated."""

    type: str = msgspec.field(default="", name="$type")
    post: PostView | None = None
    author: Author | None = None
    op_thread_post_index: int | None = None
    op_thread_post_count: int | None = None


class Item(Wire):
    """An entry of getPostThreadV2; depth 0 is the post asked for, its parents are below 0."""

    uri: str = ""
    depth: int = 0
    value: ItemValue | None = None


class FeedReply(Wire):
    """What a post of a feed answers."""

    root: PostView | None = None
    parent: PostView | None = None
    grandparent_author: Author | None = None


class FeedItem(Wire):
    """feedViewPost; who reposted it is of no interest."""

    post: PostView | None = None
    reply: FeedReply | None = None
    op_thread_post_index: int | None = None
    op_thread_post_count: int | None = None


class Entry(Wire):
    """A record with its address. ``value`` is decoded later: anyone can write anything into a repository."""

    uri: str = ""
    value: msgspec.Raw = msgspec.Raw()
    redacted: str = msgspec.field(default="", name="clew:redacted")


class Commit(Wire):
    """A change of one record."""

    operation: str = ""
    collection: str = ""
    rkey: str = ""
    record: msgspec.Raw = msgspec.Raw()


class Identity(Wire):
    """A new handle of an actor."""

    handle: str | None = None


class Answer(Wire):
    """Any JSON that Clew reads from Bluesky; which of its parts is there says what it is."""

    thread: Node | list[Item] | None = None
    posts: list[PostView] | None = None
    feed: list[FeedItem] | None = None
    records: list[Entry] | None = None
    cursor: str | None = None
    """Where the next page begins."""
    uri: str = ""
    """With ``value``: getRecord."""
    value: msgspec.Raw = msgspec.Raw()
    error: str | None = None
    message: str | None = None
    did: str = ""
    time_us: int | None = msgspec.field(default=None, name="time_us")
    """Set in every event of Jetstream: microseconds since 1970."""
    commit: Commit | None = None
    identity: Identity | None = None
    redacted: str = msgspec.field(default="", name="clew:redacted")


class Service(Wire):
    """A service that a DID document names."""

    id: str = ""
    type: str = ""
    service_endpoint: Any = None


class Document(Wire):
    """A DID document."""

    id: str = ""
    also_known_as: list[str] | None = None
    service: list[Service] | None = None
