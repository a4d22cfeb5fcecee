"""A stand-in for t.me on loopback: lists of a channel's posts, and the widget of one post.

The pages are ours, written after shapes that others describe; none is a copy of one of Telegram's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html import escape
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlsplit

from loopback import answering

PAGE = 20
START = datetime(2031, 5, 4, 9, 0, tzinfo=UTC)
P = "tgme_widget_message"
HIDDEN = (  # in every post, not shown by the style sheet
    '<div class="media_not_supported_cont"><div class="message_media_not_supported_wrap">'
    '<div class="message_media_not_supported"><div class="message_media_not_supported_label">'
    "Please open Telegram to view this post</div></div></div></div>"
)


@dataclass
class Sent:
    """One message. ``media`` is HTML; ``author`` is who wrote it in a group."""

    text: str = ""
    answers: str = ""
    album: int = 0
    edited: bool = False
    service: bool = False
    forwarded: str = ""
    media: str = ""
    author: str = ""
    signed: str = ""


@dataclass
class Chat:
    """A channel; a group where ``lists`` is False. ``posts`` by number, an album under its first."""

    name: str = "selm_harbour"
    title: str = "Selm Harbour News"
    lists: bool = True
    posts: dict[int, Sent] = field(default_factory=dict)

    def say(self, number: int, text: str = "", **more: object) -> None:
        self.posts[number] = Sent(text or f"Post number {number}", **more)  # type: ignore[arg-type]


class Site:
    """What the server shows, what it was asked, and how it may fail: ``broken`` maps a path to a status."""

    def __init__(self) -> None:
        self.chats: dict[str, Chat] = {}
        self.asked: list[str] = []
        self.broken: dict[str, int] = {}
        self.bodies: dict[str, bytes] = {}
        self.url = ""

    def chat(self, **fields: object) -> Chat:
        made = Chat(**fields)  # type: ignore[arg-type]
        self.chats[made.name.casefold()] = made
        return made

    def answer(self, target: str) -> tuple[int, str, str]:
        """Return status, body and where to go instead."""
        parts = urlsplit(target)
        given = {key: values[0] for key, values in parse_qs(parts.query, keep_blank_values=True).items()}
        steps = parts.path.strip("/").split("/")
        listed = steps[0] == "s"
        name = steps[1 if listed else 0]
        chat = self.chats.get(name.casefold())
        if listed and (chat is None or not chat.lists):
            return 302, "", f"/{name}"
        if listed and chat:
            return 200, _listed(chat, given, int(steps[2]) if len(steps) > 2 else 0), ""
        if given.get("embed") == "1":
            return 200, _widget(chat, name, int(steps[1])), ""
        return 200, _contact(name), ""


def _listed(chat: Chat, given: dict[str, str], around: int) -> str:
    numbers = sorted(chat.posts)
    if around:
        before = [n for n in numbers if n < around][-(PAGE // 2) :]
        shown = before + [n for n in numbers if n >= around][: PAGE // 2 + 1]
    elif "after" in given:
        shown = _few(chat, [n for n in numbers if n > int(given["after"] or 0)])
    else:
        upper = int(given.get("before") or 10**9)
        shown = _few(chat, [n for n in numbers if n < upper][::-1])[::-1]
    older = bool(shown) and shown[0] > numbers[0]
    newer = bool(shown) and shown[-1] < numbers[-1]
    head = f'<link rel="prev" href="/s/{chat.name}?before={shown[0]}">' if older else ""
    head += f'<link rel="next" href="/s/{chat.name}?after={shown[-1]}">' if newer else ""
    posts = "".join(_message(chat, n) for n in shown) or '<div class="tme_no_messages_found">No posts found</div>'
    info = (
        f'<div class="tgme_channel_info"><div class="tgme_channel_info_header_title">{escape(chat.title)}</div>'
        '<div class="tgme_channel_info_description">News of the harbour</div></div>'
    )
    section = f'<section class="tgme_channel_history js-message_history">{posts}</section>'
    return _html(head, f'{info}<main class="tgme_main" data-url="/{chat.name}">{section}</main>')


def _few(chat: Chat, numbers: list[int]) -> list[int]:
    """As many as fit on a page; each message of an album takes a place."""
    shown, places = list[int](), 0
    for number in numbers:
        places += max(1, chat.posts[number].album)
        if shown and places > PAGE:
            break
        shown.append(number)
    return shown


def _widget(chat: Chat | None, name: str, number: int) -> str:
    error = "" if chat else f"Channel with username @{name} not found"
    found = next((n for n, m in chat.posts.items() if n <= number < n + max(1, m.album)), 0) if chat else 0
    if chat and found:
        return _html("", _message(chat, found))
    said = f'<div class="{P}_error">{error or "Post not found"}</div>'
    return _html("", f'<div class="{P} err_message js-widget_message"><div class="{P}_bubble">{said}</div></div>')


def _contact(name: str) -> str:
    return _html("", f'<div class="tgme_page"><div class="tgme_page_description">Contact @{name}</div></div>')


def _message(chat: Chat, number: int) -> str:
    sent, place = chat.posts[number], f"{chat.name}/{number}"
    text = f'<div class="{P}_text js-message_text" dir="auto">{sent.text}</div>'
    if sent.album:  # as others found it: once more in itself
        text = f'<div class="{P}_text js-message_text" dir="auto">{text}</div>'
    bubble = (
        f'<div class="{P}_author accent_color">{_owner(chat, sent)}</div>{_forward(sent)}{_reply(chat, sent)}'
        f"{_album(chat, number, sent)}{sent.media}{text}{HIDDEN}{_footer(sent, place, number)}"
    )
    kinds = f"{P} text_not_supported_wrap{' service_message' if sent.service else ''} js-widget_message"
    post = f'<div class="{kinds}" data-post="{place}"><div class="{P}_bubble">{bubble}</div></div>'
    return f'<div class="{P}_wrap js-widget_message_wrap">{post}</div>'


def _owner(chat: Chat, sent: Sent) -> str:
    address = f"https://t.me/{chat.name}"
    owner = f'<a class="{P}_owner_name" href="{address}"><span dir="auto">{escape(chat.title)}</span></a>'
    if not sent.author:
        return owner
    return f'<a class="{P}_author_name" href="https://t.me/{sent.author}">{sent.author}</a> in {owner}'


def _footer(sent: Sent, place: str, number: int) -> str:
    time = START + timedelta(minutes=number)
    signed = f'<span class="{P}_from_author">{sent.signed}</span>,&nbsp;' if sent.signed else ""
    shown = f'<time datetime="{time.isoformat()}" class="time">{time:%H:%M}</time>'
    date = f'<a class="{P}_date" href="https://t.me/{place}">{shown}</a>'
    meta = f'<span class="{P}_meta">{signed}{"edited &nbsp;" if sent.edited else ""}{date}</span>'
    views = f'<span class="{P}_views">{number}K</span><span class="copyonly"> views</span>'
    info = f'<div class="{P}_info short js-message_info">{views}{meta}</div>'
    return f'<div class="{P}_footer compact js-message_footer">{info}</div>'


def _forward(sent: Sent) -> str:
    if not sent.forwarded:
        return ""
    link = f'<a class="{P}_forwarded_from_name" href="https://t.me/{sent.forwarded}">{sent.forwarded}</a>'
    return f'<div class="{P}_forwarded_from accent_color">Forwarded from {link}</div>'


def _reply(chat: Chat, sent: Sent) -> str:
    if not sent.answers:
        return ""
    address = sent.answers if "/" in sent.answers else f"{chat.name}/{sent.answers}"
    return (
        f'<a class="{P}_reply" href="https://t.me/{address}"><div class="{P}_author accent_color">'
        f'<span class="{P}_author_name" dir="auto">Somebody</span></div>'
        f'<div class="{P}_text js-message_reply_text" dir="auto">The words that are answered</div></a>'
    )


def _album(chat: Chat, number: int, sent: Sent) -> str:
    photos = "".join(
        f'<a class="{P}_photo_wrap grouped_media_wrap blured" href="https://t.me/{chat.name}/{n}?single" '
        f"style=\"left:0;background-image:url('https://cdn.example/{n}.jpg')\"></a>"
        for n in range(number, number + sent.album)
    )
    return f'<div class="{P}_grouped_wrap js-message_grouped_wrap">{photos}</div>' if photos else ""


def _html(head: str, body: str) -> str:
    return f'<!DOCTYPE html>\n<html><head><meta charset="utf-8">{head}</head><body>{body}</body></html>\n'


@contextmanager
def served() -> Iterator[Site]:
    """Serve a site until the end of the block."""
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            site.asked.append(self.path)
            status, body, elsewhere = site.answer(self.path)
            data = site.bodies.get(self.path, body.encode())
            self.send_response(site.broken.get(self.path, status))
            if elsewhere:
                self.send_header("Location", elsewhere)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args: object) -> None:
            return

    with answering(Handler) as site.url:
        yield site
