"""assemble() and threads(): which posts are the thread, from any post, whatever the order and however malformed.

Posts are named by a letter for the author and a number for the minute: "a3" is Ada's, of 08:03.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from types import FrameType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clew.errors import ClewError, ThreadError
from clew.forest import Forest
from clew.model import Actor, Attachment, Item, Poll, PollOption, Post, Quote, Reason, Rule, Thread, Tombstone
from clew.thread import assemble, places, threads

DAY = datetime(2026, 3, 1, 8, tzinfo=UTC)
RULES: tuple[Rule, ...] = ("longest", "oldest", "all")


def uri(key: str) -> str:
    return f"https://social.example/notes/{key}" if key else ""


def author(key: str) -> str:
    return f"https://social.example/@{key[:1]}" if key else ""


def at(minute: float) -> datetime:
    return DAY + timedelta(minutes=minute)


def post(key: str, parent: str = "", text: str = "", **more: Any) -> Post:
    """A post; it says who wrote its parent, as platforms do, unless ``in_reply_to_actor`` says otherwise."""
    minute = float("".join(c for c in key if c.isdecimal()) or 0)
    given: dict[str, Any] = {
        "published": at(minute),
        "in_reply_to": uri(parent),
        "in_reply_to_actor": author(parent),
    } | more
    return Post(uri(key), author(key), text or f"Words of {key}", capture="0" * 64, **given)


def record(minute: float) -> str:
    """A Bluesky post of Ada's, its key made ``minute`` minutes after eight."""
    number, key = int(at(minute).timestamp() * 1e6) << 10, ""
    for _ in range(13):
        number, digit = divmod(number, 32)
        key = "234567abcdefghijklmnopqrstuvwxyz"[digit] + key
    return f"at://did:plc:ada/app.bsky.feed.post/{key}"


def grave(key: str, parent: str = "", deleted: float | None = None, **more: Any) -> Tombstone:
    """A post that is known to be deleted, ``deleted`` minutes after eight."""
    when = None if deleted is None else at(deleted)
    minute = float("".join(c for c in key if c.isdecimal()) or 0)
    given: dict[str, Any] = {"reason": "deleted", "published": at(minute), "attributed_to": author(key)} | more
    return Tombstone(uri(key), in_reply_to=uri(parent), deleted=when, **given)


def chain(*keys: str, head: str = "") -> list[Post]:
    return [post(key, above) for above, key in zip([head, *keys], keys, strict=False)]


def keys(items: Iterable[Item]) -> str:
    return " ".join(item.id.rsplit("/", 1)[-1] for item in items)


def line(items: Iterable[Any], key: str, rule: Rule = "longest") -> str:
    return keys(assemble(items, uri(key), rule).items)


def branches(thread: Thread) -> list[str]:
    return [keys(run.items) for run in thread.branches]


def asides(thread: Thread) -> list[str]:
    return [keys(run.items) for run in thread.asides]


def everything(thread: Thread) -> Iterator[Item]:
    yield from (*thread.context, *thread.items, *thread.quoted)
    for run in (*thread.branches, *thread.asides):
        yield from (*run.answered, *run.items)


# -- from any post ------------------------------------------------------------------------------------------------

CONVERSATION = [
    *chain("a1", "a2", "a3", "a9"),
    post("a5", "a2"),
    *chain("b4", "b6", head="a3"),
    post("a7", "b6"),
    post("a8", "a7"),
    post("c9", "a7"),
]


@pytest.mark.parametrize("start", ["a1", "a2", "a9", "a5"])
def test_from_the_head_the_middle_the_tail_and_a_branch(start: str) -> None:
    """Every post of the run leads to the same whole thread."""
    thread = assemble(CONVERSATION, uri(start))
    assert keys(thread.items) == "a1 a2 a3 a9"
    assert branches(thread) == ["a5"]
    assert asides(thread) == ["a7 a8"]
    assert thread.id == uri("a1")


def test_an_aside_shows_all_that_stands_between_it_and_the_line() -> None:
    """An answer to somebody's second reply is shown with both replies."""
    (aside,) = assemble(CONVERSATION, uri("a1")).asides
    assert keys(aside.answered) == "b4 b6"
    assert aside.in_reply_to == uri("b6")


def test_two_answers_below_one_conversation_show_it_once() -> None:
    """Each answer has the post that it answers; what stands above was shown with the first."""
    items = [post("a1"), *chain("b2", "b3", head="a1"), post("a4", "b3"), post("c5", "b3"), post("a6", "c5")]
    first, second = assemble(items, uri("a1")).asides
    assert (keys(first.answered), keys(second.answered)) == ("b2 b3", "c5")


