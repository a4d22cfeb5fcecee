"""assemble(): posts -> Thread. Which posts are the thread, by a named rule; what hangs off it; what is missing.

The tree is kept whole: what a rule leaves out of the main line is a branch, the author's answers to others are
asides, what the head answers is context. The rules:

- ``longest``: at a fork the answer with the longest line of the author's surviving posts below it; ties to the
  earliest. Where every post answers the head (a star), its answers are read by time.
- ``oldest``: at each post the oldest answer by the author; a missing one keeps its place while anything survives
  below it, and an answer older than a deletion is not promoted by it. Bluesky's own rule.
- ``all``: every post by the author in the tree, by time, none before what it answers.

Replies that only keep books ("📌", "@bot unroll") never end a line: they are branches of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from heapq import heappop, heappush
from itertools import pairwise

from clew import counters
from clew.certificate import PLAIN, certify
from clew.errors import ThreadError
from clew.forest import Forest, id_seconds
from clew.model import Actor, Item, Limit, Post, Rule, Run, Thread, Tombstone

VERSION = 1
_STAR = 3  # so many answers to the head without an answer of their own make a star
_STAR_PAUSE = timedelta(hours=1)
_SKEW = 86_400.0
_CALL = r"(?:please\s+|pls\s+)?(?:unroll|compile|rollup)(?:,?\s+(?:please|pls))?"
_NAME = r"@[\w.-]+(?:@[\w.-]+)?"
_BOOKKEEPING = re.compile(
    rf"\s*(?:(?:📌\ufe0f?)+|(?:{_NAME}\s+)+{_CALL}|{_CALL}(?:\s+{_NAME})+)[.!]?\s*", re.IGNORECASE
)


def assemble(parsed: Iterable[Actor | Item | Limit] | Forest, post: str, rule: Rule = "longest") -> Thread:
    """Return the thread that ``post`` belongs to: its author's, from any post in it.

    Args:
        parsed: what a source's ``parse`` yields, in any order, or a forest made of it.
        post: id of a post, or of a missing one that is known to be in the thread.
        rule: "longest", "oldest" or "all".

    Raises:
        ThreadError: no such post, or only its tombstone.
    """
    forest = parsed if isinstance(parsed, Forest) else Forest(parsed)
    item = forest.items.get(post)
    if item is None:
        raise ThreadError("No such post here", post, "Run without --post to see which there are")
    head = forest.heads[post]
    gone = isinstance(item, Tombstone) and item.checked  # a thread that is gone altogether is one still
    if not gone and not any(isinstance(forest.items[id_], Post) for id_ in forest.subtree(head)):
        reason = item.reason if isinstance(item, Tombstone) else "unavailable"
        raise ThreadError(f"This post is {PLAIN[reason]}, and nothing of its thread is here", post)
    return _thread(forest, head, rule)


def threads(forest: Forest, rule: Rule = "longest") -> Iterator[Thread]:
    """Yield every thread of a forest, earliest first: each post that stands in its author's own right.

    An author's answers to others below their own thread are that thread's asides; a lone post that came only as
    another author's quote is no thread of its own.
    """
    quoted = _quoted_only(forest)
    own = (id_ for id_, item in forest.items.items() if isinstance(item, Post) and id_ not in quoted)
    listed = {forest.homes[forest.heads[id_]] for id_ in own}
    for head in forest.homes:  # by age
        if head in listed:
            yield _thread(forest, head, rule)


def every_item(thread: Thread) -> Iterator[Item]:
    """Yield every item that a thread holds, in any role."""
    yield from (*thread.context, *thread.items, *thread.quoted)
    for run in (*thread.branches, *thread.asides):
        yield from (*run.answered, *run.items)


def places(forest: Forest, listed: Iterable[Thread]) -> dict[str, str]:
    """Return where each item stands: "main", "branch", "aside", "quoted", "context" or "tombstone"."""
    found: dict[str, str] = {}
    for thread in listed:
        found |= {item.id: "main" for item in thread.items}
        found |= {item.id: "branch" for run in thread.branches for item in run.items}
        found |= {item.id: "aside" for run in thread.asides for item in run.items}
    quoted = _quoted_only(forest)
    for id_, item in forest.items.items():
        if isinstance(item, Tombstone):
            found[id_] = "tombstone"
        else:
            found.setdefault(id_, "quoted" if id_ in quoted else "context")
    return found


def _quoted_only(forest: Forest) -> set[str]:
    """Return the lone posts that are here because another author's post quotes them, or a quote of it does."""
    lone = set()
    for item in forest.items.values():
        for quoted in _quotes(forest, item):
            if quoted.attributed_to != item.attributed_to and _stands_alone(forest, quoted.id):
                lone.add(quoted.id)
    shown = _quoted(forest, (item for id_, item in forest.items.items() if id_ not in lone))
    return lone & {post.id for post in shown}  # two that quote each other, and nobody else does, are no quotes


