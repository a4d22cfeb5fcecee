"""One page, one post: what a capture of an HTML page holds."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from datetime import datetime
from urllib.parse import urldefrag

import msgspec
from selectolax.lexbor import LexborHTMLParser, LexborNode

from clew.decode import REDACTED, html_tree, plain, where
from clew.errors import ParseError
from clew.model import Actor, Attachment, Capture, Facet, Limit, Post, Tombstone
from clew.sources.article import choosing, embeds, metadata
from clew.sources.article.choosing import Chosen

_MOST_ELEMENTS = 40_000  # the chooser's work grows with their square; a long page has some thousands
_LARGEST = 16 * 2**20  # bytes; saved pages with their pictures inside can have several MB
_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE)
_BOMS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_ENCODINGS = re.compile(
    r"utf-?8|cp\d+|iso8859-\d+|koi8-\w+|mac-\w+|gb2312|gbk|gb18030|big5\w*|shift_jis\w*|euc_\w+|iso2022_\w+|tis-620"
)
_LARGER = {"iso8859-1": "cp1252", "gb2312": "gb18030", "gbk": "gb18030"}  # what browsers take for these names
_NOWHERE = re.compile(r"\b(?:404|410)\b|\bnot found\b", re.IGNORECASE)
_SHORT = 1000  # characters: a page that says that there is none says little else

_EMPTY = b"<!DOCTYPE html>\n<html><body></body></html>\n"

Told = Actor | Post | Tombstone | Limit


def read(capture: Capture) -> list[Told]:
    """Return the author and the article; or that it was removed.

    Raises:
        InputError: the extra ``articles`` is not installed.
        ParseError: no article.
    """
    markup = _markup(capture)
    tree = html_tree(embeds.framed(markup))
    stub = tree.css_first("meta[name='clew:redacted']")
    if stub is not None:
        return [_forgotten(stub)]
    if len(tree.css("*")) > _MOST_ELEMENTS:
        raise ParseError("The page has too many elements to find an article in", where(capture), url=capture.url)
    return list(_article(capture, markup, tree))


def _article(capture: Capture, markup: str, tree: LexborHTMLParser) -> Iterator[Told]:
    chosen, linked = choosing.choose(markup, capture), metadata.linked(markup)
    address, start = metadata.canonical(tree, capture), metadata.base(tree, capture)
    actor = metadata.actor(tree, linked, chosen.author, chosen.site, address, capture)
    published, labels = metadata.published(tree, linked, chosen.date)
    updated = metadata.updated(tree, linked)
    content, facets, omitted = choosing.text(tree, chosen)
    _check(content, chosen, capture)
    yield actor
    yield Post(
        id=urldefrag(capture.url).url or address or metadata.name_of(capture),
        attributed_to=actor.id,
        content=content,
        published=published,
        capture=capture.sha256,
        url=address,
        name=chosen.title,
        updated=updated,
        facets=embeds.quoted(_absolute(f, start) for f in facets),
        attachments=(*_images(tree, chosen, start), *embeds.cards(tree)),
        langs=metadata.langs(tree),
        labels=labels + (("omitted:text",) if omitted else ()),
        generator="page",
    )
    if not linked.free:
        yield Limit("The page says that not all of its text is free to read", actor.id)


def _check(content: str, chosen: Chosen, capture: Capture) -> None:
    if not content.strip():
        raise ParseError("No article was found in the page", where(capture), url=capture.url)
    if len(content) < _SHORT and _NOWHERE.search(chosen.title):
        raise ParseError("The page says that there is nothing at this address", where(capture), url=capture.url)


# --- bytes to text -------------------------------------------------------------------------------------------


def _markup(capture: Capture) -> str:
    if len(capture.body) > _LARGEST:
        raise ParseError("The page is larger than 16 MiB", where(capture), url=capture.url)
    for name in () if capture.body.startswith(_BOMS) else _encodings(capture):
        try:
            return capture.body.decode(name)
        except UnicodeDecodeError:
            continue
    return plain(capture)


def _encodings(capture: Capture) -> Iterator[str]:
    """Yield what the text may be in: UTF-8 is never so by accident, and servers and pages say wrong things."""
    if not capture.body.isascii():
        yield "utf-8"
    in_header = re.search(r"charset\s*=\s*[\"']?([\w.:-]+)", capture.headers.get("content-type", ""), re.IGNORECASE)
    in_page = _CHARSET.search(capture.body[:4096])
    for told in (in_header[1] if in_header else "", in_page[1].decode() if in_page else ""):
        try:
            name = codecs.lookup(told).name
        except (LookupError, ValueError):
            continue
        if _ENCODINGS.fullmatch(name):
            yield _LARGER.get(name, name)
            yield name


# --- facets and pictures -------------------------------------------------------------------------------------


def _absolute(facet: Facet, start: str) -> Facet:
    if facet.type != "link" or not start:
        return facet
    return msgspec.structs.replace(facet, href=metadata.join(start, facet.href))


def _images(tree: LexborHTMLParser, chosen: Chosen, start: str) -> Iterator[Attachment]:
    wanted = set(chosen.images)
    seen: set[str] = set()
    for node in tree.css("img"):
        given = node.attributes
        addresses = [v for k in ("src", "data-src") if (v := given.get(k))]
        found = next((v for v in addresses if metadata.join(start, v) not in seen), "")
        if found and not wanted.isdisjoint({found, metadata.join(start, found)}):
            seen.add(metadata.join(start, found))
            alt = (given.get("alt") or "") if "alt" in given else None
            size = (_number(given.get("width")), _number(given.get("height")))
            yield Attachment("image", metadata.join(start, found), alt=alt, width=size[0], height=size[1])


def _number(value: str | None) -> int | None:
    return int(value) if value and re.fullmatch(r"[0-9]{1,6}", value) else None


# --- redaction -----------------------------------------------------------------------------------------------


def redact(capture: Capture, actors: frozenset[str]) -> bytes:
    """Keep nothing but ids and dates of an article by one of ``actors``; of a page that holds none nothing."""
    try:
        post = next((item for item in read(capture) if isinstance(item, Post)), None)
    except ParseError:
        return _EMPTY if actors else capture.body
    if post is None or post.attributed_to not in actors:
        return capture.body
    date = post.published.isoformat() if post.published else ""
    return (
        '<!DOCTYPE html>\n<html><head><meta name="clew:redacted" '
        f'data-id="{_quoted(post.id)}" data-author="{_quoted(post.attributed_to)}" data-published="{date}">'
        f"</head><body>{REDACTED}</body></html>\n"
    ).encode()


def _quoted(value: str) -> str:
    return value.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")


def _forgotten(stub: LexborNode) -> Tombstone:
    given = stub.attributes
    date = given.get("data-published")
    return Tombstone(
        given.get("data-id") or "",
        reason="forgotten",
        attributed_to=given.get("data-author") or "",
        published=datetime.fromisoformat(date) if date else None,
        evidence="The author asked for removal",
    )
