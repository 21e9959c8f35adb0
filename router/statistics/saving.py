"""What the local model saved the API of, from conversations that chance assigned to it.

Each eligible task has a propensity p, its conversation's chance to be treated. What the treated
tasks would have cost at the API is not known; the tasks that the API answered show it, each for
p / (1 - p) treated ones. From both, a prediction m is taken off that was made from earlier
conversations alone, so that the two sides' tasks need not be alike (Robins, Rotnitzky and Zhao
1994; `facts/ops-cost.md` B2):

    displaced = sum of (1 - A) * p / (1 - p) * (Y - m) - A * (Y - m)

With Y0 for the cost at the API, that is off the truth, the sum of A * (Y0 - Y), by the sum of
(Y0 - m) * ((1 - A) * p / (1 - p) - A). Only the assignment is chance in it: its mean is 0 and its
variance (Y0 - m)^2 * p / (1 - p), whatever m is and however prices or the mix change. So the
spread of Y - m is learned from all that the API ever answered, before anything was treated too: an
interval does not wait for a dear conversation to be held out. What is learned so holds for later
costs too where a change of prices is told (`price_levels`). Tasks of one conversation share their
fate; by how much that widens things is measured on the same residuals.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf, nan, sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

from router.statistics.interval import (
    Floats,
    Interval,
    Paths,
    boundary,
    checked,
    checked_plan,
)

FEWEST: Final = 30
"""Conversations on each side, while there was a chance of either, before an interval is given."""
_STRENGTH: Final = 20.0
"""Tasks that all kinds' mean counts for in a kind's, and no slope in a slope."""

Bools = NDArray[np.bool_]
Ints = NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Assigned:
    """Assigned tasks in order of time, a column each: n rows."""

    kinds: NDArray[np.str_]
    """n."""
    conversations: Ints
    """n; rows with one number are of one conversation."""
    propensities: Floats
    """n; of being treated, at that moment: 0 to below 1."""
    is_treated: Bools
    """n; as assigned, whoever answered."""
    cost_nano_usd: Floats
    """n; what the task cost, without the GPU's bill."""
    size_tokens: Floats
    """n; how much there was to read."""
    price_levels: Floats | None = None
    """n; how dear the API was at the time, above 0 and 1 today, so that what it cost before teaches
    what it costs now. `None`: prices have not changed."""

    def __post_init__(self) -> None:
        count = len(self.kinds)
        columns = (
            self.conversations,
            self.propensities,
            self.is_treated,
            self.cost_nano_usd,
            self.size_tokens,
            self.price_levels,
        )
        if any(column is not None and column.shape != (count,) for column in columns):
            raise ValueError(f"columns differ in length from the {count} kinds: give each n rows")
        checked(self.cost_nano_usd, "cost_nano_usd")
        checked(self.size_tokens, "size_tokens", 0.0)
        checked(self.propensities, "propensities", 0.0, float(np.nextafter(1.0, 0.0)))
        if self.price_levels is not None:
            checked(self.price_levels, "price_levels", float(np.nextafter(0.0, 1.0)))
        impossible = self.is_treated & (self.propensities == 0)
        if impossible.any():
            raise ValueError(
                f"row {int(impossible.argmax())} is treated with propensity 0: it was not assigned "
                "by chance, leave it out"
            )

    def __len__(self) -> int:
        return len(self.kinds)


@dataclass(frozen=True, slots=True, kw_only=True)
class KindDisplaced:
    """What was displaced of one kind."""

    interval: Interval
    """Of the sum in nano-USD."""
    treated: int
    """Conversations."""
    held_out: int
    """Conversations that the API answered though they might have been treated."""
    api_nano_usd: float
    """Mean cost of a task that the API answered; NaN: it answered none."""
    spread_nano_usd: float
    """Standard deviation of such a cost from what was predicted, with what conversations add."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Displaced:
    """What the API would have cost more than what was paid, for the tasks that were treated."""

    total: Interval
    """Of the sum over all kinds, in nano-USD."""
    by_kind: Mapping[str, KindDisplaced]
    """Each one's interval holds with 95 % by itself."""


