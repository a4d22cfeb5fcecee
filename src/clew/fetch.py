"""The one door to the network: what is asked, how politely, how long, how much, and of whom.

A ``Client`` is one visit: the requests made for one thread. Each answer becomes a ``Capture``, also one that says
no; a server that does not answer leaves a capture that says so. ``clew.guard`` stands at each dial, ``clew.pace``
between two requests to one host.
"""

from __future__ import annotations

import logging
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from importlib.metadata import version
from types import TracebackType
from typing import NamedTuple
from urllib.parse import quote, urlencode, urljoin

import httpcore2
import msgspec
import stamina

from clew import pace
from clew.address import Address, bare, printable
from clew.config import Config
from clew.errors import FetchError, LoginRequired, RateLimited
from clew.guard import Closed, Door, Late
from clew.model import Capture

logging.getLogger("stamina").addHandler(logging.NullHandler())  # it would tell of each repetition on the terminal

SOURCE = "clew-source"
"""Header of ours on a capture that another source reads than the one that takes the address given: its name."""
FAILURE = "clew-failure"
"""Header of a capture of ours: why there is no answer, one sentence without its full stop."""
VISIT = "clew-visit"
"""Header of each capture of a visit: when the visit began (ISO 8601)."""

_CHUNK = 65536
_REDIRECTS = (301, 302, 303, 307, 308)
_AT_ONCE = 0.001  # seconds
_AGAIN = (429, 502, 503, 504)
_UNKEPT = {"set-cookie", "set-cookie2", "connection", "keep-alive", "transfer-encoding", "alt-svc"} | {
    "author", "published"  # words of ours, like all that begin with "clew-": no server puts them in our mouth
}  # fmt: skip


