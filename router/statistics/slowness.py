"""How long answers take at worst, whatever the distribution of their times."""

from math import inf

import numpy as np
from scipy.special import bdtr

from router.statistics.interval import Floats, checked


def percentile_bounds(seconds: Floats, share: float, level: float) -> tuple[float, float]:
    """Return between what two times a percentile is, by order statistics.

    How many of n times are below a percentile is binomial, so two of the sorted times enclose it
    (David and Nagaraja, Order Statistics, 7.1). It holds for one look, not for all together.

    Args:
        seconds: n times, of one conversation one.
        share: Which percentile: 0.95 is the 95th.
        level: How surely it is between, such as 0.95.

    Returns:
        The bounds; 0 below and infinity above where there are too few times for one.
    """
    times = np.sort(checked(seconds, "seconds", 0.0))
    for name, given in (("share", share), ("level", level)):
        if not 0.0 < given < 1.0:
            raise ValueError(f"{name} is {given}: give a number between 0 and 1")
    outside = (1.0 - level) / 2.0
    count = len(times)
    # How surely 0, 1, ... n times or fewer are below the percentile.
    at_most = bdtr(np.arange(count + 1), count, share)
    under = int(np.searchsorted(at_most, outside))
    over = int(np.searchsorted(at_most, 1.0 - outside))
    low = float(times[under - 1]) if under >= 1 else 0.0
    high = float(times[over]) if over < count else inf
    return low, high
