"""How the month's money is doing, and what a policy may do with what is left."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from random import Random

from tercet.budget import MONTH, Balance
from tercet.forecast import INTERVAL_FROM_DAYS, RANGE_FROM_DAYS, Forecast, forecast
from tercet.ledger import Spending, month_begin, month_end, month_of
from tercet.pacing import share_by_now
from tercet.rules import BudgetRules

NORMAL, COST_WEIGHS_MORE, NO_PREMIUM, CHEAPEST, LOCAL_ONLY, CLOSED = range(1, 7)
"""The steps of the ladder."""
HELD_COUNTS_FROM = CHEAPEST
"""From this step on, what attempts under way may still cost counts as spent. Not for the last:
holds end, mostly with money to spare, and until then the ledger refuses what has no room."""
SEED = 1
"""The same draws every time: the forecast moves with what is spent, never by chance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """The month at one moment: the snapshot that policies, headers and the page read."""

    month: str
    """In UTC, as `2026-11`."""
    cap_nano_usd: int | None
    """`None`: the month has no cap, and every step is the first."""
    spent_nano_usd: int
    held_nano_usd: int
    """The most that attempts under way may still cost."""
    forecast: Forecast | None
    """`None`: nothing has been spent in the last 35 days."""
    step: int
    """Of the ladder: 1 normal, 2 cost weighs more, 3 no premium tier but for the kinds of the
    allow-list, 4 cheapest model or local, 5 local only, 6 nothing until the reset."""
    why: str
    """What put it on this step, in words."""
    cost_weight: float
    """From 1 up: what a policy multiplies cost by when it weighs it against quality."""
    resets_at: float
    """Unix seconds: 00:00 UTC on the first of the next month."""

    @classmethod
    def normal(cls, at: float = 0.0) -> "Outlook":
        """Return the outlook of a month without a cap in which nothing has been spent."""
        return cls(
            month=month_of(at),
            cap_nano_usd=None,
            spent_nano_usd=0,
            held_nano_usd=0,
            forecast=None,
            step=NORMAL,
            why="the month has no cap",
            cost_weight=1.0,
            resets_at=month_end(at),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Gauge:
    """One measure of the month, as a share of its cap, and the steps that begin on it."""

    share: float
    begins: Mapping[int, float]
    says: str

    def step(self, before: int, margin: float) -> int:
        """Return the highest step begun, or not yet left."""
        return max(
            (
                step
                for step, begin in self.begins.items()
                if self.share >= begin - (margin if step <= before else 0)
            ),
            default=NORMAL,
        )


def outlook(
    spending: Spending, rules: BudgetRules, at: float, before: Outlook | None = None
) -> Outlook:
    """Judge the month's spending at `at`.

    Args:
        spending: the ledger's snapshot.
        rules: the caps and where the steps begin.
        at: Unix seconds.
        before: the last outlook: a step it was on is left a margin below where it began.
    """
    cap = rules.caps.get(MONTH)
    balance = spending.balances.get(MONTH, Balance())
    resets_at = _end_of(spending.month)
    # A snapshot from before the month's edge is judged by its own month.
    at = min(at, resets_at - 1)
    calm = Outlook(
        month=spending.month,
        cap_nano_usd=cap,
        spent_nano_usd=balance.spent,
        held_nano_usd=balance.held,
        forecast=forecast(spending, at, Random(SEED)),  # noqa: S311  no secret
        step=NORMAL,
        why="the month has no cap",
        cost_weight=1.0,
        resets_at=resets_at,
    )
    if cap is None:
        return calm
    if before is None or (before.month, before.cap_nano_usd) != (calm.month, cap):
        before = calm
    return _judged(calm, rules, share_by_now(spending.hours, at), before)


def _judged(calm: Outlook, rules: BudgetRules, pace: float, before: Outlook) -> Outlook:
    """Put the month on the highest step that any gauge asks for."""
    spent = _of_cap(calm.spent_nano_usd, calm)
    gauges = _gauges(calm, rules, spent - pace)
    step, gauge = max(
        ((gauge.step(before.step, rules.margin), gauge) for gauge in gauges),
        key=lambda found: found[0],
    )
    if step == NORMAL:
        return replace(calm, why=f"{spent:.1%} of the month's cap is spent")
    why = (
        f"{gauge.says.format(f'{gauge.share:.1%}')}; step {step} begins at {gauge.begins[step]:.0%}"
    )
    bucket = max(1, _bucket(spent - pace, rules, before.cost_weight))
    weight = min(rules.most_weight, 1 + bucket * rules.weight_per_bucket)
    return replace(calm, step=step, why=why, cost_weight=weight)


def _gauges(calm: Outlook, rules: BudgetRules, ahead: float) -> tuple[_Gauge, ...]:
    """Read every gauge; of those that ask for the same step, the first gives the reason."""
    spent = calm.spent_nano_usd
    final, early = "{} of the month's cap is spent", rules.spent_from
    return (
        _Gauge(share=_of_cap(spent, calm), begins={CLOSED: 1.0}, says=final),
        _Gauge(
            share=_of_cap(spent + calm.held_nano_usd, calm),
            begins={step: share for step, share in early.items() if step >= HELD_COUNTS_FROM},
            says="{} of the month's cap is spent or held",
        ),
        _Gauge(
            share=_of_cap(spent, calm),
            begins={step: share for step, share in early.items() if step < HELD_COUNTS_FROM},
            says=final,
        ),
        _Gauge(
            share=_of_cap(0 if calm.forecast is None else calm.forecast.high, calm),
            begins=_trusted(calm.forecast, rules.forecast_from),
            says="the forecast goes up to {} of the month's cap",
        ),
        _Gauge(
            share=ahead,
            begins={COST_WEIGHS_MORE: rules.pace_bucket},
            says="spending is {} of the month's cap ahead of its pace",
        ),
    )


def _trusted(seen: Forecast | None, begins: Mapping[int, float]) -> Mapping[int, float]:
    """Return the steps a forecast is good enough for: a guess is for none, a range for one."""
    if seen is None or seen.days < RANGE_FROM_DAYS:
        return {}
    if seen.days < INTERVAL_FROM_DAYS:
        return {step: share for step, share in begins.items() if step == COST_WEIGHS_MORE}
    return begins


def _bucket(ahead: float, rules: BudgetRules, last_weight: float) -> int:
    """Return how many buckets spending is ahead of its pace; one is left by the margin."""
    last = round((last_weight - 1) / rules.weight_per_bucket)
    entered = math.floor(ahead / rules.pace_bucket)
    kept = math.floor((ahead + rules.margin) / rules.pace_bucket)
    return max(entered, min(kept, last))


def _of_cap(nano_usd: int, calm: Outlook) -> float:
    return nano_usd / calm.cap_nano_usd if calm.cap_nano_usd else 1.0


def _end_of(month: str) -> float:
    return month_end(month_begin(month))