class Client:
    """One visit: the requests made for one thread, one after the other. Close it, or use ``with``.

    Args:
        config: limits, tokens, and which services are asked.
        earlier: what an earlier visit received: servers are asked whether it changed.
        progress: hears how many requests were made.
        door: another way to dial, for tests.
    """

    def __init__(
        self,
        config: Config,
        *,
        earlier: Iterable[Capture] = (),
        progress: Callable[[int], object] = bool,
        door: Door | None = None,
    ) -> None:
        self.config = config
        self.captures: list[Capture] = []
        """Every answer so far, in order; also those that say no, and servers that did not answer."""
        self.requests = 0
        """Requests sent, redirects and repetitions counted."""
        self._earlier = {c.url: c for c in sorted(earlier, key=lambda c: c.retrieved) if _validator(c)}
        self._asked: dict[_Wish, Capture | FetchError] = {}
        self._progress = progress
        self._told = {VISIT: datetime.now(UTC).isoformat()}
        self._end = pace.now() + config.network.visit
        self._door = door or Door(config.network.private_hosts, config.network.connect)
        self._pool = httpcore2.ConnectionPool(network_backend=self._door, max_connections=4, keepalive_expiry=5)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._pool.close()

    def get(self, url: str, *, accept: str = "*/*", token: str = "", most: int = 0) -> Capture:
        """Return the answer, whatever its status. The same is asked once a visit, and fails once.

        Args:
            url: http or https.
            accept: media types.
            token: bearer token; sent over https (or to an allowed private host), never along a redirect elsewhere.
            most: bytes of the body; default ``network.body``.

        Raises:
            RateLimited: the server asks to wait longer than ``network.patience``.
            FetchError: no answer, an address that may not be dialled, too large, too many requests, offline.
        """
        wish = _Wish(url, accept, token, most or self.config.network.body)
        if wish not in self._asked:
            self._asked[wish] = self._fact(wish)
        fact = self._asked[wish]
        if isinstance(fact, FetchError):
            raise fact
        return fact

    def _fact(self, wish: _Wish) -> Capture | FetchError:
        """Ask, and keep what came of it."""
        failure: FetchError | None = None
        try:
            capture = self._followed(wish)
        except FetchError as error:
            failure, capture = error, _capture(bare(wish.url), _Answer(0, {FAILURE: error.what}, b""))
        capture = msgspec.structs.replace(capture, headers=capture.headers | self._told)
        self.captures.append(capture)
        return failure or capture

    def _followed(self, wish: _Wish) -> Capture:
        """Return the answer at the end of the redirects."""
        url = wish.url
        for _ in range(self.config.network.redirects + 1):
            answer = self._repeated(wish, url)
            if answer.status == 304:
                return _renewed(self._known(wish, url), answer, url)
            if answer.status not in _REDIRECTS:
                return _capture(wish.url, answer, url)
            url = self._next(url, answer.headers.get("location", ""))
        raise FetchError("The server sends from one address to the next without end", wish.url, url=wish.url)

    def _next(self, url: str, location: str) -> str:
        """Return where a redirect leads. What is not ASCII in it goes back as the bytes that came."""
        if not location:
            raise FetchError("The server sends elsewhere and does not say where", url, url=url)
        try:
            target = urljoin(url, printable(location.encode("latin-1")))
        except ValueError as error:
            raise FetchError("The server sends to what is not an address", url, url=url) from error
        if url.startswith("https:") and not self._is_safe(Address.of(target)):
            hint = f"If you trust it all the same, ask for {target[:200]}"
            raise FetchError("The server sends from https to plain http", url, hint, url=url)
        return target

    def _is_safe(self, address: Address) -> bool:
        """Say whether nobody between us and the host can listen, as far as we and the operator know."""
        return address.scheme == "https" or self._door.opens(address.host, address.port)

    def _known(self, wish: _Wish, url: str) -> Capture | None:
        """Return what an earlier visit received from ``url``, if it is of a kind that is asked for now."""
        earlier = self._earlier.get(wish.url)
        if earlier is None or url != (earlier.location or earlier.url):
            return None
        return earlier if "*/*" in wish.accept or earlier.media_type in wish.accept else None

    # --- one request, repeated where that may help -----------------------------------------------------------

    def _repeated(self, wish: _Wish, url: str) -> _Answer:
        """Return the answer of one address: after some patience the last one, whatever it is."""
        settings, address, answer = self.config.network, Address.of(url), _Answer(0, {}, b"")
        try:
            for attempt in stamina.retry_context(
                on=partial(_may_pass, patience=settings.patience, dropped=[]),
                attempts=settings.attempts,
                timeout=None,
                wait_initial=0.5,
                wait_max=8,
            ):
                with attempt:
                    answer = self._once(wish, url, address)
                    if answer.status in _AGAIN:
                        raise _Busy(pace.wait_of(answer.headers))
        except _Busy as busy:
            if busy.wait is not None and busy.wait > settings.patience:
                raise _too_long(url, busy.wait, answer.status) from None
        except (httpcore2.TimeoutException, httpcore2.NetworkError, httpcore2.ProtocolError) as error:
            raise _unanswered(url, error) from error
        return answer

    def _once(self, wish: _Wish, url: str, address: Address) -> _Answer:
        self._check_limits(url)
        settings = self.config.network
        wait = pace.turn(address.origin, address.path, settings.pause, settings.patience)
        if wait:
            raise _too_long(url, wait)
        self.requests += 1
        self._progress(self.requests)
        self._door.within(settings.whole)
        return self._sent(wish, address, self._headers(wish, url, address))

    def _check_limits(self, url: str) -> None:
        settings = self.config.network
        if settings.offline:
            raise FetchError("Not asked, because Clew is set to work offline", url, url=url)
        if self.requests >= settings.requests:
            what, name = f"This takes more than {settings.requests:,} requests", "network.requests"
        elif pace.now() >= self._end:
            what, name = f"This takes more than {settings.visit:,.0f} seconds", "network.visit"
        else:
            return
        raise FetchError(what, url, f"Raise {name} where that is meant", url=url)

    def _headers(self, wish: _Wish, url: str, address: Address) -> dict[str, str]:
        headers = {
            "host": address.authority,
            "user-agent": self.agent(),
            "accept": wish.accept,
            "accept-encoding": "gzip",
        }
        if wish.token and self._is_safe(address) and address.origin == Address.of(wish.url).origin:
            headers["authorization"] = f"Bearer {_token(wish.token, url)}"
        earlier = self._known(wish, url)
        return headers | (_validator(earlier) if earlier else {})

    def post(self, url: str, body: bytes, media_type: str, accept: str) -> bytes:
        """Send something and return the answer's body. Never along a redirect, never twice, and no capture.

        Raises:
            FetchError: no answer of status 200, or a way that is not safe.
        """
        wish, address = _Wish(url, accept, "", self.config.network.body), Address.of(url)
        self._check_limits(url)
        if not self._is_safe(address):
            raise FetchError("This is sent over https only", url, url=url)
        self.requests += 1
        self._door.within(self.config.network.whole)
        headers = self._headers(wish, url, address) | {"content-type": media_type, "content-length": str(len(body))}
        try:
            answer = self._sent(wish, address, headers, "POST", body)
        except (httpcore2.TimeoutException, httpcore2.NetworkError, httpcore2.ProtocolError) as error:
            raise _unanswered(url, error) from error
        if answer.status != 200:
            raise FetchError(f"The server answered {answer.status}", url, url=url, status=answer.status)
        return answer.body

    def _sent(
        self,
        wish: _Wish,
        address: Address,
        headers: dict[str, str],
        method: str = "GET",
        content: bytes | None = None,
    ) -> _Answer:
        settings = self.config.network
        times = {"connect": settings.connect, "read": settings.read, "write": settings.read, "pool": settings.whole}
        target = httpcore2.URL(
            scheme=address.scheme, host=address.host, port=address.port, target=address.path + address.query
        )
        with self._pool.stream(
            method, target, headers=list(headers.items()), content=content, extensions={"timeout": times}
        ) as response:
            received = _received(response.headers)
            pace.heard(address.origin, address.path, response.status, received)
            if response.status in _REDIRECTS:
                return _Answer(response.status, received, b"")
            body = _bounded(response.iter_stream(), received.get("content-encoding", ""), wish)
            return _Answer(response.status, received, body)

    def agent(self) -> str:
        """Return the name that servers see, with an address for complaints where the operator gave one."""
        site = self.config.site
        told = " ".join(filter(None, (site.base_url, site.contact)))
        return f"Clew/{version('clew')}" + (f" (+{told})" if told.isascii() and told.isprintable() and told else "")


