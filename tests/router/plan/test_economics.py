import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.plan.economics import (
    Demand,
    Needed,
    Rent,
    best,
    break_even_per_hour,
    burst,
    months_until,
    needed,
    net_month,
    power_month,
    price_for,
    saved_month,
)

CENT = 10_000_000
USD = 100 * CENT
SPOT = Rent(hourly_nano_usd=25 * CENT, stopped_hourly_nano_usd=0, start_s=300, least_run_s=600)
WITH_DISK = replace(SPOT, stopped_hourly_nano_usd=CENT)
# 12 hours alike, 12 without a request.
DAY = Demand(
    per_day=1200, shape=(1 / 12,) * 12 + (0.0,) * 12, capacity=1000, saved_nano_usd=CENT // 2
)


@pytest.mark.parametrize(("hours", "dollars"), [(2, 15), (6, 45), (12, 90), (24, 180)])
def test_the_plans_usage_table_comes_out(hours: float, dollars: int) -> None:
    assert SPOT.month(hours) == dollars * USD


def test_a_stopped_disk_is_paid_for_the_hours_that_are_left() -> None:
    assert WITH_DISK.stopped(2) == 660 * CENT
    assert WITH_DISK.stopped(24) == 0


@pytest.mark.parametrize(
    ("hourly_cents", "saved_micro_usd", "per_hour"),
    # facts/ops-cost.md A3, before rounding.
    [
        (25, 400, 625), (25, 2_000, 125), (25, 8_000, 31.25), (25, 15_000, 16.67),
        (30, 400, 750), (30, 2_000, 150), (30, 8_000, 37.5), (30, 15_000, 20),
        (45, 400, 1125), (45, 2_000, 225), (45, 8_000, 56.25), (45, 15_000, 30),
    ],
)  # fmt: skip
def test_the_break_evens_of_the_facts_come_out(
    hourly_cents: int, saved_micro_usd: int, per_hour: float
) -> None:
    found = break_even_per_hour(hourly_cents * CENT, saved_micro_usd * 1000)

    assert found == pytest.approx(per_hour, abs=0.005)


def test_what_saves_nothing_never_breaks_even() -> None:
    assert break_even_per_hour(25 * CENT, 0) is None
    assert burst(SPOT, 0, 1000) is None


def test_no_hour_answers_more_than_the_card_can() -> None:
    demand = replace(DAY, per_day=100, shape=(0.5, 0.3, 0.2) + (0.0,) * 21, capacity=40)

    assert [demand.served(hours) for hours in (0, 1, 2, 2.5, 24)] == [0, 40, 70, 80, 90]


@given(
    per_day=st.floats(0, 1e6),
    capacity=st.floats(0, 1e4),
    hours=st.floats(0, 24),
)
def test_the_card_is_a_ceiling_whatever_is_asked(
    per_day: float, capacity: float, hours: float
) -> None:
    served = replace(DAY, per_day=per_day, capacity=capacity).served(hours)

    assert served <= capacity * hours * (1 + 1e-9)
    assert served <= per_day * (1 + 1e-9)


def test_the_start_is_paid_and_answers_nothing() -> None:
    # 2 hours, of which 5 minutes start: 100 an hour for 115 minutes at half a cent, 30 times.
    assert saved_month(DAY, SPOT, 2) == pytest.approx(2875 * CENT, abs=1)
    assert net_month(DAY, SPOT, 2) == pytest.approx(1375 * CENT, abs=1)


def test_a_machine_that_is_always_on_starts_never() -> None:
    assert saved_month(DAY, SPOT, 24) == 18_000 * CENT


def test_the_best_hours_are_those_with_requests_and_one_start() -> None:
    found = best(DAY, SPOT)

    assert found.hours == pytest.approx(12 + 1 / 12)
    # 180 USD are saved, and 12 hours and 5 minutes at 0.25 cost 90.625.
    assert found.net_nano_usd == pytest.approx(89.375 * USD, abs=1)


def test_where_nothing_pays_the_best_is_a_loss() -> None:
    # The busiest hour saves 0.05 and costs 0.25 x 13/12; the disk, 22 hours 55 minutes of 0.01.
    found = best(replace(DAY, per_day=120), WITH_DISK)

    assert found.hours == pytest.approx(13 / 12)
    assert found.net_nano_usd == pytest.approx(-30 * (0.270833 + 0.229167 - 0.05) * USD, rel=1e-5)


