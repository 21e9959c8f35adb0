-- One row per attempt (one POST to a provider), one per task. Times are Unix nanoseconds, money is
-- nano-USD. An attempt's row is durable before its POST leaves; `settled_nano_usd` is NULL until then.
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
  state               TEXT NOT NULL CHECK (state IN ('reserved','sent','settled','void','estimated')),
  reserved_nano_usd   INTEGER NOT NULL CHECK (reserved_nano_usd >= 0),
  settled_nano_usd    INTEGER CHECK (settled_nano_usd >= 0),
  price_source        TEXT NOT NULL,
  usage_source        TEXT CHECK (usage_source IN ('provider','estimated','none')),
  fresh_input         INTEGER,
  cache_read          INTEGER,
  cache_write_5m      INTEGER,
  cache_write_1h      INTEGER,
  output              INTEGER,
  thinking            INTEGER,
  outcome             TEXT,
  upstream_id         TEXT,
  simulated           INTEGER NOT NULL CHECK (simulated IN (0, 1)),
  first_token_ns      INTEGER,
  latency_ns          INTEGER,
  reserved_at_ns      INTEGER NOT NULL,
  deadline_at_ns      INTEGER NOT NULL,
  settled_at_ns       INTEGER
) STRICT;
CREATE INDEX IF NOT EXISTS attempts_by_task ON attempts (task_id);
CREATE INDEX IF NOT EXISTS attempts_by_month ON attempts (month, state);

CREATE TABLE IF NOT EXISTS tasks (
  task_id             TEXT PRIMARY KEY,
  key_id              TEXT NOT NULL,
  asked_model         TEXT NOT NULL,
  profile             TEXT NOT NULL,
  route               TEXT NOT NULL,
  outcome             TEXT CHECK (outcome IN ('answered','failed','abandoned')),
  answer              TEXT,
  opened_at_ns        INTEGER NOT NULL,
  closed_at_ns        INTEGER
) STRICT;
