"""Markdown (CommonMark): every character of the text is escaped, so that only our own marks are marks."""

from __future__ import annotations

import re

from clew.model import Block, Page, Post
from clew.outline import Piece, facets_in, facts, one_line, outline
from clew.plugins import Exporter
from clew.text import printable

_SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#|~&])")
_LINE_START = re.compile(r"^(\s*)(?:([-+=])|(\d+)([.)]))", re.MULTILINE)  # what makes a list or a rule


class Markdown:
    """CommonMark with a link for each link of a post."""

    name = "markdown"
    media_type = "text/markdown; charset=utf-8"
    suffix = ".md"

    def export(self, page: Page) -> bytes:
        """Return the page."""
        posts = {item.id: item for item in _posts(page)}
        head = [f"# {_escape(one_line(page.title))}", *(f"**{k}:** {_fact(v)}  " for k, v in facts(page))]
        body = (_written(piece, page, posts) for piece in outline(page))
        return ("\n\n".join([head[0], "\n".join(head[1:]), *body]) + "\n").encode("utf-8", "replace")


def _posts(page: Page) -> list[Post]:
    runs = (run.items for run in (*page.thread.branches, *page.thread.asides))
    items = [*page.thread.items, *(item for run in runs for item in run)]
    return [item for item in items if isinstance(item, Post)]


def _escape(text: str) -> str:
    escaped = _SPECIAL.sub(r"\\\1", printable(text))
    return _LINE_START.sub(_unlisted, escaped).replace("\t", " ")


def _unlisted(match: re.Match[str]) -> str:
    space, sign, number, point = match.groups()
    return f"{space}\\{sign}" if sign else f"{space}{number}\\{point}"


def _fact(value: str) -> str:
    return f"<{value}>" if _is_address(value) else _escape(value)


def _is_address(value: str) -> bool:
    return bool(re.fullmatch(r"https?://[^\s<>]+", value))


def _written(piece: Piece, page: Page, posts: dict[str, Post]) -> str:
    if piece.kind == "block" and piece.block is not None:
        return _block(piece.block, page, posts)
    if piece.kind == "quote":
        return f"*{_escape(one_line(piece.href))}*\n\n" + _quoted(_lines(_escape(piece.text)))
    if piece.kind == "heading":
        return f"## {_escape(piece.text)}"
    label = "Content warning: " if piece.kind == "warning" else ""
    where = f" (<{piece.href}>)" if _is_address(piece.href) else ""
    return f"*\\[{label}{_escape(one_line(piece.text))}{where}\\]*"


def _block(block: Block, page: Page, posts: dict[str, Post]) -> str:
    text = _lines(_linked(block, page, posts))
    if block.type == "blockquote":
        return _quoted(text)
    if block.type == "heading":
        return "### " + " ".join(text.split())
    if block.type == "item":
        return "- " + text.replace("\n", "\n  ")
    return text


def _linked(block: Block, page: Page, posts: dict[str, Post]) -> str:
    """Return the block's text with its links; a link inside another is text."""
    document, at, parts = page.document, block.start, []
    found = (f for source in block.sources if source in posts for f in facets_in(document, block, posts[source]))
    for facet in sorted(found, key=lambda facet: (facet.start, -facet.end)):
        if facet.start < at or not _is_address(facet.href):
            continue
        shown = _escape(facet.label or document.text[facet.start : facet.end])
        target = facet.href.replace("(", "%28").replace(")", "%29")
        parts += [_escape(document.text[at : facet.start]), f"[{shown}](<{target}>)"]
        at = facet.end
    return "".join([*parts, _escape(document.text[at : block.end])])


def _lines(text: str) -> str:
    """Keep the author's line breaks."""
    return re.sub(r" *\n", "  \n", text)


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}" for line in text.split("\n"))


EXPORTER: Exporter = Markdown()
