"""ActivityPub objects as servers gave them, one or a page at a time: what they say together.

- An object is believed from its own server only, and only about an author of that server.
- Some servers leave out ``to`` and ``cc``: what they show to somebody without a name counts as unlisted.
- Servers name conversations, each in its own way (``conversation``, ``context``). All posts by that name stand
  below its first one: what a post answers may be lost, yet it is known to which thread it belongs.
- An id that begins with its author's id tells whose a post was, though it is gone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cached_property
from ipaddress import ip_address
from typing import Any

import msgspec

from clew.decode import walk
from clew.model import Actor, Capture, Post, Tombstone
from clew.sources.fediverse.activitypub import (
    Object,
    Outbox,
    conversation_of,
    objects,
    prefix,
    ref,
    text,
    type_of,
)
from clew.sources.fediverse.shapes import ACTORS, COLLECTIONS, POSTS, host, path_of

_ORPHANED = "It stands in a conversation that began before it, and names no post that it answers"


class Served:
    """Collects what servers gave, then yields what it holds."""

    def __init__(self) -> None:
        self.documents: list[tuple[Capture, Object]] = []
        self.notes: dict[str, Object] = {}
        self._parents: dict[str, str] = {}
        self.hosts: set[str] = set()
        """Servers that gave an object."""
        self.secure: set[str] = set()
        """Servers that call their own posts by https, also where they were asked by http."""
        self.aliases: dict[str, str] = {}
        """Servers of a private network that go by another name: scheme and host of that."""

    def add(self, capture: Capture, value: Object) -> None:
        """Keep one object."""
        self.documents.append((capture, value))

    def settle(self) -> None:
        """Once all are there: leave of each object what its server may speak of, and gather the posts."""
        answering = {host(capture.location or capture.url) for capture, _ in self.documents} | {""}
        for capture, value in self.documents:
            plain, id_ = host(capture.location or capture.url), ref(value.get("id"))
            if host(id_) not in answering and _is_private(plain) and path_of(capture.url) == path_of(id_):
                name = id_.partition(host(id_))[0] + host(id_)
                self.aliases[plain] = min(name, self.aliases.get(plain, name))
        for capture, value in self.documents:
            self._gather(capture, value)

    def _home(self, capture: Capture) -> str:
        plain = host(capture.location or capture.url)
        return host(self.aliases.get(plain, "")) or plain

    def _gather(self, capture: Capture, value: Object) -> None:
        home = self._home(capture)
        for node in walk(value):
            _drop_others(node, home)
        self.hosts.add(home)
        if ref(value.get("id")).startswith("https://"):
            self.secure.add(host(ref(value.get("id"))))
        for node in walk(value):
            if type_of(node) in POSTS and (id_ := ref(node.get("id"))) and is_own(node, home):
                held = self.notes.setdefault(id_, node)
                if not ref(held.get("inReplyTo")):  # an earlier copy may tell what its server forgot since
                    self.notes[id_] = node

    def items(self, parents: Mapping[str, str]) -> Iterator[Actor | Post | Tombstone]:
        """Yield actors, posts and tombstones. ``parents``: what posts answer, where something else told it."""
        self._parents = {**parents, **self.parents()}
        roots = self._roots()
        followers = {ref(value.get("followers")) for _, value in self.documents if type_of(value) in ACTORS} - {""}
        for capture, value in sorted(self.documents, key=lambda pair: (pair[0].url, pair[0].sha256)):
            home = self._home(capture)
            if not is_own(value, home):
                continue
            for item in Outbox(is_served=True, followers=followers).read(value, capture):
                if isinstance(item, Tombstone) and item.id == self.name(capture.url) and item.reason == "deleted":
                    item = msgspec.structs.replace(item, checked=capture.retrieved)
                if not isinstance(item, Actor):
                    yield from self._placed(item, roots)
                elif host(item.id) == home:
                    yield item

    def _placed(self, item: Post | Tombstone, roots: dict[str, str]) -> Iterator[Post | Tombstone]:
        """Add to an item what its conversation and its ids tell."""
        root, parent = roots.get(item.id, ""), self._parents.get(item.id, "")
        root = "" if root == item.id else root
        if not root and not parent:
            yield item
        elif parent:
            own = bool(item.attributed_to) and parent.startswith(prefix(item.attributed_to))
            told = {"in_reply_to_actor": item.attributed_to} if own and isinstance(item, Post) else {}
            yield msgspec.structs.replace(item, context=root, in_reply_to=parent, **told)
        elif isinstance(item, Post):
            lost = f"{item.id}#in_reply_to"
            yield msgspec.structs.replace(item, context=root, in_reply_to=lost)
            yield self._lost(lost, item, root)
        else:
            yield item

    def _lost(self, id_: str, answer: Post, root: str) -> Tombstone:
        """Return what is known of a post that is answered and not named. Servers mention whom one answers."""
        tags = objects(self.notes[answer.id].get("tag")) if answer.id in self.notes else []
        others = {ref(tag.get("href")) for tag in tags if type_of(tag) == "Mention"} - {answer.attributed_to}
        if others:
            return Tombstone(id_, context=root, evidence=_ORPHANED)
        evidence = f"{_ORPHANED}, nor anybody else"
        return Tombstone(id_, attributed_to=answer.attributed_to, context=root, evidence=evidence)

    def _roots(self) -> dict[str, str]:
        """Return the id of the first post of the conversation that a post stands in."""
        talks: dict[str, list[str]] = defaultdict(list)
        for id_, note in self.notes.items():
            if name := conversation_of(note):
                talks[name].append(id_)
        found: dict[str, str] = {}
        for name, ids in talks.items():
            named = name.partition("#")[0]
            tops = [id_ for id_ in ids if id_ not in self._parents]
            first = min(tops, key=lambda id_: (text(self.notes[id_].get("published")), id_), default="")
            root = named if named in self.notes or (named != name and _is_below(named, ids)) else first
            found |= dict.fromkeys(ids, root)
        return found

    # --- what was asked for ------------------------------------------------------------------------------------

    def author(self, id_: str) -> str:
        """Return the actor id of a post's author."""
        return ref(self.notes[id_].get("attributedTo"))

    def parents(self) -> dict[str, str]:
        """Return what each post answers."""
        return {id_: parent for id_, note in self.notes.items() if (parent := ref(note.get("inReplyTo")))}

    def outboxes(self) -> dict[str, str]:
        """Return the author whose outbox an address is, that of each page too."""
        found = {
            ref(node.get("outbox")): ref(node.get("id")) for _, node in self.documents if type_of(node) in ACTORS
        }
        found.pop("", None)
        pages = self.pages()
        waiting = list(found)
        for url in waiting:  # grows meanwhile
            for key in ("first", "next"):
                page = pages.get(url, {}).get(key)
                for named in (page,) if isinstance(page, str) else (ref(page), _next(page)):
                    if named and named not in found:
                        found[named] = found[url]
                        waiting.append(named)
        return found

    def made(self, member: Any) -> Object | None:
        """Return the post that a member of an outbox made, else the member; None where only its id is here."""
        node = self._by_address.get(member) if isinstance(member, str) else member
        if not isinstance(node, dict):
            return None
        inner = node.get("object")
        inner = self.notes.get(inner) if isinstance(inner, str) else inner
        return inner if isinstance(inner, dict) else node

    @cached_property
    def _by_address(self) -> dict[str, Object]:
        return {self.name(capture.url): value for capture, value in self.documents}

    def pages(self) -> dict[str, Object]:
        """Return collections and their pages by the addresses that their server has for them."""
        lists = [(capture.url, value) for capture, value in self.documents if type_of(value) in COLLECTIONS]
        return {self.name(url): value for url, value in lists}

    def name(self, url: str) -> str:
        """Return an address that was asked as its server writes it."""
        if alias := self.aliases.get(host(url)):
            return alias + url.partition(host(url))[2]
        is_secure = url.startswith("http://") and host(url) in self.secure
        return f"https://{url.removeprefix('http://')}" if is_secure else url

    def collections(self) -> set[str]:
        """Return the addresses of lists of answers that objects name."""
        found: set[str] = set()
        for _, value in self.documents:
            for node in walk(value):
                for key in ("replies", "first", "next", "context", "conversation"):
                    part = node.get(key)
                    found |= {named for named in (ref(part), _next(part)) if host(named)}
        return found - self.notes.keys()


