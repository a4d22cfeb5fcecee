"""Atom feeds (RFC 4287, paged as in RFC 5005): of threads, of the posts of one thread, of a search. Pure.

The ids are tag URIs (RFC 4151) under the site's own name, so that they stay while titles and posts change. Times
are the posts' own. What stands under a content warning or a spoiler is in none: readers would show it at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import NamedTuple
from urllib.parse import quote, urlsplit
from xml.etree import ElementTree as ET

from markupsafe import Markup

from clew import dates
from clew.config import Site
from clew.layout import Card, Fold, Layout, Media, Missing, Person, Piece, person
from clew.markup import clean, legible, link
from clew.model import Actor, Item, Page, Poll, Post, Thread, Tombstone
from clew.search import Snippet
from clew.text import first_words, key, printable

MEDIA_TYPE = "application/atom+xml; charset=utf-8"
_ATOM = "http://www.w3.org/2005/Atom"
_BEGAN = "2026"  # of the tag URIs: a year in which the site's name was its own, never changed
_NOBODY = "clew.invalid"  # stands for the name of a site that has none
_MOST = 10_000  # characters of a thread's text; the page has the rest
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
_BREAK = Markup("<br>\n")
_SPOILER = re.compile(r'<span class="spoiler".*?</span>', re.DOTALL)
_TAGS = {"heading": "h2", "pre": "pre", "item": "li"}
_EMPTY: Mapping[str, str] = {}


class Feed(NamedTuple):
    """What a feed is. Addresses are those on the site, without a "/" at their start."""

    name: str
    """What its id ends with; never changes."""
    title: str
    path: str
    """Its own address."""
    page: str
    """Address of the same for people."""
    turns: Mapping[str, str] = _EMPTY
    """Addresses of its other pages, by their relation: first, previous, next, last."""


class Kept(NamedTuple):
    """A thread in a feed. ``saved`` and ``changed`` are the store's times, for what has none of its own."""

    key: str
    saved: datetime
    changed: datetime
    page: Page


class Hits(NamedTuple):
    """A thread in which something was found. Of each snippet: the anchor of its post on the thread's page, the
    words, and the post's content warning."""

    key: str
    title: str
    actor: Actor
    updated: datetime
    published: datetime | None
    snippets: Sequence[tuple[str, Snippet, str]]


def feed(folder: str, title: str, page: int = 1, pages: int = 1) -> Feed:
    """Return what a feed is that stands beside the page in ``folder``; ``page`` counts from 1."""

    def at(number: int) -> str:
        return f"{folder}feed.atom" if number == 1 else f"{folder}page/{number}/feed.atom"

    told = {"first": 1, "previous": page - 1, "next": page + 1, "last": pages}
    turns = {rel: at(number) for rel, number in told.items() if 1 <= number <= pages and pages > 1}
    return Feed(folder or "latest/", title, at(page), folder, turns)


def asked(question: str, title: str, before: int | None = None, later: int | None = None) -> Feed:
    """Return the feed of a search; ``before`` is where this page begins, ``later`` where the next one does."""
    query = f"search/?q={quote(question, safe='', errors='replace')}"
    path = query.replace("/?", "/feed.atom?", 1)
    here = path if before is None else f"{path}&before={before}"
    turns = {"first": path} | ({"next": f"{path}&before={later}"} if later is not None else {})
    return Feed(query, title, here, query, turns)


def threads(site: Site, feed: Feed, kept: Iterable[Kept]) -> bytes:
    """Return a feed of threads, each one entry with its text, updated as it grows."""
    at = _At(site, feed.path)
    return _written(at, feed, [_of_thread(at, one) for one in kept])


def posts(site: Site, feed: Feed, kept: Kept, page: int = 1, per_page: int = 50) -> bytes:
    """Return a feed of the posts of one thread, the youngest first; ``page`` counts from 1. A post that is gone
    keeps its entry, which then says so."""
    at, layout = _At(site, feed.path), Layout(kept.page)
    shown = _youngest(kept)[(page - 1) * per_page : page * per_page]
    return _written(at, feed, [_of_post(at, kept, layout, item, time) for item, time in shown])


