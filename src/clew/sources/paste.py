"""Pasted text: a thread copied from a page, or one text of several paragraphs.

It is a thread only where counters prove it: posts then end (or begin) at their counters. What a service that
unrolls threads printed around it is cut off, and read for the author's handle. Everything else is one post.
"""

from __future__ import annotations

import base64
import re
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import NamedTuple

from clew import counters
from clew.captures import Member
from clew.dates import DATE_ONLY, LOCAL_TIME
from clew.decode import REDACTED, encoding, plain
from clew.errors import InputError, ParseError
from clew.fetch import Client
from clew.model import Actor, Capture, Post, Tombstone
from clew.plugins import Source

_ANONYMOUS = "urn:clew:unnamed"
_HOMES = {"x": "https://x.com/{}"}
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_DATA = re.compile(r"\s*(?:<[A-Za-z!/?]|\{\s*[\"}]|\[\s*[{\[\]\"]|[\w$.]+\s*=\s*[\[{])")  # markup, JSON, a script
_NEWLINE = re.compile(r"\r\n|\r|\n")
_ANNOUNCED = re.compile(
    r"🧵|(?:^\W*|\b(?:a|this|short|long|new|quick) )thread(?=\W*$|\s*[:.!…]|\s+(?:on|about)\b)"
    r"|\b(?:тред|нитка)(?=\W*$|\s*[:.!…]|\s+(?:о|об|про)\b)",
    re.IGNORECASE | re.MULTILINE,
)
_LINKS = re.compile(r"\s*(?:https?://|pic\.)\S+(?:\s+(?:https?://|pic\.)\S+)*\s*")
_HEADER_LINES = 12


class Paste:
    """Plain text, from a file, standard input or a form."""

    name = "paste"
    title = "Pasted text"
    formats: tuple[str, ...] = ("plain text of a thread or an article, also from pages that unroll threads",)
    members: tuple[Member, ...] = ()
    patterns: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()

    def fetch(self, url: str, client: Client, known: Sequence[str] = ()) -> str:  # noqa: ARG002
        """Refuse: a text has no address."""
        raise InputError("A pasted text has no address", url)

    def sniff(self, capture: Capture) -> bool:
        """Take any text that is not markup or data. Control characters alone do not make it binary."""
        head = capture.body[:65536]
        text = head.decode(encoding(head), "replace")
        binary = "\0" in text or ("\ufffd" in text[:-4] and _CONTROLS.search(text))
        return bool(text.strip("\ufeff \t\r\n")) and not binary and not _DATA.match(text.lstrip("\ufeff"))

    def parse(self, captures: Iterable[Capture]) -> Iterator[Actor | Post | Tombstone]:
        """Yield the author and the posts of each text, in reading order."""
        for capture in captures:
            yield from _parse(capture)

    def anchor(self, capture: Capture) -> str:  # noqa: ARG002  a text names no post
        """Return nothing: a text was asked for as a whole."""
        return ""

    def redact(self, capture: Capture, actors: frozenset[str]) -> bytes:
        """Leave nothing of a text that is one of the actors'."""
        authors = {value.id for value in _parse(capture) if isinstance(value, Actor)}
        return REDACTED.encode() if authors & actors else capture.body


SOURCE: Source = Paste()


def _parse(capture: Capture) -> Iterator[Actor | Post | Tombstone]:
    hash_ = base64.urlsafe_b64encode(bytes.fromhex(capture.sha256)).rstrip(b"=").decode()
    base = f"ni:///sha-256;{hash_}"
    if capture.redacted:
        yield Tombstone(f"{base}#1", "forgotten", evidence="the text was removed at the author's request")
        return
    text = plain(capture)
    pieces, author = _split(text)
    if not pieces:
        raise ParseError("There is no text in this paste", capture.member or "standard input")
    actor = _actor(capture.headers.get("author", ""), author)
    yield actor
    when = capture.headers.get("published", "")
    published = moment(when)
    for number, (start, end) in enumerate(pieces, 1):
        yield Post(
            id=f"{base}#{number}",
            attributed_to=actor.id,
            content=text[start:end],
            published=published,
            capture=capture.sha256,
            in_reply_to=f"{base}#{number - 1}" if number > 1 else "",
            in_reply_to_actor=actor.id if number > 1 else "",
            context=f"{base}#1" if number > 1 else "",
            generator="paste",
            labels=_untold(when),
            order=number,
        )


