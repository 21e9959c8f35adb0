"""How much a few labels are worth: routing by N labelled prompts, beside kNN on the same labels.

    python -m bench.labels FILE [FILE] [--embeddings NPZ] [--draws 8] [--save]

Three arms: the cheapest, the best, and one between them, by training rows. Each draw cuts the file
anew (64 % to draw prompts from, the rest to test on) and draws N prompts anew. `paired`: every arm
was tried on every prompt; `single`: one arm at random a prompt. Figures are AIQ points over the
zero router, means over draws with their standard error. `all kinds`: paired, and the prompts
without a label are known too, with their kinds: what a gateway has whose callers say what they ask.
Bar (paired, 500 prompts): 1.3 on MMLU-Pro and 2.0 on LLMRouter; aim 1.6 and 2.6.
"""

import argparse
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bench.report import Figure, store, table
from bench.routing import assembling, methods
from bench.routing.baselines import Learned
from bench.routing.dataset import Array, Dataset, Index
from bench.routing.evaluation import Settings, Stage, curve_of, figures_of, staged
from bench.routing.metrics import frontier
from bench.routing.ours import NANO, examples_of
from bench.routing.policy import choices_of, choose
from bench.routing.prices import price_list
from bench.routing.reading import embeddings_of
from router.learning.estimates import Estimates
from router.learning.examples import Examples
from router.learning.features import Sketch, sketch_of
from router.learning.fitting import fit

