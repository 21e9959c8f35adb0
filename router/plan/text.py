"""The plan for people."""

from collections.abc import Sequence

from router.books.table import table
from router.plan.chart import chart
from router.plan.curves import curves
from router.plan.figures import UNKNOWN, each, rate, usd
from router.plan.levers import levers
from router.plan.original import (
    BUY_MONTHS,
    PATTERNS,
    TARGET_NANO_USD,
    TIERS_USD,
    TOKENS_PER_S,
    TOTALS_USD,
)
from router.plan.planning import Displaced, Option, Pattern, Plan, TierCost
from router.plan.pricing import PriceChange


def as_text(plan: Plan, month: str, changes: Sequence[PriceChange]) -> str:
    """Return the tables and the chart."""
    drawn = curves(plan)
    parts = [
        _heading(plan, month),
        _tiers(plan, changes),
        _options(plan.options, plan.chosen),
        _usage(plan.patterns),
        _months(plan),
        _break_evens(plan),
        _buying(plan),
        levers(plan),
        *([] if drawn is None else [chart(drawn)]),
    ]
    return "\n".join(parts)


def _heading(plan: Plan, month: str) -> str:
    workload = plan.workload
    lines = [
        f"{month}: a month of 30 days at its prices",
        f"workload: {workload.source}",
        *(f"assumed: {said}" for said in workload.assumed),
    ]
    return "".join(f"{line}\n" for line in lines)


def _tiers(plan: Plan, changes: Sequence[PriceChange]) -> str:
    rows = [_tier(tier) for tier in plan.tiers]
    rows.append(("total", "", "", "", usd(plan.api_nano_usd), "170-300"))
    headings = ("1 tiers", "models", "requests a day", "USD each", "USD a month", "the plan")
    return table(headings, rows) + "".join(map(_change, changes))


def _tier(tier: TierCost) -> tuple[str, ...]:
    name = tier.load.name
    low_high = TIERS_USD.get(name)
    return (
        name,
        ", ".join(dict.fromkeys(call.model for call in tier.load.calls)),
        f"{tier.load.requests_per_day:,.0f}",
        each(tier.request_nano_usd),
        usd(tier.month_nano_usd),
        "" if low_high is None else f"{low_high[0]}-{low_high[1]}",
    )


def _change(one: PriceChange) -> str:
    return (
        f"note: from {one.first_day} on {one.model} costs {one.input_after:f} in and "
        f"{one.output_after:f} out a million tokens; before, {one.input_before:f} and "
        f"{one.output_before:f}\n"
    )


def _options(options: Sequence[Option], chosen: Option) -> str:
    headings = (
        "2 machines", "card", "VRAM GiB", "rented by", "USD an hour", "USD a month, 24/7",
        "model fits", "tok/s", "read",
    )  # fmt: skip
    rows = [_option(option, "* " if option is chosen else "  ") for option in options]
    return table(headings, rows) + f"* taken below: {chosen.quote.source}\n"


def _option(option: Option, mark: str) -> tuple[str, ...]:
    offer = option.quote.offer
    return (
        f"{mark}{offer.offer_id}",
        offer.gpu,
        UNKNOWN if option.memory_gib is None else f"{option.memory_gib:.0f}",
        "bid" if offer.interruptible else "the hour",
        each(offer.hourly_nano_usd),
        usd(option.month_nano_usd),
        {None: UNKNOWN, True: "yes", False: "no"}[option.fits],
        UNKNOWN if option.speed is None else f"{option.speed.tokens_per_s:.0f}",
        str(option.quote.read_on),
    )


def _usage(patterns: Sequence[Pattern]) -> str:
    headings = (
        "3 on demand", "hours a day", "hours a month", "GPU USD", "stopped disk USD", "total USD",
        "the plan",
    )  # fmt: skip
    rows = [
        (
            pattern.name,
            f"{pattern.hours_a_day:.1f}",
            f"{pattern.hours_a_day * 30:.0f}",
            usd(pattern.running_nano_usd),
            usd(pattern.stopped_nano_usd),
            usd(pattern.gpu_nano_usd),
            _planned(pattern.name),
        )
        for pattern in patterns
    ]
    return table(headings, rows)


