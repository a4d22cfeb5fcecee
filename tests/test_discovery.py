"""How threads are found and cited: what machines read in a page, references, sitemaps, ways between threads."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urljoin
from xml.etree import ElementTree as ET

import mf2py
import pytest
from citeproc import Citation, CitationItem, CitationStylesBibliography, CitationStylesStyle, formatter
from citeproc.source.bibtex import BibTeX
from citeproc.source.json import CiteProcJSON
from hypothesis import given
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser

import clew.store
from clew import citation, discovery, flow, openapi, pages, sharing, site
from clew.config import Site
from clew.errors import InputError
from clew.model import Actor, Capture, Certificate, Facet, Page, Post, Quote, Thread
from clew.store import Store

NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
ADA = Actor("https://social.example/users/ada", "Ada Merrow", "ada", "https://social.example/@ada")
SITE = Site(title="Threads of the harbour", base_url="https://read.example")
KEY = "abcdefghijkl"
CAPTURE = Capture(sha256(b"{}").hexdigest(), b"{}", "application/json", NOON)


def post(n: int, content: str, **fields: Any) -> Post:
    given: dict[str, Any] = {
        "id": f"https://social.example/{n}",
        "attributed_to": ADA.id,
        "content": content,
        "published": NOON + timedelta(days=n),
        "capture": CAPTURE.sha256,
        "url": f"https://social.example/@ada/{n}",
    }
    return Post(**(given | fields))


def thread(*posts: Post, by: Actor = ADA, **fields: Any) -> Thread:
    whole = Certificate(len(posts), "yes", f"All {len(posts)} posts are here.")
    return Thread(posts[0].id, by.id, posts, "longest", whole, actors=(by,), **fields)


def page(*posts: Post, base_url: str = f"{SITE.base_url}/t/{KEY}/", by: Actor = ADA) -> Page:
    return flow.page(thread(*posts, by=by), base_url)


def head(html: bytes) -> LexborHTMLParser:
    return LexborHTMLParser(html.decode())


# --- citations -----------------------------------------------------------------------------------------------


def rendered(source: Any, key: str) -> str:
    """The reference as a citation processor sets it in a common style."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the processor's own, about its schema
        style = CitationStylesStyle("harvard-cite-them-right", validate=False)
        bibliography = CitationStylesBibliography(style, source, formatter.plain)
        bibliography.register(Citation([CitationItem(key)]))
        return str(bibliography.bibliography()[0])


def test_csl_json_is_a_reference_that_a_processor_sets() -> None:
    """Author, year, title and address come out of a citation processor that we did not write."""
    (item,) = json.loads(citation.csl(page(post(1, "The tide: early & high"))))
    line = rendered(CiteProcJSON([item]), item["id"])
    for part in ("Ada Merrow (@ada)", "2026", "The tide: early & high"):
        assert part in line, line
    assert item["URL"] == "https://social.example/@ada/1"
    assert item["archive_location"] == f"https://read.example/t/{KEY}/"
    assert CAPTURE.sha256 in item["note"]
    assert item["issued"] == {"date-parts": [[2026, 3, 5]]}


def entry(body: bytes, folder: Path) -> tuple[str, Any]:
    file = folder / "thread.bib"
    file.write_bytes(body)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Unsupported BibTeX field")  # it knows few
        source = BibTeX(str(file), encoding="utf-8")
    ((key, found),) = source.items()
    return key, found


def test_bibtex_is_a_reference_that_a_processor_reads(tmp_path: Path) -> None:
    """The same from BibTeX: one name, the title as it is, the date, the address."""
    body = citation.bibtex(page(post(1, "The tide and the bell, early")))
    key, found = entry(body, tmp_path)
    assert key == citation.cited(page(post(1, "x"))).id
    assert "The tide and the bell, early" in str(found["title"])
    assert found["issued"].year == 2026
    assert b"url = {https://social.example/@ada/1}" in body
    assert CAPTURE.sha256.encode() in body


@pytest.mark.parametrize(
    "text", ["100% & $5 #1 a_b {c} d\\e ~f^g", "}}, note = {x", "@misc{evil,", "Тіні \u202e\x00 ok"]
)
def test_no_text_leaves_its_field_in_bibtex(text: str, tmp_path: Path) -> None:
    """Whatever a stranger calls themselves or writes, there is one entry, with balanced braces."""
    ada = Actor(ADA.id, text, text, "javascript:x")
    body = citation.bibtex(page(post(1, text, url="javascript:x"), by=ada)).decode()
    assert body.count("{") == body.count("}")
    depth = 0
    for char in body[:-2]:
        depth += {"{": 1, "}": -1}.get(char, 0)
        assert depth >= 0
    assert "\x00" not in body
    assert "javascript" not in body


