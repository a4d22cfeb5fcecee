"""Telegram by address, against a stand-in for t.me that we wrote ourselves (tests/networks/telegram)."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import clew
from clew import reading
from clew.config import Config, Network, Telegram
from clew.errors import FetchError, InputError, LoginRequired
from clew.fetch import Client
from clew.model import Actor, Capture, Item, Limit, Post, Thread, Tombstone
from clew.sources.telegram import SOURCE
from clew.sources.telegram.fetching import named
from clew.sources.telegram.visits import Span, joined
from clew.thread import assemble
from networks.telegram.site import Chat, Site, served

T = "https://t.me/selm_harbour"


@pytest.fixture
def site() -> Iterator[Site]:
    with served() as running:
        yield running


@pytest.fixture
def chat(site: Site) -> Chat:
    return site.chat()


def config(site: Site, **network: object) -> Config:
    allowed = Network(private_hosts=("127.0.0.1",), pause=0, attempts=1, **network)  # type: ignore[arg-type]
    return Config(network=allowed, telegram=Telegram(site=site.url))


def visit(site: Site, url: str, known: Sequence[str] = ()) -> tuple[str, list[Capture]]:
    with Client(config(site)) as client:
        post = SOURCE.fetch(url, client, known)
        assert client.requests == len(site.asked)
        return post, client.captures


def items(captures: Sequence[Capture]) -> list[Actor | Item]:
    return [value for value in SOURCE.parse(captures) if not isinstance(value, Limit)]


def limits(captures: Sequence[Capture]) -> list[str]:
    return [value.evidence for value in SOURCE.parse(captures) if isinstance(value, Limit)]


def thread(site: Site, url: str) -> Thread:
    post, captures = visit(site, url)
    return assemble(items(captures), post)


def numbers(found: Sequence[Item]) -> list[int]:
    return [int(item.id.rpartition("/")[2]) for item in found]


def posts(captures: Sequence[Capture]) -> dict[int, Post]:
    return {numbers([p])[0]: p for p in SOURCE.parse(captures) if isinstance(p, Post)}


# --- addresses -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "name", "number"),
    [
        ("https://t.me/selm_harbour/123", "selm_harbour", 123),
        ("https://t.me/s/selm_harbour/123", "selm_harbour", 123),
        ("http://telegram.me/selm_harbour/123?single", "selm_harbour", 123),
        ("t.me/selm_harbour/123?comment=7#x", "selm_harbour", 123),
        ("https://www.t.me/selm_harbour/12/123", "selm_harbour", 123),
        ("https://selm_harbour.t.me/123", "selm_harbour", 123),
        ("https://t.me/s/selm_harbour?before=140", "selm_harbour", 0),
        ("https://telegram.dog/s/selm_harbour", "selm_harbour", 0),
    ],
)
def test_addresses_of_posts(url: str, name: str, number: int) -> None:
    """Each form in which people pass on a post names the same channel and number."""
    asked, cursors = named(url)
    assert (asked.name, asked.number) == (name, number)
    assert cursors == ({"before": 140} if "before" in url else {})


@pytest.mark.parametrize(
    "path", ["", "+AbCdEf", "joinchat/AbCdEf", "x/y", "selm/0", "selm/1/2/3", "selm/-5", "1/2"]
)
def test_addresses_of_no_post(path: str) -> None:
    """An invitation and other addresses of Telegram end in a sentence."""
    with pytest.raises(InputError, match="does not name a post"):
        named(f"https://t.me/{path}")


def test_private_chats_are_not_asked_for(site: Site) -> None:
    """The address of a post in a private chat ends in a sentence, and nothing is asked."""
    with Client(config(site)) as client, pytest.raises(LoginRequired, match="private chat"):
        SOURCE.fetch("https://t.me/c/123456/78", client)
    assert site.asked == []


@given(st.from_regex(r"[A-Za-z][A-Za-z0-9_]{4,31}", fullmatch=True), st.integers(1, 10**14))
def test_any_name_and_number(name: str, number: int) -> None:
    """Whatever a channel is called, the address of its post is read back, unless the name is Telegram's own."""
    if name not in ("joinchat", "c", "s"):
        assert named(f"https://t.me/{name}/{number}")[0].number == number


