"""What kind of JSON a capture holds: answers of the Mastodon API, or ActivityPub objects. By its keys only."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Mapping
from html import unescape
from typing import Any, Literal, TypeVar
from urllib.parse import urljoin, urlsplit

import msgspec
from msgspec import Raw

from clew.decode import load, where
from clew.errors import ParseError
from clew.fetch import FAILURE
from clew.model import Capture

Kind = Literal["status", "context", "bundle", "history", "activitypub"]
T = TypeVar("T")

ACTIVITIES = frozenset(
    "Accept Add Announce Block Create Delete Dislike EmojiReact Flag Follow Like Move Reject Remove Undo "
    "Update View".split()
)
POSTS = frozenset("Note Question Article Page Video Audio Event".split())
COLLECTIONS = frozenset("Collection CollectionPage OrderedCollection OrderedCollectionPage".split())
ACTORS = frozenset("Person Service Group Organization Application".split())
ACCEPT = 'application/activity+json, application/ld+json; profile="https://www.w3.org/ns/activitystreams"'
_TYPES = ACTIVITIES | POSTS | COLLECTIONS | ACTORS | {"Tombstone"}

_HINTS = (b'"account"', b'"ancestors"', b"activitystreams", b'"actor"', b'"attributedTo"')
_LINK = re.compile(rb"<link\b[^<>]{1,2000}>", re.IGNORECASE)
_HREF = re.compile(rb"""\bhref\s*=\s*["']([^"'<>\s]+)""", re.IGNORECASE)
_HISTORY = re.compile(r"/api/v1/statuses/([^/]+)/history/?$")


def sniff(capture: Capture) -> bool:
    """Is the first JSON value of the body one of ours?"""
    start = capture.body[:256].removeprefix(codecs.BOM_UTF8).lstrip()[:1]
    if start not in (b"{", b"[") or not any(hint in capture.body for hint in _HINTS):
        return False
    try:
        return next(documents(capture), None) is not None
    except ParseError:
        return False


def documents(capture: Capture) -> Iterator[tuple[Kind, Raw]]:
    """Yield each status, context, bundle, history or ActivityPub object of a capture, still as JSON text.

    A body is one of them, a list of them (also of pairs), or has one of these on each line.

    Raises:
        ParseError: broken JSON, or a value that is none of these.
    """
    lines = parts(capture.body, capture)
    for number, part in enumerate(lines, start=1):
        line = f"line {number}" if len(lines) > 1 else ""
        if history_id(capture) and part.lstrip()[:1] == b"[":
            yield "history", Raw(part)
            continue
        for at, raw in enumerate(_flat(part, capture, line), start=1):
            kind = _kind(typed(raw, dict[str, Raw], capture, line))
            if kind is None:
                raise ParseError(
                    "This is neither a Mastodon answer nor an ActivityPub object",
                    where(capture),
                    "Save the status with its context, or the outbox",
                    url=capture.url,
                    at=line or f"value {at}",
                )
            yield kind, raw


def parts(body: bytes, capture: Capture) -> list[bytes]:
    """Split JSON lines; any other body is one part."""
    body = body.removeprefix(codecs.BOM_UTF8).strip()
    try:
        msgspec.json.decode(body, type=Raw)
    except (msgspec.DecodeError, RecursionError):
        lines = [line for line in body.split(b"\n") if line.strip()]
        if len(lines) > 1 and _whole(lines[0]):
            return lines
        load(capture, Raw)  # raises with the right words
    return [body]


def _whole(line: bytes) -> bool:
    try:
        msgspec.json.decode(line, type=Raw)
    except (msgspec.DecodeError, RecursionError):
        return False
    return line.lstrip()[:1] in (b"{", b"[")


def _flat(part: bytes, capture: Capture, line: str) -> Iterator[Raw]:
    """Yield the objects of one part: itself, or what its list and the lists directly in that hold."""
    if part.lstrip()[:1] != b"[":
        yield Raw(part)
        return
    listed: list[Raw] = typed(Raw(part), list[Raw], capture, line)
    for raw in listed:
        if bytes(raw).lstrip()[:1] == b"[":
            yield from typed(raw, list[Raw], capture, line)
        else:
            yield raw


def typed(raw: Raw, type_: type[T] | Any, capture: Capture, at: str = "") -> T:
    """Decode JSON text into ``type_``; like ``decode.load``, for the part of a body that stands ``at``."""
    try:
        value: T = msgspec.json.decode(raw, type=type_)
    except RecursionError as error:
        raise ParseError("The JSON is nested too deeply", where(capture), url=capture.url, at=at) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ParseError(
            f"The JSON{' of ' + at if at else ''} cannot be read ({error})",
            where(capture),
            "Is the file cut off?",
            url=capture.url,
            at=at,
        ) from error
    return value


def _kind(doc: Mapping[str, Raw]) -> Kind | None:
    keys = doc.keys()
    if keys >= {"id", "account"} and keys & {"content", "text"} and keys & {"visibility", "uri", "created_at"}:
        return "status"
    if keys >= {"ancestors", "descendants"}:
        return "context"
    if keys >= {"status", "context"}:
        return "bundle"
    return "activitypub" if _is_activitypub(doc) else None


def _is_activitypub(doc: Mapping[str, Raw]) -> bool:
    if "type" not in doc or not is_object({"type": msgspec.json.decode(doc["type"])}):
        return False
    if "@context" in doc:
        return b"activitystreams" in bytes(doc["@context"])
    return bool(doc.keys() & {"actor", "attributedTo"})


def is_answer(capture: Capture) -> bool:
    """Say whether it came from a server, that answered or did not; else it is a file."""
    return bool(capture.status) or FAILURE in capture.headers


def holds_json(capture: Capture) -> bool:
    """Say whether the body of a server's answer is JSON."""
    return _whole(capture.body.strip())


def is_object(value: Mapping[str, Any]) -> bool:
    """Say whether a JSON object is one of ActivityPub, by its type alone."""
    type_ = value.get("type")
    names = type_ if isinstance(type_, list) else [type_]
    return any(isinstance(name, str) and name in _TYPES for name in names)


def history_id(capture: Capture) -> str:
    """Return the local id of the status whose edit history this is, by the address it came from; else ""."""
    match = _HISTORY.search(path_of(capture.url))
    return match[1] if match else ""


def alternate(capture: Capture) -> str:
    """Return the address of the ActivityPub form of an HTML page that names one; else ""."""
    if b"activity+json" not in capture.body or capture.media_type not in ("text/html", "application/xhtml+xml"):
        return ""
    for link in _LINK.findall(capture.body):
        if b"activity+json" in link and b"alternate" in link and (found := _HREF.search(link)):
            return urljoin(capture.location or capture.url, unescape(found[1].decode("utf-8", "replace")))
    return ""


def path_of(url: str) -> str:
    """Return the path of an address; "" of what is none."""
    try:
        return urlsplit(url).path
    except ValueError:
        return ""


def host(url: str) -> str:
    """Return host and port of an http address; "" for anything else."""
    try:
        address = urlsplit(url)
    except ValueError:
        return ""
    return address.netloc.rpartition("@")[2].lower() if address.scheme in ("http", "https") else ""
