"""Cuts a stream of JSON into its records without loading it: bytes in, verbatim slices out.

Three shapes: one array (after an optional ``window.YTD.tweets.part0 = ``), values one after another (JSON lines),
or the array under one key of an object. The scanner keeps no more than one record and one chunk, and never
recurses. It checks how values nest and follow each other; what is inside a record is for its reader to decode.

Two ways lead over a record. The sure one goes from bracket to bracket with a regular expression and may stop at
any byte for the next chunk. The fast one guesses where the last whole record of the buffer ends and lets msgspec
cut what lies before: if that much is valid JSON the guess was right, else the sure one goes on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

import msgspec

from clew.errors import ParseError

_SPACE = re.compile(rb"[ \t\r\n]*+")
_PREFIX = re.compile(rb"(?:\xef\xbb\xbf)?[ \t\r\n]*(?P<name>(?:(?:var|let|const)[ ]+)?[A-Za-z_$][\w$.]*[ ]*=)?")
_PREFIX_SIZE = 4096
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
# To the next bracket, over all that is none; to an unfinished string or the end of the buffer where none comes.
# The last choice never holds. It is for Python before 3.11.5, Debian 12's among them: there a possessive group goes
# on from where its last attempt broke off, here in the middle of the string, unless one more choice begins anew.
_NEXT = re.compile(rb'(?:[^"\[\]{}]++|"(?:[^"\\]++|\\.)*+"|(?!))*+([\[\]{}]?)', re.DOTALL)
_WORD = re.compile(rb'[^ \t\r\n,:\[\]{}"]*+')
_SCALAR = re.compile(rb"-?[0-9][0-9.eE+-]*+|true|false|null")
# What parts two records that are objects: a comma and the first key of the second.
_SEAM = re.compile(rb',[ \t\r\n]*+\{[ \t\r\n]*+"[^"\\]{0,64}"')
_GUESSES = 3
_CUT_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])
_CUT_VALUES = msgspec.json.Decoder(msgspec.Raw)
_OPENING = {ord("}"): ord("{"), ord("]"): ord("[")}


def records(chunks: Iterable[bytes], limit: int, subject: str = "") -> Iterator[bytes]:
    """Yield each entry of the array, or each of the values that follow one another.

    ``limit`` is the size of the largest record in bytes, ``subject`` names the stream in errors.

    Raises:
        ParseError: not JSON, cut off, or a record over the limit; says at which byte, after how many records.
    """
    scanner = _Scanner(chunks, limit, subject)
    assigned = scanner.prefix()
    first = scanner.peek()
    if not first:
        raise scanner.error("There is no JSON here", "Is the file cut off?")
    yield from scanner.array() if first == b"[" else scanner.values()
    scanner.end(assigned)


def records_under(chunks: Iterable[bytes], key: str, limit: int, subject: str = "") -> Iterator[bytes]:
    """Yield each entry of the array under ``key`` of the top object; nothing where it has no such array.

    What follows the array is not looked at: ``envelope`` does.

    Raises:
        ParseError: as ``records``.
    """
    scanner = _Scanner(chunks, limit, subject)
    scanner.enter()
    if scanner.find(key):
        yield from scanner.array()


def envelope(chunks: Iterable[bytes], key: str, limit: int, subject: str = "", *, glance: bool = False) -> bytes:
    """Return the top object as it stands, with the array under ``key`` emptied; the object where it has none.

    With ``glance`` an array whose end does not come is taken to end the object: enough to see what it is.

    Raises:
        ParseError: not an object, cut off, the key twice, or over the limit without the array.
    """
    scanner = _Scanner(chunks, limit, subject)
    scanner.enter()
    if not scanner.find(key):
        whole = scanner.held()
        scanner.end(assigned=False)
        return whole
    before = scanner.held()
    scanner.release()
    try:
        for _ in scanner.array():
            pass
    except ParseError:
        if glance:
            return before + b"[]}"
        raise
    scanner.hold()
    if scanner.follows(b"}") and scanner.find(key):
        raise scanner.error(f'The list "{key}" stands there twice')
    after = scanner.held()
    scanner.release()
    scanner.end(assigned=False)
    return before + b"[]" + after


class _Scanner:
    """A window over the stream. ``pos`` is where it stands; what lies before it is dropped unless held."""

    def __init__(self, chunks: Iterable[bytes], limit: int, subject: str) -> None:
        self.chunks = filter(None, chunks)
        self.limit, self.subject = limit, subject
        self.buffer = b""
        self.pos = 0
        self.base = 0  # place of the buffer's first byte in the stream
        self.start: int | None = None  # of what is held, in the buffer
        self.count = 0
        self.guessed = 0  # end of the buffer in the stream when the fast way was last tried

    # --- the window

    def more(self) -> bool:
        """Take in the next chunk. False at the end of the stream."""
        keep = self.pos if self.start is None else self.start
        if len(self.buffer) - keep > self.limit:
            raise self.too_large()
        chunk = next(self.chunks, b"")
        self.buffer = self.buffer[keep:] + chunk
        self.base, self.pos = self.base + keep, self.pos - keep
        self.start = None if self.start is None else 0
        return bool(chunk)

    def hold(self) -> None:
        self.start = self.pos

    def held(self) -> bytes:
        piece = self.buffer[self.start or 0 : self.pos]
        if len(piece) > self.limit:
            raise self.too_large()
        return piece

    def release(self) -> None:
        self.start = None

    def peek(self) -> bytes:
        """Pass over white space and return the next byte; empty at the end."""
        while True:
            self.pos = _SPACE.match(self.buffer, self.pos).end()  # type: ignore[union-attr]  # always matches
            if self.pos < len(self.buffer):
                return self.buffer[self.pos : self.pos + 1]
            if not self.more():
                return b""

    # --- values

    def skip(self) -> None:
        """Pass over one value."""
        first = self.peek()
        if first in (b"{", b"["):
            self.nested()
        elif first == b'"':
            self.string()
        else:
            self.scalar()

    def nested(self) -> None:
        stack = bytearray()
        while True:
            match = _NEXT.match(self.buffer, self.pos)
            self.pos = match.end()  # type: ignore[union-attr]  # always matches
            mark = self.buffer[self.pos - 1] if match[1] else 0  # type: ignore[index]
            if mark in b"{[":
                stack.append(mark)
            elif mark:
                if stack.pop() != _OPENING[mark]:
                    raise self.error("The brackets of the JSON do not match")
                if not stack:
                    return
            elif not self.more():
                raise self.cut_off()

    def string(self) -> bytes:
        while not (match := _STRING.match(self.buffer, self.pos)):
            if not self.more():
                raise self.cut_off()
        self.pos = match.end()
        return match[0]

    def scalar(self) -> None:
        word = b""
        while len(word) < self.limit:
            word = _WORD.match(self.buffer, self.pos)[0]  # type: ignore[index]  # always matches
            if self.pos + len(word) < len(self.buffer) or not self.more():
                break
        if not _SCALAR.fullmatch(word):
            raise self.wrong("This is not JSON")
        self.pos += len(word)

    def take(self) -> bytes:
        """Return one value as it stands."""
        self.peek()
        self.hold()
        self.skip()
        piece = self.held()
        self.release()
        self.count += 1
        return piece

    # --- what values stand in

    def prefix(self) -> bool:
        """Pass over a byte order mark and a JavaScript assignment. True where there was one."""
        while len(self.buffer) < _PREFIX_SIZE and (chunk := next(self.chunks, b"")):
            self.buffer += chunk
        match = _PREFIX.match(self.buffer)
        self.pos = match.end()  # type: ignore[union-attr]  # always matches
        return bool(match["name"])  # type: ignore[index]

    def array(self) -> Iterator[bytes]:
        self.pos += 1
        if self.peek() == b"]":
            self.pos += 1
            return
        while True:
            yield self.take()
            if self.peek() == b"," and (seam := _SEAM.match(self.buffer, self.pos)):
                yield from self.run(seam[0], 1, lambda piece: _CUT_ARRAY.decode(b"[" + piece + b"]"))
            if not self.follows(b"]"):
                return

    def values(self) -> Iterator[bytes]:
        while self.peek():
            yield self.take()
            yield from self.run(b"\n", 0, _CUT_VALUES.decode_lines)

    def run(self, seam: bytes, skip: int, cut: Callable[[bytes], list[msgspec.Raw]]) -> Iterator[bytes]:
        """The fast way: the records from here (after ``skip`` bytes) to the last ``seam`` of the buffer."""
        end = len(self.buffer)
        if self.guessed == self.base + end:
            return
        self.guessed = self.base + end
        for _ in range(_GUESSES):
            end = self.buffer.rfind(seam, self.pos + skip, end)
            if end < 0:
                return
            try:
                pieces = cut(self.buffer[self.pos + skip : end])
            except (msgspec.DecodeError, RecursionError):
                continue
            yield from self.checked(pieces)
            self.pos = end
            return

    def checked(self, pieces: list[msgspec.Raw]) -> Iterator[bytes]:
        for piece in pieces:
            if len(piece) > self.limit:
                raise self.too_large()
            self.count += 1
            yield bytes(piece)

    def follows(self, closing: bytes) -> bool:
        """After a value: pass over a comma, True; or over the closing bracket, False."""
        mark = self.peek()
        if mark not in (b",", closing):
            raise self.wrong("Something that is not JSON stands between the records")
        self.pos += 1
        return mark == b","

    def enter(self) -> None:
        """Step into the top object, and hold it."""
        self.prefix()
        if self.peek() != b"{":
            raise self.error("This is not a JSON object")
        self.hold()
        self.pos += 1

    def find(self, key: str) -> bool:
        """Inside an object: go to the array under ``key``, True; or past the object's end, False."""
        if self.peek() == b"}":
            self.pos += 1
            return False
        while True:
            if self.peek() != b'"':
                raise self.wrong("This is not a JSON object")
            name = self.string()
            if self.peek() != b":":
                raise self.wrong("This is not a JSON object")
            self.pos += 1
            if self.peek() == b"[" and name == b'"%b"' % key.encode():
                return True
            self.skip()
            if not self.follows(b"}"):
                return False

    def end(self, assigned: bool) -> None:
        """Nothing may follow but white space, and the semicolon of an assignment."""
        if self.peek() == b";" and assigned:
            self.pos += 1
        if self.peek():
            raise self.error("Something follows the end of the JSON")

    # --- what can go wrong

    def error(self, what: str, hint: str = "") -> ParseError:
        at = self.base + self.pos
        return ParseError(
            f"{what} (byte {at:,}, after {self.count:,} records)", self.subject, hint, at=f"byte {at}"
        )

    def wrong(self, what: str) -> ParseError:
        """At the end of the stream nothing is wrong but the end."""
        return self.error(what) if self.peek() else self.cut_off()

    def cut_off(self) -> ParseError:
        self.pos = len(self.buffer)
        return self.error("The JSON breaks off", "Is the file complete? Get it again")

    def too_large(self) -> ParseError:
        return self.error(
            f"A record is larger than {self.limit:,} bytes", "Raise limits.record if you trust the file"
        )
