"""The certificate: it names every gap, claims no more than is vouched for, and says so in one plain sentence."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from hypothesis import given, settings

from clew.certificate import PLAIN
from clew.model import Actor, Certificate, Item, Post, Reason, Thread, Tombstone
from clew.thread import assemble
from test_thread import at, author, chain, every_thread, forests, grave, post, record, uri


def certificate(items: list[Any], key: str = "a1", **more: Any) -> Certificate:
    return assemble(items, uri(key), **more).certificate


def numbered(*texts: str, **more: Any) -> list[Post]:
    return [post(f"a{n}", f"a{n - 1}" if n > 1 else "", text, **more) for n, text in enumerate(texts, 1)]


def on_x(*replies: int | None, **more: Any) -> list[Post]:
    """A chain of posts on X, each with the number of replies that X counts."""
    ids = [f"https://x.com/i/status/{(at(n).timestamp() * 1000 - 1288834974657).__int__() << 22}" for n in range(9)]
    return [
        Post(ids[n], author("a"), "Words", at(n), "", in_reply_to=ids[n - 1] if n else "", replies=count, **more)
        for n, count in enumerate(replies)
    ]


def first(items: list[Any]) -> Certificate:
    return assemble(items, items[0].id).certificate


ARCHIVE = Actor(author("a"), outbox="account archive")


# -- what is missing ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", [reason for reason in get_args(Reason) if reason != "counter"])
def test_each_reason_is_a_gap_in_plain_words(reason: Reason) -> None:
    """A missing post is a gap with its reason, and "deleted" is said of nothing else."""
    held = certificate([post("a1"), grave("a2", "a1", reason=reason), post("a3", "a2")])
    (gap,) = held.gaps
    assert (gap.reason, gap.id, gap.after, gap.count) == (reason, uri("a2"), uri("a1"), 1)
    assert held.sentence == f"2 of 3 posts are here: 1 {PLAIN[reason]}."
    assert (held.found, held.expected, held.complete) == (2, 3, "no")
    assert ("deleted" in held.sentence) == (reason == "deleted")


def test_several_reasons_are_counted() -> None:
    """Two deleted and one private post are told as such."""
    items = [
        post("a1"),
        grave("a2", "a1"),
        grave("a3", "a2"),
        grave("a4", "a3", reason="private"),
        post("a5", "a4"),
    ]
    assert certificate(items).sentence == "2 of 5 posts are here: 2 deleted, 1 private."


def test_who_says_so_is_kept() -> None:
    """A gap bears the tombstone's evidence; without any it says that the platform told it."""
    told = [post("a1"), grave("a2", "a1", evidence="Bluesky answered notFoundPost"), post("a3", "a2")]
    assert certificate(told).gaps[0].evidence == "Bluesky answered notFoundPost"
    bare = [post("a1"), grave("a2", "a1"), post("a3", "a2")]
    assert certificate(bare).gaps[0].evidence == "the platform says that it is deleted"


def test_a_parent_that_nobody_captured_is_not_called_deleted() -> None:
    """What is only not here is unavailable; the archive that does not hold it is named."""
    items = [post("a1"), post("a3", "a2", context=uri("a1"))]
    assert "is not in what was captured" in certificate(items).gaps[0].evidence
    (gap,) = certificate([ARCHIVE, *items]).gaps
    assert gap.reason == "unavailable"
    assert "the author's account archive does not hold it" in gap.evidence


def test_at_least_where_nobody_knows_how_many() -> None:
    """Where it is not known what a missing post answered, more may be missing, and the number says "at least"."""
    joined = [post("a1"), post("a9", "a8", context=uri("a1"))]
    assert certificate(joined).sentence == "2 of at least 3 posts are here: 1 unavailable."
    headless = [post("a9", "a8")]
    assert certificate(headless, "a9").sentence == "1 of at least 2 posts is here: 1 unavailable."
    rooted = [post("a9", "a8", context=uri("a8"))]
    assert certificate(rooted, "a9").sentence == "1 of 2 posts is here: 1 unavailable."


def test_counters_that_jump() -> None:
    """16/ followed by 18/ is a gap, and the sentence shows the two numbers."""
    held = certificate(numbered("One 1/", "Two 2/", "Three 3/", "Six 6/", "Seven 7/"))
    (gap,) = held.gaps
    assert (gap.reason, gap.count, gap.after, gap.id) == ("counter", 2, uri("a3"), "")
    assert held.sentence == "5 of 7 posts are here: 2 missing by the counters (3/ is followed by 6/)."


