"""The served site, over a real server: a build's bytes, the form, who may send it, and what goes wrong."""

from __future__ import annotations

import io
import json
import socket
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urljoin

import pytest
from selectolax.lexbor import LexborHTMLParser

import clew.store
from clew import pages, site, web
from clew.config import Config, Limits, Site
from clew.store import Store

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
def serving(folder: Path, config: Config) -> Iterator[Served]:
    with clew.store.open(folder / "clew.db") as store, socket.create_server(("127.0.0.1", 0)) as listener:
        server = web.server(web.app(store, config))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield Served(listener.getsockname()[1], store)
        finally:
            server.should_exit = True
            thread.join()


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


@pytest.mark.parametrize("text", ["", " \n ", "/etc/passwd", "https://social.example/1"])
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
