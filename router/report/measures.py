"""A figure of a report: its unit, how sure it is, and what it was taken from."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Final, Literal

import numpy as np

from router.statistics.interval import Interval
from router.statistics.paired import paired_mean
from tercet.usage import NANO_USD_PER_USD

Unit = Literal["nano_usd", "share", "quality", "seconds", "count"]
"""Shares and qualities are 0 to 1, their differences -1 to 1."""

Basis = Literal["counted", "interval", "forecast", "estimate", "unknown"]
"""`counted`: from rows, without chance. `interval`: 95 %, at every look. `forecast`: 80 %.
`estimate`: of others' results, nothing was measured here. `unknown`: there is no value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A value with what has to be known to believe it."""

    value: float | None
    """`None`: not known."""
    unit: Unit
    basis: Basis
    low: float | None = None
    """`None`: there is no such bound, or it is too early for one."""
    high: float | None = None
    many: int | None = None
    """Tasks, pairs or conversations it stands on; `None`: it does not depend on chance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A stretch of time that figures are of."""

    since: float
    """Unix seconds."""
    until: float
    """The first moment that is not of it."""

    @property
    def days(self) -> float:
        """Return how long it is."""
        return max(0.0, self.until - self.since) / DAY_S

    def has(self, at: float) -> bool:
        """Whether a moment is of it."""
        return self.since <= at < self.until


DAY_S: Final = 86_400.0
PLANNED: Final = 200
"""Answers for which the interval of a mean is narrowest."""


def counted(value: float, unit: Unit, many: int | None = None) -> Measure:
    """Return a figure of rows."""
    return Measure(value=value, unit=unit, basis="counted", many=many)


def unknown(unit: Unit, many: int | None = None) -> Measure:
    """Return what is not known yet."""
    return Measure(value=None, unit=unit, basis="unknown", many=many)


def measured(interval: Interval, unit: Unit, least: float = -1e30, most: float = 1e30) -> Measure:
    """Return an interval as a figure, its ends no further than what is possible."""
    if not isfinite(interval.value):
        return unknown(unit, interval.groups)
    is_open = not (isfinite(interval.low) and isfinite(interval.high))
    return Measure(
        value=interval.value,
        unit=unit,
        basis="interval",
        low=None if is_open else max(least, interval.low),
        high=None if is_open else min(most, interval.high),
        many=interval.groups,
    )


def mean_of(values: Sequence[float], unit: Unit) -> Measure:
    """Return the mean of shares or qualities, in order of time, with its interval at every look."""
    if not values:
        return unknown(unit, 0)
    # Around 0 the interval allows for what was not seen yet even where all answers were alike.
    around = paired_mean(np.array(values, dtype=float) - 0.5, PLANNED)
    return measured(around.shifted(0.5), unit, 0.0, 1.0)


def words(measure: Measure) -> str:
    """Say a figure in full: value, unit, interval or how else it is known, and how many."""
    if measure.value is None:
        return f"not known{_from(measure)}"
    said = amount(measure.value, measure.unit)
    if measure.basis == "counted":
        return f"{said} (counted{_from(measure)})"
    if measure.basis == "estimate":
        return f"{said} (estimate)"
    if measure.low is None or measure.high is None:
        return f"{said} (too early for an interval{_from(measure)})"
    ends = f"{amount(measure.low, measure.unit)} to {amount(measure.high, measure.unit)}"
    sure = "80 %" if measure.basis == "forecast" else "95 %"
    return f"{said} ({sure}: {ends}{_from(measure)})"


def _from(measure: Measure) -> str:
    return "" if measure.many is None else f"; n = {measure.many:,}"


def amount(value: float, unit: Unit) -> str:
    """Say a bare value with its unit."""
    match unit:
        case "nano_usd":
            return f"{dollars(value)} USD"
        case "share":
            return f"{100 * value:.1f} %"
        case "quality":
            return f"{value:.3f}"
        case "seconds":
            return f"{value:.1f} s" if value == 0 or abs(value) >= 1 else f"{value:.2f} s"
        case "count":
            return f"{value:,.0f}"


def dollars(nano_usd: float) -> str:
    """Say dollars, small amounts with more places."""
    return decimal(nano_usd / NANO_USD_PER_USD)


def decimal(value: float) -> str:
    """Say a number, small ones with more places."""
    places = 2 if value == 0 or abs(value) >= 1 else 4 if abs(value) >= 0.001 else 7
    return f"{value:,.{places}f}"


def bounds(measure: Measure) -> str:
    """Say an interval alone, for a column of its own."""
    if measure.low is None or measure.high is None:
        return "-" if measure.basis == "counted" else "too early"
    return f"{amount(measure.low, measure.unit)} to {amount(measure.high, measure.unit)}"


def bare(measure: Measure) -> str:
    """Say a value alone, for a column of its own."""
    return "-" if measure.value is None else amount(measure.value, measure.unit)
