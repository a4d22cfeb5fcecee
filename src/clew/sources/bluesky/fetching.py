"""Asks for the thread of a post with the fewest requests that tell all of it.

Who wrote it and whether anybody may read it (the AppView's ``getProfile``, one request for both), where that
author's posts live (the DID document), then the author's own repository: a page of records from the post on, and
from the thread's root to the repository's end. Record keys are clocks, and the reference server takes them as
cursors, so nothing older is read; a server that answers otherwise is read from its first record. The last page is
asked for even where the one before was not full: only a page without a cursor is an end.

The stop rule: an author may have written 20,000 posts since. After ``QUIET`` pages in a row (1,000 records) without
a post of the conversation the walk stops, and the AppView is asked what hangs below the latest ends of the thread;
where it knows a later post by the author, the walk goes on from there. What lies between is told as a ``Limit``.

What others wrote is asked of the AppView, and only where the thread needs it: what the head answers, what the
author's asides answer, and posts that quote. Where the author's server does not answer, all comes from the AppView.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile

from clew.errors import FetchError, RateLimited, Refused
from clew.fetch import Client
from clew.model import Capture, Item, Post

from . import address
from .chain import Page
from .visit import Visit, failed

QUIET = 10
"""Pages in a row without a post of the conversation, after which a walk stops."""
_PAGE = 100
"""Records on a page, the most that a server gives."""
_PAGES = 300
"""Pages of one walk, whatever is on them."""
_SEVERAL = 25
"""Posts that ``getPosts`` takes at once."""
_ENDS = 5
"""Ends of a thread that the AppView is asked about where a walk stopped."""
_ROUNDS = 20
"""Steps up from the head; levels above an aside; single records asked for; walks taken up again: at most."""
_ANCHORS = 100
"""Answers of the AppView that one thread is put together from."""
_HEIGHT, _DEPTH = 200, 100
"""Levels asked of the AppView, which may give fewer. JSON nested deeper than 400 posts cannot be read."""


def fetch(url: str, client: Client, known: Sequence[str]) -> str:
    """Ask for the thread of the post at ``url``; return the post's id."""
    who, key = address.asked(url)
    return _Search(url, client).thread(who, key, known)


