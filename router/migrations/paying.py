"""Tasks of kinds and the bill of rented machines -> what moving each kind saves a month.

What was displaced is told from conversations that chance assigned, whoever answered them in the
end. From it goes the whole bill of the machines: the kinds under way share it by the seconds the
local model would work for each a month if all of them were promoted, beside what callers ask of it
by name.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from router.migrations.levels import PriceAt, price_levels
from router.migrations.runs import MONTH_S
from router.refit.tasks import Came
from router.statistics.interval import Floats, Interval
from router.statistics.saving import Assigned, KindDisplaced, displaced
from tercet.leases import Span
from tercet.migration import Assignment
from tercet.task import TaskKind

PLANNED = 1_000
"""Treated conversations for which the interval is to be narrowest."""
_LEAST_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class KindTasks:
    """The tasks of one kind that were assigned, in order of time."""

    kind: TaskKind
    tasks: Sequence[Came]
    """Ended, and since the run's beginning, or before it while nothing was treated."""
    since: float
    """From when on they are the run's."""
    now: float

    @property
    def of_run(self) -> Sequence[Came]:
        """Those of the run."""
        return [task for task in self.tasks if task.at >= self.since]

    @property
    def treated(self) -> Sequence[Came]:
        """Those of the run that the local model was to answer."""
        return [task for task in self.of_run if side_of(task) == "treated"]

    @property
    def a_month(self) -> float:
        """How many come in 30 days."""
        of_run = self.of_run
        if not of_run:
            return 0.0
        return len(of_run) * times_a_month(of_run[0].at, self.now)


def times_a_month(since: float, now: float) -> float:
    """Return how often a time goes into 30 days; one shorter than a day is taken for a day."""
    return MONTH_S / max(now - since, _LEAST_S)


def side_of(task: Came) -> str | None:
    """Return which side a task was on; `None`: on none."""
    return None if task.assignment is None else task.assignment.side


def tasks_of(kind: TaskKind, tasks: Iterable[Came], since: float, now: float) -> KindTasks:
    """Return the assigned tasks of a kind.

    Of runs before, only those count that could not be treated: they show what the API costs.
    """
    return KindTasks(
        kind=kind,
        tasks=[
            task
            for task in tasks
            if (assigned := task.assignment) is not None
            and assigned.kind == kind
            and task.seconds is not None
            and (task.at >= since or assigned.propensity == 0)
        ],
        since=since,
        now=now,
    )


def displaced_by_kind(
    kinds: Iterable[KindTasks], price: PriceAt, now: float
) -> Mapping[TaskKind, KindDisplaced]:
    """Return what was displaced of each kind so far; nothing is known of one without a task."""
    of_kinds = (task for kind in kinds for task in kind.tasks)
    rows = [
        (task, task.assignment)
        for task in sorted(of_kinds, key=lambda task: task.at)
        if task.assignment is not None
    ]
    if not rows:
        return {}
    levels = price_levels([task for task, _ in rows], price, now)
    return displaced(_assigned(rows, levels), PLANNED).by_kind


def monthly(of_kind: KindTasks, found: KindDisplaced, hold_out: float) -> Interval | None:
    """Return what a kind would displace in 30 days where it is promoted, in nano-USD."""
    treated = len(of_kind.treated)
    if not treated:
        return None
    by = of_kind.a_month * (1 - hold_out) / treated
    seen = found.interval
    return replace(seen, value=seen.value * by, low=seen.low * by, high=seen.high * by)


def bill(spans: Iterable[Span], since: float, until: float) -> float:
    """Return what rented machines cost in a time, in nano-USD.

    A correction is of a whole month and makes every hour of it dearer or cheaper alike.
    """
    within: dict[str, float] = {}
    accrued: dict[str, int] = {}
    booked: dict[str, int] = {}
    for span in spans:
        booked[span.month] = booked.get(span.month, 0) + span.nano_usd
        if span.state != "correction":
            accrued[span.month] = accrued.get(span.month, 0) + span.nano_usd
            part = span.nano_usd * _within(span, since, until)
            within[span.month] = within.get(span.month, 0.0) + part
    return sum(part * booked[month] / (accrued[month] or 1) for month, part in within.items())


def bill_a_month(spans: Iterable[Span], since: float, now: float) -> float:
    """Return the same for 30 days, as it has been since a time."""
    return bill(spans, since, now) * times_a_month(since, now)


def parts(whole: float, seconds: Mapping[TaskKind, float], named: float) -> Mapping[str, float]:
    """Share a bill by seconds of work; `""` is what callers named, and all of it comes to `whole`.

    Args:
        whole: nano-USD.
        seconds: a month, by kind.
        named: a month, of what callers ask of the local model by name.
    """
    weights = {**seconds, "": named}
    total = sum(weights.values())
    if not total:
        # Nothing was asked of the machines yet, and they are there for these kinds.
        weights = dict.fromkeys(seconds, 1.0) or {"": 1.0}
        total = float(len(weights))
    return {name: whole * weight / total for name, weight in weights.items()}


def _within(span: Span, since: float, until: float) -> float:
    """Return which share of a span is in a time."""
    begin, end = span.since_ns / 1e9, span.accrued_ns / 1e9
    if end <= begin:
        return float(since <= begin < until)
    return max(0.0, min(end, until) - max(begin, since)) / (end - begin)


def _assigned(rows: Sequence[tuple[Came, Assignment]], levels: Floats | None) -> Assigned:
    names = [of.conversation for _, of in rows]
    return Assigned(
        kinds=np.array([of.kind for _, of in rows]),
        conversations=np.unique(names, return_inverse=True)[1],
        propensities=np.array([of.propensity for _, of in rows]),
        is_treated=np.array([of.side == "treated" for _, of in rows]),
        # Nothing was sent where nothing is booked, and it has ended.
        cost_nano_usd=np.array([float(task.nano_usd or 0) for task, _ in rows]),
        size_tokens=np.array([float(task.size_tokens) for task, _ in rows]),
        price_levels=levels,
    )
