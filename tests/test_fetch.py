"""The door to the network, tried on servers of this machine that do everything wrong that a server can."""

from __future__ import annotations

import gzip
import random
import ssl
import tracemalloc
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import msgspec
import pytest
import stamina
import trustme

from clew import pace
from clew.config import Config, Network, Site
from clew.errors import FetchError, LoginRequired, RateLimited
from clew.fetch import FAILURE, VISIT, Client, failed, query
from clew.guard import Door
from clew.model import Capture
from loopback import Answer, Elsewhere, Line, Loopback, response

MANY = 10_000_000
OK = response(b"ok", Content_Type="Text/Plain; charset=utf-8")


@pytest.fixture(autouse=True)
def slept(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """No test sleeps between requests: the seconds are noted, and the clock is put forward by them."""
    noted: list[float] = []
    real = pace.now
    monkeypatch.setattr(pace, "now", lambda: real() + sum(noted))
    monkeypatch.setattr(pace, "sleep", noted.append)
    monkeypatch.setattr(pace, "_free", {})
    with stamina.set_testing(True, attempts=100, cap=True):
        yield noted


@pytest.fixture
def server() -> Iterator[Loopback]:
    with Loopback({"/": OK}) as running:
        yield running


def settings(server: Loopback, **network: object) -> Config:
    given = {"pause": 0, "private_hosts": (server.host,), **network}
    return Config(network=msgspec.convert(given, Network))


def client(server: Loopback, earlier: tuple[Capture, ...] = (), **network: object) -> Client:
    return Client(settings(server, **network), earlier=earlier)


def asked_for(server: Loopback, *answers: Answer, **network: object) -> Capture:
    """Return what ``/`` gives where the server says these things, one after the other."""
    server.answers["/"] = list(answers)
    with client(server, **network) as visit:
        return visit.get(server.url + "/")


def failure(server: Loopback, *answers: Answer, **network: object) -> FetchError:
    """Return the error of ``/``, and see that it is told and kept as every error is."""
    server.answers["/"] = list(answers)
    with client(server, **network) as visit, pytest.raises(FetchError) as caught:
        visit.get(server.url + "/")
    (kept,) = visit.captures
    assert (kept.url, kept.status, kept.body) == (server.url + "/", 0, b"")
    assert kept.headers[FAILURE] == caught.value.what
    assert not caught.value.what.endswith(".")
    assert caught.value.url == server.url + "/"
    assert "bytearray" not in str(caught.value)
    return caught.value


# -- answers ------------------------------------------------------------------------------------------------------


def test_an_answer_becomes_a_capture(server: Loopback) -> None:
    """Body, digest, type, status, time and headers are kept; the capture returned is the one collected."""
    before = datetime.now(UTC)
    with client(server) as visit:
        capture = visit.get(server.url + "/")
    assert visit.captures == [capture]
    assert (capture.body, capture.media_type, capture.status) == (b"ok", "text/plain", 200)
    assert capture.sha256 == "2689367b205c16ce32ed4200942b8b8b1e262dfc70d9bc9fbc77c49699a4f1df"
    assert (capture.url, capture.location) == (server.url + "/", "")
    assert before <= datetime.fromisoformat(capture.headers[VISIT]) <= capture.retrieved <= datetime.now(UTC)
    assert capture.headers["content-length"] == "2"


@pytest.mark.parametrize(
    "status", ["204 No Content", "400 Bad", "401 Who", "404 None", "410 Gone", "500 Oh", "599 ?"]
)
def test_an_answer_that_says_no_is_an_answer(server: Loopback, status: str) -> None:
    """Whatever the status, the answer is returned; what it means is for the source to say."""
    body = b"" if status.startswith("204") else b"why"
    capture = asked_for(server, response(body, status))
    assert (capture.status, capture.body) == (int(status[:3]), body)
    assert len(server.asked) == 1


def test_the_bare_minimum_of_an_answer(server: Loopback) -> None:
    """An answer without length, type or date is read to its end."""

    def bare(line: Line) -> None:
        line.send(b"HTTP/1.0 200\r\n\r\nall of it")
        line.hang_up()

    capture = asked_for(server, bare)
    assert (capture.body, capture.media_type) == (b"all of it", "")


def test_what_is_not_kept_of_an_answer(server: Loopback) -> None:
    """Cookies are neither kept nor sent back, and a server cannot write the headers that are ours."""
    told = {"Clew-Failure": "x", "Clew-Visit": "x", "Author": "x", "Published": "x", "Set-Cookie": "id=1; Path=/"}
    server.answers["/"] = response(b"ok", **told, X_Kept="yes")
    server.answers["/2"] = OK
    with client(server) as visit:
        capture = visit.get(server.url + "/")
        visit.get(server.url + "/2")
    assert set(capture.headers) == {"content-length", "x-kept", VISIT}
    assert capture.headers[VISIT] != "x"
    assert "cookie" not in server.asked[1].headers


def test_what_a_server_sees(server: Loopback) -> None:
    """A request says who asks and where to complain, what is wanted, and nothing more."""
    site = Site(base_url="https://clew.example", contact="mailto:ada@clew.example")
    with Client(msgspec.structs.replace(settings(server), site=site)) as visit:
        visit.get(server.url + "/", accept="application/json")
    sent = server.asked[0].headers
    assert sent.pop("user-agent").endswith(" (+https://clew.example mailto:ada@clew.example)")
    assert sent == {"host": server.host, "accept": "application/json", "accept-encoding": "gzip"}


@pytest.mark.parametrize("contact", ["ada\r\nx-evil: 1", "адрес", ""])
def test_a_contact_that_no_header_can_hold(server: Loopback, contact: str) -> None:
    """The name stays plain where the operator's address does not fit into a header."""
    with Client(msgspec.structs.replace(settings(server), site=Site(contact=contact))) as visit:
        visit.get(server.url + "/")
        assert server.asked[0].headers["user-agent"] == visit.agent()
        assert visit.agent().startswith("Clew/")
        assert "(" not in visit.agent()


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/a b?q=a b&r=ü#part", "/a%20b?q=a%20b&r=%C3%BC"),
        ("/%2F%e2/ü\u200d", "/%2F%e2/%C3%BC%E2%80%8D"),
        ("?a[]=1", "/?a[]=1"),
        ('/"<>\\^`{|}', "/%22%3C%3E%5C%5E%60%7B%7C%7D"),
        ("", "/"),
    ],
)
def test_how_a_path_goes_over_the_line(server: Loopback, path: str, sent: str) -> None:
    """What no address can hold is encoded as UTF-8, and what is encoded already stays."""
    server.answers[sent] = OK
    with client(server) as visit:
        capture = visit.get(server.url + path)
    assert server.asked[0].path == sent
    assert capture.url == server.url + path
    assert capture.location == ""


