"""Search: what folds alike, what a question means, and that both databases find what Python finds in the text."""

from __future__ import annotations

import json
import re
import socket
import sqlite3
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from http.client import HTTPConnection
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from alembic import command
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser

import clew.store
from clew import pages, search, text, web
from clew.cli import main
from clew.config import Config, Site
from clew.document import stitch
from clew.model import Actor, Capture, Certificate, Page, Post, Run, Thread, Tombstone
from clew.search import Phrase, Query, query, words
from clew.store import Store, engines, searching, tables, versions

DAY = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
ADA = Actor("did:plc:ada", "Ada", "ada.example", "https://social.example/ada")
TARAS = Actor("did:plc:taras", "Тарас", "taras.example", "https://social.example/taras")
CAPTURE = Capture(sha256(b"{}").hexdigest(), b"{}", "application/json", DAY)
WORDS = st.sampled_from(
    "harbour Harbor café cafe\u0301 don't tide tides вода Вода ёж мой мои їжак 日本語 日本 本 語 東京都 한국어 한 "
    "مُحَمَّد محمد हिन्दी สวัสดี ﬁne ½ _x 2026 ٢٠٢٦ e\u0301 \u0301 \ud800 \0 ' \" * - : \\ author:ada since:2026 "
    "𝔉𝔯𝔞𝔨 ﷺ が か\u3099 😀 OR AND NOT NEAR( ) ^ & | ! <-> :* {a}".split(" ")
)
TEXTS = st.lists(WORDS, max_size=12).map(" ".join) | st.text(max_size=40)
QUERIES = st.lists(
    st.builds("{}{}{}".format, st.sampled_from(["", "", "", "-", '"']), WORDS, st.sampled_from(["", "", "*", '"'])),
    max_size=4,
).map(" ".join) | st.text(max_size=30)


def post(id_: str, content: str, actor: Actor = ADA, **fields: Any) -> Post:
    fields.setdefault("published", DAY)
    return Post(f"at://{actor.id}/{id_}", actor.id, content, capture=CAPTURE.sha256, **fields)


def thread(*items: Post | Tombstone, actor: Actor = ADA, **fields: Any) -> Thread:
    whole = Certificate(len(items), "yes", "All.")
    return Thread(items[0].id, actor.id, items, "longest", whole, actors=(actor,), **fields)


def save(store: Store, *kept: Thread, source: str = "bluesky", **fields: Any) -> list[str]:
    with store.writing(DAY) as w:
        w.put_captures([CAPTURE])
        return [w.put_thread(one, title="T", source=source, captures=[CAPTURE], **fields) for one in kept]


def found(store: Store, asked: str, **options: Any) -> list[str]:
    """The names of the posts that are found, in order."""
    results = store.search(query(asked), **options)
    return [hit.post.rpartition("/")[2] for one in results.found for hit in one.hits]


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    with clew.store.open(store_url) as opened:
        yield opened


# --- folding -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Café", "CAFE\u0301"), ("Straße", "STRASSE"), ("ﬁne", "fine"), ("Ｗｉｄｅ", "wide"), ("Łódź", "lodz"),
        ("İstanbul", "istanbul"), ("ΣΊΣΥΦΟΣ", "σισυφος"), ("Ёж", "еж"), ("й", "и\u0306"), ("ї", "і\u0308"),
        ("مُحَمَّد", "محمد"), ("أحمد", "احمد"), ("شَـالوم", "شالوم"), ("کتاب", "كتاب"), ("می\u200cخواهم", "میخواهم"),
        ("שָׁלוֹם", "שלום"), ("٢٠٢٦", "2026"), ("ｶﾞ", "ガ"), ("か\u3099", "が"), ("한", "\u1112\u1161\u11ab"),
        ("한", "하\u11ab"), ("𝔉𝔯𝔞𝔨𝔱𝔲𝔯", "fraktur"), ("soft\u00adhyphen", "softhyphen"), ("№ 5", "no 5"),
    ],
)  # fmt: skip
def test_what_folds_alike(one: str, other: str) -> None:
    """Case, accents, widths, forms, invisible characters and the way of writing a letter make no difference."""
    assert words(one) == words(other) != []


