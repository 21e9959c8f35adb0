"""How much more has to be seen before an interval is as narrow as is wanted."""

from math import ceil

import numpy as np

from router.statistics.interval import boundary


def more_needed(spread: float, groups: int, half_width: float) -> int:
    """Return how many more groups a mean needs, with an interval planned for as many.

    Args:
        spread: Standard deviation of one group's number.
        groups: Those there are.
        half_width: What is wanted, in the same unit; above 0.
    """
    if not half_width > 0:
        raise ValueError(f"half_width is {half_width}: say how narrow it is to be, above 0")
    factor = float(boundary(np.ones(1))[0])
    return max(0, ceil((factor * spread / half_width) ** 2) - groups)
