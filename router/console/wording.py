"""How figures and times are written: the filters of every template."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal

from router.console.evidence_views import IntervalView, MoneyInterval
from tercet.usage import NANO_USD_PER_USD

UNKNOWN = "unknown"
_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86_400.0


def money(nano_usd: int | None) -> str:
    """Return dollars with as many digits as the amount needs; what is unknown is never zero."""
    if nano_usd is None:
        return UNKNOWN
    dollars = Decimal(abs(nano_usd)) / NANO_USD_PER_USD
    places = 2 if dollars >= 1 or not dollars else 4 if dollars >= Decimal("0.01") else 6
    if dollars and round(dollars, places) == 0:
        places = 9
    return f"{'-' if nano_usd < 0 else ''}${dollars:,.{places}f}"


def usd_interval(found: MoneyInterval | None) -> str:
    """Return money with its interval."""
    if found is None or found.low_nano_usd is None or found.high_nano_usd is None:
        return "too early"
    low, high = money(found.low_nano_usd), money(found.high_nano_usd)
    return f"{money(found.value_nano_usd)} [{low}, {high}]"


def interval(found: IntervalView | None) -> str:
    """Return a difference with its interval."""
    if found is None or found.low is None or found.high is None:
        return "too early"
    return f"{found.value:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"


def percent(share: float | None) -> str:
    """Return a share of 1 in per cent."""
    return UNKNOWN if share is None else f"{share:.1%}".replace("%", " %")


def count(number: float | None) -> str:
    """Return a whole number."""
    return UNKNOWN if number is None else f"{number:,.0f}"


def seconds(found: float | None) -> str:
    """Return a length of time."""
    if found is None:
        return UNKNOWN
    if found < 2 * _MINUTE:
        return f"{found:.2f} s" if found < 10 else f"{found:.0f} s"
    if found < 2 * _HOUR:
        return f"{found / _MINUTE:.1f} min"
    return f"{found / _HOUR:.1f} h" if found < 2 * _DAY else f"{found / _DAY:.1f} days"


def utc(at: float | None) -> str:
    """Return a time of day and date."""
    return UNKNOWN if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


def iso(at: float | None) -> str:
    """Return a time as machines read it."""
    return "" if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def ago(at: float | None, now: float) -> str:
    """Return how long ago a time was, or in how long it comes."""
    if at is None:
        return UNKNOWN
    off = abs(now - at)
    if off < 1:
        return "now"
    if off < 2 * _MINUTE:
        told = f"{off:.0f} s"
    elif off < 2 * _HOUR:
        told = f"{off / _MINUTE:.0f} min"
    elif off < 2 * _DAY:
        told = f"{off / _HOUR:.0f} h"
    else:
        told = f"{off / _DAY:.0f} days"
    return f"{told} ago" if at < now else f"in {told}"


def filters(clock: Callable[[], float]) -> Mapping[str, Callable[..., object]]:
    """Return the filters by name."""

    def ago_now(at: float | None) -> str:
        return ago(at, clock())

    return {
        "money": money,
        "usd_interval": usd_interval,
        "interval": interval,
        "percent": percent,
        "count": count,
        "seconds": seconds,
        "utc": utc,
        "iso": iso,
        "ago": ago_now,
    }