@given(st.text(max_size=40))
def test_odd_addresses_end_in_a_sentence(rest: str) -> None:
    """No path makes anything else than a place or an input error."""
    try:
        asked, _ = named(f"https://t.me/{rest}")
    except (InputError, LoginRequired):
        return
    except ValueError:  # not an address at all: ``urlsplit`` says so, and the reading matches patterns first
        return
    assert asked.name


# --- runs ----------------------------------------------------------------------------------------------------


def run_of(chat: Chat, *at: int) -> None:
    for number in at:
        chat.say(number)
    for before, after in pairwise(at):
        chat.posts[after].answers = str(before)


@pytest.mark.parametrize("asked", [30, 77, 140])
def test_a_run_of_replies_from_any_of_its_posts(site: Site, chat: Chat, asked: int) -> None:
    """First, middle or last: the whole run comes, in order, with nothing else in it, and is certified whole."""
    for number in range(20, 180):
        chat.say(number)
    run_of(chat, 30, 45, 77, 101, 140)
    found = thread(site, f"{T}/{asked}")
    assert numbers(found.items) == [30, 45, 77, 101, 140]
    assert found.certificate.complete == "yes"


def test_a_post_alone(site: Site, chat: Chat) -> None:
    """A post that nothing ties to others is a thread of one; two requests tell that nothing came after it."""
    for number in range(1, 13):
        chat.say(number)
    found = thread(site, f"{T}/9")
    assert numbers(found.items) == [9]
    assert found.certificate.complete == "yes"
    assert site.asked == ["/s/selm_harbour/9", "/s/selm_harbour?after=12"]


def test_requests_for_a_long_run_are_few(site: Site, chat: Chat) -> None:
    """A hundred posts in a row take the pages that hold them, and one that says that there are no more."""
    run_of(chat, *range(1, 101))
    assert len(thread(site, f"{T}/50").items) == 100
    assert len(site.asked) == 1 + 3 + 3 + 1  # 40 to 60; up 39 to 30, 29 to 19 and so on; on to 100; the end


def test_the_walk_stops_where_a_hundred_posts_do_not_go_on(site: Site, chat: Chat) -> None:
    """Of a channel with 20,000 later posts a few pages are asked for, and a limit says which numbers were seen."""
    for number in range(1, 20_001):
        chat.say(number)
    run_of(chat, 10, 40)
    post, captures = visit(site, f"{T}/10")
    assert numbers(assemble(items(captures), post).items) == [10, 40]
    assert len(site.asked) <= 8
    assert limits(captures) == ["Of the posts of @selm_harbour only those numbered 1 to 140 were looked at"]


def test_albums_are_one_post(site: Site, chat: Chat) -> None:
    """Asked for by any of its messages, and answered by any, also from another page, an album is one post."""
    for number in range(1, 60):
        chat.say(number)
    for number in (11, 12):
        del chat.posts[number]
    chat.say(10, "Three views", album=3)
    chat.posts[50].answers = "12"
    found = thread(site, f"{T}/11?single")
    assert numbers(found.items) == [10, 50]
    first = found.items[0]
    assert isinstance(first, Post)
    assert [a.url for a in first.attachments] == [f"https://cdn.example/{n}.jpg" for n in (10, 11, 12)]
    assert first.content == "Three views"


def test_the_widget_of_a_part_of_an_album(site: Site) -> None:
    """A widget that names a later message of the album leads to the same post."""
    group = site.chat(name="selm_talk", lists=False)
    group.say(10, "Three views", album=3)
    path = "/selm_talk/12?embed=1&mode=tme"
    body = site.answer(path)[1].replace('data-post="selm_talk/10"', 'data-post="selm_talk/12"')
    site.bodies[path] = body.encode()
    assert visit(site, "https://t.me/selm_talk/12")[0] == "https://t.me/selm_talk/10"


def test_an_answer_to_another_channel_has_context(site: Site, chat: Chat) -> None:
    """What the head answers in another channel is asked for, and stands before the thread, not in it."""
    site.chat(name="selm_gauge", title="Gauge").say(7, "Water level 2.4 m")
    chat.say(5, answers="selm_gauge/7")
    found = thread(site, f"{T}/5")
    assert numbers(found.items) == [5]
    assert [item.id for item in found.context] == ["https://t.me/selm_gauge/7"]


