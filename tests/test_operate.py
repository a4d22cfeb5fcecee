"""Running it: a backup's whole trip, pages from memory that are never old, figures, lines, proxies, a stop."""

from __future__ import annotations

import gzip
import io
import logging
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import psycopg
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser

import clew.store
from clew import flow, keeping, operate, search, web
from clew.cache import Cache
from clew.cli import cli
from clew.config import Config, Listen
from clew.errors import InputError, StoreError
from clew.model import Deletion, OptOut
from clew.store import Store, backups
from clew.turns import Busy, Turns
from test_store import _version_1, post, save, thread
from test_web import PASTE, Served, multipart, running, serving

EXAMPLE = Path(__file__).parents[1] / "examples" / "harbour.json"
DAY = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


def keep(store: Store, text: str = PASTE, author: str = "@tides") -> str:
    """Keep a pasted thread, and return its key."""
    with flow.opened(text, author=author, published="2026-05-01") as reading:
        return flow.save(store, reading, reading.one())


# --- backup --------------------------------------------------------------------------------------------------


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Gives new places for a store, by the name of the database."""
    made: list[str] = []

    def new(kind: str) -> str:
        if kind == "sqlite":
            return str(tmp_path / f"new-{time.monotonic_ns()}.db")
        server = request.getfixturevalue("postgresql")
        made.append(f"trip_{time.monotonic_ns()}")
        server.run(f"CREATE DATABASE {made[-1]}")
        return str(server.database(made[-1]))

    yield new
    for name in made:
        request.getfixturevalue("postgresql").run(f"DROP DATABASE {name} WITH (FORCE)")


def content(store: Store) -> list[tuple[Any, ...]]:
    """Return every row, without the form that a database gives to the words of a passage."""
    return [row[:-1] if row[0] == "passage" else row for row in store.dump()]


def fill(store: Store) -> None:
    """Keep threads, a removal, an opt-out, and text that no database takes as it is."""
    keep(store)
    with flow.opened(EXAMPLE) as reading:
        flow.save(store, reading, reading.one())
    gone = keep(store, "Take this away. 1/2\nAll of it. 2/2\n", "@gone")
    keeping.forget(store, store.entry(gone).actor.id, "mail of 3 May")
    keep(store, "A bell rings. 1/2\nThen \\ nothing. 2/2\n", "@odd")
    with store.writing() as writer:
        writer.put_opt_out(OptOut("did:plc:\0\ud800\\0000", "\\", DAY))


@pytest.mark.parametrize("into", ["sqlite", "postgresql"])
def test_a_store_survives_the_trip(store_url: str, into: str, place: Callable[[str], str], tmp_path: Path) -> None:
    """Saved, backed up, restored elsewhere on either database: every row is there, each capture holds, deriving
    anew changes nothing, it is searched, and life goes on."""
    file = tmp_path / "backup.db"
    with clew.store.open(store_url) as store:
        fill(store)
        clew.store.backup(store, file)
        before = content(store)
        assert len({row[0] for row in before}) >= 9
        keep(store, "After the backup. 1/2\nIndeed. 2/2\n")
    with clew.store.open(place(into)) as again:
        assert clew.store.restore(again, file).threads == 3
        assert content(again) == before
        assert [found for found in keeping.check(again) if isinstance(found, keeping.Finding)] == []
        assert len(list(keeping.rebuild(again))) == 3
        assert content(again) == before
        assert [found.entry.title for found in again.search(search.query("nobody gate")).found]
        with again.writing() as writer:
            writer.put_deletion(Deletion("did:plc:x", "by", DAY, 0, 0))
            writer.put_opt_out(OptOut("did:plc:y", "by", DAY))
        assert keep(again, "Life goes on. 1/2\nIt does. 2/2\n")
        assert [d.actor for d in again.deletions()][1:] == ["did:plc:x"]


def test_a_backup_of_the_first_version_is_brought_up_to_date(store_url: str, tmp_path: Path) -> None:
    """A file that an older Clew left is restored into today's store, and stays as it was."""
    old = tmp_path / "old.db"
    _version_1(f"sqlite:///{old}")
    with closing(sqlite3.connect(old)) as db:
        db.execute("PRAGMA journal_mode = DELETE")
    before = old.read_bytes()
    with clew.store.open(store_url) as store:
        assert clew.store.restore(store, old).threads == 1, "of two, one waits for clew rebuild"
        assert len(list(store.savings())) == 2
        assert store.thread(post("a").id) == thread(post("a"))
    assert old.read_bytes() == before


