"""How far off-policy estimates are from the truth, on simulated logs of tables that know it.

    .venv/bin/python -m bench.off_policy [FILE ...] [--replications 500] [--save]

Each row of a file (the format of `docs/routing-bench.md`) says how good every model's answer to a
question was, so that the true value of any policy is known. A replication draws 5,000 tasks from it
with replacement, lets a logging policy choose an arm for each, and forgets the others; the estimate
sees no more than that. Without files: those of ../shared/data if they are here. A made-up table
goes first.

Loggers: `eps-greedy` plays the best arm of each kind and 10 % of the time any; `thompson` begins
with no labels and is refitted every 500 tasks on its own log, with `router/learning/exploring.py`.
No propensity is below 0.02. A logger pays for cost as much as the target `even` does.
"""

import argparse
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from bench.report import Figure, store, table
from bench.routing.assembling import Trial, datasets, taking_part
from bench.routing.prices import price_list
from bench.routing.reading import rows_of
from router.learning.exploring import LEAST, Exploration, Prospect, propensities
from router.learning.off_policy import Estimate, Floats, Log, Method, NoVerdict, compare, estimate

SHARED = Path(__file__).parents[2] / "shared" / "data"
NAMES = ("dev_mmlupro", "dev_zeroeval", "dev_llmrouter")
TASKS, BATCH, EPSILON, SEED = 5_000, 500, 0.1, 7
WEIGHTS: Mapping[str, float] = {"even": 0.1, "near": 0.07, "quality": 0.0, "thrift": 0.3}
"""How much quality the dearest arm's mean cost has to buy, by target."""
DIFFERENCE = "near - even"
SOME = 0.1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Full:
    """What every arm makes of every task."""

    name: str
    arms: tuple[str, ...]
    kinds: NDArray[np.str_]
    quality: Floats
    cost: Floats
    """USD; N x A, like `quality`."""

    @property
    def by_kind(self) -> tuple[NDArray[np.intp], Floats, Floats]:
        """Return each row's kind, and mean quality and cost by kind and arm."""
        names, codes = np.unique(self.kinds, return_inverse=True)
        rows = [codes == code for code in range(len(names))]
        quality = np.array([self.quality[row].mean(axis=0) for row in rows])
        return codes, quality, np.array([self.cost[row].mean(axis=0) for row in rows])


Sample = tuple[NDArray[np.intp], Log]
"""Rows of the table, and what was logged of them."""


def made_up(rows: int = 4_000, seed: int = SEED) -> Full:
    """Make a table of eight kinds and five arms, the dearer the better, but not in every kind."""
    rng = np.random.default_rng(seed)
    kinds, skill = rng.integers(0, 8, rows), np.linspace(0.45, 0.8, 5)
    means = np.clip(skill + rng.normal(0, 0.1, (8, 5)), 0.05, 0.95)
    ease = rng.normal(0, 0.15, (rows, 1))
    quality = rng.random((rows, 5)) < np.clip(means[kinds] + ease, 0, 1)
    cost = np.geomspace(1e-4, 5e-3, 5) * rng.lognormal(0, 0.5, (rows, 1))
    names = np.array([f"kind {kind}" for kind in kinds])
    arms = tuple(f"arm {arm}" for arm in range(5))
    return Full(name="made up", arms=arms, kinds=names, quality=quality.astype(float), cost=cost)


def of_file(file: Path) -> Full:
    """Read a table: the models that `bench.routing` takes by default, rows with all of them."""
    rows, prices = rows_of(file), price_list()
    groups = range(len(rows))
    trial = Trial(name=file.name, train=rows, train_groups=groups, test=rows, test_groups=groups)
    _, data = datasets(trial, taking_part(trial, prices, None), prices, {})
    known = ~np.isnan(data.quality).any(axis=1)
    return Full(
        name=file.name.split(".")[0],
        arms=data.arms,
        kinds=np.array(data.asked.tasks)[known],
        quality=data.quality[known],
        cost=data.cost[known],
    )