def _stands_alone(forest: Forest, id_: str) -> bool:
    parent = forest.items.get(forest.parents.get(id_, ""))
    return not forest.children.get(id_) and not isinstance(parent, Post)


def _thread(forest: Forest, head: str, rule: Rule) -> Thread:
    asides = _asides(forest, head)
    lines = _Lines(forest, [head, *asides], rule)
    if rule == "all":
        line = _by_time(forest, head, set(lines.order))
        branches: tuple[Run, ...] = ()
        aside_runs: tuple[Run, ...] = ()
    else:
        line = lines.main(head)
        branches = tuple(_branches(lines, line))
        aside_runs = tuple(_aside_runs(lines, asides))
    items = tuple(forest.items[id_] for id_ in line)
    context = tuple(forest.items[id_] for id_ in forest.ancestors(head))[::-1]
    shown = [*items, *context, *(i for run in (*branches, *aside_runs) for i in (*run.answered, *run.items))]
    quoted = tuple(_quoted(forest, shown))
    return Thread(
        id=head,
        attributed_to=forest.author(head),
        items=items,
        rule=rule,
        certificate=certify(forest, items, _limits(lines, head, line)),
        branches=branches,
        asides=aside_runs,
        context=context,
        quoted=quoted,
        actors=_actors(forest, [*shown, *quoted]),
    )


# -- the rules ----------------------------------------------------------------------------------------------------