def test_from_an_aside() -> None:
    """An answer to another author is a run of its own: what it answers is context, not the thread."""
    thread = assemble(CONVERSATION, uri("a8"))
    assert keys(thread.items) == "a7 a8"
    assert keys(thread.context) == "a1 a2 a3 b4 b6"


def test_from_an_aside_the_answers_below_it_are_its_asides() -> None:
    """What the author answered further down is not lost when the thread begins at an answer."""
    items = [post("a1"), post("b2", "a1"), post("a3", "b2"), post("b4", "a3"), post("a5", "b4"), post("a6", "b2")]
    assert asides(assemble(items, uri("a1"))) == ["a3", "a5", "a6"]
    assert asides(assemble(items, uri("a3"))) == ["a5"]
    assert line(items, "a3", "all") == "a3 a5"


def test_from_another_authors_post() -> None:
    """The thread of a reply is its author's: never the root author's."""
    thread = assemble(CONVERSATION, uri("b6"))
    assert keys(thread.items) == "b4 b6"
    assert thread.attributed_to == author("b")
    assert keys(assemble(CONVERSATION, uri("c9")).items) == "c9"


def test_a_foreign_parent_is_context() -> None:
    """What the head answers stands above the thread, outermost first, and is no part of it."""
    thread = assemble([*chain("b1", "b2"), *chain("a3", "a4", head="b2")], uri("a4"))
    assert (keys(thread.context), keys(thread.items)) == ("b1 b2", "a3 a4")
    assert thread.certificate.found == 2


def test_no_such_post() -> None:
    """A post that is not here is an error that names it."""
    with pytest.raises(ThreadError, match=r"No such post here: https://social\.example/notes/z1"):
        assemble(CONVERSATION, uri("z1"))


@pytest.mark.parametrize(
    ("tomb", "says"),
    [
        (grave("a1"), "This post is deleted"),
        (Tombstone(uri("a1"), "not_federated"), "This post is not known to the server that was asked"),
        (Tombstone(uri("a1"), "forgotten", attributed_to=author("a")), "removed at the author's request"),
    ],
)
def test_only_a_tombstone(tomb: Tombstone, says: str) -> None:
    """Where nothing of a thread is here, that is said in plain words."""
    with pytest.raises(ThreadError, match=says):
        assemble([tomb], uri("a1"))


# -- the rules ----------------------------------------------------------------------------------------------------


def test_a_fork_goes_to_the_longest_line() -> None:
    """At a fork the longer line is the thread, though it began later; the other is a branch."""
    items = [*chain("a1", "a2", "a3"), *chain("a4", "a5", "a6", head="a1")]
    thread = assemble(items, uri("a1"))
    assert (keys(thread.items), branches(thread)) == ("a1 a4 a5 a6", ["a2 a3"])


def test_ties_go_to_the_earliest() -> None:
    """Of two lines of the same length the earlier is the thread."""
    items = [post("a1"), post("a3", "a1"), post("a2", "a1")]
    assert line(items, "a1") == "a1 a2"


def test_the_oldest_answer_whatever_its_length() -> None:
    """``oldest`` takes the first answer, and the page says that the rules disagree."""
    items = [*chain("a1", "a2"), *chain("a4", "a5", "a6", head="a1")]
    assert line(items, "a1", "oldest") == "a1 a2"
    disagree = "The rules “longest” and “oldest” choose different posts here"
    assert disagree in assemble(items, uri("a1")).certificate.limits
    assert disagree not in assemble(chain("a1", "a2"), uri("a1")).certificate.limits


def test_all_is_every_post_by_the_author_by_time() -> None:
    """``all`` has branches and asides in the line, and nobody else's posts."""
    thread = assemble(CONVERSATION, uri("a1"), "all")
    assert keys(thread.items) == "a1 a2 a3 a5 a7 a8 a9"
    assert (thread.branches, thread.asides) == ((), ())


def test_all_never_puts_a_post_before_what_it_answers() -> None:
    """Clocks run backwards; answers do not."""
    items = [post("a1", published=at(9)), post("a2", "a1", published=at(3)), post("a3", "a2", published=at(1))]
    for rule in RULES:
        assert line(items, "a3", rule) == "a1 a2 a3"


def test_a_fork_of_a_fork_is_a_branch_of_its_own() -> None:
    """Branches come in reading order, each once, with the post that each hangs on."""
    items = [*chain("a1", "a2", "a3", "a4", "a5"), *chain("a11", "a12", "a13", head="a1"), post("a20", "a11")]
    items += [post("a30", "a2")]
    thread = assemble(items, uri("a1"))
    assert branches(thread) == ["a11 a12 a13", "a30", "a20"]
    assert [keys([Tombstone(run.in_reply_to)]) for run in thread.branches] == ["a1", "a2", "a11"]


