"""Bluesky by address, from data servers that are not the reference one: odd, broken or hostile. Written by us."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread as Worker
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
from httpcore2 import NetworkStream, SyncBackend

from clew.config import Bluesky, Config, Network
from clew.errors import FetchError, RateLimited, Refused
from clew.fetch import Client
from clew.flow import opened
from clew.guard import Door
from clew.model import Actor, Capture, Limit, Post, Thread, Tombstone
from clew.sources.bluesky import SOURCE, address
from clew.thread import assemble

DAY = "2026-03-01T10:00:00.000Z"
Answer = tuple[int, Any]
Records = dict[str, dict[str, Any]]


@dataclass
class Place:
    """A server that is everything at once: DID document, data server, AppView. ``say`` replaces one of its answers.

    Cursors are record keys, as in the reference server, unless ``say`` has it otherwise.
    """

    url: str = ""
    records: Records = field(default_factory=dict)
    say: dict[str, Callable[[Mapping[str, str]], Answer]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    wait: str = ""
    """Seconds that every request is asked to wait."""

    @property
    def did(self) -> str:
        return f"did:web:{urlsplit(self.url).netloc.replace(':', '%3A')}"

    @property
    def config(self) -> Config:
        network = Network(private_hosts=(urlsplit(self.url).netloc,), pause=0, attempts=1)
        return Config(network=network, bluesky=Bluesky(appview=self.url, plc=self.url))

    def uri(self, key: str) -> str:
        return f"at://{self.did}/app.bsky.feed.post/{key}"

    def post(self, key: str, text: str, parent: str = "", root: str = "") -> None:
        reply = {"reply": {"parent": {"uri": self.uri(parent)}, "root": {"uri": self.uri(root)}}} if parent else {}
        self.records[key] = {"$type": "app.bsky.feed.post", "text": text, "createdAt": DAY, **reply}

    def line(self, count: int, start: int = 1) -> list[str]:
        keys = [tid(n) for n in range(start, start + count)]
        for n, key in enumerate(keys):
            self.post(key, f"Part {n + 1}", keys[n - 1] if n else "", keys[0] if n else "")
        return keys

    def entry(self, key: str) -> dict[str, Any]:
        return {"uri": self.uri(key), "cid": "bafy", "value": self.records[key]}

    def answer(self, path: str, query: Mapping[str, str]) -> Answer:
        method = path.rpartition("/")[2]
        self.asked.append(method)
        if method in self.say:
            return self.say[method](query)
        if method == "did.json":
            service = {"id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": self.url}
            return 200, {"id": self.did, "service": [service]}
        if method == "com.atproto.repo.listRecords":
            behind = sorted(key for key in self.records if key > query.get("cursor", ""))[: int(query["limit"])]
            return 200, {
                "records": [self.entry(key) for key in behind],
                **({"cursor": behind[-1]} if behind else {}),
            }
        if method == "com.atproto.repo.getRecord" and query["rkey"] in self.records:
            return 200, self.entry(query["rkey"])
        if method == "com.atproto.repo.getRecord":
            return 400, {"error": "RecordNotFound", "message": "Could not locate record"}
        return 400, {"error": "InvalidRequest", "message": "Profile not found"}


def tid(number: int) -> str:
    """A record key that is a clock: 2026 and ``number`` minutes."""
    value, digits = (1_770_000_000 + 60 * number) * 1_000_000 << 10, "234567abcdefghijklmnopqrstuvwxyz"
    return "".join(digits[value >> shift & 31] for shift in range(60, -1, -5))


@pytest.fixture
def place() -> Iterator[Place]:
    here = Place()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            status, value = (429, {}) if here.wait else here.answer(parts.path, query)
            body = value if isinstance(value, bytes) else json.dumps(value).encode()
            self.send_response(status)
            if here.wait:
                self.send_header("retry-after", here.wait)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        here.url = f"http://localhost:{server.server_address[1]}"
        worker = Worker(target=server.serve_forever, args=(0.01,))
        worker.start()
        yield here
        server.shutdown()
        worker.join()


def read(place: Place, key: str) -> tuple[Thread, list[Limit], int]:
    with Client(place.config) as client:
        post = SOURCE.fetch(place.uri(key), client)
    parsed = list(SOURCE.parse(client.captures))
    limits = [value for value in parsed if isinstance(value, Limit) and value.about == "thread"]
    thread = assemble(parsed, post)
    backwards = assemble(SOURCE.parse(reversed(client.captures)), post)
    assert thread == backwards
    return thread, limits, client.requests


def refusal(place: Place, key: str) -> str:
    with Client(place.config) as client, pytest.raises(FetchError) as caught:
        SOURCE.fetch(place.uri(key), client)
    list(SOURCE.parse(client.captures))
    return str(caught.value)


def texts(thread: Thread) -> list[str]:
    return [item.content if isinstance(item, Post) else "" for item in thread.items]


def parts(count: int) -> list[str]:
    return [f"Part {n + 1}" for n in range(count)]


def test_a_did_on_its_own_host_is_read(place: Place) -> None:
    """did:web is found by its host; nothing older than the thread is asked for."""
    place.line(150)
    keys = place.line(5, start=200)
    thread, limits, requests = read(place, keys[0])
    assert texts(thread) == parts(5)
    assert not limits
    assert thread.certificate.complete == "yes"
    assert requests == 5, "the AppView knows no profile here, so it is looked for in the repository"


class Detour(SyncBackend):
    """Leads every host to the server of the test."""

    def __init__(self, port: int) -> None:
        self.port = port

    def connect_tcp(self, host: str, port: int, *args: Any, **more: Any) -> NetworkStream:
        return super().connect_tcp("127.0.0.1", self.port, *args, **more)


@pytest.mark.parametrize("says", ["itself", "another", "nonsense"])
def test_a_handle_that_the_appview_does_not_know_is_asked_for_at_its_own_host(place: Place, says: str) -> None:
    """What stands there is a DID, and its document must name the handle too, or the page does not show it."""
    place.post(tid(1), "Part 1")
    told = {"itself": place.did, "another": "did:web:other.example", "nonsense": "<html>"}[says]
    place.say["atproto-did"] = lambda _: (200, f"{told}\n".encode())
    service = {"id": "#atproto_pds", "serviceEndpoint": place.url}
    document = {"id": place.did, "alsoKnownAs": ["at://ada.quay.org"], "service": [service]}
    place.say["did.json"] = lambda _: (200, document)
    hosts = (urlsplit(place.url).netloc, "ada.quay.org", "other.example")
    config = msgspec.structs.replace(place.config, network=Network(private_hosts=hosts, pause=0, attempts=1))
    detour = Detour(int(place.url.rpartition(":")[2]))
    door = Door(hosts, 5, inner=detour, resolve=lambda *_: ["127.0.0.1"])
    url = f"https://bsky.app/profile/ada.quay.org/post/{tid(1)}"
    with Client(config, door=door) as client:
        if says == "itself":
            post = SOURCE.fetch(url, client)
            thread = assemble(SOURCE.parse(client.captures), post)
            assert thread.actors[0].preferred_username == "ada.quay.org"
            return
        with pytest.raises(FetchError) as caught:
            SOURCE.fetch(url, client)
    said = {"another": "Neither the author's server", "nonsense": "Nobody on Bluesky was found under the handle"}[
        says
    ]
    assert str(caught.value).startswith(said)


# --- cursors that are no record keys -----------------------------------------------------------------------------


def by_number(place: Place, unknown: Answer | None) -> Callable[[Mapping[str, str]], Answer]:
    """Cursors are packed numbers of records. One that is none: ``unknown``, or from the start."""

    def listed(query: Mapping[str, str]) -> Answer:
        start = 0
        if cursor := query.get("cursor"):
            try:
                start = int(base64.b64decode(cursor, validate=True))
            except ValueError:
                if unknown:
                    return unknown
        keys = sorted(place.records)[start : start + 100]
        more = {"cursor": base64.b64encode(str(start + 100).encode()).decode()} if len(keys) == 100 else {}
        return 200, {"records": [place.entry(key) for key in keys], **more}

    return listed


@pytest.mark.parametrize("unknown", [None, (400, {"error": "InvalidRequest", "message": "Bad cursor"})])
@pytest.mark.parametrize("n", [0, 3, 4])
def test_a_server_whose_cursors_are_its_own_is_read_from_the_start(
    place: Place, unknown: Answer | None, n: int
) -> None:
    """Whether it refuses a record key as a cursor or passes over it, the thread is whole and known to be."""
    place.line(150)
    keys = place.line(5, start=200)
    place.say["com.atproto.repo.listRecords"] = by_number(place, unknown)
    thread, limits, _ = read(place, keys[n])
    assert texts(thread) == parts(5)
    assert not limits
    assert thread.certificate.complete == "yes"


@pytest.mark.parametrize("cursor", ["same", "new"])
def test_pages_without_end_are_given_up(place: Place, cursor: str) -> None:
    """A server that gives the same page for ever is asked a few times, and what it gave is said to be no whole."""
    keys = place.line(5)

    def listed(query: Mapping[str, str]) -> Answer:
        following = "again" if cursor == "same" else f"page{len(place.asked)}"
        return 200, {"records": [place.entry(key) for key in keys], "cursor": following}

    place.say["com.atproto.repo.listRecords"] = listed
    thread, limits, requests = read(place, keys[0])
    assert texts(thread) == parts(5)
    assert requests <= 6
    assert len(limits) == 1
    assert thread.certificate.complete != "yes"


def test_empty_pages_without_end_are_given_up(place: Place) -> None:
    """So is one whose pages are empty and always name another."""
    keys = place.line(5)

    def listed(query: Mapping[str, str]) -> Answer:
        first = query.get("cursor", "") == address.before(keys[0])
        given = [place.entry(key) for key in keys] if first else []
        return 200, {"records": given, "cursor": f"page{len(place.asked)}"}

    place.say["com.atproto.repo.listRecords"] = listed
    thread, limits, requests = read(place, keys[0])
    assert texts(thread) == parts(5)
    assert requests <= 16
    assert len(limits) == 1


# --- servers that break, and servers that lie --------------------------------------------------------------------


def test_a_server_that_breaks_on_the_way_leaves_what_came(place: Place) -> None:
    """The second page does not come: the first is a thread, and up to when it reaches is said."""
    keys = place.line(150)
    whole = Place.answer

    def listed(query: Mapping[str, str]) -> Answer:
        if query.get("cursor", "") >= keys[50]:
            return 500, {"error": "InternalServerError"}
        del place.say["com.atproto.repo.listRecords"]
        answer = whole(place, "/xrpc/com.atproto.repo.listRecords", query)
        place.say["com.atproto.repo.listRecords"] = listed
        return answer

    place.say["com.atproto.repo.listRecords"] = listed
    thread, (limit,), _ = read(place, keys[0])
    assert texts(thread) == parts(100)
    assert limit.evidence.startswith("The author's repository was read up to 2 February 2026 only")
    assert thread.certificate.complete == "unknown"
    assert any(gap.reason == "limited" for gap in thread.certificate.gaps)


def test_records_of_others_are_not_taken_from_a_server(place: Place) -> None:
    """A data server speaks for the account that was asked for and for nobody else."""
    keys = place.line(2)
    false = {"uri": f"at://did:web:victim.example/app.bsky.feed.post/{tid(9)}", "value": place.records[keys[0]]}

    def listed(query: Mapping[str, str]) -> Answer:
        given = [place.entry(key) for key in keys if key > query["cursor"]]
        return 200, {"records": [*given, false]}

    place.say["com.atproto.repo.listRecords"] = listed
    with Client(place.config) as client:
        SOURCE.fetch(place.uri(keys[0]), client)
    authors = {item.attributed_to for item in SOURCE.parse(client.captures) if isinstance(item, Post)}
    assert authors == {place.did}


JUNK: list[Any] = [
    b"", b"<html>no</html>", b"\xff\xfe", b"[]", b"null", b"7", b'{"records": 7}', b'{"records": [7]}',
    b'{"records": [{}]}', b'{"records": [{"uri": 1}]}', b'{"records": null, "cursor": {}}',
    b'{"records": [{"uri": "at://", "value": 1}]}', b"[" * 100_000,
    b'{"records": [], "cursor": ' + b"9" * 400 + b"}",
]  # fmt: skip


@pytest.mark.parametrize("junk", JUNK)
@pytest.mark.parametrize("status", [200, 400, 403, 500])
@pytest.mark.parametrize("method", ["com.atproto.repo.listRecords", "did.json", "com.atproto.repo.getRecord"])
def test_junk_ends_with_a_sentence(place: Place, junk: bytes, status: int, method: str) -> None:
    """Whatever a server answers, a visit ends with a sentence, and what came can be parsed and redacted."""
    place.post(tid(1), "Part 1")
    place.say[method] = lambda _: (status, junk)
    said = ""
    with Client(place.config) as client:
        try:
            SOURCE.fetch(place.uri(tid(1)), client)
        except FetchError as error:
            said = str(error)
    assert (not said) is any(isinstance(v, Post | Tombstone) for v in SOURCE.parse(client.captures))
    assert said.count(". ") == 0
    for capture in client.captures:
        assert SOURCE.sniff(capture)
        SOURCE.anchor(capture)
        SOURCE.redact(capture, frozenset({place.did}))


@pytest.mark.parametrize(
    "endpoint",
    ["", 7, None, "ftp://localhost", "file:///etc/passwd", "http://", "http://localhost:99999", "http://[::1",
     "https://me@localhost", "javascript:1"],
)  # fmt: skip
def test_a_document_without_a_usable_server_is_no_server(place: Place, endpoint: object) -> None:
    """An address in a DID document may be anything; then the AppView is asked, and here it has nothing."""
    place.post(tid(1), "Part 1")
    service = {"id": "#atproto_pds", "serviceEndpoint": endpoint}
    place.say["did.json"] = lambda _: (200, {"id": place.did, "service": [service]})
    assert refusal(place, tid(1)).startswith("Neither the author's server nor Bluesky shows this post")


def test_a_document_of_another_is_not_believed(place: Place) -> None:
    """The document must bear the DID that was asked for."""
    place.post(tid(1), "Part 1")
    service = {"id": "#atproto_pds", "serviceEndpoint": place.url}
    place.say["did.json"] = lambda _: (200, {"id": "did:web:victim.example", "service": [service]})
    assert refusal(place, tid(1)).startswith("Neither the author's server")
    assert "com.atproto.repo.listRecords" not in place.asked


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ({"error": "RepoTakendown"}, "The author's account was taken down"),
        ({"error": "RepoDeactivated"}, "The author's account is deactivated"),
        ({"error": "RepoSuspended"}, "The author's account is suspended"),
        ({"error": "RepoNotFound"}, "The author's server does not have the account any more"),
        ({"error": "InvalidRequest", "message": "Could not find repo: x"}, "The author's server does not show the"),
    ],
)
def test_why_an_account_is_not_shown_is_said(place: Place, error: dict[str, str], said: str) -> None:
    """Each answer of a data server about the account has its sentence."""
    place.post(tid(1), "Part 1")
    place.say["com.atproto.repo.listRecords"] = lambda _: (400, error)
    assert refusal(place, tid(1)).startswith(said)


def test_a_post_that_was_not_found_where_the_account_is_not_shown_is_not_proven_deleted(place: Place) -> None:
    """Some servers pass a question about an account that left on to the AppView, which then says RecordNotFound."""
    keys = place.line(2)
    with Client(place.config) as client:
        SOURCE.fetch(place.uri(keys[0]), client)
        place.say["com.atproto.repo.listRecords"] = lambda _: (400, {"error": "RepoDeactivated"})
        place.records.clear()
        values = ("repo", place.did), ("collection", address.POST)
        client.get(address.xrpc(place.url, address.LIST, *values, ("limit", 5)))
        client.get(address.xrpc(place.url, address.RECORD, *values, ("rkey", keys[1])))
    reasons = {
        v.reason for v in SOURCE.parse(client.captures) if isinstance(v, Tombstone) and v.id == place.uri(keys[1])
    }
    assert reasons == {"unavailable"}


@pytest.mark.parametrize("who", ["did", "ada.example"])
def test_why_nobody_answered_is_said(place: Place, who: str) -> None:
    """Offline, or asked to wait: the sentence tells it, and an error of its own kind says how long."""
    key = tid(1)
    place.post(key, "Part 1")
    url = f"at://{place.did if who == 'did' else who}/app.bsky.feed.post/{key}"
    offline = msgspec.structs.replace(place.config, network=Network(offline=True))
    with Client(offline) as client, pytest.raises(FetchError, match="Clew is set to work offline"):
        SOURCE.fetch(url, client)
    assert not place.asked
    place.wait = "3600"
    with Client(place.config) as client, pytest.raises(RateLimited, match="asks to wait 3,600 seconds") as caught:
        SOURCE.fetch(url, client)
    assert caught.value.retry_after == 3600


def test_known_posts_that_are_not_met_again_are_asked_for(place: Place) -> None:
    """What an earlier visit found behind the place where the walk stops: the author's singly, others' together."""
    keys = place.line(3)
    place.line(1_200, start=1_000)
    place.post(tid(5_000), "Part 4", keys[-1], keys[0])
    gone, other = place.uri(tid(5_001)), "at://did:web:other.example/app.bsky.feed.post/3k2a"
    known = [*map(place.uri, keys), place.uri(tid(5_000)), gone, other]
    with Client(place.config) as client:
        post = SOURCE.fetch(place.uri(keys[0]), client, known)
    parsed = list(SOURCE.parse(client.captures))
    assert texts(assemble(parsed, post)) == parts(4)
    assert [value.id for value in parsed if isinstance(value, Tombstone) and value.reason == "deleted"] == [gone]
    assert place.asked.count("com.atproto.repo.getRecord") == 3, "the profile, and two posts"
    assert place.asked.count("app.bsky.feed.getPosts") == 1


# --- clocks, and what hangs together badly -----------------------------------------------------------------------


def test_a_post_with_an_older_key_than_its_root_is_asked_for(place: Place) -> None:
    """A client's clock ran backwards: the walk does not come by that post, but what answers it names it."""
    root, second, third = tid(100), tid(50), tid(101)
    place.post(root, "Part 1")
    place.post(second, "Part 2", root, root)
    place.post(third, "Part 3", second, root)
    for key in (root, second, third):
        thread, _, _ = read(place, key)
        assert texts(thread) == parts(3)


