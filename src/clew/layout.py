"""A thread laid out for reading: blocks with the numbers of their posts, and what stands between them. Pure.

A section is the main line, a branch or an aside: folds (a content warning, or none) of groups (a list, a block
quote, or single pieces) of pieces.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby, pairwise
from typing import Literal

import msgspec
from markupsafe import Markup

from clew import dates
from clew.markup import Inline, clean, compared, safe_href
from clew.model import (
    Actor,
    Attachment,
    Block,
    Gap,
    Item,
    Page,
    Post,
    Reason,
    Run,
    Span,
    Tombstone,
    Version,
)
from clew.text import first_words, printable

Kind = Literal["paragraph", "blockquote", "item", "heading", "pre", "after", "gap", "pause"]

REASONS: dict[Reason, str] = {
    "deleted": "deleted",
    "unavailable": "unavailable",
    "blocked": "blocked",
    "private": "not public",
    "limited": "beyond a limit of the platform",
    "not_federated": "unknown to the server that was asked",
    "counter": "the numbers in the text jump",
    "forgotten": "removed at the author's request",
}
MEDIA_TYPES = {
    "image/jpeg": "jpg", "image/png": "png", "image/gif": "gif", "image/webp": "webp", "image/avif": "avif",
    "video/mp4": "mp4", "video/webm": "webm", "audio/mpeg": "mp3", "audio/mp4": "m4a", "audio/ogg": "ogg",
}  # fmt: skip
"""What a page may load, with the end of its file's name. No SVG: it can hold a script."""
_COMPARED = 1_000_000  # pairs of words of earlier versions, on one page
_EMPTY = Markup()
_NONE: Mapping[str, str] = {}
_AT_POST = re.compile(r"at://(did:[a-z]+:[\w.:%-]+)/app\.bsky\.feed\.post/([\w.~:-]+)", re.ASCII)
_BULLETS = frozenset("•◦‣⁃∙▪▫■□▸►▶◽◾◻◼·*-–—✓✔✅❌➡👉0123456789([")


@dataclass(frozen=True)
class Person:
    """An actor as shown. ``href`` is the profile on the platform, if it is a safe address."""

    id: str
    name: str
    handle: str = ""
    href: str = ""


@dataclass(frozen=True)
class Mark:
    """The number of a post in its section, and the id of its permalink. ``new_day``: the first on its date."""

    number: int
    id: str
    new_day: bool = False


@dataclass(frozen=True)
class Media:
    """An attachment as shown. ``src`` is our copy under ``media/``, ``data`` the copy itself in a page that stands
    alone; ``href`` the original."""

    type: str
    src: str
    href: str
    alt: str | None
    name: str
    summary: str
    width: int | None
    height: int | None
    data: str = ""


@dataclass(frozen=True)
class Missing:
    """A post that is not here, in words."""

    reason: str
    sentence: str
    evidence: str
    href: str = ""
    mark: Mark | None = None


@dataclass(frozen=True)
class Card:
    """A post as posted, with all that hangs on it."""

    post: Post
    author: Person
    html: Markup
    href: str
    lang: str
    media: tuple[Media, ...]
    mark: Mark | None = None
    quote: Card | None = None
    quote_href: str = ""
    embedded: tuple[Card, ...] = ()
    """Of an article: the posts that stand in it, as they were posted."""


@dataclass(frozen=True)
class Revision:
    """An edit: a text of a post, and the one that followed, each with the words that changed marked. ``warnings``
    are the content warnings of both, ``times`` when they were written."""

    texts: tuple[Markup, Markup]
    warnings: tuple[str, str]
    times: tuple[datetime | None, datetime | None]


@dataclass(frozen=True)
class Piece:
    """One thing in the column. ``bare``: the post of ``card`` has no prose, so ``html`` is its number."""

    kind: Kind
    html: Markup = _EMPTY
    lang: str | None = None
    warning: str = ""
    card: Card | None = None
    missing: Missing | None = None
    bare: bool = False
    bullet: bool = False
    """A list item that brings its own bullet or number."""


@dataclass(frozen=True)
class Group:
    """Pieces of one list or block quote; of any other kind a group holds one piece."""

    kind: Kind
    pieces: tuple[Piece, ...]


@dataclass(frozen=True)
class Fold:
    """What stands under one content warning; the empty warning is no fold."""

    warning: str
    groups: tuple[Group, ...]


@dataclass(frozen=True)
class Section:
    """The main line, a branch or an aside. ``answered`` are the other authors' posts it replies to."""

    folds: tuple[Fold, ...]
    items: tuple[Item, ...]
    after: Mark | None = None
    answered: tuple[Card | Missing, ...] = ()


