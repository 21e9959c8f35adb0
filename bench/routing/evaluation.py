"""One test file: every policy fitted, its curve drawn, and the curves compared."""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench.routing import metrics, noise, timing
from bench.routing.bootstrap import aiq_draws
from bench.routing.dataset import Array, Dataset, Index, Questions, some
from bench.routing.policy import Fitted, HasDefault, Policy, choices_of, choose, cost_weights

OURS = "tercet"
Figure = float | str | bool | None | list[float] | dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How much is measured.

    Attributes:
        seed: Of resamples and noise.
        resamples: Of the bootstrap.
        noisy_rows: Test rows whose routes are compared under noise; 0 leaves robustness out.
        timed_rows: Prompts that are routed one by one under the clock; 0 leaves timing out.
        pair: (strong, weak) of the deferral curve; None: the best and the cheapest of the hull.
    """

    seed: int = 0
    resamples: int = 2000
    noisy_rows: int = 300
    timed_rows: int = 300
    pair: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Curve:
    """What a policy's choices were worth and cost, by point of its curve and row (P x n).

    The last point is the cheapest model of all: any policy may be told to spend nothing more.
    """

    name: str
    quality: Array
    cost: Array

    @property
    def own(self) -> tuple[Array, Array]:
        """The means of the policy's own points: quality, and USD a question."""
        return self.quality[:-1].mean(axis=1), self.cost[:-1].mean(axis=1)

    @property
    def hull(self) -> metrics.Points:
        """The curve's convex hull over all rows."""
        return metrics.frontier(self.cost.mean(axis=1), self.quality.mean(axis=1))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stage:
    """The test rows that every policy is measured on, and the yardsticks they give.

    Attributes:
        test: Rows with all outcomes.
        weights: The sweep's cost weights, from training rows.
        zero: The zero router.
        span: Costs of the cheapest and the best model of its hull: the range of AIQ.
        best: The column of the best single model, by these rows.
        trained_best: The column of the one best by training rows; None: it does not take part.
        pair: Columns of the strong and the weak arm of the deferral curve.
    """

    test: Dataset
    weights: Array
    zero: Curve
    span: tuple[float, float]
    best: int
    trained_best: int | None
    pair: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measured:
    """One policy's figures, and the curve they are of."""

    curve: Curve
    is_published: bool
    reads: str
    figures: dict[str, Figure]


def staged(train: Dataset, test: Dataset, settings: Settings) -> Stage:
    """Leave only test rows with all outcomes, and find the yardsticks."""
    test = test.rows(np.flatnonzero((~np.isnan(test.quality)).all(axis=1)))
    if not len(test):
        raise SystemExit(
            "No test row has an outcome of every arm that takes part; name fewer with --models."
        )
    quality, cost = test.quality, test.cost
    singles = np.repeat(np.arange(len(test.arms))[:, None], len(test), axis=1)
    zero = curve_of("zero router", singles, test)
    hull = zero.hull
    best = int(np.lexsort((cost.mean(axis=0), -quality.mean(axis=0)))[0])
    weak = int(np.argmin(cost.mean(axis=0)))
    mine = train.about(test.arms)
    trained_best = mine.arms[int(np.argmax(np.nanmean(mine.quality, axis=0)))]
    return Stage(
        test=test,
        weights=cost_weights(_usual_costs(mine, test.asked.price)),
        zero=zero,
        span=(hull[0][0], hull[-1][0]),
        best=best,
        trained_best=test.arms.index(trained_best) if trained_best in test.arms else None,
        pair=(best, weak) if settings.pair is None else _columns(test, settings.pair),
    )