@pytest.mark.parametrize("n", [0, 2, 3, 5])
def test_a_postscript_after_many_posts_is_found_from_itself_and_said_to_be_apart(place: Place, n: int) -> None:
    """1,200 posts lie between, and no AppView tells of the rest: what was asked for is here, and what was read."""
    keys = place.line(3)
    place.line(1_200, start=1_000)
    for number in (5_000, 5_001, 5_002):
        place.post(tid(number), f"Part {len(keys) + 1}", keys[-1], keys[0])
        keys.append(tid(number))
    thread, limits, _ = read(place, keys[n])
    assert texts(thread) == parts(3 if n < 3 else 6)
    assert len(limits) == 1
    assert thread.certificate.complete == "unknown"


def test_a_circle_of_answers_ends(place: Place) -> None:
    """Posts that answer each other in a circle are read once."""
    a, b = tid(1), tid(2)
    place.post(a, "A", b, a)
    place.post(b, "B", a, a)
    thread, _, requests = read(place, a)
    assert sorted(texts(thread)) == ["A", "B"]
    assert requests <= 6


def test_the_profile_in_the_repository_refuses_too(place: Place) -> None:
    """Where the AppView does not tell, the author's own word is looked for before a post is read."""
    place.post(tid(1), "Part 1")
    label = {"values": [{"val": "!no-unauthenticated"}]}
    profile = {"uri": f"at://{place.did}/{address.PROFILE}/self", "value": {"displayName": "Ada", "labels": label}}
    place.say["com.atproto.repo.getRecord"] = lambda _: (200, profile)
    with Client(place.config) as client, pytest.raises(Refused):
        SOURCE.fetch(place.uri(tid(1)), client)
    assert "com.atproto.repo.listRecords" not in place.asked
    (actor,) = [value for value in SOURCE.parse(client.captures) if isinstance(value, Actor)]
    assert actor.restrictions == ("no-unauthenticated",)


