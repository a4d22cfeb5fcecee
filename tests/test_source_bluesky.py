"""Bluesky: the captures of others, and what is special about each format."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import libipld
import msgspec
import pytest
import yaml

from clew.decode import REDACTED
from clew.errors import ClewError, InputError, ParseError
from clew.model import Actor, Capture, Limit, Post, Tombstone
from clew.sources.bluesky import SOURCE, address
from clew.sources.bluesky.chain import Chain, Page

HERE = Path(__file__).parent
CASES = HERE / "cases" / "bluesky"
SHARED = HERE / ".." / ".." / "shared" / "data" / "bluesky"
SNAPSHOTS = SHARED / "atproto" / "packages" / "bsky" / "tests" / "views" / "__snapshots__"
STREAM = SHARED / "jetstream" / "internal" / "corpus" / "testdata"
SYNTAX = SHARED / "atproto" / "interop-test-files" / "syntax"
shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the collected Bluesky answers in ../shared are not here")

ADA, TARAS, BO = "did:plc:ada", "did:plc:taras", "did:plc:bo"
DAY = "2026-03-01T10:00:00.000Z"


def capture(body: bytes | Any, **fields: Any) -> Capture:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Capture(
        sha256=hashlib.sha256(data).hexdigest(),
        body=data,
        media_type="application/octet-stream",
        retrieved=datetime(2026, 3, 2, tzinfo=UTC),
        **fields,
    )


def parse(*bodies: bytes | Any) -> list[Actor | Post | Tombstone]:
    captures = [capture(body) for body in bodies]
    found = list(SOURCE.parse(captures))
    assert found == list(SOURCE.parse(captures)), "parsing twice gives equal results"
    return found


def of(kind: type[Any], found: list[Any]) -> dict[str, Any]:
    return {item.id: item for item in found if isinstance(item, kind)}


def uri(did: str, key: str) -> str:
    return f"at://{did}/app.bsky.feed.post/{key}"


def record(text: str, parent: str = "", root: str = "", **fields: Any) -> dict[str, Any]:
    reply = {"reply": {"parent": {"uri": parent}, "root": {"uri": root or parent}}} if parent else {}
    return {"$type": "app.bsky.feed.post", "text": text, "createdAt": DAY, **reply, **fields}


def view(did: str, key: str, text: str, parent: str = "", root: str = "", **fields: Any) -> dict[str, Any]:
    author = {"did": did, "handle": f"{did.rpartition(':')[2]}.example", "displayName": did[8:].title()}
    made = {"uri": uri(did, key), "author": author, "record": record(text, parent, root), "replyCount": 0}
    return {**made, "indexedAt": DAY, **fields}


def only(item: dict[str, Any]) -> Post:
    post: Post
    (post,) = of(Post, parse({"posts": [item]})).values()
    return post


def with_record(**fields: Any) -> Post:
    return only({**view(ADA, "3k2a", ""), "record": {**record(""), **fields}})


# --- the answers of others -----------------------------------------------------------------------------------


def objects(value: Any) -> Iterator[dict[str, Any]]:
    stack = [value]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            yield node
            stack.extend(node.values())
        elif isinstance(node, list):
            stack.extend(node)


def shown(value: Any) -> dict[str, str]:
    """Walk plain JSON: uri and text of every post that stands there in full, in whatever view."""
    texts = {}
    for node in objects(value):
        body = node.get("record") if "record" in node and "author" in node else node.get("value")
        if isinstance(body, dict) and isinstance(node.get("uri"), str) and isinstance(body.get("text"), str):
            texts[node["uri"]] = body["text"]
    return texts


def absent(value: Any) -> dict[str, str]:
    ends = {"notFoundPost": "unavailable", "blockedPost": "blocked"}
    found = ((node.get("uri", ""), node.get("$type", "").rpartition("#")[2]) for node in objects(value))
    return {uri: ends[kind] for uri, kind in found if kind in ends}


def snapshots() -> Iterator[tuple[str, Any]]:
    """Unwrap each named snapshot: JSON with trailing commas between backticks."""
    for path in sorted(SNAPSHOTS.glob("*.snap")):
        for name, body in re.findall(r"exports\[`(.+?)`\] = `\n?(.*?)\n?`;", path.read_text(), re.DOTALL):
            text = re.sub(r",(\s*[}\]])", r"\1", body.replace("\\\\", "\\"))
            yield f"{path.name.partition('.')[0]}: {name}", None if text == "undefined" else json.loads(text)


def wrapped(value: Any) -> Any:
    """Put a bare node, list or view of a snapshot back into the answer it came from; None for what has no post."""
    if isinstance(value, list):
        return {"feed" if "post" in value[0] else "posts": value}
    if "thread" in value or "posts" in value:
        return value
    if "author" in value and "record" in value:
        return {"posts": [value]}
    return {"thread": value} if "$type" in value else None


def cassettes() -> Iterator[tuple[str, Any]]:
    for path in sorted((SHARED / "bskyr" / "tests" / "testthat" / "_vcr").glob("*.yml")):
        for number, pair in enumerate(yaml.safe_load(path.read_text())["http_interactions"]):
            yield f"{path.stem} {number}", json.loads(pair["response"]["body"]["string"])


def answers() -> list[tuple[str, Any]]:
    files = [*SHARED.glob("atrrr/*.json"), *SHARED.glob("marshalx/**/*.json")]
    plain = [(path.stem, json.loads(path.read_text())) for path in sorted(files)]
    views = [(name, wrapped(value)) for name, value in snapshots() if value]
    known = {"thread", "posts", "feed", "records", "uri"}  # the rest: a resolved handle, an uploaded file, a gate
    return [(name, value) for name, value in [*plain, *cassettes(), *views] if value and known & set(value)]


@shared
@pytest.mark.parametrize(("name", "value"), answers() if SHARED.is_dir() else [])
def test_every_collected_answer_gives_each_post_once_with_its_text(name: str, value: Any) -> None:
    assert SOURCE.sniff(capture(value)), name
    found = parse(value)
    assert {post.id: post.content for post in of(Post, found).values() if post.id} == bridged(value, shown(value))
    missing = {gone.id: gone.reason for gone in of(Tombstone, found).values()}
    assert missing == absent(value)
    assert not set(missing) & set(shown(value))


def bridged(value: Any, texts: dict[str, str]) -> dict[str, str]:
    """Take the texts that a bridge shortened from what Clew made of them: here only the ids are compared."""
    short = {
        node["uri"]
        for node in objects(value)
        for key in ("record", "value")
        if isinstance(node.get(key), dict) and node[key].get("bridgyOriginalText")
    }
    made = of(Post, parse(value))
    return {uri: made[uri].content if uri in short else text for uri, text in texts.items()}


@shared
def test_the_collection_is_all_there() -> None:
    counts = Counter(name.partition(" ")[0].partition(".")[0].partition(":")[0] for name, _ in answers())
    assert counts["app"] == 12
    assert sum(counts[name] for name in ("author-feed", "blocks", "posts", "quotes", "thread-v2", "thread")) == 43
    assert sum(len(shown(value)) for _, value in answers()) > 700


@shared
def test_a_deleted_parent_in_a_snapshot_is_the_tombstone_that_its_child_names() -> None:
    value = dict(snapshots())["thread: appview thread views > handles deleted posts correctly 3"]
    found = parse({"thread": value})
    (gone,) = of(Tombstone, found).values()
    assert (gone.id, gone.reason, gone.evidence) == ("record(5)", "unavailable", "Bluesky answered notFoundPost")
    assert of(Post, found)[value["post"]["uri"]].in_reply_to == "record(5)"


@shared
def test_a_blocked_reply_in_a_snapshot_hangs_under_the_post_it_answers() -> None:
    value = dict(snapshots())["blocks: pds views with blocking > blocks thread reply 1"]
    (gone,) = of(Tombstone, parse(value)).values()
    assert (gone.reason, gone.attributed_to) == ("blocked", "user(2)")
    assert gone.in_reply_to == value["thread"]["post"]["uri"]


@shared
def test_a_recorded_stream_gives_its_posts_and_its_deletion() -> None:
    body = (STREAM / "expected_v1.jsonl").read_bytes()
    assert SOURCE.sniff(capture(body))
    events = [json.loads(line) for line in body.splitlines()]
    posts = [e for e in events if e.get("commit", {}).get("collection") == "app.bsky.feed.post"]
    wanted = {e["commit"]["rkey"]: e["commit"].get("record", {}).get("text") for e in posts}
    found = parse(body)
    assert {address.parts(post.id)[2]: post.content for post in of(Post, found).values()} == {
        key: text for key, text in wanted.items() if text is not None
    }
    (gone,) = of(Tombstone, found).values()
    (deleted,) = (e for e in posts if e["commit"]["operation"] == "delete")
    assert (gone.reason, gone.id) == ("deleted", uri(deleted["did"], deleted["commit"]["rkey"]))
    assert (len(wanted), gone.deleted) == (18, address.from_micros(deleted["time_us"]))


@shared
def test_a_real_repository_gives_the_posts_that_another_program_lists() -> None:
    rows = [line.split("\t")[0] for line in (STREAM / "car_expected_records.tsv").read_text().splitlines()]
    wanted = [row for row in rows if row.startswith("app.bsky.feed.post/")]
    body = (STREAM / "repo.car").read_bytes()
    assert SOURCE.sniff(capture(body))
    found = parse(body)
    told = (STREAM / "car_expected_commit.txt").read_text()
    did = re.findall(r"^DID: (\S+)", told, re.MULTILINE)[0]
    assert [post.id for post in found if isinstance(post, Post)] == [f"at://{did}/{row}" for row in wanted]
    (owner,) = of(Actor, found).values()
    assert (owner.id, owner.outbox) == (did, "repository")
    assert owner.name.strip()
    (video,) = (file for post in of(Post, found).values() for file in post.attachments)
    assert (video.type, video.media_type, video.alt) == ("video", "video/mp4", "test")
    assert video.url.startswith(f"at://{did}/blob/bafkrei")


@shared
def test_at_uris_and_record_keys_follow_the_shared_syntax_files() -> None:
    def cases(name: str) -> list[str]:
        lines = (SYNTAX / name).read_text().splitlines()
        return [line for line in lines if line.strip() and not line.startswith("#")]

    assert all(address.tid_time(key) for key in cases("tid_syntax_valid.txt"))
    assert not any(address.tid_time(key) for key in cases("tid_syntax_invalid.txt"))
    for text in cases("aturi_syntax_valid.txt"):
        assert "/".join(part for part in address.parts(text) if part) == text.removeprefix("at://")
    for text in cases("aturi_syntax_invalid.txt"):
        address.parts(text)  # whatever it is, it is taken apart without an error


# --- our own captures ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", sorted(path.name for path in CASES.iterdir()))
def test_a_case_gives_what_is_expected_of_it(case: str) -> None:
    (path,) = CASES.glob(f"{case}/capture.*")
    assert SOURCE.sniff(capture(path.read_bytes()))
    made = json.loads(msgspec.json.encode(parse(path.read_bytes())))
    for item in made:
        item.pop("capture", None)
    assert made == json.loads((CASES / case / "expected.json").read_text())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe\x00",
        b"<html>",
        b"[]",
        b'{"id": "1", "url": "https://social.example/@ada/1"}',
        b"at://did:plc:ada",
    ],
)
def test_what_is_not_from_bluesky_is_not_claimed(body: bytes) -> None:
    assert not SOURCE.sniff(capture(body))


def test_facets_are_counted_in_bytes_and_broken_ones_are_dropped() -> None:
    text = "Ö🧵 see x.example"
    link = {"$type": "app.bsky.richtext.facet#link", "uri": "https://x.example"}

    def facet(start: int, end: int) -> dict[str, Any]:
        return {"index": {"byteStart": start, "byteEnd": end}, "features": [link]}

    post = with_record(text=text, facets=[facet(11, 20), facet(20, 11), facet(5, 5), facet(-4, 3), facet(99, 120)])
    assert [(f.start, f.end, text[f.start : f.end]) for f in post.facets] == [(7, 16, "x.example")]
    assert [(f.start, f.end) for f in with_record(text=text, facets=[facet(3, 10**9)]).facets] == [(1, 16)]


@pytest.mark.parametrize(
    ("created", "key", "published"),
    [
        ("2026-03-01T12:00:00+02:00", "3mh2aaaaaaa2a", "2026-03-01T10:00:00+00:00"),
        ("1987-01-01T00:00:00Z", "3mh2aaaaaaa2a", "1987-01-01T00:00:00+00:00"),
        ("2026-03-01T10:00:00", "3mh2aaaaaaa2a", "2026-03-14T20:08:25.874630+00:00"),  # no zone: the key knows
        ("yesterday", "3mh2aaaaaaa2a", "2026-03-14T20:08:25.874630+00:00"),
        ("0001-01-01T00:00:00+14:00", "3mh2aaaaaaa2a", "2026-03-14T20:08:25.874630+00:00"),
        ("", "my-own-key", "2026-03-01T10:00:00+00:00"),  # when Bluesky first saw it
    ],
)
def test_the_date_is_the_author_s_else_the_key_s_else_bluesky_s(created: str, key: str, published: str) -> None:
    item = view(ADA, key, "")
    post = only({**item, "record": {**item["record"], "createdAt": created}})
    assert post.published is not None
    assert post.published.isoformat() == published


@pytest.mark.parametrize(
    ("case", "key"),
    [("thread_v1", "3mh2aaaaaaa2a"), ("thread_v2", "3mi2aabbbbb2a"), ("author_feed", ""), ("jetstream", "")],
)
def test_the_post_asked_for_is_known_where_the_answer_tells(case: str, key: str) -> None:
    (path,) = CASES.glob(f"{case}/capture.*")
    assert address.parts(SOURCE.anchor(capture(path.read_bytes())))[2] == key


def test_the_post_asked_for_is_the_record_of_get_record_and_nothing_in_an_empty_list() -> None:
    assert SOURCE.anchor(capture({"uri": uri(ADA, "3k2a"), "value": record("x")})) == uri(ADA, "3k2a")
    assert SOURCE.anchor(capture(b"[]")) == ""


def test_labels_of_the_author_and_of_labelers_stand_until_taken_back() -> None:
    own = {"values": [{"val": "porn"}, {"val": "mine"}]}
    given = [{"src": ADA, "val": "porn", "neg": True}, {"src": BO, "val": "rude"}]
    item = view(ADA, "3k2a", "", labels=given)
    post = only({**item, "record": {**item["record"], "labels": own}})
    assert (post.labels, post.sensitive) == (("mine", "rude"), False)


def test_a_stream_replayed_and_out_of_order_gives_the_same() -> None:
    (path,) = CASES.glob("jetstream/capture.*")
    lines = path.read_bytes().splitlines()
    once = parse(b"\n".join(lines))
    again = parse(b"\n".join([*reversed(lines), *lines]))
    plain = [msgspec.to_builtins(item) | {"capture": ""} for item in once]
    assert [msgspec.to_builtins(item) | {"capture": ""} for item in again] == plain
    split = parse(b"\n".join(lines[4:]) + b"\n", b"\n".join(lines[:4]))
    assert [msgspec.to_builtins(item) | {"capture": ""} for item in split] == plain
    assert b"took back" not in msgspec.json.encode(once)


def test_a_post_written_again_under_a_deleted_key_is_a_post() -> None:
    def event(time: int, operation: str, text: str = "") -> dict[str, Any]:
        commit = {"operation": operation, "collection": "app.bsky.feed.post", "rkey": "3k2a"}
        return {
            "did": ADA,
            "time_us": time,
            "kind": "commit",
            "commit": commit | ({"record": record(text)} if text else {}),
        }

    (post,) = parse([event(1, "create", "old"), event(2, "delete"), event(3, "create", "new")])
    assert isinstance(post, Post)
    assert (post.content, post.versions, post.updated) == ("new", (), None)


# --- repositories --------------------------------------------------------------------------------------------

Block = tuple[bytes, bytes]


def block(value: Any) -> Block:
    data = libipld.encode_dag_cbor(value)
    return b"\x01\x71\x12\x20" + hashlib.sha256(data).digest(), data


def frame(data: bytes) -> bytes:
    size, length = b"", len(data)
    while length >= 0x80:
        size, length = size + bytes([length & 0x7F | 0x80]), length >> 7
    return size + bytes([length]) + data


def car(root: bytes, blocks: list[Block]) -> bytes:
    header = libipld.encode_dag_cbor({"version": 1, "roots": [root]})
    return frame(header) + b"".join(frame(cid + data) for cid, data in blocks)


def repository(records: dict[str, Any], did: str = ADA) -> tuple[bytes, list[Block]]:
    """Return root and blocks of a tree with a node for each record, each the right subtree of the last."""
    blocks, below = [], None
    for key, value in sorted(records.items(), reverse=True):
        leaf = block(value)
        node = block({"l": None, "e": [{"p": 0, "k": key.encode(), "v": leaf[0], "t": below}]})
        blocks += [leaf, node]
        below = node[0]
    commit = block({"did": did, "version": 3, "data": below, "rev": "3k2a", "prev": None, "sig": b"s"})
    return commit[0], [commit, *blocks]


def repo(number: int, **more: Any) -> dict[str, Any]:
    posts = {f"app.bsky.feed.post/3k{n:011d}": record(f"Post {n}") for n in range(number)}
    return {**posts, **more}


def test_a_repository_is_read_whole_however_deep_its_tree() -> None:
    root, blocks = repository(repo(3000, **{"app.bsky.actor.profile/self": {"displayName": "Ada"}}))
    found = parse(car(root, blocks))
    assert len(of(Post, found)) == 3000
    assert of(Actor, found)[ADA] == Actor(ADA, "Ada", url=f"https://bsky.app/profile/{ADA}", outbox="repository")


def test_a_repository_with_a_part_missing_does_not_claim_to_be_whole() -> None:
    root, blocks = repository(repo(4))
    without_record = parse(car(root, [b for b in blocks if b"Post 2" not in b[1]]))
    assert [gone.id for gone in of(Tombstone, without_record).values()] == [uri(ADA, "3k00000000002")]
    assert of(Actor, without_record)[ADA].outbox == ""
    without_node = parse(car(root, [b for b in blocks if b"3k00000000002" not in b[1]]))
    assert len(of(Post, without_node)) == 2
    assert of(Actor, without_node)[ADA].outbox == ""


def test_a_record_that_is_no_post_hides_no_other() -> None:
    bad = {"app.bsky.feed.post/3k2a": {"$type": "app.bsky.feed.post", "text": 7}}
    found = parse(car(*repository(repo(1, **bad))))
    assert (len(of(Post, found)), [gone.reason for gone in of(Tombstone, found).values()]) == (1, ["unavailable"])


def broken_repositories() -> dict[str, bytes]:
    root, blocks = repository(repo(2))
    whole = car(root, blocks)
    leaf = block(record("x"))
    node = {"l": None, "e": [{"p": 9, "k": b"x", "v": leaf[0], "t": None}]}
    shared_prefix = block(node)
    twice = block({"l": blocks[-1][0], "e": [{"p": 0, "k": b"x/y", "v": leaf[0], "t": blocks[-1][0]}]})

    def commit(data: bytes, did: str = ADA) -> Block:
        return block({"did": did, "data": data})

    return {
        "cut off": whole[:-5],
        "endless number": frame(libipld.encode_dag_cbor({"version": 1, "roots": [root]})) + b"\xff" * 20,
        "swapped text": whole.replace(b"Post 1", b"Lies 1"),
        "no commit": car(root, []),
        "no roots": frame(libipld.encode_dag_cbor({"roots": [], "version": 1})),
        "version 2": frame(libipld.encode_dag_cbor({"roots": [root], "version": 2})),
        "another hash": whole + frame(b"\x01\x71\x13\x40" + b"x" * 64),
        "no author": car(commit(root, "ada")[0], [commit(root, "ada")]),
        "broken key": car(commit(shared_prefix[0])[0], [commit(shared_prefix[0]), shared_prefix, leaf]),
        "a node twice": car(commit(twice[0])[0], [commit(twice[0]), twice, leaf, *blocks]),
        "not a tree": car(commit(leaf[0])[0], [commit(leaf[0]), leaf]),
        "deep": frame(b"\xa2eroots" + b"\x81" * 100_000 + b"\x80gversion\x01"),
    }


@pytest.mark.parametrize("name", broken_repositories())
def test_a_broken_repository_is_refused_with_one_sentence(name: str) -> None:
    body = broken_repositories()[name]
    assert SOURCE.sniff(capture(body))
    with pytest.raises(ParseError, match=r"^[^\n]+[.?]$"):
        parse(body)


# --- hostile JSON --------------------------------------------------------------------------------------------


def nested(depth: int) -> bytes:
    inner = json.dumps(view(ADA, "3k2a", "x")).encode()
    opening = b'{"post":' + inner + b',"replies":['
    return b'{"thread":' + opening * depth + b"]}" * depth + b"}"


def test_posts_nested_400_deep_are_read_and_600_deep_are_refused() -> None:
    assert len([item for item in parse(nested(400)) if isinstance(item, Post)]) == 400
    with pytest.raises(ParseError, match="nested too deeply"):
        parse(nested(600))


@pytest.mark.parametrize("method", ["parse", "redact"])
def test_json_nested_100_000_deep_is_a_parse_error(method: str) -> None:
    body = b'{"thread":' + b'{"replies":[' * 100_000 + b"]}" * 100_000 + b"}"
    with pytest.raises(ParseError, match="nested too deeply"):
        parse(body) if method == "parse" else SOURCE.redact(capture(body), frozenset({ADA}))


@pytest.mark.parametrize(
    "body",
    [
        b'{"posts": [{"uri": "at://did:plc:a/app.bsky.feed.post/1"}]}',  # neither a record nor a reason
        b'{"posts": [{"uri": "", "author": {"did": "did:plc:a"}, "record": {"text": "x"}}]}',
        b'{"posts": [{"uri": "x", "record": {"text": "x"}}]}',
        b'{"posts": [{"uri": "x", "author": {"did": "y"}, "record": {"text": 5}}]}',
        b'{"thread": {"$type": "app.bsky.feed.defs#notFoundPost"}}',
        b'{"thread": [{"uri": "at://x", "depth": 0}]}',
        b'{"feed": [{}]}',
        b'{"error": "NotFound", "message": "Post not found"}',
        b'{"did": "did:plc:a"}',
        b"{}",
        b"7",
        b'{"records": [',
        b'{"posts": []}\n{"posts": [',
        b'{"posts": [{"uri": "x", "author": {"did": "y"}, "record": {"text": "\\ud800"}}]}',
    ],
)
def test_a_malformed_answer_is_refused_with_one_sentence(body: bytes) -> None:
    with pytest.raises(ParseError, match=r"^[^\n]+[.?]$"):
        parse(body)


def test_a_cut_line_is_named() -> None:
    with pytest.raises(ParseError) as caught:
        parse(b'{"posts": []}\n\n{"posts": [}\n')
    assert caught.value.at == "line 3"


def test_an_error_of_bluesky_is_passed_on() -> None:
    with pytest.raises(ParseError, match=r"NotFound \(Post not found\)"):
        parse({"error": "NotFound", "message": "Post not found"})


@pytest.mark.parametrize("cut", range(0, 2400, 97))
def test_no_damage_raises_anything_but_our_errors(cut: int) -> None:
    (path,) = CASES.glob("thread_v1/capture.*")
    body = path.read_bytes()
    for damaged in (body[:cut], body[:cut] + b"null" + body[cut:], body[:cut] + b"\xff" + body[cut + 1 :]):
        try:
            list(SOURCE.parse([capture(damaged)]))
            SOURCE.redact(capture(damaged), frozenset({ADA}))
        except ClewError:
            continue


# --- redaction -----------------------------------------------------------------------------------------------

ADA2, TARAS2, BO2 = "did:plc:ada2example", "did:plc:taras2example", "did:plc:bo2example"
SAID = {
    ADA2: ["Ada Ferrar", "alice.example", "social.example", "Fähre", "ferry leaves", "Fahrplan", "1@jpeg"],
    TARAS2: ["Човник", "taras.example/", '"taras.example"', "Фото", "Перше", "Inner", "Reposted"],
    BO2: ['"Bo"', "bo.example", "Outer", "secret", "Harbour people", "All about ferries", "A question"],
}  # fmt: skip


@pytest.mark.parametrize("did", SAID)
@pytest.mark.parametrize("case", sorted(path.name for path in CASES.iterdir()))
def test_redaction_leaves_no_text_of_the_author_and_all_of_the_others(case: str, did: str) -> None:
    (path,) = CASES.glob(f"{case}/capture.*")
    before = capture(path.read_bytes())
    after = msgspec.structs.replace(before, body=SOURCE.redact(before, frozenset({did})), redacted=True)
    assert [word for word in SAID[did] if word.encode() in after.body] == []
    was, now = list(SOURCE.parse([before])), list(SOURCE.parse([after]))
    assert SOURCE.sniff(after)
    others = [untitled(item, did) for item in was if owner(item) != did]
    assert [untitled(item, did) for item in now if owner(item) != did] == others
    mine = of(Post, [item for item in was if owner(item) == did])
    gone = {key: item for key, item in of(Tombstone, now).items() if item.reason == "forgotten"}
    assert set(gone) == set(mine) | {key for key in gone if key.endswith("3mh2aaiiiii2a")}
    for key, post in mine.items():
        told = (gone[key].in_reply_to, gone[key].context, gone[key].attributed_to, gone[key].published)
        assert told == (post.in_reply_to, post.context, did, post.published)
    assert not [item for item in now if owner(item) == did and isinstance(item, Post)]


def untitled(item: Any, did: str) -> Any:
    """Strip the author's words from cards in posts of others: the title of a starter pack or of a feed."""
    if not isinstance(item, Post):
        return item
    cards = [msgspec.structs.replace(a, name="", summary="") if did in a.url else a for a in item.attachments]
    return msgspec.structs.replace(item, attachments=tuple(cards))


