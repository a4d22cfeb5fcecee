"""ActivityPub objects: notes, outboxes and other collections, and the two files of a Mastodon account archive.

An archive comes as one capture for ``actor.json``, one for the emptied ``outbox.json``, and one for each activity
in it; they are read as they come and not kept.

- Who may read a note is told by ``to`` and ``cc`` alone. What goes to no followers and not to the public is
  a direct message: nothing at all is made of it.
- ``conversation`` and ``context`` are opaque here (no post id), so ``Post.context`` stays empty. But a note that
  names no parent, in a conversation in which its author wrote before, answered a post that its server lost.
- FEP-044f: a ``quote`` counts as accepted with its author's stamp (``quoteAuthorization``), or of one's own post.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Literal

from clew.model import Actor, Attachment, Capture, Facet, Poll, PollOption, Post, Quote, Tombstone, Visibility
from clew.sources.fediverse.body import Names, body, inline_quote, refuses_bots, size, when
from clew.sources.fediverse.shapes import ACTIVITIES, ACTORS, COLLECTIONS, POSTS, host

Object = dict[str, Any]
_PUBLIC = frozenset({"https://www.w3.org/ns/activitystreams#Public", "as:Public", "Public"})
_QUOTES = ("quote", "quoteUri", "quoteUrl", "_misskey_quote")
_REMEMBERED = 100_000
"""Conversations whose last post is kept in mind: a bound on memory for archives of any size."""
FORGOTTEN = "removed at the author's request"


class Outbox:
    """Reads ActivityPub objects one capture after the other."""

    def __init__(self, *, is_served: bool = False, followers: Iterable[str] = ()) -> None:
        self.is_served = is_served  # a server gave it to us, who gave no name
        self.followers = set(followers)
        self.actors: set[str] = set()
        self.conversations: dict[tuple[str, str], datetime] = {}
        self.is_whole = False  # these are the records of an account archive, all of them

    def read(self, value: Object, capture: Capture) -> Iterator[Actor | Post | Tombstone]:
        """Yield what one object holds. Without recursion: objects may stand in each other."""
        if capture.archive and type_of(value) in COLLECTIONS:
            self.is_whole = _is_exported(ref(value.get("id")))
        elif self.is_whole and type_of(value) in ACTIVITIES:
            yield from self._owner(ref(value.get("actor")))
        stack: list[Object] = [value]
        while stack:
            node = stack.pop()
            kind = type_of(node)
            if kind in COLLECTIONS:
                stack.extend(reversed(_ordered(node)))
            elif kind in ACTORS:
                yield from self._actor(node, capture)
            elif kind == "Tombstone":
                yield _deleted(node, "The server answers with an ActivityPub Tombstone")
            elif kind == "Delete":
                yield from _deletion(node)
            elif kind in POSTS:
                yield from self._note(node, capture)
                stack.extend(part for key in ("inReplyTo", *_QUOTES) if isinstance(part := node.get(key), dict))
            elif kind in ("Create", "Update", "Announce") and isinstance(node.get("object"), dict):
                stack.append(_addressed(node))

    def _owner(self, actor: str) -> Iterator[Actor]:
        if actor and actor not in self.actors:
            self.actors.add(actor)
            yield Actor(actor, outbox="account archive")

    def _actor(self, node: Object, capture: Capture) -> Iterator[Actor]:
        id_ = ref(node.get("id"))
        self.followers.add(ref(node.get("followers")))
        if "clew:redacted" in node or not id_:
            return
        self.actors.add(id_)
        handle, home = text(node.get("preferredUsername")), host(id_)
        fields = [f"{text(f.get('name'))} {text(f.get('value'))}" for f in objects(node.get("attachment"))]
        signals = {
            "noindex": node.get("noindex") is True,
            "nobot": refuses_bots(text(node.get("summary")), *fields),
        }
        yield Actor(
            id=id_,
            name=text(node.get("name")),
            preferred_username=f"{handle}@{home}" if handle and home else handle,
            url=_page(node),
            also_known_as=tuple(refs(node.get("alsoKnownAs"))),
            outbox="account archive" if capture.archive and _is_exported(ref(node.get("outbox"))) else "",
            restrictions=tuple(name for name, is_set in signals.items() if is_set),
        )

    def _note(self, node: Object, capture: Capture) -> Iterator[Post | Tombstone]:
        visibility = visibility_of(node, self.followers, is_served=self.is_served)
        if visibility == "direct" or not ref(node.get("id")):
            return
        parent, gap = self._parent(node)
        if visibility == "private":
            yield _tombstone(node, parent, "private", "It is shown to followers only")
        elif "clew:redacted" in node:
            yield _tombstone(node, parent, "forgotten", FORGOTTEN)
        else:
            yield _post(node, parent, visibility, capture)
        if gap:
            yield gap

    def _parent(self, node: Object) -> tuple[str, Tombstone | None]:
        """Return the id of the post answered, and a tombstone for it where the server forgot which it was."""
        id_, author, parent = ref(node.get("id")), ref(node.get("attributedTo")), ref(node.get("inReplyTo"))
        key, published = (text(node.get("conversation")), author), when(node.get("published"))
        if not key[0] or published is None or self.is_served:
            return parent, None
        before = self.conversations.pop(key, None)
        self.conversations[key] = max(before or published, published)
        if len(self.conversations) > _REMEMBERED:
            del self.conversations[next(iter(self.conversations))]
        if parent or before is None or before >= published:
            return parent, None
        evidence = "It goes on a conversation in which its author wrote before, and names no post that it answers"
        return f"{id_}#in_reply_to", Tombstone(f"{id_}#in_reply_to", evidence=evidence)


# --- JSON-LD values: one, a list, or an object in place of its id ----------------------------------------------


def text(value: Any) -> str:
    """Return a string as it is, anything else as ""."""
    return value if isinstance(value, str) else ""


def ref(value: Any) -> str:
    """Return the id of a value that is an id, an object or link, or a list of these."""
    if isinstance(value, list):
        value = value[0] if value else ""
    if isinstance(value, dict):
        value = value.get("id") or value.get("href")
    return text(value)


def refs(value: Any) -> list[str]:
    """Return the ids in a value that may be one or a list."""
    return [id_ for one in (value if isinstance(value, list) else [value]) if (id_ := ref(one))]


def objects(value: Any) -> list[Object]:
    """Return the objects in a value that may be one or a list."""
    return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, dict)]


def type_of(node: Object) -> str:
    """Return the (first) type of an object."""
    kind = node.get("type")
    return text(kind[0] if isinstance(kind, list) and kind else kind)


def prefix(actor: str) -> str:
    """Return what the ids of an actor's posts begin with, on servers that put them below their author."""
    return actor.rstrip("/") + "/"


