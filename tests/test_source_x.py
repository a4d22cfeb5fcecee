"""X: the cases, the answers of others in ../shared, and what is special about each format."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.errors import ClewError, ParseError
from clew.model import Actor, Capture, Post, Tombstone
from clew.plugins import Member
from clew.records import records
from clew.sources.x import SOURCE

CASES = Path(__file__).parent / "cases" / "x"
SHARED = Path(__file__).parents[1] / ".." / "shared" / "data"
NAMES = sorted(path.name for path in CASES.iterdir())
ADA, TARAS = "https://x.com/i/user/101", "https://x.com/i/user/202"
needs = {
    name: pytest.mark.skipif(not (SHARED / name).is_dir(), reason=f"the collected answers of {name} are not here")
    for name in ("x_api_v2", "ukraine_dao", "rumoureval_dev")
}


def capture(body: bytes | Any, **fields: Any) -> Capture:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Capture(
        sha256=hashlib.sha256(data).hexdigest(),
        body=data,
        media_type="application/octet-stream",
        retrieved=datetime(2026, 10, 1, tzinfo=UTC),
        **fields,
    )


def opens(path: str, member: Member) -> bool:
    parts = path.split("/")
    return any(fnmatchcase("/".join(parts[n:]), member.glob) for n in range(len(parts)))


def members(folder: Path) -> Iterator[tuple[str, str]]:
    """Path and kind of what the source opens in a folder, in its order."""
    paths = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    for member in SOURCE.members:
        yield from ((path, member.kind) for path in paths if opens(path, member))


def unpack(folder: Path) -> Iterator[Capture]:
    """What a reader of archives makes of a folder."""
    for path, kind in members(folder):
        body = (folder / path).read_bytes()
        if kind == "records":
            for n, record in enumerate(records([body], 1 << 20)):
                yield capture(record, archive="a" * 64, member=f"{path}#{n}")
        else:
            yield capture(body, archive="a" * 64, member=path)


def captures(case: str) -> list[Capture]:
    folder = CASES / case
    if (folder / "archive").is_dir():
        return list(unpack(folder / "archive"))
    return [capture(path.read_bytes()) for path in folder.glob("capture.*")]


def parse(*found: Capture) -> list[Actor | Post | Tombstone]:
    items = list(SOURCE.parse(iter(found)))
    assert items == list(SOURCE.parse(iter(found))), "parsing twice gives equal results"
    return items


def of(kind: type[Any], items: list[Any]) -> dict[str, Any]:
    return {item.id: item for item in items if isinstance(item, kind)}


def plain(items: list[Any]) -> Any:
    values = json.loads(msgspec.json.encode(items))
    for value in values:
        value.pop("capture", None)
    return values


def walk(value: Any) -> Iterator[dict[str, Any]]:
    stack = [value]
    while stack:
        node = stack.pop()
        stack.extend(node.values() if isinstance(node, dict) else node if isinstance(node, list) else ())
        if isinstance(node, dict):
            yield node


# --- the cases ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", NAMES)
def test_case(case: str) -> None:
    found = captures(case)
    assert SOURCE.sniff(found[0])
    assert plain(parse(*found)) == json.loads((CASES / case / "expected.json").read_text("utf-8"))


@pytest.mark.parametrize("case", NAMES)
def test_facets_mark_what_they_say(case: str) -> None:
    for post in of(Post, parse(*captures(case))).values():
        for facet in post.facets:
            part = post.content[facet.start : facet.end]
            start = {"mention": "@", "tag": ("#", "$")}.get(facet.type, "http")
            assert part.startswith(start), (part, facet)
            assert " " not in part


def test_long_posts_have_their_whole_text() -> None:
    whole = [p for case in NAMES for p in of(Post, parse(*captures(case))).values() if "truncated" not in p.labels]
    assert sum(len(post.content) > 280 for post in whole) == 2, "a v2 note and an archived one"
    assert not [post.content for post in whole if "…" in post.content]


def test_the_note_of_another_post_of_that_second_is_not_taken() -> None:
    texts = [post.content for post in of(Post, parse(*captures("archive"))).values()]
    assert not any("another text" in text for text in texts)
    assert next(text for text in texts if text.startswith("2/")).endswith("two days of snow. #Quay")


def test_a_note_without_ellipsis_must_be_the_whole_post() -> None:
    account, *_ = captures("archive")
    made = "2024-06-02T09:30:00.000Z"
    note = {"noteTweet": {"noteTweetId": "5", "createdAt": made, "core": {"text": "Rain, and more rain"}}}
    post = {"tweet": {"id_str": "1797200000000000000", "created_at": made, "full_text": "Rain"}}
    found = parse(account, *(capture(r, archive="a" * 64, member="data/x.js#0") for r in (note, post)))
    assert [p.content for p in of(Post, found).values()] == ["Rain"]


# --- archives open only what they must ---------------------------------------------------------------------------

PRIVATE = (
    "direct-messages.js", "direct-messages-group.js", "direct-message-headers.js", "deleted-tweets.js", "like.js",
    "deleted-tweet-headers.js", "deleted-note-tweet.js", "contact.js", "ad-impressions.js", "ad-engagements.js",
    "account-creation-ip.js", "email-address-change.js", "phone-number.js", "ip-audit.js", "block.js", "mute.js",
    "tweet-headers.js", "follower.js", "direct_messages_media/1-x.jpg", "deleted_tweets_media/1-x.jpg",
    "personalization.js", "protected-history.js", "direct-messages-tweets.js", "tweets-part1.js/direct-messages.js",
)  # fmt: skip


@pytest.mark.parametrize("root", ["", "data/", "twitter-2024/data/"])
def test_private_members_match_no_glob(root: str) -> None:
    assert not [name for name in PRIVATE if any(opens(root + name, member) for member in SOURCE.members)]


@pytest.mark.parametrize(
    "path",
    ["tweet.js", "data/tweet.js", "data/tweets.js", "data/tweets-part1.js", "data/tweet-part12.js",
     "a/data/account.js", "data/note-tweet.js", "data/tweets_media/1-a.jpg", "tweet_media/1-a.mp4",
     "data/community-tweet.js"],
)  # fmt: skip
def test_all_namings_of_posts_match_one_glob(path: str) -> None:
    assert sum(opens(path, member) for member in SOURCE.members) == 1


def test_planted_markers_are_neither_opened_nor_parsed() -> None:
    folder = CASES / "archive" / "archive"
    planted = {str(p.relative_to(folder)) for p in folder.rglob("*.*") if b"MARKER-NEVER-READ" in p.read_bytes()}
    assert len(planted) == 8
    assert not planted & {path for path, _ in members(folder)}
    assert "MARKER" not in repr(parse(*captures("archive")))


def test_archive_media_are_named_as_the_files_are() -> None:
    named = {a.url for post in of(Post, parse(*captures("archive"))).values() for a in post.attachments}
    folder = CASES / "archive" / "archive" / "data"
    assert named == {str(path.relative_to(folder)) for path in (folder / "tweets_media").iterdir()}


def test_a_lone_file_of_posts_has_an_author_without_a_name() -> None:
    body = (CASES / "archive" / "archive" / "data" / "tweets.js").read_bytes()
    lone = capture(body)
    assert SOURCE.sniff(lone)
    found = parse(lone)
    assert {post.attributed_to for post in of(Post, found).values()} == {f"ni:///sha-256;{lone.sha256}"}
    assert [actor.outbox for actor in of(Actor, found).values()] == [""]


# --- redaction ----------------------------------------------------------------------------------------------------


def traces(items: list[Any], author: str) -> set[str]:
    """What the author wrote or is called, as far as it is shown."""
    found: set[str] = set()
    for item in items:
        if isinstance(item, Actor) and item.id == author:
            found |= {item.name, item.preferred_username, *item.also_known_as}
        if isinstance(item, Post) and item.attributed_to == author:
            found |= {
                a for f in item.attachments for a in (f.url.rpartition("-")[2], f.alt, f.name, f.summary) if a
            }
            found |= {option.name for option in (item.poll.options if item.poll else ())}
            found |= {f.href for f in item.facets if f.type == "link"}
            found |= {
                part for text in (item.content, *(v.content for v in item.versions)) for part in text.split(" ")
            }
    return {trace for trace in found if len(trace) > 4}


@pytest.mark.parametrize("author", [ADA, TARAS])
@pytest.mark.parametrize("case", NAMES)
def test_redaction_leaves_tombstones_and_all_else(case: str, author: str) -> None:
    found = captures(case)
    before = parse(*found)
    owner = "archive" if case == "archive" else ""
    headers = {"author": ADA} if owner else {}
    found = [msgspec.structs.replace(c, headers=headers) for c in found]
    redacted = [
        msgspec.structs.replace(c, body=SOURCE.redact(c, frozenset({author})), redacted=True) for c in found
    ]
    after = parse(*redacted)

    forgotten = {id_: post for id_, post in of(Post, before).items() if post.attributed_to == author}
    stones = {id_: t for id_, t in of(Tombstone, after).items() if t.reason == "forgotten"}
    assert stones.keys() >= forgotten.keys()
    for id_, post in forgotten.items():
        links = [(x.in_reply_to, x.attributed_to, x.context, x.published) for x in (post, stones[id_])]
        assert links[0] == links[1]
    others = [item for item in before if _by(item) != author]
    assert [item for item in after if _by(item) != author] == others

    words = traces(before, author) - {w for trace in _texts(others) for w in trace.split(" ")} - _handles(others)
    body = b"\n".join(c.body for c in redacted).decode("utf-8", "replace")
    assert not [trace for trace in words if trace in body]


def _by(item: Actor | Post | Tombstone) -> str:
    return item.id if isinstance(item, Actor) else item.attributed_to


def _texts(items: list[Any]) -> list[str]:
    return [item.content for item in items if isinstance(item, Post)]


def _handles(items: list[Any]) -> set[str]:
    """Names that stand in others' texts, which stay as they are."""
    return {name for text in _texts(items) for name in re.findall(r"@(\w+)", text)}


