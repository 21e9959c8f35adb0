from math import inf, nan

import numpy as np
import pytest

from router.statistics.interval import Interval, Paths, boundary, checked


def test_the_boundary_is_three_deviations_at_the_time_it_is_planned_for() -> None:
    # The root of 1.126 times the sum of log(8.94) and log(400).
    assert boundary(np.array([1.0]))[0] == pytest.approx(3.035, abs=0.001)


def test_the_boundary_widens_slowly_away_from_the_planned_time() -> None:
    assert boundary(np.array([0.1, 1.0, 30.0])).tolist() == pytest.approx(
        [3.855, 3.035, 3.394], abs=0.001
    )


def test_a_surer_boundary_is_further_out() -> None:
    assert boundary(np.ones(1), alpha=0.01)[0] > boundary(np.ones(1))[0]


def test_of_random_walks_one_in_twenty_at_most_ever_leaves_it() -> None:
    walks = np.cumsum(np.random.default_rng(1).normal(size=(1_000, 1_000)), axis=1)
    steps = np.arange(1, 1_001)
    left = (np.abs(walks) > np.sqrt(steps) * boundary(steps / 300)).any(axis=1)
    assert 0.005 < left.mean() <= 0.05


def test_a_bill_shifts_an_interval() -> None:
    saved = Interval(value=5.0, low=3.0, high=inf, groups=40)
    assert saved.shifted(-4.0) == Interval(value=1.0, low=-1.0, high=inf, groups=40)


@pytest.mark.parametrize(("low", "high", "is_bounded"), [(1, 2, True), (1, inf, False)])
def test_an_interval_with_an_open_end_says_nothing(low: int, high: float, is_bounded: bool) -> None:
    assert Interval(value=1, low=low, high=high, groups=1).is_bounded is is_bounded


def test_a_path_of_some_rows_stands_still_between_them() -> None:
    path = Paths(
        values=np.array([2.0, 5.0]),
        lows=np.array([1.0, 4.0]),
        highs=np.array([3.0, 6.0]),
        groups=np.array([1, 2]),
    ).spread_over(np.array([1, 3]), 5)
    assert path.values.tolist() == [0, 2, 2, 5, 5]
    assert path.lows.tolist() == [0, 1, 1, 4, 4]
    assert path.highs.tolist() == [0, 3, 3, 6, 6]
    assert path.groups.tolist() == [0, 1, 1, 2, 2]


@pytest.mark.parametrize("wrong", [nan, inf, -1.5])
def test_numbers_that_are_none_are_refused_with_their_row(wrong: float) -> None:
    with pytest.raises(ValueError, match=r"quality\[1\] is .*leave rows out"):
        checked(np.array([0.0, wrong]), "quality", -1.0, 1.0)


def test_a_table_is_refused_where_a_column_is_due() -> None:
    with pytest.raises(ValueError, match="quality has 2 axes"):
        checked(np.zeros((2, 2)), "quality")
