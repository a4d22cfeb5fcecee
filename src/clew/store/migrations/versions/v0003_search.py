"""Full text, and the order in which threads were kept. The passages are filled in when the schema is up to date."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TSVECTOR

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Number the savings, and make the passages with what finds them."""
    op.add_column("saving", sa.Column("number", sa.Integer, nullable=False, server_default="0"))
    op.execute("""
        UPDATE saving SET number = (
            SELECT count(*) FROM saving AS other
            WHERE other.saved < saving.saved OR (other.saved = saving.saved AND other.key <= saving.key))""")
    op.create_index("saving_number", "saving", ["number"], unique=True)
    words = [sa.Column(name, sa.Text, nullable=False) for name in ("anchor", "post", "warning", "text")]
    op.create_table(
        "passage",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=False),
        *words,
        sa.Column("published", sa.Text),
        sa.Column("words", sa.Text().with_variant(TSVECTOR(), "postgresql"), nullable=False),
    )
    if op.get_bind().dialect.name == "sqlite":
        op.execute("""
            CREATE VIRTUAL TABLE passage_words USING fts5 (
                words, content = 'passage', content_rowid = 'id', columnsize = 0, prefix = '1 2',
                tokenize = "ascii tokenchars '_@+=-'")""")
        return
    op.create_index("passage_words", "passage", ["words"], postgresql_using="gin")
    for name in ("post", "warning", "text", "words"):  # no samples of words, as in the first migration
        op.execute(f"ALTER TABLE passage ALTER COLUMN {name} SET STATISTICS 0")


def downgrade() -> None:
    """Drop what is found, and the numbers."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TABLE passage_words")
    op.drop_table("passage")
    op.drop_index("saving_number", "saving")
    op.drop_column("saving", "number")
