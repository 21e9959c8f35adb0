"""Examples for the learner's tests, from as little as a test has to say."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from router.learning.examples import Examples
from router.learning.features import sketch_of


def examples(
    kinds: Sequence[str],
    quality: ArrayLike,
    *,
    cost: ArrayLike | None = None,
    sizes: ArrayLike | None = None,
    texts: Sequence[str] = (),
) -> Examples:
    """Return a row for each kind; arms are called a, b, ...; without texts there is no sketch."""
    outcomes = np.array(quality, float).reshape(len(kinds), -1)
    names = tuple(sorted(set(kinds)))
    return Examples(
        kinds=names,
        arms=tuple("abcdefghijklmnop"[: outcomes.shape[1]]),
        shares=np.array([[float(kind == name) for name in names] for kind in kinds]),
        quality=outcomes,
        cost_nano_usd=np.full_like(outcomes, np.nan) if cost is None else np.array(cost, float),
        weights=np.ones_like(outcomes),
        size_tokens=np.ones(len(kinds)) if sizes is None else np.array(sizes, float),
        groups=np.arange(len(kinds)),
        sketches=[sketch_of(text) for text in texts] or [None] * len(kinds),
    )
