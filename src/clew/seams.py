"""Seams: does a sentence run over the border between two posts? Rules of punctuation and small words, per language.

Where nothing tells, it does not: a paragraph too many is easier to bear than two sentences run together.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources import files
from typing import NamedTuple

_CLOSERS = "\"'”’»›)]}*_"
_OPENERS = "\"'“”‘’„«»‹(["
_PUNCTUATION = ",.;:!?…"
_ENDS = ".!?…。！？؟۔।"
_CONTINUES = ",;–—-(，、،&+"
_MOST_REPEATED = 6  # words; longer repetitions are the author's
_SAMPLE = 100_000  # characters that are enough to tell how somebody writes
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")


class Manner(NamedTuple):
    """How an author writes. ``open`` to ``reason`` are the lists of seams.toml in the language of the thread."""

    open: frozenset[str] = frozenset()
    loose: frozenset[str] = frozenset()
    stranded: frozenset[str] = frozenset()
    clause: frozenset[str] = frozenset()
    onward: frozenset[str] = frozenset()
    reason: frozenset[str] = frozenset()
    common: frozenset[str] = frozenset()
    """Words that the author writes in lower case: with a capital they begin a sentence, and are no names."""
    capitals: bool = True
    """Sentences begin with a capital."""

    @property
    def words(self) -> frozenset[str]:
        """All of the small words."""
        return self.open | self.loose | self.stranded | self.clause | self.onward


def manner(texts: Sequence[str], langs: Iterable[str] = ()) -> Manner:
    """Return how the author of ``texts`` writes.

    Args:
        texts: the posts without their counters, in order. The first begins a sentence.
        langs: the languages that the posts name, with repetition; the most frequent one counts. Where none is
            named, the one is taken whose small words are the most frequent.
    """
    named = Counter(lang.partition("-")[0].casefold() for lang in langs if lang)
    sample = " ".join(texts)[:_SAMPLE]
    language = named.most_common(1)[0][0] if named else _guess(sample)
    words = (word for text in texts[:1] for word in text.split() if word[0].isalpha() and not is_link(word))
    first = next(words, "")
    common = frozenset(word for word in _WORD.findall(sample) if word.islower())
    return _manners().get(language, Manner())._replace(common=common, capitals=not first[:1].islower())


def runs_on(left: str, right: str, how: Manner) -> bool:
    """Say whether a sentence that stands at the end of ``left`` goes on at the start of ``right``.

    Neither is blank.
    """
    last, first, second = left.split()[-1], *[*right.split(maxsplit=2), ""][:2]
    if is_link(last) or is_link(first) or not any(c.isalnum() for c in first):
        return False
    if last.endswith(("…", "..")) and first.startswith(("…", "..")):
        return True
    if repeated(left, right, how):
        return True
    opening = first.strip(_OPENERS + _PUNCTUATION).casefold()
    ends = last.rstrip(_CLOSERS)[-1:]
    if ends and ends in _ENDS:
        return last.endswith("..") and opening in how.reason
    if ends and ends in _CONTINUES:
        return True
    if ends == ":" or not any(c.isalnum() for c in last):
        return False
    word = last.lstrip(_OPENERS).casefold()
    return _unfinished(word, first, opening, how) or _continues(right, opening, second, how)


def is_link(token: str) -> bool:
    """Say whether a word is a web address."""
    return token.casefold().startswith(("http://", "https://", "www."))


def repeated(left: str, right: str, how: Manner) -> int:
    """Return how many words the end of ``left`` and the start of ``right`` have twice, as a slip of the author's.

    A name that ends one sentence and begins the next is not carried over, nor is all of a text.
    """
    ends, starts = left.split()[-_MOST_REPEATED:], right.split(maxsplit=_MOST_REPEATED)
    for count in range(min(len(ends), len(starts) - 1, _MOST_REPEATED), 0, -1):
        tail = ends[-count:]
        spoken = all(any(c.isalpha() for c in word) and word[-1] not in _PUNCTUATION for word in tail)
        if spoken and tail == starts[:count] and not tail[0][0].isupper():
            return count if how.capitals or count > 1 or tail[0] in how.words else 0
    return 0


def _unfinished(last: str, first: str, opening: str, how: Manner) -> bool:
    """Say whether a text cannot end with ``last``, before a text that begins with ``first``."""
    capital = _initial(first).isupper()
    if last in how.open:
        return True
    if last in how.loose:
        return not (capital and (opening in how.words or opening in how.common))
    return last in how.stranded and not capital


def _continues(right: str, opening: str, second: str, how: Manner) -> bool:
    """Say whether ``right`` cannot begin a sentence."""
    first = _initial(right)
    if first.islower():
        return how.capitals and not (opening in how.clause and second[:1].islower())
    fronted = any("," in word for word in right.split(maxsplit=8)[:8])  # "To Ada, ..." opens a sentence
    return opening in how.onward and second[:1].isupper() and not fronted


def _initial(text: str) -> str:
    return text.lstrip(_OPENERS)[:1]


def _guess(text: str) -> str:
    """Return the language whose small words are the most frequent in ``text``; empty where there are none."""
    words = Counter(_WORD.findall(text.casefold()))
    shares = {name: sum(words[word] for word in how.words) for name, how in _manners().items()}
    best = max(shares, key=shares.__getitem__)
    return best if shares[best] else ""


@cache
def _manners() -> dict[str, Manner]:
    tables = tomllib.loads((files("clew") / "seams.toml").read_text("utf-8"))
    return {language: _of(table) for language, table in tables.items()}


def _of(table: dict[str, str]) -> Manner:
    names = ("open", "loose", "stranded", "clause", "onward", "reason")
    open_, loose, stranded, clause, onward, reason = (frozenset(table.get(name, "").split()) for name in names)
    return Manner(open_, loose, stranded, clause, onward, reason)