def measured(policy: Policy, train: Dataset, stage: Stage, settings: Settings) -> Measured:
    """Fit one policy, choose for every test row at every weight, and work out its figures."""
    began = time.process_time()
    fitted = policy.fit(train, stage.test.arms)
    fit_s = time.process_time() - began
    asked = stage.test.asked if policy.reads == "type" else stage.test.blind
    choices = choices_of(fitted, asked, stage.weights)
    curve = curve_of(policy.name, choices, stage.test)
    figures = figures_of(curve, stage)
    figures |= _deferral(fitted, asked, stage)
    figures |= _default(fitted, asked, stage)
    figures["fit_cpu_s"] = round(fit_s, 3)
    figures["artefact_mb"] = timing.megabytes(fitted)
    if policy.reads in ("prompt", "nothing") and settings.noisy_rows:
        figures["robustness"] = robustness(fitted, asked, _matching(curve, stage), settings)
    if policy.reads in ("prompt", "nothing") and settings.timed_rows:
        figures |= timing.one_by_one(fitted, asked, settings.timed_rows)
    published = bool(getattr(policy, "is_published", False))
    return Measured(curve=curve, is_published=published, reads=policy.reads, figures=figures)


def yardsticks(stage: Stage) -> list[Measured]:
    """Return the zero router and the oracle, which know the outcomes of the test rows."""
    quality, cost = stage.test.quality, stage.test.cost
    best = np.stack([choose(quality, cost, float(weight)) for weight in stage.weights])
    curves = [stage.zero, curve_of("oracle", best, stage.test)]
    found: list[Measured] = []
    for curve in curves:
        figures = figures_of(curve, stage)
        found.append(Measured(curve=curve, is_published=False, reads="outcomes", figures=figures))
    strong, weak = stage.pair
    margin = quality[:, strong] - quality[:, weak]
    found[1].figures.update(_apgr(margin, stage))
    return found


def compared(
    all_of_it: Sequence[Measured], stage: Stage, settings: Settings
) -> tuple[dict[str, str], dict[str, Array]]:
    """Add intervals and differences to every policy's figures, in place.

    Returns:
        Whom the differences are to (`strongest`, `strongest_of_all`, `knn`, by highest AIQ on these
        very rows, which favours them), and every policy's AIQ by resample.
    """
    draws = aiq_draws(
        [(one.curve.quality, one.curve.cost) for one in all_of_it],
        stage.test.groups,
        stage.span,
        count=settings.resamples,
        seed=settings.seed,
    )
    by_name = {one.curve.name: draw for one, draw in zip(all_of_it, draws, strict=True)}
    rivals = {
        "strongest": [one for one in all_of_it if one.is_published],
        "strongest_of_all": [one for one in all_of_it if _is_rival(one)],
        "knn": [one for one in all_of_it if one.curve.name.startswith("kNN k=100")],
    }
    chosen = {label: max(them, key=_aiq) for label, them in rivals.items() if them}
    for one in all_of_it:
        one.figures["aiq_interval"] = _rounded(metrics.interval(by_name[one.curve.name]))
        for label, rival in chosen.items():
            gap = by_name[one.curve.name] - by_name[rival.curve.name]
            one.figures[f"minus_{label}"] = _rounded(
                [_aiq(one) - _aiq(rival), *metrics.interval(gap)]
            )
    return {label: rival.curve.name for label, rival in chosen.items()}, by_name


def curve_of(name: str, choices: Index, test: Dataset) -> Curve:
    """Return what choices (P x n) were worth and cost, and the cheapest model last."""
    rows, cost = np.arange(len(test)), test.cost
    cheapest = int(np.argmin(cost.mean(axis=0)))
    choices = np.concatenate([choices, np.full((1, len(test)), cheapest)])
    return Curve(name=name, quality=test.quality[rows, choices], cost=cost[rows, choices])


def figures_of(curve: Curve, stage: Stage) -> dict[str, Figure]:
    """Return the figures that a curve alone gives. AIQ and gaps are shares, not points."""
    hull, zero = curve.hull, stage.zero.hull
    quality, cost = curve.own
    single = float(stage.test.quality[:, stage.best].mean())
    oracle = float(stage.test.quality.max(axis=1).mean())
    return {
        "aiq": metrics.aiq(hull, *stage.span),
        "aiq_log": metrics.aiq(hull, *stage.span, is_log=True),
        "minus_zero": metrics.aiq(hull, *stage.span) - metrics.aiq(zero, *stage.span),
        "best_quality": float(quality.max()),
        "cost_at_best_single": _share_of(hull, stage.test, stage.best),
        "cost_at_trained_best": _share_of(hull, stage.test, stage.trained_best),
        "oracle_gap_closed": (float(quality.max()) - single) / max(oracle - single, 1e-12),
        "arena": max(metrics.arena(float(q), float(c)) for q, c in zip(quality, cost, strict=True)),
    }


