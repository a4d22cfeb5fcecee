"""Feeds: a reader that we did not write takes them, ids and times stay, and nothing a stranger wrote is markup."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from time import struct_time
from typing import Any
from urllib.parse import urljoin
from xml.etree import ElementTree as ET

import feedparser
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

import clew.store
from clew import feeds, flow, keeping, site
from clew.captures import paste
from clew.config import Config, Site
from clew.model import (
    Actor,
    Attachment,
    Certificate,
    Facet,
    Item,
    Poll,
    PollOption,
    Post,
    Quote,
    Run,
    Thread,
    Tombstone,
)
from clew.search import Snippet
from clew.store import Store

NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
ADA = Actor("https://social.example/users/ada", "Ada Merrow", "ada", "https://social.example/@ada")
SITE = Site(title="Threads of the harbour", base_url="https://read.example/clew")
KEY = "abcdefghijkl"
ATOM = "{http://www.w3.org/2005/Atom}"


def post(n: int, content: str, **fields: Any) -> Post:
    """A post of Ada's, one minute after the one before."""
    given: dict[str, Any] = {
        "id": f"https://social.example/{n}",
        "attributed_to": ADA.id,
        "content": content,
        "published": NOON + timedelta(minutes=n),
        "capture": "c" * 64,
        "url": f"https://social.example/@ada/{n}",
    }
    return Post(**(given | fields))


def kept(*items: Item, key: str = KEY, **fields: Any) -> feeds.Kept:
    """A thread of these, kept a day later."""
    found = sum(isinstance(item, Post) for item in items)
    whole = Certificate(found, "yes", f"All {found} posts are here.")
    thread = Thread(items[0].id, ADA.id, items, "longest", whole, actors=(fields.pop("by", ADA),), **fields)
    day = NOON + timedelta(days=1)
    return feeds.Kept(key, day, day, flow.page(thread))


def read(body: bytes, **headers: str) -> Any:
    """The feed as feedparser takes it, without a complaint."""
    told = feedparser.parse(body, response_headers={"content-type": feeds.MEDIA_TYPE, **headers})
    assert not told.bozo, told.get("bozo_exception")
    assert told.version == "atom10"
    return told


def latest(*threads: feeds.Kept, at: Site = SITE) -> bytes:
    return feeds.threads(at, feeds.feed("", at.title), threads)


def of_one(one: feeds.Kept, at: Site = SITE) -> bytes:
    return feeds.posts(at, feeds.feed(f"t/{one.key}/", one.page.title), one)


def when(parsed: struct_time) -> datetime:
    return datetime(*parsed[:6], tzinfo=UTC)


# --- what is in a feed ---------------------------------------------------------------------------------------


def test_a_thread_is_one_entry_with_its_text() -> None:
    """Title, author, times, address, original and the stitched text of a thread are in its one entry."""
    told = read(latest(kept(post(1, "The tide came 1/2"), post(2, "in at noon. 2/2"))))
    assert told.feed.title == SITE.title
    (entry,) = told.entries
    assert entry.link == f"https://read.example/clew/t/{KEY}/"
    assert [link.href for link in entry.links if link.rel == "via"] == ["https://social.example/@ada/1"]
    assert (entry.author, entry.author_detail.href) == ("Ada Merrow", ADA.url)
    assert when(entry.published_parsed) == NOON + timedelta(minutes=1)
    assert when(entry.updated_parsed) == when(told.feed.updated_parsed) == NOON + timedelta(minutes=2)
    html = entry.content[0].value
    assert "The tide came in at noon." in html
    assert "All 2 posts are here." in html


def test_the_feed_of_a_thread_has_each_post_youngest_first() -> None:
    """Main line, branches and asides have one entry each, which leads to the post's permalink."""
    run = Run("https://social.example/1", (post(3, "Off the line."),))
    told = read(of_one(kept(post(1, "One."), post(2, "Two."), branches=(run,))))
    assert [(entry.title, entry.link.partition("#")[2]) for entry in told.entries] == [
        ("1. Off the line.", "b1-1"), ("2. Two.", "p2"), ("1. One.", "p1"),
    ]  # fmt: skip


