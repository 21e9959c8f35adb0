"""Providers' prices, USD as a float an hour or a month, in integer nano-USD an hour."""

from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Decimal

from tercet.usage import NANO_USD_PER_USD

MONTH_H = 720
"""Vast.ai: the example in its `show_instance.yaml`, 10 GB at 0.14933 USD a month, is 0.0020741 USD
an hour. RunPod does not say; a month of 30 days is the dearer reading."""


def nano(usd: Decimal) -> int:
    """Return USD in nano-USD, rounded to the nearest."""
    return int((usd * NANO_USD_PER_USD).to_integral_value(ROUND_HALF_EVEN))


def nano_up(usd: Decimal) -> int:
    """Return USD in nano-USD, rounded up: a bid that is a trace too low buys nothing."""
    return int((usd * NANO_USD_PER_USD).to_integral_value(ROUND_CEILING))


def usd(nano_usd: int) -> float:
    """Return nano-USD as the float that providers take; exact up to a million dollars."""
    return float(Decimal(nano_usd) / NANO_USD_PER_USD)


def disk_hourly(usd_gb_month: Decimal, gb: Decimal | int) -> int:
    """Return what so much disk costs an hour, in nano-USD."""
    return nano(usd_gb_month * gb / MONTH_H)
