"""What machines that follow links are told: Open Graph, oEmbed, sitemaps. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

from clew import dates, sharing
from clew.citation import author
from clew.config import Site
from clew.markup import legible, safe_href
from clew.model import Page, Post
from clew.openapi import KEY, Embed
from clew.text import first_words, printable

XML = "application/xml; charset=utf-8"
_SITEMAP = "http://www.sitemaps.org/schemas/sitemap/0.9"
_THREAD = re.compile(rf"/t/({KEY})/?(?:posted/?)?")


class Meta(NamedTuple):
    """One ``<meta>``: of Open Graph by "property", else by "name"."""

    by: str
    key: str
    content: str


def card(site: Site, page: Page, key: str) -> Iterator[Meta]:
    """Yield how a link to a thread's page is shown elsewhere (Open Graph; what X reads beside it)."""
    posts = [item for item in page.thread.items if isinstance(item, Post)]
    times = [post.published for post in posts if post.published]
    who = author(page)
    told = {
        "og:type": "article",
        "og:title": _line(page.title, 200),
        "og:description": description(page),
        "og:site_name": _line(site.title, 60),
        "og:url": f"{site.base_url}/t/{key}/" if site.base_url else "",
        "article:published_time": dates.iso(min(times)) if times else "",
        "article:modified_time": dates.iso(max(times)) if times else "",
        "article:author": who.href,
    }
    yield from (Meta("property", name, value) for name, value in told.items() if value)
    yield Meta("name", "description", description(page))
    yield Meta("name", "author", who.name)
    if sharing.draws(site):
        yield from (
            Meta("property", "og:image", f"{site.base_url}/t/{key}/card.png"),
            Meta("property", "og:image:width", str(sharing.WIDTH)),
            Meta("property", "og:image:height", str(sharing.HEIGHT)),
            Meta("property", "og:image:alt", f"{_line(page.title, 200)} – {who.name}"),
        )
    yield Meta("name", "twitter:card", "summary_large_image" if sharing.draws(site) else "summary")


def description(page: Page) -> str:
    """Return the first words of a thread, or its content warning; where there are none, the certificate."""
    posts = [item for item in page.thread.items if isinstance(item, Post)]
    words = page.document.text if posts else ""
    if posts and posts[0].summary:
        words = f"Content warning: {posts[0].summary}"
    elif any(map(_hides, posts)):  # the text runs on into what stands under it
        words = "" if _hides(posts[0]) else posts[0].content
    return _line(words, 300) or _line(page.thread.certificate.sentence, 300)


def _hides(post: Post) -> bool:
    return bool(post.summary) or any(facet.type == "spoiler" for facet in post.facets)


def oembed(site: Site, page: Page) -> Embed:
    """Return a link to a thread's page as oEmbed tells it."""
    who = author(page)
    return Embed(
        "1.0",
        "link",
        _line(page.title, 200) or "Untitled thread",
        legible(who.name),
        _line(site.title, 60) or "Clew",
        who.href,
        f"{site.base_url}/" if site.base_url else "",
    )


def thread_at(site: Site, address: str, host: str = "") -> str:
    """Return the key of the thread whose page is at ``address``; empty where that is not on this site. ``host`` is
    what the site was called by, for one that does not know its own address."""
    own = site.base_url or f"http://{host}"
    try:
        given, base = urlsplit(address), urlsplit(own)
        same = given.hostname == base.hostname and given.port == base.port
    except ValueError:
        return ""
    if given.scheme not in ("http", "https") or not same or not given.path.startswith(base.path):
        return ""
    match = _THREAD.fullmatch(given.path[len(base.path) :])
    return match[1] if match else ""


def sitemap(pages: Iterable[tuple[str, datetime]]) -> bytes:
    """Return a sitemap of pages: the address of each, and when it last changed."""
    return _listed("urlset", "url", pages)


def sitemap_index(addresses: Iterable[str]) -> bytes:
    """Return the list of the sitemaps of a site."""
    return _listed("sitemapindex", "sitemap", ((address, None) for address in addresses))


def _listed(whole: str, one: str, rows: Iterable[tuple[str, datetime | None]]) -> bytes:
    root = ET.Element(whole, {"xmlns": _SITEMAP})
    for address, changed in rows:
        node = ET.SubElement(root, one)
        ET.SubElement(node, "loc").text = safe_href(address)
        if changed:
            ET.SubElement(node, "lastmod").text = dates.iso(changed)
    ET.indent(root, "")
    return bytes(ET.tostring(root, "utf-8", xml_declaration=True)) + b"\n"


def _line(text: str, width: int) -> str:
    return first_words(legible(printable(text)), width)
