"""What is believed before the window's labels: the version in force, or public results.

A new version of a model is a new arm. It begins with what is known of the arm whose place it takes,
at half the labels.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from router.learning.cold import ArmSpec
from router.learning.document import Policy
from router.learning.estimates import Estimates, Table
from router.learning.examples import Examples, Prior
from router.learning.tabling import PRIOR_LABELS, table_of
from router.refit.gathering import Frame
from tercet.catalog import Catalog

LEAST_COSTS: Final = 5
"""Answers whose cost is known, from which an arm's cost is its own and not the belief's."""
_HALF: Final = 0.5


def places_of(specs: Iterable[ArmSpec], catalog: Catalog) -> Mapping[str, str]:
    """Return by arm what it is in the catalog, whatever the versions of its models are."""
    return {spec.id: _place(spec, catalog) for spec in specs}


def believed(frame: Frame, places: Mapping[str, str], sources: Sequence[Policy]) -> Estimates:
    """Return what the sources say of kinds and arms; the first that knows an arm counts.

    Nothing is worth more than `PRIOR_LABELS`: what the version in force has of the window's labels
    is not counted twice, and what it has of older ones fades. An arm that nobody knows has no
    labels and no cost.
    """
    size = (len(frame.kinds), len(frame.arms))
    table = Table(
        quality=np.full(size, 0.5),
        labels=np.zeros(size),
        cost_fixed=np.full(size, np.nan),
        cost_per_token=np.full(size, np.nan),
    )
    for column, arm in enumerate(frame.arms):
        for source in sources:
            found = _ancestor(arm, places.get(arm), source, frame)
            if found is not None:
                _take(table, column, source.estimates, frame.kinds, found)
                break
    return Estimates(kinds=frame.kinds, arms=frame.arms, table=table)


def prior_of(beliefs: Estimates) -> Prior:
    """Return beliefs as what is fitted from; who is not known at all is worth a fraction."""
    return Prior(quality=beliefs.table.quality, labels=np.maximum(beliefs.table.labels, 0.5))


def with_costs(estimates: Estimates, costs: Examples, beliefs: Estimates) -> Estimates:
    """Have arms cost what was paid for them, and those that were hardly tried what is believed."""
    paid, old = table_of(costs), beliefs.table
    tried = (~np.isnan(costs.cost_nano_usd)).sum(axis=0)
    own = (tried >= LEAST_COSTS) | (np.isnan(old.cost_fixed).any(axis=0) & (tried > 0))
    return replace(
        estimates,
        table=replace(
            estimates.table,
            cost_fixed=np.where(own, paid.cost_fixed, old.cost_fixed),
            cost_per_token=np.where(own, paid.cost_per_token, old.cost_per_token),
        ),
    )


def _place(spec: ArmSpec, catalog: Catalog) -> str:
    if spec.models != (spec.id,):
        return f"{spec.id.partition('(')[0]}/{len(spec.models)}"
    tier = catalog.tiers[spec.tier]
    at = next((n for n, seat in enumerate(tier.seats) if seat.model == spec.id), 0)
    return f"{spec.tier}.{at}"


def _ancestor(
    arm: str, place: str | None, source: Policy, frame: Frame
) -> tuple[int, float] | None:
    """Return where a source has an arm, or the one whose place it takes, and what that is worth."""
    known = source.estimates.arms
    if arm in known:
        return known.index(arm), 1.0
    for old in known:
        if place is not None and source.places.get(old) == place and old not in frame.arms:
            return known.index(old), _HALF
    return None


def _take(
    table: Table, column: int, old: Estimates, kinds: Sequence[str], found: tuple[int, float]
) -> None:
    """Copy a column; of a kind that was not there, the mean over kinds with no labels."""
    at, worth = found
    for row, kind in enumerate(kinds):
        mine = old.kinds.index(kind) if kind in old.kinds else None
        rows = slice(None) if mine is None else slice(mine, mine + 1)
        labels = 0.0 if mine is None else float(old.table.labels[mine, at])
        table.quality[row, column] = old.table.quality[rows, at].mean()
        table.labels[row, column] = worth * min(labels, PRIOR_LABELS)
        table.cost_fixed[row, column] = old.table.cost_fixed[rows, at].mean()
        table.cost_per_token[row, column] = old.table.cost_per_token[rows, at].mean()
