"""Posts and tombstones by id, the edges between them, and the runs of one author that they make.

Nothing here depends on the order in which items arrive, nothing recurses, and nothing takes more than a little over
linear time: a thread can have thousands of posts, and what claims to be one can be made to do harm.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import cached_property, reduce
from heapq import heapify, heappop, heappush

import msgspec

from clew.model import Actor, Item, Limit, Post, Tombstone, Version
from clew.text import tail

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TID = re.compile("[2-7a-z]{13}")
_BASE_32 = str.maketrans("234567abcdefghijklmnopqrstuvwxyz", "0123456789abcdefghijklmnopqrstuv")
_KEPT_OVER_POST = ("deleted", "forgotten", "private")  # a tombstone that is a fact hides the text it buries
_DAY = 86400.0

Moment = tuple[float, int, int, str]
"""A sort key: seconds since 1970, place in the capture, length of the id, id. Ids of one network sort by age."""


class Forest:
    """All items of some captures. ``parents`` holds no cycle; a parent that is not here has a tombstone."""

    def __init__(self, parsed: Iterable[Actor | Item | Limit]) -> None:
        self.items: dict[str, Item] = {}
        self.actors: dict[str, Actor] = {}
        self.limits: set[Limit] = set()
        self.circles: set[str] = set()
        """Posts at which a circle of answers was cut; each is the top of its tree."""
        self.inferred: set[str] = set()
        """Tombstones whose own place is inferred from time."""
        self.children: dict[str, list[str]] = {}
        """Direct answers, oldest first."""
        self._gather(parsed)
        self._bury_missing()
        self.parents = {id_: item.in_reply_to for id_, item in self.items.items() if item.in_reply_to}
        self._cut_cycles()
        self._invert()
        self._join_fragments()
        self.heads = self._tops(self._same_author)
        """Every item to the head of its run: the top of the unbroken line of parents by the same author."""
        self.homes = self._find_homes()
        """The head of each run to that of the topmost run above it by the same author with a post, or to itself."""
        self.runs_by_home: dict[str, list[str]] = defaultdict(list)
        for head, home in self.homes.items():  # by age
            self.runs_by_home[home].append(head)
        self._adrift = self._find_adrift()

    def find(self, name: str) -> str:
        """Return the id of a post that is named by its id, its URL, or the last part of either; else nothing."""
        if name in self.items:
            return name
        return self._named.get(name) or self._named.get(tail(name), "")

    @cached_property
    def _named(self) -> dict[str, str]:
        ends = {tail(id_): id_ for id_ in reversed(self.items)}
        return ends | {item.url: id_ for id_, item in self.items.items() if isinstance(item, Post) and item.url}

    # -- building ---------------------------------------------------------------------------------------------

    def _gather(self, parsed: Iterable[Actor | Item | Limit]) -> None:
        copies: dict[str, list[Item]] = defaultdict(list)
        tellings: dict[str, set[Actor]] = defaultdict(set)
        for value in parsed:
            if isinstance(value, Actor):
                tellings[value.id].add(value)
            elif isinstance(value, Limit):
                self.limits.add(value)
            elif self.items.setdefault(value.id, value) != value:
                copies[value.id].append(value)
        self.actors = {id_: reduce(_richer, sorted(told, key=_fullness)) for id_, told in tellings.items()}
        for id_, others in copies.items():
            self.items[id_] = _merged([self.items[id_], *others])

    def _bury_missing(self) -> None:
        """Give every parent that is not here a tombstone, and each tombstone what its answers tell of it."""
        answers: dict[str, list[Item]] = defaultdict(list)
        for item in self.items.values():
            if item.in_reply_to and not isinstance(self.items.get(item.in_reply_to), Post):
                answers[item.in_reply_to].append(item)
        for id_, children in answers.items():
            held = self.items.get(id_)
            author = _only({_parent_author(child) for child in children})
            root = _only({child.context for child in children})
            if isinstance(held, Tombstone):
                author, root = held.attributed_to or author, held.context or root
            root = "" if root == id_ else root
            if held is None:
                held = Tombstone(id_, evidence=f"it is answered here, and {self._where_not(author)}")
            self.items[id_] = msgspec.structs.replace(held, attributed_to=author, context=root)

    def _where_not(self, author: str) -> str:
        outbox = self.actors[author].outbox if author in self.actors else ""
        return f"the author's {outbox} does not hold it" if outbox else "is not in what was captured"

    def _cut_cycles(self) -> None:
        state: dict[str, int] = {}  # 1 = on the present path, 2 = done
        for start in list(self.parents):
            path = []
            node: str | None = start
            while node is not None and node not in state:
                state[node] = 1
                path.append(node)
                node = self.parents.get(node)
            if node is not None and state[node] == 1:
                first = min(path[path.index(node) :], key=self.moment)
                del self.parents[first]
                self.circles.add(first)
            for seen in path:
                state[seen] = 2

    def _invert(self) -> None:
        for id_, parent in self.parents.items():
            self.children.setdefault(parent, []).append(id_)
        for ids in self.children.values():  # only now: the age of a tombstone is that of its answers
            if len(ids) > 1:
                ids.sort(key=self.moment)

    def _join_fragments(self) -> None:
        """Put a missing post of an author back where it must have been: after the last older post of the thread.

        Only where the author went on below it, and the platform names a root by the same author.
        """
        lost: dict[str, list[str]] = defaultdict(list)
        for item in list(self.items.values()):
            if not isinstance(item, Tombstone) or item.in_reply_to or not item.context:
                continue
            if self.own_children(item.id):  # else it may as well have been an answer to somebody else
                self._plant_root(item)
                if self.author(item.context) == item.attributed_to and item.context != item.id:
                    lost[item.context].append(item.id)
        if lost:
            trees = _Trees(self._tops(lambda *_: True))
            for root in sorted(lost, key=self.moment):
                self._join_below(root, sorted(lost[root], key=self.moment), trees)

    def _plant_root(self, item: Tombstone) -> None:
        """Make a tombstone for a root that nobody answers here, where its id tells that it is the author's."""
        if item.context not in self.items and _author_in(item.context) == item.attributed_to:
            self.items[item.context] = Tombstone(
                id=item.context,
                attributed_to=item.attributed_to,
                evidence="the posts name it as the start of their thread, and it is not in what was captured",
            )

    def _join_below(self, root: str, lost: list[str], trees: _Trees) -> None:
        """Hang each of ``lost``, by age, on the deepest older post of the root's run; of several on the latest."""
        best = (0, self.moment(root), root)
        waiting = [(self.moment(child), 1, child) for child in self.own_children(root)]
        heapify(waiting)
        for id_ in lost:
            if trees.top(root) == id_:  # malformed: the root that it names hangs below it
                continue
            limit = self.moment(id_)
            while waiting and waiting[0][0] < limit:
                moment, depth, node = heappop(waiting)
                best = max(best, (depth, moment, node))
                for child in self.own_children(node):
                    heappush(waiting, (self.moment(child), depth + 1, child))
            self.parents[id_] = best[2]
            self.inferred.add(id_)
            insort(self.children.setdefault(best[2], []), id_, key=self.moment)
            trees.join(id_, root)
            heappush(waiting, (limit, best[0] + 1, id_))

    def _tops(self, joined: Callable[[str, str], bool]) -> dict[str, str]:
        """Map every item to the last one above it that an unbroken line of ``joined`` parents reaches."""
        tops: dict[str, str] = {}
        for start in self.items:
            path = []
            node = start
            while node not in tops:
                path.append(node)
                parent = self.parents.get(node)
                if parent is None or not joined(parent, node):
                    tops[node] = node
                    break
                node = parent
            for seen in path:
                tops[seen] = tops[node]
        return tops

    def _find_homes(self) -> dict[str, str]:
        homes: dict[str, str] = {}
        alive = {self.heads[id_] for id_, item in self.items.items() if isinstance(item, Post)}
        above: dict[str, str] = {}  # author -> head of the topmost run on the present path
        stack = [(id_, False) for id_ in self.items if id_ not in self.parents]
        while stack:
            node, leaving = stack.pop()
            author = self.author(node)
            if leaving:
                del above[author]
                continue
            if self.heads[node] == node:
                homes[node] = above.get(author, node)
                if author and author not in above and node in alive:
                    above[author] = node
                    stack.append((node, True))
            stack.extend((child, False) for child in self.children.get(node, ()))
        return {head: homes[head] for head in sorted(homes, key=self.moment)}

    def _find_adrift(self) -> dict[tuple[str, str], list[float]]:
        """Return when each missing post was written of which nobody knows what it answers, by author and root."""
        adrift: dict[tuple[str, str], list[float]] = defaultdict(list)
        for id_, item in self.items.items():
            if not isinstance(item, Tombstone) or item.in_reply_to or id_ in self.inferred:
                continue
            if item.attributed_to and self.children.get(id_):
                adrift[item.attributed_to, item.context].append(self.moment(id_)[0])
        for times in adrift.values():
            times.sort()
        return dict(adrift)

    # -- asking -----------------------------------------------------------------------------------------------

    def moment(self, id_: str) -> Moment:
        """Return the sort key of an item: by the time in its id, else by its date, else by its children."""
        item = self.items.get(id_)
        order = item.order if isinstance(item, Post) else 0
        seconds = id_seconds(id_)
        if seconds is None and item is not None and item.published is not None:
            seconds = (item.published - _EPOCH).total_seconds()
        if seconds is None and isinstance(item, Tombstone):  # just before the first post that answers it
            children = [self.items.get(child) for child in self.children.get(id_, ())]
            answers = [child.published for child in children if child is not None and child.published is not None]
            if answers:
                seconds = (min(answers) - _EPOCH).total_seconds()
                seconds -= 0 if seconds.is_integer() else 1e-3  # clocks of whole seconds tell no order within one
        return (seconds or 0.0, order, len(id_), id_)

    def author(self, id_: str) -> str:
        """Return the actor id of an item's author; empty where nobody knows."""
        item = self.items.get(id_)
        return item.attributed_to if item is not None else ""

    def own_children(self, id_: str) -> list[str]:
        """Return the direct answers by the same author, oldest first."""
        children = self.children.get(id_)
        author = self.author(id_) if children else ""
        return [child for child in children if self.author(child) == author] if children and author else []

    def subtree(self, id_: str) -> Iterator[str]:
        """Yield ``id_`` and all below it that is reached through posts of its own author alone, parents first."""
        stack = [id_]
        while stack:
            node = stack.pop()
            yield node
            stack.extend(reversed(self.own_children(node)))

    def ancestors(self, id_: str) -> Iterator[str]:
        """Yield the items above ``id_``, nearest first."""
        node = self.parents.get(id_)
        while node is not None:
            yield node
            node = self.parents.get(node)

    def time(self, id_: str) -> datetime | None:
        """Return when an item was written: as its id tells, else as it says."""
        item, seconds = self.items.get(id_), id_seconds(id_)
        if seconds is not None:
            return datetime.fromtimestamp(seconds, UTC)
        return item.published if item is not None else None

    def adrift(self, line: Iterable[Item]) -> int:
        """Count the author's missing posts that may belong to a line, though nobody knows what they answer.

        They are younger than its head, and name its conversation; or name none, and are at most a day younger
        than its last post.
        """
        items = list(line)
        times = [self.moment(item.id)[0] for item in items]
        first, last, author = times[0], max(times) + _DAY, items[0].attributed_to
        count = 0
        for context in {item.context for item in items} | {items[0].id, ""}:
            held = self._adrift.get((author, context), [])
            end = len(held) if context else bisect_left(held, last)
            count += max(0, end - bisect_right(held, first))
        return count

    def _same_author(self, one: str, other: str) -> bool:
        return bool(self.author(one)) and self.author(one) == self.author(other)


