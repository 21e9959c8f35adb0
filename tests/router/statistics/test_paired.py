from math import inf, isnan, log, nan

import numpy as np
import pytest

from bench.intervals import ALARM, FALL_AT, MARGIN, PAIRED, PLANNED, Pairs
from router.statistics.paired import (
    FEWEST,
    degraded,
    degraded_path,
    paired_mean,
    paired_paths,
)

HALF_WON = np.array([1.0, 0.0] * 10)
NOTHING = np.array([], dtype=np.float64)


def test_a_mean_of_twenty_has_the_interval_by_hand() -> None:
    # Variance (10 + 4) / 24 - 1 / 4 of 20, times 3.364 at a fifth of the plan.
    seen = paired_mean(HALF_WON, planned=100)
    assert (seen.value, seen.groups) == (0.5, 20)
    assert (seen.low, seen.high) == pytest.approx((0.0657, 0.9343), abs=0.0002)


def test_fewer_pairs_say_nothing_yet() -> None:
    seen = paired_mean(HALF_WON[: FEWEST - 1], planned=100)
    assert (seen.value, seen.low, seen.high) == (10 / 19, -inf, inf)


def test_no_pair_has_no_mean() -> None:
    seen = paired_mean(NOTHING, planned=100)
    assert isnan(seen.value)
    assert (seen.low, seen.high, seen.groups) == (-inf, inf, 0)


def test_a_run_of_equal_answers_leaves_room_for_unequal_ones() -> None:
    seen = paired_mean(np.zeros(100), planned=1_000)
    assert (seen.low, seen.high) == pytest.approx((-0.0756, 0.0756), abs=0.0001)


def test_who_is_compared_with_whom_is_but_a_sign() -> None:
    seen = np.random.default_rng(1).uniform(-1.0, 0.5, 60)
    one, other = paired_mean(seen, 100), paired_mean(-seen, 100)
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low))


def test_a_look_is_what_the_path_was_then() -> None:
    seen = np.random.default_rng(1).uniform(-1.0, 0.5, 60)
    path, look = paired_paths(seen, 100), paired_mean(seen[:40], 100)
    assert (path.values[39], path.lows[39], path.highs[39]) == pytest.approx(
        (look.value, look.low, look.high)
    )


@pytest.mark.parametrize("wrong", [nan, 1.5, -inf])
def test_what_is_no_difference_is_refused(wrong: float) -> None:
    for reckon in (lambda seen: paired_mean(seen, 10), lambda seen: degraded(seen, 0.05)):
        with pytest.raises(ValueError, match="differences"):
            reckon(np.array([wrong]))


def test_a_plan_for_no_pairs_is_refused() -> None:
    with pytest.raises(ValueError, match="planned is 0"):
        paired_mean(HALF_WON, planned=0)


@pytest.mark.parametrize(
    "world", ["alike, 20 % unequal", "40 points worse", "3 % lost", "30 points lost midway"]
)
def test_the_truth_is_inside_at_all_looks_together(world: str) -> None:
    rng, held = np.random.default_rng(3), []
    for _ in range(300):
        seen, truth = PAIRED[world].drawn(rng)
        path = paired_paths(seen, PLANNED)
        held.append(bool(((path.lows <= truth) & (truth <= path.highs)).all()))
    assert np.mean(held) >= 0.94


def test_a_model_three_points_below_the_margin_is_hardly_ever_taken_for_one_above() -> None:
    rng, world = np.random.default_rng(3), PAIRED["8 points worse"]
    taken = [
        bool((paired_paths(world.drawn(rng)[0], PLANNED).lows > -MARGIN).any()) for _ in range(300)
    ]
    assert np.mean(taken) <= 0.05


def test_losses_add_up_and_wins_end_a_stretch() -> None:
    # A loss wins 0.6 * 0.95 / 1.05 of what is had, a win leaves 0.4 of it.
    assert degraded_path(np.array([-1.0, -1.0, 1.0, 1.0, -1.0]), 0.05).tolist() == pytest.approx(
        [0.4336, 0.8673, -0.0490, -0.9163, 0.4336], abs=0.0001
    )


def test_without_a_pair_the_odds_are_even() -> None:
    assert degraded(NOTHING, 0.05) == 0.0


def test_a_margin_of_everything_is_refused() -> None:
    with pytest.raises(ValueError, match="margin is 1"):
        degraded(HALF_WON, 1.0)


def test_good_pairs_hardly_ever_alarm_in_a_month() -> None:
    rng, good = np.random.default_rng(3), Pairs(mean=0, unequal=0.25)
    alarmed = [
        bool((degraded_path(good.drawn(rng, 2_000)[0], MARGIN) > log(ALARM)).any())
        for _ in range(400)
    ]
    assert np.mean(alarmed) <= 0.03


def test_a_fall_of_twenty_points_is_found_within_a_hundred_pairs() -> None:
    rng = np.random.default_rng(3)
    falls = Pairs(mean=0, unequal=0.25, then=(FALL_AT, -0.2, 0.29))
    delays = []
    for _ in range(300):
        over = degraded_path(falls.drawn(rng)[0], MARGIN) > log(ALARM)
        delays.append(int(over.argmax()) - FALL_AT if over.any() else 10_000)
    assert np.median(delays) <= 100
