"""The store, on SQLite and on PostgreSQL alike."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import psycopg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import MetaData

import clew.store
from clew import search, text
from clew.document import stitch, title
from clew.errors import StoreError
from clew.model import (
    Actor,
    Capture,
    Certificate,
    Deletion,
    OptOut,
    Post,
    Quote,
    Run,
    Thread,
    Tombstone,
)
from clew.store import Entry, Output, Store, engines, rows, tables, thinned, versions

DAY = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
ADA = Actor("did:plc:ada", "Ada", "ada.example", "https://social.example/ada")
TARAS = Actor("did:plc:taras", "Тарас", "taras.example", "https://social.example/taras")


def capture(body: bytes = b"{}", **fields: Any) -> Capture:
    told = {"media_type": "application/json", "retrieved": DAY, **fields}
    return Capture(sha256(body).hexdigest(), body, **told)


def again(one: Capture, **fields: Any) -> Capture:
    return msgspec.structs.replace(one, **fields)


def post(name: str, actor: Actor = ADA, *, hours: int = 0, **fields: Any) -> Post:
    fields.setdefault("url", f"https://social.example/p/{name}")
    fields.setdefault("capture", capture().sha256)
    when = DAY + timedelta(hours=hours)
    return Post(f"at://{actor.id}/post/{name}", actor.id, f"Text of {name}.", when, **fields)


def thread(*items: Post | Tombstone, actors: tuple[Actor, ...] = (ADA,), **fields: Any) -> Thread:
    found = sum(isinstance(item, Post) for item in items)
    whole = Certificate(found, "yes", f"All {found} posts are here.")
    return Thread(items[0].id, items[0].attributed_to, items, "longest", whole, actors=actors, **fields)


def save(store: Store, kept: Thread, *bodies: bytes, now: datetime = DAY, **fields: Any) -> str:
    captures = [capture(body) for body in bodies or (b"{}",)]
    with store.writing(now) as w:
        w.put_captures(captures)
        return w.put_thread(kept, **{"title": "A title", "source": "bluesky", "captures": captures, **fields})


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    with clew.store.open(store_url) as opened:
        yield opened


# --- keeping and asking --------------------------------------------------------------------------------------


def test_what_was_kept_comes_back(store: Store) -> None:
    kept = thread(post("a"), post("b", hours=2), Tombstone("at://did:plc:ada/post/c", in_reply_to="x"))
    full = capture(b"\x00\xff bytes", url="https://social.example/x", headers={"etag": "1"}, member="a/b#2")
    with store.writing(DAY) as w:
        w.put_captures([full, capture()])
        key = w.put_thread(kept, title="T", source="bluesky", captures=[full, capture()], post=kept.items[1].id)
        assert w.thread(key) == kept, "a writer sees what it wrote"
    assert key == text.key(kept.id)
    assert store.thread(key) == kept
    assert store.capture(full.sha256) == full
    assert store.captures(kept.id) == store.captures(key) == [full, capture()]
    entry = store.entry(key)
    assert store.latest() == [entry]
    assert (entry.id, entry.title, entry.actor, entry.posts) == (kept.id, "T", ADA, 2)
    assert (entry.published, entry.updated) == (DAY, DAY + timedelta(hours=2))
    assert (entry.complete, entry.sentence, entry.visibility) == ("yes", "All 2 posts are here.", "listed")
    saving = store.saving(kept.id)
    assert [saving] == list(store.savings())
    assert (saving.thread, saving.post, saving.rule, saving.source, saving.captures, saving.saved) == (
        (kept.id, kept.items[1].id, "longest", "bluesky", (full.sha256, capture().sha256), DAY)
    )


def test_the_same_again_changes_nothing(store: Store) -> None:
    kept = thread(post("a"), post("b"))
    save(store, kept, b"1", b"2")
    before = list(store.dump())
    save(store, kept, b"1", b"2", now=DAY + timedelta(days=9))
    assert list(store.dump()) == before


def test_something_else_changes_only_what_it_must(store: Store) -> None:
    key = save(store, thread(post("a")))
    save(store, thread(post("a"), post("b")), b"more", now=DAY + timedelta(days=1))
    entry = store.entry(key)
    assert (entry.posts, entry.saved, entry.changed) == (2, DAY, DAY + timedelta(days=1))
    save(store, thread(post("a"), post("b")), b"other", now=DAY + timedelta(days=2))
    assert store.entry(key) == entry, "only the captures differ, so nothing derived changed"
    assert [c.body for c in store.captures(key)] == [b"other"]


def test_rebuild_gives_the_same_rows(store: Store) -> None:
    older = post("x", TARAS)
    first = thread(post("a", quote=Quote(older.id)), actors=(ADA, TARAS), quoted=(older,))
    second = thread(post("m"), actors=(Actor(ADA.id, "Ada of late", "ada.new.example"),))
    save(store, first, b"1")
    save(store, second, b"2", now=DAY + timedelta(days=1))
    before = list(store.dump())
    derived = {saving.thread: (store.thread(saving.thread), saving) for saving in store.savings()}
    with store.writing(DAY + timedelta(days=5)) as w:
        w.clear_derived()
        assert w.count() == 0
        for kept, saving in reversed(derived.values()):
            found = w.captures(saving.thread)
            w.put_thread(kept, title="A title", source=saving.source, post=saving.post, captures=found)
    assert list(store.dump()) == before
    assert store.actor(ADA.id).name == "Ada of late", "the thread that changed last knows best"


def test_after_clearing_the_sentence_says_rebuild(store: Store) -> None:
    key = save(store, thread(post("a")))
    with store.writing() as w:
        w.clear_derived()
    for ask in (store.thread, store.entry):
        with pytest.raises(StoreError, match="Run clew rebuild"):
            ask(key)
    assert store.saving(key).thread == post("a").id


def test_any_name_finds_the_thread(store: Store) -> None:
    branch, aside, other = post("c"), post("d"), post("o", TARAS)
    kept = thread(
        post("a"),
        post("b"),
        Tombstone("at://did:plc:ada/post/gone"),
        branches=(Run(post("a").id, (branch,)),),
        asides=(Run(other.id, (aside,), (other,)),),
        context=(post("before", TARAS),),
        actors=(ADA, TARAS),
    )
    key = save(store, kept)
    names = [key, key[:4], kept.id, *(p.id for p in (*kept.items, branch, aside)), post("b").url, aside.url]
    assert {store.find(name) for name in names} == {key}
    for name in (other.id, post("before", TARAS).url, key[:3], "", "%", key.upper(), "zzzz"):
        with pytest.raises(StoreError, match="no such thread"):
            store.find(name)


def test_the_main_line_wins_over_asides(store: Store) -> None:
    shared = post("s")
    save(store, thread(post("a"), post("b"), asides=(Run("x", (shared,)),)))
    own = save(store, thread(shared))
    inner = post("inner")
    save(store, thread(post("k"), branches=(Run("x", (inner,)),)))
    line = save(store, thread(post("z"), inner))
    assert store.find(shared.id) == own
    assert store.find(shared.url) == own
    assert store.find(inner.id) == line


def test_a_start_of_two_keys_is_ambiguous(store: Store) -> None:
    seen: dict[str, str] = {}
    for id_ in map("at://{}".format, range(100_000)):
        pair = (seen.setdefault(text.key(id_)[:4], id_), id_)
        if pair[0] != pair[1]:
            break
    assert pair[0] != pair[1]
    keys = [save(store, thread(Post(id_, ADA.id, "t", DAY, "c"))) for id_ in pair]
    with pytest.raises(StoreError, match="Several threads") as told:
        store.thread(keys[0][:4])
    assert all(key in str(told.value) for key in keys)
    assert store.find(keys[0]) == keys[0]


def test_latest_and_count(store: Store) -> None:
    for number in range(5):
        save(store, thread(post(f"n{number}", hours=number)), now=DAY + timedelta(days=number // 2))
    save(store, thread(post("t", TARAS), actors=(TARAS,)), now=DAY + timedelta(days=9))
    save(store, thread(post("u", visibility="unlisted")))
    save(store, thread(post("p", visibility="private")))
    save(store, thread(post("q")), visibility="private")
    ids = [entry.id.rsplit("/")[-1] for entry in store.latest()]
    assert ids == ["t", "n4", "n3", "n2", "n1", "n0"]
    assert [entry.id.rsplit("/")[-1] for entry in store.latest(2, 1)] == ["n4", "n3"]
    assert store.latest(-1) == []
    assert store.latest(10**30, 10**30) == []
    assert [entry.actor for entry in store.latest(author=TARAS.id)] == [TARAS]
    assert store.latest(author=text.key(TARAS.id)) == store.latest(author=TARAS.id)
    assert (store.count(), store.count(TARAS.id), store.count("nobody")) == (6, 1, 0)
    assert store.count(listed_only=False) == len(store.latest(listed_only=False)) == 9
    assert store.authors() == [(ADA, 5), (TARAS, 1)]
    assert store.authors(listed_only=False) == [(ADA, 8), (TARAS, 1)]


@pytest.mark.parametrize(
    ("restriction", "expected"), [("no-unauthenticated", "private"), ("noindex", "unlisted"), ("nobot", "listed")]
)
def test_what_the_author_asked_of_the_platform_is_kept(store: Store, restriction: str, expected: str) -> None:
    author = Actor(ADA.id, restrictions=(restriction,))
    key = save(store, thread(post("a"), actors=(author,)))
    assert store.entry(key).visibility == expected


def test_actors_by_any_name(store: Store) -> None:
    other = Actor("https://there.example/users/ada", "Other", "ADA.example", "https://there.example/@ada")
    save(store, thread(post("t", TARAS), actors=(TARAS, ADA)))
    for name in (ADA.id, ADA.url, "ada.example", "@Ada.Example", text.key(ADA.id)):
        assert store.actor(name) == ADA
    save(store, thread(post("o", other), actors=(other,)))
    with pytest.raises(StoreError, match="Several people"):
        store.actor("@ada.example")
    assert store.actor(other.url) == other
    with pytest.raises(StoreError, match="Nobody"):
        store.actor("@nobody")


def test_the_thread_that_changed_last_knows_an_actor_best(store: Store) -> None:
    for number in range(6):
        name = Actor(ADA.id, f"Ada {number}")
        save(store, thread(post(f"n{number}"), actors=(name,)), now=DAY + timedelta(days=number))
        assert store.actor(ADA.id) == name
        assert store.authors() == [(name, number + 1)]


def test_threads_with_an_actor_in_any_role(store: Store) -> None:
    def theirs(name: str) -> Post:
        return post(name, TARAS)

    roles = [
        thread(theirs("own")),
        thread(post("a"), context=(theirs("1"),)),
        thread(post("b"), quoted=(theirs("2"),)),
        thread(post("c"), asides=(Run("x", (post("c2"),), (theirs("3"),)),)),
        thread(post("d"), branches=(Run("x", (theirs("4"),)),)),
        thread(post("e"), actors=(ADA, TARAS)),
        thread(post("f"), context=(Tombstone("at://gone", attributed_to=TARAS.id),)),
    ]
    for kept in (*roles, thread(post("none"))):
        save(store, kept)
    assert sorted(store.threads_with(TARAS.id)) == sorted(kept.id for kept in roles)
    assert store.threads_with(text.key(TARAS.id)) == store.threads_with(TARAS.id)
    assert store.threads_with("did:plc:nobody") == []


def test_sharing_looks_at_the_main_line_only(store: Store) -> None:
    line = thread(*(post(f"m{number}") for number in range(450)))
    beside = thread(post("other"), branches=(Run("x", (line.items[7],)),))
    for kept in (line, beside):
        save(store, kept)
    assert store.sharing(item.id for item in line.items) == [text.key(line.id)]
    assert store.sharing([line.items[7].id, "at://nobody/1"]) == [text.key(line.id)]
    assert store.sharing([]) == []


# --- facts ---------------------------------------------------------------------------------------------------


def test_captures_are_named_by_their_content(store: Store) -> None:
    wrong = Capture("0" * 64, b"body", "text/plain", DAY)
    with pytest.raises(StoreError, match="does not have its digest"), store.writing() as w:
        w.put_captures([capture(b"fine"), wrong])
    assert list(store.dump()) == []
    with store.writing() as w:
        w.put_captures(iter([capture(b"x"), capture(b"x")]))
        w.put_captures([capture(b"x")])
    assert [row[0] for row in store.dump()] == ["capture"]


def test_many_captures_in_order(store: Store) -> None:
    bodies = [b"%d" % (n * 7919 % 1000) for n in range(450)]
    key = save(store, thread(post("a")), *bodies)
    assert [c.body for c in store.captures(key)] == bodies


def test_a_thread_needs_its_captures(store: Store) -> None:
    with pytest.raises(StoreError, match="Put captures first"), store.writing() as w:
        w.put_thread(thread(post("a")), title="", source="x", captures=[capture()])
    assert list(store.dump()) == []


def test_redaction_keeps_the_digest_and_stays(store: Store) -> None:
    url = "https://social.example/ada"
    secret = capture(b"secret", url=url, location=url, status=200, headers={"author": "Ada", "etag": "1"})
    there = [secret, again(secret, url=f"{url}?twice"), capture(b"other", url=url)]
    with store.writing() as w:
        w.put_captures(there)
        for name in "ab":
            w.put_thread(thread(post(name)), title=name, source="x", captures=there)
        w.redact(secret.sha256, b"gone", url="", headers=["etag"])
    redacted = again(secret, body=b"gone", redacted=True, url="", location="", headers={"etag": "1"})
    for name in "ab":
        assert store.captures(post(name).id) == [redacted, redacted, there[2]]
    with store.writing() as w:
        assert w.put_captures([secret]) == [again(secret, body=b"gone", redacted=True)]
        w.redact(secret.sha256, b"gone twice")
    assert store.capture(secret.sha256) == again(redacted, body=b"gone twice")
    with pytest.raises(StoreError, match="no such capture"), store.writing() as w:
        w.redact("0" * 64, b"")


def test_dropping(store: Store) -> None:
    first = save(store, thread(post("a")), b"shared", b"only first")
    second = save(store, thread(post("b")), b"shared")
    with store.writing() as w:
        w.alias("at://older", post("a").id)
        w.drop_thread(post("a").id)
        w.drop_thread("at://never was")
        assert w.drop_captures_unused() == 1
    for name in (first, "at://older", post("a").url):
        with pytest.raises(StoreError, match="no such thread"):
            store.find(name)
    assert [c.body for c in store.captures(second)] == [b"shared"]
    with store.writing() as w:
        w.drop_thread(second)
        assert w.drop_captures_unused() == 1
    assert list(store.dump()) == []


def test_aliases(store: Store) -> None:
    ids = [post(name).id for name in "abc"]
    save(store, thread(post("b")))
    with store.writing() as w:
        w.alias(ids[0], ids[1])
    assert store.find(ids[0]) == text.key(ids[1])
    last = save(store, thread(post("c")))
    with store.writing() as w:
        w.alias(ids[1], ids[2])
        w.drop_thread(ids[1])
        w.alias(ids[2], ids[2])
    for id_ in ids:
        assert store.find(id_) == store.find(text.key(id_)) == store.find(text.key(id_)[:8]) == last
    with store.writing() as w:
        w.clear_derived()
    assert store.find(ids[0]) == last, "an alias is a fact"
    back = save(store, thread(post("a")))
    assert store.find(ids[0]) == back, "a thread of its own wins"
    with store.writing() as w:
        w.alias(ids[2], ids[0])
    assert {store.find(id_) for id_ in ids[:2]} == {back}
    with pytest.raises(StoreError), store.writing() as w:
        w.alias("at://x", "at://not there")


def test_judgements(store: Store) -> None:
    wishes = [OptOut(TARAS.id, "the author", DAY + timedelta(days=1)), OptOut(ADA.id, "the author", DAY)]
    with store.writing() as w:
        for wish in (*wishes, OptOut(ADA.id, "somebody else", DAY + timedelta(days=3))):
            w.put_opt_out(wish)
        assert w.opted_out(["x", ADA.id]) == wishes[1]
    assert store.opt_outs() == wishes[::-1]
    assert store.opted_out(iter(["x", TARAS.id, ADA.id])) == wishes[0]
    assert store.opted_out([]) is store.opted_out(["x"]) is None
    with store.writing() as w:
        assert w.lift_opt_out(ADA.id)
        assert not w.lift_opt_out(ADA.id)
    assert store.opt_outs() == wishes[:1]
    done = [Deletion(ADA.id, "operator", DAY, 3, 2), Deletion(ADA.id, "operator", DAY - timedelta(days=1))]
    with store.writing() as w:
        for deletion in done:
            w.put_deletion(deletion)
    assert store.deletions() == done


def test_outputs(store: Store) -> None:
    with store.writing() as w:
        w.put_output("out/b.md", "markdown", ["at://b", "at://a", "at://b"])
        w.put_output("out/a", "build", [])
        w.put_output("out/b.md", "text", ["at://c"])
        w.put_output("out/gone", "text", [])
        w.drop_output("out/gone")
        w.drop_output("out/never")
    assert store.outputs() == [Output("out/a", "build", ()), Output("out/b.md", "text", ("at://c",))]


# --- retrievals ----------------------------------------------------------------------------------------------


def test_one_body_from_several_addresses_at_several_times(store: Store) -> None:
    """Each saving tells where and when it received a body; no other saving's telling gets in its way."""
    gone = capture(b"", url="https://moss.example/1", status=404, media_type="text/html")
    there = [
        gone,
        again(gone, url="https://moss.example/2", location="https://moss.example/two", status=410),
        again(gone, retrieved=DAY + timedelta(hours=1), headers={"date": "later"}),
        capture(b"{}", url="https://moss.example/1", status=200, retrieved=DAY + timedelta(hours=2)),
        capture(b"{}", archive="a" * 64, member="posts.json#1"),
        capture(b"{}", archive="a" * 64, member="posts.json#2"),
    ]
    other = [capture(b"{}", media_type="text/plain")]
    with store.writing(DAY) as w:
        w.put_captures([*there, *other])
        w.put_thread(thread(post("a")), title="", source="x", captures=there)
        w.put_thread(thread(post("b")), title="", source="x", captures=other)
    assert store.captures(post("a").id) == there
    assert store.captures(post("b").id) == other
    assert store.saving(post("a").id).captures == (gone.sha256, capture().sha256)
    assert store.capture(gone.sha256) == gone
    assert [row[0] for row in store.dump()].count("capture") == 2


