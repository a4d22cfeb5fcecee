"""Pasted text: a thread where its counters prove one, else one post; never anything but a ``ClewError``."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew import captures
from clew.decode import REDACTED, plain
from clew.errors import ClewError, InputError, ParseError
from clew.model import Actor, Capture, Post, Tombstone
from clew.sources.paste import SOURCE, moment

CASES = Path(__file__).parent / "cases" / "paste"
NAMES = sorted(path.name for path in CASES.iterdir())
TIME = datetime(2031, 11, 5, tzinfo=UTC)


def capture(body: str | bytes, author: str = "", published: str = "") -> Capture:
    raw = body.encode() if isinstance(body, str) else body
    headers = {key: value for key, value in (("author", author), ("published", published)) if value}
    return Capture(hashlib.sha256(raw).hexdigest(), raw, "text/plain", TIME, headers=headers)


def contents(text: str | bytes) -> list[str]:
    return [value.content for value in SOURCE.parse([capture(text)]) if isinstance(value, Post)]


def actor(text: str, author: str = "") -> Actor:
    first = next(iter(SOURCE.parse([capture(text, author)])))
    assert isinstance(first, Actor)
    return first


@pytest.mark.parametrize("name", NAMES)
def test_cases(name: str) -> None:
    """Threads as services print them, articles, recipes, other line ends and encodings: as written down by hand."""
    given_ = capture((CASES / name / "capture.txt").read_bytes())
    assert SOURCE.sniff(given_)
    values = msgspec.json.decode(msgspec.json.encode(list(SOURCE.parse([given_]))))
    made = [{key: value for key, value in each.items() if key != "capture"} for each in values]
    assert made == json.loads((CASES / name / "expected.json").read_text("utf-8"))


@pytest.mark.parametrize("name", NAMES)
def test_posts_are_spans_of_the_paste(name: str) -> None:
    """Each post is text of the capture as it is, in order; between posts there is only white space."""
    given_ = capture((CASES / name / "capture.txt").read_bytes())
    text, at, between = plain(given_), 0, []
    posts = contents(given_.body)
    for content in posts:
        start = text.index(content, at)
        between.append(text[at:start])
        at = start + len(content)
    assert "".join(between[1:]).strip() == ""


# -- when is it a thread? -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "Three wishes\n\n1. Bread\n\n2. Salt\n\n3. Soap\n\nThat is all.",
        "(1) The tenant pays.\n(2) The owner repairs.\n(3) The cat stays.",
        "1️⃣ bread\n2️⃣ salt\n3️⃣ soap",
        "A thread of hope runs through it.\n\nIt is red.\n\n1. Bread\n2. Salt\n3. Soap",
        "Червона нитка роману: мило.\n1. Хліб\n2. Сіль\n3. Мило",
        "Floods in 2014/\nin 2015/\nin 2016/\nin 2017/\nin 2018/",
        "Film A 3/10\nFilm B 4/10\nFilm C 5/10",
        "It went 48/52\n49/51\n50/50",
        "We remember 9/11.\nOpen 24/7.\nSplit 52/48.",
        "One paragraph.\n\nAnother.\n\n• • •\n\nAnd the last third of it.",
        "I like it.\n\nYou can follow @ada.\n\nBye.\n\nBookmark",
    ],
)
def test_an_article_stays_one_post(text: str) -> None:
    """Numbered headings, lists, clauses, years, marks and figures are no thread; nothing is cut off or lost."""
    assert contents(text) == [text]
    assert actor(text).id == "urn:clew:unnamed"


@pytest.mark.parametrize("sign", ["A short thread on soap:", "Soap 🧵", "THREAD", "Коротка нитка про мило"])
def test_points_count_where_the_text_says_so(sign: str) -> None:
    """ "1." numbers posts where the text calls itself a thread, or ends with "end/"."""
    assert contents(f"{sign}\n1. Bread\n2. Salt\n3. Soap") == [sign, "1. Bread", "2. Salt", "3. Soap"]
    assert contents("1. Bread\n2. Salt\n3. Soap\nend/\nBye")[-2:] == ["3. Soap\nend/", "Bye"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("gap", [1, 2])
def test_counters_at_line_ends_end_posts(end: str, gap: int) -> None:
    """At tails a post ends with its counter, however lines end, with or without blank lines between posts."""
    posts = ["Hello\n\nto you 1/3", "The tide\ncame in 2/3", "It went 3/3", "PS one", "PS two"]
    text = (end * gap).join(post.replace("\n", end) for post in posts)
    assert contents(text) == [post.replace("\n", end) for post in posts]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("gap", [1, 2])
def test_counters_at_line_heads_begin_posts(end: str, gap: int) -> None:
    """At heads a post begins with its counter and may have several paragraphs; what is above is a post, too."""
    posts = ["An intro", "1/ Hello\n\nto you", "2/ The tide\ncame in 9/11", "3/ It went\n\nend/", "PS"]
    text = (end * gap).join(post.replace("\n", end) for post in posts)
    assert contents(text) == [post.replace("\n", end) for post in posts]


def test_posts_answer_one_another() -> None:
    """A thread's posts are a chain in the order of the paste, of one author, at the time that was given."""
    parsed = list(SOURCE.parse([capture("a 1/\nb 2/\nc 3/", "@ada", "2031-11-04")]))
    posts = [value for value in parsed if isinstance(value, Post)]
    base = posts[0].id.removesuffix("#1")
    assert base.startswith("ni:///sha-256;")
    assert [post.id for post in posts] == [f"{base}#{n}" for n in (1, 2, 3)]
    assert [post.in_reply_to for post in posts] == ["", f"{base}#1", f"{base}#2"]
    assert {post.attributed_to for post in posts} == {"acct:ada"}
    assert [post.order for post in posts] == [1, 2, 3]
    assert {post.published for post in posts} == {datetime(2031, 11, 4, tzinfo=UTC)}
    assert SOURCE.anchor(capture("a")) == ""


