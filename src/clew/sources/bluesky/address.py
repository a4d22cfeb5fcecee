"""Addresses and times of the AT Protocol: at-URIs, record keys that are clocks (TIDs), pages on bsky.app, calls."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

from clew.errors import InputError

POST = "app.bsky.feed.post"
PROFILE = "app.bsky.actor.profile"
SITE = "https://bsky.app"

_DIGITS = "234567abcdefghijklmnopqrstuvwxyz"
_BASE32 = {char: value for value, char in enumerate(_DIGITS)}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HANDLE = re.compile(rf"(?:{_LABEL}\.)+[a-z](?:[a-z0-9-]{{0,61}}[a-z0-9])?")
_DID = re.compile(r"did:(?:plc:[a-z2-7]{24}|web:[A-Za-z0-9._-]+(?:%3A[0-9]+)?)")
_KEY = re.compile(r"(?!\.\.?\Z)[A-Za-z0-9._:~-]{1,512}")
_NOWHERE = frozenset("alt arpa example internal invalid local localhost onion test".split())
_POST_AT = re.compile(
    rf"(?:https?://(?:www\.)?bsky\.app/profile/(?P<who>[^/?#]+)/post|at://(?P<by>[^/?#]+)/{re.escape(POST)})"
    r"/(?P<key>[^/?#]+)/?(?:[?#].*)?",
    re.IGNORECASE,
)
_DOCUMENT = re.compile(r"/(did:plc:[a-z2-7]{24})\Z")


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


def before(key: str) -> str:
    """Return the record key just before ``key``: of a TID the one before, of any other a start of it."""
    if tid_time(key) is None:
        return key[:-1]
    number = 0
    for char in key:
        number = number << 5 | _BASE32[char]
    return "".join(_DIGITS[(number - 1) >> shift & 31] for shift in range(60, -1, -5))


# --- what people give, and what is asked of servers --------------------------------------------------------------


def asked(url: str) -> tuple[str, str]:
    """Return who wrote the post at a page of bsky.app or an at-URI (handle or DID), and its record key.

    Raises:
        InputError: it is no such address.
    """
    found = _POST_AT.fullmatch(url.strip())
    if found:
        who, key = found["who"] or found["by"], unquote(found["key"])
        who = who if who.startswith("did:") else unquote(who).removeprefix("@")
        if is_did(who) and _KEY.fullmatch(key):
            return who, key
        if _HANDLE.fullmatch(who.lower()) and len(who) < 254 and _KEY.fullmatch(key):
            return who.lower(), key
    raise InputError(
        "This address does not name a post of Bluesky",
        url,
        "Give one like https://bsky.app/profile/HANDLE/post/KEY or at://DID/app.bsky.feed.post/KEY",
    )


def is_did(text: str) -> bool:
    """Tell a DID of the two methods that Bluesky knows."""
    return _DID.fullmatch(text) is not None


class Call(NamedTuple):
    """What an address asks: a method (XRPC) of a server, or ``DOCUMENT`` or ``WELL_KNOWN`` for ``about``."""

    server: str
    method: str
    parameters: Mapping[str, list[str]] = MappingProxyType({})
    about: str = ""

    def one(self, name: str) -> str:
        """Return a parameter, or an empty string."""
        return next(iter(self.parameters.get(name, ())), "")


DOCUMENT, WELL_KNOWN = "DID document", "atproto-did"
LIST, RECORD = "com.atproto.repo.listRecords", "com.atproto.repo.getRecord"
PROFILE_OF, RESOLVE = "app.bsky.actor.getProfile", "com.atproto.identity.resolveHandle"
POSTS, THREAD = "app.bsky.feed.getPosts", "app.bsky.feed.getPostThread"


def xrpc(server: str, method: str, *parameters: tuple[str, str | int]) -> str:
    """Return the address of a call."""
    return f"{server}/xrpc/{method}?{urlencode(parameters, quote_via=quote)}"


def call(url: str) -> Call | None:
    """Return what an address asks of the AT Protocol; None where it is no such address."""
    if not url.startswith(("https://", "http://")):
        return None
    try:
        parts = urlsplit(url)
        server, path = f"{parts.scheme}://{parts.netloc}", parts.path
        found = parse_qs(parts.query)
    except ValueError:
        return None
    base, _, method = path.rpartition("/xrpc/")
    if method.startswith(("com.atproto.", "app.bsky.")):
        return Call(server + base, method, found)
    if directory := _DOCUMENT.search(path):
        return Call(server, DOCUMENT, about=directory[1])
    if path == "/.well-known/did.json":
        return Call(server, DOCUMENT, about=f"did:web:{parts.netloc.replace(':', '%3A')}")
    if path == "/.well-known/atproto-did":
        return Call(server, WELL_KNOWN, about=parts.netloc)
    return None


def document_url(did: str, directory: str, private_hosts: tuple[str, ...] = ()) -> str:
    """Return where the document of a DID is: in the directory, or (did:web) on its own host."""
    if did.startswith("did:plc:"):
        return f"{directory}/{did}"
    return f"{_origin(unquote(did.removeprefix('did:web:')), private_hosts)}/.well-known/did.json"


def well_known(handle: str, private_hosts: tuple[str, ...] = ()) -> str:
    """Return where the host of a handle says whose it is; empty where there can be no such host."""
    if handle.rpartition(".")[2] in _NOWHERE:
        return ""
    return f"{_origin(handle, private_hosts)}/.well-known/atproto-did"


def _origin(host: str, private_hosts: tuple[str, ...]) -> str:
    return f"{'http' if host in private_hosts else 'https'}://{host}"


def files(server: str, did: str) -> str:
    """Return what the CID of a file is put behind: a call of the server that keeps it, or ``at://DID/blob/``."""
    if not server:
        return f"at://{did}/blob/"
    return xrpc(server, "com.atproto.sync.getBlob", ("did", did)) + "&cid="
