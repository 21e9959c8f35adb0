"""What a version would have cost on the ledger's own tasks, and how good it would have been.

Tasks whose arm was drawn say, by the propensities that are stored with them, what another choice
would have come to: costs of all of them, qualities of those with a label. Tasks whose arms were
forced (pins, design, a loop's own seat, a migration's side) would go the same way under any
version, and are left out and counted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from router.learning.document import Policy
from router.learning.estimates import chosen
from router.learning.off_policy import Estimate, Log, LoggedRow, NoVerdict, compare, estimate
from router.refit.choosing import Terms, weighed
from router.refit.gathering import Frame, sizes
from router.refit.making import Given
from router.refit.tasks import Came
from router.refit.thresholds import thresholds_of
from router.statistics.interval import Interval
from router.statistics.paired import paired_mean
from tercet.catalog import LOCAL
from tercet.learning import BY_TRUST, Label

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
    known = given.terms.taxonomy.names
    drawn = [task for task in given.tasks if task.draw is not None and task.is_answered]
    free = [t for t in drawn if t.draw and not t.draw.is_forced and t.kind in known]
    arms = _arms(policy, free, given.terms)
    at = [n for n, (task, arm) in enumerate(zip(free, arms, strict=True)) if _covers(task, arm)]
    covered, wanted = [free[n] for n in at], [arms[n] for n in at]
    labels = _labels(given.labels)
    return Replay(
        version=policy.version,
        thresholds=dict(thresholds_of(policy)),
        tasks=len(covered),
        forced=len(drawn) - len(free),
        outside=len(free) - len(covered),
        changed=sum(task.arm != arm for task, arm in zip(covered, wanted, strict=True)),
        cost=_told(covered, wanted, [task.nano_usd for task in covered]),
        quality=_told(covered, wanted, [labels.get((task.task_id, task.arm)) for task in covered]),
        pairs=_paired(covered, wanted, labels),
        arms={arm: wanted.count(arm) / len(wanted) for arm in dict.fromkeys(wanted)},
    )


def _covers(task: Came, arm: str) -> bool:
    return task.draw is not None and task.draw.propensities.get(arm, 0.0) > 0


def _arms(policy: Policy, tasks: Sequence[Came], terms: Terms) -> list[str]:
    """Return the arm that a version thinks best for each task, without its text.

    The local model's is left out: whether it answers is its migration's decision.
    """
    arms = policy.estimates.arms
    rules = replace(terms.rules, margins=policy.margins)
    frame = Frame(kinds=terms.taxonomy.names, arms=arms)
    seen = weighed(policy.estimates, sizes(tasks, frame), replace(terms, rules=rules))
    is_local = np.array([_is_local(arm, terms) for arm in arms], bool)
    counted = np.where(is_local, -np.inf, seen.counted)
    best = chosen(counted, seen.cost_nano_usd, policy.quality_per_nano_usd)
    return [arms[at] for at in best.tolist()]


def _is_local(arm: str, terms: Terms) -> bool:
    spec = terms.specs.get(arm)
    return spec is not None and spec.tier == LOCAL


def _labels(labels: Sequence[Label]) -> Mapping[tuple[str, str], float]:
    """Return the quality by task and arm; of two labels the more trusted counts."""
    ordered = sorted(labels, key=lambda label: -BY_TRUST.index(label.source))
    return {(label.task_id, label.arm): label.quality for label in ordered}


def _told(tasks: Sequence[Came], arms: Sequence[str], rewards: Sequence[float | None]) -> Told:
    rows = [
        LoggedRow(
            kind=task.kind,
            draw=task.draw,
            reward=float(reward),
            conversation=task.conversation or task.task_id,
        )
        for task, reward in zip(tasks, rewards, strict=True)
        if task.draw is not None and reward is not None
    ]
    kept = [arm for arm, reward in zip(arms, rewards, strict=True) if reward is not None]
    log = Log.of(rows)
    target = _target(log, kept)
    return Told(
        rows=len(rows),
        logged=float(log.rewards.mean()) if rows else None,
        replayed=estimate(log, target),
        difference=compare(log, target, log.propensities),
    )


def _target(log: Log, arms: Sequence[str]) -> NDArray[np.float64]:
    places = [log.arms.index(arm) for arm in arms]
    return np.eye(len(log.arms))[np.array(places, np.intp)]


def _paired(
    tasks: Sequence[Came], arms: Sequence[str], labels: Mapping[tuple[str, str], float]
) -> Interval:
    """Compare what was played with what would have been, one number a conversation."""
    found: dict[str, list[float]] = {}
    for task, arm in zip(tasks, arms, strict=True):
        then, now = labels.get((task.task_id, task.arm)), labels.get((task.task_id, arm))
        if then is not None and now is not None:
            found.setdefault(task.conversation or task.task_id, []).append(now - then)
    means = np.array([sum(one) / len(one) for one in found.values()], float)
    return paired_mean(means, PLANNED)
