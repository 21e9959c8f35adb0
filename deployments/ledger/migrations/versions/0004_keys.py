"""API keys, which were in a file before."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_BIG = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Add the table; the keys of the file have to be made anew."""
    op.create_table(
        "keys",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("handle", sa.Text, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("old_sha256", sa.Text),
        sa.Column("old_until_ns", _BIG),
        sa.Column("month_cap_nano_usd", _BIG),
        sa.Column("requests_per_minute", sa.Integer),
        sa.Column("concurrent", sa.Integer),
        sa.Column("tiers", sa.Text),
        sa.Column("models", sa.Text),
        sa.Column("created_at_ns", _BIG, nullable=False),
        sa.Column("revoked_at_ns", _BIG),
        sa.CheckConstraint("month_cap_nano_usd >= 0", name="month_cap"),
        sa.CheckConstraint("requests_per_minute >= 1", name="requests_per_minute"),
        sa.CheckConstraint("concurrent >= 1", name="concurrent"),
        sqlite_strict=True,
    )
    op.create_index("keys_by_handle", "keys", ["handle"], unique=True)
