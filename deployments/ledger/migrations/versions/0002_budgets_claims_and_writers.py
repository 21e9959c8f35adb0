"""Balances, writers, exhausted providers and claims; what was booked before counts at once."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_BIG = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_IS_OPEN = sa.text("state IN ('reserved', 'sent')")
_SCOPES = ("'month'", "'key:' || key_id", "'tier:' || tier", "'provider:' || provider")
_FILL = """
INSERT INTO balances (month, scope, spent_nano_usd, held_nano_usd)
SELECT month, {scope},
  sum(CASE WHEN state IN ('reserved', 'sent') THEN 0 ELSE coalesce(settled_nano_usd, 0) END),
  sum(CASE WHEN state IN ('reserved', 'sent') THEN reserved_nano_usd ELSE 0 END)
FROM attempts GROUP BY 1, 2
"""


def upgrade() -> None:
    """Add the columns and tables, and sum what there is."""
    for column in ("flag", "writer_id"):
        op.add_column("attempts", sa.Column(column, sa.Text))
    op.add_column("attempts", sa.Column("output_limit", _BIG))
    op.create_index("attempts_by_settlement", "attempts", ["settled_at_ns", "settled_nano_usd"])
    op.create_index(
        "attempts_open",
        "attempts",
        ["deadline_at_ns"],
        sqlite_where=_IS_OPEN,
        postgresql_where=_IS_OPEN,
    )
    _balances()
    _writers()
    _exhausted()
    _claims()
    _journaled()
    for scope in _SCOPES:
        op.execute(_FILL.format(scope=scope))


def _balances() -> None:
    op.create_table(
        "balances",
        sa.Column("month", sa.Text, primary_key=True),
        sa.Column("scope", sa.Text, primary_key=True),
        sa.Column("spent_nano_usd", _BIG, nullable=False),
        sa.Column("held_nano_usd", _BIG, nullable=False),
        sa.CheckConstraint("spent_nano_usd >= 0", name="spent"),
        sa.CheckConstraint("held_nano_usd >= 0", name="held"),
        sqlite_strict=True,
    )


def _writers() -> None:
    op.create_table(
        "writers",
        sa.Column("writer_id", sa.Text, primary_key=True),
        sa.Column("seen_at_ns", _BIG, nullable=False),
        sqlite_strict=True,
    )


def _exhausted() -> None:
    op.create_table(
        "exhausted",
        sa.Column("provider", sa.Text, primary_key=True),
        sa.Column("until_ns", _BIG, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("at_ns", _BIG, nullable=False),
        sqlite_strict=True,
    )


def _claims() -> None:
    op.create_table(
        "claims",
        sa.Column("key_id", sa.Text, primary_key=True),
        sa.Column("idempotency_key", sa.Text, primary_key=True),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("task_id", sa.Text, nullable=False),
        sa.Column("document", sa.Text),
        sa.Column("lease_until_ns", _BIG, nullable=False),
        sa.Column("expires_at_ns", _BIG, nullable=False),
        sqlite_strict=True,
    )
    op.create_index("claims_by_expiry", "claims", ["expires_at_ns"])


def _journaled() -> None:
    op.create_table(
        "journaled",
        sa.Column("part", sa.Text, primary_key=True),
        sa.Column("bytes", _BIG, nullable=False),
        sqlite_strict=True,
    )
