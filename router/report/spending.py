"""The month's money: what is spent, day by day, and where it is heading."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from router.report.measures import DAY_S, Measure, Window, counted, unknown
from tercet.forecast import Forecast
from tercet.usage import NANO_USD_PER_USD

TARGET_NANO_USD: Final = 180 * NANO_USD_PER_USD
"""The plan's: `mission/orchestration-plan.md`, Success Metrics."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """What had been spent by a time."""

    at: float
    nano_usd: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """A calendar month: models and rented machines."""

    month: str
    window: Window
    """To now, or the whole month if it is over."""
    ends: float
    spent: Measure
    ending: Measure
    """What it will have cost at its end: a forecast, or what was spent if it is over."""
    method: str
    """How the forecast was made; empty: there is none."""
    cap_nano_usd: int | None
    target_nano_usd: int
    levels: tuple[Level, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthOf:
    """What is known of a month's money."""

    month: str
    window: Window
    ends: float
    spent_nano_usd: int
    """By the ledger's balance."""
    cap_nano_usd: int | None
    forecast: Forecast | None
    """`None`: the month is over, or nothing is known."""


def money(known: MonthOf, days: Iterable[tuple[int, int]], bills: Mapping[float, int]) -> Money:
    """Add up a month.

    Args:
        known: of the month.
        days: what attempts cost by Unix day, of any month.
        bills: what machines cost by the beginning of the day, Unix seconds.
    """
    spent = dict[float, int](bills)
    for day, nano_usd in days:
        spent[day * DAY_S] = spent.get(day * DAY_S, 0) + nano_usd
    levels: list[Level] = []
    level = 0
    for at in sorted(at for at in spent if known.window.has(at)):
        level += spent[at]
        levels.append(Level(at=min(at + DAY_S, known.window.until), nano_usd=level))
    return Money(
        month=known.month,
        window=known.window,
        ends=known.ends,
        spent=counted(known.spent_nano_usd, "nano_usd"),
        ending=_ending(known),
        method="" if known.forecast is None else known.forecast.method,
        cap_nano_usd=known.cap_nano_usd,
        target_nano_usd=TARGET_NANO_USD,
        levels=tuple(levels),
    )


def _ending(known: MonthOf) -> Measure:
    seen = known.forecast
    if seen is None:
        is_over = known.window.until >= known.ends
        return counted(known.spent_nano_usd, "nano_usd") if is_over else unknown("nano_usd")
    return Measure(
        value=seen.middle,
        unit="nano_usd",
        basis="forecast",
        low=seen.low,
        high=seen.high,
        many=None,
    )
