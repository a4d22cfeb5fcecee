"""The guard: what is not public is not dialled, however it is written and whoever leads there.

Nothing here dials: a recorder stands in for the network, a table for the resolver.
"""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import httpcore2
import pytest
import stamina
from hypothesis import given
from hypothesis import strategies as st

from clew.config import Config, Network
from clew.errors import FetchError
from clew.fetch import Client
from clew.guard import Closed, Door, Late, is_public

PUBLIC, PUBLIC_6 = "93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"
NAMES = {
    "good.example": [PUBLIC], "xn--bcher-kva.example": [PUBLIC], "six.example": [PUBLIC_6],
    "localhost": ["127.0.0.1"], "inside.example": ["10.1.2.3"], "metadata.example": ["169.254.169.254"],
    "mapped.example": ["::ffff:10.0.0.1"], "half.example": [PUBLIC, "192.168.1.1"],
    "other-half.example": ["fd00::1", PUBLIC_6], "scoped.example": [f"{PUBLIC_6}%eth0"], "empty.example": [],
}  # fmt: skip

REGISTRY = """
0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.0.0/29 192.0.0.8/32
192.0.0.9/32 192.0.0.10/32 192.0.0.170/31 192.0.2.0/24 192.31.196.0/24 192.52.193.0/24 192.88.99.0/24
192.168.0.0/16 192.175.48.0/24 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4
255.255.255.255/32
::1/128 ::/128 ::ffff:0:0/96 64:ff9b::/96 64:ff9b:1::/48 100::/64 100:0:0:1::/64 2001::/23 2001::/32 2001:1::1/128
2001:1::2/128 2001:1::3/128 2001:2::/48 2001:3::/32 2001:4:112::/48 2001:10::/28 2001:20::/28 2001:30::/28
2001:db8::/32 2002::/16 2620:4f:8000::/48 3fff::/20 5f00::/16 fc00::/7 fe80::/10 fec0::/10 ff00::/8
""".split()  # every row of the IANA special-purpose registries, and multicast

METADATA = (
    "169.254.169.254 169.254.170.2 100.100.100.200 192.0.0.192 168.63.129.16 fd00:ec2::254 fd20:ce::254".split()
)

HOSTILE = [
    "http://127.0.0.1/", "http://127.1/", "http://2130706433/", "http://0x7f000001/", "http://0x7f.0.0.1/",
    "http://017700000001/", "http://0177.0.0.1/", "http://127.0.0.01/", "http://127.0.1/", "http://0/",
    "http://00000000177.0x0.0.1/", "http://127.0.0.1./", "http://3232235777/", "http://0xA9FEA9FE/",
    "http://0/a", "http://0x/", "http://1.2.3.4.5/", "http://256.1.1.1/", "http://good.example.0x7f/",
    "http://1572394766/", "http://0x5d.0xb8.0xd7.0xe/", "http://93.12113678/", "http://0135.184.215.14/",
    "http://[::1]/", "http://[::]/", "http://[0:0:0:0:0:0:0:1]/", "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/", "http://[::127.0.0.1]/", "http://[64:ff9b::7f00:1]/", "http://[64:ff9b::a00:1]/",
    "http://[64:ff9b:1::a00:1]/", "http://[2002:7f00:1::]/", "http://[2002:a00:1::1]/",
    "http://[2001:0:7f00:1::80ff:fffe]/", "http://[fe80::1%25eth0]/", "http://[fe80::1%eth0]/",
    "http://[::1%25lo]/", f"http://[{PUBLIC_6}%25eth0]/", "http://[fec0::1]/", "http://[ff02::1]/",
    "http://[4000::1]/", "http://[v1.fe80]/", "http://[::1/", "http://::1/", "http://[127.0.0.1]/",
    "http://１２７.0.0.1/", "http://127。0。0。1/", "http://①②⑦.⓪.⓪.①/", "http://127.0.0.1\u00ad/", "http://１27.1/",
    "http://ⓛocalhost/", "http://LOCALHOST/", "http://localhost./", "http://localhost../", "http://lo\u200bcalhost/",
    "http://127%2e0%2e0%2e1/", "http://%31%32%37.0.0.1/", "http://good.example\\.inside.example/",
    "http://good.example\\@127.0.0.1/", "http://good℀.example/", "http://-\u0661.example/", "http:///127.0.0.1/",
    "http://inside.example/", "https://inside.example/", "http://metadata.example/latest/meta-data/",
    "http://mapped.example/", "http://half.example/", "http://other-half.example/", "http://scoped.example/",
    "http://empty.example/", "http://unknown.example/", f"http://{'a' * 64}.example/", f"http://{'a.' * 127}a/",
    "http://good.example:22/", "http://good.example:25/", "http://good.example:8080/", "http://good.example:0/",
    "http://good.example:65536/", "http://good.example:-1/", "http://good.example:８０８０/",
    "http://good.example:443x/", "http://user@good.example/", "http://user:word@good.example/",
    "http://good.example@127.0.0.1/", "http://@good.example/", "http://good.example:80@inside.example/",
    "file:///etc/passwd", "ftp://good.example/", "gopher://good.example/", "ws://good.example/",
    "data:text/html,x", "javascript:alert(1)", "unix:///run/docker.sock", "http+unix://%2Frun%2Fdocker.sock/",
    "at://good.example/", "//good.example/", "good.example", "http:good.example", "http:/good.example/", "http://",
    "", "http://good.example/\r\nX-Header: 1", "http://good.\nexample/", "http://good.example\t/",
    "http://good.example/\x1b[2J", "http://good.example/\x9b2J", "http://good example/", "\x1b://good.example/",
    "http://good.example/" + "a" * 9000, "http://\ud800.example/", "http://good.example/\ud800",
    *(f"http://{a}/" if "." in a else f"http://[{a}]/" for a in METADATA),
    *(f"http://{n.split('/')[0]}/" if "." in n else f"http://[{n.split('/')[0]}]/" for n in REGISTRY),
]  # fmt: skip

