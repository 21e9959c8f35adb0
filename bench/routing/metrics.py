"""The metrics, on plain arrays: curves of (USD a question, mean quality)."""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from bench.routing.dataset import Array

Points = list[tuple[float, float]]
ARENA_BETA = 0.1
ARENA_DEAREST, ARENA_CHEAPEST = 200.0, 0.0044  # USD a thousand questions


def frontier(costs: ArrayLike, qualities: ArrayLike) -> Points:
    """Return the non-decreasing convex hull from the cheapest point to the best, by cost.

    Between two points of it lies what mixing the two at random gives.
    """
    points = zip(np.asarray(costs).tolist(), np.asarray(qualities).tolist(), strict=True)
    hull: Points = []
    for cost, quality in sorted(points, key=lambda point: (point[0], -point[1])):
        if hull and quality <= hull[-1][1]:
            continue
        while len(hull) > 1 and _is_under(hull[-2], hull[-1], (cost, quality)):
            hull.pop()
        hull.append((cost, quality))
    return hull


def aiq(hull: Points, lo: float, hi: float, *, is_log: bool = False) -> float:
    """Return the mean quality under a hull between two costs, on linear or log cost.

    A hull that ends before `hi` goes on flat. One that begins after `lo` (in a resample: every
    curve holds the cheapest model) is met from the origin: no answer is free and worth nothing.
    """
    if hi <= lo:
        return at(hull, hi)
    area = 0.0
    for (c0, q0), (c1, q1) in pairwise(_between(hull, lo, hi)):
        if is_log:
            slope = (q1 - q0) / (c1 - c0)
            area += (q0 - slope * c0) * math.log(c1 / c0) + q1 - q0
        else:
            area += (c1 - c0) * (q0 + q1) / 2
    return area / (math.log(hi / lo) if is_log else hi - lo)


def at(hull: Points, cost: float) -> float:
    """Return a hull's quality at a cost."""
    if cost >= hull[-1][0]:
        return hull[-1][1]
    hull = _from_origin(hull, cost)
    return float(np.interp(cost, [c for c, _ in hull], [q for _, q in hull]))


def cost_at(hull: Points, quality: float) -> float | None:
    """Return the least cost at which a hull reaches a quality; None where it never does."""
    if hull[-1][1] < quality:
        return None
    if hull[0][1] >= quality:
        return hull[0][0]
    return float(np.interp(quality, [q for _, q in hull], [c for c, _ in hull]))


def arena(quality: float, usd: float) -> float:
    """Return RouterArena's score of a mean quality at so many USD a question."""
    per_thousand = min(max(usd * 1000, ARENA_CHEAPEST), ARENA_DEAREST)
    thrift = math.log2(ARENA_DEAREST / per_thousand) / math.log2(ARENA_DEAREST / ARENA_CHEAPEST)
    return (1 + ARENA_BETA) * quality * thrift / max(ARENA_BETA * quality + thrift, 1e-12)


def deferral(margin: Array, strong: Array, weak: Array) -> Array:
    """Return mean quality by how many questions go to the strong arm, 0 to n, surest first."""
    order = np.argsort(-margin, kind="stable")
    gain = np.concatenate([[0.0], np.cumsum((strong - weak)[order])])
    return np.asarray((weak.sum() + gain) / len(weak))


def apgr(curve: Array) -> float | None:
    """Return the mean share of the gap closed over the share of strong calls; None without a gap.

    1 is the strong arm's quality throughout; random calls give 0.5; more than 1 is possible where
    the weak arm is right and the strong one wrong.
    """
    gap = curve[-1] - curve[0]
    if gap <= 0:
        return None
    share = (curve - curve[0]) / gap
    return float((share[:-1] + share[1:]).mean() / 2)


def cpt(curve: Array, level: float) -> float | None:
    """Return the least share of strong calls that closes `level` of the gap; None without a gap."""
    gap = curve[-1] - curve[0]
    if gap <= 0:
        return None
    return float(np.argmax((curve - curve[0]) / gap >= level - 1e-12) / (len(curve) - 1))


def interval(draws: Sequence[float] | Array) -> tuple[float, float]:
    """Return the middle 95 % of draws."""
    lo, hi = np.quantile(np.asarray(draws), [0.025, 0.975])
    return float(lo), float(hi)


def _is_under(
    left: tuple[float, float], middle: tuple[float, float], right: Sequence[float]
) -> bool:
    return (middle[1] - left[1]) * (right[0] - left[0]) <= (right[1] - left[1]) * (
        middle[0] - left[0]
    )


def _from_origin(hull: Points, cost: float) -> Points:
    if hull[0][0] <= cost:
        return hull
    points = [(0.0, 0.0), *hull]
    return frontier([c for c, _ in points], [q for _, q in points])


def _between(hull: Points, lo: float, hi: float) -> Points:
    hull = _from_origin(hull, lo)
    inner = [point for point in hull if lo < point[0] < hi]
    return [(lo, at(hull, lo)), *inner, (hi, at(hull, hi))]
