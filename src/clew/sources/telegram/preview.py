"""The public page of a channel (t.me/s/NAME) and of one post (t.me/NAME/ID?embed=1)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import urlsplit

import msgspec
from selectolax.lexbor import LexborHTMLParser, LexborNode

from clew.decode import REDACTED, html_text, html_tree, plain
from clew.model import Actor, Attachment, Capture, Facet, Poll, PollOption, Post, Quote, Tombstone
from clew.sources.telegram.message import EDITED, OMITTED, Message, forwarded, named

_P = "tgme_widget_message"
_POST = re.compile(r"([A-Za-z0-9_]{1,64})/(\d{1,15})", re.ASCII)
_LINK = re.compile(r"https?://t\.me/(?:s/)?([A-Za-z0-9_]{1,64})(?:/(\d{1,15}))?(?:\?\S*)?", re.ASCII)
_IMAGE = re.compile(r"background-image:\s*url\(\s*['\"]?([^'\")]+)")
_SERVICE = "Service message"


class Page(msgspec.Struct, frozen=True):
    """What one page holds."""

    messages: tuple[Message, ...]
    """Its posts, an album already being one; service messages are left out."""
    albums: dict[str, str]
    """Id of each message of an album to the id of the album."""
    numbers: tuple[int, ...]
    """Of all that it shows, service messages and each message of an album too."""
    listed: bool
    """It is a list of a channel's posts, though perhaps an empty one."""
    error: str
    """What Telegram says in place of a post."""


def page(capture: Capture) -> Page:
    """Read a page.

    Raises:
        ParseError: it is not text, or nested too deeply.
    """
    tree = html_tree(plain(capture))
    nodes = list(_nodes(tree))
    albums = {member: _id(node) for node in nodes for member in _members(node)}
    messages = []
    for node in nodes:
        channel, number = _place(node)
        if stubbed := node.attributes.get("data-clew-author"):
            messages.append(Message(number, _forgotten(node, stubbed, albums), actors=(Actor(stubbed),)))
        elif not _is_service(node):
            actors, post = _post(node, channel, albums, capture.sha256)
            messages.append(Message(number, post, actors=actors))
    shown = {_place(node)[1] for node in nodes} | {number_of(member) for member in albums}
    error = tree.css_first(f".{_P}_error")
    return Page(
        tuple(messages),
        albums,
        tuple(sorted(shown)),
        tree.css_first(".tgme_channel_history") is not None,
        _words(error),
    )


def number_of(id_: str) -> int:
    """Return the place of a post in its chat."""
    return int(id_.rpartition("/")[2])


def _nodes(tree: LexborHTMLParser) -> Iterator[LexborNode]:
    return (node for node in tree.css(f"div.{_P}[data-post]") if _place(node)[1])


def _is_service(node: LexborNode) -> bool:
    return "service_message" in (node.attributes.get("class") or "").split() or _unshown(node) == _SERVICE


def _unshown(node: LexborNode) -> str:
    """Return what stands in place of what the page does not show; each post also has such words hidden in it."""
    found = node.css_first(f".{_P}_bubble > .message_media_not_supported_wrap:not(.media_not_supported_cont)")
    if found is None:
        return ""
    return _words(found.css_first(".message_media_not_supported_label")) or "not shown"


def _place(node: LexborNode) -> tuple[str, int]:
    found = _POST.fullmatch(node.attributes.get("data-post") or "")
    return (found[1], int(found[2])) if found else ("", 0)


def _id(node: LexborNode) -> str:
    """Return the id of a post; an album has that of its first message."""
    ids = [f"https://t.me/{node.attributes.get('data-post')}", *_members(node)]
    return min(ids, key=number_of)


def _members(node: LexborNode) -> Iterator[str]:
    """Yield the ids of an album's single messages."""
    for link in node.css(f".{_P}_grouped_wrap a[href]"):
        if (address := _address(link)).startswith(f"https://t.me/{_place(node)[0]}/"):
            yield address


def _address(link: LexborNode | None) -> str:
    """Return the bare address of the post or channel a link leads to, or ""."""
    found = _LINK.fullmatch((link.attributes.get("href") if link is not None else "") or "")
    return "https://t.me/" + "/".join(part for part in found.groups() if part) if found else ""


def _first(node: LexborNode, *names: str) -> LexborNode | None:
    return next((found for name in names if (found := node.css_first(f".{_P}_{name}")) is not None), None)


def _words(node: LexborNode | None) -> str:
    return html_text(node.html or "")[0] if node is not None else ""


