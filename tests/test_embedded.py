"""Posts of another network that stand in an article: fetched, shown as quotes, forgotten alone."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

import clew.store
from bluesky_network import Account, Network
from clew.config import Config
from clew.flow import opened, save
from clew.keeping import check, forget, rebuild
from clew.model import Facet, Post
from clew.refreshing import refresh
from clew.site import render
from loopback import Loopback

WORDS = "The tide came early, and nobody was at the gate."
PARAGRAPHS = "".join(
    f"<p>Paragraph {number} of the page is long enough to be taken for the text of an article by anybody.</p>"
    for number in range(5)
)


def article(url: str, words: str = WORDS) -> bytes:
    page = (
        "<!doctype html><html lang=en><head><title>The barrier stayed open</title></head><body><article>"
        f"<h1>The barrier stayed open</h1>{PARAGRAPHS}<blockquote class=bluesky-embed><p>{words}</p>"
        f'<a href="{url}">21 February</a></blockquote><p>The city has not answered our questions so far.</p>'
        "</article></body></html>"
    ).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {len(page)}\r\n\r\n"
    return head.encode() + page


def asking(network: Network, host: str) -> Config:
    config = network.config()
    hosts = (*config.network.private_hosts, host)
    return msgspec.structs.replace(config, network=msgspec.structs.replace(config.network, private_hosts=hosts))


def posted(author: Account) -> str:
    return f"https://bsky.app/profile/{author.did}/post/{author.post(WORDS).rkey}"


def test_an_embedded_post_is_fetched_and_shown_as_a_quote(bluesky_pds: Network, tmp_path: Path) -> None:
    """The post comes from its author's own server with its own capture; what is kept derives the same again."""
    author = bluesky_pds.account("in-the-article")
    url = posted(author)
    with Loopback({"/gate": article(url)}) as site, clew.store.open(str(tmp_path / "clew.db")) as store:
        with opened(f"{site.url}/gate", config=asking(bluesky_pds, site.host)) as reading:
            thread = reading.one()
            key = save(store, reading, thread)
        (quoted,) = thread.quoted
        assert (quoted.attributed_to, quoted.content) == (author.did, WORDS)
        assert [item.id for item in thread.items] == [f"{site.url}/gate"]
        head = thread.items[0]
        assert isinstance(head, Post)
        assert url in [facet.href for facet in head.facets if facet.type == "quote"]
        assert store.thread(key) == thread
        rows = list(store.dump())
        list(rebuild(store))
        assert list(store.dump()) == rows
        assert not [finding for finding in check(store) if not isinstance(finding, str)]
        forget(store, author.did, "test")
        assert store.thread(key).quoted == ()
        assert WORDS.encode() not in b"".join(c.body for c in store.captures(key) if c.url != f"{site.url}/gate")


@pytest.mark.parametrize("hidden", [True, False])
def test_an_embedded_post_that_is_not_to_be_had_stays_a_link(bluesky_pds: Network, hidden: bool) -> None:
    """An author who hides from strangers, and a post that is gone, leave the article as its page has it."""
    author = bluesky_pds.account("shy-in-article" if hidden else "gone-in-article")
    url = posted(author)
    if hidden:
        author.put_profile(labels=["!no-unauthenticated"])
    else:
        author.delete(f"at://{author.did}/app.bsky.feed.post/{url.rpartition('/')[2]}")
    with Loopback({"/gate": article(url)}) as site:
        with opened(f"{site.url}/gate", config=asking(bluesky_pds, site.host)) as reading:
            thread = reading.one()
        assert thread.quoted == ()
        head = thread.items[0]
        assert isinstance(head, Post)
        assert [facet for facet in head.facets if isinstance(facet, Facet) and facet.href == url]
        assert thread.certificate.found == 1
        if hidden:
            assert not [capture for capture in reading.captures(thread) if "getRecord" in capture.url]


@pytest.mark.parametrize("hidden", [True, False])
def test_an_embedded_post_is_looked_at_again_with_its_article(
    bluesky_pds: Network, tmp_path: Path, hidden: bool
) -> None:
    """A quoted post that is gone at the next look leaves the page; one whose author hides since, also the store."""
    author = bluesky_pds.account("shy-later" if hidden else "gone-later")
    url = posted(author)
    with (
        Loopback({"/gate": article(url, "In other words")}) as site,
        clew.store.open(str(tmp_path / "clew.db")) as store,
    ):
        config = asking(bluesky_pds, site.host)
        with opened(f"{site.url}/gate", config=config) as reading:
            key = save(store, reading, reading.one())
        assert [post.content for post in store.thread(key).quoted] == [WORDS]
        if hidden:
            author.put_profile(labels=["!no-unauthenticated"])
        else:
            author.delete(f"at://{author.did}/app.bsky.feed.post/{url.rpartition('/')[2]}")
        refresh(store, key, config)
        assert store.thread(key).quoted == ()
        assert WORDS not in render(store, Config().site, f"/t/{key}/").body.decode()
        assert any(WORDS.encode() in capture.body for capture in store.captures(key)) != hidden
        assert not [finding for finding in check(store) if not isinstance(finding, str)]
