"""Threads fetched from servers of the fediverse: a real one (snac), a mock of Mastodon, and one written by us."""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as settings_of
from hypothesis import strategies as st

from clew.config import Config
from clew.decode import REDACTED
from clew.errors import ClewError, FetchError, InputError, LoginRequired, ParseError, RateLimited
from clew.fetch import Client
from clew.model import Actor, Capture, Limit, Post, Thread, Tombstone
from clew.plugins import sources
from clew.reading import derive, opened
from clew.sources.fediverse import SOURCE
from clew.sources.fediverse.address import local_id
from clew.thread import assemble
from clew.visiting import settled
from fediverse_servers import ACTIVITY, AS, PUBLIC, Instance, Json, Snac, recorded, settings

_KEYS = st.sampled_from(
    "id type account content visibility uri url created_at attributedTo to cc tag attachment oneOf published "
    "inReplyTo replies context conversation object actor orderedItems items first next outbox followers summary "
    "quote".split()
)


class Visit:
    """One fetch: the post, its thread, and what was asked."""

    def __init__(self, url: str, config: Config | None = None, known: Sequence[str] = ()) -> None:
        with Client(config or settings()) as client:
            self.post = SOURCE.fetch(url, client, known)
        self.captures, self.requests = client.captures, client.requests
        self.thread = derive(SOURCE, self.captures, self.post, "longest")
        shuffled = list(self.captures)
        for seed in range(3):
            random.Random(seed).shuffle(shuffled)
            assert assemble(settled(SOURCE.parse(shuffled), shuffled), self.post) == self.thread

    @property
    def limits(self) -> list[str]:
        return [one.evidence for one in SOURCE.parse(self.captures) if isinstance(one, Limit)]


def texts(thread: Thread) -> list[str]:
    """Give the texts of a thread's main line, of missing posts the reason."""
    return [item.content if isinstance(item, Post) else f"({item.reason})" for item in thread.items]


def parts(count: int) -> list[str]:
    return [f"Part {number}" for number in range(1, count + 1)]


@pytest.fixture
def ada() -> Iterator[Instance]:
    """The server that keeps Ada's posts."""
    with Instance() as instance:
        yield instance


@pytest.fixture
def moss() -> Iterator[Instance]:
    """Another server, which has copies."""
    with Instance() as instance:
        yield instance


# --- Addresses -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "id_"),
    [
        ("@ada/109252111498807689", "109252111498807689"),
        ("@ada@moss.example/109252111498807689?x=1#y", "109252111498807689"),
        ("web/@ada/12", "12"), ("deck/@ada/12", "12"), ("web/statuses/12", "12"),
        ("users/ada/statuses/12", "12"), ("users/ada/statuses/12/activity", "12"), ("ap/users/7/statuses/12", "12"),
        ("@ada/statuses/01JD4Z7QX3N5W8K2M6P9R1T4V7", "01JD4Z7QX3N5W8K2M6P9R1T4V7"),
        ("@ada@tide.example/posts/187653214567890123/", "187653214567890123"),
        ("notice/AoB3xYz9Kq2LmN4pRs", "AoB3xYz9Kq2LmN4pRs"),
        ("@ada/0192f3a4-5b6c-7d8e-9f00-112233445566", "0192f3a4-5b6c-7d8e-9f00-112233445566"),
        ("p/ada/598712345678901234", "598712345678901234"),
        ("objects/0192f3a4-5b6c-7d8e-9f00-112233445566", ""), ("objects/JkL8mN-2pQ0", ""), ("notes/9h5xyz1abc", ""),
        ("ada/p/1795406367.586753", ""), ("display/3f2a1b4c-1163-4a7e-8d51-112233445566", ""),
        ("o/3f2a1b4c11634a7e8d51112233445566", ""),
    ],
)  # fmt: skip
@pytest.mark.parametrize("home", ["https://tide.example/", "http://127.0.0.1:8080/", "http://localhost:3000/"])
def test_addresses_of_posts_are_known_on_any_host(path: str, id_: str, home: str) -> None:
    """Each shape is taken by this source before all others, and its id is the one that the server's API uses."""
    taking = [one.name for one in sources() if any(re.match(p, home + path) for p in one.patterns)]
    assert taking[0] == "fediverse"
    assert local_id(home + path) == id_


@pytest.mark.parametrize(
    "url",
    [
        "https://bsky.app/profile/ada.example/post/3k2yab7cdef2x", "https://x.com/ada/status/1790000000000000000",
        "https://t.me/tide/12", "https://medium.example/@ada/what-the-tide-left-1a2b3c4d5e6f", "https://paper.example/@ada/2026-in-short",
        "https://video.example/@ada/videos", "https://paper.example/2026/03/tide", "https://paper.example/notes/today",
        "https://social.example/@ada",
    ],
)  # fmt: skip
def test_other_addresses_are_left_alone(url: str) -> None:
    """What is no post of a known shape is left to the other sources, and to what its server answers."""
    assert not any(re.match(pattern, url) for pattern in SOURCE.patterns)


def test_recorded_addresses_hold_the_id_of_their_api() -> None:
    """Every status that the real Mastodon answered has its id in both of its addresses."""
    seen = set()
    for capture in recorded(r"/api/v1/(statuses/\d+|accounts/\d+/statuses|timelines/\w+)"):
        stack = [json.loads(capture.body)] if capture.status == 200 else []
        while stack:
            node = stack.pop()
            stack.extend(node if isinstance(node, list) else node.values() if isinstance(node, dict) else ())
            if (
                isinstance(node, dict)
                and {"uri", "in_reply_to_id", "content"} <= node.keys()
                and not node["reblog"]
            ):
                home = node["uri"].split("/")[2]
                if "@" not in node["account"]["acct"]:
                    seen.add(node["id"])
                    assert local_id(node["uri"]) == local_id(node["url"]) == node["id"], home
    assert len(seen) > 20


# --- A real server: snac ---------------------------------------------------------------------------------------


class Told:
    """Twelve posts of Ada on snac: the second edited, the third with a picture, the sixth deleted."""

    def __init__(self, server: Snac) -> None:
        self.server, self.posts = server, list[Json]()
        for number in range(1, 13):
            if number == 7:
                time.sleep(1.1)  # it dates posts by the second, and the place of a lost one is known by its age
            picture = "a red pixel" if number == 3 else ""
            above = self.posts[-1] if self.posts else None
            self.posts.append(server.post("ada", f"Part {number} #tide", above, picture))
        self.reply = server.post("lina", "@ada I saw it too", self.posts[3])
        server.wait_for(self.reply, self.posts[3])
        server.edit("ada", self.posts[1], "Part 2, corrected")
        server.delete("ada", self.posts[5])
        self.texts = [f"Part {number} #tide" for number in range(1, 13)]
        self.texts[1] = "Part 2, corrected"

    def url(self, number: int) -> str:
        return str(self.posts[number - 1]["url"])


