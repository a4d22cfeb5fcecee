"""X by its API: threads fetched from a stand-in of ours, which X's own client and tweepy read too."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pydantic
import pytest
import requests
import tweepy
import xdk
from hypothesis import given
from hypothesis import strategies as st
from requests.adapters import HTTPAdapter

import clew
from clew.config import Config, Network
from clew.config import X as Access
from clew.errors import ClewError, FetchError, InputError, LoginRequired, RateLimited, Refused
from clew.fetch import Client
from clew.flow import opened
from clew.model import Capture, Post, Thread, Tombstone
from clew.reading import derive
from clew.sources.x import SOURCE
from clew.sources.x.asking import Ask
from loopback import Loopback, response
from networks.x.fake import TOKEN, Fake, Problem, iso, time_of

NOW = datetime.now(UTC).replace(microsecond=0)
YESTERDAY, LONG_AGO = NOW - timedelta(days=1), NOW - timedelta(days=400)
MINUTE = timedelta(minutes=1)
VOCABULARIES = ("post", "tweet")


@pytest.fixture
def fake() -> Iterator[Fake]:
    with Fake() as server:
        yield server


def config(fake: Fake, vocabulary: Any = "post", token: str = TOKEN, **network: Any) -> Config:
    asked = Network(**{"private_hosts": ("127.0.0.1",), "pause": 0, "attempts": 2, **network})
    return Config(network=asked, x=Access(token=token, api=fake.url, vocabulary=vocabulary))


def address(number: str) -> str:
    return f"https://x.com/ada_quay/status/{number}"


def ids(numbers: Sequence[str]) -> list[str]:
    return [f"https://x.com/i/status/{number}" for number in numbers]


def tells(captures: Sequence[Capture], secret: str = TOKEN) -> bool:
    return any(secret.encode() in msgspec.msgpack.encode(capture) for capture in captures)


def visit(
    fake: Fake, number: str, vocabulary: Any = "post", known: Sequence[str] = (), **network: Any
) -> tuple[str, list[Capture]]:
    """Fetch; return the post's id and the captures, of which none tells the token."""
    with Client(config(fake, vocabulary, **network)) as client:
        post = SOURCE.fetch(address(number), client, known)
        assert client.requests == len(client.captures)
        assert not tells(client.captures)
        return post, client.captures


def unroll(fake: Fake, number: str, vocabulary: Any = "post", **network: Any) -> Thread:
    post, captures = visit(fake, number, vocabulary, **network)
    return derive(SOURCE, captures, post, "longest")


def failure(fake: Fake, number: str, **settings: Any) -> ClewError:
    """Fetch in vain; return the error, which does not tell the token, and neither do the captures."""
    with Client(config(fake, **settings)) as client:
        with pytest.raises(ClewError) as caught:
            SOURCE.fetch(address(number), client)
        assert not tells(client.captures)
        assert TOKEN not in f"{caught.value!s} {caught.value!r}"
        assert "/2/tweets" not in str(caught.value), "about the post, not about the API's address"
        list(SOURCE.parse(client.captures))
        return caught.value


def kinds(fake: Fake) -> list[str]:
    """What was asked, in order."""
    asked = (Ask.of(fake.url + path) for path in fake.asked)
    return [ask.kind if ask else "?" for ask in asked]


# --- the stand-in is what the official clients take it for -------------------------------------------------------


class Here(HTTPAdapter):
    """Sends what is meant for tweepy's fixed host to the stand-in."""

    def __init__(self, fake: Fake) -> None:
        super().__init__()
        self.fake = fake

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        assert request.url
        request.url = request.url.replace("https://api.twitter.com", self.fake.url)
        return super().send(request, *args, **kwargs)


@pytest.fixture
def furnished(fake: Fake) -> tuple[Fake, list[str]]:
    """A thread with one of everything."""
    ada, bob = fake.person("ada_quay", site="https://quay.example"), fake.person("bob")
    other = fake.post(bob, "What Bob said", YESTERDAY - MINUTE)
    link = {"start": 6, "end": 20, "url": "https://t.co/a", "expanded_url": "https://quay.example/a", "title": "A"}
    first = fake.post(ada, "Start https://t.co/a #Quay", YESTERDAY, quoted=other, entities={
        "urls": [link], "hashtags": [{"start": 21, "end": 26, "tag": "Quay"}]})  # fmt: skip
    long = "R&amp;D says 3 &lt; 4. " * 20
    second = fake.post(ada, long[:270] + "…", YESTERDAY + MINUTE, parent=first, note_post={"text": long},
        attachments={"media_keys": [fake.picture("A quay at dawn"), fake.picture(None)]})  # fmt: skip
    third = fake.post(
        ada, "Which?", YESTERDAY + 2 * MINUTE, parent=second, attachments={"poll_ids": [fake.poll("Left", "Right")]}
    )
    gone = fake.post(ada, "Deleted", YESTERDAY + 3 * MINUTE, parent=third)
    last = fake.post(ada, "Last", YESTERDAY + 4 * MINUTE, parent=gone)
    fake.delete(gone)
    return fake, [first, second, third, gone, last]


def strays(value: Any, at: str = "") -> Iterator[str]:
    """Yield the names in an answer that the client's models do not know."""
    if isinstance(value, pydantic.BaseModel):
        yield from (f"{at}.{name}" for name in value.model_extra or {})
        for name in type(value).model_fields:
            yield from strays(getattr(value, name), f"{at}.{name}")
    elif isinstance(value, list):
        for item in value:
            yield from strays(item, at)


