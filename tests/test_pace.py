"""Politeness: how long a host is left alone, told by a clock that only the tests move."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew import pace

HOST, OTHER = "https://tide.example", "https://bo.example"
LONG_AGO = datetime(2004, 2, 29, 23, 0, tzinfo=UTC)


class Clock:
    """Stands still but for ``sleep``, which it notes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.time, self.slept = 1000.0, list[float]()
        monkeypatch.setattr(pace, "now", lambda: self.time)
        monkeypatch.setattr(pace, "sleep", self.sleep)
        monkeypatch.setattr(pace, "_free", {})

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def date(time: datetime) -> str:
    return format_datetime(time, usegmt=True)


def test_a_pause_between_two_requests(clock: Clock) -> None:
    """One host is asked once a pause; another is not kept waiting, nor a host that had its pause already."""
    assert [pace.turn(HOST, "/a", 2, 60), pace.turn(HOST, "/b", 2, 60), pace.turn(OTHER, "/", 2, 60)] == [0, 0, 0]
    assert clock.slept == [2]
    clock.time += 5
    pace.turn(HOST, "/a", 2, 60)
    assert clock.slept == [2]


def test_turns_are_given_out_one_after_another(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three visits that come at the same moment do not wake at the same moment."""
    monkeypatch.setattr(pace, "sleep", clock.slept.append)  # nobody's sleep moves the others' clock
    for _ in range(3):
        pace.turn(HOST, "/", 2, 60)
    assert clock.slept == [2, 4]


def test_a_limit_that_is_used_up_is_waited_for(clock: Clock) -> None:
    """After "none remaining" the next turn comes when the limit is set back, for every visit."""
    pace.turn(HOST, "/", 0, 60)
    pace.heard(HOST, "/", 200, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "30"})
    assert pace.turn(HOST, "/other", 0, 60) == 0
    assert clock.slept == [30]


def test_a_wait_beyond_patience_is_told(clock: Clock) -> None:
    """Who would have to wait too long is told how long, at once, and takes no turn."""
    pace.heard(HOST, "/", 429, {"retry-after": "300"})
    assert pace.turn(HOST, "/", 0, 60) == 300
    clock.time += 241
    assert pace.turn(HOST, "/", 0, 60) == 0
    assert clock.slept == [59]


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (200, {"x-ratelimit-remaining": "1", "x-ratelimit-reset": "30"}),
        (200, {"retry-after": "30"}),
        (200, {"x-ratelimit-remaining": "0"}),
        (200, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "soon"}),
        (200, {"x-ratelimit-remaining": "-0", "x-ratelimit-reset": "30"}),
        (404, {"x-ratelimit-reset": "30"}),
        (429, {}),
    ],
)
def test_what_is_no_limit_is_not_kept_to(clock: Clock, status: int, headers: dict[str, str]) -> None:
    """An answer that leaves some requests, or does not say until when, keeps nobody waiting."""
    pace.heard(HOST, "/", status, headers)
    assert pace.turn(HOST, "/", 0, 60) == 0
    assert clock.slept == []


def test_x_counts_each_endpoint_by_itself(clock: Clock) -> None:
    """What ``X-Rate-Limit-*`` says is kept to where it was said, and other paths of the host are free."""
    pace.heard(HOST, "/2/search", 200, {"x-rate-limit-remaining": "0", "x-rate-limit-reset": "900"})
    assert pace.turn(HOST, "/2/tweets", 0, 60) == 0
    assert pace.turn(HOST, "/2/search", 0, 60) == 900


def test_a_shorter_word_does_not_undo_a_longer_one(clock: Clock) -> None:
    """Of two things a server said of its limits, the later time counts."""
    pace.heard(HOST, "/", 429, {"retry-after": "50"})
    pace.heard(HOST, "/", 429, {"retry-after": "5"})
    pace.turn(HOST, "/", 0, 60)
    assert clock.slept == [50]


def test_no_word_counts_for_longer_than_a_day(clock: Clock) -> None:
    """A server whose clock is broken does not shut itself off for as long as this process lives."""
    pace.heard(HOST, "/", 429, {"retry-after": "999999999"})
    assert pace.turn(HOST, "/", 0, 60) == 86_400


def test_many_hosts_do_not_fill_the_memory(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is over is forgotten, and a limit that still holds is not."""
    monkeypatch.setattr(pace, "_MANY", 20)
    pace.heard(HOST, "/", 429, {"retry-after": "300"})
    for number in range(20):
        pace.turn(f"https://{number}.example", "/", 1, 60)
    assert len(pace._free) == 21
    clock.time += 100
    pace.turn(OTHER, "/", 1, 60)
    assert set(pace._free) == {HOST, OTHER}


NOW = datetime(2031, 5, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"retry-after": "7"}, 7),
        ({"retry-after": " 120 "}, 120),
        ({"retry-after": date(NOW + timedelta(seconds=40))}, 40),
        ({"retry-after": date(NOW - timedelta(seconds=40))}, 0),
        ({"retry-after": "7", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "9"}, 7),
        ({"ratelimit-remaining": "0", "ratelimit-reset": "9"}, 9),
        ({"ratelimit-remaining": "0", "ratelimit-reset": str(int(NOW.timestamp()) + 12)}, 12),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "2031-05-01T12:05:00.000Z"}, 300),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "2031-05-01T14:05:00+02:00"}, 300),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "2031-05-01T11:00:00Z"}, 0),
        ({"x-rate-limit-remaining": "0", "x-rate-limit-reset": str(int(NOW.timestamp()) + 900)}, 900),
        ({"x-ratelimit-reset": "9"}, 9),
        ({"x-ratelimit-remaining": "3", "x-ratelimit-reset": "9"}, None),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "2031-05-01T12:05:00"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "1e9"}, None),
        ({"retry-after": "²"}, None),
        ({"retry-after": "Thu, 99 May 2031 99:99:99 GMT"}, None),
        ({"x-ratelimit-reset": "99999-01-01T00:00:00Z"}, None),
        ({}, None),
    ],
)
@pytest.mark.parametrize("server", [NOW, LONG_AGO])
def test_what_a_server_asks_for(headers: dict[str, str], wait: float | None, server: datetime) -> None:
    """Seconds, a date or a time: a time is reckoned by the server's own clock, however wrong it is."""
    shifted = {name: _shifted(value, server - NOW) for name, value in headers.items()}
    assert pace.wait_of({"date": date(server), **shifted}) == wait


