"""How often drift alarms are false, and how soon they see a change, by simulation.

    .venv/bin/python -m bench.drift [--replications 400] [--save]

A kind has 1,000 tasks a month. `rate`: agreement as when the policy was fitted, on 500 tasks, then
a year without a change, or a change at once. `share`: 13 kinds, a reference of 2,000 tasks, and a
look a day at the last 500 (all kinds together have 433 a day).
"""

import argparse
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from bench.report import Figure, store, table
from router.learning.drift import Reference, Remedy, Seen, rate_alarm, share_alarms

REFERENCE, YEAR, MONTH, SEED = 500, 12_000, 1_000, 7
RATES, SHIFTS = (0.1, 0.3, 0.6, 0.9), (0.0, 0.1, 0.15, 0.25)
KINDS, DAYS, A_DAY, WINDOW = 13, 36, 433, 500
REMEDY = Remedy(version="1")


def rates(replications: int) -> list[dict[str, Figure]]:
    """Return a line for each rate and change."""
    rng = np.random.default_rng(SEED)
    lines: list[dict[str, Figure]] = []
    for rate in RATES:
        for shift in SHIFTS:
            after = rate - shift if rate > 0.5 else rate + shift
            delays = [_delay(rate, after, rng) for _ in range(replications)]
            found = sorted(delay for delay in delays if delay is not None)
            lines.append(
                {
                    "rate": rate,
                    "after": round(after, 2),
                    "alarms a year": len(found) / replications,
                    "within a month": sum(delay <= MONTH for delay in found) / replications,
                    "median tasks": found[len(found) // 2] if found else "-",
                    "p90": found[int(0.9 * len(found))] if found else "-",
                }
            )
    return lines


def _delay(rate: float, after: float, rng: np.random.Generator) -> int | None:
    """Return how many tasks went by until the alarm."""
    reference = Reference(true=int(rng.binomial(REFERENCE, rate)), count=REFERENCE)
    said = 0

    def series() -> Iterable[Seen]:
        nonlocal said
        for is_true in (rng.random(YEAR) < after).tolist():
            said += 1
            yield Seen(at=float(said), is_true=is_true)

    alarm = rate_alarm("agreement", "question", series(), reference, REMEDY)
    return None if alarm is None else said


def shares(replications: int) -> list[dict[str, Figure]]:
    """Return a line for each factor by which one kind of 13 grows."""
    rng = np.random.default_rng(SEED)
    kinds = [f"kind {kind}" for kind in range(KINDS)]
    lines: list[dict[str, Figure]] = []
    for factor in (1.0, 1.5, 2.0, 3.0):
        after = np.full(KINDS, 1.0)
        after[0] = factor
        false = seen = 0
        for _ in range(replications):
            reference = _posteriors(np.ones(KINDS), 2_000, rng)
            days = _posteriors(after, DAYS * A_DAY, rng)
            alarms = [_alarmed(reference, days[day : day + WINDOW], kinds) for day in _looks(days)]
            false += sum("kind 0" not in names and bool(names) for names in alarms)
            seen += sum("kind 0" in names for names in alarms)
        looks = replications * len(_looks(days))
        lines.append(
            {
                "grows": factor,
                "share before": 1 / KINDS,
                "after": factor / (KINDS - 1 + factor),
                "looks": looks,
                "seen": seen / looks,
                "others": false / looks,
            }
        )
    return lines


def _looks(days: NDArray[np.float64]) -> Sequence[int]:
    return range(0, len(days) - WINDOW, A_DAY)


def _alarmed(
    reference: NDArray[np.float64], window: NDArray[np.float64], kinds: Sequence[str]
) -> set[str | None]:
    alarms = share_alarms(reference, window, kinds, since=0.0, remedy=REMEDY)
    return {alarm.kind for alarm in alarms}


def _posteriors(
    weights: NDArray[np.float64], count: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Draw what a classifier says that is right four times of five."""
    kinds = rng.choice(KINDS, size=count, p=weights / weights.sum())
    logits = rng.gumbel(size=(count, KINDS))
    logits[np.arange(count), kinds] += 5
    raised = np.exp(logits)
    return raised / raised.sum(axis=1, keepdims=True)


def main() -> None:
    """Simulate, print, and store when asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--replications", type=int, default=400)
    parser.add_argument("--save", action="store_true", help="store a dated result")
    arguments = parser.parse_args()
    figures = {
        "rate": rates(arguments.replications),
        "share": shares(max(1, arguments.replications // 10)),
    }
    for lines in figures.values():
        print(f"\n{table(lines)}")
    if arguments.save:
        print(store("drift", {"replications": arguments.replications} | figures))


if __name__ == "__main__":
    main()