@pytest.mark.parametrize(
    ("one", "other"),
    [("мой", "мои"), ("їх", "іх"), ("가", "나"), ("が", "か"), ("हिन्दी", "हन्दी"), ("a b", "ab"), ("น้ำ", "นำ")],
)
def test_what_does_not(one: str, other: str) -> None:
    """Letters of their own, vowels and voicing make a difference."""
    assert words(one) != words(other)


def test_where_nothing_parts_words_each_character_goes_with_the_next() -> None:
    """Runs of Han, kana, Hangul and Thai are pairs, and the last character alone; other scripts in between part."""
    assert words("日本語") == ["日本", "本語", "語"]
    assert words("iPhone手机x") == ["iphone", "手机", "机", "x"]
    assert words("한국은 좋다") == ["한국", "국은", "은", "좋다", "다"]


@given(TEXTS)
@example("½ﷺ e\u0301\u0301 日か\u3099 x\u200d")
def test_tokens_stand_where_they_are_found(given: str) -> None:
    """The tokens with places are the tokens, in order, each place is in the text, and folds to the token again."""
    tokens = search.located(given)
    assert [token.text for token in tokens] == words(given)
    for token in tokens:
        assert 0 <= token.start < token.head <= token.end <= len(given)
        assert token.text in words(given[token.start : token.end])
    assert all(a.start <= b.start for a, b in pairwise(tokens))


@given(TEXTS)
def test_no_token_can_break_out(given: str) -> None:
    """A token holds no space, quote, sign of a query language or half of a character, and is never too long."""
    for token in words(given + "x" * 300):
        assert len(token) <= 100
        assert not set(token) & set(" \t\n\0'\"*:()&|!<>\\@+-^{}")
        token.encode()


def test_every_character_folds() -> None:
    """No code point breaks folding, and what is folded folds to itself."""
    for point in range(0x110000):
        for token in words(chr(point)):
            assert words(token) in ([token], [token, token[1:]]), hex(point)


# --- passages ------------------------------------------------------------------------------------------------


def test_a_post_is_a_passage() -> None:
    """A post of usual length is one, with its blank lines; without a word it is none."""
    whole = "One.\n\nTwo. 日本語"
    assert [(p.start, p.end, p.words) for p in search.passages(whole)] == [(0, len(whole), words(whole))]
    assert list(search.passages("😀 …")) == list(search.passages("")) == []


def test_a_long_text_is_cut_at_paragraphs_and_sentences() -> None:
    """Of a long text each paragraph is a passage, of a long paragraph a few sentences."""
    sentence = "The tide rose over the pier at night. "
    long = sentence * 40
    whole = f"First.\n\n{long}\n \nLast."
    parts = [whole[p.start : p.end] for p in search.passages(whole)]
    assert parts[0] == "First.\n\n"
    assert parts[-1] == "Last."
    assert len(parts) == 4
    assert parts[1].endswith("night.")
    assert parts[2].strip().startswith("The tide")


@given(st.lists(st.sampled_from(["word ", "日本", "ﷺ", ". ", "\n\n", "x" * 3000, "😀" * 2000]), max_size=60))
def test_passages_hold_every_word_and_are_small(parts: list[str]) -> None:
    """Passages stand in order, none is larger than a database takes, and between them there is no word."""
    whole = "".join(part * 30 if len(part) < 9 else part for part in parts)
    at = 0
    for passage in search.passages(whole):
        assert passage.start >= at
        assert not words(whole[at : passage.start])
        assert passage.end - passage.start <= 4000
        assert len(passage.words) <= 255
        assert passage.words == words(whole[passage.start : passage.end])
        at = passage.end
    assert not words(whole[at:])


# --- questions -----------------------------------------------------------------------------------------------


def test_what_a_question_says() -> None:
    """Words, phrases, what is left out, starts and filters are read; curly quotes are quotes."""
    asked = query('Harb* “north PI”* -log -"old log" don\'t author:@ada source:X since:2026-02 until:2026-02-21')
    assert asked.wanted == (Phrase(("harb",), True), Phrase(("north", "pi"), True), Phrase(("don", "t")))
    assert asked.unwanted == (Phrase(("log",)), Phrase(("old", "log")))
    assert (asked.authors, asked.sources, asked.odd) == (("@ada",), ("X",), ())
    assert (asked.since, asked.until) == (datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 2, 22, tzinfo=UTC))
    assert query("tide", author="@ada", since="2026") == query("tide author:@ada since:2026", until="", source="")


