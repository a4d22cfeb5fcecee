"""The served site, over a real server: a build's bytes, the form, who may send it, and what goes wrong."""

from __future__ import annotations

import io
import json
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urljoin

import msgspec
import pytest
from selectolax.lexbor import LexborHTMLParser

import clew.store
from bluesky_network import Network
from clew import pages, site, web
from clew.config import Bluesky, Config, Limits, Site
from clew.config import Network as Asking
from clew.errors import ClewError
from clew.jobs import Crowded, Job, Jobs, Unknown
from clew.store import Store
from fediverse_servers import ACTIVITY, AS, PICTURE, PUBLIC, Instance, settings

PASTE = "The tide came early. 1/3\nNobody was at the gate 2/3\nand the bell was out of order. 3/3\n"
LIMITS = Limits(file=300_000)


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        main = LexborHTMLParser(self.body.decode()).css_first("main")
        assert main is not None
        return " ".join(main.text().split())


class Served(NamedTuple):
    """A running site."""

    port: int
    store: Store

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> Reply:
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            connection.request(method, path, body or None, {k.replace("_", "-"): v for k, v in headers.items()})
            answer = connection.getresponse()
            return Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())

    def get(self, path: str, **headers: str) -> Reply:
        return self.ask("GET", path, **headers)

    def send(self, fields: list[tuple[str, str]], file: tuple[str, bytes] | None = None, **headers: str) -> Reply:
        """Send the form as a browser does."""
        kind, body = multipart(fields, file)
        own = {"Content_Type": kind, "Origin": f"http://{self.host}", "Sec_Fetch_Site": "same-origin"}
        return self.ask("POST", "/unroll/", body, **{k: v for k, v in (own | headers).items() if v})

    def end(self, begun: Reply) -> Reply:
        """Look again until the fetch of an address has come to its end, and return what is there then."""
        place = urljoin("/unroll/", begun.headers["location"])
        while "refresh" in (answer := self.get(place)).headers:
            time.sleep(0.02)
        return answer

    def fetched(self, url: str, *fields: tuple[str, str], **headers: str) -> Reply:
        """Send an address as a browser does; return the page of its thread, or what is said in its place."""
        answer = self.end(self.send([("text", url), *fields], **headers))
        if answer.status != 303:
            return answer
        page = self.get(urljoin("/unroll/token/", answer.headers["location"]))
        assert page.status == 200
        return page

    def kept(self) -> int:
        return self.store.count(listed_only=False)


def multipart(fields: list[tuple[str, str]], file: tuple[str, bytes] | None) -> tuple[str, bytes]:
    parts = [f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}'.encode() for name, value in fields]
    if file:
        head = f'Content-Disposition: form-data; name="file"; filename="{file[0]}"\r\n\r\n'
        parts.append(head.encode() + file[1])
    body = b"".join(b"--limit\r\n" + part + b"\r\n" for part in parts) + b"--limit--\r\n"
    return "multipart/form-data; boundary=limit", body


@contextmanager
def running(place: str | Path, config: Config) -> Iterator[Served]:
    """Serve a store."""
    with clew.store.open(place) as store, socket.create_server(("127.0.0.1", 0)) as listener:
        server = web.server(web.app(store, config))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield Served(listener.getsockname()[1], store)
        finally:
            server.should_exit = True
            thread.join()


def serving(folder: Path, config: Config) -> AbstractContextManager[Served]:
    """Serve the store of a folder."""
    return running(folder / "clew.db", config)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[[Config], Served]]:
    from contextlib import ExitStack

    with ExitStack() as stack:
        yield lambda config: stack.enter_context(serving(tmp_path, config))


@pytest.fixture
def served(serve: Callable[[Config], Served]) -> Served:
    return serve(Config(site=Site(about="Kept for reading."), limits=LIMITS))


# --- reading -------------------------------------------------------------------------------------------------


def test_served_pages_are_the_bytes_of_a_build(served: Served, tmp_path: Path) -> None:
    assert served.send([("text", PASTE), ("author", "@tides")]).status == 303
    site.build(served.store, Config(site=Site(about="Kept for reading.")), tmp_path / "out")
    for path in site.paths(served.store):
        file = tmp_path / "out" / (path[1:] + ("index.html" if path.endswith("/") else ""))
        assert served.get(path).body == file.read_bytes(), path


