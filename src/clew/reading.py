"""Something given (file, folder, archive, text) -> its threads and the captures each is made of.

``derive`` is pure: the same captures give the same thread. Saving, rebuilding and checking share it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType

import msgspec

from clew import captures as received
from clew.config import Limits
from clew.decode import load
from clew.errors import InputError, ThreadError
from clew.forest import Forest
from clew.model import Actor, Capture, Item, Post, Rule, Run, Thread, Tombstone
from clew.plugins import Source, sources
from clew.store.spool import Spool
from clew.text import tail
from clew.thread import assemble, threads

LINK = re.compile(r"(https?://|at://)\S+\Z")


def opened(
    given: str | Path | Capture,
    *,
    author: str = "",
    published: str = "",
    limits: Limits | None = None,
    keep: bool = True,
    progress: Callable[[int], object] = bool,
) -> Reading:
    """Return a reading of what was given; a context manager.

    ``keep``: its threads may be saved, so an archive's records are held on disk meanwhile. ``progress`` hears how
    many records were read.
    """
    bounds = limits or Limits()
    if isinstance(given, Capture):
        return _reading([_told(given, author, published)])
    if isinstance(given, str) and LINK.match(given.strip()):
        raise InputError(
            "Links cannot be fetched yet",
            given.strip(),
            "Save the post's page or the API's answer, and give the file",
        )
    if isinstance(given, str) and "\n" in given.strip():
        return _reading([received.paste(given, author=author, published=published)])
    path = Path(given)
    found = received.open_input(path, limits=bounds)
    if isinstance(found, Capture):
        return _reading([_told(found, author, published)])
    return _Spooled(found, path, bounds.thread, keep, progress)


def _told(capture: Capture, author: str, published: str) -> Capture:
    """Note on a capture what its giver says of it."""
    told = {key: value for key, value in (("author", author), ("published", published)) if value}
    return msgspec.structs.replace(capture, headers={**capture.headers, **told}) if told else capture


def _reading(captures: Sequence[Capture]) -> _Whole:
    return _Whole(source_of(captures[0]), tuple(captures))


def source_of(capture: Capture) -> Source:
    """Return the source that knows a capture by its content.

    Raises:
        InputError: none does.
    """
    if not capture.body.strip():
        raise InputError("There is nothing in it", _name(capture))
    for source in sources():
        if source.sniff(capture):
            return source
    if capture.body.lstrip()[:1] in (b"{", b"["):
        load(capture, msgspec.Raw)  # what is broken says where
    raise InputError("No source knows this format", _name(capture), f"Known are: {_known()}")


def _known() -> str:
    return ", ".join(source.title for source in sources())


def _name(capture: Capture) -> str:
    return capture.member or capture.url or "the input"


class Reading(AbstractContextManager["Reading"]):
    """What was given, parsed: its threads, and the captures that each is made of."""

    source: Source

    def threads(self, rule: Rule = "longest") -> Iterator[Thread]:
        """Yield every thread, earliest first (in an archive: conversation by conversation)."""
        raise NotImplementedError

    def thread(self, post: str, rule: Rule = "longest") -> Thread:
        """Return the thread of a post, by its id or URL."""
        raise NotImplementedError

    def captures(self, thread: Thread) -> list[Capture]:
        """Return what ``thread`` was derived from: deriving it from these alone gives the same thread."""
        raise NotImplementedError

    def one(self, post: str = "", rule: Rule = "longest") -> Thread:
        """Return the thread of ``post``, or the only one.

        Raises:
            InputError: there are several.
        """
        if post:
            return self.thread(post, rule)
        found = self.main(rule)
        if found is None:
            raise InputError(
                "It holds several threads",
                "",
                "Say which with --post ID, or take --all; without either they are listed",
            )
        return found

    def main(self, rule: Rule = "longest") -> Thread | None:
        """Return the thread that was clearly meant: the only one, or the one that the capture was asked for."""
        first = list(_at_most(self.threads(rule), 2))
        if not first:
            raise ThreadError("There is no post in it", "", "Is it the right file?")
        return first[0] if len(first) == 1 else None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        return None


class _Whole(Reading):
    """Captures that fit into memory: a paste, a file, an answer."""

    def __init__(self, source: Source, captures: tuple[Capture, ...]) -> None:
        self.source, self._captures = source, captures
        self._forest = Forest(source.parse(captures))

    def threads(self, rule: Rule = "longest") -> Iterator[Thread]:
        return threads(self._forest, rule)

    def thread(self, post: str, rule: Rule = "longest") -> Thread:
        return assemble(self._forest, _id_in(self._forest, post), rule)

    def captures(self, thread: Thread) -> list[Capture]:  # noqa: ARG002  all of it: a capture is not cut up
        return list(self._captures)

    def main(self, rule: Rule = "longest") -> Thread | None:
        """A capture may say which post it was asked for; else one conversation has one longest thread."""
        asked = next(filter(None, map(self.source.anchor, self._captures)), "")
        if asked and isinstance(self._forest.items.get(asked), Post):
            return assemble(self._forest, asked, rule)
        found = list(threads(self._forest, rule))
        roots = {[thread.id, *self._forest.ancestors(thread.id)][-1] for thread in found}
        if len(roots) == 1:
            return max(found, key=lambda thread: thread.certificate.found)
        return None if found else super().main(rule)  # which says that there is nothing


class _Spooled(Reading):
    """An archive: read once, spooled to disk, and put together one conversation at a time."""

    def __init__(
        self, archive: received.Archive, path: Path, most: int, keep: bool, progress: Callable[[int], object]
    ) -> None:
        self._archive, self._keep, self._progress = archive, keep, progress
        self.source = _source_of_archive(archive, path)
        self._spool = Spool(most)
        self._actors: list[Actor] = []
        self._buried: dict[str, str] = {}  # id of what is not public -> digest of the record that says so
        self._record = ""
        self._support: list[Capture] = []
        try:
            self._spool.fill(self._items())
        except BaseException:
            self._spool.__exit__(None, None, None)
            raise

    def _items(self) -> Iterator[Item]:
        for value in self.source.parse(self._kept(self._archive.captures(self.source.members))):
            if isinstance(value, Actor):
                self._actors.append(value)
            else:
                if isinstance(value, Tombstone) and value.reason == "private":
                    self._buried[value.id] = self._record
                yield value

    def _kept(self, captures: Iterable[Capture]) -> Iterator[Capture]:
        for number, capture in enumerate(captures):
            if number % 1000 == 0:
                self._progress(number)
            if "#" in capture.member and not capture.member.endswith("#0"):
                self._record = capture.sha256
                if self._keep:
                    self._spool.keep(capture)
            else:
                self._support.append(capture)  # the account, the head of a list: every thread needs them
            yield capture

    def threads(self, rule: Rule = "longest") -> Iterator[Thread]:
        for items in self._spool.conversations():
            yield from threads(Forest([*self._actors, *items]), rule)

    def thread(self, post: str, rule: Rule = "longest") -> Thread:
        for id_ in self._spool.named(post):
            forest = Forest([*self._actors, *self._spool.conversation(id_)])
            thread = assemble(forest, id_, rule)
            return with_media(thread, self._media(thread))
        raise ThreadError("No such post here", post, "Run without --post to see which there are")

    def captures(self, thread: Thread) -> list[Capture]:
        posts = [item for item in every_item(thread) if isinstance(item, Post)]
        digests = dict.fromkeys(digest for post in posts for digest in (post.capture, *post.also_from))
        records = [capture for digest in digests if (capture := self._spool.capture(digest))]
        return [*self._support, *records, *self._private(thread), *self._media(thread)]

    def _private(self, thread: Thread) -> Iterator[Capture]:
        """Yield the records that say that a post is not public, without the post."""
        for item in every_item(thread):
            capture = self._spool.capture(self._buried.get(item.id, ""))
            if capture is not None and item.attributed_to:
                body = self.source.redact(capture, frozenset([item.attributed_to]))
                yield msgspec.structs.replace(capture, body=body, redacted=True)

    def _media(self, thread: Thread) -> list[Capture]:
        names = {a.url for item in every_item(thread) if isinstance(item, Post) for a in item.attachments}
        here = {name for name in names if name and not LINK.match(name)}
        return list(self._archive.media(here, self.source.members)) if here else []

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._spool.__exit__(kind, error, at)
        self._archive.close()


def _source_of_archive(archive: received.Archive, path: Path) -> Source:
    for source in sources():
        if not source.members:
            continue
        first = archive.first(source.members)
        if first is not None and source.sniff(first):
            return source
    raise InputError(
        "Nothing in this archive is known to any source", str(path), f"Archives are known of: {_with_archives()}"
    )


def _with_archives() -> str:
    return ", ".join(source.title for source in sources() if source.members)


def _id_in(forest: Forest, post: str) -> str:
    """Return the id of a post that is named by its id, the last part of it, or its URL."""
    if post in forest.items:
        return post
    for id_, item in forest.items.items():
        if (isinstance(item, Post) and item.url == post) or tail(id_) == post:
            return id_
    return post


def _at_most(values: Iterator[Thread], count: int) -> Iterator[Thread]:
    for _, value in zip(range(count), values, strict=False):
        yield value


# -- deriving -----------------------------------------------------------------------------------------------------


def derive(source: Source, captures: Sequence[Capture], post: str, rule: Rule) -> Thread:
    """Return the thread of ``post`` as these captures give it. Pure; the order of captures does not matter."""
    parsed = source.parse(capture for capture in in_order(captures) if not is_media(capture))
    return with_media(assemble(parsed, post, rule), captures)


def in_order(captures: Iterable[Capture]) -> list[Capture]:
    """Return captures in the order in which sources read them."""
    return sorted(captures, key=_place)


def _place(capture: Capture) -> tuple[str, bool, list[str | int], str]:
    """Sort key: in an archive what stands whole before the records, members and records by number."""
    parts = re.split(r"([0-9]+)", capture.member)
    natural: list[str | int] = [int(part) if n % 2 else part for n, part in enumerate(parts)]
    return (capture.archive, "#" in capture.member, natural, capture.sha256)


def with_media(thread: Thread, captures: Iterable[Capture]) -> Thread:
    """Note on each attachment which capture is our copy of it."""
    copies = {capture.member: capture.sha256 for capture in captures if is_media(capture)}
    if not copies:
        return thread

    def item(value: Item) -> Item:
        if isinstance(value, Tombstone) or not value.attachments:
            return value
        attachments = tuple(
            msgspec.structs.replace(a, sha256=next((d for m, d in copies.items() if _names(a.url, m)), a.sha256))
            for a in value.attachments
        )
        return msgspec.structs.replace(value, attachments=attachments)

    def run(value: Run) -> Run:
        return msgspec.structs.replace(value, items=tuple(map(item, value.items)))

    return msgspec.structs.replace(
        thread,
        items=tuple(map(item, thread.items)),
        branches=tuple(map(run, thread.branches)),
        asides=tuple(map(run, thread.asides)),
    )


def is_media(capture: Capture) -> bool:
    return capture.media_type.startswith(("image/", "video/", "audio/"))


def _names(url: str, member: str) -> bool:
    return bool(url) and (member == url or member.endswith("/" + url))


def every_item(thread: Thread) -> Iterator[Item]:
    """Yield every item that a thread holds, in any role."""
    yield from (*thread.context, *thread.items, *thread.quoted)
    for run in (*thread.branches, *thread.asides):
        yield from (*run.answered, *run.items)
