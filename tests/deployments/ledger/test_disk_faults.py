import random
import shutil
import sqlite3
import subprocess
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fakes.disks import small_disk
from sqlalchemy.exc import DBAPIError

from deployments.ledger import journal
from deployments.ledger.database import Database, LedgerError
from deployments.ledger.health import check, trouble_of
from deployments.ledger.journal import Journal, JournalDamagedError
from deployments.ledger.opening import prepare
from deployments.ledger.page import Page
from deployments.ledger.repair import Fitness, group, repair

AT = 1_795_424_400.0  # 2026-11-23 09:00 UTC
MODELS = ("claude-opus-5-5", "gemini-3-pro")
SUMS = """
SELECT month, model, count(*), sum(coalesce(settled_nano_usd, reserved_nano_usd))
FROM attempts NOT INDEXED GROUP BY 1, 2 ORDER BY 1, 2
"""


def row(n: int, **changes: Any) -> dict[str, object]:
    fields: dict[str, object] = {
        "attempt_id": f"att_{n}", "task_id": f"req_{n // 3}", "key_id": "default",
        "month": "2026-11", "tier": "tier1", "provider": "anthropic", "model": MODELS[n % 2],
        "role": "brain", "round": 1, "state": "reserved", "flag": None, "writer_id": "w1",
        "reserved_nano_usd": 1_000 + n, "output_limit": 100, "settled_nano_usd": None,
        "price_source": "a test", "usage_source": None, "fresh_input": None, "cache_read": None,
        "cache_write_5m": None, "cache_write_1h": None, "output": None, "thinking": None,
        "outcome": None, "upstream_id": None, "simulated": 1, "first_token_ns": None,
        "latency_ns": None, "reserved_at_ns": n, "deadline_at_ns": n, "settled_at_ns": None,
    }  # fmt: skip
    return fields | changes


def settled(n: int) -> dict[str, object]:
    return row(
        n, state="settled", settled_nano_usd=500 + n, settled_at_ns=n, usage_source="provider"
    )


