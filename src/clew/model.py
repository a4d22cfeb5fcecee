"""Every noun of Clew, each a frozen value. Nothing else lives here.

Field names are the snake_case of a standard's term (named in each docstring). An ``id`` is a URI, a ``url`` is
a page for people, times are aware UTC, ``start``/``end`` are code points with ``end`` exclusive.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

Reason = Literal["deleted", "unavailable", "blocked", "private", "limited", "not_federated", "counter", "forgotten"]
"""Why a post is not here. "deleted" is used only where the platform proves it."""

Complete = Literal["yes", "no", "unknown"]
Visibility = Literal["public", "unlisted", "private"]
Rule = Literal["longest", "oldest", "all"]
FacetType = Literal[
    "link", "mention", "tag", "media", "quote", "strong", "emphasis", "underline", "strike", "spoiler",
    "code", "pre", "blockquote", "item", "heading", "emoji",
]  # fmt: skip
BlockType = Literal["paragraph", "blockquote", "item", "heading", "pre"]
SpanType = Literal["text", "counter", "repeat", "link", "space"]


class Value(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Base of all nouns: immutable, compared by content, encodes without its defaults."""


class Capture(Value, frozen=True):
    """What was received, byte for byte (a WARC response). The only machine-made fact."""

    sha256: str
    """Hex digest of ``body`` as received; kept when ``body`` is later redacted."""
    body: bytes
    media_type: str
    """As far as known when received; a source looks at the content, never at this alone."""
    retrieved: datetime
    url: str = ""
    """Address that was asked; empty for a file or a paste."""
    status: int = 0
    """HTTP status of the answer; 0 where there was none: a file, a paste, or a server that did not answer, whose
    header ``clew-failure`` then is the sentence that says so."""
    location: str = ""
    """Address of the answer where redirects led elsewhere than ``url``."""
    headers: dict[str, str] = {}
    """Response headers, names in lower case, without cookies; for a paste also what its giver told of it
    (``author``, ``published``)."""
    archive: str = ""
    """Hex SHA-256 of the archive this was a member of."""
    member: str = ""
    """Path in the archive; ``path#n`` for the n-th record of a member."""
    redacted: bool = False
    """An author's text was removed from ``body`` since."""


class Actor(Value, frozen=True):
    """Who posts (ActivityStreams 2 actor)."""

    id: str
    name: str = ""
    preferred_username: str = ""
    """The handle, without a leading @."""
    url: str = ""
    also_known_as: tuple[str, ...] = ()
    outbox: str = ""
    """Why this capture holds every surviving post of the actor ("account archive"); empty where it may not."""
    restrictions: tuple[str, ...] = ()
    """Privacy signals of the account: "no-unauthenticated", "noindex", "nobot"."""


class Facet(Value, frozen=True):
    """A marked range of a post's text (AT Protocol rich text facet, in code points)."""

    start: int
    end: int
    type: FacetType
    href: str = ""
    """Full target of a link, mention or tag."""
    label: str = ""
    """The platform's short display form of a link, where the text itself holds only a shortener's."""


class Attachment(Value, frozen=True):
    """An image, video, audio file or link card (ActivityStreams 2 attachment)."""

    type: Literal["image", "video", "audio", "file", "card"]
    url: str
    """Address, or for an archive the member's path."""
    media_type: str = ""
    alt: str | None = None
    """None where the author gave none; empty where the author left it empty on purpose."""
    width: int | None = None
    height: int | None = None
    name: str = ""
    """Title of a card or file."""
    summary: str = ""
    """Description of a card."""
    sha256: str = ""
    """Digest of our copy, where there is one."""


class PollOption(Value, frozen=True):
    """One answer of a poll. ``votes`` is None where the platform hides it."""

    name: str
    votes: int | None = None


class Poll(Value, frozen=True):
    """ActivityStreams 2 Question."""

    options: tuple[PollOption, ...]
    end_time: datetime | None = None
    voters: int | None = None
    multiple: bool = False


class Quote(Value, frozen=True):
    """A post quoted by another. An unavailable one still shows its address."""

    id: str
    url: str = ""
    state: Literal["accepted", "detached", "unavailable", "blocked", "pending"] = "accepted"


class Version(Value, frozen=True):
    """An earlier text of an edited post. ``updated`` is when this text was written."""

    content: str
    updated: datetime | None = None
    summary: str = ""