def test_a_post_that_went_keeps_its_entry_which_says_so() -> None:
    """The id stays, the words go, the time is when it was found missing: a reader replaces what it had."""
    before = read(of_one(kept(post(1, "One."), post(2, "To be regretted."))))
    checked = NOON + timedelta(hours=5)
    gone = Tombstone(
        "https://social.example/2", "deleted", evidence="the server says 410", checked=checked, published=NOON
    )
    after = read(of_one(kept(post(1, "One."), gone)))
    was = next(entry for entry in before.entries if "regretted" in entry.title)
    now = next(entry for entry in after.entries if entry.id == was.id)
    assert now.title.startswith("Post 2 is not here: deleted")
    assert "The server says 410." in now.content[0].value
    assert when(now.updated_parsed) == checked > when(was.updated_parsed)
    assert "regretted" not in str(after)


def test_an_edit_moves_the_time_and_not_the_id() -> None:
    """A thread that grew or was edited is the same entry, with a later time."""
    one = kept(post(1, "One."))
    more = kept(post(1, "One, mended.", updated=NOON + timedelta(hours=2)), post(2, "Two."))
    for feed in (latest, of_one):
        before, after = read(feed(one)), read(feed(more))
        assert before.entries[-1].id == after.entries[-1].id
        assert when(after.feed.updated_parsed) == NOON + timedelta(hours=2) > when(before.feed.updated_parsed)


def test_what_has_no_time_takes_the_stores() -> None:
    """A paste without dates has the time at which it was kept; what claims to be from the future is cut to when it
    was received."""
    undated = kept(post(1, "One.", published=None), post(2, "Two.", published=None))
    assert {when(entry.updated_parsed) for entry in read(of_one(undated)).entries} == {undated.saved}
    assert "published" not in read(latest(undated)).entries[0]
    late = kept(post(1, "Later.", published=datetime(9999, 1, 1, tzinfo=UTC)))
    assert when(read(latest(late)).entries[0].updated_parsed) == late.changed


def test_an_empty_feed_is_a_feed() -> None:
    """A site without threads has a feed that readers take."""
    assert read(latest()).entries == []


def test_what_hangs_on_a_post_is_told_in_words() -> None:
    """Alt texts, polls and quotes are in an entry, each with its link."""
    whole = post(
        1,
        "Look.\nThere.",
        attachments=(
            Attachment("image", "https://m.example/1.jpg", alt="A pier under water"),
            Attachment("card", "https://n.example/", name="A headline"),
        ),
        poll=Poll((PollOption("Stay", 1200), PollOption("Go"))),
        quote=Quote("https://social.example/90"),
        facets=(Facet(0, 5, "link", "https://map.example/"),),
    )
    boz = Actor("https://b.example/", "Божена")
    quoted = Post("https://social.example/90", boz.id, "Води багато.", NOON, "c" * 64)
    one = kept(whole, quoted=(quoted,))
    thread = replace(one.page.thread, actors=(ADA, boz))
    one = one._replace(page=flow.page(thread))
    for body in (latest(one), of_one(one)):
        html = read(body).entries[0].content[0].value
        for part in ("A pier under water", "A headline", "Stay – 1,200", "Go", "Божена", "Води багато.",
                     'href="https://map.example/"', "<br />"):  # fmt: skip
            assert part in html, part


def test_what_is_under_a_warning_or_a_spoiler_is_not_in_a_feed() -> None:
    """A reader would show it at once, so the entry has the warning and leads to the page."""
    spoilt = post(2, "The gardener did it.", facets=(Facet(4, 12, "spoiler"),))
    one = kept(post(1, "Water in the cellar", summary="flood"), spoilt)
    for body in (latest(one), of_one(one)):
        assert b"cellar" not in body.replace(one.page.title.encode(), b"")
        assert b"gardener" not in body
        assert b"Content warning: flood" in body


def test_a_long_thread_is_cut_in_the_list_and_whole_in_its_own_feed() -> None:
    """The list of threads has the beginning, and says that it goes on."""
    one = kept(*(post(n, f"Number {n}. " + "Tide. " * 200) for n in range(1, 40)))
    html = read(latest(one)).entries[0].content[0].value
    assert len(html) < 20_000
    assert "The thread goes on here." in html
    assert len(read(of_one(one)).entries) == 39


