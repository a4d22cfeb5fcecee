"""What the JSON API answers, and its description as an OpenAPI 3.1 document. Pure.

The schemas are made of the values that are sent, so that they cannot say anything else.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from clew.config import Site
from clew.model import Actor, Certificate, Complete, Item, Thread, Value
from clew.search import Snippet

MOST = 100
"""Entries of one page of a list."""
PAGE_SIZE = 50
QUESTION = 1000
"""Characters of a question or an address."""
KEY = "[a-z2-7]{12}"
PROBLEM = "application/problem+json"
JSON = "application/json"

Reference = Annotated[str, Meta(extra_json_schema={"format": "uri-reference"})]
"""An address, relative to that of the answer where the site does not know its own."""
Count = Annotated[int, Meta(ge=0)]


class Line(Value, frozen=True):
    """A thread in a list."""

    key: Annotated[str, Meta(pattern=f"^{KEY}$")]
    id: str
    """URI of the thread: the id of its first post."""
    page: Reference
    """The page for people."""
    title: str
    author: Actor
    posts: Count
    """Posts of the main line that are here."""
    complete: Complete
    sentence: str
    """The certificate in plain words."""
    saved: datetime
    """When it was first kept."""
    changed: datetime
    """When it last came out different."""
    published: datetime | None = None
    """Time of the first post."""
    updated: datetime | None = None
    """Time of the last post."""


class Threads(Value, frozen=True):
    """A page of the list of threads, those kept last first."""

    threads: tuple[Line, ...]
    page: Count
    pages: Count
    total: Count


class Whole(Value, frozen=True):
    """A thread with all its posts, and its text."""

    line: Line
    thread: Thread
    text: str
    """The main line as prose, then the branches and asides."""


class Certified(Value, frozen=True):
    """How complete a thread is, and how that is known."""

    thread: Line
    certificate: Certificate


class Format(Value, frozen=True):
    """A form in which every thread can be had. ``file`` is what its address ends with, after that of the thread."""

    name: str
    media_type: str
    file: str


class Formats(Value, frozen=True):
    """All formats."""

    formats: tuple[Format, ...]


class File(Value, frozen=True):
    """A thread as a file."""

    name: str
    media_type: str
    address: Reference


class Files(Value, frozen=True):
    """A thread in all formats."""

    thread: Line
    files: tuple[File, ...]


class Placed(Value, frozen=True):
    """A post, or what is known of one that is gone, with the thread it stands in."""

    post: Item
    page: Reference
    """Its place on the thread's page."""
    thread: Line


class Author(Value, frozen=True):
    """Who wrote threads, and how many are listed. ``accounts``: other accounts of theirs, where each points at the
    other; only in the answer about one author."""

    key: Annotated[str, Meta(pattern=f"^{KEY}$")]
    actor: Actor
    page: Reference
    threads: Count
    accounts: tuple[Actor, ...] = ()


class Authors(Value, frozen=True):
    """A page of the list of authors, by name."""

    authors: tuple[Author, ...]
    page: Count
    pages: Count
    total: Count


class Hit(Value, frozen=True):
    """A passage of a post in which something was found."""

    post: str
    """Id."""
    page: Reference
    """Its place on the thread's page."""
    snippet: Snippet
    published: datetime | None = None
    warning: str = ""
    """The post's content warning: show it before the snippet."""


class Found(Value, frozen=True):
    """A thread in which something was found. ``more``: there is more of it than ``hits``."""

    thread: Line
    hits: tuple[Hit, ...]
    more: bool = False


class Results(Value, frozen=True):
    """Threads in which something was found, those kept last first."""

    found: tuple[Found, ...]
    before: int | None = None
    """The parameter for the next threads; missing where these are all."""
    odd: tuple[str, ...] = ()
    """Filters that could not be read, and so did not count."""


class Embed(msgspec.Struct, frozen=True, omit_defaults=True):
    """A link to a thread as oEmbed 1.0 tells it."""

    version: Literal["1.0"]
    type: Literal["link"]
    title: str
    author_name: str
    provider_name: str
    author_url: str = ""
    provider_url: str = ""


class Problem(msgspec.Struct, frozen=True):
    """What went wrong (RFC 9457). ``detail`` is the sentence that people are shown."""

    title: str
    status: Annotated[int, Meta(ge=400, le=599)]
    detail: str
    type: Literal["about:blank"] = "about:blank"


# --- the document --------------------------------------------------------------------------------------------

_NUMBER = {"type": "integer", "minimum": 1, "maximum": 1_000_000, "default": 1}
_LIMIT = {"type": "integer", "minimum": 1, "maximum": MOST, "default": PAGE_SIZE}
_BEFORE = {"type": "integer", "minimum": 0, "maximum": 2**31 - 1}
_SIZE = {"type": "integer", "minimum": 1, "maximum": 2**31 - 1}
_WORDS = {"type": "string", "maxLength": QUESTION}
_ADDRESS = {"type": "string", "minLength": 1, "maxLength": QUESTION}
_A_KEY = {"type": "string", "pattern": f"^{KEY}$"}

Schema = dict[str, Any]


class _Operation(msgspec.Struct, frozen=True):
    """One address. ``query``: its parameters by name, each with what it is and its schema; "!" marks what must be
    given. ``leads``: operations that take something of the answer, the parameter that takes it, and where it is."""

    path: str
    name: str
    summary: str
    answer: type
    query: dict[str, tuple[str, Schema]] = {}
    may: tuple[int, ...] = ()
    leads: dict[str, tuple[str, str]] = {}


