"""Positions in text: code points (Python, W3C), UTF-8 bytes (AT Protocol), UTF-16 units (X, Telegram).

Offsets are converted once, at the door. An offset inside a character is moved to that character's start, one
past the end to the end: platforms send such offsets, and a facet is never worth a failure.
"""

from __future__ import annotations

from base64 import b32encode
from bisect import bisect_right
from collections.abc import Callable
from hashlib import sha256
from itertools import accumulate


def from_utf8(text: str) -> Callable[[int], int]:
    """Return a function from a UTF-8 byte offset to the code point offset in ``text``."""
    return _converter(text, lambda c: 1 if c < "\x80" else 2 if c < "\u0800" else 3 if c < "\U00010000" else 4)


def from_utf16(text: str) -> Callable[[int], int]:
    """Return a function from a UTF-16 code unit offset to the code point offset in ``text``."""
    return _converter(text, lambda c: 1 if c < "\U00010000" else 2)


def _converter(text: str, width: Callable[[str], int]) -> Callable[[int], int]:
    if text.isascii():
        return lambda offset: max(0, min(offset, len(text)))
    starts = [0, *accumulate(map(width, text))]  # starts[i] is the foreign offset of code point i
    return lambda offset: max(0, bisect_right(starts, offset) - 1)


def printable(text: str) -> str:
    """Replace what could drive a terminal or reorder a line: control and bidirectional format characters.

    Newlines and tabs stay. For display only; never stored.
    """
    return "".join("\ufffd" if _drives(c) else c for c in text)


def _drives(char: str) -> bool:
    return (
        (char < " " and char not in "\n\t")
        or "\x7f" <= char <= "\x9f"
        or "\u202a" <= char <= "\u202e"
        or "\u2066" <= char <= "\u2069"
        or char in "\u200e\u200f\u061c"
        or "\ud800" <= char <= "\udfff"
    )


def first_words(text: str, width: int = 80) -> str:
    """Return the start of ``text`` on one line, cut at a word with "…" where it is longer than ``width``."""
    line = " ".join(text[: width * 8].split())
    if len(line) <= width:
        return line
    cut = line.rfind(" ", width // 2, width)
    return line[: cut if cut > 0 else width - 1].rstrip() + "…"


def key(uri: str) -> str:
    """Return the short, stable name under which ``uri`` has its page: 12 characters of base 32, lower case."""
    return b32encode(sha256(uri.encode("utf-8", "surrogatepass")).digest()[:10]).decode()[:12].lower()