def test_a_burst_pays_for_its_start_and_the_least_run() -> None:
    # 0.25 x 15 minutes = 0.0625 USD: 12.5 requests of half a cent.
    assert burst(SPOT, CENT // 2, 1000) == 13
    assert burst(replace(SPOT, least_run_s=0), CENT // 2, 1000) == 5


def test_a_burst_longer_than_the_least_run_pays_for_its_own_hours_too() -> None:
    # At 20 an hour, 9 requests of 0.015 take 27 minutes and 5 for the start: 0.1333 against 0.135.
    assert burst(SPOT, 15 * CENT // 10, 20) == 9


def test_no_burst_pays_where_the_cards_full_speed_does_not() -> None:
    assert burst(SPOT, CENT // 2, 50) is None
    assert burst(SPOT, CENT // 2, 0) is None


def test_each_lever_alone_is_where_the_loss_ends() -> None:
    # 1,200 requests a day, at 0.001 USD; 12 hours.
    found = needed(replace(DAY, saved_nano_usd=CENT // 10), SPOT)

    # One long block is best: 12.083 hours at 0.25 are 3.0208 a day, for 1,200 requests.
    assert found.saved_nano_usd == math.ceil(0.25 * (12 + 1 / 12) / 1200 * USD)
    assert found.hourly_nano_usd == math.floor(1.2 / (12 + 1 / 12) * USD)
    assert found.per_day == pytest.approx(0.25 * (12 + 1 / 12) / 0.001)
    assert found.start_s is None


def test_a_start_may_take_what_the_hours_leave_over() -> None:
    # 0.30 an hour for 12 hours against 0.25: 0.60 a day are left, 2.4 hours at 0.25.
    assert needed(replace(DAY, saved_nano_usd=3 * CENT // 10), SPOT).start_s == pytest.approx(8640)


def test_where_always_on_pays_any_start_does() -> None:
    assert needed(DAY, replace(SPOT, hourly_nano_usd=20 * CENT)).start_s == math.inf


def test_no_number_of_requests_helps_a_card_that_is_too_slow() -> None:
    slow = replace(DAY, capacity=49)
    found = needed(slow, SPOT)

    assert found.per_day is None
    assert needed(replace(DAY, capacity=51), SPOT).per_day is not None


def test_more_requests_help_until_the_last_hour_is_full() -> None:
    uneven = replace(DAY, shape=(0.6, 0.1, 0.1, 0.1, 0.1) + (0.0,) * 19, capacity=60)
    found = needed(uneven, replace(WITH_DISK, start_s=0))

    # 5 hours at 0.25 and 19 of disk at 0.01: 288 answers of half a cent, 60 in the first hour and
    # 57 in each of the others, a tenth of the day's.
    assert found.per_day == pytest.approx(570, abs=0.1)


def test_without_an_answer_nothing_helps() -> None:
    assert needed(replace(DAY, capacity=0), WITH_DISK) == Needed(
        per_day=None, hourly_nano_usd=None, saved_nano_usd=None, start_s=None
    )


def test_without_a_request_it_is_said_how_many_are_needed() -> None:
    found = needed(replace(DAY, per_day=0), SPOT)

    assert found.per_day == pytest.approx(0.25 * (12 + 1 / 12) / 0.005)
    assert (found.saved_nano_usd, found.hourly_nano_usd) == (None, None)


RENTS = st.builds(
    Rent,
    hourly_nano_usd=st.integers(CENT, 2 * USD),
    stopped_hourly_nano_usd=st.just(CENT),
    start_s=st.floats(0, 3_000),
    least_run_s=st.just(600),
)
DEMANDS = st.builds(
    Demand,
    per_day=st.floats(1, 20_000),
    shape=st.lists(st.integers(0, 20), min_size=24, max_size=24)
    .filter(any)
    .map(lambda hours: tuple(sorted((one / sum(hours) for one in hours), reverse=True))),
    capacity=st.floats(1, 2_000),
    saved_nano_usd=st.integers(1_000, 10 * CENT),
)


def net(demand: Demand, rent: Rent) -> int:
    return best(demand, rent).net_nano_usd


def off(demand: Demand) -> int:
    """Return how much a month may be off by rounding."""
    return 2 * CENT + demand.saved_nano_usd


@given(demand=DEMANDS, rent=RENTS)
def test_more_requests_pay_where_it_is_said_and_not_before(demand: Demand, rent: Rent) -> None:
    least = needed(demand, rent).per_day
    if least is None:
        assert net(replace(demand, per_day=1e9), rent) < 0
    else:
        assert net(replace(demand, per_day=least), rent) >= -off(demand)
        assert net(replace(demand, per_day=least * 0.98), rent) <= off(demand)


@given(demand=DEMANDS, rent=RENTS)
def test_a_lower_price_pays_where_it_is_said_and_not_before(demand: Demand, rent: Rent) -> None:
    most = needed(demand, rent).hourly_nano_usd
    if most is None:
        assert net(demand, replace(rent, hourly_nano_usd=0)) <= off(demand)
    else:
        assert net(demand, replace(rent, hourly_nano_usd=most)) >= -off(demand)
        assert net(demand, replace(rent, hourly_nano_usd=most * 102 // 100 + 2)) < 0


@given(demand=DEMANDS, rent=RENTS)
def test_a_larger_saving_pays_where_it_is_said_and_not_before(demand: Demand, rent: Rent) -> None:
    least = needed(demand, rent).saved_nano_usd

    assert least is not None
    assert net(replace(demand, saved_nano_usd=least), rent) >= -off(demand)
    assert net(replace(demand, saved_nano_usd=max(0, least * 98 // 100 - 2)), rent) < 0


@given(demand=DEMANDS, rent=RENTS)
def test_a_shorter_start_pays_where_it_is_said_and_not_before(demand: Demand, rent: Rent) -> None:
    most = needed(demand, rent).start_s
    if most is None:
        assert net(demand, replace(rent, start_s=0)) < off(demand)
    elif most < math.inf:
        assert net(demand, replace(rent, start_s=most)) >= -off(demand)
        assert net(demand, replace(rent, start_s=most + 60)) <= 0


def test_a_bought_card_is_paid_for_by_the_rent_less_its_power() -> None:
    # 350 W for 720 hours at 0.30: 75.60 USD, so always on spares 104.40 a month.
    power = power_month(350, 30 * CENT, 24)

    assert power == 7_560 * CENT
    assert price_for(16, 180 * USD, power) == 167_040 * CENT
    assert price_for(20, 180 * USD, power) == 208_800 * CENT
    assert months_until(167_040 * CENT, 180 * USD, power) == 16


def test_a_card_whose_power_costs_more_than_the_rent_never_pays() -> None:
    assert months_until(0, 70 * USD, 7_560 * CENT) is None
    assert price_for(16, 70 * USD, 7_560 * CENT) is None