def test_forgetting_in_each_case_forgets_something() -> None:
    counts = {}
    for case in NAMES:
        bodies = [SOURCE.redact(c, frozenset({ADA, TARAS})) for c in captures(case)]
        after = parse(*(msgspec.structs.replace(c, body=b) for c, b in zip(captures(case), bodies, strict=True)))
        assert not of(Post, after), "nobody else speaks in these cases"
        # The archive's post for followers only stays "private": that says more, and no less is gone.
        counts[case] = sum(t.reason == "forgotten" for t in of(Tombstone, after).values())
    assert counts == {"archive": 6, "v1_1": 5, "v2_new": 4, "v2_old": 6}


def test_others_reposts_lose_the_copied_text() -> None:
    wrapper = {"id": "1797200000000000001", "author_id": "303", "text": "RT @ada_quay: My secret tide",
               "referenced_tweets": [{"type": "retweeted", "id": "1797200000000000000"}]}  # fmt: skip
    known = {"data": [wrapper], "includes": {"users": [{"id": "101", "username": "ada_quay", "name": "A"}]}}
    for answer in (known, [wrapper]):
        assert b"secret" not in SOURCE.redact(capture(answer), frozenset({ADA}))
    other = {"data": [wrapper], "includes": {"users": [{"id": "505", "username": "ada_quay", "name": "A"}]}}
    assert b"secret" in SOURCE.redact(capture(other), frozenset({ADA}))


