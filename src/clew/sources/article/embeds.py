"""Posts of other networks that stand in an article: quoted as text with a link, or in a frame without any text."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import islice

import msgspec
from selectolax.lexbor import LexborHTMLParser, LexborNode

from clew.model import Attachment, Facet

_MOST = 50
_USER = r"[A-Za-z0-9_.:%-]{1,256}"
_POSTS = (
    (r"https?://(?:www\.|mobile\.)?(?:twitter|x)\.com/(?:#!/)?([A-Za-z0-9_]{1,30}|i/web)/status(?:es)?/(\d{1,20})",
     "https://x.com/{}/status/{}", "X"),
    (r"https?://platform\.(?:twitter|x)\.com/embed/Tweet\.html\?(?:[^#]*&)?()id=(\d{1,20})",
     "https://x.com/i{}/status/{}", "X"),
    (rf"https?://bsky\.app/profile/({_USER})/post/([A-Za-z0-9]{{1,20}})", "https://bsky.app/profile/{}/post/{}",
     "Bluesky"),
    (rf"https?://embed\.bsky\.app/embed/({_USER})/app\.bsky\.feed\.post/([A-Za-z0-9]{{1,20}})",
     "https://bsky.app/profile/{}/post/{}", "Bluesky"),
    (r"https?://(?:t|telegram)\.me/(?:s/)?([A-Za-z][A-Za-z0-9_]{1,63})/(\d{1,15})", "https://t.me/{}/{}",
     "Telegram"),
    (r"https?://([A-Za-z0-9.:-]{1,253})/((?:@[A-Za-z0-9_.@-]{1,300}|users/[A-Za-z0-9_.-]{1,64}/statuses)/\d{1,20})"
     r"(?:/embed)?", "https://{}/{}", "Mastodon"),
)  # fmt: skip
_PATTERNS = [(re.compile(pattern + r"/?(?:[?&#]\S*)?", re.ASCII), form, name) for pattern, form, name in _POSTS]
_WIDGET = re.compile(r"\bdata-telegram-post\s*=\s*[\"']?([A-Za-z0-9_]{1,64}/\d{1,15})", re.IGNORECASE | re.ASCII)
_TAG = 500  # characters of a tag before that


def post_at(address: str) -> tuple[str, str]:
    """Return the plain address of the post that an address leads to, and its network; else two empty texts."""
    for pattern, form, name in _PATTERNS:
        if found := pattern.fullmatch(address):
            return form.format(*found.groups()), name
    return "", ""


def framed(markup: str) -> str:
    """Put a frame before each script that stands for a post of Telegram: a page is read without its scripts."""
    parts, last = list[str](), 0
    for found in islice(_WIDGET.finditer(markup), _MOST):
        tag = markup.rfind("<", max(last, found.start() - _TAG), found.start())
        if tag >= 0 and markup[tag : tag + 7].lower() == "<script" and ">" not in markup[tag : found.start()]:
            parts += (markup[last:tag], f'<iframe src="https://t.me/{found[1]}"></iframe>')
            last = tag
    return "".join((*parts, markup[last:]))


def quoted(facets: Iterable[Facet]) -> tuple[Facet, ...]:
    """Mark the link under a quoted post: the last one in a block quote, where it leads to a post."""
    marked = list(facets)
    links = sorted((facet.start, n) for n, facet in enumerate(marked) if facet.type == "link")
    for block in [facet for facet in marked if facet.type == "blockquote"]:
        before = bisect_left(links, (block.end,)) - 1
        link = marked[links[before][1]] if before >= 0 else block
        post, _ = post_at(link.href) if block.start <= link.start and link.end <= block.end else ("", "")
        if post:
            marked[links[before][1]] = msgspec.structs.replace(link, type="quote", href=post)
    return tuple(marked)


def cards(tree: LexborHTMLParser) -> Iterator[Attachment]:
    """Yield the posts that stand in a frame beside the article's text; ``tree`` holds no other text any more."""
    seen: set[str] = set()
    for frame in islice(tree.css("iframe[src], iframe[data-src]"), _MOST):
        address = frame.attributes.get("src") or frame.attributes.get("data-src") or ""
        post, network = post_at(f"https:{address}" if address.startswith("//") else address)
        if post and post not in seen and _stands_in_text(frame):
            seen.add(post)
            yield Attachment("card", post, name=f"A post on {network}")


def _stands_in_text(frame: LexborNode) -> bool:
    """A frame of the article has its text around it; one in a side column has none."""
    parent = frame.parent
    while (
        parent is not None and parent.tag in ("figure", "div", "p", "center") and not (parent.text() or "").strip()
    ):
        parent = parent.parent
    return parent is not None and parent.tag not in ("aside", "html") and bool((parent.text() or "").strip())
