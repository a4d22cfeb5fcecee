"""An article: an HTML page, saved or fetched, becomes one post."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import urldefrag

from clew.errors import FetchError, InputError, LoginRequired
from clew.fetch import Client, failed
from clew.model import Actor, Capture, Limit, Post, Tombstone
from clew.plugins import Member, Source
from clew.sources.article import choosing, page, visits

_HTML = re.compile(rb"<(?:!doctype\s+html|html|head|body|article)[\s>]", re.IGNORECASE)
# The exports and previews of Telegram are HTML too, and have a source of their own.
_TELEGRAM = re.compile(
    rb"<div class=\"(?:page_body chat_page|history)\""
    rb"|class=\"(?:[^\"<>]*\s)?tgme_(?:widget_message|channel_history|page)[\s\"]"
)
_ACCEPT = "text/html,application/xhtml+xml;q=0.9,*/*;q=0.1"
_PAGES = ("text/html", "application/xhtml+xml")
_CLOSED = {
    401: "The site shows this to people who are logged in only",
    402: "The site asks to be paid for this",
    403: "The site does not show this to us",
}
_BY_HAND = "Save the page with your browser and give the file"


class Article:
    """One page, one post."""

    name = "article"
    title = "Article"
    formats: tuple[str, ...] = (
        "a saved HTML page with one article (needs the extra “articles”)",
        "the address of an article on the web (needs it too)",
    )
    members: tuple[Member, ...] = ()
    patterns: tuple[str, ...] = (r"https?://\S+\Z",)
    examples: tuple[str, ...] = ("https://lantern.example/2031/05/the-bridge",)

    def fetch(self, url: str, client: Client, known: Sequence[str] = ()) -> str:  # noqa: ARG002
        """Ask for the page: one request, redirects aside; see ``clew.plugins.Source``.

        Raises:
            LoginRequired: for readers who are logged in or pay.
            InputError: not an HTML page; or the extra ``articles`` is not installed.
        """
        address = urldefrag(url).url
        choosing.extractor(address)
        asked = (c for c in client.captures if urldefrag(c.url).url == address and c.status)
        capture = next(asked, None) or client.get(address, accept=_ACCEPT)
        if capture.status >= 400:
            raise _refused(capture)
        if capture.media_type not in _PAGES and not self.sniff(capture):
            kind = capture.media_type or "something without a type"
            raise InputError(f"This is not a web page but {kind}", address, "Give the address of a page with text")
        return address

    def sniff(self, capture: Capture) -> bool:
        """Is it an HTML page, and not one of Telegram's?"""
        start = capture.body[:2048]
        if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            start = start.replace(b"\0", b"")
        if not start.lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n").startswith(b"<"):
            return False
        return bool(_HTML.search(start)) and not _TELEGRAM.search(capture.body)

    def parse(self, captures: Iterable[Capture]) -> Iterator[Actor | Post | Tombstone | Limit]:
        """Yield the author and the article; see ``clew.plugins.Source``.

        Raises:
            InputError: the extra ``articles`` is not installed.
        """
        return visits.told(captures)

    def anchor(self, capture: Capture) -> str:  # noqa: ARG002
        """Return nothing: a page is one post."""
        return ""

    def redact(self, capture: Capture, actors: frozenset[str]) -> bytes:
        """Keep nothing but ids and dates of an article by one of ``actors``; see ``clew.plugins.Source``."""
        return page.redact(capture, actors)


def _refused(capture: Capture) -> FetchError:
    if capture.status in _CLOSED:
        what, status = _CLOSED[capture.status], capture.status
        return LoginRequired(what, capture.url, _BY_HAND, url=capture.url, status=status)
    return failed(capture)


SOURCE: Source = Article()
