"""assemble(): posts -> Thread. Which posts are the thread, by a named rule; what hangs off it; what is missing.

The tree is kept whole: what a rule leaves out of the main line is a branch, the author's answers to others are
asides, what the head answers is context. The rules:

- ``longest``: at a fork the answer with the longest line of the author's own posts below it; ties to the earliest.
  Where every post answers the head (a star), its answers are read by time.
- ``oldest``: at each post the oldest answer by the author; a missing one keeps its place while anything survives
  below it, and an answer older than a deletion is not promoted by it. Bluesky's own rule.
- ``all``: every post by the author in the tree, by time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import timedelta
from itertools import pairwise

from clew import counters
from clew.certificate import certify
from clew.errors import ThreadError
from clew.forest import Forest
from clew.model import Actor, Item, Post, Rule, Run, Thread, Tombstone

VERSION = 1
_STAR = 3  # so many answers to the head without an answer of their own make a star
_STAR_PAUSE = timedelta(hours=1)
_BOOKKEEPING = re.compile(
    r"\s*(?:📌+|(?:@[\w.-]+(?:@[\w.-]+)?\s+)+(?:please\s+|pls\s+)?(?:unroll|compile)(?:\s+please)?[.!]?)\s*",
    re.IGNORECASE,
)


def assemble(parsed: Iterable[Actor | Item] | Forest, post: str, rule: Rule = "longest") -> Thread:
    """Return the thread that ``post`` belongs to: its author's, from any post in it.

    Args:
        parsed: what a source's ``parse`` yields, in any order, or a forest made of it.
        post: id of a post.
        rule: "longest", "oldest" or "all".

    Raises:
        ThreadError: no such post, or only its tombstone.
    """
    forest = parsed if isinstance(parsed, Forest) else Forest(parsed)
    item = forest.items.get(post)
    if item is None:
        raise ThreadError("No such post here", post, "Run without --post to see which there are")
    head = forest.heads[post]
    if not any(isinstance(forest.items[id_], Post) for id_ in forest.subtree(head, forest.author(head))):
        reason = item.reason if isinstance(item, Tombstone) else "unavailable"
        raise ThreadError(f"This post is {reason}, and nothing of its thread is here", post)
    return _thread(forest, head, rule)


def threads(forest: Forest, rule: Rule = "longest") -> Iterator[Thread]:
    """Yield every thread of a forest, earliest first: each post that stands in its author's own right.

    An author's answers to others below their own thread are that thread's asides; a lone post that came only as
    another author's quote is no thread of its own.
    """
    heads = sorted(set(forest.heads.values()), key=forest.moment)
    quoted = _quoted_only(forest)
    with_posts = {forest.heads[id_] for id_, item in forest.items.items() if isinstance(item, Post)}
    for head in heads:
        if forest.homes[head] == head and head in with_posts and head not in quoted:
            yield _thread(forest, head, rule)


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
    quoted = set()
    for item in forest.items.values():
        if isinstance(item, Post) and item.quote and isinstance(forest.items.get(item.quote.id), Post):
            id_ = item.quote.id
            lone = forest.heads[id_] == id_ and not forest.children.get(id_)
            if lone and forest.author(id_) != item.attributed_to:
                quoted.add(id_)
    return quoted


def _thread(forest: Forest, head: str, rule: Rule) -> Thread:
    asides = [run for run in forest.runs_by_home[head] if run != head]
    line = _line(forest, head, rule)
    if rule == "all":
        line = sorted(
            {*line, *(id_ for run in asides for id_ in forest.subtree(run, forest.author(head)))}, key=forest.moment
        )
        asides = []
    items = tuple(forest.items[id_] for id_ in line)
    branches = tuple(_runs(forest, line, rule)) if rule != "all" else ()
    aside_runs = tuple(run for aside in asides for run in _aside(forest, aside, rule))
    context = tuple(forest.items[id_] for id_ in forest.ancestors(head))[::-1]
    shown = [*items, *context, *(i for run in (*branches, *aside_runs) for i in (*run.answered, *run.items))]
    quoted = _quoted(forest, shown)
    return Thread(
        id=head,
        attributed_to=forest.author(head) or next(i.attributed_to for i in items if i.attributed_to),
        items=items,
        rule=rule,
        certificate=certify(forest, items, _limits(forest, head, line, rule)),
        branches=branches,
        asides=aside_runs,
        context=context,
        quoted=quoted,
        actors=_actors(forest, [*shown, *quoted]),
    )


# -- the rules ----------------------------------------------------------------------------------------------------


def _line(forest: Forest, head: str, rule: Rule) -> list[str]:
    if rule == "all":
        return list(forest.subtree(head, forest.author(head)))
    line = _oldest(forest, head) if rule == "oldest" else _star(forest, head) or _longest(forest, head)
    while len(line) > 1 and _keeps_books(forest.items[line[-1]]):
        line.pop()
    return line


def _keeps_books(item: Item) -> bool:
    """A post that only pins the thread or calls a bot."""
    return isinstance(item, Post) and not item.attachments and bool(_BOOKKEEPING.fullmatch(item.content))


def _longest(forest: Forest, head: str) -> list[str]:
    height = _heights(forest, head)
    line = [head]
    while children := forest.own_children(line[-1]):
        line.append(
            max(reversed(children), key=height.__getitem__)
        )  # the last maximum of the reversed: the earliest
    return line


def _heights(forest: Forest, head: str) -> dict[str, int]:
    """Return the length of the longest line of own posts that starts at each post of a run."""
    height: dict[str, int] = {}
    for id_ in reversed(list(forest.subtree(head, forest.author(head)))):
        height[id_] = 1 + max((height[child] for child in forest.own_children(id_)), default=0)
    return height


def _star(forest: Forest, head: str) -> list[str]:
    """Return the line of a star (head, then its answers by time, each with what follows it), or nothing."""
    children = [id_ for id_ in forest.own_children(head) if not _keeps_books(forest.items[id_])]
    if len(children) < _STAR:
        return []
    leaves = [id_ for id_ in children if not forest.own_children(id_)]
    height = _heights(forest, head)
    if len(leaves) < _STAR or height[head] - 1 > len(leaves):
        return []
    if not (_close_in_time(forest, [head, *leaves]) or _numbered(forest, [head, *leaves])):
        return []
    return [head, *(id_ for child in children for id_ in _longest(forest, child))]


def _close_in_time(forest: Forest, ids: list[str]) -> bool:
    times = [item.published for item in map(forest.items.__getitem__, ids)]
    dated = [time for time in times if time is not None]
    pairs = pairwise(dated)
    return len(dated) == len(times) and all(abs(late - early) <= _STAR_PAUSE for early, late in pairs)


def _numbered(forest: Forest, ids: list[str]) -> bool:
    found = counters.find([i.content if isinstance(i, Post) else "" for i in map(forest.items.__getitem__, ids)])
    return len(found.marks) >= _STAR


def _oldest(forest: Forest, head: str) -> list[str]:
    alive = _alive(forest, head)
    line = [head]
    while (child := _heir(forest, line[-1], alive)) is not None:
        line.append(child)
    return line


def _alive(forest: Forest, head: str) -> set[str]:
    """Return the posts of a run under or at which a post survives."""
    alive: set[str] = set()
    for id_ in reversed(list(forest.subtree(head, forest.author(head)))):
        if isinstance(forest.items[id_], Post) or any(child in alive for child in forest.own_children(id_)):
            alive.add(id_)
    return alive


def _heir(forest: Forest, id_: str, alive: set[str]) -> str | None:
    """Return the own answer that continues the line: the oldest, unless it was the line's end and was deleted."""
    freed = None  # when the place became free
    for child in forest.own_children(id_):
        item = forest.items[child]
        if child in alive:
            predates = freed is not None and item.published is not None and item.published < freed
            if not predates:
                return child
        elif isinstance(item, Tombstone) and item.deleted:
            freed = max(freed, item.deleted) if freed else item.deleted
    return None


