"""Answers of the Mastodon client API, as Mastodon and its relatives give them: every field may be missing.

Ids in these answers are numbers of the instance that was asked. All answers of one call are therefore read before
the first post is yielded: a post that answers another is tied to it wherever the other stands.

What this trusts and what not:

- ``in_reply_to_account_id`` is not the parent's author where somebody goes on under a reply of their own: Mastodon
  carries the account first answered along. It proves the parent's author only where it is the post's own account.
- ``discoverable`` and ``indexable`` are offers, off by default; only ``noindex`` is a refusal.
- A status with ``text`` and no ``content`` is what Mastodon answers to the deletion of that status.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Literal

import msgspec
from msgspec import Raw

from clew.model import (
    Actor,
    Attachment,
    Capture,
    Facet,
    Poll,
    PollOption,
    Post,
    Quote,
    Tombstone,
    Version,
    Visibility,
)
from clew.sources.fediverse.body import Names, body, inline_quote, refuses_bots, size, when
from clew.sources.fediverse.shapes import Kind, history_id, host, typed
from clew.sources.fediverse.wire import Account, Ballot, Bundle, Card, Context, Edit, Status

QuoteState = Literal["accepted", "detached", "unavailable", "blocked", "pending"]
_STATES: dict[str, QuoteState] = {
    "accepted": "accepted",
    "pending": "pending",
    "revoked": "detached",
    "blocked_account": "blocked",
    "blocked_domain": "blocked",
    "muted_account": "blocked",
}  # anything else is "unavailable": rejected, deleted, unauthorized, and what comes later
_OPEN: dict[str, Visibility] = {"public": "public", "unlisted": "unlisted"}
_MEDIA: dict[str, Literal["image", "video", "audio"]] = {
    "image": "image",
    "gifv": "video",
    "video": "video",
    "audio": "audio",
}
FORGOTTEN = "removed at the author's request"


class _Page(msgspec.Struct):
    """What one capture holds: each status with those inside it, outer before inner."""

    capture: Capture
    instance: str
    statuses: list[Status]
    histories: list[tuple[str, list[Edit]]]


class _Parent(msgspec.Struct):
    id: str = ""
    actor: str = ""
    gap: Tombstone | None = None


class Answers:
    """Collects the answers of one call, then yields what they hold."""

    def __init__(self) -> None:
        self.pages: list[_Page] = []
        self.known: dict[tuple[str, str], tuple[str, str]] = {}  # (instance, local id) -> (post id, actor id)
        self.histories: dict[tuple[str, str], list[Edit]] = {}
        self.parents: Mapping[str, str] = {}
        self.places: dict[tuple[str, str], str] = {}  # (instance, local id) -> local id of what it answers
        self.at_home: set[str] = set()
        """Posts that their author's own server told of."""

    def add(self, capture: Capture, documents: list[tuple[Kind, Raw]]) -> list[str]:
        """Decode the answers in one capture; return the ids that their server has for the posts in them.

        Raises:
            ParseError: a field is of another type than the API promises.
        """
        tops: list[Status] = []
        histories: list[tuple[str, list[Edit]]] = []
        for kind, raw in documents:
            if kind == "status":
                tops.append(typed(raw, Status, capture))
            elif kind == "context":
                tops.extend(_members(typed(raw, Context, capture)))
            elif kind == "history":
                histories.append((history_id(capture), typed(raw, list[Edit], capture)))
            else:
                bundle: Bundle = typed(raw, Bundle, capture)
                tops.extend([bundle.status, *_members(bundle.context or Context())])
                histories.append((str(bundle.status.id), bundle.history or []))
        statuses = list(_nested(tops))
        accounts = [status.account for status in statuses if status.account]
        self.pages.append(_Page(capture, instance(capture, accounts), statuses, histories))
        return [str(status.id) for status in statuses]

    def items(
        self, parents: Mapping[str, str] = MappingProxyType({}), elsewhere: Container[str] = ()
    ) -> Iterator[Actor | Post | Tombstone]:
        """Yield the actors, posts and tombstones of all answers, in the order of the captures.

        Args:
            parents: what posts answer, where something else told it.
            elsewhere: posts that their own servers gave in another form; what others say of them is left out.
        """
        self._index()
        self.parents = parents
        actors: set[Actor] = set()
        for page in self.pages:
            for status in page.statuses:
                if status.visibility == "direct":
                    continue
                id_ = post_id(status, page.instance)
                is_home = is_local(status.account) or host(id_) == page.instance
                if not is_home and (id_ in self.at_home or id_ in elsewhere):
                    continue
                if (actor := _actor(status.account, page.instance)) and actor not in actors:
                    actors.add(actor)
                    yield actor
                yield from self._read(status, page)
            yield from self._unplaced(page)

    def parents_told(self) -> dict[str, str]:
        """Return what each post answers, as far as its server names it."""
        answers = [(page, s) for page in self.pages for s in page.statuses if s.in_reply_to_id]
        return {post_id(s, page.instance): self._parent(s, page).id for page, s in answers}

    def parents_by_place(self) -> dict[tuple[str, str], str]:
        """Return the post ids of what is answered here, by the id that its instance names it by."""
        answers = [(page, s) for page in self.pages for s in page.statuses if self._place_above(s, page)]
        return {(page.instance, self._place_above(s, page)): self._parent(s, page).id for page, s in answers}

    def _index(self) -> None:
        hosts = {page.instance for page in self.pages if page.instance}
        for page in self.pages:
            if not page.instance and len(hosts) == 1:
                page.instance = next(iter(hosts))
            for s in page.statuses:
                author = actor_id(s.account, page.instance)
                id_ = post_id(s, page.instance)
                self.known[page.instance, str(s.id)] = (id_, author)
                if s.in_reply_to_id:
                    self.places[page.instance, str(s.id)] = str(s.in_reply_to_id)
                if is_local(s.account) or host(id_) == page.instance:
                    self.at_home.add(id_)
            self.histories.update({(page.instance, local): edits for local, edits in page.histories if edits})

    def _unplaced(self, page: _Page) -> Iterator[Tombstone]:
        for local, edits in page.histories:
            if edits and (page.instance, local) not in self.known:
                yield Tombstone(
                    api_id(page.instance, "statuses", local), evidence="Only its edit history was given"
                )

    def _read(self, s: Status, page: _Page) -> Iterator[Post | Tombstone]:
        parent = self._parent(s, page)
        visibility = _OPEN.get(s.visibility or "")
        if s.redacted is not None and visibility is not None:
            yield _tombstone(s, page, parent, "forgotten", FORGOTTEN)
        elif s.content is None and s.text is not None:
            evidence = "The server answered its deletion, with the text to write it anew"
            yield _tombstone(s, page, parent, "deleted", evidence)
        elif visibility is None:
            yield _tombstone(s, page, parent, "private", _private(s.visibility))
        else:
            yield self._post(s, page, parent, visibility)
        if parent.gap:
            yield parent.gap

    def _post(self, s: Status, page: _Page, parent: _Parent, visibility: Visibility) -> Post:
        quote = self._quote(s, page)
        content, facets = body(s.content or "", _names(s), quote.id if quote else "")
        return Post(
            id=post_id(s, page.instance),
            attributed_to=actor_id(s.account, page.instance),
            content=content,
            published=when(s.created_at),
            capture=page.capture.sha256,
            url=s.url or "",
            updated=when(s.edited_at),
            in_reply_to=parent.id,
            in_reply_to_actor=parent.actor,
            quote=_addressed(quote, facets),
            facets=facets,
            attachments=tuple(_attachments(s)),
            poll=_poll(s.poll),
            langs=(s.language,) if s.language else (),
            summary=s.spoiler_text or "",
            sensitive=bool(s.sensitive),
            visibility=visibility,
            versions=tuple(_versions(s, self.histories.get((page.instance, str(s.id)), []), content)),
            replies=s.replies_count,
        )

    def _parent(self, s: Status, page: _Page) -> _Parent:
        own = actor_id(s.account, page.instance)
        same = s.account is not None and str(s.in_reply_to_account_id) == str(s.account.id)
        told, place = self.parents.get(post_id(s, page.instance), ""), self._place_above(s, page)
        if place or told:
            unknown = (told or api_id(page.instance, "statuses", place), own if same else "")
            return _Parent(*self.known.get((page.instance, place), unknown))
        if not s.in_reply_to_account_id:
            return _Parent()
        what = "a post of the same author" if same else "a post"
        id_ = post_id(s, page.instance) + "#in_reply_to"
        gap = Tombstone(
            id=id_,
            attributed_to=own if same else "",
            evidence=f"{page.instance or 'The server'} says that this answers {what}, and no longer has that post",
        )
        return _Parent(id_, own if same else "", gap)

    def _place_above(self, s: Status, page: _Page) -> str:
        """Return by which id the instance names what a post answers; also what it told once and forgot since."""
        return str(s.in_reply_to_id or self.places.get((page.instance, str(s.id)), ""))

    def _quote(self, s: Status, page: _Page) -> Quote | None:
        state, quoted, local = _quoted(s)
        if state is None:
            return None
        if quoted is not None:
            if quoted.visibility == "direct":
                state = "unavailable"
            return Quote(post_id(quoted, page.instance), state=state)
        if local:
            unknown = (api_id(page.instance, "statuses", local), "")
            return Quote(self.known.get((page.instance, local), unknown)[0], state=state)
        # The server keeps the quoted post's id to itself.
        state = "unavailable" if state == "accepted" else state
        return Quote(post_id(s, page.instance) + "#quote", state=state)