class Books:
    """The writer's part of a ledger, without its thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.database = Database(path)
        prepare(self.database)
        self.journal = Journal(journal.folder_of(path), lambda: "2026-11")
        self.connection = self.database.connect()

    def write(self, *, reserve: Sequence[int] = (), settle: Sequence[int] = ()) -> None:
        self.database.begin(self.connection)
        try:
            with group(self.connection, self.journal) as append:
                page = Page(self.connection, {}, "w1")
                page.load([f"att_{n}" for n in (*reserve, *settle)], [])
                known = [row(n) for n in (*reserve, *settle)]
                for one in known:
                    for scope in ("key:default", "month", "provider:anthropic", "tier:tier1"):
                        page._load_balances([(str(one["month"]), scope)])
                    break
                for n in reserve:
                    page.make(row(n))
                for n in settle:
                    page.change("settle", settled(n), held=-(1_000 + n), spent=500 + n)
                page.store()
                if page.entries:
                    append(page.entries)
                self.connection.exec_driver_sql("COMMIT")
        except BaseException:
            if self.connection.connection.driver_connection.in_transaction:
                self.connection.exec_driver_sql("ROLLBACK")
            raise

    def close(self) -> None:
        self.connection.close()
        self.database.close()


def filled(path: Path, count: int) -> None:
    with closing(Books(path)) as books:
        for start in range(0, count, 50):
            numbers = range(start, min(start + 50, count))
            books.write(reserve=numbers)
            books.write(settle=[n for n in numbers if n % 5])


def sums(path: Path) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(SUMS).fetchall()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite3"


def mended(path: Path) -> list[tuple[Any, ...]]:
    """Do what a process does that opens a ledger, and return its sums."""
    if check(path) is not None:
        assert repair(path, AT) is None
    with closing(Books(path)) as books:
        books.write()
    assert check(path) is None
    return sums(path)


def test_a_ledger_is_whole_with_its_journal(path):
    filled(path, 20)
    assert check(path) is None
    assert sums(path) == [
        ("2026-11", "claude-opus-5-5", 10, 6_090), ("2026-11", "gemini-3-pro", 10, 6_100),
    ]  # fmt: skip


def test_a_full_disk_refuses_and_the_next_write_after_it_counts(tmp_path):
    with small_disk(tmp_path / "disk", "2m") as disk:
        path = disk / "ledger.sqlite3"
        filled(path, 20)
        before = sums(path)
        with closing(Books(path)) as books:
            books.write()
            ballast = disk / "ballast"
            ballast.write_bytes(bytes(shutil.disk_usage(disk).free))
            refused = 0
            for n in range(100, 120):
                with pytest.raises((DBAPIError, OSError)) as told:
                    books.write(reserve=range(n * 10, n * 10 + 10))
                refused += trouble_of(told.value) == "full"
            assert refused == 20
            ballast.unlink()
            books.write(reserve=[20])
        assert check(path) is None
        assert sums(path)[0][2:] == (before[0][2] + 1, before[0][3] + 1_020)


def test_a_database_that_may_not_grow_refuses_and_takes_its_lines_back(path):
    filled(path, 20)
    with closing(Books(path)) as books:
        before = journal.sizes(books.journal.folder)
        books.connection.exec_driver_sql("PRAGMA max_page_count=1")
        with pytest.raises(DBAPIError) as told:
            books.write(reserve=range(1_000, 1_200))
        assert trouble_of(told.value) == "full"
        assert journal.sizes(books.journal.folder) == before
        books.connection.exec_driver_sql("PRAGMA max_page_count=100000")
        books.write(reserve=[20])
    assert check(path) is None


def test_a_read_only_disk_refuses_and_resumes(tmp_path):
    with small_disk(tmp_path / "disk", "4m") as disk:
        path = disk / "ledger.sqlite3"
        filled(path, 20)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        database = Database(path)
        with pytest.raises(LedgerError) as told:
            database.connect().close()
        assert trouble_of(told.value) == "missing"  # SQLite makes a -wal before it says read-only
        with pytest.raises(OSError, match="Read-only") as refused:
            Journal(journal.folder_of(path), lambda: "2026-11").append([row(20)])
        assert trouble_of(refused.value) == "read_only"
        assert repair(path, AT) is not None
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
        with closing(Books(path)) as books:
            books.write(reserve=[20])
        assert check(path) is None


def test_a_flipped_byte_is_found_or_harmless(path, tmp_path):
    filled(path, 200)
    before = sums(path)
    whole = path.read_bytes()
    seed = 20_261_123
    print(f"seed {seed}")
    dice = random.Random(seed)
    found = 0
    for _ in range(1_000):
        offset = dice.randrange(len(whole))
        flipped = bytearray(whole)
        flipped[offset] ^= dice.randrange(1, 256)
        path.write_bytes(flipped)
        if check(path) is not None:
            found += 1
        else:
            assert sums(path) == before, f"byte {offset} of seed {seed}"
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
    print(f"{found} of 1000 found")
    assert found > 100


def test_a_deleted_database_is_built_from_the_journal(path):
    filled(path, 100)
    before = sums(path)
    path.unlink()
    assert mended(path) == before


def test_a_truncated_database_is_built_from_the_journal_and_kept_aside(path):
    filled(path, 300)
    before = sums(path)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    assert mended(path) == before
    assert path.with_name("ledger.sqlite3.damaged-1795424400").exists()


def test_a_deleted_wal_is_caught_up_with(path, tmp_path):
    filled(path, 50)
    with closing(Books(path)) as books:
        books.write(reserve=range(50, 60))
        live = sums(path)
        copy = tmp_path / "copy" / path.name
        copy.parent.mkdir()
        shutil.copy(path, copy)  # without its WAL
    shutil.copytree(journal.folder_of(path), journal.folder_of(copy))
    assert sums(copy) != live
    assert mended(copy) == live


def test_an_older_copy_is_caught_up_with(path, tmp_path):
    filled(path, 20)
    older = shutil.copy(path, tmp_path / "older")
    with closing(Books(path)) as books:
        books.write(reserve=range(20, 40))
    before = sums(path)
    shutil.copy(older, path)
    assert mended(path) == before


def test_rows_deleted_behind_our_back_come_back(path):
    filled(path, 20)
    before = sums(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM attempts")
        connection.execute("DELETE FROM balances")
    assert check(path) == (
        f"the ledger {path} is damaged: it has 0 rows, fewer than the 20 of its journal; "
        "it is built anew from its journal"
    )
    assert mended(path) == before


@pytest.mark.parametrize("fault", ["emptied", "missing", "damaged line"])
def test_a_lost_journal_is_written_again_from_a_whole_database(path, fault):
    filled(path, 20)
    before = sums(path)
    file = journal.folder_of(path) / "2026-11.jsonl"
    if fault == "emptied":
        file.write_bytes(b"")
    elif fault == "missing":
        shutil.rmtree(file.parent)
    else:
        file.write_bytes(file.read_bytes().replace(b"att_7", b"att_8", 1))
    assert check(path) is not None
    assert mended(path) == before
    path.unlink()
    assert mended(path) == before


def test_with_both_copies_damaged_nothing_is_repaired(path):
    filled(path, 20)
    file = journal.folder_of(path) / "2026-11.jsonl"
    file.write_bytes(file.read_bytes().replace(b"att_7", b"att_8", 1))
    path.write_bytes(path.read_bytes()[:5_000])
    why = repair(path, AT)
    assert why is not None
    assert "line 8 is damaged" in why
    assert "from one backup" in why
    assert path.stat().st_size == 5_000


def test_a_new_database_beside_a_damaged_journal_does_not_replace_it(path):
    filled(path, 20)
    file = journal.folder_of(path) / "2026-11.jsonl"
    damaged = file.read_bytes().replace(b"att_7", b"att_8", 1)
    file.write_bytes(damaged)
    path.unlink()
    with closing(Books(path)) as books, pytest.raises(JournalDamagedError, match="line 8"):
        books.write(reserve=[20])
    assert file.read_bytes() == damaged


def test_a_ledger_from_before_the_journal_gets_one(path):
    filled(path, 20)
    before = sums(path)
    shutil.rmtree(journal.folder_of(path))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM journaled")
    assert mended(path) == before
    path.unlink()
    assert mended(path) == before


def test_processes_leave_a_damaged_ledger_and_the_last_one_repairs(path):
    filled(path, 20)
    before = sums(path)
    with closing(Fitness(path, lambda: AT)) as one, closing(Fitness(path, lambda: AT)) as other:
        assert one.enter()
        assert other.enter()
        assert one.why_unfit() is None
        path.write_bytes(path.read_bytes()[:5_000])
        one.declare_unfit("a page is damaged")
        assert other.why_unfit() == "a page is damaged"
        assert not one.enter()
        assert other.enter()
        assert one.enter()
        assert (one.why_unfit(), other.why_unfit()) == (None, None)
    assert sums(path) == before


def test_a_ledger_deleted_while_in_use_is_unfit(path):
    filled(path, 20)
    before = sums(path)
    with closing(Fitness(path, lambda: AT)) as fitness:
        assert fitness.enter()
        assert fitness.why_unfit() is None
        path.unlink()
        assert fitness.why_unfit() == f"the ledger {path} was deleted or replaced while in use"
        assert fitness.enter()
    assert sums(path) == before
