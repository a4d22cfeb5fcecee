"""What the store keeps: saving, deriving it all again, checking it, and forgetting an author."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import NamedTuple

import msgspec

from clew.document import stitch, title
from clew.errors import ClewError, InputError, Refused, StoreError, ThreadError
from clew.fetch import SOURCE, VISIT
from clew.model import Actor, Capture, Deletion, Item, Limit, OptOut, Post, Thread
from clew.outline import name as name_of
from clew.plugins import Source, sources
from clew.reading import Reading, consent, derive, is_media, reader_of, told
from clew.store import Output, Reads, Saving, Store, Writer, thinned
from clew.text import LINK
from clew.text import key as key_of
from clew.thread import every_item
from clew.visiting import HIDDEN

_COPY = "clew"  # the source of what Clew exported


def save(store: Store, reading: Reading, thread: Thread) -> str:
    """Keep a thread with what it was made of, and return its key. Again with the same: nothing changes.

    What was kept before of the same thread is put together with the new: a longer answer lets the thread grow.

    Raises:
        Refused: the author does not want it, or it is not public.
        StoreError: it cannot be written.
    """
    consent(thread, "Read it without --save")
    source, captures = reading.source, reading.captures(thread)
    asked = next((item.id for item in thread.items if isinstance(item, Post)), thread.id)
    with store.writing() as writer:
        mind_opt_outs(writer, thread)
        earlier = list(_kept_before(writer, thread))
        if source.name == _COPY and (theirs := next((old for old in earlier if old.source != _COPY), None)):
            return key_of(theirs.thread)  # what came from the network itself goes before an export of it
        own = (old for old in earlier if source.name == _COPY or old.source != _COPY)
        kept = [capture for old in own for capture in writer.captures(old.thread)]
        kept = thinned([*kept, *put_captures(writer, source, captures)])
        merged = derive(source, kept, asked, thread.rule)
        key = _put(writer, merged, source, asked, kept, *_address(reading, captures, earlier))
        for old in earlier:
            if old.thread != merged.id:
                writer.alias(old.thread, merged.id)
                writer.drop_thread(old.thread)
    return key


def mind_opt_outs(store: Reads, thread: Thread) -> None:
    """Refuse a thread whose author asked to be left out.

    Raises:
        Refused: so it is.
    """
    author = next((a for a in thread.actors if a.id == thread.attributed_to), Actor(thread.attributed_to))
    wish = store.opted_out(_names(author))
    if wish:
        hint = f"Ended by: clew forget --lift {wish.actor}"
        raise Refused("The author asked to be left out of Clew", _author(thread), hint)


def _names(actor: Actor) -> tuple[str, ...]:
    """Return what an actor may be called in a wish that was noted before anything of theirs was seen."""
    return actor.id, actor.url, actor.url.removesuffix("/"), f"{actor.url}/"


def put_captures(writer: Writer, source: Source, captures: Sequence[Capture]) -> list[Capture]:
    """Keep captures without what is not public and without the text of who opted out; return them as kept."""
    out = frozenset(wish.actor for wish in writer.opt_outs())
    return list(writer.put_captures(_without(source, captures, out)))


def _address(
    reading: Reading, captures: Sequence[Capture], earlier: Sequence[Saving]
) -> tuple[str, datetime | None]:
    """Return the address to ask again, given now or before, and when it was last asked."""
    url = reading.url or next((old.url for old in earlier if old.url), "")
    times = [old.looked for old in earlier if old.looked]
    times += [capture.retrieved for capture in captures] if reading.url else []
    return url, max(times, default=None)


def _put(
    writer: Writer,
    thread: Thread,
    source: Source,
    asked: str,
    captures: Sequence[Capture],
    url: str,
    looked: datetime | None,
) -> str:
    named = title(thread, stitch(thread))
    return writer.put_thread(
        thread, title=named, source=source.name, post=asked, captures=captures, url=url, looked=looked
    )


def _author(thread: Thread) -> str:
    return name_of(next((a for a in thread.actors if a.id == thread.attributed_to), Actor(thread.attributed_to)))


def _kept_before(writer: Writer, thread: Thread) -> Iterator[Saving]:
    """Yield the savings of the kept threads that share a post of the main line with ``thread``."""
    line = {item.id for item in thread.items}
    for key in writer.sharing(line):
        kept = writer.thread(key)
        if kept.id in line or any(item.id == thread.id for item in kept.items):
            yield writer.saving(key)


def _without(source: Source, captures: Sequence[Capture], out: frozenset[str]) -> Iterator[Capture]:
    """Yield captures without what is not public: posts for followers, and the text of who opted out (``out``) or
    shows posts to people who are logged in only."""
    values = list(told(source, captures))
    actors = [value for value in values if isinstance(value, Actor)]
    out |= {a.id for a in actors if HIDDEN in a.restrictions or not out.isdisjoint(_names(a))}
    out &= _people(values)
    owners = _owners(captures, values) if out and source.members else {}

    def public(capture: Capture) -> bytes:
        body = reader_of(source, capture).redact(capture, frozenset())
        return _redacted(source, msgspec.structs.replace(capture, body=body), out, owners)

    bodies = _rewritten((capture for capture in captures if not is_media(capture)), public)
    theirs = {a.url for v in values if isinstance(v, Post) and v.attributed_to in out for a in v.attachments}
    bodies |= {c.sha256: b"" for c in captures if is_media(c) and (c.member or c.url) in theirs}
    for capture in captures:
        body = bodies.get(capture.sha256, capture.body)
        yield msgspec.structs.replace(capture, body=body, redacted=True) if body != capture.body else capture


def _rewritten(captures: Iterable[Capture], rewrite: Callable[[Capture], bytes]) -> dict[str, bytes]:
    """Return each body, by digest, after ``rewrite`` saw it once for each address that it came from."""
    bodies: dict[str, bytes] = {}
    for capture in captures:
        body = bodies.get(capture.sha256, capture.body)
        bodies[capture.sha256] = rewrite(msgspec.structs.replace(capture, body=body))
    return bodies


def _people(values: Iterable[Actor | Item | Limit]) -> frozenset[str]:
    return frozenset(
        value.attributed_to if isinstance(value, Item) else value.id if isinstance(value, Actor) else value.actor
        for value in values
    )


def _redacted(source: Source, capture: Capture, out: frozenset[str], owners: Mapping[str, str]) -> bytes:
    """Return a capture's body without these actors' text. The records of an archive do not name their owner."""
    if not out:
        return capture.body
    if owner := owners.get(capture.sha256):
        capture = msgspec.structs.replace(capture, headers={"author": owner} | capture.headers)
    return reader_of(source, capture).redact(capture, out)


def _owners(captures: Sequence[Capture], values: Iterable[Actor | Item | Limit]) -> dict[str, str]:
    """Return whose a capture is, by digest: who wrote its posts, else the owner of the archive."""
    owners: dict[str, str] = {}
    owner = ""
    for value in values:
        if isinstance(value, Post):
            owners.setdefault(value.capture, value.attributed_to)
        elif isinstance(value, Actor) and value.outbox:
            owner = value.id
    rest = {capture.sha256: owner for capture in captures if capture.archive and owner}
    return rest | owners


def source_named(name: str) -> Source:
    """Return a source by its name.

    Raises:
        InputError: there is none; a plugin may be missing.
    """
    for source in sources():
        if source.name == name:
            return source
    raise InputError("No such source", name, f"Known are: {', '.join(s.name for s in sources())}")


class Finding(NamedTuple):
    """Something in the store that does not hold."""

    thread: str
    what: str


def rebuild(store: Store) -> Iterator[str]:
    """Drop everything derived and derive it again from the captures; yield the id of each thread when it stands."""
    with store.writing() as writer:
        savings = list(writer.savings())
        writer.clear_derived()
        for saving in savings:
            source, captures = source_named(saving.source), writer.captures(saving.thread)
            thread = derive(source, captures, saving.post, saving.rule)
            _put(writer, thread, source, saving.post, captures, saving.url, saving.looked)
            yield thread.id


def check(store: Store) -> Iterator[Finding | str]:
    """Decode every capture again and compare it with what is kept; yield a thread's id, or what does not hold."""
    for saving in store.savings():
        try:
            captures = store.captures(saving.thread)
            broken = dict.fromkeys(c.sha256[:12] for c in captures if not _is_intact(c))
            findings = [
                *(f"capture {digest} is not what was received" for digest in broken),
                *_differences(store.thread(saving.thread), saving, captures),
            ]
        except ClewError as error:
            findings = [str(error)]
        yield from (Finding(saving.thread, finding) for finding in findings)
        yield saving.thread


