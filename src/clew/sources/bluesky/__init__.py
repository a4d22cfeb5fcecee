"""Bluesky: answers of its API, record pages, repositories and Jetstream.

Parsing needs no network: a saved answer, an exported repository (CAR) or a recorded stream is enough. Media that
only a repository names get the address ``at://DID/blob/CID``, or one of the server which was asked for the record.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

import msgspec

from clew import decode
from clew.errors import ParseError
from clew.fetch import Client
from clew.model import Actor, Capture, Limit, Post, Tombstone
from clew.plugins import Member, Source

from . import address, answers, fetching, posts, redaction, repository
from .lines import by_line, lines
from .stream import Stream
from .visit import Visit, answer_of, failed
from .wire import Answer, Answering, Profile, Record

T = TypeVar("T")
_HEAD = 1 << 16
"""Bytes that ``sniff`` looks at."""
_MARK = re.compile(
    rb'"(?:uri|\$type)"\s*:\s*"(?:at://|app\.bsky\.)|"did"\s*:\s*"did:[^{}]*"time_us"|"time_us"[^{}]*"did"\s*:\s*"did:'
)


class Bluesky:
    """The network bsky.app, on the AT Protocol."""

    name = "bluesky"
    title = "Bluesky"
    formats: tuple[str, ...] = (
        "getPostThread, getPostThreadV2, getPosts, feeds and searches (JSON)",
        "com.atproto.repo.listRecords and getRecord (JSON, or one page on each line)",
        "a repository (CAR)",
        "Jetstream events (JSON lines)",
    )
    members: tuple[Member, ...] = ()
    patterns: tuple[str, ...] = (r"(?i:https?://(?:www\.)?bsky\.app/.*)", r"at://.*")
    examples: tuple[str, ...] = (
        "https://bsky.app/profile/alice.example.com/post/3kabcdefghij2",
        "at://did:plc:ewvi7nxzyoun6zhxrhs64oiz/app.bsky.feed.post/3kabcdefghij2",
    )

    def fetch(self, url: str, client: Client, known: Sequence[str] = ()) -> str:
        """Read the thread from its author's own repository, and from the AppView what others wrote around it.

        Raises:
            InputError: the address is not that of a post.
            FetchError: no such account, or the post is not to be had.
            Refused: the author shows posts to readers who are logged in only.
        """
        return fetching.fetch(url, client, known)

    def sniff(self, capture: Capture) -> bool:
        """Look for an at-URI or a type of app.bsky in JSON, for the first frame of a CAR, for a Jetstream event; or
        for a method of the AT Protocol in the address."""
        if address.call(capture.url):
            return True
        head = capture.body[:_HEAD].removeprefix(BOM_UTF8).lstrip()
        return repository.sniff(head) or (head[:1] in (b"{", b"[") and _MARK.search(head) is not None)

    def parse(self, captures: Iterable[Capture]) -> Iterator[Actor | Post | Tombstone | Limit]:
        """Yield what the captures hold. Events of Jetstream are folded, and answers of servers put together: they
        come last.

        Raises:
            ParseError: a file is cut off, too deeply nested, or holds no posts. Answers of servers raise nothing.
        """
        stream, asked = Stream(), []
        for capture in captures:
            if repository.sniff(capture.body):
                yield from _repository(capture)
                continue
            if address.call(capture.url) or failed(capture):
                asked.append(capture)
                continue
            for answer in _answers(capture):
                if answer.time_us is not None:
                    stream.add(answer, capture.sha256)
                else:
                    yield from _named(capture, answer)
        yield from stream.found()
        yield from Visit(asked).found()

    def anchor(self, capture: Capture) -> str:
        """Return the post that getPostThread, getPostThreadV2 or getRecord was asked for."""
        if _about(capture):
            answer = answer_of(capture)
            return answers.anchor(answer) if answer else ""
        if repository.sniff(capture.body) or by_line(capture.body):
            return ""
        found = list(_answers(capture))
        return answers.anchor(found[0]) if len(found) == 1 else ""

    def redact(self, capture: Capture, actors: frozenset[str]) -> bytes:
        """Return the body without the text of these actors (DIDs); their repository becomes a list of addresses."""
        if repository.sniff(capture.body):
            return redaction.car(capture, actors)
        method = _about(capture)
        if method == address.WELL_KNOWN:
            return capture.body  # a DID, which stays of everybody
        if method == address.DOCUMENT:
            return redaction.document(capture, actors)
        return redaction.answer(capture, actors) if method else redaction.json(capture, actors)


def _about(capture: Capture) -> str:
    call = address.call(capture.url)
    return call.method if call else ""


def _repository(capture: Capture) -> Iterator[Actor | Post | Tombstone]:
    """Yield the posts of a repository, then its owner: only then it is known whether the file holds all of them."""
    opened = repository.Repository(capture)
    did, profile = opened.commit.did, None
    whole = True
    for key, cid in opened.records():
        uri, record = f"at://{did}/{key}", None
        if key == f"{address.PROFILE}/self":
            profile = _converted(opened.record(cid), Profile)
        elif key.startswith(f"{address.POST}/"):
            record = opened.record(cid)
            whole = whole and record is not None
            yield _post(uri, did, record, capture)
    complete = whole and not opened.missing
    yield posts.owner(did, profile, outbox="repository" if complete else "")


def _post(uri: str, did: str, value: Any, capture: Capture) -> Post | Tombstone:
    if value is None:
        return Tombstone(uri, attributed_to=did, evidence="The repository lists it, but the file does not hold it")
    record = _converted(value, Record)
    if record is None:
        return answers.invalid(uri, did, (_converted(value, Answering) or Answering()).reply)
    embeds = (record.embed,) if record.embed else ()
    return posts.post(uri, record, embeds, capture=capture.sha256, did=did)[0]


def _converted(value: Any, type_: type[T]) -> T | None:
    try:
        return msgspec.convert(value, type_)
    except (msgspec.ValidationError, RecursionError):
        return None


def _named(capture: Capture, answer: Answer) -> list[answers.Found]:
    try:
        return answers.Walk(capture.sha256).answer(answer)
    except ParseError as error:
        subject = f"{decode.where(capture)}, {error.subject}" if error.subject else decode.where(capture)
        raise ParseError(error.what, subject, error.hint, url=capture.url, at=error.at) from error


def _answers(capture: Capture) -> Iterator[Answer]:
    if not by_line(capture.body):
        value: Answer | list[Answer] = decode.load(capture, Answer | list[Answer])
        yield from value if isinstance(value, list) else (value,)
        return
    decoder = msgspec.json.Decoder(Answer)
    for number, line in lines(capture.body):
        try:
            yield decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ParseError(
                f"Line {number} is not JSON of Bluesky ({error})",
                decode.where(capture),
                "Is the file cut off?",
                url=capture.url,
                at=f"line {number}",
            ) from error


SOURCE: Source = Bluesky()