def displaced(rows: Assigned, planned: int) -> Displaced:
    """Return what was displaced, in all and by kind.

    Args:
        rows: All that were assigned, those with propensity 0 too: they teach what the API costs.
        planned: Tasks treated with even odds for which the intervals are to be narrowest; the tasks
            expected of a month will do.
    """
    seen = _Seen.of(rows)
    return Displaced(
        total=_course(seen, seen.all_rows, planned).paths.last(),
        by_kind={kind: _of_kind(seen, mine, planned) for kind, mine in seen.rows_of.items()},
    )


def displaced_paths(rows: Assigned, planned: int) -> Paths:
    """Return the total over all kinds after each row, arrays of n."""
    seen = _Seen.of(rows)
    return _course(seen, seen.all_rows, planned).paths


def displaced_paths_by_kind(rows: Assigned, planned: int) -> Mapping[str, Paths]:
    """Return the same for each kind, likewise after each row of any kind."""
    seen = _Seen.of(rows)
    return {
        kind: _course(seen, mine, planned).paths.spread_over(mine, len(rows))
        for kind, mine in seen.rows_of.items()
    }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Seen:
    """The rows with what is reckoned of each: n rows."""

    conversations: Ints
    is_treated: Bools
    may_be: Bools
    """Whether its propensity is above 0."""
    cost: Floats
    rows_of: Mapping[str, Ints]
    """By kind, its rows."""
    residuals: Floats
    """Cost less its prediction, at today's prices."""
    steps: Floats
    """What it adds to the sum."""
    variances: Floats
    """What it adds to the sum's variance, by all residuals of its kind so far."""
    seen_variances: Floats
    """The same by its own residual alone, which counts for those of treated tasks; 0 of those."""

    @classmethod
    def of(cls, rows: Assigned) -> "_Seen":
        level = np.ones(len(rows)) if rows.price_levels is None else rows.price_levels
        kinds, at = np.unique(rows.kinds, return_inverse=True)
        rows_of = {str(kind): np.flatnonzero(at == place) for place, kind in enumerate(kinds)}
        cost = rows.cost_nano_usd / level
        residuals = cost - _predicted(rows, cost, rows_of.values())
        odds = rows.propensities / (1.0 - rows.propensities)
        squares = np.where(rows.is_treated, 0.0, residuals**2)
        variances = np.empty(len(rows))
        for mine in rows_of.values():
            mean = np.cumsum(squares[mine]) / np.maximum(np.cumsum(~rows.is_treated[mine]), 1)
            so_far = np.cumsum((odds * level**2)[mine]) * mean
            variances[mine] = np.diff(so_far, prepend=0.0)
        return cls(
            conversations=rows.conversations,
            is_treated=rows.is_treated,
            may_be=odds > 0,
            cost=rows.cost_nano_usd,
            rows_of=rows_of,
            residuals=residuals,
            steps=np.where(rows.is_treated, -1.0, odds) * residuals * level,
            variances=variances,
            seen_variances=squares * level**2 * odds / (1.0 - rows.propensities),
        )

    @property
    def all_rows(self) -> Ints:
        return np.arange(len(self.steps))


def _predicted(rows: Assigned, cost: Floats, kinds: Iterable[Ints]) -> Floats:
    """Return what each task should cost at the API, by what it answered before the conversation.

    A line in the tokens to read for each kind, drawn to all kinds' mean and to a level one.
    """
    _, first, numbers = np.unique(rows.conversations, return_index=True, return_inverse=True)
    begun = first[numbers]
    answered = np.flatnonzero(~rows.is_treated)
    size = rows.size_tokens
    sums = np.stack([np.ones(len(rows)), size, cost, size * cost, size**2])
    number, _, total, _, _ = _before(sums, answered, begun)
    overall = total / np.maximum(number, 1.0)
    predicted = np.empty(len(rows))
    for mine in kinds:
        line = _before(sums, mine[~rows.is_treated[mine]], begun[mine])
        predicted[mine] = _on_line(line, overall[mine], size[mine])
    return predicted


def _before(columns: Floats, chosen: Ints, rows: Ints) -> Floats:
    """Return for each of `rows` the columns' sums over the chosen rows before it."""
    sums = np.zeros((len(columns), len(chosen) + 1))
    np.cumsum(columns[:, chosen], axis=1, out=sums[:, 1:])
    return sums[:, np.searchsorted(chosen, rows)]