def moment(text: str) -> datetime | None:
    """Return the time that ``--published`` gives: a date or a date and time, UTC where no zone is said.

    Raises:
        InputError: it is neither.
    """
    if not text:
        return None
    try:
        time = datetime.fromisoformat(text.strip())
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise InputError("This is not a date", text, "Write it as 2022-02-21 or 2022-02-21T18:30+02:00") from error


def _untold(when: str) -> tuple[str, ...]:
    """Return the label for what a date does not tell: the time of day, or its zone."""
    if not when:
        return ()
    if len(when.strip()) <= len("2022-02-21"):
        return (DATE_ONLY,)
    return () if datetime.fromisoformat(when.strip()).tzinfo else (LOCAL_TIME,)


def _actor(given: str, found: tuple[str, str]) -> Actor:
    """Return who wrote it: as the person who pasted it says, else as the page's footer says."""
    network, handle = found
    given = given.strip()
    name = given.lstrip("@")
    if name:
        if given.startswith("@") or name == handle:
            home = _HOMES["x"].format(name) if name.casefold() == handle.casefold() else ""
            return Actor(home or f"acct:{name}", preferred_username=name, url=home)
        if given.startswith(("https://", "http://", "did:")):
            return Actor(given, url=given if given.startswith("http") else "")
        return Actor(f"urn:clew:name:{given}", name=given)
    if handle:
        home = _HOMES[network].format(handle)
        return Actor(home, preferred_username=handle, url=home)
    return Actor(_ANONYMOUS)


# -- splitting ----------------------------------------------------------------------------------------------------

_Line = tuple[int, int]
_Marked = dict[int, tuple[counters.Mark, ...]]


def _split(text: str) -> tuple[list[tuple[int, int]], tuple[str, str]]:
    """Return the ranges of the posts, and (network, handle) of the author where a service's frame tells."""
    lines = _lines(text)
    counted = counters.find([text[start:end] for start, end in lines], sparse=True)
    frame = _frame(text, lines, counted.marks)
    marked = {at - frame.begin: marks for at, marks in counted.marks.items() if frame.begin <= at < frame.stop}
    announced = counted.last or frame.service or _announced(text, lines, counted.marks)
    proven = counters.self_evident(counted) or announced
    lines = lines[frame.begin : frame.stop]
    groups = _group(text, lines, marked) if marked and proven else [(0, len(lines))]
    ranges = (_trim(text, lines[low][0], lines[high - 1][1]) for low, high in groups if low < high)
    return [(start, end) for start, end in ranges if start < end], frame.author


def _lines(text: str) -> list[_Line]:
    breaks = [match.span() for match in _NEWLINE.finditer(text)]
    return list(zip([0, *(end for _, end in breaks)], [*(start for start, _ in breaks), len(text)], strict=True))


def _announced(text: str, lines: Sequence[_Line], marks: _Marked) -> bool:
    """Say whether the text calls itself a thread before its second number: "1." alone may number a list."""
    first = min(marks, default=0)
    return any(_ANNOUNCED.search(text, *lines[index]) for index in range(min(first + 1, len(lines))))


def _group(text: str, lines: Sequence[_Line], marked: _Marked) -> list[tuple[int, int]]:
    """Return the ranges of lines that are one post each."""
    ends = [_with_links(text, lines, index + 1) for index in sorted(marked)]
    if sum(marks[0].place == "head" for marks in marked.values()) * 2 > len(marked) and not _below(
        text, lines, marked
    ):
        starts = [index for index in sorted(marked) if marked[index][0].place == "head"]
        closed = ends[-1:] if marked[max(marked)][-1].last else []  # what follows "end/" is a postscript
        return list(pairwise(sorted({0, *starts, *closed, len(lines)})))
    groups = list(pairwise([0, *ends]))
    return groups + _after(text, lines, ends[-1], _blank_between(text, lines, ends))


def _below(text: str, lines: Sequence[_Line], marked: _Marked) -> bool:
    """Say whether each counter stands alone on the line below its post, the last one at the end of all."""
    alone = all(text[slice(*lines[at])].strip() == _written(text, lines[at], marks) for at, marks in marked.items())
    after = text[lines[max(marked)][1] : lines[-1][1]]
    return alone and not after.strip()


def _written(text: str, line: _Line, marks: Sequence[counters.Mark]) -> str:
    return text[line[0] + marks[0].start : line[0] + marks[-1].end].strip()


