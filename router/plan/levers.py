"""What would have to be true for the GPU to pay, in words."""

import math
from collections.abc import Iterator

from router.books.table import table
from router.plan.economics import Best, Demand, Needed
from router.plan.figures import each, usd
from router.plan.planning import Plan

_SHOWN = 10_000
"""Nano-USD: the last place that is printed. A limit is rounded to where it still holds."""


def levers(plan: Plan) -> str:
    """Return the verdict, each lever's table row, and a sentence where no value helps."""
    demand, best, needed = plan.demand, plan.best, plan.needed
    if demand is None or best is None or needed is None:
        return (
            f"7 what a request of {plan.workload.displaced} costs is not known, so nothing can be "
            "said of what pays: name its models' prices in config/prices.yaml\n"
        )
    rows = [
        _requests(demand, needed),
        _price(plan, needed),
        _saving(demand, needed),
        _start(plan, needed),
    ]
    headings = ("7 for the GPU to pay, each alone", "now", "needed")
    return table(headings, rows) + "".join(
        f"{line}\n" for line in (_verdict(best), *_reasons(plan, demand, needed))
    )


def _verdict(best: Best) -> str:
    if best.net_nano_usd > 0:
        return (
            f"the GPU pays: {best.hours:.1f} hours a day, the busiest, save "
            f"{usd(best.net_nano_usd)} USD a month"
        )
    return (
        f"the GPU does not pay: at its best, {best.hours:.1f} hours a day, it costs "
        f"{usd(-best.net_nano_usd)} USD a month more than it saves"
    )


def _requests(demand: Demand, needed: Needed) -> tuple[str, ...]:
    least = needed.per_day
    return (
        "requests a day (in the busiest hour)",
        f"{demand.per_day:,.0f} ({demand.busiest:,.0f})",
        "none is enough"
        if least is None
        else f"at least {math.ceil(least):,} ({math.ceil(least * demand.shape[0]):,})",
    )


def _price(plan: Plan, needed: Needed) -> tuple[str, ...]:
    most = needed.hourly_nano_usd
    said = "none is low enough" if most is None else f"at most {each(most // _SHOWN * _SHOWN)}"
    return ("USD an hour", each(plan.rent.hourly_nano_usd), said)


def _saving(demand: Demand, needed: Needed) -> tuple[str, ...]:
    least = needed.saved_nano_usd
    said = "none is enough" if least is None else f"at least {each(-(least // -_SHOWN) * _SHOWN)}"
    return ("USD saved by a request", each(demand.saved_nano_usd), said)


def _start(plan: Plan, needed: Needed) -> tuple[str, ...]:
    most = needed.start_s
    said = "none is short enough" if most is None else f"at most {most:,.0f}"
    return (
        "seconds to start",
        f"{plan.rent.start_s:g}",
        "any: always on pays" if most == math.inf else said,
    )


def _reasons(plan: Plan, demand: Demand, needed: Needed) -> Iterator[str]:
    hourly, saved = plan.rent.hourly_nano_usd, demand.saved_nano_usd
    most = round(demand.capacity * saved)
    if needed.per_day is None:
        enough = "less than" if most < hourly else "which does not pay for start and disk at"
        yield (
            f"no number of requests is enough: at its full speed, {demand.capacity:,.0f} an hour, "
            f"the card saves {each(most)} USD an hour, {enough} the {each(hourly)} that it costs"
        )
    if needed.hourly_nano_usd is None:
        yield "no hourly price is low enough: the stopped disk alone costs more than is saved"
    if needed.saved_nano_usd is None:
        yield "no saving is enough: no request is answered"
    else:
        yield _who_costs(plan, needed.saved_nano_usd)
    if needed.start_s is None:
        busiest = round(min(demand.busiest, demand.capacity) * saved)
        yield (
            f"no start is short enough: the busiest hour saves {each(busiest)} USD and costs "
            f"{each(hourly)}"
            + ("" if busiest < hourly else ", which leaves too little for the stopped disk")
        )


def _who_costs(plan: Plan, least: int) -> str:
    names = [
        one.name
        for one in plan.displaced
        if one.request_nano_usd is not None and one.request_nano_usd >= least
    ]
    if not names:
        return f"no model and no tier costs {each(least)} USD a request: none is worth displacing"
    return f"that much a request costs: {', '.join(names)}"