# -- what hangs off the line --------------------------------------------------------------------------------------


def _runs(forest: Forest, line: list[str], rule: Rule) -> Iterator[Run]:
    """Yield what a line leaves out of its run, each fork as its own run, in reading order."""
    stack, kept = [line], set(line)
    while stack:
        taken = stack.pop()
        for id_ in taken:
            for child in forest.own_children(id_):
                if child not in kept:
                    below = _oldest(forest, child) if rule == "oldest" else _longest(forest, child)
                    yield Run(id_, tuple(forest.items[node] for node in below))
                    stack.append(below)
                    kept.update(below)


def _aside(forest: Forest, head: str, rule: Rule) -> Iterator[Run]:
    """Yield an answer to another author, with the post answered, and its own forks."""
    parent = forest.parents[head]
    line = _oldest(forest, head) if rule == "oldest" else _longest(forest, head)
    yield Run(parent, tuple(forest.items[id_] for id_ in line), (forest.items[parent],))
    yield from _runs(forest, line, rule)


def _quoted(forest: Forest, shown: Iterable[Item]) -> tuple[Post, ...]:
    ids = dict.fromkeys(item.quote.id for item in shown if isinstance(item, Post) and item.quote)
    return tuple(post for id_ in ids if isinstance(post := forest.items.get(id_), Post))


def _actors(forest: Forest, shown: Iterable[Item]) -> tuple[Actor, ...]:
    ids = sorted({item.attributed_to for item in shown} - {""})
    return tuple(forest.actors.get(id_) or Actor(id_) for id_ in ids)


def _limits(forest: Forest, head: str, line: list[str], rule: Rule) -> list[str]:
    limits = [f"In post {id_}: {forest.notes[id_]}" for id_ in line if id_ in forest.notes]
    if rule == "longest" and line != _line(forest, head, "oldest"):
        limits.append("The rules “longest” and “oldest” choose different posts here")
    parent = forest.items.get(forest.parents.get(head, ""))
    if isinstance(parent, Tombstone) and not parent.attributed_to:
        limits.append("The first post answers one that is not here, and whose that was is not known")
    root = next(reversed([head, *forest.ancestors(head)]))
    claims = {item.context for id_ in line if isinstance(item := forest.items[id_], Post) and item.context}
    if claims - {root} and root not in forest.missing and not isinstance(forest.items[root], Tombstone):
        limits.append("Some posts name another root than their answers lead to; the answers are followed")
    return limits