def test_the_official_client_reads_the_stand_in(furnished: tuple[Fake, list[str]]) -> None:
    """``xdk``, asked for what Clew asks for, finds only names it knows, in answers of each of the three kinds."""
    fake, numbers = furnished
    visit(fake, numbers[0])
    told = parse_qs(urlsplit(fake.asked[0]).query)
    wish = {name.replace(".", "_"): told[name][0].split(",") for name in told if name != "ids"}
    client = xdk.Client(base_url=fake.url, bearer_token=TOKEN)
    looked_up = client.posts.get_by_ids(numbers, **wish)
    query = f"conversation_id:{numbers[0]} from:1000"
    (searched,) = client.posts.search_recent(query, max_results=100, **wish)
    (archived,) = client.posts.search_all(query, start_time=iso(LONG_AGO)[:19] + "Z", **wish)
    pages = list(client.users.get_posts("1000", max_results=5, exclude=["retweets"], since_id="1", **wish))
    for answer in (looked_up, searched, archived, *pages):
        assert list(strays(answer)) == []
        assert answer.data
    assert [post.id for post in looked_up.data] == [numbers[0], numbers[1], numbers[2], numbers[4]]
    assert looked_up.data[0].author_id == "1000"
    assert looked_up.data[1].note_post.text.startswith("R&amp;D")
    assert looked_up.data[1].referenced_posts[0].id == numbers[0]
    assert looked_up.includes.media[0].alt_text == "A quay at dawn"
    assert looked_up.includes.polls[0].options[1].label == "Right"
    assert {error.resource_id for error in looked_up.errors} == {numbers[3]}
    assert (
        [post.id for post in searched.data]
        == [post.id for post in archived.data]
        == [*numbers[4::-2][:2], *numbers[1::-1]]
    )


def test_the_official_client_asks_with_the_names_that_clew_uses() -> None:
    """Every field and expansion that Clew asks for in the new words is one that ``xdk`` lets its users name."""
    told = parse_qs(urlsplit(Ask("lookup", ("1",)).url("https://api.x.com", "post")).query)
    hints = xdk.posts.client.PostsClient.get_by_ids.__annotations__
    for name in ("post.fields", "expansions", "user.fields", "media.fields", "poll.fields"):
        for word in told[name][0].split(","):
            assert f"'{word}'" in str(hints[name.replace(".", "_")]).replace('"', "'"), (name, word)


def test_tweepy_reads_the_stand_in(furnished: tuple[Fake, list[str]]) -> None:
    """tweepy, in the old words that Clew asks by, reads look-up, search and timeline."""
    fake, numbers = furnished
    visit(fake, numbers[0], "tweet")
    told = parse_qs(urlsplit(fake.asked[0]).query)
    wish = {name.replace(".", "_"): told[name][0].split(",") for name in told if name != "ids"}
    client = tweepy.Client(TOKEN)
    with client.session:
        client.session.mount("https://api.twitter.com", Here(fake))
        looked_up = client.get_tweets(numbers, **wish)
        query = f"conversation_id:{numbers[0]} from:1000"
        searched = client.search_recent_tweets(query, max_results=100, **wish)
        archived = client.search_all_tweets(query, start_time=LONG_AGO, **wish)
        timeline = client.get_users_tweets("1000", max_results=5, exclude=["retweets"], **wish)
    second = looked_up.data[1]
    assert second.author_id == 1000
    assert second.note_tweet["text"].startswith("R&amp;D")
    assert second.created_at == time_of(numbers[1])
    assert [(r.type, str(r.id)) for r in second.referenced_tweets] == [("replied_to", numbers[0])]
    assert second.public_metrics["retweet_count"] == 0
    assert looked_up.includes["media"][0].alt_text == "A quay at dawn"
    assert looked_up.includes["polls"][0].options[1]["label"] == "Right"
    assert {tweet.id for tweet in looked_up.includes["tweets"]} >= {int(numbers[0])} - {int(n) for n in numbers}
    assert {error["resource_type"] for error in looked_up.errors} == {"tweet"}
    for answer in (searched, archived, timeline):
        assert [str(tweet.id) for tweet in answer.data][-1] == numbers[0]


def test_the_stand_in_is_strict(fake: Fake) -> None:
    """An unknown field, expansion, parameter or operator, or a mix of both vocabularies, is an error."""
    head = {"authorization": f"Bearer {TOKEN}"}
    for query in (
        "?ids=1&post.fields=author_id",
        "?ids=1&post.fields=note_tweet",
        "?ids=1&expansions=referenced_posts.id",
        "?ids=1&post.fields=lang&tweet.fields=lang",
        "?ids=1&expand=author_id",
        "?ids=x",
        "/search/recent?query=from:1&max_results=5",
        "/search/recent?query=cats",
    ):
        answer = requests.get(f"{fake.url}/2/tweets{query}", headers=head, timeout=10)
        assert answer.status_code == 400, query
        assert answer.json()["type"] == "https://api.x.com/2/problems/invalid-request"