SIZES = (100, 300, 500, 1_000, 3_000)
TRAINED = 0.64
NEIGHBOURS: Sequence[methods.Option] = [(40,), (10,), (100,)]
Scores = dict[tuple[int, str], list[float]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Draw:
    """One cut of a file, and the order in which its training prompts get labels."""

    train: Dataset
    examples: Examples
    """The training rows, with all kinds of the file: a taxonomy is known beforehand."""
    stage: Stage
    sketches: Sequence[Sketch]
    """Of the test rows."""
    order: Index
    seed: int

    def labelled(self, count: int) -> tuple[Index, Array]:
        """Return the rows of the first `count` prompts, and which single arm each was tried on."""
        arms = np.random.default_rng([self.seed, count]).integers(0, 3, len(self.train))
        return self.order[:count], np.arange(3) == arms[:, None]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table for each file, and store all of them when asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--embeddings", type=Path, action="append", default=[])
    parser.add_argument("--draws", type=int, default=8)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--save", action="store_true")
    options = parser.parse_args(arguments)
    vectors = embeddings_of(options.embeddings)
    report: dict[str, object] = {"draws": options.draws}
    for file in options.files:
        arms, lines = measured(file, vectors, options.draws, options.sizes)
        print(f"\n{file.name}: {', '.join(arms)}\n{table(lines)}", flush=True)
        report[file.name] = {"arms": arms, "points over the zero router": lines}
    if options.save:
        print(f"stored {store('labels', report)}")


def measured(
    file: Path, vectors: Mapping[str, Array], count: int, sizes: Sequence[int]
) -> tuple[tuple[str, ...], list[dict[str, Figure]]]:
    """Return the arms of the first draw, and a line for each number of prompts."""
    scores: Scores = defaultdict(list)
    arms: tuple[str, ...] = ()
    for draw in draws(file, vectors, count):
        arms = arms or draw.train.arms
        # Heads of all kinds do not depend on labels: one does for every size.
        informed = fit(without_labels(draw.examples)).estimates
        for size in [*(n for n in sizes if n < len(draw.train)), len(draw.train)]:
            _score(draw, size, informed, scores)
    wholes = max(size for size, _ in scores)
    ordered = [size for size in sizes if (size, "paired") in scores]
    lines = [_line(f"{size:,}", scores, lambda n, size=size: n == size) for size in ordered]
    lines.append(_line(f"all (about {wholes:,})", scores, lambda n: n not in ordered))
    return arms, lines


def draws(file: Path, vectors: Mapping[str, Array], count: int) -> Iterator[Draw]:
    """Cut a file anew for each draw; training rows without an outcome of every arm are left out."""
    prices = price_list()
    for seed in range(count):
        (trial,) = assembling.cut([file], TRAINED, seed, together=False)
        arms = assembling.taking_part(trial, prices, None)
        train, test = assembling.datasets(trial, arms, prices, vectors)
        chosen = three_of(train.about(arms))
        train, test = train.columns(chosen), test.columns(chosen)
        train = train.rows(np.flatnonzero((~np.isnan(train.quality)).all(axis=1)))
        stage = staged(train, test, Settings(seed=seed))
        yield Draw(
            train=train,
            examples=examples_of(train),
            stage=stage,
            sketches=[sketch_of(prompt) for prompt in stage.test.asked.prompts],
            order=np.random.default_rng(seed).permutation(len(train)),
            seed=seed,
        )


def three_of(train: Dataset) -> tuple[str, str, str]:
    """Return the cheapest arm, one between, and the best.

    The one between is nearest the hull; of several on it, nearest the geometric mean of the costs
    of the other two.
    """
    quality, cost = np.nanmean(train.quality, axis=0), np.nanmean(train.cost, axis=0)
    cheap, best = int(np.lexsort((-quality, cost))[0]), int(np.argmax(quality))
    hull = frontier(cost, quality)
    below = np.interp(cost, [c for c, _ in hull], [q for _, q in hull]) - quality
    between = np.flatnonzero((cost > cost[cheap]) & (cost < cost[best]))
    nearest = between[below[between] <= below[between].min() + 1e-9]
    off = np.abs(np.log(cost[nearest] ** 2 / cost[cheap] / cost[best]))
    names = train.arms
    return names[cheap], names[int(nearest[np.argmin(off)])], names[best]


def without_labels(examples: Examples) -> Examples:
    """Return what is known of tasks nobody labelled: text, size and kind."""
    nothing = np.full_like(examples.quality, np.nan)
    return replace(examples, quality=nothing, cost_nano_usd=nothing)


def _score(draw: Draw, size: int, informed: Estimates, scores: Scores) -> None:
    rows, single = draw.labelled(size)
    for label, tried in (("paired", np.ones_like(single)), ("single", single)):
        quality = np.where(tried, draw.train.quality, np.nan)
        cost = np.where(tried, draw.examples.cost_nano_usd, np.nan)
        seen = replace(draw.train, quality=quality).rows(rows)
        mine = replace(draw.examples, quality=quality, cost_nano_usd=cost).take(rows)
        found = fit(mine).estimates
        scores[size, label].append(_points(draw, found))
        if label == "paired":
            told = replace(found, idf=informed.idf, head=informed.head, residual=None)
            scores[size, "all kinds"].append(_points(draw, told))
        scores[size, f"kNN {label}"].append(_points_of_neighbours(draw, seen))


def _points(draw: Draw, estimates: Estimates) -> float:
    sizes = draw.stage.test.asked.in_tok.tolist()
    found = [
        estimates.expect(None, size, sketch)
        for size, sketch in zip(sizes, draw.sketches, strict=True)
    ]
    quality = np.array([one.quality for one in found])
    cost = np.array([one.cost_nano_usd for one in found]) / NANO
    return _over_zero(draw, np.stack([choose(quality, cost, w) for w in draw.stage.weights]))


def _points_of_neighbours(draw: Draw, seen: Dataset) -> float:
    reads = "prompt" if seen.asked.embeddings is None else "embedding"
    policy = Learned(name="kNN", reads=reads, method=methods.neighbours, options=NEIGHBOURS)
    fitted = policy.fit(seen, seen.arms)
    return _over_zero(draw, choices_of(fitted, draw.stage.test.blind, draw.stage.weights))


def _over_zero(draw: Draw, choices: Index) -> float:
    points = figures_of(curve_of("", choices, draw.stage.test), draw.stage)["minus_zero"]
    assert isinstance(points, float)  # noqa: S101
    return 100 * points


def _line(name: str, scores: Scores, wanted: Callable[[int], bool]) -> dict[str, Figure]:
    line: dict[str, Figure] = {"prompts": name}
    for label in ("paired", "all kinds", "single", "kNN paired", "kNN single"):
        them = [one for (n, said), found in scores.items() if said == label and wanted(n)
                for one in found]  # fmt: skip
        error = np.std(them, ddof=1) / np.sqrt(len(them)) if len(them) > 1 else float("nan")
        line[label] = f"{np.mean(them):+.2f} ± {error:.2f}"
    return line


if __name__ == "__main__":
    main()
