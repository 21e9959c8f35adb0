"""What work cost: by kind, by who handled it, and how long it took."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from router.refit.tasks import Came
from router.report.measures import Measure, Window, counted, unknown
from router.report.seen import Place, Tally
from router.statistics.slowness import percentile_bounds

ALL: Final = "all"
"""Kinds together."""
_LEVEL: Final = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Handled:
    """What one model did of one kind in one tier."""

    kind: str
    tier: str
    model: str
    tasks: int
    attempts: int
    cost: Measure
    share: float
    """Of the window's cost."""
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KindCost:
    """One kind of work."""

    kind: str
    tasks: int
    answered: int
    cost: Measure
    each: Measure
    """A task."""
    p50: Measure
    """Of the seconds from question to end; its interval holds at one look."""
    p95: Measure
    answered_by: Mapping[str, int]
    """Tasks by the route that was decided."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """A window's work."""

    window: Window
    tasks: int
    cost: Measure
    kinds: tuple[KindCost, ...]
    """The dearest first."""
    handled: tuple[Handled, ...]
    models: tuple[Handled, ...]
    """The same of all kinds together; the kind is `all`."""


def costs(tasks: Iterable[Came], places: Mapping[Place, Tally], window: Window) -> Costs:
    """Add up a window's tasks, and its callers' attempts by place."""
    within = [task for task in tasks if window.has(task.at)]
    by_kind: dict[str, list[Came]] = defaultdict(list)
    for task in within:
        by_kind[task.kind].append(task)
    spent = defaultdict[str, int](int)
    models = defaultdict[Place, Tally](Tally)
    for (kind, tier, model), tally in places.items():
        spent[kind] += tally.nano_usd
        models[ALL, tier, model] += tally
    whole = sum(spent.values())
    kinds = [_kind(kind, by_kind.get(kind, []), spent[kind]) for kind in {*by_kind, *spent}]
    return Costs(
        window=window,
        tasks=len(within),
        cost=counted(whole, "nano_usd"),
        kinds=tuple(sorted(kinds, key=lambda one: (-(one.cost.value or 0), one.kind))),
        handled=_handled(places, whole),
        models=_handled(models, whole),
    )


def _kind(kind: str, tasks: Sequence[Came], nano_usd: int) -> KindCost:
    seconds = np.array([task.seconds for task in tasks if task.seconds is not None], dtype=float)
    by = defaultdict[str, int](int)
    for task in tasks:
        by[task.route] += 1
    return KindCost(
        kind=kind,
        tasks=len(tasks),
        answered=sum(task.is_answered for task in tasks),
        cost=counted(nano_usd, "nano_usd"),
        each=counted(nano_usd / len(tasks), "nano_usd", len(tasks))
        if tasks
        else unknown("nano_usd"),
        p50=percentile(seconds, 0.5),
        p95=percentile(seconds, 0.95),
        answered_by=dict(sorted(by.items())),
    )


def percentile(seconds: np.ndarray, share: float) -> Measure:
    """Return a percentile of times with its 95 % bounds, which hold at one look."""
    if not len(seconds):
        return unknown("seconds", 0)
    low, high = percentile_bounds(seconds, share, _LEVEL)
    is_known = low > 0 and np.isfinite(high)
    return Measure(
        value=float(np.quantile(seconds, share)),
        unit="seconds",
        basis="interval",
        low=low if is_known else None,
        high=high if is_known else None,
        many=len(seconds),
    )


def _handled(places: Mapping[Place, Tally], whole: int) -> tuple[Handled, ...]:
    """Return what was done in each place, the dearest first."""
    dearest = sorted(places.items(), key=lambda one: (-one[1].nano_usd, one[0]))
    return tuple(
        Handled(
            kind=kind,
            tier=tier,
            model=model,
            tasks=tally.tasks,
            attempts=tally.attempts,
            cost=counted(tally.nano_usd, "nano_usd"),
            share=tally.nano_usd / whole if whole else 0.0,
            input_tokens=tally.read,
            output_tokens=tally.written,
        )
        for (kind, tier, model), tally in dearest
    )
