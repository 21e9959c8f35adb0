"""The table of kinds and arms: shrunk means that make the most of labels in pairs.

A row on which several arms were tried tells how they differ whatever its own difficulty; a row with
one label does not. So each row has an effect of its own, shrunk like in a mixed model (its variance
is estimated from the rows with several labels), and the table is what is left. A belief counts like
so many more rows on which every arm was tried. Where all arms were tried on all rows, that comes to
plain shrunk means; where arms were tried on other rows than each other, it does not.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from router.learning.estimates import Table
from router.learning.examples import Array, Examples, Prior

PRIOR_LABELS: Final = 15.0
"""What an arm's mean over all kinds is worth for one kind, where nothing else is believed."""
_MEAN_LABELS: Final = 2.0
"""What the mean over all arms is worth for one of them."""
_LEAST_RATIO: Final = 0.05
"""Of a label's own variance to its row's: arms that never differed yet may still."""
_COST_LABELS: Final = 5.0
_SLOPE_LABELS: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Labels:
    """Labels of N rows."""

    shares: Array
    """N x K."""
    seen: Array
    """N x A: the quality; 0 where it was not seen."""
    weights: Array
    """N x A: 0 where it was not seen."""

    @classmethod
    def of(cls, examples: Examples) -> "_Labels":
        return cls(
            shares=examples.shares,
            seen=np.nan_to_num(examples.quality),
            weights=np.where(np.isnan(examples.quality), 0.0, examples.weights),
        )


def table_of(examples: Examples, prior: Prior | None = None) -> Table:
    """Fit the table to examples and a prior; without one, to each arm's mean over all kinds.

    An arm whose cost was never seen costs nothing in it: leave it out, or say what it costs.
    """
    seen = _Labels.of(examples)
    if prior is None:
        size = (len(examples.kinds), len(examples.arms))
        means = np.broadcast_to(_means(seen), size)
        prior = Prior(quality=means, labels=np.full(size, PRIOR_LABELS))
    quality = _quality(seen, prior)
    labels = seen.shares.T @ seen.weights + prior.labels
    fixed, per_token = _cost(examples)
    return Table(quality=quality, labels=labels, cost_fixed=fixed, cost_per_token=per_token)


def _means(labels: _Labels) -> Array:
    """Return the mean of each arm over all kinds, 1 x A; of one never tried, as the others."""
    arms, total = labels.weights.shape[1], labels.weights.sum()
    overall = float((labels.weights * labels.seen).sum() / total) if total else 0.5
    prior = Prior(quality=np.full((1, arms), overall), labels=np.full((1, arms), _MEAN_LABELS))
    every = np.ones((len(labels.seen), 1))
    return _quality(_Labels(shares=every, seen=labels.seen, weights=labels.weights), prior)


def _quality(labels: _Labels, prior: Prior) -> Array:
    """Return the posterior mean by kind and arm."""
    shares, weights, worth = labels.shares, labels.weights, np.maximum(prior.labels, 1e-6)
    plain = (shares.T @ (weights * labels.seen) + worth * prior.quality) / (
        shares.T @ weights + worth
    )
    ratio = _noise_to_effect(np.where(weights > 0, labels.seen - shares @ plain, 0.0), weights)
    if not np.isfinite(ratio):
        return plain
    kinds, arms = plain.shape
    totals = weights.sum(axis=1) + ratio
    left = np.zeros((kinds, arms, kinds, arms))
    for one in range(arms):
        for other in range(arms):
            tied = weights[:, one] * ((one == other) - weights[:, other] / totals)
            left[:, one, :, other] = shares.T @ (shares * tied[:, None])
    effects = (weights * labels.seen).sum(axis=1) / totals
    right = shares.T @ (weights * (labels.seen - effects[:, None]))
    for kind in range(kinds):
        block = _believed(worth[kind], ratio)
        left[kind, :, kind, :] += block
        right[kind] += block @ prior.quality[kind]
    size = kinds * arms
    found = np.asarray(np.linalg.solve(left.reshape(size, size), right.ravel()), np.float64)
    return np.clip(found.reshape(kinds, arms), 0.0, 1.0)


def _believed(worth: Array, ratio: float) -> Array:
    """Return what rows on which every arm was tried tell of the arms, A x A."""
    rows = worth.max()
    share = worth / rows
    return rows * (np.diag(share) - np.outer(share, share) / (share.sum() + ratio))


def _noise_to_effect(left: Array, weights: Array) -> float:
    """Return a label's own variance over that of its row; infinite where no row tells."""
    several = (weights > 0).sum(axis=1) >= 2
    if not several.any():
        return np.inf
    rows, known = left[several], weights[several] > 0
    count = known.sum(axis=1)
    squares = (rows**2).sum(axis=1)
    pairs = (rows.sum(axis=1) ** 2 - squares) / (count * (count - 1))
    effect, total = pairs.mean(), (squares / count).mean()
    return max((total - effect) / effect, _LEAST_RATIO) if effect > 1e-6 else np.inf


def _cost(examples: Examples) -> tuple[Array, Array]:
    """Fit cost to size, by arm and then by kind and arm."""
    size = (len(examples.kinds), len(examples.arms))
    fixed, per_token = np.zeros(size), np.zeros(size)
    for arm in range(size[1]):
        known = ~np.isnan(examples.cost_nano_usd[:, arm])
        if known.any():
            lines = _lines(
                examples.shares[known],
                examples.size_tokens[known],
                examples.cost_nano_usd[known, arm],
            )
            fixed[:, arm], per_token[:, arm] = lines
    return fixed, per_token


def _lines(shares: Array, sizes: Array, costs: Array) -> tuple[Array, Array]:
    """Return a line of cost over size for each kind, shrunk to the line of all of them."""
    middle, spread = sizes.mean(), max(float(sizes.std()), 1.0)
    steps = (sizes - middle) / spread
    slope = max(float((steps * costs).mean() / ((steps**2).mean() + 1e-9)), 0.0)
    level = costs.mean()
    design = np.hstack([shares, shares * steps[:, None]])
    kinds = shares.shape[1]
    penalty = np.diag([_COST_LABELS] * kinds + [_SLOPE_LABELS] * kinds)
    target = design.T @ (costs - level - slope * steps)
    moved = np.asarray(np.linalg.solve(design.T @ design + penalty, target), np.float64)
    slopes = np.maximum(slope + moved[kinds:], 0.0) / spread
    return level + moved[:kinds] - slopes * middle, slopes
