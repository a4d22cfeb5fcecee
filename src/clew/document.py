"""stitch(): Thread -> Document. Posts become prose; every character of it traces to a post, and none is lost.

What leaves the prose, and stays in the source map: counters that the thread's sequence proves, words carried over
twice at a border, the link that stands for a picture or quote shown beside it, white space around paragraphs.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from clew import counters, seams
from clew.model import Block, BlockType, Document, Item, Post, Span, SpanType, Thread
from clew.text import first_words

VERSION = 1
_BLANK = re.compile(r"(?>\r\n?|\n)(?:[^\S\r\n]*(?>\r\n?|\n))+")
_BULLET = re.compile(r"^[^\S\n]*[•◦▪▫▽◽◾‣⁃∙]\ufe0f?\s", re.MULTILINE)
_BLOCK_FACETS: dict[str, BlockType] = {
    "blockquote": "blockquote",
    "pre": "pre",
    "heading": "heading",
    "item": "item",
}


class _Slice(NamedTuple):
    post: Post
    start: int
    end: int

    @property
    def text(self) -> str:
        return self.post.content[self.start : self.end]


class _Paragraph(NamedTuple):
    type: BlockType
    slices: list[_Slice]


class _Cut(NamedTuple):
    """A range of a post that is left out, and why."""

    start: int
    end: int
    type: SpanType


Hidden = dict[str, list[_Cut]]
"""What is left out of each post, in order, without overlap."""


def stitch(thread: Thread) -> Document:
    """Return the prose of a thread: its main line, then its branches, then its asides.

    Pure: the same thread gives the same document. Never raises.
    """
    writer = _Writer()
    writer.write(thread.items, "")
    for run in (*thread.branches, *thread.asides):
        writer.write(run.items, run.items[0].id if run.items else "")
    return Document(thread.id, "".join(writer.parts), tuple(writer.blocks), tuple(writer.spans))


def title(thread: Thread, document: Document) -> str:
    """Return what to call a thread: the article's own title, else its first words."""
    named = next((item.name for item in thread.items if isinstance(item, Post) and item.name), "")
    words = named or first_words(document.text.partition("\n\n")[0], 90)
    gone = not any(isinstance(item, Post) for item in thread.items)
    return words or ("A thread that is gone" if gone else "Untitled")