# --- threads -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
@pytest.mark.parametrize("start", [YESTERDAY, LONG_AGO], ids=["recent", "old"])
@pytest.mark.parametrize("at", [0, 14, 29])
def test_a_thread_is_whole_from_any_post_in_two_requests(
    fake: Fake, vocabulary: str, start: datetime, at: int
) -> None:
    """30 posts, asked for by the first, a middle or the last: a look-up and a search, in both vocabularies."""
    ada = fake.person("ada_quay")
    numbers = fake.thread(ada, 30, start)
    fake.thread(ada, 5, start + timedelta(hours=3))
    thread = unroll(fake, numbers[at], vocabulary)
    assert [item.id for item in thread.items] == ids(numbers)
    assert thread.certificate.complete == "yes"
    assert kinds(fake) == ["lookup", "recent" if start == YESTERDAY else "archive"]


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
@pytest.mark.parametrize("at", [0, 14, 29])
def test_where_the_archive_is_closed_the_timeline_is_read(fake: Fake, vocabulary: str, at: int) -> None:
    """An old thread, a token that may not search the archive: the timeline around the post has it."""
    ada = fake.person("ada_quay")
    numbers = fake.thread(ada, 30, LONG_AGO)
    fake.thread(ada, 40, NOW - timedelta(days=300))
    fake.archive_open = False
    thread = unroll(fake, numbers[at], vocabulary)
    assert [item.id for item in thread.items] == ids(numbers)
    assert thread.certificate.complete == "yes"
    assert kinds(fake) == ["lookup", "archive", "timeline"]


@pytest.mark.parametrize(
    "url",
    ["https://x.com/ada_quay/status/{}", "https://twitter.com/ada_quay/status/{}?s=20&t=x", "http://www.x.com/i/status/{}",
     "https://mobile.twitter.com/ada_quay/status/{}/photo/1", "https://x.com/i/web/status/{}#m", "HTTPS://X.com/a/statuses/{}",
     "https://x.com/ada_quay/status/{}/"],
)  # fmt: skip
def test_addresses_of_posts(fake: Fake, url: str) -> None:
    """Each form in which X's addresses occur names the post, whatever name stands in it."""
    number = fake.post(fake.person("ada_quay"), "Hello", YESTERDAY)
    with Client(config(fake)) as client:
        assert SOURCE.fetch(url.format(number), client) == ids([number])[0]
        assert client.requests == 1


@pytest.mark.parametrize(
    "url",
    ["https://x.com/ada_quay", "https://x.com/ada_quay/status/", "https://x.com/ada_quay/status/12a", "https://x.com/i/status/0",
     "https://nitter.net/ada/status/12", "https://x.com.example/ada/status/12", "https://x.com/a/b/status/12", "https://t.co/x",
     "https://x.com/ada_quay/status/12345678901234567890", "https://example.com/?u=https://x.com/a/status/12"],
)  # fmt: skip
def test_other_addresses_are_refused_before_anything_is_asked(fake: Fake, url: str) -> None:
    """What does not name a post on X is an error of input, and nobody is asked."""
    with Client(config(fake)) as client, pytest.raises(InputError):
        SOURCE.fetch(url, client)
    assert fake.asked == []


def test_the_front_door(fake: Fake) -> None:
    """``clew.unroll`` of an address is all that a user types."""
    numbers = fake.thread(fake.person("ada_quay"), 3, YESTERDAY)
    thread = clew.unroll(address(numbers[1]), config=config(fake))
    assert [item.id for item in thread.items] == ids(numbers)


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_what_a_post_shows_comes_with_it(furnished: tuple[Fake, list[str]], vocabulary: str) -> None:
    """The whole long text, facets, pictures with and without alt text, a poll, a quote, and the author's site."""
    fake, numbers = furnished
    thread = unroll(fake, numbers[0], vocabulary)
    first, second, third, gone, last = thread.items
    assert isinstance(first, Post)
    assert isinstance(second, Post)
    assert isinstance(third, Post)
    assert isinstance(last, Post)
    assert [(f.type, f.href) for f in first.facets] == [
        ("link", "https://quay.example/a"),
        ("tag", "https://x.com/hashtag/Quay"),
    ]
    assert [a.name for a in first.attachments] == ["A"]
    assert first.quote
    assert [post.content for post in thread.quoted] == ["What Bob said"]
    assert second.content == "R&D says 3 < 4. " * 20
    assert [(a.type, a.alt, a.width) for a in second.attachments] == [
        ("image", "A quay at dawn", 1200),
        ("image", None, 1200),
    ]
    assert third.poll
    assert [(o.name, o.votes) for o in third.poll.options] == [("Left", 10), ("Right", 20)]
    assert second.url == address(numbers[1])
    assert second.published == time_of(numbers[1])
    author = next(actor for actor in thread.actors if actor.id == first.attributed_to)
    assert (author.preferred_username, author.also_known_as) == ("ada_quay", ("https://quay.example",))
    assert isinstance(gone, Tombstone)


@pytest.mark.parametrize("host", ["api.x.com", "api.twitter.com"])
@pytest.mark.parametrize("vocabulary", VOCABULARIES)
@pytest.mark.parametrize("at", [0, -1])
def test_a_deleted_middle_is_a_gap_with_x_s_words(
    furnished: tuple[Fake, list[str]], vocabulary: str, host: str, at: int
) -> None:
    """What X says of a missing post is the gap's evidence; it is unavailable, not proven to be deleted."""
    fake, numbers = furnished
    fake.host = host
    thread = unroll(fake, numbers[at], vocabulary)
    assert [item.id for item in thread.items] == ids(numbers)
    (gap,) = thread.certificate.gaps
    assert (gap.id, gap.reason) == (ids(numbers)[3], "unavailable")
    assert gap.evidence.startswith(f'X answered "Could not find {vocabulary} with referenced_{vocabulary}s')
    stone = thread.items[3]
    assert isinstance(stone, Tombstone)
    assert stone.checked is not None
    assert thread.certificate.complete == "no"


