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

from clew import config, flow, pages
from clew.errors import InputError, StoreError
from clew.keeping import Forgotten
from clew.layout import MEDIA_TYPES
from clew.model import Page, Post, Thread
from clew.plugins import exporters
from clew.reading import every_item
from clew.store import Entry, Reads, Store
from clew.text import first_words, printable
from clew.text import key as key_of

PER_PAGE = 50
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
    page, last = int(number), _pages(store.count(key))
    if page > last or not any(entry.visibility != "private" for entry in _entries(store, key)):
        raise StoreError("There is no such page", f"/a/{key}/")
    entries = store.latest(PER_PAGE, (page - 1) * PER_PAGE, key)
    return Answer(200, _HTML, pages.author(site, store.actor(key), entries, page, last))


def _pages(threads: int) -> int:
    return max(1, ceil(threads / PER_PAGE))


def _about(_: Reads, site: config.Site) -> Answer:
    return Answer(200, _HTML, pages.about(site))


def _static(_: Reads, __: config.Site, name: str) -> Answer:
    body = files("clew").joinpath("static", name).read_bytes()
    return Answer(200, _STATIC[name], body)


def _thread(store: Reads, site: config.Site, key: str) -> Answer:
    return _of_thread(store, site, key, "", lambda page: (_HTML, pages.thread(site, page, key)))


def _posted(store: Reads, site: config.Site, key: str) -> Answer:
    return _of_thread(store, site, key, "posted/", lambda page: (_HTML, pages.posted(site, page, key)))


def _file(store: Reads, site: config.Site, key: str, suffix: str) -> Answer:
    exporter = next((e for e in exporters() if e.suffix == suffix), None)
    if exporter is None:
        raise StoreError("There is no such format", suffix)

    return _of_thread(
        store, site, key, f"thread{suffix}", lambda page: (exporter.media_type, exporter.export(page))
    )


def _of_thread(
    store: Reads, site: config.Site, key: str, rest: str, show: Callable[[Page], tuple[str, bytes]]
) -> Answer:
    entry = store.entry(key)
    if entry.visibility == "private":
        raise StoreError("There is no such thread in the store", key)
    if entry.key != key:  # it was kept under another head before
        up = "../" * (1 + rest.count("/"))
        return Answer(308, _HTML, b"", f"{up}{entry.key}/{rest}")
    address = f"{site.base_url}/t/{key}/" if site.base_url else ""
    return Answer(200, *show(flow.page(store.thread(key), address)))


def _media(store: Reads, _: config.Site, sha256: str, extension: str) -> Answer:
    capture = store.capture(sha256)
    media_type = capture.media_type.partition(";")[0].strip().lower()
    if not capture.body or MEDIA_TYPES.get(media_type) != extension:
        raise StoreError("There is no such picture or recording", sha256)
    return Answer(200, media_type, capture.body)


_ROUTES: tuple[tuple[str, Callable[..., Answer]], ...] = (
    (r"/", _home),
    (rf"/page/{_N}/", _home),
    (rf"/t/{_K}/", _thread),
    (rf"/t/{_K}/posted/", _posted),
    (rf"/t/{_K}/thread(\.[a-z0-9.]+)", _file),
    (rf"/a/{_K}/", _author),
    (rf"/a/{_K}/page/{_N}/", _author),
    (r"/about/", _about),
    (rf"/static/({'|'.join(map(re.escape, _STATIC))})", _static),
    (r"/media/([0-9a-f]{64})\.([a-z0-9]+)", _media),
)


# --- every address -------------------------------------------------------------------------------------------


def paths(store: Reads) -> Iterator[str]:
    """Yield every address that ``render`` answers with a page or a file, each once."""
    yield from ("/", "/about/", *(f"/static/{name}" for name in _STATIC))
    yield from (f"/page/{number}/" for number in range(2, _pages(store.count()) + 1))
    authors: set[str] = set()
    media: set[str] = set()
    for entry in _entries(store):
        if entry.visibility != "private":
            authors.add(key_of(entry.actor.id))
            media.update(_media_of(store.thread(entry.key)))
            yield from _paths_of(entry.key)
    for author in sorted(authors):
        yield f"/a/{author}/"
        yield from (f"/a/{author}/page/{number}/" for number in range(2, _pages(store.count(author)) + 1))
    yield from sorted(media)


def _entries(store: Reads, author: str | None = None) -> Iterator[Entry]:
    for start in count(0, PER_PAGE):
        found = store.latest(PER_PAGE, start, author, listed_only=False)
        yield from found
        if len(found) < PER_PAGE:
            return


def _paths_of(key: str) -> Iterator[str]:
    yield f"/t/{key}/"
    yield f"/t/{key}/posted/"
    yield from (f"/t/{key}/thread{exporter.suffix}" for exporter in exporters())


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
        wanted = {_file_of(path): path for path in paths(store)}
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
    r"(?:index\.html|about/index\.html|static/[a-z.]+|media/[0-9a-f]{64}\.[a-z0-9]+|page/\d+/index\.html"
    r"|[ta]/[a-z2-7]{12}/(?:(?:posted/|page/\d+/)?index\.html|thread\.[a-z0-9.]+))"
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