def owner(item: Actor | Post | Tombstone) -> str:
    return item.id if isinstance(item, Actor) else item.attributed_to


def test_redaction_without_the_author_changes_nothing() -> None:
    for path in CASES.glob("*/capture.*"):
        assert SOURCE.redact(capture(path.read_bytes()), frozenset({"did:plc:nobody"})) == path.read_bytes()


def test_redaction_takes_fields_that_nobody_has_heard_of() -> None:
    item = view(ADA, "3k2a", "text", note="SECRET", viewer={"x": "SECRET"}, indexedAt=DAY)
    item["record"] |= {
        "tags": ["SECRET"],
        "createdAt": "SECRET",
        "$type": "SECRET",
        "reply": {"parent": {"uri": "at://x", "cid": "SECRET"}},
    }
    item["author"] |= {"pronouns": "SECRET"}
    body = {
        "posts": [
            view(
                BO,
                "3k2b",
                "B",
                threadgate={"lists": [{"uri": f"at://{ADA}/app.bsky.graph.list/1", "name": "SECRET"}]},
            ),
            item,
        ]
    }
    after = SOURCE.redact(capture(body), frozenset({ADA}))
    assert b"SECRET" not in after
    assert REDACTED.encode() in after
    assert of(Tombstone, parse(after))[uri(ADA, "3k2a")].in_reply_to == "at://x"


