"""What each keep-alive policy would have cost, beside the API alone and the cheapest possible.

    .venv/bin/python -m bench.keep_alive [--save] [--tenants 12] [--all] [--trace FILE ...]

Tenants are ServeGen's, 14 days each, scaled to so many requests a day; beside them stand made-up
shapes. The policies' numbers were chosen on tenants with even numbers (other draws of them); on the
odd ones it was seen that none of them hurts.

`--trace` replays a file instead: CSV with a column `t` or `TIMESTAMP`, a request a row, in seconds
(Unix, or from its beginning) or as an ISO time, may be .gz; or Parquet like ServeGen's with the
columns client, t (start of a window of 600 s, in s), rate (requests a second), cv; its clients are
drawn and scaled like the tenants.
"""

import argparse
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from bench.bounds import clairvoyant, clairvoyant_minutes, cost_of
from bench.report import Figure, store, table
from bench.traffic import (
    ALL_TENANTS,
    Traffic,
    Windows,
    drawn,
    from_csv,
    from_parquet,
    made_up,
    shipped,
)
from tercet.keep_alive.leader import Leader
from tercet.keep_alive.policy import MINUTE_S, Economics, Policy, Tick
from tercet.keep_alive.rules import Pack, Rule, Sense
from tercet.keep_alive.settings import KeepAliveSettings, policy_of
from tercet.keep_alive.shadow import simulate

SEED = 6
FIRST = 1_788_220_800.0
"""2026-09-01, a Tuesday, so that the quiet days of ServeGen are weekends."""
CANNOT_PAY = 0.97
"""The GPU cannot pay where even the cheapest course costs this share of the API alone."""
SAME_AS_API, NEAR_CHEAPEST = 1.10, 1.25
PER_DAY = (200, 1000, 4000)
BOUND = "knows the rates"
Costs = Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """Prices."""

    gpu_usd: float
    """An hour."""
    saved_usd: float
    """A request."""
    start_min: float

    @property
    def economics(self) -> Economics:
        """What the GPU costs."""
        return Economics(
            hourly_nano_usd=round(self.gpu_usd * 1e9), start_s=self.start_min * MINUTE_S
        )


CELLS = (
    Cell(gpu_usd=0.30, saved_usd=0.0004, start_min=3),
    Cell(gpu_usd=0.30, saved_usd=0.004, start_min=3),
    Cell(gpu_usd=0.25, saved_usd=0.008, start_min=10),
    Cell(gpu_usd=0.45, saved_usd=0.015, start_min=3),
)


def main() -> None:
    """Replay, print the tables, and store them when asked to."""
    arguments = _arguments()
    cells = _cells(arguments)
    started = time.perf_counter()
    lines: list[dict[str, Figure]] = []
    with ProcessPoolExecutor(arguments.processes) as pool:
        for title, traffics in _groups(arguments):
            results = list(pool.map(partial(replay, cells=cells), traffics))
            for cell, costs in zip(cells, zip(*results, strict=True), strict=True):
                heading = f"{title}; g {cell.gpu_usd:.2f} s {cell.saved_usd:g} "
                heading += f"start {cell.start_min:g} min"
                rows = judged(heading, costs)
                print(f"\n{heading}\n{table([_shown(row) for row in rows])}", flush=True)
                lines += rows
    verdicts = {"all together": total(lines)}
    for group in dict.fromkeys(str(line["cell"]).split(",")[0] for line in lines):
        verdicts[group] = total(line for line in lines if str(line["cell"]).startswith(group))
    for group, verdict in verdicts.items():
        print(f"\n{group}\n{table(verdict)}")
    print(f"{time.perf_counter() - started:.0f} s")
    if arguments.save:
        print(store("keep-alive", {"seed": SEED, "groups": verdicts}))


def replay(traffic: Traffic, cells: Sequence[Cell]) -> list[Costs]:
    """Return what every policy costs for each cell, in nano-USD."""
    return [_costs(traffic, cell) for cell in cells]


def _costs(traffic: Traffic, cell: Cell) -> Costs:
    economics, price = cell.economics, round(cell.saved_usd * 1e9)
    saved = [count * price for count in traffic.counts]
    ticks = [
        Tick(at=FIRST + MINUTE_S * minute, arrivals=count, saved_nano_usd=count * price)
        for minute, count in enumerate(traffic.counts)
    ]
    costs: dict[str, float] = {
        "API alone": sum(saved),
        "clairvoyant": clairvoyant(saved, economics),
        "always on": cost_of([True] * len(saved), saved, economics),
    }
    if traffic.rates is not None:
        plan = clairvoyant_minutes([rate * price for rate in traffic.rates], economics)
        costs[BOUND] = cost_of(plan, saved, economics)
    for name, policy in policies(economics).items():
        costs[name] = simulate(policy, ticks, economics).nano_usd
    return costs


def policies(economics: Economics) -> Mapping[str, Policy]:
    """Return who is compared."""
    usual = Rule(sense=Sense(half_life_min=15), start_at=1, stop_at=0.5)
    ski = max(economics.start_s, MINUTE_S)
    return {
        "idle_timeout 10 min": policy_of(KeepAliveSettings(policy="idle_timeout")),
        "ski rental": policy_of(KeepAliveSettings(policy="idle_timeout", idle_s=ski)),
        "one rule, 15 min": Leader.of("one rule", Pack.of([usual])),
        "rate": policy_of(KeepAliveSettings(policy="rate")),
        "forecast": policy_of(KeepAliveSettings(policy="forecast")),
    }


