"""ActivityPub objects of one author, asked for one thread: where there is no API, or it wants a token.

The author's outbox has whole posts, a page at a time, the newest first; it is read back to the start of the thread
where that takes few pages. Else each post is asked for: its ``replies`` name those that answer it, ``inReplyTo``
what it answers. Posts are believed from their own server only.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from clew.sources.fediverse.activitypub import Object, conversation_of, members_of, prefix, ref, text, type_of
from clew.sources.fediverse.asking import Asker
from clew.sources.fediverse.body import when
from clew.sources.fediverse.shapes import ACTORS, COLLECTIONS, POSTS, host

_PAGES = 30
"""Pages of an outbox, or of a collection of answers, that are read for one thread."""
_ABOVE = 40
"""Posts of others above the thread that are asked for: as many as Mastodon's API gives."""
_LOOKS = 100
"""Members of an outbox that are asked for one by one, where it holds their ids only."""
_OTHERS = "only_other_accounts=true"


class Objects:
    """What was received. ``notes`` and ``actors`` are by their ids."""

    def __init__(self, asker: Asker) -> None:
        self.asker = asker
        self.notes: dict[str, Object] = {}
        self.actors: dict[str, Object] = {}
        self.activities: dict[str, Object] = {}
        self.asked: set[str] = set()
        self._looks = 0
        self.is_read_back = False
        """Whether the outbox was read back to the start of the thread."""

    # --- asking ----------------------------------------------------------------------------------------------

    def note(self, url: str) -> Object | None:
        """Return a post by its id or its address."""
        if url in self.notes:
            return self.notes[url]
        found = self._fresh(url)
        if found is not None and type_of(found) in ("Create", "Update"):
            self.activities[url], inner = found, found.get("object")
            if isinstance(inner, str) and host(inner) == host(url):
                inner = self.notes.get(inner) or self._fresh(inner)
            found = inner if isinstance(inner, dict) else None
        if found is None or type_of(found) not in POSTS or not ref(found.get("id")):
            return None
        return self.notes.setdefault(ref(found["id"]), found)

    def _fresh(self, url: str) -> Object | None:
        """Ask for an object, once."""
        if url in self.asked or not host(url):
            return None
        self.asked.add(url)
        return self.asker.object(url)

    def actor(self, id_: str) -> Object | None:
        """Return an account."""
        if id_ not in self.actors and id_ not in self.asked:
            self.asked.add(id_)
            found = self.asker.object(id_)
            if found is not None and type_of(found) in ACTORS:
                self.actors[id_] = found
        return self.actors.get(id_)

    def take(self, value: Any, home: str) -> None:
        """Keep the posts of ``home`` that stand in a member of a collection."""
        node = value
        while isinstance(node, dict) and type_of(node) in ("Create", "Update"):
            node = node.get("object")
        if isinstance(node, dict) and type_of(node) in POSTS and host(ref(node.get("id"))) == home:
            self.notes.setdefault(ref(node["id"]), node)

    def pages(self, collection: Any, home: str) -> Iterator[list[Any]]:
        """Yield the members of a collection, page by page, as far as ``home`` keeps them itself."""
        value = collection
        for _ in range(_PAGES):
            if isinstance(value, str):
                if host(value) != home or value in self.asked or _OTHERS in value:
                    return
                self.asked.add(value)
                value = self.asker.object(value)
            if not isinstance(value, dict) or type_of(value) not in COLLECTIONS:
                return
            if members := members_of(value):
                yield members
            value = value.get("next") or value.get("first")

    # --- the thread ------------------------------------------------------------------------------------------

    def unroll(self, id_: str) -> None:
        """Ask for the thread that a post stands in."""
        author = ref(self.notes[id_].get("attributedTo"))
        actor = self.actor(author)
        if actor is not None:
            self._read_back(id_, actor.get("outbox"), host(author))
        if not self.is_read_back or len(self.own(self.head(id_))) == 1:
            self._conversation(id_)
        self._climb(id_)
        self._descend(self.head(id_))

    def head(self, id_: str) -> str:
        """Return the top of the unbroken run of posts by one author."""
        seen = {id_}
        while (parent := ref(self.notes[id_].get("inReplyTo"))) in self.notes and parent not in seen:
            if self.author(parent) != self.author(id_):
                break
            seen.add(parent)
            id_ = parent
        return id_

    def own(self, head: str) -> list[str]:
        """Return the author's posts below ``head``, and itself, oldest first."""
        children: dict[str, list[str]] = {}
        for id_, note in self.notes.items():
            children.setdefault(ref(note.get("inReplyTo")), []).append(id_)
        found, seen = [head], {head}
        for id_ in found:  # grows meanwhile
            below = [child for child in children.get(id_, ()) if child not in seen]
            seen.update(below)
            found.extend(below)
        mine = [id_ for id_ in found if self.author(id_) == self.author(head)]
        return sorted(mine, key=lambda id_: text(self.notes[id_].get("published")))

    def author(self, id_: str) -> str:
        """Return the actor id of a post's author."""
        return ref(self.notes[id_].get("attributedTo"))

    def conversation(self, id_: str) -> str:
        """Return by what name the server knows the conversation of a post; "" where it has none."""
        return conversation_of(self.notes[id_]) if id_ in self.notes else ""

    def _read_back(self, id_: str, outbox: Any, home: str) -> None:
        newest: datetime | None = None
        for number, page in enumerate(self.pages(outbox, home), start=1):
            dates = self._take_page(page, id_, home)
            start = when(self.notes[self.head(id_)].get("published"))
            if not dates or start is None:
                continue
            newest, oldest = newest or max(dates), min(dates)
            self.is_read_back = self._is_back(id_, oldest)
            pace = (newest - oldest) / number or timedelta(microseconds=1)
            if dates[0] >= dates[-1] and (self.is_read_back or (oldest - start) / pace > _PAGES):
                return  # far enough, or too far back: then each post is asked for

    def _take_page(self, page: list[Any], id_: str, home: str) -> list[datetime]:
        """Keep the posts of one page of the outbox; return when they were made. Of a page of ids, the newest first,
        the rest is not asked for once the start of the thread is reached."""
        dates: list[datetime] = []
        for member in page:
            self._take_activity(member, home)
            if date := self._published(member):
                dates.append(date)
                if isinstance(member, str) and date < dates[0] and self._is_back(id_, date):
                    break
        return dates

    def _is_back(self, id_: str, oldest: datetime) -> bool:
        """Say whether the thread of a post begins after a moment."""
        head = self.notes[self.head(id_)]
        start, parent = when(head.get("published")), ref(head.get("inReplyTo"))
        is_known = not parent or parent in self.notes or not self._may_be_own(parent, id_)
        return start is not None and oldest <= start and is_known

    def _take_activity(self, member: Any, home: str) -> None:
        """Keep the post that an activity of the outbox made; ask for it where only its id is told."""
        self.take(member, home)
        named = member if isinstance(member, str) else ""
        if isinstance(member, dict) and type_of(member) == "Create" and isinstance(member.get("object"), str):
            named = member["object"]
        if host(named) == home and self._looks < _LOOKS:
            self._looks += 1
            self.note(named)

    def _published(self, member: Any) -> datetime | None:
        named = member if isinstance(member, str) else ""
        node = (self.notes.get(named) or self.activities.get(named)) if named else member
        if not isinstance(node, dict):
            return None
        inner = node.get("object")
        inner = self.notes.get(inner) if isinstance(inner, str) else inner
        return when(node.get("published")) or (when(inner.get("published")) if isinstance(inner, dict) else None)

    def _may_be_own(self, id_: str, example: str) -> bool:
        """Say whether a post may be by the author of ``example``: where ids hold their author's, they tell."""
        author = self.author(example)
        if host(id_) != host(author):
            return False
        return id_.startswith(prefix(author)) or not example.startswith(prefix(author))

    def _conversation(self, id_: str) -> None:
        """Ask for the posts of a conversation, where the server lists them."""
        for key in ("context", "conversation"):
            name = ref(self.notes[id_].get(key))
            if "#" not in name and name != id_:
                for page in self.pages(name, host(id_)):
                    self._take_own(page, id_)

    def _take_own(self, page: list[Any], example: str) -> None:
        for member in page:
            self.take(member, host(example))
            named = ref(member)
            if named not in self.notes and self._may_be_own(named, example):
                self.note(named)

    def _climb(self, id_: str) -> None:
        """Ask for what a post answers, and what that answers, up to the start of the conversation."""
        above, author, seen = 0, self.author(id_), set[str]()
        while (parent := ref(self.notes[id_].get("inReplyTo"))) and parent not in seen and above < _ABOVE:
            seen.add(parent)
            note = self.note(parent)
            if note is None:
                return
            id_ = ref(note.get("id"))
            above += self.author(id_) != author

    def _descend(self, head: str) -> None:
        """Ask for the answers to each post of the author; where the outbox was read, to those without one known."""
        looked = set[str]()
        while True:
            own = self.own(head)
            answered = {ref(self.notes[id_].get("inReplyTo")) for id_ in own}
            open_ = [id_ for id_ in own if id_ not in looked and not (self.is_read_back and id_ in answered)]
            if not open_:
                return
            looked.add(open_[-1])
            for page in self.pages(self.notes[open_[-1]].get("replies"), host(head)):
                self._take_own(page, head)
