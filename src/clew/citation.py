"""A thread as a reference list names it: what is cited, as BibTeX and as CSL-JSON. Pure."""

from __future__ import annotations

import json
import re
from datetime import UTC
from typing import Any, NamedTuple

from clew import dates
from clew.layout import Person, address, person
from clew.markup import legible, safe_href
from clew.model import Actor, Page, Post
from clew.text import first_words, key, printable

_TEX = {char: f"\\{char}" for char in "$&%#_"} | {
    "\\": r"\textbackslash{}", "{": r"\textbraceleft{}", "}": r"\textbraceright{}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
}  # fmt: skip

_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()


class Cited(NamedTuple):
    """What a reference names; empty where nothing tells."""

    id: str
    """Short name, ASCII letters and digits."""
    author: str
    handle: str
    title: str
    date: str
    """When it was begun: an ISO 8601 date, of UTC."""
    url: str
    """The original's address, or its id where it has none."""
    copy: str
    """Address of the page here."""
    posts: int
    capture: str
    """Hex SHA-256 of what the first post was received in."""


def cited(page: Page) -> Cited:
    """Return what a reference to the page names."""
    thread = page.thread
    posts = [item for item in thread.items if isinstance(item, Post)]
    who = author(page)
    times = [post.published.astimezone(UTC) for post in posts if post.published]
    date = dates.iso(min(times))[:10] if times else ""
    original = next((href for post in posts if (href := safe_href(post.url) or address(post.id))), "")
    slug = re.sub(r"[^a-z0-9]", "", (who.handle or who.name).lower())[:20]
    return Cited(
        f"{slug}{date[:4]}{key(thread.id)[:6]}",
        _line(who.name),
        _line(who.handle),
        _line(page.title) or "Untitled thread",
        date,
        original or _line(thread.id),
        page.base_url,
        thread.certificate.found,
        posts[0].capture if posts else "",
    )


def sentence(page: Page, who: Person, what: str, original: str) -> str:
    """Return a line of a reference list: who, ``what`` (title and date), where, our copy, and what was received."""
    handle = f" (@{who.handle})" if who.handle and who.handle != who.name else ""
    capture = next((item.capture for item in page.thread.items if isinstance(item, Post)), "")
    line = f"{who.name}{handle}, {what}, {original}."
    line += f" Copy: {page.base_url}." if page.base_url else ""
    return f"{line} Captured as SHA-256 {capture}." if capture else line


def author(page: Page) -> Person:
    """Return who wrote a thread, as shown."""
    id_ = page.thread.attributed_to
    return person(next((actor for actor in page.thread.actors if actor.id == id_), Actor(id_)))


def bibtex(page: Page) -> bytes:
    """Return an entry that BibTeX, biblatex and reference managers read."""
    ref = cited(page)
    year, _, rest = ref.date.partition("-")
    fields = {
        "author": f"{{{_tex(_named(ref))}}}",  # the inner braces: one name, whatever is in it
        "title": f"{{{_tex(ref.title)}}}",
        "year": year,
        "howpublished": _tex(
            f"Thread of {dates.count(ref.posts, 'post')}, begun {ref.date or 'at an unknown date'}"
        ),
        "url": ref.url if safe_href(ref.url) else "",
        "note": _tex(_note(ref)),
    }
    lines = "".join(f"  {name} = {{{value}}},\n" for name, value in fields.items() if value)
    lines += f"  month = {_MONTHS[int(rest[:2]) - 1]},\n" if rest else ""  # a macro: each style has its own words
    return f"@misc{{{ref.id},\n{lines}}}\n".encode("utf-8", "replace")


def csl(page: Page) -> bytes:
    """Return a list of one item as citation processors take it."""
    ref = cited(page)
    item: dict[str, Any] = {
        "id": ref.id,
        "type": "post",
        "author": [{"literal": _named(ref)}],
        "title": ref.title,
        "issued": {"date-parts": [[int(part) for part in ref.date.split("-")]]} if ref.date else None,
        "genre": "Thread",
        "URL": ref.url if safe_href(ref.url) else ref.copy,
        "archive_location": ref.copy,
        "note": _note(ref),
    }
    told = {name: value for name, value in item.items() if value}
    return json.dumps([told], ensure_ascii=False, indent=1).encode("utf-8", "replace") + b"\n"


def _named(ref: Cited) -> str:
    return f"{ref.author} (@{ref.handle})" if ref.handle and ref.handle != ref.author else ref.author


def _note(ref: Cited) -> str:
    parts = [
        "" if safe_href(ref.url) else f"Posted as {ref.url}.",
        f"Copy: {ref.copy}." if ref.copy else "",
        f"Captured as SHA-256 {ref.capture}." if ref.capture else "",
    ]
    return " ".join(filter(None, parts))


def _line(text: str) -> str:
    return first_words(legible(printable(text)), 300)


def _tex(text: str) -> str:
    return "".join(_TEX.get(char, char) for char in text)
