"""Several looks at the same post: which one counts, whatever the order in which they are given."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.fetch import FAILURE, VISIT
from clew.model import Actor, Capture, Limit, Post, Tombstone
from clew.thread import assemble
from clew.visiting import current, settled

BEGAN = datetime(2031, 5, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
AUTHOR = "https://tide.example/ada"


def capture(hours: float, body: str = "", url: str = "https://tide.example/1", status: int = 200) -> Capture:
    """Return a capture of the visit that began at the last full hour before."""
    raw = body.encode()
    headers = {VISIT: (BEGAN + int(hours) * HOUR).isoformat()}
    time = BEGAN + hours * HOUR
    return Capture(sha256(raw).hexdigest(), raw, "application/json", time, url=url, status=status, headers=headers)


def post(of: Capture, id_: str = "1", parent: str = "") -> Post:
    text = of.body.decode()
    return Post(id_, AUTHOR, text, BEGAN, of.sha256, in_reply_to=parent, in_reply_to_actor=AUTHOR if parent else "")


def gone(of: Capture, id_: str = "1") -> Tombstone:
    return Tombstone(id_, "unavailable", attributed_to=AUTHOR, evidence="it is gone", checked=of.retrieved)


def placed(of: Capture, later: Capture) -> Tombstone:
    """Return a tombstone that keeps the place of the post, and not its words."""
    return msgspec.structs.replace(gone(later), published=post(of).published)


def test_a_text_that_was_gone_later_is_not_shown() -> None:
    """What the author's server no longer has is a tombstone, though an earlier capture has the text."""
    then, later = capture(0, "words"), capture(5, "none", status=404)
    assert list(settled([post(then), gone(later)], [then, later])) == [placed(then, later)]


def test_what_came_back_is_shown() -> None:
    """A visit after that in which the post was gone found it again, with the very same body."""
    first, missing, again = capture(0, "words"), capture(5, "none", status=404), capture(9, "words")
    assert list(settled([post(first), gone(missing)], [first, missing, again])) == [post(first)]


def test_another_server_of_the_same_visit_may_be_behind() -> None:
    """A copy that came from elsewhere moments after the author's own server said no does not count."""
    missing, stale = capture(5.1, "none", status=404), capture(5.2, "words", "https://index.example/1")
    assert list(settled([gone(missing), post(stale)], [missing, stale])) == [placed(stale, missing)]


def test_a_tombstone_of_hearsay_hides_nothing() -> None:
    """That an index does not have a post is no reason to hide the text that its author's server has."""
    then, index = capture(0, "words"), capture(5, "none", "https://index.example/1")
    hearsay = Tombstone("1", "unavailable", attributed_to=AUTHOR)
    assert post(then) in settled([post(then), hearsay], [then, index])


def test_a_failure_that_was_made_good_is_forgotten() -> None:
    """A server that was down once and answered later leaves no limit behind; one that is down now does."""
    down, fine, down_again = capture(0, status=0), capture(1, "words"), capture(2, status=0)
    assert current([down, fine]) == [fine]
    assert current([fine, down_again]) == [fine, down_again]
    assert current([down]) == [down]


def test_equal_answers_of_several_addresses_are_all_kept() -> None:
    """An empty body, or the same refusal, from two addresses is two facts."""
    one, two = capture(0, "no", "https://tide.example/1", 404), capture(0, "no", "https://tide.example/2", 404)
    assert current([one, two]) == [one, two]


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9)), min_size=1, max_size=8), st.randoms())
def test_the_last_visit_decides(looks: list[tuple[bool, int]], random: Random) -> None:
    """Of any looks in any order the state of the latest visit is what is told; within one visit "gone" wins."""
    captures = [capture(hour, f"{here}", status=200 if here else 404) for here, hour in looks]
    values = [post(c) if here else gone(c) for c, (here, _) in zip(captures, looks, strict=True)]
    random.shuffle(captures)
    random.shuffle(values)
    told = {type(value) for value in settled(values, captures)}
    last = max(hour for _, hour in looks)
    is_here = all(here for here, hour in looks if hour == last)
    assert told == {Post if is_here else Tombstone}


def test_what_could_not_be_looked_at_is_on_the_certificate() -> None:
    """A limit on the author's thread makes its completeness unknown and stands in its sentence; one on what others
    wrote is told beside it and takes nothing away."""
    from_ = capture(0, "words")
    owner = Actor(AUTHOR, outbox="repository")
    cut = Limit("The author's repository was read up to 1 May 2031", AUTHOR)
    thread = assemble([post(from_), Actor(AUTHOR), cut], "1")
    assert thread.certificate.complete == "unknown"
    assert [(gap.reason, gap.count) for gap in thread.certificate.gaps] == [("limited", 0)]
    assert cut.evidence in thread.certificate.sentence
    around = Limit("The index did not answer", about="surroundings")
    thread = assemble([post(from_), owner, around], "1")
    assert thread.certificate.complete == "yes"
    assert thread.certificate.limits == (around.evidence,)
    other = Limit("Another author's server did not answer", "https://tide.example/bo")
    assert assemble([post(from_), owner, other], "1").certificate.complete == "yes"


def test_a_thread_that_is_gone_altogether_is_a_thread_still() -> None:
    """Where each post was asked for and is gone, the thread is its tombstones, and says so."""
    then, later = capture(0, "words"), capture(5, "none", status=404)
    values = [post(then), post(then, "2", "1"), gone(later), gone(later, "2")]
    thread = assemble(settled(values, [then, later]), "2")
    assert [item.id for item in thread.items] == ["1", "2"]
    assert thread.certificate.found == 0
    assert thread.certificate.sentence.startswith("0 of 2 posts are here: 2 unavailable.")


@pytest.mark.parametrize("name", [FAILURE, VISIT])
def test_our_own_headers_are_lower_case(name: str) -> None:
    """They stand among a server's headers, whose names are in lower case."""
    assert name == name.lower()
