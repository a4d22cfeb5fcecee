"""What the pages that one address gave over time tell together. Pure, and the same for any order of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from urllib.parse import urldefrag, urlsplit

import msgspec

from clew.errors import ParseError
from clew.model import Capture, Limit, Post, Tombstone, Version
from clew.sources.article import page
from clew.sources.article.metadata import host
from clew.sources.article.page import Told

_GONE = (404, 410)


def told(captures: Iterable[Capture]) -> Iterator[Told]:
    """Yield the articles of pages, saved or fetched.

    Raises:
        ParseError: a page holds none, and no earlier or later one of the same address does.
    """
    visits: dict[str, list[Capture]] = defaultdict(list)
    for capture in captures:
        if capture.url:
            visits[urldefrag(capture.url).url].append(capture)
        else:
            yield from page.read(capture)
    for url in sorted(visits):
        yield from _told(url, sorted(visits[url], key=lambda c: (c.retrieved, c.sha256)))


def _told(url: str, captures: list[Capture]) -> Iterator[Told]:
    read: list[tuple[Capture, list[Told]]] = []
    problems: list[tuple[Capture, str]] = []
    broken: ParseError | None = None
    for capture in captures:
        problem = _problem(capture, read[0][0] if read else capture)
        try:
            if not problem:
                read.append((capture, page.read(capture)))
        except ParseError as error:
            broken, problem = error, error.what
        if problem:
            problems.append((capture, problem))
    if broken is not None and not read and len(problems) == len(captures):
        raise broken
    last = read[-1][0] if read else None
    yield from _merged(read, problems)
    if last is not None and problems and problems[-1][0].retrieved > last.retrieved:
        capture, problem = problems[-1]
        if capture.status not in _GONE:
            yield Limit(f"The page could not be read again: {problem}")
    if last is None and (gone := [c for c, _ in problems if c.status in _GONE]):
        yield _tombstone(url, gone[-1])


def _merged(read: list[tuple[Capture, list[Told]]], problems: list[tuple[Capture, str]]) -> Iterator[Told]:
    """Yield the article as it was read last, with its other texts; or that it is gone since."""
    if not read:
        return
    last, latest = read[-1]
    earlier = [item for _, items in read[:-1] for item in items]
    gone = [c for c, _ in problems if c.status in _GONE and c.retrieved > last.retrieved]
    yield from (item for item in earlier if isinstance(item, Tombstone))
    for item in latest:
        if not isinstance(item, Post):
            yield item
        elif gone:
            yield _tombstone(item.id, gone[-1], item)
        else:
            posts = [post for post in earlier if isinstance(post, Post)]
            yield msgspec.structs.replace(item, versions=_versions(item, posts))


def _versions(latest: Post, posts: list[Post]) -> tuple[Version, ...]:
    texts = {post.content: post for post in reversed(posts) if post.content != latest.content}
    return tuple(Version(p.content, p.updated or p.published) for p in reversed(texts.values()))


def _tombstone(id_: str, gone: Capture, post: Post | None = None) -> Tombstone:
    return Tombstone(
        id_,
        attributed_to=post.attributed_to if post else "",
        published=post.published if post else None,
        evidence=f"the site answers {gone.status}: there is nothing at this address",
        checked=gone.retrieved,
    )


def _problem(capture: Capture, first: Capture) -> str:
    """Return why an answer is not the page, as a sentence without its full stop; empty where it may be."""
    if failure := capture.headers.get("clew-failure", ""):
        return failure
    if capture.status >= 400:
        return f"the site answered {capture.status}"
    if not capture.location:
        return ""
    if urlsplit(capture.location).path in ("", "/") and urlsplit(capture.url).path not in ("", "/"):
        return "the site leads to its front page instead"
    came_from = host(first.location or first.url)
    return "" if host(capture.location) == came_from else f"it leads to {host(capture.location)} instead"
