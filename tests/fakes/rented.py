"""Leases for tests: a machine that costs a nano-dollar a second, so that times are amounts."""

from typing import Any

from fakes.rows import AT

from tercet.leases import LeaseEnded, LeaseOpened, LeaseSeen
from tercet.renting import Offer

RUNNING = 3_600
"""Nano-USD an hour: one a second."""
STOPPED = 360


def offer(**changes: Any) -> Offer:
    fields: dict[str, Any] = {
        "provider": "vast",
        "offer_id": "17",
        "gpu": "RTX 3090",
        "hourly_nano_usd": RUNNING,
        "stopped_hourly_nano_usd": STOPPED,
        "interruptible": False,
        "trusted": True,
        "region": "SE",
    }
    return Offer(**(fields | changes))


def opened_lease(lease_id: str = "a", reserve_s: float = 900.0, at: float = AT, **changes: Any):
    return LeaseOpened(lease_id=lease_id, offer=offer(**changes), reserve_s=reserve_s, at=at)


def seen(state: Any, at: float, lease_id: str = "a", **changes: Any) -> LeaseSeen:
    """Return a state at its usual price, as Vast.ai bills it."""
    price = {"requested": 0, "running": RUNNING}.get(state, STOPPED)
    fields = {"instance_id": "i-1", "hourly_nano_usd": price} | changes
    return LeaseSeen(lease_id=lease_id, state=state, at=at, **fields)


def ended(at: float, lease_id: str = "a", end: Any = "destroyed") -> LeaseEnded:
    return LeaseEnded(lease_id=lease_id, end=end, reason="a test", at=at)
