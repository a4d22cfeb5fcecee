"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision: str | None = None

_SAMPLED = {  # columns with words by strangers
    "capture": ("url", "media_type", "body", "headers", "member"),
    "saving": ("thread", "post", "source"),
    "opt_out": ("actor", "who"),
    "deletion": ("actor", "who"),
    "output": ("path", "threads"),
    "thread": ("title", "sentence", "data"),
    "thread_actor": ("data",),
}


def upgrade() -> None:
    """Make every table."""
    _facts()
    _judgements()
    _derived()
    if op.get_bind().dialect.name == "postgresql":
        # The planner's samples of a column live outside its table, where no scrub reaches them.
        for table, names in _SAMPLED.items():
            for name in names:
                op.execute(f'ALTER TABLE "{table}" ALTER COLUMN "{name}" SET STATISTICS 0')


def downgrade() -> None:
    """Drop every table."""
    for name in (
        "post_name", "actor_name", "thread_actor", "thread",
        "output", "deletion", "opt_out", "alias", "saving_capture", "saving", "capture",
    ):  # fmt: skip
        op.drop_table(name)


def _facts() -> None:
    op.create_table(
        "capture",
        *_texts("sha256", "url", "media_type", "retrieved", key=1),
        sa.Column("body", sa.LargeBinary, nullable=False),
        *_texts("headers", "archive", "member"),
        sa.Column("redacted", sa.Boolean, nullable=False),
    )
    op.create_table(
        "saving",
        *_texts("key", "thread", "post", "rule", "source", "saved", "changed", "digest", key=1),
    )
    op.create_table(
        "saving_capture",
        *_texts("key", key=1),
        sa.Column("position", sa.Integer, nullable=False, primary_key=True, autoincrement=False),
        *_texts("sha256"),
        _owned("saving"),
        sa.ForeignKeyConstraint(["sha256"], ["capture.sha256"]),
    )
    op.create_index("saving_capture_sha256", "saving_capture", ["sha256"])
    op.create_table("alias", *_texts("old", "key", key=1), _owned("saving"))
    op.create_index("alias_key", "alias", ["key"])


def _judgements() -> None:
    op.create_table("opt_out", *_texts("key", "actor", "who", "stated", key=1))
    op.create_table(
        "deletion",
        sa.Column("number", sa.Integer, primary_key=True),
        *_texts("actor", "who", "done"),
        sa.Column("captures", sa.Integer, nullable=False),
        sa.Column("threads", sa.Integer, nullable=False),
    )
    op.create_table("output", *_texts("key", "path", "kind", "threads", key=1))


def _derived() -> None:
    op.create_table(
        "thread",
        *_texts("key", "author", "title", key=1),
        sa.Column("published", sa.Text),
        sa.Column("updated", sa.Text),
        sa.Column("posts", sa.Integer, nullable=False),
        *_texts("complete", "sentence", "visibility", "data"),
        _owned("saving"),
    )
    op.create_index("thread_author", "thread", ["author"])
    op.create_table("thread_actor", *_texts("key", "actor", key=2), *_texts("data"), _owned("thread"))
    op.create_index("thread_actor_actor", "thread_actor", ["actor"])
    op.create_table("actor_name", *_texts("name", "actor", "key", key=3), _owned("thread"))
    op.create_index("actor_name_key", "actor_name", ["key"])
    op.create_table(
        "post_name",
        *_texts("name", "key", key=2),
        sa.Column("place", sa.Integer, nullable=False),
        _owned("thread"),
    )
    op.create_index("post_name_key", "post_name", ["key"])


def _texts(*names: str, key: int = 0) -> list[sa.Column[str]]:
    """Columns of text, the first ``key`` of them the primary key."""
    return [sa.Column(name, sa.Text, nullable=False, primary_key=n < key) for n, name in enumerate(names)]


def _owned(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["key"], [f"{table}.key"], ondelete="CASCADE")
