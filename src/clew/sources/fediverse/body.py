"""A fediverse post's HTML as text, and its links by what they are: mention, tag, quote, custom emoji."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise

import msgspec

from clew.decode import html_text
from clew.model import Facet, FacetType

_NOBOT = re.compile(r"#nobots?\b", re.IGNORECASE)
_RE = "RE: "


class Names(msgspec.Struct):
    """What a post says its links are. Names are folded, without @, # and instance."""

    mention_hrefs: set[str] = msgspec.field(default_factory=set)
    mentions: set[str] = msgspec.field(default_factory=set)
    tag_hrefs: set[str] = msgspec.field(default_factory=set)
    tags: set[str] = msgspec.field(default_factory=set)
    emojis: dict[str, str] = msgspec.field(default_factory=dict)
    """Shortcode without colons -> image address."""

    def mention(self, href: str, name: str) -> None:
        """Note a mention; ``name`` may be "@ada", "ada" or "ada@alice.example"."""
        self.mention_hrefs.add(href)
        self.mentions.add(_folded(name.removeprefix("@").partition("@")[0]))

    def tag(self, href: str, name: str) -> None:
        """Note a hashtag; ``name`` may have its #."""
        self.tag_hrefs.add(href)
        self.tags.add(_folded(name.removeprefix("#")))


def body(markup: str, names: Names, quoted: str = "") -> tuple[str, tuple[Facet, ...]]:
    """Return the text of ``markup`` and its facets. ``quoted`` is the id of the post it quotes, if any."""
    text, links = html_text(markup)
    inline = bool(quoted) and "quote-inline" in markup
    facets = [_retyped(facet, text, names, quoted, inline) for facet in links]
    facets.extend(_emojis(text, names.emojis))
    return text, tuple(sorted(facets, key=lambda f: (f.start, -f.end, f.type)))


def _retyped(facet: Facet, text: str, names: Names, quoted: str, inline: bool) -> Facet:
    if facet.type != "link":
        return facet
    start = facet.start
    before = text[max(0, start - len(_RE) - 1) : start]
    if inline and before.removeprefix("\n") == _RE:
        # The line that servers write for readers who cannot show quotes: all of it stands for the quote.
        return Facet(start - len(_RE), facet.end, "quote", href=facet.href)
    return msgspec.structs.replace(facet, type=_type(facet.href, text[start : facet.end], names, quoted))


def _type(href: str, shown: str, names: Names, quoted: str) -> FacetType:
    if quoted and href == quoted:
        return "quote"
    # A remote tag links to its own instance, not to the one that answered: the name decides too.
    if shown.startswith("#") and (href in names.tag_hrefs or _folded(shown[1:]) in names.tags):
        return "tag"
    if shown.startswith("@") and (
        href in names.mention_hrefs or _folded(shown[1:].partition("@")[0]) in names.mentions
    ):
        return "mention"
    return "link"


def _folded(name: str) -> str:
    """Return a name for comparison only, without case and marks: servers list #Été as "ete"."""
    return "".join(c for c in unicodedata.normalize("NFKD", name.lower()) if not unicodedata.combining(c))


def _emojis(text: str, emojis: dict[str, str]) -> Iterator[Facet]:
    end = 0
    colons = (match.start() for match in re.finditer(":", text)) if emojis else ()
    for left, right in pairwise(colons):
        href = emojis.get(text[left + 1 : right])
        if href is not None and left >= end:
            end = right + 1
            yield Facet(left, end, "emoji", href=href)


def inline_quote(facets: tuple[Facet, ...]) -> str:
    """Return the address that the text gives for the quoted post, or ""."""
    return next((facet.href for facet in facets if facet.type == "quote"), "")


def refuses_bots(*markup: str) -> bool:
    """Does a profile's text say #nobot?"""
    return any(_NOBOT.search(html_text(part)[0]) for part in markup if "#" in part)


def when(value: object) -> datetime | None:
    """Read an ISO 8601 time as aware UTC; None where it is not one. Without a zone it is UTC."""
    if not isinstance(value, str):
        return None
    try:
        time = datetime.fromisoformat(value)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def size(value: object) -> int | None:
    """Return a positive number of pixels, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1_000_000:
        return None
    return int(value)
