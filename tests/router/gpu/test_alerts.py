from dataclasses import replace
from typing import Any

import pytest
from fakes.renting import rules

from router.gpu.alerts import Alert, Orphan, Purse, Seen, UnknownCharge, alerts
from tercet.budget import Balance
from tercet.leases import Lease

NOW = 1_000_000.0
RULES = rules()
RUNNING = Lease(
    lease_id="a",
    provider="vast",
    instance_id="7001",
    gpu="RTX 3090",
    state="running",
    since=NOW - 901,
    rate_nano_usd=220_000_000,
    hourly_nano_usd=220_000_000,
    stopped_hourly_nano_usd=20_000_000,
    interruptible=True,
    runs=1,
    opened_at=NOW - 5_000,
    ended_at=None,
    end=None,
    spent_nano_usd=0,
    held_nano_usd=0,
)
QUIET = Seen(
    now=NOW,
    leases=(),
    served_at=None,
    untold_s=5.0,
    orphans=(),
    unknown=(),
    hours_today=0.0,
    purses=(),
)


def found(**changes: Any) -> list[Alert]:
    return list(alerts(replace(QUIET, **changes), RULES))


def kinds(**changes: Any) -> list[tuple[str, str]]:
    return [(alert.kind, alert.about) for alert in found(**changes)]


def test_where_nothing_is_wrong_there_is_no_alert() -> None:
    assert found() == []
    assert found(leases=(replace(RUNNING, since=NOW - 899),)) == []


def test_a_machine_that_bills_and_serves_nothing_is_one() -> None:
    [alert] = found(leases=(RUNNING,))
    assert (alert.kind, alert.about) == ("unserved", "a")
    assert "0.220000000 USD/h for 15 min" in alert.text
    assert "tercet gpu destroy a" in alert.text


@pytest.mark.parametrize(("ago_s", "is_one"), [(1.0, False), (899.0, False), (901.0, True)])
def test_what_counts_is_the_last_answer(ago_s: float, is_one: bool) -> None:
    lease = replace(RUNNING, since=NOW - 5_000)
    assert bool(found(leases=(lease,), served_at=NOW - ago_s)) is is_one


def test_an_answer_from_before_it_ran_does_not_count_against_it() -> None:
    lease = replace(RUNNING, since=NOW - 10)
    assert found(leases=(lease,), served_at=NOW - 90_000) == []


@pytest.mark.parametrize("state", ["stopped", "loading"])
def test_a_disk_alone_serves_nobody_and_that_is_right(state: Any) -> None:
    assert found(leases=(replace(RUNNING, state=state, rate_nano_usd=20_000_000),)) == []


def test_one_that_loads_and_bills_its_card_is_one_too() -> None:
    assert kinds(leases=(replace(RUNNING, state="loading"),)) == [("unserved", "a")]


def test_one_that_has_ended_is_none() -> None:
    assert found(leases=(replace(RUNNING, ended_at=NOW - 1),)) == []


def test_a_provider_that_is_away_while_something_is_rented_is_one() -> None:
    stopped = replace(RUNNING, state="stopped", rate_nano_usd=20_000_000)
    assert kinds(leases=(stopped,), untold_s=301.0) == [("untold", "vast")]
    assert kinds(leases=(stopped,), untold_s=None) == [("untold", "vast")]
    assert found(leases=(stopped,), untold_s=299.0) == []
    assert found(untold_s=100_000.0) == []


def test_how_long_nobody_asked_before_something_was_rented_does_not_count() -> None:
    fresh = replace(RUNNING, since=NOW - 20, opened_at=NOW - 20)
    assert found(leases=(fresh,), untold_s=100_000.0) == []


def test_an_orphan_is_told_for_an_hour() -> None:
    orphan = Orphan(instance_id="7002", lease_id="b", at=NOW - 3_599)
    assert kinds(orphans=(orphan,)) == [("orphan", "7002")]
    assert found(orphans=(replace(orphan, at=NOW - 3_601),)) == []


def test_a_cap_of_hours_is_one() -> None:
    assert kinds(hours_today=12.0) == [("cap", "hours_a_day")]
    assert found(hours_today=11.9) == []


def test_machines_that_do_not_stay_are_one() -> None:
    gone = replace(RUNNING, ended_at=NOW - 1, end="destroyed", opened_at=NOW - 3_000)
    assert kinds(leases=(gone,) * 4) == [("cap", "creates_an_hour")]
    assert found(leases=(gone,) * 3 + (replace(gone, opened_at=NOW - 3_601),)) == []


def test_money_that_is_used_up_is_one_by_its_scope() -> None:
    purse = Purse(scope="gpu", balance=Balance(spent=40, held=20), cap_nano_usd=60)
    assert kinds(purses=(purse, replace(purse, scope="month"))) == [
        ("cap", "gpu"),
        ("cap", "month"),
    ]
    assert found(purses=(replace(purse, cap_nano_usd=61),)) == []
    assert found(purses=(replace(purse, cap_nano_usd=None),)) == []


def test_a_charge_of_nobodys_is_one_by_its_month() -> None:
    charge = UnknownCharge(instance_id="9", month="2026-11", nano_usd=7_000_000)
    [alert] = found(unknown=(charge,))
    assert (alert.kind, alert.about) == ("unknown_charge", "9 2026-11")
    assert "0.007000000 USD" in alert.text
