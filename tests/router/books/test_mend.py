import fcntl
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes.rows import AT, query, reservation, settlement
from sqlalchemy import text

from deployments.ledger import LedgerError
from deployments.ledger.database import Database, lock_of
from deployments.ledger.journal import Journal, folder_of
from deployments.ledger.repair import group
from router.books.mend import mend

Make = Callable[..., Path]


@pytest.fixture
def ledger(book: Make) -> Path:
    """Return a ledger of one attempt with its journal."""
    path = book((reservation("att_1"), settlement("att_1")))
    database = Database(path)
    with database.connect() as connection, database.transaction(connection):
        journal = Journal(folder_of(path), lambda: "2026-11")
        with group(connection, journal):
            connection.execute(text("SELECT 1"))
    database.close()
    return path


def test_nothing_is_done_to_a_ledger_that_is_whole(
    ledger: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mend(ledger, lambda: AT) == 0
    assert capsys.readouterr().out == f"the ledger {ledger} is whole; nothing was done\n"


def test_a_damaged_ledger_is_built_anew_from_its_journal_and_is_kept(
    ledger: Path, damage, capsys: pytest.CaptureFixture[str]
) -> None:
    damage(ledger)
    assert mend(ledger, lambda: AT) == 0
    assert capsys.readouterr().out.splitlines()[1] == (
        "repaired; what was damaged is kept beside it as ledger.sqlite3.damaged-*"
    )
    assert query(str(ledger), "SELECT attempt_id, settled_nano_usd FROM attempts") == [
        {"attempt_id": "att_1", "settled_nano_usd": 40}
    ]
    assert ledger.with_name("ledger.sqlite3.damaged-1795424400").exists()
    assert not ledger.with_name("ledger.sqlite3.unfit").exists()


def test_a_ledger_that_cannot_be_repaired_is_told_why(ledger: Path, damage) -> None:
    damage(ledger)
    (folder_of(ledger) / "2026-11.jsonl").write_bytes(b"")
    with pytest.raises(LedgerError, match=r"journal .* is empty .*; restore both"):
        mend(ledger, lambda: AT)


def test_a_ledger_that_others_do_not_let_go_of_is_not_repaired(ledger: Path, damage) -> None:
    damage(ledger)
    times = iter(range(0, 1_000, 10))
    with lock_of(ledger).open("a") as other:
        fcntl.flock(other, fcntl.LOCK_SH)
        with pytest.raises(
            LedgerError, match=r"not repaired, although waited for 30 s: .* damaged"
        ):
            mend(ledger, lambda: AT + next(times), lambda _: None)


def test_a_ledger_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match=r"no\.sqlite3 does not exist, nor does its journal"):
        mend(tmp_path / "no.sqlite3", lambda: AT)
    assert not list(tmp_path.iterdir())


def test_postgres_is_not_repaired_from_here() -> None:
    with pytest.raises(LedgerError, match="restore this ledger from one of those"):
        mend("postgresql://nobody@127.0.0.1/none", lambda: AT)
