"""Which arm a policy thinks best for many tasks at once: `router.learned`'s rule, without chance.

Design and critical work is left out everywhere here: the plan's rule decides on it in any case.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from router.learning.cold import ArmSpec
from router.learning.estimates import Array, Estimates, chosen
from router.learning.examples import Examples
from router.learning.weighing import cost_weight, counted
from tercet.learning import LearningRules
from tercet.taxonomy import Taxonomy


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What choosing needs beside estimates."""

    specs: Mapping[str, ArmSpec]
    taxonomy: Taxonomy
    rules: LearningRules

    def is_free(self, kind: str) -> bool:
        """Say whether tasks of a kind are left to estimates."""
        return self.taxonomy.rules_of(kind).rank > 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Weighed:
    """What is expected of each arm for each task, N x A."""

    tasks: Examples
    quality: Array
    deviation: Array
    """Of that expectation."""
    counted: Array
    """The quality that counts: up to the margin below the best's; minus infinity where an arm is
    given too little to read."""
    cost_nano_usd: Array

    def choose(self, quality_per_nano_usd: float) -> NDArray[np.intp]:
        """Return the place of the best arm for each task, N."""
        return chosen(self.counted, self.cost_nano_usd, quality_per_nano_usd)

    def within(self, rules: LearningRules) -> "Weighed":
        """Return the same with the margins of some rules: what is expected of arms has none."""
        quality = np.where(np.isneginf(self.counted), -np.inf, self.quality)
        margins = _margins(self.tasks, rules)[:, None]
        return replace(self, counted=counted(quality, self.deviation, margins))


def weighed(estimates: Estimates, tasks: Examples, terms: Terms) -> Weighed:
    """Weigh every arm for every task."""
    size = (len(tasks), len(estimates.arms))
    quality, variance, cost = np.zeros(size), np.zeros(size), np.zeros(size)
    for row in range(len(tasks)):
        kinds = dict(zip(tasks.kinds, tasks.shares[row].tolist(), strict=True))
        expected = estimates.expect(kinds, float(tasks.size_tokens[row]), tasks.sketches[row])
        quality[row], variance[row] = expected.quality, expected.variance
        cost[row] = expected.cost_nano_usd
    floors = np.array([_floor(arm, terms.specs) for arm in estimates.arms])
    is_barred = tasks.size_tokens[:, None] < floors
    return Weighed(
        tasks=tasks,
        quality=quality,
        deviation=np.sqrt(variance),
        counted=np.where(is_barred, -np.inf, quality),
        cost_nano_usd=cost,
    ).within(terms.rules)


def weight_that_fits(weighed: Weighed, most_nano_usd: float | None) -> float:
    """Return quality a nano-USD so that all tasks cost no more than they may; `None`: they may."""
    if most_nano_usd is None:
        return 0.0
    return cost_weight(weighed.counted, weighed.cost_nano_usd, most_nano_usd)


def plan_arms(arms: Sequence[str], tasks: Examples, terms: Terms) -> NDArray[np.intp]:
    """Return the arm of the plan's rule for each task, N; -1 where no arm is what it would play."""
    ranks = [terms.taxonomy.rules_of(kind).rank for kind in tasks.kinds]
    found = np.full(len(tasks), -1, np.intp)
    for row, kind in enumerate(tasks.shares.argmax(axis=1)):
        tier = "tier2" if ranks[kind] == 1 else "tier3"
        for at, arm in enumerate(arms):
            spec = terms.specs.get(arm)
            is_it = spec is not None and spec.route == spec.tier == tier and not spec.escalates_to
            if is_it and tasks.size_tokens[row] >= _floor(arm, terms.specs):
                found[row] = at
                break
    return found


def _margins(tasks: Examples, rules: LearningRules) -> Array:
    by_kind = np.array([rules.margin_of(kind) for kind in tasks.kinds])
    return by_kind[tasks.shares.argmax(axis=1)]


def _floor(arm: str, specs: Mapping[str, ArmSpec]) -> int:
    return specs[arm].from_tokens if arm in specs else 0
