"""The plan's success metrics (`mission/orchestration-plan.md`) against what was measured."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from router.report.costs import Costs
from router.report.measures import Measure, amount, counted, unknown, words
from router.report.saving import Saving
from router.report.spending import TARGET_NANO_USD, Money
from tercet.learning import PolicyVersion
from tercet.leases import Lease

Status = Literal["met", "not met", "not yet known"]

BASELINE_DAYS: Final = 28.0
"""A month without the local model: whole weeks, so that no weekday counts more than another."""
LEAST_REDUCTION: Final = 0.20
"""The low end of the plan's 20 to 30 %."""
_SURE: Final = 0.999


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One of the plan's lines."""

    month: int
    plan: str
    status: Status
    measure: Measure
    says: str
    """What was measured, in words."""
    not_covered: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rented:
    """How the local model came to be there."""

    leases: Sequence[Lease]
    first_local: float | None
    """The day on which it was first asked, Unix seconds; `None`: never."""
    local_tasks: int
    """It was asked for, in all."""
    hours: float
    """That machines were paid for, in all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the plan's lines are judged by."""

    baseline: Costs
    """Before the local model was first there."""
    baseline_is_over: bool
    rows: int
    """Tasks in the ledger."""
    read: int
    """Those whose kind and route can be read."""
    handled: int
    """Answered tasks for which an attempt is there."""
    answered: int
    rented: Rented
    saving: Saving
    versions: Sequence[PolicyVersion]
    money: Money


def checklist(facts: Facts) -> tuple[Item, ...]:
    """Judge each of the plan's lines."""
    return (
        _baseline(facts),
        _logged(facts),
        _deployed(facts.rented),
        _reduced(facts.saving),
        _tuned(facts),
        _under(facts.money),
    )


def _baseline(facts: Facts) -> Item:
    costs, days = facts.baseline, facts.baseline.window.days
    is_long = days >= BASELINE_DAYS and costs.tasks > 0
    status: Status = "met" if is_long else "not met" if facts.baseline_is_over else "not yet known"
    return Item(
        month=1,
        plan="Establish cost baseline without DeepSeek",
        status=status,
        measure=costs.cost,
        says=f"{words(costs.cost)} for {costs.tasks:,} tasks in {days:.1f} days without the local "
        f"model ({BASELINE_DAYS:.0f} are wanted)",
        not_covered="what answers are worth; prices and mixes of later months, which is why the "
        "saving below is not reckoned from it",
    )


def _logged(facts: Facts) -> Item:
    rows = facts.rows + facts.answered
    share = (facts.read + facts.handled) / rows if rows else 0.0
    status: Status = "not yet known" if not facts.rows else "met" if share >= _SURE else "not met"
    return Item(
        month=1,
        plan="Log task types and model assignments",
        status=status,
        measure=counted(share, "share", facts.rows) if facts.rows else unknown("share", 0),
        says=f"{facts.read:,} of {facts.rows:,} tasks have kind and route, and {facts.handled:,} "
        f"of {facts.answered:,} answered ones their attempts (counted)",
        not_covered="whether the classifier's kinds are right: `bench/classify.py` measures that",
    )


def _deployed(rented: Rented) -> Item:
    there = rented.first_local is not None
    names = sorted({lease.provider for lease in rented.leases})
    on = f"rented at {', '.join(names)}" if names else "on a machine that was not rented through us"
    says = f"asked for {rented.local_tasks:,} tasks, {on}, {rented.hours:.1f} h paid (counted)"
    return Item(
        month=2,
        plan="Deploy DeepSeek on Vast.ai",
        status="met" if there else "not yet known",
        measure=counted(rented.local_tasks, "count"),
        says=says if there else "the local model was never asked",
        not_covered="what it is like on another machine than the one rented",
    )


def _reduced(saving: Saving) -> Item:
    found = saving.reduction_of_tier
    status: Status = "not yet known"
    if saving.treated_tasks and found.low is not None and found.high is not None:
        if found.low >= LEAST_REDUCTION:
            status = "met"
        elif found.high < LEAST_REDUCTION:
            status = "not met"
    says = f"{words(found)} of what all of the period's tier 3 would have cost, the machine paid"
    if found.value is not None:
        says += f"; of its eligible tasks alone: {words(saving.reduction)}"
    if not saving.treated_tasks:
        says = "nothing was given to the local model by chance yet, so nothing can be compared"
    return Item(
        month=2,
        plan="Achieve 20-30% cost reduction on Tier 3 tasks",
        status=status,
        measure=found if saving.treated_tasks else unknown("share", 0),
        says=says,
        not_covered=f"shadow runs and judges ({words(saving.evidence)}); tiers 1 and 2",
    )


def _tuned(facts: Facts) -> Item:
    forced = [one for one in facts.versions if one.in_force_at is not None]
    latest = max(forced, key=lambda one: one.in_force_at or 0.0, default=None)
    says = f"versions that came into force: {len(forced):,} (counted)"
    if latest is not None:
        says += f"; the latest: {latest.version}, {latest.state.replace('_', ' ')}, {latest.why}"
        says += _thresholds(latest)
    nothing = f"no version came into force ({len(facts.versions):,} were fitted)"
    return Item(
        month=3,
        plan="Fine-tune routing logic based on quality metrics",
        status="met" if forced else "not yet known",
        measure=counted(len(forced), "count"),
        says=says if forced else nothing,
        not_covered="what the version in force would have cost and been worth on past tasks: "
        "`tercet replay`",
    )


def _thresholds(version: PolicyVersion) -> str:
    """Say what of a version's thresholds was moved, if its summary tells."""
    tuning: dict[str, object] = json.loads(version.summary or "{}").get("tuning") or {}
    return f"; thresholds: {tuning['why']}" if "why" in tuning else ""


def _under(money: Money) -> Item:
    ending = money.ending
    is_over = ending.basis == "counted"
    status: Status = "not yet known"
    if (money.spent.value or 0) >= TARGET_NANO_USD:
        status = "not met"
    elif is_over:
        status = "met"
    says = f"{money.month}: {words(money.spent)}"
    if not is_over:
        says += f" so far; at its end {words(ending)}{_course(ending)}"
    return Item(
        month=3,
        plan="Target total cost under $180/month",
        status=status,
        measure=ending,
        says=f"{says}; models and rented machines, target {amount(TARGET_NANO_USD, 'nano_usd')}",
        not_covered="taxes, the gateway's own machine, and what was spent outside the gateway",
    )


def _course(ending: Measure) -> str:
    """Say where a forecast leads: a month that is not over can have met nothing yet."""
    if ending.low is None or ending.high is None:
        return ""
    if ending.high < TARGET_NANO_USD:
        return ", which is under the target"
    return ", which is over the target" if ending.low >= TARGET_NANO_USD else ", on either side"
