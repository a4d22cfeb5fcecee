"""The certificate: what of a thread is here, what is not and why, and how that is known."""

from __future__ import annotations

from collections.abc import Sequence

from clew import counters
from clew.forest import Forest
from clew.model import Actor, Certificate, Complete, Gap, Item, Post, Reason, Tombstone

_PLAIN: dict[Reason, str] = {
    "deleted": "deleted",
    "unavailable": "unavailable",
    "blocked": "blocked",
    "private": "private",
    "limited": "beyond a limit of the platform",
    "not_federated": "not known to the server that was asked",
    "counter": "skipped by the counters",
    "forgotten": "removed at the author's request",
}


def certify(forest: Forest, items: Sequence[Item], limits: Sequence[str] = ()) -> Certificate:
    """Return the certificate of a main line.

    Args:
        forest: everything the captures hold; reply counts are compared with it.
        items: the main line in reading order.
        limits: what the rule or the shape of the tree keeps from sight, one plain sentence each.
    """
    posts = [item for item in items if isinstance(item, Post)]
    counted = counters.find([item.content if isinstance(item, Post) else "" for item in items])
    gaps = [
        *_buried(forest, items),
        *_skipped(items, counted),
        *_unsized(posts, items),
        *_unknown_below(forest, items),
    ]
    missing = sum(gap.count for gap in gaps)
    seen, evidence = _witnesses(forest, posts, counted, bool(missing))
    limits = [*limits, *_unseen_replies(forest, posts)]
    complete: Complete = "no" if missing else "yes" if seen else "unknown"
    expected = _expected(posts, counted, missing) if missing or seen or counted.marks else None
    certificate = Certificate(
        found=len(posts),
        expected=expected,
        complete=complete,
        gaps=tuple(gaps),
        limits=tuple(limits),
        evidence=tuple(evidence),
        sentence="",
    )
    return _with_sentence(certificate, paste=any(post.generator == "paste" for post in posts))


def _buried(forest: Forest, items: Sequence[Item]) -> list[Gap]:
    gaps = []
    for before, item in zip([None, *items], items, strict=False):
        if isinstance(item, Tombstone):
            evidence = item.evidence or f"the platform says it is {_PLAIN[item.reason]}"
            if item.id in forest.inferred:
                evidence += "; its place is inferred from its age"
            gaps.append(Gap(item.reason, evidence, item.id, before.id if before else ""))
    return gaps


def _skipped(items: Sequence[Item], counted: counters.Counters) -> list[Gap]:
    gaps = []
    for jump in counted.jumps:
        if not jump.before:
            evidence = f"the first counter is {jump.after}"
        elif not jump.after:
            evidence = f"the last counter is {jump.before}"
        else:
            evidence = f"{jump.before} is followed by {jump.after}"
        gaps.append(Gap("counter", evidence, "", items[jump.at - 1].id if jump.at else "", jump.missing))
    return gaps


def _unsized(posts: Sequence[Post], items: Sequence[Item]) -> list[Gap]:
    """The platform's own count of the author's posts in the thread, less what is here."""
    size = max((post.thread_size or 0 for post in posts), default=0)
    missing = size - len(items)
    if missing <= 0:
        return []
    return [Gap("unavailable", f"the platform counts {size} posts by the author in this thread", "", "", missing)]


def _unknown_below(forest: Forest, items: Sequence[Item]) -> list[Gap]:
    """Missing answers to the main line of which nobody says whose they are: they may be the author's."""
    line = {item.id for item in items}
    return [
        Gap(
            child.reason,
            (child.evidence or "it is missing") + "; whose post it is, is not known",
            child.id,
            item.id,
        )
        for item in items
        for child in map(forest.items.get, forest.children.get(item.id, ()))
        if isinstance(child, Tombstone) and not child.attributed_to and child.id not in line
    ]


def _witnesses(
    forest: Forest, posts: Sequence[Post], counted: counters.Counters, gaps: bool
) -> tuple[bool, list[str]]:
    """Return whether something vouches for the whole thread, and what was checked and held."""
    evidence = []
    whole = False
    if counted.marks:
        evidence.append(_counter_sentence(counted))
        whole = bool(counted.total) and counted.total == len(posts) and not any(p.generator for p in posts)
    if not posts or gaps:
        return False, evidence
    actor = forest.actors.get(posts[0].attributed_to, Actor(""))
    if actor.outbox:
        evidence.append(f"The author's {actor.outbox} holds every post that had not been deleted")
        whole = True
    if any(post.thread_size == len(posts) for post in posts):
        evidence.append(f"The platform counts {len(posts)} posts by the author in this thread")
        whole = True
    if all(post.replies is not None for post in posts) and not _unseen_replies(forest, posts):
        evidence.append("Every reply that the platform counts was seen")
        whole = True
    return whole, evidence


def _counter_sentence(counted: counters.Counters) -> str:
    numbers = counted.numbers()
    span = f"The counters run from {numbers[0]} to {numbers[-1]}"
    if counted.total:
        span += f" of {counted.total}"
    if counted.last:
        span += f", then “{counted.last}”"
    return f"{span}, with {'gaps' if counted.jumps else 'no gap'}"


def _unseen_replies(forest: Forest, posts: Sequence[Post]) -> list[str]:
    unseen = sum(max(0, (post.replies or 0) - len(forest.children.get(post.id, ()))) for post in posts)
    if not unseen:
        return []
    return [f"The platform counts {_count(unseen, 'more reply', 'more replies')}; some may be the author's"]


def _expected(posts: Sequence[Post], counted: counters.Counters, missing: int) -> int:
    return max(len(posts) + missing, counted.total)


def _with_sentence(certificate: Certificate, *, paste: bool) -> Certificate:
    found = _count(certificate.found, "post", "posts")
    counters_say = next((line for line in certificate.evidence if line.startswith("The counters")), "")
    if certificate.complete == "no":
        sentence = f"{found} of {certificate.expected}: {_reasons(certificate.gaps)}."
    elif certificate.complete == "yes":
        sentence = f"{found}, complete. {'. '.join(certificate.evidence)}."
    elif counters_say:
        rest = "a paste proves no more" if paste else "nothing else vouches for the whole"
        sentence = f"{found}. {counters_say}; {rest}."
    elif paste and certificate.found == 1:
        sentence = "1 post, as pasted."
    else:
        why = f" {'. '.join(certificate.limits)}." if certificate.limits else ""
        sentence = f"{found}; whether that is all cannot be told from here.{why}"
    return Certificate(
        certificate.found,
        certificate.complete,
        sentence,
        certificate.expected,
        certificate.gaps,
        certificate.limits,
        certificate.evidence,
    )


def _reasons(gaps: Sequence[Gap]) -> str:
    counts: dict[Reason, int] = {}
    for gap in gaps:
        counts[gap.reason] = counts.get(gap.reason, 0) + gap.count
    told = ", ".join(f"{count} {_PLAIN[reason]}" for reason, count in counts.items())
    jumps = "; ".join(gap.evidence for gap in gaps if gap.reason == "counter")
    return f"{told} ({jumps})" if jumps else told


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"