@pytest.mark.parametrize("name", ["Ada", 5])
def test_a_profile_that_is_no_profile_is_heard_all_the_same(place: Place, name: object) -> None:
    """The wish to be hidden counts, whatever else in the record is not as it should be."""
    place.post(tid(1), "Part 1")
    value = {"displayName": name, "labels": {"values": [{"val": "!no-unauthenticated"}]}}
    profile = {"uri": f"at://{place.did}/{address.PROFILE}/self", "value": value}
    place.say["com.atproto.repo.getRecord"] = lambda _: (200, profile)
    with Client(place.config) as client, pytest.raises(Refused):
        SOURCE.fetch(place.uri(tid(1)), client)


@pytest.mark.parametrize(("field", "value"), [("text", 5), ("langs", "en"), ("createdAt", []), ("facets", {})])
def test_a_record_that_is_no_post_leaves_a_gap_in_its_place(place: Place, field: str, value: object) -> None:
    """What cannot be read is missing from the thread, and the certificate says so."""
    keys = place.line(3)
    place.records[keys[2]][field] = value
    thread, _, _ = read(place, keys[0])
    assert [type(item) for item in thread.items] == [Post, Post, Tombstone]
    assert thread.certificate.complete == "no"


# --- several visits ----------------------------------------------------------------------------------------------


