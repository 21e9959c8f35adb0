"""Rented machines in what an operator reads: shown, exported, verified, and held against a bill."""

import asyncio
import csv
import json
import sqlite3
from collections.abc import Callable, Coroutine
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from fakes.rented import ended, opened_lease, seen
from fakes.rows import AT, reservation, settlement
from hypothesis import given
from hypothesis import strategies as st

from deployments.ledger import Ledger
from deployments.ledger.inspection import inspected
from router.books.export import Export, export
from router.books.lease_bill import LeaseDifference, reconcile_leases
from router.books.lease_checks import wrong_leases
from router.books.machines import Activity, parts_of
from router.books.show import Wanted, show
from router.books.verify import verify
from tercet.config import load, settings
from tercet.leases import LeaseCharged
from tercet.readiness import Start
from tercet.renting import Charge

Write = Callable[[Ledger], Coroutine[Any, Any, None]]
MONTH_END = 1_796_083_200.0  # 2026-12-01 00:00 UTC
S = 10**9


def ledger_of(folder: Path, *writes: Write) -> Path:
    path = folder / "ledger.sqlite3"

    async def main(ledger: Ledger) -> None:
        for write in writes:
            await write(ledger)

    with closing(Ledger(path, clock=lambda: AT)) as ledger:
        asyncio.run(main(ledger))
    return path


async def life(ledger: Ledger) -> None:
    """A machine that loads 100 s, runs 1,000 s, is stopped for 500 s and destroyed."""
    await ledger.open_lease(opened_lease())
    await ledger.see_lease(seen("loading", AT))
    await ledger.see_lease(seen("running", AT + 100))
    await ledger.see_lease(seen("stopped", AT + 1_100))
    await ledger.end_lease(ended(AT + 1_600))


async def requests(ledger: Ledger) -> None:
    """Two that overlap, from 300 to 400 s; one of an API; one that went on after the machine."""
    times = {"a": (300, 380), "b": (350, 400), "c": (1_000, 1_200)}
    for name, (since, until) in times.items():
        row = reservation(name, provider="local", tier="local", at=AT + since)
        await ledger.reserve(row)
        await ledger.settle(settlement(name, settled_nano_usd=0, at=AT + until))
    await ledger.reserve(reservation("api", at=AT + 500))
    await ledger.settle(settlement("api", at=AT + 900))


async def start(ledger: Ledger) -> None:
    """The model is ready 150 s after the machine began to run."""
    await ledger.note_start(Start(at=AT + 10, phases={}, total_s=240.0, node="vps_2"))


async def correction(ledger: Ledger) -> None:
    bill = LeaseCharged(
        lease_id="a", month="2026-11", charged_nano_usd=1_055, reason="bill", at=MONTH_END + 60
    )
    await ledger.correct_lease(bill)


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    return ledger_of(tmp_path, life, requests, start, correction)


def uses(path: Path) -> list[tuple[str, str, float, int]]:
    with inspected(path) as books:
        found = parts_of(books, books.leases())
    return [(part.span.state, part.use, part.ns / S, part.nano_usd) for part in found]


def test_a_running_machine_warms_up_then_is_busy_or_idle(whole: Path) -> None:
    assert uses(whole) == [
        ("loading", "storage", 100, 10),
        ("running", "warming", 150, 150),
        ("running", "busy", 200, 200),
        ("running", "idle", 650, 650),
        ("stopped", "storage", 500, 50),
        ("correction", "correction", 0, -5),
    ]


def test_without_a_start_it_is_warm_from_the_first_request_on(tmp_path: Path) -> None:
    path = ledger_of(tmp_path, life, requests)
    assert uses(path)[1:4] == [
        ("running", "warming", 200, 200),
        ("running", "busy", 200, 200),
        ("running", "idle", 600, 600),
    ]


def test_a_machine_that_nobody_asked_never_was_warm(tmp_path: Path) -> None:
    assert uses(ledger_of(tmp_path, life))[1] == ("running", "warming", 1_000, 1_000)