def test_a_query_is_encoded() -> None:
    """Values are encoded, in the order given."""
    asked = query("https://a.example/x", {"uri": "at://did:plc:1/a b", "limit": 5})
    assert asked == "https://a.example/x?uri=at%3A%2F%2Fdid%3Aplc%3A1%2Fa%20b&limit=5"


# -- packed bodies ------------------------------------------------------------------------------------------------

WORDS = random.Random(1).randbytes(100_000) + b"words " * 100_000
PACKED = gzip.compress(WORDS)


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (PACKED, "gzip"),
        (PACKED, " X-GZIP "),
        (gzip.compress(WORDS[:1000]) + gzip.compress(WORDS[1000:]), "gzip"),
        (WORDS, "identity"),
    ],
)
def test_packed_answers_are_unpacked(server: Loopback, body: bytes, encoding: str) -> None:
    """The capture holds what was packed, all parts of it."""
    assert asked_for(server, response(body, Content_Encoding=encoding)).body == WORDS


def test_a_packed_answer_in_single_bytes(server: Loopback) -> None:
    """It does not matter where the pieces begin and end."""

    def chunked(line: Line) -> None:
        line.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n")
        line.send(b"".join(b"1\r\n%c\r\n" % byte for byte in gzip.compress(b"words " * 1000)) + b"0\r\n\r\n")

    assert asked_for(server, chunked).body == b"words " * 1000


def test_an_empty_answer_that_calls_itself_packed(server: Loopback) -> None:
    """Nothing is nothing, however it is packed."""
    assert asked_for(server, response(b"", "404 None", Content_Encoding="gzip")).body == b""


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "gzip,br", "zstd", "x\x1b[2Jy"])
def test_packings_that_were_not_asked_for(server: Loopback, encoding: str) -> None:
    """One packing is asked for; others, and one in the other, are refused by name."""
    error = failure(server, response(PACKED, Content_Encoding=encoding))
    assert error.what.startswith("The answer is packed in a way not asked for (")
    assert error.what.isprintable()


@pytest.mark.parametrize(
    "body",
    [PACKED[:-1], PACKED[:50_000], PACKED[:3], b"\0" + PACKED, PACKED + b"more", zlib.compress(WORDS), b"<html>",
     PACKED[:60_000] + b"\0\0\0\0" + PACKED[60_004:]],
)  # fmt: skip
def test_damaged_packed_answers(server: Loopback, body: bytes) -> None:
    """What is cut off, altered or no gzip at all is not taken for the whole."""
    error = failure(server, response(body, Content_Encoding="gzip"))
    assert error.what == "The answer is damaged and cannot be unpacked"
    assert isinstance(error.__cause__, zlib.error)


