"""A ledger is copied while it is written to, its process killed, its disk lost; then restored."""

import asyncio
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from fakes.rows import (
    AT,
    balances_kept,
    balances_summed,
    closed,
    ids,
    opened,
    query,
    reservation,
    settlement,
)
from fakes.running import wait_until

from deployments.ledger import Ledger, LedgerError
from deployments.ledger.health import check
from deployments.ledger.journal import folder_of
from router.books.backup import Backup, backup, take
from router.books.backup_folder import Snapshot, alone, follow, snapshots
from router.books.backup_restoring import Restore, restore
from router.cli import main
from tercet.config import PROJECT

LATER = AT + 3_600.0

# Reserves and settles as fast as it can, and says what has been committed.
TRAFFIC = """
import asyncio, sys
sys.path.insert(0, "tests")
from fakes.rows import reservation, settlement
from deployments.ledger import Ledger

async def main(path):
    ledger = Ledger(path)
    for number in range(1_000_000):
        await ledger.reserve(reservation(f"att_{number}", deadline_at=4e9))
        if number % 2:
            await ledger.settle(settlement(f"att_{number}"))
        print(f"att_{number}", flush=True)

asyncio.run(main(sys.argv[1]))
"""


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """Return a ledger with an attempt of 40, a receipt and its journal."""
    path = tmp_path / "ledger.sqlite3"

    async def write(books: Ledger) -> None:
        books.open_request(opened())
        await books.reserve(reservation("att_1"))
        await books.settle(settlement("att_1"))
        books.close_request(closed("answered"))

    with closing(Ledger(path, clock=lambda: AT)) as books:
        asyncio.run(write(books))
    return path


def write(ledger: Path, *attempts: str) -> None:
    """Reserve more attempts, of 100 each."""

    async def reserve(books: Ledger) -> None:
        for attempt in attempts:
            await books.reserve(reservation(attempt))

    with closing(Ledger(ledger, clock=lambda: AT)) as books:
        asyncio.run(reserve(books))


def saved(ledger: Path, folder: Path, now: float = AT, keep: int = 24) -> Snapshot:
    backup(ledger, Backup(to=folder, keep=keep), lambda: now)
    return snapshots(folder)[-1]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "backups"


@pytest.fixture
def restored(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[set[object], dict[str, Any]]]:
    """Restore, and return the attempts with what was said; the ledger must be whole and add up."""

    def ask(**wanted: Any) -> tuple[set[object], dict[str, Any]]:
        to = tmp_path / f"restored-{time.monotonic_ns()}.sqlite3"
        capsys.readouterr()
        restore(Restore(folder=folder, to=str(to), as_json=True, **wanted), LATER)
        said = json.loads(capsys.readouterr().out)
        assert check(to) is None
        assert balances_kept(str(to)) == balances_summed(str(to))
        assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]
        write(to, "att_new")  # it can be written to
        assert check(to) is None
        found = set(ids(str(to)))
        assert len(found) == said["attempts"] + 1
        return found - {"att_new"}, said

    return ask