def test_a_run_asks_for_its_characters() -> None:
    """A run at the end may go on in the text; before another word it ends where it ends."""
    assert query("日本語 本").wanted == (Phrase(("日本", "本語")), Phrase(("本",), True))
    assert query("iPhone手").wanted == (Phrase(("iphone", "手"), True),)
    assert query("手机iPhone").wanted == (Phrase(("手机", "机", "iphone")),)


@pytest.mark.parametrize("asked", ["", " ", "-", "*", '""', "-log", '-"a b"', "since:2026", "😀", "- - *"])
def test_what_asks_for_nothing(asked: str) -> None:
    """What only leaves out, names only days, or has no letter is no question."""
    assert not query(asked)


def test_filters_that_cannot_be_read_are_told() -> None:
    """A date that is none does not count, and is told."""
    asked = query("tide since:2026-13 until:soon until:2026")
    assert asked.odd == ("since:2026-13", "until:soon")
    assert asked.since is None
    assert asked.until == datetime(2027, 1, 1, tzinfo=UTC)
    assert query("x until:9999 since:0000").odd == ("since:0000", "until:9999")


@given(st.text() | QUERIES)
@example("a " * 5000)
@example('"' + "日" * 5000)
def test_any_question_can_be_read(asked: str) -> None:
    """No question fails, and none is larger than a database takes."""
    told = query(asked)
    assert len(told.wanted) <= 32
    assert all(0 < len(one.tokens) <= 32 for one in (*told.wanted, *told.unwanted))


# --- snippets ------------------------------------------------------------------------------------------------


def test_hits_are_marked_in_the_text_as_it_is() -> None:
    """A mark covers the word as it was written: accents, points and all."""
    told = search.snippet("Le Cafe\u0301 du port, مُحَمَّد, 日本語", query("café محمد* 本").wanted)
    assert [piece for piece, hit in told.pieces() if hit] == ["Cafe\u0301", "مُحَمَّد", "本"]
    assert "".join(piece for piece, _ in told.pieces()) == told.text


@given(TEXTS, st.integers(0, 30), QUERIES)
def test_a_snippet_is_an_exact_slice(given: str, times: int, asked: str) -> None:
    """A snippet is a slice of the text, its marks are in it, apart and in order, and it is not long."""
    whole = f"{given} " * times
    told = search.snippet(whole, query(asked).wanted)
    assert told.text in whole
    assert told.cut_before or whole.startswith(told.text)
    assert told.cut_after or whole.endswith(told.text)
    assert len(told.text) <= 460
    at = 0
    for start, end in told.marks:
        assert at <= start < end <= len(told.text)
        at = end + 1


def test_a_long_text_shows_its_hit() -> None:
    """Of a long text the part around the first hit is shown, cut at words."""
    whole = "filler words go on " * 40 + "the harbour " + "and on and on " * 40
    told = search.snippet(whole, query("harbour").wanted)
    assert [told.text[a:b] for a, b in told.marks] == ["harbour"]
    assert (told.cut_before, told.cut_after) == (True, True)
    assert not re.search(r"^\s|\w$", told.text)


# --- the store -----------------------------------------------------------------------------------------------

CORPUS = {
    "harbour": "The Harbour gauge at North Pier, café naïve don't",
    "repeat": "tide tide the tide",
    "cyrillic": "Вода стояла п'ять годин. Мой ёж",
    "han": "日本語を話す人。東京都の港",
    "hangul": "한국어는 좋다",
    "arabic": "مُحَمَّد يكتب في الميناء",
    "mixed": "iPhone手机x _x 2026 ٢٠٢٦ ½",
    "odd": "it's \\ \0 \ud800 'quoted' \"double\" AND OR NOT (x) 😀 ﷺ",
    "hindi": "हिन्दी में สวัสดี",
    "none": "😀",
}


