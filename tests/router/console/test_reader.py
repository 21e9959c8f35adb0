"""The read model is the ledger's, also while that is written to."""

import asyncio
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

from fakes.console import CONFIG, NOW, fill, task
from fakes.postgres import Postgres
from fakes.postgres import postgres as postgres
from fakes.rows import reservation, settlement

from deployments.ledger import Ledger
from deployments.ledger.viewing import Viewer
from router.console import reader as reading
from router.console.reader import Reader, before
from router.console.tally import UNKNOWN, Tally, first_field
from tercet.budget import MONTH

NOVEMBER = "2026-11"


def read(url: object, at: float = NOW) -> Reader:
    found = Reader(Viewer(str(url)), CONFIG.budget, lambda: at)
    found.catch_up()
    return found


def spent(reader: Reader, month: str = NOVEMBER) -> int:
    return reader.books.tally.total(month) + reader.books.rented_in(month)


def run(url: object, *writes: object) -> None:
    async def write() -> None:
        with closing(Ledger(str(url))) as ledger:
            for one in writes:
                await one(ledger)

    asyncio.run(write())


def check(url: object) -> None:
    fill(url)
    with closing(Viewer(str(url))) as viewer:
        reader = Reader(viewer, CONFIG.budget, lambda: NOW)
        reader.catch_up()
    books = reader.books
    assert books.read_share == 1.0
    assert books.warning == ""
    balances = books.spending.balances
    assert spent_in(books) == balances[MONTH].spent == 670_000_400
    for axis in ("tier", "provider", "key"):
        for name, sums in books.tally.by(axis, NOVEMBER).items():
            kept = balances.get(f"{axis}:{name}")
            assert sums.nano_usd == (0 if kept is None else kept.spent)
    assert books.tally.by("kind", NOVEMBER)["lookup"].attempts == 3
    assert books.tally.tasks(NOVEMBER)["bug_fix"] == 1


def spent_in(books) -> int:
    return books.tally.total(NOVEMBER) + books.rented_in(NOVEMBER)


def test_the_sums_are_the_ledgers_own_balances(tmp_path: Path) -> None:
    check(tmp_path / "ledger.sqlite3")


def test_the_same_on_postgres(postgres: Postgres) -> None:
    check(postgres.new_database())


