"""Exports: the text and everything a reader must know around it, with only our own marks."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from clew.document import stitch
from clew.exporters.data import EXPORTER as DATA
from clew.exporters.data import load
from clew.exporters.markdown import EXPORTER as MARKDOWN
from clew.exporters.text import EXPORTER as TEXT
from clew.flow import export
from clew.model import (
    Actor,
    Attachment,
    Block,
    Certificate,
    Document,
    Facet,
    Gap,
    Item,
    Page,
    Poll,
    PollOption,
    Post,
    Quote,
    Run,
    Thread,
    Tombstone,
)
from clew.plugins import exporters
from clew.text import printable

TIME = datetime(2031, 11, 4, 21, 10, tzinfo=UTC)
ADA = Actor("https://ada.example/", name="Ada Quill", preferred_username="ada")
BOB = Actor("https://bob.example/", name="Тарас")
WHOLE = Certificate(2, "unknown", "2 posts; whether that is all cannot be told from here.")


def post(number: int, content: str, **more: Any) -> Post:
    return Post(f"p{number}", more.pop("by", ADA.id), content, TIME, "c", **more)


def page(*items: Item, title: str = "The tide", certificate: Certificate = WHOLE, **more: Any) -> Page:
    thread = Thread(items[0].id, ADA.id, items, "longest", certificate, actors=(ADA, BOB), **more)
    return Page(title, thread, stitch(thread), "https://clew.example/ada/tide")


def markdown(page_: Page) -> str:
    return MARKDOWN.export(page_).decode()


def text(page_: Page) -> str:
    return TEXT.export(page_).decode()


COMMONMARK = MarkdownIt("commonmark")
GITHUB = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def tokens(source: str, parser: MarkdownIt = COMMONMARK) -> list[Token]:
    return [inner for token in parser.parse(source) for inner in (token, *(token.children or ()))]


def shown(source: str) -> str:
    """Return what a reader of the rendered Markdown sees."""
    breaks = {"softbreak": "\n", "hardbreak": "\n"}
    return "".join(
        breaks.get(token.type, token.content if token.type in ("text", "fence", "code_inline") else "")
        + ("\n" if token.block else "")
        for token in tokens(source)
        if token.type != "inline"
    )


# -- what is in an export -----------------------------------------------------------------------------------------

FULL = page(
    post(
        1,
        "The tide came in.\n\nSee the map.",
        url="https://x.test/1",
        facets=(Facet(19 + 8, 19 + 11, "link", "https://map.example/a"),),
        attachments=(
            Attachment("image", "https://m.test/1.jpg", alt="A pier under water"),
            Attachment("image", "https://m.test/2.jpg"),
            Attachment("image", "https://m.test/3.jpg", alt=""),
            Attachment("card", "https://news.example/", name="A headline", summary="A summary"),
        ),
    ),
    Tombstone("p2", "deleted", evidence="the platform says so"),
    post(
        3,
        "What now?",
        summary="floods",
        poll=Poll((PollOption("Stay", 1200), PollOption("Go")), TIME, 1300),
        quote=Quote("p91"),
    ),
    post(4, "And this.", quote=Quote("q2", "https://x.test/q2", "detached")),
    context=(post(90, "Is it dry?\nNo?", by=BOB.id, attachments=(Attachment("image", "u", alt="A wet dog"),)),),
    quoted=(post(91, "The water is at 3.1.", by=BOB.id),),
    branches=(Run("p3", (post(5, "By the way."),)),),
    asides=(Run("r1", (post(6, "Thank you."),), (post(92, "Take care!", by=BOB.id),)),),
    certificate=Certificate(
        4,
        "no",
        "4 posts of 7: 1 deleted, 2 skipped by the counters.",
        gaps=(
            Gap("deleted", "the platform says so", "p2", "p1"),
            Gap("counter", "the first counter is 2/", "", "", 1),
            Gap("counter", "4/ is followed by 6/", "", "p4", 1),
            Gap("unavailable", "the platform counts one more", "", "p4", 1),
            Gap("unavailable", "whose post it is, is not known", "gone", "p4", 1),
        ),
    ),
)

SAID = [
    "The tide", "By: Ada Quill (@ada)", "Posted: 4 November 2031", "https://x.test/1",
    "https://clew.example/ada/tide", "Completeness: 4 posts of 7: 1 deleted, 2 skipped by the counters.",
    "In reply to Тарас, 4 November 2031, 21:10 UTC", "Is it dry?", "No?", "Image: A wet dog",
    "A post is not here: the first counter is 2/",
    "The tide came in.", "See the map.", "Image: A pier under water", "https://m.test/1.jpg",
    "Image: no description given", "Image: the description was left empty", "Card: A headline – A summary",
    "A post is not here: deleted (the platform says so)", "Content warning: floods", "What now?",
    "Poll: Stay – 1,200", "Poll: Go", "Poll: until 4 November 2031, 21:10 UTC, 1,300 voters",
    "Quoting Тарас, 4 November 2031, 21:10 UTC", "The water is at 3.1.",
    "And this.", "A quoted post is not here: detached", "https://x.test/q2",
    "A post is not here: 4/ is followed by 6/", "A post is not here: the platform counts one more",
    "A post is not here: whose post it is, is not known",
    "The author also wrote here", "After post 3", "By the way.",
    "The author answered", "In answer to Тарас", "Take care!", "Thank you.",
]  # fmt: skip


@pytest.mark.parametrize("form", [text, lambda page_: shown(markdown(page_))])
def test_everything_is_said_in_its_place(form: Callable[[Page], str]) -> None:
    """Author, dates, source, certificate, alt texts, polls, quotes, gaps, branches, in reading order, in both."""
    exported = form(FULL)
    at = 0
    for part in SAID:
        found = exported.find(part, at)
        assert found >= at, f"{part!r} does not follow {exported[max(0, at - 60) : at]!r}"
        at = found + len(part)


def test_text_marks_what_is_not_the_authors() -> None:
    """In plain text what Clew adds stands in the head or between brackets; other people's posts are indented."""
    body = text(FULL).split("\n\n", 1)[1]
    assert "\n    The water is at 3.1.\n" in body
    ours = [line for line in body.split("\n") if "not here" in line or "Image" in line or "Poll" in line]
    assert all(line.startswith("[") and line.endswith("]") for line in ours)