def test_looking_again_and_again_does_not_make_it_grow(store: Store) -> None:
    """However often the same comes, the first and the last time of it are kept."""
    visits = [capture(b"same", url="https://moss.example/1", retrieved=DAY + timedelta(hours=n)) for n in range(20)]
    with store.writing() as w:
        w.put_captures(visits[:1])
        w.put_thread(thread(post("a")), title="", source="x", captures=visits[:1])
    for visit in visits:
        with store.writing() as w:
            w.put_thread(thread(post("a")), title="", source="x", captures=[*w.captures(post("a").id), visit])
    assert store.captures(post("a").id) == [visits[0], visits[-1]]


FILES = st.builds(
    capture, st.sampled_from([b"x", b"y"]), archive=st.sampled_from("AB"), member=st.sampled_from("mn")
)
LOOKS = st.builds(
    capture,
    st.sampled_from([b"x", b"y", b""]),
    url=st.sampled_from(["https://moss.example/1", "https://moss.example/2"]),
    status=st.sampled_from([0, 200, 404]),
    media_type=st.sampled_from(["text/html", "application/json"]),
    retrieved=st.integers(0, 9).map(lambda n: DAY + timedelta(hours=n)),
)
RETRIEVALS = st.lists(LOOKS | FILES, max_size=30)


