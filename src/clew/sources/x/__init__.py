"""X: its API v2 with the user's token; answers of that and of v1.1 in files; and account archives.

From an archive only the account, the profile, the author's own posts and their media are opened. Posts in
communities (``community-tweet.js``) are public and have the shape of all others, so they are read too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from clew.decode import load, where
from clew.errors import ParseError
from clew.fetch import Client
from clew.model import Actor, Capture, Limit, Post, Tombstone
from clew.plugins import Member
from clew.sources.x import fetching
from clew.sources.x.archive import Archive
from clew.sources.x.asking import Ask
from clew.sources.x.gathered import Gathered
from clew.sources.x.posts import Page
from clew.sources.x.reach import Answer, limits, place
from clew.sources.x.redaction import Redaction
from clew.sources.x.shapes import Entry, Status, digits, many

_ASSIGNED = re.compile(
    rb"\s*(?:window\.)?YTD\.(account|profile|note_tweet|community_tweet|tweets?)\.part[0-9]+\s*=\s*"
)
_BOM = b"\xef\xbb\xbf"
_POST_FILES = ("tweet.js", "tweets.js", "community-tweet.js")
_PART_FILES = ("tweet-part", "tweets-part", "community-tweet-part")
_MEDIA = ("tweets_media", "tweet_media", "community_tweet_media")


class X:
    """X (Twitter)."""

    name = "x"
    title = "X"
    patterns = (fetching.ADDRESS,)
    examples = (
        "https://x.com/ada_quay/status/1797200000000000000",
        "https://twitter.com/i/web/status/1797200000000000000",
    )
    formats = (
        "X API v2 answers (JSON, JSON lines), in the old vocabulary (tweet) and the new (post)",
        "X API v1.1 statuses (JSON, JSON lines)",
        "X account archive (zip or folder)",
    )
    members = (
        Member("account.js", "whole"),
        Member("profile.js", "whole"),
        Member("note-tweet.js", "records"),
        Member("note-tweet-part[0-9].js", "records"),
        *(Member(name, "records") for name in _POST_FILES),
        *(Member(f"{stem}[0-9].js", "records") for stem in _PART_FILES),
        *(Member(f"{stem}[0-9][0-9].js", "records") for stem in _PART_FILES),
        *(Member(f"{name}/*", "media") for name in _MEDIA),
    )

    def fetch(self, url: str, client: Client, known: Sequence[str] = ()) -> str:
        """Ask X's API for the thread of a post; ``x.token`` must be set. See ``fetching``."""
        return fetching.fetch(url, client, known)

    def sniff(self, capture: Capture) -> bool:
        """Whether the first JSON value is one that X sends."""
        head = capture.body[:256].removeprefix(_BOM)
        if _ASSIGNED.match(head):
            return True
        if not head.lstrip().startswith((b"{", b"[")):
            return False
        try:
            first = next((entry for entry in _entries(capture) if any(entry.kinds)), None)
        except ParseError:
            return False
        return first is not None and _is_ours(first)

    def parse(self, captures: Iterable[Capture]) -> Iterator[Actor | Post | Tombstone | Limit]:
        """Yield accounts and posts; of a visit also what it could not see."""
        archives: dict[str, Archive] = {}
        answers: list[Answer] = []
        for capture in captures:
            if ask := Ask.of(capture.url):
                answers.append(Answer(ask, capture, _page(capture)))
            elif not _is_media(capture):
                yield from _items(capture, archives)
        yield from _visited(answers)
        for archive in archives.values():
            yield from archive.close()

    def anchor(self, capture: Capture) -> str:
        """Return the id of the one post that was looked up; else nothing."""
        if Ask.of(capture.url):
            return ""
        entries = list(_entries(capture))
        if len(entries) != 1:
            return ""
        status = entries[0].data if isinstance(entries[0].data, Status) else entries[0]
        is_record = "record" in entries[0].kinds
        return f"https://x.com/i/status/{status.number}" if status.number and not is_record else ""

    def redact(self, capture: Capture, actors: frozenset[str]) -> bytes:
        """Return the body without what these accounts wrote or are called (of none: without what is not public);
        the body itself where it holds none of it.

        A record of an archive does not name its owner: it is taken to be one of ``actors`` unless the capture's
        header ``author`` (an actor id) says otherwise. So call this for captures that hold posts of ``actors``.
        """
        redaction = Redaction(actors, capture.headers.get("author", ""))
        if _is_media(capture):
            return redaction.media(capture.body)
        if Ask.of(capture.url) and _page(capture) is None:
            return capture.body  # X said no
        prefix, parts = _parts(capture)
        before = [msgspec.json.encode(load(part)) for part in parts]
        after = list(redaction.run([load(part) for part in parts]))
        return capture.body if after == before else prefix + b"\n".join(after)


