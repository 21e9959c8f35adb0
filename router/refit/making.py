"""From labels and tasks to a candidate: pure, and the same from the same rows."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

import numpy as np

from router.learning import fitting
from router.learning.deferral import Deferral
from router.learning.document import Policy
from router.learning.estimates import Estimates
from router.learning.examples import Examples
from router.learning.fitting import Fit
from router.refit.choosing import Terms, Weighed, weighed, weight_that_fits
from router.refit.deferring import deferrals_of
from router.refit.gathering import Frame, Gathered, gathered, sizes, together
from router.refit.inheriting import believed, prior_of, with_costs
from router.refit.tasks import Came
from tercet.learning import Label
from tercet.usage import NANO_USD_PER_USD

MONTH_S: Final = 30 * 24 * 3600.0
UNSEEN_PER_USD: Final = 20.0
"""Quality that a US dollar must buy while no task tells what a month costs: a wrong answer is taken
to cost five cents."""
LEAST_PER_USD: Final = 1.0
"""Quality that a US dollar must buy however much the cap leaves: a cent a point, at most."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Given:
    """All that a refit reads."""

    labels: Sequence[Label]
    left_out: int = 0
    """Labels of simulated upstreams where real ones answered last, or the other way round."""
    tasks: Sequence[Came]
    """Of the window, the oldest first."""
    terms: Terms
    places: Mapping[str, str]
    """By arm; see `inheriting.places_of`."""
    in_force: Policy | None
    cold: Policy | None
    """Public results."""
    cap_nano_usd: int | None
    """Of a month; `None`: there is none."""
    now: float
    """Unix seconds."""

    @property
    def beliefs(self) -> tuple[Policy, ...]:
        """What is believed before the labels; the first that knows an arm counts."""
        return tuple(one for one in (self.in_force, self.cold) if one is not None)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ground:
    """What a fit stands on: rows, costs and beliefs in one frame."""

    rows: Gathered
    costs: Examples
    """Labelled rows and tasks, without their labels: for what arms cost."""
    beliefs: Estimates

    def fitted(self, examples: Examples) -> Fit:
        """Fit some of the rows; what arms cost is known from all of them."""
        found = fitting.fit(examples, prior_of(self.beliefs))
        return replace(found, estimates=with_costs(found.estimates, self.costs, self.beliefs))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Made:
    """A candidate, and what is to be said of it."""

    policy: Policy
    summary: str
    """JSON."""


def ground_of(given: Given, labels: Sequence[Label]) -> Ground:
    """Gather rows of labels, for the arms whose cost is known: others would look like gifts."""
    every = Frame(kinds=given.terms.taxonomy.names, arms=tuple(given.terms.specs))
    costs = _costs(given, gathered(labels, every), every)
    beliefs = believed(every, given.places, given.beliefs)
    tried = (~np.isnan(costs.cost_nano_usd)).any(axis=0)
    known = tried | np.isfinite(beliefs.table.cost_fixed).all(axis=0)
    arms = tuple(every.arms[at] for at in np.flatnonzero(known).tolist())
    frame = Frame(kinds=every.kinds, arms=arms)
    rows = gathered(labels, frame)
    return Ground(
        rows=rows,
        costs=_costs(given, rows, frame),
        beliefs=believed(frame, given.places, given.beliefs),
    )


def make(given: Given) -> Made:
    """Fit a candidate.

    Raises:
        ValueError: neither a belief nor a label says what any arm costs.
    """
    ground = ground_of(given, given.labels)
    frame = Frame(kinds=ground.beliefs.kinds, arms=ground.beliefs.arms)
    if not frame.arms:
        raise ValueError("no arm's cost is known: give labels a cost, or config/priors.yaml prices")
    fit = ground.fitted(ground.rows.examples)
    tasks = _free(sizes(given.tasks, frame), given.terms)
    seen = weighed(fit.estimates, tasks, given.terms)
    weight = weight_of(given, seen)
    rules = given.terms.rules
    policy = Policy(
        version=name_of(given.now),
        estimates=fit.estimates,
        deferrals=deferrals_of(given.labels, given.tasks, given.terms, weight),
        quality_per_nano_usd=weight,
        margins={kind: rules.margin_of(kind) for kind in frame.kinds},
        places={arm: given.places[arm] for arm in frame.arms if arm in given.places},
        made_from=_made_from(ground.rows.examples, given),
    )
    return Made(policy=policy, summary=json.dumps(_summary(policy, fit, given, tasks)))


