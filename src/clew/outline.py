"""A page as a list of things to read, in order: what every text format writes, each in its own marks. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from clew import dates
from clew.model import Actor, Block, Document, Facet, Item, Page, Post, Run, Thread, Tombstone
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
    thread, document = page.thread, page.document
    names = {actor.id: name(actor) for actor in thread.actors}
    for item in thread.context:
        yield _other(item, "In reply to", names)
    yield from _line(thread.items, thread, document, "", names)
    for title, runs in (("The author also wrote here", thread.branches), ("The author answered", thread.asides)):
        if runs:
            yield Piece("heading", title)
        for run in runs:
            yield from _run(run, thread, document, names)


def facts(page: Page) -> list[tuple[str, str]]:
    """Return what stands above the text: (label, value), in order, empty values left out."""
    thread = page.thread
    author = next(
        (actor for actor in thread.actors if actor.id == thread.attributed_to), Actor(thread.attributed_to)
    )
    times = [item.published for item in thread.items if isinstance(item, Post) and item.published]
    url = next((item.url for item in thread.items if isinstance(item, Post) and item.url), "")
    rows = [
        ("By", name(author)),
        ("Posted", dates.span(min(times), max(times)) if times else ""),
        ("Original", url),
        ("Page", page.base_url),
        ("Completeness", thread.certificate.sentence),
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


def facets_in(document: Document, block: Block, post: Post) -> Iterator[Facet]:
    """Yield the facets of ``post`` that are shown in ``block``, in the document's offsets."""
    for span in document.spans:
        if span.source != post.id or span.type != "text" or span.end <= block.start or span.start >= block.end:
            continue
        shift = span.start - span.source_start
        for facet in post.facets:
            start, end = max(facet.start, span.source_start) + shift, min(facet.end, span.source_end) + shift
            if start < end:
                yield Facet(start, end, facet.type, facet.href, facet.label)


def _run(run: Run, thread: Thread, document: Document, names: dict[str, str]) -> Iterator[Piece]:
    for item in run.answered:
        yield _other(item, "In answer to", names)
    number = {item.id: place for place, item in enumerate(thread.items, 1)}.get(run.in_reply_to)
    if number and not run.answered:
        yield Piece("note", f"After post {number}")
    yield from _line(run.items, thread, document, run.items[0].id, names)


def _line(
    items: tuple[Item, ...], thread: Thread, document: Document, part: str, names: dict[str, str]
) -> Iterator[Piece]:
    """Yield the blocks of a line of posts; after the block in which a post ends, what hangs on that post."""
    blocks = [block for block in document.blocks if block.part == part]
    places = {item.id: place for place, item in enumerate(items, 1)}
    jumps = {gap.after: gap for gap in thread.certificate.gaps if not gap.id} if not part else {}
    done = 0
    for block in [*blocks, None]:
        upto = len(items) if block is None else places.get(block.sources[0], 1) - 1
        for item in items[done:upto]:
            yield from _after(item, thread, names)
            if item.id in jumps:
                yield Piece("note", _missing(jumps[item.id].count, jumps[item.id].evidence))
        done = max(done, upto)
        if block is not None:
            first = next((item for item in items if item.id == block.sources[0]), None)
            if isinstance(first, Post) and first.summary and block == _first_block(blocks, first.id):
                yield Piece("warning", first.summary)
            yield Piece("block", document.text[block.start : block.end], block)


def _first_block(blocks: list[Block], post: str) -> Block | None:
    return next((block for block in blocks if block.sources[0] == post), None)


def _after(item: Item, thread: Thread, names: dict[str, str]) -> Iterator[Piece]:
    if isinstance(item, Tombstone):
        yield Piece("note", f"A post is not here: {item.reason}" + (f" ({item.evidence})" if item.evidence else ""))
        return
    for attachment in item.attachments:
        told = attachment.alt or attachment.name or "no description given"
        yield Piece("picture", f"{attachment.type.capitalize()}: {told}", href=attachment.url)
    for option in item.poll.options if item.poll else ():
        votes = "" if option.votes is None else f" – {option.votes:,}"
        yield Piece("picture", f"Poll: {option.name}{votes}")
    if item.quote:
        quoted = next((post for post in thread.quoted if post.id == item.quote.id), None)
        if quoted:
            yield _other(quoted, "Quoting", names)
        else:
            yield Piece(
                "note", f"A quoted post is not here: {item.quote.state}", href=item.quote.url or item.quote.id
            )


def _other(item: Item, how: str, names: dict[str, str]) -> Piece:
    """A post by somebody else, whole, under a line that says whose it is."""
    who = one_line(names.get(item.attributed_to, "")) or "somebody unknown"
    if isinstance(item, Tombstone):
        return Piece("note", f"{how} a post by {who} that is not here: {item.reason}", href=item.id)
    block = Block(0, len(item.content), "blockquote")
    when = f", {dates.full(item.published)}" if item.published else ""
    return Piece("quote", item.content, block, f"{how} {who}{when}")


def _missing(count: int, evidence: str) -> str:
    what = "A post is" if count == 1 else f"{count} posts are"
    return f"{what} not here: {evidence}"


def excerpt(thread: Thread) -> str:
    """Return the first words of a thread's first post."""
    return first_words(next((item.content for item in thread.items if isinstance(item, Post)), ""))