def robustness(
    fitted: Fitted, asked: Questions, weight: float, settings: Settings
) -> dict[str, float]:
    """Return the share of routes that stay as they are under each kind of noise, and the mean."""
    rng = np.random.default_rng(settings.seed)
    count = min(settings.noisy_rows, len(asked))
    asked = replace(some(asked, rng.permutation(len(asked))[:count]), embeddings=None)
    weights = np.array([0.0, weight, np.inf])
    before = choices_of(fitted, asked, weights)[1]
    kept: dict[str, float] = {}
    for name, change in noise.CHANGES.items():
        draw = random.Random(f"{settings.seed} {name}")
        noisy = replace(asked, prompts=tuple(change(text, draw) for text in asked.prompts))
        kept[name] = float((choices_of(fitted, noisy, weights)[1] == before).mean())
    return kept | {"mean": float(np.mean(list(kept.values())))}


def _usual_costs(train: Dataset, price: Array) -> Array:
    """Return what arms of these prices would cost for training's mean tokens."""
    return np.asarray(train.asked.in_tok.mean() * price[:, 0] + train.out_tok.mean() * price[:, 1])


def _columns(test: Dataset, pair: tuple[str, str]) -> tuple[int, int]:
    missing = [name for name in pair if name not in test.arms]
    if missing:
        raise SystemExit(f"{missing[0]} does not take part; those that do: {', '.join(test.arms)}.")
    return test.arms.index(pair[0]), test.arms.index(pair[1])


def _share_of(hull: metrics.Points, test: Dataset, arm: int | None) -> float | None:
    if arm is None:
        return None
    reached = metrics.cost_at(hull, float(test.quality[:, arm].mean()) - 1e-12)
    return None if reached is None else reached / float(test.cost[:, arm].mean())


def _matching(curve: Curve, stage: Stage) -> float:
    """Return the weight of the cheapest point as good as the best single model, or of the best."""
    quality, cost = curve.own
    single = float(stage.test.quality[:, stage.best].mean())
    reached = quality >= min(single, float(quality.max())) - 1e-12
    return float(stage.weights[int(np.argmin(np.where(reached, cost, np.inf)))])


def _deferral(fitted: Fitted, asked: Questions, stage: Stage) -> dict[str, Figure]:
    strong, weak = stage.pair
    quality, _ = fitted.scores(asked)
    return _apgr(quality[:, strong] - quality[:, weak], stage)


def _apgr(margin: Array, stage: Stage) -> dict[str, Figure]:
    strong, weak = stage.pair
    quality = stage.test.quality
    # Equal margins are taken in an order that has nothing to do with the file's.
    mixed = np.random.default_rng(0).permutation(len(margin))
    curve = metrics.deferral(margin[mixed], quality[mixed, strong], quality[mixed, weak])
    return {
        "apgr": metrics.apgr(curve),
        "cpt_50": metrics.cpt(curve, 0.5),
        "cpt_80": metrics.cpt(curve, 0.8),
        "cpt_95": metrics.cpt(curve, 0.95),
    }


def _default(fitted: Fitted, asked: Questions, stage: Stage) -> dict[str, Figure]:
    if not isinstance(fitted, HasDefault):
        return {"arena_default": None}
    weights = np.array([0.0, fitted.default_weight, np.inf])
    choices = choices_of(fitted, asked, weights)[1:2]
    point = curve_of("default", choices, stage.test)
    quality, cost = point.own
    return {"arena_default": metrics.arena(float(quality[0]), float(cost[0]))}


def _is_rival(one: Measured) -> bool:
    return one.reads in ("prompt", "embedding") and not one.curve.name.startswith(OURS)


def _aiq(one: Measured) -> float:
    aiq = one.figures["aiq"]
    assert isinstance(aiq, float)  # noqa: S101
    return aiq


def _rounded(values: Sequence[float]) -> list[float]:
    return [round(value, 6) for value in values]
