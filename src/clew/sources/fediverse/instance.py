"""The Mastodon API of one server, asked for one thread: what stands around a post, what its author wrote next.

Anonymous readers are given 40 posts above, and 60 below that are at most 20 answers deep: so the last post of the
author is asked about again until nothing is added. Other servers give direct answers only, or all. Where asking
again adds little, the list of the author's posts is read on from the thread: it also has what goes on below a post
that was deleted.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import msgspec
from msgspec import Raw

from clew.errors import ParseError
from clew.fetch import query
from clew.sources.fediverse.address import base
from clew.sources.fediverse.asking import Asker
from clew.sources.fediverse.mastodon import is_local
from clew.sources.fediverse.shapes import host, typed
from clew.sources.fediverse.wire import Context, Status

_LITTLE = 5
"""Posts of the author that make it worth to ask again in the same way."""
_ROUNDS = 200
_IDLE = 2
"""Pages of the author's posts without one of the thread, after which the rest is not read; one where nothing tells
that there is more."""
PAGE = 40
SHORT = 20
"""A page with fewer posts than any server gives at once is the last."""


class _Found(msgspec.Struct):
    statuses: list[Status] | None = None


class Instance:
    """What one server told. ``statuses`` are by the ids that it uses in its API."""

    def __init__(self, asker: Asker, url: str) -> None:
        self.asker, self.base, self.host = asker, base(url), host(url)
        self.token = asker.token(self.host)
        self.statuses: dict[str, Status] = {}
        self.children: dict[str, set[str]] = defaultdict(set)
        self.lost: set[str] = set()
        """Ids of posts that it no longer has."""
        self.has_list_by_place = True
        """Whether its list of an account's posts begins where it is asked to."""
        self._asked: set[str] = set()
        self._is_closed = False
        """Whether it refused to say what stands around a post."""

    # --- asking ----------------------------------------------------------------------------------------------

    def status(self, local: str) -> Status | None:
        """Return one post."""
        found = self._get(f"statuses/{local}", Status)
        if isinstance(found, Status):
            self._add([found])
            return found
        if self.asker.last is not None and self.asker.last.status in (404, 410):
            self.lost.add(local)
        return None

    def search(self, url: str) -> Status | None:
        """Return the post that is known by an address; servers tell it to those who are logged in."""
        if not self.token:
            return None
        found = self._get(query("search", {"type": "statuses", "resolve": "true", "q": url}), _Found, version=2)
        named = [s for s in found.statuses or [] if url in (s.uri, s.url)] if isinstance(found, _Found) else []
        return self.status(str(named[0].id)) if named else None

    def account(self, name: str) -> str:
        """Return the id of an account."""
        found = self._get(query("accounts/lookup", {"acct": name}), dict[str, Any])
        return str(found.get("id", "")) if isinstance(found, dict) else ""

    def context(self, local: str) -> int:
        """Ask what stands above and below a post; return how many posts that added, or -1 where it was not told."""
        self._asked.add(local)
        found = self._get(f"statuses/{local}/context", Context) if not self._is_closed else None
        if isinstance(found, Context):
            return self._add([*found.ancestors, *found.descendants])
        self._is_closed |= self.asker.last is not None and self.asker.last.status in (401, 403)
        return -1

    def history(self, local: str) -> bool:
        """Ask for the earlier texts of a post; return whether the server tells such."""
        return self._get(f"statuses/{local}/history", list[Raw]) is not None

    def listed(self, account: str, key: str, local: str) -> list[Status]:
        """Return one page of an account's posts: those right after ("min_id") or before ("max_id") a post."""
        values: dict[str, str | int] = {"exclude_reblogs": "true", "limit": PAGE}
        values |= {key: local} if local else {}
        found = self._get(query(f"accounts/{account}/statuses", values), list[Status])
        page = [s for s in found if isinstance(s, Status)] if isinstance(found, list) else []
        self._add(page)
        return page

    def _get(self, path: str, type_: Any, version: int = 1) -> Any:
        capture = self.asker.answer(f"{self.base}/api/v{version}/{path}", token=self.token)
        if capture is None:
            return None
        try:
            return typed(Raw(capture.body), type_, capture)
        except ParseError:
            return None

    def _add(self, statuses: list[Status]) -> int:
        fresh = [s for s in statuses if str(s.id) not in self.statuses]
        for status in fresh:
            self.statuses[str(status.id)] = status
            if status.in_reply_to_id:
                self.children[str(status.in_reply_to_id)].add(str(status.id))
        return len(fresh)

    # --- the thread ------------------------------------------------------------------------------------------

    def unroll(self, local: str) -> None:
        """Ask for the thread that a post stands in: upwards, downwards, and for what was edited."""
        if self.context(local) < 0 and not self.statuses[local].account:
            return
        head = self._climb(local)
        self._descend(head)
        self._read_on(head)
        for status in self.own(head):
            if status.edited_at and not self.history(str(status.id)):
                break

    def is_home(self, status: Status) -> bool:
        """Say whether this server keeps the posts of the author."""
        return is_local(status.account) or host(status.uri or status.url or "") == self.host

    def head(self, local: str) -> str:
        """Return the top of the unbroken run of posts by one author."""
        seen = {local}
        while (parent := str(self.statuses[local].in_reply_to_id or "")) in self.statuses:
            if parent in seen or not _same(self.statuses[parent], self.statuses[local]):
                break
            seen.add(parent)
            local = parent
        return local

    def own(self, head: str) -> list[Status]:
        """Return the posts by the author of ``head`` that stand below it, and itself, oldest first."""
        found, stack, seen = [], [head], {head}
        while stack:
            status = self.statuses[stack.pop()]
            found.append(status)
            below = self.children.get(str(status.id), set()) - seen
            seen |= below
            stack.extend(below)
        return sorted((s for s in found if _same(s, self.statuses[head])), key=_age)

    def _climb(self, local: str) -> str:
        head = self.head(local)
        for _ in range(_ROUNDS):
            parent = str(self.statuses[head].in_reply_to_id or "")
            if not parent or parent in self.statuses or self.context(head) <= 0:
                break
            head = self.head(head)
        return head

    def _descend(self, head: str) -> None:
        for _ in range(_ROUNDS):
            open_ = [s for s in self.own(head) if self._may_go_on(s) and str(s.id) not in self._asked]
            if not open_:
                return
            before = len(self.own(head))
            self.context(str(open_[-1].id))
            if len(self.own(head)) - before < _LITTLE:
                return

    def _may_go_on(self, status: Status) -> bool:
        known = len(self.children.get(str(status.id), ()))
        return not known if status.replies_count is None else status.replies_count > known

    def _read_on(self, head: str) -> None:
        """Read the list of the author's posts on from the last post of the thread; from its head where that costs
        no more, or there is more in between. After pages without a post of the thread the rest is not read."""
        account = self.statuses[head].account
        if account is None:
            return
        own = self.own(head)
        hidden = any(self._may_go_on(s) and str(s.id) not in self._asked for s in own)
        place = str((own[0] if hidden or len(own) < SHORT else own[-1]).id)
        idle, seen = 0, set[str]()
        while idle < (_IDLE if hidden else 1) and place not in seen:
            seen.add(place)
            page = self.listed(str(account.id), "min_id", place)
            ids = [str(s.id) for s in page]
            self.has_list_by_place = not any(order(id_) <= order(place) for id_ in ids)
            self._descend(head)
            idle = idle + 1 if {str(s.id) for s in self.own(head)}.isdisjoint(ids) else 0
            if len(page) < SHORT or not self.has_list_by_place:
                return
            place = max(ids, key=order)

    def orphans(self, head: str) -> list[Status]:
        """Return the author's posts, younger than ``head``, that answer one that is not here; oldest first."""
        first = self.statuses[head]
        lost = [s for s in self.statuses.values() if self.is_orphan(s) and _same(s, first)]
        return sorted((s for s in lost if _age(s) > _age(first)), key=_age)

    def is_orphan(self, status: Status) -> bool:
        """Say whether a post answers one of the same author that the server does not have."""
        if status.account is None or str(status.in_reply_to_account_id) != str(status.account.id):
            return False
        return not status.in_reply_to_id or str(status.in_reply_to_id) not in self.statuses

    def look_for_parent(self, status: Status) -> None:
        """Ask for the post that one answers, where the server names it and has not shown it."""
        parent = str(status.in_reply_to_id or "")
        if parent and parent not in self.statuses:
            self.status(parent)

    def before(self, status: Status) -> list[Status]:
        """Return the author's posts before one, newest first."""
        if status.account is None:
            return []
        page = self.listed(str(status.account.id), "max_id", str(status.id))
        return sorted((s for s in page if _age(s) < _age(status)), key=_age, reverse=True)


def _same(one: Status, other: Status) -> bool:
    return one.account is not None and other.account is not None and str(one.account.id) == str(other.account.id)


def order(local: str) -> tuple[int, str]:
    """Return a sort key of ids: numbers by size, all others by their text."""
    return len(local), local


def place_of(url: str) -> str:
    """Return the id behind which a page of an account's posts begins; "" of any other address."""
    return url.partition("min_id=")[2].partition("&")[0] if "/api/v1/accounts/" in url else ""


def _age(status: Status) -> tuple[str, tuple[int, str]]:
    return status.created_at or "", order(str(status.id))
