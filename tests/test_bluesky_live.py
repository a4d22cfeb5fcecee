"""Bluesky by address: threads that were written through the API of a real network, and read back from it."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
import pytest

import clew
from bluesky_network import Account, Network, Posted, note
from clew.config import Config
from clew.errors import FetchError, InputError, Refused
from clew.fetch import Client
from clew.model import Capture, Limit, Post, Thread, Tombstone
from clew.sources.bluesky import SOURCE, fetching
from clew.thread import assemble
from clew.visiting import current, settled

pytestmark = pytest.mark.xdist_group("bluesky")


@dataclass
class Look:
    """A visit: the thread, and what it was made of."""

    thread: Thread
    captures: list[Capture]
    requests: int

    @property
    def ids(self) -> list[str]:
        return [item.id for item in self.thread.items]

    @property
    def found(self) -> list[str]:
        return [item.id for item in self.thread.items if isinstance(item, Post)]

    def asked(self, method: str) -> int:
        return sum(method in capture.url for capture in self.captures)


def derived(captures: Sequence[Capture], post: str) -> Thread:
    parsed = settled(SOURCE.parse(current(captures)), captures)
    return assemble(parsed, post)


def look(config: Config, url: str, known: Sequence[str] = (), earlier: Sequence[Capture] = ()) -> Look:
    with Client(config, earlier=earlier) as client:
        post = SOURCE.fetch(url, client, known)
    captures = [*earlier, *client.captures]
    return Look(derived(captures, post), captures, client.requests)


def refusal(config: Config, url: str) -> str:
    """Return the sentence with which a visit ends."""
    with Client(config) as client, pytest.raises((FetchError, InputError, Refused)) as caught:
        SOURCE.fetch(url, client)
    return str(caught.value)


def page(account: Account, post: Posted) -> str:
    return f"https://bsky.app/profile/{account.handle}/post/{post.rkey}"


def run(account: Account, count: int, first: Posted | None = None) -> list[Posted]:
    """Write a thread, or go on with one."""
    line = [first or account.post("Part 1")]
    while len(line) < count:
        line.append(account.post(f"Part {len(line) + 1}", reply_to=line[-1]))
    return line


def picture(width: int, height: int) -> bytes:
    """A grey PNG."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + b"\x80" * width for _ in range(height)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


# --- a thread with everything in it ------------------------------------------------------------------------------


@dataclass
class World:
    """30 posts by Ada, one of them deleted since, and what hangs around them."""

    network: Network
    ada: Account
    ben: Account
    cid: Account
    config: Config
    line: list[Posted] = field(default_factory=list)
    """All 31 that Ada wrote; the 12th and the last are deleted."""
    fork: list[Posted] = field(default_factory=list)
    asides: list[Posted] = field(default_factory=list)
    answered: list[Posted] = field(default_factory=list)
    quoted: Posted | None = None
    detached: Posted | None = None
    images: list[bytes] = field(default_factory=list)

    @property
    def surviving(self) -> list[str]:
        return [post.uri for n, post in enumerate(self.line, 1) if n not in (12, 31)]


TEXT = "Naïve 🚢 harbour #tide and @ben.test: see example.com"


def facets(ben: Account) -> list[dict[str, object]]:
    """Marks in TEXT, counted in bytes."""

    def facet(part: str, kind: str, **feature: str) -> dict[str, object]:
        start = TEXT.encode().index(part.encode())
        index = {"byteStart": start, "byteEnd": start + len(part.encode())}
        return {"index": index, "features": [{"$type": f"app.bsky.richtext.facet#{kind}", **feature}]}

    return [
        facet("#tide", "tag", tag="tide"),
        facet("@ben.test", "mention", did=ben.did),
        facet("example.com", "link", uri="https://example.com/"),
    ]


def quoting(post: Posted) -> dict[str, object]:
    return {"$type": "app.bsky.embed.record", "record": post.ref}


