"""Rented machines, what keep-alive policies decided, and an index for arrivals by the minute."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_BIG = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_STATES = "'requested','loading','running','stopped','failed'"


def upgrade() -> None:
    """Add the tables; nothing was rented before."""
    _leases()
    _spans()
    op.create_table(
        "decisions",
        sa.Column("at_ns", _BIG, primary_key=True),
        sa.Column("policy", sa.Text, primary_key=True),
        sa.Column("wants_on", sa.Integer, nullable=False),
        sa.Column("in_force", sa.Integer, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("numbers", sa.Text, nullable=False),
        sa.CheckConstraint("wants_on IN (0, 1)", name="wants_on"),
        sa.CheckConstraint("in_force IN (0, 1)", name="in_force"),
        sqlite_strict=True,
    )
    op.create_index("tasks_by_time", "tasks", ["opened_at_ns"])


def _leases() -> None:
    op.create_table(
        "leases",
        sa.Column("lease_id", sa.Text, primary_key=True),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("offer_id", sa.Text, nullable=False),
        sa.Column("gpu", sa.Text, nullable=False),
        sa.Column("hourly_nano_usd", _BIG, nullable=False),
        sa.Column("stopped_hourly_nano_usd", _BIG, nullable=False),
        sa.Column("interruptible", sa.Integer, nullable=False),
        sa.Column("trusted", sa.Integer, nullable=False),
        sa.Column("region", sa.Text),
        sa.Column("instance_id", sa.Text),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("since_ns", _BIG, nullable=False),
        sa.Column("rate_nano_usd", _BIG, nullable=False),
        sa.Column("runs", sa.Integer, nullable=False),
        sa.Column("held_nano_usd", _BIG, nullable=False),
        sa.Column("held_month", sa.Text, nullable=False),
        sa.Column("opened_at_ns", _BIG, nullable=False),
        sa.Column("ended_at_ns", _BIG),
        sa.Column("ending", sa.Text),
        sa.Column("end_reason", sa.Text),
        sa.CheckConstraint(f"state IN ({_STATES})", name="state"),
        sa.CheckConstraint("interruptible IN (0, 1)", name="interruptible"),
        sa.CheckConstraint("trusted IN (0, 1)", name="trusted"),
        sa.CheckConstraint("held_nano_usd >= 0", name="held"),
        sa.CheckConstraint("ending IN ('destroyed','vanished','never_created')", name="ending"),
        sqlite_strict=True,
    )


def _spans() -> None:
    op.create_table(
        "spans",
        sa.Column("lease_id", sa.Text, primary_key=True),
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("since_ns", _BIG, nullable=False),
        sa.Column("until_ns", _BIG),
        sa.Column("accrued_ns", _BIG, nullable=False),
        sa.Column("hourly_nano_usd", _BIG, nullable=False),
        sa.Column("nano_usd", _BIG, nullable=False),
        sa.Column("month", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.CheckConstraint(f"state IN ({_STATES},'correction')", name="state"),
        sa.CheckConstraint("nano_usd >= 0 OR state = 'correction'", name="nano_usd"),
        sqlite_strict=True,
    )
    op.create_index("spans_by_time", "spans", ["since_ns"])
