"""Intervals for one look at a set whose size does not depend on what was seen, such as a suite.

Unlike those of `interval`, they do not hold for someone who looks again and again and stops at what
pleases.
"""

from math import inf, sqrt

import numpy as np
from scipy.special import betaincinv, stdtrit

from router.statistics.interval import Floats, checked

LEVEL = 0.95


def proportion_bounds(passed: float, groups: int) -> tuple[float, float]:
    """Return the bounds of a share, 0 to 1, by Clopper and Pearson (Biometrika 1934).

    Args:
        passed: Sum over the groups of what each came to, 0 to 1. Where that is a fraction, a mean
            of several answers, the bounds are wider than they need be.
        groups: Those there are.
    """
    if not 0 <= passed <= groups:
        raise ValueError(f"passed is {passed} of {groups} groups: give a number from 0 to as many")
    tail = (1 - LEVEL) / 2
    low = float(betaincinv(passed, groups - passed + 1, tail)) if passed > 0 else 0.0
    high = float(betaincinv(passed + 1, groups - passed, 1 - tail)) if passed < groups else 1.0
    return low, high


def mean_bounds(values: Floats) -> tuple[float, float]:
    """Return the bounds of a mean by Student's t; infinite for fewer than two values."""
    seen = checked(values, "values")
    if len(seen) < 2:
        return -inf, inf
    radius = float(stdtrit(len(seen) - 1, (1 + LEVEL) / 2)) * float(np.std(seen, ddof=1))
    radius /= sqrt(len(seen))
    return float(seen.mean()) - radius, float(seen.mean()) + radius
