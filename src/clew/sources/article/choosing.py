"""Which parts of a page are its article, and their text.

trafilatura (the extra ``articles``) only chooses the parts. The text itself is taken from the page by
``decode.html_text``, like every other HTML text, so that it is verbatim: no word, mark or space comes from the
chooser. What it chose and the page does not have is told by the label "omitted:text".
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from selectolax.lexbor import LexborHTMLParser, LexborNode

from clew.decode import html_text, where
from clew.errors import InputError, ParseError
from clew.model import Capture, Facet

_BREAKS = frozenset(
    "address article aside blockquote body dd div dl dt figure figcaption footer form h1 h2 h3 h4 h5 h6 header hr "
    "li main nav ol p pre section table tr td th ul caption br "  # the page's
    "head quote list item lb row cell graphic code".split()  # the chooser's
)
_UNSEEN = frozenset("script style template noscript head title iframe object svg math".split())


class _Run(msgspec.Struct):
    """Text of the page between two breaks, with the nodes it is made of."""

    key: str
    nodes: list[LexborNode]


class Chosen(msgspec.Struct):
    """What the chooser says of a page."""

    runs: list[str]
    """Keys of the runs of the article's text, in order."""
    images: list[str]
    title: str
    author: str
    site: str
    date: str


def extractor(subject: str) -> Callable[..., Any]:
    """Return the chooser.

    Raises:
        InputError: the extra ``articles`` is not installed; ``subject`` is what cannot be read.
    """
    try:
        from trafilatura import bare_extraction
    except ImportError as error:
        raise InputError("Articles cannot be read yet", subject, "Install Clew with its extra: articles") from error
    return bare_extraction


def choose(markup: str, capture: Capture) -> Chosen:
    """Return what the chooser takes for the article.

    Raises:
        InputError: it is not installed.
        ParseError: it finds none.
    """
    extract = extractor(where(capture))
    try:
        found: Any = extract(
            markup,
            url=capture.location or capture.url or None,
            include_comments=False,
            include_formatting=True,
            include_links=True,
            include_images=True,
            include_tables=True,
            with_metadata=True,
            date_extraction_params={"extensive_search": False, "original_date": True},
        )
    except Exception as error:  # whatever breaks in the chooser on hostile HTML must not leak
        raise ParseError("The page cannot be read as an article", where(capture), url=capture.url) from error
    if found is None or found.body is None:
        raise ParseError("No article was found in the page", where(capture), url=capture.url)
    return Chosen(
        runs=list(_chosen_runs(found.body)),
        images=[str(image.get("src") or "") for image in found.body.iter("graphic")],
        title=found.title or "",
        author=found.author or "",
        site=found.sitename or found.hostname or "",
        date=found.date or "",
    )


def _chosen_runs(body: Any) -> Iterator[str]:
    from lxml import etree

    words: list[str] = []
    for event, element in etree.iterwalk(body, events=("start", "end")):
        if element.tag in _BREAKS:
            yield from _key_of(words)
            words = []
        words.append((element.text if event == "start" else element.tail) or "")
    yield from _key_of(words)


def _key_of(words: list[str]) -> Iterator[str]:
    if key := _key("".join(words)):
        yield key


def _key(text: str) -> str:
    """Reduce text to what no clean-up changes: its letters and digits, else its signs."""
    folded = unicodedata.normalize("NFKC", text)
    return "".join(c for c in folded if c.isalnum()) or "".join(folded.split())


# --- text ----------------------------------------------------------------------------------------------------


def text(tree: LexborHTMLParser, chosen: Chosen) -> tuple[str, tuple[Facet, ...], bool]:
    """Return the article's text from the page itself, and whether something chosen was not found there.

    Nothing but that text is left in ``tree``.
    """
    runs = list(_runs(tree))
    kept, missed = _kept(runs, chosen)
    for run in (run for index, run in enumerate(runs) if index not in kept):
        for node in run.nodes:
            node.decompose()
    content, facets = html_text((tree.body.html if tree.body is not None else "") or "")
    return content, facets, missed


def _runs(tree: LexborHTMLParser) -> Iterator[_Run]:
    """Yield the runs of the page in order. A line break belongs to the run it ends."""
    words: list[str] = []
    nodes: list[LexborNode] = []
    stack: list[LexborNode | None] = [tree.body]  # None: a break, where a block ends
    while stack:
        node = stack.pop()
        tag = node.tag if node is not None else ""
        if node is not None and tag == "-text":
            words.append(node.text_content or "")
            nodes.append(node)
            continue
        if node is not None and (tag in _UNSEEN or (tag or "").startswith(("-", "!"))):
            continue
        if node is None or tag in _BREAKS:
            if node is not None and tag == "br":
                nodes.append(node)
            if nodes:
                yield _Run(_key("".join(words)), nodes)
            words, nodes = [], []
        if node is not None:
            stack.extend([None] if tag in _BREAKS else [])
            stack.extend(reversed(list(node.iter(include_text=True))))


def _kept(runs: list[_Run], chosen: Chosen) -> tuple[set[int], bool]:
    """Return the places of the chosen runs, and whether any has none.

    Each takes the first place after the last one taken, else (the chooser moved it) the first that was passed.
    """
    ahead: defaultdict[str, deque[int]] = defaultdict(deque)
    passed: defaultdict[str, deque[int]] = defaultdict(deque)
    for index, run in enumerate(runs):
        ahead[run.key].append(index)
    title = _key(chosen.title)
    kept: set[int] = set()
    last, missed = -1, False
    for key in (key for n, key in enumerate(chosen.runs) if n or key != title):  # the title is not said twice
        while ahead[key] and ahead[key][0] <= last:
            passed[key].append(ahead[key].popleft())
        places = ahead[key] or passed[key]
        missed = missed or not places
        if places:
            kept.add(places[0])
            last = max(last, places.popleft())
    return _with_repeats(runs, kept), missed


def _with_repeats(runs: list[_Run], kept: set[int]) -> set[int]:
    """Add what the chooser drops behind a kept run: the same words said again, and blank lines of line breaks."""
    more = set(kept)
    for index in range(1, len(runs)):
        if index - 1 in more and runs[index].key in ("", runs[index - 1].key):
            more.add(index)
    return more