def test_posts_in_protected_accounts_are_private(fake: Fake) -> None:
    """A protected parent is context that is private; a protected post asked for is refused with a sentence."""
    ada, eve = fake.person("ada_quay"), fake.person("eve", protected=True)
    hidden = fake.post(eve, "Not for you", YESTERDAY)
    answer = fake.post(ada, "I see", YESTERDAY + MINUTE, parent=hidden)
    thread = unroll(fake, answer)
    assert [(item.id, getattr(item, "reason", "")) for item in thread.context] == [(ids([hidden])[0], "private")]
    error = failure(fake, hidden)
    assert isinstance(error, LoginRequired)
    assert "only to people whom its author admits" in str(error)


def test_a_follower_s_token_does_not_open_a_protected_account(fake: Fake) -> None:
    """Where X shows protected posts, because the token's owner follows the author, Clew does not."""
    number = fake.post(fake.person("ada_quay"), "For friends", YESTERDAY)
    user = {"id": "1000", "username": "ada_quay", "name": "Ada", "protected": True}
    post = {"id": number, "text": "For friends", "author_id": "1000", "conversation_id": number}
    fake.refuse = lambda path, count: json.dumps({"data": [post], "includes": {"users": [user]}}).encode()
    assert isinstance(failure(fake, number), Refused)
    assert len(fake.asked) == 1


def test_forks_asides_and_the_context_above(fake: Fake) -> None:
    """A fork is a branch, an answer to others an aside with what it answers, the foreign parent context."""
    ada, bob = fake.person("ada_quay"), fake.person("bob")
    question = fake.post(bob, "Why?", YESTERDAY)
    numbers = [fake.post(ada, "Because", YESTERDAY + MINUTE, parent=question)]
    for n in range(2, 6):
        numbers.append(fake.post(ada, f"and {n}", YESTERDAY + n * MINUTE, parent=numbers[-1]))
    fork = fake.post(ada, "or else", YESTERDAY + 7 * MINUTE, parent=numbers[1])
    remark = fake.post(bob, "Really?", YESTERDAY + 8 * MINUTE, parent=numbers[2])
    aside = fake.post(ada, "Really.", YESTERDAY + 9 * MINUTE, parent=remark)
    thread = unroll(fake, numbers[3])
    assert [item.id for item in thread.items] == ids(numbers)
    assert [item.id for run in thread.branches for item in run.items] == ids([fork])
    assert [item.id for run in thread.asides for item in run.items] == ids([aside])
    assert [item.id for run in thread.asides for item in run.answered] == ids([remark])
    assert [item.id for item in thread.context] == ids([question])
    assert len(fake.asked) == 2


def test_answers_of_others_are_not_the_thread(fake: Fake) -> None:
    """Others' answers are neither shown nor fetched; that X counts them leaves no doubt where a search saw all."""
    ada, bob = fake.person("ada_quay"), fake.person("bob")
    numbers = fake.thread(ada, 3, YESTERDAY)
    for n in range(20):
        fake.post(bob, f"Nice {n}", YESTERDAY + timedelta(hours=1 + n), parent=numbers[-1])
    thread = unroll(fake, numbers[0])
    assert [item.id for item in thread.items] == ids(numbers)
    assert thread.certificate.gaps == ()
    assert len(fake.asked) == 2


def test_a_quoted_post_s_pictures_are_looked_up_with_it(fake: Fake) -> None:
    """X brings a quoted post along without its pictures: one more look-up has them, where there are any."""
    ada, bob = fake.person("ada_quay"), fake.person("bob")
    shown = fake.post(bob, "Look", YESTERDAY, attachments={"media_keys": [fake.picture("A map")]})
    number = fake.post(ada, "As Bob shows", YESTERDAY + MINUTE, quoted=shown)
    thread = unroll(fake, number)
    assert [a.alt for post in thread.quoted for a in post.attachments] == ["A map"]
    assert kinds(fake) == ["lookup", "lookup"]


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
@pytest.mark.parametrize("asked", ["first version", "last version", "answer"])
def test_edits_are_versions(fake: Fake, vocabulary: str, asked: str) -> None:
    """An edited post is one post with an earlier text, by whichever of its numbers it is asked for or answered."""
    ada = fake.person("ada_quay")
    old = fake.post(ada, "It opens at nine", YESTERDAY)
    new = fake.edit(old, "It opens at eight", YESTERDAY + MINUTE)
    answer = fake.post(ada, "Come early", YESTERDAY + 2 * MINUTE, parent=old)
    fake.posts[answer].conversation = fake.posts[new].conversation
    thread = unroll(fake, {"first version": old, "last version": new, "answer": answer}[asked], vocabulary)
    assert [item.id for item in thread.items] == ids([new, answer])
    edited = thread.items[0]
    assert isinstance(edited, Post)
    assert edited.content == "It opens at eight"
    assert [version.content for version in edited.versions] == ["It opens at nine"]


def test_a_repost_leads_to_what_it_shares(fake: Fake) -> None:
    """The address of a mere repost gives the thread of the post that was shared."""
    ada, bob = fake.person("ada_quay"), fake.person("bob")
    numbers = fake.thread(ada, 3, YESTERDAY)
    share = fake.share(bob, numbers[0], NOW - timedelta(hours=2))
    assert [item.id for item in unroll(fake, share).items] == ids(numbers)


