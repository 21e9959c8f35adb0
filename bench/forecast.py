"""How much of real traffic the forecast's 80 % interval holds, and what a forecast costs.

    .venv/bin/python bench/forecast.py [--save]

Traffic: requests an hour of 74 tenants over 14 days (`bench/data/README.md`). There is no month in
it, so the first days forecast the rest: 7 days the next 7, 9 the next 5, 10 the next 4. The stretch
of the interval was chosen on the tenants with even numbers; those with odd ones are the check.
"""

import argparse
import csv
import gzip
import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from statistics import median

from tercet.budget import MONTH, Balance
from tercet.forecast import STRETCH, forecast, rest_by_weeks
from tercet.ledger import Spending

TRAFFIC = Path(__file__).parent / "data" / "servegen_hourly.csv.gz"
FIRST = int(datetime(2026, 9, 1, tzinfo=UTC).timestamp() // 3600)
"""The first hour; a Tuesday, so that the quiet days of the trace are weekends."""
SPLITS = ((7, 7), (9, 5), (10, 4))
"""Days that are known, and days that are forecast."""
Tenants = Mapping[int, Mapping[int, int]]


def main() -> None:
    """Print the tables, and store them when asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--save", action="store_true", help="store a dated result")
    tenants = read_tenants()
    groups = {
        "even (chosen on)": {name: hours for name, hours in tenants.items() if name % 2 == 0},
        "odd (checked on)": {name: hours for name, hours in tenants.items() if name % 2 == 1},
    }
    held = {
        f"{name}, {known} days for {ahead}, stretch {stretch:g}": held_share(
            group, known, ahead, stretch
        )
        for stretch in (1.0, STRETCH)
        for name, group in groups.items()
        for known, ahead in SPLITS
    }
    for name, share in held.items():
        print(f"{name:<48}{share:>6.0%}")
    took_ms = forecast_ms()
    print(f"{'one forecast of 31 days from 35, median ms':<48}{took_ms:>6.1f}")
    if parser.parse_args().save:
        today = datetime.fromtimestamp(time.time(), UTC).date().isoformat()
        result = Path(__file__).parent / "results" / f"{today}-forecast.json"
        rows = {"held": held, "forecast_ms": took_ms}
        result.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def read_tenants() -> Tenants:
    """Return requests by hour, by tenant."""
    with gzip.open(TRAFFIC, "rt", encoding="utf-8") as file:
        _, *rows = csv.reader(file)
    return {
        int(name): {FIRST + hour: int(count) for hour, count in enumerate(counts)}
        for name, *counts in rows
    }


def held_share(tenants: Tenants, known: int, ahead: int, stretch: float = STRETCH) -> float:
    """Return the share of tenants whose next days cost what the interval says."""
    now, end = FIRST + 24 * known, FIRST + 24 * (known + ahead)
    held = 0
    for hours in tenants.values():
        past = {hour: count for hour, count in hours.items() if hour < now}
        rest = rest_by_weeks(past, now * 3600, end, Random(1), stretch)
        held += rest.low <= sum(hours[hour] for hour in range(now, end)) <= rest.high
    return held / len(tenants)


def forecast_ms() -> float:
    """Return the CPU time of a forecast on the first of a month, after 35 days."""
    at = datetime(2026, 10, 1, 0, 30, tzinfo=UTC).timestamp()
    now, rng = int(at // 3600), Random(2)
    hours = {hour: rng.randrange(200_000_000) for hour in range(now - 35 * 24, now)}
    spending = Spending(month="2026-10", balances={MONTH: Balance()}, hours=hours)
    took: list[float] = []
    for _ in range(50):
        started = time.process_time()
        forecast(spending, at, Random(1))
        took.append((time.process_time() - started) * 1000)
    return median(took)


if __name__ == "__main__":
    main()