def test_a_missing_answer_does_not_win_a_fork() -> None:
    """What is not here does not take the place of what is, where both lines are equally long."""
    items = [post("a1"), grave("a2", "a1"), post("a3", "a1")]
    assert line(items, "a1") == "a1 a3"


# -- the five deletion cases of ``oldest`` ------------------------------------------------------------------------


def test_a_deleted_middle_keeps_its_slot() -> None:
    """While anything survives below a deleted post, its place is its own."""
    items = [post("a1"), grave("a2", "a1", deleted=10), post("a3", "a2"), post("a20", "a1"), post("a21", "a20")]
    assert line(items, "a1", "oldest") == "a1 a2 a3"


def test_a_deleted_tail_frees_its_slot_for_a_younger_post() -> None:
    """What was written after the deletion goes on."""
    items = [*chain("a1", "a2"), grave("a3", "a2", deleted=10), post("a20", "a2")]
    assert line(items, "a1", "oldest") == "a1 a2 a20"


def test_a_younger_fork_does_not_re_anchor() -> None:
    """A later, longer fork higher up does not take the line over when the tail is deleted."""
    items: list[Item] = [*chain("a1", "a2"), grave("a3", "a2", deleted=10), *chain("a20", "a21", "a22", head="a1")]
    thread = assemble(items, uri("a1"), "oldest")
    assert keys(thread.items) == "a1 a2"
    assert branches(thread) == ["a20 a21 a22", "a3"]


def test_a_reply_that_predates_the_deletion_is_not_promoted() -> None:
    """What stood beside a post while it lived stays a branch after it is deleted."""
    items: list[Item] = [*chain("a1", "a2"), grave("a3", "a2", deleted=10), post("a5", "a2")]
    thread = assemble(items, uri("a1"), "oldest")
    assert (keys(thread.items), branches(thread)) == ("a1 a2", ["a3", "a5"])
    assert line([*items, post("a20", "a2")], "a1", "oldest") == "a1 a2 a20"


def test_a_chain_deleted_whole_frees_its_slot_with_its_last_post() -> None:
    """The place is free when the last post below is gone: what was written before stays a branch."""
    gone = [grave("a2", "a1", deleted=10), grave("a3", "a2", deleted=30)]
    assert line([post("a1"), *gone, post("a20", "a1")], "a1", "oldest") == "a1"
    assert line([post("a1"), *gone, post("a40", "a1")], "a1", "oldest") == "a1 a40"


def test_the_age_is_that_of_the_record_key() -> None:
    """A date that its author set back does not make an answer older than the deletion."""
    first = Post(record(1), "did:plc:ada", "One", None, "")
    gone = Tombstone(record(2), "deleted", first.id, "did:plc:ada", deleted=at(10))
    young = Post(record(20), "did:plc:ada", "Two", at(-9999), "", in_reply_to=first.id)
    thread = assemble([first, gone, young], first.id, "oldest")
    assert thread.items == (first, young)
    assert "1 post bears a date far from the time in its id" in thread.certificate.limits


def test_a_post_that_only_some_may_read_keeps_its_slot() -> None:
    """A private answer is there for those whom it is meant for, so it was not deleted, and frees nothing."""
    items = [post("a1"), grave("a2", "a1", reason="private"), post("a3", "a1")]
    assert line(items, "a1", "oldest") == "a1 a2"


def test_a_line_is_never_of_missing_posts_alone() -> None:
    """Where ``oldest`` would end before the first post that is here, the longest line is taken."""
    items: list[Item] = [grave("a1"), grave("a2", "a1", deleted=10), post("a3", "a1")]
    thread = assemble(items, uri("a3"), "oldest")
    assert (keys(thread.items), thread.certificate.found) == ("a1 a3", 1)


# -- stars --------------------------------------------------------------------------------------------------------


def test_a_star_close_in_time() -> None:
    """Where every post answers the head within the hour, the answers are read by time."""
    items = [post("a1"), *(post(f"a{n}", "a1") for n in (4, 2, 3))]
    assert line(items, "a3") == "a1 a2 a3 a4"


def test_a_numbered_star_over_days() -> None:
    """Numbers prove a star that was written over days; without numbers or haste it is a fork."""
    minutes = [1, 3000, 6000, 9000]
    numbered = [post(f"a{m}", "a1" if n else "", f"Part {n + 1}/4") for n, m in enumerate(minutes)]
    assert line(numbered, "a1") == "a1 a3000 a6000 a9000"
    plain = [post(f"a{m}", "a1" if n else "", "Some words") for n, m in enumerate(minutes)]
    assert line(plain, "a1") == "a1 a3000"


def test_two_answers_are_no_star() -> None:
    """Two answers to the head are a fork."""
    assert line([post("a1"), post("a2", "a1"), post("a3", "a1")], "a1") == "a1 a2"


