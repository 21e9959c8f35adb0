import asyncio
import random
import subprocess
import sys
from collections.abc import Callable, Coroutine
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fakes.rented import RUNNING, ended, offer, opened_lease, seen
from fakes.rows import (
    AT,
    AT_NS,
    balance,
    balances_kept,
    balances_summed,
    query,
    reservation,
    rows,
    settlement,
    together,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deployments.ledger import Ledger, LedgerError, url_of
from deployments.ledger.database import Database
from deployments.ledger.health import check
from deployments.ledger.inspection import inspected
from deployments.ledger.opening import upgrade
from tercet.budget import Denied, Granted
from tercet.leases import LeaseCharged, Span
from tercet.readiness import Start

Opening = Callable[..., Ledger]

MONTH_END = 1_796_083_200.0  # 2026-12-01 00:00 UTC
DAY_S = 86_400.0

# Opens the ledger, waits to be told, and asks for two machines and twenty attempts at once.
RACER = """
import asyncio, sys
sys.path.insert(0, "tests")
from fakes.rented import opened_lease
from fakes.rows import reservation, together
from deployments.ledger import Ledger
from tercet.budget import Granted

async def main(url, name):
    ledger = Ledger(url, {"month": 1_000})
    print("ready", flush=True)
    sys.stdin.readline()
    leases = [ledger.open_lease(opened_lease(f"{name}-{n}", reserve_s=300)) for n in range(2)]
    attempts = [ledger.reserve(reservation(f"{name}-{n}")) for n in range(20)]
    said = await together(*leases, *attempts)
    ledger.close()
    print(sum(answer.nano_usd for answer in said if isinstance(answer, Granted)), flush=True)

asyncio.run(main(sys.argv[1], sys.argv[2]))
"""


def run(*writes: Coroutine[Any, Any, Any]) -> list[Any]:
    """Do one after the other."""

    async def main() -> list[Any]:
        return [await write for write in writes]

    return asyncio.run(main())


def spans(ledger: Ledger, lease_id: str = "a") -> list[tuple[str, float, float | None, int]]:
    """Return states, from when to when in seconds after AT, and what they cost."""
    found = asyncio.run(ledger.spans(lease_id))
    return [(s.state, _since(s.since_ns), _since(s.until_ns), s.nano_usd) for s in found]


def _since(ns: int | None) -> float | None:
    return None if ns is None else (ns - AT_NS) / 1e9


def gpu(url: str) -> dict[str, tuple[int, int]]:
    """Return the balances of rented machines by month, which must be those of every scope."""
    found = balance(url, "gpu")
    assert balance(url, "month") == balance(url, "provider:vast") == found
    assert balances_kept(url) == balances_summed(url)
    return found


def test_a_lease_is_a_row_and_its_money_is_held_before_anything_is_created(
    ledger: Ledger, url: str
) -> None:
    said = asyncio.run(ledger.open_lease(opened_lease(reserve_s=900)))
    assert said == Granted(nano_usd=900, output_tokens=0)
    assert gpu(url) == {"2026-11": (0, 900)}
    (lease,) = asyncio.run(ledger.leases(open_only=True))
    assert (lease.state, lease.instance_id, lease.runs, lease.held_nano_usd) == (
        "requested", None, 1, 900,
    )  # fmt: skip
    assert spans(ledger) == [("requested", 0, None, 0)]


@pytest.mark.parametrize("scope", ["month", "gpu", "provider:vast"])
def test_a_lease_without_room_in_a_scope_is_denied_and_leaves_no_row(
    opening: Opening, url: str, scope: str
) -> None:
    ledger = opening({scope: 899})
    said = asyncio.run(ledger.open_lease(opened_lease(reserve_s=900)))
    assert said == Denied(scope=scope, left_nano_usd=899, is_spent=True)
    assert asyncio.run(ledger.leases(open_only=False)) == []
    assert balances_kept(url) == {}


def test_a_life_of_a_machine_is_booked_by_its_states(ledger: Ledger, url: str) -> None:
    run(
        ledger.open_lease(opened_lease()),
        ledger.see_lease(seen("loading", AT + 5)),
        ledger.see_lease(seen("running", AT + 105)),
        ledger.see_lease(seen("running", AT + 200)),
        ledger.see_lease(seen("stopped", AT + 705)),
        ledger.see_lease(seen("loading", AT + 1_705, begins_boot=True)),
        ledger.see_lease(seen("running", AT + 1_725)),
        ledger.end_lease(ended(AT + 1_825)),
    )
    assert spans(ledger) == [
        ("requested", 0, 5, 0),
        ("loading", 5, 105, 10),
        ("running", 105, 705, 600),
        ("stopped", 705, 1_705, 100),
        ("loading", 1_705, 1_725, 2),
        ("running", 1_725, 1_825, 100),
    ]
    assert gpu(url) == {"2026-11": (812, 0)}
    lease = asyncio.run(ledger.lease("a"))
    assert lease is not None
    assert (lease.instance_id, lease.runs, lease.end, lease.spent_nano_usd) == (
        "i-1", 2, "destroyed", 812,
    )  # fmt: skip
    assert (lease.since, lease.ended_at, lease.rate_nano_usd) == (AT + 1_725, AT + 1_825, 0)


def test_a_price_that_changes_while_it_runs_begins_a_span(ledger: Ledger) -> None:
    said = run(
        ledger.open_lease(opened_lease()),
        ledger.see_lease(seen("running", AT)),
        ledger.see_lease(seen("running", AT + 10, hourly_nano_usd=2 * RUNNING)),
        ledger.accrue_lease("a", AT + 20, 100),
    )
    assert said[-1] == Granted(nano_usd=200, output_tokens=0)
    assert spans(ledger)[1:] == [("running", 0, 10, 10), ("running", 10, None, 20)]
    lease = asyncio.run(ledger.lease("a"))
    assert lease is not None
    assert (lease.since, lease.rate_nano_usd) == (AT, 2 * RUNNING)


def test_accruing_books_what_is_due_and_holds_what_is_to_come(ledger: Ledger, url: str) -> None:
    said = run(
        ledger.open_lease(opened_lease(reserve_s=900)),
        ledger.see_lease(seen("running", AT)),
        ledger.accrue_lease("a", AT + 100, 60),
    )
    assert said[-1] == Granted(nano_usd=60, output_tokens=0)
    assert gpu(url) == {"2026-11": (100, 60)}


def test_what_is_seen_is_not_held_any_more(ledger: Ledger, url: str) -> None:
    run(
        ledger.open_lease(opened_lease(reserve_s=900)),
        ledger.see_lease(seen("running", AT)),
        ledger.see_lease(seen("stopped", AT + 400)),
        ledger.accrue_lease("a", AT + 400, 0),
    )
    assert gpu(url) == {"2026-11": (400, 0)}


def test_while_its_create_is_under_way_nothing_is_let_go(ledger: Ledger, url: str) -> None:
    said = run(ledger.open_lease(opened_lease()), ledger.accrue_lease("a", AT + 10, 0))
    assert said[-1] == Granted(nano_usd=900, output_tokens=0)
    assert gpu(url) == {"2026-11": (0, 900)}


def test_without_room_for_more_it_is_booked_all_the_same_and_denied(
    opening: Opening, url: str
) -> None:
    ledger = opening({"gpu": 1_000})
    said = run(
        ledger.open_lease(opened_lease(reserve_s=900)),
        ledger.see_lease(seen("running", AT)),
        ledger.accrue_lease("a", AT + 800, 300),
        ledger.accrue_lease("a", AT + 1_200, 1),
    )
    assert said[2:] == [
        Denied(scope="gpu", left_nano_usd=200, is_spent=True),
        Denied(scope="gpu", left_nano_usd=0, is_spent=True),
    ]
    assert gpu(url) == {"2026-11": (1_200, 0)}


def test_what_was_held_stays_held_when_more_is_denied(opening: Opening, url: str) -> None:
    ledger = opening({"gpu": 1_000})
    run(
        ledger.open_lease(opened_lease(reserve_s=900)),
        ledger.see_lease(seen("running", AT)),
        ledger.accrue_lease("a", AT + 100, 901),
    )
    assert gpu(url) == {"2026-11": (100, 800)}


def test_a_lease_that_has_ended_or_never_was_has_no_room(ledger: Ledger) -> None:
    said = run(
        ledger.accrue_lease("b", AT, 10),
        ledger.open_lease(opened_lease()),
        ledger.end_lease(ended(AT)),
        ledger.accrue_lease("a", AT, 10),
    )
    nothing = Denied(scope="gpu", left_nano_usd=0, is_spent=False)
    assert (said[0], said[-1]) == (nothing, nothing)


def test_a_create_that_nobody_knows_of_ends_and_costs_nothing(opening: Opening, url: str) -> None:
    first = opening()
    asyncio.run(first.open_lease(opened_lease()))
    first.close()
    second = opening()
    run(second.end_lease(ended(AT + 600, end="never_created")))
    assert gpu(url) == {"2026-11": (0, 0)}
    (lease,) = asyncio.run(second.leases(open_only=False))
    assert (lease.end, lease.spent_nano_usd, lease.held_nano_usd) == ("never_created", 0, 0)


def test_only_the_first_end_counts_and_nothing_is_seen_after_it(ledger: Ledger, url: str) -> None:
    run(
        ledger.open_lease(opened_lease()),
        ledger.see_lease(seen("running", AT)),
        ledger.end_lease(ended(AT + 50)),
        ledger.end_lease(ended(AT + 500, end="vanished")),
        ledger.see_lease(seen("running", AT + 600)),
        ledger.see_lease(seen("running", AT + 600, lease_id="b")),
    )
    assert gpu(url) == {"2026-11": (50, 0)}
    lease = asyncio.run(ledger.lease("a"))
    assert lease is not None
    assert (lease.end, lease.ended_at) == ("destroyed", AT + 50)


def test_a_lease_cannot_be_opened_twice(ledger: Ledger, url: str) -> None:
    run(ledger.open_lease(opened_lease()), ledger.see_lease(seen("running", AT)))
    with pytest.raises(LedgerError, match="bug of whoever wrote it"):
        run(ledger.open_lease(opened_lease(at=AT + 5)))
    assert gpu(url) == {"2026-11": (0, 900)}
    assert spans(ledger)[-1] == ("running", 0, None, 0)


def test_a_month_that_ends_while_it_runs_is_charged_for_its_own_part(
    ledger: Ledger, url: str
) -> None:
    run(
        ledger.open_lease(opened_lease(at=MONTH_END - 100)),
        ledger.see_lease(seen("running", MONTH_END - 100)),
        ledger.accrue_lease("a", MONTH_END - 40, 60),
        ledger.accrue_lease("a", MONTH_END + 30, 60),
    )
    assert gpu(url) == {"2026-11": (100, 0), "2026-12": (30, 60)}
    run(ledger.end_lease(ended(MONTH_END + 50)))
    assert gpu(url) == {"2026-11": (100, 0), "2026-12": (50, 0)}


def test_a_machine_nobody_looked_after_for_days_has_a_row_a_day(ledger: Ledger, url: str) -> None:
    run(
        ledger.open_lease(opened_lease(at=MONTH_END - DAY_S)),
        ledger.see_lease(seen("running", MONTH_END - DAY_S)),
        ledger.end_lease(ended(MONTH_END + 2.5 * DAY_S)),
    )
    found = asyncio.run(ledger.spans("a"))
    assert [(span.month, span.nano_usd) for span in found[1:]] == [
        ("2026-11", 86_400),
        ("2026-12", 86_400),
        ("2026-12", 86_400),
        ("2026-12", 43_200),
    ]
    assert gpu(url) == {"2026-11": (86_400, 0), "2026-12": (216_000, 0)}


def test_the_months_between_are_charged_beside_what_was_spent_in_them(
    ledger: Ledger, url: str
) -> None:
    days = 33
    run(
        ledger.open_lease(opened_lease(at=MONTH_END - 10)),
        ledger.see_lease(seen("running", MONTH_END - 10)),
        ledger.reserve(reservation("att_1", at=MONTH_END)),
        ledger.settle(settlement("att_1", settled_nano_usd=40)),
        ledger.accrue_lease("a", MONTH_END + days * DAY_S, 0),
    )
    december = 31 * 86_400
    assert balance(url, "gpu") == {
        "2026-11": (10, 0), "2026-12": (december, 0), "2027-01": (2 * 86_400, 0),
    }  # fmt: skip
    assert balance(url)["2026-12"] == (december + 40, 0)
    assert balances_kept(url) == balances_summed(url)


def test_running_of_today_is_told_also_where_it_is_not_booked_yet(ledger: Ledger) -> None:
    midnight = AT - 9 * 3600
    told = run(
        ledger.open_lease(opened_lease(at=midnight - 100)),
        ledger.see_lease(seen("running", midnight - 50)),
        ledger.gpu_seconds(midnight + 25),
        ledger.see_lease(seen("stopped", midnight + 60)),
        ledger.see_lease(seen("running", midnight + 100)),
        ledger.gpu_seconds(midnight + 110),
        ledger.gpu_seconds(midnight + DAY_S + 5),
    )
    assert (told[2], told[5], told[6]) == (25.0, 70.0, 5.0)


def test_what_rented_machines_cost_is_in_the_spending_by_hours(ledger: Ledger) -> None:
    said = run(
        ledger.open_lease(opened_lease()),
        ledger.see_lease(seen("running", AT + 3_000)),
        ledger.end_lease(ended(AT + 4_000)),
        ledger.reserve(reservation("att_1", at=AT + 3_700)),
        ledger.settle(settlement("att_1", settled_nano_usd=40, at=AT + 3_700)),
        ledger.spending(AT + 4_000),
    )[-1]
    hour = int(AT) // 3600
    assert said.hours == {hour: 600, hour + 1: 440}
    assert said.balances["month"].spent == 1_040


def test_a_bill_that_differs_is_booked_once_and_both_amounts_stay(ledger: Ledger, url: str) -> None:
    def bill(charged_nano_usd: int, month: str = "2026-11") -> Coroutine[Any, Any, int]:
        row = LeaseCharged(
            lease_id="a", month=month, charged_nano_usd=charged_nano_usd, reason="bill",
            at=MONTH_END + 9,
        )  # fmt: skip
        return ledger.correct_lease(row)

    said = run(
        ledger.open_lease(opened_lease(at=MONTH_END - 100)),
        ledger.see_lease(seen("running", MONTH_END - 100)),
        ledger.end_lease(ended(MONTH_END + 5)),
        bill(97),
        bill(97),
        bill(103),
        bill(5, "2026-12"),
        ledger.correct_lease(
            LeaseCharged(lease_id="b", month="2026-11", charged_nano_usd=1, reason="", at=AT)
        ),
    )
    assert said[3:] == [-3, 0, 6, 0, 0]
    found = asyncio.run(ledger.spans("a"))
    assert sum(s.nano_usd for s in found if s.month == "2026-11" and s.state != "correction") == 100
    corrections = [s for s in found if s.state == "correction"]
    assert [(s.nano_usd, s.month, s.reason) for s in corrections] == [
        (-3, "2026-11", "bill"),
        (6, "2026-11", "bill"),
    ]
    assert gpu(url) == {"2026-11": (103, 0), "2026-12": (5, 0)}


def test_a_machine_that_was_corrected_runs_on(ledger: Ledger, url: str) -> None:
    bill = LeaseCharged(lease_id="a", month="2026-11", charged_nano_usd=9, reason="", at=AT + 10)
    run(
        ledger.open_lease(opened_lease()),
        ledger.see_lease(seen("running", AT)),
        ledger.accrue_lease("a", AT + 10, 0),
        ledger.correct_lease(bill),
        ledger.see_lease(seen("stopped", AT + 20)),
        ledger.end_lease(ended(AT + 2 * DAY_S)),
    )
    seqs = [span.seq for span in asyncio.run(ledger.spans("a"))]
    assert seqs == list(range(len(seqs)))
    assert gpu(url) == {"2026-11": (9 + 10 + 17_278, 0)}


@pytest.mark.parametrize("seed", range(3))
def test_machines_and_attempts_never_pass_a_cap_together(
    opening: Opening, url: str, seed: int
) -> None:
    ledgers = [opening({"month": 1_000}) for _ in range(2)]

    def asked(n: int) -> Coroutine[Any, Any, Granted | Denied]:
        ledger = ledgers[n % 2]
        if n % 5:
            return ledger.reserve(reservation(f"att_{n}"))
        return ledger.open_lease(opened_lease(f"lease_{n}", reserve_s=300))

    order = random.Random(seed).sample(range(60), 60)

    async def main() -> list[Granted | Denied]:
        return await together(*map(asked, order))

    said = asyncio.run(main())
    held = sum(answer.nano_usd for answer in said if isinstance(answer, Granted))
    assert 900 < held <= 1_000
    assert balance(url) == {"2026-11": (0, held)}
    assert balances_kept(url) == balances_summed(url)
    leases = asyncio.run(ledgers[0].leases(open_only=True))
    assert 300 * len(leases) + 100 * len(rows(url)) == held


def test_machines_and_attempts_of_4_processes_never_pass_a_cap_together(url: str) -> None:
    command = [sys.executable, "-c", RACER, url]
    racers = [
        subprocess.Popen([*command, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for name in "abcd"
    ]
    for racer in racers:
        assert racer.stdout.readline() == "ready\n"
    held = sum(int(racer.communicate("\n")[0]) for racer in racers)
    assert 900 < held <= 1_000
    assert balance(url) == {"2026-11": (0, held)}


def test_two_processes_that_accrue_one_lease_book_it_once(opening: Opening, url: str) -> None:
    ledgers = [opening({"month": 100_000}) for _ in range(2)]
    run(ledgers[0].open_lease(opened_lease()), ledgers[0].see_lease(seen("running", AT)))

    async def accrue(ledger: Ledger) -> None:
        for second in range(1, 61):
            await ledger.accrue_lease("a", AT + second, 60)

    asyncio.run(together(*map(accrue, ledgers)))
    assert balance(url, "gpu") == {"2026-11": (60, 60)}
    assert balances_kept(url) == balances_summed(url)
    assert spans(ledgers[1])[1:] == [("running", 0, None, 60)]


def test_a_rebuilt_ledger_knows_its_machines_and_their_money(file: Path) -> None:
    with closing(Ledger(file, clock=lambda: AT)) as ledger:
        run(
            ledger.open_lease(opened_lease(at=MONTH_END - 10)),
            ledger.see_lease(seen("running", MONTH_END - 10)),
            ledger.accrue_lease("a", MONTH_END + 10, 60),
            ledger.open_lease(opened_lease("b", at=MONTH_END + 10)),
            ledger.reserve(reservation("att_1")),
        )
        before = asyncio.run(ledger.leases(open_only=False)), spans(ledger)
        kept = balances_kept(url_of(file))
    file.write_bytes(file.read_bytes()[:4096] + b"\xff" * 40_000)
    for suffix in ("-wal", "-shm"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)
    with closing(Ledger(file, clock=lambda: AT)) as ledger:
        assert (asyncio.run(ledger.leases(open_only=False)), spans(ledger)) == before
        assert balances_kept(url_of(file)) == kept == balances_summed(url_of(file))
        run(ledger.end_lease(ended(MONTH_END + 20)))
    assert balance(url_of(file), "gpu") == {"2026-11": (10, 0), "2026-12": (20, 900)}
    assert check(file) is None


def test_a_journal_that_is_gone_is_begun_again_with_the_machines(file: Path) -> None:
    with closing(Ledger(file, clock=lambda: AT)) as ledger:
        run(ledger.open_lease(opened_lease()), ledger.see_lease(seen("running", AT)))
    folder = file.with_name(f"{file.name}.journal")
    for part in folder.iterdir():
        part.unlink()
    with closing(Ledger(file, clock=lambda: AT)) as ledger:
        run(ledger.accrue_lease("a", AT + 5, 5))
    for suffix in ("", "-wal", "-shm"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)
    with closing(Ledger(file, clock=lambda: AT)) as ledger:
        assert spans(ledger) == [("requested", 0, 0, 0), ("running", 0, None, 5)]
    assert balance(url_of(file), "gpu") == {"2026-11": (5, 5)}


def test_a_span_that_is_gone_is_damage(file: Path) -> None:
    with closing(Ledger(file, clock=lambda: AT)) as ledger:
        run(ledger.open_lease(opened_lease()), ledger.see_lease(seen("running", AT)),
            ledger.accrue_lease("a", AT + 5, 5))  # fmt: skip
    with closing(Database(file)) as database, database.connect() as connection:
        connection.exec_driver_sql("DELETE FROM spans WHERE seq = 1")
    found = check(file)
    assert found is not None
    assert "the balance of gpu in 2026-11 is not what its rows come to" in found


def test_a_span_of_no_cost_yet_that_is_gone_is_damage(file: Path) -> None:
    with closing(Ledger(file, clock=lambda: AT)) as ledger:
        run(ledger.open_lease(opened_lease()), ledger.see_lease(seen("running", AT)))
    with closing(Database(file)) as database, database.connect() as connection:
        connection.exec_driver_sql("DELETE FROM spans WHERE seq = 1")
    found = check(file)
    assert found is not None
    assert "it has 2 rows, fewer than the 3 of its journal" in found
    with closing(Ledger(file, clock=lambda: AT)) as ledger:
        assert spans(ledger)[-1] == ("running", 0, None, 0)


def test_an_operator_reads_machines_from_both_databases(ledger: Ledger, url: str) -> None:
    local = reservation("a", provider="local", at=AT + 1)
    run(
        ledger.open_lease(opened_lease()),
        ledger.see_lease(seen("running", AT)),
        ledger.accrue_lease("a", AT + 10, 5),
        ledger.reserve(local),
        ledger.settle(settlement("a", at=AT + 3)),
        ledger.note_start(Start(at=AT, phases={}, total_s=2.0, node="vps_2")),
    )
    with inspected(url) as books:
        assert [lease.spent_nano_usd for lease in books.leases()] == [10]
        assert [span.state for span in books.spans()] == ["requested", "running"]
        assert list(books.served()) == [(AT_NS + 10**9, AT_NS + 3 * 10**9)]
        assert books.readied() == [AT_NS + 2 * 10**9]
        sums = sorted(books.rented())
    assert sums == [("2026-11", "vast", 0, 5), ("2026-11", "vast", 10, 0)]


def test_a_ledger_of_the_release_before_takes_leases(file: Path) -> None:
    database = Database(file)
    database.make_folder()
    with closing(database), database.connect() as connection, database.transaction(connection):
        upgrade(connection, "0005")
    assert check(file) is None
    with closing(Ledger(file, clock=lambda: AT)) as ledger:
        asyncio.run(ledger.open_lease(opened_lease()))
    assert [row["gpu"] for row in query(url_of(file), "SELECT gpu FROM leases")] == ["RTX 3090"]


STEP = st.tuples(
    st.sampled_from(["see", "accrue", "end", "correct"]),
    st.sampled_from("ab"),
    st.sampled_from([0.0, 0.3, 59.7, 3_600.1, 100_000.0, -30.0, 31 * DAY_S]),
    st.sampled_from(["loading", "running", "stopped", "failed"]),
    st.integers(0, 10**9),
)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(steps=st.lists(STEP, max_size=14), cap=st.sampled_from([10**6, 10**12]))
def test_whatever_becomes_of_machines_their_spans_are_what_was_spent(
    tmp_path_factory: pytest.TempPathFactory, steps: list[Any], cap: int
) -> None:
    file = tmp_path_factory.mktemp("leases") / "ledger.sqlite3"
    url, now = url_of(file), AT

    async def main(ledger: Ledger) -> list[Span]:
        nonlocal now
        for lease_id in "ab":
            await ledger.open_lease(opened_lease(lease_id, hourly_nano_usd=cap, reserve_s=0.5))
        for what, lease_id, passed, state, amount in steps:
            now += passed
            match what:
                case "see":
                    row = seen(state, now, lease_id, hourly_nano_usd=amount)
                    await ledger.see_lease(row)
                case "accrue":
                    await ledger.accrue_lease(lease_id, now, amount / 10**7)
                case "end":
                    await ledger.end_lease(ended(now, lease_id))
                case _:
                    bill = LeaseCharged(
                        lease_id=lease_id, month="2026-12", charged_nano_usd=amount, reason="",
                        at=now,
                    )  # fmt: skip
                    await ledger.correct_lease(bill)
            assert balances_kept(url) == balances_summed(url)
        for lease_id in "ab":
            await ledger.end_lease(ended(now, lease_id))
        return [*await ledger.spans("a"), *await ledger.spans("b")]

    with closing(Ledger(file, {"gpu": cap}, clock=lambda: AT)) as ledger:
        found = asyncio.run(main(ledger))
    kept = balance(url, "gpu")
    assert all(held == 0 for _, held in kept.values())
    assert sum(spent for spent, _ in kept.values()) == sum(span.nano_usd for span in found)
    assert all(span.until_ns is not None for span in found)
    assert check(file) is None


def test_an_offer_is_kept_as_it_was_made(ledger: Ledger, url: str) -> None:
    made = opened_lease(interruptible=True, trusted=False, region=None)
    asyncio.run(ledger.open_lease(made))
    (row,) = query(url, "SELECT * FROM leases")
    assert {name: row[name] for name in ("provider", "offer_id", "gpu", "region")} == {
        "provider": "vast", "offer_id": "17", "gpu": "RTX 3090", "region": None,
    }  # fmt: skip
    assert (row["interruptible"], row["trusted"]) == (1, 0)
    assert row["hourly_nano_usd"] == offer().hourly_nano_usd
