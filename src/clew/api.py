"""The JSON API: what a store holds, for programs. Everything is read by GET, from any site, without a key.

Private threads are not there. Unlisted ones are for who knows their key or the address of a post of theirs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from http import HTTPStatus
from itertools import chain
from math import ceil
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from clew import discovery, flow, openapi
from clew.conditional import conditional
from clew.config import Config, Site
from clew.errors import ClewError, InputError, StoreError
from clew.model import Actor, Item, Post, Thread
from clew.openapi import JSON, PAGE_SIZE, PROBLEM
from clew.plugins import exporters
from clew.search import query
from clew.store import Entry, Store
from clew.store.rows import Found, dumps
from clew.text import key as key_of
from clew.turns import Turns

_FILTERS = ("author", "source", "since", "until")
_OPEN = {"access-control-allow-origin": "*", "cross-origin-resource-policy": "cross-origin"}
_NOTHING: Mapping[str, str] = {}


class Moved(Exception):
    """What was asked for stands under another key."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


def app(store: Store, config: Config) -> Starlette:
    """Return the API as an application, to be mounted at /api."""
    served = Starlette(
        routes=[
            Route("/", lambda _: RedirectResponse("openapi.json", 308), name="index"),
            Route("/openapi.json", _document),
            *(Route(operation.path, _HANDLERS[operation.name]) for operation in openapi.OPERATIONS),
        ],
        exception_handlers={ClewError: _failed, HTTPException: _refused, Moved: _moved, Exception: _broken},
    )
    served.state.store, served.state.site = store, config.site
    served.router.redirect_slashes = False  # it would lead out of a base path
    served.state.turns = Turns()
    return served


# --- answers -------------------------------------------------------------------------------------------------


def _document(request: Request) -> Response:
    return conditional(request, openapi.document(_site(request)), JSON, headers=_OPEN)


def _threads(request: Request) -> Response:
    told = _Told(request, "threads")
    author, page, limit = told.text("author") or None, told.number("page", 1), told.number("limit", PAGE_SIZE)
    total = _store(request).count(author)
    entries = _store(request).latest(limit, (page - 1) * limit, author)
    lines = tuple(_line(request, entry) for entry in entries)
    return _sent(request, openapi.Threads(lines, page, ceil(total / limit), total))


def _thread(request: Request) -> Response:
    entry = _entry(request)
    with _turn(request):
        thread = _store(request).thread(entry.key)
        text = flow.page(thread).document.text
    return _sent(request, openapi.Whole(_line(request, entry), thread, text))


def _certificate(request: Request) -> Response:
    entry = _entry(request)
    with _turn(request):
        certificate = _store(request).thread(entry.key).certificate
    return _sent(request, openapi.Certified(_line(request, entry), certificate))


def _files(request: Request) -> Response:
    entry = _entry(request)
    base = _at(request, f"t/{entry.key}/thread")
    files = tuple(openapi.File(e.name, e.media_type, base + e.suffix) for e in exporters())
    return _sent(request, openapi.Files(_line(request, entry), files))


def _formats(request: Request) -> Response:
    formats = tuple(openapi.Format(e.name, e.media_type, f"thread{e.suffix}") for e in exporters())
    return _sent(request, openapi.Formats(formats))


def _post(request: Request) -> Response:
    name = _Told(request, "post").text("id")
    entry = _store(request).shown(name, "post")
    with _turn(request):
        thread = _store(request).thread(entry.key)
    for anchor, item in _places(thread):
        if name in (item.id, item.url if isinstance(item, Post) else item.id):
            page = _at(request, f"t/{entry.key}/#{anchor}")
            return _sent(request, openapi.Placed(item, page, _line(request, entry)))
    raise StoreError("There is no such post here", name[:200])


def _authors(request: Request) -> Response:
    told = _Told(request, "authors")
    page, limit = told.number("page", 1), told.number("limit", PAGE_SIZE)
    found = _store(request).authors()
    some = found[(page - 1) * limit : page * limit]
    authors = tuple(_author_of(request, actor, threads) for actor, threads in some)
    return _sent(request, openapi.Authors(authors, page, ceil(len(found) / limit), len(found)))


def _author(request: Request) -> Response:
    key = _key(request, "There is no such author here")
    store = _store(request)
    first, *others = store.accounts(key)
    return _sent(request, _author_of(request, first, store.count(key), tuple(others)))


def _search(request: Request) -> Response:
    told = _Told(request, "search")
    question = query(told.text("q"), **{name: told.text(name) for name in _FILTERS})
    before = told.number("before", -1)
    with _turn(request):
        results = _store(request).search(question, told.number("limit", PAGE_SIZE), before if before >= 0 else None)
    found = tuple(_found(request, one) for one in results.found)
    return _sent(request, openapi.Results(found, results.before, question.odd))


def _oembed(request: Request) -> Response:
    address = _Told(request, "oembed").text("url")
    key = discovery.thread_at(_site(request), address, request.headers.get("host", ""))
    if not key:
        raise StoreError("There is no such page here", address[:200])
    entry = _store(request).shown(key, "page")
    with _turn(request):
        page = flow.page(_store(request).thread(entry.key))
    return _sent(request, discovery.oembed(_site(request), page))


_HANDLERS: dict[str, Callable[[Request], Response]] = {
    "threads": _threads,
    "thread": _thread,
    "certificate": _certificate,
    "files": _files,
    "formats": _formats,
    "post": _post,
    "authors": _authors,
    "author": _author,
    "search": _search,
    "oembed": _oembed,
}


# --- what is asked for ---------------------------------------------------------------------------------------


