"""Something given (address, file, folder, archive, text) -> its threads and the captures each is made of.

``derive`` is pure: the same captures give the same thread. Saving, rebuilding and checking share it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from types import TracebackType

import msgspec

from clew import captures as received
from clew.config import Config
from clew.decode import load
from clew.errors import InputError, Refused, ThreadError
from clew.fetch import SOURCE, Client
from clew.forest import Forest
from clew.model import Actor, Attachment, Capture, Item, Limit, Post, Rule, Run, Thread, Tombstone
from clew.outline import name as name_of
from clew.plugins import Source, sources
from clew.sources.exported import ready
from clew.store.spool import Spool
from clew.text import LINK, address
from clew.thread import assemble, every_item, threads
from clew.visiting import HIDDEN, Found, current, embedded, pictures, settled, visit


def opened(
    given: str | Path | Capture,
    *,
    author: str = "",
    published: str = "",
    config: Config | None = None,
    keep: bool = True,
    media: bool = False,
    progress: Callable[[int], object] = bool,
) -> Reading:
    """Return a reading of what was given; a context manager.

    ``keep``: its threads may be saved, so an archive's records are held on disk meanwhile. ``media``: fetch the
    pictures of what an address leads to. ``progress`` hears how many records were read, or requests made.
    """
    settings = config or Config()
    if isinstance(given, Capture):
        return _reading([_told(given, author, published)])
    if isinstance(given, str) and (link := address(given)):
        return asked(link, settings, media=media, progress=progress)
    if isinstance(given, str) and "\n" in given.strip():
        return _reading([received.paste(given, author=author, published=published)])
    path = Path(given)
    found = received.open_input(path, limits=settings.limits)
    if isinstance(found, Capture):
        return _reading([_told(found, author, published)])
    return _Spooled(found, path, settings.limits.thread, keep, progress)


def asked(
    url: str,
    config: Config,
    *,
    media: bool = False,
    progress: Callable[[int], object] = bool,
) -> Reading:
    """Return a reading of the thread at an address, fetched now.

    Args:
        url: of a post or an article.
        config: how and whom to ask.
        media: fetch its pictures too.
        progress: hears how many requests were made.

    Raises:
        SourceError: the post was not to be had.
        Refused: its author does not want it to be read this way, or it is not public.
    """
    with Client(config, progress=progress) as client:
        source, post = visit(url, client)
        reading = _Whole(source, client.captures, url, post)
        if thread := reading.main():
            consent(thread)
            embedded(thread, client)
            if len(client.captures) > len(reading.captures(thread)):
                reading = _Whole(source, client.captures, url, post)
                thread = reading.one()
            if hidden := frozenset(a.id for a in thread.actors if HIDDEN in a.restrictions):
                reading = _Whole(source, _without(source, client.captures, hidden), url, post)
                thread = reading.one()
            if media:
                reading.illustrate(pictures(thread, client))
    return reading


def _without(source: Source, captures: Iterable[Capture], actors: frozenset[str]) -> list[Capture]:
    """Return captures without the text of these actors, whom another's thread quotes or answers."""
    found = []
    for capture in captures:
        body = reader_of(source, capture).redact(capture, actors)
        found.append(
            capture if body == capture.body else msgspec.structs.replace(capture, body=body, redacted=True)
        )
    return found


def consent(thread: Thread, hint: str = "") -> None:
    """Refuse what its author or the platform does not give to everybody; ``hint`` is what to do instead.

    Raises:
        Refused: so it is.
    """
    actor = next((a for a in thread.actors if a.id == thread.attributed_to), Actor(thread.attributed_to))
    if HIDDEN in actor.restrictions:
        raise Refused("The author shows posts to people who are logged in only", name_of(actor), hint)
    if any(isinstance(item, Post) and item.visibility == "private" for item in thread.items):
        raise Refused("This thread is not public", name_of(actor), hint)


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
    url: str = ""
    """The address that was asked; empty for files and pastes."""

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
    """Captures that fit into memory: a paste, a file, the answers of one visit (to ``url``, for ``post``)."""

    def __init__(self, source: Source, captures: Sequence[Capture], url: str = "", post: str = "") -> None:
        self.source, self.url, self._captures = source, url, tuple(captures)
        pages = (capture for capture in self._captures if not is_media(capture))
        self._asked = post or next(filter(None, map(source.anchor, pages)), "")
        self._forest = Forest(parsed(source, self._captures))

    def illustrate(self, pictures: Iterable[Capture]) -> None:
        """Add pictures of what is read already."""
        self._captures += tuple(pictures)

    def threads(self, rule: Rule = "longest") -> Iterator[Thread]:
        if self._asked and (whole := ready(self._captures, self._asked, rule)):
            return iter([whole])
        return (with_media(thread, self._captures) for thread in threads(self._forest, rule))

    def thread(self, post: str, rule: Rule = "longest") -> Thread:
        return _put_together(self._forest, self._captures, self._forest.find(post) or post, rule)

    def captures(self, thread: Thread) -> list[Capture]:  # noqa: ARG002  all of it: a capture is not cut up
        return list(self._captures)

    def main(self, rule: Rule = "longest") -> Thread | None:
        """A capture may say which post it was asked for; else one conversation has one longest thread."""
        if isinstance(self._forest.items.get(self._asked), Post) or (self.url and self._asked):
            return self.thread(self._asked, rule)
        found = list(self.threads(rule))
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
            elif not isinstance(value, Limit):
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


