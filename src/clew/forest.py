"""Posts and tombstones by id, the edges between them, and the runs of one author that they make.

Nothing here depends on the order in which items arrive, and nothing recurses: a thread can have thousands of posts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import reduce

import msgspec

from clew.model import Actor, Item, Post, Tombstone, Version

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TID = {c: i for i, c in enumerate("234567abcdefghijklmnopqrstuvwxyz")}
_KEPT_OVER_POST = ("deleted", "forgotten", "private")  # a tombstone that is a fact hides the text it buries

Moment = tuple[float, int, int, str]
"""A sort key: seconds since 1970, place in the capture, length of the id, id. Ids of one network sort by age."""


class Forest:
    """All items of some captures. ``parents`` holds no cycle; a parent that is not here has a tombstone."""

    def __init__(self, parsed: Iterable[Actor | Item]) -> None:
        self.items: dict[str, Item] = {}
        self.actors: dict[str, Actor] = {}
        self.notes: dict[str, str] = {}
        """What is odd about an item, by id, one plain sentence each."""
        self.inferred: set[str] = set()
        """Tombstones whose own place is inferred from time."""
        self.children: dict[str, list[str]] = {}
        self._gather(parsed)
        self.missing = self._bury_missing()
        self.parents = {id_: item.in_reply_to for id_, item in self.items.items() if item.in_reply_to}
        self._cut_cycles()
        self.children = self._invert()
        self._join_fragments()
        self.heads = self._find_heads()
        self.homes = self._find_homes()
        self.runs_by_home: dict[str, list[str]] = defaultdict(list)
        for head, home in self.homes.items():  # by age
            self.runs_by_home[home].append(head)

    # -- building ---------------------------------------------------------------------------------------------

    def _gather(self, parsed: Iterable[Actor | Item]) -> None:
        copies: dict[str, list[Post]] = defaultdict(list)
        tellings: dict[str, set[Actor]] = defaultdict(set)
        for value in parsed:
            if isinstance(value, Actor):
                tellings[value.id].add(value)
                continue
            held_item = self.items.get(value.id)
            if held_item is None:
                self.items[value.id] = value
            elif held_item != value:
                copies[value.id] += [item for item in (held_item, value) if isinstance(item, Post)]
                self.items[value.id] = max(held_item, value, key=_authority)
        self.actors = {id_: reduce(_richer, sorted(told, key=_fullness)) for id_, told in tellings.items()}
        for id_, posts in copies.items():
            kept = self.items[id_]
            if isinstance(kept, Post):
                self.items[id_] = _with_versions(kept, posts)

    def _bury_missing(self) -> frozenset[str]:
        """Give every parent that is not here a tombstone, with what its children tell of it."""
        orphans: dict[str, list[Item]] = defaultdict(list)
        for item in self.items.values():
            if item.in_reply_to and item.in_reply_to not in self.items:
                orphans[item.in_reply_to].append(item)
        for id_, children in orphans.items():
            authors = {_parent_author(child) for child in children} - {""}
            roots = {child.context for child in children} - {"", id_}
            self.items[id_] = Tombstone(
                id=id_,
                attributed_to=min(authors) if len(authors) == 1 else "",
                context=min(roots) if len(roots) == 1 else "",
                evidence="it is answered here, and is not in what was captured",
            )
        return frozenset(orphans)

    def _cut_cycles(self) -> None:
        state: dict[str, int] = {}  # 1 = on the present path, 2 = done
        for start in self.parents:
            path = []
            node: str | None = start
            while node is not None and node not in state:
                state[node] = 1
                path.append(node)
                node = self.parents.get(node)
            if node is not None and state[node] == 1:
                circle = path[path.index(node) :]
                first = min(circle, key=self.moment)
                del self.parents[first]
                self.notes[first] = "posts answer each other in a circle; it is cut at the earliest"
            for seen in path:
                state[seen] = 2

    def _invert(self) -> dict[str, list[str]]:
        children: dict[str, list[str]] = defaultdict(list)
        for id_, parent in self.parents.items():
            children[parent].append(id_)
        for ids in children.values():
            ids.sort(key=self.moment)
        return dict(children)

    def _join_fragments(self) -> None:
        """Put a missing post of an author back where it must have been: after the last older post of the thread.

        Only where the platform names the conversation's root, and the root is by the same author.
        """
        lost = [
            item
            for id_ in self.missing
            if isinstance(item := self.items[id_], Tombstone) and item.attributed_to and item.context
        ]
        for item in sorted(lost, key=lambda item: self.moment(item.id)):
            self._plant_root(item)
            root = self.items.get(item.context)
            if root is None or root.attributed_to != item.attributed_to or item.id in self.parents:
                continue
            parent = self._last_before(root.id, item)
            if parent is not None:
                self.parents[item.id] = parent
                self.inferred.add(item.id)
                siblings = self.children.setdefault(parent, [])
                siblings.append(item.id)
                siblings.sort(key=self.moment)

    def _plant_root(self, item: Tombstone) -> None:
        """Make a tombstone for a root that nobody answers here, where its id tells that it is the author's."""
        if item.context not in self.items and _author_in(item.context) == item.attributed_to:
            self.items[item.context] = Tombstone(
                id=item.context,
                attributed_to=item.attributed_to,
                evidence="the posts name it as the start of their thread, and it is not in what was captured",
            )

    def _last_before(self, root: str, lost: Tombstone) -> str | None:
        """Return the deepest post of the root's run that is older than ``lost``; of several, the latest."""
        limit = self.moment(lost.id)
        below = set(self.subtree(lost.id, lost.attributed_to))
        best: tuple[int, Moment, str] | None = None
        depth = {root: 0}
        for id_ in self.subtree(root, lost.attributed_to):
            depth.setdefault(id_, depth.get(self.parents.get(id_, ""), -1) + 1)
            rank = (depth[id_], self.moment(id_), id_)
            if (id_ == root or self.moment(id_) < limit) and id_ not in below and (best is None or rank > best):
                best = rank
        return best[2] if best else None

    def _find_heads(self) -> dict[str, str]:
        """Map every item to the head of its run: the top of the unbroken line of parents by the same author."""
        heads: dict[str, str] = {}
        for start in self.items:
            path = []
            node = start
            while node not in heads:
                path.append(node)
                parent = self.parents.get(node)
                if parent is None or not self._same_author(parent, node):
                    heads[node] = node
                    break
                node = parent
            for seen in path:
                heads[seen] = heads[node]
        return heads

    def _find_homes(self) -> dict[str, str]:
        """Map the head of each run to the head of the topmost run above it by the same author, or to itself."""
        homes: dict[str, str] = {}
        for head in sorted(set(self.heads.values()), key=self.moment):
            chain = []
            node: str | None = head
            while node is not None and node not in homes:
                chain.append(node)
                node = self._run_above(node)
            home = homes[node] if node is not None else chain[-1]
            homes.update(dict.fromkeys(chain, home))
        return homes

    def _run_above(self, head: str) -> str | None:
        """Return the head of the nearest run above by the same author, if the author is known."""
        author = self.author(head)
        above = (node for node in self.ancestors(head) if self.author(node) == author) if author else iter(())
        return next((self.heads[node] for node in above), None)

    # -- asking -----------------------------------------------------------------------------------------------

    def moment(self, id_: str) -> Moment:
        """Return the sort key of an item: by the time in its id, else by its date, else by its children."""
        item = self.items.get(id_)
        order = item.order if isinstance(item, Post) else 0
        time = id_time(id_)
        if time is None and item is not None and item.published is not None:
            time = item.published
        if time is None and isinstance(item, Tombstone):  # just before the first post that answers it
            answers = [
                child.published
                for child in map(self.items.get, self.children.get(id_, ()))
                if child is not None and child.published is not None
            ]
            if answers:
                return ((min(answers) - _EPOCH).total_seconds() - 1e-3, 0, len(id_), id_)
        return ((time - _EPOCH).total_seconds() if time else 0.0, order, len(id_), id_)

    def author(self, id_: str) -> str:
        """Return the actor id of an item's author; empty where nobody knows."""
        item = self.items.get(id_)
        return item.attributed_to if item is not None else ""

    def own_children(self, id_: str) -> list[str]:
        """Return the direct answers by the same author, oldest first."""
        return [child for child in self.children.get(id_, ()) if self._same_author(child, id_)]

    def subtree(self, id_: str, author: str) -> Iterator[str]:
        """Yield ``id_`` and all below it that is reached through posts of ``author`` alone, parents first."""
        stack = [id_]
        while stack:
            node = stack.pop()
            yield node
            stack.extend(child for child in reversed(self.children.get(node, ())) if self.author(child) == author)

    def ancestors(self, id_: str) -> Iterator[str]:
        """Yield the items above ``id_``, nearest first."""
        node = self.parents.get(id_)
        while node is not None:
            yield node
            node = self.parents.get(node)

    def _same_author(self, one: str, other: str) -> bool:
        return bool(self.author(one)) and self.author(one) == self.author(other)


