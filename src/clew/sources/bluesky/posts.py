"""Records and views to posts: text, facets, media, quotes, labels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from urllib.parse import quote as percent

from libipld import encode_cid

from clew.decode import html_text
from clew.model import Actor, Attachment, Facet, Post, Quote
from clew.text import from_utf8

from . import address
from .wire import (
    Author,
    Blob,
    Embed,
    External,
    FacetRange,
    Feature,
    Image,
    Label,
    Profile,
    Quoted,
    Record,
    SelfLabels,
)

_WARNED = frozenset(
    "porn sexual nudity graphic-media gore corpse nsfl self-harm sexual-figurative !warn !hide".split()
)
"""Labels that apps put a warning before."""
_TAG, _LINK, _MENTION = (f"app.bsky.richtext.facet#{kind}" for kind in ("tag", "link", "mention"))
_TAGGED = f"{address.SITE}/hashtag/"
HIDDEN = "!no-unauthenticated"
"""The label by which an author shows a profile, or one post, to readers who are logged in only."""
_STATES = {"#viewNotFound": "unavailable", "#viewBlocked": "blocked", "#viewDetached": "detached"}
_CARDS = {
    "app.bsky.feed.generator": "/profile/{}/feed/{}",
    "app.bsky.graph.list": "/profile/{}/lists/{}",
    "app.bsky.graph.starterpack": "/starter-pack/{}/{}",
    "app.bsky.labeler.service": "/profile/{}",
}

Embedded = tuple[tuple[Attachment, ...], Quote | None, list[Quoted]]
"""Attachments, the quote, and the quoted posts that are there in full."""


def post(
    uri: str,
    record: Record,
    embeds: Sequence[Embed],
    *,
    capture: str,
    did: str,
    handle: str = "",
    labels: list[Label] | SelfLabels | None = None,
    replies: int | None = None,
    indexed: str | None = None,
    index: int | None = None,
    size: int | None = None,
    server: str = "",
) -> tuple[Post, list[Quoted]]:
    """Build a post; also return the quoted posts that it holds in full. ``server`` keeps the author's files."""
    content, facets = _text(record)
    attachments, quoted, full = embedded(embeds, address.files(server, did)) if embeds else ((), None, [])
    values = label_values(labels, record.labels, did) if labels or record.labels else ()
    reply = record.reply
    parent = reply.parent.uri if reply and reply.parent else ""
    made = Post(
        id=uri,
        attributed_to=did,
        content=content,
        published=published(record.created_at, uri, indexed),
        capture=capture,
        url=address.post_url(uri, handle if handle and handle != "handle.invalid" else did),
        in_reply_to=parent,
        in_reply_to_actor=address.did_of(parent) if parent else "",
        context=reply.root.uri if reply and reply.root else "",
        quote=quoted,
        facets=facets,
        attachments=attachments,
        langs=tuple(record.langs) if record.langs else (),
        sensitive=bool(values) and not _WARNED.isdisjoint(values),
        replies=replies,
        thread_index=index,
        thread_size=size,
        labels=values,
    )
    return made, full


def published(created: str, uri: str, indexed: str | None = None) -> datetime | None:
    """Return when a post was made: as its record says, else by its key, else when Bluesky first saw it."""
    return address.time_of(created) or address.tid_time(address.parts(uri)[2]) or address.time_of(indexed)


def actor(author: Author) -> Actor:
    """Build an actor from a profile view."""
    handle = "" if author.handle == "handle.invalid" else author.handle
    return Actor(
        id=author.did,
        name=author.display_name or "",
        preferred_username=handle,
        url=address.profile_url(handle or author.did),
        restrictions=_restrictions(label_values(author.labels, None, author.did)) if author.labels else (),
    )


def owner(did: str, profile: Profile | None, handle: str = "", outbox: str = "") -> Actor:
    """Build an actor from the profile record of a repository; a bridge names the account it came from."""
    profile = profile or Profile()
    origin = (profile.bridgy_original_url, profile.fediverse_id)
    return Actor(
        id=did,
        name=profile.display_name or "",
        preferred_username=handle,
        url=address.profile_url(handle or did),
        also_known_as=tuple(dict.fromkeys(url for url in origin if url)),
        outbox=outbox,
        restrictions=_restrictions(label_values(None, profile.labels, did)),
    )


def hidden(record: Record) -> bool:
    """Tell whether the author shows this post to readers who are logged in only."""
    return record.labels is not None and HIDDEN in label_values(None, record.labels, "")


def _restrictions(labels: tuple[str, ...]) -> tuple[str, ...]:
    return ("no-unauthenticated",) if HIDDEN in labels else ()


def label_values(labels: list[Label] | SelfLabels | None, own: SelfLabels | None, did: str) -> tuple[str, ...]:
    """Return the label values that stand, each once; ``neg`` takes back what the same labeler gave before."""
    standing: dict[tuple[str, str], None] = {}
    given = labels.values if isinstance(labels, SelfLabels) else labels
    for label in (*((own and own.values) or ()), *(given or ())):
        key = (label.src or did, label.val)
        if label.neg:
            standing.pop(key, None)
        elif label.val:
            standing[key] = None
    return tuple(dict.fromkeys(value for _, value in standing))


