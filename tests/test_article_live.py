"""Articles by address, against a server of our own on loopback: pages that we wrote."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import clew
from clew.config import Config, Network
from clew.errors import FetchError, InputError, LoginRequired, ParseError, RateLimited
from clew.fetch import Client
from clew.model import Actor, Attachment, Capture, Limit, Post, Tombstone
from clew.sources.article import SOURCE
from clew.sources.article.embeds import post_at
from clew.thread import assemble
from loopback import answering

PARAGRAPHS = "".join(
    f"<p>Paragraph {n} of the page is long enough to be taken for the text of an article by anybody who looks.</p>"
    for n in range(5)
)


def page(body: str = "", head: str = "", title: str = "The bridge stays open") -> str:
    return (
        f"<!doctype html><html lang=en><head><title>{title}</title>{head}</head>"
        f"<body><article><h1>{title}</h1>{PARAGRAPHS}{body}</article></body></html>"
    )


@dataclass
class Shown:
    """What an address gives."""

    body: str | bytes
    kind: str = "text/html; charset=utf-8"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


class Site:
    """A server of pages by path."""

    def __init__(self) -> None:
        self.pages: dict[str, Shown] = {}
        self.asked: list[tuple[str, str]] = []
        self.url = ""

    def show(self, path: str, body: str | bytes, **fields: Any) -> str:
        self.pages[path] = Shown(body, **fields)
        return self.url + path


@contextmanager
def served() -> Iterator[Site]:
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.asked.append((self.path, self.headers.get("Accept", "")))
            shown = site.pages.get(self.path) or Shown("Nothing", status=404)
            data = shown.body.encode() if isinstance(shown.body, str) else shown.body
            self.send_response(shown.status)
            for name, value in {
                "Content-Type": shown.kind,
                "Content-Length": str(len(data)),
                **shown.headers,
            }.items():
                if value:
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args: object) -> None:
            return

    with answering(Handler) as site.url:
        yield site


@pytest.fixture
def site() -> Iterator[Site]:
    with served() as running:
        yield running


def visit(url: str) -> list[Capture]:
    """Fetch an article and return what came, also where that is an error."""
    settings = Network(private_hosts=("127.0.0.1",), pause=0, attempts=1)
    with Client(Config(network=settings)) as client:
        try:
            SOURCE.fetch(url, client)
        except FetchError:
            assert client.captures
        return client.captures


def fetched(url: str) -> str:
    settings = Network(private_hosts=("127.0.0.1",), pause=0, attempts=1)
    with Client(Config(network=settings)) as client:
        return SOURCE.fetch(url, client)


def article(captures: Sequence[Capture]) -> Post:
    (post,) = (value for value in SOURCE.parse(captures) if isinstance(value, Post))
    return post


def author(captures: Sequence[Capture]) -> Actor:
    return [value for value in SOURCE.parse(captures) if isinstance(value, Actor)][-1]


def limits(captures: Sequence[Capture]) -> list[str]:
    return [value.evidence for value in SOURCE.parse(captures) if isinstance(value, Limit)]


# --- one page ------------------------------------------------------------------------------------------------


def test_an_article_is_a_thread_of_one(site: Site) -> None:
    """One request for HTML gives one post, whose id is the address that was asked for."""
    url = site.show("/a", page())
    assert fetched(url + "#part") == url
    assert len(site.asked) == 1
    assert site.asked[0][1].startswith("text/html")
    captures = visit(url)
    parsed = [value for value in SOURCE.parse(captures) if not isinstance(value, Limit)]
    thread = assemble(parsed, url)
    assert [item.id for item in thread.items] == [url]
    assert thread.certificate.complete == "unknown"
    assert article(captures).name == "The bridge stays open"
    assert article(captures).content.startswith("Paragraph 0 of the page")


def test_an_answer_that_is_here_already_is_not_asked_for_again(site: Site) -> None:
    """Where the page was fetched to see whose it is, that answer is the article."""
    url = site.show("/a", page())
    with Client(Config(network=Network(private_hosts=("127.0.0.1",), pause=0))) as client:
        client.get(f"{url}#part", accept="*/*")
        assert SOURCE.fetch(f"{url}#part", client) == url
        assert article(client.captures).id == url
    assert len(site.asked) == 1


def test_the_address_is_all_it_takes(site: Site) -> None:
    """``clew.unroll`` of an address of no network gives the article, with one request."""
    url = site.show("/2031/05/the-bridge", page())
    found = clew.unroll(url, config=Config(network=Network(private_hosts=("127.0.0.1",), pause=0)))
    assert [item.id for item in found.items] == [url]
    assert len(site.asked) == 1


def test_linked_data_tells_author_and_dates(site: Site) -> None:
    """JSON-LD of an article gives the author, with a page of the same host as id, and exact dates."""
    head = """<script type="application/ld+json">{"@graph": [{"@type": "WebSite", "datePublished": "1999-01-01"},
    {"@type": ["NewsArticle"], "datePublished": "2031-05-04T10:00:00+02:00", "dateModified": "2031-05-05T00:00:00Z",
     "author": {"@type": "Person", "name": "Ada Quill", "url": "/people/ada"}}]}</script>"""
    captures = visit(site.show("/a", page(head=head)))
    post = article(captures)
    assert (author(captures).id, author(captures).name) == (f"{site.url}/people/ada", "Ada Quill")
    assert post.published == datetime(2031, 5, 4, 8, tzinfo=UTC)
    assert post.updated == datetime(2031, 5, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    "data",
    ["{", "[" * 100_000, '{"@type": 7}', '{"@type": "Article", "author": [1, {"name": {}}], "datePublished": []}'],
)
def test_broken_linked_data_is_passed_over(site: Site, data: str) -> None:
    """Linked data that is none, or of odd shapes, takes nothing from the article."""
    head = f'<script type="application/ld+json">{data}</script><meta name="date" content="2031-05-04">'
    post = article(visit(site.show("/a", page(head=head))))
    assert post.published == datetime(2031, 5, 4, tzinfo=UTC)


def test_nobody_speaks_for_another_host(site: Site) -> None:
    """A page that names an author or an address elsewhere gets no id there: both are shown, not trusted."""
    head = (
        '<link rel="canonical" href="https://t.me/selm_harbour/1"><meta name="author" content="Ada Quill">'
        '<link rel="author" href="https://t.me/selm_harbour">'
    )
    url = site.show("/a", page(head=head))
    captures = visit(url)
    assert (article(captures).id, article(captures).url) == (url, url)
    assert author(captures).id.startswith(f"{site.url}/#author-")
    assert author(captures).url == "https://t.me/selm_harbour"


def test_a_redirect_is_followed_and_links_start_from_its_end(site: Site) -> None:
    """The id stays what was asked for, the page for people is the one that answered."""
    site.show(
        "/new/a", page('<p>See <a href="b">the other page</a> for more of it.</p><img src="c.jpg" alt="A quay">')
    )
    url = site.show("/old", "", status=301, headers={"Location": "/new/a"})
    post = article(visit(url))
    assert (post.id, post.url) == (url, f"{site.url}/new/a")
    assert [f.href for f in post.facets if f.type == "link"] == [f"{site.url}/new/b"]
    assert [(a.url, a.alt) for a in post.attachments] == [(f"{site.url}/new/c.jpg", "A quay")]


def test_not_all_free_to_read(site: Site) -> None:
    """Where the page says that a part is for subscribers, that is a limit."""
    head = '<script type="application/ld+json">{"@type": "Article", "isAccessibleForFree": "False"}</script>'
    assert limits(visit(site.show("/a", page(head=head)))) == [
        "The page says that not all of its text is free to read"
    ]
    assert limits(visit(site.show("/b", page()))) == []


# --- embedded posts ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "post"),
    [
        ("https://twitter.com/ada/status/123?ref_src=twsrc", "https://x.com/ada/status/123"),
        ("https://platform.twitter.com/embed/Tweet.html?dnt=true&id=123", "https://x.com/i/status/123"),
        ("https://bsky.app/profile/did:plc:abc/post/3k?ref_src=embed", "https://bsky.app/profile/did:plc:abc/post/3k"),
        ("https://embed.bsky.app/embed/did:plc:abc/app.bsky.feed.post/3k?id=1", "https://bsky.app/profile/did:plc:abc/post/3k"),
        ("https://t.me/selm_harbour/7?embed=1", "https://t.me/selm_harbour/7"),
        ("https://sea.example/@ada/111222333/embed", "https://sea.example/@ada/111222333"),
        ("https://sea.example/users/ada/statuses/1", "https://sea.example/users/ada/statuses/1"),
        ("https://twitter.com/ada", ""),
        ("https://sea.example/2031/05/04/a", ""),
        ("javascript:alert(1)//t.me/a/1", ""),
    ],
)  # fmt: skip
def test_addresses_of_posts(address: str, post: str) -> None:
    """What leads to a post of a network is known by its address, and is written in one way."""
    assert post_at(address)[0] == post


def test_a_quoted_post_keeps_its_words_and_its_link(site: Site) -> None:
    """The words stay a block quote, verbatim; the link below them is marked as that of a quoted post."""
    body = (
        '<blockquote class="twitter-tweet"><p>Drove over it twice today, and it holds. '
        '<a href="https://news.example/x">news.example/x</a></p>&mdash; Taras (@taras) '
        '<a href="https://twitter.com/taras/status/12?ref_src=twsrc">May 4, 2031</a></blockquote>'
        "<p>So much for what was said about the bridge on that day, by one who was there to see it.</p>"
        '<blockquote class="bluesky-embed" data-bluesky-uri="at://did:plc:abc/app.bsky.feed.post/3k">'
        "<p>It holds, says the mayor, and she should know as she paid for the whole of it.</p>&mdash; Ada "
        '<a href="https://bsky.app/profile/did:plc:abc/post/3k?ref_src=embed">4 May</a></blockquote>'
        "<p>And so on it goes until the paint is dry, as the office has told us in another letter.</p>"
    )
    post = article(visit(site.show("/a", page(body))))
    quotes = [(post.content[f.start : f.end], f.href) for f in post.facets if f.type == "quote"]
    assert quotes == [
        ("May 4, 2031", "https://x.com/taras/status/12"),
        ("4 May", "https://bsky.app/profile/did:plc:abc/post/3k"),
    ]
    blocks = [post.content[f.start : f.end] for f in post.facets if f.type == "blockquote"]
    assert [block.startswith(("Drove over it", "It holds, says")) for block in blocks] == [True, True]
    assert [post.content[f.start : f.end] for f in post.facets if f.type == "link"] == ["news.example/x"]


def test_framed_posts_are_cards(site: Site) -> None:
    """Posts in frames and widgets of the article are named with their address; those beside it are not."""
    body = (
        '<figure><iframe class="mastodon-embed" src="https://sea.example/@ada/11/embed"></iframe></figure>'
        '<script async src="https://telegram.org/js/widget.js" data-telegram-post="selm_harbour/7"></script>'
        "<p>So much for what was said about the bridge on that day, by one who was there to see it.</p>"
    )
    markup = page(body).replace(
        "</body>", '<aside><div><iframe src="https://sea.example/@bob/99/embed"></iframe></div></aside></body>'
    )
    post = article(visit(site.show("/a", markup)))
    assert [a for a in post.attachments if a.type == "card"] == [
        Attachment("card", "https://sea.example/@ada/11", name="A post on Mastodon"),
        Attachment("card", "https://t.me/selm_harbour/7", name="A post on Telegram"),
    ]


# --- what is no article --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind", "sentence"),
    [
        (401, LoginRequired, "logged in only"),
        (402, LoginRequired, "asks to be paid"),
        (403, LoginRequired, "does not show this to us"),
        (404, FetchError, "nothing at this address"),
        (410, FetchError, "is gone"),
        (429, RateLimited, "fewer requests"),
        (500, FetchError, "answered 500"),
    ],
)
def test_refusals_are_sentences(site: Site, status: int, kind: type[FetchError], sentence: str) -> None:
    """Each refusal is the error it means, with its status."""
    url = site.show("/a", page(), status=status)
    with pytest.raises(kind, match=sentence) as caught:
        fetched(url)
    assert caught.value.status == status


@pytest.mark.parametrize("kind", ["application/pdf", "image/png", "application/json", "text/plain", ""])
def test_what_is_no_page(site: Site, kind: str) -> None:
    """A file of another type is named in a sentence."""
    url = site.show("/a", b"%PDF-1.7 words", kind=kind)
    with pytest.raises(InputError, match=f"not a web page but {kind or 'something without a type'}"):
        fetched(url)


def test_a_page_with_a_wrong_type_is_read(site: Site) -> None:
    """HTML sent as something else is known by its content."""
    assert article(visit(site.show("/a", page(), kind="application/octet-stream"))).content


@pytest.mark.parametrize(
    ("markup", "sentence"),
    [
        ("<html><body></body></html>", "No article was found"),
        ("", "No article was found"),
        ("<html><body>" + "<div>" * 100_000, "nested too deeply"),
        ("<html><body>" + "<p>x" * 40_000, "too many elements"),
    ],
)
def test_pages_without_an_article(site: Site, markup: str, sentence: str) -> None:
    """A page that holds no article, or a hostile one, ends in a sentence."""
    captures = visit(site.show("/a", markup))
    with pytest.raises(ParseError, match=sentence):
        list(SOURCE.parse(captures))


def test_pages_that_only_say_that_there_is_none(site: Site) -> None:
    """A short page with such a title is no article, whatever its status; a long one is, and so is its title."""
    short = (
        "<html><head><title>404 – Page not found</title></head><body><article><h1>404 – Page not found</h1>"
        "<p>The page that you are looking for has been moved or deleted, or never was. Please use the search.</p>"
        "</article></body></html>"
    )
    with pytest.raises(ParseError, match="nothing at this address"):
        list(SOURCE.parse(visit(site.show("/a", short))))
    long = page(
        "".join(f"<p>{'The book was lost and is not found. ' * 9}{n}</p>" for n in range(4)), title="Not found"
    )
    assert article(visit(site.show("/b", long))).name == "Not found"


# --- letters -------------------------------------------------------------------------------------------------

CYRILLIC = (
    "<p>Міст відкрито, і рух відновлено в обох напрямках, повідомляє управління доріг у суботу ввечері.</p>" * 3
)


@pytest.mark.parametrize(
    ("encoding", "header", "meta"),
    [
        ("cp1251", "text/html; charset=windows-1251", ""),
        ("cp1251", "text/html", "windows-1251"),
        ("cp1251", "text/html; charset=utf-8", "windows-1251"),
        ("utf-8", "text/html; charset=windows-1251", ""),
        ("utf-8", "text/html", "windows-1251"),
        ("utf-8", "text/html; charset=nonsense", ""),
        ("koi8-u", "text/html; charset=KOI8-U", ""),
        ("utf-16", "text/html", ""),
        ("gb18030", "text/html; charset=gb2312", ""),
    ],
)
def test_letters_whatever_is_declared(site: Site, encoding: str, header: str, meta: str) -> None:
    """The text comes out right where the header, the page or neither says the encoding, and where one is wrong."""
    markup = page(CYRILLIC, f'<meta charset="{meta}">' if meta else "")
    post = article(visit(site.show("/a", markup.encode(encoding), kind=header)))
    assert "Міст відкрито, і рух відновлено" in post.content


@pytest.mark.parametrize("name", ["unicode_escape", "idna", "hex", "utf-7", "rot13", "a" * 40])
def test_a_declared_encoding_that_is_no_charset(site: Site, name: str) -> None:
    """Codecs that are no encodings of pages are not used, whatever a page declares."""
    body = "<p>Nothing is unescaped here: \\u0041 +AGE- is what the page says, and so it stays.</p>"
    post = article(visit(site.show("/a", page(body), kind=f"text/html; charset={name}")))
    assert "here: \\u0041 +AGE- is" in post.content


# --- visits --------------------------------------------------------------------------------------------------


def several(site: Site, *shown: Shown) -> list[Capture]:
    """What visits to one address give, one after the other."""
    captures: list[Capture] = []
    for each in shown:
        site.pages["/a"] = each
        captures += visit(f"{site.url}/a")
    assert all(a.retrieved < b.retrieved for a, b in pairwise(captures))
    return captures


def test_an_edited_article_has_versions(site: Site) -> None:
    """Of two texts of one address the later is shown, also where it is shorter; the earlier has its date."""
    date = '<meta property="article:modified_time" content="2031-05-0{}T00:00:00Z">'
    first = Shown(page("<p>The bridge opens on Monday, we hear from the office of the port.</p>", date.format(4)))
    second = Shown(page("<p>It opens on Friday, we hear from the port.</p>", date.format(6)))
    post = article(several(site, first, first, second))
    assert "It opens on Friday" in post.content
    assert [("opens on Monday" in v.content, v.updated) for v in post.versions] == [
        (True, datetime(2031, 5, 4, tzinfo=UTC))
    ]
    back = article(several(site, first, second, first))
    assert "opens on Monday" in back.content
    assert ["Friday" in v.content for v in back.versions] == [True]


@pytest.mark.parametrize("status", [404, 410])
def test_an_article_that_is_gone(site: Site, status: int) -> None:
    """What the site no longer has is a tombstone with the time of asking; what comes back is shown again."""
    captures = several(site, Shown(page()), Shown("Gone", status=status))
    (tomb,) = (value for value in SOURCE.parse(captures) if isinstance(value, Tombstone))
    assert (tomb.id, tomb.reason, tomb.checked) == (f"{site.url}/a", "unavailable", captures[-1].retrieved)
    assert not [value for value in SOURCE.parse(captures) if isinstance(value, Post)]
    assert article([*captures, *several(site, Shown(page()))]).content


@pytest.mark.parametrize(
    ("later", "sentence"),
    [
        (Shown("Pay", status=402), "the site answered 402"),
        (Shown("", status=302, headers={"Location": "/"}), "the site leads to its front page instead"),
        (Shown("<html><body></body></html>"), "No article was found in the page"),
    ],
)
def test_what_is_not_the_article_is_no_version(site: Site, later: Shown, sentence: str) -> None:
    """A wall, a front page or an empty page at a later visit leaves the article as it was, and is said."""
    site.show("/", page("<p>Welcome to the front page of this site, where all is new every day of the week.</p>"))
    captures = several(site, Shown(page()), later)
    assert article(captures).versions == ()
    assert limits(captures) == [f"The page could not be read again: {sentence}"]


def test_an_address_that_leads_elsewhere_later_is_no_version(site: Site) -> None:
    """A page of another host under the same address is not a later text of the article."""
    (first,) = several(site, Shown(page()))
    wall = page("<p>Log in to go on reading, and all will be well with you in the end, we hope.</p>").encode()
    when = datetime(2099, 1, 1, tzinfo=UTC)
    other = msgspec.structs.replace(first, body=wall, location="http://login.example/x", retrieved=when)
    assert article([first, other]).versions == ()
    assert limits([first, other]) == ["The page could not be read again: it leads to login.example instead"]


@pytest.fixture(scope="module")
def recorded() -> list[Capture]:
    """Five visits to one address, and one to another."""
    with served() as running:
        shown = [
            Shown(page(f"<p>{words}</p>")) for words in ("One more thing to say.", "Another thing to say here.")
        ]
        captures = several(running, shown[0], shown[1], Shown("", status=500), shown[0], Shown("", status=404))
        return [*captures, *visit(running.show("/b", page()))]


@given(st.randoms(use_true_random=False))
def test_any_order_of_the_captures(recorded: list[Capture], order: random.Random) -> None:
    """Parsing the same captures in any order gives the same."""
    shuffled = list(recorded)
    order.shuffle(shuffled)
    assert list(SOURCE.parse(shuffled)) == list(SOURCE.parse(recorded))


def test_redaction_of_visits(site: Site) -> None:
    """After a removal no page of the address holds the text, and the article is a tombstone."""
    captures = several(
        site,
        Shown(page()),
        Shown(page("<p>And one line more, for all who like to read it.</p>")),
        Shown("x", status=500),
    )
    who = author(captures).id
    bodies = [SOURCE.redact(c, frozenset({who})) for c in captures]
    assert not [body for body in bodies if b"Paragraph" in body]
    after = [msgspec.structs.replace(c, body=b, redacted=True) for c, b in zip(captures, bodies, strict=True)]
    found = list(SOURCE.parse(after))
    assert {(v.id, v.reason) for v in found if isinstance(v, Tombstone)} == {(f"{site.url}/a", "forgotten")}
    assert not [v for v in found if isinstance(v, Post)]