def test_an_empty_site_says_what_to_do_first(served: Served) -> None:
    assert f"clew unroll {pages.EXAMPLE} --save" in served.get("/").text


@pytest.mark.parametrize("path", ["/", "/nothing/", "/static/style.css", "/unroll/"])
def test_each_answer_carries_the_security_headers(served: Served, path: str) -> None:
    headers = served.get(path).headers
    assert headers["content-security-policy"] == pages.CONTENT_SECURITY_POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == ("same-origin" if path == "/unroll/" else "no-referrer")
    assert "server" not in headers


def test_what_a_reader_has_already_is_not_sent_again(served: Served) -> None:
    first = served.get("/")
    again = served.get("/", If_None_Match=first.headers["etag"])
    assert (again.status, again.body) == (304, b"")


def test_a_head_request_has_no_body(served: Served) -> None:
    answer = served.ask("HEAD", "/")
    assert (answer.status, answer.body) == (200, b"")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing/", 404),
        ("GET", "/t/abcdefghijkl/", 404),
        ("GET", "/static/%2e%2e/pages.py", 404),
        ("GET", "/static/..%2fpages.py", 404),
        ("GET", "/%00%ff", 404),
        ("POST", "/", 405),
        ("DELETE", "/unroll/", 405),
    ],
)
def test_errors_are_pages_with_a_sentence_and_a_way_back(
    served: Served, method: str, path: str, status: int
) -> None:
    answer = served.ask(method, path)
    assert answer.status == status
    back = LexborHTMLParser(answer.body.decode()).css_first("main .ways a").attributes["href"]
    assert answer.text.startswith(str(status))
    assert back


def test_the_form_has_its_address_without_the_last_stroke_too(served: Served) -> None:
    answer = served.get("/unroll")
    assert (answer.status, urljoin("/unroll", answer.headers["location"])) == (308, "/unroll/")


# --- the form ------------------------------------------------------------------------------------------------


def test_a_paste_becomes_a_page(served: Served) -> None:
    answer = served.send([("text", PASTE.replace("\n", "\r\n")), ("author", "@tides"), ("published", "2026-05-01")])
    assert answer.status == 303
    page = served.get(urljoin("/unroll/", answer.headers["location"]))
    assert "Nobody was at the gate" in page.text
    assert "1 May 2026" in page.text
    assert "tides" in served.get("/").text


def test_a_file_becomes_a_page(served: Served) -> None:
    answer = served.send([("text", ""), ("author", "@tides")], ("../../etc/tide.txt", PASTE.encode()))
    assert answer.status == 303
    assert served.kept() == 1


def outbox(count: int) -> bytes:
    """An ActivityPub outbox with lone posts."""
    actor = "https://social.example/users/ada"
    notes = [
        {
            "type": "Create",
            "actor": actor,
            "object": {
                "id": f"{actor}/statuses/{n}",
                "type": "Note",
                "attributedTo": actor,
                "content": f"<p>Note number {n}</p>",
                "published": f"2026-05-01T12:{n:02}:00Z",
                "to": ["https://www.w3.org/ns/activitystreams#Public"],
            },
        }
        for n in range(1, count + 1)
    ]
    box = {
        "@context": "https://www.w3.org/ns/activitystreams",
        "id": f"{actor}/outbox",
        "type": "OrderedCollection",
        "totalItems": count,
        "orderedItems": notes,
    }
    return json.dumps(box).encode()


def test_of_several_threads_the_sender_chooses(served: Served) -> None:
    asked = served.send([("text", "")], ("outbox.json", outbox(3)))
    assert (asked.status, served.kept()) == (200, 0)
    form = LexborHTMLParser(asked.body.decode()).css_first("form")
    token = form.css_first("[name=token]").attributes["value"] or ""
    posts = [node.attributes["value"] or "" for node in form.css("[name=post]")]
    assert len(posts) == 3
    kept = served.send([("token", token), ("post", posts[0]), ("post", posts[2])])
    assert (kept.status, urljoin("/unroll/", kept.headers["location"]), served.kept()) == (303, "/", 2)
    again = served.send([("token", token), ("post", posts[1])])
    assert (again.status, served.kept()) == (400, 2)
    assert "not held any more" in again.text