@pytest.fixture(scope="module")
def told(snac: Snac) -> Told:
    return Told(snac)


@pytest.mark.parametrize("start", [1, 5, 8, 12])
@pytest.mark.parametrize("is_known", [False, True])
def test_a_thread_on_a_real_server_is_whole_from_any_post(told: Told, start: int, is_known: bool) -> None:
    """Of twelve posts eleven survive: all are found, with or without a token, and the gap stands in its place."""
    tokens = {told.server.host: told.server.tokens["lina"]} if is_known else {}
    visit = Visit(told.url(start), settings(tokens=tokens))
    assert texts(visit.thread) == [*told.texts[:5], "(unavailable)", *told.texts[6:]]
    assert visit.thread.items[5].id == told.posts[5]["uri"]
    assert visit.thread.certificate.complete == "no"
    assert visit.requests <= 20
    third = visit.thread.items[2]
    assert isinstance(third, Post)
    assert [(a.type, a.alt) for a in third.attachments] == [("image", "a red pixel")]
    second = visit.thread.items[1]
    assert isinstance(second, Post)
    assert second.updated is not None


def test_the_answer_of_another_is_seen_with_a_token(told: Told) -> None:
    """Lina's answer is found where the API may be asked, and belongs to her."""
    visit = Visit(told.url(4), settings(tokens={told.server.host: told.server.tokens["ada"]}))
    found = {one.id: one for one in SOURCE.parse(visit.captures) if isinstance(one, Post)}
    assert "I saw it too" in found[told.reply["uri"]].content
    assert found[told.reply["uri"]].in_reply_to == told.posts[3]["uri"]
    assert told.reply["uri"] not in {item.id for item in visit.thread.items}


def test_a_deleted_post_of_a_real_server_is_an_error_and_then_a_fact(told: Told) -> None:
    """Asked for alone it is an error; asked for among posts that were known before it is a dated tombstone."""
    with pytest.raises(FetchError, match="nothing at this address") as caught:
        Visit(told.url(6))
    assert caught.value.status == 404
    visit = Visit(told.url(1), known=[str(post["uri"]) for post in told.posts])
    gone = visit.thread.items[5]
    assert isinstance(gone, Tombstone)
    assert (gone.reason, gone.checked is not None) == ("unavailable", True)
    again = Visit(told.url(6), known=[str(post["uri"]) for post in told.posts])
    assert again.post == told.posts[5]["uri"]
    assert [item.id for item in again.thread.items] == [item.id for item in visit.thread.items]


# --- A mock of Mastodon ----------------------------------------------------------------------------------------


class Mock:
    """A running ``mastodon_mock``: its address, and its way to make it fail."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.ids: list[str] = []

    def ask(self, method: str, path: str, **more: Any) -> Any:
        headers = {"authorization": "Bearer ada_token"}
        answer = httpx2.request(method, self.base + path, headers=headers, trust_env=False, **more)
        answer.raise_for_status()
        return answer.json()

    def fail(self, path: str, effect: Json, count: int | None = None) -> None:
        self.ask("POST", "/api/v1/_mock/faults", json={"match": {"path": path}, "effect": effect, "count": count})

    def url(self, number: int) -> str:
        return f"{self.base}/@ada/{self.ids[number - 1]}"


@pytest.fixture
def mock() -> Iterator[Mock]:
    from mastodon_mock.config import SeedAccount, SeedConfig
    from mastodon_mock.testing.server import MockServer

    with MockServer(seed=SeedConfig(accounts=[SeedAccount(username="ada", access_token="ada_token")])) as server:
        mock = Mock(server.base_url)
        for number in range(1, 16):
            above = {"in_reply_to_id": mock.ids[-1]} if mock.ids else {}
            mock.ids.append(mock.ask("POST", "/api/v1/statuses", data={"status": f"Part {number}", **above})["id"])
        yield mock


def test_a_thread_of_the_mock_takes_three_requests(mock: Mock) -> None:
    """The post, what stands around it, and the author's next posts: no more is asked where nothing is missing."""
    mock.ask("PUT", f"/api/v1/statuses/{mock.ids[1]}", data={"status": "Part 2, corrected"})
    visit = Visit(mock.url(9))
    assert texts(visit.thread) == [
        text.replace("Part 2", "Part 2, corrected") if text == "Part 2" else text for text in parts(15)
    ]
    second = visit.thread.items[1]
    assert isinstance(second, Post)
    assert [version.content for version in second.versions] == ["Part 2"]
    assert visit.requests == 4  # with the earlier texts of the post that was edited


@pytest.mark.parametrize(
    ("effect", "error", "says"),
    [
        ({"type": "ratelimit"}, RateLimited, "wait 300 seconds"),
        ({"type": "status", "status": 500}, FetchError, "answer|nothing at this address"),
        ({"type": "malformed"}, ClewError, "not with a post|nothing at this address"),
        ({"type": "status", "status": 401}, LoginRequired, "logged in"),
        ({"type": "status", "status": 403}, LoginRequired, "logged in"),
    ],
)
def test_a_post_that_the_mock_keeps_back_is_one_clear_error(
    mock: Mock, effect: Json, error: type[ClewError], says: str
) -> None:
    """Whatever a server answers in place of the post comes out as one of our errors, in one sentence."""
    mock.fail(f"/api/v1/statuses/{mock.ids[0]}", effect)
    mock.fail("/@ada/*", effect)
    with pytest.raises(error, match=says):
        Visit(mock.url(1), settings(attempts=1))


@pytest.mark.parametrize(
    "effect",
    [
        {"type": "status", "status": 500},
        {"type": "malformed"},
        {"type": "ratelimit"},
        {"type": "status", "status": 401},
    ],
)
def test_what_the_mock_keeps_back_around_a_post_is_a_limit(mock: Mock, effect: Json) -> None:
    """Where what answers a post cannot be read, the post is here, and the certificate says what could not be."""
    mock.fail("/api/v1/statuses/*/context", effect)
    mock.fail("/api/v1/accounts/*", effect)
    visit = Visit(mock.url(1), settings(attempts=1))
    assert texts(visit.thread) == ["Part 1"]
    assert visit.thread.certificate.complete == "unknown"
    assert any("What answers this thread could not be read" in limit for limit in visit.thread.certificate.limits)


def test_a_server_that_is_busy_for_a_moment_is_asked_again(mock: Mock) -> None:
    """A 503 that passes costs one request, and nothing of the thread."""
    mock.fail("/api/v1/statuses/*/context", {"type": "status", "status": 503}, count=1)
    visit = Visit(mock.url(1))
    assert (texts(visit.thread), visit.requests) == (parts(15), 4)


