"""The pure, versioned decoders: bytes -> JSON values, HTML -> text with facets; and their inverse, redaction.

What Clew shows as said is a span of what these functions return. Change what one returns and ``VERSION`` goes up:
``clew rebuild`` then derives everything again.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import msgspec
from selectolax.lexbor import LexborHTMLParser, LexborNode

from clew.errors import ParseError
from clew.model import Capture, Facet, FacetType

VERSION = 1
REDACTED = "[removed at the author's request]"
"""Stands where an author's text stood in a capture."""

T = TypeVar("T")
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def plain(capture: Capture) -> str:
    """Return the body as text: by its byte order mark, else UTF-8.

    Raises:
        ParseError: the bytes are not in that encoding.
    """
    try:
        return capture.body.decode(encoding(capture.body))
    except UnicodeDecodeError as error:
        raise ParseError(
            "This is not text in UTF-8",
            where(capture),
            "Save it again as UTF-8",
            url=capture.url,
            at=f"byte {error.start}",
        ) from error


def encoding(body: bytes) -> str:
    """Return the encoding that a byte order mark names, else UTF-8."""
    return next((name for bom, name in _BOMS if body.startswith(bom)), "utf-8")


def load(capture: Capture, type_: type[T] | Any = Any) -> T:
    """Decode a JSON body into ``type_`` (a msgspec struct, or plain values).

    Raises:
        ParseError: broken, too deeply nested, or of another shape.
    """
    body = capture.body.removeprefix(codecs.BOM_UTF8)
    try:
        value: T = msgspec.json.decode(body, type=type_)
    except RecursionError as error:
        raise ParseError("The JSON is nested too deeply", where(capture), url=capture.url) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ParseError(
            f"The JSON cannot be read ({error})", where(capture), "Is the file cut off?", url=capture.url
        ) from error
    return value


def where(capture: Capture) -> str:
    """Name a capture in a sentence."""
    return capture.member or capture.url or f"capture {capture.sha256[:12]}"