def test_a_group_has_single_posts_only(site: Site) -> None:
    """In a group each post has its own author; answers are followed upwards, and a limit says why not onwards."""
    group = site.chat(name="selm_talk", title="Talk", lists=False)
    group.say(1, "First", author="ada")
    group.say(2, "Second", author="ada", answers="1")
    group.say(3, "Not so", author="taras", answers="2")
    post, captures = visit(site, "https://t.me/selm_talk/2")
    found = assemble(items(captures), post)
    assert (found.attributed_to, numbers(found.items)) == ("https://t.me/ada", [1, 2])
    assert limits(captures) == ["Telegram lists no posts of @selm_talk, so later ones could not be looked for"]


def test_the_newest_post_of_a_page(site: Site, chat: Chat) -> None:
    """The address of a page of a channel stands for its newest post."""
    for number in range(1, 50):
        chat.say(number)
    assert visit(site, "https://t.me/s/selm_harbour?before=31")[0] == f"{T}/30"
    site.asked.clear()
    assert visit(site, "https://t.me/s/selm_harbour")[0] == f"{T}/49"
    assert site.asked == ["/s/selm_harbour"]


def test_names_are_written_as_the_channel_writes_them(site: Site) -> None:
    """A name typed in other letters leads to the same ids."""
    site.chat(name="SelmHarbour").say(4)
    assert visit(site, "https://t.me/selmharbour/4")[0] == "https://t.me/SelmHarbour/4"


def test_the_address_is_all_it_takes(site: Site, chat: Chat) -> None:
    """``clew.unroll`` of an address gives the thread, and its captures alone give the same thread again."""
    run_of(chat, 1, 2, 5)
    found = clew.unroll("https://telegram.me/selm_harbour/5?single", config=config(site))
    assert numbers(found.items) == [1, 2, 5]
    with reading.opened(f"{T}/2", config=config(site)) as opened:
        again = reading.derive(SOURCE, opened.captures(found)[::-1], f"{T}/5", "longest")
    assert (again.id, numbers(again.items), again.certificate) == (
        found.id,
        numbers(found.items),
        found.certificate,
    )


# --- what is not there ---------------------------------------------------------------------------------------


def test_a_deleted_post_is_an_error_and_a_tombstone(site: Site, chat: Chat) -> None:
    """A post that Telegram does not find is told so, with the time when it was asked; never as deleted."""
    chat.say(8)
    with Client(config(site)) as client:
        with pytest.raises(FetchError, match="no such post"):
            SOURCE.fetch(f"{T}/9", client)
        found = [value for value in SOURCE.parse(client.captures) if isinstance(value, Tombstone)]
    assert [(t.id, t.reason, t.checked is not None) for t in found] == [(f"{T}/9", "unavailable", True)]


def test_a_deleted_middle_is_a_gap(site: Site, chat: Chat) -> None:
    """Below a deleted post the run goes on as far as its links tell; the gap is named."""
    run_of(chat, 1, 2, 3, 4)
    del chat.posts[2]
    found = thread(site, f"{T}/4")
    assert numbers(found.items) == [2, 3, 4]
    assert found.certificate.complete == "no"
    assert [(g.id, g.evidence) for g in found.certificate.gaps] == [
        (f"{T}/2", "Telegram says that there is no such post")
    ]


def test_a_service_message_is_no_post(site: Site, chat: Chat) -> None:
    """ "Channel created" is not unrolled, and not in what a page gives."""
    chat.say(1, "Channel created", service=True)
    chat.say(2)
    assert numbers(thread(site, f"{T}/2").items) == [2]
    with Client(config(site)) as client, pytest.raises(FetchError, match="service message"):
        SOURCE.fetch(f"{T}/1", client)


def test_a_chat_without_a_preview(site: Site) -> None:
    """Where nothing is shown a sentence says so, with Telegram's own words."""
    with Client(config(site)) as client, pytest.raises(FetchError, match=r"no public preview.*@nobody not found"):
        SOURCE.fetch("https://t.me/nobody/5", client)


