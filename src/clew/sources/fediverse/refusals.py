"""What it means for a thread that a server said no, said nothing, or said only a part.

- "Not here" counts as a fact where the author's own server says so of the very post, in a way in which it also
  gives posts: many answer 404 to questions that they do not know.
- Lists of posts that were not read to their end, and servers asked in place of the author's own, are limits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from typing import Literal, NamedTuple

from clew.fetch import FAILURE
from clew.model import Capture, Limit, Tombstone
from clew.sources.fediverse.activitypub import Object, members_of, ref, text, type_of
from clew.sources.fediverse.address import local_id
from clew.sources.fediverse.asking import decoded
from clew.sources.fediverse.body import when
from clew.sources.fediverse.instance import SHORT, order, place_of
from clew.sources.fediverse.mastodon import Answers, is_local
from clew.sources.fediverse.served import Served
from clew.sources.fediverse.shapes import COLLECTIONS, host, path_of
from clew.sources.fediverse.wire import Status

_API = re.compile(r"/api/v\d+/(?:statuses/([^/]+?)(/context|/history)?|accounts/([^/]+)/statuses)/?$")
About = Literal["thread", "surroundings"]
_GONE = (404, 410)
_CLOSED = (401, 403)


class _Role(NamedTuple):
    """What was asked for: a post, what stands around it ("/context"), its "/history", or an account's posts."""

    status: str = ""
    part: str = ""
    account: str = ""

    @classmethod
    def of(cls, capture: Capture) -> _Role | None:
        match = _API.search(path_of(capture.url))
        return cls(*(part or "" for part in match.groups())) if match else None


def is_api(capture: Capture) -> bool:
    """Say whether the API was asked for posts."""
    return _Role.of(capture) is not None


def is_status(capture: Capture) -> bool:
    """Say whether the API was asked for one post."""
    role = _Role.of(capture)
    return role is not None and bool(role.status) and not role.part


def is_support(capture: Capture) -> bool:
    """Say whether the API was asked for something that holds no posts of its own: an account, a search."""
    return "/api/v" in path_of(capture.url) and not is_api(capture)


