"""Markdown (CommonMark): every character of the text is escaped, so that only our own marks are marks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import quote

from clew.model import Block, Document, Facet, Page
from clew.outline import Piece, facts, links, one_line, outline
from clew.plugins import Exporter
from clew.text import printable

_SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#|~&!])")
_INDENT = re.compile(r"(?<=\n)[ \t]+")  # four spaces would make code
_LINE_START = re.compile(r"^(?:([-+=])|(\d+)([.)]))", re.MULTILINE)  # what makes a list or a rule
_ADDRESS = re.compile(r"https?://[^\s<>]+")
_FENCE = re.compile(r"`{3,}")
_AMISS = re.compile(r"[\\()`\x00-\x20\x7f-\xa0\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


class Markdown:
    """CommonMark with a link for each link of a post."""

    name = "markdown"
    media_type = "text/markdown; charset=utf-8"
    suffix = ".md"

    def export(self, page: Page) -> bytes:
        """Return the page."""
        shown = links(page)
        head = "\n".join(f"**{label}:** {_fact(value)}  " for label, value in facts(page))
        body = (_written(piece, page.document, shown) for piece in outline(page))
        parts = [f"# {_escape(one_line(page.title))}", head, *body]
        return ("\n\n".join(parts) + "\n").encode("utf-8", "replace")


def _escape(text: str) -> str:
    escaped = _SPECIAL.sub(r"\\\1", _INDENT.sub("", printable(text)).replace("\t", " "))
    return _LINE_START.sub(_unlisted, escaped)


def _unlisted(match: re.Match[str]) -> str:
    sign, number, point = match.groups()
    return f"\\{sign}" if sign else f"{number}\\{point}"


def _fact(value: str) -> str:
    return _address(value) or _escape(value)


def _address(href: str) -> str:
    """Return a link that shows its own address; empty where ``href`` is not one of a web page."""
    return f"<{_target(href)}>" if _ADDRESS.fullmatch(href) else ""


def _target(href: str) -> str:
    return _AMISS.sub(lambda match: quote(match[0], safe="", errors="replace"), href)


def _written(piece: Piece, document: Document, shown: dict[int, list[Facet]]) -> str:
    if piece.kind == "block" and piece.block is not None:
        return _block(piece.block, document, shown.get(piece.block.start, ()))
    if piece.kind == "quote":
        return f"*{_escape(one_line(piece.href))}*\n\n" + _quoted(_lines(_escape(piece.text.lstrip())))
    if piece.kind == "heading":
        return f"## {_escape(piece.text)}"
    label = "Content warning: " if piece.kind == "warning" else ""
    where = f" ({address})" if (address := _address(piece.href)) else ""
    return f"*\\[{label}{_escape(one_line(piece.text))}{where}\\]*"


def _block(block: Block, document: Document, facets: Sequence[Facet]) -> str:
    if block.type == "pre":
        return _fenced(printable(document.text[block.start : block.end]))
    text = _lines(_linked(block, document, facets))
    if block.type == "blockquote":
        return _quoted(text)
    if block.type == "heading":
        return "### " + " ".join(text.split())
    if block.type == "item":
        return "- " + text.replace("\n", "\n  ")
    return text


def _fenced(text: str) -> str:
    fence = "`" * (max((len(run) for run in _FENCE.findall(text)), default=2) + 1)
    return f"{fence}\n{text}\n{fence}"


def _linked(block: Block, document: Document, facets: Sequence[Facet]) -> str:
    """Return the block's text with its links."""
    at, parts = block.start, []
    for facet in facets:
        if facet.start < at or not _ADDRESS.fullmatch(facet.href):
            continue
        shown = facet.label or document.text[facet.start : facet.end]
        target = _target(facet.href).replace("&", "&amp;")
        parts += [_escape(document.text[at : facet.start]), f"[{_escape(shown)}](<{target}>)"]
        at = facet.end
    return "".join([*parts, _escape(document.text[at : block.end])])


def _lines(text: str) -> str:
    """Keep the author's line breaks."""
    return re.sub(r"(?<! ) *\n", "  \n", text)


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}" for line in text.split("\n"))


EXPORTER: Exporter = Markdown()
