"""Telegram Desktop's JSON export of one chat (``result.json``), whole or message by message.

Only channels and groups are read: the messages of direct and saved ones are not even decoded. What is private
stays marked so (``Post.visibility``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from clew.decode import REDACTED, load, where
from clew.errors import ParseError
from clew.model import (
    Actor,
    Attachment,
    Capture,
    Facet,
    FacetType,
    Poll,
    PollOption,
    Post,
    Tombstone,
    Visibility,
)
from clew.sources.telegram.message import LOCAL_TIME, OMITTED, Message, forwarded, moment, named, peer

VISIBILITY: dict[str, Visibility] = {
    "public_channel": "public",
    "public_supergroup": "public",
    "private_channel": "private",
    "private_supergroup": "private",
    "private_group": "private",
}
NEVER_READ = frozenset({"personal_chat", "bot_chat", "saved_messages", "replies", "verification_codes"})
RECORD_TYPES = frozenset({"message", "service", "unsupported"})

_KINDS: dict[str, FacetType] = {
    "bold": "strong", "italic": "emphasis", "underline": "underline", "strikethrough": "strike",
    "spoiler": "spoiler", "code": "code", "pre": "pre", "blockquote": "blockquote", "custom_emoji": "emoji",
    "link": "link", "text_link": "link", "email": "link", "phone": "link", "mention": "mention",
    "mention_name": "mention", "hashtag": "tag", "cashtag": "tag",
}  # fmt: skip
_MEDIA: dict[str, Literal["image", "video", "audio", "file"]] = {
    "video_file": "video", "video_message": "video", "animation": "video", "voice_message": "audio",
    "audio_file": "audio",
}  # fmt: skip
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_NO_FILE = re.compile(r"(?:^|\s)\((?:File|Photo) [^()]*\)$")
_BROKEN_ESCAPE = re.compile(rb"(?<!\\)((?:\\\\)*)\\x([0-9A-Fa-f]{2})")


class _Answer(msgspec.Struct):
    text: Any = ""
    voters: int | None = None


class _Poll(msgspec.Struct):
    question: Any = ""
    total_voters: int | None = None
    answers: list[_Answer] = []


_OURS = {"from_": "from", "redacted": "clew:redacted", "origin": "clew:origin", "words": "clew:words"}


class _Message(msgspec.Struct, rename=_OURS):
    id: int
    type: str = ""
    date: str | None = None
    date_unixtime: str | int | None = None
    edited: str | None = None
    edited_unixtime: str | int | None = None
    from_: str | None = None
    from_id: str | int | None = None
    forwarded_from: str | msgspec.UnsetType | None = msgspec.UNSET
    forwarded_from_id: str | int | None = None
    reply_to_message_id: int | None = None
    reply_to_peer_id: str | int | None = None
    photo: str | None = None
    file: str | None = None
    file_name: str | None = None
    media_type: str | None = None
    mime_type: str | None = None
    sticker_emoji: str | None = None
    title: str | None = None
    width: int | None = None
    height: int | None = None
    poll: _Poll | None = None
    text: Any = ""
    text_entities: Any = None
    contact_information: Any = None
    location_information: Any = None
    place_name: str | None = None
    game_title: str | None = None
    invoice_information: Any = None
    redacted: str = ""
    origin: str = ""
    words: bool = False


class Chat(msgspec.Struct):
    """The head of a chat. ``messages`` are decoded only where the chat may be read."""

    id: int = 0
    type: str | None = None
    name: str | None = None
    messages: msgspec.Raw = msgspec.Raw(b"[]")

    @property
    def address(self) -> str:
        """Actor id of the chat, and the start of the ids of its posts."""
        return f"https://t.me/c/{self.id}"


def decoded(capture: Capture, type_: Any) -> Any:
    """Decode a body; Telegram Desktop writes control characters as ``\\x1F``, which is not JSON."""
    try:
        return load(capture, type_)
    except ParseError:
        mended = _BROKEN_ESCAPE.sub(rb"\1\\u00\2", capture.body)
        if mended == capture.body:
            raise
        return load(msgspec.structs.replace(capture, body=mended), type_)


def may_read(chat: Chat, capture: Capture) -> bool:
    """Is this a channel or a group?

    Raises:
        ParseError: the export does not tell.
    """
    if chat.type in VISIBILITY:
        return True
    if chat.type in NEVER_READ:
        return False
    raise ParseError(
        "A chat of an unknown kind cannot be read", f"{chat.type!r} in {where(capture)}", url=capture.url
    )


def messages(chat: Chat, capture: Capture) -> Iterator[Message]:
    """Yield every message of a chat that may be read, service messages left out."""
    if may_read(chat, capture):
        records = decoded(msgspec.structs.replace(capture, body=bytes(chat.messages)), list[msgspec.Raw])
        for raw in records:
            yield from message(chat, msgspec.structs.replace(capture, body=bytes(raw)))


def message(chat: Chat, capture: Capture) -> Iterator[Message]:
    """Yield the message that a record capture holds, if it is one that people wrote."""
    record: _Message = decoded(capture, _Message)
    if record.type == "service":
        return
    if record.type == "unsupported":
        yield Message(record.id, _unsupported(chat, record))
        return
    author = peer(record.from_id) or chat.address
    actors = [Actor(author, "" if record.redacted else record.from_ or "", url=_page(author))]
    kind = "photo" if record.photo else "video" if record.file and record.media_type == "video_file" else ""
    if record.redacted:
        tomb = _forgotten(chat, record, author)
        yield Message(record.id, tomb, kind, bool(record.text), tuple(actors))
        return
    post = _post(chat, record, author, capture.sha256)
    if record.origin or record.forwarded_from is not msgspec.UNSET or record.forwarded_from_id is not None:
        name = record.forwarded_from if isinstance(record.forwarded_from, str) else ""
        origin = record.origin or peer(record.forwarded_from_id) or named(chat.address, name)
        actors.append(Actor(origin, name, url=_page(origin)))
        post = forwarded(post, origin)
    yield Message(record.id, post, kind, record.words or bool(post.content), tuple(actors))


def _post(chat: Chat, record: _Message, author: str, sha256: str) -> Post:
    content, facets = text(record.text_entities or record.text)
    published, labels = _time(record.date_unixtime, record.date)
    if record.poll is not None:
        question, marks = text(record.poll.question)
        gap = "\n\n" if content and question else ""
        shift = len(content) + len(gap)
        facets += tuple(Facet(f.start + shift, f.end + shift, f.type, f.href) for f in marks)
        content += gap + question
    parent = _parent(chat, record)
    own = parent.startswith(f"{chat.address}/") and (chat.type or "").endswith("_channel")
    return Post(
        id=f"{chat.address}/{record.id}",
        attributed_to=author,
        content=content,
        published=published,
        capture=sha256,
        url="" if chat.type == "private_group" else f"{chat.address}/{record.id}",
        updated=_time(record.edited_unixtime, record.edited)[0],
        in_reply_to=parent,
        in_reply_to_actor=chat.address if own else "",
        facets=facets,
        attachments=tuple(_attachments(record)),
        poll=_poll(record.poll) if record.poll else None,
        visibility=VISIBILITY[chat.type or ""],
        labels=labels + tuple(_omitted(record)),
    )


def _forgotten(chat: Chat, record: _Message, author: str) -> Tombstone:
    return Tombstone(
        id=f"{chat.address}/{record.id}",
        reason="forgotten",
        in_reply_to=_parent(chat, record),
        attributed_to=author,
        published=_time(record.date_unixtime, record.date)[0],
        evidence="The author asked for removal",
    )


def _unsupported(chat: Chat, record: _Message) -> Tombstone:
    channel = (chat.type or "").endswith("_channel")
    return Tombstone(
        id=f"{chat.address}/{record.id}",
        attributed_to=chat.address if channel else "",
        evidence="Telegram Desktop could not export this kind of message",
    )


def _page(actor: str) -> str:
    return actor if actor.startswith("https:") and "#" not in actor else ""


def _parent(chat: Chat, record: _Message) -> str:
    if record.reply_to_message_id is None:
        return ""
    elsewhere = peer(record.reply_to_peer_id) if record.reply_to_peer_id is not None else chat.address
    return f"{elsewhere}/{record.reply_to_message_id}" if elsewhere.startswith("https:") else ""


def _time(seconds: str | int | None, local: str | None) -> tuple[datetime | None, tuple[str, ...]]:
    if exact := moment(seconds):
        return exact, ()
    try:
        written = datetime.fromisoformat(local or "")
    except ValueError:
        return None, ()
    if written.tzinfo is not None:
        return written.astimezone(UTC), ()
    return written.replace(tzinfo=UTC), (LOCAL_TIME,)


def text(value: Any) -> tuple[str, tuple[Facet, ...]]:
    """Join exported text (a string, or a list of strings and marked pieces) and return it with its marks."""
    content: list[str] = []
    facets: list[Facet] = []
    length = 0
    for piece in value if isinstance(value, list) else [value]:
        words = piece.get("text") if isinstance(piece, dict) else piece
        if not isinstance(words, str) or not words:
            continue
        content.append(words)
        kind = _KINDS.get(str(piece.get("type"))) if isinstance(piece, dict) else None
        if kind is not None:
            facets.append(Facet(length, length + len(words), kind, _href(piece, words)))
        length += len(words)
    return "".join(content), tuple(facets)


def _href(piece: dict[str, Any], words: str) -> str:
    match piece.get("type"):
        case "link":
            return words if _SCHEME.match(words) else f"https://{words}"
        case "text_link":
            return str(piece.get("href") or "")
        case "mention":
            return f"https://t.me/{words.removeprefix('@')}"
        case "mention_name":
            return peer(f"user{piece.get('user_id')}")
        case "email":
            return f"mailto:{words}"
        case "phone":
            return f"tel:{words}"
    return ""


def _poll(poll: _Poll) -> Poll:
    options = tuple(PollOption(text(answer.text)[0], answer.voters) for answer in poll.answers)
    return Poll(options, voters=poll.total_voters)


def _attachments(record: _Message) -> Iterator[Attachment]:
    size = (record.width, record.height)
    if record.photo:
        yield Attachment("image", _path(record.photo), width=size[0], height=size[1])
    if record.file:
        name = record.title or record.file_name or record.sticker_emoji or ""
        yield Attachment(
            _type(record), _path(record.file), record.mime_type or "", width=size[0], height=size[1], name=name
        )


def _path(value: str) -> str:
    # In place of the path of what it did not download, Telegram Desktop writes a sentence in brackets.
    return "" if value == REDACTED or _NO_FILE.search(value) else value


def _type(record: _Message) -> Literal["image", "video", "audio", "file"]:
    if known := _MEDIA.get(record.media_type or ""):
        return known
    kind = (record.mime_type or "").partition("/")[0]
    if record.media_type == "sticker":
        kind = {"webp": "image", "webm": "video"}.get((record.file or "").rpartition(".")[2], "")
    return kind if kind in ("image", "video", "audio") else "file"  # type: ignore[return-value]


def _omitted(record: _Message) -> Iterator[str]:
    for kind, value in (
        ("contact", record.contact_information),
        ("location", record.location_information or record.place_name),
        ("game", record.game_title),
        ("invoice", record.invoice_information),
    ):
        if value:
            yield OMITTED + kind


# --- redaction -----------------------------------------------------------------------------------------------

_KEPT = frozenset({
    "id", "type", "date", "date_unixtime", "from_id", "reply_to_message_id", "reply_to_peer_id"
})  # fmt: skip
_NAMES = ("forwarded_from", "saved_from", "author", "via_bot")
_KEPT_OF_FORWARD = _KEPT | {"from", "edited", "edited_unixtime", "forwarded_from_id", "width", "height"}


def redact_chat(chat: dict[str, Any], actors: frozenset[str]) -> dict[str, Any]:
    """Return a chat without the text of ``actors``."""
    address = f"https://t.me/c/{chat.get('id', 0)}"
    records = [m for m in chat.get("messages") or [] if isinstance(m, dict)]
    names = {m["from"] for m in records if peer(m.get("from_id")) in actors and isinstance(m.get("from"), str)}
    kept = dict(chat)
    if address in actors and isinstance(kept.pop("name", None), str):
        names.add(chat["name"])
    kept["messages"] = [redact_record(m, actors, address, names) for m in records]
    return kept


def redact_record(record: dict[str, Any], actors: frozenset[str], chat: str, names: set[str]) -> dict[str, Any]:
    """Return a message without the text of ``actors``, who are also known by ``names`` here."""
    if record.get("type") == "service":  # never read, and full of names
        return {key: record[key] for key in ("id", "type", "date", "date_unixtime") if key in record}
    if (peer(record.get("from_id")) or chat) in actors:
        return _stub(record, _KEPT) | {"clew:redacted": REDACTED}
    forward = "forwarded_from" in record or record.get("forwarded_from_id") is not None
    if forward and "clew:removed" not in record:
        name = record.get("forwarded_from") or ""
        origin = _known(actors, peer(record.get("forwarded_from_id")) or named(chat, name))
        if origin in actors or name in names:
            ours = {"clew:origin": origin, "clew:words": _has_words(record), "clew:removed": REDACTED, "text": ""}
            return _stub(record, _KEPT_OF_FORWARD) | ours
    kept = {key: value for key, value in record.items() if key != "reactions"}
    for key in _NAMES:
        if record.get(key) in names:
            del kept[key]
    return kept


def _has_words(record: dict[str, Any]) -> bool:
    said = text(record.get("text_entities") or record.get("text"))[0]
    return bool(said or record.get("poll") or record.get("clew:words"))


def _known(actors: frozenset[str], origin: str) -> str:
    # A lone record does not know its chat, so the actor of a name is found by the name's hash alone.
    return next((a for a in actors if origin.startswith("#") and a.endswith(origin)), origin)


def _stub(record: dict[str, Any], keys: frozenset[str]) -> dict[str, Any]:
    kept: dict[str, Any] = {key: value for key, value in record.items() if key in keys}
    # What kind of media it was, and whether it had words, decides which messages are one album.
    if record.get("photo"):
        kept["photo"] = REDACTED
    elif record.get("file"):
        kept["file"] = REDACTED
        kept["media_type"] = record.get("media_type") if record.get("media_type") in _MEDIA else None
    if _has_words(record):
        kept["text"] = REDACTED
    return kept