def name_of(at: float) -> str:
    """Return the name of a version made at a time (Unix seconds)."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y%m%dT%H%M%S")


def weight_of(given: Given, seen: Weighed) -> float:
    """Return what a nano-USD has to buy: as it is set, or so that a month keeps its cap."""
    rules = given.terms.rules
    if rules.quality_per_nano_usd is not None:
        return rules.quality_per_nano_usd
    if not len(seen.quality):
        before = given.in_force
        return UNSEEN_PER_USD / NANO_USD_PER_USD if before is None else before.quality_per_nano_usd
    least = LEAST_PER_USD / NANO_USD_PER_USD
    if given.cap_nano_usd is None:
        return max(least, weight_that_fits(seen, None))
    # What is held to the plan is paid first.
    held = sum(t.nano_usd or 0 for t in given.tasks if not given.terms.is_free(t.kind))
    cap = given.cap_nano_usd * rules.window_s / MONTH_S
    return max(least, weight_that_fits(seen, max(0.0, cap - held)))


def _costs(given: Given, rows: Gathered, frame: Frame) -> Examples:
    labelled = set(rows.task_ids)
    others = [task for task in given.tasks if task.task_id not in labelled]
    unjudged = replace(rows.examples, quality=np.full_like(rows.examples.quality, np.nan))
    return together(unjudged, sizes(_known(others, given.terms), frame))


def _known(tasks: Sequence[Came], terms: Terms) -> list[Came]:
    return [task for task in tasks if task.kind in terms.taxonomy.names]


def _free(tasks: Examples, terms: Terms) -> Examples:
    is_free = np.array([terms.is_free(kind) for kind in tasks.kinds])
    return tasks.take(is_free[tasks.shares.argmax(axis=1)])


def _made_from(rows: Examples, given: Given) -> Mapping[str, int]:
    labelled = ~np.isnan(rows.quality)
    return {
        "tasks": len(given.tasks),
        "labelled_tasks": len(rows),
        "labels": int(labelled.sum()),
        "paired_tasks": int((labelled.sum(axis=1) > 1).sum()),
    }


def _summary(policy: Policy, fit: Fit, given: Given, tasks: Examples) -> Mapping[str, object]:
    counts: dict[str, Counter[str]] = {}
    for label in given.labels:
        counts.setdefault(label.kind, Counter())[label.arm] += 1
    before = given.in_force
    return {
        "made_from": dict(policy.made_from),
        "left_out": given.left_out,
        "believed_before": [one.version for one in given.beliefs],
        "labels": {kind: dict(sorted(counts[kind].items())) for kind in sorted(counts)},
        "head_accuracy": fit.head_accuracy,
        "residual_gains": dict(zip(policy.estimates.kinds, fit.residual_gains, strict=False)),
        "quality_per_usd": policy.quality_per_nano_usd * NANO_USD_PER_USD,
        "deferrals": {kind: _told(one) for kind, one in policy.deferrals.items()},
        "expected": _expected(policy, tasks, given.terms),
        "expected_in_force": None if before is None else _expected(before, tasks, given.terms),
    }


def _told(deferral: Deferral) -> str:
    return deferral.reasons[0] if deferral.reasons else deferral.mode


def _expected(policy: Policy, tasks: Examples, terms: Terms) -> Mapping[str, object] | None:
    """Say what a policy expects of the window's tasks, by its own estimates."""
    if not len(tasks):
        return None
    seen = weighed(policy.estimates, tasks, terms)
    arms = seen.choose(policy.quality_per_nano_usd)
    rows = np.arange(len(tasks))
    played: list[int] = arms.tolist()
    shares = Counter(policy.estimates.arms[arm] for arm in played)
    return {
        "quality": float(seen.quality[rows, arms].mean()),
        "nano_usd_a_task": round(float(seen.cost_nano_usd[rows, arms].mean())),
        "arms": {arm: count / len(tasks) for arm, count in shares.most_common()},
    }
