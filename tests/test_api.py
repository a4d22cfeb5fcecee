"""The JSON API: its document is a good one and true of what is served, and what is private does not exist."""

from __future__ import annotations

import gzip
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urljoin

import feedparser
import pytest
from openapi_spec_validator import validate

import clew.store
from clew import api, openapi, site, web
from clew.captures import paste
from clew.config import Config, Site
from clew.flow import opened, save
from clew.store import Store
from clew.turns import Turns
from test_site import PASTE, put

ST = Path(sys.executable).parent / "st"


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Served(NamedTuple):
    """A running site with two threads anybody may see, one unlisted and one private."""

    port: int
    store: Store
    keys: dict[str, str]

    def ask(self, path: str, method: str = "GET", **headers: str) -> Reply:
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            connection.request(method, path, headers={k.replace("_", "-"): v for k, v in headers.items()})
            answer = connection.getresponse()
            return Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())


def pasted(store: Store) -> str:
    with opened(paste(PASTE, author="@tides")) as reading:
        return save(store, reading, reading.one())


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("api")
    with clew.store.open(folder / "clew.db") as store, socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        keys = {
            "paste": pasted(store),
            "one": put(store, "one"),
            "quiet": put(store, "quiet", visibility="unlisted"),
            "secret": put(store, "secret", visibility="private"),
        }
        config = Config(site=Site(base_url=f"http://127.0.0.1:{port}"))
        server = web.server(web.app(store, config))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield Served(port, store, keys)
        finally:
            server.should_exit = True
            thread.join()


# --- judges that we did not write ----------------------------------------------------------------------------


@pytest.mark.parametrize("base", ["", "https://read.example/clew"])
def test_the_document_is_valid(base: str) -> None:
    """The description is an OpenAPI 3.1 document, with and without a public address."""
    validate(json.loads(openapi.document(Site(base_url=base))))


