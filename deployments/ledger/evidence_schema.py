"""The ledger's tables of what migrations are decided on; see `tercet.migration` for the words."""

from sqlalchemy import CheckConstraint, Column, Index, Integer, Table, Text

from deployments.ledger.schema import Big, Real, metadata

_STATES = "('baseline','shadow','canary','promoted','rolled_back')"

# The moves of each kind, numbered without a gap; nothing is ever changed. Evidence is JSON.
transitions = Table(
    "transitions",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("come_from", Text, nullable=False),
    Column("come_to", Text, nullable=False),
    Column("share", Real, nullable=False),
    Column("why", Text, nullable=False),
    Column("moved_by", Text, nullable=False),
    Column("evidence", Text, nullable=False),
    Column("at_ns", Big, nullable=False),
    CheckConstraint("seq >= 1", name="seq"),
    CheckConstraint(f"come_from IN {_STATES}", name="come_from"),
    CheckConstraint(f"come_to IN {_STATES}", name="come_to"),
    CheckConstraint("share >= 0 AND share <= 1", name="share"),
    CheckConstraint("moved_by IN ('gate','operator')", name="moved_by"),
    sqlite_strict=True,
)

# What was known of each kind when it was looked at last. The document is JSON.
looks = Table(
    "looks",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("at_ns", Big, nullable=False),
    Column("is_suspected", Integer, nullable=False),
    Column("document", Text, nullable=False),
    CheckConstraint("is_suspected IN (0, 1)", name="is_suspected"),
    sqlite_strict=True,
)

# Pairs of answers to one task, compared off the request path, without any text.
samples = Table(
    "samples",
    metadata,
    Column("task_id", Text, primary_key=True),
    Column("tested_arm", Text, primary_key=True),
    Column("purpose", Text, primary_key=True),
    Column("conversation", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("side", Text),
    Column("probability", Real, nullable=False),
    Column("base_arm", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("judged_by", Text),
    Column("judge", Text),
    Column("base_quality", Real),
    Column("tested_quality", Real),
    Column("consistent", Integer),
    Column("base_chars", Big),
    Column("tested_chars", Big),
    Column("base_nano_usd", Big),
    Column("tested_nano_usd", Big),
    Column("judge_nano_usd", Big),
    Column("base_s", Real),
    Column("tested_s", Real),
    Column("at_ns", Big, nullable=False),
    CheckConstraint("purpose IN ('migration','composition')", name="purpose"),
    CheckConstraint("side IN ('treated','held_out','waiting')", name="side"),
    CheckConstraint("probability > 0 AND probability <= 1", name="probability"),
    CheckConstraint("state IN ('chosen','judged','left')", name="state"),
    CheckConstraint(
        "reason IN ('asleep','budget','full','unfit','tested_failed','base_failed','judge_failed',"
        "'ended')",
        name="reason",
    ),
    CheckConstraint("(state = 'left') = (reason IS NOT NULL)", name="left_for_a_reason"),
    CheckConstraint("judged_by IN ('agreement','check','judge')", name="judged_by"),
    CheckConstraint(
        "state <> 'judged' OR (judged_by IS NOT NULL AND base_quality IS NOT NULL"
        " AND tested_quality IS NOT NULL)",
        name="judged",
    ),
    CheckConstraint("base_quality >= 0 AND base_quality <= 1", name="base_quality"),
    CheckConstraint("tested_quality >= 0 AND tested_quality <= 1", name="tested_quality"),
    CheckConstraint("consistent IN (0, 1)", name="consistent"),
    CheckConstraint("base_chars >= 0 AND tested_chars >= 0", name="chars"),
    CheckConstraint(
        "base_nano_usd >= 0 AND tested_nano_usd >= 0 AND judge_nano_usd >= 0", name="nano_usd"
    ),
    CheckConstraint("base_s >= 0 AND tested_s >= 0", name="seconds"),
    Index("samples_by_time", "at_ns"),
    sqlite_strict=True,
)

# What judges said of answers whose qualities are known.
audits = Table(
    "audits",
    metadata,
    Column("item", Text, primary_key=True),
    Column("judge", Text, primary_key=True),
    Column("at_ns", Big, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("judged", Real, nullable=False),
    Column("truth", Real, nullable=False),
    Column("consistent", Integer, nullable=False),
    CheckConstraint("judged >= -1 AND judged <= 1", name="judged"),
    CheckConstraint("truth >= -1 AND truth <= 1", name="truth"),
    CheckConstraint("consistent IN (0, 1)", name="consistent"),
    Index("audits_by_time", "at_ns"),
    sqlite_strict=True,
)
