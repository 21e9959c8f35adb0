import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from fakes.rows import AT, balances_kept, query, reservation, rows

import deployments.ledger
from deployments.ledger import Ledger, LedgerError, url_of
from deployments.ledger.database import Database
from deployments.ledger.opening import HEAD, prepare
from deployments.ledger.schema import metadata

FIRST_RELEASE = """
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
  state               TEXT NOT NULL
    CHECK (state IN ('reserved','sent','settled','void','estimated')),
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
"""


def old_file(file: Path) -> None:
    """Make a file as the first release did, with an attempt settled, one void and one open."""
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript("PRAGMA journal_mode=WAL;" + FIRST_RELEASE)
        for name, state, tier, settled in (
            ("a", "settled", "tier1", 40),
            ("b", "void", "tier1", 0),
            ("c", "sent", "tier2", None),
        ):
            connection.execute(
                "INSERT INTO attempts (attempt_id, task_id, key_id, month, tier, provider, model,"
                " role, round, state, reserved_nano_usd, settled_nano_usd, price_source, simulated,"
                " reserved_at_ns, deadline_at_ns) VALUES"
                " (?, 'req_1', 'k', '2026-11', ?, 'google', 'm', 'brain', 1, ?, 100, ?, 'p', 0, 1,"
                " 2)",
                (name, tier, state, settled),
            )
        connection.commit()


@pytest.mark.parametrize("times", [1, 2])
def test_a_file_of_the_first_release_is_adopted_and_what_it_booked_counts(
    tmp_path: Path, times: int
) -> None:
    file = tmp_path / "ledger.sqlite3"
    old_file(file)
    for _ in range(times):
        Ledger(file, clock=lambda: AT).close()
    url = url_of(file)
    assert [(row["attempt_id"], row["state"], row["flag"]) for row in rows(url)] == [
        ("a", "settled", None),
        ("b", "void", None),
        ("c", "sent", None),
    ]
    assert balances_kept(url) == {
        ("2026-11", "month"): (40, 100),
        ("2026-11", "key:k"): (40, 100),
        ("2026-11", "tier:tier1"): (40, 0),
        ("2026-11", "tier:tier2"): (0, 100),
        ("2026-11", "provider:google"): (40, 100),
    }


def differences(url: str) -> list[object]:
    """Say in what the tables of a ledger differ from those the code writes."""
    database = Database(url)
    prepare(database)
    with closing(database), database.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return compare_metadata(context, metadata)


def test_a_new_ledger_has_the_tables_the_code_writes(url: str) -> None:
    assert differences(url) == []


def test_an_adopted_file_has_the_tables_the_code_writes(tmp_path: Path) -> None:
    old_file(tmp_path / "ledger.sqlite3")
    assert differences(url_of(tmp_path / "ledger.sqlite3")) == []


def test_a_ledger_of_a_newer_release_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite3"
    Ledger(file).close()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    with pytest.raises(LedgerError, match="of a newer release than this one"):
        Ledger(file)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("a file where a folder should be")
    with pytest.raises(LedgerError, match=r"cannot be written: .*[Ee]xists"):
        Ledger(tmp_path / "var" / "ledger.sqlite3")


def test_the_head_that_is_compared_without_alembic_is_alembics_own() -> None:
    config = Config()
    folder = Path(deployments.ledger.__file__).parent / "migrations"
    config.set_main_option("script_location", str(folder))
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


def test_a_new_file_has_strict_tables(tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite3"
    Ledger(file).close()
    found = query(url_of(file), "SELECT name, strict FROM pragma_table_list WHERE schema = 'main'")
    strict = {row["name"] for row in found if row["strict"]}
    assert strict == {
        "attempts",
        "tasks",
        "balances",
        "writers",
        "exhausted",
        "claims",
        "answers",
        "keys",
        "starts",
        "leases",
        "spans",
        "decisions",
        "labels",
        "policies",
        "locks",
        "transitions",
        "looks",
        "samples",
        "audits",
        "journaled",
    }


def test_a_database_of_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite3"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE attempts (something TEXT)")
    with pytest.raises(LedgerError, match="no such column"):
        Ledger(file)
    assert [row["name"] for row in query(url_of(file), "SELECT name FROM sqlite_master")] == [
        "attempts"
    ]


def test_no_other_database_holds_a_ledger() -> None:
    with pytest.raises(LedgerError, match="use sqlite or postgresql"):
        Ledger("mysql://somewhere/ledger")


def test_a_server_that_is_away_is_named_without_its_password_and_nothing_is_let_through() -> None:
    url = "postgresql://user:secret@127.0.0.1:1/ledger"
    with (
        closing(Ledger(url)) as ledger,
        pytest.raises(LedgerError, match=r"user:\*\*\*@127.0.0.1:1/ledger cannot"),
    ):
        asyncio.run(ledger.reserve(reservation("a")))


def test_a_ledger_is_named_by_a_path_or_a_url(tmp_path: Path) -> None:
    assert url_of("/var/lib/ledger.sqlite3") == "sqlite:////var/lib/ledger.sqlite3"
    assert url_of("postgresql://db/ledger") == "postgresql://db/ledger"