def test_a_redacted_repository_is_a_list_of_addresses() -> None:
    body = car(*repository(repo(3, **{"app.bsky.actor.profile/self": {"displayName": "Ada Ferrar"}})))
    after = SOURCE.redact(capture(body), frozenset({ADA}))
    assert SOURCE.sniff(capture(after))
    assert b"Ferrar" not in after
    assert b"Post" not in after
    found = parse(after)
    assert {item.reason for item in of(Tombstone, found).values()} == {"forgotten"}
    assert set(of(Tombstone, found)) == set(of(Post, parse(body)))
    assert SOURCE.redact(capture(body), frozenset({BO})) == body
    empty = SOURCE.redact(capture(car(*repository({"app.bsky.feed.like/3k2a": {}}))), frozenset({ADA}))
    assert SOURCE.sniff(capture(empty))
    assert parse(empty) == []


@shared
@pytest.mark.parametrize(("name", "value"), answers() if SHARED.is_dir() else [])
def test_redacting_any_author_of_a_collected_answer_forgets_exactly_their_posts(name: str, value: Any) -> None:
    was = [item for item in parse(value) if isinstance(item, Post)]
    for did in sorted({post.attributed_to for post in was})[:3]:
        body = SOURCE.redact(capture(value), frozenset({did}))
        now = list(SOURCE.parse([msgspec.structs.replace(capture(value), body=body)]))
        assert [p for p in now if isinstance(p, Post)] == [p for p in was if p.attributed_to != did]
        forgotten = {gone.id for gone in of(Tombstone, now).values() if gone.reason == "forgotten"}
        assert forgotten == {post.id for post in was if post.attributed_to == did}
        others = json.dumps([msgspec.to_builtins(p) for p in now], ensure_ascii=False)
        for post in was:
            if post.attributed_to == did and len(post.content) > 20 and post.content not in others:
                assert json.dumps(post.content, ensure_ascii=False)[1:-1].encode() not in body


