"""The steps composed, as ``import clew`` offers them: unroll, page, export, and what the store keeps."""

from __future__ import annotations

from pathlib import Path

from clew.config import Limits
from clew.document import stitch, title
from clew.errors import InputError
from clew.keeping import Finding, Forgotten, check, forget, rebuild, save
from clew.model import Page, Rule, Thread
from clew.plugins import exporters
from clew.reading import Reading, opened

__all__ = [
    "Finding",
    "Forgotten",
    "Reading",
    "check",
    "export",
    "forget",
    "opened",
    "page",
    "rebuild",
    "save",
    "unroll",
]


def unroll(
    given: str | Path,
    *,
    post: str = "",
    rule: Rule = "longest",
    author: str = "",
    published: str = "",
    limits: Limits | None = None,
) -> Thread:
    """Return the thread in a file, folder, archive, or pasted text.

    Args:
        given: a path, or the text itself (anything of more than one line).
        post: id or URL of a post, where the file holds several threads.
        rule: which posts are the main line; see ``clew.thread``.
        author: who wrote a pasted text; "@handle", a name or a URL.
        published: when it was written, as an ISO 8601 date or time.
        limits: how much is read.

    Raises:
        InputError: nothing there that Clew can read, or several threads and no ``post``.
        ParseError: it is not what it seems to be.
        ThreadError: no such post.
    """
    with opened(given, author=author, published=published, limits=limits) as reading:
        return reading.one(post, rule)


def page(thread: Thread, base_url: str = "") -> Page:
    """Return what exporters and pages take."""
    document = stitch(thread)
    return Page(title(thread, document), thread, document, base_url)


def export(thread: Thread, form: str, base_url: str = "") -> bytes:
    """Return a thread as a file: "text", "markdown", "json", or what a plugin adds.

    Raises:
        InputError: no such format.
    """
    for exporter in exporters():
        if exporter.name == form:
            return exporter.export(page(thread, base_url))
    raise InputError("No such format", form, f"Take one of: {', '.join(e.name for e in exporters())}")
