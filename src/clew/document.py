"""stitch(): Thread -> Document. Posts become prose; every character of it traces to a post, and none is lost.

What leaves the prose, and stays in the source map: counters that the thread's sequence proves, words carried over
twice at a border, the link that stands for a picture or quote shown beside it, white space around paragraphs.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import NamedTuple

from clew import counters
from clew.model import Block, BlockType, Document, Item, Post, Span, SpanType, Thread
from clew.text import first_words

VERSION = 1
_BLANK = re.compile(r"\n(?:[^\S\n]*\n)+")
_BULLET = re.compile(r"^[^\S\n]*[•◦▪▫◽◾‣⁃∙]\ufe0f?\s", re.MULTILINE)
_BLOCK_FACETS: dict[str, BlockType] = {
    "blockquote": "blockquote",
    "pre": "pre",
    "heading": "heading",
    "item": "item",
}
_CLOSERS = "\"'”’»›)]}*_"
_PUNCTUATION = ",.;:!?…"
_MOST_REPEATED = 6  # words; longer repetitions are the author's


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


Hidden = dict[tuple[str, int, int], SpanType]
"""What is left out: (post id, start, end) -> why."""


def stitch(thread: Thread) -> Document:
    """Return the prose of a thread: its main line, then its branches, then its asides.

    Pure: the same thread gives the same document. Never raises.
    """
    writer = _Writer()
    writer.write(thread.items, "")
    for run in (*thread.branches, *thread.asides):
        writer.write(run.items, run.items[0].id)
    return Document(thread.id, "".join(writer.parts), tuple(writer.blocks), tuple(writer.spans))


def title(thread: Thread, document: Document) -> str:
    """Return what to call a thread: the article's own title, else its first words."""
    named = next((item.name for item in thread.items if isinstance(item, Post) and item.name), "")
    return named or first_words(document.text.partition("\n\n")[0], 90) or "Untitled"


class _Writer:
    """Writes paragraphs one after the other, and notes where each slice came from."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.length = 0
        self.blocks: list[Block] = []
        self.spans: list[Span] = []
        self.done: set[str] = set()  # a post is written once, even where malformed input has it in two runs

    def write(self, items: Sequence[Item], part: str) -> None:
        items = [item for item in items if item.id not in self.done]
        hidden: Hidden = {}
        paragraphs = _join_seams(items, hidden)
        starts = len(self.spans)
        for paragraph in paragraphs:
            self.put("\n\n" if self.blocks else "")
            begin = self.length
            for before, piece in zip([None, *paragraph.slices], paragraph.slices, strict=False):
                self.put(_glue(before, piece))
                start = self.length
                self.put(piece.text)
                self.spans.append(Span(start, self.length, piece.post.id, piece.start, piece.end))
            sources = tuple(dict.fromkeys(piece.post.id for piece in paragraph.slices))
            self.blocks.append(Block(begin, self.length, paragraph.type, sources, part))
        posts = [item for item in items if isinstance(item, Post)]
        self.spans[starts:] = _complete(posts, self.spans[starts:], hidden, self.length)
        self.done.update(item.id for item in items)

    def put(self, text: str) -> None:
        self.parts.append(text)
        self.length += len(text)


def _glue(before: _Slice | None, piece: _Slice) -> str:
    """White space that the layout needs between two slices of one paragraph."""
    if before is None or before.text[-1:].isspace() or piece.text[:1].isspace():
        return ""
    return " "


def _complete(posts: Sequence[Post], shown: Sequence[Span], hidden: Hidden, end: int) -> list[Span]:
    """Return the spans of ``posts``, with those for everything that is not shown, in source order."""
    by_post: dict[str, list[Span]] = {post.id: [] for post in posts}
    for span in shown:
        by_post[span.source].append(span)
    reasons: dict[str, list[tuple[int, int, SpanType]]] = {post.id: [] for post in posts}
    for (id_, start, stop), why in sorted(hidden.items()):
        reasons[id_].append((start, stop, why))
    spans: list[Span] = []
    place = shown[0].start if shown else end
    for post in posts:
        at = 0
        for span in by_post[post.id]:
            spans += (*_left_out(post.id, at, span.source_start, place, reasons[post.id]), span)
            at, place = span.source_end, span.end
        spans += _left_out(post.id, at, len(post.content), place, reasons[post.id])
    return spans


def _left_out(
    post: str, start: int, end: int, place: int, reasons: Iterable[tuple[int, int, SpanType]]
) -> Iterator[Span]:
    for low, high, why in reasons:
        if low >= end or high <= start:
            continue
        if start < low:
            yield Span(place, place, post, start, low, "space")
        yield Span(place, place, post, max(start, low), min(end, high), why)
        start = min(end, high)
    if start < end:
        yield Span(place, place, post, start, end, "space")


# -- paragraphs of one post ---------------------------------------------------------------------------------------


def _paragraphs(post: Post, hidden: Hidden) -> list[_Paragraph]:
    blocks = [facet for facet in post.facets if facet.type in _BLOCK_FACETS]
    blind = sorted((start, end) for id_, start, end in hidden if id_ == post.id)
    found = []
    for start, end in _pieces(post, [border for f in blocks for border in (f.start, f.end)]):
        covering = [f.type for f in blocks if f.start <= start and end <= f.end]
        kind: BlockType = next((_BLOCK_FACETS[name] for name in _BLOCK_FACETS if name in covering), "paragraph")
        for low, high, type_ in _items(post.content, start, end, kind):
            slices = [_Slice(post, *cut) for cut in _visible(post.content, low, high, blind)]
            if slices:
                found.append(_Paragraph(type_, slices))
    return found


def _pieces(post: Post, borders: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield the stretches between blank lines and between the borders of block marks."""
    pre = [(facet.start, facet.end) for facet in post.facets if facet.type == "pre"]
    blanks = [match.start() for match in _BLANK.finditer(post.content)]
    inner = (at for at in blanks if not any(start < at < end for start, end in pre))
    cuts = sorted({0, len(post.content), *borders, *inner})
    yield from pairwise(cuts)


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