class Layout:
    """Everything of one page that is drawn from its thread and document.

    Args:
        page: what is shown.
        posted: address of the same thread as posted, relative to the page; empty where there is none.
        copies: ``data:`` addresses of pictures by digest, for a page that stands alone.
    """

    def __init__(self, page: Page, posted: str = "", copies: Mapping[str, str] = _NONE) -> None:
        self.page, self._as_posted, self._copies = page, posted, copies
        self.lang = main_lang(page.thread.items)
        self._people = {actor.id: person(actor) for actor in page.thread.actors}
        self._quoted = {post.id: post for post in page.thread.quoted}
        self._spans = sorted((s for s in page.document.spans if s.start < s.end), key=lambda s: s.start)
        self._starts = [span.start for span in self._spans]
        self._inlines: dict[str, Inline] = {}
        self.marks = _marks(page)
        self._posts = {item.id: item for item in _everything(page) if isinstance(item, Post)}
        self._stones = {item.id: item for item in _everything(page) if isinstance(item, Tombstone)}
        self._begun: set[str] = set()
        self._left = _COMPARED

    def sections(self) -> tuple[Section, list[Section], list[Section]]:
        """Return the main line, the branches and the asides."""
        thread = self.page.thread
        self._begun.clear()
        main = Section(self._folds("", thread.items, thread.certificate.gaps), thread.items)
        return main, [self._run(run) for run in thread.branches], [self._run(run) for run in thread.asides]

    def _run(self, run: Run) -> Section:
        return Section(
            self._folds(run.items[0].id if run.items else "", run.items, ()),
            run.items,
            self.marks.get(run.in_reply_to),
            tuple(self.card(item) for item in run.answered),
        )

    # --- one post ------------------------------------------------------------------------------------------

    def person(self, actor: str) -> Person:
        """Return who has this id."""
        return self._people.get(actor) or Person(actor, "Unknown author")

    def card(self, item: Item, *, nested: bool = False) -> Card | Missing:
        """Return a post as posted, or the words for its absence. A quote in a quote is only linked."""
        mark = self.marks.get(item.id)
        if isinstance(item, Tombstone):
            return missing(item, mark)
        quote = item.quote
        quoted = self._quoted.get(quote.id) if quote and quote.state == "accepted" and not nested else None
        inner = self.card(quoted, nested=True) if quoted else None
        return Card(
            item,
            self.person(item.attributed_to),
            self._inline(item).html(0, len(item.content)),
            safe_href(item.url) or address(item.id),
            lang_of(item),
            tuple(_media(attachment, self._copies) for attachment in item.attachments),
            mark,
            inner if isinstance(inner, Card) else None,
            (safe_href(quote.url) or address(quote.id)) if quote else "",
            tuple(self._embedded(item)) if item.generator and not nested else (),
        )

    def _embedded(self, article: Post) -> Iterator[Card]:
        for post in self.page.thread.quoted:
            card = self.card(post, nested=True)
            if isinstance(card, Card) and (article.quote is None or article.quote.id != post.id):
                yield card

    def missing(self, gap: Gap) -> Missing:
        """Return a gap in words: those of the post's tombstone, where it has one."""
        mark = self.marks.get(gap.id)
        stone = self._stones.get(gap.id)
        return missing(msgspec.structs.replace(stone, evidence=gap.evidence) if stone else gap, mark)

    def revisions(self, post: Post) -> Iterator[Revision]:
        """Yield the edits of a post, the first first."""
        for a, b in pairwise([*post.versions, Version(post.content, post.updated, post.summary)]):
            before, after, cost = compared(a.content, b.content, self._left)
            self._left -= cost
            yield Revision((before, after), (a.summary, b.summary), (a.updated, b.updated))

    def _inline(self, post: Post) -> Inline:
        if post.id not in self._inlines:
            self._inlines[post.id] = Inline(post)
        return self._inlines[post.id]

    # --- the column ----------------------------------------------------------------------------------------

    def _folds(self, part: str, items: Sequence[Item], gaps: Sequence[Gap]) -> tuple[Fold, ...]:
        pieces = self._pieces(part, items, gaps)
        folds = ((warning, _groups(run)) for warning, run in groupby(pieces, key=lambda p: p.warning))
        return tuple(Fold(warning, tuple(groups)) for warning, groups in folds)

    def _pieces(self, part: str, items: Sequence[Item], gaps: Sequence[Gap]) -> Iterator[Piece]:
        blocks = [block for block in self.page.document.blocks if block.part == part]
        pauses = _pauses(items)
        after = self._after(blocks, items, gaps, pauses)
        yield from after.get(-1, ())
        for index, block in enumerate(blocks):
            first = next(self._within(block), None)
            if first and first.source not in self._begun and first.source in pauses:
                yield pauses[first.source]
            yield self._block(block)
            yield from after.get(index, ())

    def _after(
        self, blocks: Sequence[Block], items: Sequence[Item], gaps: Sequence[Gap], pauses: dict[str, Piece]
    ) -> dict[int, list[Piece]]:
        """Return what stands after each block (-1: before the first), by the block in which its post ends."""
        ends = {source: index for index, block in enumerate(blocks) for source in block.sources}
        unnamed = _unnamed(gaps, {item.id for item in items})
        later: dict[int, list[Piece]] = {}
        at = -1
        for item in items:
            bare = item.id not in ends
            at = max(at, ends.get(item.id, at))
            slot = later.setdefault(at, [])
            if bare and item.id in pauses:
                slot.append(pauses[item.id])
            slot.extend(self._hangs(item, bare))
            slot.extend(unnamed.get(item.id, ()))
        return later

    def _hangs(self, item: Item, bare: bool) -> Iterator[Piece]:
        card = self.card(item)
        if isinstance(card, Missing):
            yield Piece("gap", missing=card)
        elif bare or card.media or card.post.poll or card.post.quote or card.embedded:
            html = self._number(card.post) if bare else Markup()
            yield Piece("after", html, warning=card.post.summary, card=card, bare=bare)

    def _within(self, block: Block) -> Iterator[Span]:
        first, last = bisect_left(self._starts, block.start), bisect_left(self._starts, block.end)
        return iter(self._spans[first:last])

    def _block(self, block: Block) -> Piece:
        text, at, parts = self.page.document.text, block.start, list[Markup]()
        for span in self._within(block):
            parts.append(clean(text[at : span.start]))
            post = self._posts[span.source]
            parts.append(self._margin(post, first=at == block.start))
            parts.append(self._inline(post).html(span.source_start, span.source_end))
            at = span.end
        parts.append(clean(text[at : block.end]))
        posts = [self._posts[source] for source in block.sources if source in self._posts]
        warnings = dict.fromkeys(post.summary for post in posts if post.summary)
        lang = lang_of(posts[0]) if posts else self.lang
        return Piece(
            block.type,
            Markup("").join(parts),
            lang if lang != self.lang else None,
            " · ".join(warnings),
            bullet=text[block.start : block.start + 1] in _BULLETS,
        )

    def _margin(self, post: Post, *, first: bool) -> Markup:
        """Return the number of a post that begins here; for a paragraph that goes on only its date."""
        if post.id not in self._begun:
            self._begun.add(post.id)
            return self._number(post)
        if not first or not post.published:
            return Markup()
        return Markup('<time class="d" dir="ltr" datetime="{}">{}</time>').format(
            dates.iso(post.published, post.labels), dates.short(post.published, post.labels)
        )

    def _number(self, post: Post) -> Markup:
        """Return the permalink of a post, and where it was edited a link to its versions."""
        mark = self.marks[post.id]
        if not (post.versions and self._as_posted):
            return number(mark, post)
        return number(mark, post) + Markup(
            '<a class="n e" lang="en" dir="ltr" href="{}#{}" title="{}">edited</a>'
        ).format(self._as_posted, mark.id, dates.spelled(len(post.versions), "earlier version").capitalize())


