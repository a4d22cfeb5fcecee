"""An article: a saved HTML page becomes one post.

trafilatura (the extra ``articles``) only chooses which parts of the page are the article. The text itself is taken
from the page by ``decode.html_text``, like every other HTML text, so that it is verbatim: no word, mark or space
comes from the chooser. What it chose and the page does not have is told by the label "omitted:text".
"""

from __future__ import annotations

import codecs
import hashlib
import re
import unicodedata
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

import msgspec
from selectolax.lexbor import LexborHTMLParser, LexborNode

from clew.decode import REDACTED, html_text, html_tree, plain, where
from clew.errors import InputError, ParseError
from clew.model import Actor, Attachment, Capture, Facet, Post, Tombstone
from clew.plugins import Member, Source

_MOST_ELEMENTS = 40_000  # the chooser's work grows with their square; a long page has some thousands
_LARGEST = 16 * 2**20  # bytes; saved pages with their pictures inside can have several MB
_HTML = re.compile(rb"<(?:!doctype\s+html|html|head|body|article)[\s>]", re.IGNORECASE)
# The exports and previews of Telegram are HTML too, and have a source of their own.
_TELEGRAM = re.compile(
    rb"<div class=\"(?:page_body chat_page|history)\"|class=\"(?:[^\"<>]*\s)?tgme_widget_message[\s\"]"
)
_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE)
_BOMS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_BREAKS = frozenset(
    "address article aside blockquote body dd div dl dt figure figcaption footer form h1 h2 h3 h4 h5 h6 header hr "
    "li main nav ol p pre section table tr td th ul caption br "  # the page's
    "head quote list item lb row cell graphic code".split()  # the chooser's
)
_UNSEEN = frozenset("script style template noscript head title iframe object svg math".split())
_PUBLISHED = (
    'meta[property="article:published_time"]', 'meta[itemprop="datePublished"]', 'time[itemprop="datePublished"]',
    "time[pubdate]", 'meta[name="date"]', 'meta[name="pubdate"]', 'meta[name="dc.date"]', 'meta[name="DC.date"]',
    "article time[datetime]",
)  # fmt: skip
_UPDATED = ('meta[property="article:modified_time"]', 'meta[itemprop="dateModified"]')
_AUTHOR = ('a[rel~="author"]', 'link[rel~="author"]', 'meta[property="article:author"]')
_LANG = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8}){0,5}")


class _Run(msgspec.Struct):
    """Text of the page between two breaks, with the nodes it is made of."""

    key: str
    nodes: list[LexborNode]


class _Chosen(msgspec.Struct):
    """What the chooser says of a page."""

    runs: list[str]
    """Keys of the runs of the article's text, in order."""
    images: list[str]
    title: str
    author: str
    site: str
    date: str


class Article:
    """One page, one post."""

    name = "article"
    title = "Article"
    formats: tuple[str, ...] = ("a saved HTML page with one article (needs the extra “articles”)",)
    members: tuple[Member, ...] = ()

    def sniff(self, capture: Capture) -> bool:
        """Is it an HTML page, and not one of Telegram's?"""
        start = capture.body[:2048]
        if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            start = start.replace(b"\0", b"")
        if not start.lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n").startswith(b"<"):
            return False
        return bool(_HTML.search(start)) and not _TELEGRAM.search(capture.body)

    def parse(self, captures: Iterable[Capture]) -> Iterator[Actor | Post | Tombstone]:
        """Yield the author and the article; see ``clew.plugins.Source``.

        Raises:
            InputError: the extra ``articles`` is not installed.
        """
        for capture in captures:
            yield from _article(capture)

    def anchor(self, capture: Capture) -> str:  # noqa: ARG002
        """Return nothing: a page is one post."""
        return ""

    def redact(self, capture: Capture, actors: frozenset[str]) -> bytes:
        """Keep nothing but ids and dates of an article by one of ``actors``; see ``clew.plugins.Source``."""
        return _redacted(capture, actors)


SOURCE: Source = Article()


def _article(capture: Capture) -> Iterator[Actor | Post | Tombstone]:
    markup = _markup(capture)
    tree = html_tree(markup)
    stub = tree.css_first("meta[name='clew:redacted']")
    if stub is not None:
        yield _forgotten(stub)
        return
    if len(tree.css("*")) > _MOST_ELEMENTS:
        raise ParseError("The page has too many elements to find an article in", where(capture), url=capture.url)
    chosen = _choose(markup, capture)
    base = _canonical(tree, capture)
    actor = _actor(tree, chosen, base, capture)
    published, labels = _date(tree, _PUBLISHED, chosen.date)
    content, facets, omitted = _text(tree, chosen)
    if not content.strip():
        raise ParseError("No article was found in the page", where(capture), url=capture.url)
    yield actor
    yield Post(
        id=base or _ni(capture),
        attributed_to=actor.id,
        content=content,
        published=published,
        capture=capture.sha256,
        url=base,
        name=chosen.title,
        updated=_date(tree, _UPDATED, "")[0],
        facets=tuple(_absolute(f, base or capture.url) for f in facets),
        attachments=tuple(_images(tree, chosen, base or capture.url)),
        langs=_langs(tree),
        labels=labels + (("omitted:text",) if omitted else ()),
        generator="page",
    )


