"""What a page says of itself: where it stands, who wrote it and when, in which language."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any
from urllib.parse import urljoin, urlsplit

import msgspec
from selectolax.lexbor import LexborHTMLParser

from clew.decode import walk
from clew.model import Actor, Capture

_PUBLISHED = (
    'meta[property="article:published_time"]', "", 'meta[itemprop="datePublished"]',
    'time[itemprop="datePublished"]', "time[pubdate]", 'meta[name="date"]', 'meta[name="pubdate"]',
    'meta[name="dc.date"]', 'meta[name="DC.date"]', "article time[datetime]",
)  # fmt: skip
"""Where the date stands, the surest first; "" is the page's linked data."""
_UPDATED = ('meta[property="article:modified_time"]', "", 'meta[itemprop="dateModified"]')
_AUTHOR = ('a[rel~="author"]', 'link[rel~="author"]', 'meta[property="article:author"]')
_LANG = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8}){0,5}")
_SCRIPT = re.compile(r"<script\b[^>]{0,300}?\btype\s*=\s*[\"']?application/ld\+json\b[^>]{0,300}>", re.IGNORECASE)
_END_OF_SCRIPT = re.compile(r"</script", re.IGNORECASE)
_MOST_SCRIPTS = 20
_KINDS = ("Article", "BlogPosting", "Report")


class Linked(msgspec.Struct):
    """What the page's linked data (JSON-LD, schema.org) says of the article."""

    published: str = ""
    updated: str = ""
    author: str = ""
    author_url: str = ""
    free: bool = True
    """False where it says that not all of the text is free to read."""


def linked(markup: str) -> Linked:
    """Return what the first article in the linked data is said to be."""
    for start in islice(_SCRIPT.finditer(markup), _MOST_SCRIPTS):
        end = _END_OF_SCRIPT.search(markup, start.end())
        try:
            value = msgspec.json.decode(markup[start.end() : end.start() if end else None])
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            continue
        for node in walk(value):
            if any(kind.endswith(_KINDS) for kind in _texts(node.get("@type"))):
                return _linked(node)
    return Linked()


def _linked(node: dict[str, Any]) -> Linked:
    given = node.get("author")
    authors = given if isinstance(given, list) else [given]
    people = [person for person in authors if isinstance(person, dict)]
    names = [
        name for person in authors for name in _texts(person.get("name") if isinstance(person, dict) else person)
    ]
    addresses = _texts(people[0].get("url")) if len(people) == 1 else []
    return Linked(
        published="".join(_texts(node.get("datePublished"))[:1]),
        updated="".join(_texts(node.get("dateModified"))[:1]),
        author="; ".join(name.strip() for name in names[:9]),
        author_url="".join(addresses[:1]),
        free=str(node.get("isAccessibleForFree", True)).casefold() != "false",
    )


def _texts(value: Any) -> list[str]:
    return [text for text in (value if isinstance(value, list) else [value]) if isinstance(text, str)]


# --- addresses -----------------------------------------------------------------------------------------------


def canonical(tree: LexborHTMLParser, capture: Capture) -> str:
    """Return the address the page gives itself, if it is of the host the page came from."""
    came_from = capture.location or capture.url
    for selector in ('link[rel~="canonical"]', 'meta[property="og:url"]'):
        address = web(join(came_from, given(tree, selector)))
        if address and host(came_from) in ("", host(address)):
            return address
    return web(came_from)


def base(tree: LexborHTMLParser, capture: Capture) -> str:
    """Return the address that the page's links start from."""
    came_from = capture.location or capture.url or canonical(tree, capture)
    return join(came_from, given(tree, "base[href]")) if came_from else ""


def given(tree: LexborHTMLParser, selector: str) -> str:
    """Return what an element holds in the attribute that is meant."""
    node = tree.css_first(selector)
    if node is None:
        return ""
    found = node.attributes
    return (found.get("content") or found.get("href") or found.get("datetime") or "").strip()


def web(address: str) -> str:
    """Return an address of the web, else nothing."""
    return address if host(address) and address.startswith(("https://", "http://")) else ""


def host(address: str) -> str:
    """Return the host of an address, without "www."."""
    try:
        return (urlsplit(address).hostname or "").removeprefix("www.")
    except ValueError:
        return ""


def join(start: str, address: str) -> str:
    """Return an address that may be relative to ``start``."""
    try:
        return urljoin(start, address)
    except ValueError:
        return address


def name_of(capture: Capture) -> str:
    """Return the id of a page that has no address: its hash (RFC 6920)."""
    return f"ni:///sha-256;{capture.sha256}"


# --- who, when -----------------------------------------------------------------------------------------------


def actor(tree: LexborHTMLParser, linked: Linked, name: str, site: str, address: str, capture: Capture) -> Actor:
    """Return the author.

    The id is the address that the page gives, if it is of the page's own host: nobody can speak for others. Else it
    is the site with a hash of the name.
    """
    parts = urlsplit(address)
    place = f"{parts.scheme}://{parts.netloc}/" if address else f"{name_of(capture)}#author"
    name = name or linked.author
    if not name:
        return Actor(place, site, url=place if address else "")
    pages = [web(join(address, page)) for page in (*(given(tree, s) for s in _AUTHOR), linked.author_url) if page]
    page = next(filter(None, pages), "")
    if page and host(page) == host(address):
        return Actor(page, name, url=page)
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return Actor(f"{place}#author-{digest}" if address else f"{place}-{digest}", name, url=page)


def published(tree: LexborHTMLParser, linked: Linked, fallback: str) -> tuple[datetime | None, tuple[str, ...]]:
    """Return the first date of publication that the page states, and how exact it is."""
    return _date((*_stated(tree, _PUBLISHED, linked.published), fallback))


def updated(tree: LexborHTMLParser, linked: Linked) -> datetime | None:
    """Return when the page says that it was changed."""
    return _date(_stated(tree, _UPDATED, linked.updated))[0]


def _stated(tree: LexborHTMLParser, selectors: Iterable[str], linked: str) -> Iterator[str]:
    return (given(tree, selector) if selector else linked for selector in selectors)


def _date(stated: Iterable[str]) -> tuple[datetime | None, tuple[str, ...]]:
    for written in stated:
        try:
            found = datetime.fromisoformat(written)
            if found.tzinfo is not None:
                return found.astimezone(UTC), ()
            exact = "local-time" if len(written) > len("2031-05-04") else "date-only"
            return found.replace(tzinfo=UTC), (exact,)
        except (ValueError, OverflowError):
            continue
    return None, ()


def langs(tree: LexborHTMLParser) -> tuple[str, ...]:
    """Return the language of the page."""
    node = tree.css_first("html[lang]")
    lang = (node.attributes.get("lang") if node is not None else "") or ""
    return (lang,) if _LANG.fullmatch(lang) else ()