def visited(place: Place, key: str, known: Sequence[str] = ()) -> list[Capture]:
    with Client(place.config) as client:
        SOURCE.fetch(place.uri(key), client, known)
    return client.captures


def test_what_an_earlier_visit_read_does_not_vouch_for_a_later_one(place: Place) -> None:
    """Where nobody tells any more where the author's server is, that it was read once to its end proves nothing of
    now: what the AppView shows then may be short."""
    keys = place.line(9)
    first = visited(place, keys[0])
    assert assemble(SOURCE.parse(first), place.uri(keys[0])).certificate.complete == "yes"
    place.line(20)
    views = [
        {"post": {"uri": place.uri(key), "author": {"did": place.did}, "record": place.records[key]}}
        for key in keys
    ]
    place.say["did.json"] = lambda _: (500, {})
    place.say["app.bsky.feed.getPostThread"] = lambda _: (200, {"thread": views[0]})
    both = [*first, *visited(place, keys[0])]
    certificate = assemble(SOURCE.parse(both), place.uri(keys[0])).certificate
    assert certificate.complete == "unknown"
    assert "what was posted later may be missing" in certificate.sentence


def test_the_end_that_an_earlier_visit_saw_is_not_the_end_now(place: Place) -> None:
    """A walk that stopped half-way does not go on in the pages of the visit before."""
    keys = place.line(150)
    first = visited(place, keys[0])
    second = [c for c in visited(place, keys[0]) if f"cursor={keys[99]}" not in c.url and keys[149] not in c.url]
    assert len(second) == len(first) - 2
    assert assemble(SOURCE.parse(first), place.uri(keys[0])).certificate.complete == "yes"
    assert assemble(SOURCE.parse([*first, *second]), place.uri(keys[0])).certificate.complete == "unknown"
    assert assemble(SOURCE.parse([*second, *first]), place.uri(keys[0])).certificate.complete == "unknown"