def test_what_is_served_is_what_the_document_says(served: Served, tmp_path: Path) -> None:
    """Schemathesis finds no answer that the document does not tell of, for good and for bad questions."""
    keys = json.dumps([key for name, key in served.keys.items() if name != "secret"])
    (tmp_path / "schemathesis.toml").write_text(f'[parameters]\n"path.key" = {keys}\n')
    address = f"http://127.0.0.1:{served.port}/api/openapi.json"
    options = ("--checks", "all", "--max-examples", "40", "--generation-deterministic", "--no-color")
    judged = subprocess.run(
        [str(ST), "run", address, *options], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert judged.returncode == 0, judged.stdout
    assert f"Tested: {len(openapi.OPERATIONS)}" in judged.stdout


# --- what is told --------------------------------------------------------------------------------------------


def test_every_operation_answers_and_its_addresses_lead_on(served: Served) -> None:
    """A program comes from the list to the thread, its certificate, its files, its posts and its author."""
    line = served.ask("/api/threads").json["threads"][1]
    assert line["title"] == "The tide came early."
    whole = served.ask(f"/api/threads/{line['key']}").json
    assert [item["content"] for item in whole["thread"]["items"]][1] == "Nobody was at the gate 2/3"
    assert "Nobody was at the gate" in whole["text"]
    certificate = served.ask(f"/api/threads/{line['key']}/certificate").json["certificate"]
    assert certificate["sentence"] == line["sentence"]
    files = served.ask(f"/api/threads/{line['key']}/formats").json["files"]
    assert {"text", "json", "bibtex"} <= {file["name"] for file in files}
    for address in (line["page"], next(file["address"] for file in files if file["name"] == "text")):
        assert served.ask(address.removeprefix(f"http://127.0.0.1:{served.port}")).status == 200
    post = served.ask(f"/api/posts?id={quote(whole['thread']['items'][2]['id'], safe='')}").json
    assert post["page"] == f"{line['page']}#p3"
    for author in served.ask("/api/authors").json["authors"]:
        assert served.ask(f"/api/authors/{author['key']}").json == author


def test_a_search_finds_posts_with_their_places(served: Served) -> None:
    """The hits have the passage, what of it was found, and the permalink."""
    (found,) = served.ask("/api/search?q=gate").json["found"]
    (hit,) = found["hits"]
    start, end = hit["snippet"]["marks"][0]
    assert hit["snippet"]["text"][start:end] == "gate"
    assert hit["page"] == f"{found['thread']['page']}#p2"
    assert served.ask("/api/search?q=words&since=soon").json["odd"] == ["since:soon"]


def test_lists_turn_page_by_page(served: Served) -> None:
    """The pages of a list have each thread once, and an end."""
    pages = [served.ask(f"/api/threads?limit=1&page={n}").json for n in (1, 2, 3)]
    keys = [line["key"] for page in pages for line in page["threads"]]
    assert sorted(keys) == sorted([served.keys["paste"], served.keys["one"]])
    assert (pages[0]["pages"], pages[0]["total"]) == (2, 2)


def test_without_an_own_address_those_of_pages_are_relative(tmp_path: Path) -> None:
    """Resolved against the answer's address they lead to the pages, also below a path of a proxy."""
    from starlette.applications import Starlette
    from starlette.routing import Mount
    from starlette.testclient import TestClient

    with clew.store.open(tmp_path / "clew.db") as store:
        key = pasted(store)
        inner = Starlette(routes=[Mount("/api", app=api.app(store, Config()))])
        with TestClient(Starlette(routes=[Mount("/clew", app=inner)])) as client:
            for path in ("threads", "search?q=tide", f"threads/{key}", f"threads/{key}/certificate"):
                told = client.get(f"/clew/api/{path}").json()
                line = told.get("line") or told.get("thread") or (told.get("threads") or [None])[0]
                line = line or told["found"][0]["thread"]
                assert urljoin(f"/clew/api/{path}", line["page"]) == f"/clew/t/{key}/"


# --- who may see what ----------------------------------------------------------------------------------------


def test_a_private_thread_is_answered_as_one_that_is_not_there(served: Served) -> None:
    """By key, post, author, search and oEmbed: the same sentence and status, but for the name that was asked."""
    base = f"http://127.0.0.1:{served.port}"

    def told(key: str, post: str) -> list[tuple[int, str]]:
        ways = [f"threads/{key}", f"threads/{key}/certificate", f"threads/{key}/formats",
                f"posts?id={quote(post, safe='')}", f"oembed?url={quote(f'{base}/t/{key}/', safe='')}"]  # fmt: skip
        replies = [served.ask(f"/api/{way}") for way in ways]
        return [(r.status, r.body.decode().replace(key, "KEY").replace(post, "POST")) for r in replies]

    hidden = told(served.keys["secret"], "https://social.example/secret")
    assert hidden == told("abcdefghijkl", "https://social.example/nothing")
    assert {status for status, _ in hidden} == {404}
    assert served.ask("/api/search?q=secret").json == {"found": []}
    assert b"secret" not in served.ask("/api/threads").body


def test_an_unlisted_thread_is_for_who_knows_its_address(served: Served) -> None:
    """It is in no list and no search, and its key and its post's address lead to it."""
    assert b"quiet" not in served.ask("/api/threads").body + served.ask("/api/search?q=quiet").body
    assert served.ask(f"/api/threads/{served.keys['quiet']}").status == 200
    assert served.ask("/api/posts?id=https://social.example/quiet").status == 200


def test_an_old_key_leads_to_the_new(served: Served) -> None:
    """A thread that grew upwards has moved, and its parts with it."""
    with served.store.writing() as writer:
        writer.alias("https://social.example/tail", "https://social.example/one")
    old = clew.text.key("https://social.example/tail")
    for rest in ("", "/certificate", "/formats"):
        reply = served.ask(f"/api/threads/{old}{rest}")
        place = urljoin(f"/api/threads/{old}{rest}", reply.headers["location"])
        assert (reply.status, place) == (308, f"/api/threads/{served.keys['one']}{rest}")


# --- errors --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/nothing", 404), ("/api/threads/x", 404), ("/api/threads/abcdefghijkl", 404), ("/api/posts", 400),
        ("/api/threads?page=0", 400), ("/api/threads?page=1&page=2", 400), ("/api/threads?pgae=1", 400),
        ("/api/threads?limit=1e3", 400), ("/api/threads?author=%3Cb%3E", 400), ("/api/search", 400),
        (f"/api/search?q={'a' * 1001}", 400), ("/api/oembed?url=https%3A%2F%2Felsewhere.example%2F", 404),
        ("/api/oembed?url=x&format=xml", 400), ("/api/posts?id=abcd", 404), ("/api/authors/abcdefghijkl", 404),
    ],
)  # fmt: skip
def test_errors_are_problems_with_one_sentence(served: Served, path: str, status: int) -> None:
    """What cannot be answered is told as RFC 9457 wants, in a sentence for people."""
    reply = served.ask(path)
    assert (reply.status, reply.headers["content-type"]) == (status, "application/problem+json")
    told = reply.json
    assert (told["status"], told["type"]) == (status, "about:blank")
    assert told["detail"].endswith((".", "?"))
    assert "<" not in told["detail"]