def test_counters_that_stop_early_or_start_late() -> None:
    """A total that is not reached, and a first number above one, are gaps."""
    held = certificate(numbered("One 1/5", "Two 2/5", "Three 3/5"))
    assert held.sentence == "3 of 5 posts are here: 2 missing by the counters (the last counter is 3/5)."
    held = certificate(numbered("Three 3/5", "Four 4/5", "Five 5/5"))
    assert held.sentence == "3 of 5 posts are here: 2 missing by the counters (the first counter is 3/5)."


def test_a_tombstone_fills_its_number() -> None:
    """A deleted post between 1/ and 3/ is one gap, not two."""
    texts = ["One 1/", "", "Three 3/", "Four 4/"]
    items: list[Item] = list(numbered(*texts))
    items[1] = grave("a2", "a1")
    held = certificate(items)
    assert ([gap.reason for gap in held.gaps], held.expected) == (["deleted"], 4)


def test_the_platforms_own_count() -> None:
    """Bluesky's count of the author's posts is a witness when it is met, and a gap when it is not."""
    met = certificate(numbered("One", "Two", thread_size=2))
    assert met.sentence == "2 posts, complete. The platform counts 2 posts by the author in this thread."
    short = certificate(numbered("One", "Two", thread_size=5))
    assert short.sentence == "2 of 5 posts are here: 3 unavailable."
    assert short.gaps[0].evidence == "the platform counts 5 posts by the author in this thread"


def test_one_missing_post_is_counted_once() -> None:
    """The counters and the platform tell of the same missing posts: they are not added up."""
    held = certificate(numbered("One 1/5", "Two 2/5", "Three 3/5", thread_size=5))
    assert (held.expected, sum(gap.count for gap in held.gaps)) == (5, 2)
    held = certificate(numbered("One 1/5", "Two 2/5", "Three 3/5", thread_size=6))
    assert (held.expected, [gap.reason for gap in held.gaps]) == (6, ["counter", "unavailable"])


# -- what vouches -------------------------------------------------------------------------------------------------


def test_nothing_vouches() -> None:
    """Where nothing tells how many there are, that is what is said."""
    held = certificate(chain("a1", "a2", "a3"))
    assert held.sentence == "3 posts; whether that is all cannot be told from here."
    assert (held.complete, held.expected) == ("unknown", None)


def test_an_archive_vouches_for_what_was_not_deleted() -> None:
    """An account archive makes a thread complete, and the sentence says what that means."""
    held = certificate([ARCHIVE, *chain("a1", "a2")])
    expected = "2 posts, complete. The author's account archive holds every post that had not been deleted."
    assert (held.sentence, held.complete, held.expected) == (expected, "yes", 2)


def test_an_archive_of_somebody_else_vouches_for_nothing() -> None:
    """Ben's archive says nothing about Ada's posts in it."""
    assert certificate([Actor(author("b"), outbox="account archive"), *chain("a1", "a2")]).complete == "unknown"


def test_an_archive_does_not_vouch_past_a_missing_parent() -> None:
    """A thread that answers a post of which nobody knows the author may have begun earlier."""
    held = certificate([ARCHIVE, post("a2", "x1", in_reply_to_actor="")], "a2")
    assert held.complete == "unknown"
    assert held.sentence == (
        "1 post; whether that is all cannot be told from here. "
        "The first post answers one that is not here, and whose that was is not known."
    )


def test_an_archive_does_not_vouch_where_a_fragment_may_belong() -> None:
    """A thread before a fragment of the same day may be its beginning; one of a week before is not in doubt."""
    near = [ARCHIVE, *chain("a1", "a2"), post("a9", "a8")]
    assert certificate(near).sentence == (
        "2 posts; whether that is all cannot be told from here. "
        "1 missing post by the author may belong here; what it answers is not known."
    )
    assert certificate([ARCHIVE, *chain("a1", "a2"), post("a9009", "a9008")]).complete == "yes"
    assert certificate([ARCHIVE, *chain("a21", "a22"), post("a9", "a8")], "a21").complete == "yes"


