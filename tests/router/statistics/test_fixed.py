from math import inf

import numpy as np
import pytest
from scipy.stats import binomtest

from router.statistics.fixed import mean_bounds, proportion_bounds


def test_ten_of_ten_leave_room_for_three_in_ten_failing() -> None:
    # The tenth root of 0.025
    assert proportion_bounds(10, 10) == (pytest.approx(0.6915, abs=0.0001), 1.0)


def test_none_of_ten_is_the_mirror_of_all() -> None:
    assert proportion_bounds(0, 10) == (0.0, pytest.approx(0.3085, abs=0.0001))


def test_nothing_tried_leaves_all_open() -> None:
    assert proportion_bounds(0, 0) == (0.0, 1.0)


def test_more_passed_than_tried_is_refused() -> None:
    with pytest.raises(ValueError, match="passed is 3 of 2 groups"):
        proportion_bounds(3, 2)


def test_a_mean_of_three_is_within_students_bounds() -> None:
    # 4.3027 deviations of 1 over the root of 3
    assert mean_bounds(np.array([1.0, 2.0, 3.0])) == pytest.approx((-0.4841, 4.4841), abs=0.0001)


def test_one_value_bounds_nothing() -> None:
    assert mean_bounds(np.array([1.0])) == (-inf, inf)


@pytest.mark.parametrize(("passed", "groups"), [(3, 10), (17, 400)])
def test_whole_counts_have_the_bounds_of_clopper_and_pearson(passed, groups) -> None:
    exact = binomtest(passed, groups).proportion_ci(method="exact")
    assert proportion_bounds(passed, groups) == pytest.approx((exact.low, exact.high))


def test_means_of_several_answers_are_covered_at_least_as_often_as_is_said() -> None:
    chance = np.random.default_rng(7)
    hits = 0
    for _ in range(2_000):
        hard = chance.beta(1, 2, 40)  # of mean one third
        passed = float((chance.binomial(3, hard) / 3).sum())
        low, high = proportion_bounds(passed, 40)
        hits += low <= 1 / 3 <= high
    assert hits / 2_000 >= 0.95