def oracle(asked: str, texts: dict[str, str] = CORPUS) -> set[str]:
    """What a question finds, by looking at each text."""
    told = query(asked)

    def has(tokens: list[str], one: Phrase) -> bool:
        size = len(one.tokens)
        for at in range(len(tokens) - size + 1):
            *first, last = tokens[at : at + size]
            wanted = last.startswith(one.tokens[-1]) if one.prefix else last == one.tokens[-1]
            if wanted and tuple(first) == one.tokens[:-1]:
                return True
        return False

    return {
        name
        for name, whole in texts.items()
        if told.wanted
        and all(has(words(whole), one) for one in told.wanted)
        and not any(has(words(whole), one) for one in told.unwanted)
    }


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, postgresql: Any) -> Iterator[list[Store]]:
    """The same threads on both databases."""
    postgresql.run("CREATE DATABASE clew_search")
    places = [tmp_path_factory.mktemp("search") / "store.db", postgresql.database("clew_search")]
    opened = [clew.store.open(place) for place in places]
    for one in opened:
        save(one, *(thread(post(name, content)) for name, content in CORPUS.items()))
    yield opened
    for one in opened:
        one.close()
    postgresql.run("DROP DATABASE clew_search WITH (FORCE)")


FINDS = [
    ("HARBOUR", {"harbour"}), ("harb*", {"harbour"}), ('"north pier"', {"harbour"}), ('"pier north"', set()),
    ("cafe", {"harbour"}), ("don't", {"harbour"}), ("t don", {"harbour"}), ('"tide tide"', {"repeat"}),
    ("the -tide", {"harbour"}), ("вода", {"cyrillic"}), ("еж", {"cyrillic"}), ("мои", set()),
    ("п'я*", {"cyrillic"}), ("日本", {"han"}), ("語", {"han"}),
    ("港", {"han"}), ("京都の", {"han"}), ("日語", set()), ("手", {"mixed"}),
    ("한국", {"hangul"}), ("محمد", {"arabic"}), ("2026", {"mixed"}), ("हिन्दी", {"hindi"}), ("สวัส", {"hindi"}),
    ("الله", {"odd"}), ("quoted AND double", {"odd"}), ("tide OR water", set()), ("x", {"mixed", "odd"}),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "expected"), FINDS)
def test_what_is_found(both: list[Store], asked: str, expected: set[str]) -> None:
    """Each kind of question finds what it says, in any script, on both databases."""
    assert [set(found(one, asked)) for one in both] == [expected, expected]
    assert oracle(asked) == expected


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(QUERIES)
@example('tide* -"tide the" author:x')
@example("\0 \ud800' OR 1=1 --")
@example("日 " * 400)
def test_both_databases_find_what_is_in_the_text(both: list[Store], asked: str) -> None:
    """Whatever is asked, nothing fails, and both find just what looking at each text finds."""
    if query(asked).authors or query(asked).sources or query(asked).since or query(asked).until:
        for one in both:
            one.search(query(asked))
        return
    assert [set(found(one, asked)) for one in both] == [oracle(asked)] * 2


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(TEXTS, min_size=1, max_size=6), st.lists(QUERIES, min_size=1, max_size=6))
def test_any_text_is_found_alike(both: list[Store], texts: list[str], asked: list[str]) -> None:
    """Whatever is written, both databases take it, and find it by what it says."""
    corpus = {f"x{number}": whole for number, whole in enumerate(texts)}
    kept = [thread(post(name, whole, TARAS), actor=TARAS) for name, whole in corpus.items()]
    for one in both:
        save(one, *kept)
    try:
        for ask in asked:
            told = query(ask)._replace(authors=(TARAS.id,), sources=(), since=None, until=None)
            hits = [{h.post.rpartition("/")[2] for f in one.search(told).found for h in f.hits} for one in both]
            assert hits == [oracle(ask, corpus) if told.wanted else _without(told, corpus)] * 2, ask
    finally:
        for one in both:
            with one.writing() as w:
                for this in kept:
                    w.drop_thread(this.id)


def _without(told: Query, corpus: dict[str, str]) -> set[str]:
    """What is found where only the author is asked for: every text with a word, without what is left out."""
    out = set()
    for one in told.unwanted:
        shown = f'"{" ".join(one.tokens)}"{"*" if one.prefix else ""}'
        out |= oracle(shown, corpus)
    return {name for name, whole in corpus.items() if words(whole)} - out


