"""How far the month's spending is ahead of the pace that would use the cap up at its end."""

from collections.abc import Mapping
from datetime import UTC, datetime

from tercet.ledger import month_end

HOUR_S = 3600
WEEK = 168
"""Hours."""


def weekly(hours: Mapping[int, int], until: int) -> list[float] | None:
    """Return the mean of each hour of the week (index: hour % 168) in nano-USD.

    It is made from the hours before the hour `until`; from less than a week there is none.
    """
    if not hours or until - min(hours) < WEEK:
        return None
    sums, counts = [0] * WEEK, [0] * WEEK
    for hour in range(min(hours), until):
        sums[hour % WEEK] += hours.get(hour, 0)
        counts[hour % WEEK] += 1
    return [total / count for total, count in zip(sums, counts, strict=True)]


def share_by_now(hours: Mapping[int, int], at: float) -> float:
    """Return which share of the month's money would be spent by now, if it went as in past weeks.

    Weeks before this one give the curve; while there are none, it is a straight line.
    """
    now, end = int(at // HOUR_S), int(month_end(at) // HOUR_S)
    first = int(_month_start(at) // HOUR_S)
    curve = weekly(hours, now)
    if curve is None or not any(curve):
        return (at / HOUR_S - first) / (end - first)
    passed = sum(curve[hour % WEEK] for hour in range(first, now))
    passed += curve[now % WEEK] * (at / HOUR_S - now)
    return passed / sum(curve[hour % WEEK] for hour in range(first, end))


def _month_start(at: float) -> float:
    day = datetime.fromtimestamp(at, UTC)
    return datetime(day.year, day.month, 1, tzinfo=UTC).timestamp()