# --- posts that are not for everybody ------------------------------------------------------------------------

MEMBERS = {"labels": {"$type": "com.atproto.label.defs#selfLabels", "values": [{"val": "!no-unauthenticated"}]}}


def private(text: str, **fields: Any) -> dict[str, Any]:
    return {**record(text, uri(BO, "3k2a"), uri(BO, "3k22"), **MEMBERS), **fields}


PRIVATE = [
    {"posts": [{**view(ADA, "3k2b", ""), "record": private("SECRET")}]},
    {"records": [{"uri": uri(ADA, "3k2b"), "value": private("SECRET")}]},
    {"uri": uri(ADA, "3k2b"), "value": private("SECRET")},
    {"posts": [view(BO, "3k2c", "open", embed={"record": {
        "uri": uri(ADA, "3k2b"), "author": {"did": ADA, "handle": "ada.example"}, "value": private("SECRET")}})]},
    {"did": ADA, "time_us": 1, "kind": "commit", "commit": {
        "operation": "create", "collection": "app.bsky.feed.post", "rkey": "3k2b", "record": private("SECRET")}},
]  # fmt: skip


@pytest.mark.parametrize("body", PRIVATE)
def test_a_post_for_the_logged_in_is_a_tombstone_and_is_not_kept(body: Any) -> None:
    """In whatever answer it comes, its text is not shown, and what is kept of the answer does not hold it."""
    found = parse(body)
    gone = of(Tombstone, found)[uri(ADA, "3k2b")]
    assert (gone.reason, gone.in_reply_to, gone.context) == ("private", uri(BO, "3k2a"), uri(BO, "3k22"))
    assert "SECRET" not in str(found)
    kept = SOURCE.redact(capture(body), frozenset())
    assert b"SECRET" not in kept
    assert parse(kept) == [
        msgspec.structs.replace(item, capture=capture(kept).sha256) if isinstance(item, Post) else item
        for item in found
    ]
    assert SOURCE.redact(capture(kept), frozenset()) == kept


