"""Ten times what Tercet can answer, offered for 15 s: what it does with what it cannot.

    .venv/bin/python -m bench.gateway.overload [--times 10] [--replicas N] [--save]

Capacity is what 32 callers get who ask as soon as they are answered; unloaded is one such caller.
The load is offered by other processes as time goes, over at most `--connections`: what falls due
while all of them wait is not sent, and counted. Machine and client share the processor, so the
client's part of it is told. All of it is one request of one seat, answered by an instant upstream.
"""

import argparse
import asyncio
import multiprocessing
import resource
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from statistics import median, quantiles
from typing import NamedTuple

import uvloop

from bench.gateway.client import Ask, Timing
from bench.gateway.offering import Callers, Open, closed, for_seconds
from bench.gateway.systems import Target, alone, scratch, stop_on_term, targets
from bench.report import Figure, store, table

ROW = "chat, Claude"
AT_ONCE = 32
START_S = 5.0
"""What client processes get to start in."""
PROBED_S = 10
REFUSALS = (429, 503)
MET = ("NOT MET", "met")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one client process offers."""

    port: int
    asked: Ask
    per_s: float
    most: int
    begin_at: float
    """Unix seconds."""
    lasts_s: float


class Told(NamedTuple):
    """One request's end, as light as can be: there are tens of thousands."""

    ended_s: float
    """Since the offer began."""
    status: int
    whole_s: float
    has_retry_after: bool


class Offered(NamedTuple):
    """What one client process did."""

    told: list[Told]
    due: int
    unsent: int
    cpu_s: float


def offer(plan: Plan) -> Offered:
    """Offer a plan's load; in a process of its own."""
    return uvloop.run(_offer(plan))


async def _offer(plan: Plan) -> Offered:
    callers, told = Callers(plan.port), list[Told]()
    loop = Open(callers, plan.per_s, plan.most)

    def tell(timing: Timing) -> None:
        retry = b"\nretry-after:" in timing.headers.lower()
        ended_s = time.perf_counter() - began
        told.append(Told(ended_s, timing.status, timing.whole_s, retry))

    await asyncio.sleep(plan.begin_at - time.time())
    began, before = time.perf_counter(), _cpu_s()
    await loop.run(repeat(plan.asked), plan.lasts_s, tell)
    return Offered(told, loop.due, loop.unsent, _cpu_s() - before)


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def asked_for(port: int, asked: Ask, at_once: int, lasts_s: float) -> list[float]:
    """Ask in a closed loop; return the milliseconds of each answer.

    Raises:
        RuntimeError: there was none, or a refusal.
    """

    async def run() -> list[Timing]:
        callers = Callers(port)
        try:
            return await closed(callers, for_seconds(repeat(asked), lasts_s), at_once)
        finally:
            callers.close()

    timings = uvloop.run(run())
    if failed := [timing for timing in timings if timing.status != 200]:
        raise RuntimeError(f"{len(failed)} failed: {failed[0].status} {failed[0].body[:500]!r}")
    return [timing.whole_s * 1000 for timing in timings]


def probed(port: int, asked: Ask, seconds: int) -> list[float]:
    """Return the p50 in milliseconds of one caller, second by second; 0: nothing ended in it."""

    async def run() -> list[list[Timing]]:
        callers = Callers(port)
        try:
            return [
                await closed(callers, for_seconds(repeat(asked), 1.0), 1) for _ in range(seconds)
            ]
        finally:
            callers.close()

    rounds = ([t.whole_s * 1000 for t in one if t.status == 200] for one in uvloop.run(run()))
    return [median(one) if one else 0.0 for one in rounds]


def p99(values: Sequence[float]) -> float:
    """Return the 99th percentile, 0 of nothing."""
    return quantiles(values, n=100)[98] if len(values) > 1 else sum(values)


def measured(target: Target, given: argparse.Namespace) -> dict[str, Figure]:
    """Run it all against a Tercet that is up."""
    port, asked = target.port, target.ask()
    asked_for(port, asked, AT_ONCE, given.seconds / 5)  # warm
    alone = asked_for(port, asked, 1, given.seconds)
    full = asked_for(port, asked, AT_ONCE, given.seconds)
    capacity = len(full) / given.seconds
    figures: dict[str, Figure] = {
        "capacity/s (c32)": capacity,
        "p50 ms unloaded (c1)": median(alone),
        "p99 ms unloaded (c1)": p99(alone),
        "p99 ms at capacity (c32)": p99(full),
    }
    plan = Plan(
        port=port,
        asked=asked,
        per_s=capacity * given.times / given.clients,
        most=given.connections // given.clients,
        begin_at=time.time() + START_S,
        lasts_s=given.lasts,
    )
    with multiprocessing.get_context("spawn").Pool(given.clients) as pool:
        pending = pool.map_async(offer, [plan] * given.clients)
        time.sleep(plan.begin_at + plan.lasts_s - time.time())
        recovery = probed(port, asked, PROBED_S)
        offered = pending.get(timeout=300)
    figures |= judged(offered, given.lasts)
    figures |= {f"p50 ms, second {n} after": value for n, value in enumerate(recovery, 1)}
    return figures