def _actor(node: LexborNode, channel: str) -> Actor:
    # In a group the author stands before the group; in a reply's preview stands another author.
    own = node.css_first(f".{_P}_bubble > .{_P}_author")
    owner = (
        _first(own, "author_name", "owner_name") if own is not None else _first(node, "owner_name", "author_name")
    )
    name, address = _words(owner), _address(owner)
    if owner is not None and not address:
        return Actor(named(f"https://t.me/{channel}", name), name)
    address = address or f"https://t.me/{channel}"
    return Actor(address, name, address.removeprefix("https://t.me/"), address)


def _post(node: LexborNode, channel: str, members: dict[str, str], sha256: str) -> tuple[tuple[Actor, ...], Post]:
    actor = _actor(node, channel)
    content, facets = _text(node)
    time = node.css_first(f".{_P}_date time[datetime]")
    poll = _first(node, "poll")
    parent = _parent(node, members)
    post = Post(
        id=_id(node),
        attributed_to=actor.id,
        content=content,
        published=_time(time),
        capture=sha256,
        url=_id(node),
        in_reply_to=parent,
        in_reply_to_actor=actor.id if parent.startswith(f"{actor.id}/") else "",
        facets=facets,
        attachments=tuple(_attachments(node)),
        poll=_poll(poll) if poll is not None else None,
        labels=tuple(_labels(node)),
        quote=_origin_post(node),
    )
    origin = _origin(node, channel)
    if origin is None:
        return (actor,), post
    return (actor, origin), forwarded(post, origin.id)


def _forgotten(node: LexborNode, author: str, members: dict[str, str]) -> Tombstone:
    return Tombstone(
        _id(node),
        reason="forgotten",
        in_reply_to=_parent(node, members),
        attributed_to=author,
        published=_time(node.css_first("time[datetime]")),
        evidence="The author asked for removal",
    )


def _origin(node: LexborNode, channel: str) -> Actor | None:
    found = _first(node, "forwarded_from_name")
    if found is None:
        return None
    name, address = _words(found), _address(found)
    if not address:
        return Actor(named(f"https://t.me/{channel}", name), name)
    handle = urlsplit(address).path.split("/")[1]
    return Actor(f"https://t.me/{handle}", name, handle, f"https://t.me/{handle}")


def _origin_post(node: LexborNode) -> Quote | None:
    address = _address(_first(node, "forwarded_from_name"))
    return Quote(address, address) if address.count("/") == 4 else None


def _parent(node: LexborNode, members: dict[str, str]) -> str:
    address = _address(node.css_first(f"a.{_P}_reply"))
    return members.get(address, address) if address.count("/") == 4 else ""


def _time(node: LexborNode | None) -> datetime | None:
    try:
        time = datetime.fromisoformat((node.attributes.get("datetime") if node is not None else "") or "")
        return time.astimezone(UTC) if time.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _text(node: LexborNode) -> tuple[str, tuple[Facet, ...]]:
    # The reply's preview has the class of a text too.
    replied = {found.mem_id for found in node.css(f".{_P}_reply .{_P}_text")}
    texts = [found for found in node.css(f".{_P}_text") if found.mem_id not in replied]
    body = next((t for t in texts if "js-message_text" in (t.attributes.get("class") or "").split()), None)
    body = body if body is not None else next(iter(texts), None)
    parts = [p for p in (body, _first(node, "poll_question")) if p is not None]
    for emoji in [e for p in parts for e in p.css("i.emoji")]:
        emoji.replace_with(emoji.text() or "")
    text, facets = html_text("".join(f"<div>{p.html or ''}</div>" for p in parts))
    return text, tuple(_facet(f, text) for f in facets if f.type not in ("item", "heading"))


def _facet(facet: Facet, text: str) -> Facet:
    words = text[facet.start : facet.end]
    if facet.type == "link" and words.startswith(("#", "$")) and facet.href.startswith("?q="):
        return Facet(facet.start, facet.end, "tag")
    if facet.type == "link" and words.startswith("@") and facet.href == f"https://t.me/{words[1:]}":
        return Facet(facet.start, facet.end, "mention", facet.href)
    return facet


def _attachments(node: LexborNode) -> Iterator[Attachment]:
    for found in node.css(
        f".{_P}_photo_wrap, .{_P}_video_player, .{_P}_roundvideo_player, .{_P}_document_wrap, "
        f".{_P}_voice_player, .{_P}_sticker_wrap, .{_P}_link_preview"
    ):
        classes = (found.attributes.get("class") or "").split()
        yield _attachment(found, next(c for c in classes if c.startswith(_P)).removeprefix(f"{_P}_"))


