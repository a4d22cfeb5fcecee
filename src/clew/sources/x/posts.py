"""One answer of X: its posts, accounts, media and failures become nouns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import PurePosixPath
from typing import Literal
from urllib.parse import urlsplit

from clew.decode import where
from clew.errors import ParseError
from clew.model import Actor, Attachment, Capture, Poll, PollOption, Post, Quote, Tombstone, Version
from clew.sources.x.shapes import (
    Entry,
    Failure,
    Includes,
    Media,
    PollBox,
    Status,
    User,
    Variant,
    actor_id,
    digits,
    many,
    moment,
    moment_of,
    post_id,
    whole,
)
from clew.sources.x.text import decode, facets, is_media, safe, status_of, target
from clew.text import first_words

_NO_LANGUAGE = frozenset(("und", "zxx", "art"))
_OLD_LANGUAGES = {"in": "id", "iw": "he"}
_MEDIA_TYPES = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".webp": "image/webp"}
_FORGOTTEN = "The text was removed at the author's request"
_PROTECTED = "X marks the author's posts as protected"
_FOLLOWERS = "X shows this post to followers only"
_BARRED = "/not-authorized-for-resource"
_EMPTY = "X gave this post without its text"


class Page:
    """What one answer carries, by number; and how its statuses read in its light."""

    def __init__(self, entries: Iterable[Entry], capture: Capture, *, owner: str = "", folder: str = "") -> None:
        """``owner`` (an actor id) wrote the posts that name nobody; ``folder`` holds the media of an archive."""
        self.capture, self.owner, self.folder = capture, owner, folder
        self.posts: dict[str, Status] = {}
        self.whole: set[str] = set()
        """Numbers of the posts that were asked for; what the others show did not come with them."""
        self.users: dict[str, User] = {}
        self.media: dict[str, Media] = {}
        self.polls: dict[str, PollBox] = {}
        self.failures: dict[str, Failure] = {}
        self.next = ""
        """Token of the next page, where there is one."""
        for entry in entries:
            self._gather(entry)
        edited = [s.history for s in self.posts.values() if s.history and s.history[-1] in self.posts]
        self.latest = {old: history[-1] for history in edited for old in history[:-1]}
        self.elsewhere: dict[str, Status] = {}
        """Posts of the other answers of a visit."""

    def items(self) -> Iterator[Actor | Post | Tombstone]:
        """Yield the accounts, then the posts, then what X says is missing."""
        yield from (actor(user) for user in self.users.values() if user.number and not user.redacted)
        for number, status in self.posts.items():
            if number not in self.latest and (item := self.item(status)):
                yield item
        checked = self.capture.retrieved if self.capture.url else None
        for number, failure in self.failures.items():
            if number not in self.posts:
                yield _missing(number, failure, checked)

    def item(self, status: Status) -> Post | Tombstone | None:
        """Return the post, a tombstone where its text is not to be shown, or None for a repost."""
        if status.reposts:
            return None
        if status.scopes and status.scopes.followers:
            return self._tombstone(status, "private", _FOLLOWERS)
        author = status.user or self.users.get(status.author)
        if author and author.protected:
            return self._tombstone(status, "private", _PROTECTED)
        if status.redacted:
            return self._tombstone(status, "forgotten", _FORGOTTEN)
        if not status.body[0] and status.text is None and status.full_text is None:
            return self._tombstone(status, "unavailable", _EMPTY)
        return self._post(status, author)

    def _gather(self, entry: Entry) -> None:
        data = entry.data if isinstance(entry.data, list) else [entry.data] if entry.data else []
        stack = [*data, *many(entry.statuses), *many(entry.tweets), *many(entry.posts)]
        if entry.number:
            stack.append(entry)
        carried = (entry.includes or Includes(), Includes(users=entry.users))
        for box in carried:
            stack += [*many(box.posts), *many(box.tweets)]
            self.users.update((user.number, user) for user in many(box.users))
            self.media.update((media.media_key, media) for media in many(box.media) if media.media_key)
            self.polls.update((digits(poll.id), poll) for poll in many(box.polls))
        token = (entry.meta or {}).get("next_token")
        self.next = token if isinstance(token, str) else ""
        self.whole.update(status.number for status in stack[: len(data)])
        self._flatten(stack)
        for failure in many(entry.errors):
            if number := _failed_post(failure):
                self.failures.setdefault(number, failure)

    def _flatten(self, stack: list[Status]) -> None:
        stack.reverse()
        while stack:
            status = stack.pop()
            if not status.number:
                raise ParseError("A post has no number for an id", where(self.capture), url=self.capture.url)
            self.posts.setdefault(status.number, status)
            if status.user:
                self.users.setdefault(status.user.number, status.user)
            nested = (status.quoted_status, status.retweeted_status)
            stack.extend(other for other in nested if other and other.number)

    def _author(self, status: Status) -> str:
        # A post that names nobody is nobody else's: two of them are never one author's run.
        return actor_id(status.author) or self.owner or f"{post_id(status.number)}#author"

    def _parent(self, status: Status) -> str:
        return post_id(self.latest.get(status.parent, status.parent))

    def _parent_author(self, status: Status) -> str:
        if not status.parent:
            return ""
        parent = self.posts.get(status.parent) or self.elsewhere.get(status.parent)
        return actor_id(status.parent_author or (parent.author if parent else ""))

    def _published(self, status: Status) -> datetime | None:
        first = status.history[0] if len(status.history) > 1 else ""
        return moment_of(first) or moment(status.created_at) or moment_of(status.number)

    def _tombstone(
        self, status: Status, reason: Literal["forgotten", "private", "unavailable"], evidence: str
    ) -> Tombstone:
        return Tombstone(
            id=post_id(status.number),
            reason=reason,
            in_reply_to=self._parent(status),
            attributed_to=self._author(status),
            context=post_id(digits(status.conversation_id)),
            published=self._published(status),
            evidence=evidence,
        )

    def _post(self, status: Status, author: User | None) -> Post:
        raw, entities = status.body
        content, _ = decode(raw)
        quoted = status.quoted or (self._quoted_by_link(status) if self.owner else "")
        attachments = tuple(self._attachments(status))
        shown = any(a.type in ("image", "video") for a in attachments)
        return Post(
            id=post_id(status.number),
            attributed_to=self._author(status),
            content=content,
            published=self._published(status),
            capture=self.capture.sha256,
            url=self._url(status, author),
            updated=moment_of(status.number) if len(status.history) > 1 else None,
            in_reply_to=self._parent(status),
            in_reply_to_actor=self._parent_author(status),
            context=post_id(digits(status.conversation_id)),
            quote=self._quote(quoted),
            facets=facets(raw, entities, quoted, shown),
            attachments=attachments,
            poll=self._poll(status),
            langs=_langs(status.lang),
            sensitive=bool(status.possibly_sensitive),
            versions=tuple(self._versions(status)),
            replies=status.public_metrics.reply_count if status.public_metrics else whole(status.reply_count),
            labels=tuple(_labels(status)),
        )

    def _url(self, status: Status, author: User | None) -> str:
        name = author.handle if author else ""
        return f"https://x.com/{name}/status/{status.number}" if name else post_id(status.number)

    def _quote(self, number: str) -> Quote | None:
        if not number:
            return None
        missing = number in self.failures and number not in self.posts
        return Quote(post_id(number), post_id(number), "unavailable" if missing else "accepted")

    def _quoted_by_link(self, status: Status) -> str:
        """An archive keeps of a quote only its link, which X puts after the text, before links to media."""
        raw, entities = status.body
        rest, links = raw.rstrip(), many(entities.urls) if entities else []
        pictures = [link.url for link in (many(entities.media) if entities else []) if link.url]
        while tail := next((url for url in pictures if rest.endswith(url)), ""):
            rest = rest.removesuffix(tail).rstrip()
        return next((status_of(e) for e in links if e.url and rest.endswith(e.url) and not is_media(e)), "")

    def _versions(self, status: Status) -> Iterator[Version]:
        for number in status.history[:-1]:
            old = self.posts.get(number) or self.elsewhere.get(number)
            if old and old is not status and not old.redacted:
                yield Version(decode(old.body[0])[0], moment_of(number))

    def _attachments(self, status: Status) -> Iterator[Attachment]:
        keys = many(status.attachments.media_keys) if status.attachments else []
        for media in [self.media[key] for key in keys if key in self.media] or _nested(status):
            if attachment := _attachment(media, status.number, self.folder):
                yield attachment
        for link in many(status.entities.urls) if status.entities else []:
            if link.title and (href := target(link)):
                yield Attachment("card", href, name=link.title, summary=link.description or "")

    def _poll(self, status: Status) -> Poll | None:
        keys = [digits(key) for key in many(status.attachments.poll_ids)] if status.attachments else []
        for poll in (self.polls[key] for key in keys if key in self.polls):
            options = sorted(many(poll.options), key=lambda option: option.position)
            return Poll(tuple(PollOption(o.label, o.votes) for o in options), moment(poll.end_datetime))
        return None


def actor(user: User) -> Actor:
    """Return the account."""
    sites = many(user.entities.url.urls) if user.entities and user.entities.url else []
    return Actor(
        id=actor_id(user.number),
        name=user.name or "",
        preferred_username=user.handle,
        url=f"https://x.com/{user.handle}" if user.handle else actor_id(user.number),
        also_known_as=tuple(dict.fromkeys(filter(None, map(target, sites)))),
    )


def _failed_post(failure: Failure) -> str:
    """Return the number of the post that X could not give; "" where the failure is about something else."""
    about_post = failure.resource_type in ("tweet", "post")
    if not about_post and not (failure.resource_type == "" and failure.parameter.startswith("referenced_")):
        return ""
    value = failure.value if isinstance(failure.value, (int, str)) else None
    return digits(failure.resource_id, value)


def _missing(number: str, failure: Failure, checked: datetime | None) -> Tombstone:
    return Tombstone(
        id=post_id(number),
        reason="private" if barred(failure) else "unavailable",
        published=moment_of(number),
        evidence=said(failure),
        checked=checked if failure.type.endswith(("/resource-not-found", _BARRED)) else None,
    )


def barred(failure: Failure) -> bool:
    """Whether a post is there, but not for everybody."""
    return failure.type.endswith(_BARRED)


def said(failure: Failure) -> str:
    """Return what X says of a post that it could not give, as a sentence without its full stop."""
    told = first_words(failure.detail or failure.title, 160).rstrip(".") or "an error"
    return f'X answered "{told}"'


def _attachment(media: Media, number: str, folder: str) -> Attachment | None:
    video = _best(media)
    still = media.type == "photo" or not media.type
    url = safe(video.url if video else "") or safe(media.media_url_https or (media.url if media.media_key else ""))
    url = url or safe(media.preview_image_url)
    if not url:
        return None
    path = PurePosixPath(urlsplit(url).path)
    width, height = _size(media)
    return Attachment(
        type="image" if still else "video",
        url=f"{folder}/{number}-{path.name}" if folder else url,
        media_type=video.content_type if video else _MEDIA_TYPES.get(path.suffix.lower(), ""),
        alt=media.alt_text if media.alt_text is not None else media.ext_alt_text,
        width=width,
        height=height,
    )


def _nested(status: Status) -> list[Media]:
    """Return v1.1's media: ``extended_entities`` has all of them, ``entities`` the first only."""
    extended = status.extended_tweet
    boxes = (extended and extended.extended_entities, status.extended_entities, status.entities)
    return next((found for box in boxes if box and (found := many(box.media))), [])