def test_a_link_to_a_forgotten_post_loses_its_preview_and_handle() -> None:
    link = {"start": 0, "end": 14, "url": "https://t.co/a", "expanded_url": "https://x.com/ada_quay/status/1797200000000000000",
            "title": "Ada on X: my secret tide", "description": "secret"}  # fmt: skip
    post = {"id": "1797200000000000009", "author_id": "303", "text": "https://t.co/a", "entities": {"urls": [link]}}
    answer = {"data": [post], "includes": {"users": [{"id": "101", "username": "ada_quay", "name": "Ada"}]}}
    body = SOURCE.redact(capture(answer), frozenset({ADA}))
    assert b"secret" not in body
    assert b"ada_quay" not in body
    assert of(Post, parse(capture(body)))["https://x.com/i/status/1797200000000000009"].content == "https://t.co/a"


# --- text and times -----------------------------------------------------------------------------------------


def one(**fields: Any) -> Post:
    (post,) = of(Post, parse(capture({"id": "1797200000000000009", "author_id": "5", **fields}))).values()
    assert isinstance(post, Post)
    return post


def test_offsets_in_utf16_units_are_understood_too() -> None:
    post = one(text="🚢🚢 &amp; #Quay", entities={"hashtags": [{"start": 11, "end": 16, "tag": "Quay"}]})
    assert [post.content[f.start : f.end] for f in post.facets] == ["#Quay"]


@pytest.mark.parametrize("place", [(9, 2), (3, 3), (2, 900), (-4, 5)])
def test_ranges_that_fit_nothing_are_dropped(place: tuple[int, int]) -> None:
    post = one(text="Boats #Quay", entities={"hashtags": [{"start": place[0], "end": place[1], "tag": "Quay"}]})
    assert post.facets == ()


