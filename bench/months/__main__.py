"""How well the evidence holds: a thousand simulated months of each world, the truth known.

    .venv/bin/python -m bench.months [--months 1000] [--others 200] [--only WORD] [--save]

docs/evidence-simulation.md says what a month is made of, and what the tables are.
"""

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from functools import partial
from zlib import crc32

from bench.months import figures
from bench.months.noting import Note, noted
from bench.months.playing import play
from bench.months.scenario import SCENARIOS, Scenario
from bench.months.workload import Tenant, tenants
from bench.months.world import drawn
from bench.report import store, table
from tercet.config import load
from tercet.migration import MigrationRules

SEED = 1129
"""Of the table; the defaults of config/migrations.yaml were chosen on months of seed 8."""
TABLES = {
    "how often the intervals hold the truth": figures.covering,
    "the saving's estimate, off on the mean": figures.saving,
    "how kinds move": figures.moving,
    "from a fall in quality to the rollback": figures.falling,
}


def main(given: Sequence[str] | None = None) -> None:
    """Play, print the tables, and store them when asked to."""
    arguments = _arguments(given)
    rules, whose = load().migrations, tenants()
    for name, value in arguments.set:
        rules = replace(rules, **{name: type(getattr(rules, name))(float(value))})
    chosen = [one for one in SCENARIOS if arguments.only in one.name]
    chosen.sort(key=lambda one: not one.is_core)
    if not chosen:
        raise SystemExit(f"no scenario has {arguments.only!r} in its name: {_names()}")
    started, played = time.perf_counter(), list[figures.Played]()
    with ProcessPoolExecutor(arguments.processes) as pool:
        for scenario in chosen:
            one = partial(month, scenario, rules=rules, whose=whose)
            months = arguments.months if scenario.is_core else arguments.others
            notes = list(pool.map(one, range(months), chunksize=10))
            played.append((scenario, notes))
            took = time.perf_counter() - started
            print(f"{scenario.name}: {months} months, {took:.0f} s", file=sys.stderr, flush=True)
            if arguments.save:
                store("months", _found(played, rules))
    for title, of in TABLES.items():
        if lines := of(played):
            print(f"\n{title}\n{table(lines)}")


def month(scenario: Scenario, number: int, rules: MigrationRules, whose: Sequence[Tenant]) -> Note:
    """Play one month of a scenario; the same number is the same month again."""
    seed = [SEED, crc32(scenario.name.encode()), number]
    world = drawn(scenario, whose[number % len(whose)], seed, rules.salt)
    return noted(play(world, rules))


def _found(played: Sequence[figures.Played], rules: MigrationRules) -> Mapping[str, object]:
    """Return what is stored after each scenario, so that a run that is ended has left something."""
    return {
        "seed": SEED,
        "rules": asdict(rules),
        "months": {scenario.name: len(notes) for scenario, notes in played},
        "tables": {title: of(played) for title, of in TABLES.items()},
    }


def _names() -> str:
    return "; ".join(scenario.name for scenario in SCENARIOS)


def _arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--months", type=int, default=1000, help="of each of the main scenarios")
    parser.add_argument("--others", type=int, default=200, help="of each of the others")
    parser.add_argument("--only", default="", help="scenarios with this in their name")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--set", nargs=2, action="append", default=[], help="a rule, a number")
    parser.add_argument("--save", action="store_true", help="store a dated result")
    return parser.parse_args(given)


if __name__ == "__main__":
    main()
