"""Tercet's own policy as the harness sees it: what `router.learning` fits, and nothing else.

Every policy in `OURS` gets a row of the table. The protocol is `bench.routing.policy`; names that
begin with "tercet" are what the differences are about.
"""

from dataclasses import dataclass, replace

import numpy as np

from bench.routing.dataset import Array, Dataset, Index, Questions
from bench.routing.policy import Policy, choose
from router.learning.estimates import Estimates, Expected
from router.learning.examples import Examples
from router.learning.features import sketch_of
from router.learning.fitting import fit

NANO = 1e9
NEIGHBOURS = 3
NEW_TOKENS = 200.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tercet:
    """The learned policy; without its residual for comparison."""

    name: str = "tercet"
    reads: str = "prompt"
    has_residual: bool = True

    def fit(self, train: Dataset, arms: tuple[str, ...]) -> "FittedTercet":
        """Fit on the rows about these arms; where all are new, on everything."""
        mine = train.about(arms)
        estimates = fit(examples_of(mine)).estimates
        if not self.has_residual:
            estimates = replace(estimates, residual=None)
        return FittedTercet(
            estimates=estimates,
            ranked=tuple(int(at) for at in np.argsort(np.nanmean(mine.quality, axis=0))),
            weight=_default_weight(mine),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedTercet:
    """Estimates, and which of their arms stand for the arms that are chosen among."""

    estimates: Estimates
    ranked: tuple[int, ...]
    """The estimates' arms, the least good first."""
    weight: float

    @property
    def default_weight(self) -> float:
        """Quality per USD: as in `_default_weight`."""
        return self.weight

    def scores(self, asked: Questions) -> tuple[Array, Array]:
        """Return expected quality and USD."""
        expected = [
            self._expect(prompt, size)
            for prompt, size in zip(asked.prompts, asked.in_tok, strict=True)
        ]
        columns = self._columns(asked)
        quality = np.array([[one.quality[c].mean() for c in columns] for one in expected])
        cost = np.array([[one.cost_nano_usd[c].mean() for c in columns] for one in expected])
        is_new = [arm not in self.estimates.arms for arm in asked.arms]
        usd = cost / NANO
        # What a new arm writes is not known; what it asks for a token is.
        usd[:, is_new] = asked.cost(np.full_like(cost, NEW_TOKENS))[:, is_new]
        return quality, usd

    def route(self, prompt: str) -> str:
        """Return the arm for one prompt, of those that were learned."""
        one = self._expect(prompt, len(prompt) / 4)
        choice = choose(one.quality[None], one.cost_nano_usd[None] / NANO, self.weight)
        return self.estimates.arms[int(choice[0])]

    def _expect(self, prompt: str, size_tokens: float) -> Expected:
        return self.estimates.expect(None, float(size_tokens), sketch_of(prompt))

    def _columns(self, asked: Questions) -> list[Index]:
        """Return what stands for each arm: of one never seen, known arms of like standing.

        The dearest of the arms is taken for as good as the best third that is known, the cheapest
        for as good as the worst: what carries over from one set of models to another is which tasks
        are hard for the weak and not for the strong.
        """
        size = max(1, len(self.ranked) // NEIGHBOURS)
        places = np.argsort(np.argsort(asked.price.sum(axis=1)))
        found: list[Index] = []
        for arm, place in zip(asked.arms, places, strict=True):
            if arm in self.estimates.arms:
                found.append(np.array([self.estimates.arms.index(arm)]))
            else:
                at = round(int(place) / max(1, len(asked.arms) - 1) * (len(self.ranked) - size))
                found.append(np.array(self.ranked[at : at + size]))
        return found


def examples_of(train: Dataset) -> Examples:
    """Return training rows in the learner's own form: all labels paired, kinds declared."""
    kinds = tuple(sorted(set(train.asked.tasks)))
    shares = np.array([[float(task == kind) for kind in kinds] for task in train.asked.tasks])
    cost = np.where(np.isnan(train.quality), np.nan, train.cost * NANO)
    return Examples(
        kinds=kinds,
        arms=train.arms,
        shares=shares,
        quality=train.quality,
        cost_nano_usd=cost,
        weights=np.ones_like(train.quality),
        size_tokens=train.asked.in_tok,
        groups=train.groups,
        sketches=[sketch_of(prompt) for prompt in train.asked.prompts],
    )


def _default_weight(train: Dataset) -> float:
    """Return the weight at which a point of quality is worth a tenth of the dearest arm's cost."""
    return 0.1 / max(float(np.nanmean(train.cost, axis=0).max()), 1e-9)


OURS: tuple[Policy, ...] = (
    Tercet(),
    Tercet(name="tercet without residual", has_residual=False),
)
