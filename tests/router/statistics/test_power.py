import numpy as np
import pytest

from router.statistics.paired import paired_mean
from router.statistics.power import more_needed


def test_five_points_at_a_spread_of_a_half_take_about_nine_hundred_pairs() -> None:
    # (3.035 * 0.5 / 0.05) squared
    assert more_needed(0.5, 0, 0.05) == 922


def test_those_there_are_count() -> None:
    assert more_needed(0.5, 900, 0.05) == 22


def test_enough_is_enough() -> None:
    assert more_needed(0.5, 5_000, 0.05) == 0


def test_as_many_pairs_give_that_width() -> None:
    seen = paired_mean(np.array([0.5, -0.5] * 461), planned=922)
    assert (seen.high - seen.low) / 2 == pytest.approx(0.05, abs=0.0005)


@pytest.mark.parametrize("wrong", [0.0, -0.1, float("nan")])
def test_no_width_at_all_is_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match="half_width is"):
        more_needed(0.5, 0, wrong)
