"""Examples -> estimates: the only module that uses scikit-learn; no request ever waits for it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GroupKFold

from router.learning.estimates import Estimates, Head, Residual, chosen, softmax
from router.learning.examples import Array, Examples, Prior
from router.learning.features import BUCKETS, Sketch
from router.learning.tabling import table_of

Rows = Any
"""A sparse matrix, N x 65,536. Neither scipy nor scikit-learn ships types that would check it."""

_Fold = tuple[NDArray[np.intp], NDArray[np.intp]]
"""Rows to learn from, and rows to test on."""

_FOLDS: Final = 4
_INVERSE_PENALTY: Final = 20.0
_PENALTIES: Final = (30.0, 100.0, 300.0)
_HEAD_FROM: Final = 60
"""Tasks of known kind from which a head is fitted."""
_RESIDUAL_FROM: Final = 200
"""Labelled tasks with a sketch from which a residual is tried."""
_COST_WEIGHTS: Final = 16
_SURE: Final = 1.0
"""Standard errors by which a residual has to be better, for a kind to use it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """What was fitted, and how good it was on texts it had not seen."""

    estimates: Estimates
    head_accuracy: float | None
    """Share of the tasks whose kind the head found; `None`: there is no head."""
    residual_gains: tuple[float, ...]
    """By kind: mean squared error of the arms' differences that the residual took away; empty
    where none was tried."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Texts:
    """The examples that have a sketch, as tf-idf."""

    rows: Rows
    idf: Array
    places: NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Case:
    """What a residual is fitted from."""

    told: Examples
    """With the kinds as they were told: what the table is fitted to."""
    found: Examples
    """With the kinds that the head gives texts it had not seen: what the table is asked with."""
    rows: Rows
    folds: Sequence[_Fold]
    prior: Prior | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Unseen:
    """What was said of texts that had not been seen, N x A."""

    quality: Array
    said: Array
    """What the residual would add to the quality."""
    cost: Array

    def take(self, rows: NDArray[np.bool_]) -> "_Unseen":
        return _Unseen(quality=self.quality[rows], said=self.said[rows], cost=self.cost[rows])


def fit(examples: Examples, prior: Prior | None = None) -> Fit:
    """Fit a table, and a head and a residual where they are worth it.

    The same examples give the same fit. Tasks without a label still teach the head, if their kind
    is certain and they have a sketch.

    Args:
        examples: what happened.
        prior: what was believed before; `None`: that kinds are alike.
    """
    estimates = Estimates(kinds=examples.kinds, arms=examples.arms, table=table_of(examples, prior))
    texts = _texts(examples)
    if texts is None:
        return Fit(estimates=estimates, head_accuracy=None, residual_gains=())
    known = examples.take(texts.places)
    folds = _folds(known.groups)
    head, shares, accuracy = _headed(known, texts.rows, folds)
    found = replace(known, shares=shares)
    case = _Case(told=known, found=found, rows=texts.rows, folds=folds, prior=prior)
    residual, gains = _residual(case)
    if head is None and residual is None:
        return Fit(estimates=estimates, head_accuracy=None, residual_gains=gains)
    return Fit(
        estimates=replace(estimates, idf=texts.idf, head=head, residual=residual),
        head_accuracy=accuracy,
        residual_gains=gains,
    )


def _texts(examples: Examples) -> _Texts | None:
    places = np.array([at for at, s in enumerate(examples.sketches) if s is not None], np.intp)
    if len(places) < _HEAD_FROM:
        return None
    counts = _counts([s for s in examples.sketches if s is not None])
    seen = np.bincount(counts.indices, minlength=BUCKETS)
    idf = np.where(seen > 1, np.log((1 + len(places)) / (1 + seen)) + 1, 0.0).astype(np.float32)
    counts.data *= idf[counts.indices]
    of_text = np.repeat(np.arange(len(places)), np.diff(counts.indptr))
    squares = np.bincount(of_text, weights=counts.data**2, minlength=len(places))
    counts.data /= np.sqrt(np.maximum(squares, 1e-18))[of_text]
    return _Texts(rows=counts, idf=idf, places=places)


def _counts(sketches: Sequence[Sketch]) -> Rows:
    """Return one plus the logarithm of each count."""
    ends = np.cumsum([0, *(len(sketch.buckets) for sketch in sketches)]).astype(np.int32)
    values = np.concatenate([sketch.counts for sketch in sketches]).astype(np.float32)
    buckets = np.concatenate([sketch.buckets for sketch in sketches]).astype(np.int32)
    return sparse.csr_array((1 + np.log(values), buckets, ends), shape=(len(sketches), BUCKETS))


def _folds(groups: NDArray[np.intp]) -> list[_Fold]:
    folds = min(_FOLDS, len(np.unique(groups)))
    if folds < 2:
        return []
    splitter: Any = GroupKFold(folds)
    return list(splitter.split(groups, groups=groups))


def _headed(
    known: Examples, rows: Rows, folds: Sequence[_Fold]
) -> tuple[Head | None, Array, float | None]:
    """Return a head, the kinds it gives texts it had not seen, and how often it was right."""
    certain = known.is_certain
    kinds = known.shares.argmax(axis=1)
    enough = [k for k in range(len(known.kinds)) if (kinds[certain] == k).sum() >= _FOLDS]
    if certain.sum() < _HEAD_FROM or len(enough) < 2:
        return None, known.shares, None
    usable = certain & np.isin(kinds, enough)
    shares = known.shares.copy()
    for learn, test in folds:
        of_learn, of_test = learn[usable[learn]], test[usable[test]]
        shares[of_test] = _shares(_head(rows, kinds, of_learn, len(known.kinds)), rows[of_test])
    head = _head(rows, kinds, np.flatnonzero(usable), len(known.kinds))
    right = shares[usable].argmax(axis=1) == kinds[usable]
    return head, shares, float(right.mean())


def _head(rows: Rows, kinds: NDArray[np.intp], learn: NDArray[np.intp], count: int) -> Head:
    """Fit one kind against all others, kind by kind: ten times faster than all at once."""
    used = np.unique(rows[learn].indices)
    weights = np.zeros((BUCKETS, count), np.float32)
    bias = np.full(count, -20.0, np.float32)
    columns = rows[learn][:, used]
    for kind in np.unique(kinds[learn]):
        model: Any = LogisticRegression(
            C=_INVERSE_PENALTY, solver="liblinear", dual=True, tol=1e-2, random_state=0
        )
        model.fit(columns, kinds[learn] == kind)
        weights[used, kind] = model.coef_[0]
        bias[kind] = model.intercept_[0]
    return Head(weights=weights, bias=bias)


def _shares(head: Head, rows: Rows) -> Array:
    return softmax(rows @ head.weights + head.bias)


def _residual(case: _Case) -> tuple[Residual | None, tuple[float, ...]]:
    """Return a residual for the kinds where it is better than the table alone, if there is one."""
    several = (~np.isnan(case.found.quality)).sum(axis=1) >= 2
    if several.sum() < _RESIDUAL_FROM or not case.folds:
        return None, ()
    paired = case.found.take(several)
    tried = [_unseen(case, penalty).take(several) for penalty in _PENALTIES]
    scores = [_gains(paired, unseen) for unseen in tried]
    best = int(np.argmax([gains.sum() for gains, _ in scores]))
    gains, errors = scores[best]
    pays = (gains > _SURE * errors).astype(np.float32)
    used = tried[best].said * (paired.shares @ pays)[:, None]
    worth = _worth(paired, replace(tried[best], said=used))
    if worth.mean() < _SURE * worth.std() / np.sqrt(len(worth)) or not pays.any():
        return None, tuple(gains.tolist())
    left = _left(case.found, table_of(case.told, case.prior).quality)
    weights, bias = _ridge(case.rows, left, np.arange(len(left)), _PENALTIES[best])
    return Residual(weights=weights, bias=bias, pays=pays), tuple(gains.tolist())


def _unseen(case: _Case, penalty: float) -> _Unseen:
    """Return quality by the table, what a ridge adds, and cost, for texts neither had seen."""
    known, rows = case.found, case.rows
    size = known.quality.shape
    quality, said, cost = np.zeros(size), np.zeros(size), np.zeros(size)
    for learn, test in case.folds:
        table = table_of(case.told.take(learn), case.prior)
        shares = known.shares[test]
        quality[test] = shares @ table.quality
        sized = known.size_tokens[test, None] * (shares @ table.cost_per_token)
        cost[test] = np.maximum(shares @ table.cost_fixed + sized, 0.0)
        weights, bias = _ridge(rows, _left(known, table.quality), learn, penalty)
        said[test] = rows[test] @ weights + bias
    return _Unseen(quality=quality, said=said, cost=cost)


def _left(known: Examples, table: Array) -> Array:
    """Return how far each outcome is from the table, N x A."""
    return known.quality - known.shares @ table


def _ridge(rows: Rows, left: Array, learn: NDArray[np.intp], penalty: float) -> tuple[Array, Array]:
    """Regress what is left on texts: 65,536 x A, and A; 0 for arms of which too few are known."""
    weights, bias = np.zeros((BUCKETS, left.shape[1]), np.float32), np.zeros(left.shape[1])
    used = np.unique(rows[learn].indices)
    for arm in range(left.shape[1]):
        seen = learn[~np.isnan(left[learn, arm])]
        if len(seen) >= _HEAD_FROM:
            model: Any = Ridge(alpha=penalty, solver="sparse_cg", tol=1e-3)
            model.fit(rows[seen][:, used], left[seen, arm])
            weights[used, arm], bias[arm] = model.coef_, model.intercept_
    return weights, bias


def _gains(known: Examples, unseen: _Unseen) -> tuple[Array, Array]:
    """Return by kind how much squared error of the arms' differences it took, and its error."""
    left = known.quality - unseen.quality
    said = np.where(np.isnan(left), np.nan, unseen.said)
    apart = left - np.nanmean(left, axis=1, keepdims=True)
    moved = said - np.nanmean(said, axis=1, keepdims=True)
    took = np.nanmean(apart**2 - (apart - moved) ** 2, axis=1)
    total = np.maximum(known.shares.sum(axis=0), 1e-9)
    gains = (known.shares * took[:, None]).sum(axis=0) / total
    spread = (known.shares * (took[:, None] - gains) ** 2).sum(axis=0) / total
    return gains, np.sqrt(spread / np.maximum(total, 1.0))


def _worth(known: Examples, unseen: _Unseen) -> Array:
    """Return by task what routing by the residual gained: quality less weighted cost.

    The mean over many cost weights. A residual can predict better and choose worse.
    """
    quality = known.quality
    cost = np.where(np.isnan(known.cost_nano_usd), unseen.cost, known.cost_nano_usd)
    expected = np.where(np.isnan(quality), -np.inf, unseen.quality)
    gained, rows = np.zeros(len(known)), np.arange(len(known))
    for weight in _weights(unseen.cost):
        price = weight * unseen.cost
        before, after = chosen(expected, price, 1), chosen(expected + unseen.said, price, 1)
        worth = quality - weight * cost
        gained += (worth[rows, after] - worth[rows, before]) / _COST_WEIGHTS
    return gained


def _weights(costs: Array) -> Array:
    """Return cost weights from one at which only quality counts to one at which cost does."""
    dearest = max(float(costs.mean(axis=0).max()), 1.0)
    cheapest = max(float(costs.mean(axis=0).min()), dearest / 1e4)
    return np.geomspace(0.005 / dearest, 0.5 / cheapest, _COST_WEIGHTS)