def test_an_answer_that_fails_on_the_way_is_a_limit(site: Site, chat: Chat) -> None:
    """What was found until then is kept, and what could not be looked at is said."""
    run_of(chat, *range(1, 60))
    site.broken["/s/selm_harbour?after=40"] = 500
    post, captures = visit(site, f"{T}/30")
    assert numbers(assemble(items(captures), post).items) == list(range(1, 41))
    assert limits(captures) == [
        "Of the posts of @selm_harbour only those numbered 1 to 40 were looked at",
        "A page of the preview could not be read: Telegram answered 500",
    ]


# --- visits --------------------------------------------------------------------------------------------------


def test_an_edit_between_two_visits_is_a_version(site: Site, chat: Chat) -> None:
    """The later text is shown, also where it is shorter; the earlier one is kept as a version with its time."""
    chat.say(1, "The bridge opens on Monday, we hear from the port")
    _, first = visit(site, f"{T}/1")
    chat.say(1, "The bridge opens on Tuesday", edited=True)
    site.asked.clear()
    _, second = visit(site, f"{T}/1")
    both = [*first, *second]
    post = posts(both)[1]
    assert (post.content, "edited" in post.labels) == ("The bridge opens on Tuesday", True)
    assert [(v.content, v.updated) for v in post.versions] == [
        ("The bridge opens on Monday, we hear from the port", post.published)
    ]
    assert assemble(items(both), post.id).items == (post,)


def test_what_is_gone_at_a_later_visit(site: Site, chat: Chat) -> None:
    """A known post that is not met again is asked for; its tombstone keeps its place, and it may come back."""
    run_of(chat, 1, 2, 3)
    post, first = visit(site, f"{T}/1")
    taken = chat.posts.pop(3)
    site.asked.clear()
    _, second = visit(site, f"{T}/1", known=(f"{T}/1", f"{T}/2", f"{T}/3", "https://x.com/i/status/1"))
    assert site.asked[-1] == "/selm_harbour/3?embed=1&mode=tme"
    found = assemble(items([*first, *second]), post)
    assert [type(item) for item in found.items] == [Post, Post, Tombstone]
    assert found.items[2].in_reply_to == f"{T}/2"
    chat.posts[3] = taken
    site.asked.clear()
    _, third = visit(site, f"{T}/1")
    assert all(isinstance(i, Post) for i in assemble(items([*first, *second, *third]), post).items)


@given(st.randoms(use_true_random=False))
def test_any_order_of_the_captures(recorded: tuple[str, list[Capture]], order: random.Random) -> None:
    """Parsing the same captures in any order gives the same."""
    _, captures = recorded
    shuffled = list(captures)
    order.shuffle(shuffled)
    assert list(SOURCE.parse(shuffled)) == list(SOURCE.parse(captures))


@pytest.fixture(scope="module")
def recorded() -> tuple[str, list[Capture]]:
    """Two visits: a run, a gap, an album, an edit."""
    with served() as running:
        talk = running.chat()
        run_of(talk, 1, 5, 20, 60)
        talk.say(7, "Views", album=2, answers="5")
        talk.say(61, "Said by another", forwarded="selm_gauge/3")
        post, captures = visit(running, f"{T}/60")
        talk.say(5, "Shorter", answers="1", edited=True)
        del talk.posts[20]
        running.asked.clear()
        _, more = visit(running, f"{T}/60", known=(f"{T}/20",))
        return post, [*captures, *more]


def test_redaction_of_a_visit(recorded: tuple[str, list[Capture]]) -> None:
    """After a removal nothing of the author's text is left in any page, and each post is a tombstone."""
    _, captures = recorded
    author = frozenset({T})
    bodies = [SOURCE.redact(c, author) for c in captures]
    assert not [b for b in bodies if b"Post number" in b or b"Selm Harbour News" in b or b"Views" in b]
    after = [
        Capture(hashlib.sha256(b).hexdigest(), b, c.media_type, c.retrieved, c.url, c.status, c.location)
        for b, c in zip(bodies, captures, strict=True)
    ]
    before = {value.id for value in SOURCE.parse(captures) if isinstance(value, Post | Tombstone)}
    found = [value for value in SOURCE.parse(after) if isinstance(value, Post | Tombstone)]
    assert {value.id for value in found} == before
    assert not [value for value in found if isinstance(value, Post)]
    assert all(SOURCE.sniff(c) for c in (*captures, *after))


