"""Articles: verbatim from the page, whatever the chooser does to it; hostile pages; redaction."""

from __future__ import annotations

import builtins
import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clew.decode import html_text
from clew.errors import InputError, ParseError
from clew.model import Actor, Capture, Post, Tombstone
from clew.sources.article import SOURCE
from clew.sources.telegram import SOURCE as TELEGRAM

CASES = Path(__file__).parent / "cases" / "article"
NAMES = sorted(path.name for path in CASES.iterdir())
ENCODINGS = {"windows_1251": "cp1251"}
ADA = "https://lantern.example/people/ada-quill"


def capture(body: bytes | str, **fields: Any) -> Capture:
    data = body.encode() if isinstance(body, str) else body
    when = datetime(2030, 4, 1, tzinfo=UTC)
    return Capture(hashlib.sha256(data).hexdigest(), data, "text/html", when, **fields)


def case(name: str) -> Capture:
    return capture((CASES / name / "capture.html").read_bytes())


def parse(page: Capture) -> list[Actor | Post | Tombstone]:
    found = list(SOURCE.parse([page]))
    assert found == list(SOURCE.parse([page])), "parsing twice gives equal results"
    return found


def article(page: Capture) -> tuple[Actor, Post]:
    actor, post = parse(page)
    assert isinstance(actor, Actor)
    assert isinstance(post, Post)
    assert post.attributed_to == actor.id
    return actor, post


def marked(post: Post, kind: str) -> list[str]:
    return [post.content[f.start : f.end] for f in post.facets if f.type == kind]


PARAGRAPHS = "".join(
    f"<p>Paragraph {n} of the page is long enough to be taken for the text of an article by anybody who looks.</p>"
    for n in range(5)
)


def page(body: str = "", head: str = "", url: str = "") -> Capture:
    markup = f"<!doctype html><html><head>{head}</head><body><article>{PARAGRAPHS}{body}</article></body></html>"
    return capture(markup, url=url)


@pytest.mark.parametrize("name", NAMES)
def test_cases(name: str) -> None:
    assert SOURCE.sniff(case(name))
    assert not TELEGRAM.sniff(case(name))
    values = msgspec.json.decode(msgspec.json.encode(parse(case(name))))
    made = [{key: value for key, value in each.items() if key != "capture"} for each in values]
    assert made == json.loads((CASES / name / "expected.json").read_text("utf-8"))


@pytest.mark.parametrize("name", NAMES)
def test_every_paragraph_stands_in_the_page(name: str) -> None:
    whole = " ".join(html_text(case(name).body.decode(ENCODINGS.get(name, "utf-8")))[0].split())
    paragraphs = article(case(name))[1].content.split("\n")
    assert len(paragraphs) > 4
    assert [p for p in paragraphs if " ".join(p.split()) not in whole] == []


def test_the_speech_and_both_statements_stay_quotes() -> None:
    actor, post = article(case("speech"))
    speech, roads, port, embedded = marked(post, "blockquote")
    assert speech.startswith("We have waited for this day")
    assert speech.endswith("or I will say here why we have not.")
    assert speech.count("\n\n") == 1
    assert roads.startswith("Twelve of the thirteen spans")
    assert port == "Eleven spans have been replaced. The remaining two are safe for all traffic."
    assert embedded.startswith("Drove over it twice")
    assert "1/3 more than planned" in post.content
    assert "PLANTED" not in post.content
    assert "Herring" not in post.content
    assert "taken down" in post.content
    assert "it,\xa0as" in post.content, "a no-break space is text"
    assert (actor.id, actor.name) == (ADA, "Ada Quill")
    assert post.published == datetime(2024, 5, 4, 6, 30, tzinfo=UTC)


def test_spaces_of_a_table_of_times_are_kept() -> None:
    _, post = article(case("no_metadata"))
    assert marked(post, "pre") == ["06:10   Selm   Outer Quay\n18:40   Outer Quay   Selm"]
    assert post.id == f"ni:///sha-256;{case('no_metadata').sha256}"


@pytest.mark.parametrize(
    ("url", "canonical", "wanted"),
    [
        ("", "https://lantern.example/a", "https://lantern.example/a"),
        ("https://lantern.example/a?x=1", "https://www.lantern.example/a", "https://www.lantern.example/a"),
        ("https://lantern.example/a?x=1", "/a", "https://lantern.example/a"),
        ("https://evil.example/a", "https://lantern.example/a", "https://evil.example/a"),
        ("", "javascript:alert(1)", ""),
        ("", "http://[broken", ""),
    ],
)
def test_canonical_address(url: str, canonical: str, wanted: str) -> None:
    _, post = article(page(head=f'<link rel="canonical" href="{canonical}">', url=url))
    assert post.url == wanted
    assert post.id == (url or wanted or f"ni:///sha-256;{post.capture}"), "the id is what was asked for"


