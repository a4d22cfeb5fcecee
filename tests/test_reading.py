"""An archive too large for memory is put together one conversation at a time: with the same threads."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from clew.errors import ThreadError
from clew.forest import Forest
from clew.model import Item, Post, Tombstone
from clew.store.spool import Spool
from clew.thread import threads

START = datetime(2026, 3, 1, tzinfo=UTC)


def name(n: int) -> str:
    return f"https://social.example/notes/{n}"


def note(n: int, author: int, parent: int | None) -> Post:
    up = name(parent) if parent is not None else ""
    return Post(name(n), f"urn:a{author}", f"Words {n}", START + timedelta(hours=n), "0" * 64, in_reply_to=up)


@st.composite
def conversations(draw: st.DrawFn) -> list[Item]:
    """Posts and tombstones by three authors; parents may be missing, later, or in a circle; some come twice."""
    size = draw(st.integers(1, 14))
    parents = st.none() | st.integers(0, size + 2)
    items: list[Item] = [note(n, draw(st.integers(1, 3)), draw(parents)) for n in range(size)]
    for n in draw(st.lists(st.integers(0, size + 3), max_size=3)):
        items.append(Tombstone(name(n), "unavailable", evidence="it is said to be gone"))
    return draw(st.permutations(items))


def lines(found: Forest) -> dict[str, tuple[list[str], list[list[str]]]]:
    return {
        thread.id: (
            [item.id for item in thread.items],
            sorted([item.id for item in run.items] for run in (*thread.branches, *thread.asides)),
        )
        for thread in threads(found)
    }


@given(conversations())
@settings(max_examples=300)
def test_a_spooled_archive_has_the_same_threads(items: list[Item]) -> None:
    """Whatever the posts, the threads put together from disk are those put together in memory."""
    with Spool(1000) as spool:
        spool.fill(items)
        spooled: dict[str, tuple[list[str], list[list[str]]]] = {}
        for conversation in spool.conversations():
            part = lines(Forest(conversation))
            assert not part.keys() & spooled.keys(), "no thread twice"
            spooled |= part
        for item in items:
            ids = {other.id for other in spool.conversation(item.id)}
            assert item.id in ids
    assert spooled == lines(Forest(items))


def test_a_conversation_is_bounded() -> None:
    """A conversation longer than the limit is one sentence, not all of the memory."""
    with Spool(10) as spool:
        spool.fill(note(n, 1, n - 1 if n else None) for n in range(11))
        with pytest.raises(ThreadError, match="longer than 10 posts"):
            list(spool.conversations())
