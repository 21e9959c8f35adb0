"""Choices of deferral played on held-out tasks, beside the strong model on the same."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench.routing.bootstrap import resamples
from router.learning.deferral import Deferral
from router.learning.deferral_options import ANY_KIND
from router.learning.deferral_rows import Compared, Terms

RESAMPLES = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """One policy on held-out tasks, beside the strong model on the same."""

    quality: np.ndarray
    cost: np.ndarray
    strong_quality: np.ndarray
    strong_cost: np.ndarray
    groups: np.ndarray
    kinds: tuple[str, ...]

    def ratios(self) -> tuple[float, float]:
        """Return quality and cost as shares of the strong model's."""
        return (
            float(self.quality.sum() / self.strong_quality.sum()),
            float(self.cost.sum() / self.strong_cost.sum()),
        )

    def interval(self, seed: int) -> list[float]:
        """Return the 95 % interval of the share of quality, and of cost, by paired bootstrap."""
        draws = [
            (
                (w @ self.quality) / (w @ self.strong_quality),
                (w @ self.cost) / (w @ self.strong_cost),
            )
            for w in resamples(self.groups, RESAMPLES, seed)
        ]
        found: list[float] = []
        for column in zip(*draws, strict=True):
            found += np.quantile(np.concatenate(column), [0.025, 0.975]).tolist()
        return found

    def of(self, kind: str) -> "Played":
        """Return the tasks of one kind alone."""
        at = np.array([k == kind for k in self.kinds])
        columns = ("quality", "cost", "strong_quality", "strong_cost", "groups")
        parts = {name: getattr(self, name)[at] for name in columns}
        return replace(self, **parts, kinds=(kind,) * int(at.sum()))


def plainly(pair: tuple[str, str], terms: Terms) -> Mapping[str, Deferral]:
    """Return accept-or-escalate with one pair, whatever the kind."""
    return {
        ANY_KIND: Deferral(
            kind=ANY_KIND,
            mode="escalate",
            arms=pair,
            strong=terms.strongs[0],
            up_to_tokens=None,
            gain=0.0,
            quality=0.0,
            nano_usd=0,
            strong_quality=0.0,
            strong_nano_usd=0,
            agreement=None,
            tasks=0,
            reasons=(),
        )
    }


def played(
    choices: Mapping[str, Deferral], tasks: Sequence[Compared], groups: np.ndarray, terms: Terms
) -> Played:
    """Play held-out tasks; those without the strong model's answer are left out."""
    strong = terms.strongs[0]
    kept = [at for at, task in enumerate(tasks) if strong in task.said]
    ends = [play(choices.get(tasks[at].kind, choices[ANY_KIND]), tasks[at], strong) for at in kept]
    return Played(
        quality=np.array([quality for quality, _ in ends]),
        cost=np.array([cost for _, cost in ends], dtype=float),
        strong_quality=np.array([tasks[at].said[strong].quality for at in kept]),
        strong_cost=np.array([tasks[at].said[strong].nano_usd for at in kept], dtype=float),
        groups=groups[kept],
        kinds=tuple(tasks[at].kind for at in kept),
    )


def play(choice: Deferral, task: Compared, strong: str) -> tuple[float, int]:
    """Return the quality and the cost of one task; who is lost is replaced by the strong."""
    there = [task.said[arm] for arm in choice.arms if arm in task.said]
    paid = sum(said.nano_usd for said in there)
    last = task.said.get(choice.strong or strong, task.said[strong])
    if choice.mode in ("escalate", "consensus", "prefer") and len(there) == len(choice.arms):
        a, b = sorted(choice.arms)
        wrote = sum(said.output_tokens for said in there)
        is_long = choice.up_to_tokens is not None and wrote > choice.up_to_tokens
        if choice.mode != "escalate" or task.agree[a, b] or is_long:
            return there[0].quality, paid
        return last.quality, paid + last.nano_usd
    if there and (choice.mode == "prefer" or len(choice.arms) == 1):
        return there[0].quality, paid
    return last.quality, paid + last.nano_usd


def auroc(pair: tuple[str, str], tasks: Sequence[Compared]) -> float | None:
    """Return how well "the two agree" tells the first one's right answers from its wrong ones."""
    both = [task for task in tasks if all(arm in task.said for arm in pair)]
    rates = []
    for is_right in (True, False):
        these = [t for t in both if (t.said[pair[0]].quality >= 0.5) == is_right]
        if not these:
            return None
        rates.append(mean([t.agree[min(pair), max(pair)] for t in these]))
    return (1 + rates[0] - rates[1]) / 2


def means(results: Sequence[Played]) -> dict[str, float]:
    """Return the mean shares of quality and cost, and how many tasks they are of."""
    ratios = [one.ratios() for one in results]
    return {
        "quality": mean([quality for quality, _ in ratios]),
        "cost": mean([cost for _, cost in ratios]),
        "tasks": mean([len(one.kinds) for one in results]),
    }


def summary(results: Sequence[Played]) -> dict[str, object]:
    """Return shares of the strong model's quality and cost with what they vary by."""
    ratios = np.array([one.ratios() for one in results])
    ends = np.array([one.interval(seed) for seed, one in enumerate(results)]).mean(axis=0)
    return {
        **means(results),
        "quality_interval": ends[:2].tolist(),
        "cost_interval": ends[2:].tolist(),
        "quality_range": [float(ratios[:, 0].min()), float(ratios[:, 0].max())],
        "cost_range": [float(ratios[:, 1].min()), float(ratios[:, 1].max())],
        "met": mean([q >= 0.99 and c <= 0.5 for q, c in ratios.tolist()]),
        "aimed": mean([q >= 1 and c <= 0.38 for q, c in ratios.tolist()]),
    }


def mean(values: Sequence[float]) -> float:
    """Return the mean; NaN of nothing."""
    return float(np.mean(values)) if len(values) else float("nan")