@pytest.fixture(scope="module")
def world(bluesky_network: Network) -> World:
    ada, ben, cid = (bluesky_network.account(name) for name in ("ada", "ben", "cid"))
    made = World(bluesky_network, ada, ben, cid, bluesky_network.config())
    ada.put_profile(displayName="Ada Ferrar", description="Tides")
    made.quoted, made.detached = ben.post("A post worth a quote"), ben.post("Not to be quoted")
    made.images = [picture(4, 3), picture(2, 2)]
    blobs = [ada.upload(data, "image/png") for data in made.images]
    images = [
        {"image": blobs[0], "alt": "A grey quay", "aspectRatio": {"width": 4, "height": 3}},
        {"image": blobs[1], "alt": ""},
    ]
    media = {"$type": "app.bsky.embed.images", "images": images}
    card = {"uri": "https://example.com/log", "title": "The log", "description": "Every tide"}
    special: dict[int, dict[str, object]] = {
        2: {"text": TEXT, "facets": facets(ben), "langs": ["en", "fr"]},
        3: {"embed": media},
        5: {"embed": quoting(made.quoted)},
        6: {"embed": quoting(made.detached)},
        7: {"embed": {"$type": "app.bsky.embed.recordWithMedia", "record": quoting(made.quoted), "media": media}},
        8: {"embed": {"$type": "app.bsky.embed.external", "external": card}},
        9: {"labels": ["graphic-media"]},
    }
    line = made.line
    for n in range(1, 32):
        fields = {"text": f"Part {n} of the harbour log", **special.get(n, {})}
        line.append(ada.create(note(**fields, reply_to=line[-1] if line else None)))  # type: ignore[arg-type]
    made.fork = [ada.post("Another way to say it", reply_to=line[14])]
    made.fork.append(ada.post("and on", reply_to=made.fork[0]))
    hidden, blocked = ben.post("A rude question", reply_to=line[3]), cid.post("And how high?", reply_to=line[20])
    deeper = ben.post("Three metres?", reply_to=blocked)
    made.answered = [hidden, blocked, deeper]
    made.asides = [ada.post("A kind answer", reply_to=hidden), ada.post("Four.", reply_to=deeper)]
    ada.hide(line[0], hidden)
    ada.block(cid.did)
    ben.detach(made.detached, line[5])
    ada.delete(line[11])
    ada.delete(line[30])
    bluesky_network.drain()
    return made


@pytest.fixture(scope="module")
def seen(world: World) -> Look:
    return look(world.config, page(world.ada, world.line[0]))


def test_every_surviving_post_is_here_in_order_and_the_deleted_one_is_named(world: World, seen: Look) -> None:
    """Of 31 posts 29 survive; the deleted middle is a gap with its address, the deleted tail left nothing."""
    assert seen.found == world.surviving
    assert seen.ids == [post.uri for post in world.line[:30]]
    (gap,) = seen.thread.certificate.gaps
    assert (gap.id, gap.reason, gap.after) == (world.line[11].uri, "deleted", world.line[10].uri)
    assert seen.thread.certificate.sentence == "29 of at least 30 posts are here: 1 deleted."
    (author,) = [actor for actor in seen.thread.actors if actor.id == world.ada.did]
    assert (author.name, author.preferred_username, author.outbox) == ("Ada Ferrar", "ada.test", "repository")


@pytest.mark.parametrize("n", [1, 11, 12, 13, 30])
@pytest.mark.parametrize("form", ["page", "page by DID", "at-URI by handle", "at-URI"])
def test_any_post_and_any_form_of_address_gives_the_same_thread(
    world: World, seen: Look, n: int, form: str
) -> None:
    """First, middle, last, even the deleted one: the thread is the same."""
    post, ada = world.line[n - 1], world.ada
    url = {
        "page": page(ada, post),
        "page by DID": f"https://www.bsky.app/profile/{ada.did}/post/{post.rkey}?ref=x#top",
        "at-URI by handle": post.uri.replace(ada.did, ada.handle),
        "at-URI": post.uri,
    }[form]
    found = look(world.config, url).thread
    assert unchecked(found) == unchecked(seen.thread)


