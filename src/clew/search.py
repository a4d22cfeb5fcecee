"""Pure: what a text holds for a search, how people ask, and where in a text the words stand.

Text is folded here and nowhere else, so that every database finds the same. Two texts fold alike where they differ
only in case, in accents, in the width or the form of letters, or in characters that nobody sees:

- case is folded, compatibility forms are taken apart (NFKD), digits of every script are 0 to 9;
- marks above and below letters are left out, also the vowel points of Arabic and Hebrew. What is a letter of its
  own or a vowel stays: Cyrillic й, ї and ў (ё is е), the signs of Indic and Thai script, the voicing of kana;
- a few letters that Unicode does not take apart stand for their plain one (ł, ø, đ, ħ, ı; Persian ک and ی);
- zero-width joiners, soft hyphens and marks of direction are left out, everything else parts words.

Where no space parts words (Han, kana, Hangul, Thai, Lao, Khmer, Burmese), each character with the next one is a
token, and the last one of a run stands alone: any part of a run can be found, a single character by its start.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from calendar import monthrange
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate, chain, pairwise
from operator import add
from typing import NamedTuple

from clew.model import Value

_LONGEST = 100  # characters of a token; the rest does not count
_MOST = 250  # tokens of a passage: PostgreSQL keeps 256 places of a word
_WINDOW = 4000  # characters of a passage
_TERMS = 32  # words and phrases of a question, and tokens of a phrase; the rest does not count
_ASKED = 1000  # characters of a question

_ALIKE = str.maketrans("łøđħı\u0649\u06a9\u06cc", "lodhi\u064a\u0643\u064a")
_LEAD, _VOWEL, _TAIL = "\u1100-\u115f\ua960-\ua97f", "\u1160-\u11a7\ud7b0-\ud7c6", "\u11a8-\u11ff\ud7cb-\ud7ff"
_SPACELESS = (
    f"{_LEAD}{_VOWEL}{_TAIL}\uac00-\ud7a3"  # Hangul, taken apart or not
    "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3041-\u3096\u309d-\u30fa\u30fc-\u312f\u31a0-\u31bf\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U0001b000-\U0001b16f\U00020000-\U0003ffff"
    "\u0e01-\u0eff\u1000-\u109f\u1780-\u17ff"
)
_UNIT = re.compile(f"[{_LEAD}][{_VOWEL}]*+[{_TAIL}]*+|[{_SPACELESS}][{_TAIL}\u3099\u309a]?")
_PIECE = re.compile(f"(?P<run>(?:{_UNIT.pattern})++)|[^ {_SPACELESS}]+")
_RUN = re.compile(f"[{_SPACELESS}]")
_STRAY = re.compile("(?<![иу])\u0306|(?<!і)\u0308")  # what is left of these two are letters: й, ў, ї
_ASCII = re.compile(r"\w+", re.ASCII)


class Token(NamedTuple):
    """A token at ``start:end``. ``head``: where its first character ends, of a word its last."""

    text: str
    start: int
    end: int
    head: int


class _Fold(dict[int, str]):
    """What each code point becomes: letters, nothing, or the space that parts words."""

    def __missing__(self, point: int) -> str:
        apart = unicodedata.normalize("NFKD", chr(point)).casefold()
        folded = "".join(map(_letter, unicodedata.normalize("NFKD", apart))).translate(_ALIKE)
        if len(folded) > 1:  # else it may be a mark that belongs to the letter before
            folded = _composed(folded)
        if folded != " " or point < 0x10000:  # there are a million code points that nobody uses
            self[point] = folded
        return folded


def _letter(char: str) -> str:
    if char.isdecimal():
        return str(unicodedata.decimal(char))
    kind, place = unicodedata.category(char), unicodedata.combining(char)
    if char in "\u0306\u0308":
        return char
    if 10 <= place <= 36 or place >= 200 or char in "\u034f\u0640" or "\ufe00" <= char <= "\ufe0f":
        return ""
    if kind == "Cf" and char != "\u200b":
        return ""
    return char if char.isalnum() or char == "_" or kind[0] == "M" else " "


_FOLD = _Fold()


def words(text: str) -> list[str]:
    """Return the tokens of ``text`` in order."""
    if text.isascii():
        return [word[:_LONGEST] for word in _ASCII.findall(text.lower())]
    folded = text.translate(_FOLD)
    if not _RUN.search(folded):
        return [word[:_LONGEST] for word in _composed(folded).split()]
    found: list[str] = []
    for piece in _PIECE.finditer(folded):
        found += _of_run(piece[0]) if piece.lastgroup == "run" else filter(None, [_token(piece[0])])
    return found


def located(text: str) -> list[Token]:
    """Return the tokens of ``text`` with the places of ``text`` where they stand."""
    folded = text.translate(_FOLD)
    ends = list(accumulate(map(len, map(_FOLD.__getitem__, map(ord, text)))))
    if ends == list(range(1, len(text) + 1)):  # character by character, as most texts are
        return list(_tokens(folded))

    def after(end: int) -> int:  # with what was left out there
        return max(bisect_left(ends, end) + 1, bisect_right(ends, end))

    return [
        Token(word, bisect_right(ends, start), after(end), after(head))
        for word, start, end, head in _tokens(folded)
    ]


def _tokens(folded: str) -> Iterator[Token]:
    for piece in _PIECE.finditer(folded):
        start, end = piece.span()
        if piece.lastgroup != "run":
            if word := _token(piece[0]):
                yield Token(word, start, end, end)
            continue
        borders = [*(unit.start() for unit in _UNIT.finditer(folded, start, end)), end]
        for word, here, head, after in zip(
            _of_run(piece[0]), borders, borders[1:], [*borders[2:], end], strict=False
        ):
            yield Token(word, here, after, head)


def _of_run(run: str) -> list[str]:
    units = [unit if len(unit) == 1 else _composed(unit) for unit in _UNIT.findall(run)]
    return [*map(add, units, units[1:]), units[-1]]


def _token(folded: str) -> str:
    return (folded if folded.isascii() else _composed(folded))[:_LONGEST]


def _composed(folded: str) -> str:
    return unicodedata.normalize("NFC", _STRAY.sub("", folded))


# --- passages ------------------------------------------------------------------------------------------------

_BLANK = re.compile(r"(?:\r\n?|\n)[^\S\r\n]*(?:[\r\n]\s*|\Z)")
_PAUSE = re.compile(r"[\r\n]|[.!?…](?=\s)|[。！？।؟]")


class Passage(NamedTuple):
    """What is found at once: the text at ``start:end`` and its tokens."""

    start: int
    end: int
    words: list[str]


def passages(text: str) -> Iterator[Passage]:
    """Yield the passages of a post's text: the whole, of a long one its paragraphs, of a long paragraph as many
    sentences as fit. What has no word in it is none. Phrases do not cross passages."""
    borders = [0, len(text)]
    if (whole := _fitting(text, 0, len(text))) is None:
        borders[1:1] = [match.end() for match in _BLANK.finditer(text) if match.end() < len(text)]
    parts = (_cut(text, start, end) for start, end in pairwise(borders)) if whole is None else [[whole]]
    yield from (part for part in chain.from_iterable(parts) if part.words)


def _fitting(text: str, start: int, end: int) -> Passage | None:
    if end - start > _WINDOW:
        return None
    found = words(text[start:end])
    return Passage(start, end, found) if len(found) <= _MOST else None


def _cut(text: str, low: int, high: int) -> Iterator[Passage]:
    while low < high:
        part = _fitting(text, low, high)
        if part is None:
            end = low + _sentences(text[low : min(low + _WINDOW, high)])
            part = Passage(low, end, words(text[low:end]))
        yield part
        low = part.end


def _sentences(window: str) -> int:
    """Return how much of a text that is too long is one passage: up to the last end of a sentence in its second
    half, else up to a word's start."""
    starts = [token.start for token in located(window) if token.start]
    most = starts[min(_MOST, len(starts)) - 1] if starts else len(window)
    ends = [match.end() for match in _PAUSE.finditer(window, most // 2, most)]
    return ends[-1] if ends else most


# --- questions -----------------------------------------------------------------------------------------------

_PART = re.compile(r'(-?)(?:(author|source|since|until):)?("[^"]*(?:"\*?|\Z)|[^\s"]+)', re.IGNORECASE)
_DATE = re.compile(r"([0-9]{4})(?:-([0-9]{1,2})(?:-([0-9]{1,2}))?)?")
_QUOTES = str.maketrans("“”„‟«»＂", '"' * 7)


class Phrase(NamedTuple):
    """Tokens that stand one after the other. ``prefix``: the last one only starts so."""

    tokens: tuple[str, ...]
    prefix: bool = False


class Query(NamedTuple):
    """A question: what all of ``wanted`` and none of ``unwanted`` is in, by one of ``authors``, of one of
    ``sources``, published from ``since`` to before ``until`` (aware)."""

    wanted: tuple[Phrase, ...] = ()
    unwanted: tuple[Phrase, ...] = ()
    authors: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    odd: tuple[str, ...] = ()
    """Filters that could not be read, and so do not count."""

    def __bool__(self) -> bool:
        """Say whether something is asked for: leaving out, or days, are not enough."""
        return bool(self.wanted or self.authors or self.sources)


def query(asked: str, **filters: str) -> Query:
    """Read a question: words, "phrases", -without, starts*, author:, source:, since: and until: (a year, a month or
    a day, that day included). ``filters`` ("author", "source", "since", "until") are as if written there; an empty
    one is none. Never raises."""
    wanted: list[Phrase] = []
    unwanted: list[Phrase] = []
    told: dict[str, list[str]] = {"author": [], "source": [], "since": [], "until": []}
    for minus, name, value in _PART.findall(asked[:_ASKED].translate(_QUOTES)):
        if name and not minus:
            told[name.lower()].append(value.strip('"'))
        elif found := phrase(f"{name} {value}"):
            (unwanted if minus else wanted).append(found)
    for name, value in filters.items():
        told[name] += [value] if value else []
    starts, ends = ([(day(value), value) for value in told[name]] for name in ("since", "until"))
    return Query(
        tuple(dict.fromkeys(wanted))[:_TERMS],
        tuple(dict.fromkeys(unwanted))[:_TERMS],
        tuple(filter(None, told["author"][:_TERMS])),
        tuple(filter(None, told["source"][:_TERMS])),
        max((days[0] for days, _ in starts if days), default=None),
        min((days[1] for days, _ in ends if days), default=None),
        tuple(f"{name}:{value}" for name, found in (("since", starts), ("until", ends)) for days, value in found
              if days is None),
    )  # fmt: skip


def phrase(asked: str) -> Phrase | None:
    """Return what a word or quoted phrase asks for; None where there is no letter in it."""
    found = list(_tokens(asked.translate(_FOLD)))
    start = asked.endswith("*") and bool(found)
    if found and _RUN.match(unicodedata.normalize("NFD", found[-1].text)):  # a run may go on in the text
        start = len(found) < 2 or found[-2].end != found[-1].end
        found = found if start else found[:-1]
    kept = tuple(token.text for token in found[:_TERMS])
    return Phrase(kept, start and len(found) <= _TERMS) if kept else None


def day(value: str) -> tuple[datetime, datetime] | None:
    """Return when the year, month or day "2026", "2026-02", "2026-02-21" begins and when it is over; None where
    ``value`` is none."""
    match = _DATE.fullmatch(value.strip())
    if match is None:
        return None
    year, month, date = (int(part) if part else 0 for part in match.groups())
    try:
        first = datetime(year, month or 1, date or 1, tzinfo=UTC)
        last = datetime(year, month or 12, date or monthrange(year, month or 12)[1], tzinfo=UTC)
        return first, last + timedelta(days=1)
    except (ValueError, OverflowError):
        return None


# --- snippets ------------------------------------------------------------------------------------------------


class Snippet(Value, frozen=True):
    """An exact slice of a passage. ``marks`` are the (start, end) of what was asked for, apart and in order."""

    text: str
    marks: tuple[tuple[int, int], ...] = ()
    cut_before: bool = False
    cut_after: bool = False

    def pieces(self) -> Iterator[tuple[str, bool]]:
        """Yield the text in pieces, and of each whether it was asked for."""
        at = 0
        for start, end in self.marks:
            yield self.text[at:start], False
            yield self.text[start:end], True
            at = end
        yield self.text[at:], False


def snippet(text: str, wanted: Sequence[Phrase], width: int = 240) -> Snippet:
    """Return at most about ``width`` characters of a passage around the first word that was asked for."""
    tokens = located(text)
    marks = _merged(span for one in wanted for span in _places(tokens, one))
    low, high = 0, len(text)
    if high > width * 5 // 4:
        first = marks[0][0] if marks else 0
        low = _border(tokens, max(0, min(first - width // 3, high - width)))
        high = _border(tokens, low + width) if low + width < high else high
    inside = [(max(start, low) - low, min(end, high) - low) for start, end in marks if start < high and end > low]
    return Snippet(text[low:high], tuple(inside), low > 0, high < len(text))


def _border(tokens: Sequence[Token], near: int) -> int:
    """Return where the last word at or before ``near`` starts; ``near`` where that is far off."""
    place = bisect_right(tokens, near, key=lambda token: token.start) - 1
    start = tokens[place].start if place >= 0 else 0
    return start if near - start <= _LONGEST else near


def _places(tokens: Sequence[Token], one: Phrase) -> Iterator[tuple[int, int]]:
    *first, last = one.tokens
    size = len(first)
    for at in range(len(tokens) - size):
        end = tokens[at + size]
        alike = end.text == last or (one.prefix and end.text.startswith(last))
        if alike and [token.text for token in tokens[at : at + size]] == first:
            yield tokens[at].start, end.head if one.prefix else end.end


def _merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    apart: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if apart and start <= apart[-1][1]:
            apart[-1] = apart[-1][0], max(apart[-1][1], end)
        else:
            apart.append((start, end))
    return apart
