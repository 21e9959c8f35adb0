"""The ledger's rows -> what is known of each kind, on which it is decided."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Final, cast

import numpy as np

from deployments.ledger.inspection import Inspection
from router.migrations.deciding import Bounds, KindEvidence, floor, next_step
from router.migrations.levels import PriceAt
from router.migrations.pairing import Pairs, of_kind, pairs_of
from router.migrations.paying import (
    KindTasks,
    bill_a_month,
    displaced_by_kind,
    monthly,
    parts,
    side_of,
    tasks_of,
    times_a_month,
)
from router.migrations.runs import MONTH_S, Run, runs
from router.refit.tasks import Came, came
from router.statistics.interval import Interval
from router.statistics.power import more_needed
from router.statistics.saving import KindDisplaced
from router.statistics.slowness import percentile_bounds
from tercet.catalog import LOCAL
from tercet.leases import Span
from tercet.migration import JudgeAudit, LeftReason, MigrationRules, Sample, Verdict
from tercet.task import TaskKind

_PERCENTILE: Final = 0.95
_SURELY: Final = 0.999
"""Of a percentile's bounds: they are for one look, and there are many."""
_LEAST_ROOM: Final = 0.001
"""Of the mean quality above what is needed: with less, no number of pairs is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """What the ledger has of kinds that may move."""

    runs: Mapping[TaskKind, Run]
    tasks: Sequence[Came]
    samples: Sequence[Sample]
    audits: Sequence[JudgeAudit]
    spans: Sequence[Span]


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """By what and when it is looked at."""

    rules: MigrationRules
    has_local: bool
    price: PriceAt
    now: float
    """Unix seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """All that was found out of a kind; money is nano-USD."""

    evidence: KindEvidence
    run: Run
    by: Mapping[Verdict, int]
    """Compared answers, by who compared them."""
    left: Mapping[LeftReason, int]
    """Answers that were to be compared and were not, by the reason."""
    audits: int
    """Of the judges that compared."""
    is_corrected: bool
    """Whether what judges said is corrected by them; otherwise it is taken as it was said."""
    bias: float
    """What they say too much of the local model."""
    spread: float
    """Of the differences."""
    more_pairs: int | None
    """Until the next step's quality is sure if things stay as they are; `None`: never, or none."""
    tasks_a_month: float
    """Eligible."""
    displaced: KindDisplaced | None
    """So far."""
    machine_nano_usd: float | None
    """Of the machines' bill of a month, as it would be shared with all kinds promoted that are
    under way; `None`: it is not."""

    @property
    def document(self) -> Mapping[str, object]:
        """Return it for JSON; what is not known is null."""
        return {name: _plain(one) for name, one in asdict(self).items()}


def read(books: Inspection, given: Given) -> Rows:
    """Read what the kinds are decided on."""
    found = runs(given.rules.kinds, books.transitions())
    since = min((_needed(run, given.now) for run in found.values()), default=given.now)
    begun = [run.begun for run in found.values() if run.begun is not None]
    return Rows(
        runs=found,
        tasks=list(came(books.tasks(round(since * 1e9)))),
        samples=books.samples(min(begun, default=given.now)),
        audits=books.audits(0.0),
        spans=books.spans(),
    )


def known(rows: Rows, given: Given) -> Mapping[TaskKind, Known]:
    """Return what is known of each kind."""
    tasks = {
        kind: tasks_of(kind, rows.tasks, run.since(given.now), given.now)
        for kind, run in rows.runs.items()
    }
    found = displaced_by_kind(tasks.values(), given.price, given.now)
    bills = _bills(rows, tasks, given)
    return {
        kind: _known(rows, tasks[kind], _Money(found.get(kind), bills.get(kind)), given)
        for kind in rows.runs
    }


@dataclass(frozen=True, slots=True)
class _Money:
    displaced: KindDisplaced | None
    machine_nano_usd: float | None


def _needed(run: Run, now: float) -> float:
    """Return from when on tasks are read: those before a run show what the API costs."""
    return run.since(now) - (0.0 if run.begun is None else MONTH_S)


