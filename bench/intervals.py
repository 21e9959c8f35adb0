"""How often the intervals of `router/statistics` hold the truth, in worlds where it is known.

    .venv/bin/python -m bench.intervals [--runs 2000] [--save]

Four tables: the mean difference of pairs, the alarm on a loss, a judge corrected by audits, and the
saving. An interval holds where it does at every row from the first it is given at. The worlds are
harsher than traffic is: all kinds of differences there are between agreeing on nearly all tasks and
on hardly any; costs with heavy tails, conversations of one to six tasks that share a fate, a
propensity in steps, a price that doubles on one day.
"""

import argparse
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from bench.report import store, table
from router.statistics.judged import corrected
from router.statistics.paired import degraded_path, paired_paths
from router.statistics.saving import Assigned, displaced_paths, displaced_paths_by_kind

Floats = NDArray[np.float64]
Row = dict[str, str | int | float]
PAIRS, PLANNED = 3_000, 1_000
WIDTHS = (100, 500, 1_000, 2_000)
MARGIN, ALARM, FALL_AT = 0.05, 200, 300


def differences(rng: Generator, mean: float, unequal: float, count: int) -> Floats:
    """Return differences of which a share is unequal, a win or a loss of one point."""
    luck = rng.random(count)
    return np.where(luck < (unequal + mean) / 2, 1.0, np.where(luck < unequal, -1.0, 0.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """How pairs differ: their mean and the share that is unequal, and both from some pair on."""

    mean: float
    unequal: float
    then: tuple[int, float, float] | None = None

    def drawn(self, rng: Generator, count: int = PAIRS) -> tuple[Floats, Floats]:
        """Return differences, and the truth after each: their running expectation."""
        turn, mean, unequal = self.then or (count, 0.0, 0.0)
        expected = np.where(np.arange(count) < turn, self.mean, mean)
        drawn = [
            differences(rng, self.mean, self.unequal, turn),
            differences(rng, mean, unequal, count - turn),
        ]
        return np.concatenate(drawn), np.cumsum(expected) / np.arange(1, count + 1)


PAIRED: Mapping[str, Pairs] = {
    "alike, 5 % unequal": Pairs(mean=0, unequal=0.05),
    "alike, 20 % unequal": Pairs(mean=0, unequal=0.2),
    "alike, 30 % unequal": Pairs(mean=0, unequal=0.3),
    "5 points worse": Pairs(mean=-0.05, unequal=0.2),
    "8 points worse": Pairs(mean=-0.08, unequal=0.25),
    "40 points worse": Pairs(mean=-0.4, unequal=0.6),
    "1 % unequal": Pairs(mean=0, unequal=0.01),
    "1 % lost": Pairs(mean=-0.01, unequal=0.01),
    "3 % lost": Pairs(mean=-0.03, unequal=0.03),
    "30 points lost midway": Pairs(mean=0, unequal=0.2, then=(1_500, -0.3, 0.5)),
    "calm, then wild": Pairs(mean=0, unequal=0.02, then=(750, -0.1, 0.5)),
}


def paired(rng: Generator, runs: int) -> list[Row]:
    """Return for each world how often the interval held, and half its width."""
    rows: list[Row] = []
    for name, world in PAIRED.items():
        held, above, halves = [], [], []
        for _ in range(runs):
            seen, truth = world.drawn(rng)
            paths = paired_paths(seen, PLANNED)
            held.append(bool(((paths.lows <= truth) & (truth <= paths.highs)).all()))
            above.append(bool((paths.lows > -MARGIN).any()))
            halves.append([paths.highs[at - 1] - paths.values[at - 1] for at in WIDTHS])
        half = np.median(np.array(halves), axis=0)
        rows.append(
            {"differences": name, "held %": _percent(held)}
            | {f"half at {at} %": _percent(one) for at, one in zip(WIDTHS, half, strict=True)}
            | {"ever above -5 %": _percent(above)}
        )
    return rows


def falls(rng: Generator, runs: int) -> list[Row]:
    """Return for each spread how often 2,000 good pairs alarm, and after how many falls are."""
    rows: list[Row] = []
    for spread in (0.25, 0.35, 0.45, 0.5, 0.55):
        good = [_alarmed(differences(rng, 0.0, spread**2, 2_000)) is not None for _ in range(runs)]
        row: Row = {"sd": spread, "good alarmed %": _percent(good)}
        for fall in (0.1, 0.15, 0.2, 0.3):
            world = Pairs(
                mean=0, unequal=spread**2, then=(FALL_AT, -fall, max(fall, spread**2 + fall**2))
            )
            delays = [_alarmed(world.drawn(rng)[0]) or PAIRS for _ in range(runs)]
            later = [at - FALL_AT for at in delays if at > FALL_AT]
            row[f"pairs to a fall of {round(100 * fall)}"] = int(np.median(later))
        rows.append(row)
    return rows


def _alarmed(seen: Floats) -> int | None:
    over = degraded_path(seen, MARGIN) >= np.log(ALARM)
    return int(over.argmax()) + 1 if over.any() else None


def judged(rng: Generator, runs: int) -> list[Row]:
    """Return how often a corrected difference held by audits, at 12 looks, and half its width."""
    rows: list[Row] = []
    looks = np.unique(np.geomspace(20, 2_000, 12).astype(int))
    for audits in (20, 50, 100, 300, 1_000):
        for bias, wrong in ((0.05, 0.05), (0.0, 0.1), (0.1, 0.2), (-0.1, 0.5)):
            held, halves = [], []
            for _ in range(runs):
                truth = differences(rng, 0.0, 0.2, 2_000 + audits)
                said = np.clip(truth + differences(rng, bias, wrong, len(truth)), -1.0, 1.0)
                errors = (said - truth)[:audits]
                seen = [corrected(said[audits:][:at], errors, PLANNED) for at in looks]
                held.append(all(one.low <= 0.0 <= one.high for one in seen))
                halves.append(seen[-1].high - seen[-1].value)
            rows.append(
                {"audits": audits, "wrong": wrong, "bias": bias, "held %": _percent(held)}
                | {"half at 2000 %": _percent(np.median(halves))}
            )
    return rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """Eligible tasks of two kinds with known costs: nano-USD, the second four times the first."""

    tasks: int
    before: int
    """Tasks of the baseline, all with propensity 0."""
    shares: tuple[tuple[float, float], ...] = ((0.0, 0.1), (0.1, 0.25), (0.25, 0.5), (0.4, 1.0))
    """From which part of the month on what share is treated; the second kind is a tenth later."""
    hold_out: float = 0.1
    variation: float = 2.0
    """Standard deviation of a cost over its mean."""
    shared: float = 0.5
    """Standard deviation of the log of what a conversation's costs share."""
    rise: float = 1.0
    """What prices are multiplied with after three fifths."""
    is_told: bool = True

    def drawn(self, rng: Generator) -> tuple[Assigned, Mapping[str, Floats]]:
        """Return the tasks, and what was truly displaced after each: in all (`""`) and by kind."""
        count = self.tasks + self.before
        conversations = _conversations(rng, count)
        many = int(conversations.max()) + 1
        kind = np.where(
            rng.random(count) < 0.2,
            rng.integers(0, 2, count),
            rng.integers(0, 2, many)[conversations],
        )
        level = np.where(np.arange(count) < 0.6 * count, 1 / self.rise, 1.0)
        api, size = self._costs(rng, conversations, many)
        api = np.round(api * level * np.where(kind == 0, 1e6, 4e6))
        share = self._share(kind)
        place = (rng.random(many)[conversations] - self.hold_out) / (1 - self.hold_out)
        is_treated = (place >= 0) & (place < share)
        # One in ten falls back to the API.
        paid = np.where(is_treated & (rng.random(count) >= 0.1), 0.0, api)
        rows = Assigned(
            kinds=np.array(["code", "lookup"])[kind],
            conversations=conversations,
            propensities=(1 - self.hold_out) * share,
            is_treated=is_treated,
            cost_nano_usd=paid,
            size_tokens=size,
            price_levels=level if self.is_told and self.rise != 1 else None,
        )
        saved = api - paid
        by_kind = {
            name: np.cumsum(saved * (kind == at)) for at, name in enumerate(("code", "lookup"))
        }
        return rows, {"": np.cumsum(saved)} | by_kind

    def _costs(
        self, rng: Generator, conversations: NDArray[np.intp], many: int
    ) -> tuple[Floats, Floats]:
        count, spread = len(conversations), np.log(1 + self.variation**2)
        own = np.sqrt(spread - self.shared**2) * rng.normal(size=count)
        log = self.shared * rng.normal(size=many)[conversations] + own
        size = np.exp(6 + 0.5 * log + 0.6 * np.sqrt(spread) * rng.normal(size=count))
        return np.exp(log - spread / 2), np.ceil(size)

    def _share(self, kind: NDArray[np.intp]) -> Floats:
        at = (np.arange(len(kind)) - self.before) / self.tasks - 0.1 * kind
        share = np.zeros(len(kind))
        for begin, step in self.shares:
            share[at >= begin] = step
        return share


def _conversations(rng: Generator, count: int) -> NDArray[np.intp]:
    """Return the conversation of each task in order of time: one to six tasks, interleaved."""
    sizes = rng.integers(1, 7, count)
    conversations = np.repeat(np.arange(count), sizes)[:count]
    begun = np.sort(rng.uniform(0, count, count))
    later = rng.exponential(60, count)
    return conversations[np.argsort(3.5 * begun[conversations] + later, kind="stable")]


RAMP = Month(tasks=10_000, before=3_000)
MONTHS: Mapping[str, Month] = {
    "10,000 tasks": RAMP,
    "3,000 tasks": replace(RAMP, tasks=3_000, before=1_000),
    "3,000, canary of 10 %": replace(RAMP, tasks=3_000, before=600, shares=((0.0, 0.1),)),
    "10,000, promoted at once": replace(RAMP, before=400, shares=((0.0, 1.0),)),
    "3,000, no baseline": replace(RAMP, tasks=3_000, before=0, shares=((0.0, 1.0),)),
    "conversations alike": replace(RAMP, shared=1.1),
    "variation 4": replace(RAMP, variation=4.0),
    "variation 0.5": replace(RAMP, variation=0.5, shared=0.2),
    "hold-out 5 %": replace(RAMP, hold_out=0.05),
    "prices double": replace(RAMP, rise=2.0),
    "prices double, not told": replace(RAMP, rise=2.0, is_told=False),
}


def saving(rng: Generator, runs: int) -> list[Row]:
    """Return for each month how often the intervals held, the bias and half the width at its end.

    Bias and width are in parts of what was truly displaced.
    """
    rows: list[Row] = []
    for name, month in MONTHS.items():
        held: list[list[bool]] = []
        ends: list[tuple[float, float, float]] = []
        for _ in range(runs):
            tasks, truth = month.drawn(rng)
            total = displaced_paths(tasks, month.tasks)
            every = {"": total} | displaced_paths_by_kind(tasks, month.tasks)
            held.append(
                [
                    # A rounding of sums in another order is no miss.
                    bool(((one.lows <= truth[at] + 1) & (truth[at] - 1 <= one.highs)).all())
                    for at, one in every.items()
                ]
            )
            ends.append((truth[""][-1], total.values[-1], total.highs[-1] - total.values[-1]))
        true, value, half = np.array(ends).T
        share = np.mean(held, axis=0)
        error = (value - true) / true.mean()
        rows.append(
            {"month": name, "held %": _percent(share[0]), "worst kind %": _percent(share[1:].min())}
            | {"bias %": _percent(error), "its error %": _percent(error.std() / np.sqrt(runs))}
            | {"sd %": _percent(error.std()), "half %": _percent(np.median(half / true))}
        )
    return rows


TABLES: Mapping[str, Callable[[Generator, int], list[Row]]] = {
    "mean difference of pairs": paired,
    "alarm on a loss": falls,
    "a judge corrected by audits": judged,
    "the saving": saving,
}


def _percent(shares: ArrayLike) -> float:
    return round(100 * float(np.mean(shares)), 2)


def main() -> None:
    """Play, print the tables, and store them when asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=2_000)
    parser.add_argument("--save", action="store_true", help="store a dated result")
    arguments = parser.parse_args()
    started, found = time.perf_counter(), dict[str, list[Row]]()
    for name, play in TABLES.items():
        found[name] = play(np.random.default_rng(8), arguments.runs)
        print(f"\n{name}\n{table(found[name])}", flush=True)
    print(f"{time.perf_counter() - started:.0f} s")
    if arguments.save:
        print(store("intervals", {"runs": arguments.runs} | found))


if __name__ == "__main__":
    main()