class _Search:
    """The search for one thread: ``did`` wrote it, ``server`` keeps it, ``visit`` holds what came."""

    def __init__(self, url: str, client: Client) -> None:
        self.url, self.client = url, client
        self.services, self.private_hosts = client.config.bluesky, client.config.network.private_hosts
        self.visit = Visit()
        self.did = self.server = self.root = ""
        self.own: dict[str, Item] = {}
        """What the author wrote in the conversation."""
        self.silent = False
        """The AppView does not answer."""
        self.silence: FetchError | None = None
        """Why the first server that did not answer did not."""
        self.refused = False
        """The author's server did not take the last cursor."""

    def thread(self, who: str, key: str, known: Sequence[str]) -> str:
        # A handle may have gone to somebody else since.
        who = next((address.did_of(uri) for uri in known if address.parts(uri)[2] == key), who)
        self.did = self.person(who)
        asked = self.uri(key)
        self.server = self.home()
        self.consent(who)
        try:
            read = bool(self.server) and self.repository(asked)
        except FetchError:
            if not known:
                raise
            read = True  # the post is gone, and what else was known is asked for below
        if not read:
            self.shown(asked)
        self.context(asked)
        self.others(known)
        if read:
            self.again(known)
        return asked

    def uri(self, key: str) -> str:
        return f"at://{self.did}/{address.POST}/{key}"

    def lost(self, what: str, status: int = 0) -> FetchError:
        """Return the error for a post that is not to be had."""
        return FetchError(what, self.url, url=self.url, status=status)

    def unanswered(self, what: str) -> FetchError:
        """Return the error for a post that nobody told of, with the first reason."""
        why = self.silence or FetchError("")
        kind = RateLimited if isinstance(why, RateLimited) else FetchError
        return kind(what, self.url, str(why), url=self.url, status=why.status, retry_after=why.retry_after)

    # --- asking ----------------------------------------------------------------------------------------------

    def ask(self, url: str) -> Capture | None:
        """Return an answer, whatever it says; None where none came."""
        try:
            capture = self.client.get(url)
        except FetchError as error:
            self.silence = self.silence or error
            return None
        self.visit.take(capture)
        return capture

    def appview(self, method: str, *parameters: tuple[str, str | int]) -> bool:
        """Ask the AppView, and say whether it answered. One that did not is not asked again."""
        if not self.silent:
            capture = self.ask(address.xrpc(self.services.appview, method, *parameters))
            self.silent = capture is None or capture.status in (401, 403, 429) or capture.status >= 500
        return not self.silent

    def around(self, uri: str, depth: int, height: int) -> bool:
        """Ask the AppView for what hangs below a post and stands above it."""
        return self.appview(address.THREAD, ("uri", uri), ("depth", depth), ("parentHeight", height))

    def record(self, collection: str, key: str) -> None:
        """Ask the author's server for one record."""
        values = ("repo", self.did), ("collection", collection), ("rkey", key)
        self.ask(address.xrpc(self.server, address.RECORD, *values))

    def page(self, cursor: str) -> Page | None:
        """Ask the author's server for the posts behind ``cursor``, oldest first; None where they did not come."""
        values = ("repo", self.did), ("collection", address.POST), ("limit", _PAGE), ("reverse", "true")
        given = (("cursor", cursor),) if cursor else ()
        capture = self.ask(address.xrpc(self.server, address.LIST, *values, *given))
        self.refused = capture is not None and capture.status == 400
        return self.visit.page(self.did, cursor) if capture and not failed(capture) else None

    # --- who and where ---------------------------------------------------------------------------------------

    def person(self, who: str) -> str:
        """Return the DID behind a handle or DID; one request tells of it and of consent where the AppView answers.

        Raises:
            FetchError: nobody knows the handle.
            Refused: the profile is for readers who are logged in.
        """
        self.appview(address.PROFILE_OF, ("actor", who))
        did = who if address.is_did(who) else self.did_of(who)
        self.check(did, who)
        return did

    def did_of(self, handle: str) -> str:
        """Return whose a handle is, as the AppView or else the handle's own host tells."""
        for actor in self.visit.actors.values():
            if actor.preferred_username.lower() == handle and address.is_did(actor.id):
                return actor.id
        asked = address.xrpc(self.services.appview, address.RESOLVE, ("handle", handle))
        for url in filter(None, (asked, address.well_known(handle, self.private_hosts))):
            self.ask(url)
            if address.is_did(did := self.visit.handles.get(handle, "")):
                return did
        if self.silent:
            raise self.unanswered(f"Nobody could say whose handle {handle} is")
        raise self.lost(f"Nobody on Bluesky was found under the handle {handle}")

    def home(self) -> str:
        """Return the server that keeps the author's repository; empty where nobody tells.

        Raises:
            FetchError: there is no such account.
        """
        capture = self.ask(address.document_url(self.did, self.services.plc, self.private_hosts))
        if capture and capture.status in (404, 410):
            raise self.lost(f"There is no account {self.did}", capture.status)
        return self.visit.homes.get(self.did, "")

    def consent(self, who: str) -> None:
        """Look at the profile in the repository where the AppView told nothing of it."""
        if self.server and self.did not in self.visit.actors:
            self.record(address.PROFILE, "self")
            self.check(self.did, who)

    def check(self, did: str, who: str) -> None:
        actor = self.visit.actors.get(did)
        if actor and "no-unauthenticated" in actor.restrictions:
            raise Refused("Not read: the author shows posts to readers who are logged in only", who)

    # --- the author's repository -----------------------------------------------------------------------------

    def repository(self, asked: str) -> bool:
        """Read the conversation from the author's repository; return False where the server does not answer.

        Raises:
            FetchError: it answers, and has neither the post nor one that answers it.
        """
        key = address.parts(asked)[2]
        cursor = address.before(key)
        first = self.page(cursor)
        if first is None and self.did not in self.visit.gone and not (self.refused and self.page("")):
            return False
        by_key = first is not None and first.keys[:1] == (key,)
        if not by_key and self.did not in self.visit.gone:  # it was deleted, or cursors are no record keys there
            self.record(address.POST, key)
            by_key = asked in self.visit.buried and first is not None and first.follows(cursor)
        post = self.visit.records.get(asked) or self.answering(asked)
        if post is None:
            raise self.absent(asked)
        self.root = post.context or asked
        begin = self.beginning(post) if by_key else ""
        cursor = address.before(begin)
        stopped = self.walk(cursor if self.fits(cursor) else "", begin or key)
        if post.id not in self.own:
            stopped = self.leap(post)
        self.parents()
        if stopped:
            self.later()
        return True

    def beginning(self, post: Item) -> str:
        """Return the record key that the thread begins with, or one before it; empty where no key is that early.

        That is the root's, or (in another's conversation, which may be years older) that of the author's first post
        above this one without a foreign post between.
        """
        if address.did_of(self.root) != self.did and self.around(post.id, 0, _HEIGHT):
            *_, head = [post, *takewhile(lambda item: item.attributed_to == self.did, self.above(post))]
            if address.did_of(head.in_reply_to) != self.did:
                return min(_clock(head.id), _clock(post.id))
        return min(_clock(self.root), _clock(post.id))

    def above(self, item: Item | None) -> Iterator[Item]:
        """Yield what is here of the posts above one, nearest first."""
        taken = set[str]()
        while item and item.in_reply_to not in taken:
            taken.add(item.in_reply_to)
            item = self.visit.records.get(item.in_reply_to) or self.visit.views.get(item.in_reply_to)
            if item:
                yield item

    def leap(self, post: Item) -> bool:
        """Go on from a post that the walk did not come to, or from those above it that the AppView knows."""
        self.around(post.id, 0, _HEIGHT)
        mine = [item.id for item in self.above(post) if item.attributed_to == self.did]
        stopped = True
        for key in sorted(_clock(uri) for uri in {post.id, *mine} - self.own.keys()):
            if post.id not in self.own:
                stopped = self.walk(address.before(key), key)
        return stopped

    def answering(self, asked: str) -> Item | None:
        """Return a post that says that it answers a post that is not here, or is in its conversation."""
        items = self.visit.records.values()
        return next((item for item in items if asked in (item.in_reply_to, item.context)), None)

    def absent(self, asked: str) -> FetchError:
        if self.did in self.visit.gone:
            return self.lost(self.visit.why_gone(self.did))
        if asked in self.visit.buried:
            return self.lost("The author's server does not have this post: it was deleted, or never was", 404)
        return self.lost("The author's server did not give this post")

    def fits(self, cursor: str) -> bool:
        """Say whether the server takes this cursor as a record key."""
        page = self.page(cursor)
        return page is None or page.follows(cursor)

    def walk(self, cursor: str, begin: str) -> bool:
        """Read page after page; say whether it stopped for want of posts of the conversation.

        A page that ends before the record key ``begin`` is not expected to hold any.
        """
        quiet, last = 0, cursor
        for _ in range(_PAGES):
            page = self.page(cursor)
            if page is None or not page.follows(last):
                return False
            found = self.gather(map(self.uri, page.keys))
            last = page.keys[-1] if page.keys else last
            quiet = 0 if found else quiet + (last >= begin)
            if quiet >= QUIET or not page.next:
                return quiet >= QUIET
            cursor = page.next
        return False

    def gather(self, uris: Iterable[str]) -> bool:
        """Take up which of these records are in the conversation, in their order; say whether one is."""
        found = False
        for uri in uris:
            item = self.visit.records.get(uri)
            if item and (self.root in (item.context, uri) or item.in_reply_to in self.own):
                self.own[uri], found = item, True
        return found

    def parents(self) -> None:
        """Ask one by one for what the author's posts answer and the walk did not come by: a clock ran backwards."""
        looked = self.visit.chain(self.did).looked
        for _ in range(_ROUNDS):
            named = {item.in_reply_to for item in self.own.values() if address.did_of(item.in_reply_to) == self.did}
            named -= self.visit.records.keys() | self.visit.buried.keys()
            missing = max((uri for uri in named if not looked(address.parts(uri)[2])), default="")
            if not missing:
                return
            self.record(address.POST, address.parts(missing)[2])
            if item := self.visit.records.get(missing):
                self.own[missing] = item

    def later(self) -> None:
        """Ask the AppView what hangs below the latest ends, and walk on from there while it knows of more."""
        for _ in range(_ROUNDS):
            answered = {item.in_reply_to for item in self.own.values()}
            for end in sorted(self.own.keys() - answered)[-_ENDS:]:
                self.around(end, _DEPTH, 0)
            new = self.shown_by_author().keys() - self.visit.records.keys()
            key = min((address.parts(uri)[2] for uri in new), default="")
            if not key or not self.walk(address.before(key), key):
                return

    # --- what the AppView shows ------------------------------------------------------------------------------

    def shown_by_author(self) -> dict[str, Post]:
        views = self.visit.views
        return {uri: p for uri, p in views.items() if p.attributed_to == self.did and self.root in (p.context, uri)}

    def shown(self, asked: str) -> None:
        """Put the thread together from the AppView's answers, each from where the one before broke off.

        Raises:
            FetchError: it does not have the post either.
        """
        todo, taken = [asked], set[str]()
        while todo and len(taken) < _ANCHORS and self.around(todo[0], _DEPTH, _HEIGHT):
            taken.add(todo[0])
            post = self.visit.views.get(asked)
            if post is None:
                break
            self.root = post.context or asked
            self.own |= self.shown_by_author()
            todo = [uri for uri in self.open_ends() if uri not in taken]
        if not self.own:
            raise self.unanswered("Neither the author's server nor Bluesky shows this post")

    def open_ends(self) -> Iterator[str]:
        """Yield posts of the author's whose parent, or an answer by the author, may be beyond what was shown."""
        answers = Counter(post.in_reply_to for post in self.visit.views.values())
        continued = {item.in_reply_to for item in self.own.values()}
        for uri, item in self.own.items():
            below = uri not in continued and isinstance(item, Post) and (item.replies or 0) > answers[uri]
            above = address.did_of(item.in_reply_to) == self.did and not self.met(item.in_reply_to)
            if below or above:
                yield uri

    def met(self, uri: str) -> bool:
        return uri in self.visit.records or uri in self.visit.views or uri in self.visit.buried

    def foreign(self, uri: str) -> bool:
        """Say whether a post is another author's and was not met yet."""
        return bool(uri) and address.did_of(uri) != self.did and not self.met(uri)

    def context(self, asked: str) -> None:
        """Ask what the head of the thread answers, up to the root."""
        top = self.own.get(asked) or self.answering(asked)
        for _ in range(_ROUNDS):
            *_, top = [top, *self.above(top)]
            if top is None or not self.foreign(top.in_reply_to) or not self.around(top.id, 0, _HEIGHT):
                return

    def others(self, known: Iterable[str]) -> None:
        """Ask for posts that quote, for what the author's asides answer, and for what an earlier visit found."""
        wanted = [uri for uri, item in self.own.items() if self.quotes(item)]
        wanted += filter(self.foreign, [*(item.in_reply_to for item in self.own.values()), *known])
        asked = set[str]()
        for _ in range(_ROUNDS):
            wanted = [uri for uri in dict.fromkeys(wanted) if uri not in asked]
            for start in range(0, len(wanted), _SEVERAL):
                self.appview(address.POSTS, *(("uris", uri) for uri in wanted[start : start + _SEVERAL]))
            asked |= set(wanted)
            views = (self.visit.views[uri] for uri in wanted if uri in self.visit.views)
            wanted = [view.in_reply_to for view in views if self.foreign(view.in_reply_to)]

    def quotes(self, item: Item) -> bool:
        """Say whether a post quotes one of which nobody told yet."""
        quote = item.quote if isinstance(item, Post) else None
        return quote is not None and item.id not in self.visit.whole and quote.id not in self.own

    def again(self, known: Iterable[str]) -> None:
        """Ask for each post of the author's that an earlier visit found and this one neither met nor missed."""
        looked = self.visit.chain(self.did).looked
        for uri in known:
            did, collection, key = address.parts(uri)
            mine = did == self.did and collection == address.POST
            if mine and not looked(key) and uri not in self.visit.records and uri not in self.visit.buried:
                self.record(collection, key)


def _clock(uri: str) -> str:
    """Return the record key of a post where it is a clock."""
    key = address.parts(uri)[2]
    return key if address.tid_time(key) else ""