def conversation_of(note: Object) -> str:
    """Return by what name a post's server knows its conversation."""
    return ref(note.get("conversation")) or ref(note.get("context"))


def members_of(collection: Object) -> list[Any]:
    """Return the members that stand in a collection or page."""
    for key in ("orderedItems", "items"):
        value = collection.get(key)
        if value:
            return value if isinstance(value, list) else [value]
    return []


def visibility_of(node: Object, followers: set[str], *, is_served: bool = False) -> Visibility | Literal["direct"]:
    """Tell who may read a note. ``followers``: addresses known to be followers' collections; ``is_served``: its
    server gave it to somebody without a name."""
    to, cc = refs(node.get("to")), refs(node.get("cc"))
    if is_served and not to and not cc:
        return "unlisted"
    if _PUBLIC.intersection(to):
        return "public"
    if _PUBLIC.intersection(cc):
        return "unlisted"
    if any(address in followers or address.endswith("/followers") for address in (*to, *cc)):
        return "private"
    return "direct"


def _is_exported(outbox: str) -> bool:
    """Is an outbox named by its file in an account archive? On a server its name is an address."""
    return bool(outbox) and not host(outbox)


def _addressed(activity: Object) -> Object:
    """Return the object of an activity; the activity tells who may read it where the object does not."""
    node: Object = activity["object"]
    if "to" in node or "cc" in node or type_of(activity) == "Announce":
        return node
    return node | {key: activity[key] for key in ("to", "cc") if key in activity}


def _ordered(collection: Object) -> list[Object]:
    """Return the members of a collection, oldest first: a parent is then read before its answers."""
    members = [*objects(collection.get("orderedItems")), *objects(collection.get("items"))]
    members.extend(objects(collection.get("first")))
    return sorted(members, key=lambda member: text(member.get("published")))


# --- Notes ----------------------------------------------------------------------------------------------------


def _post(node: Object, parent: str, visibility: Visibility, capture: Capture) -> Post:
    author = ref(node.get("attributedTo"))
    quote = _quote(node, author)
    titled = type_of(node) in ("Article", "Page")
    content, facets = _content(node, quote.id if quote else "")
    if quote and (address := inline_quote(facets)):
        quote = Quote(quote.id, address, quote.state)
    # The summary of an article is its lead, not a warning.
    is_warning = not titled or node.get("sensitive") is True
    return Post(
        id=ref(node.get("id")),
        attributed_to=author,
        content=content,
        published=when(node.get("published")),
        capture=capture.sha256,
        url=_page(node) or ref(node.get("id")),
        name=text(node.get("name")) if titled else "",
        updated=when(node.get("updated")),
        in_reply_to=parent,
        quote=quote,
        facets=facets,
        attachments=tuple(_attachments(node)),
        poll=_poll(node),
        langs=_langs(node),
        summary=text(node.get("summary")) if is_warning else "",
        sensitive=node.get("sensitive") is True,
        visibility=visibility,
        replies=_replies(node.get("replies")),
    )


