"""Looking again at a kept thread, on a real server: what grew, what was edited, what is gone, what came back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

import clew.store
from bluesky_network import Account, Network, Posted
from clew.config import Config
from clew.config import Network as Network_
from clew.errors import FetchError, InputError, Refused, StoreError
from clew.flow import opened, save
from clew.keeping import check, forget, rebuild
from clew.model import Post, Tombstone
from clew.refreshing import refresh
from clew.site import render
from clew.store import Store
from loopback import Answer, Loopback, response

WORDS = ("The tide came early", "nobody was at the gate", "and the bell was out of order", "so we rang by hand")

PARAGRAPH = (
    "<p>This is NN paragraph of the page, long enough to be taken for the text of an article by anybody.</p>" * 4
)
MISSING = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


def page(text: str) -> bytes:
    article = f"<article><h1>At the gate</h1>{text}</article>"
    body = f"<!doctype html><html lang=en><title>At the gate</title>{article}</html>"
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(body)}\r\n\r\n"
    return (head + body).encode()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with clew.store.open(str(tmp_path / "clew.db")) as opened_store:
        yield opened_store


def posted(author: Account, *texts: str, after: Posted | None = None) -> list[Posted]:
    """Post a thread, or go on with one."""
    posts = [after] if after else []
    for text in texts:
        posts.append(author.post(text, reply_to=posts[-1] if posts else None))
    return posts


def kept(store: Store, config: Config, url: str) -> str:
    with opened(url, config=config) as reading:
        return save(store, reading, reading.one())


def test_what_grew_is_added(bluesky_pds: Network, store: Store) -> None:
    """A thread that went on is read to its new end; the same look again changes nothing."""
    ada = bluesky_pds.account("grower")
    posts = posted(ada, *WORDS)
    key = kept(store, bluesky_pds.config(), posts[1].uri)
    more = posted(ada, "A fifth", "and a sixth", after=posts[-1])[1:]
    look = refresh(store, key, bluesky_pds.config())
    assert look.grew == tuple(post.uri for post in more)
    assert (look.edited, look.gone, look.back, str(look)) == ((), (), (), "2 new")
    assert [item.id for item in store.thread(key).items] == [post.uri for post in (*posts, *more)]
    assert str(refresh(store, key, bluesky_pds.config())) == "as it was"
    assert not [finding for finding in check(store) if not isinstance(finding, str)]


def test_what_is_gone_leaves_the_pages_and_what_came_back_is_shown(bluesky_pds: Network, store: Store) -> None:
    """A deleted post becomes a tombstone in its place, its words on no page; posted again under its old address it
    is there again. Deriving all of it anew gives the same."""
    ada = bluesky_pds.account("wavering")
    posts = posted(ada, *WORDS)
    key = kept(store, bluesky_pds.config(), posts[0].uri)
    ada.delete(posts[1])
    look = refresh(store, key, bluesky_pds.config())
    assert look.gone == (posts[1].uri,)
    thread = store.thread(key)
    stone = thread.items[1]
    assert isinstance(stone, Tombstone)
    assert (stone.reason, stone.in_reply_to) == ("deleted", posts[0].uri)
    assert stone.checked is not None
    for page in (f"/t/{key}/", f"/t/{key}/posted/", f"/t/{key}/thread.json", f"/t/{key}/thread.txt"):
        body = render(store, Config().site, page).body.decode()
        assert WORDS[1] not in body
        assert WORDS[2] in body
    rows = list(store.dump())
    list(rebuild(store))
    assert list(store.dump()) == rows
    ada.post(WORDS[1], reply_to=posts[0], rkey=posts[1].rkey)
    assert refresh(store, key, bluesky_pds.config()).back == (posts[1].uri,)
    assert isinstance(store.thread(key).items[1], Post)


def test_a_thread_that_is_gone_altogether_stays_as_a_fact(bluesky_pds: Network, store: Store) -> None:
    """Where nothing is left the page says so, without a word of the thread."""
    ada = bluesky_pds.account("leaving")
    posts = posted(ada, *WORDS)
    key = kept(store, bluesky_pds.config(), posts[0].uri)
    for post in posts:
        ada.delete(post)
    look = refresh(store, key, bluesky_pds.config())
    assert set(look.gone) == {post.uri for post in posts}
    assert look.certificate.startswith("0 of 4 posts are here: 4 deleted.")
    for page in (f"/t/{key}/", "/"):
        answer = render(store, Config().site, page)
        assert answer.status == 200
        assert not [text for text in WORDS if text in answer.body.decode()]


def test_who_hides_from_strangers_later_leaves_the_public_pages(bluesky_pds: Network, store: Store) -> None:
    """An author who asks that only people who are logged in see the posts is heard at the next look."""
    ada = bluesky_pds.account("turning-shy")
    posts = posted(ada, *WORDS)
    key = kept(store, bluesky_pds.config(), posts[0].uri)
    ada.put_profile(labels=["!no-unauthenticated"])
    look = refresh(store, key, bluesky_pds.config())
    assert look.hidden
    assert render(store, Config().site, f"/t/{key}/").status == 404
    with pytest.raises(Refused):
        kept(store, bluesky_pds.config(), posts[0].uri)


def test_a_server_that_is_away_changes_nothing(bluesky_pds: Network, store: Store) -> None:
    """That nobody answers is no news of the posts: the thread stays, and is due again."""
    ada = bluesky_pds.account("steady")
    key = kept(store, bluesky_pds.config(), posted(ada, *WORDS)[0].uri)
    rows = list(store.dump())
    with pytest.raises(FetchError):
        refresh(store, key, bluesky_pds.config(offline=True))
    assert list(store.dump()) == rows


def test_what_nobody_can_be_asked_about_is_said(store: Store) -> None:
    """A pasted thread has no address; an author who opted out is not asked for."""
    with opened("One 1/\nTwo 2/\nThree 3/\n", author="@ada") as reading:
        key = save(store, reading, reading.one())
    with pytest.raises(InputError, match="nobody can be asked"):
        refresh(store, key, Config())


def test_who_opted_out_is_not_asked_for(bluesky_pds: Network, store: Store) -> None:
    """After ``forget`` the address is refused, by ``save`` and by anything that would publish it."""
    ada = bluesky_pds.account("forgotten")
    posts = posted(ada, *WORDS)
    kept(store, bluesky_pds.config(), posts[0].uri)
    forget(store, ada.did, "test")
    with pytest.raises(Refused, match="left out"):
        kept(store, bluesky_pds.config(), posts[0].uri)


def test_what_is_due_is_what_was_not_looked_at(bluesky_pds: Network, store: Store) -> None:
    """A run that stopped goes on where it was: what it looked at is not due again, the oldest is first."""
    from datetime import UTC, datetime, timedelta

    ada = bluesky_pds.account("regular")
    keys = [kept(store, bluesky_pds.config(), posted(ada, text)[0].uri) for text in WORDS]
    begun = datetime.now(UTC)
    assert [store.find(saving.thread) for saving in store.due(begun)] == keys
    refresh(store, keys[0], bluesky_pds.config())
    refresh(store, keys[2], bluesky_pds.config())
    assert [store.find(saving.thread) for saving in store.due(begun)] == [keys[1], keys[3]]
    assert list(store.due(begun - timedelta(hours=1))) == []


def test_an_article_that_was_edited_and_then_went_is_followed(store: Store) -> None:
    """A changed page is a version; a page that is gone leaves its address and the day, and no words."""
    before, after = (PARAGRAPH.replace("NN", n) for n in ("an old", "a new"))
    answers: dict[str, Answer | list[Answer]] = {"/gate": [page(before), page(after), MISSING]}
    with Loopback(answers) as site:
        config = Config(network=Network_(private_hosts=(site.host,)))
        key = kept(store, config, f"{site.url}/gate")
        assert refresh(store, key, config).edited == (f"{site.url}/gate",)
        (post,) = store.thread(key).items
        assert isinstance(post, Post)
        assert "a new paragraph" in post.content
        assert ["an old paragraph" in version.content for version in post.versions] == [True]
        assert refresh(store, key, config).gone == (f"{site.url}/gate",)
    body = render(store, Config().site, f"/t/{key}/").body.decode()
    assert "paragraph" not in body
    assert f"{site.url}/gate" in body


def test_an_account_that_is_closed_for_good_leaves_the_pages(bluesky_pds: Network, store: Store) -> None:
    """That the directory does not know the author any more is news, and no error."""
    ada = bluesky_pds.account("closed")
    posts = posted(ada, *WORDS)
    config = bluesky_pds.config()
    key = kept(store, config, posts[1].uri)
    with Loopback({f"/{ada.did}": response(b"{}", "410 Gone")}) as directory:
        network = msgspec.structs.replace(
            config.network, private_hosts=(*config.network.private_hosts, directory.host)
        )
        bluesky = msgspec.structs.replace(config.bluesky, plc=directory.url)
        look = refresh(store, key, msgspec.structs.replace(config, network=network, bluesky=bluesky))
    assert set(look.gone) == {post.uri for post in posts}
    body = render(store, Config().site, f"/t/{key}/").body.decode()
    assert not [text for text in WORDS if text in body]
    assert set(refresh(store, key, config).back) == {post.uri for post in posts}


@pytest.mark.parametrize("opt_out", [True, False])
def test_who_is_forgotten_while_asked_for_stays_forgotten(
    bluesky_pds: Network, store: Store, opt_out: bool
) -> None:
    """A look takes minutes: what was removed meanwhile, by another process, does not come back with it."""
    ada = bluesky_pds.account(f"removed{opt_out:d}")
    key = kept(store, bluesky_pds.config(), posted(ada, *WORDS)[0].uri)

    def removed(asked: int) -> None:
        if asked == 1:
            forget(store, ada.did, "test", opt_out=opt_out)

    with pytest.raises(StoreError):
        refresh(store, key, bluesky_pds.config(), progress=removed)
    assert list(store.savings()) == []
    assert not [row for row in store.dump() if WORDS[0] in str(row)]
