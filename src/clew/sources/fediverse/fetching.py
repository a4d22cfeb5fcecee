"""Asking for a thread: whom, for what, and what when that is refused.

The author's own server is asked, whichever server the address names: by the Mastodon API where it has one that
answers, else by ActivityPub. Where it refuses or lacks the post, the server that was named is asked instead.
"""

from __future__ import annotations

from collections.abc import Sequence

from clew.errors import FetchError, InputError, LoginRequired, ParseError
from clew.fetch import Client, failed
from clew.model import Capture
from clew.sources.fediverse.activitypub import ref, text, type_of
from clew.sources.fediverse.address import is_api_id, local_id
from clew.sources.fediverse.asking import Asker, decoded
from clew.sources.fediverse.instance import SHORT, Instance, order
from clew.sources.fediverse.mastodon import post_id
from clew.sources.fediverse.objects import Objects
from clew.sources.fediverse.shapes import ACTORS, POSTS, alternate, host, path_of
from clew.sources.fediverse.wire import Status

_OPEN = ("public", "unlisted")
_FRAGMENTS = 5
"""Runs of the author below lost posts that are looked into, and posts that may be the one before a lost one."""


class Visit:
    """The requests for one thread."""

    def __init__(self, client: Client, url: str, known: Sequence[str] = ()) -> None:
        self.client, self.url, self.known = client, url, known
        self.asker = Asker(client, url)
        self.objects = Objects(self.asker)
        self.instances: dict[str, Instance] = {}
        self._tried: set[str] = set()

    def thread(self) -> str:
        """Ask for the thread of the post at the address; return the post's id."""
        url = self.url
        id_ = self._from_api(self.instance(url), local_id(url)) or self._from_objects(url)
        if not id_ and (found := self.instance(url).search(url) or self._guessed(url)):
            id_ = self._told(self.instance(url), found)
        if not id_:
            if not (isinstance(error := self._failure(url), FetchError) and error.status in (404, 410)):
                raise error
            id_ = self._survivor(url, error)
        self._look_for_known()
        return id_

    def instance(self, url: str) -> Instance:
        """Return the API of the server that an address names."""
        return self.instances.setdefault(host(url), Instance(self.asker, url))

    # --- the Mastodon API ------------------------------------------------------------------------------------

    def _from_api(self, api: Instance, local: str) -> str:
        status = api.status(local) if local else None
        return self._told(api, status) if status is not None else ""

    def _guessed(self, url: str) -> Status | None:
        """Return the post whose id in the API is the last part of its address, where the shape is not known."""
        last = path_of(url).rstrip("/").rpartition("/")[2]
        found = self.instance(url).status(last) if is_api_id(last) and not local_id(url) else None
        named = [one for one in (found.uri, found.url) if one] if found is not None else []
        is_same = (host(url), path_of(url)) in {(host(one), path_of(one)) for one in named}
        return found if is_same else None

    def _told(self, api: Instance, status: Status) -> str:
        """Go on from a post that a server told of, at the author's own where there is another."""
        if status.reblog is not None:
            boosted = status.reblog.url or status.reblog.uri or ""
            raise InputError("This is the boost of a post, not a post", boosted, "Give that address")
        id_ = post_id(status, api.host)
        if not api.is_home(status) and (found := self._at_home(status)):
            return found
        self._respect_deletion(api, status)
        if api.is_home(status):  # also where it names itself otherwise than we do
            self.instances.setdefault(host(id_), api)
        if status.visibility not in _OPEN:
            raise LoginRequired("This post is not public", id_, url=id_)
        api.unroll(str(status.id))
        self._join(api, api.head(str(status.id)))
        return id_

    def _at_home(self, status: Status) -> str:
        """Ask the author's own server for a post that another one told of."""
        addresses = [url for url in dict.fromkeys((status.uri, status.url)) if url and url not in self._tried]
        self._tried.update(addresses)
        for address in addresses:
            local = local_id(address)
            if local and (found := self._from_api(self.instance(address), local)):
                return found
        return self._from_objects(addresses[0]) if addresses else ""

    def _respect_deletion(self, api: Instance, status: Status) -> None:
        """Show no copy of a post that its own server no longer has, though it still has the author.

        Raises:
            FetchError: so it is.
        """
        said = self.asker.last if not api.is_home(status) else None
        if said is None or said.url != status.uri or said.status not in (404, 410):
            return
        account = status.account.uri if status.account else None
        if said.status == 410 or (account and self.objects.actor(account)):
            raise failed(said, "The author's own server no longer has this post")

    def _join(self, api: Instance, head: str) -> None:
        """Find what belongs together where a post between was lost: what ActivityPub calls one conversation."""
        if not api.has_list_by_place:
            self._objects_of(api.statuses[head])
        if api.is_orphan(api.statuses[head]) and (above := self._before(api, head)):
            head = above
        for orphan in api.orphans(head)[:_FRAGMENTS]:
            api.look_for_parent(orphan)
            if self._are_one(api.statuses[head], orphan):
                api.unroll(str(orphan.id))

    def _objects_of(self, status: Status) -> None:
        """Ask for the author's outbox: it also says what a post answers that the server's API left out."""
        if self.objects.note(status.uri or "") is not None:
            self.objects.unroll(status.uri or "")

    def _are_one(self, one: Status, other: Status) -> bool:
        notes = [self.objects.note(status.uri or "") for status in (one, other)]
        names = {self.objects.conversation(ref(note.get("id"))) for note in notes if note}
        return None not in notes and len(names) == 1 and "" not in names

    def _before(self, api: Instance, head: str) -> str:
        """Return the head of the part of the thread that stands before a lost post, if it is found."""
        api.look_for_parent(api.statuses[head])
        for status in api.before(api.statuses[head])[:_FRAGMENTS]:
            if self._are_one(status, api.statuses[head]):
                api.unroll(str(status.id))
                return api.head(str(status.id))
        return ""

    # --- ActivityPub -----------------------------------------------------------------------------------------

    def _from_objects(self, url: str) -> str:
        note = self.objects.note(url) or self._alternate(url)
        if note is None:
            return ""
        id_ = ref(note.get("id"))
        said = self._said(url)
        answering = said.location or url if said is not None else url
        if host(id_) != host(answering) and self._again(id_, url) is None:
            if not self.asker.stand_in(answering, id_):
                return ""
            self.objects.notes[id_] = note
        api = self.instance(id_)
        if api.token and (status := api.search(id_)):
            return self._told(api, status)
        self.objects.unroll(id_)
        if not self.objects.is_read_back and "replies" not in note:
            self._list(id_)
        return id_

    def _said(self, url: str) -> Capture | None:
        """Return the last answer, if it is the one to this address."""
        last = self.asker.last
        return (
            last if last is not None and (host(last.url), path_of(last.url)) == (host(url), path_of(url)) else None
        )

    def _again(self, id_: str, url: str) -> object:
        """Ask for a post by its own id."""
        self.objects.notes.pop(id_, None)
        return self.objects.note(id_) if id_ != url else None

    def _alternate(self, url: str) -> dict[str, object] | None:
        """Return the object that a page names as its other form."""
        page = self._said(url)
        other = alternate(page) if page is not None else ""
        return self.objects.note(other) if other and host(other) == host(url) else None

    def _list(self, id_: str) -> None:
        """Read the author's posts from the API: some servers show that to everybody, though nothing else."""
        actor = self.objects.actor(self.objects.author(id_))
        name = text(actor.get("preferredUsername")) if actor else ""
        api = self.instance(id_)
        account = api.account(name) if name else ""
        page = api.listed(account, "", "") if account else []
        if len(page) < SHORT:
            return
        wanted = local_id(self.objects.head(id_))
        while wanted and page and len(page) >= SHORT:
            before = len(api.statuses)
            page = api.listed(account, "min_id", wanted)
            wanted = max((str(s.id) for s in page), key=order, default="")
            if len(api.statuses) == before:
                break

    # --- what is not there -----------------------------------------------------------------------------------

    def _look_for_known(self) -> None:
        """Ask one by one for posts that were here before and were not met again."""
        met = set(self.objects.notes)
        for api in self.instances.values():
            met |= {post_id(status, api.host) for status in api.statuses.values()}
        for id_ in self.known:
            if id_ not in met and host(id_):
                self._look_for(id_)

    def _look_for(self, id_: str) -> bool:
        api, local = self.instance(id_), local_id(id_)
        speaks = bool(api.statuses) or not self.objects.notes
        if local and speaks and api.status(local) is not None:
            return True
        return self.objects.note(id_) is not None

    def _survivor(self, url: str, error: FetchError) -> str:
        """Return the id of a post that is gone, after looking for the others that were known with it."""
        named = [id_ for id_ in self.known if id_ == url or (local_id(url) and local_id(id_) == local_id(url))]
        if not named:
            raise error
        for id_ in self.known:
            api, local = self.instance(id_), local_id(id_)
            if id_ not in named and host(id_) and (self._from_api(api, local) or self._from_objects(id_)):
                break
        return named[0]

    def _failure(self, url: str) -> Exception:
        """Return why the post itself was not to be had."""
        about = [capture for capture in self.client.captures if host(capture.url) == host(url)]
        answered = [capture for capture in about if capture.status]
        if not answered and self.asker.error is not None:
            return self.asker.error
        refused = [capture for capture in answered if capture.status in (401, 403)]
        if refused:
            return _refused(refused[-1])
        last = next(
            (capture for capture in reversed(answered) if capture.url == url), answered[-1] if answered else None
        )
        return failed(last) if last is not None and last.status >= 400 else _odd(last, url)


def _refused(capture: Capture) -> LoginRequired:
    home = host(capture.url)
    return LoginRequired(
        f"{home} shows posts only to people who are logged in, and to servers that it knows",
        capture.url,
        f'Set a token for it: mastodon.tokens."{home}"',
        url=capture.url,
        status=capture.status,
    )


def _odd(capture: Capture | None, url: str) -> Exception:
    value = decoded(capture) if capture is not None else None
    if value is not None and type_of(value) == "Tombstone":
        return FetchError("This post was deleted", url, url=url, status=410)
    if value is not None and type_of(value) in ACTORS:
        return InputError("This is the address of an account", url, "Give that of a post")
    if value is not None and type_of(value) in POSTS:
        return ParseError("The server gives a post that is kept elsewhere, and it is not there", url, url=url)
    return ParseError("The server answers, but not with a post", url, "Is it the address of a post?", url=url)