def _attachment(node: LexborNode, kind: str) -> Attachment:
    if kind == "photo_wrap":
        return Attachment("image", _image(node))
    if kind == "link_preview":
        title, summary = node.css_first(".link_preview_title"), node.css_first(".link_preview_description")
        return Attachment("card", node.attributes.get("href") or "", name=_words(title), summary=_words(summary))
    if kind == "document_wrap":
        name, href = _words(_first(node, "document_title")), node.attributes.get("href") or ""
        return Attachment("file", href, name=name)
    if kind == "voice_player":
        return Attachment("audio", _src(node, "audio"))
    if kind == "sticker_wrap":
        sticker = node.css_first("[data-webp]")
        return Attachment("image", (sticker.attributes.get("data-webp") if sticker is not None else "") or "")
    source, thumb = _src(node, "video"), node.css_first(f".{_P}_video_thumb, .{_P}_roundvideo_thumb")
    if source or thumb is None:
        return Attachment("video", source)
    return Attachment("image", _image(thumb), name="A picture of the video")  # too long for the preview


def _image(node: LexborNode) -> str:
    found = _IMAGE.search(node.attributes.get("style") or "")
    return found[1].strip() if found else ""


def _src(node: LexborNode, tag: str) -> str:
    found = node.css_first(f"{tag}[src]")
    return (found.attributes.get("src") if found is not None else "") or ""


def _labels(node: LexborNode) -> Iterator[str]:
    if _unshown(node):
        yield OMITTED + "media"
    if any(not _src(found, "video") for found in node.css(f".{_P}_video_player, .{_P}_roundvideo_player")):
        yield OMITTED + "video"
    if any(_edited(found) for found in node.css(f".{_P}_meta")):
        yield EDITED
    for kind in ("location", "contact", "game", "invoice"):
        if _first(node, kind, f"{kind}_wrap") is not None:
            yield OMITTED + kind


def _edited(meta: LexborNode) -> bool:
    # "edited 14:16": the word is Telegram's, but a signature before it is the author's.
    children = meta.iter(include_text=True)
    return any(child.tag == "-text" and "edited" in (child.text_content or "") for child in children)


def _poll(node: LexborNode) -> Poll:
    return Poll(tuple(PollOption(_words(option)) for option in node.css(f".{_P}_poll_option_text")))


# --- redaction -----------------------------------------------------------------------------------------------


def redact(capture: Capture, actors: frozenset[str]) -> bytes:
    """Return the page without the text of ``actors``: nothing but its posts is kept."""
    tree = html_tree(plain(capture))
    error = tree.css_first(f".{_P}_error")
    parts = [_kept(node, actors) for node in _nodes(tree)]
    if error is not None:
        parts.append(error.html or "")
    frame = "tgme_channel_history" if tree.css_first(".tgme_channel_history") is not None else "tgme_page"
    body = "\n".join((f'<div class="{frame}">', *parts, "</div>"))
    return f"<!DOCTYPE html>\n<html><body>\n{body}\n</body></html>\n".encode()


def _kept(node: LexborNode, actors: frozenset[str]) -> str:
    channel, _ = _place(node)
    if _is_service(node):
        return f'<div class="{_P} service_message" data-post="{node.attributes.get("data-post")}"></div>'
    author = node.attributes.get("data-clew-author") or _actor(node, channel).id
    if author in actors or node.attributes.get("data-clew-author"):
        return _stub(node, author)
    origin = _origin(node, channel)
    if origin is not None and origin.id in actors:
        _strip(node)
    for inner in node.css(f"a.{_P}_reply *"):
        inner.decompose()
    return node.html or ""


def _stub(node: LexborNode, author: str) -> str:
    time = _time(node.css_first(f".{_P}_date time[datetime]") or node.css_first("time[datetime]"))
    parent = _address(node.css_first(f"a.{_P}_reply"))
    links = "".join(f'<a href="{member}?single"></a>' for member in _members(node))
    return (
        f'<div class="{_P}" data-post="{node.attributes.get("data-post")}" data-clew-author="{author}">'
        + (f'<a class="{_P}_reply" href="{parent}"></a>' if parent else "")
        + (f'<div class="{_P}_grouped_wrap">{links}</div>' if links else "")
        + (f'<time datetime="{time.isoformat()}"></time>' if time else "")
        + f"{REDACTED}</div>"
    )


def _strip(node: LexborNode) -> None:
    for name in ("text", "poll_question", "link_preview", "photo_wrap", "video_player", "document_wrap"):
        for found in list(node.css(f".{_P}_{name}")):
            found.decompose()
    origin = _first(node, "forwarded_from_name")
    if origin is not None and _address(origin):
        for child in list(origin.iter(include_text=True)):
            child.decompose()