def _blank_between(text: str, lines: Sequence[_Line], ends: Sequence[int]) -> bool:
    """Say whether most of the numbered posts are parted by blank lines."""
    borders = [end for end in ends[:-1] if end < len(lines)]
    return sum(not text[slice(*lines[end])].strip() for end in borders) * 2 > len(borders)


def _with_links(text: str, lines: Sequence[_Line], end: int) -> int:
    """Return the end of a post with the lines of links that follow its counter up to a blank line."""
    low = end
    while end < len(lines) and _LINKS.fullmatch(text, *lines[end]):
        end += 1
    blank = end >= len(lines) or not text[slice(*lines[end])].strip()
    return end if blank else low


def _after(text: str, lines: Sequence[_Line], start: int, by_blank: bool) -> list[tuple[int, int]]:
    """Split what follows the last counter (postscripts) by the border that the numbered posts have."""
    groups, low = [], start
    for index in range(start, len(lines)):
        blank = not text[slice(*lines[index])].strip()
        next_blank = index + 1 >= len(lines) or not text[slice(*lines[index + 1])].strip()
        if (by_blank and blank) or (not by_blank and not blank and not next_blank):
            groups.append((low, index + 1))
            low = index + 1
    return [*groups, (low, len(lines))]


def _trim(text: str, start: int, end: int) -> tuple[int, int]:
    piece = text[start:end]
    return start + len(piece) - len(piece.lstrip()), start + len(piece.rstrip())


# -- what services print around a thread --------------------------------------------------------------------------


class _Frame(NamedTuple):
    """The lines from ``begin`` to ``stop`` are the thread; ``author`` is (network, handle)."""

    begin: int
    stop: int
    service: str = ""
    author: tuple[str, str] = ("", "")


class _Service(NamedTuple):
    name: str
    network: str
    sure: tuple[re.Pattern[str], ...]
    also: tuple[re.Pattern[str], ...]
    header: tuple[re.Pattern[str], ...]
    author: tuple[re.Pattern[str], ...]


@cache
def _services() -> list[_Service]:
    table = tomllib.loads((files("clew.sources") / "paste.toml").read_text("utf-8"))
    lists = ("sure", "also", "header", "author")
    return [
        _Service(one["name"], one["network"], *(tuple(map(re.compile, one.get(name, ()))) for name in lists))
        for one in table["service"]
    ]


def _frame(text: str, lines: Sequence[_Line], marks: _Marked) -> _Frame:
    """Return what of the lines is the thread, by the first service that certainly framed it."""
    after = max(marks) + 1 if marks else len(lines) * 2 // 3
    header = min(min(marks, default=len(lines)), _HEADER_LINES)
    shown = {at: text[slice(*lines[at])].strip()[:500] for at in (*range(header), *range(after, len(lines)))}
    for service in _services():
        stop = _footer(service, shown, after, len(lines))
        begin = _header(service, shown, header, known=stop < len(lines))
        if stop < len(lines) or begin:
            around = [shown[at] for at in (*range(begin), *range(stop, len(lines))) if at in shown]
            return _Frame(begin, stop, service.name, _handle(service, around))
    return _Frame(0, len(lines))


def _footer(service: _Service, shown: dict[int, str], after: int, end: int) -> int:
    """Return the first line of a footer: one that only the service prints, or its other lines right above."""
    stop = next((at for at in range(after, end) if _any(service.sure, shown[at])), end)
    above = stop - 1
    while stop < end and above >= after and (not shown[above] or _any(service.also, shown[above])):
        stop = above if shown[above] else stop
        above -= 1
    return stop


def _header(service: _Service, shown: dict[int, str], end: int, *, known: bool) -> int:
    """Return the line after the header: two different lines of it prove it, or one and the footer."""
    found = [(at, pattern) for at in range(end) for pattern in service.header if pattern.search(shown[at])]
    proven = found and (known or len({pattern for _, pattern in found}) > 1)
    return max(at for at, _ in found) + 1 if proven else 0


def _any(patterns: Sequence[re.Pattern[str]], line: str) -> bool:
    return any(pattern.search(line) for pattern in patterns)


def _handle(service: _Service, around: Sequence[str]) -> tuple[str, str]:
    found = (pattern.search(line) for pattern in service.author for line in around)
    named = next(filter(None, found), None)
    return (service.network, named["handle"]) if named else ("", "")