def count(thread: Thread) -> int:
    """Return how many entries the feed of a thread's posts has, on all its pages."""
    return sum(1 for _ in _own(thread))


def found(site: Site, feed: Feed, hits: Iterable[Hits]) -> bytes:
    """Return a feed of what a search found, each thread one entry with the snippets."""
    at = _At(site, feed.path)
    return _written(at, feed, [_of_hits(at, one) for one in hits])


# --- entries -------------------------------------------------------------------------------------------------


class _Entry(NamedTuple):
    name: str
    title: str
    path: str
    author: Person
    updated: datetime
    published: datetime | None
    html: Markup
    lang: str = ""
    original: str = ""


class _At:
    """Where a feed stands: what its addresses begin with, and its ids."""

    def __init__(self, site: Site, path: str) -> None:
        self.root = f"{site.base_url}/" if site.base_url else "../" * path.count("/") or "./"
        parts = urlsplit(site.base_url)
        known = re.fullmatch(r"[a-z0-9.-]+", parts.hostname or "")
        self._tag = f"tag:{known[0] if known else _NOBODY},{_BEGAN}:{quote(parts.path)}/"

    def id(self, name: str) -> str:
        return self._tag + name


def _of_thread(at: _At, kept: Kept) -> _Entry:
    thread, layout = kept.page.thread, _Prose(kept.page)
    times = [time for item in _own(kept.page.thread) for time in _times(item)]
    begun = [post.published for post in _posts(thread.items) if post.published]
    first = next(iter(_posts(thread.items)), None)
    card = layout.card(first) if first else None
    path = f"t/{kept.key}/"
    return _Entry(
        path,
        kept.page.title,
        path,
        layout.person(thread.attributed_to),
        _sane(max(times), kept.changed) if times else kept.changed,
        min(begun, default=None),
        layout.text(at.root + path),
        layout.lang,
        card.href if isinstance(card, Card) else "",
    )


def _of_post(at: _At, kept: Kept, layout: Layout, item: Item, time: datetime) -> _Entry:
    card, mark = layout.card(item), layout.marks[item.id]
    path = f"t/{kept.key}/#{mark.id}"
    who = layout.person(item.attributed_to or kept.page.thread.attributed_to)
    name = f"p/{key(item.id)}"
    if isinstance(card, Missing):
        html = Markup("<p>{} {}</p>").format(card.sentence, clean(card.evidence))
        return _Entry(name, card.sentence, path, who, time, item.published, html, original=card.href)
    html = _told(card) if not card.post.summary else _warned(card.post.summary, at.root + path)
    return _Entry(
        name, f"{mark.number}. {_title(card)}", path, who, time, card.post.published, html, card.lang, card.href
    )


def _of_hits(at: _At, hits: Hits) -> _Entry:
    path = f"t/{hits.key}/"
    shown = (
        _warned(warning, f"{at.root}{path}#{anchor}")
        if warning
        else Markup('<p>{} <a href="{}#{}">Read on.</a></p>').format(_marked(snippet), at.root + path, anchor)
        for anchor, snippet, warning in hits.snippets
    )
    html = Markup("\n").join(shown)
    return _Entry(path, hits.title, path, person(hits.actor), hits.updated, hits.published, html)


def _title(card: Card) -> str:
    if card.post.summary:
        return f"Content warning: {card.post.summary}"
    return _uncovered(card.post) or next((media.type.capitalize() for media in card.media), "Without words")


def _uncovered(post: Post) -> str:
    """Return a post's text without what stands under a spoiler."""
    parts, at = list[str](), 0
    for start, end in sorted((f.start, f.end) for f in post.facets if f.type == "spoiler"):
        parts += [post.content[at : max(at, start)], "[spoiler]"]
        at = max(at, end)
    return "".join((*parts, post.content[at:]))


