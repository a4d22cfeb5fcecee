"""EPUB 3: the thread as an e-book, with our copies of its pictures."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from io import BytesIO

from markupsafe import Markup

from clew import dates
from clew.book import Book, book, render, style
from clew.model import Page
from clew.pictures import pictures
from clew.plugins import Exporter

_CONTAINER = """<?xml version="1.0" encoding="utf-8"?>
<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container" version="1.0">
<rootfiles><rootfile full-path="EPUB/package.opf" media-type="application/oebps-package+xml" /></rootfiles>
</container>
"""
_RIGHT_TO_LEFT = frozenset("ar arc ckb dv fa he ks ps sd ug ur yi".split())
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first that a ZIP file can tell


class Epub:
    """An e-book of two chapters: the text, and what there is to know about it."""

    name = "epub"
    media_type = "application/epub+zip"
    suffix = ".epub"
    wants_captures = True

    def export(self, page: Page) -> bytes:
        """Return the page; what an e-book cannot hold (films, sound, AVIF) is described and linked."""
        made = book(
            page, pictures(page), lambda p: f"images/{p.sha256}.{p.extension}", "thread.xhtml", "about.xhtml"
        )
        held = BytesIO()
        with zipfile.ZipFile(held, "w") as archive:
            archive.writestr(zipfile.ZipInfo("mimetype", _EPOCH), self.media_type)  # first, and not compressed
            for name, body in sorted(_files(made)):
                info = zipfile.ZipInfo(name, _EPOCH)
                info.external_attr = 0o644 << 16
                archive.writestr(info, body, zipfile.ZIP_DEFLATED, 9)
        return held.getvalue()


def _files(made: Book) -> Iterator[tuple[str, bytes]]:
    direction = "rtl" if made.lang.partition("-")[0].lower() in _RIGHT_TO_LEFT else "ltr"
    opf = render(
        "package.opf", book=made, modified=dates.iso(made.modified), direction=direction, summary=_summary(made)
    )
    contents = Markup(render("nav.xhtml", book=made))  # noqa: S704  what the template escaped
    yield "META-INF/container.xml", _CONTAINER.encode()
    yield "EPUB/package.opf", opf.encode()
    yield "EPUB/nav.xhtml", _chapter(made, contents, "frontmatter")
    yield "EPUB/thread.xhtml", _chapter(made, made.text, "bodymatter")
    yield "EPUB/about.xhtml", _chapter(made, made.about, "backmatter")
    yield "EPUB/style.css", style("epub.css").encode()
    yield from ((f"EPUB/images/{p.sha256}.{p.extension}", p.body) for p in made.pictures)


def _chapter(made: Book, body: Markup, kind: str) -> bytes:
    return render("page.xhtml", lang=made.lang, title=made.title, type=kind, body=body).encode()


def _summary(made: Book) -> str:
    if not made.pictures:
        return "Text only, with a table of contents that leads to every post."
    described = "All pictures have" if made.described else "Not all pictures have"
    return f"A table of contents leads to every post. {described} a description by their author."


EXPORTER: Exporter = Epub()
