"""The whole trip on data that strangers published (../shared): every post lands in one place, every gap is said.

Loaders here unwrap what collectors wrapped around the platforms' answers; they are no sources.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest

from clew.document import stitch
from clew.errors import ParseError
from clew.forest import Forest
from clew.model import Actor, Capture, Item, Post, Thread, Tombstone
from clew.plugins import Source, sources
from clew.thread import assemble, places, threads

SHARED = Path(__file__).parents[1] / ".." / "shared"
DATA = SHARED / "data"
SOURCES: dict[str, Source] = {source.name: source for source in sources()}

pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason="needs ../shared/data, which is not part of the repository"
)


def capture(body: bytes) -> Capture:
    return Capture(sha256(body).hexdigest(), body, "application/json", datetime(2026, 1, 1, tzinfo=UTC))


def of(value: Any) -> Capture:
    return capture(json.dumps(value).encode())


def add_up(parsed: list[Actor | Item]) -> dict[str, int]:
    """Assert that each post id has exactly one place, and return how many have which."""
    forest = Forest(parsed)
    listed = list(threads(forest))
    placed = places(forest, listed)
    ids = {item.id for item in parsed if not isinstance(item, Actor)}
    assert ids <= set(placed)
    shown = [i for t in listed for i in (*t.items, *(i for r in (*t.branches, *t.asides) for i in r.items))]
    posts = [item.id for item in shown if isinstance(item, Post)]
    assert len(posts) == len(set(posts))
    assert {id_ for id_, place in placed.items() if place in ("main", "branch", "aside")} == set(posts)
    counts: dict[str, int] = {}
    for place in placed.values():
        counts[place] = counts.get(place, 0) + 1
    assert sum(counts.values()) == len(placed) == len(forest.items)
    for thread in listed:
        exact(thread)
    return counts


def exact(thread: Thread) -> None:
    """Assert that the source map covers each post once and shows nothing that is not there."""
    document = stitch(thread)
    runs = (thread.items, *(run.items for run in (*thread.branches, *thread.asides)))
    for post in (item for run in runs for item in run if isinstance(item, Post)):
        at = 0
        for span in (span for span in document.spans if span.source == post.id):
            assert span.source_start == at
            at = span.source_end
            said = post.content[span.source_start : span.source_end]
            assert document.text[span.start : span.end] == (said if span.type == "text" else "")
            assert span.type != "space" or not said.strip()
        assert at == len(post.content)


# -- every answer -------------------------------------------------------------------------------------------------


def plain_json() -> Iterator[Path]:
    yield from sorted((DATA / "bluesky" / "atrrr").glob("*.json"))
    yield from sorted((DATA / "mastodon" / "rtoot").rglob("*.json"))
    yield from sorted((DATA / "x_api_v2").rglob("*.json"))
    yield from sorted((DATA / "telegram").rglob("result.json"))
    yield from sorted((DATA / "telegram").rglob("messages.html"))
    yield from sorted((DATA / "telegram" / "kpszsu").glob("*.html"))


@pytest.mark.parametrize("path", list(plain_json()), ids=lambda path: path.name)
def test_each_answer_adds_up(path: Path) -> None:
    """Each distinct post id of an answer has exactly one place, and each character its source."""
    given = capture(path.read_bytes())
    found = [source for source in SOURCES.values() if source.sniff(given)]
    if not found:
        assert path.name in ("malformed.json",), "only a file that is no JSON has no source"
        return
    assert len(found) == 1
    try:
        parsed = list(found[0].parse([given]))
    except ParseError:
        assert path.name == "malformed.json"
        return
    counts = add_up(parsed)
    no_posts = ("users_1219780709600124929.json", "app.bsky.feed.getActorFeeds_925c2.json")  # accounts, feeds
    assert sum(counts.values()) or path.name in no_posts


def telegram_rows() -> Iterator[Path]:
    yield from sorted((DATA / "telegram").glob("1001*_messages.json"))


@pytest.mark.parametrize("path", list(telegram_rows()), ids=lambda path: path.name)
def test_each_telegram_row_adds_up(path: Path) -> None:
    """The rows of a collector, put back into the shape of an export, each come out once."""
    rows = json.loads(path.read_text())
    messages = [
        {
            "id": row["message_id"],
            "type": "message",
            "date": row["date"][:19],
            "date_unixtime": str(int(datetime.fromisoformat(row["date"]).timestamp())),
            "from": row["channel"],
            "from_id": f"channel{abs(row['sender_id'])}",
            "text": row["text"],
        }
        for row in rows
    ]
    chat = {
        "name": rows[0]["channel"],
        "type": "public_channel",
        "id": abs(rows[0]["sender_id"]),
        "messages": messages,
    }
    counts = add_up(list(SOURCES["telegram"].parse([of(chat)])))
    assert counts["main"] + counts.get("branch", 0) == len({row["message_id"] for row in rows})


# -- two threads of X ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("root", "size"), [("1525299116636622850", 13), ("1532773363051028481", 43)])
def test_a_known_thread_unrolls_whole(root: str, size: int) -> None:
    """A thread collected post by post comes out whole and in order, from its first, middle and last post."""
    state = json.loads((DATA / "ukraine_dao" / "state_e01501f.json").read_text())
    tweets = state["Threads"][root]["Tweets"]
    assert len(tweets) == size
    pages = [{"data": tweet, "includes": tweet.get("includes", {})} for tweet in tweets]
    parsed = list(SOURCES["x"].parse([of(page) for page in pages]))
    ids = [f"https://x.com/i/status/{tweet['id']}" for tweet in tweets]
    for asked in (ids[0], ids[size // 2], ids[-1]):
        thread = assemble(parsed, asked)
        assert [item.id for item in thread.items] == ids
        assert thread.certificate.found == size
    add_up(parsed)


# -- 25 conversations whose shape is known ------------------------------------------------------------------------


def conversations() -> list[Path]:
    return sorted((DATA / "rumoureval_dev").rglob("structure.json"))


def edges(tree: dict[str, Any]) -> Iterator[tuple[str, str]]:
    stack = [tree]
    while stack:
        for parent, below in stack.pop().items():
            if isinstance(below, dict):
                yield from ((parent, child) for child in below)
                stack.append(below)


def test_every_known_edge_is_reproduced() -> None:
    """In 25 conversations each answer hangs where the collector saw it; who has no file is a gap, not invented."""
    assert len(conversations()) == 25
    files = 0
    nameless = 0
    for structure in conversations():
        tree = json.loads(structure.read_text())
        paths = [*structure.parent.glob("source-tweet/*.json"), *structure.parent.glob("replies/*.json")]
        files += len(paths)
        have = {path.stem for path in paths}
        known = set(edges(tree))
        named = {id_ for edge in known for id_ in edge} | set(tree)
        captures = [capture(path.read_bytes()) for path in paths]
        parsed = list(SOURCES["x"].parse(captures))
        above = {child: parent for parent, child in known}
        lost = [
            Tombstone(
                status(id_), "unavailable", status(above[id_]) if id_ in above else "", evidence="it has no file"
            )
            for id_ in sorted(named - have)
        ]
        nameless += len(lost)
        forest = Forest([*parsed, *lost])
        for parent, child in known:
            if parent in have and child in have:
                assert forest.parents[status(child)] == status(parent)
        add_up([*parsed, *lost])
        gaps = {gap.id for thread in threads(forest) for gap in thread.certificate.gaps}
        context = {item.id for thread in threads(forest) for item in thread.context}
        for item in lost:
            assert isinstance(forest.items[item.id], Tombstone)
            assert item.id in gaps | context
    assert files == 281
    assert nameless == 20


def status(number: str) -> str:
    return f"https://x.com/i/status/{number}"


# -- the two samples ----------------------------------------------------------------------------------------------


def test_the_sample_thread() -> None:
    """48 posts, counters 1 to 45 and then "end/", and the certificate says just that."""
    given = capture((SHARED / "samples" / "unrolled-thread-2022-02-21.txt").read_bytes())
    parsed = list(SOURCES["paste"].parse([given]))
    thread = assemble(parsed, next(item.id for item in parsed if isinstance(item, Post)))
    assert thread.certificate.found == 48
    assert not thread.certificate.gaps
    assert thread.certificate.complete == "unknown"
    assert "from 1 to 45, then “end/”, with no gap" in thread.certificate.sentence
    assert "1/3 of the administrative regions" in stitch(thread).text
    exact(thread)


def test_the_sample_commentary() -> None:
    """One post; the quoted speech and both official statements are blocks of their own, unaltered."""
    given = capture((SHARED / "samples" / "war-commentary-2022-09-11.txt").read_bytes())
    told = msgspec.structs.replace(given, headers={"author": "A Commentator", "published": "2022-09-11"})
    parsed = list(SOURCES["paste"].parse([told]))
    (post,) = (item for item in parsed if isinstance(item, Post))
    assert post.published == datetime(2022, 9, 11, tzinfo=UTC)
    document = stitch(assemble(parsed, post.id))
    blocks = [document.text[block.start : block.end] for block in document.blocks]
    paragraphs = [part.strip() for part in post.content.split("\n\n") if part.strip()]
    assert [block for block in blocks if not block.startswith("•")] == [p for p in paragraphs if "•" not in p]
    assert sum(block.startswith("In recent days, we have been receiving information") for block in blocks) == 1
    assert sum(block.startswith("Russian troops that operate near Balakleya") for block in blocks) == 1
