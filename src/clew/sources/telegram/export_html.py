"""Telegram Desktop's HTML export of one chat: ``messages.html``, ``messages2.html`` and so on.

It tells neither the number nor the kind of the chat, so the ids are made from a hash of its title, and every
post is marked private: only the JSON export can say that a chat is public. A file in which exactly two people
write and one of them gives the chat its name is a conversation between two: nothing of it is read.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Literal

import msgspec
from selectolax.lexbor import LexborHTMLParser, LexborNode

from clew.decode import REDACTED, html_text, html_tree, plain
from clew.model import Actor, Attachment, Capture, Facet, Poll, PollOption, Post, Tombstone
from clew.sources.telegram.message import LOCAL_TIME, OMITTED, Message, forwarded, named

_DATE = re.compile(r"(\d\d)\.(\d\d)\.(\d{4}) (\d\d:\d\d:\d\d)(?: UTC([+-]\d\d:\d\d)?)?", re.ASCII)
_NUMBER = re.compile(r"message(\d{1,15})", re.ASCII)
_REPLY = re.compile(r"#go_to_message(\d{1,15})$", re.ASCII)
_VIA = re.compile(r" via @\w+$")
_VOTES = re.compile(r"(\d+) votes?")
_UNSUPPORTED = "This message is not supported by this version of Telegram Desktop"
_OMITTED = ("contact", "live_location", "location", "venue", "game", "invoice", "call")
_MEDIA: dict[str, Literal["image", "video", "audio", "file"]] = {
    "photo_wrap": "image", "media_photo": "image", "sticker_wrap": "image", "media_video": "video",
    "video_file_wrap": "video", "animated_wrap": "video", "media_voice_message": "audio",
    "media_audio_file": "audio", "media_file": "file",
}  # fmt: skip


class _Row(msgspec.Struct):
    """One message element with what it inherits from the one before."""

    number: int
    node: LexborNode
    body: LexborNode | None
    """Where its own text and media are: inside the frame of a forwarded message."""
    name: str
    author: str
    origin_name: str = ""
    origin: str = ""
    """Actor id of whom it is forwarded from, or empty."""


def messages(capture: Capture) -> Iterator[Message]:
    """Yield the messages of one page, service messages left out."""
    tree = html_tree(plain(capture))
    chat = _chat(tree)
    rows = list(_rows(tree, chat))
    if _between_two(rows, chat):
        return
    for row in rows:
        item, kind, words = _read(row, chat, capture.sha256)
        actors = [Actor(row.author, row.name)] if row.author else []
        if row.origin:
            actors.append(Actor(row.origin, row.origin_name))
        yield Message(row.number, item, kind, words, tuple(actors))


def _chat(tree: LexborHTMLParser) -> str:
    header = tree.css_first("div.page_header")
    if header is not None and (known := header.attributes.get("data-clew-chat")):
        return known
    title = html_text(header.html or "")[0].strip() if header is not None else ""
    return _hashed(title)


def _author(chat: str, name: str) -> str:
    """Return the actor id for a name: whoever is called like the chat is the chat."""
    return chat if chat == _hashed(name) else named(chat, name)


def _hashed(title: str) -> str:
    return f"ni:///sha-256;{hashlib.sha256(title.encode('utf-8', 'surrogatepass')).hexdigest()}"


def _between_two(rows: list[_Row], chat: str) -> bool:
    authors = {row.author for row in rows if row.author}
    return len(authors) == 2 and chat in authors


def _rows(tree: LexborHTMLParser, chat: str) -> Iterator[_Row]:
    last = _Row(0, tree.root, None, "", "") if tree.root is not None else None
    for node in tree.css("div.history > div.message"):
        found = _NUMBER.fullmatch(node.attributes.get("id") or "")
        classes = _classes(node)
        if found is None or last is None:
            continue
        number = int(found[1])
        if "service" in classes:
            if _UNSUPPORTED in node.text():
                yield _Row(number, node, None, "", "")
            continue
        last = _row(number, node, last if "joined" in classes else None, chat)
        yield last


def _row(number: int, node: LexborNode, before: _Row | None, chat: str) -> _Row:
    if stubbed := node.attributes.get("data-clew-author"):
        return _Row(number, node, None, "", stubbed)
    body = _child(node, "body")
    name = _name(_child(body, "from_name")) or (before.name if before else "")
    row = _Row(number, node, body, name, _author(chat, name))
    if before and not name:
        row.author = before.author
    frame = next((c for c in _children(body) if {"forwarded", "body"} <= _classes(c)), None)
    if frame is not None:
        row.body = frame
        row.origin_name = _name(_child(frame, "from_name")) or (before.origin_name if before else "")
        row.origin = frame.attributes.get("data-clew-origin") or _author(chat, row.origin_name)
    return row


def _read(row: _Row, chat: str, sha256: str) -> tuple[Post | Tombstone, str, bool]:
    if row.body is None:
        return _missing(row, chat)
    content, facets = _text(row.body)
    published, labels = _time(_child(_child(row.node, "body"), "date"))
    attachments = tuple(_attachments(row.body))
    question = row.body.css_first("div.media_poll")
    post = Post(
        id=f"{chat}#{row.number}",
        attributed_to=row.author,
        content=content,
        published=published,
        capture=sha256,
        in_reply_to=_parent(row.body, chat),
        facets=facets,
        attachments=attachments,
        poll=_poll(question) if question is not None else None,
        visibility="private",
        labels=labels + tuple(_omitted(row.body)),
    )
    return (forwarded(post, row.origin) if row.origin else post), _kind(row.body), _has_words(row.body)


def _has_words(body: LexborNode) -> bool:
    return bool(_text(body)[0]) or body.attributes.get("data-clew-words") == "yes"


def _missing(row: _Row, chat: str) -> tuple[Tombstone, str, bool]:
    given = row.node.attributes
    if not row.author:
        evidence = "Telegram Desktop could not export this kind of message"
        return Tombstone(f"{chat}#{row.number}", evidence=evidence), "", False
    tomb = Tombstone(
        f"{chat}#{row.number}",
        reason="forgotten",
        in_reply_to=f"{chat}#{given['data-clew-reply']}" if given.get("data-clew-reply") else "",
        attributed_to=row.author,
        published=_date(given.get("data-clew-date") or "")[0],
        evidence="The author asked for removal",
    )
    return tomb, given.get("data-clew-kind") or "", given.get("data-clew-words") == "yes"


def _children(node: LexborNode | None) -> Iterator[LexborNode]:
    if node is not None:
        yield from node.iter()


def _child(node: LexborNode | None, name: str) -> LexborNode | None:
    return next((c for c in _children(node) if name in _classes(c)), None)


def _classes(node: LexborNode) -> set[str]:
    return set((node.attributes.get("class") or "").split())


def _name(node: LexborNode | None) -> str:
    own = (c.text_content or "" for c in node.iter(include_text=True) if c.tag == "-text") if node else ()
    return _VIA.sub("", " ".join("".join(own).split()))


def _time(node: LexborNode | None) -> tuple[datetime | None, tuple[str, ...]]:
    return _date((node.attributes.get("title") if node is not None else "") or "")


def _date(written: str) -> tuple[datetime | None, tuple[str, ...]]:
    found = _DATE.fullmatch(written)
    if found is None:
        return None, ()
    day, month, year, clock, zone = found.groups()
    exact = "UTC" in written
    try:
        time = datetime.fromisoformat(f"{year}-{month}-{day}T{clock}{zone or '+00:00'}")
        return time.astimezone(UTC), () if exact else (LOCAL_TIME,)
    except (ValueError, OverflowError):
        return None, ()


def _parent(body: LexborNode, chat: str) -> str:
    link = reply.css_first("a") if (reply := _child(body, "reply_to")) is not None else None
    found = _REPLY.search((link.attributes.get("href") if link is not None else "") or "")
    return f"{chat}#{found[1]}" if found else ""


def _text(body: LexborNode) -> tuple[str, tuple[Facet, ...]]:
    question = body.css_first("div.media_poll > div.question")
    parts = [p for p in (_child(body, "text"), question) if p is not None]
    for link in (a for p in parts for a in p.css("a[onclick]")):
        if re.match(r"return Show(Hashtag|Cashtag)\(", link.attributes.get("onclick") or ""):
            link.attrs["href"] = "#"
    text, facets = html_text("".join(p.html or "" for p in parts))
    return text, tuple(_facet(f, text) for f in facets if f.type not in ("item", "heading"))


def _facet(facet: Facet, text: str) -> Facet:
    if facet.type == "link" and facet.href == "#":
        return Facet(facet.start, facet.end, "tag")
    if facet.type == "link" and facet.href == f"https://t.me/{text[facet.start + 1 : facet.end]}":
        return Facet(facet.start, facet.end, "mention", facet.href)
    return facet


def _media(body: LexborNode) -> Iterator[tuple[str, LexborNode]]:
    for wrap in (c for c in _children(body) if "media_wrap" in _classes(c)):
        for node in wrap.iter():
            yield from ((name, node) for name in _MEDIA if name in _classes(node))


def _attachments(body: LexborNode) -> Iterator[Attachment]:
    for name, node in _media(body):
        title = html_text(t.html or "")[0] if (t := node.css_first("div.title")) is not None else ""
        shown = name in ("media_file", "media_audio_file")
        yield Attachment(_MEDIA[name], node.attributes.get("href") or "", name=title if shown else "")


def _kind(body: LexborNode) -> str:
    if given := body.attributes.get("data-clew-kind"):
        return given
    for name, node in _media(body):
        title = html_text(t.html or "")[0] if (t := node.css_first("div.title")) is not None else ""
        if name == "photo_wrap" or title == "Photo":
            return "photo"
        if name == "video_file_wrap" or title == "Video file":
            return "video"
    return ""


def _omitted(body: LexborNode) -> Iterator[str]:
    for kind in _OMITTED:
        if body.css_first(f"div.media_wrap > .media_{kind}") is not None:
            yield OMITTED + kind


def _poll(node: LexborNode) -> Poll:
    options = []
    for answer in node.css("div.answer"):
        own = "".join(c.text_content or "" for c in answer.iter(include_text=True) if c.tag == "-text")
        shown = _VOTES.match(d.text() if (d := answer.css_first("span.details")) is not None else "")
        options.append(PollOption(own.strip().removeprefix("- "), int(shown[1]) if shown else 0))
    total = _VOTES.search(t.text() if (t := node.css_first("div.total")) is not None else "")
    return Poll(tuple(options), voters=int(total[1]) if total else 0)


# --- redaction -----------------------------------------------------------------------------------------------


def redact(capture: Capture, actors: frozenset[str]) -> bytes:
    """Return the page without the text of ``actors``."""
    tree = html_tree(plain(capture))
    chat = _chat(tree)
    rows = list(_rows(tree, chat))
    for node in tree.css("div.history > div.service"):
        if _UNSUPPORTED not in node.text():
            _empty(node)
    for row in rows:
        if row.body is not None and row.author in actors:
            _stub(row)
        elif row.body is not None:
            _strip(row, row.origin in actors)
    header = tree.css_first("div.page_header")
    if chat in actors and header is not None:
        _empty(header)
        header.attrs["data-clew-chat"] = chat
    return (tree.html or "").encode()


def _empty(node: LexborNode) -> None:
    for child in list(node.iter(include_text=True)):
        child.decompose()


def _stub(row: _Row) -> None:
    body = row.body
    if body is None:
        return
    date = _child(_child(row.node, "body"), "date")
    given = {
        "author": row.author,
        "date": (date.attributes.get("title") if date is not None else "") or "",
        "kind": _kind(body),
        "words": "yes" if _has_words(body) else "",
        "reply": _parent(body, "").removeprefix("#"),
    }
    _empty(row.node)
    for key, value in given.items():
        row.node.attrs[f"data-clew-{key}"] = value
    row.node.insert_child(REDACTED)


def _strip(row: _Row, quoted: bool) -> None:
    """Remove what others' messages hold of a forgotten author: reactions, and what is forwarded from them."""
    body = row.body
    for node in list(row.node.css(".reactions")):
        node.decompose()
    if not quoted or body is None or "data-clew-origin" in body.attributes:
        return
    kind, words = _kind(body), _has_words(body)
    for child in list(body.iter(include_text=True)):
        if "reply_to" not in _classes(child):
            child.decompose()
    for node in row.node.css("div.forwarded.userpic_wrap"):
        node.decompose()
    body.attrs["data-clew-origin"] = row.origin
    body.attrs["data-clew-kind"] = kind
    body.attrs["data-clew-words"] = "yes" if words else ""
    body.insert_child(REDACTED)
