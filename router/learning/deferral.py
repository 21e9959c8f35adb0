"""Per kind of task, fitted from logged tasks: ask the cheap, compare the cheap, or ask the strong.

The cheap agree on most tasks and are then right nearly as often as the strong; where they disagree
the strong may be worth its price. Which of it pays differs by kind, so five modes are weighed:

- `single`: one arm alone.
- `prefer`: two arms; where they disagree the first one's answer stands.
- `consensus`: two arms; where they disagree they criticise each other (as the ledger has it).
- `escalate`: two arms; where they disagree a strong one answers, unless the two wrote much.
- `straight`: a strong arm at once.

What is lost against the strong arm is bounded over all tasks together, not kind by kind: a kind
where the cheap are better pays for one where they are worse.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from router.learning.deferral_options import (
    Estimate,
    Floats,
    Ints,
    Mode,
    Option,
    Table,
    estimated,
    mean_by_kind,
    options,
)
from router.learning.deferral_rows import Compared, Terms
from tercet.usage import NANO_USD_PER_USD

_LEAST_WEIGHT, _MOST_WEIGHT, _WEIGHTS = 1e-4, 1e7, 1000  # quality a dollar
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Deferral:
    """What is done with the tasks of one kind, and what is expected of it."""

    kind: str
    mode: Mode
    arms: tuple[str, ...]
    """Who answers; of two the first is preferred."""
    strong: str | None
    """Who decides a disagreement."""
    up_to_tokens: int | None
    """Most output tokens of both arms together that are still escalated; `None`: any."""
    gain: float
    """Expected quality minus the strong arm's."""
    quality: float
    nano_usd: int
    """Expected cost a task."""
    strong_quality: float
    strong_nano_usd: int
    agreement: float | None
    """How often the two agree; `None` where there are no two."""
    tasks: int
    """Logged tasks of this kind in which its quality and the strong arm's are known."""
    reasons: tuple[str, ...]