def targets_of(full: Full) -> dict[str, Floats]:
    """Return policies by name, each the probability of every arm for every row of the table."""
    codes, quality, cost = full.by_kind
    one = np.eye(len(full.arms))
    policies = {
        name: one[(quality - weight * cost / full.cost.mean(axis=0).max()).argmax(axis=1)][codes]
        for name, weight in WEIGHTS.items()
    }
    strong = one[np.full(len(codes), full.quality.mean(axis=0).argmax())]
    return policies | {"always strong": strong}


def eps_greedy(full: Full, rng: np.random.Generator) -> Sample:
    """Log with the best arm of each kind, and 10 % any."""
    rows = rng.integers(0, len(full.kinds), TASKS)
    count = len(full.arms)
    shares = (1 - EPSILON) * targets_of(full)["even"][rows] + EPSILON / count
    above = np.maximum(shares - LEAST, 0)
    shares = LEAST + (1 - LEAST * count) * above / above.sum(axis=1, keepdims=True)
    return rows, _logged(full, rows, shares, _drawn(shares, rng))


def thompson(full: Full, rng: np.random.Generator) -> Sample:
    """Log with Thompson sampling, refitted on its own log."""
    rows = rng.integers(0, len(full.kinds), TASKS)
    codes, _, cost = full.by_kind
    good, bad = np.ones_like(cost), np.ones_like(cost)
    shares, chosen = np.empty((TASKS, len(full.arms))), np.empty(TASKS, dtype=np.intp)
    for begin in range(0, TASKS, BATCH):
        part = slice(begin, begin + BATCH)
        kinds = codes[rows[part]]
        shares[part] = _thompson_shares(full, good, bad, cost)[kinds]
        chosen[part] = _drawn(shares[part], rng)
        rewards = full.quality[rows[part], chosen[part]]
        np.add.at(good, (kinds, chosen[part]), rewards)
        np.add.at(bad, (kinds, chosen[part]), 1 - rewards)
    return rows, _logged(full, rows, shares, chosen)


LOGGERS = {"eps-greedy": eps_greedy, "thompson": thompson}


def _thompson_shares(full: Full, good: Floats, bad: Floats, cost: Floats) -> Floats:
    """Return propensities by kind and arm."""
    dearest = float(full.cost.mean(axis=0).max())
    exploration = Exploration(
        floor=EPSILON,
        quality_per_nano_usd=WEIGHTS["even"] / dearest / 1e9,
        left_nano_usd=10**12,
    )
    return np.array(
        [
            list(
                propensities(
                    {
                        arm: Prospect.of_counts(*counts, cost_nano_usd=round(usd * 1e9))
                        for arm, *counts, usd in zip(full.arms, *lines, strict=True)
                    },
                    exploration,
                ).values()
            )
            for lines in zip(good, bad, cost, strict=True)
        ]
    )


def _drawn(shares: Floats, rng: np.random.Generator) -> NDArray[np.intp]:
    marks = shares.cumsum(axis=1)
    return (marks > rng.random((len(shares), 1)) * marks[:, -1:]).argmax(axis=1)


def _logged(full: Full, rows: NDArray[np.intp], shares: Floats, chosen: NDArray[np.intp]) -> Log:
    return Log(
        arms=full.arms,
        kinds=full.kinds[rows],
        chosen=chosen,
        propensities=shares,
        rewards=full.quality[rows, chosen],
        is_forced=np.zeros(len(rows), dtype=np.bool_),
        label_propensities=np.ones(len(rows)),
        conversations=np.arange(len(rows)),
    )


def replayed(full: Full, logger: str, replications: int) -> list[dict[str, Figure]]:
    """Return a line for each target and method."""
    targets, rng = _distinct(targets_of(full)), np.random.default_rng(SEED)
    truths = {
        name: float((target * full.quality).sum(axis=1).mean()) for name, target in targets.items()
    }
    truths[DIFFERENCE] = truths.get("near", 0.0) - truths["even"]
    found: dict[tuple[str, Method], list[Estimate | NoVerdict]] = {}
    for _ in range(replications):
        rows, log = LOGGERS[logger](full, rng)
        for name, method, seen in _estimates(log, {k: v[rows] for k, v in targets.items()}):
            found.setdefault((name, method), []).append(seen)
    return [
        {"set": full.name, "logger": logger, "target": name, "method": method}
        | _line(seen, truths[name])
        for (name, method), seen in found.items()
    ]