# -- size ---------------------------------------------------------------------------------------------------------


def test_bombs_are_not_unpacked(server: Loopback) -> None:
    """Unpacking stops at the limit: what is small on the line does not become large here."""
    pack = zlib.compressobj(9, wbits=31)
    bomb = b"".join(pack.compress(bytes(MANY)) for _ in range(10)) + pack.flush()
    assert len(bomb) < 200_000
    tracemalloc.start()
    try:
        error = failure(server, response(bomb, Content_Encoding="gzip"), body=1_000_000)
        assert tracemalloc.get_traced_memory()[1] < MANY
    finally:
        tracemalloc.stop()
    assert error.what == "The answer is larger than 1,000,000 bytes"


def test_endless_bodies_are_cut(server: Loopback) -> None:
    """Reading stops at the limit, whatever the server says or does not say of the length."""

    def endless(line: Line) -> None:
        line.send(b"HTTP/1.1 200 OK\r\n\r\n")
        line.drip(b"more" * 10_000, 0)

    assert failure(server, endless, body=100_000).what == "The answer is larger than 100,000 bytes"
    announced = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n" + b"x" * 200_000
    assert failure(server, announced, body=100_000).what == "The answer is larger than 100,000 bytes"


def test_the_limit_of_one_answer(server: Loopback) -> None:
    """Exactly as much as allowed is taken; a caller may ask for another limit."""
    server.answers["/"] = response(b"x" * 1000)
    with client(server, body=1000) as visit:
        assert len(visit.get(server.url + "/").body) == 1000
        with pytest.raises(FetchError, match="larger than 999 bytes"):
            visit.get(server.url + "/", most=999)
    with client(server, body=10) as visit:
        assert len(visit.get(server.url + "/", most=1000).body) == 1000


# -- answers that break off, or never were ------------------------------------------------------------------------


def cut(data: bytes) -> Answer:
    """Send this and hang up."""

    def answer(line: Line) -> None:
        line.send(data)
        line.hang_up()

    return answer


def reset(data: bytes) -> Answer:
    """Send this and break the connection."""

    def answer(line: Line) -> None:
        line.send(data)
        line.reset()

    return answer


SHORT = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfive!"
CHUNK = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfive!\r\n"
BROKEN = [
    cut(b""),
    reset(b""),
    cut(SHORT),
    reset(SHORT),
    cut(CHUNK),
    reset(CHUNK),
    cut(b"HTTP/1.1 200 OK\r\nConte"),
]


@pytest.mark.parametrize("answer", BROKEN)
def test_a_connection_that_breaks_is_tried_again(server: Loopback, answer: Answer) -> None:
    """A part is never taken for the whole: it is asked for again, and what comes then counts."""
    assert asked_for(server, answer, answer, OK).body == b"ok"
    assert len(server.asked) == 3


@pytest.mark.parametrize("answer", BROKEN)
def test_a_connection_that_breaks_again_and_again(server: Loopback, answer: Answer) -> None:
    """After the attempts that are set it is an error."""
    error = failure(server, answer, attempts=3)
    assert error.what == "The connection broke off"
    assert error.status == 0
    assert len(server.asked) == 3


NOT_HTTP = [
    b"just some text\r\n\r\n", b"SSH-2.0-OpenSSH_9.9\r\n", b"HTTP/1.1 OK\r\n\r\n", b"HTTP/1.1 2OO OK\r\n\r\n",
    b"HTTP/9.9 99\r\n\r\n", b"ICY 200 OK\r\n\r\n", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" * 9, b"\0" * 300_000,
    b"HTTP/1.1 200 OK\r\nBad Header: x\r\n\r\n", b"HTTP/1.1 200 OK\r\nx: a\0b\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n12345",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200_000 + b"\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 100_000 + b"\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
]  # fmt: skip


@pytest.mark.parametrize("answer", NOT_HTTP, ids=lambda answer: ascii(answer[:40]))
def test_answers_that_are_not_http(server: Loopback, answer: bytes) -> None:
    """Garbage, damaged heads and heads without end are told in our words: what was sent is not repeated."""
    assert failure(server, cut(answer)).what in ("The answer is not HTTP", "The connection broke off")