@pytest.mark.parametrize(
    ("raw", "content"),
    [
        ("a &amp;&lt;b&gt; c", "a &<b> c"),
        ("&amp;lt;", "&lt;"),
        ("&quot; &#39;", "&quot; &#39;"),
        ("a & b &amp;", "a & b &amp;"),
    ],
)
def test_only_the_three_are_unescaped_and_only_where_x_escaped(raw: str, content: str) -> None:
    assert one(text=raw).content == content


def test_a_dangerous_link_is_no_link() -> None:
    link = {"start": 0, "end": 14, "url": "https://t.co/a", "expanded_url": "javascript:alert(1)"}
    assert [f.href for f in one(text="https://t.co/a", entities={"urls": [link]}).facets] == ["https://t.co/a"]


def test_media_that_are_not_here_stay_links() -> None:
    link = {"start": 0, "end": 14, "url": "https://t.co/a", "display_url": "pic.x.com/a",
            "expanded_url": "https://x.com/ada/status/1797200000000000009/photo/1"}  # fmt: skip
    assert [f.type for f in one(text="https://t.co/a", entities={"urls": [link]}).facets] == ["link"]


@pytest.mark.parametrize(
    ("id_", "published"),
    [("1525282533037965315", datetime(2022, 5, 14, 1, 11, 8, 912000, UTC)), ("29700859247", None), ("20", None)],
)
def test_a_post_without_a_date_is_dated_by_its_id(id_: str, published: datetime | None) -> None:
    assert one(id=id_, text="x").published == published


@pytest.mark.parametrize("lang", ["und", "zxx", "qme", "qht", None, ""])
def test_no_language_is_none(lang: str | None) -> None:
    assert one(text="x", lang=lang).langs == ()


def test_posts_of_unknown_authors_are_not_one_authors() -> None:
    found = of(
        Post,
        parse(
            capture(
                {"data": [{"id": "1797200000000000001", "text": "a"}, {"id": "1797200000000000002", "text": "b"}]}
            )
        ),
    )
    assert len({post.attributed_to for post in found.values()}) == 2


# --- hostile input ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b'[{"id": "1", "text": "a"}', b'{"data": [{"id": "x", "text": "a"}]}', b'{"data": 5}', b"\xff\xfe",
     b"window.YTD.tweets.part0 = [", b'{"data": {"id": "1", "text": ["a"]}}', b'[{"foo": 1}]', b'"a"', b"[5]",
     b'{"data":' * 100_000, b'{"id_str":"1","quoted_status":' * 100_000 + b"{}" + b"}" * 100_000,
     b'{"id":"1","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"],
)  # fmt: skip
def test_broken_input_is_a_parse_error(body: bytes) -> None:
    with pytest.raises(ParseError):
        list(SOURCE.parse([capture(body)]))
    assert isinstance(SOURCE.sniff(capture(body)), bool)


KEYS = (
    "id id_str text full_text data includes tweets posts users errors entities urls mentions start end "
    "indices url username expanded_url referenced_tweets type value resource_type user name tweet noteTweet "
    "core account statuses accountId profile extended_entities media variants media_key attachments "
    "media_keys quoted_status options title retweeted_status created_at author_id in_reply_to_screen_name "
    "clew:redacted edit_history_tweet_ids"
).split()
WORDS = (
    "", "1", "1797200000000000001", "101", "RT @ada: x", "https://t.co/a", "//[", "photo", "retweeted", "quoted",
    "https://x.com/ada/status/1797200000000000001", "Wed Oct 10 20:19:24 +0000 2018", "0001-01-01T00:00:00+14:00",
    "tweet", "a 🚢 &amp; b",
)  # fmt: skip
LEAVES = st.none() | st.booleans() | st.integers() | st.sampled_from(WORDS)
JSON = st.recursive(
    LEAVES,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.sampled_from(KEYS), below, max_size=6),
    max_leaves=25,
)


@given(JSON)
def test_whatever_comes_only_clew_errors_leave(value: Any) -> None:
    odd = capture(value)
    for action in (lambda: list(SOURCE.parse([odd])), lambda: SOURCE.redact(odd, frozenset({ADA}))):
        with contextlib.suppress(ClewError):
            action()
    assert isinstance(SOURCE.sniff(odd), bool)


