"""The steps composed, as ``import clew`` offers them: unroll, page, export, and what the store keeps."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from clew.config import Config
from clew.document import stitch, title
from clew.errors import InputError
from clew.evidence import public
from clew.keeping import Finding, Forgotten, check, forget, rebuild, save
from clew.model import Capture, Page, Rule, Thread
from clew.plugins import exporters
from clew.reading import Reading, opened, with_media

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
    media: bool = False,
    config: Config | None = None,
) -> Thread:
    """Return the thread at an address, or in a file, folder, archive, or pasted text.

    Args:
        given: an address ("https://…", "at://…"), a path, or the text itself (anything of more than one line).
        post: id or URL of a post, where the file holds several threads.
        rule: which posts are the main line; see ``clew.thread``.
        author: who wrote a pasted text; "@handle", a name or a URL.
        published: when it was written, as an ISO 8601 date or time.
        media: fetch the pictures of what an address leads to.
        config: how much is read, and how servers are asked.

    Raises:
        InputError: nothing there that Clew can read, or several threads and no ``post``.
        SourceError: a server did not give it, or it is not what it seems to be.
        Refused: its author does not want it to be read this way.
        ThreadError: no such post.
    """
    with opened(given, author=author, published=published, config=config, media=media) as reading:
        return reading.one(post, rule)


def page(thread: Thread, base_url: str = "", captures: Iterable[Capture] = ()) -> Page:
    """Return what exporters and pages take; of ``captures`` those that may be shown, see ``clew.evidence``."""
    received = tuple(captures)
    thread = with_media(thread, received)  # what an archive lists does not look for its pictures
    document = stitch(thread)
    return Page(title(thread, document), thread, document, base_url, public(thread, received))


def export(thread: Thread, form: str, base_url: str = "", captures: Iterable[Capture] = ()) -> bytes:
    """Return a thread as a file: "text", "markdown", "json", "epub", "pdf", or what a plugin adds. ``captures`` are
    what it was derived from, where a format carries evidence or pictures.

    Raises:
        InputError: no such format.
    """
    for exporter in exporters():
        if exporter.name == form:
            return exporter.export(page(thread, base_url, captures))
    raise InputError("No such format", form, f"Take one of: {', '.join(e.name for e in exporters())}")