def unchecked(thread: Thread) -> Thread:
    """A thread without what differs from visit to visit: when it was asked for, in which answers, in what words."""

    def bare(item: Post | Tombstone) -> Post | Tombstone:
        if isinstance(item, Tombstone):
            return msgspec.structs.replace(item, checked=None, evidence="")
        return msgspec.structs.replace(item, capture="")

    def all_of(items: Sequence[Post | Tombstone]) -> tuple[Post | Tombstone, ...]:
        return tuple(map(bare, items))

    return msgspec.structs.replace(
        thread,
        items=all_of(thread.items),
        context=all_of(thread.context),
        quoted=all_of(thread.quoted),
        branches=tuple(msgspec.structs.replace(r, items=all_of(r.items)) for r in thread.branches),
        asides=tuple(
            msgspec.structs.replace(r, items=all_of(r.items), answered=all_of(r.answered)) for r in thread.asides
        ),
        certificate=msgspec.structs.replace(
            thread.certificate,
            gaps=tuple(msgspec.structs.replace(gap, evidence="") for gap in thread.certificate.gaps),
        ),
    )


def test_the_front_door_gives_the_same(world: World, seen: Look) -> None:
    """``clew.unroll`` of an address is this visit."""
    thread = clew.unroll(page(world.ada, world.line[0]), config=world.config)
    assert unchecked(thread) == unchecked(seen.thread)


def test_captures_in_any_order_give_the_same_thread(world: World, seen: Look) -> None:
    """What was received is the only fact: the order in which it is read again does not matter."""
    for seed in range(5):
        mixed = random.Random(seed).sample(seen.captures, len(seen.captures))
        assert derived(mixed, world.line[0].uri) == seen.thread


def test_the_text_is_exact_and_its_marks_stand_where_they_were_set(seen: Look) -> None:
    """Offsets in bytes become code points."""
    post = seen.thread.items[1]
    assert isinstance(post, Post)
    assert (post.content, post.langs) == (TEXT, ("en", "fr"))
    marks = [(TEXT[f.start : f.end], f.type) for f in post.facets]
    assert marks == [("#tide", "tag"), ("@ben.test", "mention"), ("example.com", "link")]


def test_images_are_addressed_at_the_author_s_server_with_alt_and_size(world: World, seen: Look) -> None:
    """The address gives the very bytes that were uploaded; no alt text and an empty one differ."""
    post = seen.thread.items[2]
    assert isinstance(post, Post)
    first, second = post.attachments
    assert (first.alt, first.width, first.height, second.alt) == ("A grey quay", 4, 3, "")
    with Client(world.config) as client:
        bodies = [client.get(image.url).body for image in (first, second)]
    assert bodies == world.images


def test_quotes_come_with_the_post_quoted_and_a_detached_one_without(world: World, seen: Look) -> None:
    """Whoever detached a quote is not quoted, also where the quoting record still names the post."""
    assert world.quoted
    assert world.detached
    accepted, detached, both, card, labelled = seen.thread.items[4:9]
    assert isinstance(accepted, Post)
    assert accepted.quote
    assert accepted.quote.id == world.quoted.uri
    assert isinstance(detached, Post)
    assert detached.quote
    assert detached.quote.state == "detached"
    assert isinstance(both, Post)
    assert both.quote
    assert len(both.attachments) == 2
    assert isinstance(card, Post)
    assert card.attachments[0].name == "The log"
    assert isinstance(labelled, Post)
    assert labelled.sensitive
    assert [post.content for post in seen.thread.quoted] == ["A post worth a quote"]
    assert "Not to be quoted" not in str(seen.thread)


def test_a_fork_is_a_branch_and_answers_to_others_are_asides(world: World, seen: Look) -> None:
    """Neither a block nor a hidden reply takes anything out: the author's repository knows of neither."""
    (branch,) = seen.thread.branches
    assert [item.id for item in branch.items] == [post.uri for post in world.fork]
    hidden, blocked, deeper = (post.uri for post in world.answered)
    asides = {run.items[0].id: [item.id for item in run.answered] for run in seen.thread.asides}
    assert asides == {world.asides[0].uri: [hidden], world.asides[1].uri: [blocked, deeper]}
    texts = {item.content for run in seen.thread.asides for item in run.answered if isinstance(item, Post)}
    assert texts == {"A rude question", "And how high?", "Three metres?"}