def _youngest(kept: Kept) -> list[tuple[Item, datetime]]:
    """Return the thread's items with when each last changed, the youngest first; what has no time takes that of the
    item before it."""
    found, last = list[tuple[datetime, int, Item, datetime]](), kept.saved
    for number, item in enumerate(_own(kept.page.thread)):
        times = _times(item)
        last = _sane(min(times), kept.changed) if times else last
        found.append((last, number, item, _sane(max(times), kept.changed) if times else last))
    return [(item, updated) for _, _, item, updated in sorted(found, key=lambda one: one[:2], reverse=True)]


def _sane(time: datetime, changed: datetime) -> datetime:
    """Return a time that is not after we knew of it, whatever a stranger's server says."""
    return min(time, changed)


def _own(thread: Thread) -> Iterator[Item]:
    """Yield what the author posted, each once."""
    runs = (run.items for run in (*thread.branches, *thread.asides))
    yield from {item.id: item for item in chain(thread.items, *runs)}.values()


def _times(item: Item) -> list[datetime]:
    """Return when an item was made and changed; of one that is gone, when that was found."""
    told = (item.deleted, item.checked) if isinstance(item, Tombstone) else (item.updated,)
    return [time for time in (item.published, *told) if time]


def _posts(items: Iterable[Item]) -> Iterator[Post]:
    return (item for item in items if isinstance(item, Post))


# --- text ----------------------------------------------------------------------------------------------------


class _Prose(Layout):
    """A thread's text as a reader shows it: without numbers in the margin."""

    def _margin(self, post: Post, *, first: bool) -> Markup:  # noqa: ARG002
        return Markup()

    def text(self, href: str) -> Markup:
        """Return the main line, cut where it is long, and how complete it is. ``href``: address of the page."""
        parts, size = list[Markup](), 0
        for fold in self.sections()[0].folds:
            for part in self._fold(fold, href):
                if size > _MOST:
                    return _joined([*parts, _leading(href, "The thread goes on here.")])
                parts.append(part)
                size += len(part)
        if self.page.thread.branches or self.page.thread.asides:
            parts.append(_leading(href, "The author wrote more around it."))
        sentence = clean(self.page.thread.certificate.sentence)
        return _joined([*parts, Markup("<p><em>{}</em></p>").format(sentence)])

    def _fold(self, fold: Fold, href: str) -> Iterator[Markup]:
        if fold.warning:
            yield _warned(fold.warning, href)
            return
        for group in fold.groups:
            inner = _joined(map(_piece, group.pieces))
            outer = {"item": "<ul>{}</ul>", "blockquote": "<blockquote>{}</blockquote>"}.get(group.kind, "{}")
            yield Markup(outer).format(inner)  # noqa: S704  one of ours


def _piece(piece: Piece) -> Markup:
    if piece.missing:
        return Markup("<p><em>{} {}</em></p>").format(piece.missing.sentence, clean(piece.missing.evidence))
    if piece.card:
        return _hanging(piece.card)
    tag = _TAGS.get(piece.kind, "p")
    shown = _covered(piece.html) if tag == "pre" else _broken(piece.html)
    return Markup(f'<{tag} dir="auto">{{}}</{tag}>').format(shown)  # noqa: S704  one of ours


def _leading(href: str, words: str) -> Markup:
    return Markup('<p><a href="{}">{}</a></p>').format(href, words)


def _warned(warning: str, href: str) -> Markup:
    shown = clean(first_words(warning, 300))
    return Markup('<p>Content warning: {} <a href="{}">Read it on the page.</a></p>').format(shown, href)


def _told(card: Card) -> Markup:
    """Return a post whole."""
    text = Markup('<p dir="auto">{}</p>').format(_broken(card.html)) if card.post.content else Markup()
    return _joined(filter(None, (text, _hanging(card))))


def _hanging(card: Card) -> Markup:
    """Return what hangs on a post, in words: pictures, a poll, a quote."""
    parts = [_media(media) for media in card.media]
    if card.post.poll:
        parts.append(_poll(card.post.poll))
    if card.quote:
        parts.append(_quote(card.quote))
    elif card.post.quote:
        what = link(card.quote_href, "A quoted post") if card.quote_href else "A quoted post"
        parts.append(Markup("<p>{} is not shown here.</p>").format(what))
    return _joined(parts)


