"""Counters in posts ("3/", "(3/7)", "5.", "end/"): found by form, believed only where their sequence proves them.

A form alone proves nothing: "on 9/11", "24/7" and "1/3 of the regions" have it too. So every candidate at the head
or the tail of a text is collected, and the one chain that counts upward through the texts is taken, if any. What is
not of one piece with its neighbours (a fraction among bare numbers, another total) is no part of the chain.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

_NUMBER = r"(?P<n>\d{1,4})"
_TOTAL = r"(?:(?P<of>\d{1,4})|[nNxX?∞]|(?P<last>end|END|fin|FIN))(?![\w/%]|[-.,:]\w)"
_FORMS = {
    "slash": rf"[(\[]?{_NUMBER}(?P<gap>\s)?/(?:(?(gap)\s?|){_TOTAL})?[)\]]?",
    "bracket": rf"[(\[]{_NUMBER}[)\]]",
    "of": rf"[(\[]?{_NUMBER} of (?P<of>\d{{1,4}})\b[)\]]?",
    "point": rf"{_NUMBER}[.)](?=\s|$)",
    "keycap": r"(?:🔟|(?P<keycap>(?:\d\ufe0f?\u20e3)+))",
}
_NEEDS = {"slash": "/", "bracket": ")]", "of": "o", "point": ".)", "keycap": "\u20e3🔟"}  # one of them, for speed
_SELF_EVIDENT = ("slash", "of")  # the other forms number lists as well
_THREAD = r"(?:🧵\s*)?"
_HEADS = [
    (style, re.compile(rf"\s*(?:@[\w.-]+\s+)*(?P<mark>{_THREAD}{form}(?:\s*🧵)?)(?![\d/])"))
    for style, form in _FORMS.items()
]
_TAIL_END = r"(?P<rest>(?:\s+https?://\S+|\s+#\w+|\s*(?:[👇🔽]|[⬇⤵➡]\ufe0f?))*\s*)"
_TAILS = [
    (style, re.compile(rf"(?<![\w/])(?<!\d[.,])(?P<mark>{_THREAD}{form}(?:\s*🧵)?){_TAIL_END}\Z"))
    for style, form in _FORMS.items()
    if style != "point"
]
_LAST_WORD = r"(?:end|fin|ende|конец|кінець)"
_LAST_SLASH = rf"[(\[]?(?:/\s?(?:{_LAST_WORD}|fine)|(?:{_LAST_WORD}|fine)\s?/)[)\]]?"
_LASTS = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"(?<!\S)(?P<mark>{_LAST_SLASH}){_TAIL_END}\Z",
        rf"(?<!\S)(?P<mark>[(\[]{_LAST_WORD}[)\]]){_TAIL_END}\Z",
        rf"(?:^|\n)(?P<mark>(?:end|fin|конец|кінець)\.?){_TAIL_END}\Z",
        rf"^\s*(?P<mark>{_LAST_SLASH})(?=\s)",
    )
]
_SIGN = re.compile(rf"\s*(?P<head>🧵)|(?<!🧵)(?P<tail>🧵){_TAIL_END}\Z")
_HINT = re.compile(r"\d|🔟")
_HEAD_HINT = re.compile(r"\s*(?:@[\w.-]+\s+)*[(\[\d🧵🔟]")
_LONGEST = 40  # characters of a counter with all that is written around it
_WINDOW = 600  # a counter stands in the first or the last characters of a text; mentions and links may be around it
_JUMP = 40  # how far a believed sequence may jump, for posts that are missing
_LATE = 5  # so many counters prove a sequence that starts where no thread starts
_LAST_LINES = 60  # how far below the last number of a paste its "end/" is looked for


class Mark(NamedTuple):
    """A counter in a text: its range, its number, and how it is written."""

    start: int
    end: int
    number: int
    """0 where it is no number: "end/", "🧵"."""
    total: int
    """The announced number of posts; 0 where none is."""
    style: str
    place: str
    """"head" or "tail"."""
    last: bool = False
    """It says that it is the last one ("end/", "7/end")."""
    apart: bool = False
    """It stands in brackets, with a 🧵, or alone on its line."""


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


_Key = tuple[int, str, str, int]
_Best = dict[_Key, _Link]
"""The best chain that ends with (number, style, place, total); total -1 is any."""
_ANY = -1


def find(texts: Sequence[str], *, sparse: bool = False) -> Counters:
    """Return the counters that the sequence of ``texts`` proves.

    Args:
        texts: the posts in reading order; "" for one that is missing.
        sparse: texts are lines of which only some end a post (a paste), not posts.
    """
    chain = _chain(texts, sparse)
    if not chain:
        return Counters({})
    marks: dict[int, tuple[Mark, ...]] = {link.at: (link.mark,) for link in chain}
    last = _add_last(marks, texts, sparse)
    totals = [link.mark.total for link in chain if link.mark.total]
    total = max(sorted(set(totals)), key=totals.count) if totals else 0
    if not sparse:
        _add_sign(marks, texts[0])
    counters = Counters(dict(sorted(marks.items())), (), total, last)
    return counters if sparse else counters._replace(jumps=tuple(_jumps(counters, len(texts))))


def self_evident(counters: Counters) -> bool:
    """Say whether most counters have a form that numbers posts only, not also the items of a list."""
    marks = [mark for marks in counters.marks.values() for mark in marks if mark.number]
    return sum(mark.style in _SELF_EVIDENT for mark in marks) * 2 > len(marks)


def candidates(text: str) -> list[Mark]:
    """Return everything at the head or the tail of ``text`` that has the form of a counter."""
    found: list[Mark | None] = []
    if head := _HEAD_HINT.match(text, 0, _WINDOW):
        shown = text[head.end() - 1 : head.end() + _LONGEST]
        matches = ((style, pattern.match(text, 0, _WINDOW)) for style, pattern in _HEADS if _may_be(style, shown))
        found += [_mark(match, style, "head") for style, match in matches if match]
    cut = _tail(text)
    if _HINT.search(text, cut):
        shown = text[cut:]
        matches = ((style, pattern.search(text, cut)) for style, pattern in _TAILS if _may_be(style, shown))
        found += [_mark(match, style, "tail") for style, match in matches if match]
    return [mark for mark in found if mark]


def _may_be(style: str, text: str) -> bool:
    return any(char in text for char in _NEEDS[style])


def _tail(text: str) -> int:
    """Return where the last words of ``text`` begin, links and tags after them not counted. Only for speed."""
    end = len(text)
    stop = max(0, end - _WINDOW)
    while words := text[stop:end].rsplit(maxsplit=1):
        end = stop + len(text[stop:end].rstrip())
        if not words[-1].startswith(("http://", "https://", "#", "👇", "🔽", "⬇", "⤵", "➡")):
            break
        end -= len(words[-1])
    return max(stop, end - _LONGEST)


def _mark(match: re.Match[str], style: str, place: str) -> Mark | None:
    """Return what was found, or nothing where it cannot count posts: 24/7, 1/0, 11/2022, half a bracket."""
    groups = match.groupdict()
    keycap = "".join(c for c in groups.get("keycap") or "" if c.isdecimal())
    number = int(keycap or groups.get("n") or 10)
    of = groups.get("of")
    total = int(of or 0)
    written = match["mark"].strip("🧵 \t\r\n")
    bracketed = written[0] in "(["
    if style != "point" and bracketed != (written[-1] in ")]"):
        return None
    if of and (total < number or (number <= 12 and 1900 <= total < 2100)):
        return None
    return Mark(
        *match.span("mark"), number, total, style, place, bool(groups.get("last")), bracketed or _apart(match)
    )


def _apart(match: re.Match[str]) -> bool:
    before = match.string[: match.start("mark")].rpartition("\n")[2]
    after = match.string[match.end("mark") :].partition("\n")[0]
    return "🧵" in match["mark"] or not (before.strip() or after.strip())


# -- the chain ----------------------------------------------------------------------------------------------------


def _chain(texts: Sequence[str], sparse: bool) -> list[_Link]:
    """Return the best chain that is proof, or nothing."""
    best: _Best = {}
    for index, text in enumerate(texts):
        links = [_extend(best, index, mark, sparse) for mark in candidates(text)] if text else []
        for link in links:
            key = _key(link.mark)
            for slot in (key, (*key[:3], _ANY)):
                if slot not in best or link.score >= best[slot].score:
                    best[slot] = link
    tops: dict[tuple[str, str], _Link] = {}
    for (_, style, place, _total), link in best.items():
        held = tops.get((style, place))
        if held is None or link.score > held.score:
            tops[style, place] = link
    for top in sorted(tops.values(), key=lambda link: -link.score):
        chain = _unwind(top)
        if _proves(chain, texts, sparse):
            return chain
    return []


def _key(mark: Mark) -> _Key:
    return mark.number, mark.style, mark.place, mark.total


def _extend(best: _Best, index: int, mark: Mark, sparse: bool) -> _Link:
    """Return the best chain that ends with ``mark``: one step up is worth most, a jump little."""
    top = _Link(1.5 if mark.number <= 2 else 1.0, 1, 0, index, mark, None)
    for before in _before(best, mark):
        step = mark.number - before.mark.number
        between = not sparse and step == index - before.at  # the posts between have the numbers between
        counted = step == 1 or between
        same = 0.2 * (before.mark.place == mark.place) + 0.1 * (before.mark.style == mark.style)
        near = 0.05 * (before.at == index - 1) + 0.05 * (before.mark.total == mark.total)
        score = before.score + (1.0 if counted else 0.3) + same + near
        if score > top.score:
            top = _Link(score, before.length + 1, before.steps + counted, index, mark, before)
    return top


def _before(best: _Best, mark: Mark) -> Iterator[_Link]:
    """Yield the chains that ``mark`` may continue: by one in its form or at the head, by more in its form only."""
    number, style, place, total = _key(mark)
    forms = ((s, p) for s in _FORMS for p in ("head", "tail") if s == style or p == place == "head")
    near = [link for s, p in forms if (link := best.get((number - 1, s, p, total)))]
    drifted = best.get((number - 1, style, place, _ANY))
    announced = drifted and drifted.length == 1 and number == 2 and drifted.mark.apart  # "(1/12)", then "2/"
    if drifted and (announced or (drifted.mark.total and total)):
        near.append(drifted)
    yield from near
    jumps = (best.get((number - step, style, place, total)) for step in range(2, min(_JUMP, number) + 1))
    if jump := next(filter(None, jumps), None):
        yield jump


def _unwind(link: _Link | None) -> list[_Link]:
    chain = []
    while link is not None:
        chain.append(link)
        link = link.before
    return chain[::-1]


def _proves(chain: list[_Link], texts: Sequence[str], sparse: bool) -> bool:
    first, last = chain[0], chain[-1]
    totals = Counter(link.mark.total for link in chain if link.mark.total)
    common, share = totals.most_common(1)[0] if totals else (0, 0)
    if totals and (share * 4 < totals.total() * 3 or (share == 1 and len(chain) == totals.total())):
        return False
    if not sparse and len(chain) * 2 < last.at - first.at + 1:
        return False
    if first.mark.number > _JUMP and (len(chain) < _LATE or first.mark.number > 999):
        return False
    if len(chain) == 2:
        return bool(last.steps) and _proves_two(first, last, texts, sparse)
    if last.steps < 2 or last.steps * 3 < (len(chain) - 1) * 2:
        return False
    plain = first.mark.style == "slash" and not common
    if sparse:
        return plain or first.mark.number <= 2 or len(chain) >= _LATE
    if first.mark.style not in _SELF_EVIDENT:
        return (first.mark.style != "point" or first.mark.number <= 2) and len(chain) * 3 >= len(texts) * 2
    return plain or first.mark.number <= 2 or len(chain) * 2 >= len(texts)


def _proves_two(first: _Link, last: _Link, texts: Sequence[str], sparse: bool) -> bool:
    """Two counters prove a thread of two, or the end of one; alone among many posts they prove nothing."""
    if first.mark.total:
        whole = first.mark.number == 1 and last.mark.number == last.mark.total
        return first.mark.total == last.mark.total and (whole or (len(texts) <= 3 and not sparse))
    ended = last.at == len(texts) - 2 and any(_lasts(texts[-1]))
    whole = not sparse and first.at == 0 and (last.at == len(texts) - 1 or ended)
    return whole and first.mark.number == 1 and first.mark.style == "slash"


# -- what a proven chain brings along -----------------------------------------------------------------------------


def _add_last(marks: dict[int, tuple[Mark, ...]], texts: Sequence[str], sparse: bool) -> str:
    """Add and return the "end/" that stands in the text of the last number or in the one after it."""
    index = max(marks)
    number = marks[index][0]
    if number.last:
        return texts[index][number.start : number.end]
    for after in range(index, min(index + (_LAST_LINES if sparse else 2), len(texts))):
        for mark in _lasts(texts[after]):
            if after != index or mark.start >= number.end or mark.end <= number.start:
                marks[after] = tuple(sorted((*marks.get(after, ()), mark)))
                return texts[after][mark.start : mark.end]
    return ""


def _lasts(text: str) -> Iterator[Mark]:
    cut = max(0, len(text) - _WINDOW)
    for match in filter(None, (pattern.search(text, cut) for pattern in _LASTS)):
        yield Mark(*match.span("mark"), 0, 0, "slash", "tail", last=True)


def _add_sign(marks: dict[int, tuple[Mark, ...]], text: str) -> None:
    """Add the lone 🧵 with which the first post of a numbered thread says that it is one."""
    cut = max(0, len(text) - _WINDOW)
    match = _SIGN.match(text) or _SIGN.search(text, cut)
    if match and match.lastgroup:
        place = "head" if match["head"] else "tail"
        start, end = match.span(place)
        held = marks.get(0, ())
        if all(end <= mark.start or mark.end <= start for mark in held):
            marks[0] = tuple(sorted((*held, Mark(start, end, 0, 0, "sign", place))))


def _jumps(counters: Counters, texts: int) -> list[Jump]:
    jumps = []
    at, number, label = -1, 0, ""
    for index, marks in counters.marks.items():
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