def test_only_reading_is_allowed(served: Served) -> None:
    """Another method is told which there are; HEAD has the headers of GET."""
    reply = served.ask("/api/threads", "DELETE")
    assert (reply.status, reply.headers["allow"]) == (405, "GET, HEAD")
    get, head = served.ask("/api/threads"), served.ask("/api/threads", "HEAD")
    assert (head.status, head.body, head.headers["etag"]) == (200, b"", get.headers["etag"])


def test_too_many_at_once_are_asked_to_wait(served: Served) -> None:
    """While all turns are taken, one more expensive question is refused with a time to come back."""
    from starlette.testclient import TestClient

    inner = api.app(served.store, Config())
    inner.state.turns = Turns(at_once=0, waiting=1, patience=0.01)
    with TestClient(inner) as client:
        reply = client.get("/search?q=tide")
        assert (reply.status_code, reply.headers["retry-after"]) == (503, "2")
        assert reply.json()["detail"] == "Too many ask this at once. Try again in a moment."
        assert client.get("/threads").status_code == 200


# --- how it is sent ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/api/openapi.json", "/api/threads", "/api/authors", "/api/formats"])
def test_answers_are_conditional_and_open_to_other_sites(served: Served, path: str) -> None:
    """A reader that has it is told so in 304, compressed or not; a page of another site may read it."""
    plain = served.ask(path)
    packed = served.ask(path, Accept_Encoding="br, gzip;q=0.8")
    assert plain.headers["access-control-allow-origin"] == "*"
    assert plain.headers["cross-origin-resource-policy"] == "cross-origin"
    assert plain.headers["vary"] == "accept-encoding"
    if packed.headers.get("content-encoding"):
        assert gzip.decompress(packed.body) == plain.body
        assert packed.headers["etag"] != plain.headers["etag"]
    for tag in (
        plain.headers["etag"],
        packed.headers["etag"],
        f"W/{plain.headers['etag']}",
        '"x", ' + plain.headers["etag"],
    ):
        again = served.ask(path, If_None_Match=tag)
        assert (again.status, again.body) == (304, b"")
    assert served.ask(path, If_None_Match='"x"').status == 200
    assert served.ask(path, Accept_Encoding="gzip;q=0").headers.get("content-encoding") is None


def test_large_answers_are_compressed(served: Served) -> None:
    """The document is sent in a fifth of its size to who takes gzip."""
    path = "/api/openapi.json"
    packed, plain = served.ask(path, Accept_Encoding="gzip"), served.ask(path)
    assert packed.headers["content-encoding"] == "gzip"
    assert len(packed.body) * 5 < len(plain.body)
    assert sha256(gzip.decompress(packed.body)).digest() == sha256(plain.body).digest()


def test_the_oembed_file_is_what_the_endpoint_says(served: Served) -> None:
    """A built site tells of a thread what the API tells."""
    key = served.keys["paste"]
    asked = served.ask(f"/api/oembed?url={quote(f'http://127.0.0.1:{served.port}/t/{key}/', safe='')}")
    settings = Site(base_url=f"http://127.0.0.1:{served.port}")
    assert site.render(served.store, settings, f"/t/{key}/oembed.json").body == asked.body
    assert asked.json["title"] == "The tide came early."


def test_a_search_has_a_feed(served: Served) -> None:
    """The feed of a search finds what the page finds, and is never asked to be listed."""
    reply = served.ask("/search/feed.atom?q=gate")
    told = feedparser.parse(reply.body, response_headers={"content-type": reply.headers["content-type"]})
    assert not told.bozo
    assert [entry.link for entry in told.entries] == [f"http://127.0.0.1:{served.port}/t/{served.keys['paste']}/"]
    assert reply.headers["x-robots-tag"] == "noindex"
    assert served.ask('/search/feed.atom?q="&before=x').status == 200