class _Lines:
    """The lines that a rule takes through some runs of one author. Everything is measured once, bottom up."""

    def __init__(self, forest: Forest, heads: Iterable[str], rule: Rule) -> None:
        self.forest, self.rule = forest, rule
        self.order = [id_ for head in heads for id_ in forest.subtree(head)]
        """Every item of the runs, parents first."""
        self.best: dict[str, tuple[int, int, int]] = {}
        """Of the best line from an item down: its posts that say something, all its posts, all its items."""
        self.freed: dict[str, datetime | None] = {}
        """Items that give up their place, as nothing survives there: when the last of it was deleted."""
        for id_ in reversed(self.order):
            self._measure(id_, forest.own_children(id_))

    def _measure(self, id_: str, children: list[str]) -> None:
        item = self.forest.items[id_]
        saying, posts, items = max((self.best[child] for child in children), default=(0, 0, 0))
        here = isinstance(item, Post)
        self.best[id_] = (saying + (here and not _keeps_books(item)), posts + here, items + 1)
        gone = isinstance(item, Tombstone) and item.reason in ("deleted", "unavailable")  # others are still there
        if gone and all(child in self.freed for child in children):
            deleted = [item.deleted if isinstance(item, Tombstone) else None, *map(self.freed.get, children)]
            self.freed[id_] = max(filter(None, deleted), default=None)

    def main(self, head: str, rule: Rule | None = None) -> list[str]:
        """Return the main line from a head."""
        rule = rule or self.rule
        line = (rule == "longest" and self._star(head)) or self.line(head, rule)
        if any(isinstance(self.forest.items[id_], Post) for id_ in line):
            return line
        return self.line(head, "longest")  # the rule led to missing posts alone, and a thread has a post

    def line(self, start: str, rule: Rule | None = None) -> list[str]:
        """Return the line from an item down, without bookkeeping at its end."""
        follow = self._heir if (rule or self.rule) == "oldest" else self._longest
        line = [start]
        while (child := follow(line[-1])) is not None:
            line.append(child)
        end = len(line)
        while end > 1 and _keeps_books(self.forest.items[line[end - 1]]):
            end -= 1
        return line[:end] if any(isinstance(self.forest.items[id_], Post) for id_ in line[:end]) else line

    def _longest(self, id_: str) -> str | None:
        return max(self.forest.own_children(id_), key=self.best.__getitem__, default=None)  # of equals the earliest

    def _heir(self, id_: str) -> str | None:
        """Return the oldest answer that survives, or has survivors; what predates a deletion is not promoted."""
        freed: datetime | None = None
        for child in self.forest.own_children(id_):
            if child in self.freed:
                freed = max(filter(None, (freed, self.freed[child])), default=None)
                continue
            time = self.forest.time(child)
            if freed is None or time is None or time >= freed:
                return child
        return None

    def _star(self, head: str) -> list[str]:
        """Return the line of a star (head, then its answers by time, each with what follows it), or nothing."""
        children = [id_ for id_ in self.forest.own_children(head) if not _keeps_books(self.forest.items[id_])]
        leaves = [id_ for id_ in children if self.best[id_][0] == 1 and isinstance(self.forest.items[id_], Post)]
        if len(leaves) < _STAR or max(self.best[id_][0] for id_ in children) > len(leaves):
            return []
        if not (_close_in_time(self.forest, [head, *leaves]) or _numbered(self.forest, [head, *leaves])):
            return []
        return [head, *(id_ for child in children for id_ in self.line(child, "longest"))]


def _keeps_books(item: Item) -> bool:
    """A post that only pins the thread or calls a bot."""
    if isinstance(item, Tombstone) or item.attachments or item.quote or item.poll:
        return False
    return len(item.content) < 500 and bool(_BOOKKEEPING.fullmatch(item.content))


def _close_in_time(forest: Forest, ids: list[str]) -> bool:
    times = [forest.time(id_) for id_ in ids if isinstance(forest.items[id_], Post)]
    dated = [time for time in times if time is not None]
    return len(dated) == len(times) and all(abs(late - early) <= _STAR_PAUSE for early, late in pairwise(dated))


def _numbered(forest: Forest, ids: list[str]) -> bool:
    found = counters.find([i.content if isinstance(i, Post) else "" for i in map(forest.items.__getitem__, ids)])
    return len(found.marks) >= _STAR


def _by_time(forest: Forest, head: str, kept: set[str]) -> list[str]:
    """Return ``kept`` by time, but none before what it answers: clocks run backwards."""
    line: list[str] = []
    waiting = [(forest.moment(head), head)]
    while waiting and len(line) < len(kept):
        _, id_ = heappop(waiting)
        if id_ in kept:
            line.append(id_)
        for child in forest.children.get(id_, ()):
            heappush(waiting, (forest.moment(child), child))
    return line


# -- what hangs off the line --------------------------------------------------------------------------------------


def _asides(forest: Forest, head: str) -> list[str]:
    """Return the heads of the same author's runs that answer others below ``head``, by age."""
    home = forest.homes[head]
    runs = forest.runs_by_home.get(home, [])
    if home == head or len(runs) < 3:
        return [run for run in runs if run != head] if home == head else []
    below, stack = set(), [head]
    while stack:
        node = stack.pop()
        below.add(node)
        stack.extend(forest.children.get(node, ()))
    return [run for run in runs if run in below and run != head]


