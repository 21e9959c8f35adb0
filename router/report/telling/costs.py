"""The section of costs: the baseline, what the period cost, and what is easy."""

from collections.abc import Iterator, Sequence

from router.report.blocks import Bar, Bars, Block, Picture, Section, Sentence, Table
from router.report.costs import ALL, Costs, Handled
from router.report.easy import Benchmark, Pattern
from router.report.measures import amount, bare, bounds, dollars, words
from router.report.report import Report
from router.report.telling.wording import window_words
from tercet.usage import NANO_USD_PER_USD

MOST_ROWS = 40
"""Of a table; what is left out is said."""
_MOST_BENCHMARKS = 80
_MOST_PATTERNS = 12
_TIERS = ("tier1", "tier2", "tier3", "local")
"""In the order of the plan."""


def costs_section(report: Report) -> Section:
    """Tell what work cost and who did it."""
    blocks: list[Block] = [*_costs(report.baseline, "Baseline", "baseline")]
    if report.costs.kinds != report.baseline.kinds:
        blocks += _costs(report.costs, "This period", "period")
    base = report.baseline if report.baseline.tasks else report.costs
    blocks += _patterns(report.patterns, base)
    blocks += _benchmarks(report.benchmarks)
    return Section(title="What work costs, and who handles it", blocks=blocks)


def _costs(costs: Costs, name: str, short: str) -> Iterator[Block]:
    if not costs.tasks:
        when = window_words(costs.window) if costs.window.days else "the days without a local model"
        yield Sentence(
            text=f"{name}: no task came in {when}. A baseline is a month of traffic with `phase: "
            "baseline` (config/migrations.yaml) or without a local model.",
            tone="note",
        )
        return
    yield Sentence(
        text=f"{name}, {window_words(costs.window)}: {words(costs.cost)} for {costs.tasks:,} tasks "
        "that callers asked for; rented machines, shadow runs and judges are in the next section."
    )
    yield _picture(costs, name, short)
    yield Table(
        title=f"{name}: seconds from question to end, by kind (95 % at one look)",
        headings=("Kind", "Tasks", "Answered", "p50", "p50 range", "p95", "p95 range"),
        rows=tuple(
            (
                one.kind,
                f"{one.tasks:,}",
                f"{one.answered:,}",
                bare(one.p50),
                bounds(one.p50),
                bare(one.p95),
                bounds(one.p95),
            )
            for one in costs.kinds
        ),
    )
    yield _handled(costs.models, f"{name}: cost by tier and model (counted)")
    yield _handled(costs.handled, f"{name}: which model handled what (counted)")


def _picture(costs: Costs, name: str, short: str) -> Picture:
    found = {one.tier for one in costs.handled}
    tiers = [*(tier for tier in _TIERS if tier in found), *sorted(found.difference(_TIERS))]
    parts: dict[str, dict[str, float]] = {one.kind: {} for one in costs.kinds}
    for one in costs.handled:
        of_kind = parts.setdefault(one.kind, {})
        paid = (one.cost.value or 0) / NANO_USD_PER_USD
        of_kind[one.tier] = of_kind.get(one.tier, 0.0) + paid
    dearest = costs.kinds[0].kind if costs.kinds else "none"
    return Picture(
        name=f"cost-{short}",
        title=f"{name}: cost by kind and tier",
        says=f"One bar a kind, {len(costs.kinds)} of them, divided by tier; {dearest} is dearest.",
        shape=Bars(
            bars=tuple(
                Bar(
                    label=kind,
                    parts=tuple((tier, of_kind[tier]) for tier in tiers if tier in of_kind),
                )
                for kind, of_kind in parts.items()
            ),
            unit="USD",
            names=(*_TIERS, *(tier for tier in tiers if tier not in _TIERS)),
        ),
        table=Table(
            title=f"{name}: cost by kind and tier, USD (counted)",
            headings=("Kind", "Tasks", "Each", *tiers, "All"),
            rows=(
                *(
                    (
                        one.kind,
                        f"{one.tasks:,}",
                        "-" if one.each.value is None else dollars(one.each.value),
                        *(_paid(parts[one.kind].get(tier)) for tier in tiers),
                        dollars(one.cost.value or 0),
                    )
                    for one in costs.kinds
                ),
                _sums(costs, tiers),
            ),
        ),
    )


