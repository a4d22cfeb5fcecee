"""Positions in text: code points (Python, W3C), UTF-8 bytes (AT Protocol), UTF-16 units (X, Telegram).

Offsets are converted once, at the door. An offset inside a character is moved to that character's start, one
past the end to the end: platforms send such offsets, and a facet is never worth a failure.
"""

from __future__ import annotations

import re
from base64 import b32encode
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from hashlib import sha256
from itertools import accumulate, pairwise

LINK = re.compile(r"\s*(https?://|at://)\S+\s*\Z")
"""A text that is nothing but an address."""
_COPIED = re.compile(r"\s*<?((?i:https?|at))(://[^\s<>]+)>?\s*\Z")

_CHUNK = 4096
_ASTRAL = re.compile("[\U00010000-\U0010ffff]")  # two units of UTF-16 each
_DRIVES = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def from_utf8(text: str) -> Callable[[int], int]:
    """Return a function from a UTF-8 byte offset to the code point offset in ``text``."""
    raw = text.encode("utf-8", "surrogatepass")
    borders = [0]  # in bytes, of chunks that end with a whole character
    while borders[-1] < len(raw):
        borders.append(_character(raw, min(borders[-1] + _CHUNK, len(raw))))
    before = [0, *accumulate(_length(raw[start:end]) for start, end in pairwise(borders))]

    def convert(offset: int) -> int:
        offset = _character(raw, max(0, min(offset, len(raw))))
        chunk = bisect_right(borders, offset) - 1
        return before[chunk] + _length(raw[borders[chunk] : offset])

    return convert


def _character(raw: bytes, offset: int) -> int:
    """Return where the character begins in which ``offset`` is."""
    while 0 < offset < len(raw) and raw[offset] & 0xC0 == 0x80:
        offset -= 1
    return offset


def _length(raw: bytes) -> int:
    return len(raw.decode("utf-8", "surrogatepass"))


def from_utf16(text: str) -> Callable[[int], int]:
    """Return a function from a UTF-16 code unit offset to the code point offset in ``text``."""
    # Where in UTF-16 each character of two units begins: each earlier one took one unit more.
    starts = [match.start() + earlier for earlier, match in enumerate(_ASTRAL.finditer(text))]
    units = len(text) + len(starts)

    def convert(offset: int) -> int:
        offset = max(0, min(offset, units))
        return offset - bisect_left(starts, offset)

    return convert


def address(text: str) -> str:
    """Return the address that ``text`` is, however it was copied: among spaces, in angle brackets, with a capital
    letter in front; empty where it is none."""
    found = _COPIED.match(text)
    return found[1].lower() + found[2] if found else ""


def printable(text: str) -> str:
    """Replace what could drive a terminal or reorder a line: control and bidirectional format characters.

    Newlines and tabs stay; other line ends become newlines. For display only; never stored.
    """
    return _DRIVES.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))


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


def tail(id_: str) -> str:
    """Return the last part of an id, which names the post as well within one export."""
    return id_.rstrip("/").rsplit("/", 1)[-1]