def _members(context: Context) -> list[Status]:
    return [*context.ancestors, *context.descendants]


def _nested(tops: list[Status]) -> Iterator[Status]:
    """Yield each status with the ones it quotes in full; of a boost the boosted one."""
    stack = list(reversed(tops))
    while stack:
        status = stack.pop()
        if status.reblog is not None:
            stack.append(status.reblog)
            continue
        yield status
        state, quoted, _ = _quoted(status)
        # Inside the answer to a deletion quoted posts have no content either, but are not deleted.
        if quoted is not None and state == "accepted" and status.content is not None:
            stack.append(quoted)


def _quoted(s: Status) -> tuple[QuoteState | None, Status | None, str]:
    """Return the state of the quote (None: there is none), the quoted status, or else its local id."""
    quote = s.quote if isinstance(s.quote, Status) else s.pleroma.quote if s.pleroma else None
    if quote is None:
        return ("accepted", None, str(s.quote_id)) if s.quote_id else (None, None, "")
    if quote.state is None:
        return "accepted", quote, ""
    return _STATES.get(quote.state, "unavailable"), quote.quoted_status, str(quote.quoted_status_id or "")


def _addressed(quote: Quote | None, facets: tuple[Facet, ...]) -> Quote | None:
    """Add the address to a quote: as its post's own text gives it, else the id where it is one."""
    if quote is None:
        return None
    known = quote.id if host(quote.id) and not quote.id.endswith("#quote") else ""
    return msgspec.structs.replace(quote, url=inline_quote(facets) or known)