def overwrite(path: Path, at: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


@contextmanager
def process(*command: object, out: Path) -> Generator[subprocess.Popen[bytes]]:
    """Start a process that is killed at the end, unless it was."""
    words = [sys.executable, *map(str, command)]
    with (
        out.open("wb") as file,
        subprocess.Popen(words, stdout=file, stderr=file, cwd=PROJECT) as running,
    ):
        try:
            yield running
        finally:
            with suppress(ProcessLookupError):
                running.send_signal(signal.SIGKILL)


def test_a_killed_and_deleted_ledger_is_restored_to_the_last_row_that_was_copied(
    tmp_path: Path, folder: Path, restored
) -> None:
    ledger, out = tmp_path / "ledger.sqlite3", tmp_path / "committed"

    def committed() -> list[str]:
        return out.read_text().split("\n")[:-1]  # a last line can be cut off

    def copied() -> str:
        return "".join(path.read_text() for path in folder.glob("*/journal/*"))

    save = ("-m", "router.cli", "ledger", "backup", "--ledger", ledger, "--to", folder)
    with process("-c", TRAFFIC, ledger, out=out) as traffic:
        assert wait_until(lambda: len(committed()) > 50, 30)
        with process(*save, "--every", "2", "--json", out=tmp_path / "told") as saving:
            assert wait_until(lambda: len(list(folder.glob("*/*.jsonl"))) >= 2, 60)
            known = committed()
            begun = time.monotonic()
            assert wait_until(lambda: f'"{known[-1]}"' in copied(), 30)
            waited_s = time.monotonic() - begun
            traffic.kill()
            traffic.wait()
            saving.kill()
            saving.wait()
    everything = set(committed())

    # The file alone is lost: with its journal, no committed row is missing.
    for lost in tmp_path.glob("ledger.sqlite3*"):
        if not lost.is_dir():
            lost.unlink()
    found, _ = restored(journal=folder_of(ledger))
    assert everything <= found
    # The disk is lost.
    shutil.rmtree(folder_of(ledger))
    found, said = restored()
    assert set(known) <= found
    assert said["skipped"] == []
    assert len(known) > 50
    assert waited_s < 10  # a second, and 2 cores that others use too


def test_rows_after_the_snapshot_come_from_the_journal_and_receipts_from_the_snapshot(
    ledger: Path, folder: Path, restored
) -> None:
    snapshot = saved(ledger, folder)
    write(ledger, "att_2")
    assert follow(folder_of(ledger), snapshot.journal) > 100
    write(ledger, "att_3")

    found, said = restored()
    assert found == {"att_1", "att_2"}
    assert said["until"] == "2026-11-23T09:00:02.000+00:00"
    assert query(said["ledger"], "SELECT answer FROM tasks") == [{"answer": '{"a": 1}'}]
    assert restored(journal=folder_of(ledger))[0] == {"att_1", "att_2", "att_3"}


def test_an_older_moment_can_be_restored(ledger: Path, folder: Path, restored) -> None:
    saved(ledger, folder, AT)
    write(ledger, "att_2")
    saved(ledger, folder, AT + 60)
    assert restored(at=AT + 59)[0] == {"att_1"}
    assert restored(at=AT + 61)[0] == {"att_1", "att_2"}
    with pytest.raises(LedgerError, match=r"no backup so old; the first is of 2026-11-23T09:00:00"):
        restored(at=AT - 1)


@pytest.mark.parametrize("how", ["cut", "changed", "missing"])
def test_a_damaged_snapshot_is_refused(ledger: Path, folder: Path, restored, how: str) -> None:
    file = saved(ledger, folder).file
    if how == "cut":
        os.truncate(file, file.stat().st_size - 4096)
    elif how == "changed":
        overwrite(file, file.stat().st_size - 10, b"x")
    else:
        file.unlink()
    with pytest.raises(
        LedgerError, match=rf"not restored: {file}: it.*; name an earlier moment with --at"
    ):
        restored()
    assert list(folder.parent.glob("restored-*")) == []


def test_with_a_damaged_snapshot_the_one_before_makes_the_same_rows(
    ledger: Path, folder: Path, restored
) -> None:
    older = saved(ledger, folder, AT)
    write(ledger, "att_2")
    newer = saved(ledger, folder, AT + 60)
    overwrite(newer.file, 5_000, b"xxxx")

    found, said = restored()
    assert found == {"att_1", "att_2"}
    assert said["snapshot"] == str(older.file)
    assert said["skipped"] == [f"{newer.file}: its bytes are not those that were written"]


def test_a_damaged_copy_of_the_journal_is_refused_and_the_snapshot_restored_alone(
    ledger: Path, folder: Path, restored
) -> None:
    snapshot = saved(ledger, folder, AT + 0.12387)
    write(ledger, "att_2")
    follow(folder_of(ledger), snapshot.journal)
    [part] = snapshot.journal.iterdir()
    overwrite(part, part.stat().st_size - 20, b"x")
    with pytest.raises(LedgerError, match=r"line 3 is damaged; .* --at 2026-11-23T09:00:00\.124"):
        restored()
    os.truncate(part, 100)
    with pytest.raises(LedgerError, match=r"rows are missing; .* --at 2026-11-23T09:00:00\.124"):
        restored()
    at = datetime.fromisoformat("2026-11-23T09:00:00.124+00:00").timestamp()
    assert restored(at=at)[0] == {"att_1"}


def test_what_is_known_of_a_snapshot_can_be_damaged_too(
    ledger: Path, folder: Path, restored
) -> None:
    known = saved(ledger, folder).file.with_suffix(".jsonl")
    overwrite(known, 30, b"x")
    with pytest.raises(LedgerError, match=rf"{known} is damaged; move it away"):
        restored()


def test_a_damaged_ledger_is_not_backed_up_and_leaves_nothing(
    ledger: Path, folder: Path, damage: Callable[[Path], None]
) -> None:
    damage(ledger)
    with pytest.raises(LedgerError, match=r"no snapshot of .*; .* `tercet ledger verify`"):
        saved(ledger, folder)
    assert list(folder.iterdir()) == []


def test_a_balance_that_is_wrong_is_not_backed_up(ledger: Path, folder: Path) -> None:
    with closing(sqlite3.connect(ledger)) as connection, connection:
        connection.execute("UPDATE balances SET spent_nano_usd = spent_nano_usd - 1")
    with pytest.raises(LedgerError, match=r"no snapshot of .* is not what its rows come to; ask"):
        saved(ledger, folder)


def test_two_at_once_do_not_write_to_one_folder(ledger: Path, folder: Path) -> None:
    with alone(folder), pytest.raises(LedgerError, match=r"another backup writes to .*; end that"):
        saved(ledger, folder)
    assert saved(ledger, folder).file.exists()


def test_a_restore_writes_over_nothing(ledger: Path, folder: Path) -> None:
    saved(ledger, folder)
    before = ledger.read_bytes()
    with pytest.raises(LedgerError, match=r"ledger\.sqlite3 is there already, and"):
        restore(Restore(folder=folder, to=str(ledger)), LATER)
    assert ledger.read_bytes() == before
    ledger.rename(ledger.with_name("kept"))
    with pytest.raises(LedgerError, match=r"ledger\.sqlite3.* is there already, and"):
        restore(Restore(folder=folder, to=str(ledger)), LATER)
    assert not ledger.exists()


def test_only_the_newest_are_kept(ledger: Path, folder: Path) -> None:
    made = [saved(ledger, folder, AT + n, keep=2).file for n in range(4)]
    assert [snapshot.file for snapshot in snapshots(folder)] == made[2:]
    assert sorted(folder.glob("*/*.sqlite3")) == made[2:]


def test_a_clock_that_is_set_back_does_not_make_an_old_snapshot_the_newest(
    ledger: Path, folder: Path
) -> None:
    saved(ledger, folder, AT)
    assert saved(ledger, folder, AT - 500).made_at > AT


def test_a_journal_that_was_written_anew_begins_a_series(
    ledger: Path, folder: Path, restored
) -> None:
    first = saved(ledger, folder, AT, keep=2)
    for path in folder_of(ledger).iterdir():
        path.unlink()
    write(ledger, "att_2")  # found to be behind, and written again from the database

    second = saved(ledger, folder, AT + 60, keep=2)
    assert second.journal != first.journal
    assert restored()[0] == {"att_1", "att_2"}
    third = saved(ledger, folder, AT + 120, keep=2)
    assert third.journal == second.journal
    assert not first.journal.exists()


def test_between_snapshots_the_journal_is_copied_until_it_is_written_anew(
    ledger: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [AT]

    class EndedError(Exception):
        pass

    def sleep(seconds: float) -> None:
        now[0] += seconds
        if now[0] == AT + 1:
            write(ledger, "att_2")
        elif now[0] == AT + 2:
            [copy] = folder.glob("*/journal/*.jsonl")
            assert b'"att_2"' in copy.read_bytes()
            shutil.rmtree(folder_of(ledger))
            write(ledger, "att_3")
        elif now[0] > AT + 3:
            raise EndedError

    with pytest.raises(EndedError):
        backup(ledger, Backup(to=folder, every_s=600, as_json=True), lambda: now[0], sleep)
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["made_at"] - AT for line in said] == [0, 2]


def test_a_line_whose_writer_was_killed_is_not_copied(ledger: Path, folder: Path) -> None:
    snapshot = saved(ledger, folder)
    [part] = folder_of(ledger).iterdir()
    before = part.read_bytes()
    part.write_bytes(before + b"00000000 {half")
    follow(folder_of(ledger), snapshot.journal)
    assert (snapshot.journal / part.name).read_bytes() == before


def test_what_a_killed_backup_left_is_removed(ledger: Path, folder: Path) -> None:
    series = saved(ledger, folder).file.parent
    (series / "20261123T090001.000000Z.part").write_text("half")
    (series / "20261123T090001.000000Z.sqlite3").write_text("whole, but nothing is known of it")
    begun = folder / "20261123T090002.000000Z" / "journal"
    begun.mkdir(parents=True)
    (folder / "mine").mkdir()
    saved(ledger, folder, AT + 3)
    assert list(series.glob("*20261123T090001*")) == []
    assert sorted(path.name for path in folder.iterdir()) == [series.name, "mine"]


def test_nobody_else_may_read_a_backup(ledger: Path, folder: Path) -> None:
    saved(ledger, folder)
    assert {path.stat().st_mode & 0o077 for path in (folder, *folder.rglob("*"))} == {0}


def test_a_folder_is_of_one_ledger(ledger: Path, folder: Path, tmp_path: Path) -> None:
    saved(ledger, folder)
    other = tmp_path / "other.sqlite3"
    Ledger(other).close()
    with pytest.raises(LedgerError, match=rf"has backups of {ledger}; name another with --to"):
        take(other, folder, AT)


def test_a_folder_on_the_same_disk_is_warned_of(
    ledger: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved(ledger, folder)
    said = capsys.readouterr()
    assert "is on the ledger's own disk, and would fail with it" in said.err
    assert said.out.startswith("2026-11-23T09:00:00.000+00:00  ")


def test_what_cannot_be_backed_up_or_restored_is_told_why(
    ledger: Path, folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(LedgerError, match="pg_dump or pg_basebackup"):
        backup("postgresql://nobody@127.0.0.1/none", Backup(to=folder))
    with pytest.raises(LedgerError, match="psql or pg_restore"):
        restore(Restore(folder=folder, to="postgresql://nobody@127.0.0.1/none"), LATER)
    with pytest.raises(LedgerError, match=r"no\.sqlite3 does not exist"):
        backup(tmp_path / "no.sqlite3", Backup(to=folder))
    with pytest.raises(LedgerError, match="has no backup; name the folder"):
        restore(Restore(folder=folder, to=str(tmp_path / "new")), LATER)
    (tmp_path / "file").touch()
    with pytest.raises(LedgerError, match=r"cannot be written: .*; see to its disk, or name"):
        backup(ledger, Backup(to=tmp_path / "file"))
    assert not folder.exists()


def test_another_journal_is_not_taken_for_the_lost_one(
    ledger: Path, folder: Path, restored, tmp_path: Path
) -> None:
    saved(ledger, folder)
    other = tmp_path / "other.sqlite3"
    write(other, "att_9")
    with pytest.raises(LedgerError, match=r"does not go on from its copy .*; leave --journal out"):
        restored(journal=folder_of(other))


def test_an_empty_ledger_goes_there_and_back_from_the_command_line(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Ledger(tmp_path / "empty.sqlite3").close()
    to = tmp_path / "deeper" / "back.sqlite3"
    ledger = ["--ledger", str(tmp_path / "empty.sqlite3")]
    assert main(["ledger", "backup", *ledger, "--to", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kept"] == 1
    assert main(["ledger", "restore", "--from", str(folder), "--to", str(to)]) == 0
    assert f"restored {to}: 0 attempts, the last change of none\n" in capsys.readouterr().out
    assert check(to) is None
    assert main(["ledger", "verify", "--ledger", str(to)]) == 0


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        ("backup --to x --every 0", "write seconds from 1 up, as 3600"),
        ("backup --to x --every often", "write seconds from 1 up, as 3600"),
        ("backup --to x --keep 0", "write a whole number from 1 up"),
        ("restore --from x --to y --at noon", "write it as 2026-11-29T09:00"),
        ("restore --from x --to y --at 2026-11-29 --journal z", "not allowed with argument --at"),
    ],
)
def test_what_is_wrong_on_the_command_line_is_told(
    words: str, remedy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["ledger", *words.split()])
    assert remedy in capsys.readouterr().err
