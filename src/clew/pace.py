"""How fast a host may be asked, by every visit of this process: a pause between two requests, and what its answers
say of its limits (``Retry-After``, ``RateLimit-*``, ``X-RateLimit-*``, ``X-Rate-Limit-*``)."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

now = time.monotonic
sleep = time.sleep
_ONE_PATH = "x-rate-limit-"  # X counts each endpoint by itself, and is alone in writing it so
_PREFIXES = ("ratelimit-", "x-ratelimit-", _ONE_PATH)
_EPOCH = 1_000_000_000  # a smaller "reset" is a number of seconds, a larger one a time
_DAY = 86_400.0  # no word of a server counts for longer
_MANY = 10_000
_lock = threading.Lock()
_free: dict[str, float] = {}  # origin, or origin and path -> time from which on it may be asked


def turn(origin: str, path: str, pause: float, patience: float) -> float:
    """Wait for our turn to ask a host; return 0, or the seconds to wait where they are more than ``patience``."""
    with _lock:
        start = now()
        if len(_free) > _MANY:
            for key in [key for key, time_ in _free.items() if time_ <= start]:
                del _free[key]
        at = max(start, _free.get(origin, start), _free.get(origin + path, start))
        if at - start > patience:
            return at - start
        _free[origin] = at + pause
    if at > start:
        sleep(at - start)
    return 0.0


def heard(origin: str, path: str, status: int, headers: Mapping[str, str]) -> None:
    """Note that a host has no more answers for us until a time that it names."""
    wait = wait_of(headers) if status in (429, 503) or _value(headers, "remaining") == "0" else None
    if wait is not None:
        key = origin + path if any(name.startswith(_ONE_PATH) for name in headers) else origin
        with _lock:
            _free[key] = max(_free.get(key, 0.0), now() + min(wait, _DAY))


def wait_of(headers: Mapping[str, str]) -> float | None:
    """Return the seconds after which a server wants to be asked again; None where it does not say."""
    said = headers.get("retry-after", "").strip()
    if said.isdecimal():
        return float(said[:9])
    time_ = _http_date(said)
    if time_ is not None:
        return max(0.0, (time_ - _server_time(headers)).total_seconds())
    return _reset(headers) if _value(headers, "remaining") in ("0", "") else None


def _reset(headers: Mapping[str, str]) -> float | None:
    """Seconds until a limit is set back: by the server's own clock, as ours may be wrong."""
    said = _value(headers, "reset")
    try:
        if said.isdecimal():
            number = float(said[:12])
            wait = number if number < _EPOCH else number - _server_time(headers).timestamp()
        else:
            wait = (datetime.fromisoformat(said) - _server_time(headers)).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
    return max(0.0, wait)


def _value(headers: Mapping[str, str], name: str) -> str:
    return next((headers[prefix + name].strip() for prefix in _PREFIXES if prefix + name in headers), "")


def _server_time(headers: Mapping[str, str]) -> datetime:
    return _http_date(headers.get("date", "")) or datetime.now(UTC)


def _http_date(text: str) -> datetime | None:
    try:
        time_ = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return time_ if time_.tzinfo else time_.replace(tzinfo=UTC)