def _runs(captures: list[Capture]) -> dict[tuple[str, str], list[tuple[int, str, datetime, datetime]]]:
    """Of each address and media type: what came, from when to when."""
    found: dict[tuple[str, str], list[tuple[int, str, datetime, datetime]]] = {}
    for one in sorted(captures, key=lambda c: (c.retrieved, c.status, c.sha256)):
        runs = found.setdefault((one.url, one.media_type), [])
        if one.url and runs and runs[-1][:2] == (one.status, one.sha256):
            runs[-1] = (*runs[-1][:3], one.retrieved)
        elif one.url:
            runs.append((one.status, one.sha256, one.retrieved, one.retrieved))
    return found


@given(RETRIEVALS)
def test_what_is_kept_of_many_looks_tells_the_same(given: list[Capture]) -> None:
    """Each change of an answer, when it was first and last seen, and each file is kept, and nothing twice."""
    kept = thinned(given)
    assert _runs(kept) == _runs(given)
    ends = [len({start, end}) for runs in _runs(given).values() for *_, start, end in runs]
    files = {(one.sha256, one.archive, one.member) for one in given if not one.url}
    assert len(kept) == sum(ends) + len(files)
    assert files == {(one.sha256, one.archive, one.member) for one in kept if not one.url}
    places = iter(given)
    assert all(one in places for one in kept), "the order given"