class _Writer:
    """Writes paragraphs one after the other, and notes where each slice came from."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.length = 0
        self.blocks: list[Block] = []
        self.spans: list[Span] = []
        self.done: set[str] = set()  # a post is written once, even where malformed input has it in two runs

    def write(self, items: Sequence[Item], part: str) -> None:
        fresh: dict[str, Item] = {}
        for item in items:
            if item.id not in self.done:
                fresh.setdefault(item.id, item)
        self.done.update(fresh)
        items, hidden = list(fresh.values()), Hidden()
        paragraphs = _join_seams(items, hidden)
        shown: list[Span] = []
        place = self.length
        for paragraph in paragraphs:
            self.put("\n\n" if self.blocks else "")
            begin = self.length
            for before, piece in zip([None, *paragraph.slices], paragraph.slices, strict=False):
                self.put(_glue(before, piece))
                start = self.length
                self.put(piece.text)
                shown.append(Span(start, self.length, piece.post.id, piece.start, piece.end))
            sources = tuple(dict.fromkeys(piece.post.id for piece in paragraph.slices))
            self.blocks.append(Block(begin, self.length, paragraph.type, sources, part))
        posts = [item for item in items if isinstance(item, Post)]
        self.spans += _complete(posts, shown, hidden, shown[0].start if shown else place)

    def put(self, text: str) -> None:
        self.parts.append(text)
        self.length += len(text)


def _glue(before: _Slice | None, piece: _Slice) -> str:
    """White space that the layout needs between two slices of one paragraph."""
    if before is None or before.text[-1:].isspace() or piece.text[:1].isspace():
        return ""
    return " "


def _complete(posts: Sequence[Post], shown: Sequence[Span], hidden: Hidden, place: int) -> Iterator[Span]:
    """Yield the spans of ``posts``, with those for everything that is not shown, in source order."""
    by_post: dict[str, list[Span]] = {post.id: [] for post in posts}
    for span in shown:
        by_post[span.source].append(span)
    for post in posts:
        at, cuts = 0, hidden[post.id]
        for span in by_post[post.id]:
            yield from _left_out(post.id, at, span.source_start, place, cuts)
            yield span
            at, place = span.source_end, span.end
        yield from _left_out(post.id, at, len(post.content), place, cuts)


def _left_out(post: str, start: int, end: int, place: int, cuts: Sequence[_Cut]) -> Iterator[Span]:
    for low, high, why in _within(cuts, start, end):
        if start < low:
            yield Span(place, place, post, start, low, "space")
        yield Span(place, place, post, low, high, why)
        start = high
    if start < end:
        yield Span(place, place, post, start, end, "space")


def _within(cuts: Sequence[_Cut], start: int, end: int) -> Iterator[_Cut]:
    """Yield the parts of ``cuts`` between ``start`` and ``end``."""
    for index in range(max(0, bisect_right(cuts, start, key=lambda cut: cut.start) - 1), len(cuts)):
        low, high, why = cuts[index]
        if low >= end:
            return
        if high > start:
            yield _Cut(max(start, low), min(end, high), why)


# -- paragraphs of one post ---------------------------------------------------------------------------------------


def _paragraphs(post: Post, cuts: Sequence[_Cut]) -> list[_Paragraph]:
    found = []
    for start, end, kind in _pieces(post):
        for low, high, type_ in _items(post.content, start, end, kind):
            slices = [_Slice(post, *visible) for visible in _visible(post.content, low, high, cuts)]
            if slices:
                found.append(_Paragraph(type_, slices))
    return found


def _pieces(post: Post) -> Iterator[tuple[int, int, BlockType]]:
    """Yield the stretches between blank lines and between the borders of block marks, with what they are."""
    length = len(post.content)
    steps: dict[int, list[tuple[str, int]]] = {}  # at each border: which mark opens (1) or closes (-1)
    for facet in post.facets:
        start, end = max(0, facet.start), min(facet.end, length)
        if facet.type in _BLOCK_FACETS and start < end:
            steps.setdefault(start, []).append((facet.type, 1))
            steps.setdefault(end, []).append((facet.type, -1))
    blanks = (match.start() for match in _BLANK.finditer(post.content))
    active = dict.fromkeys(_BLOCK_FACETS, 0)
    begin = 0
    for here, there in pairwise(sorted({0, length, *steps, *blanks})):
        for name, step in steps.get(here, ()):
            active[name] += step
        kind: BlockType = next((_BLOCK_FACETS[name] for name in _BLOCK_FACETS if active[name]), "paragraph")
        if there in steps or there == length or not active["pre"]:  # blank lines do not part what is set as it is
            yield begin, there, kind
            begin = there


def _items(content: str, start: int, end: int, kind: BlockType) -> Iterator[tuple[int, int, BlockType]]:
    """Split a paragraph in which lines begin with a bullet into its items."""
    if kind not in ("paragraph", "blockquote"):
        yield start, end, kind
        return
    line_starts = [match.start() for match in _BULLET.finditer(content, start, end)]
    if not line_starts:
        yield start, end, kind
        return
    if content[start : line_starts[0]].strip():
        yield start, line_starts[0], kind
    for low, high in zip(line_starts, [*line_starts[1:], end], strict=False):
        yield low, high, "item" if kind == "paragraph" else kind


def _visible(content: str, start: int, end: int, cuts: Sequence[_Cut]) -> list[tuple[int, int]]:
    """Return what of a stretch is shown: without the ``cuts``, trimmed."""
    ranges = []
    for low, high, _ in _within(cuts, start, end):
        ranges.append((start, low))
        start = high
    trimmed = [_trim(content, low, high) for low, high in (*ranges, (start, end))]
    return [(low, high) for low, high in trimmed if low < high]


def _trim(content: str, start: int, end: int) -> tuple[int, int]:
    text = content[start:end]
    return start + len(text) - len(text.lstrip()), start + len(text.rstrip())


# -- borders between posts ----------------------------------------------------------------------------------------


def _join_seams(items: Sequence[Item], hidden: Hidden) -> list[_Paragraph]:
    """Return the paragraphs of a line of posts, those of a sentence that runs over a border joined."""
    counted = counters.find([item.content if isinstance(item, Post) else "" for item in items])
    jumped = {jump.at for jump in counted.jumps}
    parted: list[tuple[int, Post, list[_Paragraph]]] = []
    for index, item in enumerate(items):
        if isinstance(item, Post):
            hidden[item.id] = _hide(item, counted.marks.get(index, ()))
            parted.append((index, item, _paragraphs(item, hidden[item.id])))
    how = _manner(parted)
    joined: list[_Paragraph] = []
    before, warned = -1, ""
    for index, post, paragraphs in parted:
        whole = before == index - 1 and index not in jumped and post.summary == warned
        if paragraphs and joined and whole and _runs_on(joined[-1], paragraphs[0], how):
            first = paragraphs.pop(0)
            joined[-1].slices.extend(_fold_repeat(joined[-1].slices[-1], first.slices, hidden, how))
        joined += paragraphs
        before, warned = index, post.summary
    return joined


def _manner(parted: Iterable[tuple[int, Post, Sequence[_Paragraph]]]) -> seams.Manner:
    posts = [(post, paragraphs) for _, post, paragraphs in parted]
    texts = [piece.text for _, paragraphs in posts for paragraph in paragraphs for piece in paragraph.slices]
    return seams.manner(texts, (lang for post, _ in posts for lang in post.langs))


def _hide(post: Post, marks: Iterable[counters.Mark]) -> list[_Cut]:
    """Return what of a post is not prose: its counters, and links to what is shown beside the text."""
    cuts = [_Cut(mark.start, mark.end, "counter") for mark in marks]
    taken, length = list(cuts), len(post.content)
    last = 0
    for facet in sorted(post.facets, key=lambda facet: (facet.start, -facet.end)):
        start, end = max(0, facet.start), min(facet.end, length)
        beside = (facet.type == "media" and post.attachments) or (facet.type == "quote" and post.quote)
        if beside and last <= start < end and all(end <= cut.start or cut.end <= start for cut in taken):
            cuts.append(_Cut(start, end, "link"))
            last = end
    return sorted(cuts)


def _runs_on(left: _Paragraph, right: _Paragraph, how: seams.Manner) -> bool:
    """Say whether the sentence at the end of ``left`` goes on at the start of ``right``."""
    if left.type != "paragraph" or right.type != "paragraph":
        return False
    return seams.runs_on(left.slices[-1].text, right.slices[0].text, how)


def _fold_repeat(left: _Slice, right: list[_Slice], hidden: Hidden, how: seams.Manner) -> list[_Slice]:
    """Leave out the words that a border carries over twice, at their second place."""
    first = right[0]
    count = seams.repeated(left.text, first.text, how)
    if not count:
        return right
    match = re.match(rf"(?:\S+\s*){{{count}}}", first.text)
    length = match.end() if match else 0
    cut = _Cut(first.start, first.start + len(first.text[:length].rstrip()), "repeat")
    hidden[first.post.id] = sorted([*hidden[first.post.id], cut])
    rest = _Slice(first.post, first.start + length, first.end)
    return [rest, *right[1:]] if rest.start < rest.end else right[1:]