# --- Limits of anonymous readers -------------------------------------------------------------------------------


@pytest.mark.parametrize(("start", "requests"), [(0, 9), (64, 7), (129, 6)])
def test_a_long_thread_is_followed_beyond_the_limits(ada: Instance, start: int, requests: int) -> None:
    """130 posts, of which an anonymous reader is shown 40 above and 20 below at a time: all are found."""
    ids = ada.chain(130)
    visit = Visit(ada.address(ids[start]))
    assert texts(visit.thread) == parts(130)
    assert visit.requests == requests == len(ada.asked)
    assert not visit.thread.certificate.limits


def test_a_token_shows_more_at_once_and_goes_to_its_host_only(ada: Instance, moss: Instance) -> None:
    """With a token the same thread takes three requests more than its copy's; the other server never sees it."""
    ids = ada.chain(130)
    copy = moss.copy(ada, ids[0])
    visit = Visit(f"{moss.base}/@ada@{ada.host}/{copy}", settings(tokens={ada.host: ada.token}))
    assert texts(visit.thread) == parts(130)
    assert (visit.requests, len(ada.authorized), moss.authorized) == (4, 3, [])


def test_posts_hidden_among_many_answers_are_found(ada: Instance) -> None:
    """The author's next post is the 81st answer to the first, beyond the 60 that are shown: the list has it."""
    first = ada.post("Part 1")
    for number in range(80):
        ada.post(f"@ada what about {number}?", first, by="bob")
    second = ada.post("Part 2", first)
    ada.post("Part 3", second)
    visit = Visit(ada.address(first))
    assert texts(visit.thread) == parts(3)


def test_direct_answers_only(ada: Instance) -> None:
    """A server that shows direct answers only is not asked about each post: the author's list is read."""
    ada.depth = 1
    ids = ada.chain(30)
    visit = Visit(ada.address(ids[0]))
    assert texts(visit.thread) == parts(30)
    assert visit.requests <= 5


def test_a_long_life_after_the_thread_is_not_read_to_its_end(ada: Instance) -> None:
    """30 posts, then 2,000 others: few requests find the thread, and it is said where reading stopped."""
    ids = ada.chain(30)
    for number in range(2000):
        ada.post(f"Another day {number}")
    visit = Visit(ada.address(ids[0]))
    assert texts(visit.thread) == parts(30)
    assert visit.requests == 4
    (limit,) = visit.limits
    assert limit == f"The author's later posts were read until 1 March 2026 only; {ada.host} has more"
    assert [gap.reason for gap in visit.thread.certificate.gaps] == ["limited"]


@pytest.mark.parametrize("api", ["open", "closed"])
def test_a_list_read_to_its_end_vouches_for_the_whole(ada: Instance, api: str) -> None:
    """Where the author's own server listed every post since the head, nothing public can be missing."""
    ada.api = api
    ids = ada.chain(12)
    ada.post("@ada yes", ids[3], by="bob")
    for number in range(8):
        ada.post(f"Another day {number}")
    certificate = Visit(ada.address(ids[5])).thread.certificate
    assert certificate.complete == "yes"
    assert "The author's list of public posts holds every post that had not been deleted" in certificate.evidence


@pytest.mark.parametrize("api", ["open", "closed"])
def test_a_list_without_answers_vouches_for_nothing(ada: Instance, api: str) -> None:
    """Some servers list what begins a thread alone: such a list proves nothing, nor does another server's."""
    ada.api, ada.lists_answers = api, False
    ids = ada.chain(12)
    certificate = Visit(ada.address(ids[5])).thread.certificate
    assert (certificate.found, certificate.complete) == (12, "unknown")


# --- Lost posts ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", [1, 4, 7, 12])
def test_what_stands_below_a_deleted_post_is_found_and_joined(ada: Instance, start: int) -> None:
    """Mastodon cuts a thread at a deleted post and forgets which it was; the conversation still ties the parts."""
    ids = ada.chain(12)
    ada.post("Another day")
    ada.delete(ids[4])
    visit = Visit(ada.address(ids[start - 1] if start != 5 else ids[5]))
    assert texts(visit.thread) == [*parts(4), "(unavailable)", *parts(12)[5:]]
    assert "Another day" not in texts(visit.thread)


def test_parts_that_nothing_ties_are_told_as_a_doubt(ada: Instance) -> None:
    """Where ActivityPub is closed nothing proves that the parts belong together, and that is said."""
    ids = ada.chain(12)
    ada.delete(ids[4])
    ada.objects = "closed"
    visit = Visit(ada.address(ids[0]))
    assert texts(visit.thread) == parts(4)
    assert any("may belong here" in limit for limit in visit.thread.certificate.limits)


def test_a_lost_post_that_its_server_still_names_is_asked_for(ada: Instance) -> None:
    """Servers that keep the id of a deleted parent are asked for it once, and its absence is dated."""
    ids = ada.chain(6)
    above = ada.statuses.pop(ids[2])["uri"]
    visit = Visit(ada.address(ids[5]))
    (gone,) = [item for item in visit.thread.items if isinstance(item, Tombstone)]
    assert (gone.reason, gone.checked is not None) == ("unavailable", True)
    assert texts(visit.thread)[-3:] == parts(6)[3:]
    assert above


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((404, b"{}", "application/json"), "unavailable"),
        ((410, b"", "text/html"), "deleted"),
        ((410, json.dumps({"type": "Tombstone", "deleted": "2026-03-02T00:00:00Z"}).encode(), ACTIVITY), "deleted"),
    ],
    ids=["404", "410", "tombstone"],
)  # fmt: skip
def test_posts_that_were_known_are_asked_for_one_by_one(
    ada: Instance, answer: tuple[int, bytes, str], reason: str
) -> None:
    """A post that is not met again is asked for; "deleted" is said only where its server proves it."""
    ids = ada.chain(4)
    known = [ada.id(id_) for id_ in ids]
    gone = known[3]
    ada.faults[f"/users/ada/statuses/{ids[3]}"] = answer
    ada.delete(ids[3])
    visit = Visit(ada.address(ids[0]), known=known)
    (tomb,) = [one for one in SOURCE.parse(visit.captures) if isinstance(one, Tombstone) and one.id == gone]
    assert (tomb.reason, tomb.checked is not None) == (reason, True)
    assert (tomb.deleted is not None) == (b"Tombstone" in answer[1])
    assert ada.host in tomb.evidence


