"""The tables of the first release; a file that it made is adopted as it is."""

from alembic import op

revision = "0001"
down_revision = None

_DDL = """
CREATE TABLE IF NOT EXISTS attempts (
  attempt_id          TEXT PRIMARY KEY,
  task_id             TEXT NOT NULL,
  key_id              TEXT NOT NULL,
  month               TEXT NOT NULL,
  tier                TEXT NOT NULL,
  provider            TEXT NOT NULL,
  model               TEXT NOT NULL,
  role                TEXT NOT NULL,
  round               INTEGER NOT NULL,
  state               TEXT NOT NULL CONSTRAINT state
                        CHECK (state IN ('reserved','sent','settled','void','estimated')),
  reserved_nano_usd   BIG NOT NULL CONSTRAINT reserved CHECK (reserved_nano_usd >= 0),
  settled_nano_usd    BIG CONSTRAINT settled CHECK (settled_nano_usd >= 0),
  price_source        TEXT NOT NULL,
  usage_source        TEXT CONSTRAINT usage_source
                        CHECK (usage_source IN ('provider','estimated','none')),
  fresh_input         BIG,
  cache_read          BIG,
  cache_write_5m      BIG,
  cache_write_1h      BIG,
  output              BIG,
  thinking            BIG,
  outcome             TEXT,
  upstream_id         TEXT,
  simulated           INTEGER NOT NULL CONSTRAINT simulated CHECK (simulated IN (0, 1)),
  first_token_ns      BIG,
  latency_ns          BIG,
  reserved_at_ns      BIG NOT NULL,
  deadline_at_ns      BIG NOT NULL,
  settled_at_ns       BIG
) STRICT;
CREATE INDEX IF NOT EXISTS attempts_by_task ON attempts (task_id);
CREATE INDEX IF NOT EXISTS attempts_by_month ON attempts (month, state);
CREATE TABLE IF NOT EXISTS tasks (
  task_id             TEXT PRIMARY KEY,
  key_id              TEXT NOT NULL,
  asked_model         TEXT NOT NULL,
  profile             TEXT NOT NULL,
  route               TEXT NOT NULL,
  outcome             TEXT CONSTRAINT outcome
                        CHECK (outcome IN ('answered','failed','abandoned')),
  answer              TEXT,
  opened_at_ns        BIG NOT NULL,
  closed_at_ns        BIG
) STRICT;
"""


def upgrade() -> None:
    """Make what is not there; a STRICT table of SQLite knows no BIGINT."""
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    ddl = _DDL.replace(" BIG", " INTEGER" if is_sqlite else " BIGINT")
    for statement in ddl.replace(") STRICT", ") STRICT" if is_sqlite else ")").split(";"):
        if statement.strip():
            op.execute(statement)
