"""Answers of the AppView and pages of records: walked iteratively, whatever hangs in them is yielded."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from clew.errors import ParseError
from clew.model import Actor, Post, Tombstone

from . import address, posts
from .wire import (
    Answer,
    Answering,
    Author,
    Embed,
    Entry,
    FeedItem,
    Item,
    Label,
    Node,
    PostView,
    Profile,
    Quoted,
    Record,
    Reply,
    SelfLabels,
)

Found = Actor | Post | Tombstone

FORGOTTEN = "The text was removed at the author's request"
LOGGED_IN_ONLY = "The author shows this post to readers who are logged in only"
_RECORD = msgspec.json.Decoder(Record)
_PROFILE = msgspec.json.Decoder(Profile)
_ANSWERING = msgspec.json.Decoder(Answering)


class Walk:
    """One answer. ``found`` is what was met so far, in no promised order.

    Args:
        capture: SHA-256 of the answer.
        server: the data server that gave it, for the addresses of files.
    """

    def __init__(self, capture: str, server: str = "") -> None:
        self.capture, self.server = capture, server
        self.whole: set[str] = set()
        """Posts that are here as such, not only as the quote of another."""
        self.found: list[Found] = []
        self.authors: dict[str, Author] = {}

    def answer(self, answer: Answer) -> list[Found]:
        """Return all that an answer holds.

        Raises:
            ParseError: there is no post, no record and no list of either in it, or a view lacks what makes a post.
        """
        if isinstance(answer.thread, Node):
            self.tree(answer.thread)
        for place in self.flat(answer.thread) if isinstance(answer.thread, list) else ():
            self.item(*place)
        for view in answer.posts or ():
            self.view(view)
        for item in answer.feed or ():
            self.feed(item)
        for entry in answer.records or ():
            self.entry(entry)
        if answer.uri:
            self.entry(Entry(answer.uri, answer.value, answer.redacted))
        _known(answer)
        return self.found

    # getPostThread

    def tree(self, root: Node) -> None:
        stack: list[tuple[Node, str, str]] = [(root, "", "")]  # node, what it answers, the conversation
        while stack:
            node, parent, context = stack.pop()
            view = node.post
            if view is None:
                self.missing(node, parent, context)
                continue
            self.view(view)
            reply = view.record.reply if view.record else None
            context = (reply.root.uri if reply and reply.root else "") or context or view.uri
            if node.parent:
                stack.append((node.parent, "", context if reply else ""))
            if node.replies:
                stack += [(child, view.uri, context) for child in node.replies]

    def missing(self, view: Node | PostView, parent: str = "", context: str = "") -> None:
        """Note a notFoundPost or blockedPost."""
        blocked = bool(view.blocked) or view.type.endswith("#blockedPost")
        author = view.author.did if view.author else ""
        self.found.append(
            Tombstone(
                id=_id(view.uri),
                reason="blocked" if blocked else "unavailable",
                in_reply_to=parent,
                attributed_to=author or address.did_of(view.uri),
                context=context if context != view.uri else "",
                evidence="Bluesky answered blockedPost" if blocked else "Bluesky answered notFoundPost",
            )
        )

    # getPostThreadV2

    def flat(self, items: list[Item]) -> list[tuple[Item, str]]:
        """Pair each item with what it answers: in this order that is the last item one level above it."""
        path: dict[int, str] = {}
        paired = []
        for item in items:
            path[item.depth] = item.uri
            paired.append((item, path.get(item.depth - 1, "")))
        return paired

    def item(self, item: Item, parent: str) -> None:
        value = item.value
        if value is None:
            raise ParseError("An item of this thread has no value", item.uri)
        if value.post:
            self.view(value.post, value.op_thread_post_index, value.op_thread_post_count)
        else:
            self.absent(item, parent, value.type.rpartition("#")[2], value.author)

    def absent(self, item: Item, parent: str, kind: str, author: Author | None) -> None:
        did = (author.did if author else "") or address.did_of(item.uri)
        hidden, blocked = kind == "threadItemNoUnauthenticated", kind == "threadItemBlocked"
        if hidden and did:
            self.found.append(Actor(did, url=address.profile_url(did), restrictions=("no-unauthenticated",)))
        self.found.append(
            Tombstone(
                id=_id(item.uri),
                reason="private" if hidden else "blocked" if blocked else "unavailable",
                in_reply_to=parent,
                attributed_to=did,
                evidence="The author shows posts to signed-in readers only"
                if hidden
                else f"Bluesky answered {kind or 'no post'}",
            )
        )

    # feeds and lists of posts

    def feed(self, item: FeedItem) -> None:
        if item.post is None:
            raise ParseError("An item of this feed has no post")
        self.view(item.post, item.op_thread_post_index, item.op_thread_post_count)
        if item.reply is None:
            return
        named = item.post.record.reply if item.post.record else None
        context = named.root.uri if named and named.root else ""
        for view in (item.reply.root, item.reply.parent):
            if view:
                self.view(view, context=context)
        self.author(item.reply.grandparent_author)

    def view(self, view: PostView, index: int | None = None, size: int | None = None, context: str = "") -> None:
        record, author = view.record, view.author
        if record is None:
            if view.not_found or view.blocked or view.type.endswith(("#notFoundPost", "#blockedPost")):
                return self.missing(view, context=context)
            raise ParseError("A post in this answer has no record", view.uri)
        did = (author.did if author else "") or address.did_of(view.uri)
        if not did or not view.uri:
            raise ParseError("A post in this answer has no author or no address", view.uri)
        embed = view.embed or record.embed
        self.whole.add(view.uri)
        if view.redacted or posts.hidden(record):
            return self.buried(view.uri, did, record, (embed,) if embed else ())
        self.author(author)
        post, full = posts.post(
            view.uri,
            record,
            (embed,) if embed else (),
            capture=self.capture,
            did=did,
            handle=author.handle if author else "",
            labels=view.labels,
            replies=view.reply_count,
            indexed=view.indexed_at,
            index=index,
            size=size,
        )
        self.found.append(post)
        if full:
            self.quoted(full)
        return None

    def quoted(self, stack: list[Quoted]) -> None:
        """Note quoted posts that are embedded in full, and what these quote in turn."""
        while stack:
            quoted = stack.pop()
            author, record = quoted.author, quoted.value
            did = (author.did if author else "") or address.did_of(quoted.uri)
            if record is None or not did:
                continue
            if quoted.redacted or posts.hidden(record):
                self.buried(quoted.uri, did, record, quoted.embeds or ())
                continue
            self.author(author)
            post, full = posts.post(
                quoted.uri,
                record,
                quoted.embeds or ((record.embed,) if record.embed else ()),
                capture=self.capture,
                did=did,
                handle=author.handle if author else "",
                labels=quoted.labels,
                replies=quoted.reply_count,
                indexed=quoted.indexed_at,
            )
            self.found.append(post)
            stack += full

    def author(self, author: Author | None) -> None:
        if author is None or not author.did or (author.redacted and not author.labels):
            return  # of who was taken out only the wish to be hidden is told
        if not author.handle and not author.redacted:
            return
        if self.authors.get(author.did) != author:
            self.authors[author.did] = author
            self.found.append(posts.actor(author))

    # listRecords, getRecord

    def entry(self, entry: Entry) -> None:
        did, collection, _ = address.parts(entry.uri)
        if not entry.value:
            return
        if collection == address.PROFILE:
            self.profile(did, entry.value)
        elif collection == address.POST:
            redacted = bool(entry.redacted)
            self.found.append(from_record(entry.uri, did, entry.value, self.capture, redacted, self.server))

    def profile(self, did: str, value: msgspec.Raw) -> None:
        try:
            self.found.append(posts.owner(did, _PROFILE.decode(value)))
        except msgspec.DecodeError:  # whatever else is wrong with it, the wish to be hidden is heard
            hidden = SelfLabels([Label(posts.HIDDEN)]) if posts.HIDDEN.encode() in bytes(value) else None
            self.found.append(posts.owner(did, Profile(labels=hidden)))

    def buried(self, uri: str, did: str, record: Record, embeds: Sequence[Embed]) -> None:
        """Note a post whose text is not shown, and the posts of others that it quoted."""
        self.found.append(buried(uri, did, record))
        self.quoted(posts.embedded(embeds)[2])


def anchor(answer: Answer) -> str:
    """Return the address of the post that an answer was asked for, or an empty string."""
    thread = answer.thread
    if isinstance(thread, Node):
        return thread.post.uri if thread.post else thread.uri
    if thread:
        return next((item.uri for item in thread if item.depth == 0), "")
    single = bool(answer.value) and address.parts(answer.uri)[1] == address.POST
    return answer.uri if single else ""


def from_record(
    uri: str, did: str, value: msgspec.Raw, capture: str, redacted: bool = False, server: str = ""
) -> Post | Tombstone:
    """Return the post that a raw record is; a tombstone where it may not be shown or is no post at all."""
    try:
        record = _RECORD.decode(value)
    except (msgspec.DecodeError, RecursionError):
        return invalid(uri, did, _reply(value))
    if redacted or posts.hidden(record):
        return buried(uri, did, record)
    embeds = (record.embed,) if record.embed else ()
    return posts.post(uri, record, embeds, capture=capture, did=did, server=server)[0]


def invalid(uri: str, did: str, reply: Reply | None) -> Tombstone:
    """Say that a record is there and is not what its collection promises: one such must not hide the others."""
    reply = reply or Reply()
    return Tombstone(
        uri,
        in_reply_to=reply.parent.uri if reply.parent else "",
        attributed_to=did,
        context=reply.root.uri if reply.root else "",
        evidence="The record at this address does not have the form of a post",
    )


def _reply(value: msgspec.Raw) -> Reply | None:
    try:
        return _ANSWERING.decode(value).reply
    except (msgspec.DecodeError, RecursionError):
        return None


def buried(uri: str, did: str, record: Record) -> Tombstone:
    """Say that a post is for readers who are logged in, or was removed at its author's request."""
    reply, private = record.reply or Reply(), posts.hidden(record)
    return Tombstone(
        id=uri,
        reason="private" if private else "forgotten",
        in_reply_to=reply.parent.uri if reply.parent else "",
        attributed_to=did,
        context=reply.root.uri if reply.root else "",
        published=posts.published(record.created_at, uri),
        evidence=LOGGED_IN_ONLY if private else FORGOTTEN,
    )


def _id(uri: str) -> str:
    if not uri:
        raise ParseError("A missing post in this answer has no address")
    return uri


def _known(answer: Answer) -> None:
    if answer.error is not None:
        said = f"{answer.error} ({answer.message})" if answer.message else answer.error
        raise ParseError("Bluesky answered with an error instead of posts", said, "Save the answer again")
    if not answer.uri and all(part is None for part in (answer.thread, answer.posts, answer.feed, answer.records)):
        raise ParseError("This answer of Bluesky has no posts in it")
