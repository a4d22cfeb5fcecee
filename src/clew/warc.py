"""WARC 1.1 (ISO 28500:2017): captures as records, and back. Pure: the same captures give the same bytes.

    response     what a server answered, under the address that answered
    revisit      the same body once more
    conversion   an answer from which an author's text was removed since
    resource     a file, a paste or a member of an archive, under the ``ni:`` URI of its digest
    metadata     why there is no answer, or why it is left out; at the end the manifest of the thread

The header ``Clew-Capture`` has all that is known of a capture but its body, as JSON: reading gives it back exactly.
"""

from __future__ import annotations

import json
import re
import struct
import zlib
from base64 import b32encode, urlsafe_b64encode
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from hashlib import sha256
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import quote
from uuid import NAMESPACE_URL, uuid5

import msgspec

from clew.errors import ParseError
from clew.fetch import FAILURE
from clew.manifest import LEFT_OUT, Manifest, encoded
from clew.model import Capture

HTTP = "application/http;msgtype=response"
MANIFEST = "application/vnd.clew.manifest+json"
NEVER = datetime(1970, 1, 1, tzinfo=UTC)
"""Date of an archive that nothing was received for."""
_FIELDS = "application/warc-fields"
_REVISIT = "http://netpreserve.org/warc/1.1/revisit/identical-payload-digest"
_OURS = re.compile(r"author\Z|published\Z|clew-")  # headers that no server sent
_AS_SENT = ("content-encoding", "content-length", "transfer-encoding")  # true of the body before it was unpacked
_HEX = re.compile("[0-9a-f]{64}")
_NOT_TOKEN = re.compile(r"[^!#$%&'*+.^_`|~0-9A-Za-z-]")
_URI = ":/?#[]@!$&'()*+,;=%-._~"
_HEADER = re.compile(rb"WARC/1\.[01]\r\n(.*?\r\n)\r\n", re.DOTALL)


class Record(NamedTuple):
    """One record: its headers, of which the type stands first, and its block."""

    head: dict[str, str]
    block: bytes

    def written(self) -> bytes:
        """Return the record as one gzip member."""
        rows = {**self.head, "WARC-Block-Digest": digest(self.block), "Content-Length": str(len(self.block))}
        lines = "".join(f"{name}: {_one_line(value)}\r\n" for name, value in rows.items())
        return packed(b"WARC/1.1\r\n" + lines.encode("utf-8", "replace") + b"\r\n" + self.block + b"\r\n\r\n")


def records(captures: Iterable[Capture], manifest: Manifest) -> Iterator[Record]:
    """Yield the records of captures in the order in which they were received, and that of the manifest."""
    by_facts = {(capture.retrieved, _facts(capture)): capture for capture in captures}
    date = max((when for when, _ in by_facts), default=NEVER)
    about = {"software": manifest.tool, "format": "WARC File Format 1.1", "isPartOf": manifest.thread}
    yield _record("warcinfo", "", date, _FIELDS, _fields(about))
    first: dict[str, Record] = {}
    for (_, facts), capture in sorted(by_facts.items()):
        record = _of(capture, facts, first.get(capture.sha256))
        if record.head["WARC-Type"] == "response" and capture.body:
            first.setdefault(capture.sha256, record)
        yield record
    yield _record("metadata", manifest.thread, date, MANIFEST, encoded(manifest))


def _of(capture: Capture, facts: str, earlier: Record | None) -> Record:
    target, told = capture.location or capture.url or ni(capture.sha256), {"Clew-Capture": facts}
    for name in (LEFT_OUT, FAILURE):
        if name in capture.headers:
            return _record(
                "metadata", target, capture.retrieved, _FIELDS, _fields({name: capture.headers[name]}), told
            )
    told["WARC-Payload-Digest"] = digest(capture.body)
    if capture.redacted:
        note = {"Clew-Note": "an author's text was removed from it"}
        return _record("conversion", target, capture.retrieved, _type(capture), capture.body, told | note)
    if not capture.status or not target.startswith(("http://", "https://")):
        return _record("resource", target, capture.retrieved, _type(capture), capture.body, told)
    if earlier is None:
        return _record("response", target, capture.retrieved, HTTP, _http(capture) + capture.body, told)
    same = {
        "WARC-Profile": _REVISIT,
        "WARC-Refers-To": earlier.head["WARC-Record-ID"],
        "WARC-Refers-To-Target-URI": earlier.head["WARC-Target-URI"],
        "WARC-Refers-To-Date": earlier.head["WARC-Date"],
    }
    return _record("revisit", target, capture.retrieved, HTTP, _http(capture), told | same)


def _record(
    kind: str, target: str, date: datetime, media_type: str, block: bytes, more: dict[str, str] | None = None
) -> Record:
    head = {"WARC-Type": kind, "WARC-Date": moment(date), "Content-Type": media_type, **(more or {})}
    if target:
        head["WARC-Target-URI"] = quote(target, safe=_URI, errors="replace")
    name = "\n".join([*head.values(), digest(block)])
    return Record({"WARC-Type": kind, "WARC-Record-ID": f"<urn:uuid:{uuid5(NAMESPACE_URL, name)}>"} | head, block)


