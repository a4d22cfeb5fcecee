"""Who sends a request, as far as it can be told. Pure. ``peer`` is the address that the connection comes from;
names of headers are in lower case."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit


def client(peer: str, headers: Mapping[str, str]) -> str:
    """Return whom a request comes from, to share what there is among all who ask. It proves nothing: what a proxy
    on this machine or in its network says is believed. Of an address of version 6 it is the half that providers
    give to one customer."""
    said = headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
    try:
        address = ip_address(peer)
        if said and not address.is_global:
            address = ip_address(said)
    except ValueError:
        return peer
    address = getattr(address, "ipv4_mapped", None) or address
    return address.exploded[:19] if isinstance(address, IPv6Address) else str(address)


def is_local(peer: str, headers: Mapping[str, str]) -> bool:
    """Say whether a request comes from this machine, through no proxy, to a name of this machine."""
    relayed = {"forwarded", "x-forwarded-for", "x-real-ip", "via"}.intersection(headers)
    return not relayed and _is_loopback(peer) and _is_loopback(_host(f"//{headers.get('host', '')}"))


def is_own_form(headers: Mapping[str, str]) -> bool:
    """Say whether a form comes from this site. Browsers say where from; what says nothing is no browser's form."""
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    if origin is None and site is None:
        return False
    own = origin is None or origin.partition("://")[2] == headers.get("host")
    return own and site in (None, "same-origin")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