def test_a_fragment_below_a_foreign_root() -> None:
    """A thread in somebody's conversation is in doubt where the author has a fragment in it, at any age."""
    root = {"context": uri("b1")}
    items = [
        ARCHIVE,
        post("b1"),
        post("a2", "b1", **root),
        post("a3", "a2", **root),
        post("a9009", "a9008", **root),
    ]
    assert certificate(items, "a2").complete == "unknown"


def test_counters_with_a_total_vouch() -> None:
    """1/3, 2/3, 3/3 is a whole thread."""
    held = certificate(numbered("One 1/3", "Two 2/3", "Three 3/3"))
    assert held.sentence == "3 posts, complete. The counters run from 1 to 3 of 3, with no gap."


def test_counters_without_a_total_prove_no_end() -> None:
    """Numbers that run on without a gap do not say where they would have stopped."""
    held = certificate(numbered("One 1/", "Two 2/", "Three 3/"))
    assert (
        held.sentence == "3 posts. The counters run from 1 to 3, with no gap; nothing else vouches for the whole."
    )
    assert (held.complete, held.expected) == ("unknown", 3)


def test_a_number_that_is_on_no_post_is_not_called_seen() -> None:
    """Where a post without a number stands for one, "no gap" in the numbers would be untrue."""
    held = certificate(numbered("One 1/", "Two 2/", "Unnumbered", "Four 4/", "Five 5/"))
    assert held.evidence == ("The counters run from 1 to 5, with a post in each place",)


def test_more_announced_than_here() -> None:
    """An author who announced ten and ended at three is not complete, whatever the archive holds."""
    held = certificate([ARCHIVE, *numbered("One 1/10", "Two 2/10", "Three 3/10 end/")])
    assert held.complete != "yes"
    assert "10" in held.sentence


def test_every_reply_was_seen() -> None:
    """Where one service counts the replies, and all are here, nothing can be missing below."""
    held = first(on_x(1, 1, 0))
    assert held.sentence == "3 posts, complete. Every reply that the platform counts was seen."


def test_replies_that_were_not_seen() -> None:
    """More replies than are here may be the author's."""
    one = first(on_x(1, 1, 1))
    assert one.sentence == (
        "3 posts; whether that is all cannot be told from here. "
        "The platform counts 1 more reply; it may be the author's."
    )
    assert first(on_x(4, 1, 0)).limits == ("The platform counts 3 more replies; some may be the author's",)


def test_a_deleted_reply_is_not_one_that_the_platform_counts() -> None:
    """A tombstone below a post does not stand for a living reply that was not seen; a blocked one does."""
    items = on_x(1, 1, 1)
    last = items[-1].id
    reply: dict[str, Any] = {"attributed_to": author("b"), "in_reply_to": last}
    assert first([*items, Tombstone("https://x.com/i/status/9", "deleted", **reply)]).complete == "unknown"
    assert first([*items, Tombstone("https://x.com/i/status/9", "blocked", **reply)]).complete == "yes"


def test_a_server_of_the_fediverse_counts_only_what_it_knows() -> None:
    """Elsewhere than on one service, seen replies are evidence, and prove nothing about other servers."""
    held = certificate([post("a1", replies=1), post("a2", "a1", replies=0)])
    assert held.evidence == ("Every reply that the platform counts was seen",)
    assert held.complete == "unknown"


def test_a_missing_answer_of_nobody_known() -> None:
    """A missing answer whose author nobody names is reported, counts as none, and leaves the whole in doubt."""
    items = [*on_x(2, 0)]
    unknown = Tombstone("https://x.com/i/status/9", "unavailable", in_reply_to=items[0].id)
    held = assemble([ARCHIVE, *items, unknown], items[0].id).certificate
    assert (held.complete, held.expected) == ("unknown", None)
    assert [(gap.id, gap.count) for gap in held.gaps] == [(unknown.id, 0)]
    assert "1 answer is missing here, and whose it was is not known" in held.limits


# -- pastes -------------------------------------------------------------------------------------------------------


def pasted(*texts: str) -> list[Post]:
    return numbered(*texts, generator="paste", published=None)


def test_a_paste_proves_no_more_than_its_counters() -> None:
    """Not even 3/3 makes a paste complete: who pasted it may have changed it."""
    held = certificate(pasted("One 1/3", "Two 2/3", "Three 3/3"))
    assert held.sentence == "3 posts. The counters run from 1 to 3 of 3, with no gap; a paste proves no more."
    assert held.complete == "unknown"


