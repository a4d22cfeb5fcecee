"""A thread that Clew exported as JSON, read back: the same in every respect but where its bytes are kept."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from clew import flow, keeping, reading, store
from clew.errors import ClewError, InputError, ParseError
from clew.exporters.data import EXPORTER as DATA
from clew.fetch import Client
from clew.forest import Forest
from clew.model import (
    Actor,
    Attachment,
    Capture,
    Facet,
    Item,
    Limit,
    Poll,
    PollOption,
    Post,
    Quote,
    Rule,
    Run,
    Thread,
    Tombstone,
    Version,
)
from clew.sources.exported import SOURCE
from clew.thread import every_item, threads

CASES = Path(__file__).parent / "cases"
FILES = sorted([*CASES.glob("*/*/capture.*"), *CASES.glob("*/*/archive")])
WHEN = datetime(2031, 5, 1, 12, tzinfo=UTC)
ADA, BOB = (Actor(f"https://{name}.example/", name=name, url=f"https://{name}.example/") for name in ("ada", "bob"))
RULES: tuple[Rule, ...] = ("longest", "oldest", "all")


def capture(body: bytes, when: datetime = WHEN) -> Capture:
    return Capture(sha256(body).hexdigest(), body, "application/json", when)


def exported(thread: Thread) -> bytes:
    return DATA.export(flow.page(thread, "https://clew.example/t/x/"))


def back(body: bytes, rule: Rule = "longest") -> Thread:
    """Return the thread that somebody gets who gives this file."""
    with reading.opened(capture(body)) as opened:
        assert opened.source is SOURCE
        return opened.one(rule=rule)


def said(thread: Thread) -> Thread:
    """Return a thread without the digests that say in which bytes it is found: all else must come back."""

    def item(value: Item) -> Item:
        if isinstance(value, Tombstone):
            return value
        attachments = tuple(replace(attachment, sha256="") for attachment in value.attachments)
        return replace(value, capture="", also_from=(), attachments=attachments)

    def run(value: Run) -> Run:
        return replace(value, items=tuple(map(item, value.items)), answered=tuple(map(item, value.answered)))

    return replace(
        thread,
        items=tuple(map(item, thread.items)),
        branches=tuple(map(run, thread.branches)),
        asides=tuple(map(run, thread.asides)),
        context=tuple(map(item, thread.context)),
        quoted=tuple(post for post in map(item, thread.quoted) if isinstance(post, Post)),
    )


# --- there and back ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("path", FILES, ids=lambda path: "/".join(path.parts[-3:-1]))
def test_every_case_comes_back(path: Path, rule: Rule) -> None:
    """Whatever a thread was made of, by any rule: its JSON gives that thread and its document, twice over."""
    with reading.opened(path) as opened:
        for thread in opened.threads(rule):
            again = back(exported(thread))
            assert said(again) == said(thread)
            assert flow.page(again).document == flow.page(thread).document
            assert said(back(exported(again))) == said(thread)


TIMES = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))


@st.composite
def items(draw: st.DrawFn, number: int) -> Item:
    author = draw(st.sampled_from((ADA.id, ADA.id, BOB.id)))
    parent = f"p{draw(st.integers(0, number - 1))}" if number and draw(st.integers(0, 9)) else ""
    if not draw(st.integers(0, 5)):
        checked = draw(st.none() | TIMES)
        return Tombstone(
            f"p{number}", "deleted", parent, author, published=draw(st.none() | TIMES), checked=checked
        )
    content = draw(st.text(max_size=30))
    start = draw(st.integers(0, len(content)))
    return Post(
        f"p{number}",
        author,
        content,
        draw(st.none() | TIMES),
        "a" * 64,
        also_from=draw(st.sampled_from(((), ("b" * 64,)))),
        in_reply_to=parent,
        in_reply_to_actor=draw(st.sampled_from(("", ADA.id))) if parent else "",
        quote=Quote(f"p{draw(st.integers(0, 9))}") if not draw(st.integers(0, 4)) else None,
        facets=draw(st.sampled_from(((), (Facet(start, len(content), "link", "https://x.test/"),)))),
        attachments=draw(
            st.sampled_from(((), (Attachment("image", "https://m.test/1", alt="", sha256="c" * 64),)))
        ),
        poll=draw(st.none() | st.just(Poll((PollOption("Так", 3), PollOption("Ні")), WHEN))),
        versions=draw(st.sampled_from(((), (Version("before", WHEN),)))),
        replies=draw(st.none() | st.integers(0, 3)),
        thread_size=draw(st.none() | st.integers(1, 9)),
        summary=draw(st.text(max_size=3)),
        order=number,
    )


@st.composite
def worlds(draw: st.DrawFn) -> list[Actor | Item | Limit]:
    ada = replace(ADA, outbox=draw(st.sampled_from(("", "repository"))))
    told = [draw(items(number)) for number in range(draw(st.integers(1, 9)))]
    limits = [Limit("the server stopped", draw(st.sampled_from(("", ADA.id))))] if draw(st.booleans()) else []
    return [ada, BOB, *told, *limits]


@given(worlds(), st.sampled_from(RULES))
@settings(max_examples=300)
def test_any_thread_comes_back(world: list[Actor | Item | Limit], rule: Rule) -> None:
    """Also what the posts alone would not tell comes back: limits, counts of replies, what the account holds."""
    for thread in threads(Forest(world), rule):
        assert said(back(exported(thread))) == said(thread)


def _three() -> Thread:
    told = [
        ADA,
        BOB,
        Post("p1", ADA.id, "One", WHEN, "a" * 64, replies=2),
        Post("p2", ADA.id, "Two, says Bob", WHEN, "a" * 64, in_reply_to="p1", quote=Quote("q")),
        Post("p3", ADA.id, "Three", WHEN, "a" * 64, in_reply_to="p1"),
        Post("q", BOB.id, "Words of Bob", WHEN, "b" * 64),
    ]
    return next(thread for thread in threads(Forest(told)) if thread.id == "p1")


THREAD = _three()
JSON = exported(THREAD)


def test_a_post_names_the_file_and_the_capture_before() -> None:
    """What is read back was decoded from the file; which capture it once came from is kept."""
    first = back(JSON).items[0]
    assert isinstance(first, Post)
    assert (first.capture, first.also_from) == (sha256(JSON).hexdigest(), ("a" * 64,))


def test_another_rule_puts_it_together_anew() -> None:
    """Asked for by another rule, the posts of an export make another thread, with a certificate of its own."""
    assert back(JSON, "all").rule == "all"
    assert [item.id for item in back(JSON, "all").items] == ["p1", "p2", "p3"]
    assert said(back(exported(back(JSON, "all")))).rule == "all"


@pytest.mark.parametrize(("old", "new"), [(b'"content": "One"', b'"content": "Uno"'), (b"2 posts", b"9 posts")])
def test_an_edited_export_is_not_taken_at_its_word(old: bytes, new: bytes) -> None:
    """Where the posts or the certificate were changed, the thread is put together from the posts alone."""
    assert old in JSON
    edited = back(JSON.replace(old, new, 1))
    assert "9 posts" not in edited.certificate.sentence
    assert [item.id for item in edited.items] == [item.id for item in THREAD.items]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"found": 2', b'"found": 99'),
        (b'"found": 2', b'"found": "x"'),
        (b"2031-05-01T12:00:00Z", b"2031-05-01T12:00:00"),
        (b"2031-05-01T12:00:00Z", b"2031-05-01T12:00:00+09:00"),
        (b'"content": "One",', b'"content": "One", "facets": [{"start": 0, "end": 99999999, "type": "link"}],'),
        (b'"content": "One",', b'"content": "One", "facets": [{"start": -1, "end": 1, "type": "link"}],'),
        (b'"content": "One",', b'"content": "One", "new_field": 1,'),
        (b'"title"', b'"nothing"'),
        (JSON[-200:], b""),
        (JSON[40:], b": " + b"[" * 100_000),
    ],
)
def test_what_clew_does_not_write_is_refused(old: bytes, new: bytes) -> None:
    """Offsets outside a text, times without a zone, wrong types and counts, and cut files are one sentence."""
    assert old in JSON
    with pytest.raises(ParseError) as caught:
        back(JSON.replace(old, new, 1))
    assert "\n" not in str(caught.value)


@given(st.integers(0, len(JSON)), st.binary(max_size=6), st.integers(0, 40))
@settings(max_examples=300)
def test_a_mutilated_export_is_a_thread_or_one_sentence(at: int, new: bytes, length: int) -> None:
    """However a file was damaged, what comes out is a thread that can be shown, or a ClewError."""
    body = JSON[:at] + new + JSON[at + length :]
    try:
        with reading.opened(capture(body)) as opened:
            listed = list(opened.threads())
    except ClewError:
        return
    for thread in listed:
        assert exported(thread)


def test_it_has_no_address() -> None:
    """There is nothing to fetch: it takes no address, and says so."""
    from clew.config import Config

    with Client(Config()) as client, pytest.raises(InputError):
        SOURCE.fetch("https://clew.example/", client)
    assert not SOURCE.patterns


# --- kept --------------------------------------------------------------------------------------------------------


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[store.Store]:
    with store.open(tmp_path / "clew.db") as opened:
        yield opened


def save(kept: store.Store, given: bytes | Path) -> str:
    with reading.opened(capture(given) if isinstance(given, bytes) else given) as opened:
        return keeping.save(kept, opened, opened.one())


def test_it_is_kept_checked_and_rebuilt(kept: store.Store) -> None:
    """A kept export is that thread, also after everything derived was dropped; ``check`` finds nothing."""
    key = save(kept, JSON)
    assert said(kept.thread(key)) == said(THREAD)
    assert list(keeping.rebuild(kept)) == ["p1"]
    assert said(kept.thread(key)) == said(THREAD)
    assert not [found for found in keeping.check(kept) if isinstance(found, keeping.Finding)]


def test_the_last_export_counts(kept: store.Store) -> None:
    """Of two exports of a thread the one given last is the thread; both are kept as captures."""
    save(kept, JSON)
    longer = replace(THREAD, items=(*THREAD.items, Post("p9", ADA.id, "More", WHEN, "a" * 64, in_reply_to="p2")))
    longer = replace(longer, certificate=replace(longer.certificate, found=3))
    with reading.opened(capture(exported(longer), datetime(2032, 1, 1, tzinfo=UTC))) as opened:
        key = keeping.save(kept, opened, opened.one())
    assert [item.id for item in kept.thread(key).items] == ["p1", "p2", "p9"]
    assert len(kept.captures("p1")) == 2


def test_an_export_does_not_replace_what_came_from_the_network(kept: store.Store) -> None:
    """A thread that is kept from its source stays as it is; one kept from an export is replaced by its source."""
    own = CASES / "bluesky/thread_v2/capture.json"
    with reading.opened(own) as opened:
        thread = opened.one()
    json = exported(thread)
    key = save(kept, json)
    assert kept.saving(key).source == "clew"
    assert save(kept, own) == key
    assert kept.saving(key).source == "bluesky"
    assert save(kept, json) == key
    assert kept.saving(key).source == "bluesky"
    assert [c.member for c in kept.captures(key)] == ["capture.json"]
    assert not [found for found in keeping.check(kept) if isinstance(found, keeping.Finding)]


def test_forgetting_reaches_an_export(kept: store.Store) -> None:
    """The words of somebody who is forgotten leave a kept export, also where another quoted them."""
    key = save(kept, JSON)
    keeping.forget(kept, BOB.id, "operator")
    held = kept.captures(key)[0]
    assert b"Words of Bob" not in held.body
    assert b"Two, says Bob" in held.body
    assert [item.id for item in kept.thread(key).items] == ["p1", "p2"]
    keeping.forget(kept, ADA.id, "operator")
    assert not list(kept.savings())


@pytest.mark.parametrize("path", FILES, ids=lambda path: "/".join(path.parts[-3:-1]))
def test_redaction_leaves_tombstones(path: Path) -> None:
    """What is redacted parses as before, with tombstones for the posts of those it was asked for, and no others."""
    with reading.opened(path) as opened:
        for thread in opened.threads():
            source = capture(exported(thread))
            actors = frozenset([thread.attributed_to])
            body = SOURCE.redact(source, actors)
            before, after = (
                {v.id: v for v in SOURCE.parse([c]) if not isinstance(v, Actor | Limit)}
                for c in (source, replace(source, body=body, redacted=True))
            )
            assert before.keys() == after.keys()
            for id_, item in before.items():
                theirs = isinstance(item, Post) and (item.attributed_to in actors or item.visibility == "private")
                assert isinstance(after[id_], Tombstone) if theirs else after[id_] == item
                if isinstance(item, Post) and item.attributed_to in actors and len(item.content) > 20:
                    assert msgspec.json.encode(item.content)[1:-1] not in body


def test_what_is_not_public_goes_before_it_is_kept() -> None:
    """Redaction for nobody in particular takes out posts for followers; an export without such stays as it is."""
    assert SOURCE.redact(capture(JSON), frozenset()) == JSON
    quoted = tuple(replace(post, visibility="private") for post in THREAD.quoted)
    private = capture(exported(replace(THREAD, quoted=quoted)))
    stones = list(SOURCE.parse([replace(private, body=SOURCE.redact(private, frozenset()))]))
    assert [(v.id, v.reason) for v in stones if isinstance(v, Tombstone)] == [("q", "private")]


def test_every_item_is_there() -> None:
    """An export holds what is quoted and answered too, each post once."""
    found = [v.id for v in SOURCE.parse([capture(JSON)]) if not isinstance(v, Actor)]
    assert sorted(found) == sorted({item.id for item in every_item(THREAD)}) == ["p1", "p2", "p3", "q"]