def number(mark: Mark, post: Post) -> Markup:
    """Return the permalink of a post for the margin, with its date."""
    if not post.published:
        return Markup('<a class="n" dir="ltr" id="{0}" href="#{0}">{1}</a>').format(mark.id, mark.number)
    return Markup(
        '<a class="n{0}" dir="ltr" id="{1}" href="#{1}" title="{2}">{3}<time datetime="{4}">{5}</time></a>'
    ).format(
        " day" if mark.new_day else "",
        mark.id,
        dates.full(post.published, post.labels),
        mark.number,
        dates.iso(post.published, post.labels),
        dates.short(post.published, post.labels),
    )


def person(actor: Actor) -> Person:
    """Return an actor as shown, cut to a line."""
    handle = first_words(printable(actor.preferred_username), 80)
    name = first_words(printable(actor.name), 80) or handle or "Unknown author"
    return Person(actor.id, name, handle, safe_href(actor.url))


def missing(item: Tombstone | Gap, mark: Mark | None = None) -> Missing:
    """Say which post is not here and why."""
    reason = _why(item)
    if isinstance(item, Gap) and item.reason == "limited" and not item.count:
        sentence = "Whether the thread goes on here could not be seen."
    elif isinstance(item, Gap) and item.count > 1:
        sentence = f"{dates.spelled(item.count, 'post').capitalize()} are not here: {reason}."
    elif isinstance(item, Gap) and not item.count:
        sentence = f"An answer that may be anybody's is not here: {reason}."
    elif mark:
        sentence = f"Post {mark.number} is not here: {reason}."
    else:
        sentence = f"A post is not here: {reason}."
    evidence = f"{item.evidence[0].upper()}{item.evidence[1:].rstrip('.')}." if item.evidence else ""
    return Missing(reason, sentence, evidence, address(item.id), mark)