def test_a_head_that_is_gone_does_not_hide_the_rest(ada: Instance) -> None:
    """The address of the first post still leads to the others, where they were known."""
    ids = ada.chain(5)
    known = [ada.id(id_) for id_ in ids]
    address = ada.address(ids[0])
    ada.delete(ids[0])
    visit = Visit(address, known=known)
    found = {one.id for one in SOURCE.parse(visit.captures) if isinstance(one, Post)}
    assert (visit.post, found) == (known[0], set(known[1:]))
    with pytest.raises(FetchError, match="nothing at this address"):
        Visit(address)


def test_a_server_without_activitypub_proves_nothing_by_404(ada: Instance) -> None:
    """404 from a server that never gave a post in this way is no fact about the post."""
    ids = ada.chain(3)
    ada.objects = "absent"
    visit = Visit(ada.address(ids[0]), known=[ada.id(ids[0]), f"{ada.base}/objects/elsewhere"])
    assert not [one for one in SOURCE.parse(visit.captures) if isinstance(one, Tombstone)]


@pytest.mark.parametrize("api", ["open", "absent"])
def test_two_visits_tell_one_story(ada: Instance, api: str) -> None:
    """What the first visit knew of a post that is gone at the second puts the gap in its place, once."""
    ada.api = api
    ids = ada.chain(5)
    first = Visit(ada.address(ids[1]))
    assert texts(first.thread) == parts(5)
    gone = ada.id(ids[2])
    ada.delete(ids[2])
    ada.post("Part 6", ids[4])
    second = Visit(ada.address(ids[1]), known=[item.id for item in first.thread.items])
    assert texts(second.thread) == ["Part 1", "Part 2", "(unavailable)", "Part 4", "Part 5", "Part 6"]
    both = derive(SOURCE, [*first.captures, *second.captures], first.post, "longest")
    assert texts(both) == texts(second.thread)
    assert both.items[2].id == gone
    assert both == derive(SOURCE, [*second.captures, *first.captures], first.post, "longest")


@pytest.mark.parametrize("mentions", [True, False])
def test_whose_a_lost_post_was_is_told_by_the_mentions(ada: Instance, mentions: bool) -> None:
    """Without an API a lost post counts as the author's own, unless what answered it mentions somebody else."""
    ada.api = "absent"
    ids = ada.chain(4)
    ada.delete(ids[1])
    tag = [{"type": "Mention", "href": "https://fern.example/users/bob", "name": "@bob"}] if mentions else []
    ada.tags[ids[2]] = tag
    visit = Visit(ada.address(ids[0]))
    assert texts(visit.thread) == (["Part 1"] if mentions else ["Part 1", "(unavailable)", "Part 3", "Part 4"])


# --- Another server --------------------------------------------------------------------------------------------


def test_a_post_seen_from_elsewhere_is_read_at_home(ada: Instance, moss: Instance) -> None:
    """The server that was named tells whose post it is; its author's own server tells the thread."""
    ids = ada.chain(5)
    copy = moss.copy(ada, ids[2])
    visit = Visit(f"{moss.base}/@ada@{ada.host}/{copy}")
    assert texts(visit.thread) == parts(5)
    assert visit.post == ada.id(ids[2])
    assert not visit.limits
    assert all(f"/{ids[2]}" not in asked for asked in moss.asked)


@pytest.mark.parametrize("state", ["closed", "absent"])
def test_where_the_own_server_refuses_the_named_one_is_asked(ada: Instance, moss: Instance, state: str) -> None:
    """It may not know every post, and that is said with both names."""
    ids = ada.chain(3)
    first = moss.copy(ada, ids[0], in_reply_to_id=None)
    moss.copy(ada, ids[1], in_reply_to_id=str(first))
    ada.api = ada.objects = state
    visit = Visit(f"{moss.base}/@ada@{ada.host}/{first}")
    assert texts(visit.thread) == parts(2)
    (limit,) = visit.limits
    assert limit.startswith(f"{moss.host} was asked in place of the author's own server, and may lack posts")
    assert ada.host in limit


@pytest.mark.parametrize("status", [404, 410])
def test_a_post_deleted_at_home_is_not_shown_from_elsewhere(ada: Instance, moss: Instance, status: int) -> None:
    """Where the author's own server has the author and not the post, another's copy of it is not shown."""
    (id_,) = ada.chain(1)
    copy = moss.copy(ada, id_)
    ada.delete(id_)
    ada.faults[f"/users/ada/statuses/{id_}"] = (status, b"{}", "application/json")
    with pytest.raises(FetchError, match="no longer has this post"):
        Visit(f"{moss.base}/@ada@{ada.host}/{copy}")


def test_a_copy_does_not_overrule_the_original(ada: Instance, moss: Instance) -> None:
    """A server that shows another text of somebody else's post is not believed where the author's own was asked."""
    ids = ada.chain(2)
    copy = moss.copy(
        ada, ids[0], content="<p>A longer text that Ada never wrote</p>", edited_at="2030-01-01T00:00:00Z"
    )
    visit = Visit(f"{moss.base}/@ada@{ada.host}/{copy}")
    assert texts(visit.thread) == parts(2)


# --- ActivityPub -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", [0, 12, 29])
def test_without_an_api_the_outbox_is_read(ada: Instance, start: int) -> None:
    """Where the API wants a token, the author's outbox holds the thread: a page of it costs one request."""
    ada.api = "closed"
    ids = ada.chain(30)
    for number in range(10):
        ada.post(f"Another day {number}")
    visit = Visit(ada.address(ids[start]))
    assert texts(visit.thread) == parts(30)
    assert visit.requests <= 8
    assert {actor.name for actor in visit.thread.actors} == {"Ada"}


@pytest.mark.parametrize("start", [0, 11])
def test_without_an_outbox_the_replies_are_followed(ada: Instance, start: int) -> None:
    """Each post names those of its author that answer it, and what it answers: the thread is found both ways."""
    ada.api, ada.outbox_pages = "absent", False
    ids = ada.chain(12)
    star = [ada.post(f"And {number}", ids[11]) for number in range(8)]
    ada.post("@ada yes", ids[3], by="bob")
    visit = Visit(ada.address(ids[start]))
    found = {one.id for one in SOURCE.parse(visit.captures) if isinstance(one, Post)}
    assert found == {ada.id(id_) for id_ in (*ids, *star)}
    assert not any("only_other_accounts" in asked for asked in ada.asked)


def test_an_outbox_too_long_to_read_is_left_for_the_replies(ada: Instance) -> None:
    """Where the thread lies far back in the outbox, its posts are asked for one by one instead."""
    ada.api = "absent"
    ids = ada.chain(8)
    for number in range(2000):
        ada.post(f"Another day {number}")
    visit = Visit(ada.address(ids[0]))
    assert texts(visit.thread) == parts(8)
    assert visit.requests < 20