def _on_line(sums: Floats, overall: Floats, size: Floats) -> Floats:
    """Return the costs of tasks of one kind by the sums before each.

    Args:
        sums: 5 x n: how many, their sizes, their costs, size times cost, size squared.
        overall: n; mean cost of all kinds.
        size: n.
    """
    number, sizes, costs, products, squares = sums
    middle = sizes / np.maximum(number, 1.0)
    scatter = squares - middle * sizes + _STRENGTH * middle**2
    slope = (products - middle * costs) / np.maximum(scatter, 1.0)
    mean = (costs + _STRENGTH * overall) / (number + _STRENGTH)
    return mean + slope * (size - middle)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Course:
    """How things stood after each of m rows."""

    paths: Paths
    treated: Ints
    """m; conversations so far."""
    held_out: Ints
    """m; likewise."""
    spread: Floats
    """m; of a cost from its prediction, as variance."""


def _course(seen: _Seen, rows: Ints, planned: int) -> _Course:
    is_treated, may_be = seen.is_treated[rows], seen.may_be[rows]
    conversations = seen.conversations[rows]
    residuals = np.where(is_treated, 0.0, seen.residuals[rows])
    squares = np.cumsum(residuals**2)
    # Conversations' sums squared, over the sum of squares.
    shared = 2.0 * np.cumsum(residuals * _earlier(conversations, residuals))
    widened = np.maximum(1.0 + shared / np.where(squares > 0, squares, 1.0), 1.0)
    spread = widened * squares / np.maximum(np.cumsum(~is_treated), 1)
    # With luck no dear conversation was held out: then what all of them showed is more, and it
    # is less when costs have risen.
    variance = widened * np.maximum(
        np.cumsum(seen.variances[rows]), np.cumsum(seen.seen_variances[rows])
    )
    treated = _distinct(conversations, may_be & is_treated)
    held_out = _distinct(conversations, may_be & ~is_treated)
    radius = _radius(variance, spread * checked_plan(planned))
    is_early = np.minimum(treated, held_out) < FEWEST
    radius[is_early & np.logical_or.accumulate(may_be)] = inf
    values = np.cumsum(seen.steps[rows])
    return _Course(
        paths=Paths(
            values=values,
            lows=values - radius,
            highs=values + radius,
            groups=_distinct(conversations, may_be),
        ),
        treated=treated,
        held_out=held_out,
        spread=spread,
    )


def _earlier(conversations: Ints, values: Floats) -> Floats:
    """Return for each row the sum of the earlier ones of its conversation."""
    order = np.argsort(conversations, kind="stable")
    ordered = conversations[order]
    before = np.cumsum(values[order]) - values[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=ordered[:1] - 1))
    before -= np.repeat(before[starts], np.diff(starts, append=len(order)))
    earlier = np.empty(len(order))
    earlier[order] = before
    return earlier


def _distinct(conversations: Ints, which: Bools) -> Ints:
    """Return by each row how many conversations had a row where `which` is true."""
    chosen = np.flatnonzero(which)
    is_first = np.zeros(len(which), dtype=np.intp)
    is_first[chosen[np.unique(conversations[chosen], return_index=True)[1]]] = 1
    return np.cumsum(is_first)


def _radius(variance: Floats, planned: Floats) -> Floats:
    """Return how far off a sum may be; 0 without variance."""
    is_known = variance > 0
    times = np.divide(variance, planned, out=np.ones_like(variance), where=is_known)
    return np.where(is_known, np.sqrt(variance) * boundary(times), 0.0)


def _of_kind(seen: _Seen, rows: Ints, planned: int) -> KindDisplaced:
    course = _course(seen, rows, planned)
    answered = rows[~seen.is_treated[rows]]
    return KindDisplaced(
        interval=course.paths.last(),
        treated=int(course.treated[-1]),
        held_out=int(course.held_out[-1]),
        api_nano_usd=float(seen.cost[answered].mean()) if len(answered) else nan,
        spread_nano_usd=sqrt(course.spread[-1]),
    )