def _best(media: Media) -> Variant | None:
    """Return the encoding of the highest bit rate that is one file; it is the one that archives hold."""
    variants = many(media.variants) or many(media.video_info.variants if media.video_info else None)
    files = [variant for variant in variants if variant.content_type.startswith("video/")]
    return max(files, key=lambda v: whole(v.bitrate) or whole(v.bit_rate) or 0, default=None)


def _size(media: Media) -> tuple[int | None, int | None]:
    box = media.original_info or (media.sizes or {}).get("large")
    if media.width is None and box:
        return whole(box.width) or whole(box.w), whole(box.height) or whole(box.h)
    return whole(media.width), whole(media.height)


def _langs(code: str | None) -> tuple[str, ...]:
    """X's codes for "no language" all start with q, or are undetermined, none or artificial."""
    if not code or code in _NO_LANGUAGE or (len(code) == 3 and code.startswith("q")):
        return ()
    return (_OLD_LANGUAGES.get(code, code),)


def _labels(status: Status) -> Iterator[str]:
    """Where X hides the post, and "truncated" where the answer has only the start of its text."""
    withheld = status.withheld
    if status.withheld_copyright or (withheld and withheld.copyright):
        yield "withheld-copyright"
    for code in many(withheld.country_codes) if withheld else many(status.withheld_in_countries):
        yield f"withheld-in-{code}"
    whole_text = status.note_tweet or status.note_post or status.extended_tweet
    if not whole_text and ((status.truncated and not status.full_text) or _cut(status)):
        yield "truncated"


def _cut(status: Status) -> bool:
    """A shortened text ends in "…" and, but in archives, a link to the post itself."""
    raw, entities = status.body
    links = [e for e in (many(entities.urls) if entities else []) if not is_media(e)]
    if "…" in raw[-30:] and any(status_of(link) == status.number for link in links):
        return True
    return not status.author and len(raw) > 250 and raw.rstrip().endswith("…")