def test_choosing_none_is_said(served: Served) -> None:
    asked = served.send([("text", "")], ("outbox.json", outbox(2)))
    token = LexborHTMLParser(asked.body.decode()).css_first("[name=token]").attributes["value"] or ""
    answer = served.send([("token", token)])
    assert (answer.status, "No thread was chosen" in answer.text) == (400, True)


def zipped(name: str, body: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, body)
    return file.getvalue()


@pytest.mark.parametrize(
    ("file", "status"),
    [
        (("empty.txt", b""), 400),
        (("binary.bin", bytes(range(256)) * 9), 400),
        (("cut.json", b'{"thread": {"$type": "app.bsky.feed.defs#threadViewPost", "post": '), 422),
        (("bomb.zip", zipped("data/tweets.js", b"0" * 50_000_000)), 400),
        (("other.zip", zipped("holiday.txt", b"sand")), 400),
    ],
)
def test_bad_files_are_one_sentence_and_nothing_is_kept(
    served: Served, file: tuple[str, bytes], status: int
) -> None:
    answer = served.send([("text", "")], file)
    wrong = LexborHTMLParser(answer.body.decode()).css_first("[role=alert]").text()
    assert answer.status in (status, 400 if status == 422 else status)
    assert wrong.strip().endswith((".", "?", "!"))
    assert "/tmp" not in wrong
    assert "clew-upload" not in wrong
    assert served.kept() == 0


@pytest.mark.parametrize("text", ["", " \n ", "/etc/passwd", "file:///etc/passwd"])
def test_a_paste_is_never_taken_for_a_place(served: Served, text: str) -> None:
    answer = served.send([("text", text)])
    assert b"root:" not in answer.body
    if answer.status == 303:  # one line is a thread of one post
        page = served.get(urljoin("/unroll/", answer.headers["location"]) + "posted/")
        assert text in page.text
    else:
        assert answer.status == 400


def test_a_paste_that_failed_is_not_lost(served: Served) -> None:
    answer = served.send([("text", "<b>My words</b>\nin two lines"), ("author", "@me"), ("published", "soon")])
    form = LexborHTMLParser(answer.body.decode()).css_first("form")
    assert answer.status in (400, 422)
    assert form.css_first("textarea").text() == "<b>My words</b>\nin two lines"
    assert form.css_first("[name=published]").attributes["value"] == "soon"


def test_what_is_not_the_form_is_refused(served: Served) -> None:
    body = b"text=words"
    headers = {"Origin": f"http://{served.host}", "Content_Type": "application/x-www-form-urlencoded"}
    assert served.ask("POST", "/unroll/", body, **headers).status == 400
    broken = headers | {"Content_Type": "multipart/form-data; boundary=limit"}
    assert served.ask("POST", "/unroll/", b"no parts at all", **broken).status in (303, 400)
    assert served.kept() == 0


# --- who may send it -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "read.example"},  # a name that was pointed at this machine
        {"Host": "127.0.0.1.nip.example"},
        {"Origin": "https://elsewhere.example", "Sec_Fetch_Site": "cross-site"},
        {"Origin": "null", "Sec_Fetch_Site": ""},
        {"Origin": "", "Sec_Fetch_Site": "cross-site"},
        {"Origin": "", "Sec_Fetch_Site": "same-site"},
        {"Origin": "", "Sec_Fetch_Site": ""},
        {"Origin": "http://localhost:1", "Sec_Fetch_Site": ""},
        {"X_Forwarded_For": "127.0.0.1"},
        {"Forwarded": "for=127.0.0.1"},
    ],
)
def test_the_form_is_taken_from_this_machine_and_this_site_only(served: Served, headers: dict[str, str]) -> None:
    answer = served.send([("text", PASTE)], **headers)
    assert (answer.status, served.kept()) == (403, 0)


def test_localhost_is_this_machine(served: Served) -> None:
    name = f"localhost:{served.port}"
    assert served.send([("text", PASTE)], Host=name, Origin=f"http://{name}").status == 303


def test_anyone_may_send_it_where_the_operator_says_so(serve: Callable[[Config], Served]) -> None:
    served = serve(Config(submit="anyone", limits=LIMITS))
    own = {"Host": "read.example", "Origin": "https://read.example", "X_Forwarded_For": "203.0.113.9"}
    assert served.send([("text", PASTE)], **own).status == 303
    foreign = own | {"Origin": "https://elsewhere.example", "Sec_Fetch_Site": "cross-site"}
    assert served.send([("text", PASTE)], **foreign).status == 403