def instance(capture: Capture, accounts: list[Account]) -> str:
    """Return the host that gave the answer: from its address, else from an account that is local to it; or ""."""
    return host(capture.url) or next(filter(None, map(local_host, accounts)), "")


def local_host(account: Account) -> str:
    """Return the instance of an account named without one, as the instance itself names its own; else ""."""
    if account.instance or not account.acct or "@" in account.acct:
        return account.instance
    return host(account.url or account.uri or "")


def is_local(account: Account | None) -> bool:
    """Say whether an account is the answering server's own, as far as it is named without one."""
    return account is not None and bool(account.acct) and "@" not in (account.acct or "")


def api_id(instance: str, kind: str, local: str) -> str:
    """Return the address that the API gives a status or an account: its id where the server tells no other."""
    return f"https://{instance}/api/v1/{kind}/{local}" if instance else f"urn:mastodon:{local}"


def post_id(s: Status, instance: str) -> str:
    """Return the ActivityPub id of a status; where the server leaves it out its page, else its API address."""
    return s.uri or s.url or api_id(instance, "statuses", str(s.id))


def actor_id(account: Account | None, instance: str) -> str:
    """Return the ActivityPub id of an account; where the server leaves it out its page, else its API address."""
    if account is None:
        return ""
    return account.uri or account.url or api_id(instance, "accounts", str(account.id))


