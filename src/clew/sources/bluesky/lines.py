"""JSON lines: one value on each line, as Jetstream writes them and as pages are kept."""

from __future__ import annotations

from collections.abc import Iterator


def by_line(body: bytes) -> bool:
    """Tell JSON lines from one JSON value: the first line is whole by itself and another one follows."""
    end = body.find(b"\n")
    first = body[:end].strip() if end >= 0 else b""
    return first[:1] + first[-1:] in (b"{}", b"[]") and len(first) > 2 and _next(body, end + 1) in (b"{", b"[")


def _next(body: bytes, start: int) -> bytes:
    """Return the first byte after ``start`` that is no white space."""
    while start < len(body) and body[start : start + 1].isspace():
        start += 1
    return body[start : start + 1]


def lines(body: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield number (from 1) and content of each line that is not blank, without a copy of the whole."""
    start, number = 0, 0
    while start < len(body):
        end = body.find(b"\n", start)
        end = len(body) if end < 0 else end
        number += 1
        if line := body[start:end].strip():
            yield number, line
        start = end + 1