def test_headers_in_bytes_that_are_no_text(server: Loopback) -> None:
    """Header values of any bytes are kept as they came, one byte a character."""
    capture = asked_for(server, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: \xff\xe9\x80\r\nx: 2\r\n\r\nok")
    assert capture.headers["x"] == "\xff\xe9\x80, 2"


def test_an_answer_that_is_longer_than_it_says(server: Loopback) -> None:
    """What follows the announced end belongs to no answer, and the next request gets its own."""
    server.answers["/"] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok, and then some"
    server.answers["/2"] = response(b"second")
    with client(server) as visit:
        assert visit.get(server.url + "/").body == b"ok"
        assert visit.get(server.url + "/2").body == b"second"


def test_a_kept_connection_that_was_closed(server: Loopback) -> None:
    """A server that hangs up between two requests, as it may, is dialled again."""
    server.answers["/"] = cut(OK)
    server.answers["/2"] = [reset(b""), OK]
    with client(server) as visit:
        assert visit.get(server.url + "/").body == b"ok"
        assert visit.get(server.url + "/2").body == b"ok"


def test_connections_are_kept(server: Loopback) -> None:
    """Requests to one server go over one connection."""
    server.answers |= {f"/{n}": OK for n in range(5)}
    with client(server) as visit:
        for n in range(5):
            visit.get(f"{server.url}/{n}")
    assert server.dials == 1


def test_a_port_where_nobody_listens() -> None:
    """The system's words say why, and it is asked once."""
    with Loopback({}) as other:
        pass
    with client(other) as visit, pytest.raises(FetchError) as caught:
        visit.get(other.url)
    assert caught.value.what == "The server could not be reached (Connection refused)"
    assert visit.requests == 1


# -- time ---------------------------------------------------------------------------------------------------------


def silent(line: Line) -> None:
    line.wait()


def dripping_head(line: Line) -> None:
    line.send(b"HTTP/1.1 200 OK\r\nx: ")
    line.drip(b"y")


def dripping_body(line: Line) -> None:
    line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    line.drip(b"y")


def dripping_packed(line: Line) -> None:
    line.send(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n")
    line.drip(gzip.compress(b""))


def going_on(line: Line) -> None:
    line.drip(b"HTTP/1.1 100 Continue\r\n\r\n")


def test_a_server_that_is_silent(server: Loopback) -> None:
    """Nobody waits longer than is set for the next piece of an answer; it is not asked again."""
    error = failure(server, silent, read=0.1)
    assert error.what == "The server did not answer in time"
    assert len(server.asked) == 1


@pytest.mark.parametrize("answer", [dripping_head, dripping_body, dripping_packed, going_on])
def test_a_server_that_drips(server: Loopback, answer: Answer) -> None:
    """However it keeps a connection alive, an answer takes no longer than is set for the whole of it."""
    error = failure(server, answer, read=30, whole=0.3)
    assert error.what == "The server did not answer in time"
    assert len(server.asked) == 1


# -- servers that are busy ----------------------------------------------------------------------------------------

NOW = datetime.now(UTC)
WRONG = datetime(2009, 2, 14, tzinfo=UTC)


def date(time: datetime) -> str:
    return format_datetime(time, usegmt=True)


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"Retry_After": "30"}, 30),
        ({"Date": date(WRONG), "Retry_After": date(WRONG + timedelta(seconds=30))}, 30),
        ({"Date": date(WRONG), "x_ratelimit_remaining": "0", "x_ratelimit_reset": "2009-02-14T00:00:30Z"}, 30),
        ({"Date": date(WRONG), "ratelimit_remaining": "0", "ratelimit_reset": "1234569630"}, 30),
        ({"x_rate_limit_remaining": "0", "x_rate_limit_reset": "30"}, 30),
        ({}, 0),
        ({"Retry_After": "soon"}, 0),
    ],
)
@pytest.mark.parametrize("status", ["429 Slow", "503 Busy"])
def test_busy_servers_are_asked_again(
    server: Loopback, slept: list[float], status: str, headers: dict[str, str], wait: float
) -> None:
    """After the wait that was asked for, by the server's own clock, or a growing one where it names none."""
    capture = asked_for(server, response(b"no", status, **headers), OK)
    assert (capture.status, len(server.asked)) == (200, 2)
    assert round(sum(slept)) == wait


@pytest.mark.parametrize("status", ["429 Slow", "502 Bad", "503 Busy", "504 Late"])
def test_busy_servers_are_not_asked_for_ever(server: Loopback, status: str) -> None:
    """After the attempts that are set the answer is what it is."""
    capture = asked_for(server, response(b"no", status), attempts=3)
    assert (capture.status, capture.body, len(server.asked)) == (int(status[:3]), b"no", 3)