def _facts(capture: Capture) -> str:
    """Return a capture without its body as JSON in ASCII."""
    facts = msgspec.to_builtins(msgspec.structs.replace(capture, body=b""))
    return json.dumps(facts, sort_keys=True, separators=(",", ":"))


def _http(capture: Capture) -> bytes:
    """Return the status line and headers of an answer as kept. What is not true of the unpacked body is renamed."""
    phrase = HTTPStatus(capture.status).phrase if capture.status in set(HTTPStatus) else ""
    lines = [f"HTTP/1.1 {capture.status} {phrase}"]
    for name, value in capture.headers.items():
        if not _OURS.match(name):
            shown = f"x-archive-orig-{name}" if name in _AS_SENT else _NOT_TOKEN.sub("-", name)
            lines.append(f"{shown}: {_one_line(value)}")
    lines.append(f"content-length: {len(capture.body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


def _type(capture: Capture) -> str:
    return capture.media_type or "application/octet-stream"


def _fields(values: dict[str, str]) -> bytes:
    return "".join(f"{name}: {_one_line(value)}\r\n" for name, value in values.items()).encode("utf-8", "replace")


def _one_line(value: str) -> str:
    return " ".join(value.replace("\0", " ").splitlines())


def digest(data: bytes) -> str:
    """Return a labelled digest as WARC writes it: "sha256:" and base 32."""
    return f"sha256:{b32encode(sha256(data).digest()).decode()}"


def ni(digest_: str) -> str:
    """Return the URI (RFC 6920) of what has this hex SHA-256."""
    raw = bytes.fromhex(digest_) if _HEX.fullmatch(digest_) else digest_.encode("utf-8", "replace")
    return f"ni:///sha-256;{urlsafe_b64encode(raw).rstrip(b'=').decode()}"


def moment(time: datetime) -> str:
    """Return a time in UTC as W3C writes it, to the microsecond."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def packed(data: bytes) -> bytes:
    """Return data as one gzip member, without name or time."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = deflate.compress(data) + deflate.flush()
    return b"\x1f\x8b\x08\0\0\0\0\0\x02\xff" + body + struct.pack("<LL", zlib.crc32(data), len(data) & 0xFFFFFFFF)


# --- reading ---------------------------------------------------------------------------------------------------


def read(data: bytes, most: int) -> Iterator[Record]:
    """Yield the records of a WARC file, packed or not.

    Args:
        data: the file.
        most: bytes of it unpacked.

    Raises:
        ParseError: damaged, larger, not WARC, or a block is not what its digest says.
    """
    rest = _unpacked(data, most) if data.startswith(b"\x1f\x8b") else data
    at = 0
    while at < len(rest):
        found = _HEADER.match(rest, at)
        if found is None:
            raise _damaged(at)
        lines = found[1].decode("utf-8", "replace").split("\r\n")
        head = {name: value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
        length = head.get("Content-Length", "")
        end = found.end() + (int(length) if re.fullmatch(r"[0-9]{1,15}", length) else len(rest))
        if rest[end : end + 4] != b"\r\n\r\n":
            raise _damaged(at)
        record = Record(head, rest[found.end() : end])
        if "WARC-Block-Digest" in head and head["WARC-Block-Digest"] != digest(record.block):
            raise ParseError(
                "A record is not what its digest says", head.get("WARC-Target-URI", ""), at=f"byte {at}"
            )
        yield record
        at = end + 4


def captures(read_: Iterable[Record]) -> Iterator[Capture]:
    """Yield the captures that ``records`` wrote; of one whose body is left out, without the body.

    Raises:
        ParseError: a record says of a capture what cannot be.
    """
    bodies: dict[str, bytes] = {}
    for record in read_:
        if "Clew-Capture" not in record.head:
            continue
        try:
            capture = msgspec.json.decode(record.head["Clew-Capture"], type=Capture)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ParseError(
                "A record does not say what it holds", record.head.get("WARC-Record-ID", "")
            ) from error
        body = _body(record, bodies.get(capture.sha256, b""))
        if record.head.get("WARC-Type") == "response":
            bodies.setdefault(capture.sha256, body)
        yield msgspec.structs.replace(capture, body=body)


def _body(record: Record, earlier: bytes) -> bytes:
    kind = record.head.get("WARC-Type", "")
    if kind == "revisit":
        return earlier
    if kind == "response":
        return record.block.partition(b"\r\n\r\n")[2]
    return b"" if kind == "metadata" else record.block


def _unpacked(data: bytes, most: int) -> bytes:
    parts, size, rest = [], 0, data
    while rest:
        unpack = zlib.decompressobj(wbits=31)
        try:
            part = unpack.decompress(rest, max(1, most - size + 1))
        except zlib.error as error:
            raise _damaged(len(data) - len(rest)) from error
        size += len(part)
        if size > most:
            raise ParseError(f"Unpacked this is larger than {most:,} bytes", "the archive")
        if not unpack.eof:
            raise _damaged(len(data) - len(rest))
        parts.append(part)
        rest = unpack.unused_data
    return b"".join(parts)


def _damaged(at: int) -> ParseError:
    return ParseError("This is not a WARC file, or it is damaged", "the archive", at=f"byte {at}")