def walk(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every JSON object inside ``value``, parents before children, without recursion."""
    stack = [value]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            yield node
            stack.extend(reversed(node.values()))
        elif isinstance(node, list):
            stack.extend(reversed(node))


def redact(body: bytes, owned: Callable[[dict[str, Any]], bool], keep: frozenset[str]) -> bytes:
    """Remove an author's text from a JSON body: in every object that is ``owned`` only the keys in ``keep`` stay.

    Objects and lists below a kept key are left as they are; the marker is put under ``"clew:redacted"``.
    """
    value = msgspec.json.decode(body)
    for node in walk(value):
        if owned(node):
            for key in [k for k in node if k not in keep]:
                del node[key]
            node["clew:redacted"] = REDACTED
    return msgspec.json.encode(value)


# --- HTML ----------------------------------------------------------------------------------------------------

_BLOCKS = frozenset(
    "address article aside blockquote body caption center dd details dialog div dl dt fieldset figure figcaption "
    "footer form h1 h2 h3 h4 h5 h6 header hgroup hr legend li main menu nav ol optgroup option p pre search "
    "section summary table tr ul".split()
)
_CELLS = frozenset(["td", "th"])
_SPACED = frozenset("p blockquote pre h1 h2 h3 h4 h5 h6 ul ol figure".split())
_SKIPPED = frozenset("script style template noscript head title iframe object svg math".split())
_WHITE = " \t\n\r\f"  # what HTML folds; a no-break space is text
_SPACE = re.compile(r"\s*")
_NEWLINES = re.compile(r"\n*")
_FOLD = str.maketrans(_WHITE, " " * len(_WHITE))
_INLINE: dict[str, FacetType] = {
    "strong": "strong", "b": "strong", "em": "emphasis", "i": "emphasis", "u": "underline", "ins": "underline",
    "s": "strike", "del": "strike", "strike": "strike", "code": "code", "tg-spoiler": "spoiler",
    "pre": "pre", "blockquote": "blockquote", "li": "item",
    "h1": "heading", "h2": "heading", "h3": "heading", "h4": "heading", "h5": "heading", "h6": "heading",
}  # fmt: skip


_SCRIPT = re.compile(r"<(?:(!--)|script(?=[\s/>]))", re.IGNORECASE | re.ASCII)
_END_OF_COMMENT = re.compile(r"--!?>")
_END_OF_SCRIPT = re.compile(r"</script", re.IGNORECASE)
_TAG = re.compile(r"<(/?)([a-z][^\s/>]*)", re.IGNORECASE | re.ASCII)
_CLOSED_BY_NEXT = frozenset(
    "area base br col embed hr img input link meta param source track wbr html head body "
    "p li dt dd option optgroup tr td th thead tbody tfoot caption colgroup rt rp".split()
)
_FORMATTING = frozenset("a b big code em font i nobr s small strike strong tt u".split())
_MOST_WORK = 20_000_000  # a page of 1 MB needs about 1,000,000
_MOST_COPIES = 1_000_000


def html_tree(markup: str) -> LexborHTMLParser:
    """Parse HTML that may be hostile, its scripts left out: the parser's work grows with the square of the depth.

    Raises:
        ParseError: nested too deeply, or too many marks are never closed.
    """
    kept = _without_scripts(markup)
    if _explodes(kept):
        raise ParseError("The HTML is nested too deeply")
    return LexborHTMLParser(kept)


def _without_scripts(markup: str) -> str:
    parts: list[str] = []
    start = resume = 0
    for found in _SCRIPT.finditer(markup):
        if found.start() < resume:
            continue
        end = _END_OF_COMMENT if found[1] else _END_OF_SCRIPT
        closing = end.search(markup, found.start() + 2)
        resume = markup.find(">", closing.end() - 1) + 1 if closing else 0
        if not resume:
            break  # nothing after it can be told apart: it stays, and is counted as markup
        if not found[1]:
            parts.append(markup[start : found.start()])
            start = resume
    return "".join((*parts, markup[start:]))


def _explodes(markup: str) -> bool:
    """Each tag costs as much as elements are open; an unclosed <b> is copied into every later paragraph."""
    counts: dict[str, int] = {}
    depth = formatting = work = copies = 0
    for found in _TAG.finditer(markup):
        name = found[2].lower()
        if name not in _CLOSED_BY_NEXT:
            step = 1 if not found[1] else -1 if counts.get(name) else 0
            counts[name] = counts.get(name, 0) + step
            depth, formatting = depth + step, formatting + (step if name in _FORMATTING else 0)
        work, copies = work + depth, copies + formatting
        if work > _MOST_WORK or copies > _MOST_COPIES:
            return True
    return False


def html_text(markup: str) -> tuple[str, tuple[Facet, ...]]:
    """Return the text a reader of ``markup`` sees, and its links and marks as facets.

    Paragraphs are parted by a blank line, ``<br>`` is a newline, runs of white space fold as a browser folds them
    (not in ``<pre>``). Nothing is invented: list bullets, quotation marks of ``<q>`` and the like are not text.
    """
    root = html_tree(markup).body
    return _Text().read(root) if root is not None else ("", ())


class _Text:
    """One pass over a tree, without recursion, that writes text and opens and closes facets."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.length = 0
        self.breaks = 0  # newlines owed before the next text
        self.space = False  # one folded space owed before the next text
        self.facets: list[Facet] = []

    def read(self, root: LexborNode) -> tuple[str, tuple[Facet, ...]]:
        # An entry is a node to open, or the pair (node, where its facet starts) to close.
        stack: list[tuple[LexborNode, int | None, bool]] = [(root, None, False)]
        while stack:
            node, start, pre = stack.pop()
            if start is not None:
                self.close(node, start)
            elif node.tag == "-text":
                self.write(node.text_content or "", pre)
            elif node.tag == "br":
                self.breaks, self.space = self.breaks + 1, False
            elif node.tag not in _SKIPPED and not (node.tag or "").startswith(("-", "!")):
                self.open(node, stack, pre or node.tag == "pre")
        text = "".join(self.parts)
        facets = (_trimmed(f, text) for f in self.facets)
        return text, tuple(sorted((f for f in facets if f.start < f.end), key=lambda f: (f.start, -f.end, f.type)))

    def open(self, node: LexborNode, stack: list[tuple[LexborNode, int | None, bool]], pre: bool) -> None:
        self.part(node)
        # The facet starts where the next text will be written, after the breaks and the space that are owed.
        owed = self.breaks if self.length else 0
        stack.append((node, self.length + (owed or (1 if self.space else 0)), pre))
        children = list(node.iter(include_text=True))
        stack.extend((child, None, pre) for child in reversed(children))

    def close(self, node: LexborNode, start: int) -> None:
        tag = node.tag or ""
        if tag == "a" and (href := node.attributes.get("href")):
            self.facets.append(Facet(start, self.length, "link", href=href))
        elif "spoiler" in (node.attributes.get("class") or "").split():
            self.facets.append(Facet(start, self.length, "spoiler"))
        elif tag in _INLINE:
            self.facets.append(Facet(start, self.length, _INLINE[tag]))
        self.part(node)

    def part(self, node: LexborNode) -> None:
        if node.tag in _BLOCKS:
            self.breaks, self.space = max(self.breaks, 2 if node.tag in _SPACED else 1), False
        elif node.tag in _CELLS:
            self.space = self.length > 0 and not self.breaks

    def write(self, text: str, pre: bool) -> None:
        words = text if pre else " ".join(part for part in text.translate(_FOLD).split(" ") if part)
        if not words:
            self.space = self.space or (bool(text) and not self.breaks and self.length > 0)
            return
        if not pre:
            self.space = (self.space or text[0] in _WHITE) and not self.breaks
        if self.length:
            self.put("\n" * self.breaks or " " * self.space)
        self.put(words)
        self.breaks, self.space = 0, not pre and text[-1] in _WHITE

    def put(self, text: str) -> None:
        self.parts.append(text)
        self.length += len(text)


def _trimmed(facet: Facet, text: str) -> Facet:
    owed = _NEWLINES if facet.type == "pre" else _SPACE  # other white space at the start of a <pre> is text
    found = owed.match(text, facet.start, facet.end)
    return msgspec.structs.replace(facet, start=found.end() if found else facet.start)
