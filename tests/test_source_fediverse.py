"""The fediverse source: its cases, and what is special to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clew.decode import REDACTED, walk
from clew.errors import ClewError, ParseError
from clew.model import Actor, Capture, Post, Tombstone
from clew.plugins import Source
from clew.sources.fediverse import SOURCE

CASES = Path(__file__).parent / "cases" / "fediverse"
NAMES = sorted(path.name for path in CASES.iterdir())
Found = Actor | Post | Tombstone


def capture(body: bytes | Any, url: str = "", **more: Any) -> Capture:
    """Wrap JSON (text or value) as if it was just received."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Capture(
        sha256(data).hexdigest(), data, "application/json", datetime(2026, 7, 1, tzinfo=UTC), url, **more
    )


def archive(folder: Path) -> list[Capture]:
    """Give the captures of an archive in the order and shape that the source asks for."""
    seal = "a" * 64
    outbox = json.loads((folder / "outbox.json").read_bytes())
    items = outbox.pop("orderedItems")
    return [
        capture((folder / "actor.json").read_bytes(), archive=seal, member="actor.json"),
        capture(outbox | {"orderedItems": []}, archive=seal, member="outbox.json"),
        *(capture(item, archive=seal, member=f"outbox.json#{n}") for n, item in enumerate(items)),
    ]


def case(name: str) -> list[Capture]:
    folder = CASES / name
    if (folder / "archive").is_dir():
        return archive(folder / "archive")
    return [capture((folder / "capture.json").read_bytes())]


def parse(*captures: Capture) -> list[Found]:
    return list(SOURCE.parse(captures))


def plain(found: list[Found]) -> list[dict[str, Any]]:
    """Give the values as ``expected.json`` holds them: without the hash of the capture."""
    values = json.loads(msgspec.json.encode(found))
    return [{key: value for key, value in one.items() if key != "capture"} for one in values]


def posts(found: list[Found]) -> dict[str, Post]:
    return {one.id: one for one in found if isinstance(one, Post)}


def tombs(found: list[Found]) -> dict[str, Tombstone]:
    return {one.id: one for one in found if isinstance(one, Tombstone)}


ADA = {
    "id": "501",
    "acct": "ada",
    "url": "https://social.example/@ada",
    "uri": "https://social.example/ap/users/501",
}
LINA = {
    "id": "8",
    "acct": "lina@fern.example",
    "url": "https://fern.example/@lina",
    "uri": "https://fern.example/u/8",
}


def status(id_: str, account: dict[str, Any] = ADA, **more: Any) -> dict[str, Any]:
    base = {"id": id_, "uri": f"{account['uri']}/{id_}", "visibility": "public", "content": f"<p>text {id_}</p>"}
    return base | {"created_at": "2026-03-01T08:00:00Z", "account": account} | more


# --- Cases ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_case_gives_what_is_expected(name: str) -> None:
    captures = case(name)
    assert SOURCE.sniff(captures[0])
    found = parse(*captures)
    assert plain(found) == json.loads((CASES / name / "expected.json").read_bytes())
    assert found == parse(*captures)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_planted_comes_out(name: str) -> None:
    raw = b"".join(path.read_bytes() for path in (CASES / name).rglob("*.json") if path.name != "expected.json")
    found = msgspec.json.encode(parse(*case(name)))
    assert b"MARKER-" in raw
    assert b"MARKER-" not in found


@pytest.mark.parametrize("name", NAMES)
def test_facets_are_inside_their_text(name: str) -> None:
    for post in posts(parse(*case(name))).values():
        assert all(0 <= facet.start < facet.end <= len(post.content) for facet in post.facets)


def test_members_are_posts_profile_and_media_only() -> None:
    assert [(member.glob, member.kind, member.key) for member in SOURCE.members] == [
        ("actor.json", "whole", ""),
        ("outbox.json", "records", "orderedItems"),
        ("media_attachments/**/*", "media", ""),
    ]


def test_source_is_a_source_and_parses_lazily() -> None:
    def captures() -> Iterator[Capture]:
        taken.append(1)
        yield capture(status("1"))

    taken: list[int] = []
    source: Source = SOURCE
    found = source.parse(captures())
    assert taken == []
    assert next(iter(found)) is not None
    assert taken == [1]


# --- Replies --------------------------------------------------------------------------------------------------


def test_a_parent_is_found_in_a_later_capture() -> None:
    child = capture(status("2", in_reply_to_id="1", in_reply_to_account_id="501"))
    parent = capture({"ancestors": [status("1")], "descendants": []})
    found = posts(parse(child, parent))
    assert found["https://social.example/ap/users/501/2"].in_reply_to == "https://social.example/ap/users/501/1"
    assert posts(parse(parent, child)) == found


