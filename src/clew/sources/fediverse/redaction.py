"""Taking an author's text out of a fediverse capture, so that reading it again gives tombstones.

What stays is written anew: ids, dates, links between posts, and the posts of others that stood inside. Ids are
addresses and may hold the author's handle; without them the tombstone would have no place in its thread.
"""

from __future__ import annotations

import codecs
from typing import Any

import msgspec

from clew.decode import REDACTED, walk
from clew.model import Capture
from clew.sources.fediverse.activitypub import Object, objects, ref, refs, text, type_of, visibility_of
from clew.sources.fediverse.mastodon import local_host
from clew.sources.fediverse.shapes import ACTIVITIES, ACTORS, POSTS, holds_json, is_answer, parts
from clew.sources.fediverse.wire import Account

_STATUS = ("id", "created_at", "in_reply_to_id", "in_reply_to_account_id", "visibility", "reblog")
_NOTE = ("@context", "id", "type", "published", "attributedTo", "inReplyTo", "conversation", "context")
_ACTIVITY = ("@context", "id", "type", "actor", "published", "object")
_MENTION = {"id", "username", "url", "acct"}
_OPEN = ("public", "unlisted")
_AS_PUBLIC = "as:Public"


def redact(capture: Capture, actors: frozenset[str]) -> bytes:
    """Return the body without the text of these actors (of none: without posts that are not public); unchanged
    where nothing in it is theirs.

    Raises:
        ParseError: the body is not JSON.
    """
    if is_answer(capture) and not holds_json(capture):
        # A page: nothing is read of it, and nothing tells what in it is whose.
        return b"" if actors else capture.body
    lines = parts(capture.body, capture)
    redacted = [_redacted(line, actors, is_served=is_answer(capture)) for line in lines]
    if redacted == lines:
        return capture.body
    return (codecs.BOM_UTF8 if capture.body.startswith(codecs.BOM_UTF8) else b"") + b"\n".join(redacted)


def _redacted(line: bytes, actors: frozenset[str], *, is_served: bool) -> bytes:
    value = msgspec.json.decode(line)
    touched = False
    for node in walk(value):
        kept = _kept(node, actors, is_served=is_served)
        if kept is not None:
            node.clear()
            node.update(kept, **{"clew:redacted": REDACTED})
            touched = True
    return msgspec.json.encode(value) if touched else line


def _kept(node: Object, actors: frozenset[str], *, is_served: bool) -> Object | None:
    """Return what stays of an object of these actors; None for all other objects."""
    if "clew:redacted" in node:
        return None
    account = node.get("account")
    if isinstance(account, dict) and ("content" in node or "text" in node):
        # An entry of an edit history has no id, and tells no visibility.
        closed = not actors and "id" in node and node.get("visibility") not in _OPEN
        if closed or _account_id(account) in actors:
            return _status(node, account)
    if not node.keys() <= _MENTION and {"acct", "username"} & node.keys() and _account_id(node) in actors:
        return _account(node)
    kind = type_of(node)
    if kind in ACTORS and ref(node.get("id")) in actors:
        return {key: node[key] for key in ("@context", "id", "type") if key in node} | {"attributedTo": node["id"]}
    # The options of a poll are notes too, but have no id.
    is_open = visibility_of(node, set(), is_served=is_served) in _OPEN
    closed = not actors and kind in POSTS and "id" in node and not is_open
    if closed or (kind in POSTS and ref(node.get("attributedTo")) in actors):
        return _note(node)
    if kind in ACTIVITIES:
        if ref(node.get("actor")) in actors:
            return _activity(node)
        for note in objects(node.get("object")):
            _readdress(note, node)
    return None


def _account_id(account: Object) -> str:
    return text(account.get("uri")) or text(account.get("url"))


def _account(account: Object) -> Object:
    kept = {key: account[key] for key in ("id",) if key in account} | {"uri": _account_id(account)}
    # Its name told which instance answered; local ids of others hang on that.
    known = Account(acct=text(account.get("acct")), url=text(account.get("url")), uri=text(account.get("uri")))
    return kept | {"clew:instance": local_host(known)}


def _status(status: Object, account: Object) -> Object:
    kept = {key: status[key] for key in _STATUS if key in status}
    kept["account"] = _account(account) | {"clew:redacted": REDACTED}
    kept["content"] = ""
    if id_ := text(status.get("uri")) or text(status.get("url")):
        kept["uri"] = id_
    if quote := _quote(status):
        kept["quote"] = quote
    return kept


def _quote(status: Object) -> Object | None:
    """Return the quote of a status: the quoted post may be another's and is looked at by itself."""
    pleroma = status.get("pleroma")
    quote = status.get("quote") or (pleroma.get("quote") if isinstance(pleroma, dict) else None)
    if not isinstance(quote, dict):
        return None
    if "account" in quote:
        return quote
    return {key: quote[key] for key in ("state", "quoted_status") if key in quote}


def _note(note: Object) -> Object:
    kept = {key: note[key] for key in _NOTE if key in note}
    kept["attributedTo"] = ref(note.get("attributedTo"))
    if visibility_of(note, set()) in _OPEN:
        kept["to"] = [_AS_PUBLIC]
    else:  # of who may read it only the author's own lists stay: they tell "followers" from "direct"
        addresses = (*refs(note.get("to")), *refs(note.get("cc")))
        kept["to"] = [address for address in addresses if address.startswith(kept["attributedTo"])]
    for key in ("quote", "quoteUri", "quoteUrl", "_misskey_quote"):
        if isinstance(note.get(key), dict):
            kept[key] = note[key]
    return kept


def _activity(activity: Object) -> Object:
    kept = {key: activity[key] for key in _ACTIVITY if key in activity}
    kept["actor"] = ref(activity.get("actor"))
    for note in objects(activity.get("object")):
        _readdress(note, activity)
    return kept


def _readdress(note: dict[str, Any], activity: Object) -> None:
    """Say on the note itself who may read it, before the activity that said so loses it."""
    if "to" not in note and "cc" not in note and type_of(activity) != "Announce":
        for key in ("to", "cc"):
            if found := refs(activity.get(key)):
                note[key] = found