def test_what_is_left_when_the_asked_post_is_gone(site: Site, chat: Chat) -> None:
    """Where the head is gone at a later visit, the posts known below it are asked for before that is said."""
    run_of(chat, 1, 2, 3)
    visit(site, f"{T}/1")
    del chat.posts[1]
    with Client(config(site)) as client:
        with pytest.raises(FetchError, match="no such post"):
            SOURCE.fetch(f"{T}/1", client, (f"{T}/1", f"{T}/2", f"{T}/3"))
        found = assemble(items(client.captures), f"{T}/3")
    assert [type(item) for item in found.items] == [Tombstone, Post, Post]


def test_what_other_posts_answer_is_not_said_to_be_gone(site: Site, chat: Chat) -> None:
    """Of a post that only a neighbour of the run answers nobody was asked, and that is what its gap says."""
    for number in range(1, 60):
        chat.say(number)
    run_of(chat, 2, 50)
    run_of(chat, 55, 56)
    post, captures = visit(site, f"{T}/55")
    assert assemble(items(captures), post).certificate.complete == "yes"
    other = assemble(items(captures), f"{T}/50")
    assert [gap.evidence for gap in other.certificate.gaps] == ["it is answered here, and was not asked for"]


def test_a_page_that_quotes_a_preview_is_not_telegrams(site: Site, chat: Chat) -> None:
    """A page of another site with markup of the preview in it is not taken for one."""
    chat.say(1)
    (page, *_) = visit(site, f"{T}/1")[1]
    other = msgspec.structs.replace(page, url="https://lantern.example/2031/05/the-bridge")
    assert (SOURCE.sniff(page), SOURCE.sniff(other)) == (True, False)


# --- shapes and hostile pages --------------------------------------------------------------------------------


def test_hidden_words_of_the_page_are_no_media(site: Site, chat: Chat) -> None:
    """Each post has "Please open Telegram" hidden in it; only where it is shown was something left out."""
    label = '<div class="message_media_not_supported_label">{}</div>'
    wrap = f'<div class="message_media_not_supported_wrap">{label}</div>'
    chat.say(1)
    chat.say(2, media=wrap.format("Please open Telegram to view this post"))
    chat.say(3, media=wrap.format("Service message"))
    sticker = wrap.replace("_wrap", "_wrap media_not_supported_cont", 1)
    chat.say(4, media=sticker.format("This media is not supported in your browser"))
    _, captures = visit(site, f"{T}/1")
    assert {n: p.labels for n, p in posts(captures).items()} == {1: (), 2: ("omitted:media",), 4: ()}


def test_a_video_too_long_for_the_preview_is_its_picture(site: Site, chat: Chat) -> None:
    """Where the preview has no video, its picture stands for it and a label says so."""
    chat.say(
        1,
        media='<a class="tgme_widget_message_video_player"><i class="tgme_widget_message_video_thumb" '
        "style=\"background-image:url('https://cdn.example/t.jpg')\"></i></a>",
    )
    post = posts(visit(site, f"{T}/1")[1])[1]
    assert [(a.type, a.url) for a in post.attachments] == [("image", "https://cdn.example/t.jpg")]
    assert post.labels == ("omitted:video",)


def test_a_signature_is_no_edit(site: Site, chat: Chat) -> None:
    """Only Telegram's own word says that a post was edited."""
    chat.say(1, signed="edited by Ada")
    chat.say(2, signed="Ada", edited=True)
    found = posts(visit(site, f"{T}/1")[1])
    assert (found[1].labels, found[2].labels) == ((), ("edited",))


def test_replies_in_a_circle_end(site: Site, chat: Chat) -> None:
    """Posts that answer each other, and themselves, are walked once."""
    chat.say(1, answers="2")
    chat.say(2, answers="1")
    chat.say(3, answers="3")
    assert set(numbers(thread(site, f"{T}/1").items)) == {1, 2}
    site.asked.clear()
    assert numbers(thread(site, f"{T}/3").items) == [3]
    assert len(site.asked) == 2