def test_local_ids_of_two_instances_do_not_mix() -> None:
    here = capture(status("2", in_reply_to_id="1", in_reply_to_account_id="501"), "https://social.example/x")
    there = capture(status("1", LINA), "https://fern.example/x")
    found = posts(parse(here, there))
    assert found["https://social.example/ap/users/501/2"].in_reply_to == "https://social.example/api/v1/statuses/1"


@pytest.mark.parametrize(
    ("account", "url", "expected"),
    [
        (ADA, "", "https://social.example/api/v1/statuses/9"),
        (LINA, "https://asked.example/api/v1/statuses/2/context", "https://asked.example/api/v1/statuses/9"),
        (LINA, "", "urn:mastodon:9"),
    ],
)
def test_an_unknown_parent_has_a_canonical_id(account: dict[str, Any], url: str, expected: str) -> None:
    found = parse(capture(status("2", account, in_reply_to_id="9"), url))
    assert [post.in_reply_to for post in posts(found).values()] == [expected]


def test_the_author_of_a_parent_is_told_only_where_it_is_proven() -> None:
    # Mastodon carries the account first answered along a chain of self-replies: 3 answers 2, not Lina.
    chain = [
        status("1", LINA),
        status("2", in_reply_to_id="1", in_reply_to_account_id="8"),
        status("3", in_reply_to_id="2", in_reply_to_account_id="8"),
        status("5", in_reply_to_id="4", in_reply_to_account_id="8"),
        status("6", in_reply_to_id="gone", in_reply_to_account_id="501"),
    ]
    told = {post.id[-1]: post.in_reply_to_actor for post in posts(parse(capture(chain))).values()}
    assert told == {"1": "", "2": LINA["uri"], "3": ADA["uri"], "5": "", "6": ADA["uri"]}


def test_a_reply_whose_parent_was_destroyed_is_a_gap() -> None:
    found = parse(capture([status("2", in_reply_to_account_id="501"), status("3", in_reply_to_account_id="8")]))
    own, other = tombs(found).values()
    assert (own.id, own.reason, own.attributed_to) == (
        "https://social.example/ap/users/501/2#in_reply_to",
        "unavailable",
        ADA["uri"],
    )
    assert own.evidence == (
        "social.example says that this answers a post of the same author, and no longer has that post"
    )
    assert other.attributed_to == ""
    assert [post.in_reply_to for post in posts(found).values()] == [own.id, other.id]


def test_an_archive_shows_a_lost_parent_by_the_conversation() -> None:
    found = parse(*case("outbox_page"))
    after = posts(found)["https://willow.example/users/bram/statuses/6"]
    assert after.in_reply_to == after.id + "#in_reply_to"
    assert "names no post that it answers" in tombs(found)[after.in_reply_to].evidence


# --- Edits ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("newest_first", [False, True])
def test_a_history_is_tied_to_its_status_by_its_address(newest_first: bool) -> None:
    texts = [("one", "08:00"), ("two", "09:00"), ("three", "10:00")]
    edits = [
        {"content": f"<p>{text}</p>", "created_at": f"2026-03-01T{at}:00Z", "account": ADA} for text, at in texts
    ]
    history = capture(edits[::-1] if newest_first else edits, "https://social.example/api/v1/statuses/7/history")
    now = capture(status("7", content="<p>three</p>", edited_at="2026-03-01T10:00:00Z"))
    assert SOURCE.sniff(history)
    (post,) = posts(parse(history, now)).values()
    assert [version.content for version in post.versions] == ["one", "two"]
    assert [version.updated.hour for version in post.versions if version.updated] == [8, 9]


def test_a_history_alone_is_named_and_one_from_nowhere_is_not_ours() -> None:
    edits = [{"content": "<p>secret</p>", "created_at": "2026-03-01T08:00:00Z", "account": ADA}]
    (tomb,) = parse(capture(edits, "https://social.example/api/v1/statuses/7/history"))
    assert tomb.id == "https://social.example/api/v1/statuses/7"
    assert not SOURCE.sniff(capture(edits))


# --- Actors ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"noindex": True}, ("noindex",)),
        ({"discoverable": False, "indexable": False, "noindex": False}, ()),
        ({"note": "<p>I read. #NoBot</p>"}, ("nobot",)),
        ({"note": "<p>#nobottles</p>"}, ()),
        ({"fields": [{"name": "bots", "value": "#nobot"}], "noindex": None}, ("nobot",)),
    ],
)
def test_only_refusals_are_restrictions(fields: dict[str, Any], expected: tuple[str, ...]) -> None:
    actor = parse(capture(status("1", ADA | fields)))[0]
    assert isinstance(actor, Actor)
    assert actor.restrictions == expected