@given(st.data())
def test_one_odd_value_in_a_good_capture(data: st.DataObject) -> None:
    good = data.draw(st.sampled_from([c for case in NAMES for c in captures(case) if c.body[:1] in b"[{"]))
    values = (
        [json.loads(line) for line in good.body.splitlines()]
        if good.body[:9] == b'{"data": '
        else [json.loads(good.body)]
    )
    places = [(node, key) for node in walk(values) for key in node]
    node, key = data.draw(st.sampled_from(places))
    node[key] = data.draw(JSON)
    odd = msgspec.structs.replace(good, body=b"\n".join(json.dumps(value).encode() for value in values))
    with contextlib.suppress(ClewError):
        list(SOURCE.parse([odd]))
    SOURCE.redact(odd, frozenset({ADA}))
    assert isinstance(SOURCE.sniff(odd), bool)


@pytest.mark.parametrize(
    "body",
    [{"id": 5, "text": "a"}, {"messages": [{"id": 1, "text": "a"}]}, {"id": "1", "content": "<p>a</p>", "uri": "https://s.example/1"},
     {"thread": {"post": {}}}, {"data": {"children": []}}, [], {}, "text", [1, 2], {"posts": [{"uri": "at://a/b/c"}]},
     {"error": "Record not found"}, {"users": [{"id": "1", "acct": "ada"}]}],
)  # fmt: skip
def test_others_json_is_not_ours(body: Any) -> None:
    assert not SOURCE.sniff(capture(body))


# --- the collected answers of others ------------------------------------------------------------------------

V2 = sorted((SHARED / "x_api_v2").rglob("*.json"))


