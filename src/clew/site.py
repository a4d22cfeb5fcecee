"""The site: which addresses there are, what stands at each, and the same as a folder of files.

``serve`` and ``build`` both ask ``render``, so they give the same bytes. Private threads have no address; unlisted
ones have one, but no list names them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from importlib.resources import files
from itertools import count
from math import ceil
from pathlib import Path
from typing import NamedTuple

import msgspec

from clew import config, discovery, feeds, flow, pages, sharing
from clew.errors import InputError, StoreError
from clew.keeping import Forgotten
from clew.layout import MEDIA_TYPES, person
from clew.model import Page, Post, Thread
from clew.plugins import carries_captures, exporters
from clew.search import Query
from clew.store import Entry, Reads, Store
from clew.text import first_words, printable
from clew.text import key as key_of
from clew.thread import every_item

PER_PAGE = 50
PER_FEED = 20  # threads, each with its text
_PER_SITEMAP = 10_000
_PLAIN = config.Site()
MANIFEST = ".clew-build.json"
_STATIC = {"style.css": "text/css; charset=utf-8", "mark.svg": "image/svg+xml"}
_HTML = "text/html; charset=utf-8"
_K, _N = r"([a-z2-7]{12})", r"([2-9]|[1-9][0-9]{1,8})"  # a key; the number of a page after the first


class Answer(NamedTuple):
    """What stands at an address. ``location`` is where to go instead, relative to the address."""

    status: int
    media_type: str
    body: bytes
    location: str = ""


def render(store: Reads, site: config.Site, path: str) -> Answer:
    """Return what stands at ``path`` ("/t/…/"): a page, a file, a redirect, or the page that says there is nothing.

    Raises:
        StoreError: the store cannot be read.
    """
    for pattern, show in _ROUTES:
        if match := re.fullmatch(pattern, path):
            try:
                return show(store, site, *match.groups())
            except StoreError as error:
                if error.__cause__ is not None:  # the database failed; nothing is known about the address
                    raise
                return failure(site, 404, str(error), path)
        if re.fullmatch(pattern, path + "/"):
            return Answer(308, _HTML, b"", path.rpartition("/")[2] + "/")
    sentence = f"There is no page here: {first_words(printable(path), 120)}. The contents list what there is."
    return failure(site, 404, sentence, path)


def failure(site: config.Site, status: int, sentence: str, path: str) -> Answer:
    """Return the page for what did not work at ``path``."""
    depth = min(path.count("/") - 1, 50)
    return Answer(status, _HTML, pages.error(site, status, sentence, "../" * depth or "./"))


# --- what stands at each address -----------------------------------------------------------------------------


def _home(store: Reads, site: config.Site, number: str = "1") -> Answer:
    page, last = int(number), _pages(store.count())
    entries = store.latest(PER_PAGE, (page - 1) * PER_PAGE)
    if page > last:
        raise StoreError("There is no such page of the contents", number)
    return Answer(200, _HTML, pages.home(site, entries, page, last))


def _author(store: Reads, site: config.Site, key: str, number: str = "1") -> Answer:
    accounts = store.accounts(key)
    authors = [actor.id for actor in accounts]
    page, last = int(number), _pages(store.count(authors))
    if page > last:
        raise StoreError("There is no such page", f"/a/{key}/")
    entries = store.latest(PER_PAGE, (page - 1) * PER_PAGE, authors)
    return Answer(200, _HTML, pages.author(site, accounts[0], entries, page, last, accounts[1:]))


def _pages(entries: int, each: int = PER_PAGE) -> int:
    return max(1, ceil(entries / each))


def _about(_: Reads, site: config.Site) -> Answer:
    return Answer(200, _HTML, pages.about(site))


def _static(_: Reads, __: config.Site, name: str) -> Answer:
    body = files("clew").joinpath("static", name).read_bytes()
    return Answer(200, _STATIC[name], body)


def _thread(store: Reads, site: config.Site, key: str) -> Answer:
    def show(page: Page, entry: Entry) -> tuple[str, bytes]:
        listed = entry.visibility == "listed"
        return _HTML, pages.thread(site, page, key, *store.neighbours(entry), listed=listed)

    return _of_thread(store, site, key, "", show)


def _posted(store: Reads, site: config.Site, key: str) -> Answer:
    return _of_thread(store, site, key, "posted/", lambda page, _: (_HTML, pages.posted(site, page, key)))


def _file(store: Reads, site: config.Site, key: str, suffix: str) -> Answer:
    exporter = next((e for e in exporters() if e.suffix == suffix), None)
    if exporter is None:
        raise StoreError("There is no such format", suffix)

    def show(page: Page, _: Entry) -> tuple[str, bytes]:
        return exporter.media_type, exporter.export(page)

    return _of_thread(store, site, key, f"thread{suffix}", show, carrying=carries_captures(exporter))


def _of_thread(
    store: Reads,
    site: config.Site,
    key: str,
    rest: str,
    show: Callable[[Page, Entry], tuple[str, bytes]],
    *,
    carrying: bool = False,
) -> Answer:
    entry = store.shown(key)
    if entry.key != key:  # it was kept under another head before
        up = "../" * (1 + rest.count("/"))
        return Answer(308, _HTML, b"", f"{up}{entry.key}/{rest}")
    address = f"{site.base_url}/t/{key}/" if site.base_url else ""
    captures = store.captures(key) if carrying else ()
    return Answer(200, *show(flow.page(store.thread(key), address, captures), entry))


# --- feeds, and what machines that follow links ask for ---


def _latest_feed(store: Reads, site: config.Site, number: str = "1") -> Answer:
    return _feed(store, site, "", site.title, None, number)


def _author_feed(store: Reads, site: config.Site, key: str, number: str = "1") -> Answer:
    accounts = store.accounts(key)
    title = f"{person(accounts[0]).name} · {site.title}"
    return _feed(store, site, f"a/{key}/", title, [actor.id for actor in accounts], number)


def _feed(
    store: Reads, site: config.Site, folder: str, title: str, authors: list[str] | None, number: str
) -> Answer:
    page, last = int(number), _pages(store.count(authors), PER_FEED)
    if page > last:
        raise StoreError("There is no such page of the feed", number)
    feed = feeds.feed(folder, title, page, last)
    entries = store.latest(PER_FEED, (page - 1) * PER_FEED, authors)
    kept = [feeds.Kept(e.key, e.saved, e.changed, flow.page(store.thread(e.key))) for e in entries]
    return Answer(200, feeds.MEDIA_TYPE, feeds.threads(site, feed, kept))


def _thread_feed(store: Reads, site: config.Site, key: str, number: str = "1") -> Answer:
    def show(page: Page, entry: Entry) -> tuple[str, bytes]:
        last = _pages(feeds.count(page.thread))
        if int(number) > last:
            raise StoreError("There is no such page of the feed", number)
        kept = feeds.Kept(key, entry.saved, entry.changed, page)
        feed = feeds.feed(f"t/{key}/", page.title, int(number), last)
        return feeds.MEDIA_TYPE, feeds.posts(site, feed, kept, int(number), PER_PAGE)

    rest = "feed.atom" if number == "1" else f"page/{number}/feed.atom"
    return _of_thread(store, site, key, rest, show)


def search_feed(store: Reads, site: config.Site, asked: str, query: Query, before: int | None = None) -> Answer:
    """Return the feed of what a search finds; ``before`` as for ``store.search``."""
    results = store.search(query, PER_FEED, before)
    feed = feeds.asked(asked, f"{asked} · {site.title}", before, results.before)
    hits = (
        feeds.Hits(e.key, e.title, e.actor, e.updated or e.changed, e.published,
                   [(hit.anchor, hit.snippet, hit.warning) for hit in found.hits])
        for found in results.found for e in [found.entry]
    )  # fmt: skip
    return Answer(200, feeds.MEDIA_TYPE, feeds.found(site, feed, hits))


def _oembed(store: Reads, site: config.Site, key: str) -> Answer:
    def show(page: Page, _: Entry) -> tuple[str, bytes]:
        return "application/json", msgspec.json.encode(discovery.oembed(site, page))

    return _of_thread(store, site, key, "oembed.json", show)


def _picture(store: Reads, site: config.Site, key: str) -> Answer:
    if not sharing.draws(site):
        raise StoreError("This site has no pictures for links")
    return _of_thread(store, site, key, "card.png", lambda page, _: ("image/png", sharing.png(site, page)))


def _robots(_: Reads, site: config.Site) -> Answer:
    _open_to_search(site)
    return Answer(200, "text/plain; charset=utf-8", f"Sitemap: {site.base_url}/sitemap.xml\n".encode())


def _sitemap(store: Reads, site: config.Site, number: str = "") -> Answer:
    _open_to_search(site)
    parts = _pages(store.count(), _PER_SITEMAP)
    if not number:
        listed = (f"{site.base_url}/sitemap-{part}.xml" for part in range(1, parts + 1))
        return Answer(200, discovery.XML, discovery.sitemap_index(listed))
    if int(number) > parts:
        raise StoreError("There is no such part of the sitemap", number)
    entries = store.latest(_PER_SITEMAP, (int(number) - 1) * _PER_SITEMAP)
    return Answer(
        200,
        discovery.XML,
        discovery.sitemap((f"{site.base_url}/t/{entry.key}/", entry.changed) for entry in entries),
    )


def _open_to_search(site: config.Site) -> None:
    if not is_open_to_search(site):
        raise StoreError("This site has nothing for search engines")


def is_open_to_search(site: config.Site) -> bool:
    """Say whether search engines are told what there is."""
    return bool(site.indexing and site.base_url)


def _media(store: Reads, _: config.Site, sha256: str, extension: str) -> Answer:
    capture = store.capture(sha256)
    media_type = capture.media_type.partition(";")[0].strip().lower()
    shown = f"/media/{sha256}.{extension}"
    if not capture.body or MEDIA_TYPES.get(media_type) != extension or not _shows(store, sha256, shown):
        raise StoreError("There is no such picture or recording", sha256)
    return Answer(200, media_type, capture.body)


def _shows(store: Reads, sha256: str, path: str) -> bool:
    """Say whether a thread that has this picture still shows it: not one whose post is gone, nor a hidden one."""
    keys = (key for key in store.using(sha256) if store.entry(key).visibility != "private")
    return any(path in _media_of(store.thread(key)) for key in keys)


_ROUTES: tuple[tuple[str, Callable[..., Answer]], ...] = (
    (r"/", _home),
    (rf"/page/{_N}/", _home),
    (rf"/t/{_K}/", _thread),
    (rf"/t/{_K}/posted/", _posted),
    (rf"/t/{_K}/thread(\.[a-z0-9.]+)", _file),
    (rf"/a/{_K}/", _author),
    (rf"/a/{_K}/page/{_N}/", _author),
    (r"/feed\.atom", _latest_feed),
    (rf"/page/{_N}/feed\.atom", _latest_feed),
    (rf"/a/{_K}/feed\.atom", _author_feed),
    (rf"/a/{_K}/page/{_N}/feed\.atom", _author_feed),
    (rf"/t/{_K}/feed\.atom", _thread_feed),
    (rf"/t/{_K}/page/{_N}/feed\.atom", _thread_feed),
    (rf"/t/{_K}/oembed\.json", _oembed),
    (rf"/t/{_K}/card\.png", _picture),
    (r"/robots\.txt", _robots),
    (r"/sitemap\.xml", _sitemap),
    (r"/sitemap-([1-9][0-9]{0,4})\.xml", _sitemap),
    (r"/about/", _about),
    (rf"/static/({'|'.join(map(re.escape, _STATIC))})", _static),
    (r"/media/([0-9a-f]{64})\.([a-z0-9]+)", _media),
)


# --- every address -------------------------------------------------------------------------------------------


def paths(store: Reads, site: config.Site = _PLAIN) -> Iterator[str]:
    """Yield every address that ``render`` answers with a page or a file, each once."""
    yield from ("/", "/about/", *(f"/static/{name}" for name in _STATIC))
    yield from _turned("/", "", _pages(store.count()))
    yield from ("/feed.atom", *_turned("/", "feed.atom", _pages(store.count(), PER_FEED)))
    authors: set[str] = set()
    media: set[str] = set()
    for entry in _entries(store):
        if entry.visibility != "private":
            authors.add(key_of(entry.actor.id))
            thread = store.thread(entry.key)
            media.update(_media_of(thread))
            yield from _paths_of(entry.key, thread)
            yield from [f"/t/{entry.key}/card.png"] if sharing.draws(site) else ()
    for author in sorted(authors):
        threads = store.count([actor.id for actor in store.accounts(author)])
        yield from (f"/a/{author}/", *_turned(f"/a/{author}/", "", _pages(threads)))
        yield f"/a/{author}/feed.atom"
        yield from _turned(f"/a/{author}/", "feed.atom", _pages(threads, PER_FEED))
    yield from sorted(media)
    if is_open_to_search(site):
        parts = _pages(store.count(), _PER_SITEMAP)
        yield from ("/robots.txt", "/sitemap.xml", *(f"/sitemap-{part}.xml" for part in range(1, parts + 1)))


def _turned(folder: str, file: str, last: int) -> Iterator[str]:
    """Yield the addresses of all pages of something but the first."""
    return (f"{folder}page/{number}/{file}" for number in range(2, last + 1))


def _entries(store: Reads, author: str | None = None) -> Iterator[Entry]:
    for start in count(0, PER_PAGE):
        found = store.latest(PER_PAGE, start, author, listed_only=False)
        yield from found
        if len(found) < PER_PAGE:
            return


def _paths_of(key: str, thread: Thread) -> Iterator[str]:
    folder = f"/t/{key}/"
    yield from (folder, f"{folder}posted/", f"{folder}oembed.json", f"{folder}feed.atom")
    yield from _turned(folder, "feed.atom", _pages(feeds.count(thread)))
    yield from (f"{folder}thread{e.suffix}" for e in exporters() if getattr(e, "built", True))


def _media_of(thread: Thread) -> Iterator[str]:
    for item in every_item(thread):
        for attachment in item.attachments if isinstance(item, Post) else ():
            media_type = attachment.media_type.partition(";")[0].strip().lower()
            if attachment.sha256 and media_type in MEDIA_TYPES:
                yield f"/media/{attachment.sha256}.{MEDIA_TYPES[media_type]}"


# --- a folder of files ---------------------------------------------------------------------------------------


def build(
    store: Store, settings: config.Config, directory: Path, progress: Callable[[int], object] = lambda _: None
) -> int:
    """Write every page and file of the site into ``directory``, and remove those of an earlier build that no
    longer exist. Return how many files there are now.

    Args:
        store: where the threads are.
        settings: what the pages say of the site.
        directory: made if missing; must be empty, or written by an earlier build.
        progress: called with the number of files done.

    Raises:
        InputError: the folder holds something else, or cannot be written.
    """
    try:
        earlier = _manifest(directory)
        wanted = {_file_of(path): path for path in paths(store, settings.site)}
        _note(directory, {*earlier, *wanted})  # first: what a crash leaves behind must be known to the next build
        with store.writing() as writer:
            ids = [entry.id for entry in _entries(writer) if entry.visibility != "private"]
            writer.put_output(str(directory.resolve()), "build", ids)
        written = set(_write_all(store, settings.site, directory, wanted, progress))
        _remove(directory, {*earlier, *wanted} - written)
        _note(directory, written)
    except OSError as error:
        raise InputError(
            f"The folder cannot be written ({error.strerror})", str(directory), "Choose another, or mend its rights"
        ) from error
    return len(written)


def _write_all(
    store: Reads, site: config.Site, directory: Path, wanted: dict[str, str], progress: Callable[[int], object]
) -> Iterator[str]:
    for number, (name, path) in enumerate(wanted.items(), 1):
        answer = render(store, site, path)
        if answer.status == 200:  # else it was dropped meanwhile
            _write(directory / name, answer.body)
            yield name
        progress(number)


def _file_of(path: str) -> str:
    return path.removeprefix("/") + ("index.html" if path.endswith("/") else "")


def _write(file: Path, body: bytes) -> None:
    if file.is_file() and not file.is_symlink() and file.read_bytes() == body:
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(file.name + ".part")
    part.write_bytes(body)
    part.replace(file)


def _manifest(directory: Path) -> set[str]:
    """Return the files an earlier build wrote here; make the folder where there is none."""
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / MANIFEST
    if not file.exists():
        if any(directory.iterdir()):
            raise InputError(
                "The folder is not empty", str(directory), "Give an empty folder, or one of clew build"
            )
        return set()
    try:
        names = msgspec.json.decode(file.read_bytes(), type=list[str])
    except msgspec.MsgspecError as error:
        raise InputError("The list of what an earlier build wrote cannot be read", str(file)) from error
    return {name for name in names if _OWN.fullmatch(name)}


_OWN = re.compile(
    r"(?:about/index\.html|static/[a-z.]+|media/[0-9a-f]{64}\.[a-z0-9]+|robots\.txt|sitemap(?:-\d+)?\.xml"
    r"|(?:page/\d+/)?(?:index\.html|feed\.atom)"
    r"|[ta]/[a-z2-7]{12}/(?:(?:posted/|page/\d+/)?index\.html|(?:page/\d+/)?feed\.atom|oembed\.json|card\.png|thread\.[a-z0-9.]+))"
)  # the only names that a build writes, so the only ones it will ever remove


def _note(directory: Path, names: Iterable[str]) -> None:
    _write(directory / MANIFEST, msgspec.json.format(msgspec.json.encode(sorted(names)), indent=1))


def _remove(directory: Path, names: Iterable[str]) -> None:
    for name in names:
        file = directory / name
        for stale in (file, file.with_name(file.name + ".part")):
            stale.unlink(missing_ok=True)
        for folder in file.relative_to(directory).parents[:-1]:
            try:
                os.rmdir(directory / folder)
            except OSError:  # not empty: something else lives there
                break


def sweep(store: Store, settings: config.Config, done: Forgotten) -> list[str]:
    """Clean the files and folders that may hold a forgotten author's text: built ones are built again, exported
    ones deleted unless somebody wrote to them since. Return the places that were cleaned.

    Raises:
        InputError: one cannot be cleaned.
    """
    cleaned = []
    for output in done.outputs:
        place = Path(output.path)
        if output.kind == "build" and place.is_dir():
            build(store, settings, place)
            cleaned.append(output.path)
            continue
        try:
            if place.is_file() and output.kind.endswith(sha256(place.read_bytes()).hexdigest()):
                place.unlink()
                cleaned.append(output.path)
        except OSError as error:
            raise InputError(
                f"A file with the author's text cannot be removed ({error.strerror})",
                str(place),
                "Remove it yourself",
            ) from error
        with store.writing() as writer:
            writer.drop_output(output.path)
    return cleaned