def test_rows_are_read_in_chunks_and_each_is_counted_once(tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite3"
    fill(file)
    found = Reader(Viewer(str(file)), CONFIG.budget, lambda: NOW, chunk=2)
    shares = []
    while found.books.read_share < 1:
        found.step()
        shares.append(found.books.read_share)
    assert len(shares) > 6
    assert shares == sorted(shares)
    assert spent(found) == 670_000_400
    assert sum(found.books.tally.tasks(NOVEMBER).values()) == 5


def test_it_keeps_up_with_who_writes_at_the_same_time(tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite3"
    Ledger(file).close()
    done = threading.Event()

    def write() -> None:
        async def each() -> None:
            with closing(Ledger(file)) as ledger:
                for number in range(60):
                    await task(ledger, f"req_{number}", "lookup", "tier3", at=NOW - number % 7)

        asyncio.run(each())
        done.set()

    writer = threading.Thread(target=write)
    found = read(file)
    writer.start()
    looks = 0
    while not done.is_set():
        found.step()
        assert spent(found) == _balance(found)
        looks += 1
    writer.join()
    found.step()
    assert looks > 1
    assert spent(found) == _balance(found) == 60 * 80
    assert found.books.tally.tasks(NOVEMBER) == {"lookup": 60}
    assert found.books.warning == ""


def _balance(reader: Reader) -> int:
    kept = reader.books.spending.balances.get(MONTH)
    return 0 if kept is None else kept.spent


def test_reading_again_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite3"
    fill(file)
    found = read(file)
    tally = found.books.tally
    once = (spent(found), dict(tally.tasks(NOVEMBER)), list(tally.busy), tally.by("kind", NOVEMBER))
    for _ in range(3):
        found.step()
    assert (spent(found), dict(tally.tasks(NOVEMBER)), list(tally.busy)) == once[:3]
    assert tally.by("kind", NOVEMBER) == once[3]


def test_a_guess_that_gives_way_is_counted_at_what_it_became(tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite3"
    run(
        file,
        lambda ledger: ledger.reserve(reservation("a", at=NOW - 700)),
        lambda ledger: ledger.settle(
            settlement("a", flag="orphan", state="estimated", settled_nano_usd=100, at=NOW - 600)
        ),
    )
    found = read(file)
    assert spent(found) == 100
    run(file, lambda ledger: ledger.settle(settlement("a", settled_nano_usd=40, at=NOW - 1)))
    found.step()
    assert spent(found) == 40
    assert found.books.tally.by("tier", NOVEMBER)["tier1"].attempts == 1
    assert found.books.warning == ""


def test_a_row_that_was_written_too_late_is_noticed_and_the_ledger_read_again(
    tmp_path: Path,
) -> None:
    file = tmp_path / "ledger.sqlite3"
    fill(file)
    found = read(file)
    found.step()
    run(
        file,
        lambda ledger: ledger.reserve(reservation("late", at=NOW - 9000)),
        lambda ledger: ledger.settle(settlement("late", settled_nano_usd=77, at=NOW - 8000)),
    )
    found.step()
    assert "2026-11" in found.books.warning
    assert "-0.000000077 USD" in found.books.warning
    for _ in range(5):
        found.step()
    assert found.books.warning == ""
    assert spent(found) == 670_000_477


def test_where_the_ledger_contradicts_itself_the_warning_stays(tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite3"
    fill(file)
    _spoil(file)
    found = read(file)
    for _ in range(10):
        found.step()
    assert "tercet ledger verify" in found.books.warning


def _spoil(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE balances SET spent_nano_usd = 5 WHERE scope = 'month'")
        connection.commit()


def test_a_new_month_begins_with_the_old_one_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite3"
    fill(file)
    clock = [NOW]
    found = Reader(Viewer(str(file)), CONFIG.budget, lambda: clock[0])
    found.catch_up()
    clock[0] = NOW + 10 * 86_400
    run(file, lambda ledger: task(ledger, "req_new", "lookup", "tier3", at=clock[0] - 5))
    found.step()
    assert found.books.spending.month == "2026-12"
    assert found.books.tally.total("2026-12") == 80
    assert found.books.tally.total(NOVEMBER) == 400
    assert found.books.warning == ""
    clock[0] += 31 * 86_400
    run(file, lambda ledger: task(ledger, "req_newer", "lookup", "tier3", at=clock[0] - 5))
    found.step()
    assert found.books.tally.total(NOVEMBER) == 0
    assert found.books.tally.tasks("2026-12") == {"lookup": 1}


def test_a_ledger_that_is_away_is_waited_for(tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite3"
    found = Reader(Viewer(str(file)), CONFIG.budget, lambda: NOW)
    assert found.step() == reading.AGAIN_S
    assert "does not exist" in found.books.trouble
    fill(file)
    found.catch_up()
    assert found.books.trouble == ""
    assert spent(found) == 670_000_400


def test_a_thread_reads_until_it_is_told_to_stop(tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite3"
    fill(file)
    found, stopped = Reader(Viewer(str(file)), CONFIG.budget, lambda: NOW), threading.Event()
    thread = threading.Thread(target=found.run, args=(stopped,))
    thread.start()
    while found.books.read_share < 1:
        pass
    stopped.set()
    thread.join(10)
    assert not thread.is_alive()


def test_the_month_before_january_is_december() -> None:
    assert before("2027-01") == "2026-12"
    assert before("2026-03") == "2026-02"


def test_a_kind_is_read_from_the_beginning_of_its_document() -> None:
    assert first_field('{"kind": "bug_fix", "conf') == "bug_fix"
    assert first_field('{"kind": "a\\"b\\u00e9", ') == 'a"bé'
    assert first_field(None) == first_field("{}") == first_field('{"kind": 3') == UNKNOWN


def test_where_the_local_model_answered_is_one_stretch_while_it_is_asked_again_soon() -> None:
    tally, minute = Tally(frozenset()), 60 * 10**9
    for since, until in ((100, 101), (0, 1), (2, 3), (98, 99), (50, 51), (1, 2)):
        tally._was_busy(since * minute, until * minute)
    assert tally.busy == [
        (0, 3 * minute), (50 * minute, 51 * minute), (98 * minute, 101 * minute)
    ]  # fmt: skip


def test_while_nobody_looks_it_is_read_seldom_and_a_page_has_it_read_at_once(
    tmp_path: Path,
) -> None:
    file = tmp_path / "ledger.sqlite3"
    fill(file)
    now = [NOW]
    reader = Reader(Viewer(str(file)), CONFIG.budget, lambda: now[0])
    reader.catch_up()
    assert reader.step() == 2.0
    now[0] += 61
    assert reader.step() == 30.0
    read, stopped = threading.Event(), threading.Event()
    step = reader.step

    class Counted(Reader):
        def step(self) -> float:
            read.set()
            return step()

    reader.__class__ = Counted
    thread = threading.Thread(target=reader.run, args=(stopped,))
    thread.start()
    try:
        assert read.wait(10)
        read.clear()
        assert not read.wait(0.2)
        assert reader.looked_at() is reader.books
        assert read.wait(10)
        assert reader.step() == 2.0
    finally:
        stopped.set()
        reader.wake()
        thread.join(10)