def _tombstone(
    node: Object,
    parent: str,
    reason: Literal["forgotten", "private"],
    evidence: str,
) -> Tombstone:
    return Tombstone(
        id=ref(node.get("id")),
        reason=reason,
        in_reply_to=parent,
        attributed_to=ref(node.get("attributedTo")),
        published=when(node.get("published")),
        evidence=evidence,
    )


def _deletion(activity: Object) -> Iterator[Tombstone]:
    target = activity.get("object")
    node = target if isinstance(target, dict) else {"id": target}
    if ref(node) and ref(node) != ref(activity.get("actor")):  # an account may delete itself
        node = {"attributedTo": activity.get("actor"), **node}
        yield _deleted(node, "Its author's server announced the deletion")


def _deleted(node: Object, evidence: str) -> Tombstone:
    return Tombstone(
        id=ref(node),
        reason="deleted",
        attributed_to=ref(node.get("attributedTo")),
        deleted=when(node.get("deleted")),
        evidence=evidence,
    )


def _content(node: Object, quoted: str) -> tuple[str, tuple[Facet, ...]]:
    markup = text(node.get("content"))
    if not markup and isinstance(by_lang := node.get("contentMap"), dict):
        markup = next((one for one in by_lang.values() if isinstance(one, str)), "")
    if node.get("mediaType") in ("text/plain", "text/markdown"):
        return markup, ()
    names = Names()
    for tag in objects(node.get("tag")):
        _name(tag, names)
    return body(markup, names, quoted)


def _name(tag: Object, names: Names) -> None:
    href, name = text(tag.get("href")), text(tag.get("name"))
    match type_of(tag):
        case "Mention":
            names.mention(href, name)
        case "Hashtag":
            names.tag(href, name)
        case "Emoji":
            icon = tag.get("icon")
            names.emojis[name.strip(":")] = text(icon.get("url")) if isinstance(icon, dict) else ""


def _langs(node: Object) -> tuple[str, ...]:
    by_lang = node.get("contentMap")
    return tuple(lang for lang in by_lang if lang and lang != "und") if isinstance(by_lang, dict) else ()


def _page(node: Object) -> str:
    """Return the address for people: the HTML one where there are several."""
    value = node.get("url")
    links = objects(value)
    html = [link for link in links if link.get("mediaType") == "text/html"]
    return ref(html or value)


def _quote(node: Object, author: str) -> Quote | None:
    id_ = next((found for key in _QUOTES if (found := ref(node.get(key)))), "")
    if not id_:
        return None
    is_own = bool(author) and id_.startswith(author + "/")
    asks = ref(node.get("quote")) and not ref(node.get("quoteAuthorization")) and not is_own
    return Quote(id_, id_ if host(id_) else "", "pending" if asks else "accepted")


def _attachments(node: Object) -> Iterator[Attachment]:
    for one in objects(node.get("attachment")):
        media_type = text(one.get("mediaType"))
        url = next(iter(refs(one.get("url"))), "") or text(one.get("href"))
        alt = one.get("name")
        if type_of(one) == "Link":
            yield Attachment("card", url, media_type, name=text(alt))
            continue
        yield Attachment(
            type=_media(type_of(one), media_type),
            url=_member(url),
            media_type=media_type,
            alt=alt if isinstance(alt, str) else None,
            width=size(one.get("width")),
            height=size(one.get("height")),
        )


def _media(kind: str, media_type: str) -> Literal["image", "video", "audio", "file"]:
    match kind, media_type.partition("/")[0]:
        case ("Image", _) | (_, "image"):
            return "image"
        case ("Video", _) | (_, "video"):
            return "video"
        case ("Audio", _) | (_, "audio"):
            return "audio"
    return "file"


def _member(url: str) -> str:
    """Return an address as it is; a path in an archive as the tail by which the archive names the file."""
    if host(url):
        return url
    _, found, tail = url.partition("media_attachments/")
    return found + tail if found else url.lstrip("/")


def _poll(node: Object) -> Poll | None:
    multiple = isinstance(node.get("anyOf"), list)
    options = node.get("anyOf") if multiple else node.get("oneOf")
    if type_of(node) != "Question" or not isinstance(options, list):
        return None
    return Poll(
        options=tuple(PollOption(text(o.get("name")), _count(o.get("replies"))) for o in objects(options)),
        end_time=when(node.get("endTime")) or when(node.get("closed")),
        voters=_int(node.get("votersCount")),
        multiple=multiple,
    )


def _int(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _count(collection: Any) -> int | None:
    return _int(collection.get("totalItems")) if isinstance(collection, dict) else None


def _replies(collection: Any) -> int | None:
    """Return the replies the server counts; where it only lists the first ones, those."""
    if (total := _count(collection)) is not None:
        return total
    page = collection.get("first") if isinstance(collection, dict) else None
    listed = (page.get("items") or page.get("orderedItems")) if isinstance(page, dict) else None
    return len(listed) if isinstance(listed, list) and listed else None