def test_links_lead_where_they_led() -> None:
    """A link of a post is a link in Markdown, with its whole target, over exactly its words."""
    links = [
        (tokens_[n].attrs["href"], tokens_[n + 1].content)
        for tokens_ in [tokens(markdown(FULL))]
        for n, token in enumerate(tokens_)
        if token.type == "link_open"
    ]
    assert ("https://map.example/a", "map") in links


@pytest.mark.parametrize(
    "href",
    [
        "https://x.test/?a=1&copy;=2&amp=3", "https://x.test/a_(b)_*c*", "https://x.test/\\*", "https://x.test/`a`[b]",
        "https://пример.example/шлях", "http://x.test/\u202eabc\x07", "https://x.test/%28",
    ],
)  # fmt: skip
def test_targets_are_exact(href: str) -> None:
    """Addresses with marks, entities, brackets and other alphabets come out as they were."""
    harmless = re.sub(r"[\x00-\x1f\u202e\\`()]", lambda m: "".join(f"%{b:02X}" for b in m[0].encode()), href)
    both = page(
        post(1, "Look here", facets=(Facet(5, 9, "link", href),), attachments=(Attachment("image", href),)),
    )
    found = [token.attrs["href"] for token in tokens(markdown(both)) if token.type == "link_open"]
    normal = COMMONMARK.normalizeLink(harmless)
    assert found == ["https://clew.example/ada/tide", normal, normal]


def test_a_link_over_two_posts_paragraphs() -> None:
    """A link over paragraphs is a link in each; a link inside another is text; a label is shown as given."""
    two = page(
        post(
            1,
            "One\n\ntwo https://t.co/x",
            facets=(
                Facet(0, 8, "link", "https://a.example/"),
                Facet(1, 2, "link", "https://b.example/"),
                Facet(9, 23, "link", "https://c.example/long", "c.example/lo…"),
                Facet(0, 1, "link", "javascript:alert(1)"),
            ),
        )
    )
    assert markdown(two).endswith(
        "[One](<https://a.example/>)\n\n[two](<https://a.example/>) [c.example/lo…](<https://c.example/long>)\n"
    )


def test_blocks_have_their_marks() -> None:
    """Quotations, headings, items and set text are those of Markdown, whatever is in them."""
    content = "Title\nHe said\n- a\n```\n\n    *b*"
    kinds: list[tuple[Literal["heading", "blockquote", "item", "pre"], str]] = [
        ("heading", "Title\n"),
        ("blockquote", "He said\n"),
        ("item", "- a\n"),
        ("pre", "```\n\n    *b*"),
    ]
    facets = tuple(Facet(content.index(part), content.index(part) + len(part), kind) for kind, part in kinds)
    made = tokens(markdown(page(post(1, content, facets=facets))))
    types = [token.type for token in made]
    assert [t for t in types if t in ("blockquote_open", "bullet_list_open", "fence")] == [
        "blockquote_open", "bullet_list_open", "fence",
    ]  # fmt: skip
    assert next(token.content for token in made if token.type == "fence") == "```\n\n    *b*\n"
    assert [token.tag for token in made if token.type == "heading_open"] == ["h1", "h3"]


