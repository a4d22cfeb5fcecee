"""A repository as a CAR file: the signed commit, the tree of record keys below it, the records.

The file is indexed by walking its frames; only the blocks that are used are decoded, each after its hash was
checked. So a hostile file can neither build a cycle nor swap a record, and nothing is held twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import msgspec
from libipld import decode_dag_cbor

from clew.decode import where
from clew.errors import ParseError
from clew.model import Capture

_PREFIXES = (b"\x01\x71\x12\x20", b"\x01\x55\x12\x20")  # CIDv1, CBOR or raw, SHA-256: all that atproto allows
_CID = 36
_BLOCK = 4 << 20
"""Longest block, in bytes. Repositories allow 1 MiB for a record."""
_KEY = 1024
"""Longest key of a record, in bytes."""
_VARINT = 9


class TreeEntry(msgspec.Struct):
    """A key: ``p`` bytes as in the key before, then ``k``; its record ``v``; the subtree ``t`` after it."""

    p: int
    k: bytes
    v: bytes
    t: bytes | None = None


class TreeNode(msgspec.Struct):
    """A node of the tree: left subtree, entries in order."""

    e: list[TreeEntry]
    l: bytes | None = None  # noqa: E741  the format's name


class Commit(msgspec.Struct):
    """What the author signed."""

    did: str
    data: bytes


class Header(msgspec.Struct):
    """First frame of the file."""

    version: int
    roots: list[bytes]


def sniff(body: bytes) -> bool:
    """Tell a CAR file by its first frame."""
    return b"\xa2eroots" in body[:16]


class Repository:
    """An opened repository. ``missing`` tells, after ``records``, whether some of the tree was not in the file."""

    def __init__(self, capture: Capture) -> None:
        self.capture = capture
        self.body = capture.body
        self.blocks: dict[bytes, int] = {}
        self.missing = False
        header = self.index()
        if header.version != 1 or not header.roots:
            raise self.error("This CAR file is not of version 1, or has no root")
        self.commit = self.block(header.roots[0], Commit)
        if not self.commit.did.startswith("did:"):
            raise self.error("The commit of this repository names no author")

    def records(self) -> Iterator[tuple[str, bytes]]:
        """Yield "collection/key" and CID of each record, in order of keys.

        Raises:
            ParseError: the tree is broken, or turns back on itself.
        """
        seen: set[bytes] = set()
        stack: list[bytes | tuple[str, bytes]] = [self.commit.data]
        while stack:
            entry = stack.pop()
            if isinstance(entry, tuple):
                yield entry
            elif entry in seen:
                raise self.error("The tree of this repository turns back on itself")
            elif entry in self.blocks:
                seen.add(entry)
                stack += reversed(self.node(entry))
            else:
                self.missing = True

    def record(self, cid: bytes) -> Any:
        """Return a record as plain values; None where it is not in the file."""
        return self.block(cid, Any) if cid in self.blocks else None

    def node(self, cid: bytes) -> list[bytes | tuple[str, bytes]]:
        """Return what a node holds, in order: subtrees by CID, records by key and CID."""
        node = self.block(cid, TreeNode)
        parts: list[bytes | tuple[str, bytes]] = [node.l] if node.l is not None else []
        key = b""
        for entry in node.e:
            if not 0 <= entry.p <= len(key) or entry.p + len(entry.k) > _KEY:
                raise self.error("A key in the tree of this repository is broken")
            key = key[: entry.p] + entry.k
            parts.append((key.decode("utf-8", "replace"), entry.v))
            if entry.t is not None:
                parts.append(entry.t)
        return parts

    def block(self, cid: bytes, type_: Any) -> Any:
        """Decode one block into ``type_`` (shape of a struct, or Any)."""
        if cid not in self.blocks:
            raise self.error("This CAR file lacks the block that it starts from")
        start, end = self.frame(self.blocks[cid])
        data = self.body[start + _CID : end]
        if sha256(data).digest() != cid[4:]:
            raise self.error("A block of this CAR file does not match its hash", start)
        return self.decode(data, type_, start)

    def decode(self, data: bytes, type_: Any, at: int) -> Any:
        try:
            return msgspec.convert(decode_dag_cbor(data), type_)
        except (ValueError, RecursionError) as error:  # msgspec's errors are ValueErrors
            raise self.error(f"A block of this CAR file cannot be read ({error})", at) from error

    def index(self) -> Header:
        """Note where each block starts. Raises ParseError where the file is cut off."""
        start, end = self.frame(0)
        header: Header = self.decode(self.body[start:end], Header, start)
        while end < len(self.body):
            place = end
            start, end = self.frame(place)
            cid = self.body[start : start + _CID]
            if end - start < _CID or not cid.startswith(_PREFIXES):
                raise self.error("This CAR file holds a block that no Bluesky repository has", start)
            self.blocks[cid] = place
        return header

    def frame(self, at: int) -> tuple[int, int]:
        """Return start and end of the frame whose length stands at ``at``."""
        length = shift = 0
        for place in range(at, min(at + _VARINT, len(self.body))):
            length |= (self.body[place] & 0x7F) << shift
            shift += 7
            if self.body[place] < 0x80:
                if not 0 < length <= min(_BLOCK, len(self.body) - place - 1):
                    break
                return place + 1, place + 1 + length
        raise self.error("This CAR file is cut off or broken", at)

    def error(self, what: str, at: int | None = None) -> ParseError:
        return ParseError(
            what,
            where(self.capture),
            "Export the repository again",
            url=self.capture.url,
            at="" if at is None else f"byte {at}",
        )
