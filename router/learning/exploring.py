"""Which arm is tried: Thompson sampling whose probabilities are known exactly.

An arm's probability is how often it would be best if each arm's quality were drawn from what is
believed of it. It is counted on fixed points, so that the same beliefs give the same probabilities
anywhere; these, with a floor under each, are what the arm is drawn by and what is logged. Nothing
random is left but the hash of the task's id.

Chance has a say only where it may: among the arms given, never with a floor of 0 (critical kinds),
and within what is left of the day's exploration budget.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from statistics import NormalDist
from typing import Self

import numpy as np
from numpy.typing import NDArray

from tercet.drawing import Draw

LEAST = 0.02
"""No arm that can be drawn is drawn with less, so that no logged row weighs more than 50."""
POINTS = 256
_SEEDS = 2**64


@dataclass(frozen=True, slots=True, kw_only=True)
class Prospect:
    """What is believed of an arm's answer to a task."""

    mean: float
    """Of its quality, 0 to 1."""
    variance: float
    """Of what is believed of that mean, not of single answers."""
    cost_nano_usd: int
    """Expected."""

    @classmethod
    def of_counts(cls, good: float, bad: float, cost_nano_usd: int) -> Self:
        """Believe Beta(good, bad): the prior's counts and the labels' together."""
        total = good + bad
        variance = good * bad / (total * total * (total + 1))
        return cls(mean=good / total, variance=variance, cost_nano_usd=cost_nano_usd)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exploration:
    """How far chance may have a say in a task."""

    floor: float
    """The share of tasks spread evenly over the arms, 0.05 to 0.10; 0: the best arm, always."""
    quality_per_nano_usd: float
    """How much quality, of 0 to 1, a nano-USD has to buy."""
    left_nano_usd: int
    """Of the day's exploration budget."""


def seed_of(task_id: str, policy_version: str) -> int:
    """Return 64 bits that are another number for each task and each version of the policy."""
    text = f"{policy_version}\n{task_id}".encode()
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big")


def draw(prospects: Mapping[str, Prospect], exploration: Exploration, seed: int) -> Draw:
    """Choose among admissible arms.

    Args:
        prospects: of every admissible arm, at least one.
        exploration: see there.
        seed: from `seed_of`.
    """
    best = best_of(prospects, exploration.quality_per_nano_usd)
    drawable, reason = _drawable(prospects, exploration, best)
    by_arm = propensities(drawable, exploration)
    arm = drawn(by_arm, seed)
    extra = prospects[arm].cost_nano_usd - prospects[best].cost_nano_usd
    return Draw(
        arm=arm,
        propensities=dict.fromkeys(prospects, 0.0) | by_arm,
        is_forced=False,
        seed=seed,
        extra_nano_usd=max(0, extra),
        reason=reason,
    )


def forced(arm: str, reason: str) -> Draw:
    """Record an arm that was not the policy's choice: no estimate learns from it."""
    return Draw(
        arm=arm,
        propensities={arm: 1.0},
        is_forced=True,
        seed=0,
        extra_nano_usd=0,
        reason=reason,
    )


def propensities(prospects: Mapping[str, Prospect], exploration: Exploration) -> dict[str, float]:
    """Return with what probability each of these arms is to be drawn, `LEAST` or more each."""
    return _floored(_matched(prospects, exploration), exploration.floor)


def best_of(prospects: Mapping[str, Prospect], quality_per_nano_usd: float) -> str:
    """Return the arm with the most quality left after its cost; of equals, the cheaper."""
    return max(
        prospects,
        key=lambda arm: (
            _worth(prospects[arm], quality_per_nano_usd),
            -prospects[arm].cost_nano_usd,
        ),
    )


def drawn(by_arm: Mapping[str, float], seed: int) -> str:
    """Return the arm that a seed falls on, arms laid end to end as they come."""
    left = seed / _SEEDS * sum(by_arm.values())
    last = ""
    for arm, propensity in by_arm.items():
        if propensity <= 0:
            continue
        left, last = left - propensity, arm
        if left < 0:
            break
    return last


def _worth(prospect: Prospect, quality_per_nano_usd: float) -> float:
    return prospect.mean - quality_per_nano_usd * prospect.cost_nano_usd


def _drawable(
    prospects: Mapping[str, Prospect], exploration: Exploration, best: str
) -> tuple[Mapping[str, Prospect], str]:
    """Return the arms chance may choose, and why those."""
    only = {best: prospects[best]}
    if len(prospects) == 1:
        return only, "one arm is admissible"
    if exploration.floor <= 0:
        return only, "the best arm: nothing is tried on tasks like this"
    if exploration.left_nano_usd <= 0:
        return only, "the best arm: the day's exploration budget is spent"
    most = prospects[best].cost_nano_usd + exploration.left_nano_usd
    within = {arm: seen for arm, seen in prospects.items() if seen.cost_nano_usd <= most}
    if len(within) < len(prospects):
        left = len(prospects) - len(within)
        return within, f"drawn: {left} arms cost more than the exploration budget has left"
    return within, "drawn"


def _matched(prospects: Mapping[str, Prospect], exploration: Exploration) -> dict[str, float]:
    """Return how often each arm is best, over fixed points."""
    if len(prospects) == 1:
        return dict.fromkeys(prospects, 1.0)
    seen = prospects.values()
    worths = np.array([_worth(one, exploration.quality_per_nano_usd) for one in seen])
    spreads = np.array([one.variance**0.5 for one in seen])
    best = (_points(len(worths)) * spreads + worths).argmax(axis=1)
    counts: list[int] = np.bincount(best, minlength=len(worths)).tolist()
    return {arm: count / POINTS for arm, count in zip(prospects, counts, strict=True)}


def _floored(shares: Mapping[str, float], floor: float) -> dict[str, float]:
    """Spread `floor` evenly, then raise whoever is below `LEAST` at the cost of the others."""
    count = len(shares)
    if count == 1:
        return dict(shares)
    least = min(LEAST, 1 / count)
    above = [max(0.0, (1 - floor) * share + floor / count - least) for share in shares.values()]
    scale = (1 - least * count) / (sum(above) or 1.0)
    return {arm: least + scale * more for arm, more in zip(shares, above, strict=True)}


@cache
def _points(arms: int) -> NDArray[np.float64]:
    """Return standard normal draws for as many arms, POINTS x arms, spread evenly.

    Multiples of irrational numbers modulo 1 (the roots of x^(d+1) = x + 1, after M. Roberts), which
    cover the cube more evenly than chance would, taken through the normal quantile.
    """
    ratio = 2.0
    for _ in range(64):
        ratio = (1 + ratio) ** (1 / (arms + 1))
    steps = ratio ** -np.arange(1.0, arms + 1)
    even = (0.5 + np.outer(np.arange(1, POINTS + 1), steps)) % 1.0
    quantile = NormalDist().inv_cdf
    return np.array([[quantile(min(max(x, 1e-6), 1 - 1e-6)) for x in row] for row in even])