def failed(capture: Capture, what: str = "", hint: str = "") -> FetchError:
    """Return the error that an answer of status 400 and up means: RateLimited (429), LoginRequired (401, 403), or
    FetchError; ``what`` is what could not be had."""
    kinds: dict[int, tuple[type[FetchError], str]] = {
        401: (LoginRequired, "The server shows this to people who are logged in only"),
        403: (LoginRequired, "The server does not show this to us"),
        404: (FetchError, "There is nothing at this address"),
        410: (FetchError, "What was at this address is gone"),
        429: (RateLimited, "The server asks for fewer requests"),
    }
    kind, usual = kinds.get(capture.status, (FetchError, f"The server answered {capture.status}"))
    wait = pace.wait_of(capture.headers)
    return kind(what or usual, capture.url, hint, url=capture.url, status=capture.status, retry_after=wait)


def query(url: str, values: Mapping[str, str | int]) -> str:
    """Return an address with a query string: values encoded, in the order given."""
    return f"{url}?{urlencode(values, quote_via=quote)}"


# --- addresses -----------------------------------------------------------------------------------------------


class _Wish(NamedTuple):
    """What is asked for."""

    url: str
    accept: str
    token: str
    most: int


def _token(token: str, url: str) -> str:
    """Return a token that a header can hold; the error does not quote it."""
    if not token.isascii() or not token.isprintable() or " " in token:
        raise FetchError("The access token for this address holds a character that no token has", url, url=url)
    return token


# --- answers -------------------------------------------------------------------------------------------------


class _Answer(NamedTuple):
    """What came back. The body of a redirect is not read."""

    status: int
    headers: dict[str, str]
    body: bytes


