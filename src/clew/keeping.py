"""What the store keeps: saving, deriving it all again, checking it, and forgetting an author."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import NamedTuple

import msgspec

from clew.document import stitch, title
from clew.errors import ClewError, InputError, Refused, StoreError, ThreadError
from clew.model import Actor, Capture, Deletion, OptOut, Post, Thread
from clew.outline import name as name_of
from clew.plugins import Source, sources
from clew.reading import LINK, Reading, derive, every_item, is_media
from clew.store import Output, Saving, Store, Writer

_FORGOTTEN = "the author asked to be left out of Clew"


def save(store: Store, reading: Reading, thread: Thread) -> str:
    """Keep a thread with what it was made of, and return its key. Again with the same: nothing changes.

    What was kept before of the same thread is put together with the new: a longer answer lets the thread grow.

    Raises:
        Refused: the author does not want it, or it is not public.
        StoreError: it cannot be written.
    """
    _consent(thread)
    source, captures = reading.source, reading.captures(thread)
    asked = next(item.id for item in thread.items if isinstance(item, Post))
    with store.writing() as writer:
        wish = writer.opted_out([thread.attributed_to])
        if wish:
            raise Refused(f"Not kept: {_FORGOTTEN}", _author(thread), f"Ended by: clew forget --lift {wish.actor}")
        earlier = list(_kept_before(writer, thread))
        writer.put_captures(_without(source, capture, writer) for capture in captures)
        digests = dict.fromkeys(capture.sha256 for capture in captures)
        for old in earlier:
            digests |= dict.fromkeys(writer.saving(old.id).captures)
        merged = derive(source, [writer.capture(digest) for digest in digests], asked, thread.rule)
        key = _put(writer, merged, source, asked, list(digests))
        for old in earlier:
            if old.id != merged.id:
                writer.alias(old.id, merged.id)
                writer.drop_thread(old.id)
    return key


def _put(writer: Writer, thread: Thread, source: Source, asked: str, digests: Sequence[str]) -> str:
    named = title(thread, stitch(thread))
    return writer.put_thread(thread, title=named, source=source.name, post=asked, captures=digests)


def _author(thread: Thread) -> str:
    return name_of(next((a for a in thread.actors if a.id == thread.attributed_to), Actor(thread.attributed_to)))


def _consent(thread: Thread) -> None:
    """Refuse what its author or the platform does not give to everybody."""
    actor = next((a for a in thread.actors if a.id == thread.attributed_to), Actor(thread.attributed_to))
    if "no-unauthenticated" in actor.restrictions:
        raise Refused("Not kept: the author shows posts to people who are logged in only", name_of(actor))
    if any(isinstance(item, Post) and item.visibility == "private" for item in thread.items):
        raise Refused("Not kept: the thread is not public", name_of(actor), "Read it without --save")


def _kept_before(writer: Writer, thread: Thread) -> Iterator[Thread]:
    """Yield the kept threads that share a post of the main line with ``thread``."""
    line = {item.id for item in thread.items}
    keys: dict[str, None] = {}
    for id_ in sorted(line):
        try:
            keys[writer.find(id_)] = None
        except StoreError:
            continue
    for key in keys:
        kept = writer.thread(key)
        if kept.id in line or any(item.id == thread.id for item in kept.items):
            yield kept


def _without(source: Source, capture: Capture, writer: Writer) -> Capture:
    """Return a capture without the text of anybody who opted out."""
    wishes = writer.opt_outs()
    if not wishes or is_media(capture):
        return capture
    out = frozenset(wish.actor for wish in wishes)
    if not any(isinstance(value, Actor) and value.id in out for value in source.parse([capture])):
        return capture
    return msgspec.structs.replace(capture, body=source.redact(capture, out), redacted=True)


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
            source = source_named(saving.source)
            thread = derive(source, writer.captures(saving.thread), saving.post, saving.rule)
            _put(writer, thread, source, saving.post, saving.captures)
            yield thread.id


def check(store: Store) -> Iterator[Finding | str]:
    """Decode every capture again and compare it with what is kept; yield a thread's id, or what does not hold."""
    for saving in store.savings():
        try:
            captures = store.captures(saving.thread)
            findings = [
                *(f"capture {c.sha256[:12]} is not what was received" for c in captures if not _is_intact(c)),
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
    dropped, changed = [], []
    with store.writing(when) as writer:
        redacted: set[str] = set()
        affected = writer.threads_with(actor.id)
        for id_ in affected:
            saving = writer.saving(id_)
            source = source_named(saving.source)
            redacted |= set(_redact(writer, source, saving, frozenset([actor.id])))
            try:
                thread = derive(source, writer.captures(id_), saving.post, saving.rule)
            except ThreadError:
                thread = None
            if thread is None or thread.attributed_to == actor.id:
                writer.drop_thread(id_)
                dropped.append(id_)
            else:
                _put(writer, thread, source, saving.post, saving.captures)
                changed.append(id_)
        if opt_out:
            writer.put_opt_out(OptOut(actor.id, by, when))
        writer.put_deletion(Deletion(actor.id, by, when, len(redacted), len(affected)))
        writer.drop_captures_unused()
        outputs = tuple(out for out in writer.outputs() if set(out.threads) & set(affected))
    store.scrub()
    return Forgotten(actor, len(redacted), tuple(dropped), tuple(changed), outputs)


def _redact(writer: Writer, source: Source, saving: Saving, actors: frozenset[str]) -> Iterator[str]:
    thread = writer.thread(saving.thread)
    posts = [item for item in every_item(thread) if isinstance(item, Post) and item.attributed_to in actors]
    theirs = {post.capture for post in posts}
    pictures = {attachment.sha256 for post in posts for attachment in post.attachments}
    for digest in saving.captures:
        capture = writer.capture(digest)
        if is_media(capture):
            body = b"" if digest in pictures else capture.body
        else:
            body = source.redact(capture, actors)
        if body != capture.body:
            writer.redact(digest, body, headers={} if digest in theirs else None)
            yield digest


def somebody(store: Store, who: str) -> Actor:
    try:
        return store.actor(who)
    except StoreError:
        if LINK.match(who) or who.startswith("did:"):
            return Actor(who)  # nobody we know yet; the opt-out holds from now on
        raise
