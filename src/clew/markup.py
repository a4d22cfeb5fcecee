"""Text and its facets as safe HTML: the one place where remote text meets markup. Pure.

Everything is escaped. Only links to web pages and mail addresses become links. Characters that HTML forbids are
shown as U+FFFD. Nothing is stored from here.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from itertools import groupby, pairwise
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from markupsafe import Markup, escape

from clew.model import Facet, FacetType, Post

REL = "nofollow noreferrer noopener ugc"
_LINKED = frozenset({"link", "mention", "tag", "media", "quote"})
_TAGS: dict[FacetType, str] = {
    "strong": "strong", "emphasis": "em", "underline": "u", "strike": "s", "code": "code",
}  # fmt: skip
_FORBIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff"
    + "".join(chr(plane << 16 | low) for plane in range(1, 17) for low in (0xFFFE, 0xFFFF))
    + "]"
)
_SINGLE = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORDS = re.compile(rf"\s+|[{_SINGLE}][^\s\w]*\s*|[^\s{_SINGLE}]+\s*")  # where nothing parts words: each character
_REORDERS = re.compile("[\u202a-\u202e\u2066-\u2069]")
_UNSAFE = re.compile(rf"[\s\"<>\\^`{{|}}\[\]]|{_FORBIDDEN.pattern}|{_REORDERS.pattern}")


def legible(text: str) -> str:
    """Replace the characters that HTML cannot hold."""
    return _FORBIDDEN.sub("\ufffd", text)


def clean(text: str) -> Markup:
    """Escape ``text``; keep it from reordering what stands around it."""
    escaped = escape(legible(text))
    return Markup("<bdi>{}</bdi>").format(escaped) if _REORDERS.search(text) else escaped


def safe_href(href: str) -> str:
    """Return ``href`` as a valid address of a web page or a mailbox; empty where it is anything else."""
    if href[:7].lower() == "mailto:":
        return "mailto:" + quote(href[7:], safe="@.+-_%?=&;,!~")
    try:
        parts = urlsplit(href)
        if parts.scheme not in ("http", "https") or not parts.hostname or _UNSAFE.search(parts.netloc):
            return ""
        _ = parts.port
    except ValueError:
        return ""
    rest = href[href.index("//") + 2 + len(parts.netloc) :]
    rest = re.sub(r"%(?![0-9A-Fa-f]{2})", "%25", rest)
    rest = _UNSAFE.sub(lambda match: quote(match[0], safe="", errors="replace"), rest)
    path, hash_, fragment = rest.partition("#")
    return f"{parts.scheme}://{parts.netloc}{path}{hash_}{fragment.replace('#', '%23')}"


def link(href: str, label: Markup | str) -> Markup:
    """Return a link to another site, or just the label where ``href`` is not safe."""
    target = safe_href(href)
    if not target:
        return escape(label)
    return Markup('<a href="{}" rel="{}">{}</a>').format(target, REL, label)


class _Piece(NamedTuple):
    """A stretch of a post's text with the same marks throughout."""

    start: int
    end: int
    marks: frozenset[FacetType]
    link: Facet | None


class Inline:
    """A post's text, ready to be shown in slices. Cost: facets once, then only the slice."""

    def __init__(self, post: Post) -> None:
        self._text = post.content
        self._pieces = tuple(_pieces(post.facets, len(post.content)))
        self._starts = [piece.start for piece in self._pieces]

    def html(self, start: int, end: int) -> Markup:
        """Return ``content[start:end]`` with its links and marks."""
        pieces = self._within(start, end)
        runs = groupby(pieces, key=lambda piece: piece.link)
        return Markup("").join(self._run(facet, run) for facet, run in runs)

    def _within(self, start: int, end: int) -> Iterator[_Piece]:
        first, last = max(0, bisect_right(self._starts, start) - 1), bisect_left(self._starts, end)
        for piece in self._pieces[first:last]:
            if piece.end > start:
                yield piece._replace(start=max(start, piece.start), end=min(end, piece.end))

    def _run(self, facet: Facet | None, run: Iterable[_Piece]) -> Markup:
        if facet and facet.label:
            shown = clean(facet.label)
        else:
            shown = Markup("").join(
                _marked(clean(self._text[p.start : p.end]), p.marks, linked=facet is not None) for p in run
            )
        return link(facet.href, shown) if facet else shown