def test_pages_that_go_nowhere_end(site: Site, chat: Chat) -> None:
    """A page that shows the same posts again ends the walk, and a limit says so."""
    run_of(chat, 1, 2)
    again = site.answer("/s/selm_harbour/1")[1].encode()
    site.bodies["/s/selm_harbour?after=2"] = again
    post, captures = visit(site, f"{T}/1")
    assert len(site.asked) == 2
    assert numbers(assemble(items(captures), post).items) == [1, 2]
    assert limits(captures) == ["Of the posts of @selm_harbour only those numbered 1 to 2 were looked at"]


@pytest.mark.parametrize(
    "body", [b"", b"\xff\xfe\xff", b"{}", b"<html>" + b"<div>" * 100_000, b"<p>Too many requests"]
)
def test_odd_answers_on_the_way_are_limits(site: Site, chat: Chat, body: bytes) -> None:
    """A page that is none does not lose what was found before, and the thread is not called whole."""
    run_of(chat, 1, 2)
    site.bodies["/s/selm_harbour?after=2"] = body
    post, captures = visit(site, f"{T}/1")
    found = assemble(items(captures), post)
    assert numbers(found.items) == [1, 2]
    assert found.certificate.complete == "unknown"
    assert limits(captures)


def test_the_end_of_a_channel_is_where_nothing_later_was_shown() -> None:
    """An end that a later visit has passed is none; holes keep spans apart."""
    assert joined([Span(1, 5), Span(5, 5, True)]) == [Span(1, 5, True)]
    assert joined([Span(5, 5, True), Span(1, 9)]) == [Span(1, 9)]
    assert joined([Span(6, 9, True), Span(1, 5)]) == [Span(1, 9, True)]
    assert joined([Span(1, 5, True), Span(7, 9)]) == [Span(1, 5), Span(7, 9)]


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(0, 9), st.booleans())))
def test_spans_cover_what_they_are_made_of(given_: list[tuple[int, int, bool]]) -> None:
    """Joining loses and invents no number, in whatever order."""
    spans = [Span(first, first + more, ended) for first, more, ended in given_]
    found = joined(spans)
    assert {n for s in found for n in range(s.first, s.last + 1)} == {
        n for s in spans for n in range(s.first, s.last + 1)
    }
    assert found == joined(spans[::-1])
    assert all(a.last + 1 < b.first and not a.ended for a, b in pairwise(found))


def test_the_time_of_the_stand_in(site: Site, chat: Chat) -> None:
    """Dates are the page's, in UTC."""
    chat.say(30)
    assert posts(visit(site, f"{T}/30")[1])[30].published == datetime(2031, 5, 4, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "url",
    [
        "https://selm_harbour.tide.example/1",
        "https://tide.example/selm_harbour/1",
        "https://t.me.tide.example/selm_harbour/1",
        "https://selm_harbour.x.t.me/1",
    ],
)
def test_nobody_else_speaks_for_a_channel(url: str) -> None:
    """A page of another host that looks like the preview of a channel is not read as one."""
    with pytest.raises(InputError, match="does not name a post"):
        named(url)


def test_a_channel_that_is_listed_no_more_is_not_vouched_for(site: Site, chat: Chat) -> None:
    """That its list was read to the end once proves nothing of what it posted since."""
    run_of(chat, *range(1, 31))
    post, first = visit(site, f"{T}/1")
    assert assemble(SOURCE.parse(first), post).certificate.complete == "yes"
    run_of(chat, *range(1, 41))
    chat.lists = False
    site.asked.clear()
    _, second = visit(site, f"{T}/1")
    assert assemble(SOURCE.parse([*second, *first]), post).certificate.complete == "unknown"
    assert limits([*first, *second]) == [
        "Telegram lists no posts of @selm_harbour, so later ones could not be looked for"
    ]
    chat.lists = True
    site.asked.clear()
    _, third = visit(site, f"{T}/1")
    assert assemble(SOURCE.parse([*first, *second, *third]), post).certificate.found == 40
    assert limits([*first, *second, *third]) == []