def test_filters(store: Store) -> None:
    """Author (any name), source and days narrow what is found; several authors widen it."""
    save(store, thread(post("a", "tide one"), post("b", "tide two", published=DAY + timedelta(days=40))))
    save(store, thread(post("c", "tide three", TARAS, published=None), actor=TARAS), source="fediverse")
    assert found(store, "tide") == ["c", "a", "b"]
    for name in ("@ada.example", "ADA.example", ADA.id, ADA.url, text.key(ADA.id)):
        assert found(store, f"tide author:{name}") == found(store, f'author:"{name}"') == ["a", "b"]
    assert found(store, "tide author:@ada.example author:@taras.example") == ["c", "a", "b"]
    assert found(store, "tide author:@nobody") == found(store, "author:@nobody") == []
    assert found(store, "source:Fediverse") == ["c"]
    assert found(store, "tide source:bluesky source:x") == ["a", "b"]
    assert found(store, "tide since:2026-05-01 until:2026-05-01") == ["a"]
    assert found(store, "tide since:2026-05-02") == found(store, "tide since:2026-05-02 until:2026-06") == ["b"]
    assert found(store, "tide since:2026-04-30 until:2026-06-30") == ["a", "b"]
    assert found(store, "tide since:1990 until:2030") == ["a", "b"]
    assert found(store, "tide until:2026-04") == found(store, "tide since:2027") == []
    assert found(store, "two author:@ada.example -one") == ["b"]


@given(st.datetimes(timezones=st.just(UTC)), st.integers(0, 1100), st.integers(0, 40_000_000))
def test_a_day_is_in_its_months(first: datetime, days: int, seconds: int) -> None:
    """The months that a search in some days looks in hold every moment of them."""
    since = first.replace(hour=0, minute=0, second=0, microsecond=0)
    try:
        until, when = since + timedelta(days=days), since + timedelta(seconds=seconds)
    except OverflowError:
        return
    months = searching._months(since, until)
    assert len(months) < 36
    assert not months or when >= until or searching._month(when)[0] in months


def test_only_listed_threads_are_found_on_the_site(store: Store) -> None:
    """What no list names is found by who runs this Clew only, in its place by time."""
    save(store, thread(post("a", "tide")))
    save(store, thread(post("u", "tide", visibility="unlisted")))
    save(store, thread(post("p", "tide", visibility="private")))
    save(store, thread(post("z", "tide")))
    assert found(store, "tide") == ["z", "a"]
    assert found(store, "tide", listed_only=False) == ["z", "p", "u", "a"]
    save(store, thread(post("z", "tide")), visibility="private")
    assert found(store, "tide") == ["a"], "it was listed, and is not any more"


def test_threads_are_given_once_in_reading_order(store: Store) -> None:
    """A thread with many hits is given once, with its first three, and what comes after it is reached."""
    many = [post(f"m{n}", f"tide number {n}") for n in range(700)]
    (first,) = save(store, thread(post("old", "tide")))
    save(store, thread(*many))
    save(store, thread(post("new", "tide")))
    results = store.search(query("tide"))
    assert [(len(one.hits), one.more) for one in results.found] == [(1, False), (3, True), (1, False)]
    assert [hit.post for hit in results.found[1].hits] == [one.id for one in many[:3]]
    assert [hit.anchor for hit in results.found[1].hits] == ["p1", "p2", "p3"]
    assert results.found[2].entry == store.entry(first)
    assert results.before is None


def test_page_by_page(store: Store) -> None:
    """Pages of results follow each other without a gap; one that is kept meanwhile does not shift them."""
    save(store, *(thread(post(f"n{n}", "tide")) for n in range(7)))
    seen, before = [], None
    for turn in range(4):
        results = store.search(query("tide"), 2, before)
        seen.append([hit.post.rpartition("/")[2] for one in results.found for hit in one.hits])
        before = results.before
        save(store, thread(post(f"later{turn}", "tide")))
    assert seen == [["n6", "n5"], ["n4", "n3"], ["n2", "n1"], ["n0"]]
    assert before is None
    for before in (0, -5, -(10**30), 10**30):
        store.search(query("tide"), 10**30, before)
    assert store.search(query("tide"), 0).found == store.search(query("tide"), -1).found == ()