def test_a_handle_always_names_its_instance() -> None:
    found = parse(capture([status("1"), status("2", LINA)]))
    handles = [one.preferred_username for one in found if isinstance(one, Actor)]
    assert handles == ["ada@social.example", "lina@fern.example"]


def test_only_an_archive_is_an_outbox() -> None:
    captures = case("archive")
    told = [one.outbox for one in parse(*captures) if isinstance(one, Actor)]
    assert told == ["account archive"]
    loose = [capture(one.body) for one in captures]
    assert [one.outbox for one in parse(*loose) if isinstance(one, Actor)] == [""]
    page = capture(case("outbox_page")[0].body, archive="a" * 64, member="outbox.json")
    assert [one.outbox for one in parse(page) if isinstance(one, Actor)] == []
    served = json.loads(captures[0].body) | {"outbox": "https://reed.example/users/noor/outbox"}
    assert [one.outbox for one in parse(capture(served, archive="a" * 64)) if isinstance(one, Actor)] == [""]
    without_profile = [one for one in parse(*captures[1:]) if isinstance(one, Actor)]
    assert without_profile == [Actor("https://reed.example/users/noor", outbox="account archive")]


# --- Privacy --------------------------------------------------------------------------------------------------

_FANS = "https://reed.example/users/noor/followers"


@pytest.mark.parametrize(
    ("to", "cc", "expected"),
    [
        ("as:Public", None, "public"),
        (["https://www.w3.org/ns/activitystreams#Public"], [_FANS], "public"),
        (["Public"], [], "public"),
        ([_FANS], ["https://www.w3.org/ns/activitystreams#Public"], "unlisted"),
        ([_FANS], ["https://fern.example/u/8"], "private"),
        (["https://fern.example/u/8"], [], None),
        (None, None, None),
    ],
)
def test_who_may_read_a_note(to: Any, cc: Any, expected: str | None) -> None:
    note = {"id": "https://reed.example/1", "type": "Note", "attributedTo": "https://reed.example/users/noor"}
    activity = {
        "id": "https://reed.example/1/a",
        "type": "Create",
        "actor": note["attributedTo"],
        "to": to,
        "cc": cc,
    }
    for value in (
        note | {"to": to, "cc": cc, "content": "MARKER"},
        activity | {"object": note | {"content": "MARKER"}},
    ):
        found = parse(capture(value))
        told = [
            one.visibility if isinstance(one, Post) else one.reason for one in found if not isinstance(one, Actor)
        ]
        assert told == ([expected] if expected else [])
        assert (b"MARKER" in msgspec.json.encode(found)) == (expected in ("public", "unlisted"))


@pytest.mark.parametrize("visibility", ["private", "local", "limited", "", None])
def test_what_is_not_open_is_a_tombstone_without_text(visibility: str | None) -> None:
    found = parse(capture(status("1", visibility=visibility, spoiler_text="text cw", language="text lang")))
    (tomb,) = tombs(found).values()
    assert tomb.reason == "private"
    assert not posts(found)
    assert b"text" not in msgspec.json.encode(tomb)


def test_of_a_direct_message_not_even_the_author_is_told() -> None:
    assert parse(capture(status("1", visibility="direct"))) == []


def test_a_quoted_direct_message_is_not_shown() -> None:
    found = parse(
        capture(status("1", quote={"state": "accepted", "quoted_status": status("2", visibility="direct")}))
    )
    (post,) = posts(found).values()
    assert post.quote is not None
    assert post.quote.state == "unavailable"
    assert not tombs(found)


def test_the_answer_to_a_deletion_is_a_proven_tombstone() -> None:
    gone = status("1", text="draft", quote={"state": "accepted", "quoted_status": status("2", LINA)})
    del gone["content"], gone["quote"]["quoted_status"]["content"]
    found = parse(capture(gone))
    assert [tomb.reason for tomb in tombs(found).values()] == ["deleted"]
    assert not posts(found)


# --- Redaction ------------------------------------------------------------------------------------------------

_OWN = {
    "status_with_context": "https://social.example/ap/users/501",
    "quotes": "https://fern.example/ap/users/777",
    "lines": "https://moss.example/@mila",
    "outbox_page": "https://willow.example/users/bram",
    "archive": "https://reed.example/users/noor",
}