def test_a_lone_post_takes_one_request(fake: Fake) -> None:
    """Where X counts no answer and there is no parent, nothing more is asked."""
    number = fake.post(fake.person("ada_quay"), "That is all", LONG_AGO)
    assert unroll(fake, number).certificate.complete == "yes"
    assert len(fake.asked) == 1


def test_a_search_without_the_first_post_is_made_good(fake: Fake) -> None:
    """Should the search leave out the post that began the conversation, a look-up adds it, with what it shows."""
    ada = fake.person("ada_quay")
    first = fake.post(ada, "1/2 See", YESTERDAY, attachments={"media_keys": [fake.picture("A map")]})
    second = fake.post(ada, "2/2 That's it", YESTERDAY + MINUTE, parent=first)
    fake.root_in_search = False
    head = unroll(fake, second).items[0]
    assert isinstance(head, Post)
    assert [a.alt for a in head.attachments] == ["A map"]
    assert kinds(fake) == ["lookup", "recent", "lookup"]


@pytest.mark.parametrize("archive_open", [True, False])
def test_a_long_thread_takes_a_request_for_each_page(fake: Fake, archive_open: bool) -> None:
    """650 posts: two pages of the archive, or seven of the timeline."""
    ada = fake.person("ada_quay")
    numbers = fake.thread(ada, 650, LONG_AGO, step=timedelta(seconds=30))
    fake.archive_open, fake.left = archive_open, 10_000
    thread = unroll(fake, numbers[0])
    assert [item.id for item in thread.items] == ids(numbers)
    assert kinds(fake) == ["lookup", *(["archive"] * 2 if archive_open else ["archive", *["timeline"] * 7])]


# --- where X's reach ends ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def busy() -> Iterator[tuple[Fake, list[str]]]:
    """An author with a long life: 30 posts, and 20,000 later ones."""
    with Fake() as server:
        ada = server.person("ada_quay")
        numbers = server.thread(ada, 30, LONG_AGO)
        for n in range(20_000):
            server.post(ada, f"Later {n}", LONG_AGO + timedelta(days=1) + n * timedelta(minutes=20))
        server.archive_open, server.left = False, 1_000_000
        yield server, numbers


@pytest.mark.parametrize(("at", "found", "requests"), [(0, 1, 4), (14, 15, 11), (29, 30, 19)])
def test_beyond_the_timeline_the_certificate_is_limited(
    busy: tuple[Fake, list[str]], at: int, found: int, requests: int
) -> None:
    """One page shows that the timeline does not reach the post; upward, look-ups of two posts each find it."""
    fake, numbers = busy
    fake.asked.clear()
    thread = unroll(fake, numbers[at])
    assert [item.id for item in thread.items] == ids(numbers[:found])
    assert kinds(fake) == ["lookup", "archive", "timeline", "recent", *["lookup"] * (requests - 4)]
    certificate = thread.certificate
    if at == 29:
        assert certificate.complete == "yes", "the last post has no answers: nothing can be missing"
    else:
        assert certificate.complete != "yes"
        assert (
            "On X a timeline reaches back 3,200 posts and the search 7 days; this thread is older"
            in certificate.limits
        )


def test_with_the_archive_a_long_life_does_not_matter(busy: tuple[Fake, list[str]]) -> None:
    """The same thread from its first post takes two requests where the token opens the full archive."""
    fake, numbers = busy
    fake.asked.clear()
    fake.archive_open = True
    try:
        thread = unroll(fake, numbers[0])
    finally:
        fake.archive_open = False
    assert [item.id for item in thread.items] == ids(numbers)
    assert thread.certificate.complete == "yes"
    assert kinds(fake) == ["lookup", "archive"]


def test_the_walk_along_a_timeline_stops_after_ten_pages(fake: Fake) -> None:
    """Answers that X counts and nobody saw keep the walk going, for ten pages; where it stopped is said."""
    ada, bob = fake.person("ada_quay"), fake.person("bob")
    numbers = fake.thread(ada, 5, LONG_AGO)
    fake.post(bob, "Thanks", LONG_AGO + timedelta(days=2), parent=numbers[-1])
    for n in range(3_000):
        fake.post(ada, f"Later {n}", LONG_AGO + timedelta(hours=3 * n))
    late = fake.post(ada, "An afterthought", NOW - timedelta(days=20), parent=numbers[-1])
    fake.archive_open, fake.left = False, 10_000
    thread = unroll(fake, numbers[0])
    assert kinds(fake).count("timeline") == 10
    assert late not in repr(thread)
    (limit,) = (line for line in thread.certificate.limits if line.startswith("X counts answers"))
    assert limit.endswith("and in the last 7 days only")
    assert thread.certificate.complete == "unknown"


def test_a_quiet_author_s_timeline_is_read_to_the_present(fake: Fake) -> None:
    """Windows that double reach the present in a few requests, and find what was added a year later."""
    ada, bob = fake.person("ada_quay"), fake.person("bob")
    numbers = fake.thread(ada, 3, LONG_AGO)
    fake.post(bob, "Thanks", LONG_AGO + timedelta(days=2), parent=numbers[-1])
    late = fake.post(ada, "A year later", NOW - timedelta(days=20), parent=numbers[-1])
    fake.post(bob, "And?", NOW - timedelta(days=19), parent=late)
    fake.archive_open = False
    thread = unroll(fake, numbers[0])
    assert [item.id for item in thread.items] == ids([*numbers, late])
    assert kinds(fake) == ["lookup", "archive", *["timeline"] * 9]
    assert not [line for line in thread.certificate.limits if "sought" in line or "reaches" in line]


