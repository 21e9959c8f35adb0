"""Paired bootstrap over groups: the same resamples for every policy, choices as they were made."""

from collections.abc import Iterator, Sequence

import numpy as np

from bench.routing.dataset import Array, Index
from bench.routing.metrics import aiq, frontier

AT_ONCE = 250


def resamples(groups: Index, count: int, seed: int) -> Iterator[Array]:
    """Yield row weights that sum to 1, up to 250 resamples at a time (R x n)."""
    _, place = np.unique(groups, return_inverse=True)
    size = int(place.max()) + 1
    rng = np.random.default_rng(seed)
    for begin in range(0, count, AT_ONCE):
        drawn = rng.multinomial(size, np.full(size, 1 / size), min(AT_ONCE, count - begin))
        weights = drawn[:, place].astype(np.float32)
        yield weights / weights.sum(axis=1, keepdims=True)


def aiq_draws(
    curves: Sequence[tuple[Array, Array]],
    groups: Index,
    span: tuple[float, float],
    *,
    count: int,
    seed: int,
) -> Array:
    """Return AIQ of each curve in each resample (curves x count).

    A curve is (quality, USD) by point and row, P x n. The range of costs stays that of all rows: it
    is part of the metric, not of the sample.
    """
    pairs = [(q.astype(np.float32).T, c.astype(np.float32).T) for q, c in curves]
    found: list[list[float]] = [[] for _ in pairs]
    for weights in resamples(groups, count, seed):
        for draws, (quality, cost) in zip(found, pairs, strict=True):
            right, spent = (weights @ quality).tolist(), (weights @ cost).tolist()
            draws += [aiq(frontier(c, q), *span) for c, q in zip(spent, right, strict=True)]
    return np.array(found)