def test_nobody_may_send_it_where_the_operator_says_so(serve: Callable[[Config], Served]) -> None:
    served = serve(Config(submit="nobody"))
    assert [served.get("/unroll/").status, served.send([("text", PASTE)]).status] == [403, 403]
    assert served.kept() == 0


@pytest.mark.parametrize("declared", [True, False])
def test_more_than_is_taken_is_refused(serve: Callable[[Config], Served], declared: bool) -> None:
    served = serve(Config(submit="anyone", limits=Limits(file=1000)))
    kind, body = multipart([("text", "x" * 2_000_000)], None)
    headers = {"Content-Type": kind, "Origin": f"http://{served.host}"}
    with closing(HTTPConnection("127.0.0.1", served.port, timeout=30)) as connection:
        if declared:
            connection.putrequest("POST", "/unroll/")
            for name, value in (headers | {"Content-Length": str(len(body))}).items():
                connection.putheader(name, value)
            connection.endheaders(body[:1000])  # the answer comes before the rest is sent
        else:
            chunks = iter([body[n : n + 60_000] for n in range(0, 1_080_000, 60_000)])
            connection.request("POST", "/unroll/", chunks, headers, encode_chunked=True)
        assert connection.getresponse().status == 413
    assert served.kept() == 0


def test_an_author_who_opted_out_is_not_kept(served: Served) -> None:
    from clew import keeping

    served.send([("text", PASTE), ("author", "@tides")])
    actor = served.store.latest(1)[0].actor
    keeping.forget(served.store, actor.id, "a test")
    answer = served.send([("text", PASTE), ("author", "@tides")])
    assert (answer.status, served.kept()) == (451, 0)


# --- addresses -----------------------------------------------------------------------------------------------


class Gated(Instance):
    """A server that answers nothing until its gate is open. ``waiting`` are the requests that came."""

    def __init__(self) -> None:
        super().__init__()
        self.gate, self.waiting = threading.Event(), list[str]()

    def respond(self, target: str, accept: str, token: str) -> tuple[int, bytes, str]:
        self.waiting.append(target)
        self.gate.wait()
        return super().respond(target, accept, token)


@pytest.fixture
def remote() -> Iterator[Instance]:
    """A server with posts, on this machine."""
    with Instance() as instance:
        yield instance


@pytest.fixture
def gated() -> Iterator[Gated]:
    with Gated() as instance:
        try:
            yield instance
        finally:
            instance.gate.set()


def until(holds: Callable[[], object]) -> None:
    """Wait for what another thread is about to do."""
    while not holds():
        time.sleep(0.01)


def jobs_at_work() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "clew-fetch"]


def patient(submit: Any = "local") -> Config:
    """Settings under which a server that says nothing is waited for as long as a test may take."""
    return msgspec.structs.replace(settings(read=3600, whole=3600), submit=submit)


def stranger(served: Served, number: int = 9) -> dict[str, str]:
    """Headers of somebody else's browser, behind a proxy on this machine."""
    return {"Host": "read.example", "Origin": "https://read.example", "X_Forwarded_For": f"203.0.113.{number}"}


def test_an_address_leads_to_the_whole_thread_of_the_post(
    serve: Callable[[Config], Served], remote: Instance
) -> None:
    """Sent alone in the text, an address is fetched: a page says how far it is, then leads to the thread."""
    ids = remote.chain(3)
    served = serve(settings())
    begun = served.send([("text", f"\n {remote.address(ids[1])} \n")])
    assert (begun.status, begun.headers["cache-control"]) == (303, "no-store")
    ended = served.end(begun)
    assert ended.status == 303
    page = served.get(urljoin("/unroll/token/", ended.headers["location"]))
    assert [f"Part {n}" in page.text for n in (1, 2, 3)] == [True] * 3
    assert served.kept() == 1
    assert "Part 1" in served.get("/").text