def test_a_search_has_its_snippets_with_what_was_found_marked() -> None:
    """Each thread is an entry with the passages, and each passage leads to its post."""
    snippet = Snippet("the <tide> came", ((4, 10),), cut_before=True)
    hits = feeds.Hits(KEY, "A title", ADA, NOON, None, [("p3", snippet, ""), ("p4", Snippet("cellar"), "flood")])
    body = feeds.found(SITE, feeds.asked('tide & "moon"', "Search", None, 7), [hits])
    told, content = read(body), ET.fromstring(body).find(f"{ATOM}entry/{ATOM}content")
    html = (content.text or "") if content is not None else ""
    assert "… the <mark>&lt;tide&gt;</mark> came" in html
    assert f"/t/{KEY}/#p3" in html
    assert ("cellar" in html, "Content warning: flood" in html) == (False, True)
    assert [link.href[-9:] for link in told.feed.links if link.rel == "next"] == ["&before=7"]
    assert told.feed.links[0].href == "https://read.example/clew/search/feed.atom?q=tide%20%26%20%22moon%22"


# --- ids and addresses ---------------------------------------------------------------------------------------


def test_ids_are_tag_uris_of_the_site() -> None:
    """Ids are stable names (RFC 4151) under the site's host and path, each once."""
    one, two = kept(post(1, "One."), post(2, "Two.")), kept(post(5, "Five."), key="bcdefghijklm")
    ids = [e.id for body in (latest(one, two), of_one(one)) for e in read(body).entries]
    assert len(set(ids)) == len(ids) == 4
    assert all(id_.startswith("tag:read.example,2026:/clew/") for id_ in ids)


@pytest.mark.parametrize(("folder", "page"), [("", 1), ("", 3), (f"a/{KEY}/", 2), (f"t/{KEY}/", 1)])
def test_a_site_without_an_address_has_feeds_that_work_where_they_lie(folder: str, page: int) -> None:
    """Without base_url each link is relative and leads to the same places; the ids name nobody."""
    feed, one = feeds.feed(folder, "All", page, 3), kept(post(1, "One."))
    body = feeds.threads(Site(), feed, [one])
    base = f"http://127.0.0.1:8000/{feed.path}"
    told = read(body, **{"content-location": base})
    assert told.entries[0].link == f"http://127.0.0.1:8000/t/{KEY}/"
    assert told.entries[0].id.startswith("tag:clew.invalid,2026:")
    root = ET.fromstring(body)
    places = {link.get("rel"): urljoin(base, link.get("href") or "") for link in root.findall(f"{ATOM}link")}
    assert places.pop("self") == base
    assert places == {rel: f"http://127.0.0.1:8000/{path}" for rel, path in
                      {"alternate": folder, **feed.turns}.items()}  # fmt: skip


# --- hostile text --------------------------------------------------------------------------------------------

HOSTILE = "</content><script>alert(1)</script>]]>\"'&lt;<img src=x onerror=alert(1)>\u202e\x00\x1b[2J\ud800\ufffe"