@given(st.text(st.characters(exclude_categories=()), max_size=60))
def test_any_text_can_be_cited(text: str) -> None:
    """No text breaks the JSON, the braces of BibTeX, or the encoding."""
    any_ = page(post(1, text or "x"), by=Actor(ADA.id, text, text))
    assert json.loads(citation.csl(any_))[0]["type"] == "post"
    body = citation.bibtex(any_).decode()
    assert body.count("{") == body.count("}")


def test_what_has_no_date_and_no_address_is_cited_by_its_id() -> None:
    """A paste is named by the id that Clew gave it, without a year."""
    undated = page(post(1, "Words", published=None, id="ni:///sha-256;abc#1", url=""), base_url="")
    (item,) = json.loads(citation.csl(undated))
    assert "issued" not in item
    assert "URL" not in item
    assert item["note"].startswith("Posted as ni:///sha-256;abc#1.")
    assert b"year" not in citation.bibtex(undated)


# --- in the page ---------------------------------------------------------------------------------------------


def test_a_link_to_a_thread_can_be_shown_elsewhere() -> None:
    """Open Graph tells title, first words, author, times and address; a link leads to oEmbed, feed and JSON-LD."""
    shown = page(post(1, "The tide came early."), post(2, "And left."))
    html = head(pages.thread(SITE, shown, KEY))
    told = {m.attributes["property"]: m.attributes["content"] for m in html.css("meta[property]")}
    assert told == {
        "og:type": "article",
        "og:title": shown.title,
        "og:description": "The tide came early. And left.",
        "og:site_name": SITE.title,
        "og:url": f"https://read.example/t/{KEY}/",
        "article:published_time": "2026-03-05T12:00:00Z",
        "article:modified_time": "2026-03-06T12:00:00Z",
        "article:author": ADA.url,
    }
    ways = {w.attributes["type"]: w.attributes["href"] for w in html.css("link[rel=alternate]")}
    assert ways == {
        "application/atom+xml": f"https://read.example/t/{KEY}/feed.atom",
        "application/json+oembed": f"https://read.example/t/{KEY}/oembed.json",
        "application/ld+json": f"https://read.example/t/{KEY}/thread.jsonld",
    }
    assert html.css_first("link[rel=canonical]").attributes["href"] == "https://social.example/@ada/1"


def test_what_is_under_a_warning_or_spoiler_is_not_in_a_description() -> None:
    """A preview elsewhere shows the warning, or only what stands before the first covered post."""
    warned = post(1, "The cellar is full.", summary="flood")
    assert discovery.description(page(warned)) == "Content warning: flood"
    assert discovery.description(page(post(1, "A riddle."), warned)) == "A riddle."
    spoilt = post(1, "It was the gardener.", facets=(Facet(7, 19, "spoiler"),))
    assert discovery.description(page(spoilt)) == "All 1 posts are here."


def test_pages_are_not_for_search_engines_unless_the_operator_says_so() -> None:
    """Every kind of page says noindex by default; with the setting only what is listed does not."""
    shown = page(post(1, "The tide came early."))

    def asks_not_to(html: bytes) -> bool:
        return bool(head(html).css("meta[name=robots][content=noindex]"))

    everywhere = Site(base_url=SITE.base_url, indexing=True)
    for at, listed, expected in ((SITE, True, True), (everywhere, True, False), (everywhere, False, True)):
        assert asks_not_to(pages.thread(at, shown, KEY, listed=listed)) is expected
    for at in (SITE, everywhere):
        assert asks_not_to(pages.home(at, [])) is asks_not_to(pages.about(at)) is (at is SITE)
        assert asks_not_to(pages.error(at, 404, "Nothing."))
        assert asks_not_to(pages.posted(at, shown, KEY))