def compared(before: str, after: str, most: int) -> tuple[Markup, Markup, int]:
    """Return two versions of a text: the first with the words that left it marked, the second with those that came.

    Args:
        before: the earlier text.
        after: the one that followed.
        most: pairs of words that may be compared. Where it takes more, all between the first and the last change
            counts as changed.

    Returns:
        Both in full, and how many pairs were compared.
    """
    old, new = _WORDS.findall(before), _WORDS.findall(after)
    was, now = [word.strip() for word in old], [word.strip() for word in new]
    start = _shared(was, now)
    end = _shared(was[start:][::-1], now[start:][::-1])
    a, b = was[start : len(was) - end], now[start : len(now) - end]
    cost = len(a) * len(b)
    if cost <= most:
        same = [(i + start, j + start, n) for i, j, n in SequenceMatcher(None, a, b).get_matching_blocks() if n]
    else:
        same, cost = [], 0
    same = [(0, 0, start), *same, (len(was) - end, len(now) - end, end)]
    return (
        _changed(old, [(i, n) for i, _, n in same], "del"),
        _changed(new, [(j, n) for _, j, n in same], "ins"),
        cost,
    )


def _shared(one: Sequence[str], other: Sequence[str]) -> int:
    """Return how many words both begin with."""
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _changed(words: Sequence[str], same: Iterable[tuple[int, int]], tag: str) -> Markup:
    """Return words, marked where they do not stand in a stretch (start, length) that is the same."""
    parts, at = list[Markup](), 0
    for start, length in same:
        if gone := "".join(words[at:start]):
            bare = gone.rstrip()
            parts.append(Markup("<{0}>{1}</{0}>{2}").format(tag, clean(bare), clean(gone[len(bare) :])))
        at = start + length
        parts.append(clean("".join(words[start:at])))
    return Markup("").join(parts)


def _marked(shown: Markup, marks: frozenset[FacetType], *, linked: bool) -> Markup:
    for name, tag in _TAGS.items():
        if name in marks:
            shown = Markup("<{0}>{1}</{0}>").format(tag, shown)
    if "spoiler" in marks:
        focus = Markup("") if linked else Markup(' tabindex="0"')  # a link takes the focus itself
        shown = Markup('<span class="spoiler"{}>{}</span>').format(focus, shown)
    return shown


def _pieces(facets: Iterable[Facet], length: int) -> Iterator[_Piece]:
    """Cut the text wherever a facet starts or ends. Where links overlap, the one that started last holds."""
    usable = [f for f in facets if 0 <= f.start < f.end <= length and _shows(f)]
    opening, closing = _by(usable, "start"), _by(usable, "end")
    marks: dict[FacetType, int] = {}
    links: dict[int, Facet] = {}  # by identity, in order of start: removal must stay cheap
    for here, there in pairwise(sorted({0, length, *opening, *closing})):
        for facet in closing.get(here, ()):
            if facet.type in _LINKED:
                del links[id(facet)]
            else:
                marks[facet.type] -= 1
        for facet in opening.get(here, ()):
            if facet.type in _LINKED:
                links[id(facet)] = facet
            else:
                marks[facet.type] = marks.get(facet.type, 0) + 1
        active = frozenset(name for name, count in marks.items() if count)
        yield _Piece(here, there, active, next(reversed(links.values()), None))


def _shows(facet: Facet) -> bool:
    if facet.type in _LINKED:
        return bool(facet.href)
    return facet.type in _TAGS or facet.type == "spoiler"


def _by(facets: Iterable[Facet], field: str) -> dict[int, list[Facet]]:
    table: dict[int, list[Facet]] = {}
    for facet in facets:
        table.setdefault(getattr(facet, field), []).append(facet)
    return table