def test_a_foreign_parent_is_context(world: World) -> None:
    """A thread that answers somebody else begins with the author's own first post; what it answers stands above."""
    dan = world.network.account("dan")
    top = world.ben.post("What is a tide?")
    between = dan.post("Good question", reply_to=top)
    line = run(world.ada, 3, world.ada.post("An answer in three", reply_to=between))
    world.network.drain()
    found = look(world.config, page(world.ada, line[1]))
    assert found.found == [post.uri for post in line]
    assert [item.id for item in found.thread.context] == [top.uri, between.uri]
    assert isinstance(found.thread.context[0], Post)
    assert found.thread.certificate.complete == "yes"
    assert found.asked("getPostThread") == 1


def test_a_blocked_parent_is_named_and_not_shown(world: World) -> None:
    """The author blocked whom the thread answers: Bluesky hides that post, and so does the page."""
    asked = world.cid.post("A question from somebody blocked")
    line = run(world.ada, 2, world.ada.post("An answer nevertheless", reply_to=asked))
    world.network.drain()
    found = look(world.config, page(world.ada, line[1]))
    assert found.found == [post.uri for post in line]
    (above,) = found.thread.context
    assert isinstance(above, Tombstone)
    assert (above.id, above.reason, above.attributed_to) == (asked.uri, "blocked", world.cid.did)


def test_requests_are_as_few_as_the_protocol_allows(world: World) -> None:
    """100 posts by DID: who, where, one full page, and the empty one that says that it was the last."""
    tess = world.network.account("tess")
    line = run(tess, 100)
    world.network.drain()
    found = look(world.config, line[0].uri)
    assert found.found == [post.uri for post in line]
    assert found.thread.certificate.complete == "yes"
    assert found.requests == 4
    assert look(world.config, line[-1].uri).requests == 5, "one page more: the last post's, which tells the root"
    assert look(world.config, page(tess, line[0])).requests == 4, "a handle costs nothing"
    more = run(tess, 51, line[-1])
    world.network.drain()
    longer = look(world.config, page(tess, more[20]))
    assert longer.found == [post.uri for post in [*line, *more[1:]]], "150 posts"
    assert longer.thread.certificate.complete == "yes"


def test_what_is_not_needed_is_not_asked(seen: Look) -> None:
    """Quotes and asides cost one request to the AppView together, and one more for what is above an answer."""
    assert seen.asked("getPosts") == 2
    assert seen.asked("getPostThread") == 0
    assert seen.requests == 6


# --- who does not want to be read, and who is not there ----------------------------------------------------------


def test_a_hidden_account_is_refused_with_a_sentence(world: World) -> None:
    """Who shows posts to the logged in only is not read, whether the AppView says so or the profile itself."""
    hush = world.network.account("hush")
    hush.put_profile(labels=["!no-unauthenticated"])
    post = hush.post("For few")
    world.network.drain()
    said = "Not read: the author shows posts to readers who are logged in only: hush.test."
    assert refusal(world.config, page(hush, post)) == said
    assert refusal(without_appview(world.config), post.uri) == said.replace("hush.test", hush.did)


def test_a_hidden_post_is_a_tombstone(world: World) -> None:
    """One post for the logged in leaves its place in the thread; its text is not shown, and not kept."""
    line = run(world.cid, 2)
    secret = world.cid.post("Only for members", reply_to=line[1], labels=["!no-unauthenticated"])
    last = world.cid.post("Part 4", reply_to=secret)
    world.network.drain()
    found = look(world.config, page(world.cid, last))
    gone = found.thread.items[2]
    assert isinstance(gone, Tombstone)
    assert gone.reason == "private"
    kept = [msgspec.structs.replace(c, body=SOURCE.redact(c, frozenset())) for c in found.captures]
    assert b"Only for members" in b"".join(c.body for c in found.captures)
    assert b"Only for members" not in b"".join(c.body for c in kept)
    assert derived(kept, last.uri) == found.thread