def test_a_server_that_wants_signed_requests_is_told_in_a_sentence(ada: Instance) -> None:
    """GoToSocial and servers in secure mode show nothing to somebody without a name: what to do is said."""
    ada.api = ada.objects = "closed"
    ids = ada.chain(1)
    with pytest.raises(LoginRequired, match="servers that it knows") as caught:
        Visit(ada.address(ids[0]))
    assert f'mastodon.tokens."{ada.host}"' in str(caught.value)
    visit = Visit(ada.address(ids[0]), settings(tokens={ada.host: ada.token}))
    assert texts(visit.thread) == ["Part 1"]


def served(ada: Instance, path: str, **fields: Any) -> str:
    """Let the server give an ActivityPub object at a path; return its address."""
    id_ = ada.base + path
    note = {"@context": AS, "id": id_, "type": "Note", "attributedTo": f"{ada.base}/users/ada", "to": [PUBLIC]}
    note |= {"content": "<p>What the tide left</p>", "published": "2026-03-01T08:00:00Z"}
    ada.faults[path] = (200, json.dumps(note | fields).encode(), ACTIVITY)
    return id_


@pytest.mark.parametrize(
    "fields",
    [
        {"to": PUBLIC}, {"to": "as:Public"}, {"to": [], "cc": [PUBLIC]}, {"to": None, "cc": None},
        {"@context": [AS, {"@language": "und"}]}, {"@context": {"@vocab": AS + "#"}},
        {"content": None, "contentMap": {"en": "<p>What the tide left</p>"}},
        {"type": "Article", "name": "The tide"}, {"type": "Page", "name": "The tide"},
        {"type": "Question", "oneOf": [{"type": "Note", "name": "yes"}]}, {"type": ["Note", "Extended"]},
        {"type": "Video", "url": [{"type": "Link", "mediaType": "text/html", "href": "https://tide.example/w/1"}]},
        {"replies": "http://127.0.0.1:1/replies"}, {"replies": {"type": "Collection", "items": []}},
        {"replies": None, "context": "tag:x", "conversation": None}, {"inReplyTo": ""}, {"tag": None},
        {"attachment": {"type": "Image", "url": [{"type": "Link", "href": "https://tide.example/1.png"}]}},
    ],
    ids=str,
)  # fmt: skip
def test_objects_differ_from_server_to_server(ada: Instance, fields: Json) -> None:
    """Values that are one or a list, fields that are left out, other types: the post comes out the same."""
    ada.api = "absent"
    id_ = served(ada, "/objects/what-the-tide-left", **fields)
    visit = Visit(id_)
    (post,) = visit.thread.items
    assert isinstance(post, Post)
    assert (post.id, post.content, post.attributed_to) == (id_, "What the tide left", f"{ada.base}/users/ada")
    assert post.visibility in ("public", "unlisted")


@pytest.mark.parametrize(
    "author",
    [{"type": "Person", "id": "{}"}, ["{}"], [{"type": "Person", "id": "{}"}, {"type": "Group", "id": "x"}]],
)
def test_an_author_is_named_in_many_ways(ada: Instance, author: Any) -> None:
    """``attributedTo`` may be an id, an object or a list."""
    ada.api = "absent"
    named = json.loads(json.dumps(author).replace("{}", f"{ada.base}/users/ada"))
    visit = Visit(served(ada, "/objects/what-the-tide-left", attributedTo=named))
    assert visit.thread.attributed_to == f"{ada.base}/users/ada"


def trimmed(ada: Instance, outbox: str) -> list[str]:
    """Let a server without an API give twelve posts of few fields, and some kind of outbox; return their ids."""
    ada.api, ids = "absent", list[str]()
    for number in range(12):
        fields = {"published": f"2026-03-01T08:{number:02}:00Z", "inReplyTo": ids[-1] if ids else None}
        ids.append(served(ada, f"/items/{number}", content=f"Part {number + 1}", **fields))
    notes = [json.loads(ada.faults[f"/items/{number}"][1]) for number in range(12)]
    creates = [{"type": "Create", "id": note["id"] + "/create", "object": note} for note in notes]
    if outbox == "conversation":
        listed = {"@context": AS, "id": f"{ada.base}/talk", "type": "Collection", "items": ids}
        ada.faults["/talk"] = (200, json.dumps(listed).encode(), ACTIVITY)
        for number in range(12):
            served(ada, f"/items/{number}", **notes[number] | {"context": f"{ada.base}/talk"})
    members: list[Any] = {
        "activities": creates[::-1], "oldest first": creates, "posts": notes[::-1], "ids of posts": ids[::-1],
        "ids in activities": [create | {"object": create["object"]["id"]} for create in creates[::-1]],
        "ids of activities": [create["id"] for create in creates[::-1]], "conversation": [],
        "ids of activities on ids": [create["id"] for create in creates[::-1]],
    }[outbox]  # fmt: skip
    if outbox == "ids of activities on ids":
        creates = [create | {"object": create["object"]["id"]} for create in creates]
    for create in creates:
        ada.faults[create["id"].removeprefix(ada.base)] = (
            200,
            json.dumps({"@context": AS} | create).encode(),
            ACTIVITY,
        )
    page = {"@context": AS, "id": f"{ada.base}/users/ada/outbox", "type": "OrderedCollection"}
    ada.faults["/users/ada/outbox"] = (200, json.dumps(page | {"orderedItems": members}).encode(), ACTIVITY)
    return ids


@pytest.mark.parametrize("start", [0, 7, 11])
@pytest.mark.parametrize(
    "outbox",
    [
        "activities",
        "oldest first",
        "posts",
        "ids of posts",
        "ids in activities",
        "ids of activities",
        "ids of activities on ids",
        "conversation",
    ],
)
def test_lists_differ_from_server_to_server(ada: Instance, outbox: str, start: int) -> None:
    """Whole posts or their ids, in activities or not, the newest first or last, or a list of the conversation."""
    ids = trimmed(ada, outbox)
    visit = Visit(ids[start])
    assert [item.id for item in visit.thread.items] == ids
    assert visit.thread.certificate.found == 12


def activities(ada: Instance, count: int) -> list[str]:
    """Let an outbox name nothing but activities, each a minute old and on the id of a post alone; return the ids of
    the posts, of which each answers the one before."""
    ada.api, ids, made = "absent", list[str](), list[str]()
    for number in range(count):
        time_ = {"published": f"2026-03-01T{8 + number // 60:02}:{number % 60:02}:00Z"}
        ids.append(served(ada, f"/items/{number}", inReplyTo=ids[-1] if ids else None, replies=[], **time_))
        made.append(f"{ada.base}/made/{number}")
        create = {"@context": AS, "type": "Create", "id": made[-1], "object": ids[-1]} | time_
        ada.faults[f"/made/{number}"] = (200, json.dumps(create).encode(), ACTIVITY)
    page = {"@context": AS, "id": f"{ada.base}/users/ada/outbox", "type": "OrderedCollection"}
    listed = json.dumps(page | {"orderedItems": made[::-1]}).encode()
    ada.faults["/users/ada/outbox"] = (200, listed, ACTIVITY)
    return ids