# -- what services print ------------------------------------------------------------------------------------------


def test_a_footer_is_known_by_what_only_a_service_writes() -> None:
    """Lines that anybody may write are cut only right above a line that only the service writes."""
    text = "a 1/\nb 2/\nc 3/\n• • •\nYou can follow @ada.\nTip: mention @twtextapp on a thread"
    assert contents(text) == ["a 1/", "b 2/", "c 3/", "• • •"]
    assert actor(text).id == "https://x.com/ada"
    kept = "a 1/\nb 2/\nc 3/\nYou can follow @ada."
    assert contents(kept) == kept.split("\n")
    assert actor(kept).id == "urn:clew:unnamed"


def test_a_footer_in_the_thread_is_text() -> None:
    """What a post of the thread says about a service is not cut."""
    text = "Try unrolling a thread yourself! 1/\nUnrolled by PingThread 2/\nc 3/"
    assert contents(text) == text.split("\n")


def test_a_header_needs_two_signs() -> None:
    """One line that looks like a service's header is text; two are cut, up to the last."""
    assert contents("Bookmark\nOne text of mine.\nMore of it.") == ["Bookmark\nOne text of mine.\nMore of it."]
    text = "Ada Quill\n@ada\n12 tweets • 4 min read\nBookmark Save as PDF\n1/ a\n2/ b\n3/ c"
    assert contents(text) == ["1/ a", "2/ b", "3/ c"]
    assert actor(text).preferred_username == "ada"


def test_a_name_is_not_a_handle() -> None:
    """ "Keep Current with Ada Quill" names nobody's handle; "More from @ada" does."""
    tail = "This Thread may be Removed Anytime!"
    assert actor(f"a 1/\nb 2/\nc 3/\n{tail}\nKeep Current with Ada Quill").id == "urn:clew:unnamed"
    assert actor(f"a 1/\nb 2/\nc 3/\n{tail}\nMore from @ada").id == "https://x.com/ada"


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ("", Actor("https://x.com/ada", preferred_username="ada", url="https://x.com/ada")),
        ("@Ada", Actor("https://x.com/Ada", preferred_username="Ada", url="https://x.com/Ada")),
        ("ada", Actor("https://x.com/ada", preferred_username="ada", url="https://x.com/ada")),
        ("@bob@bob.example", Actor("acct:bob@bob.example", preferred_username="bob@bob.example")),
        ("Ada Quill", Actor("urn:clew:name:Ada Quill", name="Ada Quill")),
        ("https://ada.example/", Actor("https://ada.example/", url="https://ada.example/")),
        ("did:plc:ada", Actor("did:plc:ada")),
        (" @ ", Actor("https://x.com/ada", preferred_username="ada", url="https://x.com/ada")),
    ],
)
def test_authors(given_: str, expected: Actor) -> None:
    """The author is who the giver says, else whom the footer names."""
    text = "a 1/\nb 2/\nc 3/\nYou can follow @ada.\nTip: mention @twtextapp"
    assert actor(text, given_) == expected


def test_times() -> None:
    """A time is ISO 8601, in UTC where no zone is said; anything else is an error that says how to write it."""
    assert moment("") is None
    assert moment(" 2031-11-04T01:00+02:00 ") == datetime(2031, 11, 3, 23, tzinfo=UTC)
    for wrong in ("yesterday", "0001-01-01T00:00+14:00", "9999-12-31T23:59-10:00", "\0", "2031-13-01"):
        with pytest.raises(InputError, match="not a date"):
            moment(wrong)


