"""What there is to learn from: tasks, what they were, and how arms did on them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from router.learning.features import Sketch

Array = NDArray[np.floating]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Examples:
    """N tasks; K kinds and A arms in an order of their own. What was not seen is nan."""

    kinds: tuple[str, ...]
    arms: tuple[str, ...]
    shares: Array
    """N x K: the probability of each kind; one of them 1 where the kind is known for certain."""
    quality: Array
    """N x A, from 0 to 1."""
    cost_nano_usd: Array
    """N x A."""
    weights: Array
    """N x A: what each label counts, 1 where every arm was tried, else one over the probability
    with which this one was."""
    size_tokens: Array
    """N: of the whole conversation."""
    groups: NDArray[np.intp]
    """N: rows of one conversation, or of one prompt, share a number; folds never part them."""
    sketches: Sequence[Sketch | None]

    def __len__(self) -> int:
        """Return N."""
        return len(self.shares)

    @property
    def is_certain(self) -> NDArray[np.bool_]:
        """Say of which tasks the kind is known for certain."""
        return self.shares.max(axis=1, initial=0.0) > 1 - 1e-6

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Self:
        """Return some of the tasks."""
        places = np.arange(len(self))[rows]
        return type(self)(
            kinds=self.kinds,
            arms=self.arms,
            shares=self.shares[places],
            quality=self.quality[places],
            cost_nano_usd=self.cost_nano_usd[places],
            weights=self.weights[places],
            size_tokens=self.size_tokens[places],
            groups=self.groups[places],
            sketches=[self.sketches[place] for place in map(int, places)],
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prior:
    """What is believed before the first label."""

    quality: Array
    """K x A, from 0 to 1."""
    labels: Array
    """K x A: how many labels the belief is worth."""