@given(RETRIEVALS, st.randoms(use_true_random=False))
def test_what_is_kept_already_stays_in_its_place(given: list[Capture], random: Random) -> None:
    """The same again, in any order, changes nothing."""
    kept = thinned(given)
    assert thinned(kept) == kept
    assert thinned([*kept, *random.sample(given, len(given))]) == kept


@given(RETRIEVALS, RETRIEVALS)
def test_looks_may_come_one_visit_at_a_time(first: list[Capture], second: list[Capture]) -> None:
    """What is kept after two visits is what would be kept if both had come at once."""
    later = [again(one, retrieved=one.retrieved + timedelta(days=1)) if one.url else one for one in second]
    assert thinned([*thinned(first), *later]) == thinned([*first, *later])


def test_what_is_due(store: Store) -> None:
    """The longest not looked at comes first; files, and what was looked at since, do not come."""
    ages = {"a": 1, "b": 3, "c": 2, "d": 9}
    for name, hours in ages.items():
        save(store, thread(post(name)), url=post(name).url, looked=DAY + timedelta(hours=hours))
    save(store, thread(post("never")), url=post("never").url)
    save(store, thread(post("file")))
    found = list(store.due(DAY + timedelta(hours=9)))
    assert [saving.url for saving in found] == [post(name).url for name in ("never", "a", "c", "b")]
    assert [saving.looked for saving in found] == [None, *(DAY + timedelta(hours=n) for n in (1, 2, 3))]
    assert found[1] == store.saving(post("a").id)
    assert list(store.due(DAY)) == found[:1]


def test_what_is_due_while_others_look(store: Store) -> None:
    """Whoever goes on after a stop, or beside another, does not look at the same again."""
    for number in range(5):
        save(store, thread(post(f"n{number}")), url="u", looked=DAY + timedelta(hours=number))
    walk = store.due(DAY + timedelta(days=1))
    assert next(walk).thread == post("n0").id
    with store.writing() as w:
        w.looked(post("n0").id, DAY + timedelta(days=1))
        w.looked(text.key(post("n2").id), DAY + timedelta(days=1))
        w.drop_thread(post("n3").id)
        w.looked("at://never was", DAY)
    assert [saving.thread for saving in walk] == [post("n1").id, post("n4").id]
    assert [saving.thread for saving in store.due(DAY + timedelta(days=1))] == [post("n1").id, post("n4").id]


# --- a thread that is gone -----------------------------------------------------------------------------------