def test_a_storm_of_429(server: Loopback, slept: list[float]) -> None:
    """A server that says no to everything, with a short wait, is asked a few times and each time waited for."""
    capture = asked_for(server, response(b"no", "429 Slow", Retry_After="20"), attempts=4)
    assert (capture.status, len(server.asked)) == (429, 4)
    assert [round(seconds) for seconds in slept] == [20, 20, 20]
    error = failed(capture)
    assert isinstance(error, RateLimited)
    assert error.retry_after == 20


@pytest.mark.parametrize("status", ["429 Slow", "503 Busy"])
def test_a_wait_beyond_patience_is_an_error(server: Loopback, slept: list[float], status: str) -> None:
    """Who is asked to wait too long is told how long; nobody waits, and the next visit does not even ask."""
    error = failure(server, response(b"no", status, Retry_After="3600"))
    assert isinstance(error, RateLimited)
    assert (error.what, error.retry_after) == ("The server asks to wait 3,600 seconds", 3600)
    assert error.status == int(status[:3])
    with client(server) as later, pytest.raises(RateLimited) as caught:
        later.get(server.url + "/2")
    assert caught.value.status == 0
    assert caught.value.retry_after is not None
    assert round(caught.value.retry_after) <= 3600
    assert (len(server.asked), later.requests, slept) == (1, 0, [])


def test_two_visits_share_the_limits_of_a_host(server: Loopback, slept: list[float]) -> None:
    """What one visit hears of a limit, the next keeps to."""
    server.answers["/"] = response(b"ok", X_RateLimit_Remaining="0", X_RateLimit_Reset="45")
    server.answers["/2"] = OK
    with client(server) as first, client(server) as second:
        first.get(server.url + "/")
        second.get(server.url + "/2")
    assert [round(seconds) for seconds in slept] == [45]


def test_a_pause_between_requests(server: Loopback, slept: list[float]) -> None:
    """One server is asked once a pause, by whichever visit, redirects and repetitions counted."""
    server.answers["/"] = [response(b"", "503 Busy"), response(b"", "302 There", Location="/2"), OK]
    server.answers["/2"] = OK
    with client(server, pause=5) as first, client(server, pause=5) as second:
        first.get(server.url + "/")
        second.get(server.url + "/")
    assert [round(seconds) for seconds in slept] == [5, 5, 5]


# -- redirects ----------------------------------------------------------------------------------------------------


def to(target: str, status: str = "302 There") -> bytes:
    return response(b"a page that says so", status, Location=target)


def test_a_chain_of_redirects(server: Loopback) -> None:
    """The answer at the end counts; the capture says what was asked and where the answer was."""
    server.answers |= {
        "/": to("a"),
        "/a": to("/b?x=1", "301 There"),
        "/b?x=1": to(server.url + "/c", "308 X"),
        "/c": OK,
    }
    with client(server) as visit:
        capture = visit.get(server.url + "/")
    assert (capture.body, capture.url, capture.location) == (b"ok", server.url + "/", server.url + "/c")
    assert (visit.requests, len(visit.captures)) == (4, 1)


def test_where_a_redirect_leads_in_bytes(server: Loopback) -> None:
    """An address that a server writes in UTF-8 or Latin-1 goes back to it as it wrote it."""
    server.answers |= {"/%C3%BC%20x": OK, "/%FC": OK}
    assert asked_for(server, "HTTP/1.1 302 X\r\nContent-Length: 0\r\nLocation: /ü x\r\n\r\n".encode()).body == b"ok"
    assert asked_for(server, b"HTTP/1.1 302 X\r\nContent-Length: 0\r\nLocation: /\xfc\r\n\r\n").body == b"ok"
    assert [asked.path for asked in server.asked] == ["/", "/%C3%BC%20x", "/", "/%FC"]


@pytest.mark.parametrize("target", ["/", "", "/a", "?"])
def test_redirects_without_end(server: Loopback, target: str) -> None:
    """A circle of one, two or more ends after as many redirects as are set."""
    server.answers |= {"/a": to("/b"), "/b": to("/")}
    error = failure(server, to(target) if target else to("#again"), redirects=4)
    assert error.what == "The server sends from one address to the next without end"
    assert len(server.asked) == 5


def test_as_many_redirects_as_are_set(server: Loopback) -> None:
    """The last that is allowed is followed, and none where none is."""
    server.answers |= {"/a": to("/b"), "/b": OK}
    assert asked_for(server, to("/a"), redirects=2).body == b"ok"
    assert "without end" in failure(server, to("/a"), redirects=1).what
    assert "without end" in failure(server, to("/a"), redirects=0).what