def test_a_deactivated_account_is_said_to_be_so_and_its_posts_go(world: World) -> None:
    """Nothing is to be had any more; what an earlier visit received is no longer shown."""
    gone = world.network.account("gone")
    line = run(gone, 3)
    world.network.drain()
    before = look(world.config, line[0].uri)
    assert len(before.found) == 3
    gone.deactivate()
    world.network.drain()
    said = refusal(world.config, page(gone, line[0]))
    assert said.startswith("The author's server does not show the account")
    with Client(world.config) as client:
        SOURCE.fetch(line[0].uri, client, before.found)
    captures = [*before.captures, *client.captures]
    left = list(settled(SOURCE.parse(current(captures)), captures))
    assert not [item for item in left if isinstance(item, Post)]
    assert {item.reason for item in left if isinstance(item, Tombstone)} == {"unavailable"}


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://bsky.app/profile/nobody.test/post/3kabcdefghij2", "Nobody on Bluesky was found under the handle"),
        (
            "https://bsky.app/profile/did:plc:aaaaaaaaaaaaaaaaaaaaaaaa/post/3kabcdefghij2",
            "There is no account did:plc",
        ),
        ("https://bsky.app/profile/ada.test/post/3kabcdefghij2", "The author's server does not have this post"),
        ("at://ada.test/app.bsky.feed.post/2222222222222", "The author's server does not have this post"),
        ("https://bsky.app/profile/ada.test", "This address does not name a post of Bluesky"),
        ("https://bsky.app/profile/not a handle/post/3kabcdefghij2", "This address does not name a post"),
        ("at://did:plc:x/app.bsky.feed.like/3kabcdefghij2", "This address does not name a post of Bluesky"),
    ],
)
def test_what_leads_nowhere_is_told_in_one_sentence(world: World, url: str, said: str) -> None:
    """A wrong handle, DID, key or address ends with a sentence that says which."""
    assert refusal(world.config, url).startswith(said)


# --- servers that do not answer ----------------------------------------------------------------------------------


def without_appview(config: Config) -> Config:
    """Nobody answers where the AppView should be."""
    hosts = tuple(h for h in config.network.private_hosts if h.rpartition(":")[2] != port(config.bluesky.appview))
    return msgspec.structs.replace(config, network=msgspec.structs.replace(config.network, private_hosts=hosts))


def without_pds(world: World) -> Config:
    """The author's server cannot be dialled."""
    network = world.config.network
    hosts = tuple(h for h in network.private_hosts if h.rpartition(":")[2] != port(world.network.pds))
    return msgspec.structs.replace(world.config, network=msgspec.structs.replace(network, private_hosts=hosts))


def port(url: str) -> str:
    return url.rpartition(":")[2]


def limits(captures: Sequence[Capture]) -> list[Limit]:
    return [value for value in SOURCE.parse(captures) if isinstance(value, Limit)]


def test_without_the_appview_the_thread_is_as_complete(world: World, seen: Look) -> None:
    """The repository has it all; only what others wrote is missing, and that is said."""
    found = look(without_appview(world.config), world.line[29].uri)
    assert found.found == seen.found
    assert found.thread.certificate.gaps[0].reason == "deleted"
    (limit,) = limits(found.captures)
    assert limit.about == "surroundings"
    assert "did not answer" in limit.evidence
    assert not found.thread.quoted
    (author,) = [actor for actor in found.thread.actors if actor.id == world.ada.did]
    assert author.name == "Ada Ferrar"


def test_without_the_author_s_server_the_appview_is_read_and_that_is_said(world: World) -> None:
    """From the last post up the AppView shows 13 to 30; what it cut off is a gap, that it may be more a limit."""
    found = look(without_pds(world), page(world.ada, world.line[29]))
    assert found.found == [post.uri for post in world.line[12:30]]
    (limit,) = limits(found.captures)
    assert (limit.actor, limit.about) == (world.ada.did, "thread")
    assert "own server did not answer" in limit.evidence
    assert found.thread.certificate.complete == "no"