def _branches(lines: _Lines, line: list[str]) -> Iterator[Run]:
    """Yield what a line leaves out of its run, each fork as its own run, in reading order."""
    taken, kept = [line], set(line)
    for above in taken:  # grows meanwhile
        for id_ in above:
            for child in lines.forest.own_children(id_):
                if child not in kept:
                    below = lines.line(child)
                    yield Run(id_, tuple(lines.forest.items[node] for node in below))
                    taken.append(below)
                    kept.update(below)


def _aside_runs(lines: _Lines, heads: list[str]) -> Iterator[Run]:
    """Yield each answer to another author, with the posts between it and the author's own, and its own forks."""
    forest, shown = lines.forest, set[str]()
    for head in heads:
        parent = forest.parents[head]
        answered = []
        for node in forest.ancestors(head):
            if forest.author(node) == forest.author(head) or (node in shown and node != parent):
                break  # own, or shown with an earlier answer
            answered.append(forest.items[node])
            shown.add(node)
        line = lines.line(head)
        yield Run(parent, tuple(forest.items[id_] for id_ in line), tuple(answered[::-1]))
        yield from _branches(lines, line)


def embeds(post: Post) -> Iterator[str]:
    """Yield the addresses of the posts that stand in a text: quoted with a link, or in a frame."""
    yield from (facet.href for facet in post.facets if facet.type == "quote" and facet.href)
    if post.generator:
        yield from (card.url for card in post.attachments if card.type == "card")


def _quotes(forest: Forest, item: Item) -> Iterator[Post]:
    """Yield the posts that an item quotes, if they are here and their authors let them be shown as quotes."""
    if not isinstance(item, Post):
        return
    named = [item.quote.id] if item.quote and item.quote.state == "accepted" else []
    if item.generator:
        named += [forest.find(link) for link in embeds(item)]
    for id_ in dict.fromkeys(named):
        quoted = forest.items.get(id_)
        if isinstance(quoted, Post):
            yield quoted


def _quoted(forest: Forest, shown: Iterable[Item]) -> list[Post]:
    """Return the posts that are quoted by what is shown, and those that they quote, each once."""
    found: dict[str, Post] = {}
    waiting = list(shown)
    for item in waiting:  # grows meanwhile
        for quoted in _quotes(forest, item):
            if quoted.id not in found:
                found[quoted.id] = quoted
                waiting.append(quoted)
    return list(found.values())


def _actors(forest: Forest, shown: Iterable[Item]) -> tuple[Actor, ...]:
    ids = sorted({item.attributed_to for item in shown} - {""})
    return tuple(forest.actors.get(id_) or Actor(id_) for id_ in ids)


def _limits(lines: _Lines, head: str, line: list[str]) -> list[str]:
    """Return what is odd about a line, one plain sentence each."""
    forest, limits = lines.forest, []
    posts = [item for id_ in line if isinstance(item := forest.items[id_], Post)]
    root = next(reversed([head, *forest.ancestors(head)]))
    if root in forest.circles:
        limits.append("The posts answer each other in a circle; it is cut at the earliest")
    if lines.rule == "longest" and line != lines.main(head, "oldest"):
        limits.append("The rules “longest” and “oldest” choose different posts here")
    if {post.context for post in posts} - {root, ""} and isinstance(forest.items[root], Post):
        limits.append("Some posts name another root than their answers lead to; the answers are followed")
    if misdated := sum(_misdated(post) for post in posts):
        whose = "post bears a date far from the time in its id"
        limits.append(
            f"{misdated:,} {whose if misdated == 1 else 'posts bear dates far from the times in their ids'}"
        )
    return limits


def _misdated(post: Post) -> bool:
    seconds = id_seconds(post.id)
    return seconds is not None and post.published is not None and abs(seconds - post.published.timestamp()) > _SKEW