def _quote(card: Card) -> Markup:
    who = link(card.href, card.author.name)
    warning = card.post.summary
    told = Markup("<p>Content warning: {}</p>").format(clean(warning)) if warning else _told(card)
    return Markup("<blockquote><p>{}:</p>\n{}</blockquote>").format(who, told)


def _media(media: Media) -> Markup:
    words = media.name or media.alt or media.summary or "no description given"
    kind = "Link" if media.type == "card" else media.type.capitalize()
    return Markup("<p>{}: {}</p>").format(kind, link(media.href, clean(words)))


def _poll(poll: Poll) -> Markup:
    lines = (
        Markup("<li>{}{}</li>").format(clean(o.name), "" if o.votes is None else f" – {o.votes:,}")
        for o in poll.options
    )
    return Markup("<p>Poll:</p><ul>{}</ul>").format(_joined(lines))


def _marked(snippet: Snippet) -> Markup:
    parts = (Markup("<mark>{}</mark>").format(clean(t)) if hit else clean(t) for t, hit in snippet.pieces())
    before, after = "… " if snippet.cut_before else "", " …" if snippet.cut_after else ""
    return Markup("{}{}{}").format(before, Markup("").join(parts), after)


def _broken(html: Markup) -> Markup:
    """Keep the author's line breaks."""
    return _covered(html).replace(Markup("\n"), _BREAK)


def _covered(html: Markup) -> Markup:
    """Leave out what stands under a spoiler."""
    return Markup(_SPOILER.sub("[spoiler]", html))  # noqa: S704  what was escaped


def _joined(parts: Iterable[Markup]) -> Markup:
    return Markup("\n").join(parts)


# --- XML -----------------------------------------------------------------------------------------------------


def _written(at: _At, feed: Feed, entries: Sequence[_Entry]) -> bytes:
    root = ET.Element("feed", {"xmlns": _ATOM})
    _leaf(root, "id", at.id(feed.name))
    _leaf(root, "title", _line(feed.title) or "Clew")
    _leaf(root, "updated", dates.iso(max((entry.updated for entry in entries), default=_NEVER)))
    _leaf(root, "link", rel="self", type="application/atom+xml", href=at.root + feed.path)
    _leaf(root, "link", rel="alternate", type="text/html", href=at.root + feed.page)
    for rel, path in feed.turns.items():
        _leaf(root, "link", rel=rel, type="application/atom+xml", href=at.root + path)
    _leaf(root, "generator", "Clew")
    for entry in entries:
        _write_entry(root, at, entry)
    ET.indent(root, "")
    return bytes(ET.tostring(root, "utf-8", xml_declaration=True)) + b"\n"


def _write_entry(root: ET.Element, at: _At, entry: _Entry) -> None:
    node = ET.SubElement(root, "entry", {"xml:lang": entry.lang} if entry.lang else {})
    _leaf(node, "id", at.id(entry.name))
    _leaf(node, "title", _line(entry.title) or "Untitled")
    _leaf(node, "link", rel="alternate", type="text/html", href=at.root + entry.path)
    if entry.original:
        _leaf(node, "link", rel="via", href=entry.original)
    author = ET.SubElement(node, "author")
    _leaf(author, "name", _line(entry.author.name) or "Unknown author")
    if entry.author.href:
        _leaf(author, "uri", entry.author.href)
    if entry.published:
        _leaf(node, "published", dates.iso(entry.published))
    _leaf(node, "updated", dates.iso(entry.updated))
    _leaf(node, "content", str(entry.html), type="html")


def _leaf(parent: ET.Element, tag: str, text: str = "", **attributes: str) -> None:
    node = ET.SubElement(parent, tag, {name: legible(value) for name, value in attributes.items()})
    node.text = legible(text) or None


def _line(text: str) -> str:
    return first_words(printable(text), 200)
