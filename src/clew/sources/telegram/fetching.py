"""A post of a public channel or group and the run of replies it stands in, from the preview that needs no account.

From the post upwards along its reply links; from each post of the run onwards through the channel's next 100 posts,
for those that answer the run. What lies beyond is told as a limit.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import chain, product
from urllib.parse import parse_qs, urlsplit

from clew.errors import FetchError, InputError, LoginRequired, ParseError
from clew.fetch import Client, failed, query
from clew.model import Post
from clew.sources.telegram import preview
from clew.sources.telegram.preview import Page, number_of
from clew.sources.telegram.visits import NOT_FOUND, Asked, Span, failure, joined, span

PATTERN = r"(?:https?://)?(?:[A-Za-z0-9_]+\.)?(?:t|telegram)\.(?:me|dog)(?:[/?#]\S*)?\Z"
AHEAD = 100
"""So many posts of the channel are looked at after each post of the run."""
_UPWARDS = 100  # pages asked for on the way up
_HTML = "text/html,application/xhtml+xml"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{1,63}", re.ASCII)
_POST = re.compile(r"https://t\.me/([A-Za-z0-9_]{1,64})/(\d{1,15})", re.ASCII)
_SITES = ("t.me", "telegram.me", "telegram.dog")


def fetch(url: str, client: Client, known: Sequence[str] = ()) -> str:
    """See ``clew.plugins.Source``."""
    walk = _Walk(client, named(url))
    try:
        post = walk.begin()
    except FetchError:
        if walk.gone:  # what else there was may be there still
            with suppress(FetchError, ParseError):
                walk.again(known)
        raise
    with suppress(FetchError, ParseError):  # what did not come is among the captures: ``parse`` tells it as a limit
        walk.up(post)
        walk.onwards(post)
        walk.again(known)
    return post.id


def named(url: str) -> tuple[Asked, dict[str, int]]:
    """Return what an address for people asks for, and the cursor of a page ("before" or "after").

    Raises:
        InputError: it names neither a post nor a channel.
        LoginRequired: it leads into a private chat.
    """
    parts = urlsplit(url if "://" in url else f"https://{url}")
    steps = [step for step in parts.path.split("/") if step]
    host = (parts.hostname or "").removeprefix("www.")
    subdomain, _, site = host.partition(".")
    if host not in _SITES and site in _SITES:
        steps.insert(0, subdomain)  # NAME.t.me
    if steps[:1] == ["c"]:
        raise LoginRequired(
            "This is in a private chat, and shown to its members only",
            url,
            "Export the chat with Telegram Desktop",
            url=url,
        )
    if steps[:1] == ["s"]:
        steps.pop(0)
    name, *numbers = steps or [""]
    if (
        not {host, site} & {*_SITES}  # nobody else speaks for a channel
        or not _NAME.fullmatch(name)
        or name == "joinchat"
        or not all(_is_number(n) for n in numbers)
        or len(numbers) > 2
    ):
        raise InputError("This address of Telegram does not name a post", url, "One does: https://t.me/NAME/123")
    given = parse_qs(parts.query)
    cursors = {key: int(given[key][0]) for key in ("before", "after") if _is_number(given.get(key, [""])[0])}
    return Asked(name, int(numbers[-1]) if numbers else 0, listed=True), cursors


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"[1-9][0-9]{0,14}", text))


class _Walk:
    """What was seen so far of the chat that was asked for, and of others its posts lead to."""

    def __init__(self, client: Client, start: tuple[Asked, dict[str, int]]) -> None:
        self._client = client
        self._asked, self._cursors = start
        self._name = self._asked.name
        self._listed = True
        self._posts: dict[str, Post] = {}
        self._albums: dict[str, str] = {}
        self.gone: set[str] = set()
        self._spans: list[Span] = []

    # --- asking ----------------------------------------------------------------------------------------------

    def _get(self, url: str) -> tuple[Page, str]:
        capture = self._client.get(url, accept=_HTML)
        if failure(capture):
            raise failed(capture)
        page = preview.page(capture)
        self._albums |= page.albums
        self._posts |= {m.item.id: m.item for m in page.messages if isinstance(m.item, Post)}
        return page, capture.location

    def _list(self, question: Asked, cursors: dict[str, int]) -> Page:
        number = f"/{question.number}" if question.number else ""
        address = f"{self._client.config.telegram.site}/s/{question.name}{number}"
        page, _ = self._get(query(address, cursors) if cursors else address)
        self._listed = page.listed
        if page.messages:
            self._name = page.messages[0].item.id.split("/")[3]  # as the channel writes it
        found = span(question, page, newest=not number and not cursors)
        self._spans = joined([*self._spans, *([found] if found else [])])
        return page

    def _single(self, name: str, number: int) -> Page:
        address = f"{self._client.config.telegram.site}/{name}/{number}"
        page, _ = self._get(query(address, {"embed": 1, "mode": "tme"}))
        if page.error == NOT_FOUND:
            self.gone.add(f"https://t.me/{name}/{number}")
        return page

    def _held(self, number: int) -> Post | None:
        id_ = f"https://t.me/{self._name}/{number}"
        return self._posts.get(self._albums.get(id_, id_))

    # --- walking ---------------------------------------------------------------------------------------------

    def begin(self) -> Post:
        """Return the post that was asked for; of a page without one, its newest.

        Raises:
            FetchError: it is not shown.
        """
        page = self._list(self._asked, {} if self._asked.number else self._cursors)
        if not self._asked.number:
            posts = [m.item for m in page.messages if isinstance(m.item, Post)]
            if posts:
                return max(posts, key=lambda post: number_of(post.id))
            raise FetchError("Telegram lists no posts here", self._asked.name, "Give the address of a post")
        found = self._held(self._asked.number)
        if found is None:
            page = self._single(self._name, self._asked.number)
            found = self._held(self._asked.number) or next(iter(self._posts_of(page)), None)
        if found is None:
            raise self._missing(page)
        return found

    def _posts_of(self, page: Page) -> Iterator[Post]:
        """Yield what the widget of one post shows, whatever way its name is written there."""
        return (m.item for m in page.messages if isinstance(m.item, Post) and len(page.messages) == 1)

    def _missing(self, page: Page) -> FetchError:
        id_ = f"https://t.me/{self._asked.name}/{self._asked.number}"
        if page.error == NOT_FOUND:
            return FetchError("Telegram says that there is no such post", id_, "It may have been deleted", url=id_)
        if page.numbers:
            return FetchError("This is a service message, and not a post", id_, url=id_)
        told = f" ({page.error})" if page.error else ""
        return FetchError(f"Telegram shows no public preview of it{told}", id_, "Is the chat public?", url=id_)

    def up(self, post: Post) -> None:
        """Find what the post answers, and what that answers, and so on."""
        passed: set[str] = set()
        while post.in_reply_to and post.id not in passed and len(passed) < _UPWARDS:
            passed.add(post.id)
            name, number = _place(post.in_reply_to)
            found = self._answered(name, number)
            if found is None:
                return
            post = found

    def _answered(self, name: str, number: int) -> Post | None:
        own = name == self._name
        if own and self._held(number) is None and self._listed:
            self._list(Asked(name, number, listed=True), {})
        id_ = f"https://t.me/{name}/{number}"
        id_ = self._albums.get(id_, id_)
        if id_ not in self._posts and name:
            self._single(name, number)
        return self._posts.get(self._albums.get(id_, id_))

    def onwards(self, post: Post) -> None:
        """Look through what the channel posted after each post of the run, for its answers to the run."""
        run = {post.id}
        while self._listed and (place := self._next(self._grown(run))):
            before = place.last
            self._list(Asked(self._name, listed=True, after=before), {"after": before})
            if not any(s.last > before or s.ended for s in self._spans if s.first <= before <= s.last):
                return  # the page shows nothing new, and does not say that there is nothing

    def _grown(self, run: set[str]) -> list[int]:
        """Add to the run what it answers and what answers it, by the same author; return its numbers."""
        grown = True
        while grown:
            grown = False
            for post in self._posts.values():
                parent = self._posts.get(self._albums.get(post.in_reply_to, post.in_reply_to))
                joins = parent is not None and parent.attributed_to == post.attributed_to
                if joins and parent is not None and (parent.id in run) != (post.id in run):
                    run |= {parent.id, post.id}
                    grown = True
        return sorted(number_of(id_) for id_ in run)

    def _next(self, numbers: list[int]) -> Span | None:
        """Return the span that must grow: too little of it lies after a post of the run."""
        shown = sorted(number_of(id_) for id_ in self._posts if _place(id_)[0] == self._name)
        for number, place in product(numbers, self._spans):
            seen = bisect_right(shown, place.last) - bisect_right(shown, number)
            if place.first <= number <= place.last and not place.ended and seen < AHEAD:
                return place
        return None

    def again(self, known: Sequence[str]) -> None:
        """Ask for posts of an earlier visit that were not met in this one."""
        for id_ in known:
            name, number = _place(id_)
            if name and id_ not in chain(self._posts, self.gone):
                self._single(name, number)


def _place(id_: str) -> tuple[str, int]:
    found = _POST.fullmatch(id_)
    return (found[1], int(found[2])) if found else ("", 0)
