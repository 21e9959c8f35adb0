import csv
import gzip
from datetime import UTC, datetime
from random import Random

import pytest

from tercet.budget import MONTH, Balance
from tercet.config import PROJECT
from tercet.forecast import forecast, rest_by_weeks
from tercet.ledger import Spending


def moment(*date: int) -> float:
    return datetime(*date, tzinfo=UTC).timestamp()


def spending(hours: dict[int, int], spent: int = 0) -> Spending:
    return Spending(month="2026-11", balances={MONTH: Balance(spent=spent)}, hours=hours)


def flat(since: float, until: float, cost: int) -> dict[int, int]:
    return dict.fromkeys(range(int(since // 3600), int(until // 3600)), cost)


def test_without_spending_there_is_no_forecast() -> None:
    assert forecast(spending({}), moment(2026, 11, 10), Random(1)) is None


def test_an_even_past_is_an_even_future_with_no_doubt() -> None:
    at = moment(2026, 11, 21)
    seen = forecast(spending(flat(moment(2026, 10, 20), at, 1000), spent=480_000), at, Random(1))
    assert seen is not None
    assert (seen.low, seen.middle, seen.high) == (720_000, 720_000, 720_000)
    assert seen.days == 32
    assert seen.method == "means by hour of the week and days drawn again, of 32 days"


def test_the_hour_under_way_counts_only_with_what_is_left_of_it() -> None:
    at = moment(2026, 11, 30, 23, 15)
    seen = forecast(spending(flat(moment(2026, 11, 1), at, 1000), spent=1), at, Random(1))
    assert seen is not None
    assert seen.middle == 751


def test_quiet_weekends_to_come_are_not_forecast_as_work_days() -> None:
    at = moment(2026, 11, 27)
    hours = flat(moment(2026, 10, 26), at, 1000)
    quiet = {hour: 0 for hour in hours if hour // 24 % 7 in (2, 3)}
    seen = forecast(spending(hours | quiet), at, Random(1))
    assert seen is not None
    # A Friday, a weekend, a Monday.
    assert (seen.low, seen.middle, seen.high) == (48_000, 48_000, 48_000)


def test_uneven_days_make_an_interval_around_the_middle() -> None:
    at = moment(2026, 11, 16)
    hours = flat(moment(2026, 10, 19), at, 1000)
    uneven = {hour: 1000 + 900 * (hour // 24 % 2) for hour in hours}
    seen = forecast(spending(uneven), at, Random(1))
    assert seen is not None
    assert seen.low < seen.middle < seen.high
    assert seen.high < 15 * 24 * 1900 * 1.5


def test_the_same_draws_make_the_same_forecast() -> None:
    at, rng = moment(2026, 11, 16), Random(3)
    hours = {hour: rng.randrange(100) for hour in flat(moment(2026, 10, 19), at, 0)}
    assert forecast(spending(hours), at, Random(1)) == forecast(spending(hours), at, Random(1))


def test_before_two_weeks_the_range_goes_from_the_smallest_to_the_largest_day() -> None:
    at = moment(2026, 11, 28)
    hours = flat(moment(2026, 11, 25), moment(2026, 11, 26), 10)
    hours |= flat(moment(2026, 11, 26), moment(2026, 11, 27), 30)
    hours |= flat(moment(2026, 11, 27), at, 20)
    seen = forecast(spending(hours, spent=1440), at, Random(1))
    assert seen is not None
    assert (seen.low, seen.middle, seen.high) == (2160, 2880, 3600)
    assert seen.method == "from the smallest to the largest of 3 days"


def test_the_first_hours_make_a_line_and_a_wide_range() -> None:
    at = moment(2026, 11, 30, 12)
    seen = forecast(spending(flat(at - 6 * 3600, at, 100), spent=600), at, Random(1))
    assert seen is not None
    assert (seen.low, seen.middle, seen.high, seen.days) == (600, 1800, 4200, 0)
    assert seen.method == "the rate of the first 6 h, from nothing more to 3 times it"


@pytest.mark.parametrize("ahead_h", [0, 5])
def test_hours_that_the_ledgers_clock_has_and_ours_has_not_yet_do_no_harm(ahead_h: int) -> None:
    at = moment(2026, 11, 30, 12)
    seen = forecast(spending({int(at // 3600) + ahead_h: 100}, spent=100), at, Random(1))
    assert seen is not None
    assert seen.middle == 1300


def test_the_interval_holds_most_of_real_traffic() -> None:
    """The interval is meant to hold 80 %; `bench/forecast.py` says what it misses and why."""
    first = int(moment(2026, 9, 1) // 3600)
    now, end = first + 9 * 24, first + 14 * 24
    held: list[bool] = []
    with gzip.open(PROJECT / "bench" / "data" / "servegen_hourly.csv.gz", "rt") as file:
        for _, *counts in list(csv.reader(file))[1:]:
            requests = {first + hour: int(count) for hour, count in enumerate(counts)}
            past = {hour: count for hour, count in requests.items() if hour < now}
            rest = rest_by_weeks(past, now * 3600, end, Random(1))
            came = sum(requests[hour] for hour in range(now, end))
            held.append(rest.low <= came <= rest.high)
    assert len(held) == 74
    assert 0.70 <= sum(held) / len(held) <= 0.90
