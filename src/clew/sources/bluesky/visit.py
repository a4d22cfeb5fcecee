"""What a visit to the network received, put together: posts, and what each refusal and each silence means. Pure.

The author's own repository goes before what the AppView says of it; of the AppView's word come labels, counts, the
state of quotes, and what others wrote. A later answer goes before an earlier one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec

from clew import dates, decode
from clew.errors import ParseError
from clew.fetch import FAILURE
from clew.model import Actor, Attachment, Capture, Item, Limit, Post, Tombstone

from . import address, posts
from .answers import Walk
from .chain import Chain, Page
from .wire import Answer, Author, Document

T = TypeVar("T")
_GONE = {
    "RepoDeactivated": "The author's account is deactivated",
    "RepoTakendown": "The author's account was taken down",
    "RepoSuspended": "The author's account is suspended",
    "RepoNotFound": "The author's server does not have the account any more",
}
_ORIGIN = re.compile(r"https?://[^\s/?#@\[\]]+(?=[/?#]|\Z)")
_NEVER = datetime.min.replace(tzinfo=UTC)
_NO_REPO = "The author's server does not show the account: it is deactivated, taken down or deleted"
_NO_ACCOUNT = "There is no such account any more"
_NO_RECORD = "The author's server answered RecordNotFound"
_ABSENT = "The author's repository does not hold it any more"
_UNSEEN = "Bluesky does not show it"


class Visit:
    """Answers of one or several visits, taken in the order in which they were received."""

    def __init__(self, captures: Iterable[Capture] = ()) -> None:
        self.records: dict[str, Item] = {}
        """Posts as the repository of their author has them."""
        self.views: dict[str, Post] = {}
        """Posts as the AppView shows them."""
        self.buried: dict[str, Tombstone] = {}
        """Posts that a server was asked for and does not have, or does not show."""
        self.actors: dict[str, Actor] = {}
        self.gone: dict[str, Capture] = {}
        """DID to the answer of the data server that it does not show this repository."""
        self.homes: dict[str, str] = {}
        """DID to the data server that its document names, empty where none is to be had."""
        self.handles: dict[str, str] = {}
        """Handle to the DID that the handle's own host, or a server, names."""
        self.whole: set[str] = set()
        """Views of posts as such, not only as the quote of another."""
        self._had: dict[str, datetime] = {}
        self._pages: dict[str, dict[str, Page]] = {}
        self._broken: dict[str, set[str]] = {}
        self._silent: set[str] = set()
        self._claims: dict[str, list[str]] = {}
        for capture in sorted(captures, key=lambda c: (c.retrieved, c.url, c.sha256)):
            self.take(capture)

    def chain(self, did: str) -> Chain:
        """Return how far the pages of a repository reach."""
        return Chain(self._pages.get(did, {}))

    def page(self, did: str, cursor: str) -> Page | None:
        """Return the page of a repository that came last for a cursor."""
        return self._pages.get(did, {}).get(cursor)

    def why_gone(self, did: str) -> str:
        """Return why a repository is not shown, as a sentence."""
        if self._unregistered(did):
            return _NO_ACCOUNT
        return _GONE.get(_error_of(self.gone[did]).error or "", _NO_REPO)

    def found(self) -> Iterator[Actor | Item | Limit]:
        """Yield all that the answers hold, each post once."""
        actors = {did: self._actor(did) for did in [*self.actors, *self._pages, *self._claims]}
        yield from filter(None, actors.values())
        for uri, item in self.records.items():
            yield self._post(item, actors.get(address.did_of(uri))) if isinstance(item, Post) else item
        yield from (post for uri, post in self.views.items() if uri not in self.records)
        yield from self.buried.values()
        yield from self._absent()
        yield from self._closed()
        yield from self._limits()

    def _post(self, post: Post, author: Actor | None) -> Post:
        """Return a post of a repository under the address that people know it by, with what the AppView tells."""
        if author and author.preferred_username:
            url = address.post_url(post.id, author.preferred_username)
            post = msgspec.structs.replace(post, url=url)
        view = self.views.get(post.id)
        return _joined(post, view) if view else post

    # --- one answer after the other --------------------------------------------------------------------------

    def take(self, capture: Capture) -> None:
        """Note what one answer says."""
        call = address.call(capture.url)
        if call is None:
            return
        match call.method:
            case address.DOCUMENT:
                self._document(call, capture)
            case address.WELL_KNOWN:
                if not failed(capture):
                    self.handles[call.about] = capture.body.decode("utf-8", "replace").strip()
            case address.RESOLVE:
                if answer := answer_of(capture):
                    self.handles[call.one("handle")] = answer.did
            case address.LIST | address.RECORD:
                self._repository(call, capture)
            case address.PROFILE_OF:
                self._profile(call, capture)
            case _:
                self._shown(call, capture)

    def _document(self, call: address.Call, capture: Capture) -> None:
        document = _decoded(capture, Document)
        right = document if document and document.id == call.about else Document()
        self.homes[call.about] = _home(right)
        self._claims[call.about] = right.also_known_as or []
        if capture.status in (404, 410):
            self.gone[call.about] = capture
        elif document and self._unregistered(call.about):
            del self.gone[call.about]

    def _unregistered(self, did: str) -> bool:
        """Tell whether the directory, or the DID's own host, said that there is no such account."""
        call = address.call(self.gone[did].url) if did in self.gone else None
        return call is not None and call.method == address.DOCUMENT

    def _repository(self, call: address.Call, capture: Capture) -> None:
        did, answer = call.one("repo"), answer_of(capture)
        if answer is None:
            self._refused(call, capture, did)
            return
        walk = Walk(capture.sha256, call.server)
        for entry in answer.records or ():
            if address.did_of(entry.uri) == did:
                walk.entry(entry)
        if answer.uri and answer.uri == f"at://{did}/{call.one('collection')}/{call.one('rkey')}":
            walk.answer(answer)
        for found in walk.found:
            if isinstance(found, Actor):
                self._told(found)
            else:
                self.records[found.id], self._had[found.id] = found, capture.retrieved
                self.buried.pop(found.id, None)
        if call.method == address.LIST and answer.records is not None:
            self.gone.pop(did, None)
            if call.one("reverse") == "true" and call.one("collection") == address.POST:
                named = (address.parts(entry.uri) for entry in answer.records)
                keys = tuple(key for whose, _, key in named if whose == did)
                page = Page(keys, answer.cursor or "", capture.retrieved)
                self._pages.setdefault(did, {})[call.one("cursor")] = page
                self._broken.get(did, set()).discard(call.one("cursor"))

    def _refused(self, call: address.Call, capture: Capture, did: str) -> None:
        error = _error_of(capture)
        uri = f"at://{did}/{call.one('collection')}/{call.one('rkey')}"
        if error.error in _GONE or (error.message or "").startswith("Could not find repo"):
            self.gone[did] = capture
        elif call.method == address.LIST:
            self._broken.setdefault(did, set()).add(call.one("cursor"))
        elif error.error == "RecordNotFound" and address.parts(uri)[1] == address.POST:
            # Some servers pass on a question about an account that they do not show: that proves nothing.
            proven = did in self._pages and did not in self.gone
            self.buried[uri] = self._missing(uri, capture.retrieved, _NO_RECORD, proven=proven)

    def _profile(self, call: address.Call, capture: Capture) -> None:
        author = _decoded(capture, Author)
        if author and author.did and (author.labels or not author.redacted):
            self._told(posts.actor(author))
        elif author is None:
            self._unanswered(call, capture)

    def _shown(self, call: address.Call, capture: Capture) -> None:
        answer = answer_of(capture)
        if answer is None:
            self._unanswered(call, capture)
            return
        walk = Walk(capture.sha256)
        try:
            walk.answer(answer)
        except ParseError:  # some of it may be readable: what was met until then stays
            self._silent.add(call.server)
        for found in walk.found:
            if isinstance(found, Actor):
                self._told(found)
            elif isinstance(found, Post):
                self._view(found, whole=found.id in walk.whole)
            elif found.id not in self.records:
                checked = capture.retrieved if found.reason == "unavailable" else None
                self.buried[found.id] = msgspec.structs.replace(found, checked=checked)
        for uri in call.parameters.get("uris", ()) if call.method == address.POSTS else ():
            if uri not in walk.whole and uri not in self.records:
                self.buried[uri] = self._missing(uri, capture.retrieved, _UNSEEN)

    def _unanswered(self, call: address.Call, capture: Capture) -> None:
        has_none = capture.status in (400, 404) and _error_of(capture).error
        if not has_none:
            self._silent.add(call.server)

    def _told(self, actor: Actor) -> None:
        known = self.actors.get(actor.id, Actor(actor.id))
        self.actors[actor.id] = msgspec.structs.replace(
            actor,
            name=actor.name or known.name,
            preferred_username=actor.preferred_username or known.preferred_username,
            url=actor.url if actor.preferred_username or not known.url else known.url,
            also_known_as=actor.also_known_as or known.also_known_as,
        )

    def _view(self, post: Post, *, whole: bool) -> None:
        if whole or post.id not in self.whole:
            self.views[post.id] = post
            self.buried.pop(post.id, None)
        if whole:
            self.whole.add(post.id)

    # --- what follows from them together ---------------------------------------------------------------------

    def _actor(self, did: str) -> Actor | None:
        """Return an actor, with a handle that nobody but both ends vouch for where the AppView does not tell."""
        actor = self.actors.get(did)
        names = (claim.removeprefix("at://") for claim in self._claims.get(did, ()))
        handle = next((name for name in names if self.handles.get(name) == did), "")
        if handle and not (actor and actor.preferred_username):
            actor = msgspec.structs.replace(
                actor or Actor(did), preferred_username=handle, url=address.profile_url(handle)
            )
        if did not in self.gone and self._read(did):
            base = actor or Actor(did, url=address.profile_url(did))
            return msgspec.structs.replace(base, outbox="repository")
        return actor

    def _absent(self) -> Iterator[Tombstone]:
        """Yield posts that are named or were seen, and whose place in their author's repository is empty now."""
        items: tuple[Item, ...] = (*self.records.values(), *self.views.values(), *self.buried.values())
        named = dict.fromkeys(uri for item in items for uri in (item.id, item.in_reply_to, item.context))
        for did in self._pages:
            for uri, looked in self._off_pages(did, named):
                if looked > self._had.get(uri, _NEVER):
                    yield self._missing(uri, looked, _ABSENT, proven=True)

    def _off_pages(self, did: str, uris: Iterable[str]) -> Iterator[tuple[str, datetime]]:
        """Yield those posts of a repository that its pages do not hold, and when they were looked for there."""
        chain = self.chain(did)
        here = {key for page in chain.pages for key in page.keys}
        for uri in uris:
            authority, collection, key = address.parts(uri)
            missing = authority == did and collection == address.POST and key not in here
            if missing and (looked := chain.looked(key)):
                yield uri, looked

    def _closed(self) -> Iterator[Tombstone]:
        """Yield all known posts of accounts that their server does not show any more."""
        for did, capture in self.gone.items():
            for uri in dict.fromkeys([*self.records, *self.views]):
                if address.did_of(uri) == did:
                    yield self._missing(uri, capture.retrieved, self.why_gone(did))

    def _missing(self, uri: str, checked: datetime, evidence: str, *, proven: bool = False) -> Tombstone:
        """Return what is known of a post that a server was asked for and does not have."""
        known = self.records.get(uri) or self.views.get(uri) or Tombstone(uri)
        return Tombstone(
            id=uri,
            reason="deleted" if proven else "unavailable",
            in_reply_to=known.in_reply_to,
            attributed_to=known.attributed_to or address.did_of(uri),
            context=known.context,
            published=known.published,
            evidence=evidence,
            checked=checked,
        )

    def _limits(self) -> Iterator[Limit]:
        for did in dict.fromkeys([*self.homes, *self._broken, *self._pages]):
            if did not in self.gone and (said := self._unread(did)):
                yield Limit(said, actor=did)
        for server in sorted(self._silent):
            host = urlsplit(server).netloc
            said = f"{host} did not answer: names, labels, quotes and what others wrote may be missing"
            yield Limit(said, about="surroundings")

    def _read(self, did: str) -> bool:
        """Say whether the pages reach the end of a repository, the last visit came by all of them, and no record
        that is there was left out of them."""
        chain = self.chain(did)
        if not chain.whole or not chain.ascends or chain.cursors & self._broken.get(did, set()):
            return False
        if self.homes.get(did) == "":  # nobody could say where it is, so it was not asked
            return False
        return all(looked > self._had[uri] for uri, looked in self._off_pages(did, self.records))

    def _unread(self, did: str) -> str:
        """Return what of a repository was not read, as a sentence; empty where it was read to its end."""
        chain = self.chain(did)
        if not chain.pages:
            return "The author's own server did not answer, so only what Bluesky shows of the thread is here"
        if self._read(did):
            return ""
        time = address.tid_time(chain.ends[-1])
        upto = f"up to {dates.day(time)} only" if time else "in part only"
        again = " when it was last asked for" if chain.whole else ""
        return f"The author's repository was read {upto}{again}; what was posted later may be missing"