def test_what_was_added_lately_is_found_by_the_search(busy: tuple[Fake, list[str]]) -> None:
    """Where neither archive nor timeline reach, the last seven days are searched all the same."""
    fake, numbers = busy
    late = fake.post("1000", "An update", YESTERDAY, parent=numbers[29])
    try:
        thread = unroll(fake, numbers[29])
    finally:
        del fake.posts[late]
    assert [item.id for item in thread.items] == ids([*numbers, late])


# --- what goes wrong ---------------------------------------------------------------------------------------------


def test_without_a_token_nobody_is_asked(fake: Fake) -> None:
    """The sentence says how to set the token, and what works without."""
    error = failure(fake, "1797200000000000000", token="")
    assert isinstance(error, LoginRequired)
    assert "CLEW_X_TOKEN" in str(error)
    assert "[x]" in str(error)
    assert "pasted text" in str(error)
    assert fake.asked == []


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (400, FetchError, "vocabulary"),
        (401, LoginRequired, "does not accept the token"),
        (402, FetchError, "no credit left"),
        (403, LoginRequired, "does not let this token read"),
        (404, FetchError, "X answered 404"),
        (500, FetchError, "X answered 500"),
    ],
)
def test_refusals_are_plain_sentences(fake: Fake, status: int, kind: type[FetchError], words: str) -> None:
    """What X refuses the look-up with is said in words, after one request."""
    fake.refuse = lambda path, count: Problem(status, {"title": "No", "detail": f"Bearer {status}"})
    error = failure(fake, "1797200000000000000")
    assert isinstance(error, kind)
    assert words in str(error)
    assert error.status == status
    assert len(fake.asked) == 1


def test_a_wrong_token(fake: Fake) -> None:
    """A token that X does not know is not told in the error."""
    fake.token = "another"
    assert "does not accept the token" in str(failure(fake, "1797200000000000000"))


def test_an_api_that_speaks_the_old_words_only(fake: Fake) -> None:
    """Asked in words it does not know, X refuses; the sentence names the setting, and with it all is well."""
    number = fake.post(fake.person("ada_quay"), "Hello", YESTERDAY)
    fake.speaks = {"tweet"}
    assert "vocabulary" in str(failure(fake, number))
    assert len(unroll(fake, number, "tweet").items) == 1


def test_a_rate_limit_says_how_long(fake: Fake) -> None:
    """429 with a reset in fourteen minutes: an error that says so, not a wait."""
    reset = str(int((datetime.now(UTC) + timedelta(minutes=14)).timestamp()))
    headers = {"x-rate-limit-remaining": "0", "x-rate-limit-reset": reset}
    fake.refuse = lambda path, count: Problem(429, {"title": "Too Many Requests"}, headers)
    error = failure(fake, "1797200000000000000")
    assert isinstance(error, RateLimited)
    assert error.retry_after is not None
    assert 600 < error.retry_after <= 840
    assert len(fake.asked) == 1


@pytest.mark.parametrize("status", [429, 402, 401, 500, 403])
def test_a_search_that_fails_leaves_a_limit(fake: Fake, status: int) -> None:
    """What came until then is shown, and the certificate says what could not be asked."""
    numbers = fake.thread(fake.person("ada_quay"), 5, YESTERDAY)
    headers = {"x-rate-limit-remaining": "0", "x-rate-limit-reset": str(int(NOW.timestamp()) + 9000)}

    def refuse(path: str, count: int) -> Problem | None:
        if "/search/" not in path and "/users/" not in path:
            return None
        return Problem(status, {"title": "No"}, headers if status == 429 else None)

    fake.refuse = refuse
    thread = unroll(fake, numbers[0])
    assert [item.id for item in thread.items] == ids(numbers[:1])
    assert thread.certificate.complete != "yes"
    assert [line for line in thread.certificate.limits if line.startswith("X did not ")]


def test_a_page_that_fails_leaves_a_limit(fake: Fake) -> None:
    """150 posts, whose second page does not come: what is missing is in the certificate, unless it is found."""
    numbers = fake.thread(fake.person("ada_quay"), 150, YESTERDAY, step=timedelta(seconds=5))
    fake.refuse = lambda path, count: Problem(500, {}) if "pagination_token" in path else None
    thread = unroll(fake, numbers[-1])
    assert [item.id for item in thread.items] == ids(numbers), "upward, look-ups find the rest"
    assert thread.certificate.complete == "yes"
    fake.asked.clear()
    fake.refuse = lambda path, count: Problem(500, {}) if "pagination_token" in path or count > 3 else None
    thread = unroll(fake, numbers[-1])
    assert any(line.startswith("X did not search the conversation") for line in thread.certificate.limits)
    assert any(line.startswith("X was asked for ") for line in thread.certificate.limits)
    assert thread.certificate.complete == "no"


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b'{"data": 5}', b'{"data": [{"id": "x", "text": 1}]}', b"\xff"]
)
def test_answers_that_are_none(fake: Fake, body: bytes) -> None:
    """Broken JSON instead of a search is a limit; instead of the look-up, an error."""
    numbers = fake.thread(fake.person("ada_quay"), 3, YESTERDAY)
    fake.refuse = lambda path, count: body if "/search/" in path or "/users/" in path else None
    thread = unroll(fake, numbers[0])
    assert any("its answer cannot be read" in line for line in thread.certificate.limits)
    fake.refuse = lambda path, count: body
    failure(fake, numbers[0])


