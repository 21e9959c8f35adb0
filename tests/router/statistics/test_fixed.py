from math import inf

import numpy as np
import pytest

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
