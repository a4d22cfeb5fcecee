"""The schema, drawn once. The migrations build it; a test holds that both are the same.

    saving ─┬─ saving_capture ── capture        what a person asked to keep, each retrieval of it, and the bytes
            ├─ alias                            names a thread had before its head was found
            └─ thread ─┬─ thread_actor          derived from the captures; ``clear_derived`` empties these five
                       ├─ actor_name
                       ├─ post_name
                       └─ passage               what is searched, with the index ``passage_words`` (``searching``)
    opt_out   deletion   output                 human judgements, and files written from threads

Facts stand in the tables of the first two lines and the last; a derived row can always be made again. A ``key`` is
``clew.text.key`` of an id: 12 ASCII characters, so that no index holds text that a stranger chose the length of.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
)
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.types import TypeEngine

HEAD = 3
"""Version of the schema below: the number of the newest migration."""
VERSIONS = "clew_version"
"""The table that holds the version."""
SEARCH = "passage_words"
"""What finds passages: on SQLite a virtual table, with tables of its own named so; on PostgreSQL an index."""

_UNSTORABLE = re.compile("[\\\\\0\ud800-\udfff]")
_ESCAPED = re.compile(r"\\([0-9a-f]{4})")


class Words(TypeDecorator[str]):
    """Text by strangers. PostgreSQL refuses NUL and lone surrogates: they are stored as ``\\0000``, ``\\d800``."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        return None if value is None else _UNSTORABLE.sub(lambda m: f"\\{ord(m[0]):04x}", value)

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ARG002
        return None if value is None else _ESCAPED.sub(lambda m: chr(int(m[1], 16)), value)


class Instant(TypeDecorator[datetime]):
    """An aware time, stored as UTC text of one width, which sorts by time on every database."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        if value is None:
            return None
        if value.tzinfo is not UTC:
            value = value.astimezone(UTC)
        return value.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else datetime.fromisoformat(value)


class Tokens(TypeDecorator[list[str]]):
    """Folded tokens in order, none with a space or a quote in it. They come back as the database writes them."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(TSVECTOR() if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: list[str] | None, dialect: Dialect) -> str | None:
        if value is None or dialect.name != "postgresql":
            return None if value is None else " ".join(value)
        return " ".join(f"'{token}':{place}" for place, token in enumerate(value, 1))


metadata = MetaData()


def _text(name: str, *args: Any, **options: Any) -> Column[str]:
    return Column(name, Text, *args, nullable=False, **options)


def _words(name: str, **options: Any) -> Column[str]:
    return Column(name, Words, nullable=False, **options)


def _time(name: str) -> Column[datetime]:
    return Column(name, Instant, nullable=False)


def _number(name: str) -> Column[int]:
    return Column(name, Integer, nullable=False)


def _of(table: str, *, primary: bool = True) -> Column[str]:
    return _text("key", ForeignKey(f"{table}.key", ondelete="CASCADE"), primary_key=primary)


# --- facts ---------------------------------------------------------------------------------------------------

capture = Table(
    "capture",
    metadata,
    _text("sha256", primary_key=True),  # of the body as received; stays when the body is redacted
    Column("body", LargeBinary, nullable=False),
    Column("redacted", Boolean, nullable=False),
)

saving = Table(
    "saving",
    metadata,
    _text("key", primary_key=True),
    _words("thread"),  # thread id
    _words("post"),  # id of the post that was asked for; empty: the head
    _text("rule"),
    _words("source"),
    _time("saved"),  # first kept
    _time("changed"),  # when what is derived last came out different
    _text("digest"),  # hex SHA-256 of what was derived
    _words("url", server_default=""),  # address to ask again; empty: none
    Column("looked", Instant),  # when the address was last asked
    Column("number", Integer, nullable=False, server_default="0"),  # order of keeping, from 1
    Index("saving_number", "number", unique=True),
)

saving_capture = Table(
    "saving_capture",
    metadata,
    _of("saving"),
    Column("position", Integer, nullable=False, primary_key=True, autoincrement=False),
    _text("sha256", ForeignKey("capture.sha256")),
    _words("url"),
    _number("status"),
    _words("location"),
    _words("media_type"),
    _time("retrieved"),
    _text("headers"),  # JSON object
    _text("archive"),
    _words("member"),
    Index("saving_capture_sha256", "sha256"),
)

alias = Table(
    "alias",
    metadata,
    _text("old", primary_key=True),  # key of the id the thread had
    _of("saving", primary=False),
    Index("alias_key", "key"),
)

opt_out = Table(
    "opt_out", metadata, _text("key", primary_key=True), _words("actor"), _words("who"), _time("stated")
)

deletion = Table(
    "deletion",
    metadata,
    Column("number", Integer, primary_key=True),
    _words("actor"),
    _words("who"),
    _time("done"),
    _number("captures"),
    _number("threads"),
)

output = Table(
    "output",
    metadata,
    _text("key", primary_key=True),  # of the path
    _words("path"),
    _text("kind"),
    _text("threads"),  # JSON list of thread ids
)

# --- derived -------------------------------------------------------------------------------------------------

thread = Table(
    "thread",
    metadata,
    _of("saving"),
    _text("author"),  # key of the actor
    _words("title"),
    Column("published", Instant),  # of the first and the last post of the main line
    Column("updated", Instant),
    _number("posts"),
    _text("complete"),
    _words("sentence"),
    _text("visibility"),
    _text("data"),  # the Thread as JSON
    Index("thread_author", "author"),
)

thread_actor = Table(
    "thread_actor",
    metadata,
    _of("thread"),
    _text("actor", primary_key=True),  # key of the actor
    _text("data"),  # the Actor as JSON, as this thread knows it
    Index("thread_actor_actor", "actor"),
)

actor_name = Table(
    "actor_name",
    metadata,
    _text("name", primary_key=True),  # key of an id, a URL, or "@" and the folded handle
    _text("actor", primary_key=True),
    _of("thread"),
    Index("actor_name_key", "key"),
)

post_name = Table(
    "post_name",
    metadata,
    _text("name", primary_key=True),  # key of a post's id or URL
    _of("thread"),
    _number("place"),  # 0 main line, 1 branch, 2 aside
    Index("post_name_key", "key"),
)

passage = Table(
    "passage",
    metadata,
    Column(  # greatest first: what is found, in order; holds the saving's number, so its key need not be here
        "id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False
    ),
    _text("anchor"),  # of the post on the thread's page
    _words("post"),  # id
    _words("warning"),  # content warning of the post
    _words("text"),  # exact slice of the post's text
    Column("published", Instant),
    Column("words", Tokens, nullable=False),  # the author, the source, the month, and the text folded
)