def test_no_star_where_a_longer_chain_exists() -> None:
    """Three asides to oneself beside a long thread stay branches."""
    items = [*chain("a1", "a5", "a6", "a7", "a8", "a9"), *(post(f"a{n}", "a1") for n in (2, 3, 4))]
    thread = assemble(items, uri("a1"))
    assert (keys(thread.items), branches(thread)) == ("a1 a5 a6 a7 a8 a9", ["a2", "a3", "a4"])


def test_a_star_under_oldest_is_a_fork() -> None:
    """``oldest`` knows no stars; the page says that the rules disagree."""
    items = [post("a1"), *(post(f"a{n}", "a1") for n in (2, 3, 4))]
    assert line(items, "a1", "oldest") == "a1 a2"
    assert any("choose different posts" in limit for limit in assemble(items, uri("a1")).certificate.limits)


def test_a_star_with_a_deleted_point() -> None:
    """A deleted answer has its place in the star, and does not break it."""
    items: list[Item] = [post("a1"), *(post(f"a{n}", "a1") for n in (2, 4, 5)), grave("a3", "a1")]
    thread = assemble(items, uri("a1"))
    assert keys(thread.items) == "a1 a2 a3 a4 a5"
    assert [gap.after for gap in thread.certificate.gaps] == [uri("a2")]


# -- bookkeeping --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "📌",
        " 📌\ufe0f\n",
        "@unroller.example unroll",
        "@unroller please unroll!",
        "@unroller@social.example @other unroll please",
        "Unroll @unroller",
        "@unroller compile.",
    ],
)
def test_bookkeeping_is_a_branch(text: str) -> None:
    """A reply that only pins the thread or calls a bot is kept, beside the line."""
    thread = assemble([*chain("a1", "a2"), post("a3", "a2", text)], uri("a1"))
    assert (keys(thread.items), branches(thread)) == ("a1 a2", ["a3"])


@pytest.mark.parametrize(
    ("text", "more"),
    [
        ("Now we unroll the carpet", {}),
        ("@weaver unroll the red one first", {}),
        ("📌 Remember this place", {}),
        ("📌", {"attachments": (Attachment("image", "https://social.example/1.jpg"),)}),
        ("📌", {"quote": Quote(uri("b1"))}),
        ("📌", {"poll": Poll((PollOption("Yes"), PollOption("No")))}),
    ],
)
def test_what_says_something_is_no_bookkeeping(text: str, more: dict[str, Any]) -> None:
    """The word "unroll" in prose, or a pin with a picture, quote or poll, is the author's text."""
    assert line([*chain("a1", "a2"), post("a3", "a2", text, **more)], "a1") == "a1 a2 a3"


def test_bookkeeping_wins_no_fork() -> None:
    """A pin that came first does not take the place of the next post."""
    items = [post("a1"), post("a2", "a1", "📌"), post("a3", "a1")]
    thread = assemble(items, uri("a1"))
    assert (keys(thread.items), branches(thread)) == ("a1 a3", ["a2"])


def test_bookkeeping_in_the_middle_stays() -> None:
    """Where the author went on below a pin, the pin is part of the line."""
    items = [post("a1"), post("a2", "a1", "📌"), post("a3", "a2")]
    assert line(items, "a1") == "a1 a2 a3"


def test_a_thread_may_be_bookkeeping_alone() -> None:
    """A lone pin below a deleted post is shown: a thread has at least one post."""
    assert line([grave("a1"), post("a2", "a1", "📌")], "a2") == "a1 a2"
    assert line([grave("a1"), grave("a2", "a1"), post("a3", "a1", "📌")], "a3") == "a1 a3"


# -- what is missing ----------------------------------------------------------------------------------------------


def test_a_deleted_head() -> None:
    """A thread whose head is gone begins with the gap."""
    thread = assemble([grave("a1"), *chain("a2", "a3", head="a1")], uri("a3"))
    assert (keys(thread.items), thread.id) == ("a1 a2 a3", uri("a1"))


def test_a_missing_post_in_place() -> None:
    """An own parent that nobody captured is a tombstone, put after the last older post of the thread."""
    items = [*chain("a1", "a2"), post("a5", "a4", context=uri("a1")), post("a6", "a5", context=uri("a1"))]
    thread = assemble(items, uri("a6"))
    assert keys(thread.items) == "a1 a2 a4 a5 a6"
    (gap,) = thread.certificate.gaps
    assert (gap.id, gap.after, gap.reason) == (uri("a4"), uri("a2"), "unavailable")
    assert "its place is inferred from its age" in gap.evidence