def test_anchors_lead_to_the_posts_on_the_page(store: Store) -> None:
    """The anchor of every hit is on the thread's page: main line, branch and aside, missing posts counted."""
    kept = thread(
        post("a", "tide"),
        Tombstone("at://gone"),
        post("b", "tide"),
        branches=(Run("at://did:plc:ada/a", (post("c", "tide"), post("d", "tide"))),),
        asides=(Run("x", (post("e", "tide"),), (post("f", "not hers", TARAS),)),),
    )
    (key,) = save(store, kept)
    html = pages.thread(Site(), Page("T", kept, stitch(kept)), key).decode()
    with store._connected() as db:
        rows = db.execute(tables.passage.select().order_by(tables.passage.c.id.desc())).all()
    assert [row.anchor for row in rows] == ["p1", "p3", "b1-1", "b1-2", "a1-1"]
    assert all(f'id="{row.anchor}"' in html for row in rows)
    assert found(store, "hers") == []


def test_an_article_is_found_by_its_title_and_its_paragraphs(store: Store) -> None:
    """A title is found, a phrase within a paragraph too; one across two of a long text is not."""
    paragraph = "the tide gauge at north pier. " * 30
    save(
        store, thread(post("a", f"{paragraph}alpha omega\n\nbeta. {paragraph}", name="A Night Flood", summary="!"))
    )
    assert found(store, '"night flood"') == found(store, '"alpha omega"') == ["a"]
    assert found(store, '"omega beta"') == found(store, "flood gauge") == []
    (one,) = store.search(query("beta")).found
    assert one.hits[0].warning == "!"
    assert one.hits[0].published == DAY


def test_the_words_of_a_thread_go_with_it(store: Store) -> None:
    """What changed, was dropped or cleared is not found any more, and leaves no row."""
    save(store, thread(post("a", "ebb")), thread(post("b", "flood")))
    save(store, thread(post("a", "slack")))
    assert (found(store, "ebb"), found(store, "slack")) == ([], ["a"])
    save(store, thread(post("a", "slack")), source="fediverse")
    assert found(store, "source:fediverse") == ["a"]
    with store.writing() as w:
        w.drop_thread(post("a", "").id)
        assert w.search(query("flood")).found
    assert found(store, "slack") == []
    with store.writing() as w:
        w.clear_derived()
    assert found(store, "flood") == []
    assert not [row for row in store.dump() if row[0] == "passage"]
    _sound(store)


def _sound(store: Store) -> None:
    """The index of SQLite holds what its rows say, no more and no less."""
    with engines.writing(store._engine) as db:
        if db.dialect.name == "sqlite":
            order = f"INSERT INTO {tables.SEARCH} ({tables.SEARCH}, rank) VALUES ('integrity-check', 1)"
            db.exec_driver_sql(order)


def test_the_index_stays_sound(store: Store) -> None:
    """After all that writes and drops, the index says what the passages say; after a scrub too."""
    for turn in range(3):
        save(store, *(thread(post(f"n{n}", f"tide {turn} {n % 3}")) for n in range(20)))
        with store.writing() as w:
            for n in range(turn, 20, 3):
                w.drop_thread(post(f"n{n}", "").id)
    _sound(store)
    before = found(store, "tide*")
    store.scrub()
    _sound(store)
    assert found(store, "tide*") == before != []


def test_a_store_without_search_gets_it(store_url: str) -> None:
    """A store of an earlier version is searched as soon as it is opened, newest first."""
    with clew.store.open(store_url) as store:
        for name in ("c", "a", "b"):
            with store.writing(DAY + timedelta(days="cab".index(name))) as w:
                w.put_captures([CAPTURE])
                w.put_thread(thread(post(name, f"tide {name}")), title="T", source="x", captures=[CAPTURE])
        rows = list(store.dump())
        with engines.writing(store._engine) as db:
            command.downgrade(versions.alembic(db), "0002")
    with clew.store.open(store_url) as store:
        assert found(store, "tide source:x") == ["b", "a", "c"]
        assert list(store.dump()) == rows
        _sound(store)


