"""Pages for people: values in, HTML out. Pure; the same bytes for ``serve`` and ``build``.

Links between pages are relative, so a page works at any address and from a folder on disk. Nothing needs a script.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Protocol

from jinja2 import Environment
from markupsafe import Markup

from clew import dates
from clew.book import RULES, environment
from clew.citation import sentence
from clew.config import Site
from clew.discovery import card
from clew.layout import Layout, Person, address, person
from clew.markup import REL
from clew.model import Actor, Complete, Document, Gap, Item, Page, Post, Thread
from clew.pictures import pictures
from clew.text import first_words, key, printable

if TYPE_CHECKING:
    from clew.store import Results

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; media-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
EXAMPLE = "examples/harbour-paste.txt"
_EMBEDDED = ("jpg", "png", "gif", "webp", "avif")
_EMBEDDED_BYTES = 20 * 2**20  # of all pictures in a file that stands alone
GONE = "A thread that is gone"
"""What to call one of which no post is left."""
_NOTHING: Mapping[str, str] = {}
COMPLETE: dict[Complete, str] = {
    "yes": "complete",
    "no": "incomplete",
    "unknown": "completeness unknown",
}


class Entry(Protocol):
    """One line of a table of contents."""

    @property
    def key(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def actor(self) -> Actor: ...
    @property
    def published(self) -> datetime | None: ...
    @property
    def posts(self) -> int: ...
    @property
    def complete(self) -> Complete: ...


def home(site: Site, entries: Sequence[Entry], page: int = 1, pages: int = 1) -> bytes:
    """Return one page of the table of contents; ``page`` counts from 1."""
    root = "./" if page == 1 else "../../"
    return _render(
        "home.html", site, root, entries=entries, page=page, pages=pages, example=EXAMPLE, indexed=site.indexing
    )


def author(
    site: Site,
    actor: Actor,
    entries: Sequence[Entry],
    page: int = 1,
    pages: int = 1,
    others: Sequence[Actor] = (),
) -> bytes:
    """Return one page of the list of an author's threads; ``page`` counts from 1. ``others``: further accounts of
    the same person, with threads in the list."""
    root = "../../" if page == 1 else "../../../../"
    return _render(
        "author.html", site, root, entries=entries, who=person(actor), key=key(actor.id), page=page, pages=pages,
        others=[person(other) for other in others], indexed=site.indexing and bool(entries),
    )  # fmt: skip


def thread(
    site: Site,
    page: Page,
    key: str,
    before: Entry | None = None,
    after: Entry | None = None,
    *,
    listed: bool = False,
) -> bytes:
    """Return a thread as prose. ``before`` and ``after`` are threads of the author's; ``listed``: search engines
    may have it where the site lets them."""
    told = _thread(page, "posted/") | {"before": before, "after": after, "card": list(card(site, page, key))}
    return _render("thread.html", site, "../../", key=key, style="", indexed=site.indexing and listed, **told)


def standalone(page: Page) -> bytes:
    """Return a thread as one HTML file that needs nothing beside it."""
    copies = {digest: copy.data for digest, copy in pictures(page, _EMBEDDED, _EMBEDDED_BYTES).items()}
    told = _thread(page, "", copies)
    return _render("thread.html", Site(), "", key="", style=stylesheet(), before=None, after=None, **told)


def posted(site: Site, page: Page, key: str) -> bytes:
    """Return a thread as it was posted: each post whole, with its counters, date and link."""
    told = _posted(page) | {"card": list(card(site, page, key))}
    return _render("posted.html", site, "../../../", key=key, style="", **told)


def about(site: Site) -> bytes:
    """Return what the site is and whom to ask."""
    return _render("about.html", site, "../", indexed=site.indexing)


def error(site: Site, status: int, sentence: str, root: str = "./") -> bytes:
    """Return the page for something that did not work; ``root`` leads from its address to the home page."""
    return _render("error.html", site, root, status=status, sentence=sentence)


def unroll_form(
    site: Site, error: str = "", told: Mapping[str, str] = _NOTHING, root: str = "../", *, pictures: bool = True
) -> bytes:
    """Return the form for an address, a paste or an upload.

    Args:
        site: where it stands.
        error: what was wrong with the last try.
        told: what was told then: "text", "media", "author", "published".
        root: leads from its address to the home page.
        pictures: whether those of an address can be asked for.
    """
    return _render("unroll.html", site, root, error=error, told=told, pictures=pictures)


class Fetching(Protocol):
    """What the page of a fetch that is not over says of it."""

    url: str
    requests: int


def progress(site: Site, job: Fetching, *, looks: bool = True) -> bytes:
    """Return the page that waits for a fetch. ``looks``: it is sent with the header that looks again by itself."""
    return _render("progress.html", site, "../../", job=job, looks=looks)


def choice(site: Site, token: str, threads: Sequence[Thread], more: bool) -> bytes:
    """Return the form to choose among the threads of an upload, which the server holds under ``token``."""
    found = [_head(Page(_start(thread), thread, Document(thread.id, "", (), ()))) for thread in threads]
    return _render("choice.html", site, "../", token=token, found=found, more=more)


def _start(thread: Thread) -> str:
    return first_words(next((item.content for item in thread.items if isinstance(item, Post)), ""), 120)


def search(site: Site, asked: str, results: Results, odd: Sequence[str], *, searched: bool, later: bool) -> bytes:
    """Return what was found, or how to ask.

    Args:
        site: where it stands.
        asked: the question as it was typed.
        results: threads and passages.
        odd: parts of the question that could not be read.
        searched: whether the question asks for something.
        later: whether these are not the first results.
    """
    told: dict[str, Any] = {"asked": asked, "odd": odd, "searched": searched, "later": later}
    return _render("search.html", site, "../", found=results.found, before=results.before, **told)


@cache
def stylesheet() -> str:
    """Return the one stylesheet."""
    return files("clew").joinpath("static", "style.css").read_text(encoding="utf-8")


# --- what the templates receive ------------------------------------------------------------------------------


def _thread(page: Page, posted: str = "", copies: Mapping[str, str] = _NOTHING) -> dict[str, Any]:
    layout = Layout(page, posted, copies)
    main, branches, asides = layout.sections()
    return _head(page, layout) | {
        "main": main,
        "branches": branches,
        "asides": asides,
        "context": [layout.card(item) for item in page.thread.context],
        "gaps": [_gap_line(layout, gap) for gap in page.thread.certificate.gaps if _is_of_a_post(gap)],
        "up": "",
    }


def _posted(page: Page) -> dict[str, Any]:
    layout = Layout(page)
    thread = page.thread

    def cards(items: Iterable[Item]) -> list[Any]:
        return [layout.card(item) for item in items]

    parts: list[tuple[str, list[Any], list[Any]]] = [("", cards(thread.items), [])]
    parts += [("The author also wrote here", cards(run.items), []) for run in thread.branches]
    parts += [("In answer to others", cards(run.items), cards(run.answered)) for run in thread.asides]
    shown = {"parts": parts, "context": cards(thread.context), "revisions": layout.revisions, "up": "../"}
    return _head(page, layout) | shown


def _head(page: Page, layout: Layout | None = None) -> dict[str, Any]:
    """Return what both views of a thread show: title, author, dates, where it came from."""
    thread = page.thread
    layout = layout or Layout(page)
    posts = [item for item in thread.items if isinstance(item, Post)]
    times = sorted(post.published for post in posts if post.published)
    original = layout.card(posts[0]).href if posts else address(thread.id)
    who = layout.person(thread.attributed_to)
    return {
        "page": page,
        "title": (printable(page.title) or "Untitled thread") if posts else GONE,
        "lang": layout.lang,
        "author": who,
        "author_key": key(thread.attributed_to),
        "dates": dates.span(times[0], times[-1]) if times else "",
        "first": dates.iso(times[0]) if times else "",
        "certificate": thread.certificate,
        "rule": RULES[thread.rule],
        "original": original,
        "citation": _citation(page, who, times, original),
    }


def _citation(page: Page, who: Person, times: Sequence[datetime], original: str) -> str:
    """Return the thread as a reference list would name it."""
    left = any(isinstance(item, Post) for item in page.thread.items)
    when = dates.span(times[0], times[-1]) if times else "undated"
    what = f"“{printable(page.title)}”, {when}" if left else "a thread of which no post is left"
    return sentence(page, who, what, original or page.thread.id)


def _gap_line(layout: Layout, gap: Gap) -> dict[str, Any]:
    return {"words": layout.missing(gap), "here": layout.marks.get(gap.id), "after": layout.marks.get(gap.after)}


def _is_of_a_post(gap: Gap) -> bool:
    """Say whether something is missing there; what could not be looked at stands among the limits."""
    return bool(gap.count) or gap.reason != "limited"


def _render(name: str, site: Site, root: str, *, indexed: bool = False, **values: Any) -> bytes:
    text = _environment().get_template(name).render(site=site, root=root, indexed=indexed, **values)
    return text.encode()


@cache
def _environment() -> Environment:
    env = environment()
    env.filters |= {"printable": printable, "key": key, "day": dates.day}
    env.globals |= {
        "person": person,
        "rel": REL,
        "complete_words": COMPLETE,
        "gone_title": GONE,
        "Markup": Markup,
    }
    return env