def test_an_address_of_bluesky_is_fetched_from_a_real_server(
    serve: Callable[[Config], Served], bluesky_pds: Network
) -> None:
    ada = bluesky_pds.account("webreader")
    head = ada.post("The tide came early")
    ada.post("and nobody was at the gate", reply_to=head)
    page = serve(bluesky_pds.config()).fetched(f"https://bsky.app/profile/{ada.did}/post/{head.rkey}")
    assert "The tide came early" in page.text
    assert "and nobody was at the gate" in page.text


def test_pictures_of_an_address_are_shown_as_our_copies(
    serve: Callable[[Config], Served], remote: Instance
) -> None:
    """Where it is asked for, a picture is kept and shown from here; what is no picture, or could hold a script,
    stays an address with its description. The page loads nothing from elsewhere."""
    kinds = {"1.png": "image/png", "2.svg": "image/svg+xml", "3.png": "text/html"}
    for name, kind in kinds.items():
        remote.faults[f"/{name}"] = (200, PICTURE if kind == "image/png" else b"<svg><script/></svg>", kind)
    media = [
        {"id": name, "type": "image", "url": f"{remote.base}/{name}", "description": f"About {name}", "meta": {}}
        for name in kinds
    ]
    served = serve(settings())
    page = served.fetched(remote.address(remote.post("Look", media_attachments=media)), ("media", "yes"))
    html = LexborHTMLParser(page.body.decode())
    (image,) = html.css("img")
    assert (image.attributes["alt"], image.attributes["src"][:12]) == ("About 1.png", "../../media/")  # type: ignore[index]
    assert [node.text() for node in html.css(".absent .alt")] == ["About 2.svg", "About 3.png"]
    assert len(html.css("[src]")) == 1
    copy = served.get(urljoin("/t/key/", image.attributes["src"] or ""))
    assert (copy.status, copy.headers["content-type"], copy.body) == (200, "image/png", PICTURE)
    assert copy.headers["x-content-type-options"] == "nosniff"


def test_our_copy_is_what_was_received_whatever_the_post_calls_it(
    serve: Callable[[Config], Served], remote: Instance
) -> None:
    """A post that says JPEG of a picture that comes as PNG gets a page whose picture is there."""
    remote.faults["/1"] = (200, PICTURE, "image/png")
    picture = {"type": "Document", "mediaType": "image/jpeg", "url": f"{remote.base}/1", "name": "A square"}
    note = {
        "@context": AS, "id": f"{remote.base}/objects/note-0001", "type": "Note", "to": [PUBLIC], "content": "Look",
        "attributedTo": f"{remote.base}/users/ada", "published": "2026-05-01T12:00:00Z", "attachment": [picture],
    }  # fmt: skip
    remote.faults["/objects/note-0001"] = (200, json.dumps(note).encode(), ACTIVITY)
    served = serve(settings())
    page = served.fetched(f"{remote.base}/objects/note-0001", ("media", "yes"))
    image = LexborHTMLParser(page.body.decode()).css_first("img")
    copy = served.get(urljoin("/t/key/", image.attributes["src"] or ""))
    assert (copy.status, copy.headers["content-type"], copy.body) == (200, "image/png", PICTURE)


def test_an_edit_and_a_gap_stand_on_the_page_of_a_fetched_thread(
    serve: Callable[[Config], Served], remote: Instance
) -> None:
    ids = remote.chain(2)
    remote.edit(ids[1], "Part two")
    served = serve(settings())
    begun = served.send([("text", remote.address(ids[0]))])
    place = urljoin("/unroll/token/", served.end(begun).headers["location"])
    edited = LexborHTMLParser(served.get(place).body.decode()).css_first("a.e")
    posted = served.get(urljoin(place, edited.attributes["href"] or "").partition("#")[0])
    html = LexborHTMLParser(posted.body.decode())
    assert [node.text() for node in html.css(".edit .verbatim")] == ["Part 2", "Part two"]
    assert [node.text() for node in html.css(".edit del, .edit ins")] == ["2", "two"]