def lists(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def raw_posts(value: Any) -> dict[str, dict[str, Any]]:
    """Every v2 or v1.1 post in a JSON value that is no repost, by a walk of its own."""
    posts = {}
    for node in walk(value):
        if "text" in node and ("conversation_id" in node or "id_str" in node):
            reposted = any(r["type"] == "retweeted" for r in lists(node.get("referenced_tweets")))
            if not reposted and "retweeted_status" not in node:
                posts[node.get("id_str") or node["id"]] = node
    return posts


KINDS = {"urls": "http", "media": "http", "mentions": "@", "user_mentions": "@", "hashtags": "#"} | {
    "cashtags": "$",
    "symbols": "$",
}


def marked(node: dict[str, Any]) -> Counter[str]:
    """The ranges of a raw post by their kind, as its entities tell; one range may be told twice."""
    found = set()
    for key, kind in KINDS.items():
        for entity in lists(node.get("entities", {}).get(key)):
            found.add((kind, *(entity.get("indices") or (entity["start"], entity["end"]))))
    return Counter(kind for kind, *_ in found)


def compare(value: Any, items: list[Any]) -> tuple[int, int]:
    """Check ids, and that facets stand where the entities are; return how many entities there are, and facets."""
    raw, posts = raw_posts(value), {id_.rpartition("/")[2]: post for id_, post in of(Post, items).items()}
    assert posts.keys() == raw.keys()
    expected: Counter[str] = Counter()
    got: Counter[str] = Counter()
    for number, post in posts.items():
        assert post.content == raw[number]["text"].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
        expected += marked(raw[number])
        for facet in {(f.start, f.end) for f in post.facets}:
            part = post.content[slice(*facet)]
            kind = "http" if part.startswith("http") else {"＠": "@", "＃": "#"}.get(part[0], part[0])
            assert kind in ("http", "@", "#", "$")
            got[kind] += 1
    return sum(expected.values()), sum(got.values())


@needs["x_api_v2"]
def test_saved_searches_of_v2() -> None:
    assert len(V2) == 16
    total = found = posts = 0
    for path in V2:
        one_capture = capture(path.read_bytes())
        assert SOURCE.sniff(one_capture), path.name
        items = parse(one_capture)
        entities, facets = compare(json.loads(one_capture.body), items)
        total, found, posts = total + entities, found + facets, posts + len(of(Post, items))
    assert posts == 2533
    assert found == total > 10_000, "every entity stands where the text has it"


@needs["x_api_v2"]
def test_a_search_and_its_includes_read_together() -> None:
    for data in (path for path in V2 if path.name.startswith("data_")):
        both = [data.read_bytes(), data.with_name(data.name.replace("data_", "users_")).read_bytes()]
        items = parse(*map(capture, both))
        raw = raw_posts([json.loads(body) for body in both])
        assert of(Post, items).keys() == {f"https://x.com/i/status/{number}" for number in raw}
        missing = {post.attributed_to for post in of(Post, items).values()} - of(Actor, items).keys()
        assert data.parent.name == "reuters" or not missing


@needs["x_api_v2"]
def test_forgetting_the_busiest_of_a_saved_search() -> None:
    for path in V2:
        one_capture = capture(path.read_bytes())
        before = parse(one_capture)
        ((author, posts),) = Counter(p.attributed_to for p in of(Post, before).values()).most_common(1) or [("", 0)]
        body = SOURCE.redact(one_capture, frozenset({author}))
        after = parse(msgspec.structs.replace(one_capture, body=body))
        stones = of(Tombstone, after).values()
        assert [(t.reason, t.attributed_to) for t in stones] == [("forgotten", author)] * posts
        texts = [item for item in after if _by(item) != author]
        assert [p for p in texts if isinstance(p, Actor)] == [
            a for a in of(Actor, before).values() if a.id != author
        ]
        assert _texts(texts) == _texts([item for item in before if _by(item) != author])


@needs["ukraine_dao"]
@pytest.mark.parametrize(("head", "size"), [("1525299116636622850", 13), ("1532773363051028481", 43)])
def test_threads_of_v2(head: str, size: int) -> None:
    (path,) = (SHARED / "ukraine_dao").glob("*.json")
    tweets = json.loads(path.read_text("utf-8"))["Threads"][head]["Tweets"]
    pages = [{"data": tweet, "includes": tweet["includes"]} for tweet in tweets]
    thread = capture(pages)
    assert SOURCE.sniff(thread)
    items = parse(thread)
    posts = of(Post, items)
    ids = [f"https://x.com/i/status/{tweet['id']}" for tweet in tweets]
    assert len(ids) == size
    assert len(set(ids) & posts.keys()) == size
    parents = [
        next((r["id"] for r in lists(t.get("referenced_tweets")) if r["type"] == "replied_to"), "") for t in tweets
    ]
    assert [posts[id_].in_reply_to.rpartition("/")[2] for id_ in ids] == parents
    assert sum(map(bool, parents)) == size - 1
    assert len({posts[id_].attributed_to for id_ in ids}) == 1
    assert all(posts[id_].in_reply_to_actor == posts[id_].attributed_to for id_ in ids[1:])
    assert all(posts[id_].published for id_ in ids)
    entities, facets = compare(pages, items)
    assert entities == facets > 20
    shown = [p for p in posts.values() if any(a.type == "image" for a in p.attachments)]
    assert len(shown) == len({t["id"] for t in tweets if t["attachments"]})
    raw_lines = b"\n".join(json.dumps(tweet).encode() for tweet in tweets)
    assert of(Post, parse(capture(raw_lines))).keys() == posts.keys(), (
        "as JSON lines of posts with their includes too"
    )


def edges(tree: Any) -> Iterator[tuple[str, str]]:
    stack = [("", tree)]
    while stack:
        parent, below = stack.pop()
        for child, rest in below.items() if isinstance(below, dict) else ():
            yield parent, child
            stack.append((child, rest))


@needs["rumoureval_dev"]
def test_conversations_of_v1() -> None:
    folders = sorted(path.parent for path in (SHARED / "rumoureval_dev").rglob("structure.json"))
    assert len(folders) == 25
    files = reproduced = entities = facets = 0
    without: set[str] = set()
    for folder in folders:
        statuses = [
            json.loads(path.read_bytes()) for path in sorted(folder.glob("*/*.json")) if path.stem.isdigit()
        ]
        posts = {}
        for status in statuses:
            assert SOURCE.sniff(capture(status))
            items = parse(capture(status))
            found, placed = compare(status, items)
            entities, facets = entities + found, facets + placed
            posts |= {id_.rpartition("/")[2]: post for id_, post in of(Post, items).items()}
        files += len(statuses)
        assert of(Post, parse(capture(statuses))).keys() == {post.id for post in posts.values()}, "as one list"
        for parent, child in edges(json.loads((folder / "structure.json").read_bytes())):
            if child not in posts:
                without.add(child)
            elif parent in posts:
                assert posts[child].in_reply_to == f"https://x.com/i/status/{parent}"
                assert posts[child].in_reply_to_actor == posts[parent].attributed_to
                reproduced += 1
    assert (files, len(without)) == (281, 20)
    assert reproduced > 200
    assert entities == facets > 500
