"""Offsets of other systems, and text for display."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.text import address, first_words, from_utf8, from_utf16, key, printable

ANY = st.text(st.characters(exclude_categories=()) | st.sampled_from("aé€😀\ud83d\ude00\u200d\n"), max_size=40)


def width_utf8(char: str) -> int:
    return len(char.encode("utf-8", "surrogatepass"))


def width_utf16(char: str) -> int:
    return 2 if char > "\uffff" else 1


@pytest.mark.parametrize(("convert", "width"), [(from_utf8, width_utf8), (from_utf16, width_utf16)])
@given(text=ANY)
def test_every_offset_is_converted(
    convert: Callable[[str], Callable[[int], int]], width: Callable[[str], int], text: str
) -> None:
    """A border of characters is converted; inside a character goes to its start, outside to the nearest end."""
    starts = [0, *accumulate(map(width, text))]
    to = convert(text)
    assert [to(start) for start in starts] == list(range(len(text) + 1))
    assert [to(at) for at in range(starts[-1])] == [bisect_right(starts, at) - 1 for at in range(starts[-1])]
    assert (to(-3), to(starts[-1] + 3)) == (0, len(text))


@pytest.mark.parametrize(("convert", "width"), [(from_utf8, width_utf8), (from_utf16, width_utf16)])
def test_long_texts_are_converted(
    convert: Callable[[str], Callable[[int], int]], width: Callable[[str], int]
) -> None:
    """What is counted in chunks is right at every offset, also where a chunk would end inside a character."""
    text = "a€😀é\ud800" * 2000
    starts, to = [0, *accumulate(map(width, text))], convert(text)
    assert all(to(start) == index for index, start in enumerate(starts))
    assert all(to(start + 1) == index for index, start in enumerate(starts[:-1]) if width(text[index]) > 1)


@given(ANY)
def test_printable_text_is_harmless(text: str) -> None:
    """No control or bidirectional format character is left but newline and tab; everything else is as it was."""
    shown = printable(text)
    assert not any(
        (c < " " and c not in "\n\t") or "\x7f" <= c <= "\x9f" or c in "\u061c\u200e\u200f" for c in shown
    )
    assert not any("\u202a" <= c <= "\u202e" or "\u2066" <= c <= "\u2069" for c in shown)
    shown.encode()
    assert printable(shown) == shown
    for before, after in zip(text.replace("\r\n", "\n"), shown, strict=True):
        assert after in (before, "\ufffd", "\n")


def test_line_ends_are_newlines() -> None:
    """A text with the line ends of another system shows lines, not replacement characters."""
    assert printable("a\r\nb\rc\n\td\x1b[0m") == "a\nb\nc\n\td\ufffd[0m"


@pytest.mark.parametrize(
    ("text", "width", "words"),
    [
        ("", 80, ""),
        ("  one\n two\t", 80, "one two"),
        ("one two three", 9, "one two…"),
        ("a" * 100, 10, "a" * 9 + "…"),
        ("one " + "a" * 100, 10, "one aaaaa…"),
    ],
)
def test_first_words(text: str, width: int, words: str) -> None:
    """The start of a text is one line, cut at a word where that costs less than half."""
    assert first_words(text, width) == words


@given(ANY, st.integers(2, 60))
def test_first_words_keep_their_width(text: str, width: int) -> None:
    """However hostile, the start of a text is no longer than asked for, and is on one line."""
    words = first_words(text, width)
    assert len(words) <= width
    assert len(words.splitlines()) <= 1


def test_keys_are_short_stable_and_apart() -> None:
    """An id always has the same key of 12 lower-case characters; lone surrogates do no harm."""
    assert key("https://ada.example/1") == key("https://ada.example/1") != key("https://ada.example/2")
    assert key("\ud800").isalnum()
    assert len(key("")) == 12
    assert key("x") == key("x").lower()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("https://tide.example/A?b=C#d", "https://tide.example/A?b=C#d"),
        (" Https://tide.example/1\n", "https://tide.example/1"),
        ("<https://tide.example/1>", "https://tide.example/1"),
        ("AT://did:plc:abc/x", "at://did:plc:abc/x"),
        ("see https://tide.example/1", ""),
        ("https://tide.example/1 and more", ""),
        ("https://", ""),
        ("tide.example/1", ""),
        ("ftp://tide.example/1", ""),
    ],
)
def test_addresses_are_known_however_they_were_copied(text: str, told: str) -> None:
    """Only the scheme is changed: in the rest capital letters count."""
    assert address(text) == told
