"""Asking again for a kept thread: what grew, what was edited, what is gone, what came back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from clew.config import Config
from clew.document import stitch, title
from clew.errors import FetchError, InputError, Refused
from clew.fetch import Client
from clew.keeping import mind_opt_outs, put_again, put_captures, redact, source_named
from clew.model import Actor, Capture, Post, Thread, Tombstone
from clew.outline import one_line
from clew.plugins import Source
from clew.reading import derive, parsed, told
from clew.store import Store, thinned
from clew.thread import every_item
from clew.visiting import HIDDEN, embedded, pictures, visit


class Look(NamedTuple):
    """What a look found. Posts are named by their ids, in reading order."""

    key: str
    title: str
    grew: tuple[str, ...]
    edited: tuple[str, ...]
    gone: tuple[str, ...]
    back: tuple[str, ...]
    certificate: str
    """The certificate's sentence."""
    hidden: bool
    """The author shows it to people who are logged in only, since: it has left the public pages."""

    def __str__(self) -> str:
        told = (("new", self.grew), ("edited", self.edited), ("gone", self.gone), ("back", self.back))
        words = ", ".join(f"{len(posts):,} {word}" for word, posts in told if posts) or "as it was"
        return f"{words}; no longer public" if self.hidden else words


def refresh(
    store: Store,
    name: str,
    config: Config,
    *,
    media: bool = False,
    progress: Callable[[int], object] = bool,
) -> Look:
    """Ask again for a kept thread and keep what came. What is gone at its source leaves the pages.

    Args:
        store: where it is kept.
        name: its key, the start of it, or the id or URL of any of its posts.
        config: how servers are asked.
        media: fetch pictures that are not kept yet.
        progress: hears how many requests were made.

    Raises:
        InputError: it was not fetched from an address.
        SourceError: its server could not be asked. Nothing changed.
        Refused: its author asked to be left out.
        StoreError: the thread was removed meanwhile.
    """
    saving = store.saving(store.find(name))
    if not saving.url:
        raise InputError("This thread was given as a file or text, so nobody can be asked", saving.thread)
    before, earlier = store.thread(saving.thread), store.captures(saving.thread)
    mind_opt_outs(store, before)
    now = datetime.now(UTC)
    source, hidden = source_named(saving.source), False
    with Client(config, earlier=earlier, progress=progress) as client:
        try:
            visit(saving.url, client, _known(before))
        except Refused:  # the author changed their mind: what came until then says so
            hidden = True
        except FetchError:
            if not _missed(source, [*earlier, *client.captures], now):
                raise  # else that it is gone is the news
        if not hidden:
            seen = derive(source, [*earlier, *client.captures], saving.post, saving.rule)
            embedded(seen, client, again=True)
        fresh: list[Capture] = list(client.captures)
        if media and not hidden:
            fresh += pictures(seen, client)
    with store.writing() as writer:
        saving = writer.saving(writer.find(saving.thread))  # others wrote meanwhile, or the author was forgotten
        mind_opt_outs(writer, before)
        closed = frozenset(a.id for a in told(source, fresh) if isinstance(a, Actor) and HIDDEN in a.restrictions)
        list(redact(writer, source, saving, closed - {before.attributed_to}))  # others who are quoted
        kept = thinned([*writer.captures(saving.thread), *put_captures(writer, source, fresh)])
        thread = derive(source, kept, saving.post, saving.rule)
        key = put_again(writer, saving, thread, kept, now)
    return _compared(key, before, thread, hidden=hidden)


def _missed(source: Source, captures: Sequence[Capture], since: datetime) -> bool:
    """Say whether a post was found to be gone."""
    return any(isinstance(v, Tombstone) and v.checked and v.checked >= since for v in parsed(source, captures))


def _known(thread: Thread) -> Sequence[str]:
    """Return the ids of the author's own posts, those that are missing too: they may be back."""
    runs = (*thread.branches, *thread.asides)
    return [item.id for item in (*thread.items, *(item for run in runs for item in run.items))]


def _compared(key: str, before: Thread, after: Thread, *, hidden: bool) -> Look:
    old = {item.id: item for item in every_item(before) if item.attributed_to == before.attributed_to}
    new = {item.id: item for item in every_item(after) if item.attributed_to == after.attributed_to}
    here = {id_: item for id_, item in new.items() if isinstance(item, Post)}
    was = {id_: item for id_, item in old.items() if isinstance(item, Post)}
    return Look(
        key=key,
        title=one_line(title(after, stitch(after))),
        grew=tuple(id_ for id_ in here if id_ not in old),
        edited=tuple(id_ for id_ in here if id_ in was and here[id_].content != was[id_].content),
        gone=tuple(id_ for id_ in was if id_ not in here),
        back=tuple(id_ for id_ in here if id_ in old and id_ not in was),
        certificate=after.certificate.sentence,
        hidden=hidden,
    )
