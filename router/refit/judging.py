"""What is known of a version beside the one in force: the evidence that the gate weighs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from router.learning.document import Policy
from router.learning.drift import Alarm
from router.learning.examples import Array, Examples
from router.learning.gating import ALL_KINDS, Evidence, Trial
from router.learning.off_policy import Estimate, Log, LoggedRow, compare
from router.refit.choosing import plan_arms, weighed
from router.refit.inheriting import with_costs
from router.refit.making import Given, Ground, ground_of
from router.refit.tasks import Came
from tercet.learning import PolicyVersion

FOLDS: Final = 3

Places = NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Sides:
    """The arms that both choose for the labelled tasks, in the order of the rows; -1: none."""

    new: Places
    old: Places


def trial_of(
    row: PolicyVersion, policy: Policy, given: Given, alarms: Sequence[Alarm] = ()
) -> Trial:
    """Return what is known of a version.

    On tasks it was fitted on it would look better than it is: what it chooses there is chosen by
    fits that had not seen them.
    """
    ground = ground_of(given, given.labels)
    rows = ground.rows.examples
    sides = _Sides(new=_chosen(policy, row.made_at, given, ground), old=_base(given, ground))
    is_free = np.array([given.terms.is_free(kind) for kind in rows.kinds], bool)
    kinds = rows.shares.argmax(axis=1)
    usable = is_free[kinds] if len(rows) else np.zeros(0, bool)
    gains, saved = _differences(rows, ground, sides)
    paired = usable & ~np.isnan(gains)
    fresh = paired & (ground.rows.at > row.changed_at)
    evidence = [
        _evidence(name, paired & which, gains, sides, rows)
        for name, which in _by_kind(rows.kinds, kinds, is_free)
    ]
    single = usable & np.isnan(gains)
    off = _off_policy(ground, single, sides, given.tasks)
    return Trial(
        state=row.state,
        share=row.share,
        evidence=[_with(one, off) for one in evidence],
        gain=float(gains[paired].mean()) if paired.any() else 0.0,
        saved_nano_usd=float(saved[paired].mean()) if paired.any() else 0.0,
        quality_per_nano_usd=policy.quality_per_nano_usd,
        fresh=int(fresh.sum()),
        alarms=alarms,
    )


def _by_kind(
    names: Sequence[str], kinds: Places, is_free: NDArray[np.bool_]
) -> list[tuple[str, NDArray[np.bool_]]]:
    own = [(name, kinds == at) for at, name in enumerate(names) if is_free[at]]
    return [*own, (ALL_KINDS, np.ones(len(kinds), bool))]


def _chosen(policy: Policy, made_at: float, given: Given, ground: Ground) -> Places:
    """Return the version's arms: by itself on what is new to it, else by fits without the task."""
    rows, terms = ground.rows.examples, given.terms
    found = _named(policy, rows, given, ground)
    seen = np.flatnonzero(ground.rows.at <= made_at)
    folds = rows.groups % FOLDS
    for fold in range(FOLDS):
        held = seen[folds[seen] == fold]
        learn = seen[folds[seen] != fold]
        if len(held) and len(learn):
            estimates = ground.fitted(rows.take(learn)).estimates
            choice = weighed(estimates, rows.take(held), terms)
            found[held] = choice.choose(policy.quality_per_nano_usd)
    return found


def _named(policy: Policy, rows: Examples, given: Given, ground: Ground) -> Places:
    """Return a policy's own choices, as places among the arms of the rows."""
    arms = ground.beliefs.arms
    places = np.array([arms.index(a) if a in arms else -1 for a in policy.estimates.arms], np.intp)
    if not len(rows):
        return np.zeros(0, np.intp)
    seen = weighed(policy.estimates, rows, given.terms)
    return places[seen.choose(policy.quality_per_nano_usd)]


def _base(given: Given, ground: Ground) -> Places:
    rows = ground.rows.examples
    if given.in_force is None:
        return plan_arms(ground.beliefs.arms, rows, given.terms)
    return _named(given.in_force, rows, given, ground)


def _differences(rows: Examples, ground: Ground, sides: _Sides) -> tuple[Array, Array]:
    """Return by task the quality won and the nano-USD saved; nan where a label is missing."""
    at = np.arange(len(rows))
    several = (~np.isnan(rows.quality)).sum(axis=1) > 1
    usable = several & (sides.new >= 0) & (sides.old >= 0)
    won = rows.quality[at, sides.new] - rows.quality[at, sides.old]
    table = with_costs(ground.beliefs, ground.costs, ground.beliefs).table
    expected = rows.shares @ table.cost_fixed + (
        rows.size_tokens[:, None] * (rows.shares @ table.cost_per_token)
    )
    cost = np.where(np.isnan(rows.cost_nano_usd), expected, rows.cost_nano_usd)
    saved = cost[at, sides.old] - cost[at, sides.new]
    return np.where(usable, won, np.nan), np.where(usable, saved, np.nan)


def _evidence(
    name: str, which: NDArray[np.bool_], gains: Array, sides: _Sides, rows: Examples
) -> Evidence:
    """Return one number for each conversation, in the order of time."""
    at = np.flatnonzero(which)
    groups = dict.fromkeys(rows.groups[at].tolist())
    means = [float(gains[at[rows.groups[at] == group]].mean()) for group in groups]
    return Evidence(
        kind=name,
        differences=np.array(means, float),
        differing=len(set(rows.groups[at[sides.new[at] != sides.old[at]]].tolist())),
    )


def _off_policy(
    ground: Ground, which: NDArray[np.bool_], sides: _Sides, tasks: Sequence[Came]
) -> dict[str, Estimate]:
    """Estimate by kind what the two would have earned on tasks with the label of one drawn arm."""
    rows, arms = ground.rows.examples, ground.beliefs.arms
    draws = {task.task_id: task.draw for task in tasks if task.draw and not task.draw.is_forced}
    logged: list[LoggedRow] = []
    used: list[int] = []
    for at in np.flatnonzero(which & (sides.new >= 0) & (sides.old >= 0)).tolist():
        draw = draws.get(ground.rows.task_ids[at])
        if draw is None or draw.arm not in arms:
            continue
        reward = float(rows.quality[at, arms.index(draw.arm)])
        if np.isnan(reward):
            continue
        used.append(at)
        kind = rows.kinds[int(rows.shares[at].argmax())]
        group = str(rows.groups[at])
        logged.append(LoggedRow(kind=kind, draw=draw, reward=reward, conversation=group))
    return _compared(Log.of(logged), np.array(used, np.intp), sides, arms) if logged else {}


def _compared(log: Log, used: Places, sides: _Sides, arms: tuple[str, ...]) -> dict[str, Estimate]:
    own = {arm: at for at, arm in enumerate(log.arms)}
    column = np.array([own.get(arm, -1) for arm in arms], np.intp)
    new, old = column[sides.new[used]], column[sides.old[used]]
    # An arm that was never drawn has no column; a task it is wanted for has nothing to say.
    tells = (new >= 0) & (old >= 0)
    found: dict[str, Estimate] = {}
    for name in (*np.unique(log.kinds).tolist(), ALL_KINDS):
        which = tells & ((log.kinds == name) | (name == ALL_KINDS))
        one = np.eye(len(log.arms))
        told = compare(log.where(which), one[new[which]], one[old[which]])
        if isinstance(told, Estimate):
            found[name] = told
    return found


def _with(evidence: Evidence, off: dict[str, Estimate]) -> Evidence:
    return Evidence(
        kind=evidence.kind,
        differences=evidence.differences,
        differing=evidence.differing,
        off_policy=off.get(evidence.kind),
    )
