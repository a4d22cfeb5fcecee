"""What every source promises: one table of cases, one contract."""

from __future__ import annotations

import socket
from pathlib import Path

import msgspec
import pytest

from clew import reading
from clew.errors import ClewError
from clew.forest import Forest
from clew.model import Capture, Post
from clew.plugins import sources
from clew.thread import places, threads

CASES = Path(__file__).parent / "cases"
FILES = sorted(path for path in CASES.glob("*/*/capture.*"))
FOLDERS = sorted(path for path in CASES.glob("*/*/archive"))
SOURCES = {source.name: source for source in sources()}


def name(path: Path) -> str:
    return "/".join(path.relative_to(CASES).parts[:2])


def captures(path: Path) -> list[Capture]:
    from clew.captures import Archive, open_input

    found = open_input(path)
    if isinstance(found, Archive):
        with found:
            return list(found.captures(SOURCES[path.relative_to(CASES).parts[0]].members))
    return [found]


def test_built_in_sources_are_listed_in_order() -> None:
    """The list can be read: Clew's own first, the most general last."""
    assert list(SOURCES) == ["clew", "bluesky", "fediverse", "x", "telegram", "article", "paste"]
    assert all(source.title and source.formats for source in SOURCES.values())


@pytest.mark.parametrize("path", FILES + FOLDERS, ids=name)
def test_exactly_one_source_knows_a_capture(path: Path) -> None:
    """A capture belongs to the source of its folder and to no other, by content: its name is not looked at."""
    first = msgspec.structs.replace(captures(path)[0], member="", url="", media_type="")
    assert [source.name for source in SOURCES.values() if source.sniff(first)] == [path.relative_to(CASES).parts[0]]


@pytest.fixture
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise AssertionError("a request was made")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.usefixtures("_no_network")
@pytest.mark.parametrize("path", FILES + FOLDERS, ids=name)
def test_parsing_is_pure(path: Path) -> None:
    """Parsing twice gives the same and makes no request."""
    source, found = SOURCES[path.relative_to(CASES).parts[0]], captures(path)
    assert list(source.parse(iter(found))) == list(source.parse(iter(found)))


@pytest.mark.parametrize("path", FILES + FOLDERS, ids=name)
def test_each_post_has_one_place(path: Path) -> None:
    """Each post id is main line, branch, aside, context, quoted or tombstone, and the counts add up."""
    source = SOURCES[path.relative_to(CASES).parts[0]]
    parsed = list(source.parse(captures(path)))
    forest = Forest(parsed)
    listed = list(threads(forest))
    placed = places(forest, listed)
    ids = {item.id for item in parsed if isinstance(item, Post)}
    assert ids <= set(placed)
    shown = [i.id for t in listed for i in (*t.items, *(i for r in (*t.branches, *t.asides) for i in r.items))]
    posts = [id_ for id_ in shown if isinstance(forest.items[id_], Post)]
    assert len(posts) == len(set(posts)), "no post in two threads"
    assert sorted(posts) == sorted(id_ for id_, place in placed.items() if place in ("main", "branch", "aside"))


@pytest.mark.parametrize("path", FILES + FOLDERS, ids=name)
def test_deriving_from_its_own_captures_gives_the_same_thread(path: Path) -> None:
    """What is kept of a thread is enough to derive it again, from a file as from an archive."""
    try:
        opened = reading.opened(path)
        listed = list(opened.threads())
    except ClewError as error:
        pytest.skip(f"nothing to unroll here: {error}")
    with opened:
        for thread in listed:
            asked = next(item.id for item in thread.items if isinstance(item, Post))
            again = reading.derive(opened.source, opened.captures(thread), asked, "longest")
            assert again.items == opened.thread(asked).items
