"""Whatever comes in: a thread or a ClewError, and what is shown is what was received."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import given, settings

from clew import flow, pages, reading
from clew.config import Site
from clew.document import stitch
from clew.errors import ClewError
from clew.model import Capture, Post, Thread

CASES = Path(__file__).parent / "cases"
BODIES = sorted(path for path in CASES.glob("*/*/capture.*") if path.stat().st_size < 60_000)
WHEN = datetime(2026, 1, 1, tzinfo=UTC)


def trip(body: bytes) -> list[Thread]:
    """Take bytes through the whole house, from a capture to its pages and files; return the threads."""
    given_ = Capture(sha256(body).hexdigest(), body, "application/octet-stream", WHEN)
    try:
        with reading.opened(given_) as opened:
            threads = list(opened.threads())
    except ClewError as error:
        sentence = str(error)
    else:
        sentence = ""
    if sentence:
        assert len(sentence.splitlines()) == 1
        return []
    for thread in threads[:3]:
        page = flow.page(thread, "https://clew.example/t/x/")
        for form in ("text", "markdown", "json"):
            assert flow.export(thread, form)
        assert pages.thread(Site(), page, "abcdefghijkl")
        assert pages.posted(Site(), page, "abcdefghijkl")
        exact(thread)
    return threads


def exact(thread: Thread) -> None:
    """The source map covers each post once, and shows nothing that is not in it."""
    document = stitch(thread)
    assert document == stitch(thread)
    posts = {item.id: item for item in thread.items if isinstance(item, Post)}
    for id_, post in posts.items():
        at = 0
        for span in (span for span in document.spans if span.source == id_):
            assert span.source_start == at
            at = span.source_end
            if span.type == "text":
                assert document.text[span.start : span.end] == post.content[span.source_start : span.source_end]
        assert at == len(post.content)


@st.composite
def mutilated(draw: st.DrawFn) -> bytes:
    """A real capture with pieces cut out, doubled, or overwritten."""
    body = draw(st.sampled_from(BODIES)).read_bytes()
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(body)))
        length = draw(st.integers(0, 40))
        new = draw(st.one_of(st.just(b""), st.binary(max_size=8), st.just(body[at : at + length] * 2)))
        body = body[:at] + new + body[at + length :]
    return body


@given(mutilated())
@settings(max_examples=400, deadline=None)
def test_a_mutilated_capture_is_a_thread_or_one_sentence(body: bytes) -> None:
    """However a capture was damaged, nothing but a ClewError comes out, and it is one sentence."""
    trip(body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


@st.composite
def odd_values(draw: st.DrawFn) -> bytes:
    """A real JSON capture with some values replaced by others of any type."""
    path = draw(st.sampled_from([path for path in BODIES if path.suffix == ".json"]))
    try:
        value = json.loads(path.read_bytes())
    except ValueError:  # one value a line
        value = json.loads(path.read_bytes().splitlines()[0])
    for _ in range(draw(st.integers(1, 3))):
        node = value
        while isinstance(node, (dict, list)) and node:
            key = (
                draw(st.sampled_from(sorted(node)))
                if isinstance(node, dict)
                else draw(st.integers(0, len(node) - 1))
            )
            if not isinstance(node[key], (dict, list)) or draw(st.integers(0, 5)) == 0:
                node[key] = draw(JSON)
                break
            node = node[key]
    return json.dumps(value).encode()


@given(odd_values())
@settings(max_examples=400, deadline=None)
def test_any_value_of_any_type_is_a_thread_or_one_sentence(body: bytes) -> None:
    """Whatever type a field has, nothing but a ClewError comes out."""
    trip(body)


@given(st.text(max_size=400) | st.lists(st.text(max_size=60), max_size=8).map("\n".join))
@settings(max_examples=300, deadline=None)
def test_any_text_is_shown_as_it_is(text: str) -> None:
    """Any text that can be pasted is shown exactly: emoji, other scripts, combining marks, all line ends."""
    trip(text.encode("utf-8", "replace"))


WORDS = ["One", "Two two", "drei", "1/3 of it", "on 9/11", "é", "שלום", "5."]


@given(st.lists(st.sampled_from(WORDS), min_size=3, max_size=12))
@settings(max_examples=200, deadline=None)
def test_numbered_pastes_lose_their_numbers_and_nothing_else(words: list[str]) -> None:
    """Every word of a numbered paste is in the prose; the counters that prove the sequence are not."""
    text = "\n".join(f"{word} tells {n}/" for n, word in enumerate(words, 1))
    (thread,) = trip(text.encode())
    document = stitch(thread)
    assert thread.certificate.found == len(words)
    shown = "".join(document.text.split())
    assert shown == "".join("".join(f"{word} tells".split()) for word in words)


@given(st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_a_thread_or_one_sentence(body: bytes) -> None:
    """Random bytes never crash."""
    trip(body)