@pytest.mark.parametrize("token", ["b26v0", "b26v1"])
def test_a_walk_in_circles_ends(fake: Fake, token: str) -> None:
    """A page that names itself, or the one before, as the next ends the walk."""
    numbers = fake.thread(fake.person("ada_quay"), 3, YESTERDAY)
    page = json.dumps({"data": [], "meta": {"next_token": token}}).encode()
    fake.refuse = lambda path, count: page if "/search/" in path else None
    unroll(fake, numbers[0])
    assert kinds(fake).count("recent") <= 3


def test_pages_without_end_are_bounded(fake: Fake) -> None:
    """Ever new tokens end at the number of requests that one thread may take."""
    numbers = fake.thread(fake.person("ada_quay"), 3, YESTERDAY)

    def endless(path: str, count: int) -> bytes | None:
        page = {"data": [], "meta": {"next_token": f"b26v{count}"}}
        return json.dumps(page).encode() if "/search/" in path else None

    fake.refuse, fake.left = endless, 10_000
    with Client(config(fake, requests=20)) as client:
        post = SOURCE.fetch(address(numbers[0]), client)
        assert client.requests == 20
    thread = derive(SOURCE, client.captures, post, "longest")
    assert any("more than 20 requests" in line for line in thread.certificate.limits)


def test_an_unknown_post(fake: Fake) -> None:
    """X's own words for a post that it does not have."""
    error = failure(fake, "1797200000000000000")
    assert isinstance(error, FetchError)
    assert "Could not find post with ids: [1797200000000000000]" in str(error)


# --- looking again, and deriving again ---------------------------------------------------------------------------


def test_known_posts_are_looked_up_again(fake: Fake) -> None:
    """A second visit asks for all that is known in one request: what is gone by then is checked and not shown."""
    ada = fake.person("ada_quay")
    numbers = fake.thread(ada, 10, YESTERDAY)
    _, first = visit(fake, numbers[0])
    fake.delete(numbers[9])
    fake.delete(numbers[4])
    fake.asked.clear()
    again, second = visit(fake, numbers[0], known=ids(numbers))
    thread = derive(SOURCE, [*first, *second], again, "longest")
    assert [item.id for item in thread.items if isinstance(item, Post)] == ids([*numbers[:4], *numbers[5:9]])
    assert {item.id for item in thread.items if isinstance(item, Tombstone)} >= {ids(numbers)[4]}
    assert "Part 5" not in repr(thread)
    assert kinds(fake)[0] == "lookup"
    assert len(fake.asked) <= 2


def test_the_first_post_gone_and_the_others_not(fake: Fake) -> None:
    """Where the post of the address is gone, those known from it are still visited."""
    numbers = fake.thread(fake.person("ada_quay"), 4, YESTERDAY)
    fake.delete(numbers[0])
    post, captures = visit(fake, numbers[0], known=ids(numbers))
    thread = derive(SOURCE, captures, post, "longest")
    assert [item.id for item in thread.items] == ids(numbers)
    assert isinstance(thread.items[0], Tombstone)


def test_limits_of_an_earlier_visit_end_with_it(fake: Fake) -> None:
    """What a first visit could not see does not count any more once a search saw all."""
    numbers = fake.thread(fake.person("ada_quay"), 5, YESTERDAY)
    fake.refuse = lambda path, count: Problem(500, {}) if "/search/" in path or "/users/" in path else None
    post, first = visit(fake, numbers[0])
    assert derive(SOURCE, first, post, "longest").certificate.limits
    fake.refuse = lambda path, count: None
    post, second = visit(fake, numbers[0], known=ids(numbers[:1]))
    assert derive(SOURCE, [*first, *second], post, "longest").certificate.complete == "yes"


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_any_order_gives_the_same_thread(furnished: tuple[Fake, list[str]], vocabulary: str) -> None:
    """The thread is made of the captures alone, in whatever order they are kept."""
    fake, numbers = furnished
    fake.archive_open = fake.root_in_search = False
    post, captures = visit(fake, numbers[-1], vocabulary)
    fake.refuse = lambda path, count: Problem(500, {}) if "/search/" in path else None
    captures += visit(fake, numbers[0], vocabulary)[1]
    thread = derive(SOURCE, captures, post, "longest")
    for seed in range(10):
        mixed = random.Random(seed).sample(captures, len(captures))
        assert derive(SOURCE, mixed, post, "longest") == thread
        assert sorted(map(repr, SOURCE.parse(mixed))) == sorted(map(repr, SOURCE.parse(captures)))


def test_forgetting_an_author_of_a_visit(furnished: tuple[Fake, list[str]]) -> None:
    """Redaction takes the author's words out of every answer, also those that say no, and leaves tombstones."""
    fake, numbers = furnished
    fake.refuse = lambda path, count: Problem(500, {}) if count == 2 else None
    _, captures = visit(fake, numbers[-1])
    actor = frozenset({"https://x.com/i/user/1000"})
    redacted = [msgspec.structs.replace(c, body=SOURCE.redact(c, actor), redacted=True) for c in captures]
    assert len(redacted) > 2
    assert not [c for c in redacted if b"Last" in c.body or b"ada_quay" in c.body]
    stones = [v for v in SOURCE.parse(redacted) if isinstance(v, Tombstone) and v.reason == "forgotten"]
    assert {stone.id for stone in stones} >= set(ids([numbers[0], numbers[1], numbers[2], numbers[4]]))


