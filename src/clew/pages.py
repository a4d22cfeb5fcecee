"""Pages for people: values in, HTML out. Pure; the same bytes for ``serve`` and ``build``.

Links between pages are relative, so a page works at any address and from a folder on disk. Nothing needs a script.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any, Protocol

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from clew import dates
from clew.config import Site
from clew.layout import Layout, Missing, Person, missing, person
from clew.markup import REL, clean, legible, link
from clew.model import Actor, Complete, Document, Gap, Item, Page, Post, Rule, Thread
from clew.text import first_words, key, printable

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; media-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
EXAMPLE = "examples/harbour-paste.txt"
RULES: dict[Rule, str] = {
    "longest": "at a fork, the longest line of the author's own replies",
    "oldest": "at a fork, the oldest unbroken line of the author's own replies",
    "all": "every post by the author in the conversation",
}
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
    return _render("home.html", site, root, entries=entries, page=page, pages=pages, example=EXAMPLE)


def author(site: Site, actor: Actor, entries: Sequence[Entry], page: int = 1, pages: int = 1) -> bytes:
    """Return one page of the list of an author's threads; ``page`` counts from 1."""
    root = "../../" if page == 1 else "../../../../"
    return _render(
        "author.html", site, root, entries=entries, who=person(actor), key=key(actor.id), page=page, pages=pages
    )


def thread(site: Site, page: Page, key: str) -> bytes:
    """Return a thread as prose."""
    return _render("thread.html", site, "../../", key=key, style="", **_thread(page))


def standalone(page: Page) -> bytes:
    """Return a thread as one HTML file that needs nothing beside it."""
    return _render("thread.html", Site(), "", key="", style=stylesheet(), **_thread(page))


def posted(site: Site, page: Page, key: str) -> bytes:
    """Return a thread as it was posted: each post whole, with its counters, date and link."""
    return _render("posted.html", site, "../../../", key=key, style="", **_posted(page))


def about(site: Site) -> bytes:
    """Return what the site is and whom to ask."""
    return _render("about.html", site, "../")


def error(site: Site, status: int, sentence: str, root: str = "./") -> bytes:
    """Return the page for something that did not work; ``root`` leads from its address to the home page."""
    return _render("error.html", site, root, status=status, sentence=sentence)


def unroll_form(site: Site, error: str = "", told: Mapping[str, str] = _NOTHING) -> bytes:
    """Return the form for a paste or an upload, with what was wrong with the last try and what was ``told`` then:
    "text", "author", "published"."""
    return _render("unroll.html", site, "../", error=error, told=told)


def choice(site: Site, token: str, threads: Sequence[Thread], more: bool) -> bytes:
    """Return the form to choose among the threads of an upload, which the server holds under ``token``."""
    found = [_head(Page(_start(thread), thread, Document(thread.id, "", (), ()))) for thread in threads]
    return _render("choice.html", site, "../", token=token, found=found, more=more)


def _start(thread: Thread) -> str:
    return first_words(next((item.content for item in thread.items if isinstance(item, Post)), ""), 120)


@cache
def stylesheet() -> str:
    """Return the one stylesheet."""
    return files("clew").joinpath("static", "style.css").read_text(encoding="utf-8")


# --- what the templates receive ------------------------------------------------------------------------------


def _thread(page: Page) -> dict[str, Any]:
    layout = Layout(page)
    main, branches, asides = layout.sections()
    return _head(page, layout) | {
        "main": main,
        "branches": branches,
        "asides": asides,
        "context": [layout.card(item) for item in page.thread.context],
        "gaps": [_gap_line(layout, gap) for gap in page.thread.certificate.gaps],
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
    return _head(page, layout) | {"parts": parts, "context": cards(thread.context), "up": "../"}


def _head(page: Page, layout: Layout | None = None) -> dict[str, Any]:
    """Return what both views of a thread show: title, author, dates, where it came from."""
    thread = page.thread
    layout = layout or Layout(page)
    posts = [item for item in thread.items if isinstance(item, Post)]
    times = sorted(post.published for post in posts if post.published)
    head = posts[0] if posts else None
    original = layout.card(head).href if head else ""
    who = layout.person(thread.attributed_to)
    return {
        "page": page,
        "title": printable(page.title) or "Untitled thread",
        "lang": layout.lang,
        "author": who,
        "author_key": key(thread.attributed_to),
        "dates": dates.span(times[0], times[-1]) if times else "",
        "first": dates.iso(times[0]) if times else "",
        "certificate": thread.certificate,
        "rule": RULES[thread.rule],
        "original": original,
        "citation": _citation(page, who, times, original, head.capture if head else ""),
    }


def _citation(page: Page, who: Person, times: Sequence[datetime], original: str, capture: str) -> str:
    """Return the thread as a reference list would name it."""
    handle = f" (@{who.handle})" if who.handle and who.handle != who.name else ""
    parts = [
        f"{who.name}{handle}, “{printable(page.title)}”",
        dates.span(times[0], times[-1]) if times else "undated",
        original or page.thread.id,
    ]
    line = ", ".join(parts) + "."
    line += f" Copy: {page.base_url}." if page.base_url else ""
    return f"{line} Captured as SHA-256 {capture}." if capture else line


def _gap_line(layout: Layout, gap: Gap) -> dict[str, Any]:
    here = layout.marks.get(gap.id)
    return {"words": missing(gap, here), "here": here, "after": layout.marks.get(gap.after)}


def _render(name: str, site: Site, root: str, **values: Any) -> bytes:
    text = _environment().get_template(name).render(site=site, root=root, **values)
    return text.encode()


@cache
def _environment() -> Environment:
    env = Environment(
        loader=PackageLoader("clew"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        finalize=lambda value: legible(value) if type(value) is str else value,
    )
    env.filters |= {
        "clean": clean, "printable": printable, "words": first_words, "key": key,
        "iso": dates.iso, "day": dates.day, "full": dates.full, "count": dates.count, "spelled": dates.spelled,
    }  # fmt: skip
    env.tests["missing"] = lambda value: isinstance(value, Missing)
    env.globals |= {"link": link, "person": person, "rel": REL, "complete_words": COMPLETE, "Markup": Markup}
    return env
