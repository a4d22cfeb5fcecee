"""A small stand-in for X's API v2, on loopback: lookup, both searches and a user's timeline, over posts of our own.

It speaks both vocabularies: old names ("tweet") where ``tweet.fields`` or old expansions are asked for, else the
new ones of July 2026 ("post"). It is as strict as X: an unknown parameter, field, expansion or operator is an
error, and nothing comes that was not asked for. What X's real windows, prices and answers are is not known from
here; the names and shapes are those that the official client and tweepy read (see ``test_x_live.py``).
"""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

EPOCH = datetime(2010, 11, 4, 1, 42, 54, 657_000, tzinfo=UTC)
TOKEN = "AAAAAAAAAAAAAAAAAAAAAFakeBearer-do-not-tell"
WEEK = timedelta(days=7)
JSON = dict[str, Any]

# What may be asked for, as far as we made it. The values are names of the new vocabulary; ``OLD`` gives the old.
POST_FIELDS = set(
    "attachments conversation_id created_at entities id lang note_post possibly_sensitive public_metrics "
    "scopes text withheld".split()
)
OLD_ONLY = {"author_id", "edit_history_tweet_ids", "in_reply_to_user_id", "referenced_tweets"}  # no fields since
EXPANSIONS = set(
    "attachments.media_keys attachments.poll_ids author_id edit_history_post_ids in_reply_to_user_id "
    "referenced_posts".split()
)
OLD = {
    "note_post": "note_tweet",
    "edit_history_post_ids": "edit_history_tweet_ids",
    "referenced_posts": "referenced_tweets",
    "repost_count": "retweet_count",
}
OLD_EXPANSIONS = (EXPANSIONS - {"edit_history_post_ids", "referenced_posts"}) | {
    "edit_history_tweet_ids",
    "referenced_tweets.id",
    "referenced_tweets.id.author_id",
}
USER_FIELDS = {"created_at", "description", "entities", "id", "name", "protected", "url", "username"}
MEDIA_FIELDS = set("alt_text height media_key preview_image_url type url variants width".split())
POLL_FIELDS = {"duration_minutes", "end_datetime", "id", "options", "voting_status"}
COMMON = {"expansions", "user.fields", "media.fields", "poll.fields"}
PATHS: tuple[tuple[str, re.Pattern[str], set[str]], ...] = (
    ("lookup", re.compile(r"/2/tweets"), {"ids"}),
    ("one", re.compile(r"/2/tweets/([0-9]{1,19})"), set()),
    ("recent", re.compile(r"/2/tweets/search/recent"), set()),
    ("archive", re.compile(r"/2/tweets/search/all"), set()),
    ("timeline", re.compile(r"/2/users/([0-9]{1,19})/tweets"), {"exclude"}),
)
PAGED = {"max_results", "pagination_token", "since_id", "until_id", "start_time", "end_time"}
SEARCHED = PAGED | {"query", "next_token", "sort_order"}
BOUNDS = {"recent": (10, 100), "archive": (10, 500), "timeline": (5, 100)}