@pytest.mark.parametrize(
    ("head", "published", "labels"),
    [
        ("", None, ()),
        ('<meta name="date" content="2024-05-04">', datetime(2024, 5, 4, tzinfo=UTC), ("date-only",)),
        ('<meta name="date" content="2024-05-04T10:00">', datetime(2024, 5, 4, 10, tzinfo=UTC), ("local-time",)),
        (
            '<meta property="article:published_time" content="2024-05-04T10:00:00-05:00">',
            datetime(2024, 5, 4, 15, tzinfo=UTC),
            (),
        ),
    ],
)
def test_dates(head: str, published: datetime | None, labels: tuple[str, ...]) -> None:
    _, post = article(page(head=head))
    assert (post.published, post.labels) == (published, labels)


def test_an_author_without_an_address_is_known_by_the_site() -> None:
    head = '<meta name="author" content="Ada Quill"><link rel="canonical" href="https://lantern.example/a">'
    actor, _ = article(page(head=head))
    assert actor.id.startswith("https://lantern.example/#author-")
    assert "quill" not in actor.id.casefold()
    assert actor.name == "Ada Quill"


def test_images_keep_their_alt_texts() -> None:
    body = '<figure><img src="/a.jpg" alt="A quay"></figure><figure><img src="/b.jpg"></figure>'
    _, post = article(page(body, url="https://lantern.example/a"))
    alts = {a.url: a.alt for a in post.attachments}
    assert alts == {"https://lantern.example/a.jpg": "A quay", "https://lantern.example/b.jpg": None}


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="<>&\r\0"), max_size=80), max_size=6))
def test_no_character_is_invented(texts: list[str]) -> None:
    body = "".join(f"<p>Said: {text}</p>" for text in texts)
    _, post = article(page(body))
    whole = html_text(page(body).body.decode())[0].split("\n")
    assert [line for line in post.content.split("\n") if line and line not in whole] == []


@pytest.mark.parametrize("tag", ["div", "blockquote", "b", "span"])
def test_deep_nesting_is_an_error(tag: str) -> None:
    body = f"<html><body><article>{f'<{tag}>' * 100_000}words{f'</{tag}>' * 100_000}".encode()
    with pytest.raises(ParseError):
        parse(capture(body))


@pytest.mark.parametrize(
    "body",
    [b"<html><body></body></html>", b"<!doctype html><title>x</title>", b"<html>" + b"\xff" * 50],
)
def test_pages_without_an_article_are_errors(body: bytes) -> None:
    assert SOURCE.sniff(capture(body))
    with pytest.raises(ParseError):
        parse(capture(body))


def test_words_said_twice_are_kept_twice() -> None:
    again = "<p>And so we say it again, in as many words as it takes.</p>"
    _, post = article(page(again * 3 + "<p>But only three times, as you can count for yourself.</p>" + again))
    assert post.content.count("And so we say it again") == 4


def test_too_large() -> None:
    with pytest.raises(ParseError, match="too many elements"):
        parse(capture(b"<html><body>" + b"<p>x" * 40_000))
    with pytest.raises(ParseError, match="larger than 16 MiB"):
        parse(capture(b"<html>" + b" " * 2**24))


@pytest.mark.parametrize(
    "body", [b"", b"words", b"{}", b"<?xml version='1.0'?><feed></feed>", b"\0<html>", b"<p>x"]
)
def test_other_files_are_no_articles(body: bytes) -> None:
    assert not SOURCE.sniff(capture(body))


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name.partition(".")[0] == "trafilatura":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    assert SOURCE.sniff(case("speech"))
    with pytest.raises(InputError, match=r"Install Clew with its extra: articles"):
        parse(case("speech"))


@pytest.mark.parametrize("name", NAMES)
def test_redaction(name: str) -> None:
    actor, post = article(case(name))
    body = SOURCE.redact(case(name), frozenset({actor.id}))
    after = msgspec.structs.replace(case(name), body=body, redacted=True)
    assert SOURCE.sniff(after)
    assert parse(after) == [
        Tombstone(
            post.id,
            reason="forgotten",
            attributed_to=actor.id,
            published=post.published,
            evidence="The author asked for removal",
        )
    ]
    words = [line for line in (*post.content.splitlines(), post.name, actor.name) if line]
    assert [text for text in words if text in body.decode()] == []
    assert SOURCE.redact(after, frozenset({actor.id})) == body
    assert SOURCE.redact(case(name), frozenset({"https://other.example/"})) == case(name).body
