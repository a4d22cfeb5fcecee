"""Telegram: the exports of its desktop program, and the public pages of channels, saved or fetched.

Consent decides what is read. Public channels and groups are; private ones are marked so on each post
(``visibility="private"``: for the reader's own eyes, never published); direct messages, saved messages and bots
are not read at all. The export of a whole account is refused as it stands: a capture is kept byte for byte, and
that one would keep everybody's direct messages. What others sent (``files/``) is never taken for a page.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

import msgspec

from clew.decode import load, where
from clew.errors import ParseError
from clew.fetch import Client
from clew.model import Actor, Capture, Limit, Post, Tombstone
from clew.plugins import Member, Source
from clew.sources.telegram import export_html, export_json, fetching, preview, visits
from clew.sources.telegram.export_json import NEVER_READ, RECORD_TYPES, VISIBILITY, Chat
from clew.sources.telegram.message import Message, items, peer

Shape = Literal["chat", "account", "record", "html", "preview", ""]

_MEDIA = ("photos", "video_files", "round_video_messages", "voice_messages", "files", "stickers")
_ACCOUNT_CHAT = re.compile(r"(?:^|/)chats/chat_\d+/")
_HTML = re.compile(rb"<div class=\"(?:page_body chat_page|history)\"")
_PREVIEW = re.compile(rb"class=\"(?:[^\"<>]*\s)?tgme_(?:widget_message|channel_history|page)[\s\"]")


class _Head(msgspec.Struct):
    """The keys that tell a chat, an account and a message apart; nothing below them is decoded."""

    id: msgspec.Raw = msgspec.Raw()
    type: msgspec.Raw = msgspec.Raw()
    date: msgspec.Raw = msgspec.Raw()
    text: msgspec.Raw = msgspec.Raw()
    messages: msgspec.Raw = msgspec.Raw()
    chats: msgspec.Raw = msgspec.Raw()
    left_chats: msgspec.Raw = msgspec.Raw()


def shape(capture: Capture) -> Shape:
    """Tell by the content which form of Telegram export this is."""
    start = capture.body[:256].lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith(b"{"):
        return _json_shape(capture.body)
    if not start.startswith(b"<"):
        return ""
    if _HTML.search(capture.body) and b"page_wrap" in capture.body:
        return "html"
    return "preview" if _PREVIEW.search(capture.body) else ""


def _json_shape(body: bytes) -> Shape:
    if not any(key in body for key in (b'"messages"', b'"chats"', b'"left_chats"', b'"service"', b'"message"')):
        return _unsupported_shape(body)
    try:
        head = msgspec.json.decode(body.removeprefix(b"\xef\xbb\xbf"), type=_Head)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _broken_shape(body)
    kind = bytes(head.type).decode("utf-8", "replace").strip('"')
    if bytes(head.messages).startswith(b"[") and (kind in VISIBILITY or kind in NEVER_READ):
        return "chat"
    if any(bytes(part).startswith(b"{") and b'"list"' in bytes(part) for part in (head.chats, head.left_chats)):
        return "account"
    return "record" if kind in RECORD_TYPES and bytes(head.id).isdigit() and bytes(head.date) else ""


def _unsupported_shape(body: bytes) -> Shape:
    return "record" if re.fullmatch(rb'\s*\{\s*"id":\s*\d+,\s*"type":\s*"unsupported"\s*\}\s*', body) else ""


def _broken_shape(body: bytes) -> Shape:
    # Cut off, or with an escape that is not JSON: the head of the file still tells what it is.
    found = re.search(rb'"type":\s*"([a-z_]{1,40})"', body[:4096])
    kind = found[1].decode() if found else ""
    if b'"messages"' in body[:8192] and (kind in VISIBILITY or kind in NEVER_READ):
        return "chat"
    return "record" if kind in RECORD_TYPES and b'"date_unixtime"' in body[:4096] else ""


class Telegram:
    """Posts of channels and groups."""

    name = "telegram"
    title = "Telegram"
    formats: tuple[str, ...] = (
        "desktop export as JSON (result.json) of a channel or group",
        "desktop export as HTML (messages.html) of a channel or group",
        "a saved public page of a channel (t.me/s/NAME)",
        "the address of a post in a public channel or group (t.me/NAME/123)",
    )
    members: tuple[Member, ...] = (
        Member("result.json", "records", "messages"),
        Member("messages*.html", "whole"),
        *(Member(f"{folder}/*", "media") for folder in _MEDIA),
    )

    patterns: tuple[str, ...] = (fetching.PATTERN,)
    examples: tuple[str, ...] = (
        "https://t.me/selm_harbour/123",
        "https://t.me/s/selm_harbour/123",
        "https://t.me/s/selm_harbour?before=140",
        "https://telegram.me/selm_harbour/123?single",
    )

    def fetch(self, url: str, client: Client, known: Sequence[str] = ()) -> str:
        """Ask the public preview; see ``clew.plugins.Source``."""
        return fetching.fetch(url, client, known)

    def sniff(self, capture: Capture) -> bool:
        """Is it one of the forms? A page from an address that is none of a preview's only quotes one."""
        return shape(capture) != "" and not (capture.url and visits.asked(capture.url) is None)

    def parse(self, captures: Iterable[Capture]) -> Iterator[Actor | Post | Tombstone | Limit]:
        """Yield the posts; see ``clew.plugins.Source``."""
        pages: list[Capture] = []
        yield from items(_messages(captures, pages))
        yield from visits.told(pages)

    def anchor(self, capture: Capture) -> str:
        """Return the post that a page of one post shows."""
        return visits.anchor(capture) if shape(capture) == "preview" else ""

    def redact(self, capture: Capture, actors: frozenset[str]) -> bytes:
        """Remove the text of ``actors``; see ``clew.plugins.Source``."""
        form = shape(capture)
        if not actors and form != "account":  # what is not public is said of a whole chat, and that is refused
            return capture.body
        if form == "html":
            return export_html.redact(capture, actors)
        if form == "preview":
            return preview.redact(capture, actors)
        if form == "":
            return capture.body
        value = export_json.decoded(capture, dict[str, Any])
        return msgspec.json.encode(_redacted(form, value, actors))


