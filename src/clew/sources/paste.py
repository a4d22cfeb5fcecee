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
from typing import Any

from clew import counters
from clew.captures import Member
from clew.decode import REDACTED, plain
from clew.errors import InputError, ParseError
from clew.model import Actor, Capture, Post, Tombstone
from clew.plugins import Source

_ANONYMOUS = "urn:clew:unnamed"
_HOMES = {"x": "https://x.com/{}"}
_CONTROLS = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")


class Paste:
    """Plain text, from a file, standard input or a form."""

    name = "paste"
    title = "Pasted text"
    formats: tuple[str, ...] = ("plain text of a thread or an article, also from pages that unroll threads",)
    members: tuple[Member, ...] = ()

    def sniff(self, capture: Capture) -> bool:
        """Take any text that is not markup or data."""
        head = capture.body[:65536]
        if not head.strip() or (_CONTROLS.search(head) and not head.startswith((b"\xff\xfe", b"\xfe\xff"))):
            return False
        start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
        return not start.startswith((b"{", b"<", b"window.YTD.")) and not _is_json_list(head)

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


def _is_json_list(head: bytes) -> bool:
    return re.match(rb"[\xef\xbb\xbf\s]*\[\s*(\{|\[|\])", head) is not None


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
    published = moment(capture.headers.get("published", ""))
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
    except ValueError as error:
        raise InputError("This is not a date", text, "Write it as 2022-02-21 or 2022-02-21T18:30+02:00") from error
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)


def _actor(given: str, found: tuple[str, str]) -> Actor:
    """Return who wrote it: as the person who pasted it says, else as the page's footer says."""
    network, handle = found
    if given:
        name = given.lstrip("@")
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


def _split(text: str) -> tuple[list[tuple[int, int]], tuple[str, str]]:
    """Return the ranges of the posts, and (network, handle) of the author where a service's footer tells."""
    lines = _lines(text)
    counted = counters.find([text[start:end] for start, end in lines], sparse=True)
    last = max(counted.marks, default=-1)
    stop, author = _cut_footer(text, lines, last)
    begin = _cut_header(text, lines)
    lines = lines[begin:stop]
    marked = {index - begin: marks for index, marks in counted.marks.items() if begin <= index < stop}
    groups = _group(text, lines, marked) if marked else [(0, len(lines))]
    ranges = (_trim(text, lines[low][0], lines[high - 1][1]) for low, high in groups if low < high)
    return [(start, end) for start, end in ranges if start < end], author


def _lines(text: str) -> list[tuple[int, int]]:
    ends = [match.start() for match in re.finditer(r"\r\n|\r|\n", text)] + [len(text)]
    starts = [0, *(match.end() for match in re.finditer(r"\r\n|\r|\n", text))]
    return list(zip(starts, ends, strict=True))


def _group(
    text: str, lines: Sequence[tuple[int, int]], marked: dict[int, tuple[counters.Mark, ...]]
) -> list[tuple[int, int]]:
    """Return the ranges of lines that are one post each."""
    if sum(marks[0].place == "head" for marks in marked.values()) * 2 > len(marked):
        starts = sorted(index for index, marks in marked.items() if marks[0].number or marks[0].place == "head")
        return list(zip([0, *starts], [*starts, len(lines)], strict=True))
    ends = [index + 1 for index in sorted(marked)]
    groups = list(zip([0, *ends], ends, strict=False))
    return groups + _after(text, lines, ends[-1], _blank_between(text, lines, ends))


def _blank_between(text: str, lines: Sequence[tuple[int, int]], ends: Sequence[int]) -> bool:
    """Say whether the numbered posts are parted by blank lines."""
    borders = [end for end in ends[:-1] if end < len(lines)]
    return bool(borders) and all(not text[slice(*lines[end])].strip() for end in borders)


def _after(text: str, lines: Sequence[tuple[int, int]], start: int, by_blank: bool) -> list[tuple[int, int]]:
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
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    return start, end


# -- what services print around a thread --------------------------------------------------------------------------


@cache
def _services() -> list[dict[str, Any]]:
    table = tomllib.loads((files("clew.sources") / "paste.toml").read_text("utf-8"))
    services: list[dict[str, Any]] = table["service"]
    return services


def _cut_footer(text: str, lines: Sequence[tuple[int, int]], last: int) -> tuple[int, tuple[str, str]]:
    """Return the index of the first line that a service added after the thread, and the author it names."""
    after = last + 1 if last >= 0 else len(lines) * 2 // 3
    stop, author = len(lines), ("", "")
    for service in _services():
        for index in range(after, len(lines)):
            line = text[slice(*lines[index])][:500]
            if any(re.search(pattern, line) for pattern in service["footer"]):
                stop = min(stop, index)
                named = re.search(service["author"], line) if "author" in service else None
                author = (service["network"], named["handle"]) if named and not author[1] else author
    return stop, author


def _cut_header(text: str, lines: Sequence[tuple[int, int]]) -> int:
    patterns = [pattern for service in _services() for pattern in service.get("header", ())]
    begin = 0
    for index in range(min(12, len(lines))):
        if any(re.search(pattern, text[slice(*lines[index])][:500]) for pattern in patterns):
            begin = index + 1
    return begin
