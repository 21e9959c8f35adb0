"""What a version would have cost on the ledger's own tasks, and how good it would have been.

Tasks whose arm was drawn say, by the propensities that are stored with them, what another choice
would have come to: costs of all of them, qualities of those with a label. Tasks whose arms were
forced (pins, design, a loop's own seat, a migration's side) would go the same way under any
version, and are left out and counted.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from router.learning.document import Policy
from router.learning.estimates import Estimates, chosen
from router.learning.off_policy import (
    Bools,
    Estimate,
    Floats,
    Log,
    LoggedRow,
    NoVerdict,
    compare,
    estimate,
)
from router.refit.choosing import Terms, Weighed, weighed
from router.refit.gathering import Frame, sizes
from router.refit.making import Given
from router.refit.tasks import Came
from router.refit.thresholds import thresholds_of
from router.statistics.interval import Interval
from router.statistics.paired import paired_mean
from tercet.catalog import LOCAL
from tercet.learning import BY_TRUST, Label, LearningRules

PLANNED = 1_000
"""Pairs at which their interval is tightest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A mean a task, as it was and as it would have been; nano-USD, or quality from 0 to 1."""

    rows: int
    logged: float | None
    """`None`: there is no row."""
    replayed: Estimate | NoVerdict
    difference: Estimate | NoVerdict
    """Replayed minus logged, on the same tasks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """A version on the ledger's tasks."""

    version: str
    thresholds: Mapping[str, float]
    tasks: int
    """That were drawn, and are covered."""
    forced: int
    """Left out: no version would have had a say."""
    outside: int
    """Left out: it would have played an arm that could not be drawn there."""
    changed: int
    """Of `tasks`, those on another arm than the logged one."""
    cost: Told
    quality: Told
    pairs: Interval
    """Of the quality, on tasks that have a label for both arms: no estimate, but the difference."""
    arms: Mapping[str, float] = field(default_factory=dict[str, float])
    """Which share of the tasks each arm would have had."""


def replay(policy: Policy, given: Given) -> Replay:
    """Replay a version; the same rows say the same."""
    return Rows.of(policy.estimates, given).replay(policy)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rows:
    """The tasks that were drawn, n, as some estimates see them: for all thresholds there may be."""

    forced: int
    """Left out."""
    arms: tuple[str, ...]
    """A, of the estimates."""
    seen: Weighed
    cost: Log
    quality: Log
    """The same rows with the quality that was seen as their reward."""
    labels: Floats
    """n x A: the quality seen of each arm; NaN: none was."""
    is_local: Bools
    """A. Whether the local model answers is its migration's decision, and no version's."""
    rules: LearningRules

    @classmethod
    def of(cls, estimates: Estimates, given: Given) -> Self:
        """Weigh every arm for every task, without its text."""
        terms, arms, known = given.terms, estimates.arms, given.terms.taxonomy.names
        drawn = [task for task in given.tasks if task.draw is not None and task.is_answered]
        free = [t for t in drawn if t.draw and not t.draw.is_forced and t.kind in known]
        labels = _labels(given.labels)
        quality = [[labels.get((task.task_id, arm), np.nan) for arm in arms] for task in free]
        return cls(
            forced=len(drawn) - len(free),
            arms=arms,
            seen=weighed(estimates, sizes(free, Frame(kinds=known, arms=arms)), terms),
            cost=_log(free, [task.nano_usd for task in free]),
            quality=_log(free, [labels.get((task.task_id, task.arm)) for task in free]),
            labels=np.array(quality, float).reshape(len(free), len(arms)),
            is_local=np.array([_is_local(arm, terms) for arm in arms], bool),
            rules=terms.rules,
        )

    def replay(self, policy: Policy) -> Replay:
        """Replay a version that has these estimates."""
        best = self._best(policy)
        log = self.cost
        plays = [[float(arm == one) for one in log.arms] for arm in self.arms]
        target = np.array(plays, np.float64).reshape(len(self.arms), len(log.arms))[best]
        covered = (target * log.propensities).sum(axis=1) > 0
        is_other = covered & (target[np.arange(len(log)), log.chosen] == 0)
        at: list[int] = best[covered].tolist()
        wanted = Counter(self.arms[one] for one in at)
        return Replay(
            version=policy.version,
            thresholds=dict(thresholds_of(policy)),
            tasks=int(covered.sum()),
            forced=self.forced,
            outside=int((~covered).sum()),
            changed=int(is_other.sum()),
            cost=_told(log, target, covered),
            quality=_told(self.quality, target, covered),
            pairs=self._paired(best, covered),
            arms={arm: count / wanted.total() for arm, count in wanted.items()},
        )

    def _best(self, policy: Policy) -> NDArray[np.intp]:
        """Return the place of the arm that a version thinks best for each task."""
        seen = self.seen.within(replace(self.rules, margins=policy.margins))
        counted = np.where(self.is_local, -np.inf, seen.counted)
        return chosen(counted, seen.cost_nano_usd, policy.quality_per_nano_usd)

    def _paired(self, best: NDArray[np.intp], covered: Bools) -> Interval:
        """Compare what was played with what would have been, one number a conversation."""
        difference = self.labels[np.arange(len(best)), best] - self.quality.rewards
        which = covered & ~np.isnan(difference)
        _, of = np.unique(self.quality.conversations[which], return_inverse=True)
        return paired_mean(np.bincount(of, difference[which]) / np.bincount(of), PLANNED)


def _is_local(arm: str, terms: Terms) -> bool:
    spec = terms.specs.get(arm)
    return spec is not None and spec.tier == LOCAL


def _labels(labels: Sequence[Label]) -> Mapping[tuple[str, str], float]:
    """Return the quality by task and arm; of two labels the more trusted counts."""
    ordered = sorted(labels, key=lambda label: -BY_TRUST.index(label.source))
    return {(label.task_id, label.arm): label.quality for label in ordered}


def _log(tasks: Sequence[Came], rewards: Sequence[float | None]) -> Log:
    return Log.of(
        LoggedRow(
            kind=task.kind,
            draw=task.draw,
            reward=reward,
            conversation=task.conversation or task.task_id,
        )
        for task, reward in zip(tasks, rewards, strict=True)
        if task.draw is not None
    )


def _told(log: Log, target: Floats, covered: Bools) -> Told:
    which = covered & ~np.isnan(log.rewards)
    log, target = log.where(which), target[which]
    return Told(
        rows=len(log),
        logged=float(log.rewards.mean()) if len(log) else None,
        replayed=estimate(log, target),
        difference=compare(log, target, log.propensities),
    )
