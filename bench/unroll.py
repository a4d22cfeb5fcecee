"""Time and memory to parse and unroll, relative to ``json.loads`` of the same bytes in the same run.

    python bench/unroll.py

Ratios are medians of interleaved rounds; below 1 is faster than the standard library's parse alone.
"""

from __future__ import annotations

import gc
import json
import random
import statistics
import time
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from clew.document import stitch
from clew.model import Capture, Post
from clew.sources.bluesky import SOURCE
from clew.thread import assemble

WORDS = "the tide gauge on north pier rose while nobody looked and log says so three metres at noon".split()
START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
ROUNDS = 31


def post(n: int, parent: str, root: str, seed: random.Random) -> dict[str, Any]:
    """One post view as the AppView gives it: about 1.3 KB."""
    time_ = (START + timedelta(minutes=n)).isoformat().replace("+00:00", "Z")
    did = "did:plc:abcdefghijklmnopqrstuvwx"
    text = " ".join(seed.choice(WORDS) for _ in range(45)) + f" {n}/"
    record: dict[str, Any] = {"$type": "app.bsky.feed.post", "createdAt": time_, "langs": ["en"], "text": text}
    if parent:
        record["reply"] = {"parent": {"cid": "bafy", "uri": parent}, "root": {"cid": "bafy", "uri": root}}
    return {
        "uri": f"at://{did}/app.bsky.feed.post/3k{n:011d}".replace("0", "a").replace("1", "b").replace("8", "c"),
        "cid": "bafyreigkqz6jzq4x2m5g5l5xqqsv4bqt7v3r4ybyq6u3m2n2lx7m6u6s7a",
        "author": {
            "did": did,
            "handle": "ada.example.com",
            "displayName": "Ada of the Quay",
            "avatar": f"https://cdn.example.com/img/avatar/plain/{did}/bafkreig@jpeg",
            "associated": {"chat": {"allowIncoming": "following"}},
            "viewer": {"muted": False, "blockedBy": False},
            "labels": [],
            "createdAt": "2024-01-01T00:00:00.000Z",
        },
        "record": record,
        "replyCount": 1,
        "repostCount": 3,
        "likeCount": 41,
        "quoteCount": 0,
        "indexedAt": time_,
        "viewer": {"threadMuted": False, "embeddingDisabled": False},
        "labels": [],
    }


def views(count: int) -> list[dict[str, Any]]:
    seed, made = random.Random(7), []
    for n in range(1, count + 1):
        parent = made[-1]["uri"] if made else ""
        made.append(post(n, parent, made[0]["uri"] if made else "", seed))
    return made


def nested(count: int) -> bytes:
    """A ``getPostThread`` answer: each post inside its parent's replies."""
    node: dict[str, Any] | None = None
    for view in reversed(views(count)):
        node = {"$type": "app.bsky.feed.defs#threadViewPost", "post": view, "replies": [node] if node else []}
    return json.dumps({"thread": node}, separators=(",", ":")).encode()


def flat(count: int) -> bytes:
    """A ``getPosts`` answer."""
    return json.dumps({"posts": views(count)}, separators=(",", ":")).encode()


def capture(body: bytes) -> Capture:
    return Capture(sha256(body).hexdigest(), body, "application/json", START)


def unroll(given: Capture) -> int:
    items = list(SOURCE.parse([given]))
    first = next(item.id for item in items if isinstance(item, Post))
    return len(assemble(items, first).items)


def parse(given: Capture) -> int:
    return sum(1 for _ in SOURCE.parse([given]))


def timed(work: Callable[[], object]) -> float:
    gc.collect()
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def peak(work: Callable[[], object]) -> int:
    tracemalloc.start()
    work()
    size = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return size


def compare(body: bytes, rounds: int) -> tuple[float, float, float, float]:
    """Return medians: milliseconds of json.loads, and relative to it our parse, all of ours, our memory."""
    given = capture(body)
    theirs, parsed, ours = [], [], []
    for _ in range(rounds):
        theirs.append(timed(lambda: json.loads(body)))
        parsed.append(timed(lambda: parse(given)))
        ours.append(timed(lambda: unroll(given)))
    first = statistics.median(b / a for a, b in zip(theirs, parsed, strict=True))
    whole = statistics.median(b / a for a, b in zip(theirs, ours, strict=True))
    memory = peak(lambda: unroll(given)) / peak(lambda: json.loads(body))
    return statistics.median(theirs) * 1e3, first, whole, memory


def main() -> None:
    print("| input | KB | json.loads, ms | parse, ratio | parse and unroll, ratio | peak memory, ratio |")
    print("|---|---|---|---|---|---|")
    for label, body, rounds in (
        ("getPostThread, 100 posts nested", nested(100), ROUNDS),
        ("flat records, 1,000 posts", flat(1000), 11),
        ("flat records, 10,000 posts", flat(10_000), 5),
    ):
        base, parsed, whole, memory = compare(body, rounds)
        print(f"| {label} | {len(body) // 1024} | {base:.2f} | {parsed:.2f} | {whole:.2f} | {memory:.2f} |")
    print("\n| thread | stitch ms | per post µs |")
    print("|---|---|---|")
    for count in (100, 1000, 10_000):
        items = list(SOURCE.parse([capture(flat(count))]))
        thread = assemble(items, next(item.id for item in items if isinstance(item, Post)))
        stitch(thread)
        seconds = statistics.median(timed(lambda: stitch(thread)) for _ in range(5))  # noqa: B023  called at once
        print(f"| {count:,} posts | {seconds * 1e3:.1f} | {seconds / count * 1e6:.0f} |")


if __name__ == "__main__":
    main()