def test_several_fragments_join_in_turn() -> None:
    """Each fragment hangs on the one before it."""
    root = {"context": uri("a1")}
    items = [post("a1"), *(post(f"a{n}", f"a{n - 1}", **root) for n in (4, 7, 10, 13))]
    for start in ("a1", "a7", "a13"):
        assert line(items, start) == "a1 a3 a4 a6 a7 a9 a10 a12 a13"


def test_a_tombstone_that_was_told_joins_like_one_that_was_not() -> None:
    """A platform's "not found" without its parent is put in place too, with what its answers tell."""
    items = [*chain("a1", "a2"), Tombstone(uri("a4")), post("a5", "a4", context=uri("a1"))]
    assert line(items, "a1") == "a1 a2 a4 a5"


def test_a_missing_answer_to_somebody_is_not_put_into_the_line() -> None:
    """Where only others answered a missing post, it may have been an answer to them: no gap is claimed."""
    items = [*chain("a1", "a2"), post("b5", "a4", context=uri("a1"))]
    thread = assemble(items, uri("a1"))
    assert keys(thread.items) == "a1 a2"
    assert thread.certificate.complete == "unknown"
    assert any("1 missing post by the author may belong here" in limit for limit in thread.certificate.limits)


def test_a_missing_root_by_the_same_author() -> None:
    """A root that the posts name, and that is not here, is the thread's head; its id tells whose it was."""
    three: dict[str, Any] = {"in_reply_to": record(2), "context": record(1)}
    thread = assemble([Post(record(3), "did:plc:ada", "Three", at(3), "", **three)], record(3))
    assert [item.id for item in thread.items] == [record(1), record(2), record(3)]
    assert thread.certificate.sentence == "1 of at least 3 posts is here: 2 unavailable."


def test_a_missing_parent_without_a_root() -> None:
    """Without a root a fragment stays alone, begins with its gap, and the thread before it claims nothing."""
    items = [*chain("a1", "a2"), post("a5", "a4")]
    assert line(items, "a5") == "a4 a5"
    assert line(items, "a1") == "a1 a2"
    assert assemble(items, uri("a1")).certificate.complete == "unknown"


def test_a_parent_whose_author_is_unknown() -> None:
    """A missing parent that may be anybody's is context, and the page says so."""
    thread = assemble([post("a5", "x4", in_reply_to_actor="")], uri("a5"))
    assert (keys(thread.context), keys(thread.items)) == ("x4", "a5")
    assert (
        "The first post answers one that is not here, and whose that was is not known" in thread.certificate.limits
    )


def test_answers_that_disagree_about_a_parent_tell_nothing() -> None:
    """Where two answers name different authors of a missing post, nobody knows."""
    items = [post("a5", "x4", in_reply_to_actor=author("a")), post("b5", "x4", in_reply_to_actor=author("b"))]
    assert line(items, "a5") == "a5"


def test_a_blocked_parent_without_a_post() -> None:
    """A block is told as such: the foreign post above is context, the own one a gap."""
    wall = Tombstone(uri("b1"), "blocked", attributed_to=author("b"))
    assert assemble([wall, post("a2", "b1")], uri("a2")).context == (wall,)
    own = Tombstone(uri("a1"), "blocked", attributed_to=author("a"))
    assert assemble([own, post("a2", "a1")], uri("a2")).items[0] == own


def test_a_tombstone_hides_the_post_and_keeps_its_place() -> None:
    """A deletion that is learnt later, without any link, does not tear the thread apart."""
    late = Tombstone(uri("a2"), "deleted", deleted=at(60))
    orders: list[list[Item]] = [[*chain("a1", "a2", "a3"), late], [late, *chain("a1", "a2", "a3")]]
    for items in orders:
        thread = assemble(items, uri("a3"))
        assert keys(thread.items) == "a1 a2 a3"
        assert isinstance(thread.items[1], Tombstone)
        assert thread.items[1].published == at(2)


def test_a_post_wins_over_a_server_that_does_not_have_it() -> None:
    """ "Unavailable" is no fact about the post: where it is here, it is shown."""
    assert assemble([post("a1"), Tombstone(uri("a1"))], uri("a1")).items == (post("a1"),)


# -- malformed input ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_circle_is_cut_at_its_earliest_post(size: int) -> None:
    """Posts that answer each other in a circle are a thread from the earliest, and the page says so."""
    names = [f"a{n}" for n in range(1, size + 1)]
    items = [*chain(*names, head=names[-1]), post("a9", names[-1])]
    for rule in RULES:
        for start in (*names, "a9"):
            thread = assemble(items, uri(start), rule)
            assert keys(thread.items) == " ".join([*names, "a9"])
            assert "The posts answer each other in a circle; it is cut at the earliest" in thread.certificate.limits