class Post(Value, frozen=True, tag="Note"):
    """ActivityStreams 2 Note. ``content`` is plain text taken from the capture by a pure decoder."""

    id: str
    attributed_to: str
    """Actor id."""
    content: str
    published: datetime | None
    """None where nothing tells (a paste)."""
    capture: str
    """SHA-256 of the capture it was decoded from."""
    also_from: tuple[str, ...] = ()
    """SHA-256 of further captures it was decoded from (a long text that an export keeps apart)."""
    url: str = ""
    name: str = ""
    """Title (articles only)."""
    updated: datetime | None = None
    in_reply_to: str = ""
    """Post id of the parent, whether or not that post is here."""
    in_reply_to_actor: str = ""
    """Actor id of the parent's author, where the platform tells; never guessed."""
    context: str = ""
    """Post id of the conversation's root, as the platform claims it."""
    quote: Quote | None = None
    facets: tuple[Facet, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    poll: Poll | None = None
    langs: tuple[str, ...] = ()
    summary: str = ""
    """Content warning."""
    sensitive: bool = False
    visibility: Visibility = "public"
    versions: tuple[Version, ...] = ()
    """Earlier texts, oldest first."""
    replies: int | None = None
    """Direct replies the platform counts, by anyone."""
    thread_index: int | None = None
    """The platform's own place of this post in its author's thread, from 1."""
    thread_size: int | None = None
    """The platform's own count of the author's posts in the thread."""
    generator: str = ""
    """How it was carried here, where that limits what can be known: "paste", or "page" for a saved web page."""
    order: int = 0
    """Place in the capture, only where nothing else orders the posts (a paste)."""
    labels: tuple[str, ...] = ()
    """Platform or self labels of the post (AT Protocol label values)."""


class Tombstone(Value, frozen=True, tag="Tombstone"):
    """A post known to be missing (ActivityStreams 2 Tombstone; AT ``notFoundPost``, ``blockedPost``)."""

    id: str
    reason: Reason = "unavailable"
    in_reply_to: str = ""
    attributed_to: str = ""
    """Actor id, where known."""
    context: str = ""
    deleted: datetime | None = None
    published: datetime | None = None
    evidence: str = ""
    """One plain sentence: who says so."""
    checked: datetime | None = None
    """When the server that keeps the author's posts was asked for this very post, and did not have it. Every text
    of the post that was received earlier is no longer shown; what is received later is."""


Item = Post | Tombstone


class Limit(Value, frozen=True, tag="Limit"):
    """Something that could not be looked at: an answer that was cut, refused, or did not come."""

    evidence: str
    """One plain sentence without its full stop."""
    actor: str = ""
    """Actor id of whose posts it keeps from us; empty: anybody's."""
    about: Literal["thread", "surroundings"] = "thread"
    """"thread": posts of the author's thread may be missing. "surroundings": only what others wrote around it."""


class Gap(Value, frozen=True):
    """Something the thread should have and has not."""

    reason: Reason
    evidence: str
    """One plain sentence without its full stop."""
    id: str = ""
    """The missing post, where its id is known."""
    after: str = ""
    """Id of the item it follows."""
    count: int = 1
    """How many posts; 0 for an answer that is missing and may as well be somebody else's."""


class Certificate(Value, frozen=True):
    """How complete a thread is, and how that is known."""

    found: int
    """Posts of the main line that are here."""
    complete: Complete
    sentence: str
    """The whole certificate in plain words."""
    expected: int | None = None
    """Posts of the main line as far as numbering, links or counts tell; None where nothing does."""
    gaps: tuple[Gap, ...] = ()
    limits: tuple[str, ...] = ()
    """What could not be seen from here, one plain sentence each."""
    evidence: tuple[str, ...] = ()
    """What was checked and held, one plain sentence each."""


class Run(Value, frozen=True):
    """Posts of the author that hang off the main line: a branch, or an aside to another's post."""

    in_reply_to: str
    """Id of the post it answers."""
    items: tuple[Item, ...]
    answered: tuple[Item, ...] = ()
    """For an aside: the other author's posts between the main line and ``items``."""


class Thread(Value, frozen=True):
    """One author's run of posts (ActivityStreams 2 OrderedCollection). ``id`` is the head's id."""

    id: str
    attributed_to: str
    items: tuple[Item, ...]
    """The main line, in reading order."""
    rule: Rule
    certificate: Certificate
    branches: tuple[Run, ...] = ()
    """What the rule left out of the main line."""
    asides: tuple[Run, ...] = ()
    """The author's answers to others inside the tree."""
    context: tuple[Item, ...] = ()
    """What the head answers, outermost first."""
    quoted: tuple[Post, ...] = ()
    """Posts quoted by any post above."""
    actors: tuple[Actor, ...] = ()
    """Every actor named above."""


class Span(Value, frozen=True):
    """One stretch of the source map: ``source[source_start:source_end]`` stands at ``start:end`` of the document.

    Types: "text" is shown and equal to its source; all others have ``start == end`` and are left out of the prose:
    a proven "counter", a "repeat" folded at a seam, a "link" to what is shown as media or quote, "space".
    """

    start: int
    end: int
    source: str
    """Post id."""
    source_start: int
    source_end: int
    type: SpanType = "text"


class Block(Value, frozen=True):
    """A paragraph of the document. ``sources`` are the posts it holds, in order."""

    start: int
    end: int
    type: BlockType = "paragraph"
    sources: tuple[str, ...] = ()
    part: str = ""
    """Empty in the main line; else the id of the first post of the branch or aside."""


class Document(Value, frozen=True):
    """A thread as prose. ``spans`` cover each character of each of its posts exactly once."""

    thread: str
    """Thread id."""
    text: str
    blocks: tuple[Block, ...]
    spans: tuple[Span, ...]


class OptOut(Value, frozen=True):
    """An author's wish not to be unrolled (a human judgement)."""

    actor: str
    who: str
    when: datetime


class Deletion(Value, frozen=True):
    """A removal that was carried out (a human judgement)."""

    actor: str
    who: str
    when: datetime
    captures: int = 0
    threads: int = 0


class Page(Value, frozen=True):
    """What an exporter or a page receives, and nothing else."""

    title: str
    thread: Thread
    document: Document
    base_url: str = ""
    captures: tuple[Capture, ...] = ()
    """What it was derived from; only exporters that carry evidence or pictures look at them."""
