"""Two answers to the same task, compared: how much better is the one than the other on average?"""

from math import inf
from typing import Final

import numpy as np

from router.statistics.interval import Floats, Interval, Paths, boundary, checked, checked_plan

FEWEST: Final = 20
"""Pairs before an interval says anything."""
_PSEUDO: Final = 4.0
"""Differences of one point, half of them each way, that the variance begins with: a run of equal
answers does not prove that all are."""
_BET: Final = 0.6
"""The share of what may be staked that is bet on each loss: about best for differences with a
standard deviation of a half, of which 20 points are lost."""


def paired_mean(differences: Floats, planned: int) -> Interval:
    """Return the mean difference of the pairs so far.

    The truth it is an interval for is the running average of what each pair's difference was to be
    expected to be: it may drift, and gates may act on it.

    Args:
        differences: n, in order of time: quality of the one minus quality of the other, -1 to 1;
            of one conversation one.
        planned: For how many pairs the interval is to be narrowest.
    """
    return paired_paths(differences, planned).last()


def paired_paths(differences: Floats, planned: int) -> Paths:
    """Return the same after each pair, arrays of n."""
    seen = checked(differences, "differences", -1.0, 1.0)
    checked_plan(planned)
    count = np.arange(1, len(seen) + 1)
    means = np.cumsum(seen) / count
    variance = (np.cumsum(seen**2) + _PSEUDO) / (count + _PSEUDO) - means**2
    radius = np.sqrt(variance / count) * boundary(count / planned)
    radius[: FEWEST - 1] = inf
    return Paths(values=means, lows=means - radius, highs=means + radius, groups=count)


def degraded(differences: Floats, margin: float) -> float:
    """Return the natural log of the odds that at some time a loss beyond the margin began.

    An e-detector (Shin, Ramdas and Rinaldo, arXiv 2203.03532): of all moments since which one could
    have bet on a loss beyond `margin`, the fortune of the luckiest. While no pair is expected to
    lose more, a bet from any one moment on is expected to win nothing.

    Args:
        differences: n, in order of time, -1 to 1; of one conversation one.
        margin: What may be lost, 0 to below 1.
    """
    path = degraded_path(differences, margin)
    return float(path[-1]) if len(path) else 0.0


def degraded_path(differences: Floats, margin: float) -> Floats:
    """Return the same after each pair: n."""
    seen = checked(differences, "differences", -1.0, 1.0)
    if not 0.0 <= margin < 1.0:
        raise ValueError(f"margin is {margin}: give the quality that may be lost, 0 to below 1")
    won = np.cumsum(np.log1p(_BET * (-margin - seen) / (1.0 + margin)))
    return won - np.minimum.accumulate(np.append(0.0, won)[:-1])
