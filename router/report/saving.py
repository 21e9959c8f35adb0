"""What the local model saved, from the hold-out, with the whole bill of its machine against it."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, inf, isfinite, isnan, sqrt
from typing import Final, Literal

import numpy as np

from router.migrations.levels import PriceAt, price_levels
from router.migrations.paying import PLANNED
from router.refit.tasks import Came
from router.report.measures import DAY_S, Measure, Window, counted, measured, unknown
from router.statistics.interval import Floats, Interval, Paths
from router.statistics.power import more_needed
from router.statistics.saving import (
    FEWEST,
    Assigned,
    Displaced,
    KindDisplaced,
    displaced,
    displaced_paths,
)
from tercet.migration import Assignment

HALF_WIDTH: Final = 0.05
"""What is said how many more requests it takes for."""
EXPECTED: Final = 0.25
"""The plan's 20 to 30 %: what is planned with before anything is known."""
LOOKS: Final = 30
"""Points of the picture at most."""

Pays = Literal["yes", "no", "not yet known"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KindSaving:
    """One kind of work."""

    kind: str
    eligible: int
    """Tasks that were assigned, in whatever state the kind was."""
    treated: int
    """Conversations of the local model's side, while there was a chance of either."""
    held_out: int
    """Conversations of the API's."""
    api_mean: Measure
    """Of a task that the API answered."""
    displaced: Measure
    """What the treated tasks would have cost at the API more than was paid for them."""
    bill: Measure
    """The part of the machine's bill, by the local model's output tokens."""
    net: Measure
    reduction: Measure
    """Of what the kind's eligible tasks would have cost at the API."""
    more: int | None
    """Requests until that is known to 5 points; `None`: nobody knows what they spread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """What the rented machine cost in the window, all of it."""

    busy: int = 0
    idle: int = 0
    warming: int = 0
    """Starts too that came to nothing."""
    storage: int = 0
    correction: int = 0
    hours: float = 0.0
    """That the card was paid for."""

    @property
    def total(self) -> int:
        """Return nano-USD."""
        return self.busy + self.idle + self.warming + self.storage + self.correction


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What was known at a time."""

    at: float
    net: Measure


@dataclass(frozen=True, slots=True, kw_only=True)
class Saving:
    """All kinds together."""

    window: Window
    kinds: tuple[KindSaving, ...]
    eligible: int
    treated: int
    held_out: int
    displaced: Measure
    bill: Bill
    net: Measure
    evidence: Measure
    """What shadow runs and judges cost; not in `net`."""
    net_of_evidence: Measure
    paid: Measure
    """What the eligible tasks' attempts cost."""
    reduction: Measure
    """Net of what the eligible tasks would have cost at the API."""
    reduction_of_tier: Measure
    """Net of what all of tier 3 would have: the eligible tasks and those that are not."""
    hold_out_cost: Measure
    """What was not saved because of the hold-out."""
    hold_out: float
    """The share of it."""
    more: int | None
    """Requests until `reduction` is known to 5 points; `None`: nobody knows what they spread."""
    fewest: int
    """Conversations that each side needs before there is an interval."""
    break_even: Measure
    """Treated tasks in the window from which the bill is paid."""
    treated_tasks: int
    pays: Pays
    looks: tuple[Look, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Paid:
    """What the hold-out is set against."""

    bill: Bill
    bills: Mapping[float, int]
    """Of the machine, nano-USD by the beginning of the day (Unix seconds)."""
    parts: Mapping[str, float]
    """Each kind's share of the bill."""
    evidence_nano_usd: int
    tier_nano_usd: int
    """What tasks of tier 3 cost that were not eligible."""
    hold_out: float
    price: PriceAt | None = None
    """What the API's prices were at a time; `None`: as they are."""


def saving(tasks: Sequence[Came], window: Window, paid: Paid) -> Saving:
    """Reckon the saving of a window.

    Args:
        tasks: all before the window's end, in order of time; those before it begins teach what the
            API costs.
        window: of what time.
        paid: what else was paid in it.
    """
    rows = [task for task in tasks if _counts(task, window)]
    within = [task for task in rows if window.has(task.at)]
    levels = None if paid.price is None else price_levels(rows, paid.price, window.until)
    assigned = _assigned(rows, window, levels)
    found = displaced(assigned, PLANNED)
    cost = float(sum(task.nano_usd or 0 for task in within))
    bill = paid.bill.total
    total = _bounded(found.total)
    net = total.shifted(-bill)
    share, odds = reduction(total, cost, bill), _odds(within, paid.hold_out)
    return Saving(
        window=window,
        kinds=tuple(_kinds(found, within, paid)),
        eligible=len(within),
        treated=_conversations(within, is_treated=True),
        held_out=_conversations(within, is_treated=False),
        displaced=_summed(total),
        bill=paid.bill,
        net=_summed(net),
        evidence=counted(paid.evidence_nano_usd, "nano_usd"),
        net_of_evidence=_summed(net.shifted(-paid.evidence_nano_usd)),
        paid=counted(cost, "nano_usd", len(within)),
        reduction=share,
        reduction_of_tier=reduction(total, cost + paid.tier_nano_usd, bill),
        hold_out_cost=_scaled(total, paid.hold_out / (1 - paid.hold_out)),
        hold_out=paid.hold_out,
        more=_more(share, Counter(_kind(row) for row in within), found, odds),
        fewest=FEWEST,
        break_even=_break_even(total, bill, _treated(within)),
        treated_tasks=_treated(within),
        pays=_pays(net, _treated(within)),
        looks=tuple(_looks(displaced_paths(assigned, PLANNED), rows, window, paid.bills)),
    )


def reduction(gained: Interval, paid: float, bill: float) -> Measure:
    """Return (gained - bill) as a share of what would have been paid, paid + gained.

    The share grows with what was gained wherever something would have been paid, so the ends of
    the one interval are the ends of the other.
    """

    def share(gain: float) -> float:
        whole = paid + gain
        return -inf if whole <= 0 else (gain - bill) / whole

    if paid + gained.value <= 0 or not (gained.groups or bill):
        return unknown("share", gained.groups)
    if not gained.groups:
        return counted(share(gained.value), "share")
    ends = share(gained.low) if isfinite(gained.low) else -inf
    high = share(gained.high) if isfinite(gained.high) else inf
    value = share(gained.value)
    return measured(
        Interval(value=value, low=ends, high=high, groups=gained.groups), "share", most=1.0
    )


def _counts(task: Came, window: Window) -> bool:
    """Whether a task is a row: those treated before the window began can teach nothing."""
    if task.assignment is None or task.conversation is None or task.at >= window.until:
        return False
    return window.has(task.at) or task.assignment.side != "treated"


def _assigned(rows: Sequence[Came], window: Window, levels: Floats | None) -> Assigned:
    """Return the rows as columns; what came before the window teaches, and adds nothing."""
    numbers = {name: at for at, name in enumerate(dict.fromkeys(_group(row) for row in rows))}
    given = [(row, row.assignment) for row in rows if row.assignment is not None]
    return Assigned(
        kinds=np.array([one.kind for _, one in given], dtype=np.str_),
        conversations=np.array([numbers[_group(row)] for row in rows], dtype=np.intp),
        propensities=np.array(
            [one.propensity if window.has(row.at) else 0.0 for row, one in given], dtype=float
        ),
        is_treated=np.array([one.side == "treated" for _, one in given], dtype=np.bool_),
        cost_nano_usd=np.array([row.nano_usd or 0 for row in rows], dtype=float),
        size_tokens=np.array([row.size_tokens for row in rows], dtype=float),
        price_levels=levels,
    )


def _group(row: Came) -> str:
    return row.conversation or row.task_id


def _summed(interval: Interval) -> Measure:
    """Return a sum; where nobody was treated by chance it is known without any."""
    is_by_chance = interval.groups > 0
    return measured(interval, "nano_usd") if is_by_chance else counted(interval.value, "nano_usd")


def _bounded(interval: Interval) -> Interval:
    """Return an interval of a sum; where nothing was treated it is known to be 0."""
    return replace(interval, value=0.0) if isnan(interval.value) else interval


def _treated(rows: Iterable[Came]) -> int:
    return sum(row.assignment is not None and row.assignment.side == "treated" for row in rows)


def _conversations(rows: Iterable[Came], *, is_treated: bool) -> int:
    """Return how many conversations were on a side while there was a chance of either."""
    return len(
        {
            row.conversation
            for row in rows
            if (one := row.assignment) is not None
            and one.propensity
            and (one.side == "treated") is is_treated
        }
    )


def _kinds(found: Displaced, within: Sequence[Came], paid: Paid) -> Iterable[KindSaving]:
    tasks = Counter(_kind(row) for row in within)
    costs = Counter[str]()
    for row in within:
        costs[_kind(row)] += row.nano_usd or 0
    for kind in sorted(tasks, key=lambda kind: -costs[kind]):
        one = found.by_kind[kind]
        gained, bill = _bounded(one.interval), paid.bill.total * paid.parts.get(kind, 0.0)
        share = reduction(gained, costs[kind], bill)
        is_known = not isnan(one.api_nano_usd)
        yield KindSaving(
            kind=kind,
            eligible=tasks[kind],
            treated=one.treated,
            held_out=one.held_out,
            api_mean=counted(one.api_nano_usd, "nano_usd") if is_known else unknown("nano_usd"),
            displaced=_summed(gained),
            bill=counted(bill, "nano_usd"),
            net=_summed(gained.shifted(-bill)),
            reduction=share,
            more=_more(share, {kind: tasks[kind]}, found, _odds(within, paid.hold_out, kind)),
        )


def _odds(within: Iterable[Came], hold_out: float, kind: str | None = None) -> float:
    """Return the mean odds of being treated, of tasks that might be; of none, those to come."""
    given = [
        one.propensity / (1 - one.propensity)
        for row in within
        if (one := row.assignment) is not None and one.propensity and kind in {None, one.kind}
    ]
    return sum(given) / len(given) if given else (1 - hold_out) / hold_out


def _more(share: Measure, tasks: Mapping[str, int], found: Displaced, odds: float) -> int | None:
    """Return how many more tasks of such a mix it takes until a share is known to 5 points.

    Where there is an interval, it narrows with the root of the number. Before, the spread of costs
    tells (a dollar that was displaced moves the share by one less the share), and both sides have
    to have the fewest.
    """
    many = sum(tasks.values())
    if share.low is not None and share.high is not None and share.many:
        half = (share.high - share.low) / 2
        return max(0, ceil(many * ((half / HALF_WIDTH) ** 2 - 1)))
    known = {kind: found.by_kind[kind] for kind in tasks}
    mean = sum(tasks[kind] * one.api_nano_usd for kind, one in known.items()) / many if many else 0
    if not mean > 0:
        return None
    square = sum(tasks[kind] * one.spread_nano_usd**2 for kind, one in known.items()) / many
    left = 1 - (EXPECTED if share.value is None else share.value)
    narrow = more_needed(abs(left) * sqrt(odds * square) / mean, many, HALF_WIDTH)
    return max(narrow, _until_fewest(known.values(), odds))


def _until_fewest(known: Collection[KindDisplaced], odds: float) -> int:
    """Return how many more conversations give both sides the fewest that an interval takes."""
    treated = sum(one.treated for one in known)
    held_out = sum(one.held_out for one in known)
    likely = odds / (1 + odds)
    return ceil(max((FEWEST - treated) / likely, (FEWEST - held_out) / (1 - likely), 0.0))


def _break_even(gained: Interval, bill: int, treated: int) -> Measure:
    """Return how many treated tasks pay the bill, at what each has displaced."""
    each = gained.value / treated if treated else 0.0
    if each <= 0 or not bill:
        return unknown("count")
    most = bill / (gained.low / treated) if gained.low > 0 else inf
    least = bill / (gained.high / treated) if gained.high > 0 else inf
    return measured(
        Interval(value=bill / each, low=least, high=most, groups=gained.groups), "count"
    )


def _scaled(interval: Interval, by: float) -> Measure:
    low, value, high = (by * one for one in (interval.low, interval.value, interval.high))
    return _summed(Interval(value=value, low=low, high=high, groups=interval.groups))


def _pays(net: Interval, treated: int) -> Pays:
    if not treated:
        return "not yet known"
    return "yes" if net.low > 0 else "no" if net.high < 0 else "not yet known"


def _looks(
    paths: Paths, rows: Sequence[Came], window: Window, bills: Mapping[float, int]
) -> Iterable[Look]:
    """Return what was known at the ends of days, at most so many."""
    times = np.array([row.at for row in rows])
    days = max(1, int(np.ceil(window.days)))
    for day in reversed(range(days - 1, -1, -max(1, -(-days // LOOKS)))):
        end = min(window.until, window.since + DAY_S * (day + 1))
        count = int(np.searchsorted(times, end))
        spent = sum(bill for at, bill in bills.items() if window.since <= at < end)
        until = Interval(value=0.0, low=0.0, high=0.0, groups=0)
        if count:
            until = Interval(
                value=float(paths.values[count - 1]),
                low=float(paths.lows[count - 1]),
                high=float(paths.highs[count - 1]),
                groups=int(paths.groups[count - 1]),
            )
        yield Look(at=end, net=_summed(until.shifted(-spent)))


def _kind(row: Came) -> str:
    assignment: Assignment | None = row.assignment
    return row.kind if assignment is None else assignment.kind
