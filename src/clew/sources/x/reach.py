"""What some visits could not show, told from the captures alone: searches and timelines that end early."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from clew.model import Capture, Limit
from clew.sources.x.asking import Ask
from clew.sources.x.gathered import Gathered
from clew.sources.x.posts import Page
from clew.sources.x.shapes import actor_id, moment_of

_WEEK = timedelta(days=7)


class Answer(NamedTuple):
    """One request and what came of it."""

    ask: Ask
    capture: Capture
    page: Page | None
    """None where X said no, gave nothing, or what cannot be read."""


def place(capture: Capture) -> tuple[datetime, str, str, int]:
    """Return the sort key of an answer: the later one counts, and of two at once always the same."""
    return capture.retrieved, capture.url, capture.sha256, capture.status


def limits(answers: Sequence[Answer]) -> Iterator[Limit]:
    """Yield what could not be looked at. The order of ``answers`` does not matter."""
    answers = sorted(answers, key=lambda answer: place(answer.capture))
    found = Gathered()
    for answer in answers:
        if answer.page:
            found.add(answer.page)
    yield from _lookups(answers)
    by_user: defaultdict[str, list[Answer]] = defaultdict(list)
    for answer in answers:
        if answer.ask.user:
            by_user[answer.ask.user].append(answer)
    for user, asked in sorted(by_user.items()):
        conversations = {answer.ask.conversation for answer in asked} - {""}
        for evidence in dict.fromkeys(_Reach(asked, found, user, conversations).missed()):
            yield Limit(evidence, actor_id(user))


def _lookups(answers: Sequence[Answer]) -> Iterator[Limit]:
    """Yield posts that were last asked for in vain, without a word that they are gone: of those nothing is known
    now, whatever an earlier visit knew."""
    failed: dict[str, str] = {}
    for answer in answers:
        page, asked = answer.page, answer.ask.ids
        told = page.whole | page.failures.keys() if page else set()
        failed = {number: why for number, why in failed.items() if number not in told}
        shown = page.posts.keys() | page.failures.keys() | page.latest.keys() if page else set()
        why = "its answer leaves them out" if page else _why(answer.capture)
        failed |= dict.fromkeys((number for number in asked if number not in shown), why)
    if failed:
        posts = "post" if len(failed) == 1 else "posts"
        yield Limit(f"X was asked for {len(failed):,} more {posts} in vain ({next(iter(failed.values()))})")


class _Walk(NamedTuple):
    """The pages of one search, or of one stretch of a timeline."""

    ask: Ask
    answers: list[Answer]

    @property
    def pages(self) -> list[Page]:
        return [answer.page for answer in self.answers if answer.page]

    @property
    def failed(self) -> Answer | None:
        """The last question, where it had no answer."""
        return self.answers[-1] if self.answers[-1].page is None else None

    @property
    def whole(self) -> bool:
        """Whether every page was read."""
        read = {answer.ask.page for answer in self.answers if answer.page}
        return "" in read and all(page.next in read for page in self.pages if page.next)

    @property
    def when(self) -> datetime:
        return self.answers[-1].capture.retrieved


class _Reach:
    """How far the questions for one account's posts reached."""

    def __init__(self, asked: Sequence[Answer], found: Gathered, user: str, conversations: set[str]) -> None:
        walks: defaultdict[Ask, list[Answer]] = defaultdict(list)
        for answer in asked:
            walks[answer.ask._replace(page="")].append(answer)
        self.walks = [_Walk(ask, list(_newest(answers))) for ask, answers in walks.items()]
        self.found, self.user, self.conversations = found, user, conversations
        covered = [walk.when for walk in self.walks if walk.whole and _covers(walk)]
        if covered:  # what an earlier visit missed does not matter any more
            self.walks = [walk for walk in self.walks if walk.when > max(covered)]
        self.timelines = [walk for walk in self.walks if walk.ask.kind == "timeline"]

    def missed(self) -> Iterator[str]:
        """Yield what kept posts from us, one sentence each; nothing where all that is referred to is here."""
        unseen = self.found.unseen(self.user, self.conversations)
        if not unseen and not self.found.torn(self.user, self.conversations):
            return
        for walk in self.walks:
            if walk.failed and (walk.ask.kind == "timeline" or not self.timelines):
                yield f"X did not {_PLAIN[walk.ask.kind]} ({_why(walk.failed.capture)})"
            elif not walk.failed and not walk.whole:
                pages = "page was" if len(walk.pages) == 1 else "pages were"
                yield f"X has more of {_PLACES[walk.ask.kind]}; {len(walk.pages):,} {pages} read"
        if any(walk.whole and self._too_late(walk) for walk in self.timelines):
            yield "On X a timeline reaches back 3,200 posts and the search 7 days; this thread is older"
        elif unseen:
            yield from self._until()

    def _too_late(self, walk: _Walk) -> bool:
        """Whether a stretch of a timeline lacks posts of its time that are here: it does not reach so far."""
        first, last = int(walk.ask.since or 0), int(walk.ask.until or 1 << 63)
        told = {number for page in walk.pages for number in page.posts}
        known = [status.number for status in self.found.of(self.user, self.conversations)]
        return any(first < int(n) < last and n not in told and n not in self.found.gone for n in known)

    def _until(self) -> Iterator[str]:
        ends = [moment_of(walk.ask.until) for walk in self.timelines if walk.whole]
        if ends and all(ends):
            end = max(filter(None, ends))
            week = any(walk.ask.kind == "recent" and walk.whole for walk in self.walks)
            only = " and in the last 7 days only" if week else " only"
            yield f"X counts answers that were not seen; the author's were sought up to {end:%Y-%m-%d}{only}"


_PLAIN = {
    "recent": "search the conversation",
    "archive": "search the conversation",
    "timeline": "show the author's timeline",
}
_PLACES = {
    "recent": "the conversation",
    "archive": "the conversation",
    "timeline": "the author's timeline",
}


def _newest(answers: Sequence[Answer]) -> Iterator[Answer]:
    """Yield each page once, as it came last; then what failed last, unless it came later."""
    pages = {answer.ask.page: answer for answer in answers}
    yield from sorted(pages.values(), key=lambda answer: (answer.page is None, answer.capture.retrieved))


def _covers(walk: _Walk) -> bool:
    """Whether a search goes back to where the conversation began."""
    began = moment_of(walk.ask.conversation)
    return walk.ask.kind == "archive" or bool(
        walk.ask.kind == "recent" and began and began > walk.answers[0].capture.retrieved - _WEEK
    )


def _why(capture: Capture) -> str:
    told = capture.headers.get("clew-failure", "").partition(": http")[0]
    return told or (f"HTTP {capture.status}" if capture.status >= 400 else "its answer cannot be read")
