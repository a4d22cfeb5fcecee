"""Telegram: the captures of others, consent, albums, forwards, and redaction of every form."""

from __future__ import annotations

import hashlib
import json
import re
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.errors import ParseError
from clew.model import Actor, Capture, Post, Tombstone
from clew.sources.article import SOURCE as ARTICLE
from clew.sources.telegram import SOURCE
from clew.sources.telegram.export_json import text

HERE = Path(__file__).parent
CASES = HERE / "cases" / "telegram"
SHARED = HERE / ".." / ".." / "shared" / "data" / "telegram"
EXAMPLE = SHARED / "desktop_export" / "frontend" / "sveltekit" / "static" / "example"
ROWS = ("1001003921752", "1001117628569", "1001966291562")
shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the collected Telegram data in ../shared is not here")

CHANNEL = "https://t.me/c/777000111"
GAUGE = "https://t.me/c/777000222"
PUBLIC = "https://t.me/selm_harbour"


def capture(body: bytes | Any, **fields: Any) -> Capture:
    data = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    when = datetime(2030, 4, 1, tzinfo=UTC)
    return Capture(hashlib.sha256(data).hexdigest(), data, "application/octet-stream", when, **fields)


def case(name: str) -> Capture:
    return capture(next((CASES / name).glob("capture.*")).read_bytes())


def parse(*captures: Capture) -> list[Actor | Post | Tombstone]:
    found = list(SOURCE.parse(captures))
    assert found == list(SOURCE.parse(captures)), "parsing twice gives equal results"
    return found


def posts(*captures: Capture) -> list[Post]:
    return [item for item in parse(*captures) if isinstance(item, Post)]


def plain(items: list[Any]) -> list[Any]:
    """Give the values as ``expected.json`` holds them: without the hashes of captures."""
    values = msgspec.json.decode(msgspec.json.encode(items))
    return [{key: value for key, value in each.items() if key not in ("capture", "also_from")} for each in values]


def chat(*messages: dict[str, Any], kind: str = "public_channel") -> dict[str, Any]:
    return {"name": "Selm Harbour News", "type": kind, "id": 777000111, "messages": list(messages)}


def message(number: int, words: Any = "", seconds: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "id": number,
        "type": "message",
        "date": "2030-03-17T20:46:40",
        "date_unixtime": str(1_900_000_000 + seconds),
        "from": "Selm Harbour News",
        "from_id": "channel777000111",
        "text": words,
    } | more


def numbers(found: list[Post]) -> list[int]:
    return [int(re.split(r"[/#]", post.id)[-1]) for post in found]


@pytest.mark.parametrize("name", sorted(path.name for path in CASES.iterdir()))
def test_cases(name: str) -> None:
    assert SOURCE.sniff(case(name))
    assert not ARTICLE.sniff(case(name))
    assert plain(parse(case(name))) == json.loads((CASES / name / "expected.json").read_text("utf-8"))


# --- the data of others --------------------------------------------------------------------------------------


def wrapped(rows: list[dict[str, Any]], number: str, name: str) -> dict[str, Any]:
    """A loader of the tests: rows of a data set in the shape of an export (they are no source of their own)."""
    made = []
    for row in rows:
        when = datetime.fromisoformat(row.get("date") or row["posted_at"])
        made.append(
            {
                "id": int(row.get("message_id") or row["id"]),
                "type": "message",
                "date": when.strftime("%Y-%m-%dT%H:%M:%S"),
                "date_unixtime": str(int(when.timestamp())),
                "from": name,
                "from_id": f"channel{number}",
                "text": row["text"],
            }
        )
    return {"name": name, "type": "public_channel", "id": int(number), "messages": made}


@shared
@pytest.mark.parametrize("number", ROWS)
def test_every_message_of_a_data_set_comes_out_once(number: str) -> None:
    rows = json.loads((SHARED / f"{number}_messages.json").read_text("utf-8"))
    found = posts(capture(wrapped(rows, number, rows[0]["channel"])))
    assert len(found) == len(rows) == {"1001003921752": 905, "1001117628569": 1000, "1001966291562": 596}[number]
    assert {p.id: p.content for p in found} == {
        f"https://t.me/c/{number}/{row['message_id']}": row["text"] for row in rows
    }
    assert [p.published for p in found] == [datetime.fromisoformat(row["date"]) for row in rows]