# -- what is a paste at all? --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"plain", b"\xef\xbb\xbfplain", "plain".encode("utf-16"), "plain".encode("utf-32"),
        b"\xfe\xff" + "plain".encode("utf-16-be"), b"<3 to all of you", b"{sigh} what a day", b"[1/3] one",
        b"[aside] one", "Слово".encode() * 20_000, b"red \x1b[31m and bell \x07", b"a = b",
    ],
)  # fmt: skip
def test_text_is_taken(body: bytes) -> None:
    """Text in any Unicode encoding is a paste, whatever it begins with."""
    assert SOURCE.sniff(capture(body))
    assert contents(body)


@pytest.mark.parametrize(
    "body",
    [
        b"", b" \r\n", b"\xef\xbb\xbf ", b"\x89PNG\r\n\x1a\n\0\0", b"a\0b", b"\x1f\x8b\x08\xff\xfe\xfd\xfc\xfb\xfa",
        b'{"a": 1}', b' {}', b"[]", b'[{"a": 1}]', b"[[1]]", b"<html>", b"<!-- x -->", b"<?xml?>", b"</p>",
        b"\xef\xbb\xbf<p>", "<p>x</p>".encode("utf-16"), b"window.YTD.tweets.part0 = [ {",
    ],
)  # fmt: skip
def test_other_things_are_not_taken(body: bytes) -> None:
    """Markup, JSON, scripts, binary data and white space are not pasted text."""
    assert not SOURCE.sniff(capture(body))


def test_another_encoding_is_told() -> None:
    """Text that is not Unicode is an error that says where, and what to do."""
    with pytest.raises(ParseError, match="Save it again as UTF-8"):
        contents("Слово".encode("windows-1251"))
    with pytest.raises(ParseError, match="no text"):
        contents(b"\xef\xbb\xbf \n")


LINE = st.sampled_from(
    [
        "1/", "2/", "3/", "1.", "2.", "3.", "(1/3)", "(2/3)", "(3/3)", "end/", "🧵", "Bookmark", "@ada", "• • •",
        "",
        "Tip: mention @twtextapp", "You can follow @ada.", "Missing some Tweet in this thread?", "a", "https://x.test",
    ]
)  # fmt: skip
TEXT = st.lists(st.tuples(LINE, st.text(max_size=4), LINE, st.sampled_from(["\n", "\r\n", "\r", " ", "\n\n"])))


@given(TEXT)
def test_any_text_is_split(parts: list[tuple[str, str, str, str]]) -> None:
    """Posts of any text are its spans, in order; what is left out between the first and the last is white space."""
    text = "".join(f"{a} {b} {c}{d}" for a, b, c, d in parts)
    try:
        posts = contents(captures.paste(text).body)
    except ClewError:
        return
    at, between = 0, []
    for content in posts:
        start = text.index(content, at)
        between.append(text[at:start])
        at = start + len(content)
        assert content.strip() == content != ""
    assert "".join(between[1:]).strip() == ""


@given(st.binary(max_size=200) | st.text(max_size=100).map(lambda text: text.encode("utf-16", "surrogatepass")))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    """Whatever is given: it is no paste, or is parsed, or is a ClewError."""
    given_ = capture(body, author=body[:9].decode("latin-1"))
    if SOURCE.sniff(given_):
        try:
            assert list(SOURCE.parse([given_])) == list(SOURCE.parse([given_]))
        except ClewError:
            return


@given(st.text(st.characters(exclude_categories=()), max_size=50), st.text(max_size=20), st.text(max_size=20))
def test_any_paste_is_read_or_refused(text: str, author: str, published: str) -> None:
    """Whatever is typed as text, author and time: a capture with posts, or a ClewError."""
    try:
        parsed = list(SOURCE.parse([captures.paste(text, author=author, published=published)]))
    except ClewError:
        return
    assert any(isinstance(value, Post) for value in parsed)


# -- forgetting ---------------------------------------------------------------------------------------------------


def test_a_text_is_forgotten_whole() -> None:
    """Nothing of the author's text is left in the capture, and a tombstone stands in its place; others stay."""
    text = "The tide 1/\nthe boats 2/\nthe pier 3/\nYou can follow @ada.\nTip: mention @twtextapp"
    before = capture(text)
    body = SOURCE.redact(before, frozenset(["https://x.com/ada"]))
    assert body == REDACTED.encode()
    after = msgspec.structs.replace(before, body=body, redacted=True)
    (left,) = SOURCE.parse([after])
    assert isinstance(left, Tombstone)
    assert (left.reason, left.id) == (
        "forgotten",
        next(v.id for v in SOURCE.parse([before]) if isinstance(v, Post)),
    )
    assert SOURCE.redact(before, frozenset(["https://x.com/bob"])) == before.body


def test_a_counter_on_the_line_below_its_post() -> None:
    """Counters that stand alone below their posts end them: no post more than the counters say."""
    assert contents("One is here\n1/3\n\nTwo is there\n2/3\n\nThree ends\n3/3\n") == [
        "One is here\n1/3",
        "Two is there\n2/3",
        "Three ends\n3/3",
    ]
