"""JSON-LD: a public parser understands it without fetching anything, and it says what the thread says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pyld import jsonld

from clew import flow, reading
from clew.exporters.jsonld import EXPORTER, embedded
from clew.model import (
    Actor,
    Attachment,
    Certificate,
    Facet,
    Page,
    Poll,
    PollOption,
    Post,
    Quote,
    Run,
    Thread,
    Tombstone,
)

CASES = Path(__file__).parent / "cases"
FILES = sorted([*CASES.glob("*/*/capture.*"), *CASES.glob("*/*/archive")])
SCHEMA = "https://schema.org/"
WHEN = datetime(2031, 5, 1, 12, tzinfo=UTC)
ADA = Actor("https://ada.example/", "Ada", "ada", "https://ada.example/@ada", ("https://a.example/", "acct:a"))
BOB = Actor("https://bob.example/", "Bob", url="javascript:alert(1)")
NASTY = '</script><script>alert(1)</script><!-- & \u2028 "\u202e'


def offline(url: str, _: Any) -> dict[str, Any]:
    raise AssertionError(f"{url} was asked for")


def expanded(page: Page) -> dict[str, Any]:
    """Return what the parser makes of an export."""
    nodes: list[dict[str, Any]] = jsonld.expand(json.loads(EXPORTER.export(page)), {"documentLoader": offline})
    assert len(nodes) == 1
    return nodes[0]


def values(node: dict[str, Any], name: str) -> list[Any]:
    """Return what a node says under a word of schema.org."""
    return [value.get("@value", value.get("@id", value)) for value in node.get(SCHEMA + name, [])]


def nodes(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for inner in node.values():
            yield from nodes(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from nodes(inner)


HEAD = Post(
    "https://ada.example/1",
    ADA.id,
    f"The tide. {NASTY}",
    WHEN,
    "c",
    url="https://ada.example/@ada/1",
    langs=("en",),
    summary="floods",
    facets=(Facet(0, 8, "link", "https://map.example/"), Facet(0, 3, "link", "javascript:alert(1)")),
    attachments=(
        Attachment("image", "https://m.test/1.jpg", "image/jpeg", "A pier", 4, 3),
        Attachment("video", "https://m.test/1.mp4", alt="Rain"),
        Attachment("card", "https://news.example/", name="A headline", summary="A summary"),
    ),
    quote=Quote("https://bob.example/9"),
    poll=Poll((PollOption("Stay", 0), PollOption("Go"))),
)
QUOTED = Post("https://bob.example/9", BOB.id, "The water is at 3.1.", WHEN, "c", url="https://bob.example/9")
THREAD = Thread(
    HEAD.id,
    ADA.id,
    (HEAD, Tombstone("https://ada.example/2", "deleted", attributed_to=ADA.id, evidence="the server says so")),
    "longest",
    Certificate(1, "no", "1 of 2 posts is here: 1 deleted."),
    branches=(Run(HEAD.id, (Post("https://ada.example/3", ADA.id, "By the way.", WHEN, "c"),)),),
    context=(Post("https://bob.example/0", BOB.id, "Is it dry?", WHEN, "c"),),
    quoted=(QUOTED,),
    actors=(ADA, BOB),
)
PAGE = flow.page(THREAD, "https://clew.example/t/x/")


def test_it_says_what_the_thread_says() -> None:
    """Author, dates, text, descriptions of pictures, links, the quotation, what is missing, and the certificate."""
    article = expanded(PAGE)
    assert (article["@type"], article["@id"]) == ([f"{SCHEMA}Article"], PAGE.base_url)
    assert values(article, "creativeWorkStatus") == [THREAD.certificate.sentence]
    assert values(article, "articleBody") == [PAGE.document.text]
    assert values(article, "isBasedOn") == [HEAD.id]
    head, gone, aside = article[f"{SCHEMA}hasPart"]
    assert head["@type"] == [f"{SCHEMA}SocialMediaPosting"]
    assert (values(head, "text"), values(head, "datePublished")) == ([HEAD.content], ["2031-05-01T12:00:00+00:00"])
    assert (values(head, "url"), values(head, "abstract")) == ([HEAD.url], ["floods"])
    author = head[f"{SCHEMA}author"][0]
    assert (author["@id"], values(author, "name"), values(author, "sameAs")) == (
        ADA.id,
        ["Ada (@ada)"],
        ["https://a.example/"],
    )
    picture, card = head[f"{SCHEMA}image"][0], head[f"{SCHEMA}sharedContent"][0]
    assert (values(picture, "caption"), values(picture, "contentUrl")) == (["A pier"], ["https://m.test/1.jpg"])
    assert (values(card, "url"), values(card, "name")) == (["https://news.example/"], ["A headline"])
    assert values(head[f"{SCHEMA}video"][0], "caption") == ["Rain"]
    assert [values(link, "url") for link in head[f"{SCHEMA}mentions"]] == [["https://map.example/"]]
    quotation = head[f"{SCHEMA}citation"][0]
    assert quotation["@type"] == [f"{SCHEMA}Quotation"]
    assert values(quotation, "text") == [QUOTED.content]
    assert values(quotation[f"{SCHEMA}spokenByCharacter"][0], "name") == ["Bob"]
    answers = head[f"{SCHEMA}mainEntity"][0][f"{SCHEMA}suggestedAnswer"]
    assert [(values(a, "text"), values(a, "upvoteCount")) for a in answers] == [(["Stay"], [0]), (["Go"], [])]
    assert values(gone, "creativeWorkStatus") == ["not here: deleted"]
    assert values(gone, "description") == ["the server says so"]
    assert values(aside, "text") == ["By the way."]
    assert values(article[f"{SCHEMA}citation"][0], "text") == ["Is it dry?"]


def test_no_address_is_one_that_runs() -> None:
    """What stands where a reader may follow it is an address of the web."""
    assert "javascript:" not in json.dumps(expanded(PAGE))


@pytest.mark.parametrize("path", FILES, ids=lambda path: "/".join(path.parts[-3:-1]))
def test_every_case_expands(path: Path) -> None:
    """The linked data of every kind of source expands with nothing dropped and nothing fetched."""
    with reading.opened(path) as opened:
        for thread in opened.threads():
            page = flow.page(thread)
            article = expanded(page)
            parts = {part["@id"] for part in article[f"{SCHEMA}hasPart"]}
            assert {item.id for item in thread.items} <= parts
            texts = {text for node in nodes(article) for text in values(node, "text")}
            assert {item.content for item in thread.items if isinstance(item, Post) and item.content} <= texts
            assert all(key.startswith(("@", SCHEMA)) for node in nodes(article) for key in node)


def test_embedded_it_does_not_end_its_element() -> None:
    """For a page no character of it is markup, and it is the same data."""
    text = embedded(PAGE)
    assert not re.search("[<>&\u2028\u2029]", text)
    assert json.loads(text) == json.loads(EXPORTER.export(PAGE))
