from math import inf, nan

import numpy as np
import pytest

from router.statistics.slowness import percentile_bounds


def counted(count: int) -> np.ndarray:
    return np.arange(1.0, count + 1.0)


def test_the_median_of_ten_is_between_the_second_and_the_ninth() -> None:
    # One or none of ten coins: 0.011; two: 0.055.
    assert percentile_bounds(counted(10), 0.5, 0.95) == (2.0, 9.0)


@pytest.mark.parametrize(("count", "high"), [(71, inf), (72, 72.0)])
def test_the_slowest_twentieth_takes_seventy_two_times_to_bound(count: int, high: float) -> None:
    assert percentile_bounds(counted(count), 0.95, 0.95)[1] == high


@pytest.mark.parametrize("count", [0, 1])
def test_next_to_no_times_bound_nothing(count: int) -> None:
    assert percentile_bounds(counted(count), 0.95, 0.95) == (0.0, inf)


def test_the_order_of_times_does_not_matter() -> None:
    assert percentile_bounds(counted(300)[::-1], 0.95, 0.95) == (277.0, 293.0)


def test_the_percentile_is_inside_whatever_the_distribution() -> None:
    rng, held = np.random.default_rng(5), []
    for _ in range(2_000):
        low, high = percentile_bounds(rng.pareto(1.2, 200), 0.95, 0.95)
        held.append(low <= 0.05 ** (-1 / 1.2) - 1 <= high)
    assert 0.94 <= np.mean(held) <= 0.99


@pytest.mark.parametrize(("share", "level"), [(0.0, 0.9), (0.9, 1.0), (nan, 0.9)])
def test_what_is_no_share_is_refused(share: float, level: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        percentile_bounds(counted(10), share, level)


def test_a_time_below_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="seconds"):
        percentile_bounds(np.array([-1.0]), 0.5, 0.9)