def test_a_thread_of_which_every_post_is_gone(store: Store) -> None:
    """It is kept under its names, with its gaps; no list leads to it."""
    gone = [Tombstone(post(name).id, attributed_to=ADA.id, evidence="Gone", checked=DAY) for name in "abc"]
    nobody = Tombstone("at://gone")
    key = save(store, thread(*gone), title=title(thread(*gone), stitch(thread(*gone))))
    other = save(store, thread(nobody, actors=()), b"other")
    assert store.thread(key) == thread(*gone)
    assert [store.find(item.id) for item in (*gone, nobody)] == [key, key, key, other]
    entry = store.entry(key)
    assert (entry.title, entry.actor, entry.posts, entry.visibility) == (
        "A thread that is gone",
        ADA,
        0,
        "unlisted",
    )
    assert (entry.published, entry.updated) == (None, None)
    assert store.entry(other).actor == Actor("")
    assert store.threads_with(ADA.id) == [gone[0].id]
    assert (store.latest(), store.authors(), store.count()) == ([], [], 0)
    assert {entry.key for entry in store.latest(listed_only=False)} == {key, other}


# --- hostile text --------------------------------------------------------------------------------------------

HOSTILE = "a\0b \\0000 \ud800 \udfff \U0001f9f5 \u202e \"quoted\" 'x'; DROP TABLE thread; % _ \\"


def test_hostile_text_everywhere(store: Store) -> None:
    ada = Actor(f"did:{HOSTILE}", HOSTILE, HOSTILE, HOSTILE, (HOSTILE,))
    first = Post(f"at://{HOSTILE}", ada.id, HOSTILE, DAY, "c", url=HOSTILE * 400, langs=(HOSTILE,))
    odd = capture(HOSTILE.encode("utf-8", "surrogatepass"), url=HOSTILE, headers={HOSTILE: HOSTILE}, member=HOSTILE)
    kept = Thread(first.id, ada.id, (first,), "all", Certificate(1, "unknown", HOSTILE), actors=(ada,))
    with store.writing(DAY) as w:
        w.put_captures([odd])
        key = w.put_thread(kept, title=HOSTILE, source=HOSTILE, post=HOSTILE, captures=[odd])
        w.put_opt_out(OptOut(ada.id, HOSTILE, DAY))
        w.put_deletion(Deletion(HOSTILE, HOSTILE, DAY))
        w.put_output(HOSTILE, "text", [first.id])
    before = list(store.dump())
    assert store.thread(key) == store.thread(first.id) == store.thread(first.url) == kept
    assert store.captures(first.id) == [odd]
    assert store.actor(HOSTILE) == store.actor(ada.id) == ada
    assert (store.entry(key).title, store.entry(key).sentence) == (HOSTILE, HOSTILE)
    assert store.saving(first.id).source == HOSTILE
    assert store.opted_out([ada.id]) == OptOut(ada.id, HOSTILE, DAY)
    assert store.deletions() == [Deletion(HOSTILE, HOSTILE, DAY)]
    assert store.outputs() == [Output(HOSTILE, "text", (first.id,))]
    save(store, kept, b"{}")
    with store.writing() as w:
        w.drop_thread(first.id)
        w.drop_captures_unused()
    assert len(before) > len(list(store.dump()))


@given(words=st.text(st.characters(), max_size=30))
@settings(max_examples=300)
def test_words_survive_the_column(words: str) -> None:
    column = tables.Words()
    stored = column.process_bind_param(words, None)  # type: ignore[arg-type]
    assert stored is not None
    assert "\0" not in stored
    stored.encode()
    assert column.process_result_value(stored, None) == words  # type: ignore[arg-type]


@given(times=st.lists(st.datetimes(timezones=st.just(UTC)), min_size=2, max_size=2))
def test_times_sort_as_text(times: list[datetime]) -> None:
    column = tables.Instant()
    stored = [column.process_bind_param(t, None) for t in times]  # type: ignore[arg-type]
    assert sorted(times) == [column.process_result_value(s, None) for s in sorted(map(str, stored))]  # type: ignore[arg-type]


@given(title=st.text(st.characters(), max_size=20), content=st.text(st.characters(), max_size=20))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_is_kept(store: Store, title: str, content: str) -> None:
    kept = thread(Post(f"at://{content}", f"did:{title}", content, DAY, "c", url=title))
    key = save(store, kept, title=title)
    assert store.thread(key) == kept
    assert store.entry(key).title == title


# --- transactions --------------------------------------------------------------------------------------------


def test_an_exception_leaves_nothing(store: Store) -> None:
    save(store, thread(post("a")))
    before = list(store.dump())
    with pytest.raises(KeyError), store.writing() as w:  # noqa: PT012
        w.put_captures([capture(b"new")])
        w.put_thread(thread(post("b")), title="", source="x", captures=[capture(b"new")])
        w.put_opt_out(OptOut(ADA.id, "w", DAY))
        w.drop_thread(post("a").id)
        raise KeyError
    assert list(store.dump()) == before


def test_a_failed_step_cannot_be_passed_over(store: Store) -> None:
    with pytest.raises(StoreError, match="Nothing was written"), store.writing() as w:  # noqa: PT012
        w.put_captures([capture()])
        with pytest.raises(StoreError):
            w.put_thread(thread(post("a")), title="", source="x", captures=[capture(b"not put")])
    assert list(store.dump()) == []


def test_a_question_without_answer_does_not_undo(store: Store) -> None:
    with store.writing() as w:
        w.put_captures([capture()])
        with pytest.raises(StoreError, match="no such thread"):
            w.thread("at://nowhere")
    assert [row[0] for row in store.dump()] == ["capture"]


def test_a_reader_sees_one_moment(store: Store) -> None:
    save(store, thread(post("a")), b"1")
    rows = store.dump()
    seen = [next(rows)]
    save(store, thread(post("b")), b"2")
    seen += rows
    assert [row[0] for row in seen].count("thread") == 1
    assert [row[0] for row in store.dump()].count("thread") == 2