def test_a_root_that_hangs_below_its_own_thread_makes_no_circle() -> None:
    """A missing post whose claimed root stands below it, through somebody else, stays where it is."""
    items = [
        post("a1", "b2"),
        post("b2", "a3", context=uri("a1")),
        post("a4", "a3", context=uri("a1")),
    ]
    assert line(items, "a1") == "a1"
    assert line(items, "a4") == "a3 a4"


def test_roots_that_cross_make_no_circle() -> None:
    """Two fragments that each name a root inside the other end up one below the other."""
    items = [
        post("a2", "a1", context=uri("a12")),
        post("a12", "a11", context=uri("a2")),
    ]
    assert line(items, "a2") == line(items, "a12")


def test_a_root_that_contradicts_the_parents() -> None:
    """Parents are followed, and the mismatch is told."""
    told = "Some posts name another root than their answers lead to; the answers are followed"
    items = [post("a1"), post("a2", "a1", context=uri("b9"))]
    assert line(items, "a2") == "a1 a2"
    assert told in assemble(items, uri("a2")).certificate.limits
    right = [post("a1"), post("a2", "a1", context=uri("a1"))]
    assert told not in assemble(right, uri("a2")).certificate.limits


def test_clocks_that_run_backwards() -> None:
    """Dates do not matter where there is no fork."""
    items = [post("a9"), post("a5", "a9"), post("a1", "a5")]
    for rule in RULES:
        assert line(items, "a5", rule) == "a9 a5 a1"


def test_a_post_of_nobody() -> None:
    """A post without an author is a thread of one, and joins nobody's."""
    nobody = [Post(uri(key), "", "Words", None, "", in_reply_to=uri(above)) for key, above in ("12", "23", "3-")]
    for rule in RULES:
        assert [keys(thread.items) for thread in threads(Forest(nobody), rule)] != []
        assert assemble(nobody, uri("2"), rule).attributed_to == ""
        assert line(nobody, "2", rule) == "2"


# -- listing ------------------------------------------------------------------------------------------------------


def listed(items: Iterable[Any]) -> list[str]:
    return [keys(thread.items) for thread in threads(Forest(items))]


def test_every_thread_is_listed_once_by_age() -> None:
    """Each author's run is a thread; answers below one's own thread are not."""
    assert listed(CONVERSATION) == ["a1 a2 a3 a9", "b4 b6", "c9"]


def test_a_quoted_post_is_no_thread_of_its_own() -> None:
    """A lone post that came with another author's quote is listed there, and one that it quotes too."""
    items = [post("a5", quote=Quote(uri("b2"))), post("b2", quote=Quote(uri("c1"))), post("c1")]
    forest = Forest(items)
    (thread,) = threads(forest)
    assert keys(thread.quoted) == "b2 c1"
    assert places(forest, [thread]) == {uri("a5"): "main", uri("b2"): "quoted", uri("c1"): "quoted"}


def test_a_reply_that_is_quoted_is_still_a_reply() -> None:
    """A post that stands in the conversation is listed, though somebody quotes it."""
    assert listed([post("a1"), post("b2", "a1"), post("a3", "a1", quote=Quote(uri("b2")))]) == ["a1 a3", "b2"]


def test_posts_that_quote_each_other_are_listed() -> None:
    """Two posts that quote each other, and nobody else does, do not vanish."""
    items = [post("a1", quote=Quote(uri("b2"))), post("b2", quote=Quote(uri("a1")))]
    assert listed(items) == ["a1", "b2"]


@pytest.mark.parametrize("state", ["detached", "blocked", "unavailable", "pending"])
def test_a_quote_that_its_author_did_not_accept_is_not_shown(state: Any) -> None:
    """A detached quote does not bring the quoted text onto the page, though it is among the posts."""
    thread = assemble([post("a5", quote=Quote(uri("b2"), state=state)), post("b2")], uri("a5"))
    assert thread.quoted == ()


def test_an_aside_below_missing_posts_is_listed() -> None:
    """An answer below a run that is gone altogether is a thread of its own."""
    items = [grave("a1"), post("b2", "a1"), post("a3", "b2")]
    assert listed(items) == ["b2", "a3"]


# -- size ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def shallow() -> Iterator[None]:
    """Leave little room for recursion."""
    depth = 0
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        depth, frame = depth + 1, frame.f_back
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(depth + 60)
    yield
    sys.setrecursionlimit(limit)


def long_chain(size: int) -> list[Post]:
    return chain(*(f"a{n}" for n in range(1, size + 1)))