def test_a_label_taken_back_hides_nothing() -> None:
    """Only a label that stands is a wish; and one that another gave is no wish of the author's."""
    back = {"labels": {"values": [{"val": "!no-unauthenticated", "neg": True}]}}
    assert only({**view(ADA, "3k2b", "x"), "record": record("x", **back)}).content == "x"
    assert only(view(ADA, "3k2b", "x", labels=[{"val": "!no-unauthenticated", "src": BO}])).content == "x"
    profile = {"uri": f"at://{ADA}/app.bsky.actor.profile/self", "value": {"displayName": "Ada", **MEMBERS}}
    assert of(Actor, parse(profile))[ADA].restrictions == ("no-unauthenticated",)
    assert json.loads(SOURCE.redact(capture(profile), frozenset())) == profile


# --- addresses -----------------------------------------------------------------------------------------------

PLC = "did:plc:ewvi7nxzyoun6zhxrhs64oiz"


@pytest.mark.parametrize(
    ("url", "who", "key"),
    [
        ("https://bsky.app/profile/Ada.Example.com/post/3k2a", "ada.example.com", "3k2a"),
        ("HTTPS://BSKY.APP/profile/ada.example.com/post/3k2a/?ref_src=x#y", "ada.example.com", "3k2a"),
        (f"http://www.bsky.app/profile/{PLC}/post/3k2a", PLC, "3k2a"),
        ("https://bsky.app/profile/did%3Aplc%3Aewvi7nxzyoun6zhxrhs64oiz/post/3k2a", PLC, "3k2a"),
        ("https://bsky.app/profile/did:web:ada.example.com/post/3k2a", "did:web:ada.example.com", "3k2a"),
        (f"at://{PLC}/app.bsky.feed.post/3k2a", PLC, "3k2a"),
        (" at://@ada.example.com/app.bsky.feed.post/a:b~c_d ", "ada.example.com", "a:b~c_d"),
    ],
)
def test_the_addresses_of_a_post_name_its_author_and_key(url: str, who: str, key: str) -> None:
    """By handle or DID, as a page or an at-URI; each is one that this source takes."""
    assert address.asked(url) == (who, key)
    assert any(re.match(pattern, url.strip()) for pattern in SOURCE.patterns)


