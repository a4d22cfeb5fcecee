"""A page as a book: its text and its back matter as XHTML, and what a catalogue wants to know of it. Pure.

EPUB and PDF are made of these parts; they differ in what stands around them. The markup is well formed as XML and
reads the same as HTML.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from html import unescape
from importlib.resources import files
from typing import Any, NamedTuple
from unicodedata import bidirectional
from uuid import UUID

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from clew import dates
from clew.citation import sentence
from clew.layout import Card, Layout, Mark, Media, Missing, Person, Section, address, missing
from clew.markup import clean, legible, link, safe_href
from clew.model import Item, Page, Post, Rule, Tombstone
from clew.pictures import Picture
from clew.text import first_words, printable
from clew.thread import every_item

RULES: dict[Rule, str] = {
    "longest": "at a fork, the longest line of the author's own replies",
    "oldest": "at a fork, the oldest unbroken line of the author's own replies",
    "all": "every post by the author in the conversation",
}
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[a-z]{4})?(?:-(?:[a-z]{2}|[0-9]{3}))?(?![a-z0-9])", re.IGNORECASE)
_IDS = re.compile(r'(?<= id=")[^"]+')
_MARGIN = re.compile(r'<(a|time) class="[nd]\b.*?</\1>|<[^>]*>', re.DOTALL)
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


class Heading(NamedTuple):
    """A line of a table of contents: ``id`` is that of what it stands over, ``inner`` are the lines below it."""

    title: str
    id: str
    inner: tuple[Heading, ...] = ()


class Source(NamedTuple):
    """Where a post came from: what the text calls it, when it was posted, its address, and those it links to."""

    label: str
    id: str
    when: str
    href: str
    links: tuple[str, ...]


@dataclass(frozen=True)
class Book:
    """A thread made up as a book. ``text`` and ``about`` are XHTML; the rest is plain text."""

    title: str
    author: Person
    lang: str
    """A well-formed language tag; "und" where none is known."""
    identifier: str
    published: str
    """Date or time of the first post, as ISO 8601; empty where none is known."""
    modified: datetime
    """When anything of the thread last changed, as far as it tells; never when this copy was made."""
    original: str
    citation: str
    sentence: str
    """The certificate's."""
    pictures: tuple[Picture, ...]
    described: bool
    """Every picture has a description by its author."""
    contents: tuple[Heading, ...]
    text: Markup
    about: Markup


def book(
    page: Page, pictures: Mapping[str, Picture], src: Callable[[Picture], str], text: str = "", about: str = ""
) -> Book:
    """Return a page made up as a book.

    Args:
        page: what it shows.
        pictures: our copies that it can show, by digest.
        src: the address of such a copy in the book.
        text: name of the file of the text, as the back matter links to it; empty where both are one file.
        about: name of the file of the back matter.
    """
    layout = Layout(page)
    main, branches, asides = layout.sections()
    shown = _Shown(pictures, src)
    head = _head(page, layout)
    body = render(
        "text.xhtml", **head, main=main, branches=branches, asides=asides, picture=shown, about=about,
        context=[layout.card(item) for item in page.thread.context],
    )  # fmt: skip
    back = render("about.xhtml", **head, text=text, gaps=_gaps(page, layout), sources=list(_sources(page, layout)))
    return Book(
        title=head["title"],
        author=head["author"],
        lang=language(layout.lang),
        identifier=identifier(page.thread.id),
        published=head["first"],
        modified=_modified(page),
        original=head["original"],
        citation=head["citation"],
        sentence=page.thread.certificate.sentence,
        pictures=tuple(shown.used.values()),
        described=shown.described,
        contents=tuple(_contents(main, branches, asides, head["title"], set(_IDS.findall(body)))),
        text=Markup(body),  # noqa: S704  what the template escaped
        about=Markup(back),  # noqa: S704
    )


def _head(page: Page, layout: Layout) -> dict[str, Any]:
    """Return what both parts show."""
    thread = page.thread
    posts = [item for item in thread.items if isinstance(item, Post)]
    dated = sorted((post.published, post.labels) for post in posts if post.published)
    times = [time for time, _ in dated]
    original = next((href for post in posts if (href := safe_href(post.url) or address(post.id))), "")
    who = layout.person(thread.attributed_to)
    return {
        "page": page,
        "title": _title(page),
        "author": who,
        "dates": dates.span(times[0], times[-1]) if times else "",
        "first": dates.iso(*dated[0]) if dated else "",
        "original": original,
        "certificate": thread.certificate,
        "rule": RULES[thread.rule],
        "citation": citation(page, who, times, original),
    }


def _gaps(page: Page, layout: Layout) -> list[tuple[Missing, Mark | None]]:
    """Return what is not here, each with the mark of the post it follows."""
    marks = layout.marks
    return [(missing(gap, marks.get(gap.id)), marks.get(gap.after)) for gap in page.thread.certificate.gaps]


def language(tag: str) -> str:
    """Return the part of a language tag that every reader knows (language, script, region), or "und"."""
    match = _LANGUAGE.match(tag)
    return match[0] if match else "und"


def identifier(thread: str) -> str:
    """Return a name for the book that is the same for every copy of the thread."""
    return UUID(bytes=sha256(thread.encode("utf-8", "surrogatepass")).digest()[:16], version=5).urn


