"""The fediverse source on recorded answers of real Mastodon servers, against a walk of the same JSON by hand."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

import fediverse_servers as tapes
from clew.errors import ParseError
from clew.model import Actor, Capture, Post, Tombstone
from clew.sources.fediverse import SOURCE

SHARED = Path(__file__).parents[1] / ".." / "shared" / "data" / "mastodon"
Found = Actor | Post | Tombstone


def capture(body: bytes, url: str = "") -> Capture:
    return Capture(sha256(body).hexdigest(), body, "application/json", datetime(2026, 7, 1, tzinfo=UTC), url)


def parse(*captures: Capture) -> list[Found]:
    return list(SOURCE.parse(captures))


def posts(found: list[Found]) -> dict[str, Post]:
    return {one.id: one for one in found if isinstance(one, Post)}


def tombs(found: list[Found]) -> dict[str, Tombstone]:
    return {one.id: one for one in found if isinstance(one, Tombstone)}


def recorded() -> list[Capture]:
    """Unwrap every JSON answer in the cassettes, and the plain JSON files."""
    if not SHARED.is_dir():
        pytest.skip("the recorded Mastodon answers are not here")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    captures = [capture(path.read_bytes()) for path in sorted(SHARED.rglob("*.json"))]
    for path in sorted([*SHARED.rglob("*.yaml"), *SHARED.rglob("*.yml")]):
        tape = yaml.load(path.read_bytes(), loader)
        for one in tape.get("interactions") or tape["http_interactions"]:
            body = one["response"]["body"]["string"]
            captures.append(capture(body if isinstance(body, bytes) else body.encode(), one["request"]["uri"]))
    return captures


def read_by_hand(body: bytes) -> Any:
    """Decode an answer with the standard library; None for the one file that is broken on purpose."""
    try:
        return json.loads(body)
    except ValueError:
        lines = [line for line in body.split(b"\n") if line.strip()]
        try:
            return [json.loads(line) for line in lines]
        except ValueError:
            return None


def expected_of(value: Any) -> dict[str, set[str]]:
    """Walk the JSON without our structs: the uris of open, private and deleted statuses."""
    found: dict[str, set[str]] = {"open": set(), "private": set(), "deleted": set()}
    stack = [value]
    while stack:
        node = stack.pop()
        if isinstance(node, list):
            stack.extend(node)
        elif isinstance(node, dict) and {"account", "visibility"} <= node.keys():
            if node.get("reblog"):
                stack.append(node["reblog"])
            elif "content" not in node:
                found["deleted"].add(node["uri"])
            else:
                is_open = node["visibility"] in ("public", "unlisted")
                found["open" if is_open else "private"].add(node["uri"])
                stack.append((node.get("quote") or {}).get("quoted_status"))
        elif isinstance(node, dict):
            stack.extend(node.get(key) for key in ("ancestors", "descendants"))
    return found


def test_every_recorded_answer_gives_each_status_once_and_in_one_place() -> None:
    captures = recorded()
    answers = [one for one in captures if SOURCE.sniff(one)]
    assert (len(captures), len(answers)) == (109, 99)
    total = {"open": 0, "private": 0, "deleted": 0}
    broken = 0
    for one in answers:
        value = read_by_hand(one.body)
        if value is None:
            broken += 1
            with pytest.raises(ParseError, match="line 50"):
                parse(one)
            continue
        expected = expected_of(value)
        found = parse(one)
        assert set(posts(found)) == expected["open"]
        missing = tombs(found)
        assert {id_ for id_, tomb in missing.items() if tomb.reason == "private"} == expected["private"]
        assert {id_ for id_, tomb in missing.items() if tomb.reason == "deleted"} == expected["deleted"]
        total = {key: total[key] + len(ids) for key, ids in expected.items()}
    assert broken == 1
    assert all(total.values())


def test_recorded_answers_read_together_tie_replies_and_edits() -> None:
    found = parse(*(one for one in recorded() if SOURCE.sniff(one) and read_by_hand(one.body) is not None))
    edited = [post for post in posts(found).values() if post.versions]
    assert [[version.content for version in post.versions] for post in edited] == [
        ["the best editor? why, of course it is VS Code"]
    ]
    facets = [facet for post in posts(found).values() for facet in post.facets]
    assert {facet.type for facet in facets} >= {"mention", "tag", "link", "emoji", "quote"}
    for post in posts(found).values():
        for facet in post.facets:
            if facet.type in ("mention", "tag"):
                assert post.content[facet.start] in "@#"
    quoting = [post for post in posts(found).values() if post.quote]
    assert quoting
    assert all(post.quote and post.quote.state == "accepted" for post in quoting)


def test_every_answer_of_mastodon_4_7_gives_each_status_once_and_in_one_place() -> None:
    """The answers recorded by Mastodon.py 2.3.3: posts, contexts, lists and timelines, against a walk by hand."""
    total = {"open": 0, "private": 0, "deleted": 0}
    for one in tapes.recorded(r"/api/v1/(statuses/\d+(/context)?|accounts/\d+/statuses|timelines/\S*)(\?|$)"):
        if one.status != 200:
            continue
        expected = expected_of(json.loads(one.body))
        found = parse(msgspec.structs.replace(one, status=0, headers={}))
        assert set(posts(found)) == expected["open"]
        assert {id_ for id_, tomb in tombs(found).items() if tomb.reason == "private"} <= expected["private"]
        total = {key: total[key] + len(ids) for key, ids in expected.items()}
    assert total["open"] > 100


def test_a_recorded_context_of_private_posts_gives_tombstones_in_their_places() -> None:
    """Read as the answer of a visit, what was shown to its owner only is told without its text."""
    answers = tapes.recorded(r"/api/v1/statuses/\d+/context$")
    (context,) = [one for one in answers if json.loads(one.body)["descendants"]]
    above, below = tombs(parse(context)).values()
    assert (above.reason, below.reason) == ("private", "private")
    assert below.in_reply_to.endswith(context.url.removesuffix("/context").rpartition("/")[2])


def test_edits_of_mastodon_4_7_are_versions() -> None:
    """Each recorded history belongs to a post by its address, and is oldest first."""
    histories = [c for c in tapes.recorded(r"/api/v1/statuses/\d+/history$") if c.status == 200]
    assert histories
    for one in histories:
        edits = json.loads(one.body)
        assert [edit["created_at"] for edit in edits] == sorted(edit["created_at"] for edit in edits)
        (tomb,) = tombs(parse(one)).values()
        assert tomb.id.endswith(one.url.removesuffix("/history").rpartition("/")[2])


def test_conversations_with_their_direct_messages_are_not_ours() -> None:
    talks = [one for one in recorded() if "/conversations/" in one.url]
    assert talks
    assert not any(map(SOURCE.sniff, talks))
