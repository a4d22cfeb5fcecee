"""Taking an author's text out of X's JSON, so that what is left parses as before, but for tombstones.

Of the author's own posts only ids, links and dates stay. Elsewhere go his names, handle, profile, media and polls,
the copies of his text in others' reposts, and what a link preview shows of his posts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from clew.decode import REDACTED, walk
from clew.sources.x.shapes import REPOST, Status, actor_id, digits

Node = dict[str, Any]
MARK = "clew:redacted"
_LINKS = frozenset(
    "id id_str created_at conversation_id author_id user in_reply_to_user_id in_reply_to_user_id_str "
    "in_reply_to_status_id in_reply_to_status_id_str referenced_tweets referenced_posts retweeted_status "
    "quoted_status quoted_status_id quoted_status_id_str edit_history_tweet_ids edit_history_post_ids "
    "scopes".split()
)
_ACCOUNT = frozenset(("id", "id_str", "protected"))
_MEDIA = frozenset(("media_key", "id", "type"))
_MEDIA_LINK = frozenset(("media_key", "start", "end", "url"))  # another's copy of it, in another's text
_ADDRESSES = frozenset(("url", "expanded_url", "unwound_url", "display_url", "expanded", "display"))
_PREVIEW = frozenset(("title", "description", "images"))


class Redaction:
    """One capture's redaction. First who and what is the authors', then its removal."""

    def __init__(self, actors: frozenset[str], owner: str) -> None:
        """``owner`` is the actor id of an archive's owner, or empty where it is not known. No ``actors``: what is
        not public goes."""
        self.actors, self.closed = actors, not actors
        self.owns_records = bool(actors) and (not owner or owner in actors)
        self.handles: set[str] = set()
        self.others: set[str] = set()
        self.posts: set[str] = set()
        self.keys: set[str] = set()
        self.address: re.Pattern[str] | None = None

    def media(self, body: bytes) -> bytes:
        """Return what is left of a media file of an archive."""
        return REDACTED.encode() if self.owns_records else body

    def run(self, values: list[Any]) -> Iterator[bytes]:
        """Yield each value again, as JSON."""
        if self.closed:
            protected = (node for node in walk(values) if node.get("protected") is True)
            self.actors = frozenset(actor_id(_number(node, "id_str", "id")) for node in protected)
        for node in walk(values):
            self._learn(node)
        if self.handles:
            names = "|".join(sorted(map(re.escape, self.handles)))
            self.address = re.compile(rf"((?:twitter|x)\.com/)(?:{names})(?![A-Za-z0-9_])", re.IGNORECASE)
        for node in walk(values):
            self._clean(node)
        return map(msgspec.json.encode, values)

    def _learn(self, node: Node) -> None:
        name = node.get("username") or node.get("screen_name")
        number = _number(node, "id_str", "id", "accountId")
        if isinstance(name, str) and number:
            (self.handles if actor_id(number) in self.actors else self.others).add(name.casefold())
        if self._mine(node):
            self.posts.add(number)
            self.keys.update(_attached(node))

    def _clean(self, node: Node) -> None:
        if self._mine(node) or self._repeats(node) or (self.closed and _for_followers(node)):
            _strip(node)
        elif self._is_account(node):
            self._unname(node)
        elif self._is_attached(node):
            _keep(node, _MEDIA_LINK if "start" in node else _MEDIA)
        else:
            self._unlink(node)
        if self.owns_records:
            _strip_records(node)

    def _mine(self, node: Node) -> bool:
        author = _author(node)
        return bool(author) and actor_id(author) in self.actors

    def _repeats(self, node: Node) -> bool:
        """Whether this is a repost of the authors', or of somebody unknown: it is not shown, so nothing is lost."""
        match = _repost(node) if self.actors else None
        if not match:
            return False
        original = node.get("retweeted_status")
        if isinstance(original, dict) and (author := _author(original)):
            return actor_id(author) in self.actors
        return match.group(1).casefold() not in self.others

    def _is_account(self, node: Node) -> bool:
        named = any(key in node for key in ("username", "screen_name", "name", "accountId"))
        return named and actor_id(_number(node, "id_str", "id", "accountId")) in self.actors

    def _is_attached(self, node: Node) -> bool:
        key = node.get("media_key") if "media_key" in node else node.get("id") if "options" in node else None
        return isinstance(key, (str, int)) and str(key) in self.keys

    def _unname(self, node: Node) -> None:
        if "start" in node or "indices" in node:  # a mention in another's text, which stays as it is
            node.pop("name", None)
        elif "accountId" in node:
            _keep(node, frozenset(("accountId",)))
        else:
            _keep(node, _ACCOUNT)

    def _unlink(self, node: Node) -> None:
        name = node.get("in_reply_to_screen_name")
        if isinstance(name, str) and (
            name.casefold() in self.handles or actor_id(_number(node, "in_reply_to_user_id_str")) in self.actors
        ):
            del node["in_reply_to_screen_name"]
        for key in _ADDRESSES & node.keys():
            self._anonymize(node, key)

    def _anonymize(self, node: Node, key: str) -> None:
        if not isinstance(text := node[key], str):
            return
        clean = self.address.sub(r"\1i", text) if self.address else text
        if clean != text or any(part in self.posts for part in re.findall("[0-9]{5,19}", text)):
            node[key] = clean
            for preview in _PREVIEW & node.keys():
                del node[preview]


def _number(node: Node, *keys: str) -> str:
    values = (node.get(key) for key in keys)
    return digits(*(value for value in values if isinstance(value, (int, str))))


def _author(node: Node) -> str:
    user = node.get("user")
    return _number(node, "author_id") or (_number(user, "id_str", "id") if isinstance(user, dict) else "")


def _attached(node: Node) -> Iterator[str]:
    box = node.get("attachments")
    for key in ("media_keys", "poll_ids"):
        found = box.get(key) if isinstance(box, dict) else None
        yield from (str(value) for value in found) if isinstance(found, list) else ()


def _for_followers(node: Node) -> bool:
    scopes = node.get("scopes")
    return isinstance(scopes, dict) and scopes.get("followers") is True


def _keep(node: Node, keys: frozenset[str]) -> None:
    for key in node.keys() - keys:
        del node[key]
    node[MARK] = REDACTED


def _repost(node: Node) -> re.Match[str] | None:
    """Return the start of a repost's text; None for all else."""
    text = node.get("full_text") or node.get("text")
    match = REPOST.match(text) if isinstance(text, str) else None
    try:
        return match if match and msgspec.convert(node, Status).reposts else None
    except msgspec.ValidationError:
        return None


def _strip(post: Node) -> None:
    """Leave of a post its ids, links and dates; and that it is a repost, where only its text told."""
    repost = _repost(post)
    _keep(post, _LINKS)
    for name in ("referenced_tweets", "referenced_posts"):
        found = post.get(name)
        if isinstance(found, list):
            post[name] = [{key: r.get(key) for key in ("type", "id")} for r in found if isinstance(r, dict)]
    if repost and not isinstance(post.get("retweeted_status"), dict):
        post["retweeted_status"] = {}


def _strip_records(node: Node) -> None:
    """Strip what stands for its owner's without a name: the records of an archive."""
    if isinstance(post := node.get("tweet"), dict):
        _strip(post)
    if isinstance(note := node.get("noteTweet"), dict):
        _keep(note, frozenset(("noteTweetId", "tweetId", "createdAt")))
    if isinstance(profile := node.get("profile"), dict):
        _keep(profile, frozenset())