class _Trees:
    """Which tree each item stands in, while trees are joined: a disjoint-set forest."""

    def __init__(self, tops: dict[str, str]) -> None:
        self._tops, self._joined = tops, {top: top for top in tops.values()}

    def top(self, id_: str) -> str:
        node = self._tops[id_]
        while self._joined[node] != node:
            self._joined[node] = node = self._joined[self._joined[node]]
        return node

    def join(self, top: str, id_: str) -> None:
        """Hang the whole tree of ``top`` into the tree of ``id_``."""
        self._joined[top] = self.top(id_)


def id_seconds(id_: str) -> float | None:
    """Return the time that an id carries, in seconds since 1970.

    That is an AT Protocol TID (microseconds) or an X snowflake (milliseconds). Ids that are no timestamps give
    absurd years; those tell nothing.
    """
    tail = id_.rpartition("/")[2]
    seconds = 0.0
    if len(tail) == 13 and id_.startswith("at://") and _TID.fullmatch(tail):
        seconds = (int(tail.translate(_BASE_32), 32) >> 10) / 1e6
    elif id_.startswith("https://x.com/i/status/") and tail.isdecimal() and len(tail) < 20 and int(tail) > 2**34:
        seconds = ((int(tail) >> 22) + 1288834974657) / 1e3
    return seconds if 1.1e9 < seconds < 4.1e9 else None