def number_at(when: datetime) -> int:
    return ((when - EPOCH) // timedelta(milliseconds=1)) << 22


def time_of(number: str) -> datetime:
    return EPOCH + timedelta(milliseconds=int(number) >> 22)


def iso(when: datetime) -> str:
    return f"{when:%Y-%m-%dT%H:%M:%S}.{when.microsecond // 1000:03}Z"


class Problem(Exception):
    """An answer that is an error. ``body`` is sent as it is."""

    def __init__(self, status: int, body: JSON, headers: dict[str, str] | None = None) -> None:
        self.status, self.body, self.headers = status, body, headers or {}


@dataclass
class Person:
    number: str
    handle: str
    name: str
    protected: bool = False
    site: str = ""


@dataclass
class Entry:
    """A post as it is kept; ``shown`` are the fields that are sent as they are."""

    number: str
    author: str
    text: str
    parent: str = ""
    quoted: str = ""
    shared: str = ""
    conversation: str = ""
    history: list[str] = field(default_factory=list)
    shown: JSON = field(default_factory=dict)
    deleted: bool = False


class Fake:
    """The server and what it knows. Use it with ``with``: it listens only within."""

    def __init__(self) -> None:
        self.people: dict[str, Person] = {}
        self.posts: dict[str, Entry] = {}
        self.media: dict[str, JSON] = {}
        self.polls: dict[str, JSON] = {}
        self.token = TOKEN
        self.archive_open = True
        self.recent_open = True
        self.reach = 3200
        self.root_in_search = True
        self.speaks = {"post", "tweet"}
        self.host = "api.x.com"
        self.left = 300
        self.asked: list[str] = []
        """Paths with their queries, in order."""
        self.refuse: Callable[[str, int], Problem | bytes | None] = lambda path, count: None
        """Called with the path and how many requests there were; what it returns is answered instead."""
        self._taken = 0

    # --- what is on it -------------------------------------------------------------------------------------------

    def person(self, handle: str, **fields: Any) -> str:
        number = str(1000 + len(self.people))
        self.people[number] = Person(number, handle, fields.pop("name", handle.title()), **fields)
        return number

    def post(
        self, author: str, text: str, when: datetime, *, parent: str = "", quoted: str = "", **shown: Any
    ) -> str:
        """Add a post; ``shown``: note_post, entities, attachments, lang, possibly_sensitive, scopes, withheld."""
        self._taken += 1
        number = str(number_at(when) + self._taken % 4096)
        root = self.posts[parent].conversation if parent in self.posts else number
        self.posts[number] = Entry(number, author, text, parent, quoted, "", root, [number], shown)
        return number

    def thread(
        self, author: str, count: int, start: datetime, *, step: timedelta = timedelta(minutes=2)
    ) -> list[str]:
        """Add a numbered thread; return its numbers."""
        numbers: list[str] = []
        for n in range(count):
            parent = numbers[-1] if numbers else ""
            numbers.append(self.post(author, f"{n + 1}/{count} Part {n + 1}", start + n * step, parent=parent))
        return numbers

    def share(self, author: str, original: str, when: datetime) -> str:
        number = self.post(author, f"RT @x: {self.posts[original].text}", when)
        self.posts[number].shared = original
        return number

    def edit(self, number: str, text: str, when: datetime) -> str:
        """Edit a post: it goes on under a new number, and its answers with it."""
        old = self.posts[number]
        new = self.post(old.author, text, when, parent=old.parent, quoted=old.quoted, **old.shown)
        self.posts[new].conversation = new if old.conversation == number else old.conversation
        self.posts[new].history = [*old.history, new]
        for version in old.history:
            self.posts[version].history = self.posts[new].history
        return new

    def delete(self, number: str) -> None:
        for version in self.posts[number].history:
            self.posts[version].deleted = True

    def picture(self, alt: str | None) -> str:
        key = f"3_{len(self.media) + 1}"
        told = {} if alt is None else {"alt_text": alt}
        url = f"https://pbs.twimg.com/media/p{len(self.media) + 1}.jpg"
        self.media[key] = {"media_key": key, "type": "photo", "url": url, "width": 1200, "height": 800, **told}
        return key

    def poll(self, *labels: str) -> str:
        number = str(9000 + len(self.polls))
        options = [{"position": n, "label": label, "votes": n * 10} for n, label in enumerate(labels, 1)]
        ends = {"voting_status": "closed", "duration_minutes": 1440, "end_datetime": "2026-01-02T00:00:00.000Z"}
        self.polls[number] = {"id": number, "options": options, **ends}
        return number

    # --- serving -------------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                status, body, headers = fake.answer(self.path, self.headers.get("authorization", ""))
                self.send_response(status)
                for name, value in {**headers, "content-length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, path: str, authorization: str) -> tuple[int, bytes, dict[str, str]]:
        self.asked.append(path)
        limits = {
            "content-type": "application/json; charset=utf-8",
            "x-rate-limit-limit": "300",
            "x-rate-limit-remaining": str(max(0, self.left - len(self.asked))),
            "x-rate-limit-reset": str(int((datetime.now(UTC) + timedelta(minutes=15)).timestamp())),
        }
        try:
            other = self.refuse(path, len(self.asked))
            if isinstance(other, Problem):
                raise other
            if authorization != f"Bearer {self.token}":
                raise Problem(401, self._generic(401, "Unauthorized"))
            body = other if isinstance(other, bytes) else json.dumps(_Question(self, path).answer()).encode()
            return 200, body, limits
        except Problem as problem:
            headers = {**limits, "content-type": "application/problem+json", **problem.headers}
            return problem.status, json.dumps(problem.body).encode(), headers

    def _generic(self, status: int, title: str) -> JSON:
        return {"title": title, "type": "about:blank", "status": status, "detail": title}

    def problem(self, name: str, title: str, detail: str, **more: Any) -> JSON:
        return {"title": title, "detail": detail, "type": f"https://{self.host}/2/problems/{name}", **more}


class _Question:
    """One request: what was asked for, checked, and its answer."""

    def __init__(self, fake: Fake, path: str) -> None:
        self.fake = fake
        parts = urlsplit(path)
        self.asked = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        for kind, pattern, own in PATHS:
            if match := pattern.fullmatch(parts.path):
                self.kind, self.subject, allowed = kind, match.group(1) if match.groups() else "", own
                break
        else:
            raise Problem(404, fake._generic(404, "Not Found"))
        told = {"tweet.fields", "post.fields"} & self.asked.keys()
        self.old = "tweet.fields" in told or "_tweet" in self.asked.get("expansions", "")
        if len(told) == 2 or self.word not in fake.speaks:
            self._invalid(min(told, default="expansions"), "is not known here")
        paged = {"timeline": PAGED, "recent": SEARCHED, "archive": SEARCHED}.get(self.kind, set())
        known = allowed | paged | COMMON | {f"{self.word}.fields"}
        for name in self.asked:
            if name not in known:
                self._invalid(name, f"is not one of [{','.join(sorted(known))}]")
        fields = {self.name(name) for name in POST_FIELDS} | (OLD_ONLY if self.old else set())
        self.fields = self._listed(f"{self.word}.fields", fields) | {"id", "text"}
        self.expansions = self._listed("expansions", OLD_EXPANSIONS if self.old else EXPANSIONS)
        self.user_fields = self._listed("user.fields", USER_FIELDS) | {"id", "name", "username"}
        self.media_fields = self._listed("media.fields", MEDIA_FIELDS) | {"media_key", "type"}
        self.poll_fields = self._listed("poll.fields", POLL_FIELDS) | {"id", "options"}
        self.errors: list[JSON] = []
        self.answers = Counter(entry.parent for entry in self._alive())

    def _alive(self) -> Iterator[Entry]:
        """Yield every post that is there, in its last version."""
        entries = self.fake.posts.values()
        return (entry for entry in entries if not entry.deleted and entry.history[-1] == entry.number)

    @property
    def word(self) -> str:
        return "tweet" if self.old else "post"

    def name(self, name: str) -> str:
        return OLD.get(name, name) if self.old else name

    def _invalid(self, name: str, why: str) -> None:
        given = self.asked.get(name, "")
        error = {"parameters": {name: [given]}, "message": f"The `{name}` query parameter value [{given}] {why}"}
        detail = "One or more parameters to your request was invalid."
        raise Problem(400, self.fake.problem("invalid-request", "Invalid Request", detail) | {"errors": [error]})

    def _listed(self, name: str, allowed: set[str]) -> set[str]:
        given = set(filter(None, self.asked.get(name, "").split(",")))
        if given - allowed:
            self._invalid(name, f"has {sorted(given - allowed)}, not of [{','.join(sorted(allowed))}]")
        return given

    # --- which posts ---------------------------------------------------------------------------------------------

    def answer(self) -> JSON:
        if self.kind == "one":
            shown = list(self._looked_up([self.subject], "id"))
            return self._page([entry.number for entry in shown], single=True)
        if self.kind == "lookup":
            ids = self.asked.get("ids", "").split(",")
            if not all(re.fullmatch("[0-9]{1,19}", number) for number in ids) or not 1 <= len(ids) <= 100:
                self._invalid("ids", "is not a list of 1 to 100 numbers")
            return self._page([entry.number for entry in self._looked_up(ids, "ids")])
        numbers = self._timeline() if self.kind == "timeline" else self._searched()
        return self._paged(numbers)

    def _looked_up(self, ids: Iterable[str], parameter: str) -> Iterator[Entry]:
        for number in ids:
            if entry := self._visible(number, parameter):
                yield entry

    def _visible(self, number: str, parameter: str) -> Entry | None:
        """Return a post; where it cannot be shown, note the error."""
        entry = self.fake.posts.get(number)
        about = {"resource_id": number, "parameter": parameter, "value": number, "resource_type": self.word}
        if entry is None or entry.deleted:
            detail = f"Could not find {self.word} with {parameter}: [{number}]."
            self.errors.append(self.fake.problem("resource-not-found", "Not Found Error", detail, **about))
            return None
        if self.fake.people[entry.author].protected:
            detail = f"Sorry, you are not authorized to see the {self.word.title()} with {parameter}: [{number}]."
            self.errors.append(
                self.fake.problem(
                    "not-authorized-for-resource", "Authorization Error", detail, section="includes", **about
                )
            )
            return None
        return entry

    def _within(self) -> tuple[int, int]:
        since, until = self.asked.get("since_id", "0"), self.asked.get("until_id", str(1 << 63))
        if not since.isdecimal() or not until.isdecimal() or (since != "0" and int(since) >= int(until)):
            self._invalid("since_id", "is not a number below until_id")
        return int(since), int(until)

    def _timeline(self) -> list[str]:
        exclude = self._listed("exclude", {"replies", "retweets"})
        fake, (since, until) = self.fake, self._within()
        mine = [e.number for e in self._alive() if e.author == self.subject]
        if self.subject not in fake.people:
            about = {"resource_id": self.subject, "parameter": "id", "value": self.subject, "resource_type": "user"}
            detail = f"Could not find user with id: [{self.subject}]."
            self.errors.append(fake.problem("resource-not-found", "Not Found Error", detail, **about))
        reached = sorted(mine, key=int, reverse=True)[: fake.reach]
        shown = [n for n in reached if not ("retweets" in exclude and fake.posts[n].shared)]
        shown = [n for n in shown if not ("replies" in exclude and fake.posts[n].parent)]
        return [n for n in shown if since < int(n) < until]

    def _searched(self) -> list[str]:
        fake = self.fake
        if not (fake.archive_open if self.kind == "archive" else fake.recent_open):
            detail = "This client is not enrolled for this search."
            body = fake.problem("client-forbidden", "Client Forbidden", detail, reason="client-not-enrolled")
            raise Problem(403, body)
        query = re.fullmatch(r"conversation_id:([0-9]+) from:([0-9A-Za-z_]+)", self.asked.get("query", ""))
        if not query:
            self._invalid("query", "has an operator that is not known here")
            raise AssertionError
        root, author = query.groups()
        since, until = self._within()
        now = datetime.now(UTC)
        start = now - (WEEK if self.kind == "recent" else timedelta(days=30))
        if told := self.asked.get("start_time"):
            start_time = datetime.strptime(told, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
            if self.kind == "recent" and start_time < start:
                self._invalid("start_time", "must be within the last 7 days")
            start = start_time
        entries = [e for e in self._alive() if e.conversation == root and not fake.people[e.author].protected]
        entries = [e for e in entries if author in (e.author, fake.people[e.author].handle)]
        found = [e.number for e in entries if time_of(e.number) >= start and since < int(e.number) < until]
        return sorted((n for n in found if fake.root_in_search or n != root), key=int, reverse=True)

    def _paged(self, numbers: list[str]) -> JSON:
        least, most = BOUNDS[self.kind]
        size = self.asked.get("max_results", "10")
        if not size.isdecimal() or not least <= int(size) <= most:
            self._invalid("max_results", f"is not between {least} and {most}")
        token = self.asked.get("pagination_token") or self.asked.get("next_token") or "b26v0"
        if not (match := re.fullmatch("b26v([0-9]+)", token)):
            self._invalid("pagination_token", "is not a token")
            raise AssertionError
        start, end = int(match.group(1)), int(match.group(1)) + int(size)
        shown = numbers[start:end]
        meta: JSON = {"result_count": len(shown)}
        if shown:
            meta |= {"newest_id": shown[0], "oldest_id": shown[-1]}
        if end < len(numbers):
            meta["next_token"] = f"b26v{end}"
        return self._page(shown) | {"meta": meta}

    # --- how they look -------------------------------------------------------------------------------------------

    def _page(self, numbers: list[str], *, single: bool = False) -> JSON:
        entries = [self.fake.posts[number] for number in numbers]
        page: JSON = {}
        if entries:
            page["data"] = self._shown(entries[0]) if single else [self._shown(entry) for entry in entries]
        includes = self._includes(entries)
        if includes:
            page["includes"] = includes
        if self.errors:
            page["errors"] = self.errors
        return page

    def _includes(self, entries: list[Entry]) -> JSON:
        others = list(self._others(entries))
        people = [e.author for e in entries] if "author_id" in self.expansions else []
        if not self.old or "referenced_tweets.id.author_id" in self.expansions:
            people += [e.author for e in others] if "author_id" in self.expansions else []
        if "in_reply_to_user_id" in self.expansions:
            people += [author for e in entries if (author := self._answered(e))]
        keys = [key for e in entries for key in e.shown.get("attachments", {}).get("media_keys", [])]
        polls = [key for e in entries for key in e.shown.get("attachments", {}).get("poll_ids", [])]
        found = {
            "users": [self._person(self.fake.people[number]) for number in dict.fromkeys(people)],
            f"{self.word}s": [self._shown(entry) for entry in others],
            "media": [self._cut(self.fake.media[key], self.media_fields) for key in dict.fromkeys(keys)]
            if "attachments.media_keys" in self.expansions
            else [],
            "polls": [self._cut(self.fake.polls[key], self.poll_fields) for key in dict.fromkeys(polls)]
            if "attachments.poll_ids" in self.expansions
            else [],
        }
        return {name: values for name, values in found.items() if values}

    def _others(self, entries: list[Entry]) -> Iterator[Entry]:
        """Yield the posts that these refer to, and their other versions; no further."""
        told = {entry.number for entry in entries}
        references = "referenced_tweets.id" if self.old else "referenced_posts"
        for entry in entries:
            for number in (entry.parent, entry.quoted, entry.shared) if references in self.expansions else ():
                if number and number not in told:
                    told.add(number)
                    if other := self._visible(number, references):
                        yield other
            for number in entry.history if self.name("edit_history_post_ids") in self.expansions else ():
                if number not in told:
                    told.add(number)
                    yield self.fake.posts[number]

    def _answered(self, entry: Entry) -> str:
        return self.fake.posts[entry.parent].author if entry.parent in self.fake.posts else ""

    def _shown(self, entry: Entry) -> JSON:
        by_field = {
            "id": entry.number,
            "text": entry.text,
            "created_at": iso(time_of(entry.number)),
            "conversation_id": entry.conversation,
            "lang": "en",
            "possibly_sensitive": False,
            "public_metrics": self._metrics(entry),
            **{self.name(name): value for name, value in entry.shown.items()},
        }
        shown = {name: value for name, value in by_field.items() if name in self.fields}
        shown[self.name("edit_history_post_ids")] = entry.history
        chosen = self.fields if self.old else self.expansions
        pairs = {"replied_to": entry.parent, "quoted": entry.quoted, "retweeted": entry.shared}
        references = [{"type": type_, "id": number} for type_, number in pairs.items() if number]
        if references and self.name("referenced_posts") in chosen:
            shown[self.name("referenced_posts")] = references
        if "author_id" in chosen | self.expansions:
            shown["author_id"] = entry.author
        if "in_reply_to_user_id" in chosen and (answered := self._answered(entry)):
            shown["in_reply_to_user_id"] = answered
        return shown

    def _metrics(self, entry: Entry) -> JSON:
        counts = dict.fromkeys("repost_count like_count quote_count bookmark_count impression_count".split(), 0)
        answers = sum(self.answers[version] for version in entry.history)
        return {self.name(name): count for name, count in counts.items()} | {"reply_count": answers}

    def _person(self, person: Person) -> JSON:
        told: JSON = {
            "id": person.number,
            "name": person.name,
            "username": person.handle,
            "protected": person.protected,
        }
        if person.site:
            url = {"start": 0, "end": 23, "url": "https://t.co/0123456789", "expanded_url": person.site}
            told |= {"url": "https://t.co/0123456789", "entities": {"url": {"urls": [url]}}}
        return self._cut(told, self.user_fields)

    def _cut(self, values: JSON, fields: set[str]) -> JSON:
        return {name: value for name, value in values.items() if name in fields}