@pytest.mark.parametrize(
    "url",
    [
        "", "https://bsky.app/", "https://bsky.app/profile/ada.example.com", "https://bsky.app/profile/x/post/3k2a",
        "https://bsky.app/profile/ada.example.com/post/", "https://bsky.app/profile/ada.example.com/feed/3k2a",
        "https://bsky.app.evil.example/profile/ada.example.com/post/3k2a", f"at://{PLC}/app.bsky.feed.like/3k2a",
        "https://bsky.app/profile/ada.example.com/post/..", "https://bsky.app/profile/did:plc:short/post/3k2a",
        "https://bsky.app/profile/did:key:abc/post/3k2a", "https://bsky.app/profile/a%2Fb.com/post/3k2a",
        "https://bsky.app/profile/ada.example.com/post/3k%0a",
        f"https://bsky.app/profile/{'a.' * 200}com/post/3k2a",
        f"https://bsky.app/profile/ada.example.com/post/{'k' * 600}",
    ],
)  # fmt: skip
def test_other_addresses_are_refused(url: str) -> None:
    """What does not name a post is refused before anybody is asked."""
    with pytest.raises(InputError, match="This address does not name a post of Bluesky"):
        address.asked(url)


def test_the_key_before_a_key() -> None:
    """Of a clock it is the one before; of any other key a start of it. Both sort right before."""
    assert address.before("3k2aaaaaaaaab") == "3k2aaaaaaaaaa"
    assert address.before("3k2aaaaaaaa22") == "3k2aaaaaaa7zz"
    assert address.before("self") == "sel"
    for key in ("3k2aaaaaaaaab", "3k22222222222", "self", "a"):
        assert address.before(key) < key


