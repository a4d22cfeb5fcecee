"""Files, folders, archives and pasted text become captures: bounded, streaming, byte for byte.

``open_input`` gives one ``Capture`` for a small file, else an ``Archive``: of its entries only those are opened
that a source's ``members`` name. A large file that is a list of records is an archive with one entry.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import cached_property
from itertools import islice
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import BinaryIO, Literal

from clew.archives import CHUNK, Container, Lone, open_container, size_of
from clew.config import Limits
from clew.errors import InputError, ParseError
from clew.model import Capture, Value
from clew.records import envelope, records, records_under

_LIMITS = Limits()
_TYPES = {
    ".js": "text/javascript", ".json": "application/json", ".jsonl": "application/jsonl", ".txt": "text/plain",
    ".html": "text/html", ".htm": "text/html", ".xml": "application/xml", ".car": "application/vnd.ipld.car",
    ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".gif": "image/gif", ".webp": "image/webp",
    ".avif": "image/avif", ".heic": "image/heic", ".svg": "image/svg+xml", ".mp4": "video/mp4",
    ".webm": "video/webm", ".mov": "video/quicktime", ".mp3": "audio/mpeg", ".ogg": "audio/ogg",
    ".oga": "audio/ogg", ".m4a": "audio/mp4", ".wav": "audio/wav", ".pdf": "application/pdf",
}  # fmt: skip
_JSON = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:[A-Za-z_$][\w$. ]*=\s*)?[\[{]")
_GLOB = re.compile(r"\*\*/|\*|\?|\[[^\]/]+\]|[^*?\[]+|\[")


class Member(Value, frozen=True):
    """One kind of file that a source may open in an archive or folder. Nothing else is ever opened."""

    glob: str
    """Pattern of the path, matched against it and each of its tails after a "/". ``*`` and ``?`` stay within one
    part of the path, ``**/`` is any number of parts. Case counts."""
    kind: Literal["whole", "records", "media"]
    """"whole" and "media": one capture. "records": one capture for each entry of a JSON array."""
    key: str = ""
    """For "records": the key of the top object that holds the array; empty where the array is the top, or where
    the member has one JSON value on each line. The object around the array is a capture of its own, emptied."""


def paste(
    text: str,
    *,
    author: str = "",
    published: str = "",
    limits: Limits = _LIMITS,
    retrieved: datetime | None = None,
) -> Capture:
    """Return pasted text as a capture, with what its giver told of it in the headers.

    Raises:
        InputError: nothing but white space, not Unicode, or over ``limits.file``.
    """
    if not text.strip():
        raise InputError("There is no text", "", "Paste the text of a thread")
    try:
        body = text.encode()
    except UnicodeEncodeError as error:
        raise InputError("This is not text in UTF-8", "", "Save it again as UTF-8") from error
    if len(body) > limits.file:
        raise _too_large("the text", limits.file)
    headers = {k: v for k, v in (("author", author), ("published", published)) if v}
    return _capture(body, "text/plain", _utc(retrieved), headers=headers)


def receive(stream: BinaryIO, *, limits: Limits = _LIMITS, retrieved: datetime | None = None) -> Capture:
    """Return all of a stream (standard input) as one capture.

    Raises:
        InputError: empty, or over ``limits.file``.
    """
    body = stream.read(limits.file + 1)
    if not body:
        raise InputError("There is nothing on the standard input", "", "Give a file, or pipe one in")
    if len(body) > limits.file:
        raise _too_large("standard input", limits.file)
    return _capture(body, _media_type("", body), _utc(retrieved))


def open_input(
    path: Path, *, limits: Limits = _LIMITS, name: str = "", retrieved: datetime | None = None
) -> Capture | Archive:
    """Return what is at ``path``: a capture of a file up to ``limits.file``, or an archive.

    A zip, tar, tar.gz or folder is an archive; so is a larger file of JSON records. ``name`` is what the file is
    called where its path does not tell (an upload).

    Raises:
        InputError: missing, empty, damaged, packed in a way that is not read here, or over the limits.
    """
    container = open_container(path, name or path.name, limits)
    archive = Archive(container, limits, _utc(retrieved))
    if not isinstance(container, Lone):
        return archive
    body = _read(container.chunks(container.name), limits.file)
    if body is None:
        head = next(container.chunks(container.name))
        if not _JSON.match(head):
            raise _too_large(container.name, limits.file)
        return archive
    if not body:
        raise InputError("The file is empty", str(path))
    sha256 = archive.sha256 if container.packed else ""
    return _capture(body, _media_type(container.name, body), _utc(retrieved), sha256, container.name)


class Archive:
    """An archive, a folder or a large file of records. Close it, or use it in a ``with`` statement."""

    def __init__(self, container: Container, limits: Limits, retrieved: datetime) -> None:
        self._container, self._limits, self._retrieved = container, limits, retrieved

    def __enter__(self) -> Archive:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    @cached_property
    def sha256(self) -> str:
        """Hex SHA-256 of the file; for a folder of the list of its files with their sizes, one a line."""
        return self._container.digest()

    def names(self) -> tuple[str, ...]:
        """The paths in it, in its own order."""
        return tuple(self._container.entries)

    def captures(self, members: Sequence[Member]) -> Iterator[Capture]:
        """Yield what the members name, in their order, then by path with numbers counted (part2 before part10).

        Of a member with a ``key`` the emptied object comes first, as ``path#0``; records are ``path#1`` and up.
        Media are not among them: ``media`` gives those.

        Raises:
            InputError: an entry that cannot be opened, or is over the limits.
            ParseError: records that are not JSON, cut off, or over ``limits.record``.
        """
        for name, member in self._wanted(members):
            yield from self._captures(name, member, glance=False)

    def first(self, members: Sequence[Member]) -> Capture | None:
        """Return the first of ``captures``, cheaply: of a large member only the start is read.

        For sniffing only: of an emptied object that is long in coming, what follows the array is not there.

        Raises:
            InputError: as ``captures``.
            ParseError: as ``captures``. Another source may still know it; if none does, this is why.
        """
        for name, member in self._wanted(members):
            for capture in self._captures(name, member, glance=True):
                return capture
        return None

    def media(self, tails: Collection[str], members: Sequence[Member]) -> Iterator[Capture]:
        """Yield the media whose path is one of ``tails`` or ends with it after a "/", in the archive's own order.

        Only what a member of kind "media" names. What is over ``limits.media``, or a link, is left out; who asked
        sees that it did not come.

        Raises:
            InputError: damaged, or over ``limits.total``.
        """
        wanted = frozenset(tails)
        patterns = [_pattern(member.glob) for member in members if member.kind == "media"]
        for name, why in self._container.entries.items():
            if (
                why
                or wanted.isdisjoint(_tails(name))
                or not any(p.search(self._container.base + name) for p in patterns)
            ):
                continue
            body = _read(self._container.chunks(name), self._limits.media)
            if body is not None:
                yield self._capture(body, _media_type(name, body), name)

    def _wanted(self, members: Sequence[Member]) -> Iterator[tuple[str, Member]]:
        if isinstance(self._container, Lone):
            yield from ((self._container.name, member) for member in self._fitting(members))
            return
        seen = set()
        for member in (m for m in members if m.kind != "media"):
            pattern, base = _pattern(member.glob), self._container.base
            names = (name for name in self._container.entries if name not in seen and pattern.search(base + name))
            for name in sorted(names, key=_natural):
                seen.add(name)
                yield name, member

    def _fitting(self, members: Sequence[Member]) -> Iterator[Member]:
        """The member that a large file is, by its content: its name tells nothing."""
        name, plain = next(iter(self._container.entries)), None
        for member in (m for m in members if m.kind == "records"):
            if not member.key:
                plain = plain or member
                continue
            head = islice(self._chunks(name), self._limits.file // CHUNK + 1)
            try:
                found = next(records_under(head, member.key, self._limits.record, name), None)
            except ParseError:
                continue
            if found is not None:
                yield member
                return
        if plain:
            yield plain

    def _captures(self, name: str, member: Member, *, glance: bool) -> Iterator[Capture]:
        if member.kind == "whole":
            yield self._whole(name)
            return
        limit, number = self._limits.record, 0
        pieces: Iterable[bytes]
        if member.key:
            start = islice(self._chunks(name), self._limits.file // CHUNK + 1 if glance else None)
            body = envelope(start, member.key, limit, name, glance=glance)
            yield self._capture(body, "application/json", f"{name}#0")
            pieces = records_under(self._chunks(name), member.key, limit, name)
        else:
            pieces = records(self._chunks(name), limit, name)
        for number, body in enumerate(pieces, 1):
            yield self._capture(body, "application/json", f"{name}#{number}")

    def _chunks(self, name: str) -> Iterator[bytes]:
        return self._container.chunks(name)

    def _whole(self, name: str) -> Capture:
        body = _read(self._chunks(name), self._limits.file)
        if body is None:
            raise _too_large(name, self._limits.file)
        return self._capture(body, _media_type(name, body), name)

    def _capture(self, body: bytes, media_type: str, member: str) -> Capture:
        return _capture(body, media_type, self._retrieved, self.sha256, member)


def _capture(
    body: bytes,
    media_type: str,
    retrieved: datetime,
    archive: str = "",
    member: str = "",
    headers: dict[str, str] | None = None,
) -> Capture:
    sha256 = hashlib.sha256(body).hexdigest()
    return Capture(sha256, body, media_type, retrieved, headers=headers or {}, archive=archive, member=member)


def _utc(time: datetime | None) -> datetime:
    return time.astimezone(UTC) if time else datetime.now(UTC)


def _read(chunks: Iterator[bytes], limit: int) -> bytes | None:
    """All of the chunks, or None where they are more than ``limit`` bytes."""
    parts, size = [], 0
    for chunk in chunks:
        size += len(chunk)
        if size > limit:
            return None
        parts.append(chunk)
    return b"".join(parts)


def _too_large(subject: str, limit: int) -> InputError:
    return InputError(
        f"This is larger than {size_of(limit)}", subject, "Only lists of JSON records can be; or raise limits.file"
    )


def _media_type(name: str, body: bytes) -> str:
    known = _TYPES.get(PurePosixPath(name).suffix.lower())
    if known:
        return known
    head = body[:CHUNK].lstrip()
    if b"\0" in head:
        return "application/octet-stream"
    return "application/json" if _JSON.match(head) else "text/html" if head.startswith(b"<") else "text/plain"


def _pattern(glob: str) -> re.Pattern[str]:
    parts = {"**/": "(?:[^/]+/)*", "*": "[^/]*", "?": "[^/]", "[": r"\["}
    body = "".join(
        parts.get(t) or (t.replace("[!", "[^/", 1) if t.startswith("[") else re.escape(t))
        for t in _GLOB.findall(glob)
    )
    return re.compile(rf"(?:^|/){body}\Z")


def _natural(name: str) -> list[str | int]:
    """Sort key: tweets.js, tweets-part1.js, tweets-part2.js, tweets-part10.js."""
    stem = name.removesuffix(PurePosixPath(name).suffix)
    return [int(part) if n % 2 else part for n, part in enumerate(re.split("([0-9]+)", stem))]


def _tails(name: str) -> Iterator[str]:
    yield name
    while "/" in name:
        name = name.partition("/")[2]
        yield name