def judged(offered: Sequence[Offered], lasts_s: float) -> dict[str, Figure]:
    """Return what came of the load."""
    told = [one for client in offered for one in client.told]
    good = [one for one in told if one.status == 200]
    refused = [one for one in told if one.status in REFUSALS]
    waits, admitted = [one.whole_s * 1000 for one in refused], [one.whole_s * 1000 for one in good]
    figures: dict[str, Figure] = {
        "offered/s": sum(client.due for client in offered) / lasts_s,
        "sent/s": len(told) / lasts_s,
        "not sent (no connection free)": sum(client.unsent for client in offered),
        "client cores": sum(client.cpu_s for client in offered) / lasts_s,
        "goodput/s": sum(one.ended_s <= lasts_s for one in good) / lasts_s,
        "p50 ms admitted": median(admitted or [0.0]),
        "p99 ms admitted": p99(admitted),
        "refused share": len(refused) / max(len(told), 1),
        "refused with retry-after": sum(one.has_retry_after for one in refused),
        "p50 ms refused": median(waits or [0.0]),
        "p99 ms refused": p99(waits),
        "last answer s after the end": max([one.ended_s for one in told], default=0.0) - lasts_s,
    }
    counts = Counter(one.status for one in told)
    return figures | {f"status {status or 'none'}": counts[status] for status in sorted(counts)}


def bars(figures: Mapping[str, Figure]) -> list[dict[str, Figure]]:
    """Return each bar, what it was, and whether it was met."""

    def of(name: str) -> float:
        return float(figures.get(name, 0))

    ends = sum(float(value) for name, value in figures.items() if name.startswith("status "))
    refused = sum(of(f"status {status}") for status in REFUSALS)
    due = max(ends + of("not sent (no connection free)"), 1)
    one, six = of("p50 ms, second 1 after"), of("p50 ms, second 6 after")
    lines = [
        ("goodput / capacity, at least", -of("goodput/s") / of("capacity/s (c32)"), -0.9),
        ("p99 / p99 unloaded (c1)", of("p99 ms admitted") / of("p99 ms unloaded (c1)"), 2.0),
        ("found every connection waiting", of("not sent (no connection free)") / due, 0.01),
        ("neither answered nor refused", (ends - refused - of("status 200")) / due, 0.0),
        ("p50 in the 1st second after / before", (one or 1e9) / of("p50 ms unloaded (c1)"), 2.0),
        ("p50 in the 6th second after / before", (six or 1e9) / of("p50 ms unloaded (c1)"), 1.2),
    ]
    if refused:
        lines.append(("p99 ms of refusals", of("p99 ms refused"), 100.0))
        lines.append(("without retry-after", refused - of("refused with retry-after"), 0.0))
    return [
        {"bar": name, "value": abs(value), "limit": abs(limit), "": MET[value <= limit]}
        for name, value, limit in lines
    ]


def main() -> None:
    """Print what came of it beside the bars, and store it when asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=float, default=10.0, help="the capacity that is offered")
    parser.add_argument("--lasts", type=float, default=15.0, help="seconds of that")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement before")
    parser.add_argument("--connections", type=int, default=600)
    parser.add_argument("--clients", type=int, default=1, help="processes that offer")
    parser.add_argument("--replicas", type=int, default=1)
    parser.add_argument("--save", action="store_true", help="store a dated result")
    given = parser.parse_args()
    stop_on_term()
    folder = scratch()
    with alone(folder, given.replicas) as running:
        (target,) = (one for one in targets(running.port) if one.name == ROW)
        figures = measured(target, given)
    judgement = bars(figures)
    print(table([{"": name, "value": value} for name, value in figures.items()]))
    print(table(judgement))
    if given.save:
        store("gateway-overload", {"given": vars(given), "figures": figures, "bars": judgement})


if __name__ == "__main__":
    main()