def _joined(record: Post, view: Post) -> Post:
    """Return a post of a repository with what only the AppView knows of it."""
    labels = tuple(dict.fromkeys((*record.labels, *view.labels)))
    return msgspec.structs.replace(
        record,
        url=view.url or record.url,
        quote=view.quote or record.quote,
        attachments=_attachments(record.attachments, view.attachments),
        sensitive=record.sensitive or view.sensitive,
        labels=labels,
        replies=view.replies,
        thread_index=view.thread_index,
        thread_size=view.thread_size,
    )


def _attachments(own: tuple[Attachment, ...], shown: tuple[Attachment, ...]) -> tuple[Attachment, ...]:
    """Take files as the repository has them; cards of feeds and lists have their titles in the view alone."""
    if len(own) != len(shown):
        return own
    return tuple(b if a.type == "card" and not a.name else a for a, b in zip(own, shown, strict=True))


# --- one answer --------------------------------------------------------------------------------------------------


def failed(capture: Capture) -> bool:
    """Tell whether a server said no, or nothing at all."""
    return capture.status >= 400 or FAILURE in capture.headers


def answer_of(capture: Capture) -> Answer | None:
    """Return a JSON answer; None where there is none, or none that can be read."""
    answer = _decoded(capture, Answer)
    return answer if answer and answer.error is None else None


def _decoded(capture: Capture, type_: type[T]) -> T | None:
    if failed(capture):
        return None
    try:
        value: T = decode.load(capture, type_)
    except ParseError:
        return None
    return value


def _error_of(capture: Capture) -> Answer:
    """Return the error in an answer, empty where it tells none."""
    try:
        return decode.load(capture, Answer)
    except ParseError:
        return Answer()


def _home(document: Document) -> str:
    """Return the address of the data server that a DID document names: scheme, host, port."""
    for service in document.service or ():
        place = service.service_endpoint
        if service.id.endswith("#atproto_pds") and isinstance(place, str):
            found = _ORIGIN.match(place)
            return found[0] if found else ""
    return ""