class Refusals:
    """Collects the answers that held nothing to read, then tells what that means."""

    def __init__(self, answers: Answers, served: Served) -> None:
        self.answers, self.served = answers, served
        self.captures: list[Capture] = []
        self.given: list[tuple[Capture, list[str]]] = []
        """Answers of the API, each with the ids of the posts in it, as its server names them."""

    def add(self, capture: Capture) -> None:
        """Keep an answer that held nothing to read."""
        self.captures.append(capture)

    def heard(self, capture: Capture, ids: list[str]) -> None:
        """Note an answer of the API, and the ids that its server has for the posts in it."""
        self.given.append((capture, ids))

    def items(self) -> Iterator[Tombstone | Limit]:
        """Yield tombstones and limits."""
        named = (id_ for id_, _ in self.answers.known.values())
        self.served.secure |= {host(id_) for id_ in named if id_.startswith("https://")}
        self.captures.sort(key=lambda capture: (capture.retrieved, capture.url))
        yield from self._gone_posts()
        yield from self._unread()
        yield from self._cut_lists()
        yield from self._cut_outboxes()
        yield from self._not_at_home()
        yield from self._by_another_name()
        yield from self._still_fetching()

    # --- posts -------------------------------------------------------------------------------------------------

    def _gone_posts(self) -> Iterator[Tombstone]:
        asked = {(host(c.url), role.status): c for c in self.captures if (role := _Role.of(c)) and not role.part}
        missing = {key: capture for key, capture in asked.items() if capture.status in _GONE}
        answered = self.answers.parents_by_place()
        for (home, local), capture in missing.items():
            id_ = self.answers.known.get((home, local), ("", ""))[0] or answered.get((home, local), "")
            if host(id_) == home or id_ in self.answers.at_home:
                yield _tombstone(id_, capture)
        for capture in self.captures:
            if not is_api(capture) and not is_support(capture):
                yield from self._gone_object(capture, missing)

    def _gone_object(self, capture: Capture, missing: dict[tuple[str, str], Capture]) -> Iterator[Tombstone]:
        id_, home = self.served.name(capture.url), host(capture.url)
        pages = {s.url for page in self.answers.pages for s in page.statuses if s.uri != s.url}
        if id_ in self._lists or id_ in pages or not home:
            return
        also = missing.get((home, local_id(id_)))
        gives_api = any(host(c.url) == home for c, _ in self.given)
        is_elsewhere = any(id_ == known for known, _ in self.answers.known.values())
        speaks = not self.served.hosts.isdisjoint((home, host(id_))) or (also if gives_api else not is_elsewhere)
        if speaks and capture.status in _GONE:
            yield _tombstone(id_, capture)
        elif speaks and also and capture.status:
            yield _tombstone(id_, also)
        elif id_ in self._parents:
            yield Tombstone(id_, evidence=_why(capture))

    @cached_property
    def _lists(self) -> set[str]:
        return self.served.collections() | self.served.outboxes().keys()

    @cached_property
    def _parents(self) -> set[str]:
        return set(self.served.parents().values())

    # --- what was not told ---------------------------------------------------------------------------------------

    def _unread(self) -> Iterator[Limit]:
        """Lists that were asked for and did not come."""
        outboxes, lists = self.served.outboxes(), self._lists
        for capture in self.captures:
            role, url = _Role.of(capture), self.served.name(capture.url)
            listed = host(url) in self._listing
            if role is None and url in outboxes:
                if not listed:
                    yield _unread("The list of the author's posts", capture, actor=outboxes[url])
            elif role is None and url in lists:
                yield _unread("A list of answers", capture)
            elif role and role.part == "/context":
                yield _unread("What answers this thread", capture, about="surroundings" if listed else "thread")
            elif role and role.account:
                yield _unread("The list of the author's posts", capture)
            elif role and role.part == "/history" and capture.status not in (*_GONE, *_CLOSED):
                yield _unread("The earlier texts of an edited post", capture, about="surroundings")

    @cached_property
    def _listing(self) -> set[str]:
        """Return the servers whose API gave a list of an account's posts."""
        return {host(capture.url) for capture, _ in self.given if (role := _Role.of(capture)) and role.account}

    def _cut_lists(self) -> Iterator[Limit]:
        """Lists of an account's posts in the API that go on behind the last page that was asked for."""
        ends: dict[tuple[str, str], tuple[bool, int, str]] = {}
        for capture, ids in self.given:
            role, place = _Role.of(capture), place_of(capture.url)
            if role and role.account and place:
                is_last = len(ids) < SHORT or any(order(id_) <= order(place) for id_ in ids)
                end = (is_last, *max(map(order, ids), default=(0, "")))
                key = (host(capture.url), role.account)
                ends[key] = max(ends.get(key, end), end)
        for (home, _), (is_last, _, local) in ends.items():
            if not is_last:
                _, author = self.answers.known[home, local]
                yield _not_after(self._statuses(home, local)[0].created_at, author, home)

    def _statuses(self, home: str, local: str) -> list[Status]:
        pages = [page for page in self.answers.pages if page.instance == home]
        return [status for page in pages for status in page.statuses if str(status.id) == local]

    def _cut_outboxes(self) -> Iterator[Limit]:
        """Outboxes that were not read back to the start of the thread."""
        outboxes, pages = self.served.outboxes(), dict[str, list[Object]]()
        refused = {self.served.name(capture.url) for capture in self.captures}
        unasked = set[str]()
        for capture, value in self.served.documents:
            if (author := outboxes.get(self.served.name(capture.url))) and type_of(value) in COLLECTIONS:
                members = {str(member): self.served.made(member) for member in members_of(value)}
                pages.setdefault(author, []).extend(member for member in members.values() if member)
                if any(member is None and named not in refused for named, member in members.items()):
                    unasked.add(author)
        for author, listed in pages.items():
            ids = {ref(note.get("id")) for note in listed}
            oldest = min((date for note in listed if (date := text(note.get("published")))), default="")
            alone = [
                n for id_, n in self.served.notes.items() if self.served.author(id_) == author and id_ not in ids
            ]
            leads = author not in unasked and all("replies" in note for note in alone)
            if alone and not leads and host(author) not in self._listing:
                since = all(text(note.get("published")) < oldest for note in alone)
                what = f"only the author's posts since {_day(oldest)}" if since else "not all of the author's posts"
                yield Limit(f"{host(author)} lists {what}", author)

    def _not_at_home(self) -> Iterator[Limit]:
        """A server that told of the thread in place of the author's own."""
        telling = {host(capture.url) for capture, _ in self.given} | self.served.hosts
        for capture, _ in self.given:
            role, home = _Role.of(capture), host(capture.url)
            if not role or role.part != "/context":
                continue
            for status in self._statuses(home, role.status):
                own, (_, author) = host(status.uri or ""), self.answers.known[home, role.status]
                if own and own not in telling and not is_local(status.account):
                    why = self._no_of(own)
                    yield Limit(
                        f"{home} was asked in place of the author's own server, and may lack posts: {why}", author
                    )

    def _by_another_name(self) -> Iterator[Limit]:
        for plain, name in self.served.aliases.items():
            yield Limit(f"{plain} was asked in place of {host(name)}, by which name it goes")

    def _no_of(self, home: str) -> str:
        said = [capture for capture in self.captures if host(capture.url) == home]
        return _why(said[-1]) if said else f"{home} was not asked"

    def _still_fetching(self) -> Iterator[Limit]:
        for capture, _ in self.given:
            if capture.headers.get("mastodon-async-refresh"):
                yield Limit(
                    f"{host(capture.url)} was still fetching answers from other servers", about="surroundings"
                )


def _tombstone(id_: str, capture: Capture) -> Tombstone:
    """Return what is left of a post of which its server says that it is not there."""
    home, said = host(capture.url), decoded(capture) or {}
    time = when(said.get("deleted")) if type_of(said) == "Tombstone" else None
    is_proven = capture.status == 410 or type_of(said) == "Tombstone"
    what = "says that this was deleted" if is_proven else "does not have this"
    return Tombstone(
        id_,
        "deleted" if is_proven else "unavailable",
        deleted=time,
        evidence=f"{home} {what} (HTTP {capture.status})",
        checked=capture.retrieved,
    )


def _unread(what: str, capture: Capture, actor: str = "", about: About = "thread") -> Limit:
    return Limit(f"{what} could not be read: {_why(capture)}", actor, about)


def _not_after(date: str | None, author: str, home: str) -> Limit:
    return Limit(f"The author's later posts were read until {_day(date)} only; {home} has more", author)


def _day(date: str | None) -> str:
    day = when(date)
    return f"{day:%-d %B %Y}" if day else "some day"


def _why(capture: Capture) -> str:
    """Say why an answer is of no use."""
    home = host(capture.url)
    if failure := capture.headers.get(FAILURE):
        return failure if home in failure else f"{home}: {failure}"
    if capture.status in _CLOSED:
        return f"{home} shows it to people who are logged in and servers that it knows only (HTTP {capture.status})"
    if capture.status >= 400:
        return f"{home} answered HTTP {capture.status}"
    return f"{home} answered with something else"