def _sums(costs: Costs, tiers: Sequence[str]) -> tuple[str, ...]:
    by_tier = dict.fromkeys(tiers, 0.0)
    for one in costs.models:
        by_tier[one.tier] += one.cost.value or 0
    whole = costs.cost.value or 0
    each = dollars(whole / costs.tasks)
    return (ALL, f"{costs.tasks:,}", each, *map(dollars, by_tier.values()), dollars(whole))


def _paid(usd: float | None) -> str:
    return "-" if usd is None else dollars(usd * NANO_USD_PER_USD)


def _handled(handled: Sequence[Handled], title: str) -> Table:
    return Table(
        title=f"{title}{_left(handled, MOST_ROWS, 'cheaper lines')}",
        headings=("Kind", "Tier", "Model", "Tasks", "Attempts", "USD", "Share", "Tokens in", "out"),
        rows=tuple(
            (
                one.kind,
                one.tier,
                one.model,
                f"{one.tasks:,}",
                f"{one.attempts:,}",
                dollars(one.cost.value or 0),
                amount(one.share, "share"),
                f"{one.input_tokens:,}",
                f"{one.output_tokens:,}",
            )
            for one in handled[:MOST_ROWS]
        ),
        words=frozenset({1, 2}),
    )


def _left(rows: Sequence[object], most: int, what: str) -> str:
    """Say how many rows a table is without."""
    return f"; {len(rows) - most:,} {what} are left out" if len(rows) > most else ""


def _patterns(patterns: Sequence[Pattern], costs: Costs) -> Iterator[Block]:
    yield Sentence(
        text=f"{window_words(costs.window)}: easy patterns suited to a local model, ranked by "
        "volume x cost x predicted local quality, of kinds that the plan gives tier 3 and the API "
        "answered. Sizes: short up to 500 input tokens, medium to 4,000. The "
        "ids are of requests: `GET /v1/requests/ID`."
    )
    yield Table(
        title=f"Easy patterns{_left(patterns, _MOST_PATTERNS, 'lesser ones')}",
        headings=(
            "Kind",
            "Size",
            "Tasks",
            "USD each",
            "Local quality",
            "Known from",
            "USD x quality",
            "May move",
            "Examples",
        ),
        rows=tuple(
            (
                one.kind,
                one.size,
                f"{one.tasks:,}",
                dollars(one.each_nano_usd),
                words(one.local.quality),
                one.local.source,
                dollars(one.worth_nano_usd),
                "yes" if one.may_move else "no",
                " ".join(one.examples),
            )
            for one in patterns[:_MOST_PATTERNS]
        ),
        words=frozenset({1, 5, 8}),
    )


def _benchmarks(benchmarks: Sequence[Benchmark]) -> Iterator[Block]:
    if not benchmarks:
        yield Sentence(
            text="No quality was benchmarked yet: run `tercet golden run` with the arms in use; it "
            "says beforehand what it may cost.",
            tone="note",
        )
        return
    yield Table(
        title="Quality benchmarks by kind and arm, 0 to 1 (95 % at every look; all labels so far)"
        f"{_left(benchmarks, _MOST_BENCHMARKS, 'further ones')}",
        headings=("Kind", "Arm", "By", "Quality", "Range", "Groups"),
        rows=tuple(
            (
                one.kind,
                one.arm,
                one.source,
                bare(one.quality),
                bounds(one.quality),
                f"{one.quality.many or 0:,}",
            )
            for one in benchmarks[:_MOST_BENCHMARKS]
        ),
        words=frozenset({1, 2}),
    )
