"""PDF/UA: the thread as a tagged PDF for paper and for screen readers. Needs the extra ``pdf``."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from html import escape, unescape
from io import BytesIO
from threading import Lock
from typing import Any

from clew import dates
from clew.book import Book, book, render, style
from clew.errors import InputError
from clew.model import Page
from clew.pictures import Picture, pictures
from clew.plugins import Exporter

_KINDS = ("jpg", "png", "gif", "webp", "avif")
_SCHEME = "picture"
_LONGEST = 1_000_000  # characters of markup, some 3,000 posts
_ONE, _TIME = Lock(), "SOURCE_DATE_EPOCH"  # what fontTools looks at
_TAG = re.compile(r"(<[^>]*>)")
_LONG = re.compile(r"\S{100,}")
_SOME = re.compile(r"\S{16,24}?(?=\w)|\S{24}")


class Pdf:
    """A tagged PDF (PDF/UA-1). The same page gives the same bytes where the same fonts are."""

    name = "pdf"
    media_type = "application/pdf"
    suffix = ".pdf"
    wants_captures = True
    built = False
    """It takes seconds, and what not everybody has installed: a site gives it on request."""

    def export(self, page: Page) -> bytes:
        """Return the page. Nothing is read from the network or from disk for it but fonts.

        Raises:
            InputError: the extra ``pdf`` is not installed, or the thread is too long to be laid out.
        """
        _weasyprint()
        shown = {digest: picture for digest, picture in pictures(page, _KINDS).items() if _whole(picture)}
        made = book(page, shown, lambda picture: f"{_SCHEME}:{picture.sha256}")
        with _undated(), _undrawn() as missing:
            exported = _written(made, shown)
            return _written(made, shown, sorted(missing)) if missing else exported


def _written(made: Book, shown: Mapping[str, Picture], missing: Sequence[str] = ()) -> bytes:
    """Return the file; ``missing`` are characters for which it says that it cannot draw them."""
    weasyprint = _weasyprint()
    signs = [f"U+{ord(sign):04X}" for sign in missing]
    text = _breakable(render("print.html", book=made, modified=dates.iso(made.modified), missing=signs))
    if len(text) > _LONGEST:
        raise InputError(
            "The thread is too long for a PDF", made.title, "Take an EPUB, which has no pages to lay out"
        )
    html = weasyprint.HTML(string=text, url_fetcher=_fetcher(shown))
    sheet = weasyprint.CSS(string=style("print.css"), url_fetcher=_fetcher({}))
    name = made.identifier.encode()
    return bytes(html.write_pdf(stylesheets=[sheet], pdf_variant="pdf/ua-1", pdf_identifier=name))


@contextmanager
def _undated() -> Iterator[None]:
    """Keep the time of day out of the fonts that are put into a file. One file at a time: it is set for all."""
    with _ONE:
        before = os.environ.get(_TIME)
        os.environ[_TIME] = "0"
        try:
            yield
        finally:
            if before is None:
                del os.environ[_TIME]
            else:
                os.environ[_TIME] = before


@contextmanager
def _undrawn() -> Iterator[set[str]]:
    """Collect the characters that no font here can draw, of which there is a warning each."""
    found: set[str] = set()

    def noted(record: logging.LogRecord) -> bool:
        if record.msg.startswith(".notdef") and isinstance(record.args, tuple):
            found.add(str(record.args[0]))
            return False
        return True

    log = logging.getLogger("weasyprint")
    log.addFilter(noted)
    try:
        yield found
    finally:
        log.removeFilter(noted)


def _weasyprint() -> Any:
    try:
        import weasyprint
    except ImportError as error:
        raise InputError("A PDF cannot be made yet", "", "Install Clew with its extra: pdf") from error
    except OSError as error:  # it is there, and Pango is not
        raise InputError(
            "A PDF cannot be made without Pango", "", "Install the package libpangoft2-1.0-0 of your system"
        ) from error
    return weasyprint


def _breakable(html: str) -> str:
    """Let a word of a hundred letters and more break anywhere: a layout that has to find out takes minutes."""
    parts = _TAG.split(html)
    parts[::2] = (escape(_LONG.sub(_broken, unescape(part))) for part in parts[::2])
    return "".join(parts)


def _broken(word: re.Match[str]) -> str:
    return _SOME.sub("\\g<0>\u200b", word[0])


def _fetcher(shown: Mapping[str, Picture]) -> Any:
    """Return what gives the page its pictures, and nothing else to anything."""
    from weasyprint.urls import URLFetcher, URLFetcherResponse

    class Ours(URLFetcher):  # type: ignore[misc]
        def fetch(self, url: str, headers: object = None) -> Any:  # noqa: ARG002  as its parent is called
            scheme, _, digest = url.partition(":")
            if scheme != _SCHEME or digest not in shown:
                raise ValueError("not one of ours")
            picture = shown[digest]
            return URLFetcherResponse(url, picture.body, {"Content-Type": picture.media_type})

    return Ours()


def _whole(picture: Picture) -> bool:
    """Can all of it be decoded?"""
    from PIL import Image

    try:
        with Image.open(BytesIO(picture.body)) as image:
            image.load()
    except Exception:  # noqa: BLE001  there are as many as there are ways to break a picture
        return False
    return True


EXPORTER: Exporter = Pdf()
