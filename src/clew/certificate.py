"""The certificate: what of a thread is here, what is not and why, and how that is known."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from clew import counters
from clew.forest import Forest
from clew.model import Actor, Certificate, Complete, Gap, Item, Post, Reason, Tombstone

PLAIN: dict[Reason, str] = {
    "deleted": "deleted",
    "unavailable": "unavailable",
    "blocked": "blocked",
    "private": "private",
    "limited": "beyond a limit of the platform",
    "not_federated": "not known to the server that was asked",
    "counter": "missing by the counters",
    "forgotten": "removed at the author's request",
}
"""What may be said of a post for each reason."""
_STILL_COUNTED = ("blocked", "private", "limited", "forgotten")  # not here, yet a reply that the platform counts
_ONE_SERVER = ("at://", "https://x.com/", "https://t.me/")  # elsewhere each server counts the replies it knows


def certify(forest: Forest, items: Sequence[Item], limits: Sequence[str] = ()) -> Certificate:
    """Return the certificate of a main line.

    Args:
        forest: everything the captures hold; reply counts are compared with it.
        items: the main line in reading order, the head first.
        limits: what is odd about the line, one plain sentence each.
    """
    posts = [item for item in items if isinstance(item, Post)]
    counted = counters.find([item.content if isinstance(item, Post) else "" for item in items])
    skipped = _skipped(items, counted)
    gaps = [*_buried(forest, items), *skipped, *_unsized(posts, items, sum(gap.count for gap in skipped))]
    missing = sum(gap.count for gap in gaps)
    unclaimed = _unclaimed(forest, items)
    limited = _limited(forest, posts)
    doubts = [*_doubts(forest, items, len(unclaimed)), *(gap.evidence for gap in limited)]
    if not missing and counted.total > len(posts):
        doubts.append(f"The counters announce {counted.total:,} posts")
    unseen = _unseen_replies(forest, posts)
    whole, evidence = (False, []) if missing else _witnesses(forest, posts, counted, unseen)
    complete: Complete = "no" if missing else "yes" if whole and not doubts else "unknown"
    known = missing or complete == "yes" or counted.marks
    doubts += _more_replies(unseen) if complete != "yes" else []
    certificate = Certificate(
        found=len(posts),
        expected=max(len(posts) + missing, counted.total) if known else None,
        complete=complete,
        gaps=(*gaps, *unclaimed, *limited),
        limits=(*limits, *doubts, *_around(forest)),
        evidence=tuple(evidence),
        sentence="",
    )
    least = not counted.marks and any(_may_hide_more(forest, items, item) for item in items)
    sentence = _sentence(certificate, doubts, carried=_carried(posts), least=least)
    return msgspec.structs.replace(certificate, sentence=" ".join(sentence.split()))


# -- what is missing ----------------------------------------------------------------------------------------------


def _buried(forest: Forest, items: Sequence[Item]) -> list[Gap]:
    gaps = []
    for before, item in zip([None, *items], items, strict=False):
        if isinstance(item, Tombstone):
            evidence = item.evidence or f"the platform says that it is {PLAIN[item.reason]}"
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


def _unsized(posts: Sequence[Post], items: Sequence[Item], skipped: int) -> list[Gap]:
    """The platform's own count of the author's posts in the thread, less what is here or known to be missing."""
    size = max((post.thread_size or 0 for post in posts), default=0)
    missing = size - len(items) - skipped
    if missing <= 0:
        return []
    return [Gap("unavailable", f"{_platform_counts(size)} by the author in this thread", "", "", missing)]


def _limited(forest: Forest, posts: Sequence[Post]) -> list[Gap]:
    """Return what kept us from looking whether the author wrote more."""
    actors = {"", *(post.attributed_to for post in posts)}
    told = sorted(lim.evidence for lim in forest.limits if lim.about == "thread" and lim.actor in actors)
    return [Gap("limited", evidence, "", posts[-1].id if posts else "", 0) for evidence in told]


def _around(forest: Forest) -> list[str]:
    """Return what kept us from seeing what others wrote."""
    return sorted(limit.evidence for limit in forest.limits if limit.about == "surroundings")


def _may_hide_more(forest: Forest, items: Sequence[Item], item: Item) -> bool:
    """Whether nobody knows what a missing post answered: more may be missing before it."""
    if not isinstance(item, Tombstone) or item.in_reply_to or (item.checked and item.published):
        return False  # the last: it was here once
    return item.id in forest.inferred or all(other.context != item.id for other in items)


# -- what cannot be known -----------------------------------------------------------------------------------------


def _doubts(forest: Forest, items: Sequence[Item], below: int) -> list[str]:
    """Return why nothing can vouch for the whole line, one plain sentence each."""
    doubts = []
    above = forest.items.get(forest.parents.get(items[0].id, ""))
    if isinstance(above, Tombstone) and not above.attributed_to:
        doubts.append("The first post answers one that is not here, and whose that was is not known")
    if below:
        are, whose = ("answer is", "whose it was is") if below == 1 else ("answers are", "whose they were is")
        doubts.append(f"{below:,} {are} missing here, and {whose} not known")
    if adrift := forest.adrift(items):
        missing, what = ("post", "what it answers is") if adrift == 1 else ("posts", "what they answer is")
        doubts.append(f"{adrift:,} missing {missing} by the author may belong here; {what} not known")
    return doubts


def _unclaimed(forest: Forest, items: Sequence[Item]) -> list[Gap]:
    """Return the missing answers to the line of which nobody says whose they are; they count as none of its posts.

    Those below them are among them: an answer to a missing one.
    """
    gaps = []
    stack = [(child, item.id) for item in reversed(items) for child in reversed(forest.children.get(item.id, ()))]
    while stack:
        id_, after = stack.pop()
        child = forest.items[id_]
        if isinstance(child, Tombstone) and not child.attributed_to:
            evidence = child.evidence or "it is missing, and whose it was is not known"
            gaps.append(Gap(child.reason, evidence, id_, after, 0))
            stack += [(below, id_) for below in reversed(forest.children.get(id_, ()))]
    return gaps


def _unseen_replies(forest: Forest, posts: Sequence[Post]) -> int:
    """Count the replies that the platform counts and that are not here."""
    return sum(max(0, post.replies - _seen(forest, post.id)) for post in posts if post.replies is not None)


def _seen(forest: Forest, id_: str) -> int:
    replies = (forest.items[child] for child in forest.children.get(id_, ()))
    return sum(isinstance(reply, Post) or reply.reason in _STILL_COUNTED for reply in replies)


def _more_replies(unseen: int) -> list[str]:
    if not unseen:
        return []
    whose = "it may be the author's" if unseen == 1 else "some may be the author's"
    return [f"The platform counts {_count(unseen, 'more reply', 'more replies')}; {whose}"]


# -- what vouches -------------------------------------------------------------------------------------------------


def _witnesses(
    forest: Forest, posts: Sequence[Post], counted: counters.Counters, unseen: int
) -> tuple[bool, list[str]]:
    """Return whether something vouches for the whole of a line without gaps, and what was checked and held."""
    evidence = []
    whole = False
    if counted.marks:
        evidence.append(_counter_sentence(counted))
        whole = counted.total == len(posts)
    actor = forest.actors.get(posts[0].attributed_to, Actor(""))
    if any(post.generator for post in posts):  # carried here by hand: what else is known is not about these copies
        return False, evidence
    if actor.outbox:
        evidence.append(f"The author's {actor.outbox} holds every post that had not been deleted")
        whole = True
    if any(post.thread_size == len(posts) for post in posts):
        evidence.append(f"{_platform_counts(len(posts), 'The')} by the author in this thread")
        whole = True
    if not unseen and all(post.replies is not None for post in posts):
        evidence.append("Every reply that the platform counts was seen")
        whole = whole or all(post.id.startswith(_ONE_SERVER) for post in posts)
    return whole, evidence


def _counter_sentence(counted: counters.Counters) -> str:
    numbers = counted.numbers()
    span = f"The counters run from {numbers[0]} to {numbers[-1]}"
    if counted.total:
        span += f" of {counted.total}"
    if counted.last:
        span += f", then “{' '.join(counted.last.split())}”"
    each = len(set(numbers)) == numbers[-1] - numbers[0] + 1
    return f"{span}, with {'no gap' if each else 'a post in each place'}"


# -- the sentence -------------------------------------------------------------------------------------------------


def _sentence(certificate: Certificate, doubts: Sequence[str], *, carried: str, least: bool) -> str:
    found = _count(certificate.found, "post", "posts")
    if certificate.complete == "no":
        limited = [gap.evidence for gap in certificate.gaps if gap.reason == "limited" and not gap.count]
        return " ".join([_short(certificate, least=least), *(f"{evidence}." for evidence in limited)])
    if certificate.complete == "yes":
        return f"{found}, complete. {'. '.join(certificate.evidence)}."
    told = [line for line in certificate.evidence if line.startswith("The counters")]
    if told:
        rest = "a paste proves no more" if carried else "nothing else vouches for the whole"
        sentence = f"{found}. {told[0]}; {rest}."
    elif carried and certificate.found == 1:
        sentence = "1 post, as pasted." if carried == "paste" else "1 article, as its page had it."
    else:
        sentence = f"{found}; whether that is all cannot be told from here."
    return " ".join([sentence, *(f"{doubt}." for doubt in doubts)])


def _short(certificate: Certificate, *, least: bool) -> str:
    """Say how many are here, of how many, and why the others are not."""
    counts: dict[Reason, int] = {}
    for gap in (gap for gap in certificate.gaps if gap.count):
        counts[gap.reason] = counts.get(gap.reason, 0) + gap.count
    told = ", ".join(f"{count:,} {PLAIN[reason]}" for reason, count in counts.items())
    jumps = "; ".join(gap.evidence for gap in certificate.gaps if gap.reason == "counter")
    of = f"{'at least ' if least else ''}{certificate.expected:,}"
    verb = "is" if certificate.found == 1 else "are"
    return f"{certificate.found:,} of {of} posts {verb} here: {told}{f' ({jumps})' if jumps else ''}."


def _platform_counts(size: int, the: str = "the") -> str:
    return f"{the} platform counts {_count(size, 'post', 'posts')}"


def _carried(posts: Sequence[Post]) -> str:
    """Return how the posts were carried here by hand: "paste" or "page"; empty for a platform's own."""
    return next((post.generator for post in posts if post.generator), "")


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"
