import errno
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from deployments.ledger.database import Database
from deployments.ledger.health import check, sentence, trouble_of
from deployments.ledger.journal import JournalDamagedError
from deployments.ledger.opening import prepare

PATH = Path("/var/ledger.sqlite3")


def sqlite_error(code: int, message: str = "") -> sqlite3.Error:
    error = sqlite3.OperationalError(message)
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("error", "trouble"),
    [
        (sqlite_error(13), "full"),
        (sqlite_error(8), "read_only"),
        (sqlite_error(1032), "read_only"),  # SQLITE_READONLY_DBMOVED
        (sqlite_error(522), "disk"),  # SQLITE_IOERR_SHORT_READ
        (sqlite_error(11), "damaged"),
        (sqlite_error(26), "damaged"),
        (sqlite_error(5), "busy"),
        (sqlite_error(14), "missing"),
        (sqlite_error(1, "no such table: attempts"), "damaged"),
        (sqlite_error(1, "near SELECT: syntax error"), None),
        (OSError(errno.ENOSPC, "no space"), "full"),
        (OSError(errno.EROFS, "read-only"), "read_only"),
        (OSError(errno.EIO, "input/output"), "disk"),
        (JournalDamagedError("line 8"), "damaged"),
        (ValueError("a row"), None),
        (None, None),
    ],
)
def test_a_fault_is_told_from_a_bug(error, trouble):
    assert trouble_of(error) == trouble


def test_a_fault_is_found_behind_what_it_caused():
    outer = RuntimeError("cannot be written")
    outer.__cause__ = sqlite_error(13)
    assert trouble_of(outer) == "full"


def test_a_fault_is_said_with_its_remedy():
    assert sentence(PATH, "full") == (
        "the ledger /var/ledger.sqlite3: the disk is full; "
        "free some room, and paid calls start again by themselves"
    )


def test_a_file_that_is_not_there_is_not_made(tmp_path):
    path = tmp_path / "ledger.sqlite3"
    assert check(path) == sentence(path, "missing")
    assert list(tmp_path.iterdir()) == []


def test_an_empty_file_is_not_whole(tmp_path):
    path = tmp_path / "ledger.sqlite3"
    path.touch()
    assert check(path) == (
        f"the ledger {path} is damaged: no such table: attempts; it is built anew from its journal"
    )


def test_a_balance_that_its_attempts_do_not_come_to_is_found(tmp_path):
    path = tmp_path / "ledger.sqlite3"
    with closing(Database(path)) as database:
        prepare(database)
    assert check(path) is None
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO balances VALUES ('2026-11', 'month', 5, 0)")
    assert check(path) == (
        f"the ledger {path} is damaged: the balance of month in 2026-11 is not what its rows "
        "come to; it is built anew from its journal"
    )