def test_activities_that_are_listed_by_id_are_asked_for_back_to_the_start(ada: Instance) -> None:
    """An outbox of ids costs two requests a post, of those that are not older than the thread."""
    ids = activities(ada, 30)
    last = json.loads(ada.faults["/items/24"][1]) | {"inReplyTo": None}
    ada.faults["/items/24"] = (200, json.dumps(last).encode(), ACTIVITY)
    visit = Visit(ids[26])
    assert [item.id for item in visit.thread.items] == ids[24:]
    assert not any(path in ada.asked for path in ("/made/20", "/items/20"))
    assert not visit.limits


def test_activities_that_were_too_many_to_ask_for_are_a_limit(ada: Instance) -> None:
    """What stands in an outbox by its id alone and was not asked for is not passed over in silence."""
    ids = activities(ada, 110)
    visit = Visit(ids[2])
    assert [item.id for item in visit.thread.items] == ids[:3]
    (limit,) = visit.limits
    assert "lists only the author's posts since 1 March 2026" in limit


def test_the_address_of_a_tombstone_is_that_of_a_deleted_post(ada: Instance) -> None:
    """A deleted post may be answered with 200 and a tombstone: an error, and a fact where the post was known."""
    ids = trimmed(ada, "activities")
    gone = {"@context": AS, "id": ids[11], "type": "Tombstone", "deleted": "2026-03-02T08:00:00Z"}
    ada.faults["/items/11"] = (200, json.dumps(gone).encode(), ACTIVITY)
    ada.faults["/users/ada/outbox"] = (404, b"", "text/plain")
    with pytest.raises(FetchError, match="was deleted"):
        Visit(ids[11])
    visit = Visit(ids[11], known=ids)
    assert visit.post == ids[11]
    tombs = [one for one in SOURCE.parse(visit.captures) if isinstance(one, Tombstone)]
    assert [(one.id, one.reason) for one in tombs] == [(ids[11], "deleted")]


def test_an_address_may_end_with_the_id_that_the_api_has(ada: Instance) -> None:
    """Where an address has no known shape, its last part is tried as an id, and must lead back to the address."""
    ids = ada.chain(3)
    for id_ in ids:
        ada.statuses[id_]["url"] = f"{ada.base}/writing/{id_}"
    assert texts(Visit(f"{ada.base}/writing/{ids[1]}").thread) == parts(3)
    with pytest.raises(FetchError, match="nothing at this address"):
        Visit(f"{ada.base}/another/{ids[1]}")


def test_who_refused_what_stands_around_a_post_is_not_asked_again(ada: Instance) -> None:
    """A server that gives posts and their list, and no contexts, is asked for one context only."""
    ids = ada.chain(3)
    for id_ in ids:
        ada.faults[f"/api/v1/statuses/{id_}/context"] = (401, b"{}", "application/json")
    visit = Visit(ada.address(ids[0]))
    assert texts(visit.thread) == parts(3)
    assert [path for path in ada.asked if path.endswith("/context")] == [f"/api/v1/statuses/{ids[0]}/context"]


def test_any_address_that_answers_with_an_object_is_taken(ada: Instance) -> None:
    """Of an address of no known shape the answer decides: an object, or a page that names one."""
    ids = trimmed(ada, "activities")
    page = f'<html><link href="{ids[3]}" rel="alternate" type="{ACTIVITY}"></html>'.encode()
    ada.faults["/story/four"] = (200, page, "text/html; charset=utf-8")
    for address in (ids[3], f"{ada.base}/story/four"):
        with opened(address, config=settings()) as reading:
            thread = reading.main()
        assert thread is not None
        assert [item.id for item in thread.items] == ids


def test_a_server_may_go_by_another_name_than_its_address(ada: Instance) -> None:
    """Reached by an address of its own network, a server still knows its own: accounts without a host."""
    ids = ada.chain(25)
    for status in ada.statuses.values():
        status["uri"] = status["uri"].replace(ada.base, "https://tide.example")
        status["account"]["uri"] = "https://tide.example/users/ada"
    visit = Visit(f"{ada.base}/@ada/{ids[0]}")
    assert texts(visit.thread) == parts(25)
    assert visit.post == f"https://tide.example/users/ada/statuses/{ids[0]}"
    assert not visit.limits


@pytest.mark.parametrize("api", ["open", "absent"])
@pytest.mark.parametrize("outbox", [True, False])
def test_a_server_that_calls_itself_by_https_is_asked_as_it_is_reached(
    ada: Instance, api: str, outbox: bool
) -> None:
    """On a network of one's own a server may be reached by http, though its ids say https."""
    plain, ada.api, ada.outbox_pages = ada.base, api, outbox
    ada.base = ada.base.replace("http://", "https://")
    ids = ada.chain(8)
    known = [ada.id(id_) for id_ in ids]
    ada.delete(ids[7])
    visit = Visit(f"{plain}/@ada/{ids[3]}", known=known)
    assert [item.id for item in visit.thread.items] == known[:7]
    tombs = {one.id: one.checked for one in SOURCE.parse(visit.captures) if isinstance(one, Tombstone)}
    assert tombs[known[7]] is not None


@pytest.mark.parametrize("start", [0, 3])
def test_a_server_without_an_api_may_go_by_a_name_that_leads_nowhere(ada: Instance, start: int) -> None:
    """On a network of one's own what a server gives under its public name is taken, and that is said."""
    plain, ada.api = ada.base, "absent"
    ada.base = "https://tide.invalid"
    ids = ada.chain(5)
    gone, texts_left = ada.id(ids[4]), parts(4)
    ada.delete(ids[4])
    visit = Visit(f"{plain}/users/ada/statuses/{ids[start]}", known=[gone])
    assert visit.post == ada.id(ids[start])
    assert texts(visit.thread)[:4] == texts_left
    assert any("in place of tide.invalid" in limit for limit in visit.limits)
    tombs = {one.id: one.checked for one in SOURCE.parse(visit.captures) if isinstance(one, Tombstone)}
    assert tombs[gone] is not None


def test_a_page_leads_to_its_object(ada: Instance) -> None:
    """A server that gives a page whatever is asked names the object there."""
    ada.api = "absent"
    id_ = served(ada, "/items/1")
    page = f'<html><link href="{id_}" rel="alternate" type="{ACTIVITY}"></html>'.encode()
    ada.faults["/@ada/1"] = (200, page, "text/html; charset=utf-8")
    assert Visit(f"{ada.base}/@ada/1").post == id_


