"""Times as English words, always in UTC and without the machine's locale."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

LONG_PAUSE = timedelta(hours=12)
_MONTHS = (
    "January February March April May June July August September October November December".split()
)  # fmt: skip
_SMALL = "no one two three four five six seven eight nine ten eleven twelve".split()


DATE_ONLY, LOCAL_TIME = "date-only", "local-time"
"""Labels of a post whose source told no time of day, or no time zone."""


def iso(time: datetime, labels: Collection[str] = ()) -> str:
    """Return "2026-02-21T14:03:00Z", what ``<time datetime>`` wants; without what the source did not tell."""
    utc = time.astimezone(UTC)
    if DATE_ONLY in labels:
        return f"{utc.year:04}-{utc:%m-%d}"
    return f"{utc.year:04}-{utc:%m-%dT%H:%M:%S}" + ("" if LOCAL_TIME in labels else "Z")


def day(time: datetime) -> str:
    """Return "21 February 2026"."""
    utc = time.astimezone(UTC)
    return f"{utc.day} {_MONTHS[utc.month - 1]} {utc.year}"


def full(time: datetime, labels: Collection[str] = ()) -> str:
    """Return "21 February 2026, 14:03 UTC"."""
    if DATE_ONLY in labels:
        return day(time)
    return f"{day(time)}, {time.astimezone(UTC):%H:%M} {'local time' if LOCAL_TIME in labels else 'UTC'}"


def short(time: datetime, labels: Collection[str] = ()) -> str:
    """Return "21 Feb, 14:03"."""
    utc = time.astimezone(UTC)
    date = f"{utc.day} {_MONTHS[utc.month - 1][:3]}"
    return date if DATE_ONLY in labels else f"{date}, {utc:%H:%M}"


def span(first: datetime, last: datetime) -> str:
    """Return the days from ``first`` to ``last``: "21–23 February 2026"; one day stands alone."""
    a, b = first.astimezone(UTC), last.astimezone(UTC)
    if a.date() == b.date():
        return day(a)
    if (a.year, a.month) == (b.year, b.month):
        return f"{a.day}–{day(b)}"
    if a.year == b.year:
        return f"{a.day} {_MONTHS[a.month - 1]} – {day(b)}"
    return f"{day(a)} – {day(b)}"


def later(pause: timedelta) -> str:
    """Return "two days later"."""
    hours, days = pause // timedelta(hours=1), round(pause / timedelta(days=1))
    if hours < 24:
        return f"{spelled(hours, 'hour')} later"
    if days < 14:
        return f"{spelled(days, 'day')} later"
    if days < 60:
        return f"{spelled(round(days / 7), 'week')} later"
    if days < 700:
        return f"{spelled(round(days / 30.44), 'month')} later"
    return f"{spelled(round(days / 365.25), 'year')} later"


def count(number: int, noun: str) -> str:
    """Return "1 post", "3 posts", "1,300 posts"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def spelled(number: int, noun: str) -> str:
    """Return "one post", "three posts", "13 posts"."""
    digits, words = count(number, noun).split(" ", 1)
    return f"{_SMALL[number] if 0 <= number < len(_SMALL) else digits} {words}"
