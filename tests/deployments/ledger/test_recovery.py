"""A ledger in use whose disk turns bad: it lets nothing through, says why, and comes back."""

import asyncio
import shutil
import subprocess
import sys
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from fakes.disks import small_disk
from fakes.rows import query, reservation, settlement
from fakes.running import wait_until

from deployments.ledger import Ledger, LedgerError, spool, url_of
from deployments.ledger.health import check

TOTAL = "SELECT sum(coalesce(settled_nano_usd, reserved_nano_usd)) AS nano_usd FROM attempts"
BACK_WITHIN_S = 20.0
TESTS = Path(__file__).parents[2]

# Reserves `one`, then settles it while its spool is all that can be written.
OWING = """
import asyncio, sys
sys.path.insert(0, sys.argv[2])
from deployments.ledger import Ledger
from fakes.rows import reservation, settlement

async def main():
    ledger = Ledger(sys.argv[1])
    await ledger.reserve(reservation("one", deadline_at=4e9))
    print("reserved", flush=True)
    sys.stdin.readline()
    try:
        await ledger.settle(settlement("one"))
    except Exception:
        print("owed", flush=True)
    sys.stdin.readline()

asyncio.run(main())
"""


def total(file: Path) -> int:
    (row,) = query(url_of(file), TOTAL)
    return row["nano_usd"]


async def reserved_again(ledger: Ledger, attempt_id: str) -> None:
    """Try until the ledger takes it."""
    async with asyncio.timeout(BACK_WITHIN_S):
        while True:
            try:
                await ledger.reserve(reservation(attempt_id, deadline_at=4e9))
            except LedgerError:
                await asyncio.sleep(0.05)
            else:
                return


@contextmanager
def filled(disk: Path) -> Generator[None]:
    """Fill the disk to the last byte."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            pass
        yield
    ballast.unlink()


def test_a_full_disk_stops_reservations_and_they_start_again_by_themselves(tmp_path: Path) -> None:
    async def main(ledger: Ledger, disk: Path) -> list[str]:
        refusals: list[str] = []
        with filled(disk):
            for number in range(200):
                try:
                    await ledger.reserve(reservation(f"full_{number}", deadline_at=4e9))
                except LedgerError as error:
                    refusals.append(str(error))
        await reserved_again(ledger, "after")
        return refusals

    with small_disk(tmp_path / "disk", "4m") as disk:
        file = disk / "ledger.sqlite3"
        with closing(Ledger(file)) as ledger:
            refusals = asyncio.run(main(ledger, disk))
        taken = 200 - len(refusals)
        assert refusals
        assert "full" in refusals[-1]
        assert total(file) == 100 * (taken + 1)
        assert check(file) is None


def test_a_settlement_that_cannot_be_written_is_kept_and_booked_when_it_can(tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite3"

    async def main(ledger: Ledger) -> None:
        await ledger.reserve(reservation("one", deadline_at=4e9))
        with unwritable(file), pytest.raises(LedgerError):
            await ledger.settle(settlement("one"))

    with closing(Ledger(file)) as ledger:
        asyncio.run(main(ledger))
        assert total(file) == 100
        assert wait_until(lambda: total(file) == 40, BACK_WITHIN_S)


def test_a_ledger_on_a_read_only_disk_is_opened_once_it_can_be(tmp_path: Path) -> None:
    def remount(disk: Path, how: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{how}", str(disk)], check=True)

    async def main(ledger: Ledger, disk: Path) -> None:
        with pytest.raises(LedgerError, match=r"Read-only|cannot be opened"):
            await ledger.reserve(reservation("two", deadline_at=4e9))
        remount(disk, "rw")
        await reserved_again(ledger, "three")

    with small_disk(tmp_path / "disk", "8m") as disk:
        file = disk / "ledger.sqlite3"
        with closing(Ledger(file)) as ledger:
            asyncio.run(reserved_again(ledger, "one"))
        remount(disk, "ro")
        try:
            with closing(Ledger(file)) as ledger:
                asyncio.run(main(ledger, disk))
        finally:
            remount(disk, "rw")
        assert total(file) == 200


@pytest.mark.parametrize("others", [0, 2])
def test_a_damaged_file_is_built_anew_while_it_is_in_use(tmp_path: Path, others: int) -> None:
    file = tmp_path / "ledger.sqlite3"

    async def main(ledger: Ledger) -> None:
        for number in range(50):
            await ledger.reserve(reservation(f"a_{number}", deadline_at=4e9))
            await ledger.settle(settlement(f"a_{number}"))
        damage(file)
        await reserved_again(ledger, "after")

    rest = [Ledger(file) for _ in range(others)]
    with closing(Ledger(file)) as ledger:
        asyncio.run(main(ledger))
        for other in rest:
            asyncio.run(reserved_again(other, f"other_{rest.index(other)}"))
    for other in rest:
        other.close()
    Ledger(file).close()  # what one process did not notice, the next one does
    assert total(file) == 50 * 40 + 100 * (1 + others)
    assert check(file) is None
    assert list(tmp_path.glob("ledger.sqlite3.damaged-*"))


def damage(file: Path) -> None:
    """Overwrite every page but the first, in the file and in what has not reached it."""
    for name in (file, file.with_name(f"{file.name}-wal")):
        if name.exists():
            data = bytearray(name.read_bytes())
            data[4096:] = b"\xff" * (len(data) - 4096)
            with name.open("r+b") as there:
                there.write(data)


def delete(file: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)


def test_a_file_that_is_deleted_in_use_is_built_anew(tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite3"

    async def main(ledger: Ledger) -> None:
        await ledger.reserve(reservation("one", deadline_at=4e9))
        delete(file)
        await reserved_again(ledger, "two")

    with closing(Ledger(file)) as ledger:
        asyncio.run(main(ledger))
    assert total(file) == 200


def test_without_database_and_journal_in_agreement_nothing_is_let_through(tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite3"
    with closing(Ledger(file)) as ledger:
        asyncio.run(reserved_again(ledger, "one"))
    shutil.copytree(tmp_path, tmp_path / "backup")
    damage(file)
    (journal_file,) = (tmp_path / "ledger.sqlite3.journal").iterdir()
    journal_file.write_text("00000000 {}\n")
    with pytest.raises(LedgerError, match="restore both"):
        Ledger(file)
    for name in tmp_path.glob("ledger.sqlite3*"):
        if name.is_dir():
            shutil.rmtree(name)
        else:
            name.unlink()
    shutil.copytree(tmp_path / "backup", tmp_path, dirs_exist_ok=True)
    with closing(Ledger(file)) as ledger:
        asyncio.run(reserved_again(ledger, "two"))
    assert total(file) == 200


def test_what_a_killed_process_owed_is_booked_by_another(tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite3"
    command = [sys.executable, "-c", OWING, str(file), str(TESTS)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "reserved\n"
        with unwritable(file):
            process.stdin.write("\n")
            process.stdin.flush()
            assert process.stdout.readline() == "owed\n"
            process.kill()
            process.wait()
    assert list(spool.folder_of(file).iterdir())
    with closing(Ledger(file)):
        assert wait_until(lambda: total(file) == 40, BACK_WITHIN_S)


@contextmanager
def unwritable(file: Path) -> Generator[None]:
    """Put something else where the journal is: nothing can be committed."""
    journal = file.with_name(f"{file.name}.journal")
    moved = journal.rename(journal.with_name("moved"))
    journal.touch()
    yield
    journal.unlink()
    moved.rename(journal)
