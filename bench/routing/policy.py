"""What a policy has to be to be measured here.

A policy is fitted once on training rows, told among which arms it will choose. What comes out gives
expected quality and expected cost; the harness then chooses, for each of its cost weights, the arm
of the highest `quality - weight * cost`, and draws the curve from the choices' true outcomes.

`arms` may hold models that no training row has an outcome of, and `train.arms` holds every priced
model of the training files, also those that do not take part: `train.about(arms)` leaves only what
concerns those that do. Quality has nan where an outcome is unknown.
"""

from typing import Protocol, runtime_checkable

import numpy as np

from bench.routing.dataset import Array, Dataset, Index, Questions


class Fitted(Protocol):
    """A policy after its fit."""

    def scores(self, asked: Questions, /) -> tuple[Array, Array]:
        """Return expected quality and expected USD, both n x A in the order of `asked.arms`."""
        ...


class Policy(Protocol):
    """A way of choosing an arm for a question."""

    @property
    def name(self) -> str:
        """What it is called in the table."""
        ...

    @property
    def reads(self) -> str:
        """What it needs of a question: `prompt`, `embedding`, `type` (true) or `nothing`."""
        ...

    def fit(self, train: Dataset, arms: tuple[str, ...], /) -> Fitted:
        """Learn from training rows how to choose among `arms`."""
        ...


@runtime_checkable
class Chooses(Protocol):
    """A fitted policy that makes its own choices at each cost weight."""

    def choices(self, asked: Questions, weights: Array, /) -> Index:
        """Return columns of `asked.arms`, W x n. The first weight is 0, the last infinite."""
        ...


@runtime_checkable
class HasDefault(Protocol):
    """A fitted policy that has a cost weight of its own, in quality per USD."""

    @property
    def default_weight(self) -> float:
        """The weight it would be used with."""
        ...


@runtime_checkable
class Routes(Protocol):
    """A fitted policy with a faster way to route one prompt: what its CPU time is measured on."""

    def route(self, prompt: str, /) -> str:
        """Return the arm for one prompt at the default weight."""
        ...


def cost_weights(mean_costs: Array, count: int = 51) -> Array:
    """Return 0, `count` log-spaced weights in quality per USD, and infinity.

    The smallest trades a fifth of a point for the dearest arm's cost, the largest everything
    for the cheapest's.
    """
    lo, hi = 0.002 / float(mean_costs.max()), 2.0 / max(float(mean_costs.min()), 1e-9)
    return np.concatenate([[0.0], np.geomspace(lo, hi, count), [np.inf]])


def choose(quality: Array, cost: Array, weight: float) -> Index:
    """Return each row's column of the highest `quality - weight * cost`; the cheaper of equals."""
    if np.isinf(weight):
        return np.asarray(np.argmin(cost - 1e-12 * quality, axis=1))
    return np.asarray(np.argmax(quality - (weight + 1e-7) * cost, axis=1))


def choices_of(fitted: Fitted, asked: Questions, weights: Array) -> Index:
    """Return what a fitted policy chooses at each weight (W x n)."""
    if isinstance(fitted, Chooses):
        return np.asarray(fitted.choices(asked, weights))
    quality, cost = fitted.scores(asked)
    return np.stack([choose(quality, cost, float(weight)) for weight in weights])