def _items(capture: Capture, archives: dict[str, Archive]) -> Iterator[Actor | Post | Tombstone]:
    """Records go to their archive; all else in a capture is one page: each answer helps to read the others."""
    answers: list[Entry] = []
    hash_ = capture.archive or capture.sha256
    for entry in _entries(capture):
        kinds = set(entry.kinds)
        if "record" in kinds:
            archive = archives.setdefault(hash_, Archive(hash_, complete=bool(capture.archive)))
            yield from archive.read(entry, capture)
        elif kinds:
            answers.append(entry)
        else:
            raise ParseError("This is not a post of X", where(capture), url=capture.url)
    yield from Page(answers, capture).items()


def _page(capture: Capture) -> Page | None:
    """Return what X answered in a visit; None where that was no, nothing, or what cannot be read."""
    if capture.status >= 400 or "clew-failure" in capture.headers:
        return None
    try:
        return Page([load(capture, Entry)], capture)
    except ParseError:
        return None


def _visited(answers: Sequence[Answer]) -> Iterator[Actor | Post | Tombstone | Limit]:
    """Each answer of a visit helps to read the others: an answer may name an earlier version of an edited post."""
    found = Gathered()
    pages = [answer.page for answer in answers if answer.page]
    for page in sorted(pages, key=lambda page: place(page.capture)):
        found.add(page)
    for page in pages:
        page.latest, page.elsewhere = found.latest, found.posts
        yield from page.items()
    yield from limits(answers)


def _entries(capture: Capture) -> Iterator[Entry]:
    for part in _parts(capture)[1]:
        value: Entry | list[Entry] = load(part, Entry | list[Entry])
        yield from value if isinstance(value, list) else [value]


def _parts(capture: Capture) -> tuple[bytes, list[Capture]]:
    """Return what stands before the JSON, and the JSON values: one, or one on each line."""
    assigned = _ASSIGNED.match(capture.body.removeprefix(_BOM)[:256])
    if assigned:
        body = capture.body.removeprefix(_BOM)[assigned.end() :].rstrip().removesuffix(b";")
        return assigned.group(), [msgspec.structs.replace(capture, body=body)]
    first, _, rest = capture.body.strip().partition(b"\n")
    if first.rstrip().endswith((b"}", b"]")) and rest:
        lines = (line.strip() for line in capture.body.splitlines())
        return b"", [msgspec.structs.replace(capture, body=line) for line in lines if line]
    return b"", [capture]


def _is_media(capture: Capture) -> bool:
    return bool(capture.member) and capture.member.rpartition("/")[0].rpartition("/")[2] in _MEDIA


def _is_ours(entry: Entry) -> bool:
    """Tell X's JSON from that of others, by the words that only X uses."""
    if (entry.tweet and entry.tweet.number) or entry.note:
        return True
    if entry.account and entry.account.account_id:
        return True
    data = entry.data if isinstance(entry.data, list) else [entry.data] if entry.data else []
    posts = [*data, *many(entry.statuses), *many(entry.tweets)]
    if posts:
        return bool(posts[0].number) and _has_text(posts[0])
    if entry.number:
        marked = entry.author or entry.id_str or entry.history or digits(entry.conversation_id)
        return bool(marked) and _has_text(entry)
    if users := many(entry.users):
        return bool(users[0].number and users[0].handle)
    problems = many(entry.errors)
    if problems:
        return "/2/problems/" in problems[0].type
    return entry.meta is not None and "result_count" in entry.meta


def _has_text(status: Status) -> bool:
    return status.text is not None or status.full_text is not None or bool(status.redacted)


SOURCE = X()