def test_a_run_that_goes_on_at_midnight_is_warm_only_once(tmp_path: Path) -> None:
    async def night(ledger: Ledger) -> None:
        await ledger.open_lease(opened_lease(at=MONTH_END - 100))
        await ledger.see_lease(seen("running", MONTH_END - 100))
        row = reservation("a", provider="local", at=MONTH_END - 60)
        await ledger.reserve(row)
        await ledger.settle(settlement("a", settled_nano_usd=0, at=MONTH_END + 30))
        await ledger.accrue_lease("a", MONTH_END + 50, 60)

    assert uses(ledger_of(tmp_path, night)) == [
        ("running", "warming", 40, 40),
        ("running", "busy", 60, 60),
        ("running", "busy", 30, 30),
        ("running", "idle", 20, 20),
    ]


def test_loading_that_is_paid_like_running_is_warming(tmp_path: Path) -> None:
    async def runpod(ledger: Ledger) -> None:
        await ledger.open_lease(opened_lease(provider="runpod"))
        await ledger.see_lease(seen("loading", AT, hourly_nano_usd=3_600))
        await ledger.end_lease(ended(AT + 7))

    assert uses(ledger_of(tmp_path, runpod)) == [("loading", "warming", 7, 7)]


INTERVALS = st.lists(st.tuples(st.integers(0, 200), st.integers(0, 60)), max_size=20)


@given(INTERVALS, st.integers(0, 250), st.integers(0, 250))
def test_busy_is_every_moment_in_which_a_request_is_under_way(
    lengths: list[tuple[int, int]], since: int, length: int
) -> None:
    served = sorted((begin, begin + took) for begin, took in lengths)
    activity = Activity(served, ())
    moments = [
        at for at in range(since, since + length) if any(begin <= at < end for begin, end in served)
    ]
    assert activity.busy_ns(since, since + length) == len(moments)