def _estimates(
    log: Log, targets: Mapping[str, Floats]
) -> Iterator[tuple[str, Method, Estimate | NoVerdict]]:
    for method in get_args(Method):
        for name, target in targets.items():
            yield name, method, estimate(log, target, method=method)
        if "near" in targets:
            difference = compare(log, targets["near"], targets["even"], method=method)
            yield DIFFERENCE, method, difference


def _distinct(targets: Mapping[str, Floats]) -> dict[str, Floats]:
    """Leave out policies that do what an earlier one does: they would count twice."""
    found: dict[str, Floats] = {}
    for name, target in targets.items():
        if not any(np.array_equal(target, other) for other in found.values()):
            found[name] = target
    return found


def _line(seen: Sequence[Estimate | NoVerdict], truth: float) -> dict[str, Figure]:
    """Return errors and widths in points, of the estimates that were not refused."""
    made = [one for one in seen if isinstance(one, Estimate)]
    errors = 100 * np.array([abs(one.value - truth) for one in made])
    covered = [one.low <= truth <= one.high for one in made]
    return {
        "value": 100 * truth,
        "ess": float(np.mean([one.support.ess for one in seen])),
        "refused": 1 - len(made) / len(seen),
        "error": float(errors.mean()) if made else float("nan"),
        "error p95": float(np.quantile(errors, 0.95)) if made else float("nan"),
        "covered": float(np.mean(covered)) if made else float("nan"),
        "+-": float(np.mean([50 * (one.high - one.low) for one in made] or [np.nan])),
    }


def total(lines: Sequence[Mapping[str, Figure]]) -> list[dict[str, Figure]]:
    """Return a line for each set and method: means of all that was answered, and the worst case.

    The worst case is one of those answered at least `SOME` of the time.
    """
    groups = {(line["set"], line["method"]): None for line in lines}
    return [
        {"set": name, "method": method}
        | _together([line for line in lines if _is(line, name, method)])
        for name, method in groups
    ]


def _is(line: Mapping[str, Figure], name: Figure, method: Figure) -> bool:
    return (line["set"], line["method"]) == (name, method) and float(line["refused"]) < 1


def _together(lines: Sequence[Mapping[str, Figure]]) -> dict[str, Figure]:
    answered = [1 - float(line["refused"]) for line in lines]
    usual = [line for line in lines if float(line["refused"]) <= 1 - SOME]
    return {
        "cases": len(lines),
        "error": float(np.average([float(line["error"]) for line in lines], weights=answered)),
        "most error": max(float(line["error"]) for line in usual),
        "covered": float(np.average([float(line["covered"]) for line in lines], weights=answered)),
        "least covered": min(float(line["covered"]) for line in usual),
    }


def main() -> None:
    """Replay, print the tables, and store them when asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", type=Path, nargs="*")
    parser.add_argument("--replications", type=int, default=500)
    parser.add_argument("--save", action="store_true", help="store a dated result")
    arguments = parser.parse_args()
    shared = [SHARED / f"{name}.jsonl.zst" for name in NAMES]
    files = arguments.files or [file for file in shared if file.exists()]
    started = time.perf_counter()
    lines: list[dict[str, Figure]] = []
    for full in [made_up(), *map(of_file, files)]:
        for logger in LOGGERS:
            rows = replayed(full, logger, arguments.replications)
            print(f"\n{table(rows)}", flush=True)
            lines += rows
    print(f"\nin points, where not refused\n{table(total(lines))}")
    print(f"{time.perf_counter() - started:.0f} s")
    if arguments.save:
        figures = {"replications": arguments.replications, "total": total(lines), "lines": lines}
        print(store("off-policy", figures))


if __name__ == "__main__":
    main()
