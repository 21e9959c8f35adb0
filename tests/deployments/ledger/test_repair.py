import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from deployments.ledger import LedgerError, journal
from deployments.ledger.database import Database
from deployments.ledger.health import check
from deployments.ledger.journal import Journal
from deployments.ledger.opening import prepare
from deployments.ledger.repair import Fitness, group, repair

AT = 1_795_424_400.0  # 2026-11-23 09:00 UTC
ROW = {
    "attempt_id": "a", "task_id": "t", "key_id": "k", "month": "2026-11", "tier": "tier1",
    "provider": "anthropic", "model": "claude-opus-5-5", "role": "brain", "round": 1,
    "state": "reserved", "reserved_nano_usd": 7, "price_source": "a test", "simulated": 1,
    "reserved_at_ns": 1, "deadline_at_ns": 2,
}  # fmt: skip
HOLDER = """
import sys
from pathlib import Path
from deployments.ledger.repair import Fitness
fitness = Fitness(Path(sys.argv[1]), lambda: 0.0)
print(fitness.enter(), flush=True)
sys.stdin.readline()
"""


def append(path: Path, rows) -> None:
    copy = Journal(journal.folder_of(path), lambda: "2026-11")
    with copy.locked():
        copy.append(rows)


def kept(path: Path) -> list[tuple[str, int, int]]:
    """Take part once, and return the balances."""
    with closing(Database(path)) as database:
        prepare(database)
        with database.connect() as connection:
            database.begin(connection)
            with group(connection, Journal(journal.folder_of(path), lambda: "2026-11")):
                connection.exec_driver_sql("COMMIT")
            query = "SELECT scope, spent_nano_usd, held_nano_usd FROM balances ORDER BY scope"
            return [tuple(row) for row in connection.exec_driver_sql(query)]


def test_a_group_that_was_journaled_and_not_committed_is_committed_by_the_next(tmp_path):
    path = tmp_path / "ledger.sqlite3"
    assert kept(path) == []
    append(path, [{"op": "reserve", **ROW}])
    held = [("key:k", 0, 7), ("month", 0, 7), ("provider:anthropic", 0, 7), ("tier:tier1", 0, 7)]
    assert kept(path) == held
    assert kept(path) == held
    assert check(path) is None


def test_the_last_line_of_an_attempt_counts(tmp_path):
    path = tmp_path / "ledger.sqlite3"
    settled = ROW | {"state": "settled", "settled_nano_usd": 5, "settled_at_ns": 3}
    append(path, [{"op": "reserve", **ROW}, {"op": "settle", **settled}])
    assert kept(path)[1] == ("month", 5, 0)


def test_an_empty_journal_builds_nothing(tmp_path):
    path = tmp_path / "ledger.sqlite3"
    path.write_bytes(b"not a database, and long enough to be read as one" * 100)
    why = repair(path, AT)
    assert why is not None
    assert f"the journal {path}.journal is empty" in why
    assert path.read_bytes().startswith(b"not a database")


def test_a_killed_process_does_not_stand_in_the_way_of_a_repair(tmp_path):
    path = tmp_path / "ledger.sqlite3"
    append(path, [{"op": "reserve", **ROW}])
    command = [sys.executable, "-c", HOLDER, str(path)]
    with (
        subprocess.Popen(command, stdin=-1, stdout=-1, text=True) as holder,
        closing(Fitness(path, lambda: AT)) as fitness,
    ):
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        fitness.declare_unfit("the file is gone")
        assert not fitness.enter()
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
        assert fitness.enter()
        assert fitness.why_unfit() is None
    assert check(path) is None


def test_what_cannot_be_repaired_stays_unfit_until_it_is_restored(tmp_path):
    path = tmp_path / "ledger.sqlite3"
    assert kept(path) == []
    whole = path.read_bytes()
    path.write_bytes(whole[:5_000])
    with closing(Fitness(path, lambda: AT)) as fitness:
        fitness.declare_unfit("a page is damaged")
        with pytest.raises(LedgerError, match="restore this one from its copy"):
            fitness.enter()
        assert fitness.why_unfit() == "a page is damaged"
        path.write_bytes(whole)
        assert fitness.enter()
        assert fitness.why_unfit() is None