@pytest.mark.parametrize("name", NAMES)
def test_redaction_leaves_tombstones_and_everything_else(name: str) -> None:
    owner = frozenset({_OWN[name]})
    before, captures = parse(*case(name)), case(name)
    redacted = [msgspec.structs.replace(one, body=SOURCE.redact(one, owner), redacted=True) for one in captures]
    after = parse(*redacted)
    mine = {one.id for one in before if isinstance(one, Post) and one.attributed_to in owner}
    assert mine
    assert mine <= {id_ for id_, tomb in tombs(after).items() if tomb.reason == "forgotten"}
    assert not [one for one in posts(after).values() if one.attributed_to in owner]

    def others(found: list[Found]) -> list[dict[str, Any]]:
        kept = [one for one in found if getattr(one, "attributed_to", "") not in owner]
        return plain([one for one in kept if not isinstance(one, Actor) or one.id not in owner])

    assert others(after) == others(before)
    assert [SOURCE.redact(one, owner) for one in redacted] == [one.body for one in redacted]
    if name != "lines":  # one record of a sniffed archive may be emptied, the first one stays recognisable
        assert SOURCE.sniff(redacted[0])


@pytest.mark.parametrize("name", NAMES)
def test_redacted_bytes_hold_no_text_of_the_author(name: str) -> None:
    owner = frozenset({_OWN[name]})
    texts: set[str] = set()
    for one in parse(*case(name)):
        if isinstance(one, Post) and one.attributed_to in owner:
            texts |= {one.content, one.summary, one.name, *one.content.split("\n")}
            texts |= {a.alt or "" for a in one.attachments} | {a.url for a in one.attachments}
            texts |= {a.name for a in one.attachments} | {a.summary for a in one.attachments}
            texts |= {v.content for v in one.versions} | {o.name for o in (one.poll.options if one.poll else ())}
        elif isinstance(one, Actor) and one.id in owner:
            texts.add(one.name)
    texts.discard("")
    rest = b"".join(SOURCE.redact(one, owner) for one in case(name)).decode()
    strings = [
        text for value in map(json.loads, rest.splitlines() if name == "lines" else []) for text in _texts(value)
    ]
    assert texts
    for text in texts:
        assert text not in rest
        assert json.dumps(text)[1:-1] not in rest
        assert text not in strings
    assert "MARKER-DIRECT" not in rest
    assert "MARKER-FOLLOWERS" not in rest
    assert REDACTED in rest


def _texts(value: Any) -> Iterator[str]:
    for node in walk(value):
        yield from (one for one in node.values() if isinstance(one, str))


def test_redaction_of_somebody_else_changes_no_byte() -> None:
    for name in NAMES:
        for one in case(name):
            assert SOURCE.redact(one, frozenset({"https://nobody.example/users/x"})) == one.body


# --- Bad input ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"{}", b"null", b"[1]", b"\x89PNG\r\n", b"<html>",
        b'{"id": "1", "content": "x"}', b'{"type": "Note"}',
        b'{"account": {}, "actor": 1, "type": {"a": 1}}', b'[{"accounts": [], "last_status": {}, "id": "1"}]',
        b'{"@context": "https://schema.org", "type": "Person", "actor": "x"}',
    ],
)  # fmt: skip
def test_other_files_are_not_ours(body: bytes) -> None:
    assert not SOURCE.sniff(capture(body))


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b'{"id": "1", "account": {}, "content": ', "cut off"),
        (b"[" * 100_000 + b"]" * 100_000, "nested too deeply"),
        (b'{"ancestors": ' + b"[" * 100_000 + b"]" * 100_000 + b', "descendants": []}', "nested too deeply"),
        (b'{"error": "Record not found"}', "neither a Mastodon answer"),
        (b'{"id": "1", "account": {"id": []}, "content": "", "uri": "x"}', "account.id"),
        (b'{"id": "1", "account": {}, "content": "", "uri": "x"}\n{"id": "2"', "line 2"),
    ],
)
def test_broken_files_are_one_clear_error(body: bytes, says: str) -> None:
    with pytest.raises(ParseError, match=says):
        parse(capture(body))


def test_deep_quotes_and_objects_need_no_recursion() -> None:
    quoted = status("0")
    for n in range(1, 60):
        quoted = status(str(n), quote={"state": "accepted", "quoted_status": quoted})
    assert len(posts(parse(capture(quoted)))) == 60


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
_keys = st.sampled_from(
    "id type account content visibility uri url created_at mentions tags emojis poll card quote meta reblog "
    "attributedTo to cc tag attachment oneOf published inReplyTo replies quoteUrl object actor orderedItems".split()
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(_keys, _json, max_size=8), st.sampled_from(["Note", "Create", "Question", "OrderedCollection"])
)
def test_no_object_crashes_with_anything_but_our_error(fields: dict[str, Any], kind: str) -> None:
    note = {"to": "as:Public", "attributedTo": "x", "id": "https://x.example/1"} | fields | {"type": kind}
    for value in (note, status("1") | fields, {"status": status("1") | fields, "context": {}}):
        one = capture(value)
        try:
            found = parse(one)
            redacted = SOURCE.redact(one, frozenset({"x", ADA["uri"]}))
            parse(capture(redacted))
        except ClewError:
            continue
        assert found == parse(one)