def comb(size: int) -> list[Post]:
    """At each post the oldest answer ends, and the second goes on."""
    spine = chain(*(f"a{2 * n}" for n in range(1, size // 2)))
    return [*spine, *(post(f"a{2 * n + 1}", f"a{2 * n}") for n in range(1, size // 2 - 1))]


@pytest.mark.usefixtures("shallow")
@pytest.mark.parametrize("rule", RULES)
def test_ten_thousand_posts(rule: Rule) -> None:
    """A chain of 10,000 posts is one line, from its last post, without recursion."""
    thread = assemble(reversed(long_chain(10_000)), uri("a10000"), rule)
    assert len(thread.items) == 10_000


@pytest.mark.usefixtures("shallow")
@pytest.mark.parametrize("rule", RULES)
def test_ten_thousand_answers_to_one_post(rule: Rule) -> None:
    """A star of 10,000 points is read by time; under ``oldest`` each other point is a branch."""
    items = [post("a1"), *(post(f"a{n}", "a1") for n in range(2, 10_002))]
    thread = assemble(items, uri("a500"), rule)
    assert len(thread.items) + len(thread.branches) == 10_001
    assert len(thread.items) == (2 if rule == "oldest" else 10_001)


@pytest.mark.usefixtures("shallow")
def test_five_thousand_posts_by_two_in_turn() -> None:
    """Two who answer each other 5,000 times have a thread each, with all their answers."""
    items = [post(f"{'ab'[n % 2]}{n}", f"{'ba'[n % 2]}{n - 1}" if n else "") for n in range(5_000)]
    first, second = threads(Forest(items))
    assert (len(first.asides), len(second.asides)) == (2_499, 2_499)


@pytest.mark.usefixtures("shallow")
@pytest.mark.parametrize("rule", RULES)
def test_a_comb_of_ten_thousand(rule: Rule) -> None:
    """Five thousand forks, each below the other: no fork is measured again for each fork above it."""
    thread = assemble(comb(10_000), uri("a2"), rule)
    assert len(thread.items) + sum(len(run.items) for run in thread.branches) == 9_997


@pytest.mark.usefixtures("shallow")
def test_five_thousand_fragments() -> None:
    """A thread of which every other post is missing is put together in one go."""
    items = [post("a1"), *(post(f"a{n}", f"a{n - 1}", context=uri("a1")) for n in range(3, 10_001, 2))]
    assert len(assemble(items, uri("a1")).items) == 9_999


@pytest.mark.usefixtures("shallow")
def test_three_thousand_authors_in_a_row() -> None:
    """Where each post is by somebody else, each is a thread, and no walk to the top is taken for each."""
    ids = [f"{chr(0x4E00 + n)}{n}" for n in range(3_000)]
    items = [post(id_, above) for above, id_ in zip(["", *ids], ids, strict=False)]
    assert len(Forest(items).runs_by_home) == 3_000


# -- properties ---------------------------------------------------------------------------------------------------

_SNOWFLAKE = 1_900_000_000_000_000_000


def number(index: int) -> str:
    return f"https://x.com/i/status/{_SNOWFLAKE + (index << 28)}"


@st.composite
def forests(draw: st.DrawFn, *, consistent: bool = False) -> list[Item]:
    """Posts and tombstones by one to three authors, with parents that may be missing or run in a circle.

    ``consistent``: ids carry times, and all that posts tell of a parent is true and agrees.
    """
    size, people = draw(st.integers(1, 14)), draw(st.integers(1, 3))
    who = [f"https://x.com/i/user/{draw(st.integers(1, people))}" for _ in range(size + 4)]
    context = number(draw(st.integers(0, size))) if draw(st.booleans()) else ""
    ids = [number(n) if consistent or draw(st.booleans()) else uri(f"{n}") for n in range(size + 4)]
    items: list[Item] = []
    for n in range(size):
        parent = draw(st.one_of(st.none(), st.integers(0, max(0, n - 1)), st.integers(0, size + 3)))
        told = parent is not None and draw(st.booleans())
        wrong = not consistent and draw(st.booleans())
        root = context if consistent else draw(st.sampled_from(["", context, *ids]))
        common: dict[str, Any] = {
            "in_reply_to": "" if parent is None else ids[parent],
            "context": root if parent is not None else "",
            "published": None if not consistent and draw(st.booleans()) else at(draw(st.integers(0, 2000))),
        }
        if draw(st.integers(0, 5)) == 0:
            reason: Reason = draw(st.sampled_from(["deleted", "unavailable", "private", "blocked"]))
            deleted = at(draw(st.integers(0, 2000))) if reason == "deleted" else None
            author_ = who[n] if consistent or draw(st.booleans()) else ""
            items.append(Tombstone(ids[n], reason, attributed_to=author_, deleted=deleted, **common))
            continue
        text = draw(st.sampled_from(["Words", "📌", "One 1/", "Two 2/", "Three 3/", "Five 5/7", "end/", ""]))
        asked = who[parent if parent is not None else n] if told else ""
        quote = Quote(draw(st.sampled_from(ids))) if draw(st.integers(0, 4)) == 0 else None
        items.append(
            Post(
                id=ids[n],
                attributed_to=who[n],
                content=text,
                capture=draw(st.sampled_from(["0", "1"])),
                in_reply_to_actor=draw(st.sampled_from(who)) if told and wrong else asked,
                quote=quote,
                replies=draw(st.one_of(st.none(), st.integers(0, 3))),
                thread_size=draw(st.one_of(st.none(), st.integers(1, 9))),
                order=0 if consistent else draw(st.integers(0, 3)),
                **common,
            )
        )
    if not consistent and draw(st.booleans()):  # told twice, not the same
        again = draw(st.sampled_from(items))
        items.append(Tombstone(again.id, draw(st.sampled_from(["deleted", "unavailable"]))))
        items.append(Post(again.id, who[0], "Edited words", again.published, "2", updated=at(9)))
    return items


def every_thread(items: Iterable[Actor | Item]) -> dict[tuple[str, Rule], Thread | str]:
    """Every thread from every post by every rule; the sentence of the error where there is none."""
    found: dict[tuple[str, Rule], Thread | str] = {}
    forest = Forest(items)
    for id_ in forest.items:
        for rule in RULES:
            try:
                found[id_, rule] = assemble(forest, id_, rule)
            except ClewError as error:
                found[id_, rule] = str(error)
    return found


@given(forests(), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_the_order_of_arrival_does_not_matter(items: list[Item], chance: Any) -> None:
    """Any order of the same items gives the same threads, from every post and by every rule."""
    shuffled = list(items)
    chance.shuffle(shuffled)
    assert every_thread(items) == every_thread(shuffled)


@given(forests())
@settings(max_examples=100, deadline=None)
def test_every_post_has_one_place(items: list[Item]) -> None:
    """Each item is in one class; each post is in one run of one listed thread, or is quoted by a listed one."""
    forest = Forest(items)
    for rule in RULES:
        every = list(threads(forest, rule))
        placed = places(forest, every)
        assert set(placed) == set(forest.items)
        runs = [(*t.items, *(i for run in (*t.branches, *t.asides) for i in run.items)) for t in every]
        shown = [item.id for run in runs for item in run if isinstance(item, Post)]
        assert len(shown) == len(set(shown))
        quoted = {post.id for thread in every for post in thread.quoted}
        for id_, item in forest.items.items():
            if isinstance(item, Tombstone):
                assert placed[id_] == "tombstone"
            else:
                assert (id_ in shown) == (placed[id_] in ("main", "branch", "aside"))
                assert id_ in shown or (placed[id_] == "quoted" and id_ in quoted)


@given(forests())
@settings(max_examples=100, deadline=None)
def test_a_thread_is_one_authors(items: list[Item]) -> None:
    """From every post: a post is in its own thread, and main line, branches and asides are by its author."""
    forest = Forest(items)
    for (id_, rule), thread in every_thread(items).items():
        if isinstance(thread, str):
            assert isinstance(forest.items[id_], Tombstone)
            continue
        runs = (*thread.branches, *thread.asides)
        own = [*thread.items, *(item for run in runs for item in run.items)]
        assert id_ in [item.id for item in own]
        assert {item.attributed_to for item in own} == {thread.attributed_to}
        assert any(isinstance(item, Post) for item in thread.items)
        assert thread.rule == rule
        assert {actor.id for actor in thread.actors} == {i.attributed_to for i in everything(thread)} - {""}
        for run in runs:
            assert thread.attributed_to not in {item.attributed_to for item in run.answered}


@given(forests(consistent=True))
@settings(max_examples=100, deadline=None)
def test_a_thread_holds_all_that_makes_it(items: list[Item]) -> None:
    """Assembled again from exactly the items that it holds, a thread has the same line, branches and asides.

    True where ids tell their age, and posts do not contradict each other about a missing one: what its other
    answers told of a missing post is otherwise gone with them. Quoted posts are no part of the tree. Not true of
    ``all``, which shows an author's answers without what they answer, nor where another author's missing post was
    put in place by what is not shown here.
    """
    inferred = Forest(items).inferred
    for thread in every_thread(items).values():
        if isinstance(thread, str) or thread.rule == "all":
            continue
        others = [*thread.context, *(item for run in thread.asides for item in run.answered)]
        if inferred.isdisjoint(item.id for item in others):
            own = [item for run in (*thread.branches, *thread.asides) for item in run.items]
            some = next(item.id for item in thread.items if isinstance(item, Post))
            again = assemble([*others, *thread.items, *own], some, thread.rule)
            assert again.items == thread.items
            assert (again.branches, again.asides, again.id) == (thread.branches, thread.asides, thread.id)
