"""What the preview pages of some visits tell together: the posts as they are now, what was edited, what is gone,
and how much of a channel was looked at. Pure, and the same for any order of the pages.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from urllib.parse import parse_qs, urlsplit

import msgspec

from clew.errors import ParseError
from clew.model import Actor, Capture, Limit, Post, Tombstone, Version
from clew.sources.telegram import preview
from clew.sources.telegram.message import EDITED
from clew.sources.telegram.preview import Page, number_of

NOT_FOUND = "Post not found"
_PATH = re.compile(r"/(?P<list>s/)?(?P<name>[A-Za-z0-9_]{1,64})(?:/(?P<number>\d{1,15}))?/?", re.ASCII)
_Copy = tuple[Capture, Post]


class Asked(msgspec.Struct, frozen=True):
    """What an address of the preview asks for."""

    name: str
    """The channel's or group's."""
    number: int = 0
    """Of the post; 0 where none is named."""
    listed: bool = False
    """A list of posts; else one post alone."""
    after: int = 0
    """The list begins after this number; 0: it does not say so."""

    @property
    def id(self) -> str:
        return f"https://t.me/{self.name}/{self.number}"


class Span(msgspec.Struct):
    """Numbers of a channel's posts that were looked at, both ends included."""

    first: int
    last: int
    ended: bool = False
    """There was nothing after it."""


def asked(url: str) -> Asked | None:
    """Return what an address of the preview, at whatever host, asks for."""
    parts = urlsplit(url)
    found = _PATH.fullmatch(parts.path)
    if not found:
        return None
    after = parse_qs(parts.query).get("after", [""])[0]
    cursor = int(after) if re.fullmatch(r"[0-9]{1,15}", after) else 0
    return Asked(found["name"], int(found["number"] or 0), bool(found["list"]), cursor)


def span(question: Asked, page: Page, newest: bool = False) -> Span | None:
    """Return which numbers a list of posts covers; None where it covers nothing.

    ``newest``: it is the end of the channel.
    """
    if not page.listed:
        return None
    if not page.numbers:
        return Span(question.after, question.after, True) if question.after else None
    last = page.numbers[-1]
    if question.after:
        return Span(question.after + 1, last) if last > question.after else None
    return Span(page.numbers[0], last, newest)


def joined(spans: Iterable[Span]) -> list[Span]:
    """Return spans without overlap, in order. The end of the channel is where nothing after it was ever shown."""
    found: list[Span] = []
    for each in sorted(spans, key=lambda s: (s.first, s.last)):
        if found and each.first <= found[-1].last + 1:
            last = found[-1]
            ended = (each.ended and each.last >= last.last) or (last.ended and last.last >= each.last)
            found[-1] = Span(last.first, max(last.last, each.last), ended)
        else:
            found.append(Span(each.first, each.last, each.ended))
    for each in found[:-1]:
        each.ended = False
    return found


def failure(capture: Capture) -> str:
    """Return why an answer cannot be read, as a sentence without its full stop; empty where it can."""
    if told := capture.headers.get("clew-failure", ""):
        return told
    return f"Telegram answered {capture.status}" if capture.status >= 400 else ""


def anchor(capture: Capture) -> str:
    """Return the id of the post that a page was asked for, or of the only one that it shows."""
    try:
        page = preview.page(capture)
    except ParseError:
        return ""
    ids = [message.item.id for message in page.messages]
    question = asked(capture.url) if capture.url else None
    if question is not None and question.number:
        wanted = next((i for i in (*page.albums, *ids) if number_of(i) == question.number), "")
        return page.albums.get(wanted, wanted)
    return ids[0] if len(ids) == 1 else ""


def told(captures: Iterable[Capture]) -> Iterator[Actor | Post | Tombstone | Limit]:
    """Yield what preview pages, saved or fetched, tell."""
    yield from _Visits(sorted(captures, key=lambda c: (c.retrieved, c.sha256, c.url))).told()


