from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from fakes.rows import AT

from router.books.lease_bill import LeaseDifference, lease_months
from router.gpu.looking import orphans
from router.gpu.settling import PATIENCE_S, Settled, fates, is_due, unknown_of
from tercet.leases import Lease
from tercet.ledger import month_end
from tercet.renting import Charge

LEASE = Lease(
    lease_id="a",
    provider="vast",
    instance_id="7001",
    gpu="RTX 3090",
    state="stopped",
    since=AT,
    rate_nano_usd=0,
    hourly_nano_usd=220,
    stopped_hourly_nano_usd=20,
    interruptible=True,
    runs=1,
    opened_at=AT,
    ended_at=AT + 1_000,
    end="destroyed",
    spent_nano_usd=0,
    held_nano_usd=0,
)


def row(booked: int, charged: int, **changes: Any) -> LeaseDifference:
    fields: dict[str, Any] = {
        "lease_id": "a", "instance_id": "7001", "month": "2026-11", "booked_nano_usd": booked,
        "charged_nano_usd": charged,
    }  # fmt: skip
    return LeaseDifference(**(fields | changes))


def charge(until: float, nano_usd: int = 5, instance_id: str = "7001") -> Charge:
    return Charge(instance_id=instance_id, kind="gpu", since=AT, until=until, nano_usd=nano_usd)


def fate(told: LeaseDifference, now: float, *charges: Charge, lease: Lease = LEASE) -> str:
    [settled] = fates([told], [lease], charges, now)
    return settled.fate


def test_what_agrees_is_left_alone() -> None:
    assert fate(row(5, 5), AT + 2_000) == "agrees"


def test_more_than_was_booked_is_booked_at_once() -> None:
    assert fate(row(5, 6), AT + 1_001) == "corrected"


def test_less_is_booked_once_the_bill_reaches_the_end_of_the_lease() -> None:
    assert fate(row(6, 5), AT + 2_000, charge(AT + 500)) == "not_whole"
    assert fate(row(6, 5), AT + 2_000, charge(AT + 500), charge(AT + 950)) == "corrected"


def test_less_is_booked_in_the_end_whatever_the_bill_says() -> None:
    assert fate(row(6, 0), AT + 1_000 + PATIENCE_S - 1) == "not_whole"
    assert fate(row(6, 0), AT + 1_000 + PATIENCE_S) == "corrected"


def test_a_lease_that_goes_on_is_settled_for_the_months_that_are_over() -> None:
    going, end = replace(LEASE, ended_at=None), month_end(AT)
    assert fate(row(5, 9), end - 1, lease=going) == "under_way"
    assert fate(row(5, 9), end, lease=going) == "corrected"
    assert fate(row(5, 9, month="2026-12"), end + 5, lease=going) == "under_way"


def test_a_charge_of_no_lease_is_told_and_nothing_is_booked() -> None:
    settled = fates([row(0, 9, lease_id=None, instance_id="9")], [LEASE], [], AT)
    assert [one.fate for one in settled] == ["unknown"]
    [unknown] = unknown_of(settled)
    assert (unknown.instance_id, unknown.month, unknown.nano_usd) == ("9", "2026-11", 9)
    assert unknown_of([Settled(row=row(0, 9), fate="corrected")]) == []


def test_what_showed_up_late_is_charged_to_the_lease_whose_name_it_bears() -> None:
    late = {"7002": "a", "7003": "nobody"}
    charges = [charge(AT + 9, 3, "7002"), charge(AT + 9, 4, "7003"), charge(AT + 9, 5)]
    ours, theirs = lease_months([LEASE], [], charges, late)
    assert (ours.lease_id, ours.charged_nano_usd) == ("a", 8)
    assert (theirs.lease_id, theirs.instance_id, theirs.charged_nano_usd) == (None, "7003", 4)


def test_of_what_was_destroyed_orphans_are_those_of_no_lease() -> None:
    destroyed = [
        {"at": AT, "instance_id": name, "lease_id": "a"} for name in ("7001", "7002")
    ]  # fmt: skip
    assert [one.instance_id for one in orphans(destroyed, [LEASE])] == ["7002"]


@pytest.mark.parametrize(
    ("now", "settled_at", "ends", "due"),
    [
        (AT, 0.0, [], True),
        (AT + 3_599, AT, [], False),
        (AT + 3_600, AT, [], True),
        (AT + 59, AT - 10, [AT], False),
        (AT + 60, AT - 10, [AT], True),
        (AT + 70, AT + 60, [AT], False),
        (AT + 70, AT + 60, [AT, None], False),
    ],
)
def test_money_is_settled_by_the_hour_and_a_minute_after_an_end(
    now: float, settled_at: float, ends: Sequence[float | None], due: bool
) -> None:
    assert is_due(now, settled_at, [replace(LEASE, ended_at=end) for end in ends]) is due
