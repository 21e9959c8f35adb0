"""What was known of each kind of work when it was looked at last."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

_BIG = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Add the table; the next look fills it."""
    op.create_table(
        "looks",
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("at_ns", _BIG, nullable=False),
        sa.Column("is_suspected", sa.Integer, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.CheckConstraint("is_suspected IN (0, 1)", name="is_suspected"),
        sqlite_strict=True,
    )