ELSEWHERE = re.compile(r"(?!http)[a-z+]+:|https?://(?!good\.example/)[^/]|//(?!good)")
LINE_END = re.compile(rb"[\r\n]")
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class Recorder(httpcore2.NetworkBackend):
    """Notes who would have been dialled. Nobody answers, but for ``answers``: what an address says."""

    def __init__(self, **answers: bytes) -> None:
        self.dials: list[tuple[str, int]] = []
        self.answers = answers

    def connect_tcp(self, host: str, port: int, *_: object, **__: object) -> httpcore2.NetworkStream:
        self.dials.append((host, port))
        if host not in self.answers:
            raise httpcore2.ConnectError("[Errno 111] Connection refused")
        return httpcore2.MockStream([self.answers[host]])


def resolve(host: str, port: int) -> list[str]:
    """Answer as a system's resolver does, which takes each odd form of a number. Asks no server."""
    if host in NAMES:
        return NAMES[host]
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    return [str(entry[4][0]) for entry in found]


def client(recorder: Recorder, *allowed: str) -> Client:
    config = Config(network=Network(pause=0, private_hosts=allowed))
    return Client(config, door=Door(allowed, 5, inner=recorder, resolve=resolve))


def dialled(url: str, *allowed: str) -> list[tuple[str, int]]:
    """Return who was dialled for an address, where nobody answers."""
    recorder = Recorder()
    with client(recorder, *allowed) as visit, pytest.raises(FetchError) as caught:
        visit.get(url)
    assert not CONTROL.search(str(caught.value))
    assert [c.headers["clew-failure"] for c in visit.captures] == [caught.value.what]
    return recorder.dials


@pytest.fixture(autouse=True)
def _no_pauses() -> Iterator[None]:
    with stamina.set_testing(True, attempts=100, cap=True):
        yield