def test_the_appview_is_asked_again_where_an_answer_broke_off(world: World) -> None:
    """A long thread is put together from answers of ten levels each, whichever post it begins from."""
    fay = world.network.account("fay")
    line = run(fay, 120)
    world.network.drain()
    for n in (0, 60, 119):
        found = look(without_pds(world), line[n].uri)
        assert found.found == [post.uri for post in line]
        assert found.requests <= 120 // 10 + 4


def test_nobody_answers(world: World) -> None:
    """Where neither has the post to give, one sentence says so."""
    config = without_appview(without_pds(world))
    assert refusal(config, world.line[0].uri).startswith("Neither the author's server nor Bluesky shows this post")


# --- again -------------------------------------------------------------------------------------------------------


def test_a_second_look_finds_what_grew_and_what_is_gone(world: World) -> None:
    """A post that was deleted meanwhile is proven to be, its text is not shown, and the new one is there."""
    eve = world.network.account("eve")
    line = run(eve, 4)
    world.network.drain()
    first = look(world.config, page(eve, line[0]))
    eve.delete(line[1])
    eve.delete(line[3])
    new = eve.post("Part 5", reply_to=line[2])
    world.network.drain()
    second = look(world.config, page(eve, line[0]), first.found, first.captures)
    assert second.found == [line[0].uri, line[2].uri, new.uri]
    tombstones = {item.id: item for item in second.thread.items if isinstance(item, Tombstone)}
    assert (tombstones[line[1].uri].reason, tombstones[line[1].uri].in_reply_to) == ("deleted", line[0].uri)
    (branch,) = second.thread.branches
    assert isinstance(branch.items[0], Tombstone)
    assert branch.items[0].id == line[3].uri
    assert "Part 2" not in str(second.thread)
    assert second.requests == 4, "the walk proves it: nobody is asked post by post"


# --- an author with a long life ----------------------------------------------------------------------------------


def test_20_000_later_posts_cost_a_dozen_requests(bluesky_pds: Network) -> None:
    """The walk stops after 1,000 later posts, says up to when it read, and vouches for no more than that."""
    olga = bluesky_pds.account("olga")
    line = run(olga, 30)
    olga.create_many(note(f"Later {n}") for n in range(20_000))
    found = look(bluesky_pds.config(), line[0].uri)
    assert found.found == [post.uri for post in line]
    assert found.asked("listRecords") == fetching.QUIET + 1
    assert found.requests == fetching.QUIET + 4, "and who, where, the profile"
    (limit,) = [limit for limit in limits(found.captures) if limit.about == "thread"]
    assert limit.actor == olga.did
    assert limit.evidence.startswith("The author's repository was read up to ")
    assert found.thread.certificate.complete == "unknown"
    assert not [actor for actor in found.thread.actors if actor.outbox]


def test_a_thread_that_goes_on_years_later_is_followed(world: World) -> None:
    """Where the walk stopped, the AppView tells of the later post, and the walk goes on from there.

    In another's old conversation only what the author wrote there is read.
    """
    rosa = world.network.account("rosa")
    question = world.ben.post("A question from long ago")
    line = run(rosa, 3)
    rosa.create_many(note(f"Later {n}") for n in range(1_200))
    line = [*line, *run(rosa, 3, rosa.post("A postscript", reply_to=line[-1]))]
    world.network.drain()
    found = look(world.config, line[0].uri)
    assert found.found == [post.uri for post in line]
    (limit,) = limits(found.captures)
    assert limit.about == "thread", "what lies between was not read"
    again = look(world.config, line[-1].uri)
    assert again.found == found.found
    answers = run(rosa, 3, rosa.post("A late answer", reply_to=question))
    world.network.drain()
    for post in answers:
        late = look(world.config, post.uri)
        assert late.found == [post.uri for post in answers]
        assert [item.id for item in late.thread.context] == [question.uri]
        assert late.thread.certificate.complete == "yes"
        assert late.requests <= 6
