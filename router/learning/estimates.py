"""What has been learned: expected quality and cost of every arm for a task, in well under 1 ms.

A table of kinds and arms carries most of it. Two parts may go with it, each only where it was worth
it when it was fitted: a head, which finds the kind from the text, and a residual, which says how
much better or worse than its kind a text is for each arm.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from router.learning.features import Sketch

Array = NDArray[np.floating]
_CERTAIN = 1 - 1e-6


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Table:
    """By kind and arm, both in the order of the estimates that hold it."""

    quality: Array
    """K x A, from 0 to 1."""
    labels: Array
    """K x A: how many labels each entry is worth, the prior's included."""
    cost_fixed: Array
    """K x A, nano-USD: of a task without a word in it."""
    cost_per_token: Array
    """K x A, nano-USD for each token of the conversation."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Head:
    """Finds the kind from a sketch: multinomial logistic regression on tf-idf."""

    weights: Array
    """65,536 x K."""
    bias: Array
    """K."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Residual:
    """How far a text is from its kind, by arm: ridge regression on tf-idf."""

    weights: Array
    """65,536 x A."""
    bias: Array
    """A."""
    pays: Array
    """K, 0 or 1: the kinds for which it was better than nothing on texts it had not seen."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Expected:
    """What is expected of every arm for one task, in the order of the arms."""

    kinds: Array
    """K: the probability of each kind."""
    quality: Array
    """A, from 0 to 1."""
    variance: Array
    """A: of that expectation, not of single answers."""
    cost_nano_usd: Array
    """A, at least 0."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Estimates:
    """One version of what was learned."""

    kinds: tuple[str, ...]
    arms: tuple[str, ...]
    table: Table
    idf: Array | None = None
    """65,536; `None` where neither head nor residual is there."""
    head: Head | None = None
    residual: Residual | None = None

    @property
    def reads_text(self) -> bool:
        """Whether a sketch makes a difference."""
        return self.idf is not None

    def expect(
        self, kinds: Mapping[str, float] | None, size_tokens: float, sketch: Sketch | None
    ) -> Expected:
        """Return what is expected of every arm.

        Args:
            kinds: probability by kind, where something else than the head tells it; unless it is
                certain of one, the mean of both counts. Kinds that were never learned count as a
                mix of all.
            size_tokens: of the whole conversation.
            sketch: of what is asked; `None`: head and residual are left out.
        """
        features = None if sketch is None else self._features(sketch)
        share = self._share(kinds, features)
        quality = share @ self.table.quality
        if features is not None and self.residual is not None:
            buckets, values = features
            moved = values @ self.residual.weights[buckets] + self.residual.bias
            quality = quality + (share @ self.residual.pays) * moved
        quality = np.clip(quality, 0.0, 1.0)
        per_token = self.table.cost_per_token * size_tokens
        return Expected(
            kinds=share,
            quality=quality,
            variance=share @ _variance(self.table),
            cost_nano_usd=np.maximum(share @ (self.table.cost_fixed + per_token), 0.0),
        )

    def _features(self, sketch: Sketch) -> tuple[NDArray[np.uint16], Array] | None:
        if self.idf is None or not len(sketch.buckets):
            return None
        values = (1.0 + np.log(sketch.counts, dtype=np.float32)) * self.idf[sketch.buckets]
        if not values.any():
            return None
        length = float(np.sqrt(values @ values))
        return (sketch.buckets, values / length) if length > 0 else None

    def _share(
        self, kinds: Mapping[str, float] | None, features: tuple[NDArray[np.uint16], Array] | None
    ) -> Array:
        told = None if kinds is None else self._told(kinds)
        if told is not None and told.max() > _CERTAIN:
            return told
        if features is None or self.head is None:
            return np.full(len(self.kinds), 1 / len(self.kinds)) if told is None else told
        buckets, values = features
        found = softmax(values @ self.head.weights[buckets] + self.head.bias)
        return found if told is None else (told + found) / 2

    def _told(self, kinds: Mapping[str, float]) -> Array:
        share = np.array([kinds.get(kind, 0.0) for kind in self.kinds])
        share = share + max(0.0, 1.0 - share.sum()) / len(self.kinds)
        return share / share.sum()


def softmax(scores: Array) -> Array:
    """Return probabilities of logits, along the last axis."""
    raised = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return raised / raised.sum(axis=-1, keepdims=True)


def _variance(table: Table) -> Array:
    """Return the variance of a Beta distribution with the table's mean and labels."""
    return table.quality * (1 - table.quality) / (table.labels + 1)


def chosen(quality: Array, cost: Array, quality_per_nano_usd: float) -> NDArray[np.intp]:
    """Return the arm of the highest quality less weighted cost; along the last axis."""
    return np.argmax(quality - quality_per_nano_usd * cost, axis=-1)