def test_savings_may_be_walked_while_writing(store: Store) -> None:
    with store.writing(DAY) as w:
        w.put_captures([capture()])
        for n in range(405):
            w.put_thread(thread(post(f"n{n}")), title="", source="x", captures=[capture()])
    walked = []
    for saving in store.savings():
        walked.append(saving.thread)
        if len(walked) % 100 == 1:
            with store.writing() as w:
                w.put_opt_out(OptOut(saving.thread, "w", DAY))
    assert sorted(walked) == sorted(post(f"n{n}").id for n in range(405))
    assert walked == sorted(walked, key=text.key)


_WRITER = """
import sys
from datetime import UTC, datetime
from hashlib import sha256
import clew.store
from clew.model import Capture, Certificate, Post, Thread
url, who = sys.argv[1:]
now = datetime(2026, 5, 1, tzinfo=UTC)
with clew.store.open(url) as store:
    for n in range(50):
        body = f"{who} {n}".encode()
        capture = Capture(sha256(body).hexdigest(), body, "text/plain", now)
        post = Post(f"at://{who}/{n}", who, "text", now, capture.sha256)
        kept = Thread(post.id, who, (post,), "longest", Certificate(1, "yes", "All."))
        with store.writing() as w:
            w.put_captures([capture])
            before = w.count()
            w.put_thread(kept, title=str(n), source="paste", captures=[capture])
            assert w.count() == before + 1
"""


def test_two_processes_write(store_url: str) -> None:
    """Both also find a store that is not there yet, and make it."""
    writers = [
        subprocess.Popen([sys.executable, "-c", _WRITER, store_url, who], stderr=subprocess.PIPE)
        for who in ("one", "two")
    ]
    told = [writer.communicate()[1].decode() for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0], told
    with clew.store.open(store_url) as store:
        assert (store.count("one"), store.count("two")) == (50, 50)
        assert len(list(store.savings())) == 100


def test_many_connect_to_a_new_file_at_once(tmp_path: Path) -> None:
    """SQLite refuses at once, without waiting, where several change a file to a write-ahead log."""

    def connect(path: Path, start: threading.Barrier) -> None:
        engine, _ = engines.engine(path, 30)
        start.wait()
        with engines.reading(engine):
            pass

    with ThreadPoolExecutor(4) as pool:
        for number in range(40):
            start = threading.Barrier(4)
            for done in [pool.submit(connect, tmp_path / f"{number}.db", start) for _ in range(4)]:
                done.result()


def test_a_writer_waits_no_longer_than_asked(store_url: str) -> None:
    with clew.store.open(store_url) as first, clew.store.open(store_url, wait=0.05) as second:
        with first.writing() as w:
            w.put_captures([capture()])
            with pytest.raises(StoreError, match="Another process is using the store"), second.writing():
                raise AssertionError("two writers at once")
            assert second.count() == 0
        with second.writing() as w:
            assert w.put_captures([capture()]) == [capture()]


# --- where it cannot -----------------------------------------------------------------------------------------


_SOME = Entry(
    "abcd", "x", "", Actor("x"), posts=1, complete="no", sentence="", saved=DAY, changed=DAY, visibility="listed"
)


def _questions(store: Store) -> list[tuple[str, Any]]:
    """Every public method, with something to ask it."""
    asked: dict[str, tuple[Any, ...]] = {
        "search": (search.query("x"),), "latest": (), "count": (),
        "find": ("abcd",), "entry": ("abcd",), "thread": ("abcd",),
        "capture": ("0",), "captures": ("x",), "saving": ("x",), "savings": (), "opted_out": (["x"],),
        "opt_outs": (), "deletions": (), "outputs": (), "authors": (), "actor": ("x",),
        "threads_with": ("x",), "using": ("x",), "shown": ("x",), "accounts": ("x",), "neighbours": (_SOME,),
        "sharing": (["x"],), "due": (DAY,),
        "dump": (), "scrub": (), "writing": (),
    }  # fmt: skip
    public = {name for name in dir(store) if not name.startswith("_")}
    public -= {"where", "close", "mark"}  # a mark tells by equalling no other: tests/test_operate.py
    assert public == asked.keys()
    return [(name, lambda n=name, a=args: getattr(store, n)(*a)) for name, args in asked.items()]


def _all_refuse(store: Store, words: str) -> None:
    for name, ask in _questions(store):
        with pytest.raises(StoreError, match=words) as told:  # noqa: PT012
            answer = ask()
            if isinstance(answer, contextlib.AbstractContextManager):
                with answer:
                    pass
            elif isinstance(answer, Iterator):
                list(answer)
        assert told.value.exit_code == 6, name