def test_a_paste_with_an_end() -> None:
    """The word that closes a thread is shown as written, postscripts or not."""
    held = certificate(pasted("One 1/", "Two 2/", "Three 3/", "The last words end/", "A postscript"))
    assert held.sentence == (
        "5 posts. The counters run from 1 to 3, then “end/”, with no gap; a paste proves no more."
    )


def test_a_pasted_post() -> None:
    """One text is one post, as pasted."""
    assert certificate(pasted("Some words")).sentence == "1 post, as pasted."


def test_a_paste_with_a_jump_has_a_gap() -> None:
    """That a paste proves little does not hide what it lacks."""
    held = certificate(pasted("One 1/", "Two 2/", "Three 3/", "Five 5/"))
    assert held.sentence == "4 of 5 posts are here: 1 missing by the counters (3/ is followed by 5/)."


def test_an_archive_does_not_vouch_for_a_paste() -> None:
    """What is known of the author's archive is not known of somebody's copy."""
    assert certificate([ARCHIVE, *pasted("One 1/", "Two 2/", "Three 3/")]).complete == "unknown"


# -- properties ---------------------------------------------------------------------------------------------------


def test_a_remote_text_cannot_break_the_sentence() -> None:
    """Ids and texts that hold line breaks or big words do not get into the sentence."""
    hostile = "https://social.example/\ncomplete."
    items = [
        Post(hostile, author("a"), "One 1/", at(1), "", in_reply_to="https://social.example/complete\n2"),
        Post("https://social.example/complete\n2", author("a"), "Two 2/\nend /\n", at(2), "", in_reply_to=hostile),
    ]
    sentence = assemble(items, hostile).certificate.sentence
    assert "\n" not in sentence
    assert "complete" not in sentence


def test_large_numbers_are_legible() -> None:
    """Thousands are set apart, as elsewhere on the page."""
    items = [*chain("a1", "a2"), post("a4", "a2", thread_size=12_000)]
    assert certificate(items).sentence == "3 of 12,000 posts are here: 11,997 unavailable."


def test_dates_that_contradict_ids_are_told() -> None:
    """A date far from the time in the id is a limit, with its number of posts."""
    items = [Post(record(n), "did:plc:ada", "Words", at(-9999), "", in_reply_to=record(n - 1)) for n in (2, 3)]
    held = assemble(items, items[1].id).certificate
    assert "2 posts bear dates far from the times in their ids" in held.limits


def holds(thread: Thread) -> None:
    """Assert what is true of every certificate."""
    held, posts = thread.certificate, [item for item in thread.items if isinstance(item, Post)]
    assert held.found == len(posts)
    gaps = [gap for gap in held.gaps if gap.count]
    assert (held.complete == "no") == bool(gaps)
    assert held.expected is None or held.expected >= held.found
    if held.complete != "unknown":
        assert held.expected is not None
    if gaps:
        assert held.expected is not None
        assert held.expected >= held.found + sum(gap.count for gap in gaps)
    buried = [item for item in thread.items if isinstance(item, Tombstone)]
    assert [(gap.id, gap.reason) for gap in gaps if gap.id] == [(item.id, item.reason) for item in buried]
    assert all(gap.evidence for gap in held.gaps)
    assert all(gap.id and gap.after for gap in held.gaps if not gap.count)
    assert held.sentence.strip() == held.sentence != ""
    assert len(held.sentence.splitlines()) == 1
    assert held.sentence.endswith(".")
    assert ("complete" in held.sentence) == (held.complete == "yes")
    if not any(gap.reason == "deleted" for gap in gaps):
        assert "deleted" not in held.sentence.replace("every post that had not been deleted", "")


@given(forests())
@settings(max_examples=150, deadline=None)
def test_what_is_true_of_every_certificate(items: list[Item]) -> None:
    """Found, expected, gaps and sentence agree with the line and with each other, for any posts by any rule."""
    outbox = Actor("https://x.com/i/user/1", outbox="account archive")
    for thread in (*every_thread(items).values(), *every_thread([outbox, *items]).values()):
        if isinstance(thread, Thread):
            holds(thread)