@pytest.mark.parametrize("answer", [response(b"", "302 There"), to("http://["), to("http://a.example:x/")])
def test_redirects_that_lead_nowhere(server: Loopback, answer: bytes) -> None:
    """A redirect without an address, or to none, is an error and not an empty answer."""
    server.answers["/"] = answer
    with client(server) as visit, pytest.raises(FetchError) as caught:
        visit.get(server.url + "/")
    assert caught.value.what in (
        "The server sends elsewhere and does not say where",
        "The server sends to what is not an address",
        "This is not an address",
    )
    assert [c.status for c in visit.captures] == [0]


def elsewhere(server: Loopback, config: Config | None = None) -> tuple[Client, Elsewhere]:
    """Return a client in an internet where every name is public and leads to ``server``."""
    line = Elsewhere(server.port)
    door = Door((), 5, inner=line, resolve=lambda *_: ["93.184.215.14"])
    return Client(config or settings(server), door=door), line


def test_from_https_to_http(server: Loopback) -> None:
    """Nobody is led from a protected address to an unprotected one without a word; the way up is free."""
    server.answers |= {"/": to("http://b.example/up"), "/up": to("https://b.example/2"), "/2": OK}
    visit, line = elsewhere(server)
    with visit, pytest.raises(FetchError) as caught:
        visit.get("https://a.example/")
    assert caught.value.what == "The server sends from https to plain http"
    assert caught.value.hint == "If you trust it all the same, ask for http://b.example/up"
    assert line.dials == [("93.184.215.14", 443)]
    visit, line = elsewhere(server)
    with visit:
        assert visit.get("http://a.example/").body == b"ok"
    assert [port for _, port in line.dials] == [80, 80, 443]


# -- has it changed? ----------------------------------------------------------------------------------------------


def seen(server: Loopback, path: str = "/", **headers: str) -> Capture:
    """Return a capture of an earlier visit."""
    then = datetime(2020, 5, 1, tzinfo=UTC)
    given = {"etag": '"1"', "date": "then", VISIT: then.isoformat(), **headers}
    return Capture("0" * 64, b"earlier", "text/plain", then, url=server.url + path, status=200, headers=given)


UNCHANGED = b'HTTP/1.1 304 Same\r\nETag: "2"\r\nDate: now\r\nContent-Type: x/y\r\n\r\n'


def test_what_has_not_changed(server: Loopback) -> None:
    """A server that knows the earlier answer says so, and that answer is taken as received now, in this visit."""
    earlier = seen(server)
    server.answers["/"] = UNCHANGED
    with client(server, (earlier,)) as visit:
        capture = visit.get(server.url + "/")
    assert server.asked[0].headers["if-none-match"] == '"1"'
    assert (capture.body, capture.sha256, capture.status) == (b"earlier", earlier.sha256, 200)
    assert (capture.media_type, capture.headers["etag"], capture.headers["date"]) == ("text/plain", '"2"', "now")
    assert capture.retrieved >= NOW
    assert capture.headers[VISIT] != earlier.headers[VISIT]
    assert visit.captures == [capture]


def test_what_has_changed(server: Loopback) -> None:
    """A new answer replaces the earlier one."""
    with client(server, (seen(server),)) as visit:
        assert visit.get(server.url + "/").body == b"ok"


def test_the_latest_earlier_answer_is_compared(server: Loopback) -> None:
    """Of several earlier answers the last counts; without an ETag its time of change is sent."""
    old = seen(server)
    new = msgspec.structs.replace(
        old, retrieved=old.retrieved + timedelta(days=1), headers={"last-modified": date(WRONG)}
    )
    with client(server, (new, old)) as visit:
        visit.get(server.url + "/")
    assert server.asked[0].headers["if-modified-since"] == date(WRONG)
    assert "if-none-match" not in server.asked[0].headers


@pytest.mark.parametrize(
    "change",
    [
        {"redacted": True},
        {"status": 404},
        {"status": 0, "headers": {FAILURE: "no answer", "etag": '"1"'}},
        {"headers": {}},
        {"headers": {"etag": "\xff\xe9"}},
        {"headers": {"etag": "a\r\nx-evil: 1"}},
        {"url": "https://elsewhere.example/"},
        {"location": "https://elsewhere.example/"},
        {"media_type": "text/html"},
    ],
)
def test_what_cannot_be_compared(server: Loopback, change: dict[str, object]) -> None:
    """No body that was altered, refused, of another address or of another kind is ever taken as the answer."""
    with client(server, (msgspec.structs.replace(seen(server), **change),)) as visit:
        assert visit.get(server.url + "/", accept="text/plain, x/y").body == b"ok"
    assert not {"if-none-match", "if-modified-since"} & set(server.asked[0].headers)