def judged(heading: str, costs: Sequence[Costs]) -> list[dict[str, Figure]]:
    """Return a line for each policy: its cost where the GPU can pay, and where it cannot."""
    pays = [cost for cost in costs if cost["clairvoyant"] < CANNOT_PAY * cost["API alone"]]
    rest = [cost for cost in costs if cost["clairvoyant"] >= CANNOT_PAY * cost["API alone"]]
    lines: list[dict[str, Figure]] = []
    for name in costs[0]:
        by_cheapest = [cost[name] / cost["clairvoyant"] for cost in pays]
        by_api = [cost[name] / max(cost["API alone"], 1) for cost in rest]
        lines.append(
            {
                "policy": name,
                "cell": heading,
                "api": _ratio(costs, name, "API alone"),
                "cheapest": _ratio(pays, name, "clairvoyant"),
                "median": median(by_cheapest or [0.0]),
                "worst": max(by_cheapest, default=0.0),
                "pays": len(pays),
                "within_1.25": sum(ratio <= NEAR_CHEAPEST for ratio in by_cheapest),
                "cannot": len(rest),
                "within_1.10": sum(ratio <= SAME_AS_API for ratio in by_api),
                "worst_api": max(by_api, default=0.0),
            }
        )
    return lines


def total(lines: Iterable[Mapping[str, Figure]]) -> list[dict[str, Figure]]:
    """Return both bars over all cells, and the mean and the worst of what the cells say."""
    by_policy: dict[str, list[Mapping[str, Figure]]] = {}
    for line in lines:
        by_policy.setdefault(str(line["policy"]), []).append(line)
    return [
        {
            "policy": name,
            "x cheapest (mean of cells)": _mean(rows, "cheapest"),
            "worst": max(float(row["worst"]) for row in rows),
            "pays: <= 1.25": f"{_sum(rows, 'within_1.25')} of {_sum(rows, 'pays')}",
            "cannot: <= 1.10 x API": f"{_sum(rows, 'within_1.10')} of {_sum(rows, 'cannot')}",
            "worst x API": max(float(row["worst_api"]) for row in rows),
        }
        for name, rows in by_policy.items()
    ]


def _shown(line: Mapping[str, Figure]) -> dict[str, Figure]:
    return {
        "policy": line["policy"],
        "x API, all": line["api"],
        "x cheapest where it pays": line["cheapest"],
        "median": line["median"],
        "worst": line["worst"],
        "<= 1.25": f"{line['within_1.25']} of {line['pays']}",
        "<= 1.10 x API where it cannot": f"{line['within_1.10']} of {line['cannot']}",
        "worst x API": line["worst_api"],
    }


def _ratio(costs: Sequence[Costs], name: str, of: str) -> float:
    return sum(cost[name] for cost in costs) / max(sum(cost[of] for cost in costs), 1)


def _mean(rows: Sequence[Mapping[str, Figure]], key: str) -> float:
    """Leave out the cells in which the GPU pays for nobody."""
    values = [float(row[key]) for row in rows if row["pays"]]
    return sum(values) / max(len(values), 1)


def _sum(rows: Sequence[Mapping[str, Figure]], key: str) -> int:
    return sum(int(row[key]) for row in rows)


def _groups(arguments: argparse.Namespace) -> Iterable[tuple[str, list[Traffic]]]:
    for path in arguments.trace:
        if path.suffix == ".parquet":
            yield from _scaled(path.name, from_parquet(path), arguments.per_day)
        else:
            yield path.name, [from_csv(path)]
    if arguments.trace:
        return
    if arguments.all and ALL_TENANTS.exists():
        tenants = from_parquet(ALL_TENANTS)
    else:
        rows = list(shipped().items())
        tenants = dict(rows[:: max(1, len(rows) // arguments.tenants)][: arguments.tenants])
    even = {name: windows for name, windows in tenants.items() if int(name) % 2 == 0}
    odd = {name: windows for name, windows in tenants.items() if int(name) % 2}
    yield from _scaled(f"{len(even)} even tenants (chosen on)", even, arguments.per_day)
    yield from _scaled(f"{len(odd)} odd tenants (checked on)", odd, arguments.per_day)
    yield "made-up shapes, 1000 a day", made_up(1000, SEED)


def _scaled(
    title: str, tenants: Mapping[str, Windows], per_day: Sequence[float]
) -> Iterable[tuple[str, list[Traffic]]]:
    for wanted in per_day:
        traffics = [drawn(name, windows, wanted, SEED) for name, windows in tenants.items()]
        yield f"{title}, {wanted:g} a day", traffics


def _cells(arguments: argparse.Namespace) -> Sequence[Cell]:
    if arguments.g is None or arguments.s is None:
        return CELLS
    return [Cell(gpu_usd=arguments.g, saved_usd=arguments.s, start_min=arguments.start_min)]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--save", action="store_true", help="store a dated result")
    parser.add_argument("--tenants", type=int, default=12, help="how many of the 32 shipped")
    parser.add_argument("--all", action="store_true", help="all of ../shared, some 20 minutes")
    parser.add_argument("--trace", type=Path, nargs="+", default=[], help="files, see above")
    parser.add_argument("--per-day", type=float, nargs="+", default=PER_DAY, help="requests")
    parser.add_argument("--g", type=float, help="USD an hour; with --s instead of the four cells")
    parser.add_argument("--s", type=float, help="USD a request")
    parser.add_argument("--start-min", type=float, default=3.0, help="minutes from off to warm")
    parser.add_argument("--processes", type=int, default=2)
    return parser.parse_args()


if __name__ == "__main__":
    main()
