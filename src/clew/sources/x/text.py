"""X's text: three characters escaped, and ranges counted in the escaped text.

Both APIs and the archive write ``&``, ``<`` and ``>`` as ``&amp;``, ``&lt;`` and ``&gt;``, and count the places of
links, mentions and tags in code points of that escaped text (measured on 22,000 of them in answers of both APIs:
all fit, while UTF-16 units miss wherever an emoji comes first). A text that has one of the three bare was never
escaped, and is left as it is.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from functools import cache
from urllib.parse import quote, urlsplit

from clew.model import Facet
from clew.sources.x.shapes import Entities, Entity, Media, many, post_id
from clew.text import from_utf16

_ESCAPED = re.compile("&(amp|lt|gt);")
_BARE = re.compile("[<>]|&(?!(?:amp|lt|gt);)")
_PLAIN = {"amp": "&", "lt": "<", "gt": ">"}
STATUS_URL = re.compile(
    r"https?://(?:www\.|mobile\.)?(?:twitter|x)\.com/(?:i/web|i|[A-Za-z0-9_]{1,20})/status(?:es)?/([0-9]{1,19})(?=[/?#]|$)"
)
_MEDIA_URL = re.compile(r"/status(?:es)?/[0-9]+/(?:photo|video)/[0-9]+(?=[?#]|$)")
_MEDIA_LABELS = ("pic.twitter.com/", "pic.x.com/")


def decode(raw: str) -> tuple[str, Callable[[int], int]]:
    """Return the text as its author wrote it, and the function from a place in ``raw`` to a place in it."""
    if "&" not in raw or _BARE.search(raw):
        return raw, lambda place: place
    ends: list[int] = []
    shifts = [0]
    for match in _ESCAPED.finditer(raw):
        ends.append(match.end())
        shifts.append(shifts[-1] + len(match.group()) - 1)
    text = _ESCAPED.sub(lambda match: _PLAIN[match.group(1)], raw)
    return text, lambda place: place - shifts[bisect_right(ends, place)]


def safe(url: str | None) -> str:
    """Return a web address; "" for anything else, which no page may link to."""
    try:
        return url if url and urlsplit(url).scheme in ("http", "https") else ""
    except ValueError:
        return ""


def target(entity: Entity) -> str:
    """Return where a link leads, as far as X followed it."""
    return safe(entity.unwound_url) or safe(entity.expanded_url) or safe(entity.url)


def status_of(entity: Entity) -> str:
    """Return the number of the post that a link leads to; "" where it leads elsewhere."""
    match = STATUS_URL.match(entity.expanded_url or "")
    return match.group(1) if match else ""


def is_media(entity: Entity) -> bool:
    """Whether a link stands for the post's own photo or video."""
    if isinstance(entity, Media) or entity.media_key or (entity.display_url or "").startswith(_MEDIA_LABELS):
        return True
    return bool(_MEDIA_URL.search(entity.expanded_url or "") and status_of(entity))


def facets(raw: str, entities: Entities | None, quoted: str, attached: bool) -> tuple[Facet, ...]:
    """Return the marked ranges of a text, in its decoded form.

    ``quoted`` is the number of the quoted post. Links to media are links like others where nothing is ``attached``:
    else what they show would be lost.
    """
    _, shift = decode(raw)
    units = cache(lambda: from_utf16(raw))
    found: dict[Facet, None] = {}
    for entity, facet in _marks(entities or Entities(), quoted, attached):
        place = _placed(raw, entity, units)
        start, end = (shift(place[0]), shift(place[1])) if place else (0, 0)
        if start < end:
            found[Facet(start, end, facet.type, facet.href, facet.label)] = None
    return tuple(sorted(found, key=lambda f: (f.start, -f.end, f.type, f.href)))


def _marks(entities: Entities, quoted: str, attached: bool) -> Iterator[tuple[Entity, Facet]]:
    for link in (*many(entities.urls), *many(entities.media)):
        if attached and is_media(link):
            yield link, Facet(0, 0, "media")
        elif quoted and status_of(link) == quoted:
            yield link, Facet(0, 0, "quote", post_id(quoted))
        elif href := target(link):
            yield link, Facet(0, 0, "link", href, link.display_url or "")
    for mention in (*many(entities.mentions), *many(entities.user_mentions)):
        if name := mention.username or mention.screen_name:
            yield mention, Facet(0, 0, "mention", f"https://x.com/{quote(name)}")
    for tag in many(entities.hashtags):
        if word := tag.tag or tag.text:
            yield tag, Facet(0, 0, "tag", f"https://x.com/hashtag/{quote(word)}")
    for tag in (*many(entities.cashtags), *many(entities.symbols)):
        if word := tag.tag or tag.text:
            yield tag, Facet(0, 0, "tag", f"https://x.com/search?q=%24{quote(word)}")


def _placed(raw: str, entity: Entity, units: Callable[[], Callable[[int], int]]) -> tuple[int, int] | None:
    """Return where ``entity`` stands in ``raw``: as X counts, else in UTF-16 units, else nowhere."""
    if (place := entity.place) is None:
        return None
    if _fits(raw[slice(*place)], entity):
        return place
    place = units()(place[0]), units()(place[1])
    return place if _fits(raw[slice(*place)], entity) else None


def _fits(part: str, entity: Entity) -> bool:
    if entity.url:
        return part == entity.url
    name = entity.username or entity.screen_name
    word = name or entity.tag or entity.text or ""
    return part[:1] in ("@＠" if name else "#＃$") and part[1:].casefold() == word.casefold()