def _received(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    received: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        if name not in _UNKEPT and not name.startswith("clew-"):
            received[name] = f"{received[name]}, {value}" if name in received else value
    return received


def _bounded(chunks: Iterator[bytes], encoding: str, wish: _Wish) -> bytes:
    """Return the body, unpacked piece by piece so that a small one cannot become a large one unseen.

    Raises:
        FetchError: larger than allowed, packed otherwise than asked for, or damaged.
    """
    body, packing = bytearray(), encoding.strip().lower()
    if packing not in ("", "identity", "gzip", "x-gzip"):
        what = f"The answer is packed in a way not asked for ({printable(encoding[:40])})"
        raise FetchError(what, wish.url, url=wish.url)
    try:
        for part in _unpacked(chunks) if packing.endswith("gzip") else chunks:
            body += part
            if len(body) > wish.most:
                what = f"The answer is larger than {wish.most:,} bytes"
                hint = "Raise network.body or network.media where that is meant"
                raise FetchError(what, wish.url, hint, url=wish.url)
    except zlib.error as error:
        raise FetchError("The answer is damaged and cannot be unpacked", wish.url, url=wish.url) from error
    return bytes(body)


def _unpacked(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield what a gzip stream holds, of all its members."""
    unpack, begun = zlib.decompressobj(wbits=31), False
    for chunk in chunks:
        while chunk:
            if unpack.eof:
                unpack = zlib.decompressobj(wbits=31)
            yield unpack.decompress(chunk, _CHUNK)
            chunk, begun = unpack.unconsumed_tail or unpack.unused_data, True
    yield unpack.flush()
    if begun and not unpack.eof:
        raise zlib.error("cut off")


def _capture(url: str, answer: _Answer, location: str = "") -> Capture:
    return Capture(
        sha256=sha256(answer.body).hexdigest(),
        body=answer.body,
        media_type=answer.headers.get("content-type", "").partition(";")[0].strip().lower(),
        retrieved=datetime.now(UTC),
        url=url,
        status=answer.status,
        location=location if location != url else "",
        headers=answer.headers,
    )


def _renewed(earlier: Capture | None, answer: _Answer, url: str) -> Capture:
    """Return what an earlier visit received, as received now."""
    if earlier is None:
        raise FetchError("The server says that nothing changed, and was not asked that", url, url=url)
    again = {name: answer.headers[name] for name in ("date", "etag", "expires") if name in answer.headers}
    return msgspec.structs.replace(earlier, retrieved=datetime.now(UTC), headers=earlier.headers | again)


def _validator(capture: Capture) -> dict[str, str]:
    """Return the header that asks whether something changed since; none where that cannot be asked."""
    if capture.status != 200 or capture.redacted:
        return {}
    for name, asks in (("etag", "if-none-match"), ("last-modified", "if-modified-since")):
        value = capture.headers.get(name, "")
        if value and value.isascii() and value.isprintable():
            return {asks: value}
    return {}


# --- what went wrong -----------------------------------------------------------------------------------------


class _Busy(Exception):
    """The server may answer better after ``wait`` seconds, where it says how many."""

    def __init__(self, wait: float | None) -> None:
        super().__init__(wait)
        self.wait = wait


def _may_pass(error: Exception, patience: float, dropped: list[Exception]) -> bool | float:
    """Say whether to ask again: each request of ours only reads. ``pace`` keeps to the wait that was asked for.

    A connection that breaks the first time may only have been kept open for too long: then at once.
    """
    if isinstance(error, _Busy):
        return error.wait is None or error.wait <= patience
    if not isinstance(error, httpcore2.ReadError | httpcore2.WriteError | httpcore2.RemoteProtocolError):
        return False
    dropped.append(error)
    return len(dropped) > 1 or _AT_ONCE


def _unanswered(url: str, error: Exception) -> FetchError:
    """Say it in our words: those of a library may quote what was sent or received."""
    hint = "Try again later"
    match error:
        case Closed():
            what, hint = str(error), "The operator can open it with network.private_hosts"
        case Late():
            what = str(error)
        case httpcore2.TimeoutException():
            what = "The server did not answer in time"
        case httpcore2.ConnectError():
            what = f"The server could not be reached ({_reason(error)})"
        case httpcore2.LocalProtocolError():
            what = "The request cannot be sent"
        case httpcore2.RemoteProtocolError() if not re.search("disconnected|closed", str(error)):
            what, hint = "The answer is not HTTP", ""
        case _:
            what = "The connection broke off"
    return FetchError(what, url, hint, url=url)


def _reason(error: Exception) -> str:
    """Return what the system says of a failed connection, without its codes."""
    return re.sub(r"^\[[^]]*\] | \(_ssl.*", "", str(error)) or type(error).__name__


def _too_long(url: str, wait: float, status: int = 0) -> RateLimited:
    what = f"The server asks to wait {round(wait):,} seconds"
    return RateLimited(what, url, "Try again then", url=url, status=status, retry_after=wait)