def test_an_object_is_believed_from_its_own_server_only(ada: Instance, moss: Instance) -> None:
    """A post under another server's name, or inside another server's answer, is not what that author wrote."""
    ada.api = moss.api = "absent"
    ids = ada.chain(2)
    forged = {"id": ada.id(ids[1]), "type": "Note", "attributedTo": f"{ada.base}/users/ada", "to": [PUBLIC],
              "inReplyTo": f"{moss.base}/objects/moss-note-1", "content": "FORGED"}  # fmt: skip
    replies = {"id": f"{moss.base}/r", "type": "Collection", "items": [forged]}
    note = served(moss, "/objects/moss-note-1", attributedTo=f"{moss.base}/users/lina", replies=replies)
    assert b"FORGED" not in msgspec.json.encode(Visit(note).thread)
    impostor = served(moss, "/objects/moss-note-2", attributedTo=f"{ada.base}/users/ada", content="FORGED")
    with pytest.raises(ClewError):
        Visit(impostor)


def test_pages_that_lead_in_a_circle_end(ada: Instance) -> None:
    """A collection whose next page is itself is read once."""
    ada.api = "absent"
    loop = f"{ada.base}/loop"
    page = {
        "@context": AS,
        "id": loop,
        "type": "OrderedCollectionPage",
        "orderedItems": [f"{ada.base}/objects/none-0001"],
    }
    ada.faults["/loop"] = (200, json.dumps(page | {"next": loop}).encode(), ACTIVITY)
    visit = Visit(served(ada, "/objects/what-the-tide-left", replies=loop, context=loop))
    assert len(visit.thread.items) == 1
    assert sum(asked == "/loop" for asked in ada.asked) == 1


# --- What a post holds -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("newest_first", [False, True])
def test_earlier_texts_are_asked_for(ada: Instance, newest_first: bool) -> None:
    """Mastodon lists edits oldest first, GoToSocial newest first: versions are oldest first either way."""
    ids = ada.chain(3)
    ada.edit(ids[1], "Part 2b")
    ada.edit(ids[1], "Part 2c")
    if newest_first:
        ada.histories[ids[1]].reverse()
    visit = Visit(ada.address(ids[0]))
    second = visit.thread.items[1]
    assert isinstance(second, Post)
    assert (second.content, [version.content for version in second.versions]) == ("Part 2c", ["Part 2", "Part 2b"])
    assert visit.requests == 4


def test_a_server_without_histories_costs_one_question(ada: Instance) -> None:
    """Where earlier texts are not told, each post stands as it is, and the others' are not asked for."""
    ids = ada.chain(4)
    for id_ in ids[:3]:
        ada.edit(id_, f"Edited {id_}")
    ada.histories.clear()
    visit = Visit(ada.address(ids[0]))
    assert len(visit.thread.items) == 4
    assert sum("/history" in asked for asked in ada.asked) == 1
    assert not visit.limits


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("accepted", "accepted"), ("pending", "pending"), ("revoked", "detached"), ("rejected", "unavailable"),
        ("deleted", "unavailable"), ("unauthorized", "unavailable"), ("blocked_account", "blocked"),
    ],
)  # fmt: skip
def test_a_quote_comes_with_its_state(ada: Instance, state: str, expected: str) -> None:
    """A quoted post is shown where its author lets it be, else only that there is one."""
    quoted = ada.post("I quote nobody", by="bob")
    held = ada._status(quoted) if state == "accepted" else None
    id_ = ada.post("See this", quote={"state": state, "quoted_status": held})
    visit = Visit(ada.address(id_))
    (post,) = visit.thread.items
    assert isinstance(post, Post)
    assert post.quote is not None
    assert post.quote.state == expected
    assert [one.content for one in visit.thread.quoted] == (["I quote nobody"] if held else [])


def test_a_poll_a_warning_an_emoji_and_an_unlisted_post(ada: Instance) -> None:
    """All of them arrive by the API as they do in a file."""
    poll = {
        "options": [{"title": "Ebb", "votes_count": 3}, {"title": "Flood", "votes_count": None}],
        "voters_count": 3,
    }
    id_ = ada.post("High :wave:", visibility="unlisted", spoiler_text="Water", sensitive=True, poll=poll,
                   emojis=[{"shortcode": "wave", "url": "https://tide.example/wave.png"}])  # fmt: skip
    (post,) = Visit(ada.address(id_)).thread.items
    assert isinstance(post, Post)
    assert (post.visibility, post.summary, post.sensitive) == ("unlisted", "Water", True)
    assert post.poll is not None
    assert [(option.name, option.votes) for option in post.poll.options] == [("Ebb", 3), ("Flood", None)]
    assert [(facet.type, facet.href) for facet in post.facets] == [("emoji", "https://tide.example/wave.png")]


@pytest.mark.parametrize("visibility", ["private", "direct"])
def test_what_is_not_public_is_refused(ada: Instance, visibility: str) -> None:
    """A token may show its owner more than everybody sees: that is not unrolled, and never a post."""
    id_ = ada.post("SECRET", visibility=visibility)
    with pytest.raises(LoginRequired, match="not public"):
        Visit(ada.address(id_), settings(tokens={ada.host: ada.token}))
    first = ada.post("Part 1")
    ada.post("SECRET", first, visibility=visibility)
    visit = Visit(ada.address(first), settings(tokens={ada.host: ada.token}))
    assert b"SECRET" not in msgspec.json.encode(list(SOURCE.parse(visit.captures)))


@pytest.mark.parametrize("api", ["open", "absent"])
def test_an_author_who_wants_no_bots_is_marked(ada: Instance, api: str) -> None:
    """The wish stands in the profile, which comes with the post or is asked for."""
    ada.api = api
    ada.profiles["ada"] = {"note": "<p>I read. #nobot</p>"}
    actor = {"@context": AS, "type": "Person", "id": f"{ada.base}/users/ada", "summary": "<p>I read. #nobot</p>"}
    ada.faults["/users/ada"] = (200, json.dumps(actor).encode(), ACTIVITY)
    visit = Visit(ada.address(ada.post("Part 1")))
    assert [actor.restrictions for actor in visit.thread.actors] == [("nobot",)]


def test_a_server_that_still_fetches_answers_is_named(ada: Instance) -> None:
    """Mastodon says when it is asking other servers for answers: more may come."""
    id_ = ada.post("Part 1")
    ada.headers[f"/api/v1/statuses/{id_}/context"] = {"Mastodon-Async-Refresh": 'id="abc", retry=5'}
    visit = Visit(ada.address(id_))
    assert visit.thread.certificate.limits == (f"{ada.host} was still fetching answers from other servers",)