def _author_in(id_: str) -> str:
    return id_.split("/")[2] if id_.startswith("at://") and id_.count("/") >= 3 else ""


def _parent_author(child: Item) -> str:
    named = child.in_reply_to_actor if isinstance(child, Post) else ""
    return named or _author_in(child.in_reply_to)


def _only(names: set[str]) -> str:
    """Return the one name that is told; nothing where none is, or where they disagree."""
    told = names - {""}
    return min(told) if len(told) == 1 else ""


def _authority(item: Item) -> tuple[int, datetime, int, int, str]:
    """Of two items with one id the greater is kept: a proven end, then a post, then the later and fuller text."""
    whole = repr(item)
    if isinstance(item, Tombstone):
        rank = 2 if item.reason in _KEPT_OVER_POST else 0
        return (rank, item.deleted or _EPOCH, 0, len(whole), whole)
    return (1, item.updated or _EPOCH, len(item.content), len(whole), whole)


def _merged(copies: list[Item]) -> Item:
    """Return what several captures tell of one item: the best of them, with the links that only others have."""
    *_, kept = ranked = sorted(copies, key=_authority)
    best_first = ranked[::-1]
    kept = msgspec.structs.replace(
        kept,
        attributed_to=_first(item.attributed_to for item in best_first),
        in_reply_to=_first(item.in_reply_to for item in best_first),
        context=_first(item.context for item in best_first),
        published=next((item.published for item in best_first if item.published), None),
    )
    if isinstance(kept, Tombstone):
        return kept
    posts = [item for item in ranked if isinstance(item, Post)]
    return msgspec.structs.replace(
        kept,
        in_reply_to_actor=_first(p.in_reply_to_actor for p in posts[::-1] if p.in_reply_to == kept.in_reply_to),
        replies=max((post.replies for post in posts if post.replies is not None), default=None),
        thread_size=max((post.thread_size for post in posts if post.thread_size is not None), default=None),
        versions=_versions(kept, posts),
    )