def test_a_thread_of_another_version_waits_for_rebuild(store_url: str) -> None:
    """When the schema changes, a thread that cannot be read stops nothing; it is not found until rebuilt."""
    with clew.store.open(store_url) as store:
        save(store, thread(post("a", "tide")), thread(post("b", "tide")))
        with engines.writing(store._engine) as db:
            own = tables.thread
            db.execute(own.update().where(own.c.key == text.key(post("a", "").id)).values(data='{"surprise":1}'))
            searching.refill(db)
        assert found(store, "tide") == ["b"]


def test_no_order_is_sorted_for(tmp_path: Path) -> None:
    """SQLite streams what is found in the order it is given: a word that is everywhere costs no more."""
    path = tmp_path / "store.db"
    clew.store.open(path).close()
    with closing(sqlite3.connect(path)) as db:
        for days in ((), ("since", "until")):
            statement = str(searching._statement("sqlite", *days).compile(compile_kwargs={"literal_binds": False}))
            told = {"asked": '"x"', "low": 0, "high": 9, "since": "", "until": "", "param_1": 9}
            plan = db.execute(f"EXPLAIN QUERY PLAN {statement}", told).fetchall()
            assert not [row for row in plan if "TEMP B-TREE" in row[3]]
            assert plan[0][3].startswith(f"SCAN {tables.SEARCH} VIRTUAL TABLE")


SECRET = "Zaporozhian marker"


def _traces(folder: Path) -> list[str]:
    return [str(path) for path in folder.rglob("*") if path.is_file() and b"zaporozhian" in path.read_bytes()]


def test_no_word_stays_in_the_files_of_sqlite(tmp_path: Path) -> None:
    """The index keeps the words of what was dropped until a scrub, and no longer."""
    with clew.store.open(tmp_path / "store.db") as store:
        save(store, thread(post("a", SECRET)), thread(post("b", "tide")))
        with store.writing() as w:
            w.drop_thread(post("a", "").id)
        assert _traces(tmp_path), "the index still has it, so the test can fail"
        store.scrub()
        assert _traces(tmp_path) == []
        assert found(store, "tide") == ["b"]


def test_no_word_stays_in_the_relations_of_postgresql(postgresql: Any, postgresql_url: str) -> None:
    """The same of a PostgreSQL, whose planner keeps no samples of words either."""
    with clew.store.open(postgresql_url) as store:
        save(store, thread(post("a", SECRET)), thread(post("b", "tide")))
        with psycopg.connect(postgresql_url, autocommit=True) as connection:
            connection.execute("ANALYZE")
        postgresql.run("CHECKPOINT")
        assert _traces(postgresql.folder / "base"), "it was written, so the test can fail"
        with store.writing() as w:
            w.drop_thread(post("a", "").id)
        store.scrub()
        postgresql.run("CHECKPOINT")
        assert _traces(postgresql.folder / "base") == []
        assert found(store, "tide") == ["b"]


# --- the page and the command --------------------------------------------------------------------------------


