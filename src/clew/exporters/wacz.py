"""WACZ 1.1.1: the WARC with an index by address, a list of its pages with their text, and the hash of each part."""

from __future__ import annotations

import io
import json
import re
import string
from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Any, NamedTuple
from urllib.parse import quote, unquote_to_bytes, urlsplit
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from clew.manifest import Manifest, encoded, left_out, manifest
from clew.model import Page, Post
from clew.plugins import Exporter
from clew.warc import NEVER, Record, moment, ni, packed, records

_LINES = 3000  # of the index in one gzip member
_INDEXED = ("response", "revisit", "resource")
_PORTS = {"http": 80, "https": 443}
_SAFE = string.punctuation.replace("%", "").replace("#", "")


class Wacz:
    """A zip that replays in a browser (replayweb.page) and is checked by ``clew verify``."""

    name = "wacz"
    media_type = "application/wacz"
    suffix = ".wacz"
    wants_captures = True

    def export(self, page: Page) -> bytes:
        """Return the captures of the page; those that may not be shown are named in ``clew/manifest.json``."""
        told = manifest(page)
        warc, index = _archived(records(page.captures, told))
        lines, packed_index = _index(index)
        shown = list(_pages(page))
        head: dict[str, Any] = {"format": "json-pages-1.0", "id": "pages", "title": "All Pages", "hasText": True}
        parts = {
            "archive/data.warc.gz": warc,
            "indexes/index.cdx.gz": packed_index,
            "indexes/index.idx": lines,
            "pages/pages.jsonl": b"".join(_json(row) + b"\n" for row in (head, *shown)),
            "clew/manifest.json": encoded(told),
        }
        package = _json(_package(page, told, shown, parts), indent=1) + b"\n"
        digest = {"path": "datapackage.json", "hash": _hash(package)}
        return _zip({"datapackage.json": package, "datapackage-digest.json": _json(digest, indent=1), **parts})


def _archived(written: Iterable[Record]) -> tuple[bytes, list[_Line]]:
    """Return the WARC, and a line of the index for each record that can be replayed."""
    parts, index, offset = [], [], 0
    for record in written:
        part = record.written()
        if record.head["WARC-Type"] in _INDEXED:
            index.append(_line(record, offset, len(part)))
        parts.append(part)
        offset += len(part)
    return b"".join(parts), sorted(index)


class _Line(NamedTuple):
    key: str
    time: str
    facts: str


def _line(record: Record, offset: int, length: int) -> _Line:
    head = record.head
    url, capture = head["WARC-Target-URI"], json.loads(head["Clew-Capture"])
    revisit = head["WARC-Type"] == "revisit"
    facts = {
        "url": url,
        "mime": "warc/revisit" if revisit else capture["media_type"] or "application/octet-stream",
        "status": str(capture.get("status") or 200),
        "digest": head["WARC-Payload-Digest"],
        "length": str(length),
        "offset": str(offset),
        "filename": "data.warc.gz",
    }
    time = re.sub("[^0-9]", "", head["WARC-Date"])[:14]
    return _Line(searchable(url), time, json.dumps(facts))


def searchable(url: str) -> str:
    """Return the key of an address in an index (SURT): the host from its end, then path and sorted query."""
    parts = urlsplit(url)
    if parts.scheme not in _PORTS:
        return url
    host = re.sub(r"^www\d*\.", "", parts.hostname or "")
    host = host if ":" in host else ",".join(reversed(host.split(".")))
    port = parts.netloc.rpartition("@")[2].rpartition("]")[2].partition(":")[2]
    place = host if port in ("", str(_PORTS[parts.scheme])) else f"{host}:{port}"
    path = re.sub("/+", "/", _least(parts.path)).rstrip("/") or "/"
    query = "&".join(sorted(_least(parts.query).split("&")))
    return f"{place}){path}{'?' if query else ''}{query}"


def _least(text: str) -> str:
    """Return a part of an address in lower case with the fewest characters encoded."""
    raw = text.encode("utf-8", "replace")
    while (plain := unquote_to_bytes(raw)) != raw:
        raw = plain
    return quote(raw, safe=_SAFE).lower()


def _index(index: list[_Line]) -> tuple[bytes, bytes]:
    """Return the index of the index, and the index in gzip members."""
    above = ['!meta 0 {"format": "cdxj-gzip-1.0", "filename": "index.cdx.gz"}']
    members, offset = [], 0
    for start in range(0, len(index), _LINES):
        lines = index[start : start + _LINES]
        member = packed("".join(f"{' '.join(line)}\n" for line in lines).encode())
        facts = {"offset": offset, "length": len(member), "digest": _hash(member), "filename": "index.cdx.gz"}
        above.append(f"{lines[0].key} {lines[0].time} {json.dumps(facts)}")
        members.append(member)
        offset += len(member)
    return ("\n".join(above) + "\n").encode(), b"".join(members) or packed(b"")


def _pages(page: Page) -> Iterator[dict[str, str]]:
    """Yield each capture that posts of the main line came from: its address, when, and what they say."""
    texts: dict[str, list[str]] = {}
    for item in page.thread.items:
        if isinstance(item, Post):
            texts.setdefault(item.capture, []).append(item.content)
    for capture in sorted(page.captures, key=lambda capture: (capture.retrieved, capture.url)):
        if capture.body and (said := texts.pop(capture.sha256, None)):
            url = capture.location or capture.url or ni(capture.sha256)
            yield {
                "id": capture.sha256[:12],
                "url": url,
                "ts": moment(capture.retrieved),
                "title": page.title,
                "text": "\n\n".join(said),
            }


def _package(page: Page, told: Manifest, shown: list[dict[str, str]], parts: dict[str, bytes]) -> dict[str, Any]:
    latest = max((capture.retrieved for capture in told.captures), default=NEVER)
    first = {"mainPageUrl": shown[0]["url"], "mainPageDate": shown[0]["ts"]} if shown else {}
    return {
        "profile": "data-package",
        "wacz_version": "1.1.1",
        "software": told.tool,
        "title": page.title,
        "description": " ".join(
            [told.certificate.sentence, *(f"{clause.capitalize()}." for clause in left_out(told))]
        ),
        "created": moment(latest),
        **first,
        "resources": [
            {"name": path.rpartition("/")[2], "path": path, "hash": _hash(data), "bytes": len(data)}
            for path, data in parts.items()
        ],
    }


def _zip(parts: dict[str, bytes]) -> bytes:
    """Return a zip with the parts in this order; what is packed already is stored."""
    out = io.BytesIO()
    with ZipFile(out, "w") as zip_:
        for path, data in parts.items():
            info = ZipInfo(path)
            info.create_system, info.external_attr = 3, 0o644 << 16
            zip_.writestr(info, data, ZIP_STORED if path.endswith(".gz") else ZIP_DEFLATED)
    return out.getvalue()


def _hash(data: bytes) -> str:
    return f"sha256:{sha256(data).hexdigest()}"


def _json(value: Any, indent: int | None = None) -> bytes:
    return json.dumps(value, indent=indent, ensure_ascii=False).encode("utf-8", "replace")


EXPORTER: Exporter = Wacz()