def _markup(capture: Capture) -> str:
    if len(capture.body) > _LARGEST:
        raise ParseError("The page is larger than 16 MiB", where(capture), url=capture.url)
    told = _CHARSET.search(capture.body[:4096])
    if told is None or capture.body.startswith(_BOMS):
        return plain(capture)
    try:
        return capture.body.decode(codecs.lookup(told[1].decode()).name)
    except (LookupError, UnicodeDecodeError, ValueError):
        return plain(capture)


# --- choosing ------------------------------------------------------------------------------------------------


def _choose(markup: str, capture: Capture) -> _Chosen:
    try:
        from trafilatura import bare_extraction
    except ImportError as error:
        raise InputError(
            "Articles cannot be read yet", where(capture), "Install Clew with its extra: articles"
        ) from error
    try:
        found: Any = bare_extraction(
            markup,
            url=capture.url or None,
            include_comments=False,
            include_formatting=True,
            include_links=True,
            include_images=True,
            include_tables=True,
            with_metadata=True,
            date_extraction_params={"extensive_search": False, "original_date": True},
        )
    except Exception as error:  # whatever breaks in the chooser on hostile HTML must not leak
        raise ParseError("The page cannot be read as an article", where(capture), url=capture.url) from error
    if found is None or found.body is None:
        raise ParseError("No article was found in the page", where(capture), url=capture.url)
    return _Chosen(
        runs=list(_chosen_runs(found.body)),
        images=[str(image.get("src") or "") for image in found.body.iter("graphic")],
        title=found.title or "",
        author=found.author or "",
        site=found.sitename or found.hostname or "",
        date=found.date or "",
    )


def _chosen_runs(body: Any) -> Iterator[str]:
    from lxml import etree

    words: list[str] = []
    for event, element in etree.iterwalk(body, events=("start", "end")):
        if element.tag in _BREAKS:
            yield from _key_of(words)
            words = []
        words.append((element.text if event == "start" else element.tail) or "")
    yield from _key_of(words)


def _key_of(words: list[str]) -> Iterator[str]:
    if key := _key("".join(words)):
        yield key


def _key(text: str) -> str:
    """Reduce text to what no clean-up changes: its letters and digits, else its signs."""
    folded = unicodedata.normalize("NFKC", text)
    return "".join(c for c in folded if c.isalnum()) or "".join(folded.split())


# --- text ----------------------------------------------------------------------------------------------------


def _text(tree: LexborHTMLParser, chosen: _Chosen) -> tuple[str, tuple[Facet, ...], bool]:
    """Return the article's text from the page itself, and whether something chosen was not found there."""
    runs = list(_runs(tree))
    kept, missed = _kept(runs, chosen)
    for run in (run for index, run in enumerate(runs) if index not in kept):
        for node in run.nodes:
            node.decompose()
    content, facets = html_text((tree.body.html if tree.body is not None else "") or "")
    return content, facets, missed


def _runs(tree: LexborHTMLParser) -> Iterator[_Run]:
    """Yield the runs of the page in order. A line break belongs to the run it ends."""
    words: list[str] = []
    nodes: list[LexborNode] = []
    stack: list[LexborNode | None] = [tree.body]  # None: a break, where a block ends
    while stack:
        node = stack.pop()
        tag = node.tag if node is not None else ""
        if node is not None and tag == "-text":
            words.append(node.text_content or "")
            nodes.append(node)
            continue
        if node is not None and (tag in _UNSEEN or (tag or "").startswith(("-", "!"))):
            continue
        if node is None or tag in _BREAKS:
            if node is not None and tag == "br":
                nodes.append(node)
            if nodes:
                yield _Run(_key("".join(words)), nodes)
            words, nodes = [], []
        if node is not None:
            stack.extend([None] if tag in _BREAKS else [])
            stack.extend(reversed(list(node.iter(include_text=True))))


def _kept(runs: list[_Run], chosen: _Chosen) -> tuple[set[int], bool]:
    """Return the places of the chosen runs, and whether any has none.

    Each takes the first place after the last one taken, else (the chooser moved it) the first that was passed.
    """
    ahead: defaultdict[str, deque[int]] = defaultdict(deque)
    passed: defaultdict[str, deque[int]] = defaultdict(deque)
    for index, run in enumerate(runs):
        ahead[run.key].append(index)
    title = _key(chosen.title)
    kept: set[int] = set()
    last, missed = -1, False
    for key in (key for n, key in enumerate(chosen.runs) if n or key != title):  # the title is not said twice
        while ahead[key] and ahead[key][0] <= last:
            passed[key].append(ahead[key].popleft())
        places = ahead[key] or passed[key]
        missed = missed or not places
        if places:
            kept.add(places[0])
            last = max(last, places.popleft())
    return _with_repeats(runs, kept), missed


