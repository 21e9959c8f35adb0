"""Kinds' moves to the local model, what they are decided on, and how long labelled answers took."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

_BIG = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_REAL = sa.Double[float]().with_variant(sa.REAL[float](), "sqlite")
_STATES = "('baseline','shadow','canary','promoted','rolled_back')"


def upgrade() -> None:
    """Add the tables and the column; of labels that are there nobody knows how long it took."""
    _transitions()
    _samples()
    _audits()
    real = _REAL.compile(op.get_bind().dialect)
    # Spelt out, because Alembic adds no constraint to a table of SQLite that is there.
    op.execute(
        f"ALTER TABLE labels ADD COLUMN seconds {real} CONSTRAINT seconds CHECK (seconds >= 0)"
    )


def _transitions() -> None:
    op.create_table(
        "transitions",
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("come_from", sa.Text, nullable=False),
        sa.Column("come_to", sa.Text, nullable=False),
        sa.Column("share", _REAL, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("moved_by", sa.Text, nullable=False),
        sa.Column("evidence", sa.Text, nullable=False),
        sa.Column("at_ns", _BIG, nullable=False),
        sa.CheckConstraint("seq >= 1", name="seq"),
        sa.CheckConstraint(f"come_from IN {_STATES}", name="come_from"),
        sa.CheckConstraint(f"come_to IN {_STATES}", name="come_to"),
        sa.CheckConstraint("share >= 0 AND share <= 1", name="share"),
        sa.CheckConstraint("moved_by IN ('gate','operator')", name="moved_by"),
        sqlite_strict=True,
    )


def _samples() -> None:
    op.create_table(
        "samples",
        sa.Column("task_id", sa.Text, primary_key=True),
        sa.Column("tested_arm", sa.Text, primary_key=True),
        sa.Column("purpose", sa.Text, primary_key=True),
        sa.Column("conversation", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("side", sa.Text),
        sa.Column("probability", _REAL, nullable=False),
        sa.Column("base_arm", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("judged_by", sa.Text),
        sa.Column("judge", sa.Text),
        sa.Column("base_quality", _REAL),
        sa.Column("tested_quality", _REAL),
        sa.Column("consistent", sa.Integer),
        *(sa.Column(f"{side}_chars", _BIG) for side in ("base", "tested")),
        *(sa.Column(f"{side}_nano_usd", _BIG) for side in ("base", "tested", "judge")),
        *(sa.Column(f"{side}_s", _REAL) for side in ("base", "tested")),
        sa.Column("at_ns", _BIG, nullable=False),
        *_what_holds_of_samples(),
        sqlite_strict=True,
    )
    op.create_index("samples_by_time", "samples", ["at_ns"])


def _what_holds_of_samples() -> tuple[sa.CheckConstraint, ...]:
    reasons = (
        "('asleep','budget','full','unfit','tested_failed','base_failed','judge_failed','ended')"
    )
    rules = {
        "purpose": "purpose IN ('migration','composition')",
        "side": "side IN ('treated','held_out','waiting')",
        "probability": "probability > 0 AND probability <= 1",
        "state": "state IN ('chosen','judged','left')",
        "reason": f"reason IN {reasons}",
        "left_for_a_reason": "(state = 'left') = (reason IS NOT NULL)",
        "judged_by": "judged_by IN ('agreement','check','judge')",
        "judged": "state <> 'judged' OR (judged_by IS NOT NULL AND base_quality IS NOT NULL"
        " AND tested_quality IS NOT NULL)",
        "base_quality": "base_quality >= 0 AND base_quality <= 1",
        "tested_quality": "tested_quality >= 0 AND tested_quality <= 1",
        "consistent": "consistent IN (0, 1)",
        "chars": "base_chars >= 0 AND tested_chars >= 0",
        "nano_usd": "base_nano_usd >= 0 AND tested_nano_usd >= 0 AND judge_nano_usd >= 0",
        "seconds": "base_s >= 0 AND tested_s >= 0",
    }
    return tuple(sa.CheckConstraint(rule, name=name) for name, rule in rules.items())


def _audits() -> None:
    op.create_table(
        "audits",
        sa.Column("item", sa.Text, primary_key=True),
        sa.Column("judge", sa.Text, primary_key=True),
        sa.Column("at_ns", _BIG, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("judged", _REAL, nullable=False),
        sa.Column("truth", _REAL, nullable=False),
        sa.Column("consistent", sa.Integer, nullable=False),
        sa.CheckConstraint("judged >= -1 AND judged <= 1", name="judged"),
        sa.CheckConstraint("truth >= -1 AND truth <= 1", name="truth"),
        sa.CheckConstraint("consistent IN (0, 1)", name="consistent"),
        sqlite_strict=True,
    )
    op.create_index("audits_by_time", "audits", ["at_ns"])