@pytest.fixture
def get(tmp_path: Path) -> Iterator[Any]:
    """Asks a served site; its store has 25 threads about the tide, one of them folded, one private."""
    kept = [thread(post(f"n{n}", f"Tide number {n} <b>&amp;</b> \u202ex")) for n in range(23)]
    kept += [
        thread(post("cw", "A tide & its <i>toll</i>", summary="Flood <x>")),
        thread(post("own", "tide undisclosed")),
    ]
    with clew.store.open(tmp_path / "store.db") as store, socket.create_server(("127.0.0.1", 0)) as listener:
        save(store, *kept[:-1])
        save(store, kept[-1], visibility="private")
        server = web.server(web.app(store, Config()))
        running = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        running.start()

        def ask(path: str, **headers: str) -> tuple[int, dict[str, str], LexborHTMLParser, str]:
            with closing(HTTPConnection("127.0.0.1", listener.getsockname()[1], timeout=30)) as connection:
                connection.request("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})
                answer = connection.getresponse()
                body = answer.read().decode()
                told = {name.lower(): value for name, value in answer.getheaders()}
                return answer.status, told, LexborHTMLParser(body), body

        try:
            yield ask
        finally:
            server.should_exit = True
            running.join(timeout=30)


def test_the_page_shows_what_was_found(get: Any) -> None:
    """20 threads with marked snippets, a warning folded, links to the posts; then the rest; nothing private."""
    status, _, html, body = get("/search/?q=TIDE")
    assert status == 200
    assert html.css_first("#q").attributes["value"] == "TIDE"
    assert len(html.css("ol.found > li")) == 20
    assert {mark.text() for mark in html.css("mark")} == {"Tide", "tide"}
    assert [fold.css_first("summary").text().strip() for fold in html.css("ol details")] == [
        "Content warning: Flood <x>"
    ]
    assert html.css_first("ol details mark").text() == "tide"
    anchor = html.css_first("p.by a[href*='#']").attributes["href"]
    assert re.fullmatch(r"\.\./t/[a-z2-7]{12}/#p1", anchor)
    assert get(anchor.removeprefix("..").partition("#")[0])[2].css_first("#p1")
    assert "<b>" not in body
    assert "<i>" not in body
    _, _, rest, _ = get("/search/" + html.css_first("a[rel=next]").attributes["href"].removeprefix("../search/"))
    assert len(rest.css("ol.found > li")) == 4
    assert rest.css_first("a[rel=next]") is None
    assert "undisclosed" not in body + rest.html


def test_the_page_without_results(get: Any) -> None:
    """Before a question it says how to ask, after one why nothing is there."""
    for asked, words_ in (
        ("", "How to ask"), ("?q=", "How to ask"), ("?q=zzz", "Nothing was found"),
        ("?q=undisclosed", "Nothing was found"),
        ("?q=-tide", "Say what to search for"), ("?q=tide+since:soon", "This is no date"),
    ):  # fmt: skip
        status, _, html, _ = get("/search/" + asked)
        assert status == 200
        assert words_ in html.css_first("main").text()


def test_a_hostile_question_is_only_shown(get: Any) -> None:
    """Whatever stands in the address, the page answers with what was asked as text."""
    for asked in (
        '"><script>alert(1)</script>',
        "\0\ud800\u202e'",
        "%",
        "a" * 9000,
        "{{ 7 * 7 }}",
        "author:'OR 1=1",
    ):
        quoted = quote(asked, errors="surrogatepass")
        for more in ("", "&before=1", "&before=-1", "&before=" + "9" * 400, "&before=x", "&before=%D9%A3"):
            status, _, html, body = get(f"/search/?q={quoted}{more}")
            assert status == 200
            assert "<script" not in body
            assert html.css_first("#q") is not None
    assert get("/search/?q=%FF%00&q=x&before=1&before=2")[0] == 200


def test_the_page_answers_conditional_requests(get: Any) -> None:
    """The same results again are not sent again; without its last "/" the address leads on."""
    _, told, _, _ = get("/search/?q=tide")
    assert get("/search/?q=tide", If_None_Match=told["etag"])[0] == 304
    status, told, _, _ = get("/search?q=a%20b")
    assert (status, told["location"]) == (308, "search/?q=a%20b")


def test_the_command_lists_what_was_found(store_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The command finds what is private too, shows passages and, with --json, where in them the words stand."""
    with clew.store.open(store_url) as store:
        save(store, thread(post("a", "The tide\x1b[31m rose\nat noon")))
        save(store, thread(post("b", "Tide and ebb")), visibility="private")

    def run(*words_: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["--store", store_url, "search", *words_])
        return int(ended.value.code or 0), *capsys.readouterr()

    code, out, _ = run("tide")
    assert code == 0
    assert [line.strip() for line in out.splitlines()][1::2] == ["Tide and ebb", "The tide\ufffd[31m rose at noon"]
    (told,) = json.loads(run("TIDE", "-ebb", "--json", "--author", "@ada.example")[1])
    assert told["hits"][0]["snippet"]["marks"] == [[4, 8]]
    assert run("tide", "--limit", "1")[2] == "These are the 1 that were kept last; --limit shows more.\n"
    assert run("zzz")[::2] == (0, "Nothing was found.\n")
    assert run("tide", "--since", "soon")[0] == run("-tide")[0] == run()[0] == 2


def test_unicode_is_of_one_mind() -> None:
    """Composed or taken apart, a text gives the same tokens."""
    for whole in (*CORPUS.values(), "Ǆ ǆ ΐ ỗ ặ ﬃ 각"):
        both = [words(unicodedata.normalize(form, whole)) for form in ("NFC", "NFD")]
        assert both[0] == both[1]