class _Visits:
    def __init__(self, captures: Iterable[Capture]) -> None:
        self.actors: dict[Actor, None] = {}
        self.albums: dict[str, str] = {}
        self.copies: dict[str, list[_Copy]] = defaultdict(list)
        self.forgotten: list[Tombstone] = []
        self.gone: dict[str, Capture] = {}
        self.spans: dict[str, list[Span]] = defaultdict(list)
        self.unlisted: dict[str, None] = {}
        """Names of chats whose posts Telegram does not list."""
        self.hidden: dict[Asked, str] = {}
        """Posts that Telegram does not show, and what it says instead."""
        self.unread: dict[str, None] = {}
        """Why some pages could not be read."""
        for capture in captures:
            self._read(capture)

    def _read(self, capture: Capture) -> None:
        question = asked(capture.url) if capture.url else None
        try:
            problem = failure(capture)
            page = None if problem else preview.page(capture)
        except ParseError as error:
            if question is None:
                raise
            page, problem = None, error.what
        if page is None:
            self.unread[problem] = None
            return
        self.albums |= page.albums
        for message in page.messages:
            self.actors |= dict.fromkeys(message.actors)
            if isinstance(message.item, Post):
                self.copies[message.item.id].append((capture, message.item))
            else:
                self.forgotten.append(message.item)
        if question is not None:
            self._look(question, page, capture)

    def _look(self, question: Asked, page: Page, capture: Capture) -> None:
        name = page.messages[0].item.id.split("/")[3] if page.messages else question.name
        if question.listed and not page.listed:
            self.unlisted[name] = None
            self.spans.pop(name.casefold(), None)  # what was read then does not vouch for now
        elif question.listed:
            newest = not question.number and not urlsplit(capture.url).query
            found = span(question, page, newest)
            self.spans[name.casefold()] += [found] if found else []
        elif page.error == NOT_FOUND:
            self.gone[question.id] = capture
        elif not page.messages:
            self.hidden[question] = page.error

    # --- telling ---------------------------------------------------------------------------------------------

    def told(self) -> Iterator[Actor | Post | Tombstone | Limit]:
        posts = {id_: self._post(copies) for id_, copies in self.copies.items()}
        items = {id_: self._item(post) for id_, post in posts.items()}
        yield from self.actors
        yield from items.values()
        yield from self.forgotten
        for id_, capture in self.gone.items():
            if id_ not in items and id_ not in self.albums:
                yield Tombstone(
                    id_, attributed_to=self._channel(id_), evidence=_EVIDENCE, checked=capture.retrieved
                )
        for name, spans in self.spans.items():
            yield from self._coverage(name, joined(spans), list(posts.values()))
        yield from self._limits()

    def _limits(self) -> Iterator[Limit]:
        for problem in self.unread:
            yield Limit(f"A page of the preview could not be read: {problem}")
        for name in self.unlisted:
            if name.casefold() not in self.spans:
                yield self._limit(
                    name, f"Telegram lists no posts of @{name}, so later ones could not be looked for"
                )
        for question, error in self.hidden.items():
            if question.id not in self.copies:
                saying = f": {error}" if error else ""
                yield self._limit(
                    question.name, f"Telegram does not show post {question.number} of @{question.name}{saying}"
                )

    def _limit(self, name: str, evidence: str) -> Limit:
        """What another chat than the listed one keeps from us only surrounds the thread."""
        other = bool(self.spans) and name.casefold() not in self.spans
        return Limit(evidence, about="surroundings" if other else "thread")

    def _post(self, copies: list[_Copy]) -> Post:
        """Return the post as it was seen last, its other texts as earlier versions."""
        *_, (_, last) = copies
        texts = {copy.content: copy for _, copy in reversed(copies)}  # of equal ones the first that was seen
        earlier = [copy for copy in reversed(texts.values()) if copy.content != last.content]
        return msgspec.structs.replace(
            last,
            in_reply_to=self.albums.get(last.in_reply_to, last.in_reply_to),
            versions=tuple(Version(c.content, None if EDITED in c.labels else c.published) for c in earlier),
        )

    def _item(self, post: Post) -> Post | Tombstone:
        """Return a post, or that it is gone, where that is the later news."""
        seen = max(capture.retrieved for capture, _ in self.copies[post.id])
        gone = self.gone.get(post.id)
        if gone is None or gone.retrieved <= seen:
            return post
        return Tombstone(
            post.id,
            in_reply_to=post.in_reply_to,
            attributed_to=post.attributed_to,
            published=post.published,
            evidence=_EVIDENCE,
            checked=gone.retrieved,
        )

    def _channel(self, id_: str) -> str:
        """Return the author of a post, where it can only be the channel: groups have no list."""
        address = id_.rpartition("/")[0]
        return address if address.split("/")[3].casefold() in self.spans else ""

    def _coverage(self, name: str, spans: list[Span], posts: list[Post]) -> Iterator[Actor | Tombstone | Limit]:
        own = [post for post in posts if post.id.split("/")[3].casefold() == name]
        if not spans or not own:
            return
        author, chat = own[0].attributed_to, own[0].id.rpartition("/")[0]
        if len(spans) > 1 or not spans[0].ended:
            ranges = " and ".join(f"{span.first} to {span.last}" for span in spans)
            name = chat.rpartition("/")[2]
            yield Limit(f"Of the posts of @{name} only those numbered {ranges} were looked at", author)
            return
        first = spans[0].first
        yield Actor(author, outbox=f"public preview, read from post {first} to the newest,")
        for id_ in sorted({post.in_reply_to for post in own} - self.copies.keys() - self.gone.keys()):
            if id_.rpartition("/")[0] == chat and number_of(id_) < first:
                yield Tombstone(id_, attributed_to=author, evidence="it is answered here, and was not asked for")


_EVIDENCE = "Telegram says that there is no such post"