def parsed(html: bytes, url: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the parser's, about its own libraries
        return mf2py.parse(doc=html.decode(), url=url)["items"]


def test_microformats_tell_a_thread_and_its_posts() -> None:
    """A public parser finds the entry with its name, author, date, text and original; as posted, each post."""
    address = f"https://read.example/t/{KEY}/"
    quoted = Post("https://social.example/90", ADA.id, "Quoted.", NOON, "c" * 64)
    shown = flow.page(thread(post(1, "The tide", quote=Quote(quoted.id)), post(2, "came."), quoted=(quoted,)))
    (item,) = parsed(pages.thread(SITE, shown, KEY), address)
    told = item["properties"]
    assert item["type"] == ["h-entry"]
    assert told["name"] == [shown.title]
    assert told["author"][0]["properties"]["name"] == ["Ada Merrow"]
    assert told["published"] == ["2026-03-05T12:00:00Z"]
    assert told["url"] == ["https://social.example/@ada/1"]
    assert "The tide" in told["content"][0]["value"]
    (feed,) = parsed(pages.posted(SITE, shown, KEY), f"{address}posted/")
    assert feed["type"] == ["h-feed"]
    entries = [child for child in feed["children"] if child["type"] == ["h-entry"]]
    assert [e["properties"]["url"] for e in entries] == [[f"{address}posted/#p{n}"] for n in (1, 2)]
    assert [e["properties"]["content"][0]["value"] for e in entries] == ["The tide", "came."]


def test_a_link_can_be_shown_with_a_picture(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the operator wants it, each thread has a PNG with title, author and date, named in its page."""
    key = keep(store, post(1, "The <tide> & the bell"))
    assert site.render(store, SITE, f"/t/{key}/card.png").status == 404
    drawn = Site(title="Harbour", base_url=SITE.base_url, share_images=True)
    answer = site.render(store, drawn, f"/t/{key}/card.png")
    assert (answer.media_type, answer.body[:8]) == ("image/png", b"\x89PNG\r\n\x1a\n")
    width, height = (int.from_bytes(answer.body[at : at + 4]) for at in (16, 20))
    html = head(site.render(store, drawn, f"/t/{key}/").body)
    told = {m.attributes["property"]: m.attributes["content"] for m in html.css("meta[property]")}
    assert told["og:image"] == f"{SITE.base_url}/t/{key}/card.png"
    assert (told["og:image:width"], told["og:image:height"]) == (str(width), str(height)) == ("1200", "630")
    assert f"/t/{key}/card.png" in site.paths(store, drawn)
    monkeypatch.setattr(sharing, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="extra images"):
        list(site.paths(store, drawn))


@given(st.text(st.characters(exclude_categories=()), max_size=300))
def test_any_title_fits_the_picture(text: str) -> None:
    """The SVG is well formed and has at most four lines of title."""
    root = ET.fromstring(sharing.svg(SITE, page(post(1, text or "x"), by=Actor(ADA.id, text, text))))
    title = [node.text or "" for node in root.iter() if node.get("font-size") == "62"]
    assert 1 <= len(title) <= 4


# --- oEmbed, sitemaps ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "found"),
    [
        (f"https://read.example/clew/t/{KEY}/", KEY), (f"https://read.example/clew/t/{KEY}", KEY),
        (f"https://read.example/clew/t/{KEY}/posted/#p3", KEY), (f"http://read.example:80/clew/t/{KEY}/", ""),
        (f"https://read.example/t/{KEY}/", ""), (f"https://evil.example/clew/t/{KEY}/", ""),
        (f"https://read.example.evil/clew/t/{KEY}/", ""), ("https://read.example/clew/t/../", ""),
        ("", ""), ("https://[", ""), ("javascript:x", ""), (f"https://read.example:x/clew/t/{KEY}/", ""),
    ],
)  # fmt: skip
def test_only_own_addresses_are_told_of(address: str, found: str) -> None:
    """oEmbed answers for pages of this site and for nothing else."""
    assert discovery.thread_at(Site(base_url="https://read.example/clew"), address) == found


def test_oembed_tells_whose_thread_it_is() -> None:
    """Title, author and provider, with their addresses."""
    assert discovery.oembed(SITE, page(post(1, "The tide came early."))) == openapi.Embed(
        "1.0", "link", "The tide came early.", "Ada Merrow", SITE.title, ADA.url, "https://read.example/"
    )


NAMESPACE = "{http://www.sitemaps.org/schemas/sitemap/0.9}"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with clew.store.open(tmp_path / "clew.db") as opened:
        yield opened


def keep(store: Store, *posts: Post, by: Actor = ADA) -> str:
    with store.writing() as writer:
        writer.put_captures([CAPTURE])
        told = thread(*posts, by=by)
        return writer.put_thread(
            told, title=posts[0].content, source="fediverse", post=posts[0].id, captures=[CAPTURE]
        )


def test_a_sitemap_has_the_listed_threads(store: Store) -> None:
    """With the operator's leave it names each listed thread; without it there is none, nor a robots.txt."""
    listed = keep(store, post(1, "For all."))
    keep(store, post(2, "For some.", visibility="unlisted"))
    keep(store, post(3, "For nobody.", visibility="private"))
    for closed in (Site(), SITE, Site(indexing=True)):
        assert site.render(store, closed, "/sitemap.xml").status == 404
        assert site.render(store, closed, "/robots.txt").status == 404
    opened = Site(base_url="https://read.example", indexing=True)
    index = ET.fromstring(site.render(store, opened, "/sitemap.xml").body)
    (part,) = [loc.text or "" for loc in index.iter(f"{NAMESPACE}loc")]
    urls = ET.fromstring(site.render(store, opened, part.removeprefix("https://read.example")).body)
    assert [loc.text for loc in urls.iter(f"{NAMESPACE}loc")] == [f"https://read.example/t/{listed}/"]
    assert site.render(store, opened, "/robots.txt").body == b"Sitemap: https://read.example/sitemap.xml\n"
    assert {"/sitemap.xml", "/sitemap-1.xml", "/robots.txt"} <= set(site.paths(store, opened))
    assert not [path for path in site.paths(store, SITE) if "sitemap" in path]


# --- between threads -----------------------------------------------------------------------------------------


def test_a_thread_leads_to_those_before_and_after_it(store_url: str) -> None:
    """By the date of their first posts, within the author's listed threads; on each database."""
    with clew.store.open(store_url) as store:
        days = {day: keep(store, post(day, f"Day {day}.")) for day in (5, 1, 3)}
        keep(store, post(2, "Unlisted.", visibility="unlisted"))
        other = Actor("https://social.example/users/boz", "Божена", "boz")
        keep(store, post(4, "Another's.", attributed_to=other.id), by=other)
        undated = keep(store, post(9, "When?", published=None))
        line = [days[1], days[3], days[5], undated]
        for before, this, after in zip(["", *line], line, [*line[1:], ""], strict=False):
            found = store.neighbours(store.entry(this))
            assert [entry.key if entry else "" for entry in found] == [before, after]
        html = head(site.render(store, SITE, f"/t/{days[3]}/").body)
        ways = {rel: html.css_first(f"a[rel={rel}]").attributes["href"] or "" for rel in ("prev", "next")}
        assert {rel: urljoin(f"/t/{days[3]}/", href) for rel, href in ways.items()} == {
            "prev": f"/t/{days[1]}/", "next": f"/t/{days[5]}/",
        }  # fmt: skip
        assert not head(site.render(store, SITE, f"/t/{days[1]}/").body).css("a[rel=prev]")


MASTODON = Actor(
    "https://m.example/users/ada", "Ada", "ada", "https://m.example/@ada", ("https://sky.example/ada/",)
)
BLUESKY = Actor("did:plc:ada", "Ada Q.", "ada.example", "https://sky.example/ada", ("https://m.example/@ada",))
LIAR = Actor("https://liar.example/", "Ada", "liar", "https://liar.example/", ("https://m.example/@ada",))


def test_accounts_that_point_at_each_other_have_one_page(store_url: str) -> None:
    """The threads of both stand on both pages and feeds; one that only claims so is left alone."""
    with clew.store.open(store_url) as store:
        for n, who in enumerate((MASTODON, BLUESKY, LIAR), 1):
            keep(store, post(n, f"By {who.preferred_username}.", attributed_to=who.id), by=who)
        assert [actor.id for actor in store.accounts(MASTODON.id)] == [MASTODON.id, BLUESKY.id]
        assert [actor.id for actor in store.accounts(BLUESKY.id)] == [BLUESKY.id, MASTODON.id]
        assert [actor.id for actor in store.accounts(LIAR.id)] == [LIAR.id]
        for who, titles in ((MASTODON, 2), (BLUESKY, 2), (LIAR, 1)):
            folder = f"/a/{clew.text.key(who.id)}/"
            html, feed = (site.render(store, SITE, folder + rest).body for rest in ("", "feed.atom"))
            assert html.count(b'class="title') == feed.count(b"<entry") == titles
            assert (b"Also posts as" in html) is (titles == 2)
            assert (b"By liar." in html) is (who is LIAR)


def test_an_account_without_a_public_thread_is_not_named(store: Store) -> None:
    """Joining does not tell of an account whose threads are private."""
    keep(store, post(1, "Open.", attributed_to=MASTODON.id), by=MASTODON)
    keep(store, post(2, "Closed.", attributed_to=BLUESKY.id, visibility="private"), by=BLUESKY)
    html = site.render(store, SITE, f"/a/{clew.text.key(MASTODON.id)}/").body
    assert b"Also posts as" not in html
    assert site.render(store, SITE, f"/a/{clew.text.key(BLUESKY.id)}/").status == 404
