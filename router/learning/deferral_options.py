"""What could have been done with logged tasks, and what each of it would have brought.

An option's gain is estimated as a difference to the strong arm on the same tasks (labels are
paired), by kind and by whether two cheap arms agree: the strong arm's answer is often known after a
disagreement alone, and a plain mean would take those tasks for all. Few labels lean on the other
kinds' mean.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from router.learning.deferral_rows import Compared, Said, Terms

Mode = Literal["single", "prefer", "consensus", "escalate", "straight"]

ANY_KIND = "*"
"""Stands for the kinds without a logged task."""
SHARES_ESCALATED = (0.2, 0.4, 0.6, 0.8)
"""Of a kind's disagreements the shortest, as bounds to try on what is escalated; and all."""
_FEWEST = 10  # disagreements from which a kind has length bounds of its own

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Tasks as columns: one row a task; NaN is unknown."""

    kinds: tuple[str, ...]
    at: Ints
    """The place of a task's kind."""
    shares: Floats
    """Of each kind, among all tasks."""
    columns: Mapping[str, tuple[Floats, Floats, Floats]]
    """By arm: quality, nano-USD, output tokens."""
    agree: Mapping[tuple[str, str], Floats]
    consensus: Mapping[tuple[str, str], tuple[Floats, Floats]]

    def quality(self, arm: str) -> Floats:
        """Return what an arm's answers are worth, from 0 to 1."""
        return self.columns[arm][0]

    def cost(self, arm: str) -> Floats:
        """Return what they cost, in nano-USD."""
        return self.columns[arm][1]

    def tokens(self, arm: str) -> Floats:
        """Return how many output tokens they have."""
        return self.columns[arm][2]

    @staticmethod
    def of(tasks: Sequence[Compared], terms: Terms) -> "Table":
        """Read tasks into columns."""
        kinds = (*sorted({task.kind for task in tasks}), ANY_KIND)
        place = {kind: at for at, kind in enumerate(kinds)}
        at = np.array([place[task.kind] for task in tasks], dtype=np.int64)
        arms = {*terms.strongs, *terms.singles, *(arm for pair in terms.pairs for arm in pair)}
        return Table(
            kinds=kinds,
            at=at,
            shares=np.bincount(at, minlength=len(kinds)) / max(len(tasks), 1),
            columns={arm: _columns([task.said.get(arm) for task in tasks]) for arm in sorted(arms)},
            agree={
                pair: _floats([task.agree.get(_key(pair)) for task in tasks])
                for pair in terms.pairs
            },
            consensus={
                pair: _columns([task.consensus.get(_key(pair)) for task in tasks])[:2]
                for pair in terms.pairs
            },
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One thing to do, with what it would have brought on every task."""

    mode: Mode
    arms: tuple[str, ...]
    strong: str | None = None
    bounds: Floats | None = None
    """By kind, the most output tokens that are escalated."""
    quality: Floats
    nano_usd: Floats
    strata: Floats
    """Whether the two agree: 1 or 0, NaN if nobody compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Of one option, by kind."""

    gain: Floats
    error: Floats
    nano_usd: Floats
    agreement: Floats
    tasks: Ints


def options(table: Table, terms: Terms) -> Iterator[Option]:
    """List what can be done; the strong arm at once is the first."""
    for arm in dict.fromkeys((*terms.strongs, *terms.singles)):
        mode: Mode = "straight" if arm in terms.strongs else "single"
        pair = next((p for p in terms.pairs if arm in p), next(iter(terms.pairs), None))
        yield Option(
            mode=mode,
            arms=(arm,),
            quality=table.quality(arm),
            nano_usd=table.cost(arm),
            strata=np.full(len(table.at), np.nan) if pair is None else table.agree[pair],
        )
    for pair in terms.pairs:
        yield from _pair_options(pair, table, terms)


def _pair_options(pair: tuple[str, str], table: Table, terms: Terms) -> Iterator[Option]:
    agree, cost = table.agree[pair], table.cost(pair[0]) + table.cost(pair[1])
    quality, rounds = table.consensus[pair]
    yield Option(mode="consensus", arms=pair, quality=quality, nano_usd=rounds, strata=agree)
    for first, second in (pair, pair[::-1]):
        own = table.quality(first)
        yield Option(mode="prefer", arms=(first, second), quality=own, nano_usd=cost, strata=agree)
        for strong in terms.strongs:
            for bounds in _bounds(pair, table):
                yield _escalating((first, second), strong, bounds, table, agree)


def _escalating(
    arms: tuple[str, str], strong: str, bounds: Floats, table: Table, agree: Floats
) -> Option:
    """Say what escalation would have brought: a lost arm agrees with nobody, however short."""
    costs = [table.cost(arm) for arm in arms]
    wrote = table.tokens(arms[0]) + table.tokens(arms[1])
    is_asked = (agree == 0) & ~(wrote > bounds[table.at])
    is_known = np.isfinite(agree)
    paid = np.nansum(costs, axis=0)
    quality = np.where(is_asked, table.quality(strong), table.quality(arms[0]))
    cost = np.where(is_asked, paid + table.cost(strong), costs[0] + costs[1])
    return Option(
        mode="escalate",
        arms=arms,
        strong=strong,
        bounds=bounds,
        quality=np.where(is_known, quality, np.nan),
        nano_usd=np.where(is_known, cost, np.nan),
        strata=agree,
    )


def _bounds(pair: tuple[str, str], table: Table) -> list[Floats]:
    """Return bounds on what two arms wrote, by kind; a kind with little of its own has all's."""
    wrote = table.tokens(pair[0]) + table.tokens(pair[1])
    is_long = (table.agree[pair] == 0) & np.isfinite(wrote)
    found = [np.full(len(table.kinds), np.inf)]
    if not is_long.any():
        return found
    for share in SHARES_ESCALATED:
        bound = np.full(len(table.kinds), np.floor(np.quantile(wrote[is_long], share)))
        for at in range(len(table.kinds)):
            own = wrote[is_long & (table.at == at)]
            if len(own) >= _FEWEST:
                bound[at] = np.floor(np.quantile(own, share))
        found.append(bound)
    return found


def estimated(option: Option, table: Table, terms: Terms) -> Estimate:
    """Estimate an option by kind, in the strata of agreement and shrunk to all kinds' mean."""
    reference = table.quality(terms.strongs[0])
    gains = option.quality - reference
    if option.arms == (terms.strongs[0],):
        gains = np.where(np.isfinite(reference), 0.0, np.nan)
    strata = _strata(option.strata, table)
    gain, error, tasks = _shrunk(gains, strata, terms.prior)
    cost, _, _ = _shrunk(option.nano_usd, strata, terms.prior)
    return Estimate(
        gain=gain, error=error, nano_usd=cost, agreement=strata.shares[:, 1], tasks=tasks
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Strata:
    """Cells of kind and agreement (0: disagree, 1: agree); one cell a kind if nobody compared."""

    compared: Bools
    """Which tasks say something about a cell."""
    cell: Ints
    """The cell of each task: twice its kind's place, plus 1 where the two agree."""
    shares: Floats
    """By kind and agreement; each kind's sum is 1, and a kind without tasks has all kinds'."""


def _strata(agree: Floats, table: Table) -> _Strata:
    compared = np.isfinite(agree)
    if not compared.any():
        compared = np.ones(len(agree), dtype=np.bool_)
    cell = 2 * table.at + (agree == 1)
    counts = np.bincount(cell[compared], minlength=2 * len(table.kinds)).reshape(-1, 2)
    total = counts.sum(axis=0)
    pooled = total / max(int(total.sum()), 1)
    # A task or two of its own does not say how often a kind's arms agree.
    shares = (counts + pooled) / (counts.sum(axis=1, keepdims=True) + 1)
    return _Strata(compared=compared, cell=cell, shares=shares)


def _shrunk(values: Floats, strata: _Strata, prior: float) -> tuple[Floats, Floats, Ints]:
    """Return means by kind, their standard errors, and how many values they are of."""
    known = np.isfinite(values) & strata.compared
    cells, kept = strata.cell[known], values[known]
    size = strata.shares.size
    count = np.bincount(cells, minlength=size).reshape(-1, 2)
    total = np.bincount(cells, kept, minlength=size).reshape(-1, 2)
    squares = np.bincount(cells, kept * kept, minlength=size).reshape(-1, 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        pooled = total.sum(axis=0) / count.sum(axis=0)
        spread = squares.sum(axis=0) / count.sum(axis=0) - pooled**2
        strength = prior * strata.shares
        cell_mean = (total + np.where(strength > 0, pooled, 0.0) * strength) / (count + strength)
        own = np.where(count > 1, squares / count - (total / count) ** 2, spread)
        variance = np.maximum((own * count + spread * strength) / (count + strength), 0.0)
        error = variance / (count + strength)
    # What no task of a cell tells cannot matter where the cell has (nearly) no tasks.
    used = strata.shares > 1e-9
    mean = np.where(used, cell_mean * strata.shares, 0.0).sum(axis=1)
    deviation = np.sqrt(np.where(used, error * strata.shares**2, 0.0).sum(axis=1))
    return mean, deviation, count.sum(axis=1)


def mean_by_kind(values: Floats, agree: Floats, table: Table, terms: Terms) -> Floats:
    """Return shrunk means by kind, in the strata of agreement."""
    return _shrunk(values, _strata(agree, table), terms.prior)[0]


def _columns(said: Sequence[Said | None]) -> tuple[Floats, Floats, Floats]:
    return (
        _floats([None if one is None else one.quality for one in said]),
        _floats([None if one is None else one.nano_usd for one in said]),
        _floats([None if one is None else one.output_tokens for one in said]),
    )


def _floats(values: Sequence[float | None]) -> Floats:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _key(pair: tuple[str, str]) -> tuple[str, str]:
    first, second = sorted(pair)
    return first, second
