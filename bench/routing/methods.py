"""How the baselines predict: each method is fitted on (features, targets) and predicts targets.

Targets are one matrix, a column for each arm's quality and then for each arm's output tokens, with
nan where unknown. What a method is tuned over is its grid of options.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.cluster import KMeans
from sklearn.decomposition import TruncatedSVD

from bench.routing.dataset import Array
from bench.routing.features import Matrix

PRIOR = 15.0  # pseudo-labels that hold a mean of few outcomes to the arm's overall mean
STEPS = 15  # of conjugate gradients; further ones change AIQ by less than 0.05 points
WIDTH = 128  # dimensions that k-means sees of sparse features


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Neighbours:
    """The mean over the k most similar training rows."""

    rows: Matrix
    targets: Array
    means: Array
    k: int

    def predict(self, asked: Matrix) -> Array:
        """Return expected targets, 256 questions at a time."""
        parts = [self._some(asked[i : i + 256]) for i in range(0, asked.shape[0], 256)]
        return np.concatenate(parts)

    def _some(self, asked: Matrix) -> Array:
        if isinstance(asked, csr_matrix) and asked.shape[0] > 1:
            likeness = (asked @ self.rows.T).toarray()
        else:  # of a single question, sparse times dense is ten times faster
            dense = asked.toarray() if isinstance(asked, csr_matrix) else asked
            likeness = (self.rows @ dense.T).T
        k = min(self.k, likeness.shape[1])
        nearest = np.argpartition(-likeness, k - 1, axis=1)[:, :k]
        near = self.targets[nearest]
        seen = ~np.isnan(near)
        total = np.where(seen, near, 0).sum(axis=1)
        # One pseudo-label: an arm none of the neighbours knows is expected at its mean.
        return (total + self.means) / (seen.sum(axis=1) + 1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Clusters:
    """Avengers-Pro's way: a table by cluster, read at the nearest few, weighted by nearness."""

    axes: Array | None
    centres: Array
    table: Array
    nearest: int

    def predict(self, asked: Matrix) -> Array:
        """Return the mean of the nearest clusters' rows of the table."""
        dense = asked if self.axes is None else asked @ self.axes
        gaps = (dense**2).sum(1)[:, None] - 2 * dense @ self.centres.T + (self.centres**2).sum(1)
        near = np.argsort(gaps, axis=1)[:, : self.nearest]
        distance = np.sqrt(np.maximum(np.take_along_axis(gaps, near, axis=1), 0))
        share = np.exp(-distance / np.maximum(distance.mean(), 1e-9))
        share /= share.sum(axis=1, keepdims=True)
        return np.asarray((share[:, :, None] * self.table[near]).sum(axis=1))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Linear:
    """A ridge regression for each target; of low rank, the matrix factorisation of the field."""

    weights: Array
    means: Array

    def predict(self, asked: Matrix) -> Array:
        """Return the arm's mean and what the features add."""
        return np.asarray(asked @ self.weights) + self.means


Predictor = Neighbours | Clusters | Linear
Option = tuple[float, ...]
Fit = Callable[[Matrix, Array, Option], Predictor]


def neighbours(rows: Matrix, targets: Array, option: Option) -> Neighbours:
    """Keep the training rows; option: k."""
    return Neighbours(rows=rows, targets=targets, means=means_of(targets), k=int(option[0]))


def clusters(rows: Matrix, targets: Array, option: Option) -> Clusters:
    """Cut training rows into clusters (fewer of few rows); option: how many, how many are read."""
    axes, dense = None, rows
    if isinstance(rows, csr_matrix):
        svd = TruncatedSVD(min(WIDTH, rows.shape[0] - 1), n_iter=3, random_state=0).fit(rows)
        axes = np.ascontiguousarray(svd.components_.T)
        dense = rows @ axes
    count = max(1, min(int(option[0]), len(dense) // 10))
    kmeans = KMeans(count, n_init=2, max_iter=50, random_state=0).fit(dense)
    return Clusters(
        axes=axes,
        centres=np.asarray(kmeans.cluster_centers_),
        table=shrunk_table(np.eye(count)[kmeans.labels_], targets),
        nearest=min(int(option[1]), count),
    )


def ridge(rows: Matrix, targets: Array, option: Option) -> Linear:
    """Fit every target on the rows that know it, all by one conjugate gradient; option: a penalty.

    Solves (X'DX + penalty) w = X'Dy, D the rows where the target is known, for all columns at once.
    """
    penalty = option[0]
    seen = ~np.isnan(targets)
    means, scale = means_of(targets), spread_of(targets)
    left = rows.T @ np.where(seen, (targets - means) / scale, 0)
    weights, step = np.zeros_like(left), left.copy()
    size = (left**2).sum(axis=0)
    for _ in range(STEPS):
        image = rows.T @ np.where(seen, rows @ step, 0) + penalty * step
        rate = size / np.maximum((step * image).sum(axis=0), 1e-30)
        weights += rate * step
        left -= rate * image
        size, before = (left**2).sum(axis=0), size
        step = left + size / np.maximum(before, 1e-30) * step
    return Linear(weights=weights * scale, means=means)


def factorised(rows: Matrix, targets: Array, option: Option) -> Linear:
    """Fit a ridge whose predictions have a low rank across arms; option: a penalty, the rank."""
    full = ridge(rows, targets, option)
    scale = spread_of(targets)
    _, _, axes = np.linalg.svd(np.asarray(rows @ full.weights) / scale, full_matrices=False)
    kept = axes[: int(option[1])]
    return Linear(weights=((full.weights / scale) @ kept.T) @ kept * scale, means=full.means)


def shrunk_table(shares: Array, targets: Array) -> Array:
    """Return targets' means by class, held to the overall means by `PRIOR` pseudo-labels.

    `shares` says how much of each row is of each class (n x K).
    """
    seen = ~np.isnan(targets)
    total = shares.T @ np.where(seen, targets, 0)
    return np.asarray((total + PRIOR * means_of(targets)) / (shares.T @ seen + PRIOR))


def means_of(targets: Array) -> Array:
    """Return each column's mean over known cells; 0 where none is known."""
    seen = ~np.isnan(targets)
    total = np.where(seen, targets, 0).sum(axis=0)
    return np.asarray(total / np.maximum(seen.sum(axis=0), 1))


def spread_of(targets: Array) -> Array:
    """Return each column's standard deviation over known cells, never 0."""
    return np.maximum(np.sqrt(means_of((targets - means_of(targets)) ** 2)), 1e-9)
