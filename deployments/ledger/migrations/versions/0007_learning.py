"""What routing learns from, the versions that came of it, and who may do so."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_BIG = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_REAL = sa.Double[float]().with_variant(sa.REAL[float](), "sqlite")


def upgrade() -> None:
    """Add the tables; nothing was learned before."""
    _labels()
    _policies()
    op.create_table(
        "locks",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("until_ns", _BIG),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("at_ns", _BIG, nullable=False),
        sqlite_strict=True,
    )


def _labels() -> None:
    op.create_table(
        "labels",
        sa.Column("task_id", sa.Text, primary_key=True),
        sa.Column("arm", sa.Text, primary_key=True),
        sa.Column("source", sa.Text, primary_key=True),
        sa.Column("group_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("kinds", sa.Text, nullable=False),
        sa.Column("declared", sa.Integer, nullable=False),
        sa.Column("quality", _REAL, nullable=False),
        sa.Column("cost_nano_usd", _BIG),
        sa.Column("size_tokens", _BIG, nullable=False),
        sa.Column("sketch", sa.LargeBinary),
        sa.Column("policy_version", sa.Text),
        sa.Column("propensity", _REAL),
        sa.Column("at_ns", _BIG, nullable=False),
        sa.CheckConstraint("source IN ('shadow','test','judge','feedback')", name="source"),
        sa.CheckConstraint("quality >= 0 AND quality <= 1", name="quality"),
        sa.CheckConstraint("propensity > 0 AND propensity <= 1", name="propensity"),
        sa.CheckConstraint("declared IN (0, 1)", name="declared"),
        sa.CheckConstraint("cost_nano_usd >= 0", name="cost"),
        sqlite_strict=True,
    )
    op.create_index("labels_by_time", "labels", ["at_ns"])


def _policies() -> None:
    op.create_table(
        "policies",
        sa.Column("version", sa.Text, primary_key=True),
        sa.Column("made_at_ns", _BIG, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("share", _REAL, nullable=False),
        sa.Column("document", sa.LargeBinary, nullable=False),
        sa.Column("summary", sa.Text, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("changed_at_ns", _BIG, nullable=False),
        sa.Column("in_force_at_ns", _BIG),
        sa.CheckConstraint(
            "state IN ('candidate','canary','in_force','retired','rolled_back')", name="state"
        ),
        sa.CheckConstraint("share >= 0 AND share <= 1", name="share"),
        sqlite_strict=True,
    )
    for state in ("in_force", "canary"):
        only = sa.text(f"state = '{state}'")
        op.create_index(
            f"policies_{state}",
            "policies",
            ["state"],
            unique=True,
            sqlite_where=only,
            postgresql_where=only,
        )
