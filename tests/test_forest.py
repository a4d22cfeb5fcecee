"""The forest: what several captures tell of one post is merged, whatever their order; no edge makes a circle."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import msgspec
import pytest

from clew.forest import Forest, id_seconds
from clew.model import Actor, Item, Quote, Tombstone, Version
from test_thread import at, author, chain, post, record, uri


def merged(*copies: Item | Actor) -> Any:
    """The one item that any order of these copies gives."""
    found = [Forest(order).items for order in permutations(copies)]
    assert all(items == found[0] for items in found)
    return found[0][uri("a1")]


def test_an_edit_keeps_the_earlier_text() -> None:
    """The later text is the post's; the earlier one is a version, with the time when it was written."""
    old, new = post("a1", text="Before"), post("a1", text="After", updated=at(30))
    newest = post("a1", text="Last", updated=at(60))
    kept = merged(old, newest, new)
    assert kept.content == "Last"
    told = [(version.content, version.updated) for version in kept.versions]
    assert told == [("Before", at(1)), ("After", at(30))]


def test_two_texts_without_a_date_are_both_kept() -> None:
    """Where nothing tells which text is later, the longer is shown, and the other is not lost."""
    kept = merged(post("a1", text="Words that stay"), post("a1", text="Other words"))
    assert kept.content == "Words that stay"
    assert [(version.content, version.updated) for version in kept.versions] == [("Other words", None)]


@pytest.mark.parametrize(
    "short", ["A long text that", "A long text that …", "A long text… https://social.example/1", ""]
)
def test_a_text_that_was_cut_is_no_edit(short: str) -> None:
    """A format that gives only the start of a text does not make an edit of it."""
    kept = merged(
        post("a1", text="A long text that goes on after the cut"),
        msgspec.structs.replace(post("a1"), content=short),
    )
    assert kept.content == "A long text that goes on after the cut"
    assert kept.versions == ()


def test_versions_of_all_captures_are_joined() -> None:
    """A capture with an edit history and one without give both the post and its history."""
    held = post("a1", text="After", updated=at(30), versions=(Version("Before", at(1)),))
    kept = merged(held, msgspec.structs.replace(held, versions=(), replies=3))
    assert [version.content for version in kept.versions] == ["Before"]
    assert kept.replies == 3


def test_a_link_that_only_one_capture_knows_is_kept() -> None:
    """A fuller copy without its parent gets the parent from the other."""
    kept = merged(post("a1", "b0"), post("a1", text="A text that is longer", in_reply_to_actor=""))
    assert (kept.in_reply_to, kept.in_reply_to_actor) == (uri("b0"), author("b"))


def test_the_author_of_the_parent_belongs_to_that_parent() -> None:
    """Copies that name different parents do not lend each other the parent's author."""
    kept = merged(post("a1", "b0", text="A text that is longer", in_reply_to_actor=""), post("a1", "c0"))
    assert (kept.in_reply_to, kept.in_reply_to_actor) == (uri("b0"), "")


@pytest.mark.parametrize("reason", ["deleted", "forgotten", "private"])
def test_what_may_not_be_shown_hides_the_text(reason: Any) -> None:
    """A tombstone that is a fact stands above any copy of the text, and keeps its links and date."""
    kept = merged(post("a1", "b0", context=uri("b0")), Tombstone(uri("a1"), reason), Tombstone(uri("a1")))
    assert (kept.reason, kept.attributed_to) == (reason, author("a"))
    assert (kept.in_reply_to, kept.context, kept.published) == (uri("b0"), uri("b0"), at(1))


def test_what_several_captures_tell_of_an_actor_is_merged() -> None:
    """Name, handle, restrictions and archive of an actor may each come from another capture."""
    one = Actor(author("a"), name="Ada", outbox="account archive")
    two = Actor(author("a"), preferred_username="ada", restrictions=("nobot",))
    for order in ((one, two), (two, one)):
        kept = Forest(order).actors[author("a")]
        assert (kept.name, kept.preferred_username, kept.outbox) == ("Ada", "ada", "account archive")
        assert kept.restrictions == ("nobot",)


def test_texts_that_are_no_unicode_do_no_harm() -> None:
    """Half a surrogate pair in two copies of a post is no crash."""
    assert merged(post("a1", text="\ud800"), post("a1", text="\ud800\udc00")).content == "\ud800\udc00"


def test_parents_have_no_circle_and_children_mirror_them() -> None:
    """Each parent is here, and each edge is told from both of its ends."""
    forest = Forest([*chain("a1", "a2", head="a2"), post("a5", "x4"), post("b6", "a5", quote=Quote(uri("z1")))])
    assert set(forest.parents.values()) <= set(forest.items)
    assert forest.circles == {uri("a1")}
    edges = {(child, parent) for parent, ids in forest.children.items() for child in ids}
    assert edges == set(forest.parents.items())


def test_a_tombstone_without_a_date_is_as_old_as_its_first_answer() -> None:
    """A missing answer stands among the others just before the first post that answers it."""
    items: list[Item] = [
        post("a1"),
        post("a2", "a1"),
        post("a9", "a1"),
        post("a5", "a4"),
        Tombstone(uri("a4"), in_reply_to=uri("a1")),
    ]
    forest = Forest(items)
    assert forest.children[uri("a1")] == [uri("a2"), uri("a4"), uri("a9")]


def test_the_time_in_an_id() -> None:
    """Record keys carry microseconds, X numbers milliseconds; whatever else stands there carries nothing."""
    assert id_seconds(record(5)) == at(5).timestamp()
    number = int((at(5).timestamp() * 1000) - 1288834974657) << 22
    assert id_seconds(f"https://x.com/i/status/{number}") == at(5).timestamp()


@pytest.mark.parametrize("tail", ["", "12", "x", "9" * 5000, "9" * 19, "٣" * 19])
def test_ids_that_carry_no_time(tail: str) -> None:
    """Numbers that are too short, too long or absurd are no times, and no crash."""
    assert id_seconds(f"https://x.com/i/status/{tail}") is None or len(tail) == 19
    assert id_seconds(f"at://did:plc:ada/app.bsky.feed.post/{tail}") is None
    assert id_seconds(uri(tail)) is None