def test_the_page_that_waits_says_how_far_it_is(serve: Callable[[Config], Served], gated: Gated) -> None:
    """It looks again by a header, which the reader can leave off; it needs no script and is kept by no cache."""
    served = serve(patient())
    begun = served.send([("text", gated.address(gated.post("Late")))])
    place = urljoin("/unroll/", begun.headers["location"])
    until(lambda: gated.waiting)
    page, still = served.get(place), served.get(place + "?still")
    assert (page.status, page.headers["refresh"], page.headers["cache-control"]) == (200, "2", "no-store")
    assert "1 request so far" in page.text
    assert "refresh" not in still.headers
    assert b"<script" not in page.body
    assert page.headers["content-security-policy"] == pages.CONTENT_SECURITY_POLICY
    ways = [node.attributes["href"] for node in LexborHTMLParser(page.body.decode()).css("main .ways a")]
    assert ways == ["./", "./?still"]
    head = served.ask("HEAD", place)
    assert (head.status, head.body) == (200, b"")
    gated.gate.set()
    assert served.end(begun).status == 303
    assert served.ask("HEAD", place).status == 303


def test_what_cannot_be_fetched_is_a_sentence_over_the_form(
    serve: Callable[[Config], Served], remote: Instance
) -> None:
    """The form comes back with the address in it; the sentence is text, whatever the address holds."""
    served = serve(settings())
    url = f"{remote.base}/@ada/4<img/src=x>"
    answer = served.fetched(url, ("media", "yes"))
    html = LexborHTMLParser(answer.body.decode())
    assert answer.status in (400, 502)
    assert html.css_first("[role=alert]").text().strip().endswith((".", "?", "!"))
    assert html.css_first("textarea").text() == url
    assert "checked" in html.css_first("[name=media]").attributes
    assert urljoin("/unroll/token/", html.css_first("form").attributes["action"] or "") == "/unroll/"
    assert not html.css("main img")
    assert served.kept() == 0


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/@ada/1",
        "http://localhost:{port}/@ada/1",
        "http://[::1]/@ada/1",
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1/@ada/1",
        "http://2130706433/@ada/1",
        "https://ada:secret@127.0.0.1/@ada/1",
        "at://127.0.0.1/app.bsky.feed.post/3kabcdefghij2",
    ],
)
def test_strangers_cannot_reach_this_machine_or_its_network(
    serve: Callable[[Config], Served], remote: Instance, url: str
) -> None:
    """On a site that takes addresses from anyone, one of a private network is refused before anything is asked."""
    bluesky = Bluesky(appview=remote.base, plc=remote.base)
    served = serve(Config(submit="anyone", network=Asking(attempts=1), bluesky=bluesky))
    answer = served.fetched(url.format(port=remote.host.rpartition(":")[2]), **stranger(served))
    assert answer.status in (400, 502)
    assert "secret" not in LexborHTMLParser(answer.body.decode()).css_first("[role=alert]").text()
    assert (remote.asked, served.kept()) == ([], 0)


def test_strangers_get_neither_the_operators_tokens_nor_pictures(
    serve: Callable[[Config], Served], remote: Instance
) -> None:
    """What a token opens is not shown to anyone, nor its quota spent; pictures are the operator's choice."""
    media = [{"id": "1", "type": "image", "url": f"{remote.base}/1.png", "description": "A square", "meta": {}}]
    post = remote.address(remote.post("Look", media_attachments=media))
    served = serve(msgspec.structs.replace(settings(tokens={remote.host: remote.token}), submit="anyone"))
    page = served.fetched(post, ("media", "yes"), **stranger(served))
    assert "Look" in page.text
    assert remote.authorized == []
    assert "/1.png" not in remote.asked
    assert LexborHTMLParser(served.get("/unroll/").body.decode()).css_first("[name=media]") is None


def test_the_operator_has_tokens_and_pictures(serve: Callable[[Config], Served], remote: Instance) -> None:
    """The test above would fail if they were never used."""
    post = remote.address(remote.post("Look"))
    served = serve(settings(tokens={remote.host: remote.token}))
    assert "Look" in served.fetched(post).text
    assert remote.authorized != []
    assert LexborHTMLParser(served.get("/unroll/").body.decode()).css_first("[name=media]") is not None


