"""Addresses and times of the AT Protocol: at-URIs, record keys that are clocks (TIDs), pages on bsky.app."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

POST = "app.bsky.feed.post"
PROFILE = "app.bsky.actor.profile"
SITE = "https://bsky.app"

_BASE32 = {char: value for value, char in enumerate("234567abcdefghijklmnopqrstuvwxyz")}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parts(uri: str) -> tuple[str, str, str]:
    """Return authority, collection and record key of an at-URI; empty strings for what is not there."""
    if not uri.startswith("at://"):
        return "", "", ""
    authority, _, path = uri[5:].partition("/")
    collection, _, key = path.partition("/")
    return authority, collection, key


def did_of(uri: str) -> str:
    """Return the DID that an at-URI begins with, or an empty string (a handle proves nothing)."""
    return uri[5:].partition("/")[0] if uri.startswith("at://did:") else ""


def post_url(uri: str, who: str) -> str:
    """Return the page of a post under the handle or DID ``who``; empty where ``uri`` is no at-URI."""
    return f"https://bsky.app/profile/{who}/post/{uri[uri.rfind('/') + 1 :]}" if uri.startswith("at://") else ""


def profile_url(who: str) -> str:
    """Return the page of an actor by handle or DID."""
    return f"{SITE}/profile/{who}"


def time_of(text: str | None) -> datetime | None:
    """Return an ISO 8601 time as aware UTC; None where it is none, or names no time zone."""
    try:
        time = datetime.fromisoformat(text or "")
        if time.tzinfo is UTC:
            return time
        return time.astimezone(UTC) if time.tzinfo else None
    except (ValueError, OverflowError):
        return None


def tid_time(key: str) -> datetime | None:
    """Return the time in a record key; None where the key is no TID (13 characters, top bit zero)."""
    if len(key) != 13 or key[0] not in "234567abcdefghij":
        return None
    number = 0
    for char in key:
        if char not in _BASE32:
            return None
        number = number << 5 | _BASE32[char]
    return from_micros(number >> 10)


def from_micros(micros: int) -> datetime | None:
    """Return a time from microseconds since 1970; None where no calendar reaches."""
    try:
        return _EPOCH + timedelta(microseconds=micros)
    except OverflowError:
        return None