def test_an_address_is_the_question_it_asks() -> None:
    """What was asked can be told from the address alone, in both vocabularies."""
    asks = [
        Ask("lookup", ("1", "22")),
        Ask("recent", user="5", conversation="7"),
        Ask("archive", user="5", conversation="7", since="2020-01-01T00:00:00Z", page="b26v500"),
        Ask("timeline", user="5", since="6", until="9", page="b26v100"),
        Ask("timeline", user="5", since="6"),
    ]
    for vocabulary in VOCABULARIES:
        assert [Ask.of(ask.url("https://api.x.com", vocabulary)) for ask in asks] == asks  # type: ignore[arg-type]
    for url in (
        "",
        "https://x.com/a/status/1",
        "https://api.x.com/2/users/me",
        "https://[",
        "https://api.x.com/2/tweets/search/all",
    ):
        assert Ask.of(url) is None


SEARCH = "query=conversation_id:1797200000000000001+from:101"
ASKED = (
    "tweets?ids=1797200000000000001,1797200000000000002",
    "users/101/tweets?since_id=1&until_id=1797200000000000009",
    "users/101/tweets?since_id=1797200000000000008",
    f"tweets/search/recent?{SEARCH}",
    f"tweets/search/all?{SEARCH}",
    f"tweets/search/all?{SEARCH}&pagination_token=n2",
)
WORDS = ("1797200000000000001", "1797200000000000002", "101", "replied_to", "n2", "post", "a 🚢 &amp; b", "")
KEYS = (
    "id text data includes posts tweets users errors meta next_token author_id conversation_id referenced_posts "
    "type in_reply_to_user_id edit_history_post_ids public_metrics reply_count resource_id resource_type entities"
).split()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(WORDS),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.sampled_from(KEYS), below, max_size=6),
    max_leaves=25,
)


ANSWERS = st.tuples(st.sampled_from(ASKED), JSON | st.binary(), st.sampled_from([0, 200, 404, 500]))


@given(st.lists(ANSWERS, max_size=5))
def test_whatever_a_visit_brings_is_parsed(answers: list[tuple[str, Any, int]]) -> None:
    """Nothing that a server may answer stops the others from being read, and their order does not matter."""
    captures = []
    for path, value, status in answers:
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        url, digest = f"https://api.x.com/2/{path}", hashlib.sha256(body).hexdigest()
        captures.append(Capture(digest, body, "application/json", NOW, url, status))
    found = list(SOURCE.parse(captures))
    assert sorted(map(repr, SOURCE.parse(captures[::-1]))) == sorted(map(repr, found))
    for capture in captures:
        SOURCE.redact(capture, frozenset({"https://x.com/i/user/101"}))
        SOURCE.anchor(capture)


def test_what_an_earlier_visit_knew_of_a_post_does_not_vouch_for_it(fake: Fake) -> None:
    """Where X does not say how often the last posts are answered by now, the thread may have grown."""
    ada = fake.person("ada_quay")
    numbers = fake.thread(ada, 120, YESTERDAY)
    post, first = visit(fake, numbers[0])
    assert derive(SOURCE, first, post, "longest").certificate.complete == "yes"
    fake.post(ada, "One more", YESTERDAY + 200 * MINUTE, parent=numbers[-1])
    fake.asked.clear()
    fake.refuse = lambda path, count: Problem(500, {}) if len(fake.asked) > 1 else None
    _, second = visit(fake, numbers[0], known=ids(numbers))
    certificate = derive(SOURCE, [*first, *second], post, "longest").certificate
    assert certificate.complete == "unknown"
    assert "X was asked for 20 more posts in vain (HTTP 500)" in certificate.limits
    fake.refuse = lambda path, count: None
    _, third = visit(fake, numbers[0], known=ids(numbers))
    assert derive(SOURCE, [*first, *second, *third], post, "longest").certificate.found == 121


def test_a_post_that_an_answer_leaves_out_is_told(fake: Fake) -> None:
    """X was asked for a post and gave neither it nor a reason: nothing is known of it now."""
    numbers = fake.thread(fake.person("ada_quay"), 3, YESTERDAY)
    post, first = visit(fake, numbers[0])
    _, (again,) = visit(fake, numbers[0], known=ids(numbers))
    value = json.loads(again.body)
    value["data"] = value["data"][:-1]
    body = json.dumps(value).encode()
    later = msgspec.structs.replace(again, body=body, sha256=hashlib.sha256(body).hexdigest())
    certificate = derive(SOURCE, [*first, later], post, "longest").certificate
    assert certificate.complete == "unknown"
    assert "X was asked for 1 more post in vain (its answer leaves them out)" in certificate.limits


def test_pictures_are_fetched_too(fake: Fake) -> None:
    """``media`` keeps the pictures of a thread; each attachment names its copy."""
    with Loopback({"/quay.png": response(b"\x89PNG...", Content_Type="image/png")}) as pictures:
        key = fake.picture("A quay at dawn")
        fake.media[key]["url"] = f"{pictures.url}/quay.png"
        number = fake.post(fake.person("ada_quay"), "Look", YESTERDAY, attachments={"media_keys": [key]})
        settings = config(fake)
        hosts = (*settings.network.private_hosts, pictures.host)
        settings = msgspec.structs.replace(
            settings, network=msgspec.structs.replace(settings.network, private_hosts=hosts)
        )
        with opened(address(number), config=settings, media=True) as reading:
            (post,) = reading.one().items
    assert isinstance(post, Post)
    assert [attachment.sha256 for attachment in post.attachments] == [hashlib.sha256(b"\x89PNG...").hexdigest()]