def test_unchanged_without_having_been_asked(server: Loopback) -> None:
    """A server that says "unchanged" to whoever does not know the answer has said nothing."""
    assert failure(server, UNCHANGED).what == "The server says that nothing changed, and was not asked that"


def test_unchanged_at_the_end_of_a_redirect(server: Loopback) -> None:
    """The question goes to the address that gave the earlier answer, and not to those on the way."""
    server.answers |= {"/": to("/a"), "/a": UNCHANGED}
    earlier = msgspec.structs.replace(seen(server), location=server.url + "/a")
    with client(server, (earlier,)) as visit:
        capture = visit.get(server.url + "/")
    assert (capture.body, capture.location) == (b"earlier", server.url + "/a")
    assert ["if-none-match" in asked.headers for asked in server.asked] == [False, True]


def test_unchanged_elsewhere(server: Loopback) -> None:
    """Where the redirect now leads to another address, its "unchanged" is not about the earlier answer."""
    server.answers |= {"/": to("/b"), "/b": UNCHANGED}
    earlier = msgspec.structs.replace(seen(server), location=server.url + "/a")
    with client(server, (earlier,)) as visit, pytest.raises(FetchError, match="was not asked that"):
        visit.get(server.url + "/")


# -- tokens -------------------------------------------------------------------------------------------------------

TOKEN = "s3cret-Token_value"


def test_a_token_goes_over_https_to_its_own_host(server: Loopback) -> None:
    """Along redirects it is sent to the same origin only: no other host, port or scheme."""
    server.answers |= {"/": to("/a"), "/a": to("https://b.example/b"), "/b": to("https://a.example/c"),
                       "/c": to("https://a.example:80/d"), "/d": OK}  # fmt: skip
    visit, _ = elsewhere(server)
    with visit:
        capture = visit.get("https://a.example/", token=TOKEN)
    sent = [asked.headers.get("authorization") for asked in server.asked]
    assert sent == [f"Bearer {TOKEN}", f"Bearer {TOKEN}", None, f"Bearer {TOKEN}", None]
    assert TOKEN not in repr(capture)


def test_a_token_does_not_go_over_plain_http(server: Loopback) -> None:
    """Nobody on the way can read it; only a host that the operator opened is taken at its word."""
    visit, _ = elsewhere(server)
    with visit:
        visit.get("http://a.example/", token=TOKEN)
    with client(server) as visit:
        visit.get(server.url + "/", token=TOKEN)
    assert [asked.headers.get("authorization") for asked in server.asked] == [None, f"Bearer {TOKEN}"]


@pytest.mark.parametrize("token", ["s3cret\r\nx-evil: 1", "s3cretü", "s3cret two", "s3cret\0", " s3cret"])
def test_a_token_that_no_header_can_hold(server: Loopback, token: str) -> None:
    """It is refused before anything is sent, and the error does not repeat it."""
    with client(server) as visit, pytest.raises(FetchError) as caught:
        visit.get(server.url + "/", token=token)
    assert "s3cret" not in repr(caught.value) + repr(visit.captures)
    assert server.asked == []


@pytest.mark.parametrize("answer", [cut(b""), cut(b"garbage\r\n\r\n"), reset(SHORT), to("http://[")])
def test_a_token_is_in_no_error(server: Loopback, answer: Answer) -> None:
    """Neither the sentence, nor what is kept, nor the cause of an error holds it."""
    server.answers["/"] = answer
    with client(server) as visit, pytest.raises(FetchError) as caught:
        visit.get(server.url + "/", token=TOKEN)
    assert server.asked[0].headers["authorization"] == f"Bearer {TOKEN}"
    assert TOKEN not in repr(caught.value) + repr(caught.value.__cause__) + repr(visit.captures)


def test_a_password_in_an_address_is_not_kept(server: Loopback) -> None:
    """It is refused, and neither told nor kept."""
    with client(server) as visit, pytest.raises(FetchError, match="holds a name or a password") as caught:
        visit.get(f"http://ada:s3cret@{server.host}/x")
    assert "s3cret" not in repr(caught.value) + caught.value.url + repr(visit.captures)
    assert visit.captures[0].url == f"http://{server.host}/x"


# -- how much is asked --------------------------------------------------------------------------------------------


def test_the_same_is_asked_once(server: Loopback) -> None:
    """An address is asked once a visit for each kind of answer, also one that failed; every visit asks anew."""
    server.answers["/lost"] = to("http://[")
    with client(server) as visit:
        first = visit.get(server.url + "/")
        assert visit.get(server.url + "/") is first
        assert visit.get(server.url + "/", accept="text/html") is not first
        for _ in range(2):
            with pytest.raises(FetchError):
                visit.get(server.url + "/lost")
        assert (visit.requests, len(visit.captures)) == (3, 3)
    with client(server) as visit:
        visit.get(server.url + "/")
    assert len(server.asked) == 4