def _with_repeats(runs: list[_Run], kept: set[int]) -> set[int]:
    """Add what the chooser drops behind a kept run: the same words said again, and blank lines of line breaks."""
    more = set(kept)
    for index in range(1, len(runs)):
        if index - 1 in more and runs[index].key in ("", runs[index - 1].key):
            more.add(index)
    return more


def _absolute(facet: Facet, base: str) -> Facet:
    if facet.type != "link" or not base:
        return facet
    try:
        return msgspec.structs.replace(facet, href=urljoin(base, facet.href))
    except ValueError:
        return facet


def _images(tree: LexborHTMLParser, chosen: _Chosen, base: str) -> Iterator[Attachment]:
    wanted = set(chosen.images)
    seen: set[str] = set()
    for node in tree.css("img"):
        given = node.attributes
        found = next((v for k in ("src", "data-src") if (v := given.get(k)) and _join(base, v) not in seen), "")
        if found and not wanted.isdisjoint({found, _join(base, found)}):
            seen.add(_join(base, found))
            alt = (given.get("alt") or "") if "alt" in given else None
            size = (_number(given.get("width")), _number(given.get("height")))
            yield Attachment("image", _join(base, found), alt=alt, width=size[0], height=size[1])


def _join(base: str, address: str) -> str:
    try:
        return urljoin(base, address)
    except ValueError:
        return address


def _number(value: str | None) -> int | None:
    return int(value) if value and re.fullmatch(r"[0-9]{1,6}", value) else None


# --- metadata ------------------------------------------------------------------------------------------------


def _given(tree: LexborHTMLParser, selector: str) -> str:
    node = tree.css_first(selector)
    if node is None:
        return ""
    given = node.attributes
    return (given.get("content") or given.get("href") or given.get("datetime") or "").strip()


def _canonical(tree: LexborHTMLParser, capture: Capture) -> str:
    """Return the address the page gives itself, if it is of the host the page came from."""
    for selector in ('link[rel~="canonical"]', 'meta[property="og:url"]'):
        address = _web(_join(capture.url, _given(tree, selector)))
        if address and _host(capture.url) in ("", _host(address)):
            return address
    return _web(capture.url)


def _web(address: str) -> str:
    return address if _host(address) and address.startswith(("https://", "http://")) else ""


def _host(address: str) -> str:
    try:
        return (urlsplit(address).hostname or "").removeprefix("www.")
    except ValueError:
        return ""


def _ni(capture: Capture) -> str:
    return f"ni:///sha-256;{capture.sha256}"


def _actor(tree: LexborHTMLParser, chosen: _Chosen, base: str, capture: Capture) -> Actor:
    """Return the author: by the address the page gives, else by the site and a hash of the name."""
    parts = urlsplit(base)
    site = f"{parts.scheme}://{parts.netloc}/" if base else f"{_ni(capture)}#author"
    for selector in _AUTHOR if chosen.author else ():
        given = _given(tree, selector)
        if given and (address := _web(_join(base, given))):
            return Actor(address, chosen.author, url=address)
    if chosen.author:
        digest = hashlib.sha256(chosen.author.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        return Actor(f"{site}#author-{digest}" if base else f"{site}-{digest}", chosen.author)
    return Actor(site, chosen.site, url=site if base else "")


def _date(
    tree: LexborHTMLParser, selectors: tuple[str, ...], fallback: str
) -> tuple[datetime | None, tuple[str, ...]]:
    """Return the first date the page states, and how exact it is."""
    for written in (*(_given(tree, selector) for selector in selectors), fallback):
        try:
            found = datetime.fromisoformat(written)
            if found.tzinfo is not None:
                return found.astimezone(UTC), ()
            exact = "local-time" if len(written) > len("2031-05-04") else "date-only"
            return found.replace(tzinfo=UTC), (exact,)
        except (ValueError, OverflowError):
            continue
    return None, ()


def _langs(tree: LexborHTMLParser) -> tuple[str, ...]:
    node = tree.css_first("html[lang]")
    lang = (node.attributes.get("lang") if node is not None else "") or ""
    return (lang,) if _LANG.fullmatch(lang) else ()


# --- redaction -----------------------------------------------------------------------------------------------


def _redacted(capture: Capture, actors: frozenset[str]) -> bytes:
    tree = html_tree(_markup(capture))
    if tree.css_first("meta[name='clew:redacted']") is not None:
        return capture.body
    post = next(item for item in _article(capture) if isinstance(item, Post))
    if post.attributed_to not in actors:
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
