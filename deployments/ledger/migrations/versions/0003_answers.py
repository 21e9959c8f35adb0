"""Answers that later requests continue."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_BIG = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Add the table; nothing was kept before."""
    op.create_table(
        "answers",
        sa.Column("answer_id", sa.Text, primary_key=True),
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("created_at_ns", _BIG, nullable=False),
        sqlite_strict=True,
    )
    op.create_index("answers_by_age", "answers", ["created_at_ns"])
