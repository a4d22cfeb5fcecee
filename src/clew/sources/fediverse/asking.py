"""Asking servers one after the other, without an end where one does not answer."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec

from clew.errors import FetchError
from clew.fetch import Client
from clew.model import Capture
from clew.sources.fediverse.shapes import ACCEPT, host, path_of

_SILENCE = 2  # requests without an answer, after which a server is left alone


class Asker:
    """Asks for things of which none is indispensable: where one does not come, the captures say why."""

    def __init__(self, client: Client, url: str = "") -> None:
        self.client = client
        self._plain = host(url) if url.startswith("http://") and self._is_opened(host(url)) else ""
        """A host inside the operator's own network that is asked by http, though it may call itself by https."""
        self.last: Capture | None = None
        """The answer to the last question; None where there was none."""
        self.error: FetchError | None = None
        """Why there was none."""
        self._silent: Counter[str] = Counter()
        self._aliases: dict[str, str] = {}
        """Hosts by whose name another one goes: the address of that one."""

    def answer(self, url: str, accept: str = "application/json", token: str = "") -> Capture | None:
        """Return the answer, if it is one that says yes."""
        if alias := self._aliases.get(host(url)):
            url = alias + url.partition(host(url))[2]
        home, self.last = host(url), None
        if home and home == self._plain:
            url = f"http://{url.partition('://')[2]}"
        if not home or self._silent[home] >= _SILENCE:
            return None
        try:
            self.last, self.error = self.client.get(url, accept=accept, token=token), None
        except FetchError as error:
            self.error = error
            self._silent[home] += _SILENCE if error.status else 1
            if self.client.requests >= self.client.config.network.requests:
                self._silent[home] = _SILENCE
            return None
        return self.last if 200 <= self.last.status < 300 else None

    def object(self, url: str) -> dict[str, Any] | None:
        """Return the ActivityPub object (or collection) at an address, if there is one."""
        capture = self.answer(url, ACCEPT)
        return decoded(capture) if capture is not None else None

    def stand_in(self, url: str, id_: str) -> bool:
        """Let the server at ``url`` speak for the host of ``id_``, if it is on the operator's own network and has
        the id at the same path."""
        if not self._is_opened(host(url)) or path_of(url) != path_of(id_):
            return False
        self._aliases[host(id_)] = f"{url.partition('://')[0]}://{host(url)}"
        return True

    def _is_opened(self, home: str) -> bool:
        return not {home, home.partition(":")[0]}.isdisjoint(self.client.config.network.private_hosts)

    def token(self, home: str) -> str:
        """Return the user's token for a host, with its port or without."""
        tokens = self.client.config.mastodon.tokens
        return tokens.get(home) or tokens.get(home.partition(":")[0], "")


def decoded(capture: Capture) -> dict[str, Any] | None:
    """Return the JSON object in an answer; None where it is something else."""
    try:
        value = msgspec.json.decode(capture.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
