"""A body may come from several addresses and at several times: each saving tells of its own retrievals."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_MOVED = ("url", "media_type", "retrieved", "headers", "archive", "member")
_SAMPLED = {"saving": ("url",), "saving_capture": ("url", "location", "media_type", "headers", "member")}
# The constants of this file are all that its SQL is made of.


def upgrade() -> None:
    """Move what is told of a body from ``capture`` to each ``saving_capture`` of it."""
    _set_aside("SELECT o.key, o.position, c.* FROM saving_capture o JOIN capture c ON c.sha256 = o.sha256")
    with op.batch_alter_table("capture") as capture:  # made anew on SQLite: nothing may refer to it now
        for name in _MOVED:
            capture.drop_column(name)
    _make_saving_capture(sa.Column("status", sa.Integer, nullable=False), *map(_text, (*_MOVED, "location")))
    told = ", ".join(("key", "position", "sha256", *_MOVED))
    op.execute(f"INSERT INTO saving_capture ({told}, status, location) SELECT {told}, 0, '' FROM aside")  # noqa: S608
    op.drop_table("aside")
    op.add_column("saving", sa.Column("url", sa.Text, nullable=False, server_default=""))
    op.add_column("saving", sa.Column("looked", sa.Text))
    if op.get_bind().dialect.name == "postgresql":  # no samples of words, as in the first migration
        for table, names in _SAMPLED.items():
            for name in names:
                op.execute(f'ALTER TABLE "{table}" ALTER COLUMN "{name}" SET STATISTICS 0')


def downgrade() -> None:
    """Tell of each body what its first retrieval tells; the others, and bodies that nothing refers to, go."""
    _set_aside("SELECT * FROM saving_capture")
    op.execute("DELETE FROM capture WHERE sha256 NOT IN (SELECT sha256 FROM aside)")
    with op.batch_alter_table("capture") as capture:
        for name in _MOVED:
            capture.add_column(sa.Column(name, sa.Text, nullable=False, server_default=""))
    told = ", ".join(_MOVED)
    first = f"SELECT {told} FROM aside WHERE sha256 = capture.sha256 ORDER BY key, position LIMIT 1"  # noqa: S608
    op.execute(f"UPDATE capture SET ({told}) = ({first})")  # noqa: S608
    _make_saving_capture()
    op.execute("""
        INSERT INTO saving_capture (key, position, sha256)
        SELECT key, min(position), sha256 FROM aside GROUP BY key, sha256""")
    op.drop_table("aside")
    op.drop_column("saving", "looked")
    op.drop_column("saving", "url")


def _set_aside(query: str) -> None:
    """Copy what ``query`` gives to a table of its own, and drop ``saving_capture``, which refers to ``capture``."""
    op.execute(f"CREATE TABLE aside AS {query}")
    op.drop_table("saving_capture")


def _make_saving_capture(*told: sa.Column[str] | sa.Column[int]) -> None:
    op.create_table(
        "saving_capture",
        sa.Column("key", sa.Text, nullable=False, primary_key=True),
        sa.Column("position", sa.Integer, nullable=False, primary_key=True, autoincrement=False),
        _text("sha256"),
        *told,
        sa.ForeignKeyConstraint(["key"], ["saving.key"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["sha256"], ["capture.sha256"]),
    )
    op.create_index("saving_capture_sha256", "saving_capture", ["sha256"])


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False)