class _Told:
    """The parameters of a request, held to what the document says of them.

    Raises:
        InputError: one is missing, unknown, given twice, or not what it should be.
    """

    def __init__(self, request: Request, operation: str) -> None:
        declared = next(o.query for o in openapi.OPERATIONS if o.name == operation)
        schemas = {name.rstrip("!"): schema for name, (_, schema) in declared.items()}
        self._given: dict[str, str] = {}
        for name, value in request.query_params.multi_items():
            if name not in schemas:
                known = f"Take of: {', '.join(schemas)}"
                raise InputError("There is no such parameter", name[:80], known)
            if name in self._given:
                raise InputError("This parameter is given twice", name)
            if not _fits(value, schemas[name]):
                raise InputError("This parameter is not as it should be", name, "The API's document says how")
            self._given[name] = value
        for name in declared:
            if name.endswith("!") and name[:-1] not in self._given:
                raise InputError("A parameter is missing", name[:-1])

    def text(self, name: str) -> str:
        return self._given.get(name, "")

    def number(self, name: str, default: int) -> int:
        return int(self._given.get(name, default))


def _fits(value: str, schema: Mapping[str, Any]) -> bool:
    if schema["type"] == "integer":
        if not re.fullmatch(r"-?(?:0|[1-9][0-9]{0,17})", value):
            return False
        return bool(schema["minimum"] <= int(value) <= schema.get("maximum", int(value)))
    if value not in schema.get("enum", (value,)):
        return False
    sized = schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value))
    return sized and bool(re.search(schema.get("pattern", ""), value))


def _key(request: Request, what: str) -> str:
    key = str(request.path_params["key"])
    if not re.fullmatch(openapi.KEY, key):
        raise StoreError(what, key[:80])
    return key


def _entry(request: Request) -> Entry:
    """Return the thread that the path names.

    Raises:
        Moved: it stands under another key now.
        StoreError: there is none, or it is nobody else's to see.
    """
    key = _key(request, "There is no such thread here")
    entry = _store(request).shown(key)
    if entry.key != key:
        raise Moved(entry.key)
    return entry


def _turn(request: Request) -> AbstractContextManager[None]:
    """Let only so many do what is expensive at once."""
    turns: Turns = request.app.state.turns
    return turns.taken()


# --- what is told --------------------------------------------------------------------------------------------


def _line(request: Request, entry: Entry) -> openapi.Line:
    names = ("key", "id", "title", "posts", "complete", "sentence", "saved", "changed", "published", "updated")
    told = {name: getattr(entry, name) for name in names}
    return openapi.Line(author=entry.actor, page=_at(request, f"t/{entry.key}/"), **told)


def _author_of(request: Request, actor: Actor, threads: int, others: tuple[Actor, ...] = ()) -> openapi.Author:
    key = key_of(actor.id)
    return openapi.Author(key, actor, _at(request, f"a/{key}/"), threads, others)


def _found(request: Request, found: Found) -> openapi.Found:
    line = _line(request, found.entry)
    hits = tuple(
        openapi.Hit(hit.post, f"{line.page}#{hit.anchor}", hit.snippet, hit.published, hit.warning)
        for hit in found.hits
    )
    return openapi.Found(line, hits, found.more)


def _places(thread: Thread) -> Iterator[tuple[str, Item]]:
    """Yield the author's posts with their anchors on the thread's page."""
    lines: list[tuple[str, Sequence[Item]]] = [("p", thread.items)]
    lines += [(f"b{n}-", run.items) for n, run in enumerate(thread.branches, 1)]
    lines += [(f"a{n}-", run.items) for n, run in enumerate(thread.asides, 1)]
    yield from chain.from_iterable(
        ((f"{mark}{place}", item) for place, item in enumerate(items, 1)) for mark, items in lines
    )


def _at(request: Request, path: str) -> str:
    """Return the address of a page; relative to the answer where the site does not know its own."""
    base = _site(request).base_url
    depth = request.scope["path"].removeprefix(request.scope.get("root_path", "")).count("/")
    return f"{base}/{path}" if base else "../" * depth + path


def _store(request: Request) -> Store:
    store: Store = request.app.state.store
    return store


def _site(request: Request) -> Site:
    site: Site = request.app.state.site
    return site


def _sent(request: Request, value: msgspec.Struct) -> Response:
    return conditional(request, dumps(value).encode(), JSON, headers=_OPEN)


# --- errors --------------------------------------------------------------------------------------------------


def _moved(request: Request, error: Exception) -> Response:
    assert isinstance(error, Moved)
    rest = request.url.path.partition(str(request.path_params["key"]))[2]
    up = "../" * rest.count("/") or "./"
    return RedirectResponse(f"{up}{error.key}{rest}", 308, _OPEN)


def _failed(_: Request, error: Exception) -> Response:
    if isinstance(error, InputError):
        status = 400
    else:
        status = 404 if isinstance(error, StoreError) and error.__cause__ is None else 503
    return _problem(status, str(error), {"retry-after": "2"} if status == 503 else {})


def _refused(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    if status == 405:
        return _problem(405, "This address can only be read.", {"allow": "GET, HEAD"})
    sentence = "There is no such address; api/openapi.json lists what there is."
    return _problem(status, sentence if status == 404 else f"{HTTPStatus(status).phrase}.")


def _broken(_: Request, __: Exception) -> Response:
    return _problem(500, "Clew failed at this. The log of clew serve says why.")


def _problem(status: int, sentence: str, headers: Mapping[str, str] = _NOTHING) -> Response:
    body = dumps(openapi.Problem(HTTPStatus(status).phrase, status, sentence)).encode()
    return Response(body, status, {**_OPEN, "cache-control": "no-store", **headers}, PROBLEM)