def test_calls_are_known_by_their_address() -> None:
    """A method of the protocol, a DID document, the file that says whose a handle is; nothing else."""
    asked = address.call(f"https://pds.example/xrpc/com.atproto.repo.getRecord?repo={PLC}&rkey=a&rkey=b")
    assert asked
    assert (asked.server, asked.one("repo"), asked.parameters["rkey"]) == ("https://pds.example", PLC, ["a", "b"])
    about = [address.call(address.document_url(did, "https://plc.example")) for did in (PLC, "did:web:ada.example")]
    assert [(call.method, call.about) for call in about if call] == [
        (address.DOCUMENT, PLC),
        (address.DOCUMENT, "did:web:ada.example"),
    ]
    for url in (
        "",
        "at://x/y/z",
        "https://x.example/",
        "https://x.example/xrpc/org.example.do",
        "https://[::1/xrpc/",
    ):
        assert address.call(url) is None


# --- pages of a repository -----------------------------------------------------------------------------------


def pages(**given: tuple[str, str]) -> Chain:
    """Pages by cursor: their keys, one letter each, and the next cursor."""
    day = datetime(2026, 3, 2, tzinfo=UTC)
    return Chain(
        {cursor.strip("_"): Page(tuple(keys), following, day) for cursor, (keys, following) in given.items()}
    )


@pytest.mark.parametrize(
    ("chain", "whole", "seen"),
    [
        (pages(c=("def", "f"), f=("gh", "")), True, "defghz"),
        (pages(c=("def", "f"), f=("", "")), True, "defghz"),
        (pages(c=("def", "f")), False, "def"),
        (pages(c=("def", "f"), g=("hi", "")), False, "def"),
        (pages(_=("ab", "x"), x=("cd", "")), True, "abcdefghz"),
        (pages(c=("dfe", "")), False, ""),
        (pages(c=("abc", "")), False, ""),
        (pages(c=("def", "f"), f=("de", "")), False, "def"),
        (pages(c=("def", "c")), False, "def"),
        (pages(c=("", "c")), False, ""),
        (pages(), False, ""),
    ],
)
def test_how_far_pages_reach(chain: Chain, whole: bool, seen: str) -> None:
    """Pages reach from the first cursor as far as each goes on from the last, upwards; the end is a page without a
    cursor."""
    assert chain.whole is whole
    assert "".join(key for key in "abcdefghz" if chain.looked(key)) == seen


# --- answers of servers --------------------------------------------------------------------------------------


def answer(url: str, body: Any, status: int = 200, day: int = 2, **fields: Any) -> Capture:
    made = capture(body, url=url, status=status, **fields)
    return msgspec.structs.replace(made, retrieved=datetime(2026, 3, day, tzinfo=UTC))


PDS, VIEWS = "https://pds.example", "https://views.example"
LISTED = address.xrpc(
    PDS, address.LIST, ("repo", ADA), ("collection", address.POST), ("reverse", "true"), ("cursor", "3")
)
SHOWN = address.xrpc(VIEWS, address.POSTS, ("uris", uri(ADA, "3k2b")), ("uris", uri(BO, "3k2z")))


def entry(key: str, **fields: Any) -> dict[str, Any]:
    return {"uri": uri(ADA, key), "value": record(f"Post {key}", **fields)}


def test_the_repository_goes_before_the_view_and_takes_from_it_what_it_cannot_know() -> None:
    """Text and files as the author's server has them; labels, counts, the quote's state as Bluesky shows them."""
    image = {"image": {"ref": {"$link": "bafkimage"}, "mimeType": "image/png"}, "alt": "A quay"}
    quote = {"media": {"images": [image]}, "record": {"record": {"uri": uri(BO, "3k2q")}}}
    detached = {"$type": "app.bsky.embed.record#viewDetached", "uri": uri(BO, "3k2q"), "detached": True}
    images = [{"fullsize": "https://cdn.example/1", "alt": "A quay"}]
    shown = {"media": {"images": images}, "record": {"record": detached}}
    seen = view(ADA, "3k2b", "Post 3k2b", replyCount=4, embed=shown, labels=[{"val": "porn", "src": BO}])
    seen["record"] = record("Post 3k2b", embed=quote)
    captures = [answer(LISTED, {"records": [entry("3k2b", embed=quote)]}), answer(SHOWN, {"posts": [seen]}, day=3)]
    for order in (captures, captures[::-1]):
        post = of(Post, list(SOURCE.parse(order)))[uri(ADA, "3k2b")]
        assert post.attachments[0].url == f"{PDS}/xrpc/com.atproto.sync.getBlob?did=did%3Aplc%3Aada&cid=bafkimage"
        assert post.quote
        assert (post.quote.state, post.labels, post.sensitive, post.replies) == ("detached", ("porn",), True, 4)
        assert post.url == "https://bsky.app/profile/ada.example/post/3k2b"
        assert post.capture == captures[0].sha256


