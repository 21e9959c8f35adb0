"""What the month will have cost at its end, from the hours of the last weeks.

With two weeks of history, the rest of the month is the sum of its hours' means by hour of the week,
and the interval comes from drawing whole days of the past again, work days and weekends apart. Days
drawn apart know no drift: of real traffic that interval held 37 %, not 80 %. It is stretched by a
factor chosen on one half of that traffic; of the other half it holds 70 % (`bench/forecast.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from tercet.budget import MONTH, Balance
from tercet.ledger import Spending, month_end
from tercet.pacing import HOUR_S, WEEK, weekly

RANGE_FROM_DAYS = 2
INTERVAL_FROM_DAYS = 14
DRAWS = 400
STRETCH = 3.5
"""How much further from the middle the interval's ends are than those of the days drawn."""
WIDE = 3.0
"""How far above its first hours a gateway less than two days old may go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """The month's spending at its end, in nano-USD; low to high is meant to hold 80 %."""

    low: int
    middle: int
    high: int
    days: int
    """Whole days of history it was made from."""
    method: str
    """How it was made, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """What the time that is left will cost, in nano-USD."""

    low: float
    middle: float
    high: float
    method: str


def forecast(spending: Spending, at: float, rng: Random) -> Forecast | None:
    """Forecast the end of the month of `at`; `None` when nothing has been spent in 35 days."""
    if not spending.hours:
        return None
    now, left_h = int(at // HOUR_S), (month_end(at) - at) / HOUR_S
    past = _past_days(spending.hours, now)
    if len(past) >= INTERVAL_FROM_DAYS:
        rest = rest_by_weeks(spending.hours, at, int(month_end(at) // HOUR_S), rng)
    elif len(past) >= RANGE_FROM_DAYS:
        rest = _by_range(past, left_h / 24)
    else:
        rest = _by_rate(spending.hours, at, left_h)
    spent = spending.balances.get(MONTH, Balance()).spent
    return Forecast(
        low=spent + round(rest.low),
        middle=spent + round(rest.middle),
        high=spent + round(rest.high),
        days=len(past),
        method=rest.method,
    )


def rest_by_weeks(
    hours: Mapping[int, int], at: float, end: int, rng: Random, stretch: float = STRETCH
) -> Rest:
    """Forecast from `at` to the hour `end` out of at least one whole week.

    Args:
        hours: nano-USD by hour; of those before `at`.
        at: Unix seconds.
        end: an hour's number since 1970.
        rng: where the draws come from.
        stretch: see `STRETCH`.
    """
    now = int(at // HOUR_S)
    past = _past_days(hours, now)
    curve = weekly(hours, now) or [0.0] * WEEK
    middle = sum(curve[hour % WEEK] for hour in range(now, end))
    middle -= curve[now % WEEK] * (at / HOUR_S - now)
    low, high = _interval(past, max(1, round((end - now) / 24)), now, rng)
    return Rest(
        low=middle * max(0.0, 1 - stretch * (1 - low)),
        middle=middle,
        high=middle * (1 + stretch * (high - 1)),
        method=f"means by hour of the week and days drawn again, of {len(past)} days",
    )


def _past_days(hours: Mapping[int, int], now: int) -> list[int]:
    """Return what each whole day of 24 hours before the hour `now` cost, the latest first."""
    count = max(0, now - min(hours)) // 24
    return [
        sum(hours.get(hour, 0) for hour in range(now - 24 * (back + 1), now - 24 * back))
        for back in range(count)
    ]


def _interval(past: Sequence[int], ahead: int, now: int, rng: Random) -> tuple[float, float]:
    """Return the 80 % interval of the next days' sum, in multiples of its mean, unstretched."""
    pools: dict[bool, list[int]] = {False: [], True: []}
    for back, cost in enumerate(past):
        pools[_is_weekend(now - 24 * (back + 1))].append(cost)
    weekends = sum(_is_weekend(now + 24 * day) for day in range(ahead))
    wanted = [(pools[False], ahead - weekends), (pools[True], weekends)]
    sums = sorted(sum(_drawn(pool, count, rng) for pool, count in wanted) for _ in range(DRAWS))
    mean = sum(sums) / DRAWS
    if mean == 0:
        return 1.0, 1.0
    return sums[DRAWS // 10] / mean, sums[DRAWS - 1 - DRAWS // 10] / mean


def _drawn(pool: list[int], count: int, rng: Random) -> int:
    """Draw days from a past that is itself one draw of what it might have been."""
    return sum(rng.choices(rng.choices(pool, k=len(pool)), k=count)) if count else 0


def _by_range(past: Sequence[int], left_days: float) -> Rest:
    method = f"from the smallest to the largest of {len(past)} days"
    mean = sum(past) / len(past)
    return Rest(
        low=min(past) * left_days,
        middle=mean * left_days,
        high=max(past) * left_days,
        method=method,
    )


def _by_rate(hours: Mapping[int, int], at: float, left_h: float) -> Rest:
    passed_h = max(1.0, at / HOUR_S - min(hours))
    middle = sum(hours.values()) / passed_h * left_h
    method = f"the rate of the first {passed_h:.0f} h, from nothing more to {WIDE:.0f} times it"
    return Rest(low=0, middle=middle, high=WIDE * middle, method=method)


def _is_weekend(start: int) -> bool:
    """Say whether most of the 24 hours from `start` are of a weekend; 1970 began on a Thursday."""
    return (start + 12) // 24 % 7 in (2, 3)
