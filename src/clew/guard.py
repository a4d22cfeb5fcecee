"""Which addresses may be dialled. Stands below the HTTP library, so that every dial passes it: the first, a
repetition, a redirect, a name that now points elsewhere.

A host may be dialled where each of its addresses is public, by port 80 or 443; others only where the operator names
them. Ranges are listed here because ``ipaddress.is_global`` is wrong before Python 3.11.10. Source: the IANA
special-purpose address registries.
"""

from __future__ import annotations

import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from queue import Empty, SimpleQueue
from typing import Any

from httpcore2 import ConnectError, ConnectTimeout, NetworkBackend, NetworkStream, SyncBackend

PORTS = (80, 443)
_CLOSED_4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
            "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24",
            "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
            "224.0.0.0/4", "240.0.0.0/4",
            "168.63.129.16/32",  # a public number, yet inside a large cloud its metadata service
        ),
    )
)  # fmt: skip
_OPEN_6 = IPv6Network("2000::/3")  # everything else, mapped and NAT64 addresses too, is not for dialling
_CLOSED_6 = tuple(map(IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")))
_NUMBER = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)\Z", re.IGNORECASE)
_DOTTED = re.compile(r"(?:(?:0|[1-9][0-9]{0,2})\.){3}(?:0|[1-9][0-9]{0,2})\Z")
_TRIES = 4  # addresses of one host


class Closed(ConnectError):
    """The address may not be dialled. The text is one plain sentence without its full stop."""


class Late(ConnectTimeout):
    """More time has passed than is given. The text is one plain sentence without its full stop."""


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Say whether an address belongs to the public internet."""
    if isinstance(address, IPv4Address):
        return not any(address in net for net in _CLOSED_4)
    return address in _OPEN_6 and not address.scope_id and not any(address in net for net in _CLOSED_6)


def check_host(host: str) -> None:
    """Refuse a host that is a number written in an odd form ("127.1", "2130706433", "0x7f.1", "017700000001").

    Raises:
        Closed: it is one.
    """
    last = host.rstrip(".").rpartition(".")[2]
    if _NUMBER.match(last) and not _DOTTED.match(host):
        raise Closed("This is a number, and not the name of a host or an address in its usual form")


class Door(NetworkBackend):
    """Dials what may be dialled, and holds the clock: nothing outlasts the time that ``within`` gave.

    Args:
        allowed: hosts that the operator opened: "name", "name:port", "::1" or "[::1]:port".
        patience: seconds to look a name up.
        inner: what dials, for tests.
        resolve: host and port to addresses, for tests.
    """

    def __init__(
        self,
        allowed: Iterable[str],
        patience: float,
        *,
        inner: NetworkBackend | None = None,
        resolve: Callable[[str, int], list[str]] | None = None,
    ) -> None:
        self._allowed = frozenset(host.lower() for host in allowed)
        self._patience = patience
        self._inner = inner or SyncBackend()
        self._resolve = resolve or _addresses
        self._deadline = float("inf")

    def opens(self, host: str, port: int) -> bool:
        """Say whether the operator opened this host."""
        name = host.lower()
        bracketed = f"[{name}]" if ":" in name else name
        return not self._allowed.isdisjoint((name, bracketed, f"{bracketed}:{port}"))

    def within(self, seconds: float) -> None:
        """Give everything from now on, together, so many seconds."""
        self._deadline = time.monotonic() + seconds

    def left(self, timeout: float | None) -> float:
        """Return the seconds that an operation may take.

        Raises:
            Late: none are left.
        """
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise Late("The server did not answer in time")
        return left if timeout is None else min(left, timeout)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> NetworkStream:
        """Look the host up, check each of its addresses, and connect to the first that answers.

        Raises:
            Closed: it may not be dialled.
            ConnectError, ConnectTimeout: it cannot be.
        """
        last: ConnectError | ConnectTimeout = ConnectError(f"{host} has no address")
        for address in self._checked(host, port)[:_TRIES]:
            try:
                stream = self._inner.connect_tcp(address, port, self.left(timeout), local_address, socket_options)
            except (ConnectError, ConnectTimeout) as error:
                last = error
            else:
                return _Stream(stream, self)
        raise last

    def _checked(self, host: str, port: int) -> list[str]:
        opened = self.opens(host, port)
        if not opened:
            check_host(host)
            if port not in PORTS:
                raise Closed(f"Port {port} is not one of the web's")
        addresses = self._look_up(host, port)
        if not opened and not all(is_public(ip_address(address)) for address in addresses):
            raise Closed("This address is not public")
        return addresses

    def _look_up(self, host: str, port: int) -> list[str]:
        """Ask the resolver in a thread of its own, as nothing else can limit how long it takes."""
        answers: SimpleQueue[list[str] | OSError | UnicodeError] = SimpleQueue()

        def ask() -> None:
            try:
                answers.put(self._resolve(host, port))
            except (OSError, UnicodeError) as error:
                answers.put(error)

        threading.Thread(target=ask, daemon=True).start()
        try:
            found = answers.get(timeout=self.left(self._patience))
        except Empty:
            raise Late(f"The name {host} could not be looked up in time") from None
        if isinstance(found, list):
            return found
        raise ConnectError(f"the name {host} is not known") from found

    def connect_unix_socket(
        self,
        path: str,  # noqa: ARG002  as the library calls it
        timeout: float | None = None,  # noqa: ARG002
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002
    ) -> NetworkStream:
        """Refuse: no server of ours is a file."""
        raise Closed("A socket of this machine is no server")


class _Stream(NetworkStream):
    """A connection that keeps to the time of its door, whatever drips in."""

    def __init__(self, inner: NetworkStream, door: Door) -> None:
        self._inner, self._door = inner, door

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._door.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._door.left(timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> NetworkStream:
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, self._door.left(timeout)), self._door)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def _addresses(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))
