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
from typing import Any

import psycopg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import clew.store
from clew import text
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
from clew.store import Output, Store, engines, tables, versions

DAY = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
ADA = Actor("did:plc:ada", "Ada", "ada.example", "https://social.example/ada")
TARAS = Actor("did:plc:taras", "Тарас", "taras.example", "https://social.example/taras")


def capture(body: bytes = b"{}", **fields: Any) -> Capture:
    return Capture(sha256(body).hexdigest(), body, "application/json", DAY, **fields)


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
        return w.put_thread(
            kept, **{"title": "A title", "source": "bluesky", "captures": [c.sha256 for c in captures], **fields}
        )


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
        key = w.put_thread(
            kept, title="T", source="bluesky", captures=[full.sha256, capture().sha256], post=kept.items[1].id
        )
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
            w.put_thread(kept, title="A title", source=saving.source, post=saving.post, captures=saving.captures)
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
        w.put_captures(iter([capture(b"x", url="first"), capture(b"x", url="second")]))
        w.put_captures([capture(b"x", url="third")])
    assert store.capture(capture(b"x").sha256).url == "first"


def test_many_captures_in_order(store: Store) -> None:
    bodies = [b"%d" % (n * 7919 % 1000) for n in range(450)]
    key = save(store, thread(post("a")), *bodies)
    assert [c.body for c in store.captures(key)] == bodies


def test_a_thread_needs_its_captures(store: Store) -> None:
    with pytest.raises(StoreError, match="Put captures first"), store.writing() as w:
        w.put_thread(thread(post("a")), title="", source="x", captures=["0" * 64])
    assert list(store.dump()) == []


def test_redaction_keeps_the_digest_and_stays(store: Store) -> None:
    secret = capture(b"secret", url="https://social.example/ada", headers={"author": "Ada"})
    with store.writing() as w:
        w.put_captures([secret])
        w.redact(secret.sha256, b"gone", url="", headers={})
    with store.writing() as w:
        w.put_captures([secret])
    held = store.capture(secret.sha256)
    assert (held.sha256, held.body, held.redacted, held.url, held.headers) == (
        (secret.sha256, b"gone", True, "", {})
    )
    with store.writing() as w:
        w.redact(secret.sha256, b"gone twice")
    assert store.capture(secret.sha256).body == b"gone twice"
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


# --- hostile text --------------------------------------------------------------------------------------------

HOSTILE = "a\0b \\0000 \ud800 \udfff \U0001f9f5 \u202e \"quoted\" 'x'; DROP TABLE thread; % _ \\"


def test_hostile_text_everywhere(store: Store) -> None:
    ada = Actor(f"did:{HOSTILE}", HOSTILE, HOSTILE, HOSTILE, (HOSTILE,))
    first = Post(f"at://{HOSTILE}", ada.id, HOSTILE, DAY, "c", url=HOSTILE * 400, langs=(HOSTILE,))
    odd = capture(HOSTILE.encode("utf-8", "surrogatepass"), url=HOSTILE, headers={HOSTILE: HOSTILE}, member=HOSTILE)
    kept = Thread(first.id, ada.id, (first,), "all", Certificate(1, "unknown", HOSTILE), actors=(ada,))
    with store.writing(DAY) as w:
        w.put_captures([odd])
        key = w.put_thread(kept, title=HOSTILE, source=HOSTILE, post=HOSTILE, captures=[odd.sha256])
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
        w.put_thread(thread(post("b")), title="", source="x", captures=[capture(b"new").sha256])
        w.put_opt_out(OptOut(ADA.id, "w", DAY))
        w.drop_thread(post("a").id)
        raise KeyError
    assert list(store.dump()) == before


def test_a_failed_step_cannot_be_passed_over(store: Store) -> None:
    with pytest.raises(StoreError, match="Nothing was written"), store.writing() as w:  # noqa: PT012
        w.put_captures([capture()])
        with pytest.raises(StoreError):
            w.put_thread(thread(post("a")), title="", source="x", captures=["0" * 64])
    assert list(store.dump()) == []


def test_a_question_without_answer_does_not_undo(store: Store) -> None:
    with store.writing() as w:
        w.put_captures([capture()])
        with pytest.raises(StoreError, match="no such thread"):
            w.thread("at://nowhere")
    assert store.capture(capture().sha256) == capture()


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
            w.put_thread(thread(post(f"n{n}")), title="", source="x", captures=[capture().sha256])
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
            w.put_thread(kept, title=str(n), source="paste", captures=[capture.sha256])
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
            assert w.capture(capture().sha256) == capture()


# --- where it cannot -----------------------------------------------------------------------------------------


def _questions(store: Store) -> list[tuple[str, Any]]:
    """Every public method, with something to ask it."""
    asked: dict[str, tuple[Any, ...]] = {
        "latest": (), "count": (), "find": ("abcd",), "entry": ("abcd",), "thread": ("abcd",),
        "capture": ("0",), "captures": ("x",), "saving": ("x",), "savings": (), "opted_out": (["x"],),
        "opt_outs": (), "deletions": (), "outputs": (), "authors": (), "actor": ("x",), "threads_with": ("x",),
        "sharing": (["x"],),
        "dump": (), "scrub": (), "writing": (),
    }  # fmt: skip
    public = {name for name in dir(store) if not name.startswith("_")} - {"where", "close"}
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


def test_the_migrations_make_the_tables(store: Store) -> None:
    with engines.reading(store._engine) as db:
        context = MigrationContext.configure(db, opts={"version_table": tables.VERSIONS, "compare_type": True})
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
        w.put_thread(marked, title=words, source="paste", captures=[secret.sha256])
    save(store, thread(post("kept")))
    with store.writing() as w:
        w.drop_thread(marked.id)
        w.redact(secret.sha256, b"[removed]", url="", headers={})


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
        save(store, thread(post("m")), MARKER)
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