def _shifted(value: str, by: timedelta) -> str:
    """Write a time as a server says it whose clock is off by so much."""
    if value.endswith("GMT") and "99" not in value:
        return date(datetime.strptime(value, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC) + by)
    if value.startswith("2031") and len(value) > 19:
        return (datetime.fromisoformat(value) + by).isoformat()
    if value.isdecimal() and len(value) == 10:
        return str(int(value) + int(by.total_seconds()))
    return value


def test_without_a_date_our_clock_counts() -> None:
    """A server that does not tell the time is taken by ours; a time that is over means no wait."""
    wait = pace.wait_of({"retry-after": date(datetime.now(UTC) + timedelta(hours=2))})
    assert wait is not None
    assert 3600 < wait <= 7200
    assert pace.wait_of({"retry-after": date(LONG_AGO)}) == 0


NAMES = st.sampled_from(["retry-after", "date", "x-ratelimit-remaining", "x-ratelimit-reset", "ratelimit-reset"])
VALUES = (
    st.text()
    | st.integers().map(str)
    | st.floats().map(str)
    | st.datetimes(timezones=st.just(UTC)).map(date)
    | st.just("0")
)


@given(st.dictionaries(NAMES, VALUES))
def test_any_headers_are_understood_or_passed_over(headers: dict[str, str]) -> None:
    """Whatever a server writes there, the answer is a number of seconds or nothing."""
    wait = pace.wait_of(headers)
    assert wait is None or wait >= 0