class Tags(HTMLParser):
    """Notes each element with its attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))


def harmless(body: bytes) -> None:
    """The feed parses, and its content has only elements of ours that do nothing."""
    read(body)
    known = {"p", "a", "br", "ul", "li", "em", "strong", "s", "u", "code", "pre", "h2", "blockquote", "bdi", "mark"}
    for content in ET.fromstring(body).iter(f"{ATOM}content"):
        tags = Tags()
        tags.feed(content.text or "")
        for tag, attributes in tags.seen:
            assert tag in known, tag
            assert set(attributes) <= {"href", "rel", "dir"}
            assert (attributes.get("href") or "https:").startswith(("https:", "http:", "mailto:", "./", "../"))


def hostile(text: str, href: str = "javascript:alert(1)") -> feeds.Kept:
    """A thread with the text in every field."""
    marked = (Facet(0, 4, "link", href), Facet(0, 9, "strong"), Facet(2, 10**6, "code"))
    whole = post(
        1,
        text,
        url=href,
        facets=marked,
        attachments=(
            Attachment("image", href, alt=text, name=text),
            Attachment("card", href, name=text, summary=text),
        ),
        poll=Poll((PollOption(text, 1),)),
        langs=(text,),
        quote=Quote(href, href, "unavailable"),
    )
    warned = replace(whole, id="https://social.example/2", summary=text)
    gone = Tombstone("https://social.example/3", "deleted", evidence=text)
    return kept(whole, warned, gone, by=Actor(ADA.id, text, text, href))


@pytest.mark.parametrize("at", [SITE, Site(title=HOSTILE)])
def test_hostile_text_stays_text(at: Site) -> None:
    """Markup, control characters, lone surrogates and script addresses in every field make no element."""
    one = hostile(HOSTILE)
    snippet = Snippet(HOSTILE, ((0, 12),))
    hits = feeds.Hits(KEY, HOSTILE, one.page.thread.actors[0], NOON, None, [("p1", snippet, "")])
    harmless(latest(one, at=at))
    harmless(of_one(one, at))
    harmless(feeds.found(at, feeds.asked(HOSTILE, HOSTILE), [hits]))


@given(st.text(st.characters(exclude_categories=()), min_size=1, max_size=60))
def test_any_text_makes_a_feed(text: str) -> None:
    """Whatever was posted, a feed of it is one that readers take."""
    one = hostile(text, text)
    harmless(latest(one))
    harmless(of_one(one))


# --- on the site ---------------------------------------------------------------------------------------------

PASTE = "The tide came early. 1/3\nNobody was at the gate 2/3\nand the bell was out of order. 3/3\n"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with clew.store.open(tmp_path / "clew.db") as opened:
        yield opened


def save(store: Store, text: str, author: str = "@tides") -> str:
    with flow.opened(paste(text, author=author)) as reading:
        return keeping.save(store, reading, reading.one())


def test_pages_of_feeds_hold_every_thread_once(store: Store, tmp_path: Path) -> None:
    """The latest and the author's feed turn over all threads; a build has the bytes that are served."""
    keys = {save(store, f"Thread number {n}.\n") for n in range(site.PER_FEED * 2 + 1)}
    author = next(path for path in site.paths(store) if path.startswith("/a/"))
    for first in ("/feed.atom", f"{author}feed.atom"):
        ids, path = list[str](), first
        while path:
            told = read(site.render(store, Site(), path).body)
            ids += [entry.id for entry in told.entries]
            turn = [link.href for link in told.feed.links if link.rel == "next"]
            path = urljoin(path, turn[0]) if turn else ""
        assert len(ids) == len(set(ids)) == len(keys)
        assert {id_.rstrip("/")[-12:] for id_ in ids} == keys
    site.build(store, Config(), tmp_path / "out")
    for path in ("/feed.atom", "/page/3/feed.atom", f"{author}feed.atom", f"/t/{min(keys)}/feed.atom"):
        assert (tmp_path / "out" / path[1:]).read_bytes() == site.render(store, Site(), path).body
    assert site.render(store, Site(), "/page/4/feed.atom").status == 404


def test_the_feed_of_a_long_thread_is_turned_too(store: Store) -> None:
    """More posts than one page of a feed holds stand on several, each post on one."""
    count = site.PER_PAGE + 3
    key = save(store, "".join(f"Post number {n}. {n}/{count}\n" for n in range(1, count + 1)))
    pages = [site.render(store, Site(), f"/t/{key}/{rest}feed.atom") for rest in ("", "page/2/")]
    ids = [entry.id for page in pages for entry in read(page.body).entries]
    assert (len(ids), len(set(ids))) == (count, count)
    assert site.render(store, Site(), f"/t/{key}/page/3/feed.atom").status == 404


def test_the_same_store_gives_the_same_bytes(store: Store) -> None:
    """No feed holds the time at which it was made."""
    save(store, PASTE)
    for path in (path for path in site.paths(store) if path.endswith(".atom")):
        assert site.render(store, Site(), path) == site.render(store, Site(), path)
