"""Two ways to reckon a saving that prove nothing, beside the one that does.

Re-pricing takes the other model to write as many tokens; before and after takes nothing else to
have changed. Both are shown because readers know them from elsewhere.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from router.refit.tasks import Came
from router.report.costs import Costs
from router.report.measures import Measure, Window, counted, unknown
from router.report.seen import Place, Tally
from tercet.catalog import LOCAL
from tercet.usage import Usage

PriceOf = Callable[[str, Usage], int | None]
"""Nano-USD of one call of a model; `None`: no price is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repriced:
    """The local model's tokens of one kind at the price of a model of the API."""

    kind: str
    attempts: int
    model: str
    """That answered most of the kind's tasks that were not treated."""
    cost: Measure


@dataclass(frozen=True, slots=True, kw_only=True)
class BeforeAfter:
    """A task's cost before and after, at the mix of the baseline's kinds."""

    before: Measure
    after: Measure
    """With the machine's bill."""
    kinds: int
    """That came in both; the others are left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Both."""

    repriced: tuple[Repriced, ...]
    repriced_total: Measure
    before_after: BeforeAfter | None
    """`None`: nothing came before or after, or no kind in both."""


def context(
    tasks: Iterable[Came], places: Mapping[Place, Tally], window: Window, price: PriceOf
) -> tuple[Repriced, ...]:
    """Price what the local model read and wrote as the models that it stands for would have."""
    answered: dict[str, Counter[str]] = defaultdict(Counter)
    for task in tasks:
        if window.has(task.at) and task.is_answered and task.route != LOCAL:
            answered[task.kind][task.models[0]] += 1
    local = defaultdict[str, Tally](Tally)
    for (kind, tier, _), tally in places.items():
        if tier == LOCAL:
            local[kind] += tally
    return tuple(
        _repriced(kind, tally, answered[kind].most_common(1)[0][0], price)
        for kind, tally in sorted(local.items())
        if answered[kind]
    )


def _repriced(kind: str, tally: Tally, model: str, price: PriceOf) -> Repriced:
    each = Usage(
        fresh_input=round(tally.read / tally.attempts), output=round(tally.written / tally.attempts)
    )
    cost = price(model, each)
    whole = unknown("nano_usd") if cost is None else counted(cost * tally.attempts, "nano_usd")
    return Repriced(kind=kind, attempts=tally.attempts, model=model, cost=whole)


def total_of(repriced: Iterable[Repriced]) -> Measure:
    """Add up what has a price."""
    return counted(sum(one.cost.value or 0 for one in repriced), "nano_usd")


def before_after(before: Costs, after: Costs, bill: int) -> BeforeAfter | None:
    """Compare two windows at the first one's mix of kinds; the bill is spread over all tasks.

    Neither may have days of the other.
    """
    then = {one.kind: one for one in before.kinds if one.tasks}
    now = {one.kind: one for one in after.kinds if one.tasks}
    both = then.keys() & now.keys()
    weights = {kind: then[kind].tasks for kind in both}
    whole = sum(weights.values())
    if not whole:
        return None

    def mean(kinds: Mapping[str, float]) -> float:
        return sum(weights[kind] * kinds[kind] for kind in both) / whole

    bill_each = bill / after.tasks
    cost_then = mean({kind: then[kind].each.value or 0.0 for kind in both})
    cost_now = mean({kind: now[kind].each.value or 0.0 for kind in both})
    return BeforeAfter(
        before=counted(cost_then, "nano_usd"),
        after=counted(cost_now + bill_each, "nano_usd"),
        kinds=len(both),
    )