def test_a_handle_that_went_to_somebody_else_leads_to_the_author_s_posts(place: Place) -> None:
    """A later look asks for the author whose posts are known, whoever has the handle now."""
    keys = place.line(3)
    url, other = f"https://bsky.app/profile/ada.example/post/{keys[1]}", "did:plc:ewvi7nxzyoun6zhxrhs64oiz"
    place.say["app.bsky.actor.getProfile"] = lambda query: (
        200,
        {"did": other if query["actor"] == "ada.example" else place.did, "handle": "ada.example"},
    )
    with Client(place.config) as client:
        assert SOURCE.fetch(url, client, list(map(place.uri, keys))) == place.uri(keys[1])
    assert texts(assemble(SOURCE.parse(client.captures), place.uri(keys[1]))) == parts(3)


@pytest.mark.parametrize("status", [404, 410])
def test_an_account_that_nobody_knows_any_more_is_gone_with_its_posts(place: Place, status: int) -> None:
    """Where the directory has no such account, the known posts are; it may be there again."""
    keys = place.line(3)
    captures = visited(place, keys[0])
    place.say["did.json"] = lambda _: (status, {"message": "DID not available"})
    with Client(place.config) as client, pytest.raises(FetchError, match="There is no account"):
        SOURCE.fetch(place.uri(keys[0]), client)
    captures += client.captures
    stones = [value for value in SOURCE.parse(captures) if isinstance(value, Tombstone)]
    assert {stone.id for stone in stones} == set(map(place.uri, keys))
    assert all(stone.checked and stone.reason == "unavailable" for stone in stones)
    del place.say["did.json"]
    captures += visited(place, keys[0])
    assert not [value for value in SOURCE.parse(captures) if isinstance(value, Tombstone)]


