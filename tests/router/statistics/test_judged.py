from math import inf

import numpy as np
import pytest

from bench.intervals import differences
from router.statistics.judged import corrected
from router.statistics.paired import paired_mean

SAID = np.array([1.0, 0.0] * 50)
FLATTERS = np.array([1.0, 0.0, 0.0, 0.0] * 25)


def test_what_the_judge_says_too_much_is_taken_off() -> None:
    assert corrected(SAID, FLATTERS, planned=100).value == 0.25


def test_the_interval_has_what_the_audits_leave_open() -> None:
    # Variance (25 + 2) / 102 - 1 / 16 of 100, times 2.24: 0.1011, beside what the pairs leave.
    plain, seen = paired_mean(SAID, 100), corrected(SAID, FLATTERS, 100)
    assert (seen.high - seen.value) ** 2 == pytest.approx(
        (plain.high - plain.value) ** 2 + 0.1011**2, abs=0.0002
    )


def test_too_few_audits_leave_all_open() -> None:
    seen = corrected(SAID, FLATTERS[:19], planned=100)
    assert (seen.value, seen.low, seen.high, seen.groups) == (0.5, -inf, inf, 100)


def test_too_few_pairs_leave_all_open() -> None:
    seen = corrected(SAID[:19], FLATTERS, planned=100)
    assert (seen.low, seen.high) == (-inf, inf)


def test_an_error_beyond_two_points_is_refused() -> None:
    with pytest.raises(ValueError, match=r"errors\[0\] is 2.5"):
        corrected(SAID, np.array([2.5]), planned=100)


def test_the_truth_is_inside_though_the_judge_is_biased() -> None:
    rng, held = np.random.default_rng(4), []
    for _ in range(300):
        truth = differences(rng, 0.0, 0.2, 1_100)
        said = np.clip(truth + differences(rng, 0.1, 0.2, 1_100), -1.0, 1.0)
        errors = (said - truth)[:100]
        looks = [corrected(said[100:][:at], errors, 1_000) for at in (50, 200, 1_000)]
        held.append(all(one.low <= 0.0 <= one.high for one in looks))
    assert np.mean(held) >= 0.94