def test_one_client_does_not_keep_the_others_waiting(serve: Callable[[Config], Served], gated: Gated) -> None:
    """Of each client one fetch runs and a few wait; another client's begins at once. All of them end."""
    served, posts = serve(patient("anyone")), [gated.address(gated.post(f"Number {n}")) for n in range(1, 7)]
    begun = [served.send([("text", post)], **stranger(served, 1)) for post in posts[:4]]
    refused = served.send([("text", posts[4])], **stranger(served, 1))
    assert (refused.status, "several threads being fetched" in refused.text) == (503, True)
    until(lambda: gated.waiting)
    begun.append(served.send([("text", posts[5])], **stranger(served, 2)))
    until(lambda: len(gated.waiting) == 2)
    assert sorted(target.rpartition("/")[2] for target in gated.waiting) == [
        post[-4:] for post in (posts[0], posts[5])
    ]
    gated.gate.set()
    assert [served.end(each).status for each in begun] == [303] * 5
    assert served.kept() == 5


def test_the_same_address_sent_twice_is_fetched_once(serve: Callable[[Config], Served], gated: Gated) -> None:
    served, post = serve(patient()), gated.address(gated.post("Once"))
    places = [served.send([("text", post)]).headers["location"] for _ in range(2)]
    assert places[0] == places[1]


def test_a_crowd_is_told_to_come_again(serve: Callable[[Config], Served], gated: Gated) -> None:
    """Twenty may wait. Clients are told apart by what a proxy says, and of version 6 by network."""
    served, post = serve(patient("anyone")), gated.address(gated.post("Loud"))
    crowd = [stranger(served, n) for n in range(1, 18)]
    crowd += [stranger(served) | {"X_Forwarded_For": f"spoofed, 2001:db8:{n}::1"} for n in (1, 2, 3)]
    answers = [served.send([("text", post)], **headers) for headers in crowd]
    assert [answer.status for answer in answers] == [303] * 20
    assert len({answer.headers["location"] for answer in answers}) == 20
    same_network = stranger(served) | {"X_Forwarded_For": "2001:db8:1::ffff"}
    again = served.send([("text", post)], **same_network)
    assert again.headers["location"] == answers[17].headers["location"]
    last = served.send([("text", post)], **stranger(served, 99))
    assert (last.status, "Many threads are being fetched" in last.text) == (503, True)


@pytest.mark.parametrize("token", ["x", "..%2f", "A" * 5000])
def test_a_fetch_is_found_by_its_token_only(served: Served, token: str) -> None:
    answer = served.get(f"/unroll/{token}/")
    assert answer.status == 404
    assert "alert" not in answer.text


def test_who_may_not_send_may_not_look_either(serve: Callable[[Config], Served], remote: Instance) -> None:
    """The outcome of a fetch is shown to whom the form is."""
    served = serve(settings())
    begun = served.send([("text", remote.address(remote.post("Mine")))])
    assert served.end(begun).status == 303
    place = urljoin("/unroll/", begun.headers["location"])
    assert served.get(place, Host="read.example").status == 403
    assert served.get(place, X_Forwarded_For="203.0.113.9").status == 403
    foreign = served.send([("text", remote.address(1001))], Origin="https://elsewhere.example")
    assert foreign.status == 403


def test_nobody_looks_where_nobody_may_send(serve: Callable[[Config], Served]) -> None:
    assert serve(Config(submit="nobody")).get("/unroll/token/").status == 403


def test_an_address_without_end_is_no_address(served: Served) -> None:
    answer = served.send([("text", "https://a.example/" + "x" * 100_000)])
    assert (answer.status, "too long" in answer.text) == (400, True)


def test_a_server_that_stops_ends_its_fetches_and_keeps_nothing_more(tmp_path: Path, gated: Gated) -> None:
    """It does not wait for a server that says nothing; when that speaks at last, nothing is written."""
    url = gated.address(gated.post("Too late"))
    with serving(tmp_path, patient()) as served:
        for n in range(3):  # the third waits for its turn
            served.send([("text", f"{url}?{n}")])
        until(lambda: len(gated.waiting) == 2)
    assert len(jobs_at_work()) == 2  # the site is down, the fetches hang on the remote server
    gated.gate.set()
    until(lambda: not jobs_at_work())
    with clew.store.open(tmp_path / "clew.db") as store:
        assert store.count(listed_only=False) == 0