_PAGED = {"page": ("Which page, from 1.", _NUMBER), "limit": ("How many on a page.", _LIMIT)}

OPERATIONS = (
    _Operation(
        "/threads",
        "threads",
        "Threads, those kept last first.",
        Threads,
        {"author": ("Key of an author: only theirs.", _A_KEY), **_PAGED},
        leads=dict.fromkeys(("thread", "certificate", "files"), ("key", "/threads/0/key"))
        | {"oembed": ("url", "/threads/0/page")},
    ),
    _Operation(
        "/threads/{key}", "thread", "A thread with all its posts.", Whole, may=(308, 404, 503),
        leads={"post": ("id", "/thread/items/0/id")},
    ),
    _Operation(
        "/threads/{key}/certificate", "certificate", "How complete a thread is.", Certified, may=(308, 404, 503)
    ),
    _Operation("/threads/{key}/formats", "files", "A thread as files.", Files, may=(308, 404)),
    _Operation(
        "/posts",
        "post",
        "A post by its id or address.",
        Placed,
        {"id!": ("URI of the post, or the address of its page.", _ADDRESS)},
        (404, 503),
    ),
    _Operation(
        "/authors", "authors", "Who wrote threads, by name.", Authors, dict(_PAGED),
        leads={"author": ("key", "/authors/0/key"), "threads": ("author", "/authors/0/key")},
    ),
    _Operation("/authors/{key}", "author", "One author.", Author, may=(404,)),
    _Operation(
        "/search",
        "search",
        "Threads in whose posts something is found.",
        Results,
        {
            "q!": ('Words, "phrases", -without, starts*, author:, source:, since:, until:.', _WORDS),
            "author": ("As author: in the question.", _WORDS),
            "source": ("As source: in the question.", _WORDS),
            "since": ("As since: in the question: a year, a month or a day.", _WORDS),
            "until": ("As until: in the question, that day included.", _WORDS),
            "before": ("Where to go on, from the answer before.", _BEFORE),
            "limit": ("How many threads.", _LIMIT),
        },
        (503,),
    ),
    _Operation("/formats", "formats", "The formats that every thread can be had in.", Formats),
    _Operation(
        "/oembed",
        "oembed",
        "How to show a link to a page of this site (oEmbed).",
        Embed,
        {
            "url!": ("Address of a thread's page on this site.", _ADDRESS),
            "format": ("Only json.", {"type": "string", "enum": ["json"]}),
            "maxwidth": ("Has no effect: nothing is embedded.", _SIZE),
            "maxheight": ("Has no effect.", _SIZE),
        },
        (404, 503),
    ),
)  # fmt: skip
_SAID = {
    304: "What the reader has already.",
    308: "The thread stands under another key now.",
    400: "A parameter is missing or wrong.",
    404: "There is no such thing here.",
    503: "Too many ask this at once, or the store cannot be read.",
}


def document(site: Site) -> bytes:
    """Return the OpenAPI document of the API of a site."""
    answers = dict.fromkeys(operation.answer for operation in OPERATIONS)
    _, schemas = msgspec.json.schema_components((*answers, Problem), ref_template="#/components/schemas/{name}")
    told = {
        "openapi": "3.1.0",
        "info": {
            "title": f"{site.title}: JSON API",
            "version": "1",
            "description": "Threads of posts as this site keeps them. Everything can be read without a key.",
        },
        "servers": [{"url": f"{site.base_url}/api" if site.base_url else "../api"}],
        "paths": {operation.path: {"get": _described(operation)} for operation in OPERATIONS},
        "components": {"schemas": schemas},
    }
    return msgspec.json.format(msgspec.json.encode(told), indent=1) + b"\n"


def _described(operation: _Operation) -> Schema:
    parameters = [_parameter(name, *told) for name, told in operation.query.items()]
    if "{key}" in operation.path:
        key: Schema = {"name": "key", "in": "path", "required": True, "schema": _A_KEY}
        parameters.insert(0, key | {"description": "12 characters, as in the addresses of pages."})
    may = {304, *operation.may} | ({400} if operation.query else set())
    good: Schema = {"description": operation.summary, "content": {JSON: {"schema": _ref(operation.answer)}}}
    for name, (parameter, place) in operation.leads.items():
        link = {"operationId": name, "parameters": {parameter: f"$response.body#{place}"}}
        good.setdefault("links", {})[name] = link
    responses = {"200": good} | {str(status): _response(status) for status in sorted(may)}
    return {
        "operationId": operation.name,
        "summary": operation.summary,
        "parameters": parameters,
        "responses": responses,
    }


def _parameter(name: str, description: str, schema: Schema) -> Schema:
    required = name.endswith("!")
    return {
        "name": name.rstrip("!"),
        "in": "query",
        "required": required,
        "description": description,
        "schema": schema,
    }


def _response(status: int) -> Schema:
    told: Schema = {"description": _SAID[status]}
    return told if status < 400 else told | {"content": {PROBLEM: {"schema": _ref(Problem)}}}


def _ref(kind: type) -> Schema:
    return {"$ref": f"#/components/schemas/{kind.__name__}"}