def fitted(tasks: Sequence[Compared], terms: Terms) -> Mapping[str, Deferral]:
    """Choose by kind, with `ANY_KIND` for the others.

    Raises:
        ValueError: no task tells the strong arm's quality, so there is nothing to compare with.
    """
    table = Table.of(tasks, terms)
    strong = terms.strongs[0]
    if not np.isfinite(table.quality(strong)).any():
        raise ValueError(
            f"no task has a label for {strong!r}; label some of its answers, or name another one"
        )
    there = list(options(table, terms))
    estimates = [estimated(option, table, terms) for option in there]
    low = np.array([e.gain - terms.caution * e.error for e in estimates])
    usd = np.array([e.nano_usd for e in estimates]) / NANO_USD_PER_USD
    usable = np.isfinite(low) & np.isfinite(usd)
    low, usd = np.where(usable, low, -np.inf), np.where(usable, usd, 0.0)
    base = mean_by_kind(table.quality(strong), there[0].strata, table, terms)
    best = _best(_Scores(low=low, usd=usd, shares=table.shares, base=base), terms)
    return {
        kind: _told(
            kind,
            _Found(
                at=at,
                option=there[int(best[at])],
                estimate=estimates[int(best[at])],
                base=float(base[at]),
                strong_nano_usd=float(estimates[0].nano_usd[at]),
            ),
            terms,
        )
        for at, kind in enumerate(table.kinds)
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scores:
    """What is expected of each option (a row) for each kind (a column)."""

    low: Floats
    """The gain, lowered by caution; minus infinity where nothing is known."""
    usd: Floats
    shares: Floats
    """Of each kind, among all tasks."""
    base: Floats
    """The strong arm's quality."""

    def best(self, weight: float) -> Ints:
        """Return the best option by kind, where a dollar must bring so much quality."""
        return (self.low - weight * self.usd).argmax(axis=0)


def _best(scores: _Scores, terms: Terms) -> Ints:
    """Return the option of each kind that the terms lead to."""
    if terms.weight is not None:
        return scores.best(terms.weight)
    # A kind without a task weighs nothing here, and is decided like the others.
    shares = scores.shares
    low = np.where(shares > 0, scores.low, 0.0) * shares
    usd = scores.usd * shares
    if terms.cost_share is None:
        lost = terms.tolerance * float(scores.base @ shares)
        return _fitting(scores, _Bound(worth=-usd, used=-low, most=lost + _ROUNDING))
    budget = terms.cost_share * float(usd[0].sum())
    return _fitting(scores, _Bound(worth=low, used=usd, most=budget))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bound:
    """What is wanted much of, and what little of; options by kinds."""

    worth: Floats
    used: Floats
    most: float
    """Of `used`, all kinds together."""


def _fitting(scores: _Scores, bound: _Bound) -> Ints:
    """Return the options that keep a bound and are worth most.

    One weight for all kinds comes near; then what is left of the bound is used up, kind by kind.
    """
    kinds = np.arange(len(scores.shares))
    weights = np.geomspace(_LEAST_WEIGHT, _MOST_WEIGHT, _WEIGHTS)
    tried = [scores.best(weight) for weight in weights]
    kept = [best for best in tried if bound.used[best, kinds].sum() <= bound.most]
    if not kept:
        return min(tried, key=lambda best: bound.used[best, kinds].sum())
    best = max(kept, key=lambda best: bound.worth[best, kinds].sum()).copy()
    while True:
        room = bound.most - bound.used[best, kinds].sum()
        more = bound.worth - bound.worth[best, kinds]
        more = np.where(bound.used - bound.used[best, kinds] <= room, more, 0.0)
        option, kind = np.unravel_index(more.argmax(), more.shape)
        if more[option, kind] <= _ROUNDING:
            return best
        best[kind] = option


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """The best of a kind's options."""

    at: int
    """The kind's place."""
    option: Option
    estimate: Estimate
    base: float
    """The strong arm's quality."""
    strong_nano_usd: float


def _told(kind: str, found: _Found, terms: Terms) -> Deferral:
    option, estimate, at = found.option, found.estimate, found.at
    bound = np.inf if option.bounds is None else option.bounds[at]
    deferral = Deferral(
        kind=kind,
        mode=option.mode,
        arms=option.arms,
        strong=option.strong,
        up_to_tokens=None if np.isinf(bound) else int(bound),
        gain=float(estimate.gain[at]),
        quality=found.base + float(estimate.gain[at]),
        nano_usd=round(float(estimate.nano_usd[at])),
        strong_quality=found.base,
        strong_nano_usd=round(found.strong_nano_usd),
        agreement=float(estimate.agreement[at]) if len(option.arms) == 2 else None,
        tasks=int(estimate.tasks[at]),
        reasons=(),
    )
    return replace(deferral, reasons=tuple(_reasons(deferral, terms)))


def _reasons(told: Deferral, terms: Terms) -> Iterator[str]:
    """Say in words why; money as a share of the strong arm's."""
    strong = terms.strongs[0]
    yield f"{told.mode} {_SHAPES[told.mode].format(*told.arms, told.strong)}"
    if told.agreement is not None:
        yield f"they agree on {told.agreement:.0%} of such tasks"
    share = told.nano_usd / told.strong_nano_usd if told.strong_nano_usd else 1.0
    yield (
        f"expected quality {told.quality:.3f} against {told.strong_quality:.3f} of {strong}, "
        f"at {share:.0%} of its cost"
    )
    if told.up_to_tokens is not None:
        yield (
            f"not escalated above {told.up_to_tokens} output tokens of the two together: "
            f"there {told.strong} is dear and seldom right either"
        )
    if told.tasks < terms.prior:
        yield f"{told.tasks} labelled tasks of its own, so mostly other kinds' estimate"


_SHAPES: Mapping[Mode, str] = {
    "single": "{0}",
    "prefer": "{0}, with {1} beside it",
    "consensus": "of {0} and {1}, with critique rounds",
    "escalate": "of {0} and {1} to {2}",
    "straight": "to {0}",
}
