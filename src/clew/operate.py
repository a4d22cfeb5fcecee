"""What an operator sees of a running site: figures for a monitor, and a line for each request.

Neither tells who asked, what was searched for, or the token of a fetch.
"""

from __future__ import annotations

import logging
import re
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping
from threading import Lock
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Inner = Callable[[Message, Receive, Send], Awaitable[None]]

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_BOUNDS = (0.005, 0.025, 0.1, 0.5, 2.5, 10.0)  # seconds
_LONGEST = 200  # characters of a path in a line
_KINDS = (
    (r"/(?:page/\d+/)?", "home"),
    (r".*/feed\.atom", "feed"),
    (r"/t/[^/]*/thread\..*", "export"),
    (r"/t/.*", "thread"),
    (r"/a/.*", "author"),
    (r"/(api|search|unroll|media|static|about|health|metrics)(?:/.*)?", ""),
)
_HOW = {
    "clew_requests_total": "counter Requests answered, by kind of page and status.",
    "clew_request_seconds": "histogram Seconds from a request to the end of its answer.",
    "clew_threads": "gauge Threads kept.",
    "clew_fetches": "gauge Threads that are being fetched, or wait for it.",
    "clew_cache_bytes": "gauge Memory that pages asked for lately take.",
    "clew_cache_total": "counter Pages asked for, by whether they were held.",
}
_request = logging.getLogger("clew.request")
_log = logging.getLogger("clew")


class Watch:
    """Counts what passes and, where ``log`` says so, writes a line about it. An ASGI application around another."""

    def __init__(self, inner: Inner, *, log: bool = False) -> None:
        self._inner, self._told = inner, log
        self._lock = Lock()
        self._requests: Counter[tuple[str, int]] = Counter()
        self._within = [0] * len(_BOUNDS)
        self._seconds = 0.0

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        status, size, begun = 0, 0, time.perf_counter()

        async def seen(message: Message) -> None:
            nonlocal status, size
            status, size = message.get("status", status), size + len(message.get("body", b""))
            await send(message)

        try:
            await self._inner(scope, receive, seen)
        except Exception:
            _log.exception("%s failed", _asked(scope))
            if not status:
                raise  # nobody has answered yet
        finally:
            self._note(scope, status or 500, size, time.perf_counter() - begun)

    def _note(self, scope: Message, status: int, size: int, seconds: float) -> None:
        with self._lock:
            self._requests[kind(scope["path"]), status] += 1
            self._seconds += seconds
            for place, bound in enumerate(_BOUNDS):
                self._within[place] += seconds <= bound
        if self._told:
            _request.info("%s %d %d B %.1f ms", _asked(scope), status, size, seconds * 1000)

    def samples(self) -> Iterator[tuple[str, float]]:
        """Yield what was counted, as names with labels and values."""
        with self._lock:
            requests, within, seconds = sorted(self._requests.items()), list(self._within), self._seconds
        for (kind_, status), count in requests:
            yield f'clew_requests_total{{kind="{kind_}",status="{status}"}}', count
        total = sum(count for _, count in requests)
        for bound, count in zip((*_BOUNDS, "+Inf"), (*within, total), strict=True):
            yield f'clew_request_seconds_bucket{{le="{bound}"}}', count
        yield "clew_request_seconds_sum", round(seconds, 6)
        yield "clew_request_seconds_count", total


def metrics(samples: Iterable[tuple[str, float]]) -> bytes:
    """Return samples as a monitor reads them (Prometheus' text format, version 0.0.4)."""
    lines: list[str] = []
    family = ""
    for name, value in samples:
        own = next(known for known in _HOW if name.startswith(known))
        if own != family:
            form, _, words = _HOW[own].partition(" ")
            lines += [f"# HELP {own} {words}", f"# TYPE {own} {form}"]
            family = own
        lines.append(f"{name} {value}")
    return ("\n".join(lines) + "\n").encode()


def kind(path: str) -> str:
    """Return which kind of page a path is, one of few."""
    for pattern, name in _KINDS:
        if found := re.fullmatch(pattern, path, re.DOTALL):
            return name or found[1]
    return "other"


def _asked(scope: Message) -> str:
    """Return method and path, without what is nobody's business, on one line whatever was sent."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode("utf-8", "surrogateescape")
    path = re.sub(r"^(.*?/unroll/)[^/]+", r"\1…", raw.decode("latin-1"))
    told = re.sub(r"[^!-~…]", lambda found: f"%{ord(found[0]):02X}", path)
    return f"{scope['method'][:20]} {told[:_LONGEST]}{'…' if len(told) > _LONGEST else ''}"


# --- the log -------------------------------------------------------------------------------------------------


class _Lines(logging.Formatter):
    """One record begins one line; what follows of it stands indented, and nothing in it drives a terminal."""

    converter = staticmethod(time.gmtime)

    def format(self, record: logging.LogRecord) -> str:
        lines = super().format(record).splitlines()
        return "\n    ".join("".join(c if c.isprintable() else repr(c)[1:-1] for c in line) for line in lines)


def log() -> None:
    """Write what goes wrong, and the lines about requests, to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%SZ"))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    _request.setLevel(logging.INFO)
