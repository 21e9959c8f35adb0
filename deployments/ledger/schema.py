"""The ledger's tables, for SQLite and Postgres alike.

Times are Unix nanoseconds, money is nano-USD; NULL is unknown. `migrations/` brings a database to
this shape; a test holds the two equal. `evidence_schema.py` has four more.
"""

from sqlalchemy import (
    REAL,
    BigInteger,
    CheckConstraint,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    text,
)

metadata = MetaData()

IS_OPEN = text("state IN ('reserved', 'sent')")
"""Spelt out, because neither database uses a partial index for a parameter."""

# A STRICT table of SQLite knows no BIGINT; its INTEGER has 64 bits.
Big = BigInteger().with_variant(Integer, "sqlite")
Real = Double[float]().with_variant(REAL[float](), "sqlite")

IN_FORCE = text("state = 'in_force'")
CANARY = text("state = 'canary'")

attempts = Table(
    "attempts",
    metadata,
    Column("attempt_id", Text, primary_key=True),
    Column("task_id", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("month", Text, nullable=False),
    Column("tier", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("round", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("flag", Text),
    Column("writer_id", Text),  # whose process owns it while it is open
    Column("reserved_nano_usd", Big, nullable=False),
    Column("output_limit", Big),
    Column("settled_nano_usd", Big),
    Column("price_source", Text, nullable=False),
    Column("usage_source", Text),
    Column("fresh_input", Big),
    Column("cache_read", Big),
    Column("cache_write_5m", Big),
    Column("cache_write_1h", Big),
    Column("output", Big),
    Column("thinking", Big),
    Column("outcome", Text),
    Column("upstream_id", Text),
    Column("simulated", Integer, nullable=False),
    Column("first_token_ns", Big),
    Column("latency_ns", Big),
    Column("reserved_at_ns", Big, nullable=False),
    Column("deadline_at_ns", Big, nullable=False),
    Column("settled_at_ns", Big),
    CheckConstraint("state IN ('reserved','sent','settled','void','estimated')", name="state"),
    CheckConstraint("reserved_nano_usd >= 0", name="reserved"),
    CheckConstraint("settled_nano_usd >= 0", name="settled"),
    CheckConstraint("usage_source IN ('provider','estimated','none')", name="usage_source"),
    CheckConstraint("simulated IN (0, 1)", name="simulated"),
    Index("attempts_by_task", "task_id"),
    Index("attempts_by_month", "month", "state"),
    Index("attempts_by_settlement", "settled_at_ns", "settled_nano_usd"),  # spending by the hour
    Index("attempts_open", "deadline_at_ns", sqlite_where=IS_OPEN, postgresql_where=IS_OPEN),
    sqlite_strict=True,
)

tasks = Table(
    "tasks",
    metadata,
    Column("task_id", Text, primary_key=True),
    Column("key_id", Text, nullable=False),
    Column("asked_model", Text, nullable=False),
    Column("profile", Text, nullable=False),
    Column("route", Text, nullable=False),
    Column("outcome", Text),
    Column("answer", Text),
    Column("opened_at_ns", Big, nullable=False),
    Column("closed_at_ns", Big),
    CheckConstraint("outcome IN ('answered','failed','abandoned')", name="outcome"),
    Index("tasks_by_time", "opened_at_ns"),  # arrivals by the minute
    sqlite_strict=True,
)

# What the attempts of a month come to by scope, kept in the transactions that change them: the
# budget is decided on these, and they are the second entry that a damaged row is found out by.
balances = Table(
    "balances",
    metadata,
    Column("month", Text, primary_key=True),
    Column("scope", Text, primary_key=True),
    Column("spent_nano_usd", Big, nullable=False),
    Column("held_nano_usd", Big, nullable=False),
    CheckConstraint("spent_nano_usd >= 0", name="spent"),
    CheckConstraint("held_nano_usd >= 0", name="held"),
    sqlite_strict=True,
)

# Processes that own open attempts; one that has not been seen for a while has ended.
writers = Table(
    "writers",
    metadata,
    Column("writer_id", Text, primary_key=True),
    Column("seen_at_ns", Big, nullable=False),
    sqlite_strict=True,
)

# Providers that have refused for want of money of their own: not asked again until then.
exhausted = Table(
    "exhausted",
    metadata,
    Column("provider", Text, primary_key=True),
    Column("until_ns", Big, nullable=False),
    Column("why", Text, nullable=False),
    Column("at_ns", Big, nullable=False),
    sqlite_strict=True,
)

claims = Table(
    "claims",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("idempotency_key", Text, primary_key=True),
    Column("fingerprint", Text, nullable=False),
    Column("task_id", Text, nullable=False),
    Column("document", Text),  # NULL while it is being done
    Column("lease_until_ns", Big, nullable=False),
    Column("expires_at_ns", Big, nullable=False),
    Index("claims_by_expiry", "expires_at_ns"),
    sqlite_strict=True,
)

# Answers that later requests continue: only the key that got one may read it.
answers = Table(
    "answers",
    metadata,
    Column("answer_id", Text, primary_key=True),
    Column("key_id", Text, nullable=False),
    Column("document", Text, nullable=False),
    Column("created_at_ns", Big, nullable=False),
    Index("answers_by_age", "created_at_ns"),
    sqlite_strict=True,
)

# API keys by the name that rows know them by. A secret is kept as its hash alone; tiers and models
# are JSON lists. A name is never used again, so that what was spent under it stays its own.
keys = Table(
    "keys",
    metadata,
    Column("name", Text, primary_key=True),
    Column("handle", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("old_sha256", Text),
    Column("old_until_ns", Big),
    Column("month_cap_nano_usd", Big),
    Column("requests_per_minute", Integer),
    Column("concurrent", Integer),
    Column("tiers", Text),
    Column("models", Text),
    Column("created_at_ns", Big, nullable=False),
    Column("revoked_at_ns", Big),
    CheckConstraint("month_cap_nano_usd >= 0", name="month_cap"),
    CheckConstraint("requests_per_minute >= 1", name="requests_per_minute"),
    CheckConstraint("concurrent >= 1", name="concurrent"),
    Index("keys_by_handle", "handle", unique=True),
    sqlite_strict=True,
)

# Starts of the local model; phases are a JSON object of seconds.
starts = Table(
    "starts",
    metadata,
    Column("at_ns", Big, primary_key=True),
    Column("node", Text, primary_key=True),
    Column("phases", Text, nullable=False),
    Column("total_ns", Big, nullable=False),
    CheckConstraint("total_ns >= 0", name="total"),
    sqlite_strict=True,
)

# Rented machines; one that is open has no end. What is held for it is held in one month.
leases = Table(
    "leases",
    metadata,
    Column("lease_id", Text, primary_key=True),
    Column("provider", Text, nullable=False),
    Column("offer_id", Text, nullable=False),
    Column("gpu", Text, nullable=False),
    Column("hourly_nano_usd", Big, nullable=False),
    Column("stopped_hourly_nano_usd", Big, nullable=False),
    Column("interruptible", Integer, nullable=False),
    Column("trusted", Integer, nullable=False),
    Column("region", Text),
    Column("instance_id", Text),
    Column("state", Text, nullable=False),
    Column("since_ns", Big, nullable=False),
    Column("rate_nano_usd", Big, nullable=False),
    Column("runs", Integer, nullable=False),
    Column("held_nano_usd", Big, nullable=False),
    Column("held_month", Text, nullable=False),
    Column("opened_at_ns", Big, nullable=False),
    Column("ended_at_ns", Big),
    Column("ending", Text),
    Column("end_reason", Text),
    CheckConstraint("state IN ('requested','loading','running','stopped','failed')", name="state"),
    CheckConstraint("interruptible IN (0, 1)", name="interruptible"),
    CheckConstraint("trusted IN (0, 1)", name="trusted"),
    CheckConstraint("held_nano_usd >= 0", name="held"),
    CheckConstraint("ending IN ('destroyed','vanished','never_created')", name="ending"),
    sqlite_strict=True,
)

# The states of a lease's machine, which follow each other without a gap, a row a day at least; and
# corrections, which are what its bill came to more than that, or less.
spans = Table(
    "spans",
    metadata,
    Column("lease_id", Text, primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("state", Text, nullable=False),
    Column("since_ns", Big, nullable=False),
    Column("until_ns", Big),  # NULL while it is open
    Column("accrued_ns", Big, nullable=False),
    Column("hourly_nano_usd", Big, nullable=False),
    Column("nano_usd", Big, nullable=False),
    Column("month", Text, nullable=False),
    Column("reason", Text, nullable=False),
    CheckConstraint(
        "state IN ('requested','loading','running','stopped','failed','correction')", name="state"
    ),
    CheckConstraint("nano_usd >= 0 OR state = 'correction'", name="nano_usd"),
    Index("spans_by_time", "since_ns"),
    sqlite_strict=True,
)

# What the keep-alive policies wanted and why; numbers are a JSON object.
decisions = Table(
    "decisions",
    metadata,
    Column("at_ns", Big, primary_key=True),
    Column("policy", Text, primary_key=True),
    Column("wants_on", Integer, nullable=False),
    Column("in_force", Integer, nullable=False),
    Column("why", Text, nullable=False),
    Column("numbers", Text, nullable=False),
    CheckConstraint("wants_on IN (0, 1)", name="wants_on"),
    CheckConstraint("in_force IN (0, 1)", name="in_force"),
    sqlite_strict=True,
)

# How good arms' answers were, without any text: kinds are a JSON object of probabilities, a sketch
# is hashed features.
labels = Table(
    "labels",
    metadata,
    Column("task_id", Text, primary_key=True),
    Column("arm", Text, primary_key=True),
    Column("source", Text, primary_key=True),
    Column("group_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("kinds", Text, nullable=False),
    Column("declared", Integer, nullable=False),
    Column("quality", Real, nullable=False),
    Column("cost_nano_usd", Big),
    Column("size_tokens", Big, nullable=False),
    Column("sketch", LargeBinary),
    Column("policy_version", Text),
    Column("propensity", Real),
    Column("at_ns", Big, nullable=False),
    Column("seconds", Real),
    CheckConstraint("source IN ('shadow','test','judge','feedback')", name="source"),
    CheckConstraint("quality >= 0 AND quality <= 1", name="quality"),
    CheckConstraint("propensity > 0 AND propensity <= 1", name="propensity"),
    CheckConstraint("declared IN (0, 1)", name="declared"),
    CheckConstraint("cost_nano_usd >= 0", name="cost"),
    CheckConstraint("seconds >= 0", name="seconds"),
    Index("labels_by_time", "at_ns"),
    sqlite_strict=True,
)

# Versions of what was learned; the indexes hold at most one in force, and one canary.
policies = Table(
    "policies",
    metadata,
    Column("version", Text, primary_key=True),
    Column("made_at_ns", Big, nullable=False),
    Column("state", Text, nullable=False),
    Column("share", Real, nullable=False),
    Column("document", LargeBinary, nullable=False),
    Column("summary", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("changed_at_ns", Big, nullable=False),
    Column("in_force_at_ns", Big),
    CheckConstraint(
        "state IN ('candidate','canary','in_force','retired','rolled_back')", name="state"
    ),
    CheckConstraint("share >= 0 AND share <= 1", name="share"),
    Index(
        "policies_in_force", "state", unique=True, sqlite_where=IN_FORCE, postgresql_where=IN_FORCE
    ),
    Index("policies_canary", "state", unique=True, sqlite_where=CANARY, postgresql_where=CANARY),
    sqlite_strict=True,
)

# What only one process may do at a time, or nobody for a while.
locks = Table(
    "locks",
    metadata,
    Column("name", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("until_ns", Big),  # NULL: until it is given back
    Column("why", Text, nullable=False),
    Column("at_ns", Big, nullable=False),
    sqlite_strict=True,
)

# How far an SQLite ledger has taken in each part of its journal: see `deployments.ledger.repair`.
journaled = Table(
    "journaled",
    metadata,
    Column("part", Text, primary_key=True),
    Column("bytes", Big, nullable=False),
    sqlite_strict=True,
)