def test_line_ends_are_kept() -> None:
    """Each line of the author's is a line in both, also with the line ends of other systems."""
    lines = page(post(1, "one\r\ntwo\rthree\nfour"))
    assert text(lines).endswith("\n\none\ntwo\nthree\nfour\n")
    assert shown(markdown(lines)).rstrip().endswith("one\ntwo\nthree\nfour")


# -- hostile texts ------------------------------------------------------------------------------------------------

NASTY = [
    "<script>alert(1)</script>", "<b onclick=x>y</b>", "<!-- c", "&lt;i&gt; &copy; &#65;", "![a](https://x.test/)",
    "[a](javascript:alert(1))", "[a]: https://x.test/", "[^1]", "# a", "a\n===", "a\n---", "***", "* a", "+ a",
    "- a", "1. a", "2) a", "> a", "```\na\n```", "~~~\na", "    a", "\ta", "a\n\n\tb", "`a`", "**a**", "__a__",
    "~~a~~", "a\\", "|a|b|\n|-|-|\n|c|d|", "<https://x.test/>", "a  \nb", "\\*a\\*", "\u202eabc", "\x1b[31m",
    "a\u2066b", "=", "-", "+", "<?php ?>", "<![CDATA[x]]>", "a\n    - b", "a\r\n\r\n    b", "[x] y", "- [ ] a",
    ":tada:", "$a$", "@ada #tag", "(c)", "https://x.test/*a*_b_", "a\u2028b", "\u00a0\u00a0\u00a0\u00a0a",
    "12345678901. a", "\\", "``", "*", "_a_b_c_",
]  # fmt: skip
OURS = {
    "heading_open", "heading_close", "paragraph_open", "paragraph_close", "inline", "text", "strong_open",
    "strong_close", "em_open", "em_close", "hardbreak", "softbreak", "link_open", "link_close", "blockquote_open",
    "blockquote_close", "bullet_list_open", "bullet_list_close", "list_item_open", "list_item_close",
    "text_special",
}  # fmt: skip


_OURS = re.compile(r"(?m)^\*(?:\\\[|In |Quoting )")


def check_harmless(page_: Page) -> None:
    """Assert that nothing of the texts became a mark, and that each word of the document is shown."""
    source = markdown(page_)
    for parser in (COMMONMARK, GITHUB):
        made = tokens(source, parser)
        assert {token.type for token in made} <= OURS
        assert sum(token.type == "em_open" for token in made) == len(_OURS.findall(source))
        assert sum(token.type == "strong_open" for token in made) == len(re.findall(r"(?m)^\*\*\w+:\*\*", source))
        hrefs = [str(token.attrs["href"]) for token in made if token.type == "link_open"]
        assert all(href.startswith(("http://", "https://")) for href in hrefs)
    assert_shown(page_.document.text, shown(source))
    assert_shown(page_.document.text, text(page_))


def assert_shown(document: str, exported: str) -> None:
    at = 0
    for word in printable(document).split():
        found = exported.find(word, at)
        assert found >= 0, f"{word!r} is not in {exported!r}"
        at = found + len(word)


@pytest.mark.parametrize("nasty", NASTY)
def test_no_text_becomes_markup(nasty: str) -> None:
    """Text that looks like Markdown or HTML is shown as it is, wherever it stands, and makes no element."""
    check_harmless(page(post(1, nasty), title=nasty))
    check_harmless(page(post(1, f"A\n{nasty}"), post(2, f"{nasty} b\n{nasty}")))
    alt = Attachment("image", nasty, alt=nasty, name=nasty)
    other = post(9, nasty, by=BOB.id, summary=nasty)
    check_harmless(page(post(1, "a", attachments=(alt,), quote=Quote("p9")), quoted=(other,), context=(other,)))
    linked = post(1, f"a {nasty}", facets=(Facet(0, 1 + len(nasty), "link", "https://x.test/"),))
    check_harmless(page(linked, certificate=Certificate(1, "no", nasty, gaps=(Gap("counter", nasty, "", "p1"),))))


HOSTILE = st.lists(st.sampled_from(NASTY) | st.sampled_from(["\n", " ", "\n\n", "a"]) | st.text(max_size=3)).map(
    "".join
)


