"""The rows of a ledger -> everything that a report says, as values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf
from typing import Final

from router.books.machines import Part
from router.migrations.levels import PriceAt
from router.refit.tasks import Came
from router.report.board import Board, board
from router.report.checklist import Facts, Item, Rented, checklist
from router.report.composed import Arms, Composed, composed
from router.report.context import Context, before_after, context, total_of
from router.report.costs import Costs, costs
from router.report.easy import Belief, Benchmark, Pattern, benchmarks, local_qualities, patterns
from router.report.honesty import Honesty, honesty
from router.report.measures import DAY_S, Window
from router.report.quality import Judged, Quality, quality
from router.report.saving import Bill, Paid, Saving, saving
from router.report.seen import Seen
from router.report.spending import Money, MonthOf, money
from tercet.accrual import HOUR_NS
from tercet.catalog import LOCAL
from tercet.learning import PolicyVersion
from tercet.leases import Lease
from tercet.migration import MigrationRules, Transition
from tercet.taxonomy import Taxonomy

BASELINE_MOST_DAYS: Final = 31
"""A baseline is no longer than a month: prices and mixes drift."""


@dataclass(frozen=True, kw_only=True)
class Given:
    """All that a report is made from."""

    period: str
    """Its name, such as `2026-12`."""
    window: Window
    """Whole UTC days but for the last, which ends now at the latest."""
    now: float
    tasks: Sequence[Came]
    """All before the window's end, in order of time."""
    rows: int
    """Rows of those, with the ones that cannot be read."""
    seen: Seen
    """Of all attempts before the window's end."""
    parts: Sequence[Part]
    """Of rented machines."""
    leases: Sequence[Lease]
    transitions: Sequence[Transition]
    judged: Judged
    arms: Arms
    versions: Sequence[PolicyVersion]
    month: MonthOf
    rules: MigrationRules
    taxonomy: Taxonomy
    tier_models: frozenset[str]
    """Routes that are of tier 3: its name, and models that it alone seats."""
    belief: Belief
    price: PriceAt

    @cached_property
    def bills(self) -> Mapping[float, int]:
        """Return what machines cost by the beginning of the day, Unix seconds."""
        found: dict[float, int] = {}
        for part in self.parts:
            day = _day(part.span.since_ns / 1e9)
            found[day] = found.get(day, 0) + part.nano_usd
        return found

    @cached_property
    def local_since(self) -> float | None:
        """Return the day on which the local model first was there; `None`: it never was."""
        days = [day * DAY_S for day in self.seen.local_days]
        days += [_day(lease.opened_at) for lease in self.leases]
        return min((day for day in days if day < self.window.until), default=None)

    @cached_property
    def baseline(self) -> Window:
        """Return the window before the local model was there: at most a month, of whole days."""
        first = _day(self.tasks[0].at) if self.tasks else self.window.since
        until = self.window.until if self.local_since is None else self.local_since
        since = max(first, _day(until - BASELINE_MOST_DAYS * DAY_S))
        return Window(since=min(since, until), until=until)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything that is said, with how it is known."""

    period: str
    window: Window
    made_at: float
    phase: str
    has_local: bool
    """Whether the local model was ever there."""
    items: tuple[Item, ...]
    baseline: Costs
    costs: Costs
    """Of the window."""
    patterns: tuple[Pattern, ...]
    """Of the baseline; of the window where there was none."""
    benchmarks: tuple[Benchmark, ...]
    saving: Saving
    context: Context
    quality: Quality
    board: Board
    compositions: Composed
    money: Money
    honesty: Honesty


def report(given: Given) -> Report:
    """Reckon everything."""
    window, base = given.window, given.baseline
    places = given.seen.places(window)
    before = costs(given.tasks, given.seen.places(base), base)
    during = costs(given.tasks, places, window)
    saved = saving(given.tasks, window, _paid(given))
    spent = money(given.month, given.seen.spent_by_day(), given.bills)
    labels = given.judged.labels
    local = local_qualities(given.judged.samples, labels, given.taxonomy, given.belief)
    priced = context(
        given.tasks, places, window, lambda model, usage: given.price(model, usage, window.until)
    )
    return Report(
        period=given.period,
        window=window,
        made_at=given.now,
        phase=given.rules.phase,
        has_local=given.local_since is not None,
        items=checklist(_facts(given, before, saved, spent)),
        baseline=before,
        costs=during,
        patterns=patterns(given.tasks, base if before.tasks else window, local, given.rules.kinds),
        benchmarks=benchmarks(labels),
        saving=saved,
        context=Context(
            repriced=priced,
            repriced_total=total_of(priced),
            before_after=before_after(before, _after(given), saved.bill.total),
        ),
        quality=quality(given.judged, given.tasks, window, given.rules, given.now),
        board=board(
            given.transitions,
            given.rules.kinds,
            Window(since=min(base.since, window.since), until=window.until),
        ),
        compositions=composed(given.judged, given.arms, given.now),
        money=spent,
        honesty=honesty(
            given.seen.checks_in(window), places, window, given.rows - len(given.tasks)
        ),
    )


def _after(given: Given) -> Costs:
    """Return the costs of what of the window is after the baseline."""
    since = max(given.window.since, given.baseline.until)
    after = Window(since=since, until=max(since, given.window.until))
    return costs(given.tasks, given.seen.places(after), after)


def _facts(given: Given, before: Costs, saved: Saving, spent: Money) -> Facts:
    answered = [task for task in given.tasks if task.is_answered]
    every = Window(since=-inf, until=inf)
    local = sum(
        tally.tasks for (_, tier, _), tally in given.seen.places(every).items() if tier == LOCAL
    )
    return Facts(
        baseline=before,
        baseline_is_over=given.local_since is not None,
        rows=given.rows,
        read=len(given.tasks),
        handled=sum(task.nano_usd is not None for task in answered),
        answered=len(answered),
        rented=Rented(
            leases=given.leases,
            first_local=min((day * DAY_S for day in given.seen.local_days), default=None),
            local_tasks=local,
            hours=_bill(given, every).hours,
        ),
        saving=saved,
        versions=given.versions,
        money=spent,
    )


def _paid(given: Given) -> Paid:
    evidence = given.seen.evidence_in(given.window).values()
    return Paid(
        bill=_bill(given, given.window),
        bills=given.bills,
        parts=_parts(given),
        evidence_nano_usd=sum(tally.nano_usd for tally in evidence),
        tier_nano_usd=sum(
            task.nano_usd or 0
            for task in given.tasks
            if task.assignment is None
            and given.window.has(task.at)
            and task.route in given.tier_models
        ),
        hold_out=given.rules.hold_out,
        price=given.price,
    )


def _bill(given: Given, window: Window) -> Bill:
    sums = dict.fromkeys(("busy", "idle", "warming", "storage", "correction"), 0)
    card_ns = 0
    for part in given.parts:
        if window.has(part.span.since_ns / 1e9):
            sums[part.use] += part.nano_usd
            card_ns += part.ns if part.use in {"busy", "idle", "warming"} else 0
    return Bill(**sums, hours=card_ns / HOUR_NS)


def _parts(given: Given) -> Mapping[str, float]:
    """Return each kind's share of the machine, by the tokens that the local model wrote for it.

    Where it wrote none the kinds that may move share it alike: it is there for them.
    """
    written: dict[str, int] = {}
    for (kind, tier, _), tally in given.seen.places(given.window).items():
        if tier == LOCAL:
            written[kind] = written.get(kind, 0) + tally.written
    whole = sum(written.values())
    if not whole:
        kinds = given.rules.kinds
        return dict.fromkeys(kinds, 1 / len(kinds)) if kinds else {}
    return {kind: tokens / whole for kind, tokens in written.items()}


def _day(at: float) -> float:
    return at // DAY_S * DAY_S