def _at_most(values: Iterator[Thread], count: int) -> Iterator[Thread]:
    for _, value in zip(range(count), values, strict=False):
        yield value


# -- deriving -----------------------------------------------------------------------------------------------------


def derive(source: Source, captures: Sequence[Capture], post: str, rule: Rule) -> Thread:
    """Return the thread of ``post`` as these captures give it. Pure; the order of captures does not matter."""
    return _put_together(parsed(source, captures), captures, post, rule)


def _put_together(found: Iterable[Found] | Forest, captures: Sequence[Capture], post: str, rule: Rule) -> Thread:
    """Return the thread of ``post``: as it was exported, else as its posts make it."""
    return with_media(ready(captures, post, rule) or assemble(found, post, rule), captures)


def parsed(source: Source, captures: Sequence[Capture]) -> Iterator[Found]:
    """Yield what captures hold; of several looks at the same post what the latest says of it."""
    pages = [capture for capture in captures if not is_media(capture)]
    return settled(told(source, current(pages)), pages)


def told(source: Source, captures: Iterable[Capture]) -> Iterator[Found]:
    """Yield what captures hold, pictures aside, each read by its own source."""
    own: list[Capture] = []
    others: dict[str, list[Capture]] = {}
    for capture in in_order(captures):
        if not is_media(capture):
            reader = reader_of(source, capture)
            (own if reader is source else others.setdefault(reader.name, [])).append(capture)
    yield from source.parse(own)
    for name in sorted(others):
        for value in reader_of(source, others[name][0]).parse(others[name]):
            if not isinstance(value, Limit):  # what is around an embedded post is not looked for
                yield value


def reader_of(source: Source, capture: Capture) -> Source:
    """Return the source that reads a capture: of a post that stands in an article not the article's."""
    name = capture.headers.get(SOURCE, source.name)
    return next((other for other in sources() if other.name == name), source)


def in_order(captures: Iterable[Capture]) -> list[Capture]:
    """Return captures in the order in which sources read them."""
    return sorted(captures, key=_place)


def _place(capture: Capture) -> tuple[str, bool, list[str | int], str, str, datetime]:
    """Sort key: in an archive what stands whole before the records, members and records by number."""
    parts = re.split(r"([0-9]+)", capture.member)
    natural: list[str | int] = [int(part) if n % 2 else part for n, part in enumerate(parts)]
    return (capture.archive, "#" in capture.member, natural, capture.sha256, capture.url, capture.retrieved)


def with_media(thread: Thread, captures: Iterable[Capture]) -> Thread:
    """Note on each attachment which capture is our copy of it."""
    copies = {capture.member or capture.url: capture for capture in captures if is_media(capture)}
    if not copies:
        return thread

    def attachment(value: Attachment) -> Attachment:
        copy = next((copy for name, copy in copies.items() if _names(value.url, name)), None)
        if copy is None:
            return value
        return msgspec.structs.replace(value, sha256=copy.sha256, media_type=copy.media_type)

    def item(value: Item) -> Item:
        if isinstance(value, Tombstone) or not value.attachments:
            return value
        return msgspec.structs.replace(value, attachments=tuple(map(attachment, value.attachments)))

    def run(value: Run) -> Run:
        items, answered = tuple(map(item, value.items)), tuple(map(item, value.answered))
        return msgspec.structs.replace(value, items=items, answered=answered)

    return msgspec.structs.replace(
        thread,
        items=tuple(map(item, thread.items)),
        branches=tuple(map(run, thread.branches)),
        asides=tuple(map(run, thread.asides)),
        context=tuple(map(item, thread.context)),
        quoted=tuple(post for post in map(item, thread.quoted) if isinstance(post, Post)),
    )


def is_media(capture: Capture) -> bool:
    return capture.media_type.startswith(("image/", "video/", "audio/"))


def _names(url: str, member: str) -> bool:
    return bool(url) and (member == url or member.endswith("/" + url))