def id_time(id_: str) -> datetime | None:
    """Return the time that an id carries: an AT Protocol TID (microseconds) or an X snowflake (milliseconds)."""
    tail = id_.rsplit("/", 1)[-1]
    if id_.startswith("at://") and len(tail) == 13 and all(c in _TID for c in tail):
        number = 0
        for char in tail:
            number = number * 32 + _TID[char]
        return _at((number >> 10) / 1e6)
    if id_.startswith("https://x.com/i/status/") and tail.isdecimal() and 2**34 < int(tail) < 2**63:
        return _at(((int(tail) >> 22) + 1288834974657) / 1e3)
    return None


def _at(seconds: float) -> datetime | None:
    """Ids that are no timestamps give absurd years; those tell nothing."""
    return datetime.fromtimestamp(seconds, UTC) if 1.1e9 < seconds < 4.1e9 else None


def _author_in(id_: str) -> str:
    return id_.split("/")[2] if id_.startswith("at://") and id_.count("/") >= 3 else ""


def _parent_author(child: Item) -> str:
    named = child.in_reply_to_actor if isinstance(child, Post) else ""
    return named or _author_in(child.in_reply_to)


def _authority(item: Item) -> tuple[int, datetime, int, int, bytes]:
    """Of two items with one id the greater is kept: a proven end, then a post, then the later and fuller text."""
    encoded = msgspec.json.encode(item)
    if isinstance(item, Tombstone):
        rank = 2 if item.reason in _KEPT_OVER_POST else 0
        return (rank, item.deleted or _EPOCH, 0, len(encoded), encoded)
    return (1, item.updated or _EPOCH, len(item.content), len(encoded), encoded)


def _with_versions(kept: Post, copies: list[Post]) -> Post:
    """Keep the earlier texts of an edited post that came in several captures."""
    versions = {version.content: version for version in kept.versions}
    for copy in sorted(copies, key=_authority):
        if copy.updated != kept.updated and copy.content != kept.content:
            versions.setdefault(copy.content, Version(copy.content, copy.updated or copy.published, copy.summary))
    ordered = sorted(versions.values(), key=lambda version: (version.updated or _EPOCH, version.content))
    return msgspec.structs.replace(kept, versions=tuple(ordered))


def _fullness(actor: Actor) -> tuple[int, bytes]:
    encoded = msgspec.json.encode(actor)
    return (len(encoded), encoded)


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
