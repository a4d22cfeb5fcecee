"""Takes an author's text out of a capture. What stays is listed, so that a field Clew never heard of goes too.

Of a post its address, dates and what it answers stay; of a profile its DID. Other people's own words stay as they
are, even where they name the author.
"""

from __future__ import annotations

from typing import Any

import msgspec

from clew import decode
from clew.errors import ParseError
from clew.model import Capture

from . import address
from .lines import by_line, lines
from .posts import HIDDEN
from .repository import Repository

_MARK = "clew:redacted"
_SCALARS = frozenset("$type uri cid did indexedAt notFound blocked detached src val neg cts exp ver".split())
_PEOPLE = frozenset({"author", "creator"})
_LISTS = ("posts", "feed", "records")
_TYPES = frozenset({address.POST, address.PROFILE})
_EVENT = frozenset({"did", "time_us", "kind"})
_COMMIT = frozenset({"operation", "collection", "rkey", "rev", "cid"})

Json = dict[str, Any]


def json(capture: Capture, actors: frozenset[str]) -> bytes:
    """Redact JSON or JSON lines; the body itself where nothing in it is by these actors."""
    if not by_line(capture.body):
        value: Any = decode.load(capture)
        return msgspec.json.encode(value) if _Redaction(actors).clean(value) else capture.body
    before = list(lines(capture.body))
    cleaned = [_line(capture, number, line, actors) for number, line in before]
    if cleaned == [line for _, line in before]:
        return capture.body
    return b"".join(line + b"\n" for line in cleaned)


def _line(capture: Capture, number: int, line: bytes, actors: frozenset[str]) -> bytes:
    try:
        value = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ParseError(
            f"Line {number} is not JSON", decode.where(capture), url=capture.url, at=f"line {number}"
        ) from error
    return msgspec.json.encode(value) if _Redaction(actors).clean(value) else line


def answer(capture: Capture, actors: frozenset[str]) -> bytes:
    """Redact what a server answered: JSON, or whatever else, which nobody reads and which then goes whole."""
    try:
        return json(capture, actors)
    except ParseError:
        return b"" if actors and capture.status < 400 else capture.body


def document(capture: Capture, actors: frozenset[str]) -> bytes:
    """Redact a DID document: the handle goes, the server that it names stays."""
    try:
        value: Any = decode.load(capture)
    except ParseError:
        return capture.body
    if not isinstance(value, dict) or value.get("id") not in actors or not value.keys() - {"id", "service"}:
        return capture.body
    return msgspec.json.encode({key: value[key] for key in ("id", "service") if key in value})


def car(capture: Capture, actors: frozenset[str]) -> bytes:
    """Replace an author's repository by a list of the addresses of its posts; leave another's as it is."""
    repository = Repository(capture)
    did = repository.commit.did
    if did not in actors:
        return capture.body
    entries = [
        {"uri": f"at://{did}/{key}", "value": _record(repository.record(cid)), _MARK: decode.REDACTED}
        for key, cid in repository.records()
        if key.startswith(f"{address.POST}/")
    ]
    return msgspec.json.encode({"uri": f"at://{did}", "records": entries, _MARK: decode.REDACTED})


