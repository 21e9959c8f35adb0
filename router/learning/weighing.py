"""What of quality counts, and how much a nano-USD must buy so that a month costs what it may."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from router.learning.estimates import chosen

Floats = NDArray[np.floating]

CAREFUL: Final = 0.84
"""Standard deviations below its mean at which an arm still has to be good enough: one in five."""
_HALVINGS: Final = 60


def counted(quality: Floats, deviation: Floats, margin: Floats | float) -> Floats:
    """Return how much of each arm's quality counts: up to the margin below the best one's.

    All but the best are counted carefully, at what they reach four times in five.

    Args:
        quality: A, or N x A, expected; minus infinity for arms that may not answer.
        deviation: of that expectation.
        margin: how much quality may be lost to save money; N x 1 where it differs by task.
    """
    enough = quality.max(axis=-1, keepdims=True) - margin
    found = np.minimum(quality - CAREFUL * deviation, enough)
    best = np.argmax(quality, axis=-1, keepdims=True)
    np.put_along_axis(found, best, enough, axis=-1)
    return found


def cost_weight(quality: Floats, cost_nano_usd: Floats, most_nano_usd: float) -> float:
    """Return the least weight of cost at which all tasks together cost no more than they may.

    The dual of a knapsack: each task has the arm of the highest quality less weighted cost, and
    what they cost together falls as the weight rises.

    Args:
        quality: N x A, expected, from 0 to 1; minus infinity for arms that may not answer a task.
        cost_nano_usd: N x A, expected.
        most_nano_usd: of all tasks.

    Returns:
        Quality a nano-USD, 0 where the best arms cost no more than that; where even the cheapest
        do, the weight from which every task has its cheapest.
    """
    cost = np.where(np.isneginf(quality), np.inf, cost_nano_usd)
    if not len(cost) or _spent(quality, cost, 0.0) <= most_nano_usd:
        return 0.0
    least = float(cost.min(axis=1).sum())
    low, high = 0.0, 1.0 / max(float(cost[np.isfinite(cost)].max()), 1.0)
    while _spent(quality, cost, high) > max(most_nano_usd, least):
        low, high = high, 2 * high
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if _spent(quality, cost, middle) > max(most_nano_usd, least):
            low = middle
        else:
            high = middle
    return high


def _spent(quality: Floats, cost: Floats, weight: float) -> float:
    # An arm that may not answer has infinite cost, which times 0 is none.
    weighed = np.where(
        np.isinf(cost), -np.inf, quality - weight * np.where(np.isinf(cost), 0, cost)
    )
    arms = chosen(weighed, np.zeros_like(weighed), 0.0)
    return float(np.take_along_axis(cost, arms[:, None], axis=1).sum())