def _actor(account: Account | None, instance: str) -> Actor | None:
    if account is None or account.redacted is not None:
        return None
    handle = account.acct or account.username or ""
    if handle and "@" not in handle:
        home = host(account.url or account.uri or "") or instance
        handle = f"{handle}@{home}" if home else handle
    profile = [account.note or "", *(f"{f.name or ''} {f.value or ''}" for f in account.fields or [])]
    signals = {"noindex": bool(account.noindex), "nobot": refuses_bots(*profile)}
    return Actor(
        id=actor_id(account, instance),
        name=account.display_name or "",
        preferred_username=handle,
        url=account.url or "",
        restrictions=tuple(name for name, is_set in signals.items() if is_set),
    )


def _private(visibility: str | None) -> str:
    if visibility is None:
        return "The server does not say who may read it"
    return "It is shown to followers only" if visibility == "private" else "It is not shown to everyone"


def _tombstone(
    s: Status,
    page: _Page,
    parent: _Parent,
    reason: Literal["forgotten", "deleted", "private"],
    evidence: str,
) -> Tombstone:
    return Tombstone(
        id=post_id(s, page.instance),
        reason=reason,
        in_reply_to=parent.id,
        attributed_to=actor_id(s.account, page.instance),
        published=when(s.created_at),
        evidence=evidence,
    )


def _names(s: Status) -> Names:
    names = Names()
    for mention in s.mentions or []:
        names.mention(mention.url or "", mention.username or mention.acct or "")
    for tag in s.tags or []:
        names.tag(tag.url or "", tag.name or "")
    names.emojis = {e.shortcode: e.url or "" for e in s.emojis or [] if e.shortcode}
    return names


def _attachments(s: Status) -> Iterator[Attachment]:
    for media in s.media_attachments or []:
        meta = media.meta if isinstance(media.meta, dict) else {}
        original = meta.get("original")
        size_of = original if isinstance(original, dict) else {}
        yield Attachment(
            type=_MEDIA.get(media.type or "", "file"),
            url=media.url or media.remote_url or media.preview_url or "",
            alt=media.description,
            width=size(size_of.get("width")),
            height=size(size_of.get("height")),
        )
    if isinstance(s.card, Card) and s.card.url:
        yield Attachment("card", s.card.url, name=s.card.title or "", summary=s.card.description or "")


def _poll(poll: Ballot | None) -> Poll | None:
    if poll is None:
        return None
    return Poll(
        options=tuple(PollOption(option.title or "", option.votes_count) for option in poll.options or []),
        end_time=when(poll.expires_at),
        voters=poll.voters_count,
        multiple=bool(poll.multiple),
    )


def _versions(s: Status, edits: list[Edit], content: str) -> Iterator[Version]:
    """Yield the earlier texts, oldest first: Mastodon lists them so, others the newest first."""
    current = when(s.edited_at) or when(s.created_at)
    dated: list[tuple[datetime, Edit]] = [(t, edit) for edit in edits if (t := when(edit.created_at))]
    if current is None or not dated:
        return
    earlier = [pair for pair in sorted(dated, key=lambda pair: pair[0]) if pair[0] < current]
    for place, (time, edit) in enumerate(earlier, start=1):
        text = body(edit.content or "", Names())[0]
        # A clock may tell the current text a moment earlier in its history than in the status.
        is_current = place == len(earlier) == len(dated)
        if not (is_current and text == content and (edit.spoiler_text or "") == (s.spoiler_text or "")):
            yield Version(text, time, edit.spoiler_text or "")