def test_a_quoted_author_who_hides_is_not_shown(place: Place) -> None:
    """Of a thread that is read without being kept, too, the text of a quoted author is left out who shows posts to
    people who are logged in only."""
    keys, shy = place.line(2), "did:plc:ewvi7nxzyoun6zhxrhs64oiz"
    uri = f"at://{shy}/app.bsky.feed.post/{tid(0)}"
    place.records[keys[1]]["embed"] = {"$type": "app.bsky.embed.record", "record": {"uri": uri}}
    author = {"did": shy, "handle": "shy.example", "labels": [{"src": shy, "val": "!no-unauthenticated"}]}
    quoted = {
        "$type": "#viewRecord",
        "uri": uri,
        "author": author,
        "value": {"text": "Whispered", "createdAt": DAY},
    }
    mine = {"uri": place.uri(keys[1]), "author": {"did": place.did}, "record": place.records[keys[1]]}
    view = mine | {"embed": {"$type": "app.bsky.embed.record#view", "record": quoted}}
    place.say["app.bsky.feed.getPosts"] = lambda _: (200, {"posts": [view]})
    with opened(place.uri(keys[0]), config=place.config) as reading:
        thread = reading.one()
    assert texts(thread) == parts(2)
    assert "Whispered" not in repr(thread)
    assert not [capture for capture in reading.captures(thread) if b"Whispered" in capture.body]