def _is_intact(capture: Capture) -> bool:
    return capture.redacted or sha256(capture.body).hexdigest() == capture.sha256


def _differences(kept: Thread, saving: Saving, captures: Sequence[Capture]) -> Iterator[str]:
    again = derive(source_named(saving.source), captures, saving.post, saving.rule)
    posts = {item.id: item for item in every_item(again) if isinstance(item, Post)}
    for item in every_item(kept):
        if isinstance(item, Post) and (item.id not in posts or posts[item.id].content != item.content):
            yield f"post {item.id} is not what its capture says"
    document = stitch(kept)
    for span in document.spans:
        source = posts.get(span.source)
        shown = document.text[span.start : span.end]
        if span.type == "text" and (source is None or source.content[span.source_start : span.source_end] != shown):
            yield f"characters {span.start} to {span.end} are not those of post {span.source}"
    if kept != again:
        yield "the thread is not what its captures give; clew rebuild derives it again"


class Forgotten(NamedTuple):
    """What ``forget`` did. ``outputs`` are files and folders that may hold the text: the caller sees to them."""

    actor: Actor
    captures: int
    dropped: tuple[str, ...]
    changed: tuple[str, ...]
    outputs: tuple[Output, ...]


def forget(store: Store, who: str, by: str, *, opt_out: bool = True, now: datetime | None = None) -> Forgotten:
    """Remove an author's text from everything kept: captures are redacted, threads derived again or dropped.

    Args:
        store: where.
        who: the author: id, URL, "@handle", or key.
        by: who carries it out, for the record.
        opt_out: refuse the author's threads from now on.
        now: time of the judgement.

    Raises:
        StoreError: nobody is called so.
    """
    when = now or datetime.now(UTC)
    actor = somebody(store, who)
    dropped: list[str] = []
    changed: list[str] = []
    with store.writing(when) as writer:
        redacted: set[str] = set()
        savings = list(writer.savings())
        for saving in savings:
            redacted |= set(redact(writer, source_named(saving.source), saving, frozenset([actor.id])))
        named = set(writer.threads_with(actor.id))
        affected = [s.thread for s in savings if s.thread in named or redacted.intersection(s.captures)]
        outputs = tuple(out for out in writer.outputs() if _holds(writer, out, frozenset(affected)))
        for saving in savings:
            if saving.thread in affected:
                (changed if _derived_again(writer, saving, actor.id) else dropped).append(saving.thread)
        if opt_out:
            writer.put_opt_out(OptOut(actor.id, by, when))
        writer.put_deletion(Deletion(actor.id, by, when, len(redacted), len(affected)))
        writer.drop_captures_unused()
    store.scrub()
    return Forgotten(actor, len(redacted), tuple(dropped), tuple(changed), outputs)