def test_every_method_tells_of_a_locked_file(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with clew.store.open(path, wait=0.02) as store, contextlib.closing(sqlite3.connect(path)) as other:
        save(store, thread(post("a")))
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        _all_refuse(store, "Another process is using the store")
        with pytest.raises(StoreError, match="Another process is using the store"):
            clew.store.open(path, wait=0.02)
        other.rollback()


def test_every_method_tells_of_a_lost_database(postgresql: Any, postgresql_url: str) -> None:
    with clew.store.open(postgresql_url) as store:
        save(store, thread(post("a")))
        name = postgresql_url.split("/")[3].split("?")[0]
        postgresql.run(f"DROP DATABASE {name} WITH (FORCE)")
        _all_refuse(store, "database")


def test_a_connection_lost_in_a_transaction(postgresql: Any, postgresql_url: str) -> None:
    with clew.store.open(postgresql_url) as store:
        with pytest.raises(StoreError, match="database"), store.writing() as w:  # noqa: PT012
            w.put_captures([capture()])
            postgresql.run(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                f"WHERE datname = '{postgresql_url.split('/')[3].split('?')[0]}'"
            )
            w.count()
        assert list(store.dump()) == []


def test_every_method_tells_of_a_file_that_is_gone_bad(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with clew.store.open(path) as store:
        path.write_bytes(b"no database at all " * 1000)
        _all_refuse(store, "This is not a store")


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("mysql://x/y", "SQLite or PostgreSQL"),
        ("nonsense://", "SQLite or PostgreSQL"),
        ("://", "cannot be read"),
        ("sqlite://", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
        ("postgresql://me:hush@127.0.0.1:1/clew?password=hush", "does not answer"),
        ("postgresql://me:hush@127.0.0.1:1/clew?no_such_option=1", "cannot be used"),
        ("postgresql://host:port/clew", "cannot be read"),
    ],
)
def test_places_that_are_none(place: str, words: str) -> None:
    with pytest.raises(StoreError, match=words) as told:
        clew.store.open(place)
    assert "hush" not in str(told.value)


def test_a_database_that_is_not_there(postgresql: Any) -> None:
    with pytest.raises(StoreError):
        clew.store.open(postgresql.database("no_such_database"))


def test_files_that_are_no_store(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("Dear diary, " * 100)
    with pytest.raises(StoreError, match="not a store"):
        clew.store.open(tmp_path / "text.db")
    with contextlib.closing(sqlite3.connect(tmp_path / "other.db")) as other:
        other.execute("CREATE TABLE bookmarks (url)")
    with pytest.raises(StoreError, match="another program"):
        clew.store.open(str(tmp_path / "other.db"))
    (tmp_path / "folder.db").mkdir()
    with pytest.raises(StoreError, match="cannot be opened"):
        clew.store.open(tmp_path / "folder.db")
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="folder for the store"):
        clew.store.open(tmp_path / "file" / "store.db")


def test_an_empty_file_and_new_folders_do(tmp_path: Path) -> None:
    (tmp_path / "empty.db").touch()
    for path in (tmp_path / "empty.db", tmp_path / "a 100% new" / "fol?der#" / "store.db"):
        with clew.store.open(path) as store:
            save(store, thread(post("a")))
        with clew.store.open(path) as store:
            assert store.count() == 1
        assert path.stat().st_size > 0


@pytest.mark.parametrize("version", ["9999", "a1b2"])
def test_a_newer_version_is_refused(store_url: str, version: str) -> None:
    with clew.store.open(store_url) as store, engines.writing(store._engine) as db:
        db.exec_driver_sql(f"UPDATE {tables.VERSIONS} SET version_num = '{version}'")
    with pytest.raises(StoreError, match="newer Clew"):
        clew.store.open(store_url)


def test_a_thread_of_another_version(store: Store) -> None:
    key = save(store, thread(post("a")))
    with engines.writing(store._engine) as db:
        db.execute(tables.thread.update().values(data=json.dumps({"id": "x", "surprise": 1})))
    with pytest.raises(StoreError, match="Run clew rebuild"):
        store.thread(key)


# --- versions ------------------------------------------------------------------------------------------------


def _is_of_ours(name: str | None, _kind: str, _parents: Any) -> bool:
    """What finds passages is not of the same kind on both databases: tests/test_search.py looks at it."""
    return not (name or "").startswith(tables.SEARCH)


def test_the_migrations_make_the_tables(store: Store) -> None:
    with engines.reading(store._engine) as db:
        told = {"version_table": tables.VERSIONS, "compare_type": True, "include_name": _is_of_ours}
        context = MigrationContext.configure(db, opts=told)
        assert compare_metadata(context, tables.metadata) == []
        assert context.get_current_revision() == f"{tables.HEAD:04}"


def test_down_and_up_again(store: Store, store_url: str) -> None:
    save(store, thread(post("a")))
    with engines.writing(store._engine) as db:
        command.downgrade(versions.alembic(db), "base")
    with pytest.raises(StoreError, match="cannot be used"):
        store.count()
    with clew.store.open(store_url) as again:
        assert list(again.dump()) == []
        save(again, thread(post("a")))
        test_the_migrations_make_the_tables(again)


def _version_1(url: str) -> None:
    """Make a store as the first version left it: two threads that share a capture, and one capture of nobody's."""
    path = url.removeprefix("sqlite:///")
    engine, _ = engines.engine(path, 30)
    words = tables.Words().process_bind_param(HOSTILE, None)  # type: ignore[arg-type]
    first, second = text.key(post("a").id), text.key(post("b").id)
    when = "2026-05-01T12:00:00.000000Z"
    told = {"media_type": "text/plain", "retrieved": when, "redacted": False}
    member = {"archive": "a" * 64, "member": "posts.json#1"}
    captures = [
        told | {"sha256": "1" * 64, "url": words, "body": b"\x00\xff", "headers": '{"author":"Ada"}', "archive": "",
                "member": ""},
        told | {"sha256": "2" * 64, "url": "", "body": b"", "headers": "{}", "redacted": True} | member,
        told | {"sha256": "3" * 64, "url": "", "body": b"unused", "headers": "{}"} | member,
    ]  # fmt: skip
    savings = [
        {"key": key, "thread": post(name).id, "post": "", "rule": "longest", "source": "paste", "saved": when,
         "changed": when, "digest": name}
        for key, name in ((first, "a"), (second, "b"))
    ]  # fmt: skip
    parts = [(first, 0, "2" * 64), (first, 1, "1" * 64), (second, 0, "1" * 64)]
    row = rows.thread_row(thread(post("a")), "A title", "listed")
    with engines.writing(engine) as db:
        command.upgrade(versions.alembic(db), "0001")
        old = MetaData()
        old.reflect(db)
        db.execute(old.tables["capture"].insert(), captures)
        db.execute(old.tables["saving"].insert(), savings)
        db.execute(
            old.tables["saving_capture"].insert(),
            [dict(zip(("key", "position", "sha256"), part, strict=True)) for part in parts],
        )
        db.execute(old.tables["alias"].insert(), [{"old": text.key("at://older"), "key": second}])
        db.execute(old.tables["thread"].insert(), [{**row, "key": first, "published": when, "updated": when}])
    engine.dispose()


def test_a_store_of_the_first_version_is_carried_over(store_url: str) -> None:
    """Every capture keeps what was told of it, in each thread that it was derived from; all else stays."""
    _version_1(store_url)
    whole = Capture("1" * 64, b"\x00\xff", "text/plain", DAY, url=HOSTILE, headers={"author": "Ada"})
    redacted = Capture("2" * 64, b"", "text/plain", DAY, archive="a" * 64, member="posts.json#1", redacted=True)
    with clew.store.open(store_url) as store:
        assert store.captures(post("a").id) == [redacted, whole]
        assert store.captures(post("b").id) == [whole]
        assert [(s.url, s.looked, s.saved) for s in store.savings()] == [("", None, DAY)] * 2
        assert store.find("at://older") == text.key(post("b").id)
        assert store.thread(post("a").id) == thread(post("a"))
        test_the_migrations_make_the_tables(store)
        before = list(store.dump())
        with store.writing() as w:
            assert w.drop_captures_unused() == 1
            w.put_thread(thread(post("b")), title="T", source="paste", captures=w.captures(post("b").id), url="u")
    with clew.store.open(store_url) as store:
        assert store.saving(post("b").id).url == "u"
        assert before != list(store.dump())


def test_back_to_the_first_version(store_url: str) -> None:
    """What was carried over can be carried back, as far as the first version has a place for it."""
    _version_1(store_url)
    with clew.store.open(store_url) as store:
        with store.writing() as w:
            w.drop_captures_unused()
        before = list(store.dump())
        with engines.writing(store._engine) as db:
            command.downgrade(versions.alembic(db), "0001")
    with clew.store.open(store_url) as store:
        assert list(store.dump()) == before


def test_nothing_stays_behind_in_the_move(postgresql: Any, postgresql_url: str) -> None:
    """PostgreSQL keeps what stood in a dropped column until a table is built anew; forgetting does that."""
    _version_1(postgresql_url)
    with psycopg.connect(postgresql_url, autocommit=True) as connection:
        connection.execute("UPDATE capture SET url = %s", [MARKER.decode()])
    with clew.store.open(postgresql_url) as store:
        postgresql.run("CHECKPOINT")
        assert _traces(postgresql.folder / "base"), "it was written, so the test can fail"
        with store.writing() as w:
            w.redact("1" * 64, b"", url="")
            w.redact("2" * 64, b"", url="")
        store.scrub()
        postgresql.run("CHECKPOINT")
        assert _traces(postgresql.folder / "base") == []


def test_alembic_is_loaded_only_to_migrate(store_url: str) -> None:
    clew.store.open(store_url).close()
    code = (
        "import sys, clew; assert 'sqlalchemy' not in sys.modules; import clew.store; "
        "clew.store.open(sys.argv[1]).close(); assert 'alembic' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, store_url], check=True)


# --- leaving nothing behind ----------------------------------------------------------------------------------

MARKER = b"Zaporozhian-marker-text"


def _traces(folder: Path) -> list[str]:
    return [str(path) for path in folder.rglob("*") if path.is_file() and MARKER in path.read_bytes()]


def _fill_and_forget(store: Store) -> None:
    words = MARKER.decode()
    secret = capture(MARKER * 3000 + bytes(range(256)), url=f"https://{words}", headers={"author": words})
    ada = Actor(ADA.id, words, words, f"https://{words}")
    marked = thread(Post("at://1", ada.id, words * 500, DAY, secret.sha256), actors=(ada,))
    with store.writing() as w:
        w.put_captures([secret, capture(b"other")])
        w.put_thread(marked, title=words, source="paste", captures=[secret])
    save(store, thread(post("kept")))
    with store.writing() as w:
        w.drop_thread(marked.id)
        w.redact(secret.sha256, b"[removed]", url="", headers=())


def test_no_trace_in_sqlite(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with clew.store.open(path) as store, contextlib.closing(sqlite3.connect(path)) as idle:
        idle.execute("SELECT count(*) FROM thread").fetchall()  # keeps the log from going with the last connection
        _fill_and_forget(store)
        assert _traces(tmp_path) == [f"{path}-wal"], "the log still has it, so the test can fail"
        store.scrub()
        assert _traces(tmp_path) == []
        assert store.count() == 1
    assert _traces(tmp_path) == []


def test_sqlite_overwrites_what_it_drops(tmp_path: Path) -> None:
    with clew.store.open(tmp_path / "store.db") as store:
        _fill_and_forget(store)  # nobody else has it open, so the log is gone after each transaction
        assert _traces(tmp_path) == []


def test_others_in_the_way_of_scrubbing_are_told(store_url: str) -> None:
    with clew.store.open(store_url, wait=0.02) as store:
        save(store, thread(post("a")), b"1")
        rows = store.dump()
        next(rows)
        with pytest.raises(StoreError, match=r"process is (reading|using)"):
            store.scrub()
        list(rows)
        with store.writing() as w:
            w.put_opt_out(OptOut(ADA.id, "w", DAY))
            with pytest.raises(StoreError, match="process is using"):
                store.scrub()
        store.scrub()
        assert store.count() == 1


def test_no_trace_in_the_relations_of_postgresql(postgresql: Any, postgresql_url: str) -> None:
    """Files under base/ and global/. The write-ahead log is the operator's: see Store.scrub."""
    with clew.store.open(postgresql_url) as store:
        _fill_and_forget(store)
        marked = capture(MARKER, url=f"https://{MARKER.decode()}", headers={"x": MARKER.decode()})
        with store.writing() as w:
            w.put_captures([marked])
            w.put_thread(thread(post("m")), title="", source="x", captures=[marked], url=marked.url)
        with psycopg.connect(postgresql_url, autocommit=True) as connection:
            connection.execute("ANALYZE")  # samples of columns are kept elsewhere: there must be none of words
        postgresql.run("CHECKPOINT")
        base = postgresql.folder / "base"
        assert _traces(base), "it was written, so the test can fail"
        with store.writing() as w:
            w.drop_thread(post("m").id)
            w.drop_captures_unused()
        store.scrub()
        postgresql.run("CHECKPOINT")
        assert _traces(base) == _traces(postgresql.folder / "global") == []
        assert store.count() == 1