@given(st.lists(HOSTILE, min_size=1, max_size=3), HOSTILE, st.integers(0, 9), st.integers(0, 9))
def test_no_texts_become_markup(contents: Sequence[str], alt: str, start: int, length: int) -> None:
    """The same for any texts put together, with links over any part of them."""
    link = Facet(start, start + length, "link", "https://x.test/")
    posts = [
        post(n, content, facets=(link,), attachments=(Attachment("image", alt, alt=alt),))
        for n, content in enumerate(contents, 1)
    ]
    check_harmless(page(*posts, title=alt))


@given(st.lists(HOSTILE, min_size=1, max_size=3), HOSTILE)
def test_exports_cannot_drive_a_terminal(contents: Sequence[str], alt: str) -> None:
    """No export as text or Markdown has control or bidirectional format characters, whatever the texts."""
    wild = Attachment("image", alt, alt=alt)
    item = post(1, "\n".join(contents), attachments=(wild,), facets=(Facet(0, 3, "link", f"https://x.test/{alt}"),))
    for exported in (text(page(item, title=alt)), markdown(page(item, title=alt))):
        assert printable(exported) == exported


# -- JSON ---------------------------------------------------------------------------------------------------------


def values(hint: Any) -> st.SearchStrategy[Any]:
    """Return a strategy for what a field of a noun may hold."""
    origin, args = get_origin(hint), get_args(hint)
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        fields = {name: of for name, of in get_type_hints(hint).items() if name != "captures"}
        return st.deferred(lambda: st.builds(hint, **{name: values(of) for name, of in fields.items()}))
    if origin is Literal:
        return st.sampled_from(args)
    if origin is tuple:
        return st.lists(values(args[0]), max_size=2).map(tuple)
    if args and (origin is Union or type(None) in args or len(args) > 1):
        return st.one_of([st.none() if arg is type(None) else values(arg) for arg in args])
    simple = {
        str: st.text(max_size=6),
        int: st.integers(0, 2**53),
        bool: st.booleans(),
        datetime: st.datetimes(timezones=st.just(UTC)),
    }
    return simple[hint]


@settings(max_examples=60)
@given(values(Page))
def test_json_gives_the_page_back(page_: Page) -> None:
    """Whatever a page holds: its JSON is that page again, and is the same twice."""
    exported = DATA.export(page_)
    assert load(exported) == page_
    assert DATA.export(load(exported)) == exported


def test_json_is_what_it_says() -> None:
    """The JSON names its type, and what is no page is refused."""
    assert msgspec.json.decode(DATA.export(FULL))["@type"] == "clew:Page"
    assert load(DATA.export(FULL)) == FULL
    for wrong in (b"", b"[]", b"null", b'{"title": "x"}', b"{", DATA.export(FULL).replace(b'"title"', b'"name"')):
        with pytest.raises(msgspec.DecodeError):
            load(wrong)


@given(values(Page))
@settings(max_examples=40)
def test_any_page_is_exported(page_: Page) -> None:
    """A page whose parts do not even fit one another is still a thread with its document in every format."""
    fitting = msgspec.structs.replace(page_, document=stitch(page_.thread))
    for exporter in exporters():
        exported = exporter.export(fitting)
        assert exported
        assert exported.endswith(b"\n") or not exporter.media_type.startswith("text/")


def test_exporters_are_listed() -> None:
    """Each format has its own name, type and suffix; the flow exports by name."""
    built_in = [exporter for exporter in exporters() if exporter in (TEXT, MARKDOWN, DATA)]
    assert [(e.name, e.suffix) for e in built_in] == [("text", ".txt"), ("markdown", ".md"), ("json", ".json")]
    named = msgspec.structs.replace(FULL, title="The tide came in.", base_url="")
    assert export(FULL.thread, "text") == TEXT.export(named)


def test_large_pages_are_exported() -> None:
    """Ten thousand posts with links and warnings, and a megabyte of one character, are exported whole."""
    many = page(
        *(
            post(n, f"Tide {n} of it.", summary="w", facets=(Facet(0, 4, "link", "https://x.test/"),))
            for n in range(1, 10_001)
        )
    )
    assert markdown(many).count("[Tide](<https://x.test/>)") == 10_000
    for char in ("\n", " ", "`", "1"):
        big = page(post(1, "a"), context=(post(9, f"a{char * 1_000_000}b", by=BOB.id),))
        assert markdown(big).rstrip().endswith("a")
        assert text(big).endswith("\n\na\n")


def test_documents_without_a_text() -> None:
    """A thread of a picture alone has its title, its facts and its picture."""
    alone = page(
        post(1, "", attachments=(Attachment("video", "https://m.test/1.mp4", alt="Rain"),)), title="Untitled"
    )
    assert alone.document == Document("p1", "", (), ())
    assert "Video: Rain" in text(alone)
    assert "Video: Rain" in shown(markdown(alone))
    assert Block(0, 0) not in alone.document.blocks