def test_a_fetch_does_not_hold_the_command_up(tmp_path: Path, gated: Gated) -> None:
    """An interrupt ends the command while a remote server keeps silent."""
    program = (
        "import sys, clew.store; from clew import web; from clew.config import load\n"
        "config = load(None, {'CLEW_CONFIG': sys.argv[2]})\n"
        "with clew.store.open(sys.argv[1]) as store: web.serve(store, config, '127.0.0.1', 0)\n"
    )
    file = tmp_path / "clew.toml"
    file.write_text("[network]\nread = 3600\nwhole = 3600\nprivate_hosts = ['127.0.0.1']\n", "utf-8")
    command = [sys.executable, "-c", program, str(tmp_path / "clew.db"), str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        port = int(line.removeprefix("Clew is at http://127.0.0.1:").strip(" /\n"))
        with clew.store.open(tmp_path / "other.db") as other:
            begun = Served(port, other).send([("text", gated.address(gated.post("Never")))])
        assert begun.status == 303
        until(lambda: gated.waiting)
        process.send_signal(2)
        assert process.wait(60) == 0


def test_outcomes_are_told_for_a_while_and_not_without_end() -> None:
    """The latest two hundred are; what a job died of is a sentence, its cause in the log."""

    def work(job: Job, told: Callable[[int], None]) -> str:
        told(1)
        if job.url == "bad":
            raise KeyError("the cause")
        return job.url

    jobs = Jobs(work)
    tokens = []
    for n in range(210):
        tokens.append(jobs.start(f"key {n}"))
        until(lambda: jobs.get(tokens[-1]).is_over)
    jobs.get(tokens[-1])
    with pytest.raises(Unknown):
        jobs.get(tokens[0])
    assert jobs.get(tokens[-200]).key == "key 10"
    bad = jobs.start("bad")
    until(lambda: jobs.get(bad).is_over)
    assert "The log of clew serve says why" in str(jobs.get(bad).error)


def test_of_many_who_ask_at_once_two_are_served(caplog: pytest.LogCaptureFixture) -> None:
    """The operator is not held back by what a client may have, only by what the site may do at once."""
    gate, running = threading.Event(), list[str]()

    def work(job: Job, told: Callable[[int], None]) -> str:
        running.append(job.url)
        gate.wait()
        return "key"

    jobs = Jobs(work)
    tokens = [jobs.start(str(n)) for n in range(20)]
    until(lambda: len(running) == 2)
    with pytest.raises(Crowded):
        jobs.start("one more")
    assert [jobs.get(token).begun for token in tokens] == [True] * 2 + [False] * 18
    gate.set()
    until(lambda: all(jobs.get(token).is_over for token in tokens))
    assert running[:2] == ["0", "1"]
    assert sorted(running, key=int) == [str(n) for n in range(20)]


def test_a_stop_waits_for_what_is_being_written() -> None:
    """A thread is kept whole or not at all: writing that has begun ends before the server does."""
    began, go_on, done = threading.Event(), threading.Event(), list[str]()

    def work(job: Job, told: Callable[[int], None]) -> str:
        with jobs.keeping(job):
            began.set()
            go_on.wait()
            done.append(job.url)
        return "key"

    jobs = Jobs(work)
    first, second = jobs.start("first"), jobs.start("second")
    began.wait()
    stopping = threading.Thread(target=lambda: (jobs.stop(), done.append("stopped")))
    stopping.start()
    until(lambda: jobs._stopped)
    go_on.set()
    stopping.join()
    until(lambda: jobs.get(first).is_over and jobs.get(second).is_over)
    assert done in (["first", "stopped"], ["second", "stopped"])
    assert isinstance(jobs.get(second).error or jobs.get(first).error, ClewError)


# --- the command ---------------------------------------------------------------------------------------------


def test_the_server_says_its_address_and_stops_on_an_interrupt(tmp_path: Path) -> None:
    program = (
        "import sys, clew.store; from clew import web; from clew.config import Config\n"
        "with clew.store.open(sys.argv[1]) as store: web.serve(store, Config(), '127.0.0.1', 0)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "clew.db")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        port = int(line.removeprefix("Clew is at http://127.0.0.1:").strip(" /\n"))
        with closing(HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
            connection.request("GET", "/")
            assert connection.getresponse().status == 200
        process.send_signal(2)
        assert process.wait(30) == 0


def test_an_address_in_use_is_a_sentence(served: Served) -> None:
    from clew.errors import InputError

    with pytest.raises(InputError, match="cannot be listened on"):
        web.serve(served.store, Config(), "127.0.0.1", served.port)