def test_machines_are_shown_with_their_times_and_what_they_were_paid_for(
    whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert show(whole, Wanted(), {}, AT) == 0
    [section] = [part for part in capsys.readouterr().out.split("\n\n") if "rented" in part]
    heading, machine, total = [line.split("  ") for line in section.splitlines()]
    names = [cell.strip() for cell in heading if cell]
    shown = dict(zip(names, (cell.strip() for cell in machine if cell.strip()), strict=True))
    assert shown == {
        "rented": "a", "card": "RTX 3090", "state": "destroyed", "loading h": "0.03",
        "warming h": "0.04", "busy h": "0.06", "idle h": "0.18", "idle share": "65.0 %",
        "stopped h": "0.14", "card USD": "0.000001000", "idle USD": "0.000000650",
        "disk USD": "0.000000060", "corrected USD": "-0.000000005", "held USD": "0.000000000",
    }  # fmt: skip
    assert [cell.strip() for cell in total if cell.strip()][-5:] == list(shown.values())[-5:]


def test_a_program_is_told_the_machines_of_the_month(
    whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    show(whole, Wanted(as_json=True), {}, AT)
    document = json.loads(capsys.readouterr().out)
    assert document["rented"]["a"]["idle_nano_usd"] == 650
    assert document["scopes"]["gpu"]["spent_nano_usd"] == 1_055
    show(whole, Wanted(month="2026-12", as_json=True), {}, AT)
    assert "rented" not in json.loads(capsys.readouterr().out)


def focus(path: Path, month: str | None = None) -> list[dict[str, str]]:
    out = path.with_name("focus.csv")
    export(path, Export(out=out, format="focus", month=month), load(chosen=settings({})))
    with out.open(newline="", encoding="utf-8") as lines:
        return [row for row in csv.DictReader(lines) if row["x_Machine"]]


def test_focus_has_a_row_a_day_a_machine_and_a_use(whole: Path) -> None:
    rows = focus(whole)
    columns = ("x_UtilizationState", "ServiceCategory", "PricingQuantity", "PricingUnit")
    assert [tuple(row[name] for name in (*columns, "BilledCost")) for row in rows] == [
        ("busy", "Compute", "0.055555556", "Hours", "0.000000200"),
        ("idle", "Compute", "0.180555556", "Hours", "0.000000650"),
        ("storage", "Storage", "0.166666667", "Hours", "0.000000060"),
        ("warming", "Compute", "0.041666667", "Hours", "0.000000150"),
        ("correction", "Compute", "", "", "-0.000000005"),
    ]
    assert sum(Decimal(row["BilledCost"]) for row in rows) == Decimal("0.000001055")
    assert rows[1] | {"BilledCost": "-"} == {
        "BilledCost": "-",
        "BillingAccountId": "vast",
        "BillingAccountName": "Vast.ai",
        "BillingCurrency": "USD",
        "BillingPeriodEnd": "2026-12-01T00:00:00Z",
        "BillingPeriodStart": "2026-11-01T00:00:00Z",
        "ChargeCategory": "Usage",
        "ChargeClass": "",
        "ChargeDescription": "RTX 3090 idle",
        "ChargePeriodEnd": "2026-11-24T00:00:00Z",
        "ChargePeriodStart": "2026-11-23T00:00:00Z",
        "ContractedCost": "0.000000650",
        "EffectiveCost": "0.000000650",
        "InvoiceIssuerName": "Vast.ai",
        "ListCost": "0.000000650",
        "PricingQuantity": "0.180555556",
        "PricingUnit": "Hours",
        "ProviderName": "Vast.ai",
        "PublisherName": "Vast.ai",
        "ServiceCategory": "Compute",
        "ServiceName": "Vast.ai",
        "x_Model": "",
        "x_TokenKind": "",
        "x_Tier": "local",
        "x_UsageSource": "estimated",
        "x_State": "",
        "x_Simulated": "0",
        "x_Machine": "a",
        "x_UtilizationState": "idle",
    }


def test_a_correction_is_of_the_last_day_of_its_month(whole: Path) -> None:
    row = focus(whole, "2026-11")[-1]
    assert (row["ChargeCategory"], row["ChargePeriodStart"], row["BillingPeriodEnd"]) == (
        "Adjustment", "2026-11-30T00:00:00Z", "2026-12-01T00:00:00Z",
    )  # fmt: skip
    assert focus(whole, "2026-12") == []


@pytest.fixture
def found(whole: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, list[str]]]:
    """Verify after a change, and return what was found by check."""

    def ask(*statements: str) -> dict[str, list[str]]:
        with closing(sqlite3.connect(whole)) as connection, connection:
            for statement in statements:
                connection.execute(statement)
        verify(whole, load(chosen=settings({})), AT, as_json=True)
        checks = json.loads(capsys.readouterr().out)
        return {check["check"]: check["first"] for check in checks if check["wrong"]}

    return ask


def test_a_ledger_with_machines_in_order_is_said_to_be(found) -> None:
    assert "balances" not in found()
    assert "leases" not in found()
    assert "journal" not in found()


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE spans SET until_ns = NULL WHERE seq = 3", "a has ended, and a span has no end"),
        ("DELETE FROM spans WHERE seq = 1", "a has a gap between the spans 0 and 2"),
        ("DELETE FROM spans WHERE seq < 2", "a has no span from its beginning on"),
        ("DELETE FROM spans WHERE seq = 3", "a did not end with its spans"),
        ("DELETE FROM leases", "a has spans and no row"),
        ("UPDATE leases SET held_nano_usd = 1", "a has ended without a word how, or holds money"),
        ("UPDATE leases SET ending = NULL", "a has ended without a word how, or holds money"),
        (
            "UPDATE leases SET ended_at_ns = NULL",
            "a is stopped, and its last span is not, or has an end",
        ),
        (
            "UPDATE spans SET nano_usd = 999 WHERE seq = 2",
            "a has a span 2 that is booked at 999, not 1,000",
        ),
        (
            "UPDATE spans SET month = '2026-12' WHERE seq = 2",
            "a has a span 2 that is booked in 2026-12",
        ),
        (
            "UPDATE spans SET accrued_ns = accrued_ns + 1 WHERE seq = 2",
            "a has a span 2 that is not booked to its end",
        ),
        (
            "UPDATE spans SET accrued_ns = since_ns + 90000000000000, "
            "until_ns = since_ns + 90000000000000 WHERE seq = 2",
            "a has a span 2 that ends before it begins or after its day",
        ),
    ],
)  # fmt: skip
def test_a_lease_that_does_not_hold_together_is_found(found, statement: str, said: str) -> None:
    assert said in found(statement)["leases"]