# -- ranges -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", REGISTRY)
def test_special_ranges_are_not_public(block: str) -> None:
    """Each block of the IANA registries is closed from its first address to its last."""
    network = ip_network(block)
    middle = network[network.num_addresses // 2]
    assert not any(map(is_public, (network[0], middle, network[-1])))


@pytest.mark.parametrize("address", METADATA)
def test_metadata_services_are_not_public(address: str) -> None:
    """Where clouds keep the keys of a machine is closed, also by a number that looks public."""
    assert not is_public(ip_address(address))


# Closed here though ``ipaddress`` of one version or another calls them global: relays, tunnels and sinks.
STRICTER = [*map(ip_network, (
    "192.0.0.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.175.48.0/24", "168.63.129.16/32",
    "2001::/23", "2002::/16", "2620:4f:8000::/48", "3fff::/20",
))]  # fmt: skip
OPEN_6 = ip_network("2000::/3")
EDGES = [edge for block in REGISTRY for n in [ip_network(block)] for edge in (int(n[0]) - 1, int(n[-1]) + 1)]
NEAR_EDGES_4 = st.sampled_from([IPv4Address(e) for e in EDGES if 0 <= e < 2**32])
NEAR_EDGES_6 = st.sampled_from([IPv6Address(e) for e in EDGES if 2**32 <= e < 2**128])


@given(st.ip_addresses() | NEAR_EDGES_4 | NEAR_EDGES_6)
def test_the_list_agrees_with_python(address: IPv4Address | IPv6Address) -> None:
    """What is open is global for ``ipaddress`` too; what is closed is not, where that module is right."""
    if is_public(address):
        assert address.is_global
        assert not address.is_multicast
        assert not address.is_reserved
    elif address.version == 4 or address in OPEN_6:
        stricter = any(address in net for net in STRICTER if net.version == address.version)
        assert stricter or not address.is_global or address.is_multicast


# -- addresses ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", HOSTILE, ids=lambda url: ascii(url[:60]))
def test_hostile_addresses_are_not_dialled(url: str) -> None:
    """None of these reaches a dial, and each is told in one clean sentence, which is kept too."""
    assert dialled(url) == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_hostile_redirects_are_not_dialled(status: int) -> None:
    """A public server that sends to any of these is asked once, and nobody after it."""
    for url in HOSTILE:
        if not ELSEWHERE.match(url):
            continue  # after a redirect this is a path on the same server, which may be asked
        target = LINE_END.sub(b"%0d", url.encode("utf-8", "surrogatepass"))
        head = b"HTTP/1.1 %d There\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % (status, target)
        recorder = Recorder(**{PUBLIC: head})
        with client(recorder) as visit, pytest.raises(FetchError) as caught:
            visit.get("http://good.example/")
        assert recorder.dials == [(PUBLIC, 80)], url
        assert not CONTROL.search(str(caught.value))


@pytest.mark.parametrize(
    ("url", "dial"),
    [
        ("http://good.example/", (PUBLIC, 80)),
        ("https://GOOD.example./", (PUBLIC, 443)),
        ("https://good.example:80/", (PUBLIC, 80)),
        ("https://bücher.example/", (PUBLIC, 443)),
        ("https://BÜCHER.example/", (PUBLIC, 443)),
        ("https://bücher.example/می‌خواهم", (PUBLIC, 443)),
        (f"http://{PUBLIC}/", (PUBLIC, 80)),
        (f"http://[{PUBLIC_6.upper()}]/", (PUBLIC_6, 80)),
        ("http://six.example/a b", (PUBLIC_6, 80)),
    ],
)
def test_public_hosts_are_dialled(url: str, dial: tuple[str, int]) -> None:
    """The guard lets the public internet through, in whatever letters it is written."""
    assert dialled(url) == [dial]


def test_a_name_that_turns_inwards_between_two_dials() -> None:
    """A host is looked up at each dial, and what was checked is what is dialled."""
    answers = iter([[PUBLIC], ["127.0.0.1"]])
    recorder = Recorder(**{PUBLIC: b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"})
    with Client(Config(), door=Door((), 5, inner=recorder, resolve=lambda *_: next(answers))) as visit:
        assert visit.get("http://turning.example/1").body == b"ok"
        with pytest.raises(FetchError, match="This address is not public"):
            visit.get("http://turning.example/2")
    assert recorder.dials == [(PUBLIC, 80)]


def test_sockets_of_this_machine_are_no_servers() -> None:
    """A unix socket is refused, whatever the library would do with one."""
    with pytest.raises(Closed):
        Door(("/run/docker.sock",), 5, inner=Recorder()).connect_unix_socket("/run/docker.sock")


# -- what the operator opens --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("allowed", "url", "dial"),
    [
        ("inside.example", "http://inside.example/", ("10.1.2.3", 80)),
        ("inside.example", "https://inside.example:8443/", ("10.1.2.3", 8443)),
        ("Inside.Example:8080", "http://INSIDE.example.:8080/", ("10.1.2.3", 8080)),
        ("127.0.0.1:2583", "http://127.0.0.1:2583/", ("127.0.0.1", 2583)),
        ("::1", "http://[::1]:2583/", ("::1", 2583)),
        ("[::1]", "http://[0::1]/", ("::1", 80)),
        ("[::1]:2583", "http://[::1]:2583/", ("::1", 2583)),
        ("good.example:8080", "http://good.example:8080/", (PUBLIC, 8080)),
    ],
)
def test_what_the_operator_opens_is_dialled(allowed: str, url: str, dial: tuple[str, int]) -> None:
    """A host that is named, by any port or by the one named."""
    assert dialled(url, allowed) == [dial]


@pytest.mark.parametrize(
    ("allowed", "url"),
    [
        ("inside.example:8080", "http://inside.example/"),
        ("inside.example:8080", "http://inside.example:8081/"),
        ("inside.example", "http://10.1.2.3/"),
        ("inside.example", "http://sub.inside.example/"),
        ("example", "http://inside.example/"),
        ("127.0.0.1", "http://localhost/"),
        ("127.0.0.1", "http://127.1/"),
        ("127.0.0.1", "http://2130706433/"),
        ("127.0.0.1", "http://[::ffff:127.0.0.1]/"),
        ("127.0.0.1", "http://127.0.0.2/"),
        ("::1:2583", "http://[::1]:2583/"),
        ("10.0.0.0/8", "http://10.1.2.3/"),
        ("*", "http://10.1.2.3/"),
        ("", "http://10.1.2.3/"),
    ],
)
def test_nothing_else_is_opened(allowed: str, url: str) -> None:
    """Not another port, not the same machine by another name, and no patterns."""
    assert dialled(url, allowed) == []


# -- looking up ---------------------------------------------------------------------------------------------------


def test_a_resolver_that_hangs() -> None:
    """Looking up has a time limit, which the system's resolver does not have."""
    done = threading.Event()

    def hang(host: str, port: int) -> list[str]:
        done.wait()
        return [PUBLIC]

    recorder = Recorder()
    with (
        Client(Config(), door=Door((), 0.05, inner=recorder, resolve=hang)) as visit,
        pytest.raises(FetchError, match=r"The name slow\.example could not be looked up in time"),
    ):
        visit.get("http://slow.example/")
    done.set()
    assert recorder.dials == []


@pytest.mark.parametrize(
    "error", [socket.gaierror(-2, "Name or service not known"), UnicodeError("label too long")]
)
def test_a_name_that_is_not_known(error: Exception) -> None:
    """The sentence names the host; the error of the system is the cause, and it is asked once."""
    asked = []

    def fail(host: str, port: int) -> list[str]:
        asked.append(host)
        raise error

    with (
        Client(Config(), door=Door((), 5, inner=Recorder(), resolve=fail)) as visit,
        pytest.raises(FetchError) as caught,
    ):
        visit.get("http://none.example/")
    assert caught.value.what == "The server could not be reached (the name none.example is not known)"
    assert asked == ["none.example"]


def test_a_host_with_several_addresses() -> None:
    """The next address is tried where one does not answer, and of many only the first few."""
    many = [str(IPv4Address(PUBLIC) + n) for n in range(9)]
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    for answering, tried in ((many[2], many[:3]), (many[8], many[:4])):
        recorder = Recorder(**{answering: answer})
        with Client(Config(), door=Door((), 5, inner=recorder, resolve=lambda *_: many)) as visit:
            if answering in tried:
                assert visit.get("http://many.example/").body == b"ok"
            else:
                with pytest.raises(FetchError, match=r"could not be reached \(Connection refused\)"):
                    visit.get("http://many.example/")
            assert [address for address, _ in recorder.dials] == tried


def test_the_time_is_for_everything_together() -> None:
    """Once the time that was given is over, nothing is dialled, read or written."""
    recorder = Recorder(**{PUBLIC: b"never read"})
    door = Door((), 5, inner=recorder, resolve=resolve)
    stream = door.connect_tcp("good.example", 80)
    door.within(100)
    assert door.left(1) == 1
    assert max(door.left(None), door.left(1000)) <= 100
    door.within(0)
    for late in (
        lambda: door.connect_tcp("good.example", 80),
        lambda: stream.read(1, timeout=10),
        lambda: stream.write(b"x", timeout=10),
    ):
        with pytest.raises(Late):
            late()
    assert len(recorder.dials) == 1
