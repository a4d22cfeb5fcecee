"""Asking the API v2 of X for the thread of a post, with few requests, for few posts: X charges for each.

1. The post is looked up, and with it, at a later visit, all posts that are known already.
2. Where X counts answers that are not here, or the author answered himself, the author's posts in the conversation
   are searched. A conversation of the last seven days is in the recent search; an older one is in the full archive,
   which not every token opens.
3. Where that is closed, the author's timeline is read instead: from a day before the post (or where its
   conversation began) to a day after the youngest known, then two days further, then four. It ends when every
   answer that X counts was seen, at the present, or after ``PAGES`` pages; and at once where the post itself is not
   in it, as a timeline reaches back 3,200 posts. Then the last seven days are searched.
4. Posts of the author that are answered and not here are looked up, up to the head; those of others with them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from clew.decode import load
from clew.errors import FetchError, InputError, LoginRequired, ParseError, RateLimited, Refused
from clew.fetch import Client, failed
from clew.model import Capture
from clew.sources.x.asking import IDS, Ask
from clew.sources.x.gathered import Gathered, conversation
from clew.sources.x.posts import Page, barred, said
from clew.sources.x.shapes import EPOCH, Entry, Status, digits, moment_of, number_at, post_id

ADDRESS = (
    r"(?i:https?://(?:www\.|mobile\.)?(?:twitter|x)\.com)"
    r"/(?:i/web|i|[A-Za-z0-9_]{1,20})/status(?:es)?/([0-9]{1,19})(?:[/?#].*)?\Z"
)
WEEK = timedelta(days=7)
PAGES = 10

_DAY = timedelta(days=1)
_MARGIN = timedelta(hours=1)  # a search takes some time to lose what has become too old, and a visit takes time
_FOR_GOOD = (401, 402, 403, 429)
_WITHOUT = "A file that X's API or archive gave, and a pasted text, work without"


def fetch(url: str, client: Client, known: Sequence[str] = ()) -> str:
    """Ask for the thread of a post; see ``Source.fetch``."""
    match = re.fullmatch(ADDRESS, url.strip())
    if not match or not int(match.group(1)):
        raise InputError("This is not the address of a post on X", url, "It ends in /status/ and a number")
    if not client.config.x.token:
        hint = "Set it as CLEW_X_TOKEN, or as token under [x] in the configuration"
        raise LoginRequired("X shows posts to a bearer token only", url, f"{hint}. {_WITHOUT}", url=url)
    numbers = [match.group(1), *(digits(id_.rpartition("/")[2]) for id_ in known)]
    return _Walk(client, url).thread([str(int(number)) for number in dict.fromkeys(numbers) if number])


class _Walk:
    """One visit: what was asked, and what is here so far."""

    def __init__(self, client: Client, url: str) -> None:
        self.client, self.link = client, url
        self.found = Gathered()
        self.asked: set[str] = set()
        """Numbers of posts that were looked up."""
        self.author = self.root = ""
        self.closed = False
        """X answers no more."""

    def thread(self, numbers: list[str]) -> str:
        """Look up these posts and what belongs to the thread of the first; return its id."""
        page = self._first(numbers[:IDS])
        for start in range(IDS, len(numbers), IDS):
            self._look_up(numbers[start : start + IDS])
        number = self._original(numbers[0])
        post = self.found.posts.get(number) or self._survivor(numbers)
        if post is None:
            raise self._absent(page, number)
        author = page.users.get(post.author)
        if author and author.protected:
            raise Refused("The author shows these posts to followers only", self.link)
        self.author, self.root = post.author, conversation(post) or post.number
        if self.author:
            if self._unseen() or self.found.torn(self.author, [self.root]) or self._wanted()[0]:
                self._search(post)
            self._climb()
        return post_id(number)

    # --- one question --------------------------------------------------------------------------------------------

    def _first(self, numbers: list[str]) -> Page:
        """Look up the post itself: where that fails, everything does."""
        try:
            capture = self._get(Ask("lookup", tuple(numbers)))
        except FetchError as error:
            raise _about(error, self.link) from error
        if capture.status >= 400:
            raise _refusal(capture, self.link)
        self.asked.update(numbers)
        try:
            return self._taken(capture)
        except ParseError as error:
            raise FetchError("X's answer cannot be read", self.link, "Try again later", url=self.link) from error

    def _ask(self, ask: Ask) -> Page | None:
        """Return an answer; None where there is none that can be used. The captures tell why."""
        if self.closed:
            return None
        try:
            capture = self._get(ask)
            # A search or timeline may be closed to a token that may look up.
            self.closed = capture.status in _FOR_GOOD and (capture.status != 403 or ask.kind == "lookup")
            return self._taken(capture) if capture.status < 400 else None
        except RateLimited:
            self.closed = True
        except (FetchError, ParseError):
            pass
        return None

    def _get(self, ask: Ask) -> Capture:
        settings = self.client.config.x
        url = ask.url(settings.api, settings.vocabulary)
        return self.client.get(url, accept="application/json", token=settings.token)

    def _taken(self, capture: Capture) -> Page:
        page = Page([load(capture, Entry)], capture)
        self.found.add(page)
        return page

    def _look_up(self, numbers: list[str]) -> bool:
        self.asked.update(numbers)
        return self._ask(Ask("lookup", tuple(numbers))) is not None

    def _pages(self, ask: Ask, most: int) -> list[Page]:
        """Return the pages of a search or timeline, at most so many; a token that comes again ends it."""
        pages: list[Page] = []
        tokens: set[str] = set()
        while len(pages) < most and ask.page not in tokens and (page := self._ask(ask)):
            pages.append(page)
            tokens.add(ask.page)
            if not page.next:
                break
            ask = ask._replace(page=page.next)
        return pages

    # --- the post itself -----------------------------------------------------------------------------------------

    def _original(self, number: str) -> str:
        """Return the number of the post that was shared, where this is a mere repost; and of its last version."""
        status = self.found.posts.get(number)
        shared = (status.referred("retweeted") if status else "") or number
        for other in (shared, self.found.last(shared)):
            if other not in self.asked:
                self._look_up([other])
        return self.found.last(shared)

    def _survivor(self, numbers: list[str]) -> Status | None:
        """Return a post of those known earlier, of the author who has most of them."""
        alive = [self.found.posts[number] for number in numbers if number in self.found.posts]
        posts = Counter(status.author for status in alive)
        return max(alive, key=lambda status: posts[status.author], default=None)

    def _absent(self, page: Page, number: str) -> FetchError:
        failure = page.failures.get(number)
        if failure and barred(failure):
            return LoginRequired(
                "X shows this post only to people whom its author admits", self.link, url=self.link
            )
        told = said(failure) if failure else "X gave no reason"
        return FetchError(f"X does not have this post, or no longer ({told})", self.link, url=self.link)

    # --- what follows it -----------------------------------------------------------------------------------------

    def _unseen(self) -> bool:
        return self.found.unseen(self.author, [self.root])

    def _search(self, post: Status) -> None:
        """Ask for the author's posts in the conversation, at the cheapest place that has them."""
        began, now = moment_of(self.root), datetime.now(UTC)
        recent = Ask("recent", user=self.author, conversation=self.root)
        if began and began > now - WEEK + _MARGIN:
            if not self._pages(recent, self.client.config.network.requests):
                self._timeline(post, now)
            return
        start = f"{began or EPOCH.replace(year=2006):%Y-%m-%dT%H:%M:%SZ}"
        archive = recent._replace(kind="archive", since=start)
        if not self._pages(archive, self.client.config.network.requests) and not self._timeline(post, now):
            self._pages(recent, PAGES)

    def _timeline(self, post: Status, now: datetime) -> bool:
        """Read the author's timeline around the post and on; return whether nothing more is to be expected."""
        made = moment_of(post.number) or EPOCH
        known = [status.number for status in self.found.of(self.author, [self.root])]
        youngest = max(filter(None, map(moment_of, known)), default=made)
        since, until = max(int(self.root), number_at(made - _DAY)) - 1, youngest + _DAY
        step, left = _DAY, PAGES
        while left > 0:
            ask = Ask("timeline", user=self.author, since=str(max(since, 1)))
            pages = self._pages(ask._replace(until=str(number_at(until)) if until < now else ""), left)
            left -= len(pages)
            first = left == PAGES - len(pages)
            if not pages or pages[-1].next or (first and not any(self._has(page, post) for page in pages)):
                return False
            if until >= now or not self._unseen():
                return True
            step *= 2
            since, until = number_at(until) - 1, until + step
        return False

    def _has(self, page: Page, post: Status) -> bool:
        return self.found.last(post.number) in page.whole

    # --- what is above it ----------------------------------------------------------------------------------------

    def _climb(self) -> None:
        """Look up the author's posts that are answered and not here, until none is; others' ride along, and may
        take one request of their own."""
        spare = 1
        while spare >= 0:
            own, others = self._wanted()
            spare -= not own
            if not (wanted := [*own, *others][:IDS]) or spare < 0 or not self._look_up(wanted):
                return

    def _wanted(self) -> tuple[list[str], list[str]]:
        """Return the numbers of the posts in the conversation that are referred to and not here: those of the
        author (and those that may be), and those of others."""
        own: dict[str, None] = {}
        others: dict[str, None] = {}
        for status in self.found.posts.values():
            if conversation(status) != self.root:
                continue
            mine = status.author == self.author
            author = status.parent_author or self.found.author(status.parent)
            if mine and author in (self.author, "") and self._lacks(status.parent):
                own[status.parent] = None
            elif status.parent not in self.found.posts and self._lacks(status.parent):
                others[status.parent] = None
            if mine and self._lacks(status.quoted) and self._shows(status.quoted):
                others[status.quoted] = None
        return list(own), list(others)

    def _lacks(self, number: str) -> bool:
        found = self.found
        return bool(number) and not ({number, found.last(number)} & (found.whole | found.gone | self.asked))

    def _shows(self, number: str) -> bool:
        """Whether a post that another brought along has media or a poll, which came not with it."""
        status = self.found.posts.get(number)
        return bool(status and status.attachments)


def _refusal(capture: Capture, link: str) -> FetchError:
    """Say why the post itself was not to be had. What the answer says is not repeated: it may repeat the token."""
    console = "in X's developer console"
    kinds: dict[int, tuple[type[FetchError], str, str]] = {
        400: (FetchError, "X did not understand the question", 'Set vocabulary under [x] to "tweet" or "post"'),
        401: (LoginRequired, "X does not accept the token", f"Make a new one {console}"),
        402: (FetchError, "The token's account has no credit left at X", f"Add some {console}"),
        403: (LoginRequired, "X does not let this token read posts", f"See what its app is enrolled for {console}"),
    }
    if capture.status not in kinds:
        what = "" if capture.status == 429 else f"X answered {capture.status}"
        return _about(failed(capture, what, "Try again later"), link)
    kind, what, hint = kinds[capture.status]
    return kind(what, link, f"{hint}. {_WITHOUT}", url=link, status=capture.status)


def _about(error: FetchError, link: str) -> FetchError:
    """Return an error about the address that was typed, not about the API's."""
    return type(error)(error.what, link, error.hint, url=link, status=error.status, retry_after=error.retry_after)
