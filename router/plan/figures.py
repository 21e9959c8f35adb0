"""Amounts of money as people read them."""

UNKNOWN = "?"
_NANO = 1e9


def usd(nano_usd: int | None, decimals: int = 2) -> str:
    """Return dollars, rounded."""
    return UNKNOWN if nano_usd is None else f"{nano_usd / _NANO:,.{decimals}f}"


def each(nano_usd: int | None) -> str:
    """Return the dollars of one request, or of one hour."""
    return usd(nano_usd, 5)


def rate(per_hour: float) -> str:
    """Return requests an hour, those below ten to a tenth."""
    return f"{per_hour:,.0f}" if per_hour >= 9.95 or not per_hour else f"{per_hour:.1f}"