def _known(rows: Rows, tasks: KindTasks, money: _Money, given: Given) -> Known:
    run, rules = rows.runs[tasks.kind], given.rules
    margin = rules.margin_of(tasks.kind)
    begun = given.now if run.begun is None else run.begun
    samples = of_kind(rows.samples, tasks.kind, begun)
    pairs = pairs_of(samples, [row for row in rows.audits if row.kind == tasks.kind])
    evidence = KindEvidence(
        kind=tasks.kind,
        state=run.migration.state,
        share=run.migration.share,
        since=run.migration.since,
        now=given.now,
        has_local=given.has_local,
        baseline_tasks=_baseline(tasks.tasks),
        pairs=len(pairs.differences),
        fresh=pairs.fresh(run.migration.since),
        quality=pairs.quality(margin),
        alarm=pairs.alarm(margin),
        saving=_saving(tasks, money, rules.hold_out),
        treated_tasks=len(tasks.treated),
        base_p95_s=_p95(task for task in tasks.of_run if side_of(task) != "treated"),
        treated_p95_s=_treated_p95(tasks, samples),
    )
    return Known(
        evidence=evidence,
        run=run,
        by=pairs.by,
        left=pairs.left,
        audits=len(pairs.errors),
        is_corrected=pairs.is_corrected,
        bias=pairs.bias,
        spread=pairs.spread,
        more_pairs=_more_pairs(evidence, pairs, rules),
        tasks_a_month=tasks.a_month,
        displaced=money.displaced,
        machine_nano_usd=money.machine_nano_usd,
    )


def _baseline(tasks: Iterable[Came]) -> int:
    return sum(
        task.is_answered and task.assignment is not None and task.assignment.state == "baseline"
        for task in tasks
    )


def _saving(tasks: KindTasks, money: _Money, hold_out: float) -> Interval | None:
    if money.displaced is None or money.machine_nano_usd is None:
        return None
    gross = monthly(tasks, money.displaced, hold_out)
    return None if gross is None else gross.shifted(-money.machine_nano_usd)


def _more_pairs(evidence: KindEvidence, pairs: Pairs, rules: MigrationRules) -> int | None:
    step = next_step(evidence, rules)
    if step is None or evidence.state == "baseline":
        return None
    missing = max(0, rules.least_pairs - evidence.fresh)
    least = floor(step[1], rules.margin_of(evidence.kind))
    if evidence.quality.low > least:
        return missing
    room = evidence.quality.value - least
    if not room > _LEAST_ROOM:
        return None
    return max(missing, more_needed(pairs.spread, evidence.pairs, room))


def _bills(
    rows: Rows, tasks: Mapping[TaskKind, KindTasks], given: Given
) -> Mapping[TaskKind, float]:
    """Return the part of each kind that is under way in the machines' bill of a month."""
    under_way = [
        kind
        for kind, run in rows.runs.items()
        if run.migration.state in {"shadow", "canary", "promoted"}
    ]
    if not under_way:
        return {}
    since = min(tasks[kind].since for kind in under_way)
    each = {kind: _seconds_of_one(rows, tasks[kind]) for kind in under_way}
    seen = [one for one in each.values() if one is not None]
    usual = sum(seen) / len(seen) if seen else 0.0
    named = sum(
        task.seconds or 0.0
        for task in rows.tasks
        if task.route == LOCAL and task.assignment is None and task.at >= since
    )
    return parts(
        bill_a_month(rows.spans, since, given.now),
        {kind: tasks[kind].a_month * (usual if one is None else one) for kind, one in each.items()},
        named * times_a_month(since, given.now),
    )


def _seconds_of_one(rows: Rows, tasks: KindTasks) -> float | None:
    """Return how long the local model works for one task of a kind; `None`: it never did."""
    of_run = [task.seconds for task in tasks.treated if task.seconds is not None]
    shadow = [
        row.tested_s
        for row in of_kind(rows.samples, tasks.kind, tasks.since)
        if row.tested_s is not None and row.side != "treated"
    ]
    seconds = of_run + shadow
    return sum(seconds) / len(seconds) if seconds else None


def _treated_p95(tasks: KindTasks, samples: Sequence[Sample]) -> Bounds | None:
    treated = _p95(tasks.treated)
    if treated is not None:
        return treated
    return _bounds({row.conversation: row.tested_s for row in reversed(samples)})


def _p95(tasks: Iterable[Came]) -> Bounds | None:
    return _bounds(
        {
            task.assignment.conversation: task.seconds
            for task in reversed(list(tasks))
            if task.is_answered and task.assignment is not None
        }
    )


def _bounds(by_conversation: Mapping[str, float | None]) -> Bounds | None:
    """Return between what the percentile is: of a conversation its first time counts."""
    seconds = [one for one in by_conversation.values() if one is not None]
    if not seconds:
        return None
    return percentile_bounds(np.array(seconds, np.float64), _PERCENTILE, _SURELY)


def _plain(value: object) -> object:
    """Return a value as JSON has it: no infinity, and no number that is none."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in cast("dict[str, object]", value).items()}
    if isinstance(value, tuple):
        return [_plain(one) for one in cast("tuple[object, ...]", value)]
    return None if isinstance(value, float) and not isfinite(value) else value
