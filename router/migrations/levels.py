"""How dear the API was when tasks came, so that what it cost then teaches what it costs now.

A kind's level is what its usual answer costs by a day's prices over what it costs by today's. The
usual answer is the same for all days: each model that answered the kind at the API, as often as it
did, with as many tokens to read as the kind's tasks have. So a level tells of prices alone, and not
of a mix that changed or of tasks that grew. It is the kind's and not the row's, because a treated
task has no seat at the API. How much is written matters only where the prices of reading and of
writing change unlike, which none of ours has done: it is what `tercet plan` takes for granted.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from statistics import fmean
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from router.plan.pricing import Prices
from router.plan.workload import Numbers
from router.refit.tasks import Came
from tercet.config import Config
from tercet.task import TaskKind
from tercet.usage import Usage

PriceAt = Callable[[str, Usage, float], int | None]
"""Nano-USD of one call of a model at a time (Unix seconds); `None`: no price is known."""

_DAY_S: Final = 86_400.0
_WRITTEN: Final = Numbers().output_tokens


def prices_of(config: Config) -> PriceAt:
    """Return the price book, for any time."""

    @cache
    def of_day(day: int) -> Prices:
        return Prices(config, datetime.fromtimestamp(day * _DAY_S, UTC))

    return lambda model, usage, at: of_day(int(at // _DAY_S)).call(model, usage)


def price_levels(rows: Sequence[Came], price: PriceAt, now: float) -> NDArray[np.float64] | None:
    """Return the level at each of n tasks that were assigned, above 0 and 1 today.

    `None`: all were alike, or none has a price.
    """
    by_kind: dict[TaskKind, list[Came]] = {}
    for row in rows:
        by_kind.setdefault(_kind(row), []).append(row)
    usual = {kind: _Usual.of(mine) for kind, mine in by_kind.items()}
    # Prices change at midnight UTC, and at no other time.
    places = [(_kind(row), row.at // _DAY_S * _DAY_S) for row in rows]
    known = {place: usual[place[0]].level(place[1], now, price) for place in dict.fromkeys(places)}
    found = np.array([known[place] for place in places], np.float64)
    return None if (found == 1.0).all() else found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Usual:
    """The usual answer of a kind at the API."""

    calls: Mapping[str, int]
    """By model."""
    usage: Usage
    """Of each call."""

    @classmethod
    def of(cls, rows: Sequence[Came]) -> Self:
        asked = [row for row in rows if row.assignment and row.assignment.side != "treated"]
        size = fmean(row.size_tokens for row in asked) if asked else 0.0
        return cls(
            calls=Counter(model for row in asked for model in row.models),
            usage=Usage(fresh_input=round(size), output=_WRITTEN),
        )

    def level(self, day: float, now: float, price: PriceAt) -> float:
        """Return that of a day; a model without a price at either time says nothing."""
        then = today = 0
        for model, calls in self.calls.items():
            old, new = (price(model, self.usage, at) for at in (day, now))
            if old and new:
                then += calls * old
                today += calls * new
        return then / today if today else 1.0


def _kind(row: Came) -> TaskKind:
    return row.kind if row.assignment is None else row.assignment.kind