def test_a_profile_and_a_boost_are_no_posts(ada: Instance) -> None:
    """What to give instead is said."""
    id_ = ada.post("Part 1")
    boost = ada.post("", by="bob", reblog=ada._status(id_))
    with pytest.raises(InputError, match=f"boost.*{ada.address(id_)}"):
        Visit(ada.address(boost))
    with pytest.raises(InputError, match="of an account"):
        Visit(f"{ada.base}/users/ada")


# --- Garbage ---------------------------------------------------------------------------------------------------

GARBAGE = [
    (200, b'{"id": "1", "account": {', "application/json"), (200, b"<html>Just a moment</html>", "text/html"),
    (200, b"", ""), (200, b"[1, 2]", "application/json"), (200, b"\xff\xfe\x00", "application/octet-stream"),
    (200, b'{"id": [], "account": 7, "content": {}, "uri": 1}', "application/json"), (500, b"", "text/plain"),
    (200, b"[" * 100_000, "application/json"), (200, b'{"ancestors": 1, "descendants": {}}', "application/json"),
    (418, b"{}", "application/json"), (200, b'{"type": "OrderedCollection", "orderedItems": 9}', ACTIVITY),
]  # fmt: skip


@pytest.mark.parametrize("answer", GARBAGE, ids=lambda answer: str(answer)[:40])
def test_garbage_in_place_of_a_post_is_a_sentence(ada: Instance, answer: tuple[int, bytes, str]) -> None:
    """No library's own error comes out, whatever a server sends."""
    id_ = ada.post("Part 1")
    for path in (f"/api/v1/statuses/{id_}", f"/@ada/{id_}"):
        ada.faults[path] = answer
    with pytest.raises((ParseError, FetchError)) as caught:
        Visit(ada.address(id_), settings(attempts=1))
    assert ada.host in str(caught.value)


@pytest.mark.parametrize("answer", GARBAGE, ids=lambda answer: str(answer)[:40])
@pytest.mark.parametrize("api", ["open", "absent"])
def test_garbage_around_a_post_is_a_limit(ada: Instance, answer: tuple[int, bytes, str], api: str) -> None:
    """The post is here, and the certificate tells that something could not be read."""
    ada.api, ada.notes_name_replies = api, False
    ids = ada.chain(2)
    account = ada.account("ada")["id"]
    for path in (f"/api/v1/statuses/{ids[0]}/context", f"/api/v1/accounts/{account}/statuses", "/users/ada/outbox"):
        ada.faults[path] = answer
    visit = Visit(ada.address(ids[0]), settings(attempts=1))
    assert texts(visit.thread) == ["Part 1"]
    assert visit.limits


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(["{}/users/ada", "{}/objects/1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3),
    max_leaves=6,
)


@settings_of(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(_KEYS, _json, max_size=5), st.dictionaries(_KEYS, _json, max_size=5), st.booleans())
def test_no_answer_crashes_with_anything_but_our_error(ada: Instance, one: Json, other: Json, is_api: bool) -> None:
    """Any JSON in place of any field, of the post, of its author and of lists, ends in a thread or in our error."""

    def told(fields: Json) -> bytes:
        return json.dumps(fields).replace("{}", ada.base).encode()

    ada.api = "open" if is_api else "absent"
    id_ = ada.post("Part 1")
    note = {
        "@context": AS,
        "id": ada.id(id_),
        "type": "Note",
        "attributedTo": f"{ada.base}/users/ada",
        "to": [PUBLIC],
    }
    actor = {
        "@context": AS,
        "id": f"{ada.base}/users/ada",
        "type": "Person",
        "outbox": f"{ada.base}/users/ada/outbox",
    }
    outbox = {
        "@context": AS,
        "type": "OrderedCollection",
        "orderedItems": [other, {"type": "Create", "object": one}],
    }
    ada.faults = {
        f"/@ada/{id_}": (200, told(note | one), ACTIVITY),
        f"/users/ada/statuses/{id_}": (200, told(note | one), ACTIVITY),
        "/users/ada": (200, told(actor | other), ACTIVITY),
        "/users/ada/outbox": (200, told(outbox), ACTIVITY),
        f"/api/v1/statuses/{id_}/context": (
            200,
            told({"ancestors": [], "descendants": [ada._status(id_) | one]}),
            "",
        ),
    }
    try:
        visit = Visit(ada.address(id_))
    except ClewError:
        return
    assert visit.thread.items


# --- Keeping and forgetting ------------------------------------------------------------------------------------


@pytest.mark.parametrize("api", ["open", "absent"])
def test_forgetting_leaves_tombstones(ada: Instance, api: str) -> None:
    """Of every answer of a visit the author's text can be taken out, and the rest is read as before."""
    ada.api = api
    ids = ada.chain(3)
    ada.edit(ids[1], "Part 2b")
    reply = ada.post("What Bob said", ids[0], by="bob")
    ada.faults[f"/@ada/{ids[0]}"] = (
        (200, b"<html>Part 1</html>", "text/html")
        if api == "open"
        else ada.respond(f"/users/ada/statuses/{ids[0]}", ACTIVITY, "")
    )
    visit = Visit(ada.address(ids[0]))
    author = frozenset({f"{ada.base}/users/ada"})
    redacted = [forgotten(capture, author) for capture in visit.captures]
    found = list(SOURCE.parse(redacted))
    left = {one.id: one.reason for one in found if isinstance(one, Tombstone)}
    assert all(left[ada.id(id_)] == "forgotten" for id_ in ids)
    assert b"Part" not in b"".join(capture.body for capture in redacted)
    assert (ada.id(reply) in {one.id for one in found if isinstance(one, Post)}) == (api == "open")


def forgotten(capture: Capture, actors: frozenset[str]) -> Capture:
    body = SOURCE.redact(capture, actors)
    assert SOURCE.redact(capture, frozenset()) == capture.body
    assert (body == capture.body) == (REDACTED.encode() not in body or not body)
    return msgspec.structs.replace(capture, body=body, redacted=True)


def test_a_client_that_is_offline_says_so(tmp_path: Path) -> None:
    """Nothing is asked, and the error says why."""
    with pytest.raises(FetchError, match="offline"):
        Visit("https://social.example/@ada/1", settings(offline=True))


def test_actors_are_told_once(ada: Instance) -> None:
    """The author stands in the thread by name and handle."""
    visit = Visit(ada.address(ada.chain(3)[0]))
    assert [(actor.id, actor.name) for actor in visit.thread.actors] == [(f"{ada.base}/users/ada", "Ada")]
    assert all(isinstance(one, Actor | Post) for one in SOURCE.parse(visit.captures))
