"""What the answers of some visits hold together: who answers whom, what is gone, which answers are unseen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from clew.sources.x.posts import Page
from clew.sources.x.shapes import Status, digits


class Gathered:
    """Posts by number, of all answers so far; of two tellings of a post the later one."""

    def __init__(self) -> None:
        self.posts: dict[str, Status] = {}
        self.whole: set[str] = set()
        """Numbers of posts that were answered, not only named by another: what they show came with them."""
        self.gone: set[str] = set()
        """Numbers of posts that X could not give."""
        self.latest: dict[str, str] = {}
        """Number of an edited post's earlier version to that of its last one."""

    def add(self, page: Page) -> None:
        """Take in one answer."""
        for number, status in page.posts.items():
            if number in page.whole or number not in self.whole:
                self.posts[number] = status
        self.whole |= page.whole
        self.gone = (self.gone | page.failures.keys()) - page.posts.keys()
        self.latest.update(page.latest)

    def last(self, number: str) -> str:
        """Return the number of a post's last version."""
        return self.latest.get(number, number)

    def author(self, number: str) -> str:
        """Return the number of a post's author; "" where it is not known."""
        return self.posts[number].author if number in self.posts else ""

    def of(self, author: str, conversations: Iterable[str]) -> Iterator[Status]:
        """Yield an author's posts in these conversations, earlier versions left out."""
        asked = set(conversations)
        for number, status in self.posts.items():
            if number not in self.latest and status.author == author and conversation(status) in asked:
                yield status

    def unseen(self, author: str, conversations: Iterable[str]) -> bool:
        """Whether X counts answers to the author's posts there that are not here."""
        answers = Counter(
            self.last(status.parent) for number, status in self.posts.items() if number not in self.latest
        )
        for status in self.of(author, conversations):
            counted = status.public_metrics.reply_count if status.public_metrics else None
            if counted is None or counted > answers[status.number]:
                return True
        return False

    def torn(self, author: str, conversations: Iterable[str]) -> bool:
        """Whether a post of the author answers one of his own that is not here: what is above that is not known."""
        return any(
            status.parent not in self.posts and status.parent_author in (author, "")
            for status in self.of(author, conversations)
            if status.parent
        )


def conversation(status: Status) -> str:
    """Return the number of the post that began the conversation; "" where X does not tell."""
    return digits(status.conversation_id)