def _first(values: Iterable[str]) -> str:
    return next(filter(None, values), "")


def _versions(kept: Post, copies: list[Post]) -> tuple[Version, ...]:
    """Return the earlier texts of an edited post, from all captures that hold one."""
    versions = {version.content: version for copy in copies for version in copy.versions}
    versions |= {version.content: version for version in kept.versions}
    for copy in copies:
        if copy.content != kept.content and (copy.updated != kept.updated or not _abridged(copy, kept)):
            when = copy.updated or (copy.published if kept.updated else None)
            versions.setdefault(copy.content, Version(copy.content, when, copy.summary))
    if kept.content not in {version.content for version in kept.versions}:
        versions.pop(kept.content, None)
    return tuple(sorted(versions.values(), key=lambda version: (version.updated or _EPOCH, version.content)))


def _abridged(copy: Post, kept: Post) -> bool:
    """Say whether a copy is the start of the text, cut off by its format ("… https://t.co/1"), and no edit."""
    words = copy.content.split()
    while words and (words[-1].startswith(("http://", "https://")) or words[-1] in ("…", "...")):
        words.pop()
    start = " ".join(words).rstrip("….")
    return " ".join(kept.content.split()).startswith(start)


def _fullness(actor: Actor) -> tuple[int, str]:
    whole = repr(actor)
    return (len(whole), whole)


def _richer(low: Actor, high: Actor) -> Actor:
    """Merge two tellings of an actor: the fuller one, and what only the other knows."""
    return Actor(
        id=high.id,
        name=high.name or low.name,
        preferred_username=high.preferred_username or low.preferred_username,
        url=high.url or low.url,
        also_known_as=tuple(sorted({*high.also_known_as, *low.also_known_as})),
        outbox=high.outbox or low.outbox,
        restrictions=tuple(sorted({*high.restrictions, *low.restrictions})),
    )
