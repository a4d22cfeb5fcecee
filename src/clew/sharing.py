"""The picture that a link to a thread is shown with elsewhere: title, author and date on the colour of paper."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from unicodedata import bidirectional, combining, east_asian_width

from markupsafe import Markup

from clew import dates
from clew.citation import author
from clew.config import Site
from clew.errors import InputError
from clew.markup import legible
from clew.model import Page, Post
from clew.text import first_words, printable

WIDTH, HEIGHT = 1200, 630
_MARGIN, _SIZE, _LINES = 90, 62, 4  # pixels; pixels of the title's letters; lines of it
_NARROW = 0.54  # width of most letters, as a part of their size
_PAPER, _INK, _QUIET, _THREAD = "#faf8f3", "#1d2126", "#5b626b", "#9c3d2c"
_SVG = Markup(
    '<svg xmlns="http://www.w3.org/2000/svg" width="{w}" height="{h}" viewBox="0 0 {w} {h}">'
    '<rect width="{w}" height="{h}" fill="{paper}"/>'
    '<path d="M{m} 0V{h}" stroke="{thread}" stroke-width="4" transform="translate(-40 0)"/>'
    '<g font-family="Noto Serif, DejaVu Serif, serif">{text}</g></svg>'
)
_LINE = Markup('<text x="{}" y="{}" font-size="{}" fill="{}" text-anchor="{}">{}</text>')


def draws(site: Site) -> bool:
    """Say whether the site has such pictures.

    Raises:
        InputError: it should, and what draws them is not installed.
    """
    if site.share_images and find_spec("resvg_py") is None:
        raise InputError("Pictures for links need what draws them", "", "Install Clew with the extra images")
    return bool(site.share_images and site.base_url)


def png(site: Site, page: Page) -> bytes:
    """Return the picture of a thread, where ``draws``. Which letters it can show is up to the machine's fonts."""
    import resvg_py

    return bytes(resvg_py.svg_to_bytes(svg_string=svg(site, page)))


def svg(site: Site, page: Page) -> str:
    """Return the same as SVG."""
    who = author(page)
    handle = f" (@{who.handle})" if who.handle and who.handle != who.name else ""
    times = [item.published for item in page.thread.items if isinstance(item, Post) and item.published]
    when = dates.span(min(times), max(times)) if times else ""
    found = dates.count(page.thread.certificate.found, "post")
    lines = [_line(first_words(_shown(site.title), 60), 110, 28, _QUIET)]
    title = first_words(_shown(page.title), 200) or "Untitled thread"
    lines += [_line(part, 205 + number * _SIZE * 1.25, _SIZE, _INK) for number, part in enumerate(_wrapped(title))]
    lines.append(_line(first_words(f"{_shown(who.name)}{_shown(handle)}", 60), HEIGHT - 95, 32, _INK))
    lines.append(_line(" · ".join(filter(None, (when, found))), HEIGHT - 50, 28, _QUIET))
    return str(_SVG.format(w=WIDTH, h=HEIGHT, m=_MARGIN, paper=_PAPER, thread=_THREAD, text=Markup("").join(lines)))


def _line(text: str, y: float, size: int, colour: str) -> Markup:
    kinds = (bidirectional(char) for char in text)
    leftwards = next((kind for kind in kinds if kind in ("L", "R", "AL")), "L") != "L"
    x, anchor = (WIDTH - _MARGIN, "end") if leftwards else (_MARGIN, "start")
    return _LINE.format(x, round(y), size, colour, anchor, text)


def _shown(text: str) -> str:
    return legible(printable(text))


def _wrapped(title: str) -> list[str]:
    """Return the title in lines that fit, the last one cut where there are too many."""
    lines = list(_lines(title, (WIDTH - 2 * _MARGIN) / _SIZE))
    return lines if len(lines) <= _LINES else [*lines[: _LINES - 1], f"{lines[_LINES - 1].rstrip()[:-1]}…"]


def _lines(title: str, most: float) -> Iterator[str]:
    """Yield lines of at most so many sizes of a letter, broken at spaces, in a long word anywhere."""
    line, wide, space = "", 0.0, 0
    for char in title:
        if char == " ":
            space = len(line)
        line, wide = line + char, wide + _width(char)
        if wide > most:
            at = space or len(line) - 1
            yield line[:at].strip()
            line, space = line[at:].lstrip(), 0
            wide = sum(map(_width, line))
    yield line


def _width(char: str) -> float:
    if combining(char):
        return 0
    if east_asian_width(char) in "WF" or char in "MW@%":
        return 1
    return _NARROW * (1.3 if char.isupper() else 1)