def citation(page: Page, who: Person, times: Sequence[datetime], original: str) -> str:
    """Return the thread as a reference list would name it."""
    posted = dates.span(times[0], times[-1]) if times else "undated"
    return sentence(page, who, f"“{_title(page)}”, {posted}", original or printable(page.thread.id))


def render(name: str, **values: Any) -> str:
    """Return a template of the book, filled."""
    return _environment().get_template(f"book/{name}").render(**values)


def style(name: str) -> str:
    """Return a stylesheet of the book."""
    return files("clew").joinpath("templates", "book", name).read_text(encoding="utf-8")


class _Shown:
    """The pictures that a template showed, noted as it asks for them."""

    def __init__(self, pictures: Mapping[str, Picture], src: Callable[[Picture], str]) -> None:
        self._pictures, self._src = pictures, src
        self.used: dict[str, Picture] = {}
        self.described = True

    def __call__(self, media: Media) -> dict[str, Any] | None:
        """Return what ``<img>`` needs, or None where there is no copy that can be shown."""
        found = self._pictures.get(media.src[:64]) if media.type == "image" else None
        if found is None:
            return None
        self.used[found.sha256] = found
        self.described = self.described and bool(media.alt)
        return {"src": self._src(found), "width": found.width, "height": found.height}


def _title(page: Page) -> str:
    return first_words(legible(printable(page.title)), 300) or "Untitled thread"


def _modified(page: Page) -> datetime:
    times = [time for item in every_item(page.thread) for time in _times(item) if time]
    received = [capture.retrieved for capture in page.captures]
    return max(times or received or [_NEVER])


def _times(item: Item) -> tuple[datetime | None, ...]:
    if isinstance(item, Tombstone):
        return item.deleted, item.published
    return item.published, item.updated


def _contents(
    main: Section, branches: Sequence[Section], asides: Sequence[Section], title: str, ids: set[str]
) -> Iterator[Heading]:
    """Yield the lines of the table of contents; each leads to an id that is there."""
    yield Heading(title, "text", tuple(_posts("p", main.items, ids)))
    for number, section in enumerate(branches, 1):
        yield Heading("The author also wrote here", f"b{number}", tuple(_posts(f"b{number}-", section.items, ids)))
    for number, section in enumerate(asides, 1):
        yield Heading("In answer to others", f"a{number}", tuple(_posts(f"a{number}-", section.items, ids)))


def _posts(prefix: str, items: Iterable[Item], ids: set[str]) -> Iterator[Heading]:
    for number, item in enumerate(items, 1):
        if f"{prefix}{number}" in ids:
            words = first_words(legible(printable(item.content)), 60) if isinstance(item, Post) else "not here"
            yield Heading(f"{number}. {words or 'without words'}", f"{prefix}{number}")


def _sources(page: Page, layout: Layout) -> Iterator[Source]:
    """Yield where each post came from: the author's by their numbers, then the others by their authors."""
    thread = page.thread
    lines = [("Post", thread.items)]
    lines += [(f"Branch {number}, post", run.items) for number, run in enumerate(thread.branches, 1)]
    lines += [(f"Answer {number}, post", run.items) for number, run in enumerate(thread.asides, 1)]
    for label, items in lines:
        for number, item in enumerate(items, 1):
            yield _source(item, f"{label} {number}", layout.marks[item.id].id)
    others = (*thread.context, *(item for run in thread.asides for item in run.answered), *thread.quoted)
    for item in others:
        yield _source(item, layout.person(item.attributed_to).name, "")


def _source(item: Item, label: str, id_: str) -> Source:
    if isinstance(item, Tombstone):
        return Source(label, id_, f"not here: {item.reason.replace('_', ' ')}", address(item.id), ())
    when = dates.full(item.published, item.labels) if item.published else "date unknown"
    when += f", edited {dates.full(item.updated)}" if item.updated else ""
    links = dict.fromkeys(safe_href(facet.href) for facet in item.facets)
    return Source(label, id_, when, safe_href(item.url) or address(item.id), tuple(href for href in links if href))


def _broken(html: Markup) -> Markup:
    """Keep the author's line breaks, also where a reader knows no ``white-space``."""
    return html.replace(Markup("\n"), Markup("<br />\n"))


def _direction(shown: str) -> str:
    """Return which way a text runs: that of its first letter. Not every reader finds out by itself."""
    text = unescape(_MARGIN.sub("", shown)) if isinstance(shown, Markup) else shown
    kinds = (bidirectional(sign) for sign in text)
    return "rtl" if next((kind for kind in kinds if kind in ("L", "R", "AL")), "L") != "L" else "ltr"


def environment() -> Environment:
    """Return a template engine that escapes, and knows what every template of ours may say."""
    env = Environment(
        loader=PackageLoader("clew"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        finalize=lambda value: legible(value) if type(value) is str else value,
    )
    env.filters |= {
        "clean": clean, "words": first_words, "iso": dates.iso, "full": dates.full, "count": dates.count,
        "spelled": dates.spelled,
    }  # fmt: skip
    env.tests["missing"] = lambda value: isinstance(value, Missing)
    env.globals["link"] = link
    return env


@cache
def _environment() -> Environment:
    env = environment()
    env.filters |= {"tag": language, "broken": _broken, "way": _direction}
    env.tests["card"] = lambda value: isinstance(value, Card)
    return env