@shared
def test_posts_of_the_air_force() -> None:
    lines = (SHARED / "kpszsu" / "posts.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines if line]
    found = posts(capture(wrapped(rows, "1", "kpszsu")))
    assert [p.content for p in found] == [row["text"] for row in rows]
    assert len({p.id for p in found}) == len(rows) > 3


@shared
def test_preview_of_the_air_force() -> None:
    body = (SHARED / "kpszsu" / "79455_shortened.html").read_bytes()
    page = capture(body)
    (post,) = posts(page)
    assert SOURCE.sniff(page)
    assert SOURCE.anchor(page) == post.id == "https://t.me/kpszsu/79455"
    assert post.published == datetime(2026, 9, 22, 5, 1, 1, tzinfo=UTC)
    assert post.content.startswith("⚡️ ЗБИТО/ПОДАВЛЕНО 186 ЦІЛЕЙ ПРОТИВНИКА\n➖➖\n")
    assert post.content.endswith("🇺🇦 Разом – до перемоги!")
    assert '"Калібр"' in post.content
    assert [a.type for a in post.attachments] == ["image"]


@shared
def test_html_and_json_of_the_same_chat_say_the_same() -> None:
    rich = posts(capture((EXAMPLE / "telegram-test-json" / "result.json").read_bytes()))
    page = posts(capture((EXAMPLE / "telegram-test-html" / "messages.html").read_bytes()))
    assert numbers(rich) == numbers(page) == [426597, 428640, 428641, 428642, 428645, 428647, 428648, 428649]
    words = [[" ".join(p.content.split()) for p in found] for found in (rich, page)]
    assert words[0] == words[1]
    assert [p.published for p in rich] == [p.published for p in page]
    assert [len(p.attachments) for p in rich] == [len(p.attachments) for p in page]
    assert {p.visibility for p in (*rich, *page)} == {"private"}


# --- consent -------------------------------------------------------------------------------------------------

DIRECT = ("personal_chat", "bot_chat", "saved_messages", "replies", "verification_codes")


@pytest.mark.parametrize("kind", DIRECT)
def test_direct_messages_are_not_read(kind: str) -> None:
    assert parse(capture(chat(message(1, "PLANTED"), kind=kind))) == []


@pytest.mark.parametrize(
    ("kind", "visibility"),
    [
        ("public_channel", "public"),
        ("public_supergroup", "public"),
        ("private_channel", "private"),
        ("private_supergroup", "private"),
        ("private_group", "private"),
    ],
)
def test_what_is_private_stays_private(kind: str, visibility: str) -> None:
    (post,) = posts(capture(chat(message(1, "Here"), kind=kind)))
    assert post.visibility == visibility


def test_a_whole_account_is_refused() -> None:
    direct = chat(message(1, "PLANTED"), kind="personal_chat")
    account = capture({"about": "x", "contacts": {"list": []}, "chats": {"about": "y", "list": [direct, chat()]}})
    assert SOURCE.sniff(account)
    with pytest.raises(ParseError, match=r"whole Telegram account.*Export chat history"):
        parse(account)
    assert b"PLANTED" not in SOURCE.redact(account, frozenset())
    page = msgspec.structs.replace(case("channel_html"), member="DataExport/chats/chat_001/messages.html")
    with pytest.raises(ParseError, match="whole Telegram account"):
        parse(page)


def test_a_conversation_of_two_in_html_is_not_read() -> None:
    page = case("channel_html").body.decode()
    other = page.replace("\nSelm Harbour News \n       </div>", "\nAda\n       </div>", 1)
    assert posts(capture(page.encode()))
    assert parse(capture(other.encode())) == []


def test_what_somebody_sent_is_not_a_page_of_the_export() -> None:
    sent = msgspec.structs.replace(case("channel_json"), member="ChatExport/files/result.json")
    assert parse(sent) == []


def test_contact_data_is_not_read() -> None:
    shown = json.dumps(plain(parse(case("channel_json"))))
    assert "SECRETNAME" in case("channel_json").body.decode()
    assert "SECRETNAME" not in shown
    assert "SECRETPHONE" not in shown
    assert '"omitted:contact"' in shown


# --- forms ---------------------------------------------------------------------------------------------------


def records(body: dict[str, Any]) -> list[Capture]:
    """The captures an archive gives: the chat emptied, then each message."""
    head = capture(body | {"messages": []}, member="result.json")
    parts = (capture(m, member=f"result.json#{n}") for n, m in enumerate(body["messages"], 1))
    return [head, *parts]


def test_records_give_what_the_whole_file_gives() -> None:
    whole = case("channel_json")
    parts = records(json.loads(whole.body))
    assert plain(parse(*parts)) == plain(parse(whole))
    assert all(SOURCE.sniff(part) for part in parts)
    by_hash = {part.sha256: part.body.decode() for part in parts}
    words = [p for p in posts(*parts) if p.content and p.poll is None and not p.facets]
    assert len(words) > 3
    assert all(post.content in by_hash[post.capture] for post in words)


def test_a_record_without_its_chat_is_an_error() -> None:
    with pytest.raises(ParseError, match="without its chat"):
        parse(capture(message(1, "Alone")))


def test_a_chat_of_unknown_kind_is_an_error() -> None:
    body = capture(chat(message(1)) | {"type": "personal_chat"})
    assert parse(body) == []
    odd = [capture(chat(kind="public_channel")), capture(chat(message(2), kind="star_chat"))]
    with pytest.raises(ParseError, match="not an export of Telegram"):
        parse(*odd)


@pytest.mark.parametrize("cut", [60, 200, 900])
def test_a_cut_file_is_an_error(cut: int) -> None:
    body = json.dumps(chat(*(message(n, "Words") for n in range(9)))).encode()
    with pytest.raises(ParseError, match="cut off"):
        parse(capture(body[:cut]))


def test_control_characters_as_telegram_writes_them() -> None:
    body = json.dumps(chat(message(1, "a@b and c\\x41"))).encode().replace(b"@", b"\\x0B")
    (post,) = posts(capture(body))
    assert post.content == "a\x0bb and c\\x41"


def test_a_time_without_a_zone_is_marked() -> None:
    local = message(1, "x") | {"date_unixtime": None}
    (post,) = posts(capture(chat(local)))
    assert (post.published, post.labels) == (datetime(2030, 3, 17, 20, 46, 40, tzinfo=UTC), ("local-time",))
    page = case("channel_html").body.replace(b" UTC+03:00", b"")
    assert all("local-time" in p.labels for p in posts(capture(page)))


def test_old_numbers_for_people() -> None:
    (post,) = posts(capture(chat(message(1, "x", from_id=42), kind="public_supergroup")))
    assert post.attributed_to == "tg://user?id=42"


@given(st.lists(st.tuples(st.sampled_from(["plain", "bold", "link", "spoiler", "odd"]), st.text(max_size=9))))
def test_facets_are_spans_of_the_text(pieces: list[tuple[str, str]]) -> None:
    content, facets = text([{"type": kind, "text": words} for kind, words in pieces])
    assert content == "".join(words for _, words in pieces)
    marked = [words for kind, words in pieces if words and kind not in ("plain", "odd")]
    assert [content[f.start : f.end] for f in facets] == marked


@given(st.recursive(st.none() | st.integers() | st.text(), lambda c: st.lists(c) | st.dictionaries(st.text(), c)))
def test_odd_messages_raise_nothing_else(value: Any) -> None:
    for key in ("text", "from_id", "poll", "photo", "reply_to_message_id", "date_unixtime"):
        with suppress(ParseError):
            assert len(parse(capture(chat(message(1) | {key: value})))) == 2


# --- albums and forwards -------------------------------------------------------------------------------------

PHOTO = {"photo": "photos/a.jpg"}


@pytest.mark.parametrize(
    ("second", "why"),
    [
        (message(3, **PHOTO), "a message between is missing"),
        (message(2, seconds=2, **PHOTO), "sent later"),
        (message(2, from_id="channel5", **PHOTO), "by another"),
        (message(2), "no picture"),
        (message(2, "Words too", **PHOTO), "each has words of its own"),
        (message(2, reply_to_message_id=1, **PHOTO), "an answer"),
        (message(2, forwarded_from="Taras", **PHOTO), "forwarded"),
        (message(2, file="a.webp", media_type="sticker"), "a sticker"),
    ],
)
def test_no_album(second: dict[str, Any], why: str) -> None:
    assert len(posts(capture(chat(message(1, "Words", **PHOTO), second)))) == 2, why


def test_an_album_has_at_most_ten() -> None:
    found = posts(capture(chat(*(message(n, **PHOTO) for n in range(1, 14)))))
    assert [len(p.attachments) for p in found] == [10, 3]


def test_a_forward_is_not_the_channels_own_words() -> None:
    found = {p.id: p for p in posts(case("channel_json"))}
    told = found[f"{CHANNEL}/9"]
    assert told.labels == (f"forwarded-from:{GAUGE}",)
    assert [(f.type, f.start, f.end) for f in told.facets] == [("blockquote", 0, len(told.content))]
    assert "Selm Gauge" in {a.name for a in parse(case("channel_json")) if isinstance(a, Actor)}


# --- redaction -----------------------------------------------------------------------------------------------


def strings(items: list[Any], ids: frozenset[str]) -> set[str]:
    """Every text of a post or actor of ``ids`` that somebody could recognise."""
    found: set[str] = set()
    for item in items:
        if isinstance(item, Actor) and item.id in ids:
            found |= {item.name}
        own = getattr(item, "attributed_to", "") in ids or any(
            label == f"forwarded-from:{who}" for label in getattr(item, "labels", ()) for who in ids
        )
        if isinstance(item, Post) and own:
            found |= {line for line in item.content.splitlines() if len(line) > 3}
            found |= {a.url for a in item.attachments} | {a.name for a in item.attachments}
            found |= {o.name for o in item.poll.options} if item.poll else set()
    return {text for text in found if len(text) > 2}


def check_redaction(whole: Capture, who: str) -> list[Any]:
    ids = frozenset({who})
    before = parse(whole)
    body = SOURCE.redact(whole, ids)
    after = msgspec.structs.replace(whole, body=body, redacted=True)
    found = parse(after)
    assert SOURCE.sniff(after)
    assert SOURCE.redact(after, ids) == body, "redacting twice changes nothing"
    wanted = strings(before, ids)
    assert wanted
    decoded = body.decode()
    assert [text for text in wanted if text in decoded] == []
    gone = {i.id for i in before if isinstance(i, Post) and i.attributed_to == who}
    tombs = {i.id: i for i in found if isinstance(i, Tombstone) and i.reason == "forgotten"}
    assert set(tombs) == gone
    told = f"forwarded-from:{who}"
    kept = [i for i in before if isinstance(i, Post) and i.attributed_to != who and told not in i.labels]
    assert [i for i in found if isinstance(i, Post) and told not in i.labels] == kept
    for post in (i for i in before if isinstance(i, Post) and i.id in tombs):
        tomb = tombs[post.id]
        assert (tomb.published, tomb.in_reply_to) == (post.published, post.in_reply_to)
    return found


@pytest.mark.parametrize(
    ("name", "who"),
    [
        ("channel_json", CHANNEL),
        ("channel_json", GAUGE),
        ("group_json_local_time", "tg://user?id=42"),
        ("preview", PUBLIC),
        ("preview", "https://t.me/selm_gauge"),
    ],
)
def test_redaction(name: str, who: str) -> None:
    check_redaction(case(name), who)


def test_redaction_of_a_name_known_by_its_hash() -> None:
    actors = {a.name: a.id for a in parse(case("channel_json")) if isinstance(a, Actor)}
    found = check_redaction(case("channel_json"), actors["Taras"])
    (told,) = [p for p in found if isinstance(p, Post) and p.id == f"{CHANNEL}/10"]
    assert told.content == ""
    assert told.labels == (f"forwarded-from:{actors['Taras']}",)


@pytest.mark.parametrize("index", [0, 1])
def test_redaction_of_html(index: int) -> None:
    actors = [a for a in parse(case("channel_html")) if isinstance(a, Actor)]
    check_redaction(case("channel_html"), actors[index].id)


def test_redaction_of_records() -> None:
    parts = records(json.loads(case("channel_json").body))
    ids = frozenset({CHANNEL})
    after = [msgspec.structs.replace(p, body=SOURCE.redact(p, ids)) for p in parts]
    before = {p.id for p in posts(*parts)}
    assert {t.id for t in parse(*after) if isinstance(t, Tombstone) and t.reason == "forgotten"} == before
    text_left = b"".join(p.body for p in after).decode()
    assert [text for text in strings(parse(*parts), ids) if text in text_left] == []
    name = next(a.id for a in parse(*parts) if isinstance(a, Actor) and a.name == "Taras")
    without = [msgspec.structs.replace(p, body=SOURCE.redact(p, frozenset({name}))) for p in parts]
    assert b"A sailor writes" not in b"".join(p.body for p in without)


# --- hostile -------------------------------------------------------------------------------------------------

DEEP = 100_000
FRAME = b'<div class="page_wrap"><div class="page_body chat_page"><div class="history">'


@pytest.mark.parametrize(
    "body",
    [
        FRAME + b"<div>" * DEEP,
        b'<div class="tgme_widget_message" data-post="a/1">' + b"<div>" * DEEP,
        b'{"name":"x","type":"public_channel","id":1,"messages":' + b"[" * DEEP + b"]" * DEEP + b"}",
    ],
)
def test_deep_nesting_is_an_error(body: bytes) -> None:
    with pytest.raises(ParseError, match="nested too deeply"):
        parse(capture(body))


def test_markup_in_text_is_text() -> None:
    words = "<b>not bold</b> <script>alert(1)</script> &amp; \u202e\u0007 end"
    (post,) = posts(capture(chat(message(1, words))))
    assert post.content == words
    assert post.facets == ()


@pytest.mark.parametrize("body", [b"", b"\0\1\2", b"just text", b"<html><body><p>A page</p></body></html>", b"[1]"])
def test_other_files_are_not_telegram(body: bytes) -> None:
    assert not SOURCE.sniff(capture(body))
