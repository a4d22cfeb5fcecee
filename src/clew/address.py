"""Addresses of the web in the one form in which they are looked up, compared and sent."""

from __future__ import annotations

import re
from ipaddress import IPv6Address
from string import punctuation
from typing import NamedTuple
from urllib.parse import quote, urlsplit

import idna

from clew.errors import FetchError

_PORTS = {"http": 80, "https": 443}
_LONGEST = 8192  # characters of an address
_HOST = re.compile(r"(?=.{1,253}\Z)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
_PATH = "/%:@!$&'()*+,;=~-._"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class Address(NamedTuple):
    """A URL in parts as they go over the line."""

    scheme: str
    host: str
    port: int
    path: str
    query: str

    @classmethod
    def of(cls, url: str) -> Address:
        """Take an address apart.

        Raises:
            FetchError: it is not an address of the web, or holds a password.
        """
        shown = printable(bare(url)[:200])
        try:
            if len(url) > _LONGEST or _CONTROL.search(url):
                raise ValueError("too long, or not one line")
            parts = urlsplit(url)
            if "@" in parts.netloc:
                raise FetchError("This address holds a name or a password", shown, "Give it without", url=shown)
            if parts.scheme not in _PORTS:
                hint = "Give one that begins with https://"
                raise FetchError("This is not an address of the web", shown, hint, url=shown)
            host, path = _host(parts.hostname or ""), quote(parts.path or "/", safe=_PATH)
            port = _PORTS[parts.scheme] if parts.port is None else parts.port
            if port == 0:
                raise ValueError("no port")
            asked = "?" + quote(parts.query, safe=_PATH + "?[]") if parts.query else ""
        except ValueError as error:  # errors of Unicode and of international names are among them
            raise FetchError("This is not an address", shown, url=shown) from error
        return cls(parts.scheme, host, port, path, asked)

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        return f"{self.scheme}://{self.authority}"


def _host(host: str) -> str:
    """Return the one form of a host's name or address that is looked up, compared and sent."""
    if ":" in host:
        return str(IPv6Address(host))
    host = (host if host.isascii() else idna.encode(host, uts46=True).decode()).removesuffix(".")
    if not _HOST.fullmatch(host):
        raise ValueError("not the name of a host")
    return host


def bare(url: str) -> str:
    """Return an address without the name and password that it may hold."""
    return re.sub(r"//[^/?#]*@", "//", url)


def printable(text: str | bytes) -> str:
    """Return text in printable ASCII, the rest of it as ``%XX``."""
    raw = text.encode("utf-8", "replace") if isinstance(text, str) else text
    return quote(raw, safe=punctuation)