def _is_private(home: str) -> bool:
    """Say whether a host is one that only a network of one's own has."""
    name = home.rpartition(":")[0] if home.rpartition(":")[2].isdecimal() else home
    try:
        return not ip_address(name.strip("[]")).is_global
    except ValueError:
        return "." not in name or name.endswith(".localhost")


def is_own(node: Object, home: str) -> bool:
    """Say whether a server may tell of an object: it is its own, and by an author of its own."""
    if type_of(node) in POSTS:
        return host(ref(node.get("id"))) == home == host(ref(node.get("attributedTo")))
    return True


def _drop_others(node: Object, home: str) -> None:
    """Leave of each post that is another server's only its id."""
    for key, value in node.items():
        if isinstance(value, dict):
            if key == "object" and type_of(node) in ("Create", "Update"):
                value.setdefault("attributedTo", node.get("actor"))
            node[key] = _own_or_id(value, home)
        elif isinstance(value, list):
            node[key] = [_own_or_id(one, home) if isinstance(one, dict) else one for one in value]


def _own_or_id(value: Object, home: str) -> Any:
    # The answers of a poll are posts without an id.
    return value if "id" not in value or is_own(value, home) else ref(value.get("id"))


def _next(page: Any) -> str:
    return ref(page.get("next")) if isinstance(page, dict) else ""


def _is_below(root: str, ids: list[str]) -> bool:
    """Say whether a post of this id can be the first of a conversation: all posts are of its server."""
    return bool(host(root)) and any(host(id_) == host(root) for id_ in ids)