def _messages(captures: Iterable[Capture], pages: list[Capture]) -> Iterator[Message]:
    """Yield the messages of exports, and put preview pages into ``pages``: what they tell, they tell together."""
    chat: Chat | None = None  # the last head seen: the record captures that follow are its messages
    for capture in captures:
        if _foreign(capture.member):
            continue
        form = shape(capture)
        if _ACCOUNT_CHAT.search(capture.member):
            raise _whole_account(capture)
        if form == "html":
            yield from export_html.messages(capture)
        elif form == "preview" or capture.url:
            pages.append(capture)
        elif form == "account":
            raise _whole_account(capture)
        elif form == "chat":
            chat = export_json.decoded(capture, Chat)
            yield from export_json.messages(chat, capture)
        elif form == "record":
            yield from _record(chat, capture)
        else:
            _fail(capture)


def _record(chat: Chat | None, capture: Capture) -> Iterator[Message]:
    if chat is None:
        raise ParseError("A message without its chat cannot be read", where(capture), url=capture.url)
    if export_json.may_read(chat, capture):
        yield from export_json.message(chat, capture)


def _fail(capture: Capture) -> None:
    if capture.body.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        load(capture)  # says where the JSON breaks
    raise ParseError("This is not an export of Telegram", where(capture), "Export the chat again", url=capture.url)


def _foreign(member: str) -> bool:
    """Is it media, or anything that somebody sent?"""
    return any(part in _MEDIA for part in member.split("/")[:-1])


def _whole_account(capture: Capture) -> ParseError:
    return ParseError(
        "This is the export of a whole Telegram account, with its direct messages",
        where(capture),
        "Open the channel or group in Telegram Desktop and choose Export chat history there",
        url=capture.url,
    )


def _redacted(form: Shape, value: dict[str, Any], actors: frozenset[str]) -> dict[str, Any]:
    if form == "chat":
        return export_json.redact_chat(value, actors)
    if form == "account":  # never parsed, so nothing of it is worth keeping
        return {"chats": {"list": []}}
    # A lone record of a channel names its author by number, so the chat is not needed to know whose it is.
    own = peer(value.get("from_id")) in actors and isinstance(value.get("from"), str)
    return export_json.redact_record(value, actors, "", {value["from"]} if own else set())


SOURCE: Source = Telegram()
