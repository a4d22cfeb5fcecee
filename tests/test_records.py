"""The splitter: for any JSON, any layout and any chunks, the records are verbatim slices in order."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from clew.errors import ClewError, ParseError
from clew.records import envelope, records, records_under

LIMIT = 1 << 20
SPACES = st.text(" \t\r\n", max_size=3)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=12)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=4) | st.just("id"), inner, max_size=4)
    ),
    max_leaves=12,
)
LAYOUTS: st.SearchStrategy[dict[str, Any]] = st.builds(
    dict,
    indent=st.sampled_from([None, 0, 2]),
    ensure_ascii=st.booleans(),
    separators=st.sampled_from([(",", ":"), (", ", " : "), (" ,\n", ":")]),
)


def cut(body: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


def dump(value: Any, layout: dict[str, Any]) -> bytes:
    return json.dumps(value, **layout).encode("utf-8", "surrogatepass")


def follow(body: bytes, pieces: list[bytes]) -> None:
    """Each piece stands in the body, in order and without overlap."""
    at = 0
    for piece in pieces:
        at = body.index(piece, at) + len(piece)


@given(st.lists(VALUES, max_size=8), LAYOUTS, st.integers(1, 90), SPACES, SPACES, st.booleans())
@example([{"a": '\\"'}, {"a": "]},{"}, {"a": "\\"}] * 3, {}, 7, "", "", True)
@example([{"a": [{"a": 1}, {"a": 2}]}] * 9, {"separators": (",", ":")}, 40, "", "", False)
def test_array(
    items: list[Any], layout: dict[str, Any], size: int, before: str, after: str, assigned: bool
) -> None:
    body = dump(items, layout)
    if assigned:
        body = b"window.YTD.tweets.part0 = " + body + b" ;"
    body = before.encode() + body + after.encode()
    pieces = list(records(cut(body, size), LIMIT))
    assert [json.loads(p.decode("utf-8", "surrogatepass")) for p in pieces] == items
    follow(body, pieces)


@given(st.lists(VALUES, min_size=1, max_size=8), st.integers(1, 90), st.sampled_from(["\n", "\r\n", "\n\n", " \n"]))
def test_lines(items: list[Any], size: int, line: str) -> None:
    if isinstance(items[0], list):  # a file that begins with a list is one list
        items[0] = {"first": items[0]}
    body = "".join(json.dumps(item) + line for item in items).encode()
    pieces = list(records(cut(body, size), LIMIT))
    assert [json.loads(p) for p in pieces] == items
    follow(body, pieces)


@given(
    st.lists(st.tuples(st.text(max_size=5), VALUES), max_size=4),
    st.lists(VALUES, max_size=6),
    st.lists(st.tuples(st.text(max_size=5), VALUES), max_size=4),
    LAYOUTS,
    st.integers(1, 90),
)
def test_array_under_a_key(before: Any, items: list[Any], after: Any, layout: dict[str, Any], size: int) -> None:
    top = {**{k: v for k, v in before if k != "messages"}, "messages": items}
    top |= {k: v for k, v in after if k != "messages"}
    body = dump(top, layout)
    head = envelope(cut(body, size), "messages", LIMIT)
    pieces = list(records_under(cut(body, size), "messages", LIMIT))
    assert json.loads(head.decode("utf-8", "surrogatepass")) == {**top, "messages": []}
    assert [json.loads(p.decode("utf-8", "surrogatepass")) for p in pieces] == items
    follow(body, pieces)
    first, second = head.split(b"[]", 1) if not before and not after else (head[:1], head[-1:])
    assert body.startswith(first)
    assert body.endswith(second)


def test_no_array_under_the_key() -> None:
    body = b' {"messages": null, "chats": {"messages": [1]}} '
    assert envelope(cut(body, 5), "messages", LIMIT) == body.strip()
    assert list(records_under(cut(body, 5), "messages", LIMIT)) == []
    assert envelope([b"{}"], "messages", LIMIT) == b"{}"


def test_a_glance_does_not_wait_for_the_end_of_the_array() -> None:
    start = b'{"name": "Ada", "messages": [{"id": 1}, {"id": '
    assert envelope([start], "messages", LIMIT, glance=True) == b'{"name": "Ada", "messages": []}'
    with pytest.raises(ParseError, match="breaks off"):
        envelope([start], "messages", LIMIT)


@given(st.binary(max_size=80) | st.text('[]{}",:\\ \n1truefals=;', max_size=60).map(str.encode), st.integers(1, 20))
@settings(max_examples=300)
def test_anything_at_all(body: bytes, size: int) -> None:
    """No input raises anything but a ParseError, and the way it is cut into chunks makes no difference."""
    for split in (
        lambda c: list(records(c, 40)),
        lambda c: list(records_under(c, "a", 40)),
        lambda c: envelope(c, "a", 40),
    ):
        assert outcome(split, body, size) == outcome(split, body, len(body) + 1)


def outcome(split: Any, body: bytes, size: int) -> Any:
    try:
        return split(cut(body, size))
    except ParseError:
        return ParseError


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b"", "There is no JSON here (byte 0, after 0 records)"),
        (b" \n", "There is no JSON here"),
        (b'[{"a": 1}, {"a": 2}', "The JSON breaks off (byte 19, after 2 records)"),
        (b'[{"a": 1}, {"a": "x', "The JSON breaks off (byte 19, after 1 records)"),
        (
            b'[{"a": 1}, {"a": 2} {"a": 3}]',
            "Something that is not JSON stands between the records (byte 20, after 2",
        ),
        (b'[{"a": 1}, x]', "This is not JSON (byte 11, after 1 records)"),
        (b'[{"a": 1},]', "This is not JSON (byte 10, after 1 records)"),
        (b'[{"a": [1}, 2]', "The brackets of the JSON do not match (byte 10, after 0 records)"),
        (b"[1] 2", "Something follows the end of the JSON (byte 4, after 1 records)"),
        (b"[1];", "Something follows the end of the JSON"),
        (b"<html>", "This is not JSON (byte 0"),
        ("[1]".encode("utf-16"), "This is not JSON"),
    ],
)
def test_what_is_wrong_and_where(body: bytes, what: str) -> None:
    for size in (1, 4, 100):
        with pytest.raises(ParseError) as caught:
            list(records(cut(body, size), LIMIT, "tweets.js"))
        assert caught.value.subject == "tweets.js"
        assert what in str(caught.value)
        assert caught.value.at.startswith("byte ")


@pytest.mark.parametrize(
    "body", [b"[]", b'{"a" 1}', b"{1: 2}", b'{"a": [], "a": [1]}', b'{"a": [1]} 2', b'{"a": [']
)
def test_envelopes_that_are_none(body: bytes) -> None:
    with pytest.raises(ParseError):
        envelope([body], "a", LIMIT)


def test_a_record_over_the_limit() -> None:
    item = b'{"a": "%b"}'
    for fill in (b"x" * 2000, b"[" * 2000, b'"' + b",1" * 2000):
        for body in (b"[" + item % b"ok" + b"," + item % fill + b"]", item % fill):
            for size in (7, 500, 10_000):
                with pytest.raises(ParseError):
                    list(records(cut(body, size), 1000))


def test_one_endless_line_is_refused_before_it_is_read() -> None:
    given_out = 0

    def endless() -> Iterator[bytes]:
        nonlocal given_out
        yield b'{"text": "'
        while True:
            given_out += 1
            yield b"x" * 1000

    with pytest.raises(ParseError, match="A record is larger than 100,000 bytes"):
        list(records(endless(), 100_000))
    assert given_out < 105


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_depth_is_no_recursion(opening: bytes) -> None:
    body = b"[1," + opening * 100_000 + b"2" + (b"]" if opening == b"[" else b"}") * 100_000 + b", 3]"
    assert [len(p) for p in records(cut(body, 65_536), LIMIT)] == [1, len(body) - 7, 1]


def test_the_fast_way_and_the_sure_way_agree() -> None:
    """Large chunks take the fast way, chunks of a few bytes never do."""
    items = [
        {"tweet": {"id": n, "text": '}, {"tweet": [' * (n % 3), "media": [{"tweet": n}] * (n % 4)}}
        for n in range(500)
    ]
    for body in (json.dumps(items).encode(), "\n".join(map(json.dumps, items)).encode()):
        assert list(records([body], LIMIT)) == list(records(cut(body, 11), LIMIT))


def test_a_chunk_that_ends_inside_a_string() -> None:
    """Before Python 3.11.5 the scanner went on in the middle of it, and took the brackets there for real ones."""
    pieces = [b'{"first": "%b"}' % (b"x" * 5_000), b'{"a": 1, "b": "x, {[ y", "c": [2]}', b'{"d": "\\\\\\"]"}']
    body = b"[" + b", ".join(pieces) + b"]"
    for end in range(5_000, len(body)):
        assert list(records([body[:end], body[end:]], LIMIT)) == pieces


def test_errors_are_sentences() -> None:
    with pytest.raises(ClewError) as caught:
        list(records([b'[{"a": 1'], LIMIT, "data/tweets.js"))
    assert str(caught.value) == (
        "The JSON breaks off (byte 8, after 0 records): data/tweets.js. Is the file complete? Get it again."
    )