def _visible(content: str, start: int, end: int, blind: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return what of a stretch is shown: without the ``blind`` ranges, trimmed, single white space between."""
    cuts = []
    for low, high in (*blind, (end, end)):
        if low >= start and high <= end:
            cuts.append((start, low))
            start = high
    trimmed = [_trim(content, low, high) for low, high in cuts]
    return [(low, high) for low, high in trimmed if low < high]


def _trim(content: str, start: int, end: int) -> tuple[int, int]:
    text = content[start:end]
    return start + len(text) - len(text.lstrip()), start + len(text.rstrip())


# -- borders between posts ----------------------------------------------------------------------------------------


def _join_seams(items: Sequence[Item], hidden: Hidden) -> list[_Paragraph]:
    """Return the paragraphs of a line of posts, those of a sentence that runs over a border joined."""
    counted = counters.find([item.content if isinstance(item, Post) else "" for item in items])
    jumped = {jump.at for jump in counted.jumps}
    joined: list[_Paragraph] = []
    whole = False  # nothing is missing between the last paragraph and the next post
    for index, item in enumerate(items):
        if not isinstance(item, Post):
            whole = False
            continue
        _hide(item, counted.marks.get(index, ()), hidden)
        paragraphs = _paragraphs(item, hidden)
        if paragraphs and joined and whole and index not in jumped and _runs_on(joined[-1], paragraphs[0]):
            first = paragraphs.pop(0)
            slices = _fold_repeat(joined[-1].slices[-1], first.slices, hidden)
            joined[-1].slices.extend(slices)
        joined += paragraphs
        whole = True
    return joined


def _hide(post: Post, marks: Iterable[counters.Mark], hidden: Hidden) -> None:
    for mark in marks:
        hidden[post.id, mark.start, mark.end] = "counter"
    taken = [(mark.start, mark.end) for mark in marks]
    for facet in post.facets:
        shown_beside = (facet.type == "media" and post.attachments) or (facet.type == "quote" and post.quote)
        free = all(facet.end <= start or end <= facet.start for start, end in taken)
        if shown_beside and free and (post.id, facet.start, facet.end) not in hidden:
            hidden[post.id, facet.start, facet.end] = "link"
            taken.append((facet.start, facet.end))


def _runs_on(left: _Paragraph, right: _Paragraph) -> bool:
    """Say whether the sentence at the end of ``left`` goes on at the start of ``right``."""
    if left.type != "paragraph" or right.type != "paragraph":
        return False
    return runs_on(left.slices[-1].text, right.slices[0].text)


def runs_on(left: str, right: str) -> bool:
    """Say whether a sentence that stands at the end of ``left`` goes on at the start of ``right``."""
    last, first, second = left.split()[-1], *[*right.split(maxsplit=2), ""][:2]
    if _is_link(last) or _is_link(first) or not any(c.isalnum() for c in first):
        return False
    if _repeated(left, right):
        return True
    words = _words()
    opening = first.strip("\"'“”‘’«»(").casefold()
    ends = last.rstrip(_CLOSERS)[-1:]
    if ends and ends in ".!?…。！？":
        return last.endswith("..") and opening in words["reason"]
    if ends == ":":
        return False
    if (ends and ends in ",;–—-(，、") or last.casefold().lstrip("\"'“‘«(") in words["open"]:
        return True
    if first[0].islower():
        return not (opening in words["clause"] and second[:1].islower())
    return opening in words["onward"]  # a capital alone proves no new sentence


def _is_link(token: str) -> bool:
    return token.casefold().startswith(("http://", "https://", "www."))


@cache
def _words() -> dict[str, frozenset[str]]:
    """Return the words of seams.toml, all languages together."""
    tables = tomllib.loads((files("clew") / "seams.toml").read_text("utf-8"))
    return {
        name: frozenset(word for table in tables.values() for word in table.get(name, "").split())
        for name in ("open", "clause", "onward", "reason")
    }


def _repeated(left: str, right: str) -> int:
    """Return how many words the end of ``left`` and the start of ``right`` have twice."""
    ends, starts = left.split()[-_MOST_REPEATED:], right.split(maxsplit=_MOST_REPEATED)[:_MOST_REPEATED]
    for count in range(min(len(ends), len(starts)), 0, -1):
        tail, head = ends[-count:], starts[:count]
        spoken = all(any(c.isalpha() for c in word) and word[-1] not in _PUNCTUATION for word in tail)
        if spoken and [w.casefold() for w in tail] == [w.casefold() for w in head]:
            return count
    return 0


def _fold_repeat(left: _Slice, right: list[_Slice], hidden: Hidden) -> list[_Slice]:
    """Leave out the words that a border carries over twice, at their second place."""
    first = right[0]
    count = _repeated(left.text, first.text)
    if not count:
        return right
    match = re.match(rf"(?:\S+\s*){{{count}}}", first.text)
    length = match.end() if match else 0
    hidden[first.post.id, first.start, first.start + len(first.text[:length].rstrip())] = "repeat"
    rest = _Slice(first.post, first.start + length, first.end)
    return [rest, *right[1:]] if rest.start < rest.end else right[1:]
