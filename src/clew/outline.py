"""A page as a list of things to read, in order: what every text format writes, each in its own marks. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from clew import dates
from clew.model import Actor, Block, Facet, Gap, Item, Page, Poll, Post, Run, Span, Thread, Tombstone
from clew.text import first_words, printable

Kind = Literal["heading", "block", "note", "picture", "quote", "warning"]


class Piece(NamedTuple):
    """One thing to read. ``text`` is said by somebody in "block" and "quote", else it is Clew's own."""

    kind: Kind
    text: str
    block: Block | None = None
    href: str = ""


def outline(page: Page) -> Iterator[Piece]:
    """Yield what the thread holds in reading order; nothing that is missing goes unsaid."""
    thread = page.thread
    told = _Told(page)
    for item in thread.context:
        yield from told.other(item, "In reply to")
    yield from told.gaps("")
    yield from told.line(thread.items, "")
    for title, runs in (("The author also wrote here", thread.branches), ("The author answered", thread.asides)):
        if runs:
            yield Piece("heading", title)
        for run in runs:
            yield from told.run(run)


def facts(page: Page) -> list[tuple[str, str]]:
    """Return what stands above the text: (label, value), in order, empty values left out."""
    thread = page.thread
    author = next(
        (actor for actor in thread.actors if actor.id == thread.attributed_to), Actor(thread.attributed_to)
    )
    times = [item.published for item in thread.items if isinstance(item, Post) and item.published]
    posts = [item for item in thread.items if isinstance(item, Post)]
    url = next(
        (url for post in posts for url in (post.url, post.id) if url.startswith(("https://", "http://"))), ""
    )
    rows = [
        ("By", name(author)),
        ("Posted", dates.span(min(times), max(times)) if times else ""),
        ("Original", url),
        ("Page", page.base_url),
        ("Completeness", thread.certificate.sentence),
        *(("Not seen", limit) for limit in thread.certificate.limits),
        ("Rule", thread.rule),
    ]
    return [(label, one_line(value)) for label, value in rows if value]


def name(actor: Actor) -> str:
    """Return an actor's name and handle for a reader."""
    handle = f"@{actor.preferred_username}" if actor.preferred_username else ""
    if actor.name and handle:
        return f"{actor.name} ({handle})"
    return actor.name or handle or ("unnamed author" if actor.id.startswith("urn:clew:") else actor.id)


def one_line(text: str) -> str:
    """Return text on one line without what could drive a terminal."""
    return " ".join(printable(text).split())


def links(page: Page) -> dict[int, list[Facet]]:
    """Return the links that each block shows, by the block's start: in order, apart, in the document's offsets."""
    spans: dict[str, list[Span]] = {}
    for span in page.document.spans:
        if span.type == "text":
            spans.setdefault(span.source, []).append(span)
    starts = [block.start for block in page.document.blocks]
    found: dict[int, list[Facet]] = {}
    posts = {post.id: post for post in _posts(page.thread)}
    for post in posts.values():
        for span, facet in _shown(post, spans.get(post.id, [])):
            shift = span.start - span.source_start
            start, end = max(facet.start, span.source_start) + shift, min(facet.end, span.source_end) + shift
            block = starts[bisect_right(starts, start) - 1]
            found.setdefault(block, []).append(Facet(start, end, facet.type, facet.href, facet.label))
    return found


def _shown(post: Post, spans: Sequence[Span]) -> Iterator[tuple[Span, Facet]]:
    """Yield each link of a post with each span that shows a part of it. A link inside another is text."""
    index, at = 0, 0
    addressed = (f for f in post.facets if f.href.startswith(("http://", "https://")))
    for facet in sorted(addressed, key=lambda f: (f.start, -f.end)):
        if facet.start < at:
            continue
        at = facet.end
        while index < len(spans) and spans[index].source_end <= facet.start:
            index += 1
        here = index
        while here < len(spans) and spans[here].source_start < facet.end:
            yield spans[here], facet
            here += 1


def _posts(thread: Thread) -> Iterator[Post]:
    runs = (run.items for run in (*thread.branches, *thread.asides))
    yield from (item for items in (thread.items, *runs) for item in items if isinstance(item, Post))