def _planned(name: str) -> str:
    return str(PATTERNS[name][1]) if name in PATTERNS else ""


def _months(plan: Plan) -> str:
    headings = (
        "4 month 2", "local a day", "API USD", "GPU USD", "total USD", "saved USD", "the plan",
        "over",
    )  # fmt: skip
    rows = [
        (
            pattern.name,
            UNKNOWN if pattern.local_per_day is None else f"{pattern.local_per_day:,.0f}",
            usd(pattern.api_nano_usd),
            usd(pattern.gpu_nano_usd),
            usd(pattern.total_nano_usd),
            usd(pattern.saved_nano_usd),
            TOTALS_USD.get(pattern.name, ""),
            ", ".join(pattern.over) or "-",
        )
        for pattern in (plan.month_1, *plan.patterns)
    ]
    limits = {"target": TARGET_NANO_USD, **{f"cap {s}": cap for s, cap in plan.caps.items()}}
    said = ", ".join(f"{name} {usd(most)}" for name, most in limits.items())
    return table(headings, rows) + f"over: {said} USD a month\n" + _most_saved(plan)


def _most_saved(plan: Plan) -> str:
    """Put the plan's savings beside what there is to be saved."""
    demand = plan.demand
    most = None if demand is None else round(demand.per_day * 30 * demand.saved_nano_usd)
    return (
        f"the API can cost {usd(most)} USD less at most: that is all of {plan.workload.displaced} "
        "that may go local; the plan takes off 50 (light) and 100 (heavy)\n"
    )


def _break_evens(plan: Plan) -> str:
    headings = (
        "5 break-even, instead of", "USD a request", "requests an hour", "of the card's speed",
        "burst for a start",
    )  # fmt: skip
    rows = [_break_even(one, plan.capacity_per_hour) for one in plan.displaced]
    low, high = plan.plan_capacity_per_hour
    return table(headings, rows) + (
        f"the card answers {plan.capacity_per_hour:,.0f} an hour at most, "
        f"{plan.speed.tokens_per_s:.0f} tok/s ({plan.speed.source}); at the plan's "
        f"{TOKENS_PER_S[0]}-{TOKENS_PER_S[1]} tok/s {low:,.0f}-{high:,.0f}\n"
        f"a start costs {each(plan.start_nano_usd)} USD ({plan.rent.start_s:g} s); a burst comes "
        f"at the card's full speed, and the machine is kept {plan.rent.least_run_s:g} s at least\n"
    )


def _break_even(one: Displaced, capacity: float) -> tuple[str, ...]:
    least = one.break_even_per_hour
    if one.request_nano_usd is None or least is None:
        return (one.name, each(one.request_nano_usd), UNKNOWN, UNKNOWN, UNKNOWN)
    share = "out of reach" if not one.within_reach else f"{100 * least / capacity:.0f} %"
    burst = "none pays" if one.burst is None else f"{one.burst:,}"
    return (one.name, each(one.request_nano_usd), rate(least), share, burst)


def _buying(plan: Plan) -> str:
    headings = (
        "6 buying", "rent USD a month", "months until it has paid",
        *(f"{months} months at USD" for months in BUY_MONTHS),
    )  # fmt: skip
    bought = plan.bought
    rows = [
        (
            pattern.name,
            usd(pattern.gpu_nano_usd),
            _until(pattern, bought.price_nano_usd),
            *("never" if price is None else usd(price, 0) for price in pattern.buy_prices_nano_usd),
        )
        for pattern in plan.patterns
    ]
    price = usd(bought.price_nano_usd, 0)
    return table(headings, rows) + (
        f"a card for {price} USD (--card-usd) that takes {bought.watts:g} W at "
        f"{usd(bought.kwh_nano_usd)} USD a kWh; the plan says "
        f"{BUY_MONTHS[0]}-{BUY_MONTHS[1]} months\n"
    )


def _until(pattern: Pattern, price: int | None) -> str:
    if price is None:
        return UNKNOWN
    return "never" if pattern.buy_months is None else f"{pattern.buy_months:.1f}"