def test_a_newer_backup_is_refused(tmp_path: Path) -> None:
    """What a newer Clew wrote is not guessed at, and the store stays empty."""
    file = tmp_path / "newer.db"
    clew.store.open(file).close()
    with closing(sqlite3.connect(file)) as db:
        db.execute("UPDATE clew_version SET version_num = '9999'")
        db.commit()
    with clew.store.open(tmp_path / "clew.db") as store:
        with pytest.raises(StoreError, match="newer Clew"):
            clew.store.restore(store, file)
        assert content(store) == []


def _bad(whole: bytes) -> dict[str, bytes]:
    other = b"SQLite format 3\0" + bytes(100)
    return {"empty": b"", "words": b"not a database" * 99, "half": whole[: len(whole) // 2], "head": other}


@pytest.mark.parametrize("kind", ["empty", "words", "half", "head", "none"])
def test_half_a_backup_restores_nothing(kind: str, tmp_path: Path) -> None:
    """A file that is no whole backup is refused in a sentence, and what the store holds stays."""
    with clew.store.open(tmp_path / "clew.db") as store:
        fill(store)
        before = content(store)
        clew.store.backup(store, tmp_path / "whole.db")
        bad = tmp_path / "bad.db"
        if kind != "none":
            bad.write_bytes(_bad((tmp_path / "whole.db").read_bytes())[kind])
        with pytest.raises(StoreError, match=r"not a (whole )?backup"):
            clew.store.restore(store, bad, replace=True)
        assert content(store) == before


def test_a_store_that_holds_something_is_not_overwritten_unasked(store_url: str, tmp_path: Path) -> None:
    """Restoring needs an empty store, or the word to drop what is there."""
    file = tmp_path / "backup.db"
    with clew.store.open(store_url) as store:
        fill(store)
        clew.store.backup(store, file)
        before = content(store)
        keep(store, "After the backup. 1/2\nIndeed. 2/2\n")
        with pytest.raises(StoreError, match="not empty"):
            clew.store.restore(store, file)
        assert store.count() == 4
        assert clew.store.restore(store, file, replace=True) == (3, ())
        assert content(store) == before


def test_a_removal_outlives_an_older_backup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who was forgotten after the backup was made is forgotten again, and their opt-out stands."""
    monkeypatch.setenv("CLEW_DATABASE", str(tmp_path / "clew.db"))
    file = tmp_path / "backup.db"
    with clew.store.open(tmp_path / "clew.db") as store:
        key = keep(store)
        actor = store.entry(key).actor.id
        clew.store.backup(store, file)
        keeping.forget(store, actor, "mail of 4 May")
    assert b"tide came early" in file.read_bytes(), "the backup has it, so the test can fail"
    told = CliRunner().invoke(cli, ["restore", str(file), "--replace"])
    assert (told.exit_code, told.output) == (0, "0 threads restored. Prove it: clew check\n")
    with clew.store.open(tmp_path / "clew.db") as store:
        assert [wish.who for wish in store.opt_outs()] == ["mail of 4 May"]
        assert [done.who for done in store.deletions()] == ["mail of 4 May", "restore"]
    assert b"tide came early" not in (tmp_path / "clew.db").read_bytes()


def test_nothing_is_overwritten_by_a_backup(tmp_path: Path) -> None:
    """A backup goes into a new file, never over the store or an earlier backup."""
    with clew.store.open(tmp_path / "clew.db") as store:
        keep(store)
        for file in (tmp_path / "clew.db", tmp_path):
            with pytest.raises(InputError, match="something already"):
                clew.store.backup(store, file)
        with pytest.raises(InputError, match="cannot be written"):
            clew.store.backup(store, tmp_path / "no" / "folder.db")
        assert store.count() == 1


def test_a_backup_that_fails_leaves_no_file(
    store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stops a backup at its very end, such as a full disk, leaves neither half a file nor a folder."""
    folder = tmp_path / "backups"
    folder.mkdir()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(backups.os, "fsync", full)
    with clew.store.open(store_url) as store:
        fill(store)
        with pytest.raises(InputError, match="No space left"):
            clew.store.backup(store, folder / "b.db")
    assert list(folder.iterdir()) == []


def test_a_killed_backup_leaves_no_file(tmp_path: Path) -> None:
    """Killed without a chance to tidy up, at a moment when its file is being written, it leaves nothing by the name
    of the backup."""
    with clew.store.open(tmp_path / "clew.db") as store:
        keep(store)
    program = (
        "import os, signal, sys, pathlib, clew.store\n"
        "from clew.store import backups\n"
        "backups.os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)\n"
        "with clew.store.open(sys.argv[1]) as store: clew.store.backup(store, pathlib.Path(sys.argv[2]))\n"
    )
    (tmp_path / "out").mkdir()
    file = tmp_path / "out" / "b.db"
    done = subprocess.run([sys.executable, "-c", program, tmp_path / "clew.db", file], timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(list((tmp_path / "out").iterdir())) == 1, "it was killed while it wrote"
    assert not file.exists()


def test_a_backup_is_one_moment_while_others_write(store_url: str, tmp_path: Path) -> None:
    """Backups made while a writer saves are whole: each holds all that was there when it began, and every row that
    this refers to."""
    stop = threading.Event()

    def write() -> None:
        with clew.store.open(store_url) as own:
            for number in range(400):
                if stop.is_set():
                    return
                save(own, thread(post(f"n{number}")), f"{number}".encode())

    with clew.store.open(store_url) as store:
        store.mark()  # holds a connection, so that not all of it is in the file itself
        save(store, thread(post("first")))
        writer = threading.Thread(target=write)
        writer.start()
        there = []
        try:
            for number in range(3):
                there.append(store.count())
                clew.store.backup(store, tmp_path / f"{number}.db")
        finally:
            stop.set()
            writer.join()
    for number in range(3):
        with clew.store.open(tmp_path / f"{number}.db") as copy:
            held = list(copy.savings())
            assert len(held) == copy.count() >= there[number]
            assert all(len(copy.captures(saving.thread)) == 1 for saving in held)


# --- pages from memory ---------------------------------------------------------------------------------------


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with serving(tmp_path, Config()) as one:
        yield one


def held(served: Served) -> tuple[int, int]:
    """Return how many pages came from memory so far, and how many did not."""
    told = dict(re.findall(r'clew_cache_total\{held="(\w+)"\} (\d+)', served.get("/metrics").body.decode()))
    return int(told["yes"]), int(told["no"])


WRITE = """
import sys, clew.store
from clew import flow, keeping
with clew.store.open(sys.argv[1]) as store:
    if sys.argv[2] == "forget":
        keeping.forget(store, store.entry(sys.argv[3]).actor.id, "mail", opt_out=False)
    else:
        with flow.opened(sys.argv[3], author="@tides", published="2026-05-01") as reading:
            flow.save(store, reading, reading.one())
"""


def test_pages_from_memory_are_never_old(store_url: str) -> None:
    """A page asked for again comes from memory; after a save, a changed capture and a removal, by this process or
    another, the next answer is what a store without memory gives."""
    longer = PASTE + "Then the wind fell. 4/4\n"
    with running(store_url, Config()) as served:
        key = keep(served.store)
        paths = ("/", f"/t/{key}/", f"/t/{key}/thread.json", "/feed.atom")

        def fresh() -> list[bytes]:
            with running(store_url, Config(listen=Listen(cache=0))) as other:
                return [other.get(path).body for path in paths]

        for write in (
            lambda: None,
            lambda: keep(served.store, "Another one. 1/2\nIt is. 2/2\n"),
            lambda: subprocess.run(
                [sys.executable, "-c", WRITE, store_url, "save", longer], check=True, timeout=60
            ),
            lambda: subprocess.run([sys.executable, "-c", WRITE, store_url, "forget", key], check=True, timeout=60),
        ):
            write()
            wanted = fresh()
            assert [served.get(path).body for path in paths] == wanted
            was, _ = held(served)
            assert [served.get(path).body for path in paths] == wanted
            now, _ = held(served)
            assert now - was == sum(served.get(path).status == 200 for path in paths)
        assert served.get(f"/t/{key}/").status == 404


def test_only_what_changed_nothing_leaves_the_mark(store_url: str) -> None:
    """The mark is the same while nobody writes, another one after each write, also of another process, and after
    another file took the store's place."""
    with clew.store.open(store_url) as store:
        keep(store)
        mark = store.mark()
        assert store.count() == 1
        assert store.mark() == mark, "a question changed nothing"
        with clew.store.open(store_url) as other:
            assert store.mark() == mark, "neither did opening it"
            with other.writing() as writer:
                writer.put_opt_out(OptOut("did:plc:x", "w", DAY))
                assert store.mark() == mark or "postgresql" in store_url, "it is not committed"
            later = store.mark()
            assert later != mark
        marks = {mark, later}
        for number in range(20):
            keep(store, f"Number {number}. 1/2\nIt is. 2/2\n")
            marks.add(store.mark())
        assert len(marks) == 22


def test_a_file_in_the_place_of_the_store_is_noticed(tmp_path: Path) -> None:
    """Where a file was moved over the store, or taken away, nothing is answered from memory."""
    with clew.store.open(tmp_path / "other.db") as other:
        keep(other)
    with clew.store.open(tmp_path / "clew.db") as store:
        mark = store.mark()
        os.replace(tmp_path / "other.db", tmp_path / "clew.db")
        assert store.mark() != mark
        assert store.count() == 1
        (tmp_path / "clew.db").unlink()
        assert store.mark() != store.mark()


def test_a_database_that_is_gone_has_no_mark(postgresql: Any, postgresql_url: str) -> None:
    """Two marks are never equal while the database does not answer."""
    with clew.store.open(postgresql_url) as store:
        assert store.mark() == store.mark()
        name = psycopg.conninfo.conninfo_to_dict(postgresql_url)["dbname"]
        postgresql.run(f"DROP DATABASE {name} WITH (FORCE)")
        assert store.mark() != store.mark()


def test_memory_does_not_stand_in_the_way_of_forgetting(tmp_path: Path) -> None:
    """While a site answers from memory, ``forget`` of another process leaves no trace in the store's files."""
    with serving(tmp_path, Config()) as served:
        key = keep(served.store)
        assert served.get(f"/t/{key}/").status == 200
        command = [sys.executable, "-c", WRITE, tmp_path / "clew.db", "forget", key]
        subprocess.run(command, check=True, timeout=60)
        assert not [file for file in tmp_path.glob("clew.db*") if b"tide came early" in file.read_bytes()]
        assert served.get(f"/t/{key}/").status == 404


def test_memory_is_bounded() -> None:
    """The latest answers stay as far as there is room; one that is large is not kept, nor one of another mark."""
    cache = Cache[str](80)
    assert cache.get("a", 1) is None
    for name in "abcdefghij":
        cache.put(name, 1, name, 10)
        assert cache.get("a", 1) == "a", "what is asked for stays"
    assert cache.size == 80
    assert [name for name in "abcdefghij" if cache.get(name, 1)] == list("adefghij")
    cache.put("large", 1, "large", 11)
    assert cache.get("large", 1) is None
    cache.put("late", 0, "late", 10)
    assert cache.get("late", 1) is None
    assert cache.get("a", 2) is None
    assert cache.size == 0


def test_pages_are_compressed_and_not_sent_twice(served: Served) -> None:
    """Plain and compressed, from memory or not: the same page, each form with its own tag, 304 to whoever has
    either, and a body in neither."""
    key = keep(served.store)
    for _ in range(2):
        plain, packed = served.get(f"/t/{key}/"), served.get(f"/t/{key}/", Accept_Encoding="gzip, br")
        assert gzip.decompress(packed.body) == plain.body
        assert len(packed.body) < len(plain.body) / 2
        assert packed.headers["content-encoding"] == "gzip"
        assert plain.headers["vary"] == packed.headers["vary"] == "accept-encoding"
        assert plain.headers["etag"] != packed.headers["etag"]
        for tag in (plain.headers["etag"], packed.headers["etag"], "*", f'"x", W/{plain.headers["etag"]}'):
            for told in ({}, {"Accept_Encoding": "gzip"}):
                again = served.get(f"/t/{key}/", If_None_Match=tag, **told)
                assert (again.status, again.body) == (304, b"")
                assert again.headers["etag"] in (plain.headers["etag"], packed.headers["etag"])
                assert "content-encoding" not in again.headers
        assert served.get(f"/t/{key}/", If_None_Match='"other"').body == plain.body
    assert served.ask("HEAD", f"/t/{key}/").headers["content-length"] == str(len(plain.body))


# --- health, figures, limits ---------------------------------------------------------------------------------


def test_health_says_whether_the_store_answers(store_url: str) -> None:
    """ "ok" while questions are answered; 503 and a sentence when not."""
    with running(store_url, Config()) as served:
        well = served.get("/health")
        assert (well.status, well.body, well.headers["cache-control"]) == (200, b"ok\n", "no-store")
        _break(store_url)
        ill = served.get("/health")
        assert ill.status == 503
        assert ill.body.decode().strip().endswith(".")
        assert "Traceback" not in ill.body.decode()
        assert served.get("/").headers["retry-after"] == "2"


def _break(url: str) -> None:
    path = url.removeprefix("sqlite:///")
    connect = psycopg.connect if path == url else sqlite3.connect
    with closing(connect(path)) as db:
        db.execute("ALTER TABLE thread RENAME TO elsewhere")
        db.commit()


def test_figures_count_what_was_asked(served: Served) -> None:
    """Every line is as the text format has it; the counts are those of the requests that were made."""
    key = keep(served.store)
    for path in (
        "/",
        "/",
        f"/t/{key}/",
        f"/t/{key}/thread.txt",
        "/nowhere",
        "/search/?q=secretword",
        "/api/threads",
    ):
        served.get(path)
    reply = served.get("/metrics")
    assert reply.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    text = reply.body.decode()
    sample = re.compile(r'[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? [0-9.e+-]+')
    assert all(line.startswith("# ") or sample.fullmatch(line) for line in text.splitlines())
    told = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    for kind, status, count in (
        ("home", 200, 2), ("thread", 200, 1), ("export", 200, 1), ("other", 404, 1), ("search", 200, 1),
        ("api", 200, 1),
    ):  # fmt: skip
        assert told[f'clew_requests_total{{kind="{kind}",status="{status}"}}'] == str(count)
    assert told["clew_threads"] == "1"
    assert told['clew_fetches{state="running"}'] == told['clew_fetches{state="waiting"}'] == "0"
    assert told["clew_request_seconds_count"] == told['clew_request_seconds_bucket{le="+Inf"}'] == "7"
    buckets = [int(value) for name, value in told.items() if "_bucket" in name]
    assert buckets == sorted(buckets)
    assert float(told["clew_request_seconds_sum"]) > 0
    assert "secretword" not in text
    assert key not in text
    assert {"/metrics", "/health"}.isdisjoint(clew.site.paths(served.store))


def test_figures_are_for_this_machine_unless_opened(tmp_path: Path) -> None:
    """Whoever comes through a proxy sees them only where the operator opened them."""
    for opened, status in ((False, 403), (True, 200)):
        with serving(tmp_path, Config(listen=Listen(metrics=opened))) as served:
            assert served.get("/metrics", X_Forwarded_For="203.0.113.9").status == status
            assert served.get("/metrics").status == 200


@pytest.mark.parametrize("path", ["/", "/t/x/", "/t/x/thread.pdf", "/t/%0a/", "/x" * 4000, "/unroll/secret/", "//"])
def test_a_path_is_of_few_kinds(path: str) -> None:
    """However many addresses are asked for, the figures have a bounded number of lines."""
    known = {"home", "feed", "export", "thread", "author", "other", "api", "search", "unroll", "media", "static",
             "about", "health", "metrics"}  # fmt: skip
    assert operate.kind(path) in known


@given(st.text())
def test_any_path_is_of_few_kinds(path: str) -> None:
    """The same for any text."""
    assert re.fullmatch(r"[a-z]+", operate.kind(path))


def test_turns_are_few() -> None:
    """So many at once, so many waiting; one more is told at once, and a turn that ends lets the next one in."""
    turns = Turns(at_once=1, waiting=1, patience=60)
    inside, leave = threading.Event(), threading.Event()
    order: list[str] = []

    def hold() -> None:
        with turns.taken():
            order.append("first")
            inside.set()
            leave.wait()

    def wait() -> None:
        with turns.taken():
            order.append("second")

    threads = [threading.Thread(target=hold), threading.Thread(target=wait)]
    threads[0].start()
    inside.wait()
    threads[1].start()
    while turns._room._value:
        time.sleep(0.001)
    with pytest.raises(Busy, match="Too many"), turns.taken():
        pass
    leave.set()
    for thread_ in threads:
        thread_.join()
    assert order == ["first", "second"]
    with turns.taken():
        pass


@pytest.mark.parametrize("path", ["/search/?q=tide", "/search/feed.atom?q=tide", "/t/{key}/thread.epub"])
def test_a_crowd_at_something_expensive_is_told_to_come_again(tmp_path: Path, path: str) -> None:
    """With every turn taken, search and large exports answer 503 with a time to come back; pages go on."""
    with clew.store.open(tmp_path / "clew.db") as store:
        key = keep(store)
        watch = web.app(store, Config())
        state = watch._inner._inner.state  # type: ignore[attr-defined]
        state.searches = state.exports = Turns(at_once=0, waiting=1, patience=0.01)
        from starlette.testclient import TestClient

        with TestClient(watch) as client:
            busy = client.get(path.format(key=key))
            assert (busy.status_code, busy.headers["retry-after"]) == (503, "2")
            assert "Too many ask this at once. Try again in a moment." in busy.text
            assert client.get(f"/t/{key}/").status_code == 200


# --- lines ---------------------------------------------------------------------------------------------------


@contextmanager
def command(tmp_path: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run ``clew serve`` as an operator does; give the process and its port."""
    environment = {**os.environ, "CLEW_DATABASE": str(tmp_path / "clew.db"), "HOME": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-m", "clew", "serve", "--port", "0", *arguments],
        env=environment, cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            yield process, int(line.removeprefix("Clew is at http://127.0.0.1:").strip(" /\n"))
        finally:
            process.kill()


def raw(port: int, request: bytes) -> bytes:
    """Send bytes, and return what comes until the connection ends."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_each_request_is_one_line_without_who_asked_for_what(tmp_path: Path) -> None:
    """With --log, each request is one line of time, method, path, status, bytes and duration. No address of the
    reader, no words of a search, no token of a fetch is in it, and no path makes a line of its own."""
    line = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ INFO (\S+) (\S+) (\d{3}) (\d+) B (\d+\.\d) ms")
    hostile = "/a%0d%0a2026-01-01T00:00:00Z%20INFO%20GET%20/forged%20200%201%20B%201.0%20ms%1b[31m"
    with command(tmp_path, "--log") as (process, port):
        for path in ("/", hostile, "/search/?q=secretword", "/unroll/secrettoken/", "/" + "x" * 5000):
            raw(port, f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        for broken in (
            b"GET /\x1b[31m\x07 HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET /\xff\xe2\x80\xae HTTP/1.1\r\nHost: x\r\n\r\n",
        ):
            raw(port, broken)
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate(timeout=30)
    lines = told.splitlines()
    found = [line.fullmatch(one) for one in lines]
    asked = [(one[1], one[2][:30], one[3]) for one in found if one]
    assert asked[:4] == [
        ("GET", "/", "200"), ("GET", hostile[:30], "404"), ("GET", "/search/", "200"), ("GET", "/unroll/…/", "404"),
    ]  # fmt: skip
    assert len(asked) >= 5
    assert all(one or "Invalid HTTP request" in text for one, text in zip(found, lines, strict=True)), told
    assert not re.search(r"127\.0\.0\.1|secret|\x1b|\x07", told)
    assert max(map(len, lines)) < 300


def test_nothing_is_written_about_requests_unless_asked(tmp_path: Path) -> None:
    """Without --log a request leaves no line."""
    with command(tmp_path) as (process, port):
        raw(port, b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=30)[1] == ""


def test_what_goes_wrong_is_told_once_with_its_cause(tmp_path: Path) -> None:
    """A failure inside names the request and its traceback, indented, so that no text in it can pass for a line;
    the reader gets a page."""
    stream = io.StringIO()
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    with clew.store.open(tmp_path / "clew.db") as store, pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stderr", stream)
        operate.log()
        try:
            patch.setattr("clew.site.render", _broken)
            with socket.create_server(("127.0.0.1", 0)) as listener:
                server = web.server(web.app(store, Config(listen=Listen(log=True))))
                thread_ = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
                thread_.start()
                try:
                    answer = Served(listener.getsockname()[1], store).get("/about/?q=secretword")
                finally:
                    server.should_exit = True
                    thread_.join()
        finally:
            root.handlers[:], root.level = before, level
    assert answer.status == 500
    assert "The log of clew serve says why" in answer.text
    told = stream.getvalue()
    assert told.count("Traceback") == told.count("GET /about/ failed") == 1
    assert "/about/ 500" in told
    outer = [text for text in told.splitlines() if not text.startswith("    ")]
    assert all(re.match(r"\d{4}-\d\d-\d\dT[\d:]+Z (ERROR|INFO) GET /about/", text) for text in outer), told
    assert r"\x1b[31m" in told
    assert "\x1b" not in told
    assert "secretword" not in told


def _broken(*_: object) -> None:
    raise ValueError("\x1b[31m\n2026-01-01T00:00:00Z INFO GET /forged 200 1 B 1.0 ms")


# --- behind a proxy ------------------------------------------------------------------------------------------


class Proxy(BaseHTTPRequestHandler):
    """Passes requests below /deep/base/ on without that prefix, and knows nothing else."""

    upstream = 0
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if not self.path.startswith("/deep/base/"):
            self.send_error(418)
            return
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        with closing(HTTPConnection("127.0.0.1", self.upstream, timeout=30)) as inner:
            told = {**self.headers, "X-Forwarded-For": "203.0.113.9"}
            inner.request(self.command, self.path.removeprefix("/deep/base"), body or None, told)
            answer = inner.getresponse()
            content = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("content-length", "connection", "date", "transfer-encoding"):
                self.send_header(name, value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def proxied(tmp_path: Path) -> Iterator[Served]:
    with ExitStack() as stack:
        inner = stack.enter_context(serving(tmp_path, Config(submit="anyone")))
        handler = type("Own", (Proxy,), {"upstream": inner.port})
        server = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), handler))
        thread_ = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread_.start()
        try:
            yield Served(server.server_address[1], inner.store)
        finally:
            server.shutdown()
            thread_.join()


def test_every_link_works_below_a_path(proxied: Served) -> None:
    """Behind a proxy that strips a prefix, every address that is reached from the first page by links, forms'
    targets and redirects stays below the prefix and is there."""
    keep(proxied.store)
    with flow.opened(EXAMPLE) as reading:
        flow.save(proxied.store, reading, reading.one())
    base = f"http://{proxied.host}/deep/base/"
    waiting, seen = (
        [base, base + "api/", base + "unroll", base + "search?q=tide", base + "api/threads/"],
        set[str](),
    )
    for key in (entry.key for entry in proxied.store.latest()):
        waiting += [f"{base}t/{key}", f"{base}api/threads/{key}"]
    while waiting:
        address = waiting.pop().partition("#")[0]
        if address in seen or urlsplit(address).netloc != proxied.host:
            continue
        seen.add(address)
        assert address.startswith(base), address
        place = urlsplit(address)
        reply = proxied.get(place.path + (f"?{place.query}" if place.query else ""))
        if "location" in reply.headers:
            waiting.append(urljoin(address, reply.headers["location"]))
            continue
        assert reply.status == (404 if "/api/threads/" in address[-13:] else 200), address
        if reply.headers["content-type"].startswith("text/html"):
            for node in LexborHTMLParser(reply.body.decode()).css("[href], [src], form[action]"):
                told = node.attributes.get("href") or node.attributes.get("src") or node.attributes.get("action")
                waiting.append(urljoin(address, told or ""))
    assert len(seen) > 25


def test_the_form_works_below_a_path(proxied: Served) -> None:
    """A paste sent through the proxy leads to its page there."""
    kind, body = multipart([("text", PASTE), ("author", "@tides")], None)
    own = {"Content_Type": kind, "Origin": f"http://{proxied.host}", "Sec_Fetch_Site": "same-origin"}
    sent = proxied.ask("POST", "/deep/base/unroll/", body, **own)
    assert sent.status == 303
    page = proxied.get(urljoin("/deep/base/unroll/", sent.headers["location"]))
    assert page.status == 200
    assert "The tide came early" in page.text


# --- the server ----------------------------------------------------------------------------------------------


def test_the_server_is_the_same_whatever_is_installed(tmp_path: Path) -> None:
    """A faster loop or parser that happens to be installed for something else does not change the server."""
    with clew.store.open(tmp_path / "clew.db") as store:
        config = web.server(web.app(store, Config())).config
        assert (config.loop, config.http, config.ws) == ("asyncio", "h11", "none")


def test_an_answer_does_not_wait_for_its_reader() -> None:
    """What the server accepts sends at once, so that a body does not wait for the reader to confirm the head."""
    with web.listener("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname()):
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_waits_for_who_is_being_answered(tmp_path: Path, stop: signal.Signals) -> None:
    """A request that is half sent when the server is told to stop is answered, and what it sent is kept; new ones
    are refused; the server ends well."""
    kind, body = multipart([("text", PASTE), ("author", "@tides")], None)
    with command(tmp_path) as (process, port):
        own = {"Host": f"localhost:{port}", "Origin": f"http://localhost:{port}", "Content-Type": kind,
               "Content-Length": str(len(body)), "Connection": "close"}  # fmt: skip
        head = "POST /unroll/ HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in own.items())
        with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
            connection.sendall(head.encode() + b"\r\n" + body[:40])
            raw(port, b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")  # it has been read
            process.send_signal(stop)
            while _listens(port):
                time.sleep(0.01)
            connection.sendall(body[40:])
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        assert process.wait(30) == 0
    assert answer.startswith(b"HTTP/1.1 303 ")
    with clew.store.open(tmp_path / "clew.db") as store:
        assert store.count() == 1


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True
