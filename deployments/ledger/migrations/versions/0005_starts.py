"""Starts of the local model, and how long their phases took."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_BIG = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "starts",
        sa.Column("at_ns", _BIG, primary_key=True),
        sa.Column("node", sa.Text, primary_key=True),
        sa.Column("phases", sa.Text, nullable=False),
        sa.Column("total_ns", _BIG, nullable=False),
        sa.CheckConstraint("total_ns >= 0", name="total"),
        sqlite_strict=True,
    )