def _derived_again(writer: Writer, saving: Saving, forgotten: str) -> bool:
    """Derive a thread from what is left; drop it where it is the forgotten author's."""
    source, captures = source_named(saving.source), writer.captures(saving.thread)
    try:
        thread = derive(source, captures, saving.post, saving.rule)
    except ThreadError:
        thread = None
    if thread is None or thread.attributed_to == forgotten:
        writer.drop_thread(saving.thread)
        return False
    put_again(writer, saving, thread, captures, saving.looked)
    return True


def put_again(
    writer: Writer, saving: Saving, thread: Thread, captures: Sequence[Capture], looked: datetime | None
) -> str:
    """Keep what is derived for a saving now in place of what was, and return its key."""
    key = _put(writer, thread, source_named(saving.source), saving.post, captures, saving.url, looked)
    if thread.id != saving.thread:  # its head is another now
        writer.alias(saving.thread, thread.id)
        writer.drop_thread(saving.thread)
    return key


def _holds(writer: Writer, output: Output, threads: frozenset[str]) -> bool:
    """Say whether a file was written from one of these threads, under the id it has now or one it had before; or
    from one that is gone, which only ``forget`` leaves behind when it is stopped halfway."""
    keys = {key_of(id_) for id_ in threads}
    for id_ in output.threads:
        try:
            if writer.find(id_) in keys:
                return True
        except StoreError:
            return True
    return False


def redact(writer: Writer, source: Source, saving: Saving, actors: frozenset[str]) -> Iterator[str]:
    """Redact the captures of a thread, and yield the digests of those that held something of the actors: also of
    somebody who stands in a capture and not in the thread."""
    captures = writer.captures(saving.thread)
    values = list(told(source, captures))
    shown = list(every_item(writer.thread(saving.thread)))
    if not actors & (_people(values) | _people(shown)):
        return
    posts = [p for p in (*values, *shown) if isinstance(p, Post) and p.attributed_to in actors]
    theirs = {digest for post in posts for digest in (post.capture, *post.also_from)}
    pictures = {attachment.sha256 for post in posts for attachment in post.attachments}
    owners = _owners(captures, values) if source.members else {}

    def without(capture: Capture) -> bytes:
        if is_media(capture):
            return b"" if capture.sha256 in pictures else capture.body
        return _redacted(source, capture, actors, owners)

    before = {capture.sha256: capture.body for capture in captures}
    for digest, body in _rewritten(captures, without).items():
        if body != before[digest]:
            writer.redact(digest, body, headers=(VISIT, SOURCE) if digest in theirs else None)
            yield digest


def somebody(store: Store, who: str) -> Actor:
    try:
        return store.actor(who)
    except StoreError:
        if LINK.match(who) or who.startswith("did:"):
            return Actor(who)  # nobody we know yet; the opt-out holds from now on
        raise
