"""A figure with an interval that may be looked at as often as one likes.

An interval of this package holds at all looks together with 95 %: it is one of a confidence
sequence. All of them have the same shape, the normal mixture of Robbins (1970) with a variance that
is estimated (Waudby-Smith et al., arXiv 2103.06476): a sum's error stays within its standard
deviation times `boundary`.
"""

from dataclasses import dataclass, replace
from math import inf, isfinite, log, nan
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

ALPHA: Final = 0.05
"""How often the truth may be outside, at whatever look."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A figure, and between what bounds the truth is: 95 %, at all looks together."""

    value: float
    """NaN: there is nothing to tell it from."""
    low: float
    """-inf: it is too early."""
    high: float
    groups: int
    """Conversations it stands on."""

    @property
    def is_bounded(self) -> bool:
        """Whether it says anything yet."""
        return isfinite(self.low) and isfinite(self.high)

    def shifted(self, by: float) -> Self:
        """Return it with a number added that is known exactly, such as a bill."""
        return replace(self, value=self.value + by, low=self.low + by, high=self.high + by)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Paths:
    """An interval as it was after each of n rows."""

    values: Floats
    """n."""
    lows: Floats
    """n."""
    highs: Floats
    """n."""
    groups: NDArray[np.intp]
    """n."""

    def __len__(self) -> int:
        return len(self.values)

    def last(self) -> Interval:
        """Return the interval after the last row; wide open without one."""
        if not len(self):
            return Interval(value=nan, low=-inf, high=inf, groups=0)
        return Interval(
            value=float(self.values[-1]),
            low=float(self.lows[-1]),
            high=float(self.highs[-1]),
            groups=int(self.groups[-1]),
        )

    def spread_over(self, rows: NDArray[np.intp], count: int) -> Self:
        """Return it after each of `count` rows, of which `rows` were these; 0 before the first."""
        last = np.searchsorted(rows, np.arange(count), side="right")
        return type(self)(
            values=np.append(0.0, self.values)[last],
            lows=np.append(0.0, self.lows)[last],
            highs=np.append(0.0, self.highs)[last],
            groups=np.append(0, self.groups)[last],
        )


def boundary(times: Floats, alpha: float = ALPHA) -> Floats:
    """Return how many standard deviations a sum may be off, at all times together.

    Args:
        times: Above 0; variance so far over that for which the boundary is to be narrowest.
        alpha: How often it may be left at all, on either side.

    The mixture's variance is chosen as Waudby-Smith et al. do, appendix B.2: near the best for time
    1. There the boundary is 3.0 for 95 %; at a tenth of it and at thirty times, below 4.
    """
    mixed = 1.0 / (2.0 * log(1.0 / alpha) + log(1.0 + 2.0 * log(1.0 / alpha)))
    return np.sqrt((1.0 + mixed / times) * np.log((1.0 + times / mixed) / alpha**2))


def checked(values: Floats, name: str, least: float = -inf, most: float = inf) -> Floats:
    """Return finite numbers between two bounds as an array of one axis, or raise ValueError."""
    column = np.asarray(values, dtype=np.float64)
    if column.ndim != 1:
        raise ValueError(f"{name} has {column.ndim} axes: give one number a row")
    wrong = ~np.isfinite(column) | (column < least) | (column > most)
    if wrong.any():
        at = int(wrong.argmax())
        raise ValueError(
            f"{name}[{at}] is {column[at]}, not a number from {least} to {most}: "
            "leave rows out that are not known"
        )
    return column


def checked_plan(planned: int) -> int:
    """Return for how many groups an interval is to be narrowest, or raise ValueError."""
    if planned < 1:
        raise ValueError(f"planned is {planned}: say for how many conversations, at least 1")
    return planned
