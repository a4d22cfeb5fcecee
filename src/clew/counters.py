"""Counters in posts ("3/", "(3/7)", "5.", "end/"): found by form, believed only where their sequence proves them.

A form alone proves nothing: "on 9/11", "24/7" and "1/3 of the regions" have it too. So every candidate at the head
or the tail of a text is collected, and the one chain that counts upward through the texts is taken, if any.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

_NUMBER = r"(?P<n>\d{1,4})"
_TOTAL = r"(?:(?P<of>\d{1,4})|[nNxX?∞]|(?P<last>end|END|fin|FIN))"
_FORMS = {
    "slash": rf"[(\[]?{_NUMBER}\s?/(?:\s?{_TOTAL}(?![\w/]))?[)\]]?",
    "bracket": rf"[(\[]{_NUMBER}[)\]]",
    "of": rf"[(\[]?{_NUMBER} of (?P<of>\d{{1,4}})\b[)\]]?",
    "point": rf"{_NUMBER}[.)](?=\s|$)",
    "keycap": r"(?:🔟|(?P<keycap>(?:\d\ufe0f?\u20e3)+))",
}
_THREAD = r"(?:🧵\s*)?"
_HEADS = [
    (style, re.compile(rf"\s*(?:@[\w.-]+\s+)*(?P<mark>{_THREAD}{form}(?:\s*🧵)?)(?![\d/])"))
    for style, form in _FORMS.items()
]
_TAIL_END = r"(?P<rest>(?:\s+https?://\S+)*\s*)"
_TAILS = [
    (style, re.compile(rf"(?<![\w/])(?<!\d[.,])(?P<mark>{_THREAD}{form}(?:\s*🧵)?){_TAIL_END}$"))
    for style, form in _FORMS.items()
    if style != "point"
]
_LAST_WORD = r"(?:end|fin|ende|fine|конец|кінець)"
_LASTS = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"(?<!\S)(?P<mark>[(\[]?(?:/\s?{_LAST_WORD}|{_LAST_WORD}\s?/)[)\]]?){_TAIL_END}$",
        rf"(?<!\S)(?P<mark>[(\[]{_LAST_WORD}[)\]]){_TAIL_END}$",
        rf"(?:^|\n)(?P<mark>{_LAST_WORD}\.?){_TAIL_END}$",
        rf"^\s*(?P<mark>[(\[]?(?:/\s?{_LAST_WORD}|{_LAST_WORD}\s?/)[)\]]?)(?=\s)",
    )
]
_WINDOW = 600  # a counter stands in the first or the last characters of a text; mentions and links may be around it
_JUMP = 40  # how far a believed sequence may jump, for posts that are missing


class Mark(NamedTuple):
    """A counter in a text: its range, its number, and how it is written."""

    start: int
    end: int
    number: int
    total: int
    """The announced number of posts; 0 where none is."""
    style: str
    place: str
    """"head" or "tail"."""
    last: bool = False
    """It says that it is the last one ("end/", "7/end")."""


class Jump(NamedTuple):
    """``missing`` numbers are skipped before the text ``at`` this index."""

    at: int
    missing: int
    before: str
    """The number before, as written; empty at the start."""
    after: str
    """The number after, as written; empty at the end."""


class Counters(NamedTuple):
    """The proven counters of a sequence of texts. Empty ``marks`` where nothing is proven."""

    marks: dict[int, tuple[Mark, ...]]
    """By index of the text, in order; a text may hold its number and a closing "end/"."""
    jumps: tuple[Jump, ...] = ()
    total: int = 0
    last: str = ""
    """The counter that announces the end, as written ("end/"); empty where none does."""

    def numbers(self) -> list[int]:
        """Return the numbers counted, in order, without a closing "end/"."""
        return [mark.number for marks in self.marks.values() for mark in marks if mark.number]


class _Link(NamedTuple):
    score: float
    length: int
    steps: int
    at: int
    mark: Mark
    before: _Link | None


def find(texts: Sequence[str], *, sparse: bool = False) -> Counters:
    """Return the counters that the sequence of ``texts`` proves.

    Args:
        texts: the posts in reading order; "" for one that is missing.
        sparse: texts are lines of which only some end a post (a paste), not posts.
    """
    best: dict[int, _Link] = {}
    for index, text in enumerate(texts):
        links = [_extend(best, index, mark) for mark in candidates(text)]
        for link in links:
            held = best.get(link.mark.number)
            if held is None or link.score > held.score:
                best[link.mark.number] = link
    chain = _unwind(max(best.values(), key=lambda link: (link.score, -link.at), default=None))
    if not _proves(chain, len(texts), sparse):
        return Counters({})
    marks: dict[int, tuple[Mark, ...]] = {link.at: (link.mark,) for link in chain}
    last = _add_last(marks, texts, sparse)
    totals = [link.mark.total for link in chain if link.mark.total]
    total = max(sorted(set(totals)), key=totals.count) if totals else 0
    counters = Counters(marks, (), total, last)
    return counters if sparse else counters._replace(jumps=tuple(_jumps(counters, len(texts))))


def candidates(text: str) -> list[Mark]:
    """Return everything at the head or the tail of ``text`` that has the form of a counter."""
    found = []
    cut, head = max(0, len(text) - _WINDOW), text[:_WINDOW]
    for style, pattern in _HEADS:
        if match := pattern.match(head):
            found.append(_mark(match, style, "head", 0))
    for style, pattern in _TAILS:
        if match := pattern.search(text[cut:]):
            found.append(_mark(match, style, "tail", cut))
    return [mark for mark in found if not mark.total or mark.number <= mark.total]


def _mark(match: re.Match[str], style: str, place: str, offset: int) -> Mark:
    groups = match.groupdict()
    if style == "keycap":
        number = int("".join(c for c in groups["keycap"] if c.isdecimal())) if groups["keycap"] else 10
    else:
        number = int(groups["n"])
    start, end = match.span("mark")
    total = int(groups.get("of") or 0)
    return Mark(start + offset, end + offset, number, total, style, place, bool(groups.get("last")))


def _extend(best: dict[int, _Link], index: int, mark: Mark) -> _Link:
    """Return the best chain that ends with ``mark``: one step up is worth most, a jump little."""
    start = 1.5 if mark.number <= 2 else 1.0
    top = _Link(start, 1, 0, index, mark, None)
    for step in range(1, min(_JUMP, mark.number) + 1):
        before = best.get(mark.number - step)
        if before is None or before.at == index:
            continue
        same = 0.2 * (before.mark.place == mark.place) + 0.1 * (before.mark.style == mark.style)
        score = before.score + (1.0 if step == 1 else 0.3) + same
        if score > top.score:
            top = _Link(score, before.length + 1, before.steps + (step == 1), index, mark, before)
        if step == 1:
            break
    return top


def _unwind(link: _Link | None) -> list[_Link]:
    chain = []
    while link is not None:
        chain.append(link)
        link = link.before
    return chain[::-1]


def _proves(chain: list[_Link], texts: int, sparse: bool) -> bool:
    if len(chain) < 2:
        return False
    first, last = chain[0], chain[-1]
    if not sparse and len(chain) * 2 < last.at - first.at + 1:
        return False
    if len(chain) == 2:
        whole = texts == 2 and first.mark.number == 1 and first.mark.style != "point"
        return last.steps == 1 and (first.mark.total == last.mark.total > 0 or (whole and not sparse))
    if first.mark.style == "point" and first.mark.number > 2:
        return False
    return last.steps >= 2 and last.steps * 3 >= (len(chain) - 1) * 2


def _add_last(marks: dict[int, tuple[Mark, ...]], texts: Sequence[str], sparse: bool) -> str:
    """Add and return the "end/" that stands in the text of the last number or in the one after it."""
    index = max(marks)
    number = marks[index][0]
    if number.last:
        return texts[index][number.start : number.end]
    for after in range(index, len(texts) if sparse else min(index + 2, len(texts))):
        cut = max(0, len(texts[after]) - _WINDOW)
        for match in filter(None, (pattern.search(texts[after][cut:]) for pattern in _LASTS)):
            start, end = match.start("mark") + cut, match.end("mark") + cut
            if after != index or start >= number.end or end <= number.start:
                mark = Mark(start, end, 0, 0, "slash", "tail", last=True)
                marks[after] = tuple(sorted((*marks.get(after, ()), mark)))
                return match["mark"]
    return ""


def _jumps(counters: Counters, texts: int) -> list[Jump]:
    jumps = []
    at, number, label = -1, 0, ""
    for index, marks in sorted(counters.marks.items()):
        mark = next((mark for mark in marks if mark.number), None)
        if mark is None:
            continue
        missing = mark.number - number - (index - at)
        if missing > 0 and (label or mark.total or mark.number <= _JUMP):  # "day 100/" begins no thread
            jumps.append(Jump(index, missing, label, _label(mark)))
        at, number, label = index, mark.number, _label(mark)
    if counters.total and not counters.last and (missing := counters.total - number - (texts - 1 - at)) > 0:
        jumps.append(Jump(texts, missing, label, ""))
    return jumps


def _label(mark: Mark) -> str:
    return f"{mark.number}/{mark.total}" if mark.total else f"{mark.number}/"