class _Redaction:
    """Walks one JSON value and cuts down each object that is these actors'."""

    def __init__(self, actors: frozenset[str]) -> None:
        self.actors = actors
        self.changed = False

    def clean(self, value: Any) -> bool:
        """Redact in place; tell whether anything was taken out."""
        for node in decode.walk(value):  # parents first: what a parent loses is not walked
            if ("depth" in node and "value" in node) or any(isinstance(node.get(key), list) for key in _LISTS):
                continue  # an entry of getPostThreadV2, an answer of getQuotes: they bear the address of a post
            if "time_us" in node:
                if self.mine(node) or _hidden(_part(node, "commit").get("record")):
                    self.event(node)
            elif self.owned(node) or self.private(node):
                self.cut(node)
        return self.changed

    def mine(self, value: Any) -> bool:
        did = value.get("did") if isinstance(value, dict) else None
        return isinstance(did, str) and did in self.actors

    def owned(self, node: Json) -> bool:
        uri = node.get("uri")
        by_uri = isinstance(uri, str) and address.did_of(uri) in self.actors
        return by_uri or self.mine(node) or any(self.mine(node.get(key)) for key in _PEOPLE)

    def private(self, node: Json) -> bool:
        """Tell a post that its author shows to readers who are logged in only."""
        uri = node.get("uri")
        is_post = isinstance(uri, str) and address.parts(uri)[1] == address.POST
        return is_post and any(_hidden(node.get(key)) for key in ("record", "value"))

    def cut(self, node: Json) -> None:
        kept = {key: value for key, value in node.items() if key in _SCALARS and _plain(value)}
        kept |= {key: node[key] for key in _PEOPLE if isinstance(node.get(key), dict)}
        kept |= {key: _record(node[key]) for key in ("record", "value") if isinstance(node.get(key), dict)}
        kept |= {"labels": wish} if (wish := _hiding(node.get("labels"))) else {}
        if "author" in node:
            kept |= {key: _quoted(node[key]) for key in ("embed", "embeds") if _quoted(node.get(key))}
        self.replace(node, kept)

    def event(self, node: Json) -> None:
        kept = {key: value for key, value in node.items() if key in _EVENT and _plain(value)}
        commit = node.get("commit")
        if isinstance(commit, dict):
            kept["commit"] = {key: value for key, value in commit.items() if key in _COMMIT and _plain(value)}
            if isinstance(commit.get("record"), dict):
                kept["commit"]["record"] = _record(commit["record"])
        self.replace(node, kept)

    def replace(self, node: Json, kept: Json) -> None:
        if kept != node:
            self.changed = True
            node.clear()
            node.update(kept)
            node[_MARK] = decode.REDACTED


def _hiding(labels: Any) -> list[Json]:
    """Keep the label by which an account is for readers who are logged in only."""
    given = labels if isinstance(labels, list) else []
    hiding = [label for label in given if isinstance(label, dict) and label.get("val") == HIDDEN]
    return [{key: value for key, value in label.items() if key in _SCALARS and _plain(value)} for label in hiding]


def _quoted(embeds: Any) -> Any:
    """Keep the quoted posts of an embed, or of a list of them: they may be another author's. Nothing else stays."""
    if isinstance(embeds, list):
        return [kept for embed in embeds if (kept := _quoted_in(embed))]
    return _quoted_in(embeds)


def _quoted_in(embed: Any) -> Json:
    quoted = embed.get("record") if isinstance(embed, dict) else None
    while isinstance(quoted, dict) and "uri" not in quoted:
        quoted = quoted.get("record")
    whole = isinstance(quoted, dict) and "author" in quoted and isinstance(quoted.get("value"), dict)
    return {"record": quoted} if whole else {}


def _plain(value: Any) -> bool:
    return isinstance(value, str | int | bool)


def _hidden(record: Any) -> bool:
    labels = _part(record, "labels").get("values")
    standing = [label for label in labels if isinstance(label, dict)] if isinstance(labels, list) else []
    return any(label.get("val") == HIDDEN and not label.get("neg") for label in standing)


def _part(value: Any, key: str) -> Json:
    part = value.get(key) if isinstance(value, dict) else None
    return part if isinstance(part, dict) else {}


def _record(record: Any) -> Json:
    """Return what stays of a record: its type, when it was made, what it answers, and that it was not for all."""
    label: Json = {"labels": {"values": [{"val": HIDDEN}]}} if _hidden(record) else {}
    record = record if isinstance(record, dict) else {}
    kind, created, reply = record.get("$type"), record.get("createdAt"), record.get("reply")
    kept: Json = {"$type": kind} if isinstance(kind, str) and kind in _TYPES else {}
    if isinstance(created, str) and address.time_of(created):
        kept["createdAt"] = created
    refs = reply if isinstance(reply, dict) else {}
    named = {key: ref for key in ("root", "parent") if (ref := _ref(refs.get(key)))}
    return kept | label | ({"reply": named} if named else {})


def _ref(ref: Any) -> Json:
    uri = ref.get("uri") if isinstance(ref, dict) else None
    return {"uri": uri} if isinstance(uri, str) else {}