class _Told:
    """What a page says in words, with what it looks up for that."""

    def __init__(self, page: Page) -> None:
        thread = page.thread
        self.text = page.document.text
        self.names = {actor.id: name(actor) for actor in thread.actors}
        self.quoted = {post.id: post for post in thread.quoted}
        self.numbers = {item.id: number for number, item in enumerate(thread.items, 1)}
        self.blocks: dict[str, list[Block]] = {}
        for block in page.document.blocks:
            self.blocks.setdefault(block.part, []).append(block)
        self.missing: dict[str, list[Gap]] = {}
        for gap in thread.certificate.gaps:
            if gap.count and gap.id not in self.numbers:  # else its tombstone stands in its place
                self.missing.setdefault(gap.after, []).append(gap)

    def line(self, items: Sequence[Item], part: str) -> Iterator[Piece]:
        """Yield the blocks of a line of posts; after the block in which a post ends, what hangs on that post."""
        places = {item.id: place for place, item in enumerate(items)}
        warned: set[str] = set()
        done = 0
        for block in [*self.blocks.get(part, ()), None]:
            first = len(items) if block is None else places.get(block.sources[0], 0)
            for item in items[done:first]:
                yield from self.warning(item, warned)
                yield from self.after(item)
                yield from self.gaps(item.id)
            done = max(done, first)
            if block is not None:
                yield from self.warning(items[min(first, len(items) - 1)], warned) if items else ()
                yield Piece("block", self.text[block.start : block.end], block)

    def run(self, run: Run) -> Iterator[Piece]:
        """Yield a branch or an aside, under what it answers."""
        for item in run.answered:
            yield from self.other(item, "In answer to")
        number = self.numbers.get(run.in_reply_to)
        if number and not run.answered:
            yield Piece("note", f"After post {number}")
        yield from self.line(run.items, run.items[0].id if run.items else "")

    def warning(self, item: Item, warned: set[str]) -> Iterator[Piece]:
        """Yield the content warning of a post, once."""
        if isinstance(item, Post) and item.summary and item.id not in warned:
            warned.add(item.id)
            yield Piece("warning", item.summary)

    def after(self, item: Item) -> Iterator[Piece]:
        """Yield what hangs on a post: pictures, a poll, a quote; or that it is not here."""
        if isinstance(item, Tombstone):
            evidence = f" ({item.evidence})" if item.evidence else ""
            yield Piece("note", f"A post is not here: {item.reason}{evidence}")
            return
        yield from _pictures(item)
        yield from _poll(item.poll)
        if item.quote and item.quote.id in self.quoted:
            own = self.quoted[item.quote.id].attributed_to == item.attributed_to
            continued = own and self.numbers.get(item.id) == 1
            yield from self.other(self.quoted[item.quote.id], "Continued from" if continued else "Quoting")
        elif item.quote:
            yield Piece(
                "note", f"A quoted post is not here: {item.quote.state}", href=item.quote.url or item.quote.id
            )
        yield from self.embedded(item)

    def embedded(self, item: Post) -> Iterator[Piece]:
        """Yield the posts that stand in an article, as they were posted."""
        for post in self.quoted.values() if item.generator else ():
            if item.quote is None or item.quote.id != post.id:
                yield from self.other(post, "Embedded here, as posted by")

    def gaps(self, after: str) -> Iterator[Piece]:
        """Yield what is missing after an item, and has no tombstone; what has no place stands at the start."""
        for gap in self.missing.get(after, ()):
            what = "A post is" if gap.count == 1 else f"{gap.count:,} posts are"
            yield Piece("note", f"{what} not here: {gap.evidence}")

    def other(self, item: Item, how: str) -> Iterator[Piece]:
        """Yield a post by somebody else, whole, under a line that says whose it is."""
        who = one_line(self.names.get(item.attributed_to, "")) or "somebody unknown"
        if isinstance(item, Tombstone):
            yield Piece("note", f"{how} a post by {who} that is not here: {item.reason}", href=item.id)
            return
        if item.summary:
            yield Piece("warning", item.summary)
        when = f", {dates.full(item.published, item.labels)}" if item.published else ""
        yield Piece("quote", item.content, Block(0, len(item.content), "blockquote"), f"{how} {who}{when}")
        yield from _pictures(item)


def _pictures(post: Post) -> Iterator[Piece]:
    for attachment in post.attachments:
        given = [text for text in (attachment.alt, attachment.name, attachment.summary) if text]
        none = "no description given" if attachment.alt is None else "the description was left empty"
        yield Piece("picture", f"{attachment.type.capitalize()}: {' – '.join(given) or none}", href=attachment.url)


def _poll(poll: Poll | None) -> Iterator[Piece]:
    if poll is None:
        return
    for option in poll.options:
        votes = "" if option.votes is None else f" – {option.votes:,}"
        yield Piece("picture", f"Poll: {option.name}{votes}")
    voters = "" if poll.voters is None else f", {dates.count(poll.voters, 'voter')}"
    if poll.end_time:
        yield Piece("picture", f"Poll: until {dates.full(poll.end_time)}{voters}")


def excerpt(thread: Thread) -> str:
    """Return the first words of a thread's first post."""
    return first_words(next((item.content for item in thread.items if isinstance(item, Post)), ""))
