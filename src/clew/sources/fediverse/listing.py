"""Whether a list of an author's posts was read without a hole, from the first post that is here up to the newest.

Then every post of the author that survives and is public is here. A list counts only where it holds all that is
known otherwise, and answers among it: some servers list what begins a thread alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from clew.model import Actor, Capture
from clew.sources.fediverse.activitypub import Object, members_of, objects, ref, text, type_of
from clew.sources.fediverse.instance import SHORT, order, place_of
from clew.sources.fediverse.mastodon import Answers
from clew.sources.fediverse.served import Served
from clew.sources.fediverse.shapes import ACTORS, host, path_of

_PUBLIC = "list of public posts"


def whole(answers: Answers, served: Served, given: Iterable[tuple[Capture, list[str]]]) -> Iterator[Actor]:
    """Yield the authors of whom every public post is here that is as young as the first one here."""
    pages: dict[tuple[str, str], dict[str, list[str]]] = defaultdict(dict)
    for capture, ids in given:
        if place := place_of(capture.url):
            pages[host(capture.url), path_of(capture.url)].setdefault(place, ids)
    for (home, _), by_place in pages.items():
        yield from _listed(answers, home, by_place)
    for author, members in _outboxes(served):
        own = {id_: note for id_, note in served.notes.items() if served.author(id_) == author}
        if own and own.keys() <= members and any(ref(note.get("inReplyTo")) for note in own.values()):
            yield Actor(author, outbox=_PUBLIC)


def _listed(answers: Answers, home: str, pages: dict[str, list[str]]) -> Iterator[Actor]:
    known = {str(s.id): s for page in answers.pages if page.instance == home for s in page.statuses}
    place, listed = min(pages, key=order), set[str]()
    first = place
    while (page := pages.get(place)) is not None and all(order(id_) > order(place) for id_ in page):
        listed.update(page)
        if len(page) < SHORT:
            break
        place = max(page, key=order)
    else:
        return  # a page is missing, or the server lists posts from another place than asked
    id_, author = answers.known.get((home, first), ("", ""))
    own = {local for local in known if answers.known[home, local][1] == author}
    is_answered = any(known[local].in_reply_to_id for local in own & listed)
    if id_ in answers.at_home and own - {first} <= listed and is_answered:
        yield Actor(author, outbox=_PUBLIC)


def _outboxes(served: Served) -> Iterator[tuple[str, set[str]]]:
    """Yield each author with the ids of the posts in the outbox, as far as it was read from its newest on."""
    pages = served.pages()
    for _, actor in served.documents:
        url = ref(actor.get("outbox")) if type_of(actor) in ACTORS else ""
        members, seen = list[Object](), set[str]()
        while url in pages and url not in seen:
            seen.add(url)
            for page in (pages[url], *objects(pages[url].get("first"))):
                members.extend(member for member in members_of(page) if isinstance(member, dict))
                url = (
                    ref(page.get("next"))
                    or (page.get("first") if isinstance(page.get("first"), str) else "")
                    or url
                )
        notes = [note if isinstance(note := member.get("object"), dict) else member for member in members]
        dates = [date for note in notes if (date := text(note.get("published")))]
        if dates and dates == sorted(dates, reverse=True):
            yield ref(actor.get("id")), {ref(note.get("id")) for note in notes}