# --- text ----------------------------------------------------------------------------------------------------


def _text(record: Record) -> tuple[str, tuple[Facet, ...]]:
    if record.bridgy_original_text:
        content, facets = html_text(record.bridgy_original_text)
        if content:
            return content, facets
    return record.text, _facets(record.text, record.facets) if record.facets else ()


def _facets(text: str, ranges: list[FacetRange]) -> tuple[Facet, ...]:
    place = from_utf8(text)
    facets = []
    for facet in ranges:
        index = facet.index
        if index is None or not 0 <= index.byte_start < index.byte_end:
            continue
        start, end = place(index.byte_start), place(index.byte_end)
        for feature in facet.features or () if start < end else ():
            if made := _facet(start, end, feature):
                facets.append(made)
    return tuple(facets)


def _facet(start: int, end: int, feature: Feature) -> Facet | None:
    kind = feature.type
    if kind == _TAG and feature.tag:
        tag = feature.tag
        return Facet(
            start, end, "tag", _TAGGED + (tag if tag.isalnum() and tag.isascii() else percent(tag, safe=""))
        )
    if kind == _LINK and feature.uri:
        return Facet(start, end, "link", feature.uri)
    if kind == _MENTION and feature.did:
        return Facet(start, end, "mention", address.profile_url(feature.did))
    return None


# --- embeds --------------------------------------------------------------------------------------------------


def embedded(embeds: Iterable[Embed], files: str = "") -> Embedded:
    """Sort what a post embeds into media, cards and the quote. ``files``: what comes before a file's CID."""
    attachments: list[Attachment] = []
    found: Quote | None = None
    full: list[Quoted] = []
    stack = [*embeds]
    while stack:
        embed = stack.pop()
        attachments += _media(embed, files)
        if embed.media:
            stack.append(embed.media)
        if quoted := _unwrapped(embed.record):
            if _is_post(quoted):
                found = _quote(quoted)
                full += [quoted] if found.state == "accepted" and quoted.value else []
            else:
                attachments.append(_card(quoted))
    return tuple(attachments), found, full


def _unwrapped(quoted: Quoted | None) -> Quoted | None:
    while quoted and not quoted.uri and quoted.record:
        quoted = quoted.record
    return quoted if quoted and quoted.uri else None


def _is_post(quoted: Quoted) -> bool:
    collection = address.parts(quoted.uri)[1]
    return collection == address.POST or (not collection and "#view" in quoted.type)


def _quote(quoted: Quoted) -> Quote:
    url = address.post_url(quoted.uri, address.parts(quoted.uri)[0])  # a handle may change, and may have to go
    state = next((state for end, state in _STATES.items() if quoted.type.endswith(end)), "")
    if quoted.not_found or state == "unavailable":
        return Quote(quoted.uri, url, "unavailable")
    if quoted.blocked or state == "blocked":
        return Quote(quoted.uri, url, "blocked")
    return Quote(quoted.uri, url, "detached" if quoted.detached or state else "accepted")


def _card(quoted: Quoted) -> Attachment:
    """A feed, list, starter pack or labeler; the record of a starter pack has its name one level down."""
    authority, collection, key = address.parts(quoted.uri)
    path = _CARDS.get(collection, "")
    inner = quoted.record or quoted
    return Attachment(
        type="card",
        url=address.SITE + path.format(authority, key) if path else quoted.uri,
        name=quoted.display_name or quoted.name or inner.name or "",
        summary=quoted.description or inner.description or "",
    )


def _media(embed: Embed, files: str) -> list[Attachment]:
    made = [_image(image, files) for image in (*(embed.images or ()), *(embed.items or ()))]
    if embed.playlist or embed.video:
        made.append(_video(embed, files))
    if embed.external:
        made.append(_external(embed.external))
    return made


def _image(image: Image, files: str) -> Attachment:
    ratio = image.aspect_ratio
    return Attachment(
        type="image",
        url=image.fullsize or _blob(image.image, files),
        media_type=image.image.mime_type if image.image else "",
        alt=image.alt,
        width=ratio.width if ratio else None,
        height=ratio.height if ratio else None,
    )


def _video(embed: Embed, files: str) -> Attachment:
    ratio = embed.aspect_ratio
    return Attachment(
        type="video",
        url=embed.playlist or _blob(embed.video, files),
        media_type="application/vnd.apple.mpegurl" if embed.playlist else (embed.video or Blob()).mime_type,
        alt=embed.alt,
        width=ratio.width if ratio else None,
        height=ratio.height if ratio else None,
    )


def _external(external: External) -> Attachment:
    return Attachment(type="card", url=external.uri, name=external.title, summary=external.description)


def _blob(blob: Blob | None, files: str) -> str:
    """Address a file that only its repository names."""
    cid = blob.cid if blob else ""
    ref = blob.ref if blob else None
    if isinstance(ref, dict) and isinstance(ref.get("$link"), str):
        cid = ref["$link"]
    elif isinstance(ref, bytes):
        try:
            cid = encode_cid(ref)
        except ValueError:
            cid = ""
    return files + cid if cid else ""
