from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tercet.budget import MONTH, Balance
from tercet.config import load
from tercet.ledger import Spending
from tercet.outlook import Outlook, outlook

CAP = 180_000_000_000
RULES = replace(load().budget, caps={MONTH: CAP})


def moment(*date: int) -> float:
    return datetime(*date, tzinfo=UTC).timestamp()


LATE = moment(2026, 11, 30, 12)
"""When nearly all of the month's money may be spent without being ahead of the pace."""


def seen(spent: float, held: float = 0.0, at: float = LATE, before: Outlook | None = None):
    """Judge shares of the cap, without a history by hours."""
    balance = Balance(spent=round(spent * CAP), held=round(held * CAP))
    return outlook(Spending(month="2026-11", balances={MONTH: balance}), RULES, at, before)


def with_history(days: int, at: float, usd_a_day: float, spent: float = 0.0):
    """Judge an even history, that has not been spent in this month but for `spent` of the cap."""
    now, cost = int(at // 3600), round(usd_a_day * 1e9 / 24)
    hours = dict.fromkeys(range(now - 24 * days, now), cost)
    balance = Balance(spent=round(spent * CAP))
    return outlook(
        Spending(month="2026-11", balances={MONTH: balance}, hours=hours), RULES, at, None
    )


def test_the_normal_outlook_holds_nothing_back() -> None:
    normal = Outlook.normal(moment(2026, 12, 31, 23))
    assert (normal.month, normal.step, normal.cost_weight) == ("2026-12", 1, 1.0)
    assert normal.cap_nano_usd is None
    assert normal.resets_at == moment(2027, 1, 1)


def test_a_month_without_a_cap_is_normal_whatever_it_cost() -> None:
    spending = Spending(month="2026-11", balances={MONTH: Balance(spent=10**15)})
    judged = outlook(spending, replace(RULES, caps={}), LATE)
    assert (judged.step, judged.why, judged.cost_weight) == (1, "the month has no cap", 1.0)
    assert judged.spent_nano_usd == 10**15


@pytest.mark.parametrize(
    ("spent", "held", "step", "why"),
    [
        (0.50, 0.00, 1, "50.0% of the month's cap is spent"),
        (0.79, 0.10, 1, "79.0% of the month's cap is spent"),
        (0.80, 0.00, 2, "80.0% of the month's cap is spent; step 2 begins at 80%"),
        (0.90, 0.00, 3, "90.0% of the month's cap is spent; step 3 begins at 90%"),
        (0.90, 0.05, 4, "95.0% of the month's cap is spent or held; step 4 begins at 95%"),
        (0.80, 0.18, 5, "98.0% of the month's cap is spent or held; step 5 begins at 98%"),
        (0.80, 0.90, 5, "170.0% of the month's cap is spent or held; step 5 begins at 98%"),
        (1.00, 0.00, 6, "100.0% of the month's cap is spent; step 6 begins at 100%"),
        (1.20, 0.00, 6, "120.0% of the month's cap is spent; step 6 begins at 100%"),
    ],
)
def test_the_ladder_is_climbed_by_what_is_spent_and_then_by_what_is_held(
    spent: float, held: float, step: int, why: str
) -> None:
    judged = seen(spent, held)
    assert (judged.step, judged.why) == (step, why)


@pytest.mark.parametrize(
    ("step", "begins"), [(2, 0.80), (3, 0.90), (4, 0.95), (5, 0.98), (6, 1.00)]
)
def test_a_step_is_left_only_a_margin_below_where_it_began(step: int, begins: float) -> None:
    on_it = seen(begins)
    assert on_it.step == step
    assert seen(begins - 0.019, before=on_it).step == step
    assert seen(begins - 0.021, before=on_it).step < step
    assert seen(begins - 0.019).step < step


def test_a_small_rise_and_fall_climbs_once_and_comes_down_once() -> None:
    last, steps = None, []
    for spent in (0.895, 0.901, 0.897, 0.902, 0.896, 0.90, 0.879, 0.885):
        last = seen(spent, before=last)
        steps.append(last.step)
    assert steps == [2, 3, 3, 3, 3, 3, 2, 2]


def test_the_last_month_and_another_cap_leave_nothing_behind() -> None:
    on_three = seen(0.90)
    assert seen(0.89, before=replace(on_three, month="2026-10")).step == 2
    assert seen(0.89, before=replace(on_three, cap_nano_usd=CAP - 1)).step == 2


def test_a_cap_of_nothing_is_spent() -> None:
    rules = replace(RULES, caps={MONTH: 0})
    assert outlook(Spending(month="2026-11"), rules, LATE).step == 6


def test_a_snapshot_from_before_the_months_edge_resets_at_that_edge() -> None:
    judged = seen(1.0, at=moment(2026, 12, 1, 0, 0) + 3)
    assert (judged.step, judged.month) == (6, "2026-11")
    assert judged.resets_at == moment(2026, 12, 1)


def test_a_forecast_over_the_cap_makes_cost_weigh_more() -> None:
    judged = with_history(20, moment(2026, 11, 11), usd_a_day=9.5)
    assert judged.forecast is not None
    assert judged.forecast.high == pytest.approx(190e9)
    assert judged.step == 2
    assert judged.why == "the forecast goes up to 105.6% of the month's cap; step 2 begins at 100%"
    assert judged.cost_weight == 1.5


@pytest.mark.parametrize(("days", "step"), [(20, 3), (10, 2), (1, 1)])
def test_a_forecast_from_little_history_is_trusted_with_less(days: int, step: int) -> None:
    judged = with_history(days, moment(2026, 11, 11), usd_a_day=12)
    assert judged.step == step


@pytest.mark.parametrize(
    ("spent", "step", "weight"),
    [(0.50, 1, 1.0), (0.54, 1, 1.0), (0.56, 2, 1.5), (0.61, 2, 2.0), (0.71, 2, 3.0)],
)
def test_the_cost_weight_rises_with_the_distance_from_the_pace(
    spent: float, step: int, weight: float
) -> None:
    judged = seen(spent, at=moment(2026, 11, 16))
    assert (judged.step, judged.cost_weight) == (step, weight)


def test_the_cost_weight_has_an_end() -> None:
    assert seen(0.79, at=moment(2026, 11, 1, 1)).cost_weight == 4.0


def test_a_bucket_of_the_pace_is_left_only_a_margin_below_where_it_began() -> None:
    at, last, weights = moment(2026, 11, 16), None, []
    for spent in (0.605, 0.598, 0.602, 0.585, 0.579, 0.59, 0.535, 0.529):
        last = seen(spent, at=at, before=last)
        weights.append(last.cost_weight)
    assert weights == [2.0, 2.0, 2.0, 2.0, 1.5, 1.5, 1.5, 1.0]


def test_being_ahead_of_the_pace_is_said() -> None:
    assert seen(0.56, at=moment(2026, 11, 16)).why == (
        "spending is 6.0% of the month's cap ahead of its pace; step 2 begins at 5%"
    )