def test_a_visit_makes_so_many_requests(server: Loopback) -> None:
    """Redirects and repetitions count; each is told to whoever watches; over the limit nothing is sent."""
    server.answers |= {"/": [response(b"", "503 Busy"), to("/a")], "/a": OK, "/b": OK, "/c": OK}
    told: list[int] = []
    with Client(settings(server, requests=4), progress=told.append) as visit:
        visit.get(server.url + "/")
        visit.get(server.url + "/b")
        with pytest.raises(FetchError, match=r"more than 4 requests.*Raise network\.requests where that is meant"):
            visit.get(server.url + "/c")
    assert (told, visit.requests, len(server.asked)) == ([1, 2, 3, 4], 4, 4)
    assert visit.captures[-1].headers[FAILURE] == "This takes more than 4 requests"


def test_a_visit_takes_so_long(server: Loopback, slept: list[float]) -> None:
    """However slow a server is, a visit ends: waiting counts."""
    with client(server, visit=50) as visit:
        visit.get(server.url + "/")
        slept.append(51)
        with pytest.raises(FetchError, match="This takes more than 50 seconds"):
            visit.get(server.url + "/2")
    assert len(server.asked) == 1


def test_offline(server: Loopback) -> None:
    """Nobody is asked, nothing is dialled or looked up, and what would have been asked is noted."""
    door = Door((), 5, inner=Elsewhere(server.port), resolve=lambda *_: pytest.fail("looked up"))
    with (
        Client(settings(server, offline=True), door=door) as visit,
        pytest.raises(FetchError, match="work offline"),
    ):
        visit.get("https://a.example/")
    assert (visit.requests, server.dials) == (0, 0)
    assert visit.captures[0].headers[FAILURE] == "Not asked, because Clew is set to work offline"


def test_captures_are_kept_as_far_as_they_came(server: Loopback) -> None:
    """Good and bad answers stand in the order in which they were asked for."""
    server.answers |= {"/a": response(b"no", "404 None"), "/b": cut(b""), "/c": OK}
    with client(server) as visit:
        for path in ("/", "/a", "/b", "/c"):
            try:
                visit.get(server.url + path)
            except FetchError:
                continue
    assert [(c.url.removeprefix(server.url), c.status) for c in visit.captures] == [
        ("/", 200), ("/a", 404), ("/b", 0), ("/c", 200)
    ]  # fmt: skip
    assert len({c.headers[VISIT] for c in visit.captures}) == 1


# -- TLS ----------------------------------------------------------------------------------------------------------


def test_certificates_are_checked(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over https a server must prove that it is the host, to those whom the system trusts."""
    ours, others = trustme.CA(), trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.issue_cert("127.0.0.1").configure_cert(context)
    for authority, name, what in (
        (ours, "127.0.0.1", ""),
        (others, "127.0.0.1", "certificate verify failed: "),
        (ours, "localhost", "certificate verify failed: Hostname mismatch"),
    ):
        with Loopback({"/": OK}, context) as server, authority.cert_pem.tempfile() as file:
            monkeypatch.setenv("SSL_CERT_FILE", file)
            with client(server, private_hosts=("127.0.0.1", "localhost")) as visit:
                url = server.url.replace("127.0.0.1", name) + "/"
                if not what:
                    assert visit.get(url).body == b"ok"
                    continue
                with pytest.raises(FetchError) as caught:
                    visit.get(url, token=TOKEN)
                assert caught.value.what.startswith(f"The server could not be reached ({what}")
                assert "_ssl" not in caught.value.what
                assert server.asked == []


# -- what an answer means -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, LoginRequired), (403, LoginRequired), (404, FetchError), (410, FetchError), (429, RateLimited),
     (500, FetchError)],
)  # fmt: skip
def test_what_a_status_means(status: int, kind: type[FetchError]) -> None:
    """An answer that says no is an error of its kind, with the address, the status and the wait."""
    capture = Capture("", b"", "", NOW, url="https://a.example/1", status=status, headers={"retry-after": "7"})
    error = failed(capture, hint="Try again")
    assert type(error) is kind
    assert (error.url, error.status, error.retry_after) == ("https://a.example/1", status, 7)
    assert str(error) == f"{error.what}: https://a.example/1. Try again."
    assert failed(capture, "The post could not be had").what == "The post could not be had"