def _why(item: Tombstone | Gap) -> str:
    """Return why a post is not here, and since when."""
    reason = REASONS[item.reason]
    if isinstance(item, Gap):
        return reason
    if item.deleted:
        return f"{reason} on {dates.day(item.deleted)}"
    if item.checked is None:
        return reason
    if item.reason == "unavailable":
        return f"{reason} since {dates.day(item.checked)} at the latest"
    return f"{reason}; found missing on {dates.day(item.checked)}"


def address(id_: str) -> str:
    """Return the page on the web of a post by its id, if it has one that is safe."""
    found = _AT_POST.fullmatch(id_)
    return f"https://bsky.app/profile/{found[1]}/post/{found[2]}" if found else safe_href(id_)


def main_lang(items: Iterable[Item]) -> str:
    """Return the language that most posts name; empty where none does."""
    counts: dict[str, int] = {}
    for item in items:
        if isinstance(item, Post) and (lang := lang_of(item)):
            counts[lang] = counts.get(lang, 0) + 1
    return max(counts, key=lambda lang: counts[lang], default="")


def lang_of(post: Post) -> str:
    """Return the post's language tag where it names just one that is well formed."""
    if len(post.langs) != 1:
        return ""
    tag = post.langs[0]
    primary, *rest = tag.split("-")
    formed = len(primary) in (2, 3) and all(1 <= len(part) <= 8 for part in rest)
    return tag if formed and tag.isascii() and tag.replace("-", "").isalnum() and primary.isalpha() else ""


def _unnamed(gaps: Iterable[Gap], here: set[str]) -> dict[str, list[Piece]]:
    """Return the gaps that no tombstone stands for, by the item they follow."""
    table: dict[str, list[Piece]] = {}
    for gap in gaps:
        if (gap.count or gap.reason == "limited") and gap.after in here and gap.id not in here:
            table.setdefault(gap.after, []).append(Piece("gap", missing=missing(gap)))
    return table


def _groups(pieces: Iterable[Piece]) -> Iterator[Group]:
    run: list[Piece] = []
    for piece in pieces:
        if run and not (piece.kind == run[-1].kind and piece.kind in ("item", "blockquote")):
            yield Group(run[0].kind, tuple(run))
            run = []
        run.append(piece)
    if run:
        yield Group(run[0].kind, tuple(run))


def _pauses(items: Iterable[Item]) -> dict[str, Piece]:
    dated = [(item.id, item.published) for item in items if isinstance(item, Post)]
    table: dict[str, Piece] = {}
    for (_, before), (id_, after) in pairwise(dated):
        if before and after and after - before > dates.LONG_PAUSE:
            table[id_] = Piece("pause", Markup("{}").format(dates.later(after - before)))
    return table


def _media(attachment: Attachment, copies: Mapping[str, str]) -> Media:
    extension = MEDIA_TYPES.get(attachment.media_type.partition(";")[0].strip().lower(), "")
    src = f"{attachment.sha256}.{extension}" if attachment.sha256 and extension else ""
    return Media(
        attachment.type,
        src,
        safe_href(attachment.url),
        attachment.alt,
        attachment.name,
        attachment.summary,
        attachment.width,
        attachment.height,
        copies.get(attachment.sha256, ""),
    )


def _everything(page: Page) -> Iterator[Item]:
    thread = page.thread
    yield from thread.items
    for run in (*thread.branches, *thread.asides):
        yield from run.items


def _marks(page: Page) -> dict[str, Mark]:
    thread = page.thread
    lines = [("p", thread.items)]
    lines += [(f"b{n}-", run.items) for n, run in enumerate(thread.branches, 1)]
    lines += [(f"a{n}-", run.items) for n, run in enumerate(thread.asides, 1)]
    marks: dict[str, Mark] = {}
    for prefix, items in lines:
        shown = None
        for place, item in enumerate(items, 1):
            date = item.published.date() if isinstance(item, Post) and item.published else shown
            marks[item.id] = Mark(place, f"{prefix}{place}", date != shown)
            shown = date
    return marks