def test_a_later_answer_goes_before_an_earlier_one() -> None:
    """A handle that changed, a quote that came back, a post that Bluesky shows no more: the last word counts."""
    old, new = view(BO, "3k2z", "Hello"), view(BO, "3k2z", "Hello")
    new["author"] = {"did": BO, "handle": "new.example"}
    captures = [answer(SHOWN, {"posts": [old]}), answer(SHOWN, {"posts": [new]}, day=3)]
    for order in (captures, captures[::-1]):
        found = list(SOURCE.parse(order))
        assert of(Actor, found)[BO].preferred_username == "new.example"
        assert of(Post, found)[uri(BO, "3k2z")].url.endswith("new.example/post/3k2z")
    gone = answer(SHOWN, {"posts": []}, day=4)
    tombstone = of(Tombstone, list(SOURCE.parse([*captures, gone])))[uri(BO, "3k2z")]
    assert (tombstone.reason, tombstone.checked) == ("unavailable", gone.retrieved)
    back = answer(SHOWN, {"posts": [new]}, day=5)
    assert uri(BO, "3k2z") not in of(Tombstone, list(SOURCE.parse([*captures, gone, back])))


def test_what_the_pages_of_a_later_visit_do_not_hold_was_deleted() -> None:
    """The place of a post was looked at and is empty: it is gone since, and what it answered is still known."""
    parent = {"reply": {"parent": {"uri": uri(ADA, "3k2b")}, "root": {"uri": uri(ADA, "3k2b")}}}
    before = answer(LISTED, {"records": [entry("3k2b"), entry("3k2c", **parent)]})
    after = answer(LISTED, {"records": [entry("3k2b")]}, day=4)
    found = list(SOURCE.parse([before, after]))
    gone = of(Tombstone, found)[uri(ADA, "3k2c")]
    assert (gone.reason, gone.in_reply_to, gone.checked) == ("deleted", uri(ADA, "3k2b"), after.retrieved)
    assert of(Actor, found)[ADA].outbox == "repository"
    cut = answer(LISTED, {"records": [entry("3k2b")], "cursor": "3k2b"}, day=4)
    found = list(SOURCE.parse([before, cut]))
    assert uri(ADA, "3k2c") not in of(Tombstone, found), "a page that goes on proves nothing of what is behind it"
    assert [limit.actor for limit in found if isinstance(limit, Limit)] == [ADA]


@pytest.mark.parametrize("status", [0, 400, 401, 404, 429, 500])
@pytest.mark.parametrize("body", [b"", b"<p>no", b'{"error": 7}', {"error": "InternalServerError"}])
@pytest.mark.parametrize(
    "url", [LISTED, SHOWN, f"https://plc.example/{PLC}", "https://ada.example/.well-known/atproto-did"]
)
def test_an_answer_that_says_no_raises_nothing(url: str, status: int, body: Any) -> None:
    """Refusals of any kind can be parsed, redacted and named; they belong to this source by their address."""
    silence = {"clew-failure": "The server did not answer in time"}
    one = answer(url, body if status else b"", status, headers={} if status else silence)
    assert SOURCE.sniff(one)
    assert SOURCE.anchor(one) == ""
    assert SOURCE.redact(one, frozenset({ADA, PLC})) == one.body
    assert not [item for item in SOURCE.parse([one]) if not isinstance(item, Limit)]


def test_a_handle_is_believed_where_both_ends_agree() -> None:
    """Anybody can claim a handle in a DID document; its own host, or a server that asked it, must say the same."""
    document = {"id": PLC, "alsoKnownAs": ["at://ada.example", "at://other.example"]}
    asked = answer(f"https://plc.example/{PLC}", document)
    own = answer("https://ada.example/.well-known/atproto-did", f"{PLC}\n".encode())
    assert of(Actor, list(SOURCE.parse([asked, own])))[PLC].preferred_username == "ada.example"
    assert not of(Actor, list(SOURCE.parse([asked])))
    other = answer("https://ada.example/.well-known/atproto-did", b"did:plc:other")
    assert not of(Actor, list(SOURCE.parse([asked, other])))


def test_profiles_and_documents_lose_the_author_s_name() -> None:
    """What is kept of an author who is forgotten names neither profile nor handle."""
    profile = {"did": ADA, "handle": "ada.example", "displayName": "Ada Ferrar", "description": "SECRET"}
    url = address.xrpc(VIEWS, address.PROFILE_OF, ("actor", ADA))
    assert of(Actor, list(SOURCE.parse([answer(url, profile)])))[ADA].name == "Ada Ferrar"
    kept = SOURCE.redact(answer(url, profile), frozenset({ADA}))
    assert not [word for word in (b"ada.example", b"Ferrar", b"SECRET") if word in kept]
    assert not of(Actor, list(SOURCE.parse([answer(url, kept)])))
    document = {"id": PLC, "alsoKnownAs": ["at://ada.example"], "service": [{"id": "#atproto_pds"}]}
    kept = SOURCE.redact(answer(f"https://plc.example/{PLC}", document), frozenset({PLC}))
    assert json.loads(kept) == {"id": PLC, "service": [{"id": "#atproto_pds"}]}
    assert SOURCE.redact(answer(f"https://plc.example/{PLC}", document), frozenset({ADA})) == capture(document).body


def test_the_wish_to_be_hidden_outlives_redaction() -> None:
    """Of an author who shows posts to people who are logged in only, taking the words out leaves that wish."""
    did = "did:plc:ewvi7nxzyoun6zhxrhs64oiz"
    label = {"src": did, "uri": f"at://{did}/app.bsky.actor.profile/self", "val": "!no-unauthenticated"}
    profile = {"did": did, "handle": "shy.example", "displayName": "Shy", "labels": [label]}
    body = msgspec.json.encode(profile)
    url = f"https://appview.example/xrpc/app.bsky.actor.getProfile?actor={did}"
    digest = hashlib.sha256(body).hexdigest()
    capture = Capture(digest, body, "application/json", datetime.now(UTC), url=url, status=200)
    redacted = msgspec.structs.replace(capture, body=SOURCE.redact(capture, frozenset([did])), redacted=True)
    assert b"Shy" not in redacted.body
    (actor,) = [value for value in SOURCE.parse([redacted]) if isinstance(value, Actor)]
    assert (actor.id, actor.name, actor.restrictions) == (did, "", ("no-unauthenticated",))
    assert SOURCE.redact(redacted, frozenset([did])) == redacted.body