def test_an_amount_that_was_changed_is_found_by_the_balances_too(found) -> None:
    wrong = found("UPDATE spans SET nano_usd = 51 WHERE seq = 3")
    assert wrong["balances"][0] == ("2026-11 gpu says 1,055 spent and 0 held, its rows 1,056 and 0")


def test_an_open_lease_is_in_order(tmp_path: Path) -> None:
    async def runs(ledger: Ledger) -> None:
        await ledger.open_lease(opened_lease())
        await ledger.see_lease(seen("running", AT + 0.123456789))
        await ledger.accrue_lease("a", AT + 100_000, 60)

    with inspected(ledger_of(tmp_path, runs)) as books:
        assert list(wrong_leases(books.leases(), books.spans())) == []


def differences(path: Path, *charges: Charge) -> list[LeaseDifference]:
    with inspected(path) as books:
        return list(reconcile_leases(books.leases(), books.spans(), charges))


def charge(nano_usd: int, since: float, until: float, instance_id: str = "i-1") -> Charge:
    return Charge(instance_id=instance_id, kind="gpu", since=since, until=until, nano_usd=nano_usd)


def test_a_bill_that_agrees_with_the_ledger_says_nothing(whole: Path) -> None:
    assert differences(whole, charge(1_000, AT, AT + 9), charge(55, AT, AT + 9)) == []


def test_what_was_charged_and_booked_otherwise_is_told_by_month(whole: Path) -> None:
    across = charge(300, MONTH_END - 200, MONTH_END + 100)
    assert differences(whole, charge(1_000, AT, AT + 9), across) == [
        LeaseDifference(
            lease_id="a", instance_id="i-1", month="2026-11", booked_nano_usd=1_055,
            charged_nano_usd=1_200,
        ),
        LeaseDifference(
            lease_id="a", instance_id="i-1", month="2026-12", booked_nano_usd=0,
            charged_nano_usd=100,
        ),
    ]  # fmt: skip


def test_an_instance_that_no_lease_knows_is_told(whole: Path) -> None:
    told = differences(whole, charge(1_055, AT, AT + 9), charge(7, AT, AT + 9, "i-2"))
    assert told == [
        LeaseDifference(
            lease_id=None, instance_id="i-2", month="2026-11", booked_nano_usd=0,
            charged_nano_usd=7,
        )
    ]  # fmt: skip
    assert told[0].nano_usd == 7


@given(
    st.integers(-10**9, 10**9), st.floats(0, 10**8), st.floats(0, 10**8)
)  # fmt: skip
def test_not_a_nano_dollar_of_a_charge_is_lost_between_months(
    nano_usd: int, since: float, lasts: float
) -> None:
    told = reconcile_leases((), (), [charge(nano_usd, AT + since, AT + since + lasts)])
    assert sum(one.charged_nano_usd for one in told) == nano_usd


def test_what_the_bill_says_can_be_booked_and_then_they_agree(tmp_path: Path) -> None:
    bill = (charge(1_234, AT, AT + 9),)
    path = ledger_of(tmp_path, life)
    [found] = differences(path, *bill)

    async def settle(ledger: Ledger) -> None:
        row = LeaseCharged(
            lease_id=found.lease_id or "", month=found.month,
            charged_nano_usd=found.charged_nano_usd, reason="bill", at=AT + 2_000,
        )  # fmt: skip
        assert await ledger.correct_lease(row) == found.nano_usd

    with closing(Ledger(path, clock=lambda: AT)) as ledger:
        asyncio.run(settle(ledger))
    assert differences(path, *bill) == []
